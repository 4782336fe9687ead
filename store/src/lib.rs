//! The tables that pipeline and host share, over DynamoDB.

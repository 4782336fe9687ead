//! Checking what one talks to: the evidence in a row or a document, against an expectation of one's own.

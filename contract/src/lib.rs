//! Everything that crosses a process boundary, once: what client, pipeline, host and enclave say to one another.
//!
//! - the row and the request that a client writes into it: [`row`], [`request`], [`status`], [`id`]
//! - what the enclave takes and says: [`launch`], [`statement`], [`image`], and the words of the agent: [`agent`]
//! - what the host says to the pipeline: [`report`]
//! - what the tables' streams say of both: [`stream`]
//! - the vsock ports between them: [`ports`]
#![forbid(unsafe_code)]

pub mod agent;
mod canonical;
pub mod fault;
pub mod id;
pub mod image;
pub mod item;
pub mod launch;
pub mod ports;
pub mod report;
pub mod request;
pub mod row;
pub mod statement;
pub mod status;
pub mod stream;

pub use canonical::CanonicalError;
pub use fault::Fault;
pub use id::RecordId;
pub use status::Status;

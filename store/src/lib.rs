//! What pipeline and host keep outside themselves: the [rows](Rows), the [reports](Reports) and the
//! pipeline's own [turns](Turns), in DynamoDB (AWS's
//! own, or whatever speaks it at [`Connection::endpoint`]), and [objects](objects) in S3 or in files.
#![forbid(unsafe_code)]

mod change;
mod connection;
mod error;
pub mod existing;
mod item;
pub mod objects;
mod reports;
mod rows;
pub mod schema;
mod turns;

pub use change::{Change, Guard, Outcome};
pub use connection::{Connection, Tables};
pub use error::Error;
pub use reports::Reports;
pub use rows::{Rows, Statuses};
pub use turns::{Leased, MeasuredImage, Noted, Turn, Turns};

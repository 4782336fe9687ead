//! `treza cloud` as a person runs it, against an emulated account: from nothing to a pipeline that stands, and back to
//! nothing; what it refuses; and what it does where it was cut off. `make estate-cloud` runs it.
// All of it is tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod checkout;
mod refusals;
mod registry;
mod trip;
mod unfinished;

//! The conformance suite, whose cases the mutants are.

#[path = "../../examples/conformance/suite/mod.rs"]
pub(crate) mod suite;

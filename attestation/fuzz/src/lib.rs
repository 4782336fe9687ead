//! What the fuzz targets stand on: the tests' authority and mutants, and the targets themselves.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

#[path = "../../tests/verification/authority.rs"]
mod authority;
mod conformance;
#[path = "../../tests/verification/der.rs"]
mod der;
#[path = "../../tests/verification/dice.rs"]
mod dice;
#[path = "../../tests/verification/mutants.rs"]
mod mutants;
#[path = "../../tests/verification/support.rs"]
mod support;
#[path = "../targets.rs"]
pub mod targets;

//! Verification from outside: genuine documents of AWS, and documents that a test authority signs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod audit;
mod authority;
mod bindings;
mod cache;
mod chain;
mod codes;
#[cfg(feature = "serde")]
mod conformance;
#[cfg(feature = "serde")]
mod der;
#[cfg(feature = "serde")]
mod dice;
#[cfg(feature = "serde")]
mod differential;
mod encoding;
#[cfg(feature = "serde")]
mod example;
mod genuine;
#[cfg(feature = "serde")]
mod mutants;
mod mutation;
mod policy;
#[cfg(feature = "serde")]
mod policy_file;
#[cfg(all(feature = "aws-lc-rs", feature = "rustcrypto"))]
mod providers;
mod releases;
#[cfg(all(feature = "serde", feature = "rustcrypto"))]
mod seeds;
mod support;

//! Checking what one talks to: the evidence in a row or a document, against an expectation of one's own.
//!
//! Daemon, pipeline and clients check evidence here and nowhere else.
//!
//! - what is expected: [`Expectation`], from a [`policy`] file, an [`image`] measured here, or the pipeline's own row
//! - evidence against it: [`evidence`] (a statement bound to a document), [`row`] (the evidence in a row),
//!   [`document`] (a document alone); what breaks a rule is a [`Refusal`]
//! - a command around it: its [`options`], the [`input`], the [`proof`], what it [`claims`] and does not, the [`report`]
//!   for people and programs, and a look at evidence without trusting it: [`inspect`]
#![forbid(unsafe_code)]

pub mod claims;
pub mod document;
pub mod evidence;
mod expectation;
mod hexadecimal;
pub mod image;
pub mod input;
pub mod inspect;
pub mod options;
pub mod policy;
pub mod proof;
mod refusal;
pub mod report;
pub mod row;

pub use expectation::{Expectation, IMAGE_PCRS};
pub use refusal::{Code, Refusal};

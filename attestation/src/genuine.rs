//! Genuineness: the chain and the signature, and nothing else.

use crate::document::Document;
use crate::root::Trust;
use std::fmt::Debug;
use std::marker::PhantomData;

/// Whose clock a document was judged by: [`Live`] or [`Archived`].
pub trait Clock: sealed::Sealed + Debug + Clone + PartialEq + Eq {}

/// Judged at the verifier's time: the document speaks of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Live {}

/// Judged at the document's own time, as [`audit`](crate::audit) does: it was good *then*. Who holds a certificate's
/// key after the certificate has expired could have made it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archived {}

impl Clock for Live {}
impl Clock for Archived {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Live {}
    impl Sealed for super::Archived {}
}

/// A document that a secure module under one of the verifier's roots signed. It says nothing yet about *which*
/// enclave that was, nor when: anybody can get such a document. [`Genuine::check`] asks that.
///
/// `Genuine<Archived>` is another type, so that old evidence is never taken for new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genuine<C: Clock = Live> {
    document: Document,
    trust: Trust,
    clock: PhantomData<C>,
}

impl<C: Clock> Genuine<C> {
    /// To be called for documents that were verified, by the clock that `C` says.
    pub(crate) fn new(document: Document, trust: Trust) -> Self {
        Self {
            document,
            trust,
            clock: PhantomData,
        }
    }

    /// What the secure module signed.
    #[must_use]
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// What the document stands on.
    #[must_use]
    pub fn trust(&self) -> Trust {
        self.trust
    }

    /// Whether the enclave runs in debug mode; see [`Document::is_debug`].
    #[must_use]
    pub fn is_debug(&self) -> bool {
        self.document.is_debug()
    }
}

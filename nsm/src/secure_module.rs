use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use aws_nitro_enclaves_nsm_api::api::{Digest, Request, Response};

use crate::Error;
use crate::wire::{REQUEST, RESPONSE};

/// The length of a register in bytes: every known NSM has SHA-384 registers.
pub const PCR_LENGTH: usize = 48;

/// The value of a platform configuration register (PCR).
pub type PcrValue = [u8; PCR_LENGTH];

/// A register as DescribePCR shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pcr {
    /// Its value.
    pub value: PcrValue,
    /// True where it can no longer be extended.
    pub locked: bool,
}

/// A module as DescribeNSM shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Major, minor and patch version of the module's API.
    pub version: (u16, u16, u16),
    /// `i-<instance>-enc<enclave>`.
    pub module_id: String,
    /// The number of registers.
    pub max_pcrs: u16,
    /// The registers that are locked.
    pub locked_pcrs: BTreeSet<u16>,
    /// The registers' hash.
    pub digest: Digest,
}

/// What a caller may have signed into an attestation document; each at most 1,024 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttestationFields {
    /// Data of the enclave's.
    pub user_data: Option<Vec<u8>>,
    /// The challenge of whoever asks for the document.
    pub nonce: Option<Vec<u8>>,
    /// A public key of the enclave's, DER.
    pub public_key: Option<Vec<u8>>,
}

/// A Nitro Secure Module.
///
/// The one thing it does is to answer a request; the other functions are requests written out. They trust the
/// answers no further than their form: whoever stands behind the module answers for the contents.
pub trait Nsm: Send {
    /// Answers one request: the CBOR of [`Request`], at most [`REQUEST_LIMIT`](crate::REQUEST_LIMIT) bytes,
    /// gets the CBOR of [`Response`], at most [`RESPONSE_LIMIT`](crate::RESPONSE_LIMIT) bytes. A request that
    /// the module refuses is an answer too ([`Response::Error`]); an `Err` means that there is none.
    fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, Error>;

    /// Reads the register `index`, 0 to 31.
    fn describe_pcr(&mut self, index: u16) -> Result<Pcr, Error> {
        ask(
            self,
            "DescribePCR",
            &Request::DescribePCR { index },
            |response| match response {
                Response::DescribePCR { lock, data } => Some(Pcr {
                    value: data.try_into().ok()?,
                    locked: lock,
                }),
                _ => None,
            },
        )
    }

    /// Sets the register `index` to SHA-384(its value ‖ `data`) and returns that. A locked one refuses
    /// (`ReadOnlyIndex`).
    fn extend_pcr(&mut self, index: u16, data: &[u8]) -> Result<PcrValue, Error> {
        let request = Request::ExtendPCR {
            index,
            data: data.to_vec(),
        };
        ask(self, "ExtendPCR", &request, |response| match response {
            Response::ExtendPCR { data } => data.try_into().ok(),
            _ => None,
        })
    }

    /// Locks the register `index` for the life of the enclave. One that is locked already refuses
    /// (`ReadOnlyIndex`).
    fn lock_pcr(&mut self, index: u16) -> Result<(), Error> {
        ask(self, "LockPCR", &Request::LockPCR { index }, |response| {
            matches!(response, Response::LockPCR).then_some(())
        })
    }

    /// Locks the registers 0 to `range` − 1 (so 17 locks 0 to 16), those that are locked already included.
    fn lock_pcrs(&mut self, range: u16) -> Result<(), Error> {
        ask(self, "LockPCRs", &Request::LockPCRs { range }, |response| {
            matches!(response, Response::LockPCRs).then_some(())
        })
    }

    /// Describes the module.
    fn describe_nsm(&mut self) -> Result<Description, Error> {
        ask(
            self,
            "DescribeNSM",
            &Request::DescribeNSM,
            |response| match response {
                Response::DescribeNSM {
                    version_major,
                    version_minor,
                    version_patch,
                    module_id,
                    max_pcrs,
                    locked_pcrs,
                    digest,
                } => Some(Description {
                    version: (version_major, version_minor, version_patch),
                    module_id,
                    max_pcrs,
                    locked_pcrs,
                    digest,
                }),
                _ => None,
            },
        )
    }

    /// Random bytes, as many as the module gives at once: 1 to 256.
    fn get_random(&mut self) -> Result<Vec<u8>, Error> {
        ask(
            self,
            "GetRandom",
            &Request::GetRandom,
            |response| match response {
                Response::GetRandom { random } if !random.is_empty() => Some(random),
                _ => None,
            },
        )
    }

    /// A signed attestation document (COSE_Sign1) with these fields and all locked registers.
    fn attestation(&mut self, fields: AttestationFields) -> Result<Vec<u8>, Error> {
        let request = Request::Attestation {
            user_data: fields.user_data.map(Into::into),
            nonce: fields.nonce.map(Into::into),
            public_key: fields.public_key.map(Into::into),
        };
        ask(self, "Attestation", &request, |response| match response {
            Response::Attestation { document } => Some(document),
            _ => None,
        })
    }
}

/// A module shared between threads: held for one request at a time.
impl<N: Nsm + ?Sized> Nsm for Arc<Mutex<N>> {
    fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, Error> {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .process(request)
    }
}

/// Sends `request`, called `name`, and takes from the response what `answer` finds in it.
fn ask<N: Nsm + ?Sized, T>(
    nsm: &mut N,
    name: &'static str,
    request: &Request,
    answer: impl FnOnce(Response) -> Option<T>,
) -> Result<T, Error> {
    let response = nsm.process(&REQUEST.encode(request)?)?;
    match RESPONSE.decode(&response)? {
        Response::Error(code) => Err(Error::Refused { request: name, code }),
        response => answer(response).ok_or(Error::Unexpected { request: name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_nitro_enclaves_nsm_api::api::ErrorCode;

    /// A module that gives the same answer to everything.
    struct Parrot(Vec<u8>);

    impl Nsm for Parrot {
        fn process(&mut self, _request: &[u8]) -> Result<Vec<u8>, Error> {
            Ok(self.0.clone())
        }
    }

    fn parrot(response: Response) -> Parrot {
        Parrot(RESPONSE.encode(&response).unwrap())
    }

    #[test]
    fn an_answer_to_another_question_is_no_answer() {
        let mut nsm = parrot(Response::LockPCR);
        nsm.lock_pcr(20).unwrap();
        assert!(matches!(
            nsm.lock_pcrs(20),
            Err(Error::Unexpected { request: "LockPCRs" })
        ));
        assert!(matches!(nsm.describe_nsm(), Err(Error::Unexpected { .. })));
        assert!(matches!(nsm.get_random(), Err(Error::Unexpected { .. })));
        assert!(matches!(
            nsm.attestation(AttestationFields::default()),
            Err(Error::Unexpected { .. })
        ));
    }

    #[test]
    fn the_answer_has_the_form_that_callers_count_on() {
        let mut short = parrot(Response::DescribePCR {
            lock: true,
            data: vec![0; 32],
        });
        assert!(matches!(short.describe_pcr(0), Err(Error::Unexpected { .. })));
        let mut long = parrot(Response::ExtendPCR { data: vec![0; 49] });
        assert!(matches!(long.extend_pcr(16, b""), Err(Error::Unexpected { .. })));
        let mut empty = parrot(Response::GetRandom { random: vec![] });
        assert!(matches!(empty.get_random(), Err(Error::Unexpected { .. })));
        assert!(matches!(
            Parrot(vec![0xff]).get_random(),
            Err(Error::Malformed { .. })
        ));
        assert!(matches!(
            Parrot(vec![0; 12289]).get_random(),
            Err(Error::TooLong { .. })
        ));
    }

    #[test]
    fn a_refusal_names_request_and_code() {
        let error = parrot(Response::Error(ErrorCode::ReadOnlyIndex))
            .extend_pcr(0, b"x")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "the security module refused ExtendPCR: ReadOnlyIndex"
        );
    }

    #[test]
    fn a_request_over_the_limit_is_not_sent() {
        assert!(matches!(
            parrot(Response::LockPCR).extend_pcr(16, &[0; 4096]),
            Err(Error::TooLong { what: "request", .. })
        ));
    }
}

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_nitro_enclaves_nsm_api::api::{Digest, ErrorCode, Request, Response};

use super::credential::Credential;
use super::pcr_bank::{PcrBank, REGISTERS, extended};
use super::{Authority, Error, ModuleId, document};
use crate::wire::{REQUEST, RESPONSE};
use crate::{AttestationFields, Nsm, PcrValue};

/// The most that a document takes of user data, nonce or public key, in bytes. (AWS's text says 512 for two
/// of them; its own test program asks for 1,024 of each and genuine documents have them.)
const FIELD_LIMIT: usize = 1_024;
/// How many bytes GetRandom gives at once.
const RANDOM_LENGTH: usize = 256;

/// What the hypervisor measures of an enclave image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measurements {
    /// The image.
    pub pcr0: PcrValue,
    /// Kernel and first ramdisk.
    pub pcr1: PcrValue,
    /// The other ramdisks.
    pub pcr2: PcrValue,
    /// The certificate that the image is signed with.
    pub pcr8: Option<PcrValue>,
}

/// The secure module of one development enclave. It lives as long as the enclave: its registers are nowhere
/// else.
pub struct Module {
    authority: Arc<Authority>,
    id: ModuleId,
    pcrs: PcrBank,
    credential: Credential,
}

impl Module {
    /// The module of an enclave that starts now. PCR0, 1, 2 and 8 are as measured, but zero in debug mode;
    /// PCR3 (the instance's role) is zero, PCR4 SHA-384(48 zero bytes ‖ instance id); 0 to 15 are locked.
    pub fn new(
        authority: Arc<Authority>,
        id: ModuleId,
        measurements: &Measurements,
        debug: bool,
    ) -> Result<Self, Error> {
        const ZERO: PcrValue = [0; 48];
        let mut values = [ZERO; 16];
        if !debug {
            values[0] = measurements.pcr0;
            values[1] = measurements.pcr1;
            values[2] = measurements.pcr2;
            values[8] = measurements.pcr8.unwrap_or(ZERO);
        }
        values[4] = extended(&ZERO, id.instance_id().as_bytes());
        let credential = Credential::issue(&authority, &id, SystemTime::now())?;
        Ok(Self {
            authority,
            id,
            pcrs: PcrBank::new(values),
            credential,
        })
    }

    /// Whose module it is.
    pub fn id(&self) -> &ModuleId {
        &self.id
    }

    /// The answer to a request at the time `now`. What does not parse is no operation of the module's.
    fn answer(&mut self, request: &[u8], now: SystemTime) -> Response {
        match REQUEST.decode(request) {
            Ok(request) => self.execute(request, now).unwrap_or_else(Response::Error),
            Err(crate::Error::TooLong { .. }) => Response::Error(ErrorCode::InputTooLarge),
            Err(_) => Response::Error(ErrorCode::InvalidOperation),
        }
    }

    fn execute(&mut self, request: Request, now: SystemTime) -> Result<Response, ErrorCode> {
        match request {
            Request::DescribePCR { index } => {
                let pcr = self.pcrs.get(index)?;
                Ok(Response::DescribePCR {
                    lock: pcr.locked,
                    data: pcr.value.to_vec(),
                })
            }
            Request::ExtendPCR { index, data } => {
                let value = self.pcrs.extend(index, &data)?;
                Ok(Response::ExtendPCR { data: value.to_vec() })
            }
            Request::LockPCR { index } => {
                self.pcrs.lock(index)?;
                Ok(Response::LockPCR)
            }
            Request::LockPCRs { range } => {
                self.pcrs.lock_range(range)?;
                Ok(Response::LockPCRs)
            }
            Request::DescribeNSM => Ok(self.describe()),
            Request::Attestation {
                user_data,
                nonce,
                public_key,
            } => {
                let fields = AttestationFields {
                    user_data: user_data.map(|bytes| bytes.into_vec()),
                    nonce: nonce.map(|bytes| bytes.into_vec()),
                    public_key: public_key.map(|bytes| bytes.into_vec()),
                };
                Ok(Response::Attestation {
                    document: self.attest(&fields, now)?,
                })
            }
            Request::GetRandom => {
                let mut random = vec![0; RANDOM_LENGTH];
                aws_lc_rs::rand::fill(&mut random).map_err(internal)?;
                Ok(Response::GetRandom { random })
            }
            _ => Err(ErrorCode::InvalidOperation),
        }
    }

    fn describe(&self) -> Response {
        Response::DescribeNSM {
            version_major: 1,
            version_minor: 0,
            version_patch: 0,
            module_id: self.id.to_string(),
            max_pcrs: REGISTERS,
            locked_pcrs: self.pcrs.locked().map(|(index, _)| index).collect(),
            digest: Digest::SHA384,
        }
    }

    fn attest(&mut self, fields: &AttestationFields, now: SystemTime) -> Result<Vec<u8>, ErrorCode> {
        let given = [&fields.user_data, &fields.nonce, &fields.public_key];
        if given.into_iter().flatten().any(|field| field.len() > FIELD_LIMIT) {
            return Err(ErrorCode::InputTooLarge);
        }
        if self.credential.is_due(now) {
            self.credential = Credential::issue(&self.authority, &self.id, now).map_err(internal)?;
        }
        let timestamp = now.duration_since(UNIX_EPOCH).map_err(internal)?.as_millis() as u64;
        let payload = document::payload(self.id.as_str(), timestamp, &self.pcrs, &self.credential, fields)
            .map_err(internal)?;
        let to_be_signed = document::to_be_signed(&payload).map_err(internal)?;
        let signature = self.credential.sign(&to_be_signed).map_err(internal)?;
        document::document(&payload, &signature).map_err(internal)
    }
}

impl Nsm for Module {
    fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, crate::Error> {
        RESPONSE.encode(&self.answer(request, SystemTime::now()))
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Module")
            .field("id", &self.id)
            .field("pcrs", &self.pcrs)
            .finish_non_exhaustive()
    }
}

/// The module's word for a failure that is not the caller's.
fn internal<E>(_: E) -> ErrorCode {
    ErrorCode::InternalError
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn module() -> Module {
        let directory = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::open(directory.path()).unwrap());
        let id = "i-0123456789abcdef0-enc019d88dad36ca2ab".parse().unwrap();
        let measurements = Measurements {
            pcr0: [1; 48],
            pcr1: [2; 48],
            pcr2: [3; 48],
            pcr8: None,
        };
        Module::new(authority, id, &measurements, false).unwrap()
    }

    #[test]
    fn the_leaf_is_renewed_before_its_end() {
        let mut module = module();
        let start = SystemTime::now();
        let root = attestation::Root::from_der(module.authority.certificate()).unwrap();
        let mut leaf_at = |seconds: u64| {
            let now = start + Duration::from_secs(seconds);
            let document = module.attest(&AttestationFields::default(), now).unwrap();
            let genuine = attestation::verify(&document, std::slice::from_ref(&root), now).unwrap();
            genuine.document().certificate.clone()
        };
        let first = leaf_at(0);
        assert_eq!(leaf_at(8_990), first);
        let second = leaf_at(9_010);
        assert_ne!(second, first);
        assert_eq!(leaf_at(9_010 + 8_990), second);
        assert_ne!(leaf_at(100 * 86_400), second, "long after the whole chain ended");
    }

    #[test]
    fn a_clock_set_back_has_the_leaf_renewed_too() {
        let mut module = module();
        let first = module.credential.certificate.clone();
        let earlier = SystemTime::now() - Duration::from_secs(10);
        module.attest(&AttestationFields::default(), earlier).unwrap();
        assert_ne!(module.credential.certificate, first);
    }

    #[test]
    fn a_clock_before_the_epoch_is_an_internal_error() {
        let mut module = module();
        let answer = module.attest(&AttestationFields::default(), UNIX_EPOCH - Duration::from_secs(1));
        assert!(matches!(answer, Err(ErrorCode::InternalError)));
    }
}

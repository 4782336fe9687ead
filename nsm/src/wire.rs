//! The NSM's messages as bytes: CBOR as serde_cbor writes the types of `aws-nitro-enclaves-nsm-api`.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// The longest request in bytes (`NSM_REQUEST_MAX_SIZE` of Linux's `drivers/misc/nsm.c`).
pub const REQUEST_LIMIT: usize = 0x1000;
/// The longest response in bytes (`NSM_RESPONSE_MAX_SIZE` there).
pub const RESPONSE_LIMIT: usize = 0x3000;

/// A kind of message, for limits and error texts.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) limit: usize,
}

pub(crate) const REQUEST: Kind = Kind {
    name: "request",
    limit: REQUEST_LIMIT,
};
pub(crate) const RESPONSE: Kind = Kind {
    name: "response",
    limit: RESPONSE_LIMIT,
};

impl Kind {
    pub(crate) fn check_length(self, length: usize) -> Result<(), Error> {
        if length > self.limit {
            return Err(Error::TooLong {
                what: self.name,
                length,
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// The message as bytes, within its limit.
    pub(crate) fn encode(self, message: &impl Serialize) -> Result<Vec<u8>, Error> {
        let bytes = serde_cbor::to_vec(message).map_err(|error| self.malformed(error))?;
        self.check_length(bytes.len())?;
        Ok(bytes)
    }

    /// The message of exactly these bytes, as the API crate's own decoder reads it.
    pub(crate) fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, Error> {
        self.check_length(bytes.len())?;
        serde_cbor::from_slice(bytes).map_err(|error| self.malformed(error))
    }

    fn malformed(self, error: serde_cbor::Error) -> Error {
        Error::Malformed {
            what: self.name,
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_nitro_enclaves_nsm_api::api::{ErrorCode, Request, Response};

    #[test]
    fn requests_are_a_name_or_a_map_of_one_name() {
        assert_eq!(REQUEST.encode(&Request::GetRandom).unwrap(), b"\x69GetRandom");
        assert_eq!(
            REQUEST.encode(&Request::LockPCRs { range: 17 }).unwrap(),
            b"\xa1\x68LockPCRs\xa1\x65range\x11"
        );
        assert_eq!(
            RESPONSE
                .encode(&Response::Error(ErrorCode::ReadOnlyIndex))
                .unwrap(),
            b"\xa1\x65Error\x6dReadOnlyIndex"
        );
    }

    #[test]
    fn what_is_not_exactly_one_message_is_refused() {
        let decode = |bytes: &[u8]| REQUEST.decode::<Request>(bytes);
        assert!(matches!(decode(b"\x69GetRandom"), Ok(Request::GetRandom)));
        assert!(
            matches!(decode(b"\x69GetRandom\x00"), Err(Error::Malformed { .. })),
            "trailing byte"
        );
        assert!(
            matches!(decode(b"\x69GetRando"), Err(Error::Malformed { .. })),
            "cut short"
        );
        assert!(
            matches!(decode(b"\x6bGetRandomly"), Err(Error::Malformed { .. })),
            "no request"
        );
        assert!(
            matches!(decode(&[0x81; 4096]), Err(Error::Malformed { .. })),
            "deep nesting"
        );
        assert!(matches!(
            decode(&[0x81; 4097]),
            Err(Error::TooLong {
                length: 4097,
                limit: 4096,
                ..
            })
        ));
    }
}

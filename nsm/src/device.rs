use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::Path;

use aws_nitro_enclaves_nsm_api::driver::nsm_process_request;

use crate::wire::{REQUEST, RESPONSE};
use crate::{Error, Nsm};

/// The secure module of the enclave that this program runs in.
///
/// A failed ioctl comes back as the API crate reports it: `Response::Error(InternalError)`, or
/// `InputTooLarge` for EMSGSIZE.
#[derive(Debug)]
pub struct Device {
    file: File,
}

impl Device {
    /// Opens `/dev/nsm`.
    pub fn open() -> Result<Self, Error> {
        Self::open_path(Path::new("/dev/nsm"))
    }

    fn open_path(path: &Path) -> Result<Self, Error> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Ok(Self { file }),
            Err(source) => Err(Error::Open {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

impl Nsm for Device {
    fn process(&mut self, request: &[u8]) -> Result<Vec<u8>, Error> {
        let request = REQUEST.decode(request)?;
        RESPONSE.encode(&nsm_process_request(self.file.as_raw_fd(), request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;

    #[test]
    fn a_missing_device_is_named() {
        let error = Device::open_path(Path::new("/dev/no-nsm-here")).unwrap_err();
        assert!(
            error.to_string().starts_with("cannot open /dev/no-nsm-here: "),
            "{error}"
        );
    }

    #[test]
    fn a_device_that_is_no_nsm_answers_with_an_error() {
        let mut device = Device::open_path(Path::new("/dev/null")).unwrap();
        assert!(matches!(
            device.describe_nsm(),
            Err(Error::Refused {
                request: "DescribeNSM",
                code: ErrorCode::InternalError
            })
        ));
    }

    #[test]
    fn a_malformed_request_does_not_reach_the_device() {
        let mut device = Device::open_path(Path::new("/dev/null")).unwrap();
        assert!(matches!(device.process(b"\xff"), Err(Error::Malformed { .. })));
    }
}

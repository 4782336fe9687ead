//! Evidence from a file or from standard input: bounded, and as raw bytes, hex or base64.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The most bytes that are read of anything: a row has at most 400 KB in the table, and more in its JSON.
pub const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// Base64 with or without padding.
const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Why an input could not be read.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// Missing, or not readable.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Larger than [`MAX_BYTES`].
    #[error("{0} has more than {MAX_BYTES} bytes: it is neither a document nor a row nor a policy")]
    TooLarge(PathBuf),
}

/// Reads `path`, or standard input for `-`: at most [`MAX_BYTES`].
///
/// # Errors
/// As [`InputError`] says.
pub fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    let failed = |source| InputError::Read {
        path: path.into(),
        source,
    };
    let bytes = if path.as_os_str() == "-" {
        bounded(io::stdin().lock())
    } else {
        File::open(path).and_then(bounded)
    };
    match bytes.map_err(failed)? {
        bytes if bytes.len() as u64 > MAX_BYTES => Err(InputError::TooLarge(path.into())),
        bytes => Ok(bytes),
    }
}

fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes of a document given as raw bytes, hex or base64 (standard or URL-safe alphabet), white space left
/// aside. A raw document begins with 0x84 or 0xd2, which no text does; what is neither hex nor base64 is returned as
/// it is, for the document's own rules to refuse.
#[must_use]
pub fn document_bytes(input: Vec<u8>) -> Vec<u8> {
    if !input.is_ascii() {
        return input;
    }
    let text: Vec<u8> = input
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    hex::decode(&text)
        .ok()
        .or_else(|| STANDARD.decode(&text).ok())
        .or_else(|| URL_SAFE.decode(&text).ok())
        .unwrap_or(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_reads_alike_in_every_form() {
        let raw = vec![0x84, 0x44, 0xa1, 0x01, 0xfb, 0xff];
        let forms: [&[u8]; 6] = [
            &raw,
            b"8444a101fbff",
            b"8444A101\nFBFF\n",
            b"hEShAfv/",
            b"hESh\r\nAfv/\n",
            b"hEShAfv_",
        ];
        for form in forms {
            assert_eq!(document_bytes(form.to_vec()), raw, "{form:?}");
        }
        assert_eq!(document_bytes(b"no document!".to_vec()), b"no document!");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let error = read(Path::new("/nonexistent/document")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/document"));
    }

    proptest::proptest! {
        #[test]
        fn hex_and_base64_give_the_bytes_back(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let bytes = [&[0x84], &bytes[..]].concat();
            proptest::prop_assert_eq!(document_bytes(hex::encode(&bytes).into_bytes()), bytes.clone());
        }
    }
}

//! The payload of an attestation document: its fields and their bounds.

use crate::cbor::Reader;
use crate::cose::Sign1;
use crate::pcr::{self, PCR_COUNT, Pcr};
use crate::refusal::{Code, Refusal, quote_text};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// The largest document that is looked at, in bytes. Genuine ones have 4.4 to 7.5 KB, an NSM's answer at most 12 KiB.
pub const MAX_DOCUMENT_LEN: usize = 16 * 1024;

/// Bytes of a certificate in the document.
const CERTIFICATE_LEN: RangeInclusive<usize> = 1..=1024;

/// Bytes of `public_key`, `user_data` and `nonce`. AWS's text says 512 and never null; genuine documents have 1024
/// bytes, null, and length 0.
const OPTIONAL_LEN: RangeInclusive<usize> = 0..=1024;

/// Certificates in `cabundle` that are read at all; how many a chain must have is the chain's rule.
const CABUNDLE_COUNT: RangeInclusive<u64> = 1..=8;

/// What a Nitro Secure Module says about an enclave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// `i-<instance>-enc<enclave>`: instance and enclave that the module belongs to.
    pub module_id: String,
    /// The hash function of the PCRs: "SHA384".
    pub digest: String,
    /// When the document was made, in milliseconds since the Unix epoch, never 0.
    pub timestamp_ms: u64,
    /// PCR index (0 to 31) to value; at least one.
    pub pcrs: BTreeMap<u8, Pcr>,
    /// The leaf certificate in DER, whose key signed the document; 1 to 1024 bytes.
    pub certificate: Vec<u8>,
    /// The leaf's issuers in DER, from the root down; 1 to 1024 bytes each.
    pub cabundle: Vec<Vec<u8>>,
    /// A public key that the enclave asked to have attested; at most 1024 bytes. `None` for null or absent.
    pub public_key: Option<Vec<u8>>,
    /// Data that the enclave asked to have attested; at most 1024 bytes. `None` for null or absent.
    pub user_data: Option<Vec<u8>>,
    /// The nonce that the enclave was given; at most 1024 bytes. `None` for null or absent.
    pub nonce: Option<Vec<u8>>,
}

impl Document {
    /// Reads a document (COSE_Sign1, tagged or not) **without** verifying chain or signature: for looking at one.
    ///
    /// # Errors
    /// A [`Refusal`] for all that is not exactly the format: encoding, headers, fields and bounds.
    pub fn parse_unverified(document: &[u8]) -> Result<Self, Refusal> {
        Self::from_payload(envelope(document)?.payload)
    }

    pub(crate) fn from_payload(payload: &[u8]) -> Result<Self, Refusal> {
        Fields::read(payload)?.complete()
    }

    /// The EC2 instance of `module_id`: what stands before `-enc`.
    #[must_use]
    pub fn instance_id(&self) -> &str {
        self.module_id
            .split_once("-enc")
            .map_or("", |(instance, _)| instance)
    }

    /// Whether the enclave ran in debug mode: PCR0, 1 or 2 is zero, which no measurement ever is.
    #[must_use]
    pub fn is_debug(&self) -> bool {
        (0..=2).any(|index| self.pcrs.get(&index) == Some(&pcr::ZERO))
    }

    /// Refuses a PCR4 that is not the measurement of the instance that `module_id` names.
    pub(crate) fn check_pcr4(&self) -> Result<(), Refusal> {
        let expected = pcr::pcr4_of(self.instance_id());
        match self.pcrs.get(&4) {
            Some(found) if *found != pcr::ZERO && *found != expected => Err(Refusal::new(
                Code::Pcr4,
                "pcrs[4]",
                hex::encode(found),
                format!(
                    "{}, the measurement of {}",
                    hex::encode(expected),
                    self.instance_id()
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// The COSE envelope of a document of acceptable size.
pub(crate) fn envelope(document: &[u8]) -> Result<Sign1<'_>, Refusal> {
    if document.len() > MAX_DOCUMENT_LEN {
        let found = format!("{} bytes", document.len());
        return Err(Refusal::new(
            Code::TooLarge,
            "document",
            found,
            format!("at most {MAX_DOCUMENT_LEN} bytes"),
        ));
    }
    Sign1::parse(document)
}

/// The fields met so far.
#[derive(Default)]
struct Fields {
    module_id: Option<String>,
    digest: Option<String>,
    timestamp_ms: Option<u64>,
    pcrs: Option<BTreeMap<u8, Pcr>>,
    certificate: Option<Vec<u8>>,
    cabundle: Option<Vec<Vec<u8>>>,
    public_key: Option<Option<Vec<u8>>>,
    user_data: Option<Option<Vec<u8>>>,
    nonce: Option<Option<Vec<u8>>>,
}

impl Fields {
    /// Reads the payload: a map, definite until spring 2025 and indefinite since, of which nothing may be left over.
    fn read(payload: &[u8]) -> Result<Self, Refusal> {
        let mut reader = Reader::new(payload);
        let mut fields = Self::default();
        let mut entries = reader.map_of_any_length("payload")?;
        while reader.more(&mut entries, "payload")? {
            let key = reader.text("a key of the payload")?;
            fields.read_field(key, &mut reader)?;
        }
        reader.end("payload")?;
        Ok(fields)
    }

    fn read_field(&mut self, key: &str, reader: &mut Reader<'_>) -> Result<(), Refusal> {
        match key {
            "module_id" => set(&mut self.module_id, key, read_module_id(reader)?),
            "digest" => set(&mut self.digest, key, read_digest(reader)?),
            "timestamp" => set(&mut self.timestamp_ms, key, read_timestamp(reader)?),
            "pcrs" => set(&mut self.pcrs, key, read_pcrs(reader)?),
            "certificate" => set(&mut self.certificate, key, read_certificate(reader, key)?),
            "cabundle" => set(&mut self.cabundle, key, read_cabundle(reader)?),
            "public_key" => set(&mut self.public_key, key, read_optional(reader, key)?),
            "user_data" => set(&mut self.user_data, key, read_optional(reader, key)?),
            "nonce" => set(&mut self.nonce, key, read_optional(reader, key)?),
            "nitrotpm_pcrs" => Err(nitrotpm(key, "present")),
            _ => Err(Refusal::new(
                Code::UnknownField,
                "payload",
                format!("the key {}", quote_text(key)),
                "only the keys of an attestation document",
            )),
        }
    }

    fn complete(self) -> Result<Document, Refusal> {
        Ok(Document {
            module_id: required(self.module_id, "module_id")?,
            digest: required(self.digest, "digest")?,
            timestamp_ms: required(self.timestamp_ms, "timestamp")?,
            pcrs: required(self.pcrs, "pcrs")?,
            certificate: required(self.certificate, "certificate")?,
            cabundle: required(self.cabundle, "cabundle")?,
            public_key: self.public_key.flatten(),
            user_data: self.user_data.flatten(),
            nonce: self.nonce.flatten(),
        })
    }
}

fn set<T>(slot: &mut Option<T>, key: &str, value: T) -> Result<(), Refusal> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::new(
            Code::DuplicateField,
            key,
            "the key twice",
            "the key once",
        )),
    }
}

fn required<T>(slot: Option<T>, key: &str) -> Result<T, Refusal> {
    slot.ok_or_else(|| Refusal::new(Code::MissingField, key, "absent", "present"))
}

fn read_module_id(reader: &mut Reader<'_>) -> Result<String, Refusal> {
    let text = reader.text("module_id")?;
    if text.contains("-tpm") {
        return Err(nitrotpm("module_id", &quote_text(text)));
    }
    let named = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match text.strip_prefix("i-").and_then(|rest| rest.split_once("-enc")) {
        Some((instance, enclave)) if named(instance) && named(enclave) => Ok(text.into()),
        _ => Err(Refusal::new(
            Code::ModuleId,
            "module_id",
            quote_text(text),
            "i-<instance>-enc<enclave>",
        )),
    }
}

fn read_digest(reader: &mut Reader<'_>) -> Result<String, Refusal> {
    match reader.text("digest")? {
        "SHA384" => Ok("SHA384".into()),
        other => Err(Refusal::new(
            Code::Digest,
            "digest",
            quote_text(other),
            "\"SHA384\"",
        )),
    }
}

fn read_timestamp(reader: &mut Reader<'_>) -> Result<u64, Refusal> {
    match reader.uint("timestamp")? {
        0 => Err(Refusal::new(
            Code::Timestamp,
            "timestamp",
            "0",
            "milliseconds since the epoch, more than 0",
        )),
        milliseconds => Ok(milliseconds),
    }
}

fn read_pcrs(reader: &mut Reader<'_>) -> Result<BTreeMap<u8, Pcr>, Refusal> {
    let count = reader.map("pcrs")?;
    check_count(count, 1..=u64::from(PCR_COUNT), "pcrs")?;
    let mut pcrs = BTreeMap::new();
    for _ in 0..count {
        let (index, value) = read_pcr(reader)?;
        if pcrs.insert(index, value).is_some() {
            let field = format!("pcrs[{index}]");
            return Err(Refusal::new(
                Code::DuplicateField,
                field,
                "the index twice",
                "the index once",
            ));
        }
    }
    Ok(pcrs)
}

fn read_pcr(reader: &mut Reader<'_>) -> Result<(u8, Pcr), Refusal> {
    let number = reader.uint("an index of pcrs")?;
    let Some(index) = u8::try_from(number).ok().filter(|index| *index < PCR_COUNT) else {
        return Err(Refusal::new(
            Code::PcrIndex,
            "pcrs",
            format!("the index {number}"),
            "0 to 31",
        ));
    };
    let field = format!("pcrs[{index}]");
    let bytes = reader.bytes(&field)?;
    match bytes.try_into() {
        Ok(value) => Ok((index, value)),
        Err(_) => Err(length(&field, bytes.len(), "48 bytes")),
    }
}

fn read_certificate(reader: &mut Reader<'_>, field: &str) -> Result<Vec<u8>, Refusal> {
    bounded(reader.bytes(field)?, CERTIFICATE_LEN, field)
}

fn read_cabundle(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Refusal> {
    let count = reader.array("cabundle")?;
    check_count(count, CABUNDLE_COUNT, "cabundle")?;
    (0..count)
        .map(|index| read_certificate(reader, &format!("cabundle[{index}]")))
        .collect()
}

fn read_optional(reader: &mut Reader<'_>, field: &str) -> Result<Option<Vec<u8>>, Refusal> {
    reader
        .optional_bytes(field)?
        .map(|bytes| bounded(bytes, OPTIONAL_LEN, field))
        .transpose()
}

fn bounded(bytes: &[u8], bounds: RangeInclusive<usize>, field: &str) -> Result<Vec<u8>, Refusal> {
    if bounds.contains(&bytes.len()) {
        return Ok(bytes.to_vec());
    }
    Err(length(
        field,
        bytes.len(),
        &format!("{} to {} bytes", bounds.start(), bounds.end()),
    ))
}

fn check_count(count: u64, bounds: RangeInclusive<u64>, field: &str) -> Result<(), Refusal> {
    if bounds.contains(&count) {
        return Ok(());
    }
    let expected = format!("{} to {} entries", bounds.start(), bounds.end());
    Err(Refusal::new(
        Code::FieldLength,
        field,
        format!("{count} entries"),
        expected,
    ))
}

fn length(field: &str, found: usize, expected: &str) -> Refusal {
    Refusal::new(Code::FieldLength, field, format!("{found} bytes"), expected)
}

fn nitrotpm(field: &str, found: &str) -> Refusal {
    Refusal::new(
        Code::NitroTpm,
        field,
        found,
        "the document of an enclave, not of NitroTPM",
    )
}

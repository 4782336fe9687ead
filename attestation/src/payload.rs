//! The payload of an attestation document: its fields, their bounds, and nothing else.

use crate::cbor::Reader;
use crate::crypto::Provider;
use crate::pcr::{self, PCR_COUNT, Pcr};
use crate::refusal::{Code, Refusal, quote_text};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Bytes of a certificate in the document.
const CERTIFICATE_LEN: RangeInclusive<usize> = 1..=1024;

/// Bytes of `public_key`, `user_data` and `nonce`. AWS's text says 512 and never null; genuine documents have 1024
/// bytes, null, and length 0.
const OPTIONAL_LEN: RangeInclusive<usize> = 0..=1024;

/// Certificates in `cabundle` that are read at all; how many a chain must have is the chain's rule.
const CABUNDLE_COUNT: RangeInclusive<u64> = 1..=8;

/// The hash function of the PCRs, the only one.
pub(crate) const DIGEST: &str = "SHA384";

/// A payload whose fields are within their bounds, where it stands: nothing is copied before it is verified.
pub(crate) struct Payload<'a> {
    pub(crate) module_id: &'a str,
    pub(crate) timestamp_ms: u64,
    pub(crate) pcrs: BTreeMap<u8, Pcr>,
    pub(crate) certificate: &'a [u8],
    pub(crate) cabundle: Vec<&'a [u8]>,
    pub(crate) public_key: Option<&'a [u8]>,
    pub(crate) user_data: Option<&'a [u8]>,
    pub(crate) nonce: Option<&'a [u8]>,
}

impl<'a> Payload<'a> {
    pub(crate) fn read(payload: &'a [u8]) -> Result<Self, Refusal> {
        Fields::read(payload)?.complete()
    }

    /// Refuses a PCR4 that is not the measurement of the instance that `module_id` names.
    pub(crate) fn check_pcr4(&self, provider: &dyn Provider) -> Result<(), Refusal> {
        let instance = instance_id(self.module_id);
        let expected = provider.sha384(&[&pcr::ZERO, instance.as_bytes()]);
        match self.pcrs.get(&4) {
            Some(found) if *found != pcr::ZERO && *found != expected => Err(Refusal::new(
                Code::Pcr4,
                "pcrs[4]",
                hex::encode(found),
                format!("{}, the measurement of {instance}", hex::encode(expected)),
            )),
            _ => Ok(()),
        }
    }
}

/// The EC2 instance of a `module_id`: what stands before `-enc`.
pub(crate) fn instance_id(module_id: &str) -> &str {
    module_id.split_once("-enc").map_or("", |(instance, _)| instance)
}

/// The fields met so far.
#[derive(Default)]
struct Fields<'a> {
    module_id: Option<&'a str>,
    digest: Option<()>,
    timestamp_ms: Option<u64>,
    pcrs: Option<BTreeMap<u8, Pcr>>,
    certificate: Option<&'a [u8]>,
    cabundle: Option<Vec<&'a [u8]>>,
    public_key: Option<Option<&'a [u8]>>,
    user_data: Option<Option<&'a [u8]>>,
    nonce: Option<Option<&'a [u8]>>,
}

impl<'a> Fields<'a> {
    /// Reads the payload: a map, definite until spring 2025 and indefinite since, of which nothing may be left over.
    fn read(payload: &'a [u8]) -> Result<Self, Refusal> {
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

    fn read_field(&mut self, key: &str, reader: &mut Reader<'a>) -> Result<(), Refusal> {
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

    fn complete(self) -> Result<Payload<'a>, Refusal> {
        required(self.digest, "digest")?;
        Ok(Payload {
            module_id: required(self.module_id, "module_id")?,
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

fn read_module_id<'a>(reader: &mut Reader<'a>) -> Result<&'a str, Refusal> {
    let text = reader.text("module_id")?;
    if text.contains("-tpm") {
        return Err(nitrotpm("module_id", &quote_text(text)));
    }
    let named = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match text.strip_prefix("i-").and_then(|rest| rest.split_once("-enc")) {
        Some((instance, enclave)) if named(instance) && named(enclave) => Ok(text),
        _ => Err(Refusal::new(
            Code::ModuleId,
            "module_id",
            quote_text(text),
            "i-<instance>-enc<enclave>",
        )),
    }
}

fn read_digest(reader: &mut Reader<'_>) -> Result<(), Refusal> {
    match reader.text("digest")? {
        DIGEST => Ok(()),
        other => Err(Refusal::new(
            Code::Digest,
            "digest",
            quote_text(other),
            format!("{DIGEST:?}"),
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

fn read_certificate<'a>(reader: &mut Reader<'a>, field: &str) -> Result<&'a [u8], Refusal> {
    bounded(reader.bytes(field)?, CERTIFICATE_LEN, field)
}

fn read_cabundle<'a>(reader: &mut Reader<'a>) -> Result<Vec<&'a [u8]>, Refusal> {
    let count = reader.array("cabundle")?;
    check_count(count, CABUNDLE_COUNT, "cabundle")?;
    (0..count)
        .map(|index| read_certificate(reader, &format!("cabundle[{index}]")))
        .collect()
}

fn read_optional<'a>(reader: &mut Reader<'a>, field: &str) -> Result<Option<&'a [u8]>, Refusal> {
    reader
        .optional_bytes(field)?
        .map(|bytes| bounded(bytes, OPTIONAL_LEN, field))
        .transpose()
}

fn bounded<'a>(bytes: &'a [u8], bounds: RangeInclusive<usize>, field: &str) -> Result<&'a [u8], Refusal> {
    if bounds.contains(&bytes.len()) {
        return Ok(bytes);
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

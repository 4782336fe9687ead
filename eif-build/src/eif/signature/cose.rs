//! COSE_Sign1 (RFC 9052), and the CBOR around it.
use minicbor::{Decoder, Encoder, data::Type, encode::Write as CborWrite};

use crate::eif::Error;

/// The tag of a COSE_Sign1 (RFC 9052, section 2), which may stand before it.
const TAG_COSE_SIGN1: u64 = 18;

pub(super) struct CoseSign1 {
    pub(super) protected: Vec<u8>,
    pub(super) algorithm: i64,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl CoseSign1 {
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Decoder::new(bytes);
        if input.datatype()? == Type::Tag && input.tag()?.as_u64() != TAG_COSE_SIGN1 {
            return Err("not tagged as COSE_Sign1".into());
        }
        expect(input.array()? == Some(4), "COSE_Sign1 is an array of four")?;
        let protected = input.bytes()?;
        expect(input.map()? == Some(0), "the unprotected header is not empty")?;
        let (payload, signature) = (input.bytes()?, input.bytes()?);
        expect(input.position() == bytes.len(), "bytes follow the COSE_Sign1")?;
        let mut header = Decoder::new(protected);
        expect(
            header.map()? == Some(1) && header.i64()? == 1,
            "the protected header has more than an algorithm",
        )?;
        let algorithm = header.i64()?;
        expect(
            header.position() == protected.len(),
            "bytes follow the protected header",
        )?;
        Ok(Self {
            protected: protected.to_vec(),
            algorithm,
            payload: payload.to_vec(),
            signature: signature.to_vec(),
        })
    }
}

/// The Sig_structure of RFC 9052, section 4.4.
pub(super) fn signed_bytes(protected: &[u8], payload: &[u8]) -> Result<Vec<u8>, Error> {
    cbor(|out| {
        out.array(4)?
            .str("Signature1")?
            .bytes(protected)?
            .bytes(&[])?
            .bytes(payload)?
            .ok()
    })
}

pub(super) type Encoding<'a> = Encoder<&'a mut Vec<u8>>;
pub(super) type Encoded = Result<(), minicbor::encode::Error<<Vec<u8> as CborWrite>::Error>>;

pub(super) fn cbor(write: impl FnOnce(&mut Encoding<'_>) -> Encoded) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    write(&mut Encoder::new(&mut bytes)).map_err(|error| Error::Signature(error.to_string()))?;
    Ok(bytes)
}

pub(super) fn integers(out: &mut Encoding<'_>, bytes: &[u8]) -> Encoded {
    out.array(bytes.len() as u64)?;
    for byte in bytes {
        out.u8(*byte)?;
    }
    Ok(())
}

/// Bytes, as a byte string or as an array of integers; never more than the `limit` bytes that they are read from.
pub(super) fn bytes_or_integers(input: &mut Decoder<'_>, limit: usize) -> Result<Vec<u8>, Malformed> {
    if input.datatype()? == Type::Bytes {
        return Ok(input.bytes()?.to_vec());
    }
    let count = input.array()?.ok_or("an array of unknown length")?;
    expect(count <= limit as u64, "an array longer than what holds it")?;
    (0..count).map(|_| Ok(input.u8()?)).collect()
}

/// What is wrong with CBOR, as text.
pub(super) type Malformed = Box<dyn std::error::Error + Send + Sync>;

pub(super) fn expect(kept: bool, otherwise: &'static str) -> Result<(), Malformed> {
    if kept { Ok(()) } else { Err(otherwise.into()) }
}

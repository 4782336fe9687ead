//! The shape of a certificate (RFC 5280, 4.1): which type stands where, down into names and the extensions that RFC 5280
//! defines. The parser takes some of them under other tags, and values that DER leaves out.

use crate::der::{
    BIT_STRING, BOOLEAN, IA5_STRING, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, PRINTABLE_STRING, SEQUENCE,
    SET, UTF8_STRING, Value,
};

/// The types of a TBSCertificate in v3: version, serial number, signature, issuer, validity, subject, key, extensions.
/// Unique identifiers, between the last two, must not be made (4.1.2.8), and are not.
const TBS: [u8; 8] = [
    0xa0, INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, 0xa3,
];
const ISSUER: usize = 3;
const SUBJECT: usize = 5;
const EXTENSIONS: usize = 7;

/// `id-ce` (4.2): the object identifiers 2.5.29.N of the extensions that RFC 5280 defines, up to N.
const ID_CE: &[u8] = b"\x55\x1d";

/// Their N: subject key identifier, key usage, basic constraints, distribution points of CRLs, authority key identifier.
const SUBJECT_KEY: u8 = 14;
const KEY_USAGE: u8 = 15;
const BASIC_CONSTRAINTS: u8 = 19;
const CRL_POINTS: u8 = 31;
const AUTHORITY_KEY: u8 = 35;

/// Checks that `der` is DER, and a certificate's; says what it is not.
pub(super) fn check(der: &[u8]) -> Result<(), String> {
    let certificate = Value::read(der).map_err(|fault| fault.to_string())?;
    if !has_parts(certificate, &[SEQUENCE, SEQUENCE, BIT_STRING]) {
        return Err("other parts than a certificate's".into());
    }
    let tbs = || {
        certificate
            .values(SEQUENCE)
            .take(1)
            .flat_map(|tbs| tbs.values(SEQUENCE))
    };
    if !tbs().map(|part| part.tag).eq(TBS) {
        return Err("other parts than a TBSCertificate's".into());
    }
    if !tbs().nth(ISSUER).is_some_and(is_name) || !tbs().nth(SUBJECT).is_some_and(is_name) {
        return Err("a malformed name".into());
    }
    let mut lists = tbs()
        .skip(EXTENSIONS)
        .flat_map(|part| part.values(TBS[EXTENSIONS]));
    let (Some(list), None) = (lists.next(), lists.next()) else {
        return Err("other than one list of extensions".into());
    };
    if list.tag != SEQUENCE {
        return Err("no list of extensions".into());
    }
    for (index, extension) in list.values(SEQUENCE).enumerate() {
        if !is_extension(extension) {
            return Err(format!("extension {index} is malformed"));
        }
        let mut before = list.values(SEQUENCE).take(index);
        if before.any(|other| first(other) == first(extension)) {
            return Err(format!("extension {index} stands twice"));
        }
    }
    Ok(())
}

/// The first value of a SEQUENCE: of an extension, its identifier.
fn first(value: Value<'_>) -> Option<Value<'_>> {
    value.values(SEQUENCE).next()
}

/// Whether `value` is a SEQUENCE of values with exactly these tags.
fn has_parts(value: Value<'_>, tags: &[u8]) -> bool {
    value.tag == SEQUENCE
        && value
            .values(SEQUENCE)
            .map(|part| part.tag)
            .eq(tags.iter().copied())
}

/// Whether `value` is a SEQUENCE of values whose tags are some of these, in their order.
fn has_some_of(value: Value<'_>, tags: &[u8]) -> bool {
    let mut left = tags.iter();
    value.tag == SEQUENCE
        && value
            .values(SEQUENCE)
            .all(|part| left.any(|tag| *tag == part.tag))
}

/// A SEQUENCE of SETs of attributes (4.1.2.4), whose values are text. Of the types of text these three alone: the
/// others are of before 2003.
fn is_name(name: Value<'_>) -> bool {
    let is_relative =
        |set: Value<'_>| set.tag == SET && !set.content.is_empty() && set.values(SET).all(is_attribute);
    name.values(SEQUENCE).all(is_relative)
}

fn is_attribute(attribute: Value<'_>) -> bool {
    let texts = [UTF8_STRING, PRINTABLE_STRING, IA5_STRING];
    texts
        .into_iter()
        .any(|text| has_parts(attribute, &[OBJECT_IDENTIFIER, text]))
}

/// A SEQUENCE of an identifier, TRUE if it is critical, and the content (4.2). Content that is not of [`ID_CE`] is
/// nobody's: an unknown extension that is critical is refused by path validation, and another one is not read.
fn is_extension(extension: Value<'_>) -> bool {
    let mut parts = extension.values(SEQUENCE);
    let (Some(identifier), Some(second)) = (parts.next(), parts.next()) else {
        return false;
    };
    let content = if is_true(second) {
        parts.next()
    } else {
        Some(second)
    };
    let Some(content) = content.filter(|content| content.tag == OCTET_STRING && parts.next().is_none())
    else {
        return false;
    };
    identifier.tag == OBJECT_IDENTIFIER
        && match identifier.content.strip_prefix(ID_CE) {
            Some([number]) => {
                Value::read(content.content).is_ok_and(|content| is_content_of(*number, content))
            }
            _ => true,
        }
}

fn is_content_of(number: u8, content: Value<'_>) -> bool {
    match number {
        SUBJECT_KEY => content.tag == OCTET_STRING,
        KEY_USAGE => content.tag == BIT_STRING && is_named_bits(content.content),
        BASIC_CONSTRAINTS => {
            let is_default = content
                .values(SEQUENCE)
                .any(|part| part.tag == BOOLEAN && !is_true(part));
            has_some_of(content, &[BOOLEAN, INTEGER]) && !is_default
        }
        CRL_POINTS => {
            let mut points = content.values(SEQUENCE);
            content.tag == SEQUENCE && points.all(|point| has_some_of(point, &[0xa0, 0x81, 0xa2]))
        }
        AUTHORITY_KEY => has_some_of(content, &[0x80, 0xa1, 0x82]),
        _ => true,
    }
}

/// Whether `value` is TRUE. FALSE is the default of what certificates say by BOOLEANs, and DER leaves defaults out.
fn is_true(value: Value<'_>) -> bool {
    value.tag == BOOLEAN && value.content == [0xff]
}

/// Bits of which each has a name end with one that is set (X.690, 11.2.2).
fn is_named_bits(content: &[u8]) -> bool {
    match content {
        [unused @ 0..8, .., last] => last >> unused & 1 == 1,
        _ => content == [0],
    }
}

//! DER (ITU-T X.690, 8 to 11) as certificates have it: every value has one spelling, and another is refused. Parsers of
//! certificates let some pass where they do not look closely: inside names and extensions, and of tags.

use std::fmt;

/// The types of universal class that certificates are made of, by their tags.
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const NULL: u8 = 0x05;
const ENUMERATED: u8 = 0x0a;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// The types that text of a name may have (RFC 5280, 4.1.2.4 and appendix A).
pub(crate) const STRINGS: [u8; 6] = [
    UTF8_STRING,
    PRINTABLE_STRING,
    TELETEX_STRING,
    IA5_STRING,
    UNIVERSAL_STRING,
    BMP_STRING,
];

/// Bits of a tag: the class, whether the content is made of values, and the number; 31 says that more bytes follow,
/// as no type in a certificate needs.
const CLASS: u8 = 0xc0;
const CONSTRUCTED: u8 = 0x20;
const NUMBER: u8 = 0x1f;

/// The deepest nesting that is followed; distribution points of CRLs have the deepest of genuine certificates, seven.
const MAX_DEPTH: usize = 16;

/// A value: its tag, its content, and both with the length between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) encoded: &'a [u8],
}

/// A rule that is broken, and how many bytes stand from there to the end of what was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    problem: &'static str,
    rest: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} bytes before the end", self.problem, self.rest)
    }
}

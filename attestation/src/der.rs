//! DER (ITU-T X.690, 8 to 11) as certificates have it: a value has one spelling, and every other is refused. Parsers of
//! certificates let some pass where they do not look closely: inside names and extensions, and of tags.

use std::fmt;

pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
const NULL: u8 = 0x05;
const ENUMERATED: u8 = 0x0a;
pub(crate) const UTF8_STRING: u8 = 0x0c;
pub(crate) const PRINTABLE_STRING: u8 = 0x13;
pub(crate) const IA5_STRING: u8 = 0x16;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// In a tag: the class, whether the content is made of values, and the type's number. The number 31 says that more
/// bytes follow, as no type of a certificate needs.
const CLASS: u8 = 0xc0;
const CONSTRUCTED: u8 = 0x20;
const NUMBER: u8 = 0x1f;

/// The deepest nesting that is followed. A certificate has seven: the text of a name.
const MAX_DEPTH: usize = 16;

/// A value: its tag and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Value<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
}

/// A rule that is broken, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    problem: &'static str,
    /// The byte at which the value begins that breaks it.
    at: usize,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {})", self.problem, self.at)
    }
}

impl<'a> Value<'a> {
    /// Reads exactly one value, and checks it with all that it is made of.
    pub(crate) fn read(input: &'a [u8]) -> Result<Self, Fault> {
        let mut values = Values { rest: input, at: 0 };
        let value = values.take_checked(MAX_DEPTH)?;
        match values.rest {
            [] => Ok(value),
            _ => Err(values.fault("bytes behind the end")),
        }
    }

    /// The values that this one, which was checked, is made of; none if its tag is not `tag`.
    pub(crate) fn values(self, tag: u8) -> impl Iterator<Item = Self> {
        let rest = if self.tag == tag { self.content } else { &[] };
        let mut values = Values { rest, at: 0 };
        std::iter::from_fn(move || values.take().ok())
    }

    /// The rule that the content breaks by itself, if it is not made of values.
    fn problem(self) -> Option<&'static str> {
        let (kept, problem) = match self.tag {
            BOOLEAN => (
                matches!(self.content, [0x00 | 0xff]),
                "a BOOLEAN other than 00 and ff",
            ),
            INTEGER | ENUMERATED => (
                is_shortest_integer(self.content),
                "an INTEGER that is empty or longer than needed",
            ),
            BIT_STRING => (
                is_bit_string(self.content),
                "a BIT STRING with other unused bits than it says, or not zero",
            ),
            NULL => (self.content.is_empty(), "a NULL with content"),
            OBJECT_IDENTIFIER => (
                is_object_identifier(self.content),
                "an OBJECT IDENTIFIER that is empty, breaks off or is longer than needed",
            ),
            UTF8_STRING => (
                std::str::from_utf8(self.content).is_ok(),
                "a UTF8String of other bytes",
            ),
            PRINTABLE_STRING => (
                self.content.iter().all(is_printable),
                "a PrintableString of other characters",
            ),
            IA5_STRING => (self.content.is_ascii(), "an IA5String of other characters"),
            UTC_TIME => (
                is_time(self.content, 12),
                "a UTCTime not of the form YYMMDDHHMMSSZ",
            ),
            GENERALIZED_TIME => (
                is_time(self.content, 14),
                "a GeneralizedTime not of the form YYYYMMDDHHMMSSZ",
            ),
            OCTET_STRING => (true, ""),
            tag => (tag & CLASS != 0, "a type or form that certificates do not have"),
        };
        (!kept).then_some(problem)
    }
}

/// Values one after another.
struct Values<'a> {
    rest: &'a [u8],
    /// Where they begin, in bytes from the start of what is checked.
    at: usize,
}

impl<'a> Values<'a> {
    /// Takes the next value, whose content is checked down to `depth`.
    fn take_checked(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let at = self.at;
        let value = self.take()?;
        let mut inside = Values {
            rest: value.content,
            at: self.at - value.content.len(),
        };
        let fault = |problem| Fault { problem, at };
        let is_set = value.tag == SET;
        if !is_set && value.tag != SEQUENCE && (value.tag & CLASS == 0 || value.tag & CONSTRUCTED == 0) {
            return value.problem().map_or(Ok(value), |problem| Err(fault(problem)));
        }
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| fault("values nested too deep"))?;
        let mut before: &[u8] = &[];
        while !inside.rest.is_empty() {
            let start = inside.rest;
            inside.take_checked(depth)?;
            let encoded = &start[..start.len() - inside.rest.len()];
            if is_set && encoded <= before {
                return Err(fault("a SET whose values are not in order, or not different"));
            }
            before = encoded;
        }
        Ok(value)
    }

    /// Takes the next value, by its tag and length alone.
    fn take(&mut self) -> Result<Value<'a>, Fault> {
        let (&tag, rest) = self.rest.split_first().ok_or(self.fault("a value is missing"))?;
        if tag == 0 || tag & NUMBER == NUMBER {
            return Err(self.fault("a tag that certificates do not have"));
        }
        let (&first, rest) = rest.split_first().ok_or(self.fault("a length is missing"))?;
        let (length, least, rest) = match (first, rest) {
            (length @ 0..0x80, rest) => (length.into(), 0, rest),
            (0x81, [length, rest @ ..]) => (usize::from(*length), 0x80, rest),
            (0x82, [high, low, rest @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), 0x100, rest),
            (0x80, _) => return Err(self.fault("an indefinite length")),
            _ => return Err(self.fault("a length that breaks off or is beyond 65,535")),
        };
        if length < least {
            return Err(self.fault("a length longer than needed"));
        }
        let (content, rest) = rest
            .split_at_checked(length)
            .ok_or(self.fault("a value longer than what it stands in"))?;
        self.at += self.rest.len() - rest.len();
        self.rest = rest;
        Ok(Value { tag, content })
    }

    fn fault(&self, problem: &'static str) -> Fault {
        Fault { problem, at: self.at }
    }
}

/// Two's complement in as few bytes as can be (X.690, 8.3.2).
fn is_shortest_integer(content: &[u8]) -> bool {
    match content {
        [] => false,
        [0x00, second, ..] => *second >= 0x80,
        [0xff, second, ..] => *second < 0x80,
        _ => true,
    }
}

/// At most seven unused bits, all of them zero, and none where there is no byte (8.6.2, 11.2.1).
fn is_bit_string(content: &[u8]) -> bool {
    match content {
        [0] => true,
        [unused @ 0..8, .., last] => last & !(0xff << unused) == 0,
        _ => false,
    }
}

/// Numbers of seven bits a byte, each in as few bytes as can be (8.19.2).
fn is_object_identifier(content: &[u8]) -> bool {
    let starts = content.iter().scan(true, |is_start, byte| {
        let starts_with = is_start.then_some(*byte);
        *is_start = byte & 0x80 == 0;
        Some(starts_with)
    });
    content.last().is_some_and(|last| last & 0x80 == 0) && !starts.flatten().any(|byte| byte == 0x80)
}

fn is_printable(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(byte)
}

/// `digits` digits and a Z (RFC 5280, 4.1.2.5).
fn is_time(content: &[u8], digits: usize) -> bool {
    content.len() == digits + 1 && matches!(content, [time @ .., b'Z'] if time.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(input: &[u8]) -> Result<(), &'static str> {
        Value::read(input).map(|_| ()).map_err(|fault| fault.problem)
    }

    #[test]
    fn lengths_have_one_spelling() {
        for (length, head) in [
            (0x00, &b"\x04\x00"[..]),
            (0x7f, b"\x04\x7f"),
            (0x80, b"\x04\x81\x80"),
            (0xff, b"\x04\x81\xff"),
            (0x100, b"\x04\x82\x01\x00"),
            (0xffff, b"\x04\x82\xff\xff"),
        ] {
            assert_eq!(read(&[head, &vec![7; length]].concat()), Ok(()), "{length}");
            if length > 0 {
                assert!(read(&[head, &vec![7; length - 1]].concat()).is_err(), "{length}");
            }
            assert!(read(&[head, &vec![7; length + 1]].concat()).is_err(), "{length}");
        }
        for (length, head) in [
            (0x7f, &b"\x04\x81\x7f"[..]),
            (0x00, b"\x04\x81\x00"),
            (0xff, b"\x04\x82\x00\xff"),
            (0x100, b"\x04\x83\x00\x01\x00"),
            (0x01, b"\x04\x80"),
            (0x02, b"\x24\x80"),
            (0x01, b"\x04\xff"),
        ] {
            assert!(read(&[head, &vec![0; length]].concat()).is_err(), "{head:02x?}");
        }
    }

    #[test]
    fn values_have_one_spelling() {
        for right in [
            &b"\x01\x01\x00"[..],
            b"\x01\x01\xff",
            b"\x02\x01\x00",
            b"\x02\x01\x80",
            b"\x02\x02\x00\x80",
            b"\x02\x02\xff\x7f",
            b"\x0a\x01\x07",
            b"\x03\x01\x00",
            b"\x03\x02\x07\x80",
            b"\x03\x02\x00\xff",
            b"\x05\x00",
            b"\x06\x03\x55\x1d\x0f",
            b"\x06\x02\x81\x00",
            b"\x0c\x02\xc3\xa9",
            b"\x13\x03a.B",
            b"\x16\x02@*",
            b"\x17\x0d260101000000Z",
            b"\x18\x0f20500101000000Z",
            b"\x30\x00",
            b"\x31\x06\x02\x01\x00\x02\x01\x01",
            b"\x80\x01\x00",
            b"\xa0\x02\x05\x00",
        ] {
            assert_eq!(read(right), Ok(()), "{right:02x?}");
        }
        for wrong in [
            &b""[..],
            b"\x01",
            b"\x00\x00",
            b"\x01\x00",
            b"\x01\x01\x01",
            b"\x01\x02\xff\xff",
            b"\x02\x00",
            b"\x02\x02\x00\x7f",
            b"\x02\x02\xff\x80",
            b"\x0a\x00",
            b"\x03\x00",
            b"\x03\x01\x01",
            b"\x03\x02\x08\x00",
            b"\x03\x02\x07\x40",
            b"\x05\x01\x00",
            b"\x06\x00",
            b"\x06\x01\x80",
            b"\x06\x02\x80\x01",
            b"\x06\x03\x55\x80\x01",
            b"\x06\x01\x81",
            b"\x0c\x01\xff",
            b"\x13\x01@",
            b"\x16\x01\x80",
            b"\x17\x0b2601010000Z",
            b"\x17\x0d26010100000Z0",
            b"\x18\x1120500101000000.5Z",
            b"\x18\x0f2050010100000+Z",
            b"\x31\x06\x02\x01\x01\x02\x01\x00",
            b"\x31\x06\x02\x01\x01\x02\x01\x01",
            b"\x10\x00",
            b"\x24\x00",
            b"\x21\x01\xff",
            b"\x09\x00",
            b"\x1f\x01\x00",
            b"\xa0\x02\x05\x01",
            b"\xa0\x03\x01\x01\x01",
        ] {
            assert!(read(wrong).is_err(), "{wrong:02x?}");
        }
    }

    #[test]
    fn a_fault_says_where() {
        let fault = Value::read(b"\x30\x06\x02\x01\x07\x01\x01\x07").unwrap_err();
        assert_eq!(fault.to_string(), "a BOOLEAN other than 00 and ff (byte 5)");
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| {
            (0..depth).fold(vec![5, 0], |inner, _| {
                [&[0x30, inner.len() as u8], &inner[..]].concat()
            })
        };
        assert_eq!(read(&nested(MAX_DEPTH)), Ok(()));
        assert_eq!(read(&nested(MAX_DEPTH + 1)), Err("values nested too deep"));
        assert!(read(&[0x30, 0x80].repeat(5000)).is_err());
    }

    /// A value as it must be spelled, and the spellings of it that are wrong.
    fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
        let head = match content.len() {
            length @ 0..0x80 => vec![tag, length as u8],
            length @ 0x80..0x100 => vec![tag, 0x81, length as u8],
            length => vec![tag, 0x82, (length >> 8) as u8, length as u8],
        };
        [&head, content].concat()
    }

    fn right() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(|value| encode(BOOLEAN, &[if value { 0xff } else { 0 }])),
            any::<i64>().prop_map(|value| {
                let bytes = value.to_be_bytes();
                let start = (0..8).rev().find(|start| {
                    is_shortest_integer(&bytes[*start..]) && {
                        let sign = if bytes[*start] & 0x80 == 0 { 0 } else { 0xff };
                        bytes[..*start].iter().all(|byte| *byte == sign)
                    }
                });
                encode(INTEGER, &bytes[start.unwrap()..])
            }),
            proptest::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| encode(OCTET_STRING, &bytes)),
            "[a-zA-Z0-9 .-]{0,20}".prop_map(|text| encode(PRINTABLE_STRING, text.as_bytes())),
            Just(encode(NULL, &[])),
        ];
        leaf.prop_recursive(6, 40, 6, |inner| {
            proptest::collection::vec(inner, 0..6).prop_flat_map(|mut values| {
                let sequence = encode(SEQUENCE, &values.concat());
                let tagged = encode(0xa3, &values.concat());
                values.sort();
                values.dedup();
                prop_oneof![Just(sequence), Just(tagged), Just(encode(SET, &values.concat()))]
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_right_is_read_and_nothing_is_read_behind_or_before_its_end(value in right(), more in any::<u8>()) {
            prop_assert_eq!(read(&value), Ok(()));
            prop_assert!(read(&[&value[..], &[more]].concat()).is_err());
            prop_assert!(read(&value[..value.len() - 1]).is_err());
        }

        #[test]
        fn every_longer_spelling_of_a_length_is_refused(value in right(), wrapped in any::<bool>()) {
            let (tag, content) = (value[0], Value::read(&value).unwrap().content);
            let length = content.len() as u16;
            let mut heads = vec![vec![tag, 0x83, 0, (length >> 8) as u8, length as u8], vec![tag, 0x80]];
            if length < 0x100 {
                heads.push(vec![tag, 0x82, 0, length as u8]);
            }
            if length < 0x80 {
                heads.push(vec![tag, 0x81, length as u8]);
            }
            for head in heads {
                let wrong = [&head, content].concat();
                let wrong = if wrapped { encode(SEQUENCE, &wrong) } else { wrong };
                prop_assert!(read(&wrong).is_err(), "{:02x?}", head);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
        }
    }
}

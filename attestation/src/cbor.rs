//! A strict reader of the CBOR (RFC 8949) that attestation documents are made of: minimal heads, definite strings,
//! no skipping, no recursion. Nothing is copied and nothing allocated.

use crate::refusal::{Code, Refusal};
use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};

/// Reads one item after another; `field` names the item in a refusal.
pub(crate) struct Reader<'b>(Decoder<'b>);

/// Entries of a map that are still to come.
pub(crate) enum Entries {
    Left(u64),
    UntilBreak,
}

impl<'b> Reader<'b> {
    pub(crate) fn new(input: &'b [u8]) -> Self {
        Self(Decoder::new(input))
    }

    /// The tag in front of the next item, if there is one.
    pub(crate) fn tag(&mut self, field: &str) -> Result<Option<u64>, Refusal> {
        if self.next(field)? != Type::Tag {
            return Ok(None);
        }
        let start = self.0.position();
        let tag = self
            .0
            .tag()
            .map_err(|error| malformed(field, &error, "a tag"))?
            .as_u64();
        self.minimal(start, tag, 0, field)?;
        Ok(Some(tag))
    }

    /// The head of an array: the number of its items.
    pub(crate) fn array(&mut self, field: &str) -> Result<u64, Refusal> {
        let start = self.0.position();
        match self
            .0
            .array()
            .map_err(|error| malformed(field, &error, "an array"))?
        {
            Some(count) => self.minimal(start, count, 0, field).map(|()| count),
            None => Err(indefinite(field, "an array")),
        }
    }

    /// The head of a map of definite length: the number of its entries.
    pub(crate) fn map(&mut self, field: &str) -> Result<u64, Refusal> {
        match self.map_of_any_length(field)? {
            Entries::Left(count) => Ok(count),
            Entries::UntilBreak => Err(indefinite(field, "a map")),
        }
    }

    /// The head of a map of definite or indefinite length; [`more`](Self::more) tells when it ends.
    pub(crate) fn map_of_any_length(&mut self, field: &str) -> Result<Entries, Refusal> {
        let start = self.0.position();
        match self.0.map().map_err(|error| malformed(field, &error, "a map"))? {
            Some(count) => self
                .minimal(start, count, 0, field)
                .map(|()| Entries::Left(count)),
            None => Ok(Entries::UntilBreak),
        }
    }

    /// Whether another entry of the map follows. Takes the break that ends an indefinite map.
    pub(crate) fn more(&mut self, entries: &mut Entries, field: &str) -> Result<bool, Refusal> {
        match entries {
            Entries::Left(0) => Ok(false),
            Entries::Left(count) => {
                *count -= 1;
                Ok(true)
            }
            Entries::UntilBreak if self.next(field)? == Type::Break => {
                self.0.set_position(self.0.position() + 1);
                Ok(false)
            }
            Entries::UntilBreak => Ok(true),
        }
    }

    pub(crate) fn bytes(&mut self, field: &str) -> Result<&'b [u8], Refusal> {
        let start = self.0.position();
        let bytes = self
            .0
            .bytes()
            .map_err(|error| malformed(field, &error, "a byte string"))?;
        self.minimal(start, bytes.len() as u64, bytes.len(), field)?;
        Ok(bytes)
    }

    /// A byte string or null.
    pub(crate) fn optional_bytes(&mut self, field: &str) -> Result<Option<&'b [u8]>, Refusal> {
        if self.next(field)? != Type::Null {
            return self.bytes(field).map(Some);
        }
        self.0.null().map_err(|error| malformed(field, &error, "null"))?;
        Ok(None)
    }

    pub(crate) fn text(&mut self, field: &str) -> Result<&'b str, Refusal> {
        let start = self.0.position();
        let text = self
            .0
            .str()
            .map_err(|error| malformed(field, &error, "a text string"))?;
        self.minimal(start, text.len() as u64, text.len(), field)?;
        Ok(text)
    }

    pub(crate) fn uint(&mut self, field: &str) -> Result<u64, Refusal> {
        let start = self.0.position();
        let value = self
            .0
            .u64()
            .map_err(|error| malformed(field, &error, "an unsigned integer"))?;
        self.minimal(start, value, 0, field)?;
        Ok(value)
    }

    /// Refuses input that goes on.
    pub(crate) fn end(&self, field: &str) -> Result<(), Refusal> {
        match self.0.input().len() - self.0.position() {
            0 => Ok(()),
            rest => Err(Refusal::new(
                Code::TrailingBytes,
                field,
                format!("{rest} bytes after the end"),
                "none",
            )),
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.0.position()
    }

    fn next(&self, field: &str) -> Result<Type, Refusal> {
        self.0
            .datatype()
            .map_err(|error| malformed(field, &error, "another item"))
    }

    /// Refuses the item that began at `start` if its head, which carries `argument` and stands before a body of
    /// `body` bytes, is longer than needed. COSE asks for such heads in what is signed, and AWS writes no others.
    fn minimal(&self, start: usize, argument: u64, body: usize, field: &str) -> Result<(), Refusal> {
        let needed = match argument {
            0..=23 => 1,
            24..=0xff => 2,
            0x100..=0xffff => 3,
            0x1_0000..=0xffff_ffff => 5,
            _ => 9,
        };
        let found = self.0.position() - start - body;
        if found == needed {
            return Ok(());
        }
        Err(Refusal::new(
            Code::NonMinimal,
            field,
            format!("a head of {found} bytes for {argument}"),
            format!("a head of {needed} bytes"),
        ))
    }
}

fn malformed(field: &str, error: &Error, expected: &str) -> Refusal {
    Refusal::new(Code::Malformed, field, error.to_string(), expected)
}

fn indefinite(field: &str, kind: &str) -> Refusal {
    Refusal::new(
        Code::Malformed,
        field,
        "indefinite length",
        format!("{kind} of definite length"),
    )
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_of_head_is_read_and_its_longer_spellings_are_refused() {
        let minimal: [&[u8]; 5] = [
            b"\x17",
            b"\x18\x18",
            b"\x19\x01\x00",
            b"\x1a\0\x01\0\0",
            b"\x1b\0\0\0\x01\0\0\0\0",
        ];
        for (input, value) in minimal.iter().zip([23, 24, 0x100, 0x1_0000, 0x1_0000_0000]) {
            assert_eq!(Reader::new(input).uint("x"), Ok(value));
        }
        let longer: [&[u8]; 4] = [
            b"\x18\x17",
            b"\x19\x00\xff",
            b"\x1a\0\0\xff\xff",
            b"\x1b\0\0\0\0\xff\xff\xff\xff",
        ];
        for input in longer {
            assert_eq!(Reader::new(input).uint("x").unwrap_err().kind(), Code::NonMinimal);
        }
    }

    #[test]
    fn chunked_strings_and_undefined_are_refused() {
        for input in [&b"\x5f\x41a\xff"[..], b"\xf7", b"\xf8\x16", b"\x61a", b""] {
            assert_eq!(
                Reader::new(input).optional_bytes("x").unwrap_err().kind(),
                Code::Malformed
            );
        }
        assert_eq!(
            Reader::new(b"\x7f\x61a\xff").text("x").unwrap_err().kind(),
            Code::Malformed
        );
        assert_eq!(
            Reader::new(b"\x62\xff\xfe").text("x").unwrap_err().kind(),
            Code::Malformed
        );
        assert_eq!(
            Reader::new(b"\x9f\xff").array("x").unwrap_err().kind(),
            Code::Malformed
        );
        assert_eq!(
            Reader::new(b"\xbf\xff").map("x").unwrap_err().kind(),
            Code::Malformed
        );
    }

    #[test]
    fn a_length_beyond_the_input_is_refused_without_allocating() {
        let input = b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff";
        assert_eq!(Reader::new(input).bytes("x").unwrap_err().kind(), Code::Malformed);
    }
}

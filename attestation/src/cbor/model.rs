//! The reader against a model of RFC 8949's heads, exhaustively: every first byte, every boundary of an argument,
//! every truncation, bodies too short and long enough. Nothing of it may panic; overflow is checked in every build.

use super::{Entries, Reader};
use crate::refusal::{Code, Refusal};

/// An item's head as RFC 8949, 3, has it.
struct Head {
    major: u8,
    /// The argument; `None` for an indefinite length.
    argument: Option<u64>,
    len: usize,
}

impl Head {
    /// `None` if it is truncated or has a reserved form (28 to 30).
    fn read(input: &[u8]) -> Option<Self> {
        let (first, rest) = input.split_first()?;
        let (major, information) = (first >> 5, first & 31);
        let following = match information {
            0..=23 => {
                return Some(Self {
                    major,
                    argument: Some(information.into()),
                    len: 1,
                });
            }
            24..=27 => 1 << (information - 24),
            31 => {
                return Some(Self {
                    major,
                    argument: None,
                    len: 1,
                });
            }
            _ => return None,
        };
        let bytes = rest.get(..following)?;
        let argument = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Some(Self {
            major,
            argument: Some(argument),
            len: 1 + following,
        })
    }

    fn is_minimal(&self) -> bool {
        let least = match self.argument {
            None | Some(0..24) => 0,
            Some(24..0x100) => 1,
            Some(0x100..0x1_0000) => 2,
            Some(0x1_0000..0x1_0000_0000) => 4,
            Some(_) => 8,
        };
        self.len == 1 + least
    }
}

/// The argument of an item of type `major` with its minimal head, or the code of the refusal.
fn argument(input: &[u8], major: u8) -> Result<u64, Code> {
    match Head::read(input) {
        Some(head) if head.major == major => match head.argument {
            Some(_) if !head.is_minimal() => Err(Code::NonMinimal),
            Some(argument) => Ok(argument),
            None => Err(Code::Malformed),
        },
        _ => Err(Code::Malformed),
    }
}

/// The body of a string of type `major`. One that is not there is told before a head that is too long.
fn string(input: &[u8], major: u8) -> Result<&[u8], Code> {
    let head = Head::read(input)
        .filter(|head| head.major == major)
        .ok_or(Code::Malformed)?;
    let rest = &input[head.len..];
    let len = head
        .argument
        .and_then(|len| usize::try_from(len).ok())
        .ok_or(Code::Malformed)?;
    let body = rest.get(..len).ok_or(Code::Malformed)?;
    if major == 3 && std::str::from_utf8(body).is_err() {
        return Err(Code::Malformed);
    }
    if head.is_minimal() {
        Ok(body)
    } else {
        Err(Code::NonMinimal)
    }
}

fn kind<T>(result: Result<T, Refusal>) -> Result<T, Code> {
    result.map_err(|refusal| refusal.kind())
}

/// Holds every function of the reader against the model.
fn check(input: &[u8]) {
    let reader = || Reader::new(input);
    assert_eq!(kind(reader().uint("x")), argument(input, 0), "{input:02x?}");
    assert_eq!(kind(reader().array("x")), argument(input, 4), "{input:02x?}");
    assert_eq!(kind(reader().map("x")), argument(input, 5), "{input:02x?}");
    assert_eq!(kind(reader().bytes("x")), string(input, 2), "{input:02x?}");
    let text = kind(reader().text("x")).map(str::as_bytes);
    assert_eq!(text, string(input, 3), "{input:02x?}");
    let optional = match input.first() {
        Some(0xf6) => Ok(None),
        _ => string(input, 2).map(Some),
    };
    assert_eq!(kind(reader().optional_bytes("x")), optional, "{input:02x?}");
    let any_map = match input.first() {
        Some(0xbf) => Ok(None),
        _ => argument(input, 5).map(Some),
    };
    let entries = kind(reader().map_of_any_length("x")).map(|entries| match entries {
        Entries::Left(count) => Some(count),
        Entries::UntilBreak => None,
    });
    assert_eq!(entries, any_map, "{input:02x?}");
    let tag = kind(reader().tag("x"));
    match input.first() {
        Some(0xc0..=0xdb) => assert_eq!(tag, argument(input, 6).map(Some), "{input:02x?}"),
        _ => assert!(no_such(tag, None), "{input:02x?}"),
    }
    check_entries(input);
}

/// Whether the next item is found to be another one; where it ends within its head, that may be told as well.
fn no_such<T: PartialEq>(found: Result<T, Code>, other: T) -> bool {
    found == Ok(other) || found == Err(Code::Malformed)
}

/// A map's entries are counted down or end with a break, wherever the input ends.
fn check_entries(input: &[u8]) {
    let mut reader = Reader::new(input);
    let mut until_break = Entries::UntilBreak;
    let more = kind(reader.more(&mut until_break, "x"));
    match input.first() {
        None => assert_eq!(more, Err(Code::Malformed)),
        Some(0xff) => assert_eq!((more, reader.position()), (Ok(false), 1)),
        Some(_) => assert!(no_such(more, true) && reader.position() == 0),
    }
    let rest = kind(reader.end("x"));
    assert_eq!(rest.is_ok(), reader.position() == input.len());
}

#[test]
fn every_input_of_up_to_two_bytes_is_read_as_the_model_reads_it() {
    check(&[]);
    for first in 0..=u8::MAX {
        check(&[first]);
        for second in 0..=u8::MAX {
            check(&[first, second]);
        }
    }
}

#[test]
fn every_head_is_read_as_the_model_reads_it_with_every_truncation() {
    let boundaries = [0_u64, 24, 0x100, 0x1_0000, 1 << 31, 1 << 32, 1 << 63];
    let arguments = boundaries
        .iter()
        .flat_map(|boundary| [boundary.wrapping_sub(1), *boundary, boundary.wrapping_add(1)]);
    for argument in arguments {
        for first in 0..=u8::MAX {
            // The argument's last 1, 2, 4 or 8 bytes, as the head has room for.
            let following = match first & 31 {
                information @ 24..=27 => 1 << (information - 24),
                _ => 0,
            };
            let head = [&[first], &argument.to_be_bytes()[8 - following..]].concat();
            for length in 0..head.len() {
                check(&head[..length]);
            }
            for body in [0, 1, 23, 24, 25, 255, 256, 257] {
                check(&[&head[..], &vec![b'a'; body]].concat());
                check(&[&head[..], &vec![0xff; body]].concat());
            }
        }
    }
}

#[test]
fn strings_are_read_whole_at_every_length_of_head() {
    for length in [0_usize, 1, 23, 24, 255, 256, 0xffff, 0x1_0000] {
        for major in [2_u8, 3] {
            for (information, following) in [(length.min(23) as u8, 0), (24, 1), (25, 2), (26, 4), (27, 8)] {
                let argument = &(length as u64).to_be_bytes()[8 - following..];
                let input = [&[major << 5 | information], argument, &vec![b'a'; length]].concat();
                check(&input);
                check(&input[..input.len() - 1]);
            }
        }
    }
}

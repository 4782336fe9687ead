//! Certificates as trees of DER, so that a test can change a value in the depth of one and keep the lengths around it.

use crate::authority::Authority;
use crate::dice::Dice;

/// A value, as it is or made of others: of a SEQUENCE, a SET or a tagged value, or within an OCTET STRING, as
/// extensions have it.
#[derive(Clone)]
enum Der {
    /// The bytes of a value, or of what only looks like one.
    Plain(Vec<u8>),
    Made(u8, Vec<Der>),
}

/// The tags that a changed value may get.
const TAGS: [u8; 22] = [
    0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x09, 0x0a, 0x0c, 0x10, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1e,
    0x24, 0x30, 0x31, 0x80, 0xa0,
];

impl Der {
    /// Reads as many values as there are; `None` for what is not made of values with short heads.
    fn read_all(mut input: &[u8]) -> Option<Vec<Self>> {
        let mut values = Vec::new();
        while let [tag, rest @ ..] = input {
            let (length, head) = match rest {
                [length @ 0..=0x7f, ..] => (usize::from(*length), 2),
                [0x81, length, ..] => (usize::from(*length), 3),
                [0x82, high, low, ..] => (usize::from(u16::from_be_bytes([*high, *low])), 4),
                _ => return None,
            };
            let encoded = input.get(..head + length)?;
            let inside = Self::read_all(&encoded[head..]);
            values.push(match (tag, inside) {
                (0x04, Some(inside)) if inside.len() == 1 => Self::Made(*tag, inside),
                (tag, Some(inside)) if tag & 0x20 != 0 => Self::Made(*tag, inside),
                _ => Self::Plain(encoded.to_vec()),
            });
            input = &input[encoded.len()..];
        }
        Some(values)
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Plain(bytes) => bytes.clone(),
            Self::Made(tag, inside) => value(*tag, &inside.iter().flat_map(Self::encode).collect::<Vec<_>>()),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Plain(_) => 1,
            Self::Made(_, inside) => 1 + inside.iter().map(Self::count).sum::<usize>(),
        }
    }

    /// The value at `place`, counted from the outside in and from the front.
    fn at(&mut self, place: &mut usize) -> Option<&mut Self> {
        if *place == 0 {
            return Some(self);
        }
        *place -= 1;
        match self {
            Self::Plain(_) => None,
            Self::Made(_, inside) => inside.iter_mut().find_map(|value| value.at(place)),
        }
    }

    fn change(&mut self, dice: &mut Dice<'_>) {
        let encoded = self.encode();
        match (self, dice.below(6)) {
            (Self::Made(_, inside), 0) if inside.len() > 1 => {
                let (one, other) = (dice.below(inside.len()), dice.below(inside.len()));
                inside.swap(one, other);
            }
            (Self::Made(_, inside), 1) if !inside.is_empty() => drop(inside.remove(dice.below(inside.len()))),
            (Self::Made(_, inside), 2) if !inside.is_empty() => inside.push(dice.pick(inside)),
            (Self::Made(tag, _), 3) => *tag = dice.pick(&TAGS),
            (value, _) => *value = Self::Plain(spelled_otherwise(dice, &encoded)),
        }
    }
}

/// A value with another tag, content or spelling of its length.
fn spelled_otherwise(dice: &mut Dice<'_>, encoded: &[u8]) -> Vec<u8> {
    let head = match encoded.get(1) {
        Some(0x81) => 3,
        Some(0x82) => 4,
        _ => 2,
    };
    let Some((tag, mut content)) = encoded.first().zip(encoded.get(head..).map(<[u8]>::to_vec)) else {
        return encoded.to_vec();
    };
    let length = content.len();
    match dice.below(9) {
        0 => [&[*tag, 0x81, length as u8], &content[..]].concat(),
        1 => [&[*tag, 0x82, (length >> 8) as u8, length as u8], &content[..]].concat(),
        2 => [&[*tag, 0x80], &content[..], &[0, 0]].concat(),
        3 => value(dice.pick(&TAGS), &content),
        4 => value(tag ^ dice.pick(&[0x20, 0x80]), &content),
        5 => value(*tag, &[&[dice.pick(&[0, 0xff])], &content[..]].concat()),
        6 => value(*tag, &content[..length.saturating_sub(1)]),
        7 if !content.is_empty() => {
            dice.edit(&mut content);
            value(*tag, &content)
        }
        _ => value(*tag, &[]),
    }
}

/// A value with its length in the one right spelling.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let head = match content.len() {
        length @ 0..0x80 => vec![tag, length as u8],
        length @ 0x80..0x100 => vec![tag, 0x81, length as u8],
        length => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [&head, content].concat()
}

impl Authority {
    /// `certificate`, changed in one or two places of what its issuer, the one of `by`, then signs.
    pub(crate) fn issued_otherwise(&self, dice: &mut Dice<'_>, certificate: &[u8], by: usize) -> Vec<u8> {
        let Some(Der::Made(_, parts)) = Der::read_all(certificate).and_then(|mut read| read.pop()) else {
            panic!("not a certificate");
        };
        let mut signed = parts[0].clone();
        for _ in 0..=dice.below(2) {
            let mut place = 1 + dice.below(signed.count().saturating_sub(1).max(1));
            if let Some(value) = signed.at(&mut place) {
                value.change(dice);
            }
        }
        self.certify(&signed.encode(), by)
    }
}

//! What stands in a policy file, read strictly: tables, lists, hex, names, seconds.

use super::super::Binding;
use super::{MAX_FIELD_LEN, MAX_NAME_LEN, MAX_RELEASES, MAX_VALUES};
use crate::pcr::{PCR_COUNT, PCR_LEN, Pcr};
use crate::root::Trust;
use serde::Deserialize;
use serde::de::{self, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// A table with at least one key and none of them twice, in its order.
pub(super) struct Table<K, V>(pub(super) Vec<(K, V)>);

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de> + PartialEq, V: Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);
        impl<'de, K: Deserialize<'de> + PartialEq, V: Deserialize<'de>> Visitor<'de> for Entries<K, V> {
            type Value = Table<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a table of 1 to {MAX_RELEASES} keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(K, V)> = Vec::new();
                while let Some(key) = map.next_key()? {
                    if entries.iter().any(|(other, _)| *other == key) {
                        return Err(A::Error::custom("a key stands twice"));
                    }
                    entries.push((key, map.next_value()?));
                    if entries.len() > MAX_RELEASES {
                        return Err(A::Error::invalid_length(entries.len(), &self));
                    }
                }
                match entries.len() {
                    0 => Err(A::Error::invalid_length(0, &self)),
                    _ => Ok(Table(entries)),
                }
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// One value, or a list of them; never none.
pub(super) struct Many<T>(pub(super) Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrList<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrList<T> {
            type Value = Many<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a string, or a list of 1 to {MAX_VALUES} strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::deserialize(de::value::StrDeserializer::new(text)).map(|value| Many(vec![value]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = list.next_element()? {
                    values.push(value);
                    if values.len() > MAX_VALUES {
                        return Err(A::Error::invalid_length(values.len(), &self));
                    }
                }
                match values.len() {
                    0 => Err(A::Error::invalid_length(0, &self)),
                    _ => Ok(Many(values)),
                }
            }
        }
        deserializer.deserialize_any(OneOrList(PhantomData))
    }
}

/// Declares what is read from a string that `$read` accepts; `$expected` says what it accepts.
macro_rules! from_text {
    ($name:ty, $expected:expr, $read:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                let read: fn(&str) -> Option<$name> = $read;
                read(&text).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &$expected))
            }
        }
    };
}

#[derive(PartialEq)]
pub(super) struct Index(pub(super) u8);
from_text!(Index, "a PCR index, 0 to 31", |text| {
    let index = text.parse().ok().filter(|index: &u8| *index < PCR_COUNT)?;
    (index.to_string() == text).then_some(Index(index))
});

pub(super) struct Register(pub(super) Pcr);
from_text!(Register, "96 hex digits (48 bytes)", |text| array::<PCR_LEN>(
    text
)
.map(Register));

#[derive(PartialEq)]
pub(super) struct Name(pub(super) String);
from_text!(Name, "a name of 1 to 64 letters, digits and -._+", |text| {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._+".contains(&byte);
    let named = (1..=MAX_NAME_LEN).contains(&text.len()) && text.bytes().all(allowed);
    named.then(|| Name(text.into()))
});

pub(super) struct Bytes(pub(super) Vec<u8>);
from_text!(Bytes, "hex of at most 1024 bytes", |text| {
    hex::decode(text)
        .ok()
        .filter(|bytes| bytes.len() <= MAX_FIELD_LEN)
        .map(Bytes)
});

from_text!(Trust, "\"aws-nitro\", \"development\" or \"custom\"", |text| {
    Trust::ALL.into_iter().find(|trust| trust.as_str() == text)
});

fn array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

pub(super) struct Sha256(pub(super) [u8; 32]);
from_text!(Sha256, "64 hex digits (32 bytes)", |text| array(text).map(Sha256));

struct Sha384([u8; 48]);
from_text!(Sha384, "96 hex digits (48 bytes)", |text| array(text).map(Sha384));

/// The hashes that a field may be bound by.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Hash {
    Sha256,
    Sha384,
}

impl<'de> Deserialize<'de> for Binding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesOrHash;
        impl<'de> Visitor<'de> for BytesOrHash {
            type Value = Binding;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("hex, or a table with either sha256 or sha384 of the field")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Binding, E> {
                Bytes::deserialize(de::value::StrDeserializer::new(text))
                    .map(|Bytes(bytes)| Binding::Bytes(bytes))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Binding, A::Error> {
                let binding = match map.next_key()? {
                    Some(Hash::Sha256) => map.next_value().map(|Sha256(hash)| Binding::Sha256(hash))?,
                    Some(Hash::Sha384) => map.next_value().map(|Sha384(hash)| Binding::Sha384(hash))?,
                    None => return Err(A::Error::invalid_length(0, &self)),
                };
                match map.next_key::<de::IgnoredAny>()? {
                    None => Ok(binding),
                    Some(_) => Err(A::Error::invalid_length(2, &self)),
                }
            }
        }
        deserializer.deserialize_any(BytesOrHash)
    }
}

/// Whole seconds; JSON Schema takes 60.0 for an integer, so this does.
pub(super) struct Seconds(pub(super) u32);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeNumber;
        impl Visitor<'_> for WholeNumber {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "whole seconds, 0 to {}", u32::MAX)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Seconds, E> {
                let seconds = u32::try_from(number).map(Seconds);
                seconds.map_err(|_| E::invalid_value(Unexpected::Unsigned(number), &self))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Seconds, E> {
                let seconds = u32::try_from(number).map(Seconds);
                seconds.map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Seconds, E> {
                let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
                match whole {
                    true => Ok(Seconds(number as u32)),
                    false => Err(E::invalid_value(Unexpected::Float(number), &self)),
                }
            }
        }
        deserializer.deserialize_any(WholeNumber)
    }
}

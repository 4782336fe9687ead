//! Reading a map of attributes field by field, gathering what is wrong and what nobody knows.

use crate::fault::{Fault, printable};
use crate::item::AttributeValue;
use std::collections::{BTreeSet, HashMap};

/// One map of a row, and what was found in it so far.
pub(super) struct Fields<'a> {
    prefix: String,
    map: &'a HashMap<String, AttributeValue>,
    known: BTreeSet<String>,
    faults: Vec<Fault>,
    unknown: Vec<String>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(prefix: &str, map: &'a HashMap<String, AttributeValue>) -> Self {
        Self {
            prefix: prefix.into(),
            map,
            known: BTreeSet::new(),
            faults: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Names fields that are known and not read here.
    pub(super) fn allow(&mut self, names: &[&str]) {
        self.known.extend(names.iter().map(|name| (*name).to_owned()));
    }

    pub(super) fn fault(&mut self, name: &str, problem: impl Into<String>) {
        let path = self.path(name);
        self.faults.push(Fault::new(path, problem));
    }

    /// Takes over what was found in an inner map.
    pub(super) fn absorb(&mut self, inner: Fields<'_>) {
        let (faults, unknown) = inner.finish();
        self.faults.extend(faults);
        self.unknown.extend(unknown);
    }

    /// The faults, and the fields that were never asked for.
    pub(super) fn finish(mut self) -> (Vec<Fault>, Vec<String>) {
        let mut unknown: Vec<_> = self
            .map
            .keys()
            .filter(|key| !self.known.contains(*key))
            .map(|key| self.path(&printable(key, 64)))
            .collect();
        unknown.sort();
        self.unknown.extend(unknown);
        (self.faults, self.unknown)
    }

    /// A string; absent, null and empty are one (web forms write empty strings).
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            AttributeValue::S(text) if text.is_empty() => None,
            AttributeValue::S(text) => Some(text.clone()),
            _ => self.refuse(name, "is not a string"),
        }
    }

    /// A whole number, as a number or as a string of digits.
    pub(super) fn number(&mut self, name: &str) -> Option<u64> {
        match self.take(name)? {
            AttributeValue::S(text) if text.is_empty() => None,
            AttributeValue::S(text) | AttributeValue::N(text) => match text.parse() {
                Ok(number) => Some(number),
                Err(_) => self.refuse(
                    name,
                    &format!("is {:?}, not a whole number from 0 up", printable(text, 32)),
                ),
            },
            _ => self.refuse(name, "is not a number"),
        }
    }

    /// A boolean, as one or as "true" or "false".
    pub(super) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            AttributeValue::Bool(flag) => Some(*flag),
            AttributeValue::S(text) if text == "true" => Some(true),
            AttributeValue::S(text) if text == "false" => Some(false),
            AttributeValue::S(text) if text.is_empty() => None,
            _ => self.refuse(name, "is neither true nor false"),
        }
    }

    /// A list or set of strings or numbers, as strings.
    pub(super) fn list(&mut self, name: &str) -> Vec<String> {
        let items = match self.take(name) {
            None => return Vec::new(),
            Some(AttributeValue::Ss(set) | AttributeValue::Ns(set)) => return set.clone(),
            Some(AttributeValue::L(items)) => items,
            Some(_) => {
                self.fault(name, "is not a list");
                return Vec::new();
            }
        };
        let texts: Option<Vec<_>> = items
            .iter()
            .map(|item| match item {
                AttributeValue::S(text) | AttributeValue::N(text) => Some(text.clone()),
                _ => None,
            })
            .collect();
        if texts.is_none() {
            self.fault(name, "holds something other than strings and numbers");
        }
        texts.unwrap_or_default()
    }

    /// An inner map.
    pub(super) fn map(&mut self, name: &str) -> Option<&'a HashMap<String, AttributeValue>> {
        match self.take(name)? {
            AttributeValue::M(map) => Some(map),
            _ => self.refuse(name, "is not a map"),
        }
    }

    /// The value as it is, for what may come in several forms.
    pub(super) fn take(&mut self, name: &str) -> Option<&'a AttributeValue> {
        self.known.insert(name.to_owned());
        self.map
            .get(name)
            .filter(|value| !matches!(value, AttributeValue::Null(_)))
    }

    /// A field that must be there.
    pub(super) fn required<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<T> {
        let faults = self.faults.len();
        let value = read(self, name);
        if value.is_none() && self.faults.len() == faults {
            self.fault(name, "is missing");
        }
        value
    }

    fn refuse<T>(&mut self, name: &str, problem: &str) -> Option<T> {
        self.fault(name, problem);
        None
    }

    fn path(&self, name: &str) -> String {
        if self.prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.prefix)
        }
    }
}

/// Whether `text` is spelled as an EC2 instance type is: `m6i.xlarge`, `c7gn.16xlarge`, `u-6tb1.metal`.
pub(super) fn is_instance_type(text: &str) -> bool {
    let Some((family, size)) = text.split_once('.') else {
        return false;
    };
    let word = |text: &str| {
        (1..=16).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let multiple = size
        .strip_suffix("xlarge")
        .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()));
    let named = ["nano", "micro", "small", "medium", "large"].contains(&size);
    word(family)
        && family.starts_with(|c: char| c.is_ascii_lowercase())
        && word(size)
        && (multiple || named || size.starts_with("metal"))
}

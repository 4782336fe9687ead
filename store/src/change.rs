//! A conditional change of a row.

use contract::item::{AttributeValue, Item};
use contract::row::attribute;
use std::collections::BTreeMap;

/// The row that a change was worked out from, known by its status and revision as they stand in it. A client may have
/// written anything there, so anything is compared. The write counts only if the row still has both.
#[derive(Debug, Clone, PartialEq)]
pub struct Guard {
    pub(crate) status: Option<AttributeValue>,
    pub(crate) revision: Option<AttributeValue>,
}

impl Guard {
    /// The guard of the row `item`.
    pub fn of(item: &Item) -> Self {
        Self {
            status: item.get(attribute::STATUS).cloned(),
            revision: item.get(attribute::REVISION).cloned(),
        }
    }

    /// The revision after a write: 1 where there is none, or none that is a number.
    pub(crate) fn next_revision(&self) -> u64 {
        let revision = match &self.revision {
            Some(AttributeValue::N(digits)) => digits.parse().unwrap_or(0),
            _ => 0_u64,
        };
        revision.saturating_add(1)
    }
}

/// What became of a conditional change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Applied {
        /// The row's revision now.
        revision: u64,
    },
    /// The row had changed (or gone) in between: nothing was made. Read it again and decide anew.
    Lost,
}

/// Attributes to set and to remove. `revision` and `updatedAt` are kept by [`crate::Rows::update`] itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    pub(crate) set: BTreeMap<&'static str, AttributeValue>,
    pub(crate) remove: Vec<&'static str>,
}

impl Change {
    /// No change yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `name` (one of [`contract::row::attribute`]).
    pub fn set(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.remove.retain(|removed| *removed != name);
        self.set.insert(name, value);
        self
    }

    /// Sets `name` to a text.
    pub fn text(self, name: &'static str, text: impl Into<String>) -> Self {
        self.set(name, AttributeValue::S(text.into()))
    }

    /// Sets `name` to a number.
    pub fn number(self, name: &'static str, number: u64) -> Self {
        self.set(name, AttributeValue::N(number.to_string()))
    }

    /// Removes `name`.
    pub fn remove(mut self, name: &'static str) -> Self {
        self.set.remove(name);
        if !self.remove.contains(&name) {
            self.remove.push(name);
        }
        self
    }

    /// The update expression, its names and values, with `revision` and `updatedAt` in it.
    pub(crate) fn expression(&self, revision: u64, updated_at: String) -> Expression {
        let all = self
            .clone()
            .number(attribute::REVISION, revision)
            .text(attribute::UPDATED_AT, updated_at);
        let (mut names, mut values, mut sets) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (name, value)) in all.set.into_iter().enumerate() {
            sets.push(format!("#s{at} = :s{at}"));
            names.push((format!("#s{at}"), name.to_owned()));
            values.push((format!(":s{at}"), value));
        }
        let mut text = format!("SET {}", sets.join(", "));
        let removes: Vec<_> = (0..all.remove.len()).map(|at| format!("#r{at}")).collect();
        if !removes.is_empty() {
            text = format!("{text} REMOVE {}", removes.join(", "));
        }
        names.extend(
            removes
                .into_iter()
                .zip(all.remove.iter().map(|name| (*name).to_owned())),
        );
        Expression { text, names, values }
    }
}

pub(crate) struct Expression {
    pub(crate) text: String,
    pub(crate) names: Vec<(String, String)>,
    pub(crate) values: Vec<(String, AttributeValue)>,
}

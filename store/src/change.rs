//! A conditional change of a row.

use contract::item::AttributeValue;
use contract::row::{Row, attribute};
use std::collections::BTreeMap;

/// The row that a change was worked out from. The write counts only if the row still is that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// Its status, as text: an unknown one too.
    pub status: String,
    /// Its revision; absent: the pipeline never wrote it.
    pub revision: Option<u64>,
}

impl Guard {
    /// The guard of `row`.
    pub fn of(row: &Row) -> Self {
        Self {
            status: row.status.to_string(),
            revision: row.revision,
        }
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

//! What is wrong with an input: where, what, and the mend.

/// One thing wrong with a row. A row is answered with all of its faults at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Fault {
    /// The attribute, as a path in the row: `providerConfig.cpuCount`.
    pub field: String,
    /// What was found and what to write instead.
    pub problem: String,
}

impl Fault {
    /// A fault of `field`; `problem` says what was found and the mend.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// All faults in one line, for a status reason.
pub fn describe(faults: &[Fault]) -> String {
    faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// A hostile text made fit for a message: control characters replaced, at most `limit` characters.
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown: String = text
        .chars()
        .take(limit)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shortened_and_cleaned() {
        assert_eq!(printable("a\u{1b}[31mb\n", 10), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(printable("abcdef", 3), "abc…");
        assert_eq!(printable("abc", 3), "abc");
    }
}

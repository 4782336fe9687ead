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
    shown(text, limit, |_| false)
}

/// The same for a text of several lines, such as the end of a log: its line breaks stay.
pub fn printable_lines(text: &str, limit: usize) -> String {
    let text = text.trim_end().replace("\r\n", "\n").replace('\t', " ");
    shown(&text, limit, |c| c == '\n')
}

fn shown(text: &str, limit: usize, stays: impl Fn(char) -> bool) -> String {
    let fit = |c: char| {
        if c.is_control() && !stays(c) {
            '\u{fffd}'
        } else {
            c
        }
    };
    let mut shown: String = text.chars().take(limit).map(fit).collect();
    if text.chars().nth(limit).is_some() {
        shown.push('…');
    }
    shown
}

/// An error with its causes, which often alone name the reason: at most `limit` characters, [`printable`], in one line.
/// Only what each says of itself; a `Debug` form may hold whole answers of a stranger's.
pub fn causes(error: &dyn std::error::Error, limit: usize) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    printable(&lines.join(" "), limit)
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

    #[test]
    fn the_lines_of_a_log_stay_lines() {
        let log = "first\r\n\tsecond\u{1b}[31m\rthird\n";
        assert_eq!(
            printable_lines(log, 100),
            "first\n second\u{fffd}[31m\u{fffd}third"
        );
        assert_eq!(printable_lines("a\nb\nc", 3), "a\nb…");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("dispatch failure")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_told_without_what_only_a_programmer_reads() {
        let outer = |said: &str| Outer(std::io::Error::other(said));
        assert_eq!(
            causes(&outer("nobody listens"), 100),
            "dispatch failure: nobody listens"
        );
        assert_eq!(
            causes(&outer("\nno one\r\nlistens"), 100),
            "dispatch failure: no one listens"
        );
        let long = causes(&outer(&"\u{1b}[31m".repeat(1000)), 500);
        assert!(long.chars().count() == 501 && !long.contains('\u{1b}'), "{long}");
    }
}

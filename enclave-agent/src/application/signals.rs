//! Signals by their names, as images spell them.

use nix::sys::signal::Signal;

/// The number of a signal that an image names: `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3`. What is no signal is taken as
/// SIGTERM, so that the application is asked at all.
pub(super) fn number(name: &str) -> i32 {
    let name = name.to_ascii_uppercase();
    let bare = name.strip_prefix("SIG").unwrap_or(&name);
    let (lowest, highest) = crate::sys::real_time_signals();
    let real_time = |base: i32, rest: &str| match rest {
        "" => Some(base),
        _ => rest
            .parse::<i32>()
            .ok()
            .and_then(|offset| base.checked_add(offset)),
    };
    let number = if let Some(rest) = bare.strip_prefix("RTMIN") {
        real_time(lowest, rest).filter(|number| *number >= lowest)
    } else if let Some(rest) = bare.strip_prefix("RTMAX") {
        real_time(highest, rest).filter(|number| *number >= lowest)
    } else {
        bare.parse().ok().or_else(|| {
            format!("SIG{bare}")
                .parse::<Signal>()
                .ok()
                .map(|signal| signal as i32)
        })
    };
    number
        .filter(|number| (1..=highest).contains(number))
        .unwrap_or(libc::SIGTERM)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn names_and_numbers_are_read_and_nonsense_is_sigterm() {
        let lowest = libc::SIGRTMIN();
        let spelled = [
            ("SIGTERM", libc::SIGTERM),
            ("SIGQUIT", libc::SIGQUIT),
            ("int", libc::SIGINT),
            ("9", libc::SIGKILL),
            ("SIGRTMIN+3", lowest + 3),
            ("RTMIN", lowest),
            ("SIGRTMAX-1", libc::SIGRTMAX() - 1),
        ];
        for (name, expected) in spelled {
            assert_eq!(number(name), expected, "{name}");
        }
        for nonsense in [
            "",
            "0",
            "-1",
            "65",
            "SIGNONE",
            "SIGRTMIN-9",
            "SIGRTMIN+99",
            "RTMIN+2147483647",
        ] {
            assert_eq!(number(nonsense), libc::SIGTERM, "{nonsense}");
        }
    }
}

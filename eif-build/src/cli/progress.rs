//! Progress on standard error: a bar on a terminal, a line for each step elsewhere.
use std::{
    io::{IsTerminal, Write, stderr},
    sync::Arc,
};

use eif_build::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Clears the bar when the work ends, however it ends.
pub(super) struct Cleared(Option<ProgressBar>);

impl Drop for Cleared {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Begins to show progress, until the second value is dropped.
pub(super) fn start() -> (Arc<dyn Progress>, Cleared) {
    if !stderr().is_terminal() {
        return (Arc::new(Lines), Cleared(None));
    }
    let bar = ProgressBar::new(0);
    let template = "{msg} {wide_bar} {bytes}/{total_bytes}";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    (Arc::new(Bar(bar.clone())), Cleared(Some(bar)))
}

struct Lines;

impl Progress for Lines {
    fn begin(&self, step: &str, _total: u64) {
        // The work goes on though nobody can be told.
        let _ = writeln!(stderr(), "{step}");
    }

    fn advance(&self, _bytes: u64) {}
}

struct Bar(ProgressBar);

impl Progress for Bar {
    fn begin(&self, step: &str, total: u64) {
        self.0.reset();
        self.0.set_length(total);
        self.0.set_message(step.chars().take(40).collect::<String>());
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

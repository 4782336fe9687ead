//! What the agent says to people: lines on the console, which the host can read.

use std::fmt;
use std::io::Write;

/// Writes a line to standard error, which is the enclave's console. One that cannot be written is lost: `eprintln!`
/// would panic, and with it the enclave.
pub fn write_line(line: fmt::Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("treza-agent: {line}\n").as_bytes());
}

/// Says a line on the console; takes what `format!` takes.
#[macro_export]
macro_rules! say {
    ($($part:tt)*) => { $crate::console::write_line(format_args!($($part)*)) };
}

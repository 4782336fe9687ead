//! The command line: arguments, commands, what is printed.
mod arguments;
mod bundle_arguments;
mod commands;
mod print;
mod progress;

use std::{
    error::Error as StdError,
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

/// Runs the program. Exit 0: done; 1: could not; 2: the input is refused (clap's own errors too); 3: what was compared
/// differs.
pub(crate) fn main() -> ExitCode {
    let arguments = arguments::Arguments::parse();
    match commands::run(arguments) {
        Ok(commands::Outcome::Done) => ExitCode::SUCCESS,
        Ok(commands::Outcome::Refused) => ExitCode::from(2),
        Ok(commands::Outcome::Differs) => ExitCode::from(3),
        Err(error) => {
            let more = match is_disk_full(&error) {
                true => "The disk is full; free some room, nothing unfinished was left behind.\n",
                false => "",
            };
            // Where there is no standard error either, the code says it.
            let _ = write!(io::stderr(), "treza-eif: {error}\n{more}");
            ExitCode::from(if error.is_refusal() { 2 } else { 1 })
        }
    }
}

fn is_disk_full(error: &eif_build::Error) -> bool {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = cause {
        if error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::StorageFull)
        {
            return true;
        }
        cause = error.source();
    }
    false
}

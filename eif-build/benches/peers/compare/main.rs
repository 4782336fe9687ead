//! treza-eif beside the peer, on the same inputs in the same run: what is equal, how long each takes, and how much memory.
//!
//! `run.sh` builds both and starts this. What is compared are processes, since peak memory is a process's. Times are
//! medians of rounds in which all take turns; where there is a limit it is a ratio, so that the machine cancels out.
mod equal;
mod inputs;
mod process;
mod speed;

use std::{env, error::Error, path::PathBuf};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The yardsticks are processes too.
    match &arguments[..] {
        ["sha384", file] => return speed::sha384(file),
        ["inflate", file] => return speed::inflate(file),
        // Inputs too: a process counts what its parent held when it was started as its own.
        ["image", folder, megabytes] => return inputs::image(folder.as_ref(), megabytes.parse()?),
        _ => {}
    }
    let megabytes: Vec<u64> = arguments.iter().map(|it| it.parse()).collect::<Result<_, _>>()?;
    let vectors = env::var_os("TREZA_VECTORS").map(PathBuf::from);
    let work = tempfile::Builder::new().prefix("treza-peers-").tempdir()?;
    let mut table = Table::default();
    equal::vectors(&mut table, vectors)?;
    equal::signatures(&mut table, work.path())?;
    if megabytes.contains(&200) {
        speed::image(&mut table, work.path())?;
    }
    for size in megabytes {
        speed::files(&mut table, work.path(), size)?;
    }
    table.show()
}

/// What was found, and whether it is within its limit.
#[derive(Default)]
struct Table(Vec<(String, String, String, Option<bool>)>);

impl Table {
    fn note(&mut self, what: impl Into<String>, value: impl Into<String>, limit: &str, met: Option<bool>) {
        let (what, value) = (what.into(), value.into());
        eprintln!("{what}: {value}");
        self.0.push((what, value, limit.into(), met));
    }

    fn show(&self) -> Outcome<()> {
        println!("| what | value | limit | |\n| --- | --- | --- | --- |");
        for (what, value, limit, met) in &self.0 {
            let met = met.map_or("", |met| if met { "met" } else { "NOT MET" });
            println!("| {what} | {value} | {limit} | {met} |");
        }
        match self.0.iter().any(|(.., met)| *met == Some(false)) {
            true => Err("a limit is not met".into()),
            false => Ok(()),
        }
    }
}

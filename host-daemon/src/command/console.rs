//! `treza-host console` and `treza-host logs`.

use super::find;
use crate::Error;
use crate::files::RotatingLog;
use crate::holding::Holding;
use crate::state_dir::StateDir;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use tokio::time::sleep;

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Prints what stands on an enclave's console; with `follow`, what comes there, until it ends.
pub async fn console(state_dir: &StateDir, name: &str, follow: bool) -> Result<(), Error> {
    let dir = find(state_dir, name)?;
    let Some(holding) = Holding::find(dir.clone())? else {
        return print(dir.ended().console_tail.as_bytes());
    };
    let mut from = 0;
    loop {
        let chunk = holding.console(from).await?;
        let is_all = chunk.ended || (chunk.bytes.is_empty() && !follow);
        print(&chunk.bytes)?;
        if is_all {
            return Ok(());
        }
        from = chunk.next;
    }
}

/// Prints the output of an enclave's application; with `follow`, what comes, until the enclave ends.
pub async fn logs(state_dir: &StateDir, name: &str, follow: bool) -> Result<(), Error> {
    let dir = find(state_dir, name)?;
    let path = dir.application_log();
    copy_from(&RotatingLog::previous(&path), 0)?;
    let (mut file, mut position) = (inode(&path), copy_from(&path, 0)?);
    while follow && dir.is_held()? {
        sleep(LOOK).await;
        if inode(&path) != file {
            // Rotated: the rest of the old file first.
            copy_from(&RotatingLog::previous(&path), position)?;
            (file, position) = (inode(&path), 0);
        }
        position = copy_from(&path, position)?;
    }
    Ok(())
}

fn inode(path: &Path) -> Option<u64> {
    path.metadata().ok().map(|metadata| metadata.ino())
}

/// Prints a file from `position` on; where it ends now. One that is not there is empty.
fn copy_from(path: &Path, position: u64) -> Result<u64, Error> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(position))?;
        file.take(4 * crate::enclave_dir::APPLICATION_LOG_BYTES)
            .read_to_end(&mut bytes)
    });
    match read {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io("read", path)(error)),
        _ => print(&bytes)?,
    }
    Ok(position + bytes.len() as u64)
}

/// Writes to the standard output; a reader that left ends the program quietly.
fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    match output.write_all(bytes).and_then(|()| output.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.map_err(|source| Error::Io {
            what: "print".into(),
            source,
        }),
    }
}

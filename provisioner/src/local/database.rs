//! DynamoDB in the process: dynoxide on a file, served on 127.0.0.1.

use super::Error;
use super::port_owner;
use dynoxide::Database;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The database, served.
pub struct Served {
    /// The database itself.
    pub database: Database,
    /// Where clients reach it, `http://127.0.0.1:PORT`.
    pub endpoint: String,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), String>>,
}

impl Served {
    /// Opens the database at `file` (none: in memory) and serves it on `port`; 0: any free one.
    ///
    /// # Errors
    /// [`Error::PortTaken`] with the one that has it; [`Error::Database`] for a file that cannot be opened.
    pub async fn start(file: Option<&Path>, port: u16) -> Result<Self, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(|source| taken(port, source))?;
        let address = listener.local_addr().map_err(|source| taken(port, source))?;
        let database = match file {
            Some(file) => Database::new(&file.to_string_lossy()),
            None => Database::memory(),
        }
        .map_err(|error| Error::Database(error.to_string()))?;
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(dynoxide::server::serve_with_shutdown(
            listener,
            database.clone(),
            async {
                // An end without a word is an end too.
                let _ = stopped.await;
            },
        ));
        Ok(Self {
            database,
            endpoint: format!("http://{address}"),
            stop,
            server,
        })
    }

    /// Stops serving; requests that run are finished, for a moment.
    pub async fn stop(self) {
        // The server may have ended already.
        let _ = self.stop.send(());
        let abort = self.server.abort_handle();
        if tokio::time::timeout(super::GRACE, self.server).await.is_err() {
            abort.abort();
        }
    }
}

/// Forgets the streams' records that are older than `age`, as DynamoDB itself does after a day: dynoxide keeps them
/// for ever and looks through all of them at each read and each write.
///
/// # Errors
/// [`Error::Database`] if the file is not one of this dynoxide's; the records then stay.
pub fn trim_streams(database: &Database, age: Duration) -> Result<usize, Error> {
    let said = |error: rusqlite::Error| Error::Database(format!("the streams cannot be trimmed: {error}"));
    let Some(file) = database.db_path().map_err(Error::database)? else {
        return Ok(0);
    };
    let connection = rusqlite::Connection::open(file).map_err(said)?;
    connection.busy_timeout(super::GRACE).map_err(said)?;
    let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
    connection
        .execute(
            "DELETE FROM _stream_records WHERE created_at < unixepoch() - ?1",
            [age],
        )
        .map_err(said)
}

fn taken(port: u16, source: std::io::Error) -> Error {
    Error::PortTaken {
        port,
        owner: port_owner::owner(port).map_or(String::new(), |owner| format!(" by {owner}")),
        source,
    }
}

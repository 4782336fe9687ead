//! DynamoDB in the process: dynoxide on a file, served on 127.0.0.1.

use super::Error;
use super::port_owner;
use dynoxide::Database;
use std::net::Ipv4Addr;
use std::path::Path;
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

fn taken(port: u16, source: std::io::Error) -> Error {
    Error::PortTaken {
        port,
        owner: port_owner::owner(port).map_or(String::new(), |owner| format!(" by {owner}")),
        source,
    }
}

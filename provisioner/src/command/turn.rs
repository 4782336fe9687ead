//! `treza pause`, `resume`, `destroy`: a request written into the row.

use super::session::{self, Session};
use super::wait::Wait;
use super::{Error, Global, show};
use clap::Args;
use contract::{RecordId, Status};
use std::process::ExitCode;
use store::{Outcome, Statuses};

#[derive(Debug, Args)]
pub(super) struct Turn {
    /// The row's id
    #[arg(value_parser = session::id)]
    id: RecordId,
    #[command(flatten)]
    wait: Wait,
}

/// What one of the commands asks for.
pub(super) struct Request {
    name: &'static str,
    /// The statuses from which it may be asked for.
    from: Statuses,
    to: Status,
    /// The statuses in which there is nothing left to ask for.
    done: &'static [Status],
}

pub(super) const PAUSE: Request = Request {
    name: "pause",
    from: Statuses::Only(&[Status::Deployed]),
    to: Status::Pausing,
    done: &[Status::Pausing, Status::Paused],
};

pub(super) const RESUME: Request = Request {
    name: "resume",
    from: Statuses::Only(&[Status::Paused]),
    to: Status::Resuming,
    done: &[Status::Resuming, Status::Deployed],
};

/// Whatever stands in a row, its end may be asked for.
pub(super) const DESTROY: Request = Request {
    name: "destroy",
    from: Statuses::AllBut(ENDING),
    to: Status::PendingDestroy,
    done: ENDING,
};

const ENDING: &[Status] = &[Status::PendingDestroy, Status::Destroying, Status::Destroyed];

impl Turn {
    pub(super) async fn run(&self, global: &Global, request: &Request) -> Result<ExitCode, Error> {
        let session = Session::open(global).await?;
        if session.rows.request(&self.id, request.from, request.to).await? == Outcome::Lost {
            self.check_done(&session, request).await?;
        }
        self.wait.after(&session, &self.id, global.json).await
    }

    /// The request was not to be made: because it was made already, or because the row is not one to make it of.
    async fn check_done(&self, session: &Session, request: &Request) -> Result<(), Error> {
        let status = show::status(&session.row(&self.id).await?);
        if request.done.iter().any(|done| done.as_str() == status) {
            return Ok(());
        }
        let taken = match request.from {
            Statuses::Only(from) => from
                .iter()
                .map(|from| from.as_str())
                .collect::<Vec<_>>()
                .join(" or "),
            Statuses::AllBut(_) => "in no such turn: it has changed this moment, try again".into(),
        };
        Err(Error::CouldNot(format!(
            "row {} is {status}; `treza {}` takes one that is {taken}",
            self.id, request.name
        )))
    }
}

//! `treza pause`, `resume`, `destroy`: a request written into the row.

use super::session::{self, Session};
use super::wait::Wait;
use super::{Error, Global};
use clap::Args;
use contract::row::Row;
use contract::{RecordId, Status};
use std::process::ExitCode;
use store::Outcome;

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
    from: &'static [Status],
    to: Status,
    /// The statuses in which there is nothing left to ask for.
    done: &'static [Status],
}

pub(super) const PAUSE: Request = Request {
    name: "pause",
    from: &[Status::Deployed],
    to: Status::Pausing,
    done: &[Status::Pausing, Status::Paused],
};

pub(super) const RESUME: Request = Request {
    name: "resume",
    from: &[Status::Paused],
    to: Status::Resuming,
    done: &[Status::Resuming, Status::Deployed],
};

pub(super) const DESTROY: Request = Request {
    name: "destroy",
    from: &[
        Status::PendingDeploy,
        Status::Deploying,
        Status::Deployed,
        Status::Pausing,
        Status::Paused,
        Status::Resuming,
        Status::Failed,
    ],
    to: Status::PendingDestroy,
    done: &[Status::PendingDestroy, Status::Destroying, Status::Destroyed],
};

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
        let row = Row::read(session.row(&self.id).await?)?;
        if request.done.contains(&row.status) {
            return Ok(());
        }
        let from: Vec<_> = request.from.iter().map(|status| status.as_str()).collect();
        Err(Error::CouldNot(format!(
            "row {} is {}; `treza {}` takes one that is {}",
            self.id,
            row.status,
            request.name,
            from.join(" or ")
        )))
    }
}

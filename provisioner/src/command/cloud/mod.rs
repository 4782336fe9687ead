//! `treza cloud`: an environment in AWS, made and taken down with the Terraform of this project. Each command says what it
//! will do and what that costs before it does it.

mod account;
mod artifacts;
mod bootstrap;
mod costs;
mod deploy;
mod destroy;
mod hosts;
mod image;
mod interrupt;
mod plan;
mod status;
mod terraform;
mod variables;

use super::{Error, Global};
use account::Account;
use clap::{Args, Subcommand};
use contract::fault::causes;
use serde_json::Value;
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use store::{Connection, Rows};
use terraform::{Backend, Terraform};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes what is kept: state, tables, registries, keys
    Bootstrap(bootstrap::Bootstrap),
    /// Makes, or brings up to date, what comes and goes: functions, state machines, network, alarms
    Deploy(deploy::Deploy),
    /// Shows what there is, and how its rows stand
    Status(status::Status),
    /// Takes down what comes and goes; with --base, all
    Destroy(destroy::Destroy),
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
struct Common {
    /// The folder of this project's Terraform
    #[arg(
        long,
        value_name = "DIR",
        env = "TREZA_TERRAFORM_DIR",
        default_value = "terraform"
    )]
    terraform: PathBuf,
    /// Do it without asking
    #[arg(long, short)]
    yes: bool,
    /// More variables for Terraform, over those of the environment's file
    #[arg(long, value_name = "FILE")]
    var_file: Vec<PathBuf>,
    /// The account is an emulated one, at AWS_ENDPOINT_URL
    #[arg(long, hide = true)]
    emulated: bool,
}

impl Command {
    pub(super) async fn run(&self, global: &Global) -> Result<ExitCode, Error> {
        match self {
            Self::Bootstrap(command) => command.run(global).await,
            Self::Deploy(command) => command.run(global).await,
            Self::Status(command) => command.run(global).await,
            Self::Destroy(command) => command.run(global).await,
        }
    }
}

/// An environment: whose account it is in, and the Terraform that makes it.
struct Environment {
    name: String,
    account: Account,
    connection: Connection,
    terraform: Terraform,
    /// The bucket of Terraform's states.
    bucket: String,
    yes: bool,
}

impl Environment {
    async fn open(common: &Common, global: &Global) -> Result<Self, Error> {
        let name = global.environment.clone().ok_or_else(|| {
            Error::Refused("name the environment: --environment dev, staging or prod".into())
        })?;
        let mut terraform = Terraform::find(common, global, &name)?;
        let connection = Connection {
            endpoint: None,
            s3_endpoint: None,
            profile: global.profile.clone(),
            region: global.region.clone(),
        };
        let account = Account::find(&connection).await?;
        terraform.keep_for(&account);
        // Names of buckets are everyone's, so they hold account and region.
        let bucket = format!("treza-{name}-state-{}-{}", account.id, account.region);
        Ok(Self {
            name,
            account,
            connection,
            terraform,
            bucket,
            yes: common.yes,
        })
    }

    /// Where base's state is: in its bucket; in a file where that is not made yet, or goes; none where there is nothing.
    async fn base_state(&self) -> Result<Option<Backend<'_>>, Error> {
        if self.terraform.state_file().exists() {
            return Ok(Some(Backend::File));
        }
        let there = self.has_bucket().await?;
        Ok(there.then_some(Backend::Bucket(&self.bucket)))
    }

    /// The outputs of base; none where it does not stand.
    async fn base(&self) -> Result<Option<Value>, Error> {
        let Some(backend) = self.base_state().await? else {
            return Ok(None);
        };
        self.terraform.connect("base", backend).await?;
        self.terraform.outputs("base").await
    }

    /// The outputs of runtime; none where it does not stand.
    async fn runtime(&self) -> Result<Option<Value>, Error> {
        if !self.has_bucket().await? {
            return Ok(None);
        }
        self.terraform
            .connect("runtime", Backend::Bucket(&self.bucket))
            .await?;
        self.terraform.outputs("runtime").await
    }

    /// Whether the bucket of the states is there, and ours.
    async fn has_bucket(&self) -> Result<bool, Error> {
        let (client, bucket) = (self.connection.s3().await, &self.bucket);
        let Err(error) = client.head_bucket().bucket(bucket).send().await else {
            return Ok(true);
        };
        match error.raw_response().map(|answer| answer.status().as_u16()) {
            Some(404) => Ok(false),
            Some(403) => Err(Error::CouldNot(format!(
                "bucket {bucket} is not yours to read: is this the account that the environment is in?"
            ))),
            _ => Err(Error::CouldNot(format!(
                "bucket {bucket}: {}",
                causes(&error, 300)
            ))),
        }
    }

    /// The rows of an environment whose base has these outputs.
    async fn rows(&self, base: &Value) -> Result<Rows, Error> {
        let name = base.pointer("/base/value/rows/name").and_then(Value::as_str);
        let name = name.ok_or_else(|| {
            let name = &self.name;
            Error::CouldNot(format!(
                "base names no table of rows: treza cloud bootstrap --environment {name} mends it"
            ))
        })?;
        Ok(Rows::new(self.connection.dynamodb().await, name))
    }

    /// Says what is about to be done, and asks, unless the user has said yes beforehand.
    fn announce(&self, what: &str, cost: &str) -> Result<(), Error> {
        self.say(what, cost);
        confirm("Go on?", self.yes)
    }

    fn say(&self, what: &str, cost: &str) {
        let Account { id, region, caller } = &self.account;
        eprintln!(
            "{what}\n  environment  {}\n  account      {id}, region {region}\n  as           {caller}\n  cost         {cost}",
            self.name
        );
    }
}

/// Asks; only `y` or `yes` counts. Without a terminal nobody is there to ask.
fn confirm(question: &str, yes: bool) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Error::Refused(
            "nothing was done: say --yes where nobody can be asked".into(),
        ));
    }
    eprint!("{question} [y/N] ");
    let said = std::io::stderr().flush().and_then(|()| {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        Ok(line)
    });
    match said.unwrap_or_default().trim() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::Refused("nothing was done".into())),
    }
}

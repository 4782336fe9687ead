//! `treza cloud`: an environment in AWS, made and taken down with the Terraform of this project. Each command says what it
//! will do and what that costs before it does it.

mod account;
mod artifacts;
mod bootstrap;
mod costs;
mod deploy;
mod destroy;
mod status;
mod terraform;

use super::{Error, Global};
use account::Account;
use clap::{Args, Subcommand};
use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use terraform::Terraform;

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
    terraform: Terraform,
    yes: bool,
}

impl Environment {
    async fn open(common: &Common, global: &Global) -> Result<Self, Error> {
        let name = global.environment.clone().ok_or_else(|| {
            Error::Refused("name the environment: --environment dev, staging or prod".into())
        })?;
        let account = Account::find(global).await?;
        let terraform = Terraform::find(common, global, &name)?;
        Ok(Self {
            name,
            account,
            terraform,
            yes: common.yes,
        })
    }

    /// `treza-<environment>`: what all names begin with.
    fn prefix(&self) -> String {
        format!("treza-{}", self.name)
    }

    /// Names of buckets are everyone's, so they hold account and region.
    fn state_bucket(&self) -> String {
        let Account { id, region, .. } = &self.account;
        format!("{}-state-{id}-{region}", self.prefix())
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

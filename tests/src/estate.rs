//! The estate around the programs: what AWS does between them, on this machine. The account itself (tables, functions,
//! state machines, instances, roles) is an emulator's; what is here does the work that the account only describes, with
//! the real programs:
//!
//! - [`Estate`]: all of it, with Terraform's modules applied
//! - [`Emulated`]: the account as a process; [`Account`]: its APIs, and all that an account holds ([`Inventory`])
//! - [`WebApplication`]: who writes rows
//! - [`LambdaService`]: runs functions: the Runtime API for real `bootstrap` processes, and the Invoke API
//! - [`Streams`]: carries the tables' streams to functions, as the account's event source mappings say
//! - [`Schedules`]: invokes what the account's rules say, when they say so
//! - [`Instances`]: boots what the account says is running: a real host daemon with its user data's configuration
//! - [`Metadata`]: an instance's metadata service, version 2 only

mod account;
mod applied;
mod artifacts;
mod emulated;
mod instances;
mod inventory;
mod lambda_service;
mod metadata;
mod packages;
mod schedules;
mod streams;
mod tasks;
mod web_application;

pub use account::{Account, CallError};
pub use applied::Estate;
pub use emulated::Emulated;
pub use instances::{Behaviour, Instances, InstancesOptions};
pub use inventory::{Difference, Inventory};
pub use lambda_service::{Function, Functions, Invoked, LambdaService, Refusal, ServiceOptions};
pub use metadata::{InstanceFacts, Metadata};
pub use packages::{functions_package, host_package};
pub use schedules::Schedules;
pub use streams::Streams;
pub use web_application::WebApplication;

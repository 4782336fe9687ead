//! The estate around the programs: what AWS does between them, on this machine. The account itself (tables, functions,
//! state machines, instances, roles) is an emulator's; what is here does the work that the account only describes, with
//! the real programs:
//!
//! - [`Account`]: the emulator's APIs, and all that an account holds ([`Inventory`])
//! - [`LambdaService`]: runs functions: the Runtime API for real `bootstrap` processes, and the Invoke API
//! - [`Streams`]: carries the tables' streams to functions, as the account's event source mappings say
//! - [`Schedules`]: invokes what the account's rules say, when they say so
//! - [`Instances`]: boots what the account says is running: a real host daemon with its user data's configuration
//! - [`Metadata`]: an instance's metadata service, version 2 only

mod account;
mod instances;
mod inventory;
mod lambda_service;
mod metadata;
mod schedules;
mod streams;
mod tasks;

pub use account::{Account, CallError};
pub use instances::{Behaviour, Instances, InstancesOptions};
pub use inventory::Inventory;
pub use lambda_service::{Function, Functions, Invoked, LambdaService, Refusal, ServiceOptions};
pub use metadata::{InstanceFacts, Metadata};
pub use schedules::Schedules;
pub use streams::Streams;

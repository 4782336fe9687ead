//! The whole trip on an emulated estate: Terraform's modules applied to an account without AWS, rows written as the web
//! application writes them, and every program between a row and its evidence as it was built. `make estate` runs it;
//! words are names of scenarios, `equipment` the harness's own.
//!
//! The estate is built once. The scenarios run one after another, as some of them change how all of it behaves, and each
//! must leave the account as it found it.
// All of it is tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod deployments;
mod equipment;
mod failures;
mod faults;
mod standing;
mod trip;
mod versions;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::time::Instant;
use trip::Trip;

/// One scenario on the estate.
type Scenario = for<'a> fn(&'a Trip) -> LocalBoxFuture<'a, ()>;

macro_rules! scenarios {
    ($($module:ident: $($name:ident),+;)+) => {
        [$($((concat!(stringify!($module), "::", stringify!($name)), (|trip| $module::$name(trip).boxed_local()) as Scenario)),+),+]
    };
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-'))
        .collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let scenarios = scenarios! {
        standing: all_that_the_pipeline_needs_is_there;
        deployments: a_row_is_deployed_and_destroyed, a_direct_cleanup_beside_it_destroys_once, a_row_pauses_and_resumes,
            a_zone_without_capacity_is_passed_over, a_row_that_is_deleted_gives_its_host_back;
        failures: an_invalid_row_says_all_that_is_wrong, no_capacity_anywhere, terraform_is_refused,
            a_host_that_never_reports, evidence_of_another_root;
        faults: a_function_that_runs_out_of_time, a_runner_that_runs_out_of_time,
            terraform_that_cannot_begin, an_execution_that_is_stopped, a_cleanup_that_is_stopped,
            what_a_scenario_left_is_put_back;
        versions: a_row_of_an_older_schema_goes_through, two_bundles_at_once;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tally = Tally::default();
        for (name, check) in equipment::CHECKS {
            if chosen(&format!("equipment::{name}")) {
                tally.run(&format!("equipment::{name}"), check()).await;
            }
        }
        let scenarios: Vec<_> = scenarios.into_iter().filter(|(name, _)| chosen(name)).collect();
        if !scenarios.is_empty() {
            let trip = Trip::begin().await;
            for (name, scenario) in scenarios {
                let whole = async {
                    scenario(&trip).await;
                    trip.nothing_is_left().await;
                };
                if !tally.run(name, whole).await {
                    println!("{}", trip.logs().await);
                    trip.reset().await;
                }
            }
            tally.run("the estate comes down to nothing", trip.end()).await;
        }
        tally.end()
    })
}

/// What has run, and what of it failed.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: Vec<String>,
}

impl Tally {
    async fn run(&mut self, name: &str, work: impl Future<Output = ()>) -> bool {
        let begun = Instant::now();
        let passed = AssertUnwindSafe(work).catch_unwind().await.is_ok();
        let outcome = if passed { "ok" } else { "FAILED" };
        println!("{name} ... {outcome} ({:.0} s)", begun.elapsed().as_secs_f64());
        match passed {
            true => self.passed += 1,
            false => self.failed.push(name.to_owned()),
        }
        passed
    }

    fn end(self) -> ExitCode {
        println!(
            "{} passed, {} failed {:?}",
            self.passed,
            self.failed.len(),
            self.failed
        );
        if self.failed.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

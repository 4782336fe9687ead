//! The runner as a process: real Terraform, a state in S3, a table of turns, both in an emulated account. Its module makes
//! nothing in AWS: a resource of Terraform's own stands for the host, and a script for what AWS answers.
// All of it is tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod account;
mod module;
mod run;
mod told_to_end;

use account::Account;
use module::Module;
use std::time::Duration;

/// How long anything may take: this is to end a test that hangs, and measures nothing.
const PATIENCE: Duration = Duration::from_secs(120);
const INSTANCE: &str = "i-0123456789abcdef0";

#[tokio::test(flavor = "multi_thread")]
async fn a_host_is_made_once_and_given_back() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    for _ in 0..2 {
        let run = account.run("apply", "enc_1", 1, &module).await;
        assert!(run.success(), "{run:?}");
        let turn = account.turn("enc_1").await;
        assert_eq!(turn.host.unwrap().instance_id, INSTANCE);
        assert_eq!((turn.provisioned, turn.failure), (true, None));
    }
    assert_eq!(module.log(), ["make 0"], "the second run found it made");
    assert_eq!(account.states().await.len(), 1);

    let run = account.run("destroy", "enc_1", 1, &module).await;
    assert!(run.success(), "{run:?}");
    assert_eq!(module.log(), ["make 0", "unmake"]);
    assert_eq!(
        account.states().await,
        Vec::<String>::new(),
        "neither state nor lock"
    );
    let turn = account.turn("enc_1").await;
    assert_eq!((turn.provisioned, turn.host), (false, None));
    assert!(account.run("destroy", "enc_1", 1, &module).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_without_instances_gives_way_to_the_next() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    module.answers(0, "api error InsufficientInstanceCapacity: none of m6i.xlarge");
    assert!(account.run("apply", "enc_1", 1, &module).await.success());
    assert_eq!(module.log(), ["make 0", "make 1"]);
    let turn = account.turn("enc_1").await;
    assert!(turn.host.is_some(), "{turn:?}");

    account.deploying("enc_2", 1).await;
    module.answers(1, "api error InsufficientInstanceCapacity: none of m6i.xlarge");
    let run = account.run("apply", "enc_2", 1, &module).await;
    assert!(run.success(), "what came of it is noted: {run:?}");
    let why = account.turn("enc_2").await.failure.unwrap();
    assert!(why.contains("name another instanceType"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_aws_refuses_is_the_rows_reason() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    for (answer, advice) in [
        (
            "api error VcpuLimitExceeded: more vCPUs than your limit",
            "Service Quotas",
        ),
        (
            "api error UnauthorizedOperation: You are not authorized",
            "permissions boundary",
        ),
        ("something that nobody knows", "something that nobody knows"),
    ] {
        module.answers(0, answer);
        assert!(account.run("apply", "enc_1", 1, &module).await.success());
        let turn = account.turn("enc_1").await;
        let why = turn.failure.unwrap();
        assert!(why.contains(advice), "{why}");
        assert!(turn.provisioned && turn.host.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_that_cannot_begin_is_the_rows_reason() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    let bucket = [("TREZA_STATE_BUCKET", "no-such-bucket")];
    let run = account.start_with("apply", "enc_1", 1, &module, &bucket);
    let run = run.ended().await;
    assert!(run.success(), "what came of it is noted: {run:?}");
    let why = account.turn("enc_1").await.failure.unwrap();
    assert!(why.contains("no-such-bucket"), "{why}");
    assert!(!account.is_leased("enc_1").await);
    assert_eq!(module.log(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_for_a_turn_that_is_over_does_nothing() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 3).await;
    for command in ["apply", "destroy"] {
        let run = account.run(command, "enc_1", 2, &module).await;
        assert!(run.success(), "{run:?}");
        assert!(run.said("in another turn"), "{run:?}");
    }
    // The row itself has moved on, and no later turn has begun.
    account.status("enc_1", "PENDING_DESTROY").await;
    assert!(account.run("apply", "enc_1", 3, &module).await.success());
    assert_eq!(module.log(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_are_one_after_the_other() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    module.takes(Duration::from_secs(2));
    let (one, two) = tokio::join!(
        account.run("apply", "enc_1", 1, &module),
        account.run("apply", "enc_1", 1, &module)
    );
    assert!(one.success() && two.success(), "{one:?} {two:?}");
    assert_eq!(module.log(), ["make 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_after_one_that_was_killed_goes_on() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    module.takes(Duration::from_secs(60));
    let run = account.start("apply", "enc_1", 1, &module);
    module.began().await;
    run.kill_all();
    assert!(!run.ended().await.success());
    assert_eq!(account.states().await.len(), 1, "its lock is left");

    module.takes(Duration::ZERO);
    let run = account.run("apply", "enc_1", 1, &module).await;
    assert!(run.success(), "{run:?}");
    assert!(run.said("breaking it"), "{run:?}");
    let turn = account.turn("enc_1").await;
    assert!(turn.host.is_some(), "{turn:?} {run:?}");
}

/// Killed between Terraform's apply and the note of what came of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_nobody_had_noted_is_found_again() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    account.refuse_the_note_of_a_host().await;
    let run = account.start("apply", "enc_1", 1, &module);
    account.until_refused().await;
    run.kill();
    assert!(!run.ended().await.success());
    assert_eq!(account.turn("enc_1").await.host, None);

    account.accept().await;
    let run = account.run("apply", "enc_1", 1, &module).await;
    assert!(run.success(), "{run:?}");
    assert_eq!(account.turn("enc_1").await.host.unwrap().instance_id, INSTANCE);
    assert_eq!(module.log(), ["make 0"], "the second run found it made");
}

#[tokio::test(flavor = "multi_thread")]
async fn terraform_is_told_values_and_no_secrets() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    let run = account.run("apply", "enc_1", 1, &module).await;
    assert!(run.success(), "{run:?}");
    let environment = module.environment();
    assert!(environment.contains("AWS_REGION="), "{environment}");
    for secret in [account::SECRET, account::ROW_SECRET, "TREZA_"] {
        assert!(!environment.contains(secret), "{secret} reached Terraform");
        assert!(
            secret == "TREZA_" || !run.output.contains(secret),
            "{secret} is in the log"
        );
    }
}

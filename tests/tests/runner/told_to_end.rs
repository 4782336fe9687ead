//! SIGTERM, whatever the run is at.

use crate::PATIENCE;
use crate::account::Account;
use crate::module::Module;
use crate::run::Ended;
use std::time::Duration;

/// The run was lost and said so, and the next one need not wait for its lease.
async fn gave_up(account: &Account, id: &str, run: &Ended) {
    assert!(!run.success(), "another run is to be started: {run:?}");
    assert!(run.said("told to end before it was done"), "{run:?}");
    assert!(!account.is_leased(id).await, "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_middle_of_terraform_it_leaves_no_lock() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    module.takes(Duration::from_secs(60));
    let run = account.start("apply", "enc_1", 1, &module);
    module.began().await;
    run.terminate();
    gave_up(&account, "enc_1", &run.ended().await).await;

    module.takes(Duration::ZERO);
    let run = account.run("apply", "enc_1", 1, &module).await;
    assert!(run.success(), "{run:?}");
    assert!(!run.said("breaking it"), "the lock was given back: {run:?}");
    let turn = account.turn("enc_1").await;
    assert!(turn.host.is_some(), "{turn:?} {run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_runs_of_terraform_none_is_begun() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    module.answers(0, "api error RequestLimitExceeded: Request limit exceeded.");
    let mut run = account.start("apply", "enc_1", 1, &module);
    run.says("AWS throttles; trying again").await;
    run.terminate();
    gave_up(&account, "enc_1", &run.ended().await).await;
    assert_eq!(module.log(), ["make 0"]);
    let turn = account.turn("enc_1").await;
    assert_eq!(turn.failure, None, "the next run may have more luck");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_another_run_it_leaves_that_one_alone() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    module.takes(Duration::from_secs(60));
    let first = account.start("apply", "enc_1", 1, &module);
    module.began().await;
    let mut second = account.start("apply", "enc_1", 1, &module);
    second.says("another run has the host").await;
    second.terminate();
    let second = second.ended().await;
    assert!(!second.success() && second.said("told to end"), "{second:?}");
    assert!(account.is_leased("enc_1").await, "it is the first one's");
    first.terminate();
    gave_up(&account, "enc_1", &first.ended().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn measuring_it_breaks_off() {
    let Some(account) = Account::new().await else {
        return;
    };
    let module = Module::new();
    account.deploying("enc_1", 1).await;
    // The bundle is fetched from where nothing is answered.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let objects = [("AWS_ENDPOINT_URL_S3", endpoint.as_str())];
    let run = account.start_with("measure", "enc_1", 1, &module, &objects);
    let asked = tokio::time::timeout(PATIENCE, silent.accept()).await;
    let _connection = asked.expect("a bundle is asked for").unwrap();
    run.terminate();
    let run = run.ended().await;
    assert!(!run.success() && run.said("told to end"), "{run:?}");
}

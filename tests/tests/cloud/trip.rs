//! From an empty account to a pipeline that stands, and back to an empty account.

use crate::checkout::{Artifacts, Checkout, make_bundle, state_bucket};
use crate::registry::NAME;
use aws_lc_rs::digest::{SHA256, digest};
use end_to_end::estate::functions_package;
use end_to_end::programs::Answer;
use serde_json::{Value, json};
use std::fs;

const REPOSITORY: &str = "treza-dev-runner";
/// What `treza cloud deploy` is told besides: the functions are this machine's.
const VARIABLES: &str = "architecture = \"x86_64\"\nami_id = \"ami-12c6146b\"\n";
const ID: &str = "enc_1";

/// The words of a deployment: the command, what is deployed, and the rest.
fn deploy<'a>(artifacts: &'a Artifacts, more: &[&'a str]) -> Vec<&'a str> {
    let mut words = vec!["deploy", "--var-file", "../more.tfvars"];
    words.extend(artifacts.words());
    words.extend(more);
    words
}

async fn put_row(checkout: &Checkout, status: &str) {
    let row = json!({"id": {"S": ID}, "status": {"S": status}});
    let body = json!({"TableName": "treza-dev-enclaves", "Item": row});
    let put = checkout
        .account()
        .json("dynamodb", "DynamoDB_20120810.PutItem", &body);
    put.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_account_and_back() {
    let checkout = Checkout::new().await;
    let artifacts = Artifacts::make(&checkout);
    fs::write(checkout.at("more.tfvars"), VARIABLES).unwrap();
    let nothing = json!({
        "environment": "dev", "made": {"base": false, "runtime": false}, "rows": {}, "hosts": 0, "unfinished": null,
    });
    assert_eq!(checkout.json(&["status"]), nothing);

    bootstrap(&checkout);
    let image = first_deployment(&checkout, &artifacts).await;
    for state in ["base", "runtime"] {
        let object = format!("/{}/{state}.tfstate", state_bucket());
        let encryption = checkout.account().encryption_of(&object).await.unwrap();
        assert_eq!(
            encryption, "aws:kms",
            "of {state}'s state: with the states' own key"
        );
    }
    deployed_again(&checkout, &artifacts, &image).await;
    let outputs = deployed_anew(&checkout, &artifacts).await;
    a_host_is_not_orphaned(&checkout, &outputs).await;
    runtime_goes_and_rows_stay(&checkout).await;
    protected_tables_stay(&checkout).await;

    let gone = checkout.cloud(&["destroy", "--base", "--yes"]).good();
    assert!(gone.stderr.contains("ALL of the environment"), "{gone:#?}");
    assert_eq!(checkout.json(&["status"]), nothing);
    checkout.is_as_before().await;
    for left in ["base.tfstate", "base.plan", "runtime.plan"] {
        assert!(!checkout.kept(left).exists(), "{left} is left");
    }
    let again = checkout.cloud(&["destroy", "--base", "--yes"]).good();
    assert!(again.stdout.contains("There is nothing"), "{again:#?}");
}

fn bootstrap(checkout: &Checkout) {
    let made = checkout.cloud(&["bootstrap", "--yes"]).good();
    assert!(
        made.stderr.contains("cost         about 2.32 US dollars a month"),
        "{made:#?}"
    );
    assert!(
        made.stdout
            .contains("Next: treza cloud deploy --environment dev --region us-west-2 --host-package"),
        "{made:#?}"
    );
    let nothing = checkout.cloud(&[
        "deploy",
        "--plan",
        "--host-package",
        "none",
        "--lambda-zip",
        "none",
    ]);
    assert_eq!(nothing.code, 2, "{nothing:#?}");
    assert!(
        nothing.stderr.contains("none is missing: `make cloud` makes it"),
        "{nothing:#?}"
    );
    let usual = checkout.cloud(&[
        "deploy",
        "--plan",
        "--var-file",
        "../more.tfvars",
        "--host-package",
        "none",
    ]);
    assert!(
        usual.stderr.contains("target/cloud/x86_64/lambda.zip is missing"),
        "{usual:#?}"
    );
    // A command of another kind is told with what it takes to reach this environment.
    let words = ["status", "--environment", "dev", "web"];
    let missing = tokio::task::block_in_place(|| Answer::of(&mut checkout.treza(&words)));
    assert!(
        missing
            .stderr
            .contains("`treza status --environment dev --region us-west-2` lists them"),
        "{missing:#?}"
    );
    let again = checkout.cloud(&["bootstrap", "--yes"]).good();
    assert!(again.stderr.contains("No changes"), "{again:#?}");
    let status = checkout.json(&["status"]);
    assert_eq!(
        status["made"],
        json!({"base": true, "runtime": false}),
        "{status}"
    );
}

/// The plan is shown, which changes nothing; another one is not done; that one is. Answers the image's digest.
async fn first_deployment(checkout: &Checkout, artifacts: &Artifacts) -> String {
    let before = checkout.held().await;
    let plan = checkout.json(&deploy(artifacts, &["--plan"]));
    assert!(
        plan["create"].as_u64().unwrap() > 100 && plan["delete"] == 0,
        "{plan}"
    );
    let digest = plan["digest"].as_str().unwrap();
    assert_eq!(
        checkout.json(&deploy(artifacts, &["--plan"])),
        plan,
        "the same plan has the same digest"
    );
    let other = format!("sha256:{}", "0".repeat(64));
    let refused = checkout.cloud(&deploy(artifacts, &["--approved", &other]));
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(
        refused.stderr.contains(digest) && refused.stderr.contains("something has changed since"),
        "{refused:#?}"
    );
    let difference = before.until(&checkout.held().await);
    assert!(difference.is_none(), "{difference:#?}");
    assert_eq!(checkout.registry.images(REPOSITORY), [] as [&str; 0]);

    let made = checkout.cloud(&deploy(artifacts, &["--approved", digest])).good();
    assert!(made.stderr.contains("42.27 US dollars a month"), "{made:#?}");
    let images = checkout.registry.images(REPOSITORY);
    let [image] = images.as_slice() else {
        panic!("one image is pushed: {images:?}");
    };
    checkout
        .registry
        .tell(checkout.account(), REPOSITORY, image)
        .await;
    let task = checkout
        .account()
        .json(
            "ecs",
            "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition",
            &json!({"taskDefinition": "treza-dev-runner"}),
        )
        .await
        .unwrap();
    let container = &task["taskDefinition"]["containerDefinitions"][0]["image"];
    assert_eq!(*container, format!("{NAME}/{REPOSITORY}@{image}"));
    let status = checkout.json(&["status"]);
    assert_eq!(status["made"], json!({"base": true, "runtime": true}), "{status}");
    image.clone()
}

/// What stands as it should is left alone, and nobody is asked.
async fn deployed_again(checkout: &Checkout, artifacts: &Artifacts, image: &str) {
    let before = checkout.held().await;
    let again = checkout.typed("y\n", &deploy(artifacts, &[]));
    assert_eq!(again.code, 0, "{again:#?}");
    assert!(again.stdout.contains("No changes"), "{again:#?}");
    for unasked in ["skopeo", "Apply this plan?"] {
        assert!(!again.stdout.contains(unasked), "{again:#?}");
    }
    assert_eq!(checkout.registry.images(REPOSITORY), [image]);
    let difference = before.until(&checkout.held().await);
    assert!(difference.is_none(), "{difference:#?}");
}

/// A new package and a new bundle change what is there; nothing is made anew but the package's own object, and the old
/// bundle, which rows may name, stays. Answers runtime's outputs.
async fn deployed_anew(checkout: &Checkout, artifacts: &Artifacts) -> Value {
    let newer = checkout.at("newer");
    fs::create_dir(&newer).unwrap();
    let package = functions_package(&newer);
    // Behind a zip's end it harms no reader.
    let mut bytes = fs::read(&package).unwrap();
    bytes.extend(b"newer");
    fs::write(&package, bytes).unwrap();
    let first = fs::read_to_string(format!("{}/default", artifacts.bundles)).unwrap();
    let second = make_bundle(&checkout.at("newer-bundles"), "second");
    let newer = Artifacts {
        lambda_zip: package.to_str().unwrap().to_owned(),
        host_package: artifacts.host_package.clone(),
        bundles: checkout.at("newer-bundles").to_str().unwrap().to_owned(),
        runner_image: artifacts.runner_image.clone(),
    };
    let plan = checkout.json(&deploy(&newer, &["--plan"]));
    assert!(plan["update"].as_u64().unwrap() >= 10, "ten functions: {plan}");
    assert_eq!(plan["delete"], 0, "{plan}");
    let before = checkout.held().await;
    let outputs = checkout.json(&deploy(&newer, &["--yes"]));
    assert_eq!(
        outputs["runtime"]["value"]["bundles"],
        json!([second, first.trim()]),
        "the newest is for new rows"
    );
    let difference = before.until(&checkout.held().await);
    let objects = |lines: &[String]| lines.iter().all(|line| line.starts_with("object "));
    assert!(
        objects(&difference.new) && objects(&difference.gone),
        "{difference:#?}"
    );
    assert_eq!(
        (difference.new.len(), difference.gone.len()),
        (2, 1),
        "{difference:#?}"
    );
    outputs
}

/// A host that stands, whatever its row says, and a row that has one or waits for one, are in the way of the end.
async fn a_host_is_not_orphaned(checkout: &Checkout, outputs: &Value) {
    let state = format!("hosts/{}.tfstate", hex::encode(digest(&SHA256, ID.as_bytes())));
    let host = |pcr16: &str| {
        let common = outputs["host_variables"]["value"].as_str().unwrap();
        let mut variables: Value = serde_json::from_str(common).unwrap();
        variables["id"] = json!(ID);
        variables["instance_type"] = json!("m6i.xlarge");
        variables["zone_index"] = json!(0);
        variables["aws_services"] = json!(["kms"]);
        variables["pcr0"] = json!("a".repeat(96));
        variables["pcr16"] = json!(pcr16.repeat(96));
        variables
    };
    checkout.host("apply", &state, &host("b"));
    put_row(checkout, "FAILED").await;
    let held = checkout.held().await;
    let instances = held.of_kind("instance");
    let instance = instances.first().and_then(|line| line.split(' ').nth(1)).unwrap();
    assert_eq!(checkout.json(&["status"])["hosts"], 1);
    let refused = checkout.cloud(&["destroy", "--yes"]);
    assert_eq!(refused.code, 2, "{refused:#?}");
    for word in [
        format!("{instance} of row {ID}").as_str(),
        "treza destroy ID --environment dev --wait",
        "Nothing was done",
    ] {
        assert!(refused.stderr.contains(word), "{word}: {refused:#?}");
    }

    // The row is deployed again: same host, another launch. The key opens to that one from then on.
    let calls = checkout.emulated().calls().len();
    checkout.host("apply", &state, &host("c"));
    let calls = checkout.emulated().calls().split_off(calls);
    assert!(calls.iter().any(|call| call == "kms:PutKeyPolicy"), "{calls:?}");
    let difference = held.until(&checkout.held().await);
    assert!(difference.is_none(), "{difference:#?}");

    // As the runner gives a host back.
    checkout.host("destroy", &state, &host("c"));
    let object = format!("/{}/{state}", state_bucket());
    checkout.account().delete("s3", &object).await.unwrap();
    put_row(checkout, "PAUSED").await;
    let refused = checkout.cloud(&["destroy", "--base", "--yes"]);
    assert_eq!(refused.code, 2, "{refused:#?}");
    assert!(refused.stderr.contains("1 PAUSED"), "{refused:#?}");
    assert_eq!(
        checkout.json(&["status"])["made"],
        json!({"base": true, "runtime": true})
    );
}

async fn runtime_goes_and_rows_stay(checkout: &Checkout) {
    put_row(checkout, "DESTROYED").await;
    // What was deployed need not be on the machine that takes it down.
    for gone in ["artifacts", "newer", "bundles"] {
        fs::remove_dir_all(checkout.at(gone)).unwrap();
    }
    fs::remove_dir_all(checkout.kept("")).unwrap();
    let before = checkout.held().await;
    let no = checkout.typed("y\nn\n", &["destroy", "--var-file", "../more.tfvars"]);
    assert_eq!(no.code, 2, "{no:#?}");
    assert!(
        no.stdout.contains("Apply this plan?") && no.stdout.contains("nothing was done"),
        "{no:#?}"
    );
    let difference = before.until(&checkout.held().await);
    assert!(difference.is_none(), "{difference:#?}");
    let gone = checkout
        .cloud(&["destroy", "--yes", "--var-file", "../more.tfvars"])
        .good();
    assert!(
        gone.stderr
            .contains("of what is kept, about 2.32 US dollars a month"),
        "{gone:#?}"
    );
    let status = checkout.json(&["status"]);
    assert_eq!(
        status["made"],
        json!({"base": true, "runtime": false}),
        "{status}"
    );
    assert_eq!(status["rows"], json!({"DESTROYED": 1}), "{status}");
    assert_eq!(checkout.held().await.of_kind("function"), [] as [&str; 0]);
}

/// Two steps to the end of what is protected, each deliberate.
async fn protected_tables_stay(checkout: &Checkout) {
    let protection = |on: bool| {
        fs::write(
            checkout.at("protection.tfvars"),
            format!("deletion_protection = {on}\n"),
        )
    };
    let words = |command| [command, "--yes", "--var-file", "../protection.tfvars"];
    protection(true).unwrap();
    checkout.cloud(&words("bootstrap")).good();
    let before = checkout.held().await;
    let refused = checkout.cloud(&["destroy", "--base", "--yes"]);
    assert_eq!(refused.code, 2, "{refused:#?}");
    for word in [
        "treza-dev-reports is protected",
        "deletion_protection = false",
        "treza cloud bootstrap",
        "Nothing was done",
    ] {
        assert!(refused.stderr.contains(word), "{word}: {refused:#?}");
    }
    let difference = before.until(&checkout.held().await);
    assert!(difference.is_none(), "{difference:#?}");
    protection(false).unwrap();
    checkout.cloud(&words("bootstrap")).good();
}

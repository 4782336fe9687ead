//! What is refused before anything is made: each says what, where and the mend, and leaves nothing.

use crate::checkout::Checkout;
use end_to_end::programs::Answer;
use std::fs;

const DEVELOPMENT_ROOT: &str =
    "trust_roots = [\"-----BEGIN CERTIFICATE-----\\nTUlJQg==\\n-----END CERTIFICATE-----\\n\"]\n";

fn refused(answer: &Answer, code: i32, words: &[&str]) {
    assert_eq!(answer.code, code, "{answer:#?}");
    for word in words {
        assert!(answer.stderr.contains(word), "«{word}» is not said: {answer:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_refused_before_anything_is_made() {
    let checkout = Checkout::new().await;
    let plain = |words: &[&str]| tokio::task::block_in_place(|| Answer::of(&mut checkout.treza(words)));

    refused(
        &plain(&["cloud", "status"]),
        2,
        &["--environment dev, staging or prod"],
    );
    refused(
        &plain(&["cloud", "bootstrap", "--environment", "Dev"]),
        2,
        &["2 to 12 of a-z"],
    );
    refused(
        &plain(&["cloud", "bootstrap", "--environment", "other", "--yes"]),
        2,
        &["other.tfvars is missing", "copy of dev.tfvars", "--terraform"],
    );
    refused(
        &plain(&[
            "cloud",
            "bootstrap",
            "--environment",
            "dev",
            "--terraform",
            "elsewhere",
            "--yes",
        ]),
        2,
        &["elsewhere/environments/dev.tfvars is missing"],
    );

    let environments = checkout.at("project/terraform/environments");
    fs::copy(
        environments.join("dev.tfvars"),
        environments.join("copied.tfvars"),
    )
    .unwrap();
    refused(
        &plain(&["cloud", "bootstrap", "--environment", "copied", "--yes"]),
        2,
        &["copied.tfvars says environment dev", "works on copied"],
    );

    let mut without = checkout.treza(&["cloud", "bootstrap", "--environment", "dev", "--yes"]);
    without
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    let without = tokio::task::block_in_place(|| Answer::of(&mut without));
    refused(
        &without,
        1,
        &["AWS does not say who you are", "--profile", "AWS_ACCESS_KEY_ID"],
    );
    let mut misspelt = checkout.treza(&["cloud", "status", "--environment", "dev", "--profile", "wrok"]);
    misspelt
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    let misspelt = tokio::task::block_in_place(|| Answer::of(&mut misspelt));
    refused(&misspelt, 1, &["AWS does not say who you are (profile wrok)"]);

    let named = checkout.at("region.tfvars");
    fs::write(&named, "region = \"eu-west-1\"\n").unwrap();
    let named = named.to_str().unwrap();
    refused(
        &checkout.cloud(&["bootstrap", "--yes", "--var-file", named]),
        2,
        &["region.tfvars says region eu-west-1", "--region eu-west-1"],
    );

    // Nobody is there to be asked; what it would do and cost is said all the same.
    for command in ["bootstrap", "deploy", "destroy"] {
        let words: &[&str] = match command {
            "deploy" => &["deploy", "--host-package", "none"],
            _ => &[command],
        };
        let answer = checkout.cloud(words);
        refused(
            &answer,
            2,
            &[
                "account      123456789012, region us-west-2",
                "cost",
                "nothing was done",
                "--yes",
            ],
        );
        assert!(!answer.stderr.contains("terraform"), "{answer:#?}");
    }
    let no = checkout.typed("n\n", &["bootstrap"]);
    assert_eq!(no.code, 2, "{no:#?}");
    let (cost, question) = (
        no.stdout.find("US dollars a month"),
        no.stdout.find("Go on? [y/N]"),
    );
    assert!(cost.is_some() && cost < question, "{no:#?}");
    assert!(no.stdout.contains("nothing was done"), "{no:#?}");

    // The rules of prod are Terraform's.
    let root = checkout.at("root.tfvars");
    fs::write(&root, DEVELOPMENT_ROOT).unwrap();
    let prod = [
        "cloud",
        "bootstrap",
        "--environment",
        "prod",
        "--yes",
        "--var-file",
        root.to_str().unwrap(),
    ];
    refused(
        &plain(&prod),
        1,
        &["trust_roots must be empty in prod", "root.tfvars"],
    );

    // There is nothing to deploy into, and nothing to destroy.
    refused(
        &checkout.cloud(&["deploy", "--yes", "--host-package", "none"]),
        2,
        &[
            "what is kept is not there yet",
            "treza cloud bootstrap --environment dev --region us-west-2",
        ],
    );
    let answer = checkout.cloud(&["destroy", "--base", "--yes"]).good();
    assert!(answer.stdout.contains("There is nothing"), "{answer:#?}");

    checkout.is_as_before().await;
    assert!(!checkout.at("project/terraform/base/backend_override.tf").exists());
    assert!(!checkout.kept("base.tfstate").exists());
}

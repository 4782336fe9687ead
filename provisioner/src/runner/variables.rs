//! What Terraform is told of a row: values in a JSON file, never text in its configuration, in a command or in a name.

use crate::aws::instances;
use aws_lc_rs::digest::{SHA256, digest};
use contract::request::{EnclaveRequest, Source};
use contract::{Fault, RecordId};
use eif_build::ImageRef;
use serde_json::{Map, Value, json};
use store::MeasuredImage;

/// The disk of a host: its system, our programs, and so many times the EIF as are kept of it (the image's layers, its
/// file system, the EIF).
const SYSTEM_GIB: u64 = 16;
const COPIES: u64 = 4;
const GIB: u64 = 1 << 30;

/// Where the state of the row's host is kept: named by the hash of the id, so that no id can name another's.
pub fn state_key(id: &RecordId) -> String {
    format!(
        "hosts/{}.tfstate",
        hex::encode(digest(&SHA256, id.as_str().as_bytes()))
    )
}

/// The variables of a row's host in the zone `zone` (an index of the subnets), over those that are the same for all.
///
/// # Errors
/// What the row asks for and no host can give, or no permission can name.
pub fn of_row(
    common: &Map<String, Value>,
    id: &RecordId,
    generation: u64,
    request: &EnclaveRequest,
    measured: &MeasuredImage,
    zone: usize,
) -> Result<Map<String, Value>, Fault> {
    let launch = request.launch_message(id, generation, &measured.bundle);
    let (repository, object) = match &request.source {
        Source::Image(reference) => (repository_arn(reference), None),
        Source::Eif(uri) => (None, Some(object_arn(uri)?)),
    };
    let row = json!({
        "id": id.as_str(),
        "instance_type": instances::choose(request)?,
        "zone_index": zone,
        "image_repository_arn": repository,
        "image_object_arn": object,
        "aws_services": request.aws_services,
        "pcr0": measured.pcrs.get("0"),
        "pcr16": hex::encode(launch.pcr16()),
        "volume_gib": SYSTEM_GIB + measured.eif_bytes.saturating_mul(COPIES).div_ceil(GIB),
    });
    Ok(over(common, row))
}

/// The variables for a host that is to go: of the row they need no more than its id, whatever stands in it by now.
pub fn of_nothing(common: &Map<String, Value>, id: &RecordId) -> Map<String, Value> {
    let row = json!({
        "id": id.as_str(),
        "instance_type": "m6i.xlarge",
        "zone_index": 0,
        "image_repository_arn": null,
        "image_object_arn": null,
        "aws_services": [],
        "pcr0": null,
        "pcr16": null,
        "volume_gib": SYSTEM_GIB,
    });
    over(common, row)
}

fn over(common: &Map<String, Value>, row: Value) -> Map<String, Value> {
    let mut all = common.clone();
    if let Value::Object(row) = row {
        all.extend(row);
    }
    all
}

/// The ARN of the repository of ECR that an image comes from; none: it comes from elsewhere, where no role of ours counts.
fn repository_arn(reference: &str) -> Option<String> {
    // What does not parse was refused by the measurement.
    reference.parse::<ImageRef>().ok()?;
    let (registry, rest) = reference.split_once('/')?;
    let name = rest.split(['@', ':']).next()?;
    let mut labels = registry.split('.');
    let account = labels.next().filter(|account| is_account(account))?;
    let (dkr, ecr, region) = (labels.next()?, labels.next()?, labels.next()?);
    let domain: Vec<_> = labels.collect();
    let partition = match domain.as_slice() {
        ["amazonaws", "com"] => "aws",
        ["amazonaws", "com", "cn"] => "aws-cn",
        _ => return None,
    };
    ((dkr, ecr) == ("dkr", "ecr"))
        .then(|| format!("arn:{partition}:ecr:{region}:{account}:repository/{name}"))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ARN of an object. What a permission would read as a pattern or a variable is refused: the role of this row's host
/// would reach more than its image.
fn object_arn(uri: &str) -> Result<String, Fault> {
    let wrong = |problem: &str| Fault::new("configuration.eif_path", problem);
    let path = uri
        .strip_prefix("s3://")
        .ok_or_else(|| wrong("is no object of S3: a host in AWS fetches s3://bucket/key"))?;
    if path.contains(['*', '?', '$']) {
        return Err(wrong(
            "holds one of * ? $, which no permission can name as they are: give the object another key",
        ));
    }
    Ok(format!("arn:aws:s3:::{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn measured() -> MeasuredImage {
        MeasuredImage {
            image_digest: format!("sha256:{}", "a".repeat(64)),
            bundle: format!("sha256:{}", "b".repeat(64)),
            pcrs: BTreeMap::from([("0".into(), "00".repeat(48))]),
            eif_bytes: 3 << 30,
        }
    }

    fn request(config: &str) -> EnclaveRequest {
        let row = format!(r#"{{"id": "a", "status": "PENDING_DEPLOY", {config}}}"#);
        EnclaveRequest::read(&contract::item::read(&row).unwrap(), "us-west-2").unwrap()
    }

    fn id(text: &str) -> RecordId {
        RecordId::parse(text).unwrap()
    }

    #[test]
    fn a_row_is_values_and_nothing_of_it_is_a_name() {
        let common = Map::from_iter([
            ("environment".to_owned(), json!("dev")),
            ("id".to_owned(), json!("x")),
        ]);
        let request = request(
            r#""providerConfig": {"dockerImage": "123456789012.dkr.ecr.us-west-2.amazonaws.com/team/app:1",
               "cpuCount": 2, "memoryMiB": 2048, "awsServices": ["kms"],
               "environmentVariables": "{\"A\":\"${file(\\\"/etc/passwd\\\")}\"}"}"#,
        );
        let all = of_row(&common, &id("enc_1"), 3, &request, &measured(), 1).unwrap();
        assert_eq!(all["id"], "enc_1", "the row's own id stands over all");
        assert_eq!(all["environment"], "dev");
        assert_eq!(all["instance_type"], "m6i.xlarge");
        assert_eq!(
            all["image_repository_arn"],
            "arn:aws:ecr:us-west-2:123456789012:repository/team/app"
        );
        assert_eq!(all["volume_gib"], 28);
        assert_eq!(all["pcr16"].as_str().unwrap().len(), 96);
        assert!(
            !Value::Object(all).to_string().contains("passwd"),
            "the application's environment is none of Terraform's business"
        );
        // printf enc_1 | sha256sum
        let hash = "675ab99b4f9750abd5db14ea7e9d1dcf35396bb6288532e820ac1b52ef38a0b0";
        assert_eq!(state_key(&id("enc_1")), format!("hosts/{hash}.tfstate"));
    }

    #[test]
    fn an_image_from_elsewhere_needs_no_permission() {
        for reference in [
            "nginx:alpine",
            "docker.io/library/nginx",
            "public.ecr.aws/nginx/nginx:1",
            "12345678901.dkr.ecr.us-west-2.amazonaws.com/app",
            "123456789012.dkr.ecr.us-west-2.example.com/app",
        ] {
            assert_eq!(repository_arn(reference), None, "{reference}");
        }
    }

    #[test]
    fn an_object_that_would_be_a_pattern_is_refused() {
        assert_eq!(object_arn("s3://b/k/a.eif").unwrap(), "arn:aws:s3:::b/k/a.eif");
        for uri in [
            "s3://b/*",
            "s3://b/k?.eif",
            "s3://b/${aws:username}",
            "file:/a.eif",
        ] {
            assert!(object_arn(uri).is_err(), "{uri}");
        }
    }

    proptest! {
        /// Whatever the id, its state's key is of one form.
        #[test]
        fn a_states_key_is_a_hash(text in "[A-Za-z0-9_-]{1,64}") {
            let key = state_key(&id(&text));
            prop_assert!(key.len() == "hosts/.tfstate".len() + 64);
            let hash = &key["hosts/".len().."hosts/".len() + 64];
            prop_assert!(hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
}

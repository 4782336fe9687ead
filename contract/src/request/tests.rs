use super::*;
use crate::item;

fn read(json: &str) -> Result<EnclaveRequest, Vec<Fault>> {
    EnclaveRequest::read(&item::read(json).unwrap(), "us-west-2")
}

fn fields_of(faults: &[Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.field.as_str()).collect()
}

const WEB: &str = r#"{"id": "enc_1", "name": "n", "description": "d", "status": "PENDING_DEPLOY", "region": "us-west-2",
  "walletAddress": "0x1", "createdAt": "t", "updatedAt": "t", "providerId": "aws-nitro",
  "providerConfig": {"dockerImage": "nginx:alpine", "cpuCount": "2", "memoryMiB": "1024", "instanceType": "m6i.xlarge",
    "enableDebug": false, "environmentVariables": "{\"KEY\":\"value\"}", "workloadType": "service",
    "healthCheckPath": "/health", "healthCheckInterval": 30, "awsServices": ["kms"], "exposePorts": ["8080"]},
  "githubConnection": {"isConnected": false, "username": "u"}}"#;

const PLAIN: &str = r#"{"id": "test-enclave-001", "status": "PENDING_DEPLOY",
  "configuration": {"instance_type": "m5.large", "cpu_count": 2, "memory_mib": 1024,
    "eif_path": "s3://bucket/test.eif", "debug_mode": true}, "created_at": "2025-01-01T12:00:00Z"}"#;

#[test]
fn the_web_applications_row_is_read_whole() {
    let request = read(WEB).unwrap();
    assert_eq!(request.source, Source::Image("nginx:alpine".into()));
    assert_eq!(
        (request.cpus, request.memory_mib, request.debug),
        (2, 1024, false)
    );
    assert_eq!(
        request.environment,
        [Variable {
            name: "KEY".into(),
            value: "value".into()
        }]
    );
    assert_eq!(
        request.probe,
        Some(Probe {
            path: "/health".into(),
            interval_seconds: 30
        })
    );
    assert_eq!(
        (request.ports, request.aws_services),
        (vec![8080], vec!["kms".to_string()])
    );
    assert!(request.unknown_fields.is_empty());
}

#[test]
fn the_plain_row_is_read_whole() {
    let request = read(PLAIN).unwrap();
    assert_eq!(request.source, Source::Eif("s3://bucket/test.eif".into()));
    assert_eq!((request.cpus, request.memory_mib, request.debug), (2, 1024, true));
    assert!(request.unknown_fields.is_empty());
}

#[test]
fn every_fault_of_a_web_row_is_listed_at_once() {
    let faults = read(
        r#"{"id": "a", "status": "PENDING_DEPLOY", "region": "eu-west-1", "providerId": "other",
            "providerConfig": {"dockerImage": "oci:/etc", "cpuCount": "0", "memoryMiB": "1000", "instanceType": "big",
              "enableDebug": "maybe", "environmentVariables": "[1]", "workloadType": "x", "healthCheckPath": "no-slash",
              "awsServices": ["kms", "nope"], "exposePorts": ["0", "http"]}}"#,
    )
    .unwrap_err();
    assert_eq!(
        fields_of(&faults),
        [
            "region",
            "providerId",
            "providerConfig.dockerImage",
            "providerConfig.cpuCount",
            "providerConfig.memoryMiB",
            "providerConfig.instanceType",
            "providerConfig.enableDebug",
            "providerConfig.environmentVariables",
            "providerConfig.workloadType",
            "providerConfig.healthCheckPath",
            "providerConfig.awsServices",
            "providerConfig.exposePorts",
        ]
    );
}

#[test]
fn an_image_is_one_of_a_registry() {
    let faults = |image: &str| {
        read(&WEB.replace("nginx:alpine", image))
            .err()
            .unwrap_or_default()
    };
    let digest = "0".repeat(64);
    for good in [
        "nginx",
        "127.0.0.1:5000/a/b:1",
        &format!("ghcr.io/a/b@sha256:{digest}"),
    ] {
        assert_eq!(faults(good), [], "{good}");
    }
    for bad in [
        "UPPER/CASE",
        "a/b:",
        "-",
        "oci:dir",
        "oci:a/b",
        "oci-archive:x.tar",
        "docker-archive:x",
        "file:x",
        "https://registry/x",
        "nginx@sha256:00",
        &format!("nginx@sha512:{digest}{digest}"),
    ] {
        let faults = faults(bad);
        assert_eq!(fields_of(&faults), ["providerConfig.dockerImage"], "{bad}");
        let problem = &faults[0].problem;
        assert!(problem.contains(bad.get(..60).unwrap_or(bad)), "{problem}");
        assert!(problem.contains("registry/name:tag"), "{problem}");
    }
}

#[test]
fn every_fault_of_a_plain_row_is_listed_at_once() {
    let faults = read(
        r#"{"id": "a", "status": "PENDING_DEPLOY",
            "configuration": {"cpu_count": 0, "memory_mib": "12", "eif_path": "/etc/passwd", "instance_type": 5}}"#,
    )
    .unwrap_err();
    let expected = [
        "configuration.eif_path",
        "configuration.cpu_count",
        "configuration.memory_mib",
        "configuration.instance_type",
    ];
    assert_eq!(fields_of(&faults), expected);
}

#[test]
fn a_row_needs_exactly_one_shape() {
    assert_eq!(
        fields_of(&read(r#"{"id": "a", "status": "x"}"#).unwrap_err()),
        ["providerConfig"]
    );
    let both = r#"{"id": "a", "status": "x", "providerConfig": {}, "configuration": {}}"#;
    assert_eq!(fields_of(&read(both).unwrap_err()), ["configuration"]);
}

#[test]
fn unknown_fields_are_kept_and_named() {
    let row = WEB
        .replace("\"cpuCount\"", "\"gpuCount\": 1, \"cpuCount\"")
        .replace("\"name\"", "\"color\": 1, \"name\"");
    assert_eq!(
        read(&row).unwrap().unknown_fields,
        ["providerConfig.gpuCount", "color"]
    );
}

#[test]
fn the_launch_message_of_a_request_is_sound() {
    let message = read(WEB)
        .unwrap()
        .launch_message(&RecordId::parse("enc_1").unwrap(), 4, "sha256:00");
    assert_eq!(LaunchMessage::decode(&message.encode()).unwrap(), message);
}

proptest::proptest! {
    #[test]
    fn hostile_configurations_never_panic(text in r#"[a-z0-9:/\\"{}\[\], ]{0,60}"#, number in proptest::prelude::any::<i128>()) {
        let row = serde_json::json!({"id": text, "status": text, "region": text,
            "providerConfig": {"dockerImage": text, "cpuCount": number.to_string(), "memoryMiB": text,
                "environmentVariables": text, "exposePorts": [text, number.to_string()], "awsServices": [text],
                "healthCheckPath": text, "healthCheckInterval": number.to_string(), "instanceType": text}});
        let _ = read(&row.to_string());
        if let Ok(request) = read(&row.to_string()) {
            let message = request.launch_message(&RecordId::parse("a").unwrap(), 1, "sha256:00");
            proptest::prop_assert!(LaunchMessage::decode(&message.encode()).is_ok());
        }
    }
}

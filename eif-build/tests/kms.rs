//! Signing with a key that AWS KMS holds. KMS itself is not here: a small server stands for it, with a real key.
#![cfg(feature = "kms")]
#![allow(clippy::unwrap_used, clippy::panic)] // Tests may fail.
mod common;
#[allow(dead_code)] // The registries' tests use the rest.
#[path = "registry/server.rs"]
mod server;

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use aws_lc_rs::{
    encoding::AsBigEndian,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
        EcdsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use common::eif::{certificate, small};
use p256::ecdsa::signature::hazmat::PrehashSigner;
use serde_json::{Value, json};
use server::{Request, reply, serve};
use tempfile::tempdir;

const ARN: &str = "arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555";

/// What KMS does with `kms:Sign`: the signature of the digest, DER.
fn sign(key: &[u8], request: &Request) -> Vec<u8> {
    assert_eq!(request.header("x-amz-target"), Some("TrentService.Sign"));
    assert!(
        request
            .authorization()
            .unwrap()
            .contains("/eu-west-1/kms/aws4_request")
    );
    let asked: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        (&asked["KeyId"], &asked["MessageType"]),
        (&json!(ARN), &json!("DIGEST"))
    );
    let digest = STANDARD.decode(asked["Message"].as_str().unwrap()).unwrap();
    match (asked["SigningAlgorithm"].as_str().unwrap(), digest.len()) {
        ("ECDSA_SHA_256", 32) => {
            let key = p256::ecdsa::SigningKey::from_slice(key).unwrap();
            let signature: p256::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
            signature.to_der().as_bytes().to_vec()
        }
        ("ECDSA_SHA_384", 48) => {
            let key = p384::ecdsa::SigningKey::from_slice(key).unwrap();
            let signature: p384::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
            signature.to_der().as_bytes().to_vec()
        }
        ("ECDSA_SHA_512", 64) => {
            let key = p521::ecdsa::SigningKey::from_slice(key).unwrap();
            let signature: p521::ecdsa::Signature = key.sign_prehash(&digest).unwrap();
            signature.to_der().as_bytes().to_vec()
        }
        other => panic!("{other:?}"),
    }
}

/// The number that a private key is.
fn scalar(pem: &str) -> Vec<u8> {
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = STANDARD.decode(base64).unwrap();
    let algorithms = [
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &ECDSA_P384_SHA384_FIXED_SIGNING,
        &ECDSA_P521_SHA512_FIXED_SIGNING,
    ];
    let mut pairs = algorithms
        .into_iter()
        .filter_map(|algorithm| EcdsaKeyPair::from_private_key_der(algorithm, &der).ok());
    let scalar = pairs.next().unwrap().private_key().as_be_bytes().unwrap();
    scalar.as_ref().to_vec()
}

fn treza_eif(folder: &Path, aws: &str, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_treza-eif"))
        .args(words)
        .current_dir(folder)
        .env("AWS_ENDPOINT_URL", format!("http://{aws}"))
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "key")
        .output()
        .unwrap()
}

fn sign_words(key: &str) -> [&str; 6] {
    [
        "sign",
        "eif",
        "--signing-certificate",
        "certificate",
        "--private-key",
        key,
    ]
}

#[test]
fn keys_of_every_curve_sign_as_files_do() {
    for curve in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
    ] {
        let folder = tempdir().unwrap();
        let (certificate, key) = certificate(curve);
        fs::write(folder.path().join("certificate"), certificate).unwrap();
        fs::write(folder.path().join("eif"), small(None)).unwrap();
        let key = scalar(&key);
        let aws = serve(move |request, stream| {
            let answer = json!({"KeyId": ARN, "Signature": STANDARD.encode(sign(&key, request))});
            reply(stream, "200 OK", &[], answer.to_string().as_bytes());
        });
        let signed = treza_eif(folder.path(), &aws, &sign_words(ARN));
        assert!(
            signed.status.success(),
            "{}",
            String::from_utf8_lossy(&signed.stderr)
        );
        let verified = treza_eif(folder.path(), &aws, &["verify", "eif"]);
        assert!(
            verified.status.success(),
            "{}",
            String::from_utf8_lossy(&verified.stderr)
        );
    }
}

#[test]
fn what_is_wrong_is_said_and_the_file_stays_as_it_was() {
    let folder = tempdir().unwrap();
    let (certificate_pem, _) = certificate(&rcgen::PKCS_ECDSA_P384_SHA384);
    fs::write(folder.path().join("certificate"), certificate_pem).unwrap();
    let unsigned = small(None);
    fs::write(folder.path().join("eif"), &unsigned).unwrap();
    let other = scalar(&certificate(&rcgen::PKCS_ECDSA_P384_SHA384).1);
    let of_another_key = serve(move |request, stream| {
        let answer = json!({"Signature": STANDARD.encode(sign(&other, request))});
        reply(stream, "200 OK", &[], answer.to_string().as_bytes());
    });
    let of_no_key = serve(|_, stream| reply(stream, "200 OK", &[], br#"{"Signature":"AAAA"}"#));
    let denied = serve(|_, stream| {
        let answer = br#"{"__type":"AccessDeniedException","message":"not yours"}"#;
        reply(stream, "400 No", &[], answer);
    });
    for (aws, key, problem) in [
        (&of_another_key, ARN, "not made with its certificate's key"),
        (&of_no_key, ARN, "no signature on the certificate's curve"),
        (&denied, ARN, "not yours"),
        (&denied, "arn:aws:s3:::bucket", "is no key's ARN"),
    ] {
        let output = treza_eif(folder.path(), aws, &sign_words(key));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(problem), "{error}");
        assert!(fs::read(folder.path().join("eif")).unwrap() == unsigned);
    }
}

//! Registries over HTTPS, through a proxy as the environment names it: what `treza-eif` trusts, and where it goes.
use std::{
    fs,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, pki_types::PrivatePkcs8KeyDer};
use tempfile::tempdir;

use crate::{
    pulled::{image, measure_by_command as measure},
    server::{Request, ask_for_token, content, listen, reply, serve},
};

const HOST: &str = "registry.test";

/// A proxy, and behind it a registry with a certificate of a CA of its own.
struct Network {
    proxy: String,
    ca: String,
    connections: Arc<AtomicU64>,
}

fn network(host: &'static str, answer: impl Fn(&Request, &mut dyn Write) + Send + Sync + 'static) -> Network {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.into()]).unwrap();
    let certificate = certificate.signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let config = Arc::new(config);
    let connections = Arc::new(AtomicU64::new(0));
    let count = connections.clone();
    let proxy = listen(move |mut stream| {
        let Ok(connect) = Request::read(&mut stream) else {
            return;
        };
        assert_eq!(connect.path(), format!("{host}:443"));
        count.fetch_add(1, Ordering::Relaxed);
        stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
        let connection = ServerConnection::new(config.clone()).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        if let Ok(request) = Request::read(&mut stream) {
            answer(&request, &mut stream);
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    Network {
        proxy,
        ca: authority.pem(),
        connections,
    }
}

#[test]
fn a_private_ca_is_trusted_where_the_environment_names_it() {
    let (folder, digest) = image();
    let layout = folder.path().join("image");
    let network = network(HOST, move |request, stream| {
        reply(
            stream,
            "200 OK",
            &[],
            &content(&layout, request.path(), &digest).unwrap(),
        );
    });
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, &network.ca).unwrap();
    let (ca, proxy) = (ca.to_str().unwrap(), format!("http://{}", network.proxy));

    let trusted = [("HTTPS_PROXY", proxy.as_str()), ("SSL_CERT_FILE", ca)];
    let measured = measure("registry.test/app:1", folder.path(), &trusted);
    let output = String::from_utf8_lossy(&measured.stdout);
    assert!(
        output.contains(&digest.to_string()),
        "{}",
        String::from_utf8_lossy(&measured.stderr)
    );

    let untrusted = measure("registry.test/app:1", folder.path(), &trusted[..1]);
    let error = String::from_utf8_lossy(&untrusted.stderr);
    assert_eq!(untrusted.status.code(), Some(1));
    assert!(
        error.contains("cannot reach the registry registry.test"),
        "{error}"
    );
    assert!(
        error.contains("invalid peer certificate: UnknownIssuer"),
        "{error}"
    );

    // A host that is excepted is not looked for behind the proxy.
    let before = network.connections.load(Ordering::Relaxed);
    let excepted = [trusted[0], trusted[1], ("NO_PROXY", "registry.test")];
    assert!(
        !measure("registry.test/app:1", folder.path(), &excepted)
            .status
            .success()
    );
    assert_eq!(network.connections.load(Ordering::Relaxed), before);
}

#[test]
fn a_registry_elsewhere_has_no_business_on_this_machine_in_plain_http() {
    // Whoever asks here gets no answer, and another error.
    let here = listen(drop);
    let address = here.clone();
    let network = network(HOST, move |request, stream| match request.path() {
        "/v2/redirect/manifests/1" => {
            reply(
                stream,
                "307 There",
                &[("location", &format!("http://{address}/"))],
                b"",
            );
        }
        _ => ask_for_token(stream, &format!("http://{address}/token")),
    });
    let folder = tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, &network.ca).unwrap();
    let proxy = format!("http://{}", network.proxy);
    let environment = [
        ("HTTPS_PROXY", proxy.as_str()),
        ("SSL_CERT_FILE", ca.to_str().unwrap()),
    ];
    for (image, what) in [("redirect", "redirect to"), ("realm", "token server")] {
        let refused = measure(&format!("registry.test/{image}:1"), folder.path(), &environment);
        let error = String::from_utf8_lossy(&refused.stderr);
        assert!(
            error.contains(&format!("its {what} http://{here} is refused")),
            "{error}"
        );
    }
}

#[test]
fn a_registry_of_this_machine_is_not_asked_through_a_proxy() {
    let (folder, digest) = image();
    let layout = folder.path().join("image");
    let registry = serve(move |request, stream| {
        reply(
            stream,
            "200 OK",
            &[],
            &content(&layout, request.path(), &digest).unwrap(),
        );
    });
    let proxy = format!("http://{}", listen(drop));
    let environment = [("HTTP_PROXY", proxy.as_str()), ("ALL_PROXY", proxy.as_str())];
    let measured = measure(&format!("{registry}/app:1"), folder.path(), &environment);
    assert!(
        measured.status.success(),
        "{}",
        String::from_utf8_lossy(&measured.stderr)
    );
}

#[test]
fn a_registry_of_ecr_is_shown_the_password_that_aws_gives() {
    const REGISTRY: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    let (folder, digest) = image();
    let layout = folder.path().join("image");
    let network = network(REGISTRY, move |request, stream| {
        // AWS:password
        match request.authorization() {
            Some("Basic QVdTOnBhc3N3b3Jk") => {
                reply(
                    stream,
                    "200 OK",
                    &[],
                    &content(&layout, request.path(), &digest).unwrap(),
                );
            }
            _ => reply(
                stream,
                "401 No",
                &[("www-authenticate", "Basic realm=\"r\"")],
                b"",
            ),
        }
    });
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, &network.ca).unwrap();
    let proxy = format!("http://{}", network.proxy);
    for (answer, body, expected) in [
        (
            "200 OK",
            r#"{"authorizationData":[{"authorizationToken":"QVdTOnBhc3N3b3Jk"}]}"#,
            None,
        ),
        ("200 OK", r#"{"authorizationData":[]}"#, Some("gives no token")),
        (
            "400 No",
            r#"{"__type":"AccessDeniedException","message":"not yours"}"#,
            Some("not yours"),
        ),
    ] {
        // Stands for AWS.
        let aws = serve(move |request, stream| {
            assert!(
                request
                    .header("x-amz-target")
                    .unwrap()
                    .ends_with(".GetAuthorizationToken")
            );
            assert!(
                request
                    .authorization()
                    .unwrap()
                    .contains("/eu-west-1/ecr/aws4_request")
            );
            reply(stream, answer, &[], body.as_bytes());
        });
        let environment = [
            ("HTTPS_PROXY", proxy.as_str()),
            ("SSL_CERT_FILE", ca.to_str().unwrap()),
            ("AWS_ENDPOINT_URL", &format!("http://{aws}")),
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "key"),
        ];
        let measured = measure(&format!("{REGISTRY}/app:1"), folder.path(), &environment);
        let (output, error) = (
            String::from_utf8_lossy(&measured.stdout),
            String::from_utf8_lossy(&measured.stderr),
        );
        match expected {
            None => assert!(output.contains(&digest.to_string()), "{error}"),
            Some(expected) => assert!(error.contains(expected) && error.contains(REGISTRY), "{error}"),
        }
    }
}

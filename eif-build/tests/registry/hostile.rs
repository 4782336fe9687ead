//! Registries and token servers that cheat: endless and broken answers, other addresses, loops, text meant for our logs.
use std::{
    fs,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use eif_build::{
    Error,
    image::{self, Credentials},
};

use crate::{
    pulled::{anonymous, image, measure},
    server::{ask_for_token, content, reply, serve},
};

/// What no error may say.
const MARKER: &str = "MARKER-of-the-server";

/// Writes until the client has had enough, 512 MiB at most; counts what was written.
fn flood(stream: &mut dyn Write, status: &str, sent: &AtomicU64, chunked: bool) {
    let piece = vec![b' '; 1 << 16];
    let (coding, chunk) = match chunked {
        true => (
            "transfer-encoding: chunked\r\n",
            [b"10000\r\n", &piece[..], b"\r\n"].concat(),
        ),
        false => ("connection: close\r\n", piece),
    };
    let mut written = write!(stream, "HTTP/1.1 {status}\r\n{coding}\r\n");
    while written.is_ok() && sent.load(Ordering::Relaxed) < 512 << 20 {
        written = stream.write_all(&chunk);
        sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
}

#[test]
fn endless_answers_are_not_kept() {
    /// More than sockets' buffers hold beyond the client's own bound, on any machine.
    const BUFFERS: u64 = 128 << 20;
    let cases = [
        (false, "200 OK", "longer than 4194304 bytes"),
        (false, "500 Oops", "answers 500"),
        (true, "200 OK", "longer than 65536 bytes"),
        (true, "500 Oops", "answers 500"),
    ];
    for ((of_tokens, status, expected), chunked) in
        cases.into_iter().flat_map(|case| [(case, false), (case, true)])
    {
        let sent = Arc::new(AtomicU64::new(0));
        let count = sent.clone();
        let address = serve(move |request, stream| {
            if of_tokens && !request.path().starts_with("/token") {
                ask_for_token(
                    stream,
                    &format!("http://{}/token", request.header("host").unwrap()),
                );
            } else {
                flood(stream, status, &count, chunked);
            }
        });
        let error = anonymous(&address).to_string();
        assert!(error.contains(expected), "{error}");
        let sent = sent.load(Ordering::Relaxed);
        assert!(sent < BUFFERS, "{expected}: {sent} bytes were taken");
    }
}

#[test]
fn an_error_is_read_up_to_its_bound() {
    for (length, named) in [(4096, true), (4097, false)] {
        let body = format!("{:length$}", r#"{"errors":[{"code":"SOME_CODE"}]}"#);
        let error = anonymous(&serve(move |_, stream| {
            reply(stream, "400 Bad", &[], body.as_bytes());
        }));
        assert_eq!(error.to_string().contains("SOME_CODE"), named, "{error}");
    }
}

#[test]
fn broken_answers_are_refused() {
    let answers: [&[u8]; 6] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}garbage\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9223372036854775807\r\n\r\n{}",
    ];
    for answer in answers {
        let address = serve(move |_, stream| drop(stream.write_all(answer)));
        let error = anonymous(&address);
        let shown = String::from_utf8_lossy(answer);
        assert!(
            matches!(&error, image::Error::Registry { cause, .. } if cause.contains("broke off")),
            "{shown}: {error}"
        );
    }
    for answer in [
        &b""[..],
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
    ] {
        let address = serve(move |_, stream| drop(stream.write_all(answer)));
        let error = anonymous(&address);
        assert!(matches!(error, image::Error::Unreachable { .. }), "{error}");
    }
}

#[test]
fn who_cannot_be_reached_is_named() {
    // A port that was free a moment ago, and on which nobody listens.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://{nobody}/");
    let (realm, location) = (url.clone(), url);
    let realm = serve(move |_, stream| ask_for_token(stream, &realm));
    let redirect = serve(move |_, stream| reply(stream, "307 There", &[("location", &location)], b""));
    for (address, server) in [
        (nobody.to_string(), "the registry "),
        (realm, "the registry's token server "),
        (redirect, "the server that the registry redirects to, "),
    ] {
        let error = anonymous(&address);
        assert!(matches!(error, image::Error::Unreachable { .. }), "{error}");
        let begins = format!("cannot reach {server}{nobody}: ");
        assert!(error.to_string().starts_with(&begins), "{error}");
    }
}

/// A token server or redirect elsewhere is not asked, whatever it is.
#[test]
fn requests_go_nowhere_else() {
    for elsewhere in [
        "http://192.0.2.1/latest/meta-data",
        "http://example.test/token",
        "https://user:password@example.test/token",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
    ] {
        let realm = serve(move |_, stream| ask_for_token(stream, elsewhere));
        let redirect = serve(move |_, stream| reply(stream, "307 There", &[("location", elsewhere)], b""));
        for (address, what) in [(realm, "its token server"), (redirect, "its redirect to")] {
            let error = anonymous(&address).to_string();
            assert!(
                error.contains(what) && error.contains("is refused"),
                "{elsewhere}: {error}"
            );
            assert!(!error.contains("password@"), "{error}");
        }
    }
}

#[test]
fn what_a_server_writes_is_not_quoted() {
    let answers = [
        ("200 OK", format!("\"{MARKER}\"")),
        ("200 OK", format!(r#"{{"token":["{MARKER}"]}}"#)),
        ("200 OK", format!(r#"{{"token":"{MARKER}\n"}}"#)),
        ("401 Unauthorized", MARKER.to_owned()),
        (
            "403 Forbidden",
            format!(r#"{{"errors":[{{"code":"{MARKER}","message":"{MARKER}"}}]}}"#),
        ),
        ("404 Not Found", MARKER.to_owned()),
        ("500 Oops", MARKER.to_owned()),
    ];
    for (status, body) in answers {
        let shown = body.clone();
        let token_server = serve(move |_, stream| reply(stream, status, &[], body.as_bytes()));
        let realm = format!("http://{token_server}/token");
        let error = anonymous(&serve(move |_, stream| ask_for_token(stream, &realm)));
        let unauthorized = matches!(error, image::Error::Unauthorized { .. });
        assert_eq!(
            unauthorized,
            status.starts_with("401") || status.starts_with("403"),
            "{error}"
        );
        assert!(
            unauthorized || matches!(error, image::Error::Registry { .. }),
            "{error}"
        );
        assert!(!error.to_string().contains(MARKER), "{shown}: {error}");
        assert!(error.to_string().contains(&token_server), "{error}");
    }
    // Of a registry's own errors the code is named, and nothing else.
    let body = format!(
        r#"{{"errors":[{{"code":"TOOMANYREQUESTS","message":"{MARKER}","detail":"{MARKER}"}},{{"code":"{MARKER} x"}}]}}"#
    );
    let error = anonymous(&serve(move |_, stream| {
        reply(stream, "429 Slow", &[], body.as_bytes())
    }));
    assert!(
        error
            .to_string()
            .contains("429 Too Many Requests, TOOMANYREQUESTS"),
        "{error}"
    );
    assert!(!error.to_string().contains(MARKER), "{error}");
}

#[test]
fn redirects_end() {
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    let error = anonymous(&serve(move |_, stream| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        reply(
            stream,
            "302 Found",
            &[("location", &format!("/again/{number}"))],
            b"",
        );
    }));
    assert!(error.to_string().contains("more than 10 redirects"), "{error}");
    assert_eq!(asked.load(Ordering::Relaxed), 11);
}

#[test]
fn a_blob_that_breaks_off_leaves_nothing() {
    let (folder, digest) = image();
    let layout = folder.path().join("image");
    let registry = serve(move |request, stream| {
        let body = content(&layout, request.path(), &digest).unwrap();
        match request.path().contains("/blobs/") {
            true => {
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(&body[..body.len() / 2]);
            }
            false => reply(stream, "200 OK", &[], &body),
        }
    });
    let error = measure(&registry, folder.path(), Credentials::Anonymous).unwrap_err();
    assert!(
        matches!(&error, Error::Image(image::Error::Registry { cause, .. }) if cause.contains("broke off")),
        "{error}"
    );
    let kept = fs::read_dir(folder.path().join("cache/blobs/sha256")).unwrap();
    let kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, [digest.hex().as_str()], "the manifest alone");
}

//! Where credentials and tokens go, and where not.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use eif_build::image::{self, Credentials};

use crate::{
    pulled::{image, measure, refusal},
    server::{Request, ask_for_token, content, image_at, reply, serve},
};

fn basic() -> Credentials {
    Credentials::Basic("user".into(), "secret".into())
}

#[test]
fn refused_credentials_are_not_shown_again_and_again() {
    for (challenge, expected) in [
        ("Basic realm=\"r\"", 2),
        ("Bearer realm=\"http://HOST/token\"", 3),
    ] {
        let asked = Arc::new(AtomicU64::new(0));
        let count = asked.clone();
        let address = serve(move |request, stream| {
            count.fetch_add(1, Ordering::Relaxed);
            let challenge = challenge.replace("HOST", request.header("host").unwrap());
            match request.path().starts_with("/token") {
                true => reply(stream, "200 OK", &[], br#"{"access_token":"t"}"#),
                false => reply(stream, "401 No", &[("www-authenticate", &challenge)], b""),
            }
        });
        let error = refusal(&image_at(&address), basic());
        assert!(matches!(error, image::Error::Unauthorized { .. }), "{error}");
        assert_eq!(asked.load(Ordering::Relaxed), expected);
    }
}

/// What each request of a path was shown.
type Shown = Arc<Mutex<Vec<(String, Option<String>)>>>;

fn note(shown: &Shown, request: &Request) {
    let authorization = request.authorization().map(str::to_owned);
    shown
        .lock()
        .unwrap()
        .push((request.path().to_owned(), authorization));
}

#[test]
fn credentials_stay_with_their_registry() {
    let (folder, digest) = image();
    let layout = folder.path().join("image");
    let elsewhere = Shown::default();
    let noted = elsewhere.clone();
    let storage = serve(move |request, stream| {
        note(&noted, request);
        reply(
            stream,
            "200 OK",
            &[],
            &content(&layout, request.path(), &digest).unwrap(),
        );
    });
    let here = Shown::default();
    let noted = here.clone();
    let registry = serve(move |request, stream| {
        note(&noted, request);
        match (request.authorization(), request.path().strip_prefix("/moved")) {
            (None, _) => reply(
                stream,
                "401 No",
                &[("www-authenticate", "Basic realm=\"r\"")],
                b"",
            ),
            (Some(_), None) => reply(
                stream,
                "307 There",
                &[("location", &format!("/moved{}", request.path()))],
                b"",
            ),
            (Some(_), Some(path)) => {
                reply(
                    stream,
                    "307 There",
                    &[("location", &format!("http://{storage}{path}"))],
                    b"",
                );
            }
        }
    });
    assert_eq!(measure(&registry, folder.path(), basic()).unwrap(), digest);
    let elsewhere = elsewhere.lock().unwrap();
    assert_eq!(elsewhere.len(), 3, "manifest, configuration and layer");
    assert!(
        elsewhere.iter().all(|(_, shown)| shown.is_none()),
        "{elsewhere:?}"
    );
    // Within the registry they stay, so that only the very first request came without.
    let here = here.lock().unwrap();
    assert_eq!(
        here.iter().filter(|(_, shown)| shown.is_none()).count(),
        1,
        "{here:?}"
    );
    assert_eq!(here.len(), 7, "{here:?}");
}

#[test]
fn credentials_do_not_come_back_by_a_redirect() {
    let shown = Shown::default();
    let noted = shown.clone();
    let back = serve(move |request, stream| {
        let registry = request.path().split_once("?to=").unwrap().1;
        reply(
            stream,
            "307 There",
            &[("location", &format!("http://{registry}/chosen-by-others"))],
            b"",
        );
    });
    let registry = serve(move |request, stream| {
        note(&noted, request);
        let host = request.header("host").unwrap();
        match (request.path(), request.authorization()) {
            ("/chosen-by-others", _) => reply(stream, "404 No", &[], b""),
            (_, None) => reply(
                stream,
                "401 No",
                &[("www-authenticate", "Basic realm=\"r\"")],
                b"",
            ),
            _ => reply(
                stream,
                "307 There",
                &[("location", &format!("http://{back}/?to={host}"))],
                b"",
            ),
        }
    });
    let error = refusal(&image_at(&registry), basic());
    assert!(matches!(error, image::Error::NotFound { .. }), "{error}");
    let shown = shown.lock().unwrap();
    assert_eq!(shown.last().unwrap(), &("/chosen-by-others".to_owned(), None));
}

#[test]
fn a_foreign_401_is_not_answered() {
    let elsewhere = Shown::default();
    let noted = elsewhere.clone();
    let storage = serve(move |request, stream| {
        note(&noted, request);
        reply(
            stream,
            "401 No",
            &[("www-authenticate", "Basic realm=\"r\"")],
            b"",
        );
    });
    let registry = serve(move |_, stream| {
        reply(
            stream,
            "307 There",
            &[("location", &format!("http://{storage}/"))],
            b"",
        );
    });
    let error = refusal(&image_at(&registry), basic());
    assert!(matches!(error, image::Error::Unauthorized { .. }), "{error}");
    assert_eq!(*elsewhere.lock().unwrap(), [("/".to_owned(), None)]);
}

#[test]
fn a_token_serves_the_whole_fetch_and_is_renewed_when_it_ends() {
    for (uses, tokens) in [(100, 1), (1, 3)] {
        let (folder, digest) = image();
        let layout = folder.path().join("image");
        let granted = Arc::new(Mutex::new((0, 0)));
        let state = granted.clone();
        let asked = Shown::default();
        let noted = asked.clone();
        let registry = serve(move |request, stream| {
            let mut state = state.lock().unwrap();
            let (number, used) = *state;
            if request.path().starts_with("/token") {
                note(&noted, request);
                *state = (number + 1, 0);
                let token = format!(r#"{{"token":"t{}"}}"#, number + 1);
                reply(stream, "200 OK", &[], token.as_bytes());
            } else if request.authorization() == Some(&format!("Bearer t{number}")) && used < uses {
                *state = (number, used + 1);
                reply(
                    stream,
                    "200 OK",
                    &[],
                    &content(&layout, request.path(), &digest).unwrap(),
                );
            } else {
                ask_for_token(
                    stream,
                    &format!("http://{}/token?a=b", request.header("host").unwrap()),
                );
            }
        });
        assert_eq!(measure(&registry, folder.path(), basic()).unwrap(), digest);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), tokens);
        // user:secret
        let expected = (
            "/token?a=b&service=test&scope=repository%3Aapp%3Apull".to_owned(),
            Some("Basic dXNlcjpzZWNyZXQ=".to_owned()),
        );
        assert!(asked.iter().all(|request| *request == expected), "{asked:?}");
    }
}

//! What goes wrong with a registry or a token server, told without passing on what the other side wrote.
use contract::fault::{causes, printable};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use super::super::{Error, ImageRef};

/// The most bytes that are read of the body of an error.
const MAX_ERROR_BODY: u64 = 4 << 10;
/// As many codes of an error are named.
const MAX_CODES: usize = 4;

#[derive(Debug)]
pub(super) enum Problem {
    /// No answer came from this server.
    Unreachable { server: String, cause: String },
    /// The registry does not have it.
    NotFound(String),
    /// The registry or its token server wants other credentials.
    Unauthorized(String),
    /// Another answer that is of no use.
    Answer(String),
}

impl Problem {
    /// No answer from `what` ("the registry") at `url`.
    pub(super) fn unreachable(what: &str, url: &Url, error: reqwest::Error) -> Self {
        Self::Unreachable {
            server: format!("{what} {}", host(url)),
            cause: chain(error),
        }
    }

    /// A body that did not come to its end.
    pub(super) fn broken_off(error: reqwest::Error) -> Self {
        Self::Answer(format!("it broke off: {}", chain(error)))
    }

    /// What an answer of the registry other than 200 means.
    pub(super) async fn of_status(answer: Response) -> Self {
        let (status, host) = (answer.status(), host(answer.url()));
        let codes = read_bounded(answer, MAX_ERROR_BODY)
            .await
            .map(|json| codes(&json))
            .unwrap_or_default();
        let cause = format!("{host} answers {status}{codes}");
        match status {
            StatusCode::NOT_FOUND => Self::NotFound(cause),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Unauthorized(cause),
            _ => Self::Answer(cause),
        }
    }

    pub(super) fn with(self, image: &ImageRef) -> Error {
        let image = image.to_string();
        match self {
            Self::Unreachable { server, cause } => Error::Unreachable { server, cause },
            Self::NotFound(cause) => Error::NotFound { image, cause },
            Self::Unauthorized(cause) => Error::Unauthorized { image, cause },
            Self::Answer(cause) => Error::Registry { image, cause },
        }
    }
}

/// A body of at most `limit` bytes; no more of it is ever kept.
pub(super) async fn read_bounded(mut answer: Response, limit: u64) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(Problem::broken_off)? {
        if bytes.len() as u64 + piece.len() as u64 > limit {
            let host = host(answer.url());
            return Err(Problem::Answer(format!(
                "what {host} sends is longer than {limit} bytes"
            )));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// The host and port of a URL, fit for a message. Never the whole: those of blobs may carry a signature.
pub(super) fn host(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}{port}", printable(url.host_str().unwrap_or("no host"), 200))
}

/// The codes in the specification's JSON of an error, each no more than a word; its messages are the server's own text.
fn codes(json: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        code: String,
    }
    let is_word = |code: &&str| {
        code.len() <= 64
            && code
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let entries = serde_json::from_slice::<Envelope>(json).map_or(Vec::new(), |envelope| envelope.errors);
    let codes = entries.iter().map(|entry| entry.code.as_str()).filter(is_word);
    codes.take(MAX_CODES).map(|code| format!(", {code}")).collect()
}

/// What an error says and why, without its URL: those of blobs may carry a signature.
fn chain(error: reqwest::Error) -> String {
    causes(&error.without_url(), 500)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_codes_are_quoted() {
        let json = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"secret"},{"code":"not a word"},{"code":"DENIED"}]}"#;
        assert_eq!(codes(json), ", MANIFEST_UNKNOWN, DENIED");
        assert_eq!(codes(b"<html>secret</html>"), "");
    }

    proptest! {
        #[test]
        fn hostile_error_bodies_give_words_at_most(json in r#"(\{"errors":\[(\{"code":".{0,80}"\},?){0,6}\]\})|.{0,100}"#) {
            let codes = codes(json.as_bytes());
            prop_assert!(codes.len() <= MAX_CODES * 66);
            prop_assert!(codes.chars().all(|c| c.is_ascii_alphanumeric() || "_, ".contains(c)));
        }
    }
}

//! How a registry asks for credentials (RFC 9110, section 11; the distribution project's token specification), and what it
//! is shown.
use base64::{Engine, engine::general_purpose::STANDARD};
use http_auth::parser::ChallengeParser;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token, which the server at `realm` gives.
    Bearer { realm: String, service: Option<String> },
}

impl Challenge {
    /// Reads a 401's headers. Where both are offered the token is taken, as Docker does.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let texts = headers.get_all(WWW_AUTHENTICATE).iter();
        let texts = texts.filter_map(|value| value.to_str().ok());
        let found: Vec<Self> = texts.flat_map(read).collect();
        let is_bearer = |challenge: &Self| matches!(challenge, Self::Bearer { .. });
        let first = found.iter().position(is_bearer).unwrap_or(0);
        found.into_iter().nth(first)
    }
}

fn read(text: &str) -> Vec<Challenge> {
    let whole = ChallengeParser::new(text).map_while(Result::ok);
    let read = whole.filter_map(|challenge| {
        let parameter = |name: &str| {
            let named = |(key, _): &&(&str, _)| key.eq_ignore_ascii_case(name);
            let (_, value) = challenge.params.iter().find(named)?;
            Some(value.to_unescaped())
        };
        if challenge.scheme.eq_ignore_ascii_case("basic") {
            Some(Challenge::Basic)
        } else if challenge.scheme.eq_ignore_ascii_case("bearer") {
            Some(Challenge::Bearer {
                realm: parameter("realm")?,
                service: parameter("service"),
            })
        } else {
            None
        }
    });
    read.collect()
}

/// The header that shows a name and a password.
pub(super) fn basic(name: &str, password: &str) -> Option<HeaderValue> {
    secret(&format!(
        "Basic {}",
        STANDARD.encode(format!("{name}:{password}"))
    ))
}

/// The header that shows a token; `None` if the token has characters that no header may have.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    secret(&format!("Bearer {token}"))
}

/// The header that shows the token in a token server's answer.
pub(super) fn granted(json: &[u8]) -> Option<HeaderValue> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(json).ok()?;
    let mut tokens = [answer.token, answer.access_token].into_iter().flatten();
    bearer(&tokens.find(|token| !token.is_empty())?)
}

fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(texts: &[&str]) -> Option<Challenge> {
        let values = texts.iter().map(|text| HeaderValue::from_str(text).unwrap());
        Challenge::of(&values.map(|value| (WWW_AUTHENTICATE, value)).collect())
    }

    #[test]
    fn the_token_is_taken_where_both_are_offered() {
        let bearer = |service: Option<&str>| {
            Some(Challenge::Bearer {
                realm: "https://a/t".into(),
                service: service.map(Into::into),
            })
        };
        assert_eq!(
            of(&[r#"Bearer realm="https://a/t",service="s \"1\"",scope="x""#]),
            bearer(Some(r#"s "1""#))
        );
        assert_eq!(
            of(&[r#"Basic realm="r", bearer REALM="https://a/t""#]),
            bearer(None)
        );
        assert_eq!(of(&["Basic", r#"BEARER realm="https://a/t""#]), bearer(None));
        assert_eq!(
            of(&[r#"Digest realm="x", Basic realm="y""#]),
            Some(Challenge::Basic)
        );
        for none in [
            r#"Bearer service="s""#,
            "Negotiate",
            "",
            "=,=",
            r#"Bearer realm="x"#,
        ] {
            assert_eq!(of(&[none]), None, "{none}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn a_token_has_either_name_and_fits_a_header() {
        let shown = |json: &str| granted(json.as_bytes());
        assert_eq!(shown(r#"{"token":"a","access_token":"b"}"#).unwrap(), "Bearer a");
        assert_eq!(shown(r#"{"token":"","access_token":"b"}"#).unwrap(), "Bearer b");
        for none in [
            r#"{"token":"a\nX: y"}"#,
            "{}",
            r#"{"token":""}"#,
            r#"{"token":1}"#,
            "[]",
            "",
        ] {
            assert_eq!(shown(none), None, "{none}");
        }
        assert_eq!(basic("user", "secret").unwrap(), "Basic dXNlcjpzZWNyZXQ=");
        assert!(format!("{:?}", basic("user", "secret")).contains("Sensitive"));
    }

    proptest! {
        #[test]
        fn hostile_challenges_and_answers_are_nothing_at_worst(text in r#"((Bearer|Basic|realm|=|"|,| |\\|[ -~]){0,40})"#) {
            if let Some(Challenge::Bearer { realm, .. }) = of(&[&text]) {
                prop_assert!(realm.len() <= text.len());
            }
            let _ = granted(text.as_bytes());
        }
    }
}

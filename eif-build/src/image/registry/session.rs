//! Requests to one registry for one repository: where they may go, and what is shown on the way.
use std::{net::IpAddr, time::Duration};

use contract::fault::printable;
use oci_spec::distribution::Reference;
use reqwest::{
    Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION},
    redirect::Policy,
};
use tokio::sync::Mutex;

use super::{
    super::credentials::Login,
    ANSWER_TIMEOUT,
    auth::{self, Challenge},
    problem::{Problem, host, read_bounded},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// As many redirects in a row are followed; registries use one, to where their blobs are.
const MAX_REDIRECTS: usize = 10;
/// How this program calls itself where it exchanges a token.
const CLIENT_ID: &str = "treza-eif";
/// The most bytes of a token server's answer. Tokens are some KiB at most.
const MAX_TOKEN: u64 = 64 << 10;

/// Who is asked, in errors.
const REGISTRY: &str = "the registry";
const TOKEN_SERVER: &str = "the registry's token server";

pub(super) struct Session {
    client: reqwest::Client,
    /// The repository's URL, with a slash at its end.
    base: Url,
    /// The token's scope.
    scope: String,
    login: Login,
    /// What the registry was shown last: for the time of the session.
    shown: Mutex<Option<HeaderValue>>,
}

impl Session {
    pub(super) fn new(name: &Reference, login: Login) -> Result<Self, Problem> {
        let (registry, repository) = (name.resolve_registry(), name.repository());
        let url = |scheme: &str| {
            let url = Url::parse(&format!("{scheme}://{registry}/v2/{repository}/"));
            url.map_err(|error| Problem::Unreachable {
                server: format!("{REGISTRY} {registry}"),
                cause: error.to_string(),
            })
        };
        // Registries of this machine are spoken to in plain HTTP, as Docker does.
        let plain = url("http")?;
        let local = is_loopback(&plain);
        let base = if local { plain } else { url("https")? };
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("treza-eif/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(ANSWER_TIMEOUT)
            .redirect(Policy::none());
        if local {
            // A proxy is another machine, and would be shown the credentials in plain HTTP.
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|error| Problem::unreachable(REGISTRY, &base, error))?;
        Ok(Self {
            client,
            base,
            scope: format!("repository:{repository}:pull"),
            login,
            shown: Mutex::default(),
        })
    }

    /// The answer to a GET of `path` under the repository, if it is 200.
    pub(super) async fn get(&self, path: &str, accept: &str) -> Result<Response, Problem> {
        let url = self.base.join(path);
        let url = url.map_err(|error| Problem::Answer(error.to_string()))?;
        let shown = self.shown.lock().await.clone();
        let mut answer = self.follow(REGISTRY, url.clone(), shown.clone(), accept).await?;
        if answer.status() == StatusCode::UNAUTHORIZED && answer.url().origin() == self.base.origin() {
            // Once: credentials that are refused when they are new do not become better.
            let new = self.authorize(answer, shown).await?;
            answer = self.follow(REGISTRY, url, Some(new), accept).await?;
        }
        match answer.status() {
            StatusCode::OK => Ok(answer),
            _ => Err(Problem::of_status(answer).await),
        }
    }

    /// What the registry is to be shown after `answer`, the 401 to `refused`.
    async fn authorize(
        &self,
        answer: Response,
        refused: Option<HeaderValue>,
    ) -> Result<HeaderValue, Problem> {
        let mut shown = self.shown.lock().await;
        if *shown != refused
            && let Some(newer) = &*shown
        {
            return Ok(newer.clone()); // Another request was granted it meanwhile.
        }
        let new = match (Challenge::of(answer.headers()), &self.login) {
            (Some(Challenge::Basic), Login::Basic { name, password }) => auth::basic(name, password),
            (Some(Challenge::Bearer { .. }), Login::Bearer(token)) => auth::bearer(token),
            (Some(Challenge::Bearer { realm, service }), login) => {
                Some(self.token(&realm, service.as_deref(), login).await?)
            }
            _ => None,
        };
        match new {
            Some(new) => Ok(shown.insert(new).clone()),
            None => Err(Problem::of_status(answer).await),
        }
    }

    /// A token of the server at `realm`. Nothing that this server writes goes into an error.
    async fn token(&self, realm: &str, service: Option<&str>, login: &Login) -> Result<HeaderValue, Problem> {
        let url = Url::parse(realm)
            .map_err(|_| Problem::Answer("the address of its token server is not a URL".into()))?;
        self.permit("its token server", &url)?;
        let server = host(&url);
        let answer = match login {
            Login::Identity(token) => self.exchange(url, service, token).await?,
            Login::Basic { name, password } => {
                self.ask_for_token(url, service, auth::basic(name, password))
                    .await?
            }
            Login::Anonymous | Login::Bearer(_) => self.ask_for_token(url, service, None).await?,
        };
        match answer.status() {
            StatusCode::OK => {}
            status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
                return Err(Problem::Unauthorized(format!(
                    "its token server {server} answers {status}"
                )));
            }
            status => {
                return Err(Problem::Answer(format!(
                    "its token server {server} answers {status}"
                )));
            }
        }
        let json = read_bounded(answer, MAX_TOKEN).await?;
        auth::granted(&json)
            .ok_or_else(|| Problem::Answer(format!("its token server {server} gives no token")))
    }

    async fn ask_for_token(
        &self,
        mut url: Url,
        service: Option<&str>,
        shown: Option<HeaderValue>,
    ) -> Result<Response, Problem> {
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service)))
            .append_pair("scope", &self.scope);
        self.follow(TOKEN_SERVER, url, shown, "application/json").await
    }

    /// Exchanges a refresh token for one of this repository (the distribution project's `oauth.md`, "Getting a token"). It
    /// goes to the token server alone: a redirect is not followed.
    async fn exchange(&self, url: Url, service: Option<&str>, token: &str) -> Result<Response, Problem> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT_ID),
            ("service", service.unwrap_or_default()),
            ("scope", &self.scope),
            ("refresh_token", token),
        ];
        let request = self.client.post(url.clone()).form(&form);
        let answer = request.send().await;
        answer.map_err(|error| Problem::unreachable(TOKEN_SERVER, &url, error))
    }

    /// The answer behind all redirects of the server that is `first` asked. What is shown ends with the first other
    /// host.
    async fn follow(
        &self,
        first: &str,
        mut url: Url,
        mut shown: Option<HeaderValue>,
        accept: &str,
    ) -> Result<Response, Problem> {
        let mut asked = first;
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.client.get(url.clone()).header(ACCEPT, accept);
            if let Some(shown) = &shown {
                request = request.header(AUTHORIZATION, shown);
            }
            let answer = request.send().await;
            let answer = answer.map_err(|error| Problem::unreachable(asked, &url, error))?;
            let Some(location) = answer.headers().get(LOCATION) else {
                return Ok(answer);
            };
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let next = location.to_str().ok().and_then(|text| url.join(text).ok());
            let next =
                next.ok_or_else(|| Problem::Answer(format!("a redirect of {} to no URL", host(&url))))?;
            self.permit("its redirect to", &next)?;
            if next.origin() != url.origin() {
                shown = None;
                asked = "the server that the registry redirects to,";
            }
            url = next;
        }
        Err(Problem::Answer(format!(
            "more than {MAX_REDIRECTS} redirects, the last to {}",
            host(&url)
        )))
    }

    /// Whether a request may go where the registry points: a hostile one would have us speak to others in its place.
    fn permit(&self, what: &str, url: &Url) -> Result<(), Problem> {
        let within = is_loopback(&self.base) && is_loopback(url);
        let named = !url.username().is_empty() || url.password().is_some();
        match url.scheme() {
            "https" if !named => Ok(()),
            "http" if !named && within => Ok(()),
            scheme => Err(Problem::Answer(format!(
                "{what} {}://{} is refused: it must be https:// without a user name (http:// only from a registry \
                 of this machine to this machine)",
                printable(scheme, 20),
                host(url)
            ))),
        }
    }
}

/// Whether a URL leads to this machine. The parser has brought other spellings of an address into the usual one.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    host == "localhost" || address.is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(image: &str) -> Session {
        Session::new(&image.parse().unwrap(), Login::Anonymous).unwrap()
    }

    #[test]
    fn a_repository_has_its_url() {
        for (image, url) in [
            ("nginx", "https://index.docker.io/v2/library/nginx/"),
            ("ghcr.io/a/b:1", "https://ghcr.io/v2/a/b/"),
            ("registry.test:80/a", "https://registry.test:80/v2/a/"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000/v2/a/"),
            ("localhost:443/a", "http://localhost:443/v2/a/"),
            ("localhost.test/a", "https://localhost.test/v2/a/"),
        ] {
            assert_eq!(session(image).base.as_str(), url);
        }
        let no_port = "registry.test:99999/a".parse().unwrap();
        assert!(Session::new(&no_port, Login::Anonymous).is_err());
    }

    #[test]
    fn requests_go_where_they_may() {
        let refused = |image: &str, url: &str| session(image).permit("", &url.parse().unwrap()).is_err();
        for (url, from_afar, from_here) in [
            ("https://other.test/x", false, false),
            ("https://127.0.0.1/x", false, false),
            ("http://registry.test/x", true, true),
            ("http://169.254.169.254/latest/meta-data", true, true),
            ("http://127.0.0.1:1/x", true, false),
            ("http://127.1:1/x", true, false),
            ("http://[::1]:1/x", true, false),
            ("http://localhost/x", true, false),
            ("http://localhost.test/x", true, true),
            ("https://user@other.test/x", true, true),
            ("https://:password@other.test/x", true, true),
            ("file:///etc/passwd", true, true),
            ("data:,x", true, true),
        ] {
            assert_eq!(refused("registry.test/a", url), from_afar, "{url}");
            assert_eq!(refused("127.0.0.1:5000/a", url), from_here, "{url}");
        }
    }
}

//! The HTTP side: one POST a call. A call that is dropped closes its connection.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use chrono::DateTime;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use regie_core::reasoning::{ReasonError, Refused};
use regie_core::{Timestamp, limits};

use super::{ChatError, Secret};

/// How long a connection is kept for the next call.
const IDLE: Duration = Duration::from_secs(30);
/// Connections that are kept so.
const IDLE_CONNECTIONS: usize = 8;

/// Where calls go.
pub(super) struct Endpoint {
    uri: Uri,
    bearer: Option<(HeaderValue, Secret)>,
    transport: Transport,
}

enum Transport {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// Why a call brought no answer.
pub(super) struct Trouble {
    pub(super) why: ReasonError,
    /// Whether the same call may fare better a little later.
    pub(super) passes: bool,
    /// How long the server asks to be left alone.
    pub(super) after: Option<Duration>,
    /// Whether the server cannot have worked on it.
    pub(super) cost_nothing: bool,
}

impl Trouble {
    fn lasting(why: ReasonError) -> Self {
        Self { why, passes: false, after: None, cost_nothing: false }
    }

    /// On the way; the server may have worked on it.
    fn on_the_way(why: String) -> Self {
        Self { passes: true, ..Self::lasting(ReasonError::Failed(why)) }
    }

    /// The budget is spent: nothing was sent.
    pub(super) fn spent_out(why: Refused) -> Self {
        Self { cost_nothing: true, ..Self::lasting(why.into()) }
    }
}

impl Endpoint {
    pub(super) fn new(base: &str) -> Result<Self, ChatError> {
        let refused = |why: &str| {
            let shown = base.rsplit('@').next().unwrap_or_default().split('?').next().unwrap_or_default();
            ChatError::Address { base: shown.chars().take(128).collect(), why: why.into() }
        };
        if base.contains(['@', '?', '#']) {
            return Err(refused("it holds a password or a query; a key is given by itself"));
        }
        let whole = format!("{}/chat/completions", base.trim_end_matches('/'));
        let uri: Uri = whole.parse().map_err(|_| refused("it is no URL"))?;
        let is_tls = match (uri.scheme_str(), uri.host()) {
            (Some("https"), Some(_)) => true,
            (Some("http"), Some(_)) => false,
            _ => return Err(refused("it begins with https:// or http:// and a host")),
        };
        Ok(Self { uri, bearer: None, transport: if is_tls { Transport::tls()? } else { Transport::plain() } })
    }

    pub(super) fn key(&mut self, key: Secret) -> Result<(), ChatError> {
        let mut header = HeaderValue::from_str(&format!("Bearer {}", key.text())).map_err(|_| ChatError::Key)?;
        header.set_sensitive(true);
        self.bearer = Some((header, key));
        Ok(())
    }

    /// Sends a body, and gives what the server says to it.
    pub(super) async fn post(&self, body: String, now: Timestamp) -> Result<String, Trouble> {
        let request = self.request(body).map_err(|why| Trouble::lasting(ReasonError::Failed(why)))?;
        let response = self.transport.send(request).await.map_err(|error| {
            let cost_nothing = error.is_connect();
            Trouble { cost_nothing, ..Trouble::on_the_way(format!("the call failed: {}", root(&error))) }
        })?;
        if !response.status().is_success() {
            return Err(turned_away(&response, now));
        }
        let text = read(response.into_body()).await?;
        Ok(match &self.bearer {
            Some((_, key)) => key.scrub(text),
            None => text,
        })
    }

    fn request(&self, body: String) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::post(self.uri.clone()).header(CONTENT_TYPE, "application/json");
        if let Some((bearer, _)) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        request.body(Full::new(Bytes::from(body))).map_err(|error| error.to_string())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uri, f)
    }
}

impl Transport {
    fn plain() -> Self {
        Self::Plain(builder().build(HttpConnector::new()))
    }

    fn tls() -> Result<Self, ChatError> {
        let connector = HttpsConnectorBuilder::new().with_native_roots();
        let connector = connector.map_err(|error| ChatError::Certificates(error.to_string()))?;
        Ok(Self::Tls(builder().build(connector.https_only().enable_http1().build())))
    }

    fn send(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Transport::Plain(client) => client.request(request),
            Transport::Tls(client) => client.request(request),
        }
    }
}

fn builder() -> hyper_util::client::legacy::Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(IDLE_CONNECTIONS);
    builder
}

/// A status that is no success. What else the server says is not read: it may hold anything, and nobody would act on it.
fn turned_away(response: &Response<Incoming>, now: Timestamp) -> Trouble {
    let status = response.status();
    let passes = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    let why = ReasonError::Failed(format!("the server says {status}"));
    Trouble { why, passes, after: retry_after(response.headers(), now), cost_nothing: true }
}

/// How long the server asks to be left alone: in seconds, or until a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?.to_utc();
    Some(Timestamp::from(until).since(now))
}

/// The body, unless it is larger than any answer can be: of such a one no more is read.
async fn read(body: Incoming) -> Result<String, Trouble> {
    let limit = limits::CHAT_ANSWER_BYTES;
    let too_large = || invalid(format!("the server's answer has more than {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let whole = Limited::new(body, limit).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            too_large()
        } else {
            Trouble::on_the_way(format!("the server's answer broke off: {}", root(error.as_ref())))
        }
    })?;
    String::from_utf8(whole.to_bytes().into()).map_err(|_| invalid("the server's answer is no UTF-8".into()))
}

fn invalid(why: String) -> Trouble {
    Trouble::lasting(ReasonError::Invalid(why))
}

/// What is at the bottom of an error: the layers above say only where it came through.
fn root(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

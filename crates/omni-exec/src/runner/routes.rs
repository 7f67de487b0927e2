//! What a runner answers besides calls: its tools, resources and prompts, as the JSON that they are.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, ETAG, HOST, HeaderMap, IF_NONE_MATCH, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use omni_call::OutcomeKind;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::time::timeout;

use super::client::Runner;
use super::connection::{ConnectionError, RunnerConnection};
use crate::bounds::DECODE_INLINE_BYTES_MAX;

/// How long such an answer may take.
const LISTING_TIMEOUT: Duration = Duration::from_secs(10);

/// A list, if it is another one than its reader knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// The list is the one with the given tag.
    Same,
    New {
        /// To be given with the next request.
        etag: Option<String>,
        body: Bytes,
    },
}

/// Why a runner did not answer as it should.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RunnerError {
    /// Nobody listens there. The message names the address.
    #[error("{message} ({hint})")]
    Unreachable { message: String, hint: String },
    /// It answered with a refusal; `code` is one of the contract's, or empty.
    #[error("the runner refused ({status}): {message}")]
    Refused {
        status: u16,
        code: String,
        message: String,
        retry_after: Option<Duration>,
        /// How the call of a resource, prompt or completion failed: a JSON object, as the body of an `error` event.
        failure: Option<Box<str>>,
    },
    /// What it answered is not what the contract says.
    #[error("the runner's answer is of no use: {0}")]
    ConnectionError(String),
    /// It did not answer in time.
    #[error("the runner did not answer within {} s", LISTING_TIMEOUT.as_secs())]
    Slow,
}

impl Runner {
    /// `GET /tools`: `{"tools":[…]}`, unless that is still what came with `etag`.
    pub async fn tools(&self, etag: Option<&str>) -> Result<Listing, RunnerError> {
        let mut request = self.request(Method::GET, "/tools", Bytes::new())?;
        if let Some(etag) = etag.and_then(|etag| etag.parse().ok()) {
            request.headers_mut().insert(IF_NONE_MATCH, etag);
        }
        let (head, body) = self.ask(request).await?;
        if head.status() == StatusCode::NOT_MODIFIED {
            return Ok(Listing::Same);
        }
        let etag = head.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        Ok(Listing::New { etag, body })
    }

    /// `GET /health`: `{"status":…}`.
    pub async fn health(&self) -> Result<Bytes, RunnerError> {
        self.get("/health").await
    }

    /// `GET /resources`: `{"resources":[…],"resourceTemplates":[…]}`.
    pub async fn resources(&self) -> Result<Bytes, RunnerError> {
        self.get("/resources").await
    }

    /// `GET /prompts`: `{"prompts":[…]}`.
    pub async fn prompts(&self) -> Result<Bytes, RunnerError> {
        self.get("/prompts").await
    }

    async fn get(&self, path: &'static str) -> Result<Bytes, RunnerError> {
        let request = self.request(Method::GET, path, Bytes::new())?;
        Ok(self.ask(request).await?.1)
    }

    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, RunnerError> {
        let mut request =
            Request::builder().method(&method).uri(path).header(HOST, self.connections.address.host());
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(body)).map_err(|error| RunnerError::ConnectionError(error.to_string()))
    }

    /// Sends a request whose answer may not take long.
    pub(super) async fn ask(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<()>, Bytes), RunnerError> {
        timeout(LISTING_TIMEOUT, self.exchange(request)).await.unwrap_or(Err(RunnerError::Slow))
    }

    /// The head and the whole body of a successful answer. These requests change nothing, so one that got no answer is
    /// sent again on a new connection.
    pub(super) async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<()>, Bytes), RunnerError> {
        let mut connection = self.connections.take().await.map_err(unreachable)?;
        let head = match connection.send(request.clone()).await {
            Err(ConnectionError::Unanswered(_)) => {
                connection = self.connections.open().await.map_err(unreachable)?;
                connection.send(request).await
            }
            other => other,
        };
        let head = head.map_err(|broken| RunnerError::ConnectionError(broken.reason()))?;
        let body = self.body(&mut connection).await?;
        self.connections.put(connection);
        match head.status() {
            StatusCode::OK if !is_object(&body).await => {
                Err(RunnerError::ConnectionError("it is no JSON object".to_owned()))
            }
            StatusCode::OK | StatusCode::NOT_MODIFIED => Ok((head, body)),
            status => Err(refusal(status, head.headers(), &body)),
        }
    }

    async fn body(&self, connection: &mut RunnerConnection) -> Result<Bytes, RunnerError> {
        connection
            .rest(self.config.line_bytes_max)
            .await
            .map_err(|broken| RunnerError::ConnectionError(broken.reason()))
    }
}

/// Whether it is a JSON object. A large one is read on another thread, since every other call would wait for it here.
async fn is_object(body: &Bytes) -> bool {
    let body = body.clone();
    beside(body.len(), move || {
        serde_json::from_slice::<IgnoredAny>(&body).is_ok() && body.trim_ascii_start().starts_with(b"{")
    })
    .await
    .unwrap_or(false)
}

/// Does what takes as long as it takes to read so many bytes: on another thread, where these are many.
///
/// # Errors
///
/// The work has panicked.
pub(super) async fn beside<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    if bytes <= DECODE_INLINE_BYTES_MAX {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|bug| bug.to_string())
}

fn unreachable(failure: crate::start_failure::StartFailure) -> RunnerError {
    RunnerError::Unreachable { message: failure.message, hint: failure.hint }
}

/// What an answer that is no success means.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> RunnerError {
    #[derive(Deserialize)]
    struct Body {
        error: Reason,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
        #[serde(default)]
        failure: Option<Box<RawValue>>,
    }
    const MESSAGE_CHARACTERS_MAX: usize = 1000;
    let reason = serde_json::from_slice::<Body>(body).map(|body| body.error);
    let (code, mut message, failure) = reason.map_or_else(
        |_| Default::default(),
        |reason| (reason.code, reason.message, reason.failure.map(|failure| failure.get().into())),
    );
    if message.is_empty() {
        message = status.canonical_reason().unwrap_or("it does not say why").to_lowercase();
    }
    if let Some((cut, _)) = message.char_indices().nth(MESSAGE_CHARACTERS_MAX) {
        message.truncate(cut);
    }
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = match (seconds, status) {
        // No client waits for longer than an hour.
        (Some(seconds), _) => Some(Duration::from_secs(u64::min(seconds, 3600))),
        (None, StatusCode::SERVICE_UNAVAILABLE) => Some(OutcomeKind::RETRY_AFTER),
        (None, _) => None,
    };
    RunnerError::Refused { status: status.as_u16(), code, message, retry_after, failure }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_the_runner_said_or_what_its_status_means() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, hyper::header::HeaderValue::from_static("3"));
        let body = br#"{"error":{"code":"draining","message":"the runner ends"}}"#;
        assert_eq!(
            refusal(StatusCode::SERVICE_UNAVAILABLE, &headers, body),
            RunnerError::Refused {
                status: 503,
                code: "draining".into(),
                message: "the runner ends".into(),
                retry_after: Some(Duration::from_secs(3)),
                failure: None,
            }
        );
        assert_eq!(
            refusal(StatusCode::NOT_FOUND, &HeaderMap::new(), b"<html>"),
            RunnerError::Refused {
                status: 404,
                code: String::new(),
                message: "not found".into(),
                retry_after: None,
                failure: None,
            }
        );
    }

    #[test]
    fn a_runner_that_is_busy_without_saying_how_long_is_asked_again_in_a_second() {
        let refused = refusal(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), b"");
        assert!(
            matches!(refused, RunnerError::Refused { retry_after: Some(after), .. } if after == OutcomeKind::RETRY_AFTER)
        );
    }
}

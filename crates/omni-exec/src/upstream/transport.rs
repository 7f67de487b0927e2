//! The two ways to a server, as one: a message goes out, frames come in.

use std::time::Duration;

use bytes::Bytes;
use omni_protocol::client::Outgoing;

use super::address::ServerAddress;
use super::config::UpstreamConfig;
use super::error::UpstreamError;
use super::http::{Http, PostResult};
use super::stdio::Stdio;

/// How long a last message may take to be written.
const FLUSH_WAIT: Duration = Duration::from_millis(500);

pub(super) enum UpstreamTransport {
    Stdio(Box<Stdio>),
    Http(Box<Http>),
}

impl UpstreamTransport {
    /// Starts the server's process; over HTTP there is nothing to do yet.
    pub(super) async fn open(config: &UpstreamConfig) -> Result<UpstreamTransport, UpstreamError> {
        Ok(match &config.address {
            ServerAddress::Http(address) => UpstreamTransport::Http(Box::new(Http::new(
                address.clone(),
                config.headers.clone(),
                config.frame_bytes_max,
            ))),
            ServerAddress::Command(words) => {
                let stdio = Stdio::start(&config.process, words, config.frame_bytes_max).await?;
                UpstreamTransport::Stdio(Box::new(stdio))
            }
        })
    }

    /// Sends a request. Over HTTP this waits for the head of its answer.
    pub(super) async fn request(
        &mut self,
        outgoing: &Outgoing,
        repeatable: bool,
    ) -> Result<PostResult, UpstreamError> {
        match self {
            UpstreamTransport::Http(http) => http.post(outgoing, repeatable).await,
            UpstreamTransport::Stdio(stdio) => {
                stdio.send(outgoing.frame.clone());
                Ok(PostResult::Answer)
            }
        }
    }

    /// The next frame from the server. Losing the future loses nothing.
    ///
    /// # Errors
    /// There will be none: its process or its answer has ended.
    pub(super) async fn next(&mut self) -> Result<Bytes, UpstreamError> {
        match self {
            UpstreamTransport::Stdio(stdio) => stdio.next().await,
            UpstreamTransport::Http(http) => match http.next().await? {
                Some(frame) => Ok(frame),
                None => Err(UpstreamError::Broken {
                    address: http.address().to_string(),
                    reason: "its answer ended without a result".to_owned(),
                }),
            },
        }
    }

    /// Sends a message that has no answer.
    pub(super) async fn tell(&mut self, outgoing: &Outgoing) -> Result<(), UpstreamError> {
        match self {
            UpstreamTransport::Http(http) => http.post_aside(outgoing).await,
            UpstreamTransport::Stdio(stdio) => {
                stdio.send(outgoing.frame.clone());
                stdio.flush(FLUSH_WAIT).await;
                Ok(())
            }
        }
    }

    /// What the server's process wrote to standard error last.
    pub(super) fn stderr_tail(&self) -> String {
        match self {
            UpstreamTransport::Stdio(stdio) => stdio.stderr_tail(),
            UpstreamTransport::Http(_) => String::new(),
        }
    }

    pub(super) async fn close(self) {
        match self {
            UpstreamTransport::Stdio(stdio) => stdio.close().await,
            UpstreamTransport::Http(http) => http.close().await,
        }
    }
}

//! The two ways to a server, as one: a message goes out, frames come in.

use std::time::Duration;

use bytes::Bytes;
use omni_protocol::client::Outgoing;

use super::address::ServerAddress;
use super::config::UpstreamConfig;
use super::error::UpstreamError;
use super::http::{Http, Posted};
use super::stdio::Stdio;

/// How long a last message may take to be written.
const FLUSH_WAIT: Duration = Duration::from_millis(500);

pub(super) enum Channel {
    Stdio(Box<Stdio>),
    Http(Box<Http>),
}

impl Channel {
    /// Starts the server's process; over HTTP there is nothing to do yet.
    pub(super) async fn open(config: &UpstreamConfig) -> Result<Channel, UpstreamError> {
        Ok(match &config.address {
            ServerAddress::Http(address) => Channel::Http(Box::new(Http::new(
                address.clone(),
                config.headers.clone(),
                config.frame_bytes_max,
            ))),
            ServerAddress::Command(words) => {
                let stdio = Stdio::start(&config.process, words, config.frame_bytes_max).await?;
                Channel::Stdio(Box::new(stdio))
            }
        })
    }

    /// Sends a request. Over HTTP this waits for the head of its answer.
    pub(super) async fn request(
        &mut self,
        outgoing: &Outgoing,
        repeatable: bool,
    ) -> Result<Posted, UpstreamError> {
        match self {
            Channel::Http(http) => http.post(outgoing, repeatable).await,
            Channel::Stdio(stdio) => {
                stdio.send(outgoing.frame.clone());
                Ok(Posted::Answer)
            }
        }
    }

    /// The next frame from the server. Losing the future loses nothing.
    ///
    /// # Errors
    /// There will be none: its process or its answer has ended.
    pub(super) async fn next(&mut self) -> Result<Bytes, UpstreamError> {
        match self {
            Channel::Stdio(stdio) => stdio.next().await,
            Channel::Http(http) => match http.next().await? {
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
            Channel::Http(http) => http.post_aside(outgoing).await,
            Channel::Stdio(stdio) => {
                stdio.send(outgoing.frame.clone());
                stdio.flush(FLUSH_WAIT).await;
                Ok(())
            }
        }
    }

    /// What the server's process wrote to standard error last.
    pub(super) fn stderr_tail(&self) -> String {
        match self {
            Channel::Stdio(stdio) => stdio.stderr_tail(),
            Channel::Http(_) => String::new(),
        }
    }

    pub(super) async fn close(self) {
        match self {
            Channel::Stdio(stdio) => stdio.close().await,
            Channel::Http(http) => http.close().await,
        }
    }
}

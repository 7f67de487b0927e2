//! Why another server's answer could not be had: what, where, and what to do next.

use std::time::Duration;

use omni_call::Expired;
use omni_protocol::PeerError;
use omni_protocol::client::{
    InvalidParamHeader, MalformedResult, NegotiationError, PaginationError, UnsupportedMethod,
};
use thiserror::Error;

/// What went wrong with another MCP server. The message says what and where; [`hint`](Self::hint) what to do next.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// The command could not be started.
    #[error("`{command}` cannot be started: {reason}")]
    NotStarted { command: String, reason: String },
    /// The process ended, or closed its output, while an answer was awaited.
    #[error("`{command}` {how}{}", said(stderr))]
    Died {
        command: String,
        /// As a sentence goes on: `ended with exit code 1 before it answered`.
        how: String,
        /// The end of what it wrote to standard error.
        stderr: String,
        /// It has never said anything.
        silent: bool,
    },
    #[error("`{address}` cannot be reached: {reason}")]
    Unreachable { address: String, reason: String },
    /// The connection broke, or what came was no HTTP.
    #[error("the connection to `{address}` broke: {reason}")]
    Broken { address: String, reason: String },
    /// 401 or 403.
    #[error("`{address}` does not let this client in ({status}{})", behind(said))]
    NotLetIn { address: String, status: u16, said: String, with_token: bool },
    /// An HTTP status that is no answer of MCP.
    #[error("`{address}` answers with HTTP status {status}{}", behind(said))]
    Status { address: String, status: u16, said: String, suggestion: Option<String> },
    #[error("no MCP server is at `{server}`: {why}{}", said(stderr))]
    NotMcp { server: String, why: String, stderr: String },
    #[error("`{server}` and this client cannot speak with each other: {why}")]
    Unopened { server: String, why: NegotiationError },
    /// It answered the request with an error of the protocol.
    #[error("`{server}` answers `{method}` with error {}: {}", error.code, error.message)]
    Refused { server: String, method: &'static str, error: PeerError },
    #[error("`{server}`: {why}")]
    Malformed { server: String, why: MalformedResult },
    /// The answer is no message of JSON-RPC: broken off, or spoilt by what else the server printed.
    #[error("`{server}`: its answer to `{method}` cannot be read: {why}{}", said(stderr))]
    Unreadable { server: String, method: &'static str, why: String, stderr: String },
    #[error("`{server}` answers with more than {limit} bytes at once")]
    TooLong { server: String, limit: usize },
    #[error("the list `{method}` of `{server}` does not end: {why}")]
    Endless { server: String, method: &'static str, why: PaginationError },
    #[error("`{server}`: {0}", server = .1)]
    UnsendableParamHeader(InvalidParamHeader, String),
    #[error("{0}")]
    UnsupportedMethod(UnsupportedMethod),
    /// It did not answer in time.
    #[error("`{server}` {}{}{}", waited(*expiry, method), beside(printed), said(stderr))]
    TimedOut {
        server: String,
        method: &'static str,
        expiry: Expired,
        /// The first line of its output that is no message.
        printed: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// It wants to know something that this client does not answer.
    #[error("`{server}` asks its client for `{method}`: {why}")]
    Asked { server: String, method: &'static str, why: String },
    /// It answers with questions again and again.
    #[error("`{server}` has asked {rounds} times and gives no result")]
    AsksForEver { server: String, rounds: usize },
}

impl UpstreamError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            UpstreamError::NotStarted { command, reason } => {
                if let Some(address) = super::address::meant(command) {
                    return Some(format!("an address begins with `http://`: `{address}`"));
                }
                if ["Permission denied", "Exec format error"].iter().any(|why| reason.ends_with(why)) {
                    "that is no program that you may run; name what runs it, as in `python3 FILE`"
                } else {
                    "is it installed, and on the PATH?"
                }
            }
            UpstreamError::Died { silent: true, .. } => {
                "does the command by itself start an MCP server on its standard input and output?"
            }
            UpstreamError::Unreachable { .. } => "is the server running, and is that its address?",
            UpstreamError::NotLetIn { with_token: false, .. } => {
                "`--server-token FILE` sends a token that stands in a private file"
            }
            UpstreamError::NotLetIn { .. } => "is the token in the file still good, and for this server?",
            UpstreamError::Status { suggestion, .. } => return suggestion.clone(),
            UpstreamError::NotMcp { .. } => "is that the server's own address or command?",
            UpstreamError::TimedOut { .. } => "`--server-timeout SECONDS` waits longer",
            UpstreamError::Died { .. }
            | UpstreamError::Broken { .. }
            | UpstreamError::Unopened { .. }
            | UpstreamError::Refused { .. }
            | UpstreamError::Malformed { .. }
            | UpstreamError::Unreadable { .. }
            | UpstreamError::TooLong { .. }
            | UpstreamError::Endless { .. }
            | UpstreamError::UnsendableParamHeader(..)
            | UpstreamError::UnsupportedMethod(_)
            | UpstreamError::Asked { .. }
            | UpstreamError::AsksForEver { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

/// What stands at the end of a message: the last that the process wrote to standard error.
fn said(stderr: &str) -> String {
    let stderr = stderr.trim_end();
    if stderr.is_empty() { String::new() } else { format!("; the end of its standard error:\n{stderr}") }
}

/// What stands behind what a server did not do, when it printed something else.
fn beside(printed: &str) -> String {
    if printed.is_empty() {
        String::new()
    } else {
        format!("; it printed what is no message of MCP: `{printed}`")
    }
}

fn behind(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

fn waited(expiry: Expired, method: &str) -> String {
    let seconds = |limit: Duration| limit.as_secs_f64();
    match expiry {
        Expired::Total { limit } => format!("did not answer `{method}` within {} s", seconds(limit)),
        Expired::Idle { limit } => {
            format!("said nothing for {} s while `{method}` waited for its answer", seconds(limit))
        }
    }
}

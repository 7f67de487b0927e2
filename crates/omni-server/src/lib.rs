//! The server: transports, sessions, dispatch, shutdown. It knows executors only as `dyn Executor`.
//!
//! In reading order: a transport ([`serve_stdio`], [`HttpEndpoint`]) cuts bytes into frames and hands them to a `Session`,
//! which knows their client; `dispatch` leads a request to its handler, which asks the [`Server`]; a tool call becomes
//! a `RunningRequest` future, and whoever has the session's streams drives it until its last frame. Dropping it cancels the
//! call. [`serve_runner`] serves the runner contract, which is not MCP and has no sessions.

mod access;
mod admission;
mod authentication;
mod authority;
mod call;
mod call_changes;
mod call_client;
mod call_future;
mod call_log;
mod call_options;
mod caller;
mod change_queue;
mod client_log;
mod client_views;
mod config;
mod dispatch;
mod failure_log;
mod frames;
mod header_match;
mod host_check;
mod item_calls;
mod list_changes;
mod lists;
mod mcp_result;
mod nested;
mod opening;
mod outbox;
mod peer;
mod principal;
mod random;
mod reload;
mod request_origin;
mod resource_updates;
mod runner;
mod running_request;
mod seal_key;
mod server;
mod session;
mod skill_reader;
mod skills;
mod stale_call;
mod stored_results;
mod subscriptions;
mod tasks;
mod tool_state;
mod transport;
mod viewer;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use access::{Access, AccessDecision};
pub use authentication::{
    Authentication, BearerTokens, Challenge, ClaimProfile, ClaimTest, JwtRules, JwtVerifier, KeyRefresh,
    KeySetSource, ResourceMetadata, TokenError, TokenHolder, TokenListChange, Tokens,
};
pub use call::{ToolReply, ToolRequest};
pub use call_log::Timing;
pub use client_log::ClientLog;
pub use config::{AskingLimits, Limits, ServerConfig, StreamSettings, TasksConfig};
pub use host_check::{AllowedHostError, AllowedHosts};
pub use omni_protocol::{ListKind, ServerCapabilities};
pub use peer::{Peer, PeerLookup, PeerUnknown};
pub use reload::{LiveSettings, Reload};
pub use runner::serve as serve_runner;
pub use seal_key::{KeySource, SealKey};
pub use server::Server;
pub use skill_reader::{SKILL_READER, skill_reader_list};
pub use stored_results::{StoredResults, StoredResultsConfig};
pub use transport::http::HttpEndpoint;
pub use transport::listener::{Addresses, Listener};
pub use transport::stdio::serve as serve_stdio;

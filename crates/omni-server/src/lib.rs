//! The loop: transports, sessions, dispatch, shutdown. Knows only `dyn Executor`.
//!
//! In reading order: a transport ([`serve_stdio`], [`HttpEndpoint`], [`serve_runner`]) cuts bytes into frames and asks the
//! [`Server`] for an answer; a tool call becomes a `Running` future which that transport drives until its
//! last frame. Dropping it cancels the call.

mod access;
mod admission;
mod authority;
mod call;
mod call_log;
mod changes;
mod config;
mod gate;
mod library;
mod mirror;
mod peer;
mod running;
mod server;
mod session;
mod token;
mod transport;

pub use access::{Access, Visit};
pub use call::{ToolReply, ToolRequest};
pub use call_log::Timing;
pub use config::{Limits, ServerConfig};
pub use gate::{AllowedNames, NameError};
pub use library::{Contents, Library, LibraryError, Prompt};
pub use omni_protocol::{ItemKind, Offers};
pub use peer::{Peer, PeerKey, PeerLookup, PeerUnknown};
pub use server::Server;
pub use session::SessionKey;
pub use token::{TokenError, Tokens};
pub use transport::http::HttpEndpoint;
pub use transport::runner::{RunnerListener, serve as serve_runner};
pub use transport::stdio::serve as serve_stdio;

//! Other MCP servers: a connection to one, over the standard streams of a process that we start or over Streamable
//! HTTP, in whichever era it speaks. What is said on it is `omni-protocol`'s client half.

mod address;
mod channel;
mod config;
mod conversation;
mod error;
mod exchange;
mod http;
mod noise;
mod opening;
mod stdio;
mod words;

pub use address::{HttpAddress, ServerAddress, ServerAddressError};
pub use config::UpstreamConfig;
pub use conversation::{Introduced, Upstream};
pub use error::UpstreamError;
pub use words::WordsError;

//! Other MCP servers: a connection to one, over the standard streams of a process that we start or over Streamable
//! HTTP, in whichever era it speaks. What is said on it is `omni-protocol`'s client half.

mod address;
mod command_line;
mod config;
mod conversation;
mod error;
mod exchange;
mod http;
mod opening;
mod stdio;
mod stray_output;
mod transport;

pub use address::{HttpAddress, ServerAddress, ServerAddressError};
pub use command_line::CommandLineError;
pub use config::UpstreamConfig;
pub use conversation::{Handshake, Upstream};
pub use error::UpstreamError;

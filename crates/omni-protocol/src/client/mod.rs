//! The client half: what we ask of another server, and what it answers. The same requests and results as the server
//! half's, written where that one reads and read where it writes.

mod encode;
mod headers;
mod incoming;
mod negotiation;
mod pages;
mod result;
mod sse;

pub use encode::{ClientEncoder, NotSpoken, Outgoing, Resume};
pub use headers::{Header, InvalidMirror, mirrored};
pub use incoming::{Incoming, ServerNotification};
pub use negotiation::{Agreed, Negotiation, Opening, Probe, ProbeAnswer, Unopened};
pub use pages::{Endless, Pages};
pub use result::{
    Completion, InputRequired, Malformed, Page, Prompt, ServerInfo, ServerOffers, read_completion,
    read_contents, read_page, read_prompt, read_tool_result,
};
pub use sse::{EventReader, EventTooLong, ServerEvent};

#[cfg(test)]
mod tests;

//! The client half: what we ask of another server, and what it answers. The same requests and results as the server
//! half's, written where that one reads and read where it writes.

mod encode;
mod headers;
mod incoming;
mod negotiation;
mod pages;
mod result;
mod sse;

pub use encode::{ClientEncoder, InputResponses, Outgoing, UnsupportedMethod};
pub use headers::{Header, InvalidParamHeader, param_headers};
pub use incoming::{Incoming, ServerNotification};
pub use negotiation::{Agreed, Negotiation, NegotiationError, NegotiationStep, Probe, ProbeAnswer};
pub use pages::{Pagination, PaginationError};
pub use result::{
    DeclaredCapabilities, InputRequired, MalformedResult, Page, Prompt, RequestResult, ServerInfo,
    read_completion, read_contents, read_page, read_prompt, read_tool_result,
};
pub use sse::{EventReader, EventTooLong, ServerEvent};

#[cfg(test)]
mod tests;

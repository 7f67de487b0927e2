//! MCP as data: JSON-RPC messages, every revision of the protocol, and Server-Sent Events text.
//!
//! No I/O, no clock, no runtime: bytes in, values out, and back. In reading order:
//! a frame becomes a [`Message`] ([`decode`]), its text having passed [`strict_json`](decode); a request of
//! either era becomes a [`Request`] (`revision`); an answer becomes a [`Frame`] ([`Encoder`]); a refusal
//! is an [`RpcError`]. The other way round, what a client of ours says to another server, is [`client`].

pub mod client;

mod asking;
mod content;
mod content_part;
mod decode;
mod encode;
mod error;
mod message;
mod method;
mod object_writer;
mod reply_payload;
mod request;
mod revision;
mod sse;
mod strict_json;
mod task;

#[cfg(any(test, fuzzing))]
pub mod fuzz;

pub use asking::{ClientCapabilities, InputResponses, NotAskable};
pub use content::{AdaptedResult, CacheHints};
pub use decode::{decode, salvage_id};
pub use encode::{CacheScope, Encoder, Frame, Implementation, ListCache, error_frame};
pub use error::{ErrorCode, RpcError};
pub use message::{Id, Message, PeerError, RawNotification, RawRequest, Rejected, Response};
pub use method::Method;
pub use omni_call::Question;
pub use reply_payload::ReplyPayload;
pub use request::{
    Action, CallTool, Cancelled, ClientInfo, GetPrompt, Initialize, ItemKind, ListKind, ListKinds,
    Notification, Request, RequestMeta, RequestSubject, ServerCapabilities, SubscriptionFilter,
};
pub use revision::{
    AskedBy, CancelledBy, Era, LivenessProbe, MalformedAnswer, Revision, ToolFields, read_complete_params,
};
pub use sse::{COMMENT, event, event_parts, priming_event};
pub use task::{Task, TaskState};

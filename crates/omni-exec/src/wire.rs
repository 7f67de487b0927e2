//! How frames to and from a worker are written and read. Works on bytes and does no I/O.
//!
//! A frame is a length (u32, little-endian) and that many bytes of JSON: an object with one member, named
//! after the frame's type. Arguments and results are copied as they are, and never rebuilt.

mod error;
mod frame;
mod from_worker;
mod to_worker;

pub(crate) use error::WireError;
pub(crate) use frame::{FrameKey, after_key, body_length, header_length, push_body};
pub(crate) use from_worker::{
    AskFrame, ErrorFrame, ErrorKind, JsonPart, NameFrame, OutputFrame, ResultFrame, WorkerMessage,
    capability, decode, decode_large,
};
pub(crate) use to_worker::{
    AttemptInfo, DispatchInfo, ServerHello, WorkerMode, answer_body, push_answer, push_call, push_cancel,
    push_drain, push_hello, push_request,
};

/// The version of the protocol. A worker that announces another one is refused.
pub(crate) const PROTO: u32 = 2;

#[cfg(test)]
mod tests;

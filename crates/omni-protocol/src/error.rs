//! The refusals a client can get: one enum, and the one mapping to JSON-RPC codes and HTTP statuses.

use bytes::Bytes;
use serde_json::Value;

/// Why a message was refused. Each variant is one code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// Not JSON.
    ParseError,
    /// JSON, but not a request.
    InvalidRequest,
    MethodNotFound,
    /// Also unknown tools, prompts and cursors.
    InvalidParams,
    /// No resource has that URI (legacy era; later it is `InvalidParams`).
    ResourceNotFound,
    /// A fault of ours.
    Internal,
    /// A header is missing or disagrees with the body (2026-07-28).
    HeaderMismatch,
    /// The request cannot be answered to a client that has not declared what it would need (2026-07-28).
    MissingCapability,
    /// The request names a protocol version that we do not speak (2026-07-28).
    UnsupportedVersion,
    /// The session named in `Mcp-Session-Id` does not exist. JSON-RPC code of a plain invalid request; the
    /// HTTP status tells the client to initialise again.
    UnknownSession,
    /// More work than we take. Not retried by any client we know, so it is a last resort.
    Overloaded,
    /// The code that a tool's author has chosen, by raising an error of the protocol.
    Author(i32),
}

impl ErrorCode {
    /// The JSON-RPC code.
    pub fn number(self) -> i32 {
        match self {
            ErrorCode::ParseError => -32700,
            ErrorCode::InvalidRequest | ErrorCode::UnknownSession => -32600,
            ErrorCode::MethodNotFound => -32601,
            ErrorCode::InvalidParams => -32602,
            ErrorCode::Internal => -32603,
            ErrorCode::ResourceNotFound => -32002,
            ErrorCode::HeaderMismatch => -32020,
            ErrorCode::MissingCapability => -32021,
            ErrorCode::UnsupportedVersion => -32022,
            // Outside the range that JSON-RPC and MCP reserve.
            ErrorCode::Overloaded => -31000,
            ErrorCode::Author(number) => number,
        }
    }
}

/// Longest message of an error. The errors of a parser quote what they met, which may be megabytes.
const MESSAGE_CHARS_MAX: usize = 4_000;

/// The start of a peer's text that is too long to be shown or logged whole.
pub(crate) fn truncate_chars(mut text: String, chars_max: usize) -> String {
    if text.len() > chars_max
        && let Some((end, _)) = text.char_indices().nth(chars_max)
    {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    pub code: ErrorCode,
    pub message: String,
    pub data: Option<Box<Value>>,
}

impl RpcError {
    /// What is quoted of a peer's text is cut: a message has `MESSAGE_CHARS_MAX` characters at most.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        RpcError { code, message: truncate_chars(message.into(), MESSAGE_CHARS_MAX), data: None }
    }

    /// The error that a tool's author has raised. `data` is JSON text; what is none is left out.
    pub fn of_author(number: i32, message: String, data: Option<Bytes>) -> Self {
        let code = match number {
            number if number == ErrorCode::MissingCapability.number() => ErrorCode::MissingCapability,
            number => ErrorCode::Author(number),
        };
        let data = data.and_then(|data| serde_json::from_slice(&data).ok());
        RpcError { data, ..RpcError::new(code, message) }
    }

    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(Box::new(data));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_not_there_has_the_code_that_python_answers_with() {
        let shared = include_str!("../../../conformance/shared.json");
        let shared: Value = serde_json::from_str(shared).unwrap();
        assert_eq!(shared["errors"]["unknown_tool"], ErrorCode::InvalidParams.number());
    }
}

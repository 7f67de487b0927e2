//! Results of calls as MCP writes them, for those who are told them otherwise than in an answer of the protocol.

use bytes::{Bytes, BytesMut};
use omni_call::{CallResult, PromptMessages, ResourceContents, ToolResult};
use serde_json::Value;

/// A result as MCP has it, a JSON object.
pub(crate) fn of(result: CallResult) -> Bytes {
    match result {
        CallResult::Resource(ResourceContents { contents, meta }) => {
            joined(&[("contents", Some(&contents)), ("_meta", meta.as_ref())])
        }
        CallResult::Prompt(PromptMessages { description, messages, meta }) => {
            let description = description.map(|text| Bytes::from(Value::from(text).to_string()));
            joined(&[
                ("description", description.as_ref()),
                ("messages", Some(&messages)),
                ("_meta", meta.as_ref()),
            ])
        }
        CallResult::Completion(completion) => {
            let json = Bytes::from(completion.to_json());
            joined(&[("completion", Some(&json)), ("_meta", completion.meta.as_ref())])
        }
        CallResult::Tool(result) => for_tool(&result, false),
    }
}

/// The result of a tool's call. With `is_wrapped` a member `wrapped` more says that the structured content has the value
/// that was returned as its `result`, since only objects can be structured content.
pub(crate) fn for_tool(result: &ToolResult, is_wrapped: bool) -> Bytes {
    const TRUE: Bytes = Bytes::from_static(b"true");
    joined(&[
        ("content", Some(&result.content)),
        ("structuredContent", result.structured.as_ref()),
        ("isError", result.is_error.then_some(&TRUE)),
        ("wrapped", is_wrapped.then_some(&TRUE)),
        ("_meta", result.meta.as_ref()),
    ])
}

/// A JSON object of members that are JSON already.
pub(crate) fn joined(members: &[(&str, Option<&Bytes>)]) -> Bytes {
    let mut text = BytesMut::from(&b"{"[..]);
    for (name, value) in members.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        if text.len() > 1 {
            text.extend_from_slice(b",");
        }
        text.extend_from_slice(format!("\"{name}\":").as_bytes());
        text.extend_from_slice(value);
    }
    text.extend_from_slice(b"}");
    text.freeze()
}

//! What a call that came to a good end is answered with, for each thing that can be called.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::{CallRequest, TempFiles};

/// What the caller gets. Which one it is follows from the [`CallRequest`].
#[derive(Clone, Debug, PartialEq)]
pub enum CallResult {
    Tool(ToolResult),
    Resource(ResourceContents),
    Prompt(PromptMessages),
    Completion(Completion),
}

/// What a call's caller is answered with: the parts of an MCP `CallToolResult`, each as raw JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolResult {
    /// A JSON array of content blocks.
    pub content: Bytes,
    /// The structured content, any JSON value.
    pub structured: Option<Bytes>,
    /// A JSON object for the result's `_meta`.
    pub meta: Option<Bytes>,
    pub is_error: bool,
}

impl ToolResult {
    /// One block of text.
    pub fn of_text(text: &str) -> Self {
        ToolResult {
            content: json!([{"type": "text", "text": text}]).to_string().into(),
            structured: None,
            meta: None,
            is_error: false,
        }
    }

    /// JSON text, as structured content and as one block of text for clients that do not know that.
    pub fn of_json(json: &str) -> Self {
        ToolResult { structured: Some(Bytes::copy_from_slice(json.as_bytes())), ..Self::of_text(json) }
    }

    /// Adds one member to the result's `_meta`; `value` is JSON text.
    #[must_use]
    pub fn with_meta(mut self, name: &str, value: &str) -> Self {
        add_member(&mut self.meta, name, value);
        self
    }

    /// Adds a text behind what the result says.
    pub fn with_text(mut self, text: &str) -> Self {
        let block = json!({"type": "text", "text": text});
        let own = std::str::from_utf8(&self.content).unwrap_or("[]").trim_end();
        // What is before the array's closing bracket.
        let blocks = own.strip_suffix(']').unwrap_or("[").trim_end();
        let comma = if blocks == "[" { "" } else { "," };
        self.content = format!("{blocks}{comma}{block}]").into();
        self
    }

    /// Says of temporary files that the result names that they do not last, in a text and in `_meta`.
    pub fn naming(self, files: &TempFiles) -> Self {
        let meta = serde_json::to_string(files).unwrap_or_default();
        self.with_text(&files.sentence()).with_meta("omni/temp", &meta)
    }
}

/// What a resource holds: the parts of an MCP `ReadResourceResult`, each as raw JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceContents {
    /// A JSON array of text or binary contents.
    pub contents: Bytes,
    /// A JSON object for the result's `_meta`.
    pub meta: Option<Bytes>,
}

/// A prompt with its arguments filled in: the parts of an MCP `GetPromptResult`.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptMessages {
    pub description: Option<String>,
    /// A JSON array of messages.
    pub messages: Bytes,
    /// A JSON object for the result's `_meta`.
    pub meta: Option<Bytes>,
}

/// What an argument may be: the parts of an MCP `CompleteResult`.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// A JSON array of strings, the best first; no more than [`VALUES_MAX`](Self::VALUES_MAX).
    pub values: Bytes,
    /// How many there are in all, where that is known.
    pub total: Option<u64>,
    /// Whether there are more than `values` has, where that is known.
    pub has_more: Option<bool>,
    /// A JSON object for the result's `_meta`.
    pub meta: Option<Bytes>,
}

impl Completion {
    /// Values of one answer at most, by MCP.
    pub const VALUES_MAX: usize = 100;

    /// No values, and no more of them.
    pub fn nothing() -> Self {
        Completion { values: Bytes::from_static(b"[]"), total: Some(0), has_more: Some(false), meta: None }
    }

    /// Reads the member `completion` of MCP's `CompleteResult`. Of more than [`VALUES_MAX`](Self::VALUES_MAX) values the
    /// first are taken, and it is said that there are more.
    ///
    /// # Errors
    /// It is no object with an array of strings `values`; `total` is no count, or `hasMore` no boolean.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Wire {
            values: Vec<String>,
            total: Option<u64>,
            has_more: Option<bool>,
        }
        if !json.trim_ascii_start().starts_with(b"{") {
            return Err("`completion` is no object".to_owned());
        }
        let wire: Wire = serde_json::from_slice(json).map_err(|error| format!("`completion`: {error}"))?;
        let Wire { mut values, mut total, mut has_more } = wire;
        let given = values.len();
        if given > Self::VALUES_MAX {
            values.truncate(Self::VALUES_MAX);
            has_more = Some(true);
            // It knew of those at least.
            total = total.map(|total| total.max(given as u64));
        }
        Ok(Completion { values: json!(values).to_string().into(), total, has_more, meta: None })
    }

    /// The member `completion` of MCP's `CompleteResult`, as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = [br#"{"values":"#, &self.values[..]].concat();
        if let Some(total) = self.total {
            json.extend_from_slice(format!(r#","total":{total}"#).as_bytes());
        }
        if let Some(has_more) = self.has_more {
            json.extend_from_slice(format!(r#","hasMore":{has_more}"#).as_bytes());
        }
        json.push(b'}');
        json
    }
}

impl CallResult {
    /// Whether it can answer that request.
    pub fn answers(&self, request: &CallRequest) -> bool {
        match self {
            CallResult::Tool(_) => matches!(request, CallRequest::Tool { .. }),
            CallResult::Resource(_) => matches!(request, CallRequest::Resource { .. }),
            CallResult::Prompt(_) => matches!(request, CallRequest::Prompt { .. }),
            CallResult::Completion(_) => matches!(request, CallRequest::Completion(_)),
        }
    }

    /// The tool's result, if it is one.
    pub fn tool(&self) -> Option<&ToolResult> {
        match self {
            CallResult::Tool(result) => Some(result),
            CallResult::Resource(_) | CallResult::Prompt(_) | CallResult::Completion(_) => None,
        }
    }

    /// How many bytes its parts have, as JSON.
    pub fn size(&self) -> usize {
        let (main, structured, meta) = match self {
            CallResult::Tool(result) => (&result.content, &result.structured, &result.meta),
            CallResult::Resource(resource) => (&resource.contents, &None, &resource.meta),
            CallResult::Prompt(prompt) => (&prompt.messages, &None, &prompt.meta),
            CallResult::Completion(completion) => (&completion.values, &None, &completion.meta),
        };
        [structured, meta].into_iter().flatten().map(Bytes::len).sum::<usize>() + main.len()
    }

    /// Whether it is a tool's word that it failed.
    pub fn is_error(&self) -> bool {
        self.tool().is_some_and(|result| result.is_error)
    }

    /// Says of temporary files that the result names that they do not last: in `_meta`, and in a text where it is a tool's.
    #[must_use]
    pub fn naming(self, files: &TempFiles) -> Self {
        match self {
            CallResult::Tool(result) => result.naming(files).into(),
            other => other.with_meta("omni/temp", &serde_json::to_string(files).unwrap_or_default()),
        }
    }

    /// Adds one member to the result's `_meta`; `value` is JSON text.
    #[must_use]
    pub fn with_meta(mut self, name: &str, value: &str) -> Self {
        let meta = match &mut self {
            CallResult::Tool(result) => &mut result.meta,
            CallResult::Resource(contents) => &mut contents.meta,
            CallResult::Prompt(prompt) => &mut prompt.meta,
            CallResult::Completion(completion) => &mut completion.meta,
        };
        add_member(meta, name, value);
        self
    }
}

impl From<ToolResult> for CallResult {
    fn from(result: ToolResult) -> Self {
        CallResult::Tool(result)
    }
}

/// Adds a member to a JSON object that may not be there yet.
fn add_member(meta: &mut Option<Bytes>, name: &str, value: &str) {
    let own = meta.as_deref().and_then(|meta| std::str::from_utf8(meta).ok()).unwrap_or("{}");
    // What is left of the object behind its opening brace.
    let members = own.trim().trim_start_matches('{').trim_start();
    let comma = if members == "}" { "" } else { "," };
    *meta = Some(format!(r#"{{"{name}":{value}{comma}{members}"#).into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_is_written_as_it_was_read() {
        for text in [
            r#"{"values":[]}"#,
            r#"{"values":["a","\"é"],"total":7}"#,
            r#"{"values":["a"],"total":1,"hasMore":false}"#,
        ] {
            assert_eq!(Completion::read(text.as_bytes()).unwrap().to_json(), text.as_bytes());
        }
        let read = Completion::read(b" {\"values\": [\"a\"], \"total\": null, \"later\": 1}").unwrap();
        assert_eq!(read.to_json(), br#"{"values":["a"]}"#);
    }

    #[test]
    fn of_too_many_values_the_first_are_taken_and_it_is_said_that_there_are_more() {
        let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
        for (total, kept) in [(None, None), (Some(3), Some(101)), (Some(500), Some(500))] {
            let text = json!({"values": many, "total": total, "hasMore": false}).to_string();
            let read = Completion::read(text.as_bytes()).unwrap();
            assert_eq!((read.total, read.has_more), (kept, Some(true)));
            let values: Vec<String> = serde_json::from_slice(&read.values).unwrap();
            assert_eq!(values, many[..100]);
        }
    }

    #[test]
    fn what_is_no_completion_is_named() {
        for (text, named) in [
            ("[[]]", "no object"),
            ("{}", "values"),
            (r#"{"values":"a"}"#, "expected a sequence"),
            (r#"{"values":[1]}"#, "expected a string"),
            (r#"{"values":[],"total":-1}"#, "-1"),
            (r#"{"values":[],"hasMore":"yes"}"#, "yes"),
        ] {
            let why = Completion::read(text.as_bytes()).unwrap_err();
            assert!(why.contains(named), "{text}: {why}");
        }
    }
}

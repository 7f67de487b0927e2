//! What a server answers, decoded. Members that we do not know are passed over, and those that other servers leave out
//! are taken for empty.

use bytes::Bytes;
use omni_call::{Ask, AskMethod, ToolResult};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::revision::{AskedBy, Revision};

/// Questions of one answer at most.
const QUESTIONS_MAX: usize = 100;

/// A result that is not what the specification says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("its answer to `{method}` is not what MCP says: {why}")]
pub struct MalformedResult {
    pub method: &'static str,
    pub why: String,
}

/// What a server says of itself in `initialize` or `server/discover`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// Empty where it gives none.
    pub name: String,
    pub version: String,
    pub offers: DeclaredCapabilities,
    pub instructions: Option<String>,
}

/// Which parts of the protocol a server declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeclaredCapabilities {
    pub tools: bool,
    pub resources: bool,
    pub prompts: bool,
    pub completions: bool,
    pub logging: bool,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Each a JSON object as the server wrote it.
    pub items: Vec<Bytes>,
    pub next_cursor: Option<String>,
}

/// A result, or what the server wants to know before there is one.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestResult<T> {
    Complete(T),
    InputRequired(InputRequired),
}

/// The questions that have to be answered before a request can be: it is then sent again with their answers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InputRequired {
    /// By the server's key for each, in its order.
    pub questions: Vec<(String, Ask)>,
    /// To be given back as it is.
    pub state: Option<String>,
}

/// The answer to `prompts/get`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    pub description: Option<String>,
    /// A JSON array.
    pub messages: Bytes,
}

/// The members of a result that any method of ours reads.
#[derive(Default, Deserialize)]
struct Wire<'a> {
    #[serde(default, rename = "resultType")]
    result_type: Option<String>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "structuredContent", deserialize_with = "present")]
    structured: Option<&'a RawValue>,
    #[serde(default, rename = "isError")]
    is_error: Option<bool>,
    #[serde(borrow, default)]
    contents: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
    #[serde(default)]
    description: Option<String>,
    #[serde(borrow, default)]
    completion: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "inputRequests")]
    input_requests: Option<&'a RawValue>,
    #[serde(default, rename = "requestState")]
    request_state: Option<String>,
    #[serde(default, rename = "nextCursor")]
    next_cursor: Option<String>,
    #[serde(borrow, default)]
    tools: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resources: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "resourceTemplates")]
    templates: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompts: Option<&'a RawValue>,
}

/// A member whose absence is one thing and whose null another.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

fn wire<'a>(method: &'static str, result: &'a Bytes) -> Result<Wire<'a>, MalformedResult> {
    // A list would be read as the members in their order.
    if !result.starts_with(b"{") {
        return Err(MalformedResult { method, why: "it is no object".to_owned() });
    }
    serde_json::from_slice(result).map_err(|error| MalformedResult { method, why: error.to_string() })
}

/// The value as it stands in the result, which must be an array.
fn array(
    method: &'static str,
    member: &str,
    value: Option<&RawValue>,
    result: &Bytes,
) -> Result<Bytes, MalformedResult> {
    match value {
        Some(value) if value.get().starts_with('[') => Ok(result.slice_ref(value.get().as_bytes())),
        _ => Err(MalformedResult { method, why: format!("`{member}` is no array") }),
    }
}

/// Reads one page of a list. `member` is the one that holds it: `tools`, or an [`ItemKind`](crate::ItemKind)'s.
///
/// # Errors
/// There is no such array, or not all of it are objects.
pub fn read_page(method: &'static str, member: &str, result: &Bytes) -> Result<Page, MalformedResult> {
    let wire = wire(method, result)?;
    let list = match member {
        "tools" => wire.tools,
        "resources" => wire.resources,
        "resourceTemplates" => wire.templates,
        _ => wire.prompts,
    };
    let list = array(method, member, list, result)?;
    let items: Vec<&RawValue> = serde_json::from_slice(&list).unwrap_or_default();
    let items = items.into_iter().map(|item| {
        let object = item.get().starts_with('{');
        object.then(|| list.slice_ref(item.get().as_bytes()))
    });
    let items: Option<Vec<Bytes>> = items.collect();
    let items =
        items.ok_or_else(|| MalformedResult { method, why: format!("one of `{member}` is no object") })?;
    Ok(Page { items, next_cursor: wire.next_cursor })
}

/// Reads the answer to `tools/call`. One without content is one with none.
///
/// # Errors
/// It is no result, or of a kind that was not asked for.
pub fn read_tool_result(
    revision: Revision,
    result: &Bytes,
) -> Result<RequestResult<ToolResult>, MalformedResult> {
    const METHOD: &str = "tools/call";
    let wire = wire(METHOD, result)?;
    if let Some(input) = input_required(METHOD, revision, &wire, result)? {
        return Ok(RequestResult::InputRequired(input));
    }
    let content = match wire.content {
        None => Bytes::from_static(b"[]"),
        some => array(METHOD, "content", some, result)?,
    };
    let slice = |value: &RawValue| result.slice_ref(value.get().as_bytes());
    Ok(RequestResult::Complete(ToolResult {
        content,
        structured: wire.structured.map(slice),
        meta: wire.meta.filter(|meta| meta.get().starts_with('{')).map(slice),
        is_error: wire.is_error.unwrap_or(false),
    }))
}

/// Reads the answer to `resources/read`: a JSON array.
///
/// # Errors
/// It is no result, or of a kind that was not asked for.
pub fn read_contents(revision: Revision, result: &Bytes) -> Result<RequestResult<Bytes>, MalformedResult> {
    const METHOD: &str = "resources/read";
    let wire = wire(METHOD, result)?;
    Ok(match input_required(METHOD, revision, &wire, result)? {
        Some(input) => RequestResult::InputRequired(input),
        None => RequestResult::Complete(array(METHOD, "contents", wire.contents, result)?),
    })
}

/// Reads the answer to `prompts/get`.
///
/// # Errors
/// It is no result, or of a kind that was not asked for.
pub fn read_prompt(revision: Revision, result: &Bytes) -> Result<RequestResult<Prompt>, MalformedResult> {
    const METHOD: &str = "prompts/get";
    let wire = wire(METHOD, result)?;
    Ok(match input_required(METHOD, revision, &wire, result)? {
        Some(input) => RequestResult::InputRequired(input),
        None => {
            let messages = array(METHOD, "messages", wire.messages, result)?;
            RequestResult::Complete(Prompt { description: wire.description, messages })
        }
    })
}

/// Reads the answer to `completion/complete`. Of more values than MCP allows the first are taken. It is never a question.
///
/// # Errors
/// It is no result, or of a kind that was not asked for.
pub fn read_completion(revision: Revision, result: &Bytes) -> Result<omni_call::Completion, MalformedResult> {
    const METHOD: &str = "completion/complete";
    let malformed = |why: String| MalformedResult { method: METHOD, why };
    let wire = wire(METHOD, result)?;
    if input_required(METHOD, revision, &wire, result)?.is_some() {
        return Err(malformed("it asks for something, which it may not".to_owned()));
    }
    let Some(completion) = wire.completion else {
        return Err(malformed("`completion` is missing".to_owned()));
    };
    let mut completion = omni_call::Completion::read(completion.get().as_bytes()).map_err(malformed)?;
    let meta = wire.meta.filter(|meta| meta.get().starts_with('{'));
    completion.meta = meta.map(|meta| result.slice_ref(meta.get().as_bytes()));
    Ok(completion)
}

/// The questions of a result that is none yet. An absent type is that of a complete one, as the specification says.
fn input_required(
    method: &'static str,
    revision: Revision,
    wire: &Wire<'_>,
    result: &Bytes,
) -> Result<Option<InputRequired>, MalformedResult> {
    let malformed = |why: String| MalformedResult { method, why };
    match revision.asked_by() {
        // Such a revision gives `resultType` no meaning.
        AskedBy::Request => return Ok(None),
        AskedBy::InputRequired => {}
    }
    match wire.result_type.as_deref() {
        None | Some("complete") => return Ok(None),
        Some("input_required") => {}
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            return Err(malformed(format!("its `resultType` is `{other}`, which was not asked for")));
        }
    }
    let mut input = InputRequired { questions: Vec::new(), state: wire.request_state.clone() };
    if let Some(requests) = wire.input_requests.filter(|requests| requests.get() != "null") {
        let requests: Questions<'_> = serde_json::from_str(requests.get())
            .map_err(|error| malformed(format!("`inputRequests`: {error}")))?;
        if requests.0.len() > QUESTIONS_MAX {
            return Err(malformed(format!("it asks {} questions at once", requests.0.len())));
        }
        for (key, question) in requests.0 {
            let Some(method) = AskMethod::from_name(&question.method) else {
                let name: String = question.method.chars().take(60).collect();
                return Err(malformed(format!("it asks its client for `{name}`")));
            };
            let params = match question.params {
                Some(params) if params.get().starts_with('{') => result.slice_ref(params.get().as_bytes()),
                _ => Bytes::from_static(b"{}"),
            };
            input.questions.push((key, Ask { key: None, method, params }));
        }
    }
    if input.questions.is_empty() && input.state.is_none() {
        return Err(malformed("it wants input and says neither which nor how to go on".to_owned()));
    }
    Ok(Some(input))
}

#[derive(Deserialize)]
struct WireQuestion<'a> {
    method: String,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
}

/// The members of `inputRequests`, in the order of the text.
struct Questions<'a>(Vec<(String, WireQuestion<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Questions<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<'a>(std::marker::PhantomData<&'a ()>);
        impl<'de: 'a, 'a> serde::de::Visitor<'de> for Visitor<'a> {
            type Value = Questions<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of requests")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Questions<'a>, A::Error> {
                let mut questions = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    questions.push(entry);
                }
                Ok(Questions(questions))
            }
        }
        deserializer.deserialize_map(Visitor(std::marker::PhantomData))
    }
}

/// What `initialize` and `server/discover` answer.
#[derive(Deserialize)]
pub(super) struct HandshakeResult {
    #[serde(rename = "protocolVersion")]
    pub(super) version: Option<String>,
    #[serde(rename = "supportedVersions")]
    pub(super) supported: Option<Vec<String>>,
    #[serde(default)]
    capabilities: serde_json::Value,
    #[serde(default, rename = "serverInfo")]
    server: serde_json::Value,
    #[serde(default, rename = "_meta")]
    meta: serde_json::Value,
    #[serde(default)]
    instructions: Option<String>,
}

/// Longest name and version of a server that are kept.
const NAME_CHARS_MAX: usize = 128;

impl HandshakeResult {
    pub(super) fn read(result: &Bytes) -> Option<HandshakeResult> {
        result.starts_with(b"{").then(|| serde_json::from_slice(result).ok()).flatten()
    }

    pub(super) fn server(self) -> ServerInfo {
        let offers = |name: &str| self.capabilities.get(name).is_some_and(|offer| !offer.is_null());
        let identity = match self.meta.get("io.modelcontextprotocol/serverInfo") {
            Some(identity) => identity,
            None => &self.server,
        };
        let text = |name: &str| {
            let text = identity.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
            crate::error::truncate_chars(text.to_owned(), NAME_CHARS_MAX)
        };
        ServerInfo {
            name: text("name"),
            version: text("version"),
            offers: DeclaredCapabilities {
                tools: offers("tools"),
                resources: offers("resources"),
                prompts: offers("prompts"),
                completions: offers("completions"),
                logging: offers("logging"),
            },
            instructions: self.instructions,
        }
    }
}

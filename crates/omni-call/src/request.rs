//! What a call asks for: a tool, a resource, a prompt or a completion.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::FunctionKind;

/// What is called, by MCP's names, with what the caller gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRequest {
    /// `tools/call`. Which tool it is says the call's [`RunSpec`](crate::RunSpec).
    Tool {
        /// A JSON object, byte for byte as the client sent it (`{}` when it sent none).
        arguments: Bytes,
    },
    /// `resources/read`.
    Resource {
        uri: Box<str>,
        /// The variables of the template that the URI was made from, decoded: a JSON object; `{}` for a resource that is no
        /// template's, and where only the source knows its templates.
        arguments: Bytes,
    },
    /// `prompts/get`.
    Prompt {
        name: Box<str>,
        /// A JSON object of strings; `None` when the client sent none.
        arguments: Option<Bytes>,
    },
    /// `completion/complete`.
    Completion(Box<CompletionRequest>),
}

/// What is to be completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionRequest {
    pub reference: CompletionReference,
    /// The argument of the prompt, or the variable of the template, that is being written.
    pub argument: String,
    /// What stands there so far.
    pub value: String,
    /// The other arguments that are known already: a JSON object of strings; `None` when the client sent none.
    pub context: Option<Bytes>,
}

/// Of what an argument is completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionReference {
    /// `ref/prompt`.
    Prompt { name: String },
    /// `ref/resource`: a resource's template, or a URI.
    Resource { uri: String },
}

/// An empty JSON object.
const NO_ARGUMENTS: Bytes = Bytes::from_static(b"{}");

impl CompletionRequest {
    /// The parameters of MCP's `completion/complete`, as JSON.
    pub fn to_json(&self) -> String {
        let (reference, argument) = (self.reference.to_json(), self.argument_to_json());
        let known = self.context.as_ref().map(|known| String::from_utf8_lossy(known));
        let context = known.map(|known| format!(r#","context":{{"arguments":{known}}}"#)).unwrap_or_default();
        format!(r#"{{"ref":{reference},"argument":{argument}{context}}}"#)
    }

    /// The member `argument` of those parameters.
    pub fn argument_to_json(&self) -> Value {
        json!({"name": self.argument, "value": self.value})
    }
}

impl CompletionReference {
    /// The member `ref` of those parameters.
    pub fn to_json(&self) -> Value {
        match self {
            CompletionReference::Prompt { name } => json!({"type": "ref/prompt", "name": name}),
            CompletionReference::Resource { uri } => json!({"type": "ref/resource", "uri": uri}),
        }
    }
}

impl CallRequest {
    /// A tool call with these arguments, a JSON object.
    pub fn tool(arguments: impl Into<Bytes>) -> Self {
        CallRequest::Tool { arguments: arguments.into() }
    }

    /// The reading of a resource by its URI, before anybody has looked which one it is.
    pub fn resource(uri: impl Into<Box<str>>) -> Self {
        CallRequest::Resource { uri: uri.into(), arguments: NO_ARGUMENTS }
    }

    /// What a function is called with: a tool's or a prompt's arguments, or the variables of a template, as a JSON object.
    /// An empty one where the client sent none, and for a completion.
    pub fn arguments(&self) -> &Bytes {
        static NONE: Bytes = NO_ARGUMENTS;
        match self {
            CallRequest::Tool { arguments }
            | CallRequest::Resource { arguments, .. }
            | CallRequest::Prompt { arguments: Some(arguments), .. } => arguments,
            CallRequest::Prompt { arguments: None, .. } | CallRequest::Completion(_) => &NONE,
        }
    }

    /// As what a function that answers it is offered.
    pub fn kind(&self) -> FunctionKind {
        match self {
            CallRequest::Tool { .. } => FunctionKind::Tool,
            CallRequest::Resource { .. } => FunctionKind::Resource,
            CallRequest::Prompt { .. } => FunctionKind::Prompt,
            CallRequest::Completion(_) => FunctionKind::Completion,
        }
    }

    /// MCP's method.
    pub fn method(&self) -> &'static str {
        match self {
            CallRequest::Tool { .. } => "tools/call",
            CallRequest::Resource { .. } => "resources/read",
            CallRequest::Prompt { .. } => "prompts/get",
            CallRequest::Completion(_) => "completion/complete",
        }
    }

    /// What the caller named: a URI, or a prompt's name. `None` for a tool, whose name its specification has.
    pub fn named(&self) -> Option<&str> {
        match self {
            CallRequest::Tool { .. } => None,
            CallRequest::Resource { uri, .. } => Some(uri),
            CallRequest::Prompt { name, .. } => Some(name),
            CallRequest::Completion(completing) => Some(match &completing.reference {
                CompletionReference::Prompt { name } => name,
                CompletionReference::Resource { uri } => uri,
            }),
        }
    }
}

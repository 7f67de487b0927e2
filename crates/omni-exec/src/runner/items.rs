//! A runner's resources, prompts and completions: what is asked for them, and what of its answers can be passed on.

use bytes::Bytes;
use hyper::Method;
use omni_call::{Call, CallRequest, CallResult, Completion, OutcomeKind, PromptMessages, ResourceContents};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::client::Runner;
use super::routes::{RunnerError, beside};
use super::runner_line::{self, FinalLine};
use crate::within::within;

impl Runner {
    /// Has a request answered that is no tool call. These change nothing, so one whose connection broke before an answer
    /// is sent once more.
    pub(super) async fn item(&self, call: &Call) -> FinalLine {
        let Some((path, body)) = route(&call.request) else {
            let message = "this is nothing that a runner has".to_owned();
            return FinalLine::of(OutcomeKind::NotFound { message });
        };
        let request = match self.request(Method::POST, path, body.into()) {
            Ok(request) => request,
            Err(error) => return FinalLine::of(failed(error)),
        };
        let answered = match within(&call.deadline, self.exchange(request)).await {
            Ok(answered) => answered,
            Err(kind) => return FinalLine::of(kind),
        };
        match answered {
            Ok((_, body)) => {
                let request = call.request.clone();
                let read = beside(body.len(), move || result(&request, &body)).await;
                FinalLine::of(match read.flatten() {
                    Ok(result) => OutcomeKind::Finished(result),
                    Err(why) => failed(RunnerError::ConnectionError(why)),
                })
            }
            Err(error) => refused(error, call, self.config.result_bytes_max),
        }
    }
}

/// How a call ended that the runner did not answer with a result: what it says of that, or what its status means.
fn refused(error: RunnerError, call: &Call, result_bytes_max: usize) -> FinalLine {
    let RunnerError::Refused { failure: Some(body), .. } = &error else {
        return FinalLine::of(failed(error));
    };
    runner_line::failure(body, call, result_bytes_max).unwrap_or_else(|| FinalLine::of(failed(error)))
}

/// Where a request goes, and its body.
fn route(request: &CallRequest) -> Option<(&'static str, String)> {
    match request {
        CallRequest::Resource { uri, .. } => Some(("/resources/read", json!({ "uri": uri }).to_string())),
        CallRequest::Prompt { name, arguments } => {
            let arguments = arguments.as_deref().and_then(|text| std::str::from_utf8(text).ok());
            let (name, arguments) = (Value::from(&**name), arguments.unwrap_or("{}"));
            Some(("/prompts/get", format!(r#"{{"name":{name},"arguments":{arguments}}}"#)))
        }
        CallRequest::Completion(completing) => Some(("/complete", completing.to_json())),
        CallRequest::Tool { .. } => None,
    }
}

/// What a runner's refusal means.
fn failed(error: RunnerError) -> OutcomeKind {
    match error {
        RunnerError::Refused { status: 404, message, .. } => OutcomeKind::NotFound { message },
        RunnerError::Refused { status: 400, message, .. } => OutcomeKind::InvalidArguments { message },
        RunnerError::Refused { status: 503, retry_after, .. } => {
            OutcomeKind::Busy { retry_after: retry_after.unwrap_or_default() }
        }
        RunnerError::Unreachable { message, hint } => OutcomeKind::WorkerStart { message, hint },
        error => OutcomeKind::WorkerStart {
            message: error.to_string(),
            hint: "the runner's own log may say more".to_owned(),
        },
    }
}

/// The parts of an answer that clients can use.
fn result(request: &CallRequest, body: &[u8]) -> Result<CallResult, String> {
    match request {
        CallRequest::Resource { .. } => contents(body).map(CallResult::Resource),
        CallRequest::Prompt { .. } => prompt(body).map(CallResult::Prompt),
        CallRequest::Completion(_) => completion(body).map(CallResult::Completion),
        CallRequest::Tool { .. } => Err("nothing was asked".to_owned()),
    }
}

fn contents(body: &[u8]) -> Result<ResourceContents, String> {
    #[derive(Deserialize)]
    struct Answer {
        contents: Box<RawValue>,
        #[serde(rename = "_meta")]
        meta: Option<Box<RawValue>>,
    }
    let Answer { contents, meta } = parsed(body)?;
    // What is large in it is looked at where it lies.
    #[derive(Deserialize)]
    struct Item<'a> {
        #[serde(borrow)]
        uri: Option<&'a RawValue>,
        #[serde(borrow)]
        text: Option<&'a RawValue>,
        #[serde(borrow)]
        blob: Option<&'a RawValue>,
    }
    let fits = |item: &Item<'_>| {
        let is_text = |value: &RawValue| value.get().starts_with('"');
        item.uri.is_some_and(is_text) && [item.text, item.blob].into_iter().flatten().any(is_text)
    };
    let items: Vec<Item<'_>> = serde_json::from_str(contents.get()).map_err(|error| error.to_string())?;
    if !items.iter().all(fits) {
        return Err("each of `contents` must have `uri` and either `text` or `blob`".to_owned());
    }
    Ok(ResourceContents { contents: owned(&contents), meta: object(meta) })
}

fn prompt(body: &[u8]) -> Result<PromptMessages, String> {
    #[derive(Deserialize)]
    struct Answer {
        description: Option<String>,
        messages: Box<RawValue>,
        #[serde(rename = "_meta")]
        meta: Option<Box<RawValue>>,
    }
    let Answer { description, messages, meta } = parsed(body)?;
    let fits = |item: &Map<String, Value>| {
        item.get("role").is_some_and(Value::is_string) && item.get("content").is_some_and(Value::is_object)
    };
    let items: Vec<Map<String, Value>> = parsed(messages.get().as_bytes())?;
    if !items.iter().all(fits) {
        return Err("each of `messages` must have a `role` and a `content`".to_owned());
    }
    Ok(PromptMessages { description, messages: owned(&messages), meta: object(meta) })
}

fn completion(body: &[u8]) -> Result<Completion, String> {
    #[derive(Deserialize)]
    struct Answer {
        completion: Box<RawValue>,
        #[serde(rename = "_meta")]
        meta: Option<Box<RawValue>>,
    }
    let Answer { completion, meta } = parsed(body)?;
    Ok(Completion { meta: object(meta), ..Completion::read(completion.get().as_bytes())? })
}

fn parsed<T: DeserializeOwned>(answer: &[u8]) -> Result<T, String> {
    serde_json::from_slice(answer).map_err(|error| error.to_string())
}

/// The value as it was written, on one line: a message of ours is one. In JSON a line can break only between tokens.
fn owned(value: &RawValue) -> Bytes {
    let bytes = value.get().bytes();
    bytes.map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }).collect()
}

/// `_meta` is passed on when it is what MCP has there.
fn object(value: Option<Box<RawValue>>) -> Option<Bytes> {
    value.filter(|value| value.get().starts_with('{')).map(|value| owned(&value))
}

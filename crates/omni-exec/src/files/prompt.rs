//! What a client gets of a prompt file: its messages, with the arguments filled in.

use std::io::Read;

use omni_call::{
    CallRequest, CallResult, FileKind, FileTarget, OutcomeKind, PromptArgument, PromptMessages, shown_line,
};
use omni_prompts::{
    FILE_BYTES_MAX, FOLDER, Includes, Message, RenderError, RenderLimits, TemplateFault, render,
};
use serde_json::{Map, Value, json};

use super::beneath::{OpenError, Root};

/// The files beneath a skill's `prompts`.
struct PromptFolder(Root);

impl Includes for PromptFolder {
    fn load(&self, name: &str) -> Result<Option<String>, String> {
        match read(&self.0, name) {
            Ok(text) => Ok(Some(text)),
            Err(ReadError::Open(OpenError::NotThere)) => Ok(None),
            Err(ReadError::Open(error)) => Err(error.to_string()),
            Err(ReadError::Content(why)) => Err(why),
        }
    }
}

enum ReadError {
    Open(OpenError),
    Content(String),
}

/// Reads the file anew and fills the arguments in. Blocks for up to some tenths of a second.
pub(super) fn fill_in(file: &FileTarget, request: &CallRequest, bytes_max: usize) -> OutcomeKind {
    let FileKind::Prompt { arguments: known } = &file.kind else {
        return OutcomeKind::Lost { message: "a resource was asked for as a prompt".to_owned() };
    };
    let given = match arguments(known, request) {
        Ok(given) => given,
        Err(message) => return OutcomeKind::InvalidArguments { message },
    };
    let Some(name) = file.path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/')) else {
        return OutcomeKind::NotFound { message: format!("`{}` is not in `{FOLDER}`", file.path) };
    };
    let opened = Root::of_skill(&file.dir).and_then(|root| root.folder(FOLDER)).map_err(ReadError::Open);
    let (folder, text) = match opened.and_then(|folder| read(&folder, name).map(|text| (folder, text))) {
        Ok(read) => read,
        Err(error) => return unreadable(request, file, error),
    };
    let mut nonce = [0; 16];
    if let Err(error) = getrandom::fill(&mut nonce) {
        return OutcomeKind::tool_error(
            "OSError",
            format!("the system has no random numbers: {error}"),
            None,
        );
    }
    let limits = RenderLimits { output_bytes_max: bytes_max, nonce: u128::from_ne_bytes(nonce) };
    match render(name, &text, &given, PromptFolder(folder), limits) {
        Ok(messages) => OutcomeKind::Finished(CallResult::Prompt(PromptMessages {
            description: None,
            messages: to_json(&messages).into(),
            meta: None,
        })),
        Err(RenderError::Template(fault)) => at_fault(&fault),
        Err(RenderError::TooLarge(limit_bytes)) => OutcomeKind::OutputLimit { limit_bytes },
        Err(error @ RenderError::Empty) => {
            OutcomeKind::tool_error("TemplateError", error.to_string(), Some(file.path.clone()))
        }
    }
}

/// The value of each argument that the prompt has: what was given, else its default, else nothing. What it does not have
/// has been refused before, where the catalogue's list is at hand.
fn arguments(known: &[PromptArgument], request: &CallRequest) -> Result<Vec<(String, String)>, String> {
    let given: Map<String, Value> = serde_json::from_slice(request.arguments()).unwrap_or_default();
    let mut missing = Vec::new();
    let mut values = Vec::new();
    for argument in known {
        let value = match given.get(&argument.name) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => {
                if argument.required && argument.default.is_none() {
                    missing.push(format!("`{}`", argument.name));
                }
                argument.default.clone().unwrap_or_default()
            }
            Some(other) => other.to_string(),
        };
        values.push((argument.name.clone(), value));
    }
    if missing.is_empty() { Ok(values) } else { Err(format!("required and missing: {}", missing.join(", "))) }
}

fn read(folder: &Root, name: &str) -> Result<String, ReadError> {
    let open = folder.file(name).map_err(ReadError::Open)?;
    let mut bytes = Vec::new();
    let read = open.file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| ReadError::Content(error.to_string()))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ReadError::Content(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| ReadError::Content("it is not UTF-8".to_owned()))?;
    // Lines are counted as editors do.
    Ok(if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text })
}

fn unreadable(request: &CallRequest, file: &FileTarget, error: ReadError) -> OutcomeKind {
    let named = shown_line(request.named().unwrap_or_default());
    let cannot =
        |why: &dyn std::fmt::Display| format!("the prompt `{named}` cannot be read: `{}`: {why}", file.path);
    match error {
        ReadError::Open(error @ (OpenError::Forbidden | OpenError::System(_))) => {
            OutcomeKind::tool_error("OSError", cannot(&error), None)
        }
        ReadError::Open(error) => OutcomeKind::NotFound { message: cannot(&error) },
        ReadError::Content(why) => OutcomeKind::tool_error("OSError", cannot(&why), None),
    }
}

fn at_fault(fault: &TemplateFault) -> OutcomeKind {
    let location = format!("{FOLDER}/{}:{}", fault.file, fault.line);
    let message = format!("`{location}`: {} ({})", fault.message, fault.help);
    OutcomeKind::tool_error("TemplateError", message, Some(location))
}

fn to_json(messages: &[Message]) -> Vec<u8> {
    let messages: Vec<Value> = messages
        .iter()
        .map(
            |message| json!({"role": message.role.name(), "content": {"type": "text", "text": message.text}}),
        )
        .collect();
    serde_json::to_vec(&messages).unwrap_or_default()
}

//! The part of `omni call` that does not depend on where the tool is: arguments, events, result and exit code.

use std::io::{self, Read as _};

use anyhow::{Context, Result, bail};
use omni_call::{Answer, Ask, BoxFuture, CallPort, Event, EventSink, ToolResult};
use serde_json::{Map, Value, json};

use crate::args::CallArguments;
use crate::ask_user;
use crate::terminal::{self, Output};

pub(crate) const TOOL_ERROR: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const TIMEOUT: u8 = 124;

pub(crate) fn tool_arguments(arguments: &CallArguments, schema: Option<&Value>) -> Result<Value> {
    let Some(text) = &arguments.args else {
        let mut object = Map::new();
        for pair in &arguments.pairs {
            let Some((name, value)) = pair.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                bail!("`{pair}` is not NAME=VALUE; {}", takes(arguments, schema));
            };
            let value = typed(name, value, schema.map(|schema| &schema["properties"][name]))?;
            if object.insert(name.to_owned(), value).is_some() {
                bail!("`{name}` is given twice; several values are written as a list: `{name}=[1, 2]`");
            }
        }
        return Ok(Value::Object(object));
    };
    let mut read = String::new();
    let text = if text == "-" {
        io::stdin().read_to_string(&mut read).context("standard input cannot be read")?;
        &read
    } else {
        text
    };
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(Value::Object(object)),
        Ok(_) => bail!("`--args {}` must be a JSON object; {}", short(text), takes(arguments, schema)),
        Err(error) => bail!("`--args {}` is not JSON: {error}; {}", short(text), takes(arguments, schema)),
    }
}

/// How the tool's arguments are written, for somebody who has written them wrong.
fn takes(arguments: &CallArguments, schema: Option<&Value>) -> String {
    let tool = &arguments.tool;
    let Some(properties) = schema.and_then(|schema| schema["properties"].as_object()) else {
        return "write NAME=VALUE for each, or all as `--args '{\"NAME\": VALUE}'`".to_owned();
    };
    let mut names = properties.keys();
    let Some(first) = names.next() else { return format!("`{tool}` takes no arguments") };
    let rest: Vec<String> = names.map(|name| format!(", `{name}`")).collect();
    format!(
        "`{tool}` takes `{first}`{}: write `{first}=VALUE`, or all as `--args '{{\"{first}\": VALUE}}'`",
        rest.concat()
    )
}

/// The start of a text, as much of it as a message has room for.
fn short(text: &str) -> String {
    let text = text.trim();
    let start: String = text.chars().take(60).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

/// The value of NAME=VALUE: text where the schema allows text, else JSON, so that neither needs quotes.
///
/// # Errors
/// A list or an object that is begun and is no JSON, where text is not allowed.
fn typed(name: &str, value: &str, schema: Option<&Value>) -> Result<Value> {
    let allows_text = |schema: &Value| schema["type"] == "string";
    let text_first = schema.is_some_and(|schema| {
        allows_text(schema) || schema["anyOf"].as_array().is_some_and(|any| any.iter().any(allows_text))
    });
    let text = || Value::String(value.to_owned());
    if text_first {
        return Ok(text());
    }
    match serde_json::from_str(value) {
        Ok(value) => Ok(value),
        Err(error) if value.trim_start().starts_with(['[', '{']) => bail!(
            "`{name}={}` is not JSON: {error}; strings within a list or an object stand in double quotes, and the \
             shell needs single quotes around all of it",
            short(value)
        ),
        Err(_) => Ok(text()),
    }
}

pub(crate) fn print(result: &ToolResult, as_json: bool, out: &mut Output) -> Result<()> {
    let content: Value = serde_json::from_slice(&result.content).context("the result is not JSON")?;
    if as_json {
        let parse = |part: &bytes::Bytes| serde_json::from_slice::<Value>(part);
        let mut object = json!({ "content": content, "isError": result.is_error });
        if let Some(structured) = &result.structured {
            object["structuredContent"] = parse(structured)?;
        }
        if let Some(meta) = &result.meta {
            object["_meta"] = parse(meta)?;
        }
        return Ok(out.json(&object)?);
    }
    let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
    // Some servers mean programs only.
    if let (true, Some(structured)) = (blocks.is_empty(), &result.structured) {
        let text = String::from_utf8_lossy(structured);
        if result.is_error { terminal::say(&terminal::indented(&text)) } else { out.result(&text)? }
    }
    for block in blocks {
        let text = match block["text"].as_str() {
            Some(text) => text.to_owned(),
            None => format!("[{}]", summary(block)),
        };
        if result.is_error { terminal::say(&terminal::indented(&text)) } else { out.result(&text)? }
    }
    Ok(())
}

/// A content block that is not text, in a few words.
fn summary(block: &Value) -> String {
    let kind = block["type"].as_str().unwrap_or("content");
    let mime = block["mimeType"].as_str().unwrap_or_default();
    match (block["data"].as_str(), block["uri"].as_str()) {
        (Some(data), _) => format!("{kind} {mime}, {} bytes in base64; `--json` shows it", data.len()),
        (None, Some(uri)) => format!("{kind} {uri}"),
        (None, None) => format!("{kind}; `--json` shows it"),
    }
}

/// The port of a call to the person at the terminal: events go to stderr, questions to the person.
pub(crate) struct TerminalPort;

impl EventSink for TerminalPort {
    fn event(&mut self, event: Event) {
        match event {
            // Progress from before the tool has begun, whose numbers mean nothing to a person.
            Event::Progress { value, total: None, message: Some(message) } if value < 1.0 => {
                terminal::say(&terminal::indented(&message));
            }
            Event::Progress { value, total, message } => {
                let total = total.map(|total| format!("/{total}")).unwrap_or_default();
                let message = message.unwrap_or_default();
                terminal::say(&format!("{value}{total} {}", terminal::indented(&message)));
            }
            Event::Log { level, logger, data } => {
                let text = serde_json::from_slice::<Value>(&data).unwrap_or_default();
                let text = text.as_str().map_or_else(|| text.to_string(), str::to_owned);
                let logger = logger.map(|logger| format!(" {logger}")).unwrap_or_default();
                terminal::say(&format!("{}{logger}: {}", level.name(), terminal::indented(&text)));
            }
            // Nobody subscribes to a call from the command line, nor lists anything after it.
            Event::ResourceUpdated { .. } | Event::Visibility { .. } => {}
        }
    }
}

impl CallPort for TerminalPort {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        ask_user::ask(ask)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_text_where_the_schema_allows_it_and_json_elsewhere() {
        let string = json!({"type": "string"});
        let optional = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
        let integer = json!({"type": "integer"});
        let typed = |value, schema| super::typed("x", value, schema).unwrap();
        assert_eq!(typed("42", Some(&string)), json!("42"));
        assert_eq!(typed("42", Some(&optional)), json!("42"));
        assert_eq!(typed("42", Some(&integer)), json!(42));
        assert_eq!(typed("[1,2]", None), json!([1, 2]));
        assert_eq!(typed("plain", Some(&integer)), json!("plain"));
        assert_eq!(typed("[1", Some(&string)), json!("[1"));
        let error = super::typed("x", "[1, a]", Some(&integer)).unwrap_err().to_string();
        assert!(error.contains("`x=[1, a]` is not JSON: expected value"), "{error}");
    }
}

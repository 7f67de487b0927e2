//! The Python module of what both languages must know, made from the one file that says it.

use anyhow::{Context, Result, bail};
use serde_json::Value;

const SHARED: &str = include_str!("../../../conformance/shared.json");

/// Constants of the module, each with what it is and where in the file its value stands.
const CONSTANTS: &[(&str, &str, &str)] = &[
    ("LEVELS", "/levels", "Levels of log messages, least severe first."),
    ("NAME_STYLES", "/names/styles", "How lists name tools, the usual way first."),
    (
        "WIRE_CHARS_MAX",
        "/names/wire_chars_max",
        "Clients put a prefix before a name, and all must fit into 64.",
    ),
    (
        "HASH_DIGITS",
        "/names/hash_digits",
        "Digits of a hash that a name ends with, more each time it is contested.",
    ),
    (
        "FILE_BYTES_MAX",
        "/front_matter/file_bytes_max",
        "A larger source file is not read: no person wrote it.",
    ),
    ("PROTO", "/wire/proto", "The protocol between server and worker."),
    ("FRAME_BYTES_MAX", "/wire/frame_bytes_max", "A frame at most, where nobody says otherwise."),
    ("RESULT_BYTES_MAX", "/wire/result_bytes_max", "A part of a result at most."),
    ("ASK_BYTES_MAX", "/wire/ask_bytes_max", "The parameters of a question to the client at most."),
    ("ASK_KEY_BYTES_MAX", "/wire/ask_key_bytes_max", "The key of a question at most."),
    (
        "ERROR_DATA_BYTES_MAX",
        "/wire/error_data_bytes_max",
        "What goes with an error of the protocol at most.",
    ),
    (
        "ASKS_OPEN_MAX",
        "/wire/asks_open_max",
        "Questions of one call at most that wait for an answer at the same time.",
    ),
    ("GAVE_UP", "/wire/gave_up", "A worker ends with this code that gives itself up."),
    ("LAST_WORDS", "/wire/last_words", "How the line begins in which it says why."),
    ("CONTRACT", "/runner/contract", "The version of the runner contract."),
    ("BODY_BYTES_MAX", "/runner/body_bytes_max", "A request to a runner at most."),
    ("CALL_ID_MAX", "/runner/call_id_max", "The largest integer that every reader of JSON holds exactly."),
    ("UNKNOWN_TOOL", "/errors/unknown_tool", "The error with which a call of no tool is answered."),
    ("MCP_PACKAGE", "/mcp_package", "The official SDK that `omni.mcp` is an adapter on."),
    (
        "OUTCOME_SENTENCES",
        "/outcomes/sentences",
        "What a model reads about a call that failed, by how it ended.",
    ),
    ("OUTCOME_WITHHELD", "/outcomes/withheld", "Where to read what a client is not shown."),
    ("OUTCOME_CUT", "/outcomes/cut", "How a message ends that is longer than a client is shown."),
    (
        "MESSAGE_BYTES_MAX",
        "/outcomes/message_bytes_max",
        "What a client is shown of an exception's message, and of standard error, at most.",
    ),
    ("ERROR_DETAILS", "/error_details", "How much of an exception clients may be shown."),
    ("OUTCOME_STARVED", "/outcomes/starved", "What is added where time ran out before a worker was free."),
    ("OUTCOME_RETRYABLE", "/outcomes/retryable", "Kinds of ending after which the same call may succeed."),
    ("OUTCOME_SIGNALS", "/outcomes/signals", "What is said of signals that end Python processes."),
];

/// A text at most in one of several lines.
const LINE_MAX: usize = 88;

/// A line of Python at most, as `ruff.toml` says: its formatter joins what fits into one.
const WIDTH: usize = 110;

/// The whole module.
pub(super) fn module() -> Result<String> {
    let shared: Value = serde_json::from_str(SHARED).context("conformance/shared.json")?;
    let mut module = String::from(
        "\"\"\"What both languages must know. Generated from `conformance/shared.json` by `cargo xtask docs`.\"\"\"\n\n\
         from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here\n",
    );
    for (name, pointer, about) in CONSTANTS {
        let value =
            shared.pointer(pointer).with_context(|| format!("conformance/shared.json lacks {pointer}"))?;
        module += &format!("\n#: {about}\n{name} = {}\n", literal(value)?);
    }
    Ok(module)
}

/// A value as Python writes it.
fn literal(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items = items.iter().map(literal).collect::<Result<Vec<_>>>()?;
            format!(
                "(\n{}\n)",
                items.iter().map(|item| format!("    {item},")).collect::<Vec<_>>().join("\n")
            )
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(key, value)| {
                    let key = if key.parse::<i64>().is_ok() { key.clone() } else { quoted(key) };
                    Ok(format!("    {key}: {},", folded(&key, value)?))
                })
                .collect::<Result<Vec<_>>>()?;
            format!("{{\n{}\n}}", members.join("\n"))
        }
        Value::Null | Value::Bool(_) => {
            bail!("conformance/shared.json: a value of a kind that no constant has")
        }
    })
}

/// A value in a table; a long text has a line of its own, or goes over several.
fn folded(key: &str, value: &Value) -> Result<String> {
    let whole = literal(value)?;
    let Some(text) = value.as_str() else { return Ok(whole) };
    let length = whole.chars().count();
    if "    : ,".len() + key.chars().count() + length <= WIDTH {
        return Ok(whole);
    }
    if "        ".len() + length <= WIDTH {
        return Ok(format!("(\n        {whole}\n    )"));
    }
    let mut lines = vec![String::new()];
    for word in text.split_inclusive(' ') {
        if lines.last().is_some_and(|line| line.len() + word.len() > LINE_MAX) {
            lines.push(String::new());
        }
        lines.last_mut().into_iter().for_each(|line| line.push_str(word));
    }
    let lines: Vec<String> = lines.iter().map(|line| format!("        {}", quoted(line))).collect();
    Ok(format!("(\n{}\n    )", lines.join("\n")))
}

/// A string literal; back-ticks, quotes and letters stay as they are.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_the_file_is_a_constant_or_is_checked_in_rust_alone() {
        let shared: Value = serde_json::from_str(SHARED).unwrap();
        let rust_alone = ["/about", "/retry", "/wire/answer_bytes_max"];
        let mut left = Vec::new();
        for (key, value) in shared.as_object().unwrap() {
            let pointers: Vec<String> = match value {
                Value::Object(members) => members.keys().map(|member| format!("/{key}/{member}")).collect(),
                _ => vec![format!("/{key}")],
            };
            left.extend(pointers.into_iter().filter(|pointer| {
                !rust_alone.iter().any(|own| pointer.starts_with(own))
                    && !CONSTANTS.iter().any(|(_, known, _)| known == pointer)
            }));
        }
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn a_text_goes_over_several_lines_only_where_it_must() {
        let lines =
            |length: usize| folded("\"k\"", &Value::from("w ".repeat(length / 2))).unwrap().lines().count();
        assert_eq!([lines(98), lines(100), lines(104)], [1, 3, 4]);
    }

    #[test]
    fn values_are_written_as_python_reads_them() {
        let value = serde_json::json!({"9": "a\"b", "x": [1, "y"]});
        assert_eq!(
            literal(&value).unwrap(),
            "{\n    9: \"a\\\"b\",\n    \"x\": (\n    1,\n    \"y\",\n),\n}"
        );
    }
}

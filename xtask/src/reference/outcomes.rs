//! The page on how a call can end, made from the type that says so.

use std::time::Duration;

use omni_call::{ErrorDetail, Outcome, OutcomeKind, Phase, ToolResult};
use serde_json::Value;

/// The setting that the table shows.
const SHOWN: ErrorDetail = ErrorDetail::Message;

const INTRODUCTION: &str = "\
# How a call can end

Generated from `omni-call` by `cargo xtask docs`; do not edit.

Every `tools/call` is answered exactly once. A call that did not finish is answered with a result whose
`isError` is true: a sentence for the model, and in `_meta` under `omni/failure` an object for programs
with the members `kind`, `phase` (`validation`, `queued`, `starting` or `started`: before `started` no line of the
tool has run), `retryable` (whether the same call may succeed when sent again unchanged), `elapsed_ms`,
`attempt` and, after a time limit struck, `stack`. Numbers in the sentences below are examples.

A resource that is read, a prompt that is filled in and an argument that is completed end in the same ways, within the
server's time limits; they have no result that could say so, and are answered with a JSON-RPC error that has the
sentence.

## How much of an exception a client reads

An exception's text was written for the programmer, and may hold a password, a path or somebody's data; a model needs it
to correct itself. The setting `errors` (`--errors`, `OMNI_ERRORS`, `omni.toml`) decides:

| | `masked` | `message` | `full` |
|---|---|---|---|
| an exception | its class and its place in the skill | and its message, at most 2 KiB, with the messages of what it was raised `from`, of a group's members, and its notes | and its traceback |
| an import that fails | what a module lacks; of any other exception class and place | and its message | and its traceback |
| `sys.exit(\"words\")` | the exit code | and the words | the same |
| a process that exits or is ended by a signal | the code or the signal | and the end of what it wrote to standard error, at most 2 KiB | and all that was kept of it, 64 KiB |
| a program that fails and says so on its output | its output and the exit code | and the end of its standard error | and all that was kept of it |

`ToolError` always speaks: its text is for the client. Wrong arguments are always told in full. The log always has
everything.

Without a setting it is `message` over stdio, on loopback and for `python -m omni.mcp`, where who calls and who runs the
server are one person; `masked` as soon as others may call: another address than loopback, `--allow-unauthenticated`,
`--http-token`, `--allow-user` or `http.allow_users`, an allowed host or origin that is not this machine, a machine that
does not tell whose a connection is; and `full` for `omni call`. A runner hands everything on, and the server in front
of it decides.

## The ways

The sentences are those with `errors = \"message\"`.

| `kind` | when | what the model reads | `retryable` |
|---|---|---|---|
";

/// The whole page.
pub(super) fn page() -> String {
    let mut page = INTRODUCTION.to_owned();
    for kind in samples() {
        page += &row(kind);
    }
    page
}

/// One line of the table. A call that finished has no failure to show.
fn row(kind: OutcomeKind) -> String {
    let (name, when) = (kind.name(), when(&kind));
    if let OutcomeKind::Finished(_) = kind {
        return format!("| `{name}` | {when} | the tool's own result | |\n");
    }
    let outcome = Outcome {
        kind,
        phase: Phase::Started,
        elapsed: Duration::ZERO,
        attempt: 1,
        stack: None,
        stderr: None,
        worker: None,
        died: false,
    };
    let (text, retryable) = shown(&outcome.into_result("skill.tool", SHOWN));
    format!("| `{name}` | {when} | {text} | {} |\n", if retryable { "yes" } else { "no" })
}

/// The sentence and the `retryable` member of a failed call's result.
fn shown(result: &ToolResult) -> (String, bool) {
    let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let text = json(&result.content)[0]["text"]
        .as_str()
        .unwrap_or_default()
        .replace('|', "\\|")
        .replace('\n', "<br>");
    let meta = json(result.meta.as_deref().unwrap_or_default());
    (text, meta["omni/failure"]["retryable"] == true)
}

/// What makes a call end in this way. Without a wildcard: a new kind of outcome asks for its line here.
fn when(kind: &OutcomeKind) -> &'static str {
    match kind {
        OutcomeKind::Finished(_) => "the tool returned",
        OutcomeKind::NotFound { .. } => "there is no such resource or prompt; never of a tool",
        OutcomeKind::ToolError { intended: true, .. } => {
            "the tool raised `ToolError`, whose text is for the client"
        }
        OutcomeKind::ToolError { .. } => "the tool raised any other exception",
        OutcomeKind::McpError { .. } => {
            "the author raised `McpError`: the request is answered with that JSON-RPC error, not with a result"
        }
        OutcomeKind::BadResult { .. } => "the tool returned what cannot be JSON, or breaks its output schema",
        OutcomeKind::InvalidArguments { .. } => {
            "the arguments break the tool's schema, or are no values of its types: the 30th of February for a date, what \
             a model's validator or a dataclass's `__post_init__` refuses (`ValueError`, `TypeError`)"
        }
        OutcomeKind::LoadError { .. } => "the skill's file cannot be imported, or lacks the function",
        OutcomeKind::Exited { .. } => {
            "the tool ended its interpreter (`sys.exit`, `os._exit`), or a program ended with a code other than 0 and an \
             empty output"
        }
        OutcomeKind::Signalled { .. } => "a signal ended the process",
        OutcomeKind::TimedOut { .. } => "the total time limit struck",
        OutcomeKind::Idle { .. } => "the tool gave no sign of life for the idle limit",
        OutcomeKind::OutOfMemory { .. } => "the tool raised `MemoryError`",
        OutcomeKind::OutputLimit { .. } => "the result is larger than a result may be",
        OutcomeKind::Lost { .. } => "the worker broke the wire protocol or closed its channel",
        OutcomeKind::Cancelled => "the client cancelled the call or went away",
        OutcomeKind::Shutdown => "the server is stopping",
        OutcomeKind::Busy { .. } => "no worker came free, or the queue is full",
        OutcomeKind::Quarantined { .. } => "the tool crashed three workers within a minute",
        OutcomeKind::WorkerStart { .. } => "no worker could be started",
        OutcomeKind::Stale { .. } => {
            "the skill's files were others than those the call was resolved and validated against, each time it was \
             resolved anew: somebody writes them all the time"
        }
    }
}

/// One outcome of each kind, in the order of the type.
fn samples() -> Vec<OutcomeKind> {
    let raised = |intended| OutcomeKind::ToolError {
        kind: "KeyError".into(),
        bases: Box::default(),
        message: if intended { "there is no note 7" } else { "'7'" }.into(),
        location: Some("scripts/notes.py:12".into()),
        intended,
        traceback: None,
        undeclared: None,
    };
    vec![
        ToolResult { content: "[]".into(), structured: None, meta: None, is_error: false }.into(),
        OutcomeKind::NotFound { message: "there is no resource `notes://7`".into() },
        raised(true),
        raised(false),
        OutcomeKind::McpError { code: -32000, message: "the archive is read-only".into(), data: None },
        OutcomeKind::BadResult { message: "`result.items[3].price` is NaN".into() },
        OutcomeKind::InvalidArguments {
            message:
                "`skill.tool` was not called: 1 problem with its arguments\n- /day: '20240230' is no date"
                    .into(),
        },
        OutcomeKind::LoadError {
            kind: "ModuleNotFoundError".into(),
            message: "`scripts/notes.py:3`: module `pandas` is not installed".into(),
            location: Some("scripts/notes.py:3".into()),
            intended: true,
            traceback: None,
        },
        OutcomeKind::Exited { code: 3, message: Some("no database".into()) },
        OutcomeKind::Signalled { signal: 11 },
        OutcomeKind::TimedOut { limit: Duration::from_secs(1800) },
        OutcomeKind::Idle { limit: Duration::from_mins(10) },
        OutcomeKind::OutOfMemory {
            limit_bytes: Some(512 << 20),
            message: "Unable to allocate 7.45 GiB".into(),
            location: Some("scripts/notes.py:12".into()),
            traceback: None,
        },
        OutcomeKind::OutputLimit { limit_bytes: 8 * 1024 * 1024 },
        OutcomeKind::Lost { message: "it closed its control channel".into() },
        OutcomeKind::Cancelled,
        OutcomeKind::Shutdown,
        OutcomeKind::Busy { retry_after: Duration::from_secs(1) },
        OutcomeKind::Quarantined { retry_after: Duration::from_secs(30) },
        OutcomeKind::WorkerStart {
            message: "`/usr/bin/python3` is not there".into(),
            hint: "name an interpreter with `--python`".into(),
        },
        OutcomeKind::Stale { otherwise: None },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The names in `OutcomeKind::name`, read from its source: the type itself cannot be enumerated.
    fn kinds_in_source() -> BTreeSet<&'static str> {
        let source = include_str!("../../../crates/omni-call/src/outcome.rs");
        let body = source.split_once("fn name(&self)").unwrap().1.split_once("\n    }\n").unwrap().0;
        body.lines().filter_map(|line| line.split('"').nth(1)).collect()
    }

    #[test]
    fn every_kind_of_outcome_has_a_row() {
        let shown: BTreeSet<&str> = samples().iter().map(OutcomeKind::name).collect();
        assert_eq!(shown, kinds_in_source());
    }

    #[test]
    fn a_row_shows_the_text_that_a_client_gets() {
        let row = row(OutcomeKind::TimedOut { limit: Duration::from_secs(2) });
        assert_eq!(
            row,
            "| `timeout_total` | the total time limit struck | `skill.tool` was stopped at its time limit of 2 s; `timeout=` allows more | no |\n"
        );
    }
}

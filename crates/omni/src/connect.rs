//! How to connect the usual clients: commands for a shell, and parts of their settings files.

mod quoting;
mod start_command;

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use omni_call::{ErrorDetail, shown_json, shown_path};
use serde_json::{Value, json};

pub(crate) use quoting::{quoted, quoted_words};
pub(crate) use start_command::StartCommand;

/// The limits and variables that clients must know of, besides how to reach the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLimits<'a> {
    /// What a call may take; `None` is no limit.
    pub(crate) timeout: Option<Duration>,
    /// What a call may take without a sign of life; `None` is no limit.
    pub(crate) idle_timeout: Option<Duration>,
    /// Names of the variables that tools are given.
    pub(crate) env: &'a [String],
}

/// So much longer a client waits than the server, whose answer says more.
const GRACE_SECONDS: u64 = 10;

/// How long a client waits where the server has no limit.
const NO_LIMIT_SECONDS: u64 = 86_400;

/// The time limit of Gemini CLI for a call where its settings have none.
const GEMINI_SECONDS: u64 = 600;

/// The idle time limit of Claude Code over HTTP where its settings have none.
const CLAUDE_IDLE_SECONDS: u64 = 300;

/// The variable by which Codex is given a token, and the shell of whoever starts it.
const TOKEN: &str = "OMNI_TOKEN";

/// What is printed of how to connect.
#[derive(Debug)]
pub(crate) struct ConnectInstructions {
    /// Commands for a shell, and what to know about them.
    pub(crate) commands: String,
    /// Parts of settings files.
    pub(crate) files: String,
}

/// Commands that connect clients to a running HTTP server. Where it wants a token, `token` is the line for a shell that
/// prints one, which is run when they are; here it is not shown.
pub(crate) fn http(url: &str, token: Option<&str>, limits: ClientLimits<'_>) -> ConnectInstructions {
    let read = token.map(|line| format!("$({line})"));
    let header =
        read.as_ref().map(|read| format!(" --header \"Authorization: Bearer {read}\"")).unwrap_or_default();
    let named = if token.is_some() { format!(" --bearer-token-env-var {TOKEN}") } else { String::new() };
    let mut out = table(&[
        ("Claude Code", format!("claude mcp add --transport http omni {url}{header}")),
        ("Codex", format!("codex mcp add omni --url {url}{named}")),
        (
            "Gemini CLI",
            format!(
                "gemini mcp add --scope user --transport http{}{header} omni {url}",
                gemini_limit(limits)
            ),
        ),
        (
            "Inspector",
            format!(
                "npx @modelcontextprotocol/inspector --cli {url} --transport http{header} --method tools/list"
            ),
        ),
    ]);
    if let Some(read) = read {
        let _ = writeln!(out, "before Codex is started:  export {TOKEN}=\"{read}\"");
    }
    if limits.idle_timeout.is_none_or(|idle| idle.as_secs() > CLAUDE_IDLE_SECONDS) {
        let milliseconds = patience(limits.idle_timeout) * 1000;
        let _ = writeln!(
            out,
            "for tools that are silent for longer than {CLAUDE_IDLE_SECONDS} s, before Claude Code is started:  export \
             CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT={milliseconds}"
        );
    }
    let mut codex: Vec<(&str, Value)> = vec![("url", url.into())];
    if token.is_some() {
        codex.push(("bearer_token_env_var", TOKEN.into()));
    }
    let mut server = json!({ "type": "http", "url": url });
    if token.is_some() {
        server["headers"] = json!({ "Authorization": format!("Bearer ${{env:{TOKEN}}}") });
    }
    ConnectInstructions { commands: out, files: files(codex, &server, limits) }
}

/// How programs speak to a server at a Unix socket. The usual clients speak to addresses and commands alone.
pub(crate) fn unix(path: &Path, token: bool) -> String {
    let shown = shown_path(path);
    let mut out = table(&[
        ("curl", format!("curl --unix-socket {} http://localhost/health", quoted(path))),
        ("Python", format!("httpx.AsyncHTTPTransport(uds={shown:?}), with the address http://localhost/mcp")),
        ("rmcp", format!("UnixSocketHttpClient::new({shown:?}, \"http://localhost/mcp\")")),
        ("nginx", format!("proxy_pass http://unix:{shown}:/mcp;")),
    ]);
    if token {
        out.push_str("each request must have one of the tokens: `Authorization: Bearer TOKEN`\n");
    }
    out
}

/// Commands that let clients start omni themselves.
pub(crate) fn stdio(start: &StartCommand, limits: ClientLimits<'_>) -> ConnectInstructions {
    let words = start.words();
    let all = || std::iter::once(&*start.program).chain(words.iter().map(OsString::as_os_str));
    let command = quoting::command(all());
    let arguments = quoting::command(words.iter().map(OsString::as_os_str));
    let program = quoted(Path::new(&start.program));
    // Codex passes on a few variables only, Gemini all but those that look like secrets. Codex' command stores the
    // value itself; Gemini stores the name, and looks it up when it starts the server.
    let (mut codex, mut gemini) = (String::new(), gemini_limit(limits));
    for name in names(limits) {
        let _ = write!(codex, " --env {name}=\"${name}\"");
        let _ = write!(gemini, " -e '{name}=${name}'");
    }
    let out = table(&[
        ("Claude Code", format!("claude mcp add omni -- {command}")),
        ("Codex", format!("codex mcp add{codex} omni -- {command}")),
        ("Gemini CLI", format!("gemini mcp add --scope user{gemini} omni {program} -- {arguments}")),
        ("Inspector", inspector(start, limits)),
    ]);
    let texts: Option<Vec<&str>> = words.iter().map(OsString::as_os_str).map(OsStr::to_str).collect();
    let (Some(path), Some(texts)) = (start.path.to_str(), texts) else {
        let files = "(a path here is no text in UTF-8, so no settings file can hold it)\n".to_owned();
        return ConnectInstructions { commands: out, files };
    };
    let mut codex: Vec<(&str, Value)> = vec![("command", path.into()), ("args", texts.clone().into())];
    let mut server = json!({ "command": path, "args": texts });
    let env: Vec<&str> = names(limits).collect();
    if !env.is_empty() {
        server["env"] =
            env.iter().map(|name| ((*name).to_owned(), json!(format!("${{env:{name}}}")))).collect();
        codex.push(("env_vars", env.into()));
    }
    ConnectInstructions { commands: out, files: files(codex, &server, limits) }
}

/// The Inspector takes some of our flags (`--config`, `--transport`) for its own, wherever they stand.
fn inspector(start: &StartCommand, limits: ClientLimits<'_>) -> String {
    let (variables, words) = start.by_variables();
    let mut out = String::from("npx @modelcontextprotocol/inspector --cli");
    for (name, value) in variables {
        let _ = write!(out, " -e {name}={}", quoted(Path::new(&value)));
    }
    for name in names(limits) {
        let _ = write!(out, " -e {name}=\"${name}\"");
    }
    let words = std::iter::once(&*start.program).chain(words.iter().map(OsString::as_os_str));
    let _ = write!(out, " {} --method tools/list", quoting::command(words));
    out
}

/// What goes in the settings files of Codex, and of clients that have no command for it.
fn files(mut codex: Vec<(&str, Value)>, server: &Value, limits: ClientLimits<'_>) -> String {
    // A text, a number or a list of texts is written in TOML as in JSON.
    codex.push(("tool_timeout_sec", patience(limits.timeout).into()));
    let codex = codex.iter().fold(String::new(), |mut out, (key, value)| {
        let _ = writeln!(out, "{key} = {value}");
        out
    });
    let server = json!({ "mcpServers": { "omni": server } }).to_string();
    format!(
        "Codex, with what a call may take, in ~/.codex/config.toml:\n\n[mcp_servers.omni]\n{}\nCursor \
         (~/.cursor/mcp.json) and others that read JSON:\n\n{}\n",
        // What a terminal would hide is written by its number, which both languages write alike.
        shown_json(&codex),
        shown_json(&server)
    )
}

/// The option by which Gemini CLI waits as long as the server does.
fn gemini_limit(limits: ClientLimits<'_>) -> String {
    match patience(limits.timeout) {
        seconds if seconds > GEMINI_SECONDS => format!(" --timeout {}", seconds * 1000),
        _ => String::new(),
    }
}

/// How many seconds a client should wait for an answer.
fn patience(limit: Option<Duration>) -> u64 {
    limit.map_or(NO_LIMIT_SECONDS, |limit| limit.as_secs().saturating_add(GRACE_SECONDS))
}

/// The variables for tools that a shell can name too, each once.
fn names<'a>(limits: ClientLimits<'a>) -> impl Iterator<Item = &'a str> {
    let mut seen = std::collections::BTreeSet::new();
    let is_name = |name: &str| {
        !name.starts_with(|sign: char| sign.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    limits.env.iter().map(String::as_str).filter(move |name| is_name(name) && seen.insert(*name))
}

/// A line that says what clients read of exceptions, and why. `others` is the setting by which others than the user who
/// runs omni may call.
pub(crate) fn errors(detail: ErrorDetail, is_set: bool, others: Option<&str>) -> String {
    let read = match detail {
        ErrorDetail::Masked => "an exception's class and place, and not what it says",
        ErrorDetail::Message => "what an exception says",
        ErrorDetail::Full => "what an exception says, its traceback, and what tools write to stderr",
    };
    let why = match (is_set, detail, others) {
        (false, ErrorDetail::Masked, Some(others)) => {
            format!(", because of {others}; `--errors message` shows them what it says")
        }
        (true, ErrorDetail::Message | ErrorDetail::Full, Some(others)) => {
            format!(", also those let in by {others}; `--errors masked` keeps it in the log")
        }
        _ => String::new(),
    };
    format!("errors = {}: clients read {read}{why}\n", detail.name())
}

/// What clients read of exceptions, for somebody who has not said yet how they will call.
pub(crate) fn errors_for_the_doctor(set: Option<ErrorDetail>, others: Option<&str>) -> String {
    match (set, others) {
        (Some(detail), _) => format!("{}, as it is set", detail.name()),
        (None, Some(others)) => format!("message over stdio, masked over HTTP because of {others}"),
        (None, None) => "message; masked over HTTP as soon as others may call".to_owned(),
    }
}

fn table(rows: &[(&str, String)]) -> String {
    rows.iter().fold(String::new(), |mut out, (client, command)| {
        let _ = writeln!(out, "  {client:<12} {command}");
        out
    })
}

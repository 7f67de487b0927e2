//! `--server` of `omni list`, `describe` and `call`: another MCP server, asked instead of the skills.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bytes::Bytes;
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use omni_call::{Deadline, LogLevel, Wants, shown_line, shown_path};
use omni_catalog::closest;
use omni_exec::{ServerAddress, Upstream, UpstreamConfig, UpstreamError};
use omni_process::{Isolation, ProcessConfig, TempFolders};
use omni_protocol::{CallTool, ClientCapabilities, Era, ErrorCode, Implementation, ItemKind, Question};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::args::{CallArguments, ServerArguments, ServerEra};
use crate::executors::LAUNCHER;
use crate::settings::{IDLE_TIMEOUT_DEFAULT, TIMEOUT_DEFAULT, time_limit};
use crate::terminal::{self, Output};
use crate::tool_call::{self, TerminalPort};
use crate::{item_text, private_file, process_setup, text, variables};

/// The header that stands for no setting of a request's own.
const RESERVED: [&str; 7] =
    ["host", "content-length", "content-type", "accept", "connection", "transfer-encoding", "mcp-session-id"];

/// After so long without an answer stderr says that omni waits: the command may be fetching its program, or be no
/// server at all.
const SILENCE_UNTOLD: Duration = Duration::from_secs(5);

/// Which server is asked, and how.
pub(crate) struct OtherServer(UpstreamConfig);

impl OtherServer {
    /// What the arguments say; `None` when they name no server.
    ///
    /// # Errors
    /// The address or command, the file of the token or the time limit makes no sense.
    pub(crate) fn of(arguments: &ServerArguments) -> Result<Option<OtherServer>> {
        let Some(server) = &arguments.server else { return Ok(None) };
        let address: ServerAddress = server.parse().context("`--server`")?;
        let client = Implementation {
            name: "omni".into(),
            title: "omni".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        };
        let mut config = UpstreamConfig::new(address, client, process()?);
        config.capabilities = ClientCapabilities::of(&[Question::ElicitForm]);
        config.era = arguments.server_era.map(|era| match era {
            ServerEra::Legacy => Era::Legacy,
            ServerEra::Modern => Era::Modern,
        });
        if let Some(file) = &arguments.server_token {
            if !matches!(config.address, ServerAddress::Http(_)) {
                bail!(
                    "`--server-token` is for servers at an address; a command is given secrets by its environment"
                );
            }
            config.headers = headers(file)?;
        }
        if let Some(seconds) = arguments.server_timeout {
            config.patience = match time_limit("server-timeout", Some(seconds), None, 0.0)? {
                Some(patience) => patience,
                None => bail!("`--server-timeout 0`: a server needs some time to answer"),
            };
        }
        Ok(Some(OtherServer(config)))
    }

    /// Opens a conversation, has it, and ends it. Interrupted, it ends at once, and what runs is taken back.
    fn converse<T>(self, conversation: impl AsyncFnOnce(&mut Upstream) -> Result<T>) -> Result<T> {
        let runtime = process_setup::runtime()?;
        let done = runtime.block_on(async {
            let interrupted = || anyhow::Error::new(Interrupted);
            let waiting = format!(
                "waiting for `{}` to answer, {} s at most (`--server-timeout`)",
                shown_line(&self.0.address.to_string()),
                self.0.patience.as_secs_f64(),
            );
            let said = async {
                tokio::time::sleep(SILENCE_UNTOLD).await;
                terminal::say(&waiting);
                std::future::pending::<()>().await;
            };
            let opened = tokio::select! {
                opened = Upstream::open(self.0) => opened.map_err(explained),
                _ = tokio::signal::ctrl_c() => Err(interrupted()),
                () = said => Err(interrupted()),
            };
            let mut upstream = opened?;
            let done = tokio::select! {
                done = conversation(&mut upstream) => done,
                _ = tokio::signal::ctrl_c() => Err(interrupted()),
            };
            upstream.close().await;
            done
        });
        runtime.shutdown_background();
        done
    }
}

/// The person pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; what the server was asked for is taken back")]
struct Interrupted;

/// How the process of a server's command is started: as its user would start it, with all variables, in the current
/// folder, and supervised so that nothing of it outlives us.
fn process() -> Result<ProcessConfig> {
    let folder = std::env::current_dir().context("the current folder cannot be found")?;
    let mut config = ProcessConfig::new(PathBuf::from(LAUNCHER), folder);
    config.env_allowed = variables::names();
    config.isolation = Isolation::None;
    config.temp = TempFolders::below(variables::temporary_folder());
    Ok(config)
}

/// The headers that a private file holds: a token, or lines `Name: value`.
fn headers(file: &Path) -> Result<HeaderMap> {
    let shown = format!("`--server-token {}`", shown_path(file));
    let text = private_file::private_text(file, &shown)?;
    let mut headers = HeaderMap::new();
    for (at, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        // What the line holds is not shown: it is a secret.
        let wrong = |why: &str| anyhow!("{shown}: line {} {why}", at + 1);
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => {
                let name = name.trim().parse::<HeaderName>();
                (name.map_err(|_| wrong("is neither a token nor `Name: value`"))?, value.trim().to_owned())
            }
            None if line.contains(char::is_whitespace) => {
                return Err(wrong("is neither a token, which has no blanks, nor `Name: value`"));
            }
            None => (AUTHORIZATION, format!("Bearer {line}")),
        };
        if RESERVED.contains(&name.as_str()) {
            return Err(wrong("names a header that the request itself needs"));
        }
        let mut value: HeaderValue = value.parse().map_err(|_| wrong("holds what no header can"))?;
        value.set_sensitive(true);
        if headers.insert(name, value).is_some() {
            return Err(wrong("names a header for the second time; a file holds one token"));
        }
    }
    if headers.is_empty() {
        bail!("{shown} holds neither a token nor a header");
    }
    Ok(headers)
}

/// The error with what to do about it.
fn explained(error: UpstreamError) -> anyhow::Error {
    match error.hint() {
        Some(hint) => anyhow!("{error}\n{hint}"),
        None => anyhow!(error),
    }
}

/// The tools of the server, as it lists them.
async fn tools(upstream: &mut Upstream) -> Result<Vec<Value>> {
    let tools = upstream.tools().await.map_err(explained)?;
    Ok(tools.iter().map(|tool| serde_json::from_slice(tool).unwrap_or_default()).collect())
}

fn text<'a>(tool: &'a Value, name: &str) -> Option<&'a str> {
    tool[name].as_str()
}

/// The title that people are to see; annotations had one before tools did.
fn title(tool: &Value) -> Option<&str> {
    text(tool, "title").or_else(|| tool["annotations"]["title"].as_str())
}

/// The resources, templates and prompts of the server, as it lists them. One that declares no such list is not asked.
async fn items(upstream: &mut Upstream) -> Result<[Vec<Value>; 3]> {
    let offers = upstream.handshake().server.offers;
    let mut all: [Vec<Value>; 3] = Default::default();
    for (kind, items) in
        [ItemKind::Resource, ItemKind::ResourceTemplate, ItemKind::Prompt].into_iter().zip(&mut all)
    {
        let offered = match kind {
            ItemKind::Resource | ItemKind::ResourceTemplate => offers.resources,
            ItemKind::Prompt => offers.prompts,
        };
        if !offered {
            continue;
        }
        let listed = match upstream.items(kind).await {
            // Many servers have resources and no templates.
            Err(UpstreamError::Refused { error, .. })
                if error.code == i64::from(ErrorCode::MethodNotFound.number()) =>
            {
                Vec::new()
            }
            listed => listed.map_err(explained)?,
        };
        *items = listed.iter().map(|item| serde_json::from_slice(item).unwrap_or_default()).collect();
    }
    Ok(all)
}

/// Prints one line a tool, in the server's order, then one for each resource, template and prompt.
pub(crate) fn list(server: OtherServer, as_json: bool, out: &mut Output) -> Result<u8> {
    let (about, tools, items) = server.converse(async |upstream| {
        let (tools, items) = (tools(upstream).await?, items(upstream).await?);
        Ok((about(upstream), tools, items))
    })?;
    if as_json {
        let version = blake3::hash(Value::from(tools.clone()).to_string().as_bytes()).to_hex();
        let tools: Vec<Value> = tools.iter().map(summary).collect();
        let mut all = json!({ "version": &version[..16], "server": about, "tools": tools });
        for (member, items) in item_text::summaries_of_another(&items) {
            all[member] = items;
        }
        out.json(&all)?;
        return Ok(0);
    }
    let rows: Vec<[String; 2]> = tools
        .iter()
        .map(|tool| {
            let description = text(tool, "description").or_else(|| title(tool)).unwrap_or_default();
            let description = text::one_line(description, text::DESCRIPTION_CHARS_MAX);
            [shown_line(text(tool, "name").unwrap_or_default()).into_owned(), description]
        })
        .collect();
    let width = rows.iter().map(|[name, _]| name.chars().count()).max().unwrap_or(0);
    for [name, description] in &rows {
        writeln!(out, "{}", format!("{name:width$}  {description}").trim_end())?;
    }
    let items = item_text::rows_of_another(&items);
    if rows.is_empty() && items.is_empty() {
        writeln!(out, "no tools at {}", shown_line(text(&about, "address").unwrap_or_default()))?;
    }
    item_text::print(&items, !rows.is_empty(), out)?;
    Ok(0)
}

/// Who the server says it is, and what is spoken with it.
fn about(upstream: &Upstream) -> Value {
    let handshake = upstream.handshake();
    json!({
        "address": upstream.address().to_string(),
        "name": handshake.server.name,
        "version": handshake.server.version,
        "protocol": handshake.revision.name(),
    })
}

/// What `omni list --json` says of a tool; what only skills have is null.
fn summary(tool: &Value) -> Value {
    json!({
        "name": tool["name"],
        "wire_name": tool["name"],
        "title": title(tool),
        "description": tool["description"],
        "skill": null,
        "file": null,
        "line": null,
        "executor": null,
        "trust": null,
    })
}

/// Prints one tool; exits with 1 when the server lists none of that name.
pub(crate) fn describe(server: OtherServer, name: &str, as_json: bool, out: &mut Output) -> Result<u8> {
    let (about, tools) = server.converse(async |upstream| {
        let tools = tools(upstream).await?;
        Ok((about(upstream), tools))
    })?;
    let Some(tool) = tools.iter().find(|tool| tool["name"] == name) else {
        terminal::say(&format!("error: {}", not_listed(name, &tools)));
        return Ok(1);
    };
    if as_json {
        out.json(&json!({
            "name": tool["name"],
            "alias": null,
            "hidden": false,
            "tool": tool,
            "server": about,
            "skill": null,
            "file": null,
            "line": null,
            "function": null,
            "async": null,
            "executor": null,
            "timeout_ms": null,
            "idle_timeout_ms": null,
            "inject": null,
            "requirements": null,
            "category": null,
            "tags": null,
            "version": null,
        }))?;
        return Ok(0);
    }
    as_text(tool, &about, out)?;
    Ok(0)
}

fn as_text(tool: &Value, about: &Value, out: &mut Output) -> Result<()> {
    let title = title(tool).map(|title| format!("  ({title})")).unwrap_or_default();
    writeln!(out, "{}", shown_line(&format!("{}{title}", text(tool, "name").unwrap_or_default())))?;
    if let Some(description) = text(tool, "description") {
        writeln!(out, "\n{}", text::indented(description))?;
    }
    let said = |name: &str| text(about, name).unwrap_or_default().to_owned();
    // Some servers give themselves no version, and some no name.
    let named = format!("{} {}", said("name"), said("version"));
    let separator = if named.trim().is_empty() { "" } else { ", " };
    let server = format!("{} ({}{separator}protocol {})", said("address"), named.trim(), said("protocol"));
    let mut facts = vec![("server", server)];
    if let Some(annotations) = tool["annotations"].as_object() {
        let hints: Vec<String> = annotations.iter().map(|(name, value)| format!("{name}={value}")).collect();
        facts.push(("annotations", hints.join(", ")));
    }
    writeln!(out)?;
    for (name, value) in facts {
        writeln!(out, "{name:<12} {}", shown_line(&value))?;
    }
    for (heading, member) in [("arguments", "inputSchema"), ("result", "outputSchema")] {
        if let Some(schema) = tool.get(member) {
            let schema = RawValue::from_string(schema.to_string())?;
            writeln!(out, "\n{heading}\n{}", text::schema(&schema)?)?;
        }
    }
    Ok(())
}

/// What to say of a name that the server does not list.
fn not_listed(name: &str, tools: &[Value]) -> String {
    let names: Vec<&str> = tools.iter().filter_map(|tool| text(tool, "name")).collect();
    let flat = |name: &str| name.replace(['.', '-', '/'], "_").to_lowercase();
    let wanted = flat(name);
    let near = closest(name, names.iter().copied()).or_else(|| {
        // Under the last part of its name alone, or the name of another server's tool for the same.
        let last = |name: &str| flat(name).rsplit('_').next().map(str::to_owned);
        let mut others = names.iter().copied();
        others.find(|other| flat(other).contains(&wanted) || last(other) == last(&wanted))
    });
    let hint = match (near, names.len()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, 0) => "it lists none at all".to_owned(),
        (None, 1..=8) => format!("it lists `{}`", names.join("`, `")),
        (None, count) => format!("`omni list --server …` shows the {count} that it lists"),
    };
    shown_line(&format!("the server lists no tool `{name}`; {hint}")).into_owned()
}

/// Calls the tool, prints its result, and returns the exit code, as for a tool of ours.
pub(crate) fn call(server: OtherServer, arguments: &CallArguments, out: &mut Output) -> Result<u8> {
    let run = &arguments.run;
    let total = time_limit("timeout", run.timeout, None, TIMEOUT_DEFAULT)?;
    let idle = time_limit("idle-timeout", run.idle_timeout, None, IDLE_TIMEOUT_DEFAULT)?;
    let mut unlisted = None;
    let ended = server.converse(async |upstream| {
        let tools = tools(upstream).await?;
        let listed = tools.iter().find(|tool| tool["name"] == arguments.tool.as_str());
        let schema = listed.map(|tool| &tool["inputSchema"]);
        // Some servers take names that they do not list, so what is not listed is for this one to refuse.
        let written = match tool_call::tool_arguments(arguments, schema) {
            Ok(written) => Bytes::from(written.to_string()),
            Err(error) => return Ok(Err((error, tool_call::USAGE))),
        };
        let request = CallTool { name: arguments.tool.clone(), arguments: Some(written) };
        let wants = Wants { progress: true, log: Some(LogLevel::Info) };
        let deadline = Deadline::new(Instant::now(), total, idle);
        let called = upstream.call(request, schema, wants, deadline, &mut TerminalPort).await;
        // Many servers say of an unknown name that the tool failed.
        unlisted = listed.is_none().then(|| not_listed(&arguments.tool, &tools));
        Ok(called.map_err(|error| {
            let code = match &error {
                UpstreamError::TimedOut { .. } => tool_call::TIMEOUT,
                // Invalid parameters: the name or the arguments.
                UpstreamError::Refused { error, .. }
                    if error.code == i64::from(ErrorCode::InvalidParams.number()) =>
                {
                    tool_call::USAGE
                }
                _ => tool_call::TOOL_ERROR,
            };
            let error = match &error {
                UpstreamError::TimedOut { .. } => {
                    anyhow!("{error}\n`--timeout` and `--idle-timeout` say how long a call may take")
                }
                UpstreamError::Refused { .. } => match &unlisted {
                    Some(unlisted) => anyhow!("{error}\n{unlisted}"),
                    None => explained(error),
                },
                _ => explained(error),
            };
            (error, code)
        }))
    });
    match ended {
        Ok(Ok(result)) => {
            tool_call::print(&result, arguments.json, out)?;
            if let Some(unlisted) = unlisted.filter(|_| result.is_error) {
                terminal::say(&unlisted);
            }
            Ok(if result.is_error { tool_call::TOOL_ERROR } else { 0 })
        }
        Ok(Err((error, code))) => {
            terminal::say_error(&error);
            Ok(code)
        }
        Err(error) if error.is::<Interrupted>() => {
            terminal::say_error(&error);
            Ok(tool_call::USAGE)
        }
        Err(error) => Err(error),
    }
}

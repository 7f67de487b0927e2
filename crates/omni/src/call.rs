//! `omni call`: one tool call on the same path as the server's, without a server.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use omni_call::{ErrorDetail, LogLevel, Wants};
use omni_catalog::ProfileId;
use omni_exec::ExecutorProvider as _;
use omni_server::{ToolReply, ToolRequest};
use serde_json::Value;

use crate::args::CallArguments;
use crate::executors::Executors;
use crate::mcp;
use crate::other_server::{self, OtherServer};
use crate::process_setup;
use crate::read_catalog;
use crate::settings::{Places, RunSettings};
use crate::terminal::{self, Output};
use crate::tool_call::{TIMEOUT, TOOL_ERROR, TerminalPort, USAGE, print, tool_arguments};

/// Calls the tool, prints its result, and returns the exit code: 0, 1 for a failed tool, 2 for a wrong
/// name or wrong arguments, 124 for a time limit.
pub(crate) fn run(arguments: &CallArguments, out: &mut Output) -> Result<u8> {
    if let Some(server) = OtherServer::of(&arguments.server)? {
        return other_server::call(server, arguments, out);
    }
    let places = Arc::new(Places::resolve(&arguments.place)?);
    let settings = RunSettings::resolve(&arguments.run, &places.file)?;
    let executors = Executors::new(&places, &settings)?;
    // The caller is the user who runs omni.
    let errors = settings.errors.unwrap_or(ErrorDetail::Full);
    let mut running = mcp::server(&places, &settings, &executors, errors, errors != ErrorDetail::Full, None)?;
    let runtime = process_setup::runtime()?;
    let reply = runtime.block_on(async {
        running.refresh().await;
        let server = &running.server;
        let schema = server.snapshot().tool(&arguments.tool).map(|tool| input_schema(&tool.listing));
        let request = ToolRequest {
            name: arguments.tool.clone(),
            arguments: tool_arguments(arguments, schema.as_ref())?.to_string().into(),
            wants: Wants { progress: true, log: Some(LogLevel::Info) },
            session: "".into(),
            profile: ProfileId::EVERYBODY,
            accepted: Instant::now(),
        };
        let mut terminal = TerminalPort;
        let reply = tokio::select! {
            reply = server.call(request, &mut terminal) => {
                reply.map_err(|_| anyhow::anyhow!(read_catalog::unknown_name(&server.snapshot(), &arguments.tool)))
            }
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted; the tool was stopped")),
        };
        executors.shut_down().await;
        reply
    });
    runtime.shutdown_background();
    let ToolReply { result, kind, .. } = match reply {
        Ok(reply) => reply,
        Err(error) => {
            terminal::say_error(&error);
            return Ok(USAGE);
        }
    };
    print(&result, arguments.json, out)?;
    Ok(match kind {
        "timeout_total" | "timeout_idle" => TIMEOUT,
        "invalid_arguments" => USAGE,
        _ if result.is_error => TOOL_ERROR,
        _ => 0,
    })
}

fn input_schema(listing: &[u8]) -> Value {
    let listing: Value = serde_json::from_slice(listing).unwrap_or_default();
    listing["inputSchema"].clone()
}

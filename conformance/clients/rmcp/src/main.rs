//! What does the client of the Rust SDK see of a server?
//!
//! Takes one JSON argument, `{"mode": …, "command": […] or "url": …, "calls": […]}`, and prints one JSON
//! object: the tools' names and how each call went. With `"steps"` in place of the calls it takes and prints what
//! `python_offers.py` does.
mod deeds;
mod offers;

use std::error::Error;
use std::sync::Arc;

use rmcp::model::{CallToolRequestParams, ProtocolVersion};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientLifecycleMode, ClientServiceExt};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1).ok_or("one JSON argument is needed")?;
    let job: Value = serde_json::from_str(&argument)?;
    let mode = lifecycle(job["mode"].as_str().unwrap_or_default())?;
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let hears = offers::Hears { changes: sender, progress: Arc::default() };
    let progress = Arc::clone(&hears.progress);
    let client = match (job["socket"].as_str(), job["url"].as_str()) {
        (Some(socket), Some(url)) => {
            let transport = StreamableHttpClientTransport::from_unix_socket(socket, url.to_owned());
            hears.serve_with_lifecycle(transport, mode).await?
        }
        (None, Some(url)) => {
            let transport = StreamableHttpClientTransport::from_uri(url.to_owned());
            hears.serve_with_lifecycle(transport, mode).await?
        }
        (_, None) => {
            let transport = TokioChildProcess::new(command(&job["command"])?)?;
            hears.serve_with_lifecycle(transport, mode).await?
        }
    };
    let seen = if job["steps"].is_array() {
        let mut seen = offers::look(&client, &job, &mut heard).await?;
        deeds::all_of(&client, &job, &progress, &mut seen).await?;
        seen
    } else {
        look(&client, &job["calls"]).await?
    };
    println!("{seen}");
    client.cancel().await?;
    Ok(())
}

fn lifecycle(mode: &str) -> Result<ClientLifecycleMode, String> {
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    match mode {
        "legacy" => Ok(ClientLifecycleMode::Initialize),
        "auto" => Ok(ClientLifecycleMode::Auto { preferred_versions, legacy_version: None }),
        "2026-07-28" => Ok(ClientLifecycleMode::Discover { preferred_versions }),
        other => Err(format!("`{other}` is no mode of this client")),
    }
}

fn command(words: &Value) -> Result<tokio::process::Command, &'static str> {
    let mut words = words.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut command = tokio::process::Command::new(words.next().ok_or("`command` is empty")?);
    command.args(words);
    Ok(command)
}

async fn look(
    client: &RunningService<RoleClient, offers::Hears>,
    calls: &Value,
) -> Result<Value, Box<dyn Error>> {
    let tools = client.list_all_tools().await?;
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    let mut done = Vec::new();
    for call in calls.as_array().into_iter().flatten() {
        let name = call["tool"].as_str().unwrap_or_default().to_owned();
        let mut request = CallToolRequestParams::new(name.clone());
        if let Some(arguments) = call["arguments"].as_object() {
            request = request.with_arguments(arguments.clone());
        }
        let result = client.call_tool(request).await?;
        // Through JSON, as the model's types change their shape more often than the wire does.
        let content = serde_json::to_value(&result.content)?;
        let text: Vec<&str> =
            content.as_array().into_iter().flatten().filter_map(|block| block["text"].as_str()).collect();
        let failed = result.is_error.unwrap_or(false);
        done.push(json!({"tool": name, "failed": failed, "text": text.join("\n")}));
    }
    Ok(json!({"tools": names, "calls": done}))
}

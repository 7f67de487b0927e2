//! What the client does besides requests of which there is one answer: what `deeds.py` does with the SDKs for Python.

use std::error::Error;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};

use crate::offers::Client;

const TIME_MAX: Duration = Duration::from_secs(30);

pub async fn all_of(
    client: &Client,
    job: &Value,
    heard: &Mutex<Vec<f64>>,
    seen: &mut Value,
) -> Result<(), Box<dyn Error>> {
    // The client asks of every call how far it is.
    heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
    call(client, &job["progress"], &json!({})).await?;
    seen["progress"] = json!(*heard.lock().unwrap_or_else(PoisonError::into_inner));
    seen["asked"] = json!(call(client, &job["ask"][0], &job["ask"][1]).await?);
    seen["cancelled"] = json!(cancel(client, job).await);
    if job["restart"].is_object() {
        seen["restart"] = json!(restart(client, job).await);
    }
    Ok(())
}

async fn call(client: &Client, tool: &Value, arguments: &Value) -> Result<String, Box<dyn Error>> {
    let arguments = arguments.as_object().cloned().unwrap_or_default();
    let request = CallToolRequestParams::new(tool.as_str().unwrap_or_default().to_owned());
    let result = client.call_tool(request.with_arguments(arguments)).await?;
    // Through JSON, as the model's types change their shape more often than the wire does.
    let content = serde_json::to_value(&result.content)?;
    Ok(content.pointer("/0/text").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Gives up a call once it has begun; whether its tool was cancelled.
async fn cancel(client: &Client, job: &Value) -> bool {
    let file = job.pointer("/cancel/file").and_then(Value::as_str).unwrap_or_default();
    let arguments = json!({"file": file});
    tokio::select! {
        _ = call(client, &job["cancel"]["tool"], &arguments) => return false,
        _ = appears(format!("{file}.began")) => {}
    }
    appears(format!("{file}.cancelled")).await
}

/// Has the server end and start again; whether the same session goes on, or what the program is told.
async fn restart(client: &Client, job: &Value) -> String {
    let file = |name: &str| job["restart"][name].as_str().unwrap_or_default().to_owned();
    if let Err(error) = std::fs::write(file("ready"), "") {
        return error.to_string();
    }
    appears(file("done")).await;
    match tokio::time::timeout(TIME_MAX, call(client, &job["ask"][0], &job["ask"][1])).await {
        Ok(Ok(_)) => "goes on".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer".to_owned(),
    }
}

/// Waits for a file; whether it came in time.
async fn appears(file: String) -> bool {
    let waits = async {
        while !Path::new(&file).exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIME_MAX, waits).await.is_ok()
}

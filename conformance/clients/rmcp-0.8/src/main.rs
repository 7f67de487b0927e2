//! What does a client of the Rust SDK 0.8 see of a server, can it do what it may, and is it told of changes?
//!
//! Takes and prints what `python_offers.py` does; `mode` is always `legacy`, the only one it knows.
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParam, ClientCapabilities, ClientInfo, ClientRequest,
    CreateElicitationRequestParam, CreateElicitationResult, ElicitationAction, ErrorData,
    GetPromptRequestParam, PaginatedRequestParam, ProgressNotificationParam, ReadResourceRequestParam,
    ResourceUpdatedNotificationParam, SubscribeRequestParam,
};
use rmcp::service::{
    NotificationContext, PeerRequestOptions, RequestContext, RoleClient, RunningService, ServiceError,
};
use rmcp::transport::{SseClientTransport, StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientHandler, ServiceExt};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

const TIME_MAX: Duration = Duration::from_secs(30);
const KINDS: [&str; 3] = ["tools", "resources", "prompts"];

/// Hands on what a session is told, and fills in forms.
struct Hears {
    changes: UnboundedSender<&'static str>,
    progress: Arc<Mutex<Vec<f64>>>,
}

impl Hears {
    fn hear(&self, kind: &'static str) {
        // Nobody listens any more once all has been heard.
        let _ = self.changes.send(kind);
    }
}

impl ClientHandler for Hears {
    fn get_info(&self) -> ClientInfo {
        let capabilities = ClientCapabilities::builder().enable_elicitation().build();
        ClientInfo { capabilities, ..ClientInfo::default() }
    }
    async fn create_elicitation(
        &self,
        request: CreateElicitationRequestParam,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateElicitationResult, ErrorData> {
        let field = request.message.trim_end_matches('?');
        let content = Some(json!({field: format!("a {field}")}));
        Ok(CreateElicitationResult { action: ElicitationAction::Accept, content })
    }
    async fn on_progress(&self, told: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).push(told.progress);
    }
    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear("tools");
    }
    async fn on_resource_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear("resources");
    }
    async fn on_prompt_list_changed(&self, _: NotificationContext<RoleClient>) {
        self.hear("prompts");
    }
    async fn on_resource_updated(
        &self,
        _: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.hear("updated");
    }
}

type Client = RunningService<RoleClient, Hears>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let argument = std::env::args().nth(1).ok_or("one JSON argument is needed")?;
    let job: Value = serde_json::from_str(&argument)?;
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let progress = Arc::<Mutex<Vec<f64>>>::default();
    let hears = Hears { changes: sender, progress: Arc::clone(&progress) };
    let client = match (job["sse"].as_str(), job["url"].as_str()) {
        (Some(url), _) => hears.serve(SseClientTransport::start(url.to_owned()).await?).await?,
        (None, Some(url)) => hears.serve(StreamableHttpClientTransport::from_uri(url.to_owned())).await?,
        (None, None) => hears.serve(TokioChildProcess::new(command(&job["command"])?)?).await?,
    };
    let protocol = client.peer_info().map(|info| info.protocol_version.to_string());
    let mut steps = Vec::new();
    for step in job["steps"].as_array().into_iter().flatten() {
        steps.push(make(&client, step).await?);
    }
    let changes = changes(&client, &job, &mut heard).await?;
    // The client asks of every call how far it is.
    progress.lock().unwrap_or_else(PoisonError::into_inner).clear();
    call(&client, &job["progress"], &json!({})).await?;
    let progress = json!(*progress.lock().unwrap_or_else(PoisonError::into_inner));
    let asked = call(&client, &job["ask"][0], &job["ask"][1]).await?;
    let cancelled = cancel(&client, &job).await?;
    let mut seen = json!({"protocol": protocol, "steps": steps, "changes": changes, "progress": progress,
        "asked": asked, "cancelled": cancelled});
    if job["restart"].is_object() {
        seen["restart"] = json!(restart(&client, &job).await);
    }
    println!("{seen}");
    client.cancel().await?;
    Ok(())
}

fn command(words: &Value) -> Result<tokio::process::Command, &'static str> {
    let mut words = words.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut command = tokio::process::Command::new(words.next().ok_or("`command` is empty")?);
    command.args(words);
    Ok(command)
}

async fn make(client: &Client, step: &Value) -> Result<Value, Box<dyn Error>> {
    let params = &step["params"];
    let page = Some(PaginatedRequestParam::default());
    let text = |pointer: &str| params.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let arguments = params["arguments"].as_object().cloned();
    let answer = match step["method"].as_str().unwrap_or_default() {
        "tools/list" => written(client.list_tools(page).await),
        "tools/call" => {
            written(client.call_tool(CallToolRequestParam { name: text("/name").into(), arguments }).await)
        }
        "resources/list" => written(client.list_resources(page).await),
        "resources/templates/list" => written(client.list_resource_templates(page).await),
        "resources/read" => {
            written(client.read_resource(ReadResourceRequestParam { uri: text("/uri") }).await)
        }
        "prompts/list" => written(client.list_prompts(page).await),
        "prompts/get" => {
            written(client.get_prompt(GetPromptRequestParam { name: text("/name"), arguments }).await)
        }
        // What it has no function for is no step of its.
        _ => return Ok(Value::Null),
    };
    match answer {
        Ok(result) => Ok(result?),
        Err(ServiceError::McpError(refusal)) => Ok(json!({"refused": refusal.code.0})),
        // It looks for a resource that a prompt embeds one level below where the specification has it, for an image too.
        Err(ServiceError::UnexpectedResponse) if step["method"] == "prompts/get" => Ok(Value::Null),
        Err(error) => Err(error.into()),
    }
}

fn written<T: serde::Serialize>(
    answer: Result<T, ServiceError>,
) -> Result<Result<Value, serde_json::Error>, ServiceError> {
    answer.map(serde_json::to_value)
}

/// Subscribes to a resource, edits, and waits to be told of everything.
async fn changes(
    client: &Client,
    job: &Value,
    heard: &mut UnboundedReceiver<&'static str>,
) -> Result<Value, Box<dyn Error>> {
    let text = |pointer: &str| job.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    client.subscribe(SubscribeRequestParam { uri: text("/subscribes").to_owned() }).await?;
    std::fs::write(text("/edit/file"), text("/edit/text"))?;
    let mut told = BTreeSet::new();
    let all = async {
        while told.len() <= KINDS.len()
            && let Some(kind) = heard.recv().await
        {
            told.insert(kind);
        }
    };
    // What was told until then is judged by who reads it.
    let _ = tokio::time::timeout(TIME_MAX, all).await;
    let mut lists = Map::new();
    for kind in KINDS {
        lists.insert(kind.to_owned(), make(client, &json!({"method": format!("{kind}/list")})).await?);
    }
    Ok(json!({"told": told, "lists": lists}))
}

fn request(tool: &Value, arguments: &Value) -> CallToolRequestParam {
    let name = tool.as_str().unwrap_or_default().to_owned();
    CallToolRequestParam { name: name.into(), arguments: arguments.as_object().cloned() }
}

async fn call(client: &Client, tool: &Value, arguments: &Value) -> Result<String, Box<dyn Error>> {
    let result = client.call_tool(request(tool, arguments)).await?;
    let content = serde_json::to_value(&result.content)?;
    Ok(content.pointer("/0/text").and_then(Value::as_str).unwrap_or_default().to_owned())
}

/// Cancels a call once it has begun; whether its tool was.
async fn cancel(client: &Client, job: &Value) -> Result<bool, Box<dyn Error>> {
    let file = job.pointer("/cancel/file").and_then(Value::as_str).unwrap_or_default();
    let call = CallToolRequest::new(request(&job["cancel"]["tool"], &json!({"file": file})));
    let options = PeerRequestOptions::no_options();
    let handle = client.send_cancellable_request(ClientRequest::CallToolRequest(call), options).await?;
    appears(format!("{file}.began")).await;
    handle.cancel(Some("given up".to_owned())).await?;
    Ok(appears(format!("{file}.cancelled")).await)
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

//! Makes the steps of a job, each by the client's function for its method, and waits to be told of an edit.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, ElicitationCapability, ErrorData, FormElicitationCapability, GetPromptRequestParams,
    GetSkillRequestParams, Implementation, PaginatedRequestParams, ProgressNotificationParam,
    ReadResourceDirectoryRequestParams, ReadResourceRequestParams, ResourceUpdatedNotificationParam,
    ServerNotification, SubscribeRequestParams, SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RequestContext, RoleClient, RunningService, ServiceError};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

const CHANGE_TIME_MAX: Duration = Duration::from_secs(30);
const KINDS: [&str; 3] = ["tools", "resources", "prompts"];

/// Hands on what a session is told, and fills in forms.
pub struct Hears {
    pub changes: UnboundedSender<&'static str>,
    /// How far calls were said to be.
    pub progress: Arc<Mutex<Vec<f64>>>,
}

impl Hears {
    fn hear(&self, kind: &'static str) {
        // Nobody listens any more once all has been heard.
        let _ = self.changes.send(kind);
    }
}

impl ClientHandler for Hears {
    fn get_info(&self) -> ClientConfig {
        let mut capabilities = ClientCapabilities::default();
        capabilities.elicitation =
            Some(ElicitationCapability::new().with_form(FormElicitationCapability::default()));
        ClientConfig::new(capabilities, Implementation::new("rmcp", "1"))
    }
    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        let field = message.trim_end_matches('?');
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(json!({field: format!("a {field}")})))
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

pub type Client = RunningService<RoleClient, Hears>;

pub async fn look(
    client: &Client,
    job: &Value,
    heard: &mut UnboundedReceiver<&'static str>,
) -> Result<Value, Box<dyn Error>> {
    let protocol = client.peer_info().map(|info| info.protocol_version.to_string()).unwrap_or_default();
    let mut steps = Vec::new();
    for step in job["steps"].as_array().into_iter().flatten() {
        steps.push(make(client, step).await?);
    }
    let mut told = BTreeSet::new();
    let changed = change(client, job, *protocol >= *"2026-07-28", heard, &mut told);
    // What was told until then is judged by who reads it.
    if let Ok(changed) = tokio::time::timeout(CHANGE_TIME_MAX, changed).await {
        changed?;
    }
    let mut lists = Map::new();
    for kind in KINDS {
        lists.insert(kind.to_owned(), make(client, &json!({"method": format!("{kind}/list")})).await?);
    }
    Ok(json!({"protocol": protocol, "steps": steps, "changes": {"told": told, "lists": lists}}))
}

async fn make(client: &Client, step: &Value) -> Result<Value, Box<dyn Error>> {
    match ask(client, step["method"].as_str().unwrap_or_default(), &step["params"]).await? {
        Ok(result) => Ok(result),
        Err(refusal) => Ok(json!({"refused": refusal.code.0})),
    }
}

async fn ask(
    client: &Client,
    method: &str,
    params: &Value,
) -> Result<Result<Value, ErrorData>, Box<dyn Error>> {
    let page = Some(PaginatedRequestParams::default());
    let text = |pointer: &str| params.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let answer = match method {
        "tools/list" => written(client.list_tools(page).await),
        "tools/call" => {
            let arguments = params["arguments"].as_object().cloned().unwrap_or_default();
            written(
                client.call_tool(CallToolRequestParams::new(text("/name")).with_arguments(arguments)).await,
            )
        }
        "resources/list" => written(client.list_resources(page).await),
        "resources/templates/list" => written(client.list_resource_templates(page).await),
        "prompts/list" => written(client.list_prompts(page).await),
        "skills/list" => written(client.list_skills(page).await),
        "skills/get" => written(client.get_skill(GetSkillRequestParams::new(text("/uri"))).await),
        "resources/directory/read" => {
            let request = ReadResourceDirectoryRequestParams::new(text("/uri"));
            written(client.read_resource_directory(request).await)
        }
        "resources/read" => written(client.read_resource(ReadResourceRequestParams::new(text("/uri"))).await),
        "prompts/get" => {
            let mut request = GetPromptRequestParams::new(text("/name"));
            if let Some(arguments) = params["arguments"].as_object() {
                request = request.with_arguments(arguments.clone());
            }
            written(client.get_prompt(request).await)
        }
        "completion/complete" => {
            let (argument, value) = (text("/argument/name"), text("/argument/value"));
            let completion = match &*text("/ref/type") {
                "ref/prompt" => {
                    client.complete_prompt_argument(text("/ref/name"), argument, value, None).await
                }
                _ => client.complete_resource_argument(text("/ref/uri"), argument, value, None).await,
            };
            written(completion.map(|completion| json!({"completion": completion})))
        }
        other => return Err(format!("`{other}` is no method that this client knows").into()),
    };
    match answer {
        Ok(result) => Ok(Ok(result?)),
        Err(ServiceError::McpError(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error.into()),
    }
}

fn written(
    answer: Result<impl serde::Serialize, ServiceError>,
) -> Result<Result<Value, serde_json::Error>, ServiceError> {
    answer.map(serde_json::to_value)
}

/// Subscribes to everything, edits, and is done once everything was told.
#[allow(deprecated, reason = "sessions subscribe as they did before 2026-07-28")]
async fn change(
    client: &Client,
    job: &Value,
    modern: bool,
    heard: &mut UnboundedReceiver<&'static str>,
    told: &mut BTreeSet<&'static str>,
) -> Result<(), Box<dyn Error>> {
    let uri = job["subscribes"].as_str().unwrap_or_default();
    let edit = || {
        std::fs::write(
            job["edit"]["file"].as_str().unwrap_or_default(),
            job["edit"]["text"].as_str().unwrap_or_default(),
        )
    };
    if modern {
        let filter = SubscriptionFilter::builder()
            .tools_list_changed()
            .resources_list_changed()
            .prompts_list_changed()
            .resource_subscriptions([uri.to_owned()])
            .build();
        let mut subscription = client.listen(filter).await?;
        edit()?;
        while told.len() <= KINDS.len() {
            told.insert(match subscription.next().await? {
                Some(ServerNotification::ToolListChangedNotification(_)) => "tools",
                Some(ServerNotification::ResourceListChangedNotification(_)) => "resources",
                Some(ServerNotification::PromptListChangedNotification(_)) => "prompts",
                Some(ServerNotification::ResourceUpdatedNotification(_)) => "updated",
                Some(_) => continue,
                None => return Err(format!("the subscription ended after {told:?}").into()),
            });
        }
        subscription.cancel().await?;
    } else {
        client.subscribe(SubscribeRequestParams::new(uri)).await?;
        edit()?;
        while told.len() <= KINDS.len() {
            told.insert(heard.recv().await.ok_or("the session ended")?);
        }
    }
    Ok(())
}

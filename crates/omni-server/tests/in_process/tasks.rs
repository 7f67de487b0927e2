//! Tasks: calls that outlive their requests. Time runs here, since a thread writes what must outlive the process.

use std::time::{Duration, SystemTime};

use omni_call::{AskMethod, Event};
use omni_server::TasksConfig;
use omni_store::{NewTask, Store, StoreConfig};
use omni_testkit::{
    ScriptedExecutor, SkillFolder, StartedCalls, StdioClient, TestServer, call_tool, modern_able, request,
};
use serde_json::{Value, json};

const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// A folder with tools that declare of tasks what their names say, and one that declares nothing.
const TOOLS: &str = "from omni import tool

@tool(task=False)
def never(): ...

@tool(task=True)
def optional(): ...

@tool(task='required')
def required(): ...

@tool
def run(): ...
";

/// A folder of skills, and one for the store that servers may share.
struct Folders {
    skills: SkillFolder,
    store: SkillFolder,
}

impl Folders {
    fn new() -> Self {
        Folders { skills: SkillFolder::new().python("t", TOOLS), store: SkillFolder::new() }
    }

    fn store(&self) -> Store {
        Store::on_first_use(self.store.path().join("store"), StoreConfig::default())
    }

    /// A server whose calls become tasks after a moment.
    fn server(&self) -> (TestServer, StartedCalls) {
        self.server_with(|_| {})
    }

    fn server_with(&self, change: impl FnOnce(&mut TasksConfig)) -> (TestServer, StartedCalls) {
        let (executor, calls) = ScriptedExecutor::new();
        let mut tasks = TasksConfig::new(self.store());
        tasks.after = Some(Duration::from_millis(20));
        change(&mut tasks);
        let server =
            TestServer::builder(&self.skills, executor).config(|config| config.tasks = Some(tasks)).start();
        (server, calls)
    }
}

/// The same request from a client that takes tasks and can be asked for a form.
fn taking(request: Value) -> Value {
    modern_able(request, json!({"elicitation": {}, "extensions": {EXTENSION: {}}}))
}

fn call(id: u64, tool: &str) -> Value {
    taking(call_tool(id, &format!("t.{tool}"), json!({})))
}

fn of_task(id: u64, method: &str, task: &str) -> Value {
    taking(request(id, method, json!({"taskId": task})))
}

/// The id of the task that a request was answered with.
fn task_of(answer: &Value) -> String {
    let result = &answer["result"];
    assert_eq!(result["resultType"], "task", "{answer}");
    assert!(["working", "input_required"].map(Value::from).contains(&result["status"]), "{answer}");
    for absent in ["task", "result", "error", "inputRequests", "requestState"] {
        assert!(result.get(absent).is_none(), "{absent}: {answer}");
    }
    result["taskId"].as_str().unwrap().to_owned()
}

/// Asks for a task until it is as it should be.
async fn until(client: &mut StdioClient, task: &str, is: impl Fn(&Value) -> bool) -> Value {
    for id in 1000.. {
        let answer = client.request(&of_task(id, "tasks/get", task)).await;
        let result = &answer["result"];
        assert_eq!(result["resultType"], "complete", "{answer}");
        if is(result) {
            return result.clone();
        }
        assert!(id < 4000, "{answer}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    unreachable!("the loop has no end of its own")
}

async fn until_status(client: &mut StdioClient, task: &str, status: &str) -> Value {
    until(client, task, |task| task["status"] == status).await
}

#[tokio::test]
async fn a_call_that_takes_long_becomes_a_task_whose_result_is_asked_for_later() {
    let folders = Folders::new();
    let (server, mut calls) = folders.server();
    let mut client = server.stdio();
    client.send(&call(1, "run")).await;
    let running = calls.next().await;
    let task = task_of(&client.answer(&json!(1)).await);
    assert_eq!(task.len(), 64);
    running.event(Event::Progress { value: 1.0, total: None, message: Some("half way".into()) });
    let working = until(&mut client, &task, |task| task["statusMessage"] == "half way").await;
    assert_eq!((&working["status"], &working["ttlMs"]), (&json!("working"), &json!(86_400_000)));
    assert!(running.finish("done"));
    let ended = until_status(&mut client, &task, "completed").await;
    assert_eq!(ended["result"]["content"][0]["text"], "done");
    assert_eq!(ended["result"]["resultType"], "complete");
    assert_eq!(ended["createdAt"], working["createdAt"]);
}

#[tokio::test]
async fn only_a_request_that_declares_it_is_answered_with_a_task() {
    let folders = Folders::new();
    let (server, mut calls) = folders.server_with(|tasks| tasks.after = Some(Duration::ZERO));
    let mut client = server.stdio();
    for (id, tool, capabilities) in [
        (1, "run", json!({})),
        (2, "optional", json!({"elicitation": {}})),
        (3, "never", json!({"extensions": {EXTENSION: {}}})),
    ] {
        client.send(&modern_able(call_tool(id, &format!("t.{tool}"), json!({})), capabilities)).await;
        let running = calls.next().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        running.finish("done");
        let answer = client.answer(&json!(id)).await;
        assert_eq!(answer["result"]["content"][0]["text"], "done", "{tool}");
    }
    let refused = client.request(&modern_able(call_tool(4, "t.required", json!({})), json!({}))).await;
    assert_eq!(refused["error"]["code"], -32021);
    assert!(
        refused["error"]["data"]["requiredCapabilities"]["extensions"][EXTENSION].is_object(),
        "{refused}"
    );
    for (id, method) in [(5, "tasks/get"), (6, "tasks/cancel"), (7, "tasks/update")] {
        let asked = request(id, method, json!({"taskId": "x", "inputResponses": {}}));
        let refused = client.request(&modern_able(asked.clone(), json!({}))).await;
        assert_eq!(refused["error"]["code"], -32021, "{method}");
        let unknown = client.request(&taking(asked)).await;
        assert_eq!(unknown["error"]["code"], -32602, "{method}");
    }
    for (id, method) in [(8, "tasks/list"), (9, "tasks/result")] {
        assert_eq!(client.request(&of_task(id, method, "x")).await["error"]["code"], -32601);
    }
    assert!(calls.try_next().is_none());
}

#[tokio::test]
async fn a_tool_that_declares_it_is_a_task_however_short_it_is_and_asks_in_it() {
    let folders = Folders::new();
    let (server, mut calls) = folders.server_with(|tasks| tasks.after = None);
    let mut client = server.stdio();
    for (id, tool) in [(1, "optional"), (2, "required")] {
        client.send(&call(id, tool)).await;
        calls.next().await.finish("short");
        let task = task_of(&client.answer(&json!(id)).await);
        assert_eq!(
            until_status(&mut client, &task, "completed").await["result"]["content"][0]["text"],
            "short"
        );
    }
    client.send(&call(3, "optional")).await;
    let running = calls.next().await;
    let form =
        json!({"mode": "form", "message": "m", "requestedSchema": {"type": "object", "properties": {}}});
    let (one, mut two) = (running.ask(AskMethod::Elicit, &form), running.ask(AskMethod::Elicit, &form));
    let task = task_of(&client.answer(&json!(3)).await);
    let asks =
        until(&mut client, &task, |task| task["inputRequests"].as_object().is_some_and(|all| all.len() == 2));
    let asks = asks.await;
    assert_eq!(asks["status"], "input_required");
    let keys: Vec<String> = asks["inputRequests"].as_object().unwrap().keys().cloned().collect();
    let answer = json!({"action": "accept", "content": {}});
    let mut update = of_task(4, "tasks/update", &task);
    update["params"]["inputResponses"] = json!({"nobody": {"ignored": true}, &keys[0]: answer});
    let acknowledged = client.request(&update).await;
    assert_eq!(acknowledged["result"]["resultType"], "complete");
    assert!(acknowledged["result"].get("taskId").is_none());
    assert_eq!(one.result().await, answer);
    let rest = client.request(&of_task(5, "tasks/get", &task)).await;
    let open: Vec<&String> = rest["result"]["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!((open, two.is_open()), (vec![&keys[1]], true));
    let mut update = of_task(6, "tasks/update", &task);
    update["params"]["inputResponses"] = json!({&keys[1]: {"action": "decline"}});
    client.request(&update).await;
    assert_eq!(two.result().await, json!({"action": "decline"}));
    until_status(&mut client, &task, "working").await;
    running.finish("asked");
    until_status(&mut client, &task, "completed").await;
}

#[tokio::test]
async fn a_cancelled_task_ends_its_call_and_stays_cancelled() {
    let folders = Folders::new();
    let (server, mut calls) = folders.server();
    let mut client = server.stdio();
    client.send(&call(1, "optional")).await;
    let mut running = calls.next().await;
    let task = task_of(&client.answer(&json!(1)).await);
    for id in [2, 3] {
        let acknowledged = client.request(&of_task(id, "tasks/cancel", &task)).await;
        assert_eq!(acknowledged["result"]["resultType"], "complete");
        running.dropped().await;
        until_status(&mut client, &task, "cancelled").await;
    }
}

#[tokio::test]
async fn a_task_outlives_its_connection_and_is_nobody_elses() {
    let folders = Folders::new();
    let (server, mut calls) = folders.server();
    let mut first = server.http_as(Some(1)).await;
    let created = first.post(&call(1, "optional")).await.json();
    let running = calls.next().await;
    let task = task_of(&created);
    drop(first);
    let mut other = server.http_as(Some(2)).await;
    for (id, method) in [(2, "tasks/get"), (3, "tasks/cancel"), (4, "tasks/update")] {
        let mut asked = of_task(id, method, &task);
        asked["params"]["inputResponses"] = json!({});
        assert_eq!(other.post(&asked).await.json()["error"]["code"], -32602, "{method}");
    }
    assert!(running.finish("done"), "closing the connection cancels nothing");
    let mut again = server.http_as(Some(1)).await;
    for id in 5.. {
        let answer = again.post(&of_task(id, "tasks/get", &task)).await.json();
        if answer["result"]["status"] == "completed" {
            break;
        }
        assert!(id < 3000, "{answer}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut wrong = of_task(9000, "tasks/get", &task);
    wrong["params"]["name"] = json!("other");
    assert_eq!(again.post(&wrong).await.json()["error"]["code"], -32020, "the header names another task");
}

#[tokio::test]
async fn a_subscriber_is_told_of_each_change_of_its_tasks_and_of_no_others() {
    let folders = Folders::new();
    let (server, mut calls) = folders.server();
    let mut client = server.stdio();
    client.send(&call(1, "optional")).await;
    let running = calls.next().await;
    let task = task_of(&client.answer(&json!(1)).await);
    let wanted = json!({"notifications": {"taskIds": [task, "unknown", task]}});
    let undeclared = modern_able(request(2, "subscriptions/listen", wanted.clone()), json!({}));
    assert_eq!(client.request(&undeclared).await["error"]["code"], -32021);
    client.send(&taking(request(3, "subscriptions/listen", wanted))).await;
    let acknowledged = client.next().await;
    assert_eq!(acknowledged["params"]["notifications"], json!({"taskIds": [task]}));
    let told = client.next().await;
    assert_eq!(
        (&told["method"], &told["params"]["status"]),
        (&json!("notifications/tasks"), &json!("working"))
    );
    assert_eq!(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 3);
    running.event(Event::Progress { value: 1.0, total: None, message: Some("nearly".into()) });
    assert_eq!(client.next().await["params"]["statusMessage"], "nearly");
    let question = running.ask(
        AskMethod::Elicit,
        &json!({"mode": "form", "message": "m", "requestedSchema": {"type": "object", "properties": {}}}),
    );
    let asked = client.next().await;
    assert_eq!(asked["params"]["status"], "input_required");
    assert_eq!(asked["params"]["inputRequests"].as_object().unwrap().len(), 1);
    drop(question);
    running.finish("done");
    let mut told = client.next().await;
    while told["params"]["status"] != "completed" {
        told = client.next().await;
    }
    assert_eq!(told["params"]["result"]["content"][0]["text"], "done");
    assert!(told["params"].get("resultType").is_none());
}

#[tokio::test]
async fn a_task_whose_server_has_ended_is_lost_and_one_whose_server_lives_is_not() {
    let folders = Folders::new();
    let row = |id: &str| NewTask {
        id: id.to_owned(),
        owner: "local".to_owned(),
        method: "tools/call".to_owned(),
        name: "t.run".to_owned(),
        created: SystemTime::now(),
        ttl: Some(Duration::from_hours(1)),
        poll_interval: None,
    };
    let (dead, alive) = (folders.store(), folders.store());
    dead.create(row("dead")).await.unwrap();
    alive.create(row("alive")).await.unwrap();
    tokio::task::spawn_blocking(move || dead.close()).await.unwrap();
    let (server, _calls) = folders.server();
    let mut client = server.stdio();
    let lost = client.request(&of_task(1, "tasks/get", "dead")).await["result"].take();
    assert_eq!((&lost["status"], &lost["error"]["code"]), (&json!("failed"), &json!(-32603)));
    assert!(lost["statusMessage"].as_str().unwrap().contains("has ended before the tool did"), "{lost}");
    let kept = client.request(&of_task(2, "tasks/get", "alive")).await["result"].take();
    assert_eq!(kept["status"], "working");
    drop(alive);
}

#[tokio::test]
async fn a_server_reads_answers_and_cancels_what_another_one_runs() {
    let folders = Folders::new();
    let ((here, mut calls), (there, _)) = (folders.server(), folders.server());
    let (mut client, mut other) = (here.stdio(), there.stdio());
    client.send(&call(1, "optional")).await;
    let mut running = calls.next().await;
    let task = task_of(&client.answer(&json!(1)).await);
    let question = running.ask(
        AskMethod::Elicit,
        &json!({"mode": "form", "message": "m", "requestedSchema": {"type": "object", "properties": {}}}),
    );
    let asked = until_status(&mut other, &task, "input_required").await;
    let key = asked["inputRequests"].as_object().unwrap().keys().next().unwrap().clone();
    let mut update = of_task(2, "tasks/update", &task);
    update["params"]["inputResponses"] = json!({key: {"action": "cancel"}});
    assert_eq!(other.request(&update).await["result"]["resultType"], "complete");
    assert_eq!(question.result().await, json!({"action": "cancel"}));
    other.request(&of_task(3, "tasks/cancel", &task)).await;
    running.dropped().await;
    assert_eq!(until_status(&mut other, &task, "cancelled").await["taskId"], task);
}

#[tokio::test]
async fn a_server_that_stops_says_so_of_the_tasks_that_it_ends() {
    let folders = Folders::new();
    let (server, mut calls) = folders.server();
    let mut client = server.stdio();
    client.send(&call(1, "optional")).await;
    let mut running = calls.next().await;
    let task = task_of(&client.answer(&json!(1)).await);
    server.server.close_tasks().await;
    running.dropped().await;
    let (next, _calls) = folders.server();
    let mut client = next.stdio();
    let ended = client.request(&of_task(1, "tasks/get", &task)).await["result"].take();
    assert_eq!(ended["status"], "failed");
    assert!(ended["error"]["message"].as_str().unwrap().contains("was stopped"), "{ended}");
}

#[tokio::test]
async fn where_no_task_can_be_kept_or_run_a_call_is_answered_as_ever() {
    let folders = Folders::new();
    folders.store.write("store", "no folder");
    let (broken, broken_calls) = folders.server();
    let full = Folders::new();
    let (full_server, full_calls) = full.server_with(|tasks| tasks.per_principal = 1);
    for (server, mut calls, room) in [(broken, broken_calls, 0), (full_server, full_calls, 1)] {
        let mut client = server.stdio();
        for id in 0..room {
            client.send(&call(id, "optional")).await;
            std::mem::forget(calls.next().await);
            task_of(&client.answer(&json!(id)).await);
        }
        client.send(&call(7, "optional")).await;
        let running = calls.next().await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(running.finish("done"));
        assert_eq!(client.answer(&json!(7)).await["result"]["content"][0]["text"], "done");
    }
}

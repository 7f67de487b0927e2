//! Thousands of random conversations, each held against what must be true of every one of them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use omni_testkit::{
    RunningCall, ScriptedExecutor, SkillFolder, StdioClient, TestServer, call_tool, cancelled, request,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::one_skill;

/// Read once for all conversations.
static FOLDER: LazyLock<SkillFolder> = LazyLock::new(one_skill);

/// Ids that conversations use: few, so that they are used again and while they are taken.
const IDS: u8 = 6;

/// One thing that client or tool does.
#[derive(Clone, Debug)]
enum Step {
    Call(u8),
    Ping(u8),
    List(u8),
    Cancel(u8),
    Garbage,
    /// The tool of the open call that is oldest, or newest, says something.
    Progress(bool),
    /// … returns.
    Finish(bool),
    /// Everything that can happen by itself happens.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..IDS;
    prop_oneof![
        4 => id.clone().prop_map(Step::Call),
        1 => id.clone().prop_map(Step::Ping),
        1 => id.clone().prop_map(Step::List),
        2 => id.prop_map(Step::Cancel),
        1 => Just(Step::Garbage),
        2 => any::<bool>().prop_map(Step::Progress),
        3 => any::<bool>().prop_map(Step::Finish),
        2 => Just(Step::Settle),
    ]
}

/// What the client knows it has asked for: how many requests of an id it sent, and how many cancels.
#[derive(Default)]
struct Sent {
    requests: BTreeMap<u8, usize>,
    cancels: BTreeMap<u8, usize>,
    garbage: usize,
}

async fn converse(folder: &SkillFolder, steps: &[Step]) {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(folder, executor.clone());
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    let mut sent = Sent::default();
    let mut open: Vec<RunningCall> = Vec::new();
    for step in steps {
        match step {
            Step::Call(id) => {
                let mut call = call_tool(*id, "t.run", json!({"id": id}));
                call["params"]["_meta"] = json!({"progressToken": id});
                ask(&mut client, &mut sent, *id, &call).await;
            }
            Step::Ping(id) => ask(&mut client, &mut sent, *id, &request(*id, "ping", json!({}))).await,
            Step::List(id) => ask(&mut client, &mut sent, *id, &request(*id, "tools/list", json!({}))).await,
            Step::Cancel(id) => {
                client.send(&cancelled(*id)).await;
                *sent.cancels.entry(*id).or_default() += 1;
            }
            Step::Garbage => {
                client.send_bytes(b"{\"jsonrpc\":\n").await;
                sent.garbage += 1;
            }
            Step::Progress(oldest) => {
                if let Some(call) = if *oldest { open.first() } else { open.last() } {
                    call.progress(1.0, None);
                }
            }
            Step::Finish(oldest) if !open.is_empty() => {
                let call = open.remove(if *oldest { 0 } else { open.len() - 1 });
                call.finish("done");
            }
            Step::Finish(_) => {}
            Step::Settle => {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                open.extend(std::iter::from_fn(|| calls.try_next()));
            }
        }
    }
    let (said, ended) = client.close().await;
    ended.unwrap();
    check(&sent, &said);
    drop(open);
    assert_eq!(executor.running(), 0, "a call outlived its client");
}

async fn ask(client: &mut StdioClient, sent: &mut Sent, id: u8, message: &Value) {
    client.send(message).await;
    *sent.requests.entry(id).or_default() += 1;
}

/// Each request has one answer, unless it was cancelled: then none, or the one that was on its way.
fn check(sent: &Sent, said: &[Value]) {
    let answers: Vec<&Value> = said.iter().filter(|message| message.get("method").is_none()).collect();
    let garbage = answers.iter().filter(|answer| answer["error"]["code"] == -32700).count();
    assert_eq!(garbage, sent.garbage);
    for (id, requests) in &sent.requests {
        let answered = answers.iter().filter(|answer| answer["id"] == *id).count();
        let cancels = sent.cancels.get(id).copied().unwrap_or_default();
        assert!(answered <= *requests, "{id}: {requests} requests, {answered} answers");
        assert!(
            answered + cancels >= *requests,
            "{id}: {requests} requests, {cancels} cancels, {answered} answers"
        );
    }
    let known = |answer: &&&Value| {
        answer["id"].is_null() || sent.requests.contains_key(&(answer["id"].as_u64().unwrap() as u8))
    };
    assert!(answers.iter().filter(known).count() == answers.len(), "an answer to nothing: {said:?}");
    // Progress belongs to a call that is open: never after the last answer under its id.
    for id in sent.requests.keys() {
        let last = said.iter().rposition(|message| message.get("method").is_none() && message["id"] == *id);
        let progress = said.iter().rposition(|message| message["params"]["progressToken"] == *id);
        let cancelled = sent.cancels.contains_key(id);
        assert!(progress.is_none() || last.is_none() || progress < last || cancelled, "{id}: {said:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_request_has_one_answer_or_was_cancelled(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(converse(&FOLDER, &steps));
    }
}

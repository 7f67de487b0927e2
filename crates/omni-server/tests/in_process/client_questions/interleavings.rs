//! Thousands of random conversations in which tools ask, each held against what must be true of every one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use omni_call::{Answer, AskMethod};
use omni_testkit::{
    OpenQuestion, RunningCall, ScriptedExecutor, SkillFolder, StartedCalls, StdioClient, TestServer,
    call_tool, cancelled, modern_able, reply, retry,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{able, questions};
use crate::one_skill;

/// Read once for all conversations.
static FOLDER: LazyLock<SkillFolder> = LazyLock::new(one_skill);

/// One thing that client or tool does. What is said to be the oldest is else the newest.
#[derive(Clone, Debug)]
enum Step {
    Call,
    /// The client takes back the request that it sent so many requests ago.
    Cancel(u8),
    Ask {
        oldest: bool,
    },
    /// The tool waits for an answer no longer.
    TakeBack {
        oldest: bool,
    },
    /// The client answers: everything that it was asked, or nothing of it.
    Answer {
        oldest: bool,
        everything: bool,
    },
    /// … what it has answered already.
    AnswerAgain(u8),
    Progress {
        oldest: bool,
    },
    Finish {
        oldest: bool,
    },
    /// Everything that can happen by itself happens, and the client reads.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let oldest = any::<bool>;
    prop_oneof![
        3 => Just(Step::Call),
        1 => (0..6u8).prop_map(Step::Cancel),
        4 => oldest().prop_map(|oldest| Step::Ask { oldest }),
        1 => oldest().prop_map(|oldest| Step::TakeBack { oldest }),
        4 => (oldest(), prop::bool::weighted(0.8)).prop_map(|(oldest, everything)| Step::Answer { oldest, everything }),
        1 => any::<u8>().prop_map(Step::AnswerAgain),
        1 => oldest().prop_map(|oldest| Step::Progress { oldest }),
        2 => oldest().prop_map(|oldest| Step::Finish { oldest }),
        6 => Just(Step::Settle),
    ]
}

/// One of a list, if it has any.
fn pick<T>(list: &mut Vec<T>, oldest: bool) -> Option<T> {
    let at = if oldest { 0 } else { list.len().checked_sub(1)? };
    (at < list.len()).then(|| list.remove(at))
}

struct Conversation {
    modern: bool,
    client: StdioClient,
    calls: StartedCalls,
    running: Vec<RunningCall>,
    /// Each asks for its number.
    questions: Vec<(u64, OpenQuestion)>,
    asked: u64,
    /// Every request that was sent, in order; its id is its place.
    sent: Vec<Value>,
    cancelled: BTreeSet<u64>,
    said: Vec<Value>,
    /// What the client was asked and has not answered: a request of the server, or a request of its own and its answer.
    open: Vec<(Value, Value)>,
    answered: Vec<(Value, Value)>,
    /// Requests that brought a state for the second time.
    repeated: BTreeSet<u64>,
}

impl Conversation {
    async fn send(&mut self, request: impl FnOnce(u64) -> Value) -> u64 {
        let id = self.sent.len() as u64;
        let request = request(id);
        self.client.send(&request).await;
        self.sent.push(request);
        id
    }

    fn hear(&mut self, message: Value) {
        if message["method"] == "elicitation/create" {
            self.open.push((message.clone(), Value::Null));
        } else if message["result"]["resultType"] == "input_required" {
            let request = self.sent[message["id"].as_u64().unwrap() as usize].clone();
            self.open.push((request, message.clone()));
        }
        self.said.push(message);
    }

    async fn answer(&mut self, (request, answer): &(Value, Value), everything: bool) -> Option<u64> {
        if answer.is_null() {
            let number = request["params"]["message"].clone();
            self.client.send(&reply(request, json!({"number": number}))).await;
            return None;
        }
        let given: Value = questions(answer)
            .into_iter()
            .filter(|_| everything)
            .map(|(key, asks)| (key, json!({"number": asks["params"]["message"]})))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let again = |id| {
            let mut again = retry(request, id, answer, given);
            again["params"]["_meta"]["progressToken"] = json!(id);
            again
        };
        Some(self.send(again).await)
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Call => {
                let modern = self.modern;
                self.send(|id| {
                    let mut call = call_tool(id, "t.run", json!({"id": id}));
                    call["params"]["_meta"] = json!({"progressToken": id});
                    if modern { modern_able(call, able()) } else { call }
                })
                .await;
            }
            Step::Cancel(ago) => {
                if let Some(id) = (self.sent.len() as u64).checked_sub(u64::from(ago) + 1) {
                    self.client.send(&cancelled(id)).await;
                    self.cancelled.insert(id);
                }
            }
            Step::Ask { oldest } => {
                if let Some(call) = if oldest { self.running.first() } else { self.running.last() } {
                    self.asked += 1;
                    let form = json!({"mode": "form", "message": self.asked.to_string(),
                        "requestedSchema": {"type": "object", "properties": {}}});
                    self.questions.push((self.asked, call.ask(AskMethod::Elicit, &form)));
                }
            }
            Step::TakeBack { oldest } => drop(pick(&mut self.questions, oldest)),
            Step::Answer { oldest, everything } => {
                if let Some(asked) = pick(&mut self.open, oldest) {
                    self.answer(&asked, everything).await;
                    self.answered.push(asked);
                }
            }
            Step::AnswerAgain(which) => {
                if !self.answered.is_empty() {
                    let asked = self.answered[usize::from(which) % self.answered.len()].clone();
                    let id = self.answer(&asked, true).await;
                    self.repeated.extend(id);
                }
            }
            Step::Progress { oldest } => {
                if let Some(call) = if oldest { self.running.first() } else { self.running.last() } {
                    call.progress(self.asked as f64, None);
                }
            }
            Step::Finish { oldest } => {
                if let Some(call) = pick(&mut self.running, oldest) {
                    call.finish("done");
                }
            }
            Step::Settle => {
                while let Ok(message) =
                    tokio::time::timeout(Duration::from_millis(1), self.client.next()).await
                {
                    self.hear(message);
                }
                self.running.extend(std::iter::from_fn(|| self.calls.try_next()));
            }
        }
    }

    /// Each request has one answer, or was cancelled; each answer is to its question; each state is good once.
    fn check(self) {
        let mut answers: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
        let mut asked = BTreeSet::new();
        for message in &self.said {
            match message["method"].as_str() {
                None => answers.entry(message["id"].as_u64().unwrap()).or_default().push(message),
                Some("elicitation/create") => {
                    assert!(!self.modern, "{message}");
                    assert!(asked.insert(message["id"].to_string()), "asked twice: {message}");
                }
                Some("notifications/cancelled") => {
                    assert!(asked.contains(&message["params"]["requestId"].to_string()), "{message}");
                }
                Some("notifications/progress") => {
                    let token = message["params"]["progressToken"].as_u64().unwrap();
                    assert!(!answers.contains_key(&token), "progress of an answered request: {message}");
                }
                Some(_) => panic!("{message}"),
            }
        }
        for id in 0..self.sent.len() as u64 {
            let got = answers.remove(&id).unwrap_or_default();
            assert!(got.len() == 1 || got.is_empty() && self.cancelled.contains(&id), "{id}: {got:?}");
            let Some(answer) = got.first() else { continue };
            match self.repeated.contains(&id) {
                true => assert_eq!(answer["error"]["code"], -32602, "{answer}"),
                false => assert!(answer.get("result").is_some(), "{answer}"),
            }
        }
        assert!(answers.is_empty(), "answers to nothing: {answers:?}");
        for (number, mut question) in self.questions {
            if let Some(Answer::Result(result)) = question.answer_now() {
                let result: Value = serde_json::from_slice(&result).unwrap();
                assert_eq!(result["number"], number);
            }
        }
    }
}

async fn converse(modern: bool, steps: &[Step]) {
    let (executor, calls) = ScriptedExecutor::new();
    let server = TestServer::new(&FOLDER, executor.clone());
    let mut client = server.stdio();
    if !modern {
        client.initialize_able("2025-11-25", able()).await;
    }
    let mut conversation = Conversation {
        modern,
        client,
        calls,
        running: Vec::new(),
        questions: Vec::new(),
        asked: 0,
        sent: Vec::new(),
        cancelled: BTreeSet::new(),
        said: Vec::new(),
        open: Vec::new(),
        answered: Vec::new(),
        repeated: BTreeSet::new(),
    };
    for step in steps {
        conversation.take(step).await;
    }
    conversation.take(&Step::Settle).await;
    let other = server.stdio();
    let client = std::mem::replace(&mut conversation.client, other);
    let (rest, ended) = client.close().await;
    ended.unwrap();
    for message in rest {
        conversation.hear(message);
    }
    conversation.running.clear();
    conversation.check();
    assert_eq!(executor.running(), 0, "a call outlived its client");
}

fn in_no_time(conversation: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(conversation);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_question_of_the_legacy_era_has_its_answer_and_each_request_one(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        in_no_time(converse(false, &steps));
    }

    #[test]
    fn each_question_of_the_modern_era_has_its_answer_and_each_state_is_good_once(
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        in_no_time(converse(true, &steps));
    }
}

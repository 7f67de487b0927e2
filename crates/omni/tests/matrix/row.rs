//! One row: a fixture is called beside a bystander, and both, and what follows, are looked at.

use std::time::Duration;

use serde_json::{Value, json};

use crate::expected::{Expected, Fixture};
use crate::server::Server;
use crate::support::wait_file;

/// What no reply may ever hold.
const SECRETS: &[&str] = &["hunter2", "for nobody's eyes"];
/// A busy machine may take longer to start Python than a fixture's time limit: then it is tried again.
const TRIES_MAX: u32 = 4;

/// What a row came to.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) kind: String,
    pub(crate) took: Duration,
    pub(crate) faults: Vec<String>,
}

pub(crate) fn run(server: &mut Server, fixture: &Fixture, expected: &Expected) -> Seen {
    let mut tries = 1;
    loop {
        let (seen, starved) = run_once(server, fixture, expected);
        if !starved || tries == TRIES_MAX {
            return seen;
        }
        tries += 1;
    }
}

/// The second value tells that the time limit struck before the tool ran, which was not the question.
fn run_once(server: &mut Server, fixture: &Fixture, expected: &Expected) -> (Seen, bool) {
    let mut faults = Vec::new();
    let beside = server.notes();
    let bystander = server.client.begin("bystander.waits", json!({"notes": beside}));
    wait_file(&beside.join("begun"));
    let notes = server.notes();
    let (mut kind, mut took, mut starved) = (String::new(), Duration::ZERO, false);
    match server.client.call(&fixture.tool, json!({"notes": notes})) {
        Ok((reply, after)) => {
            took = after;
            kind = kind_of(&reply);
            starved = kind.starts_with("timeout")
                && expected.phase == "started"
                && reply["result"]["_meta"]["omni/failure"]["phase"] != "started";
            faults.extend(compare(&reply, expected));
        }
        Err(fault) => faults.push(fault),
    }
    // The bystander still has its process, so this one meets what the fixture has left.
    faults.extend(later_calls(server));
    std::fs::write(beside.join("go"), "go").unwrap();
    match server.client.finish(bystander) {
        Ok((reply, _)) if text(&reply) == "waited" => {}
        Ok((reply, _)) => faults.push(format!("the call beside it was lost: {reply}")),
        Err(fault) => faults.push(format!("the call beside it: {fault}")),
    }
    faults.extend(later_calls(server));
    // What may go on is looked for when the server has ended.
    if (faults.is_empty() || starved) && !expected.goes_on {
        faults.extend(server.settle(&notes));
    }
    (Seen { kind, took, faults }, starved)
}

/// What comes after must not notice.
fn later_calls(server: &mut Server) -> Vec<String> {
    let shape = json!({"text": "next", "length": 4, "sorted": ["e", "n", "t"]});
    for _ in 0..2 {
        match server.client.call("bystander.shape", json!({"text": "next"})) {
            Ok((reply, _)) if serde_json::from_str(text(&reply)).ok() == Some(shape.clone()) => {}
            Ok((reply, _)) => return vec![format!("the next call failed: {reply}")],
            Err(fault) => return vec![format!("the next call: {fault}")],
        }
    }
    let changes = server.changes();
    if !changes.is_empty() {
        return changes;
    }
    server.client.ping().err().into_iter().collect()
}

fn compare(reply: &Value, expected: &Expected) -> Vec<String> {
    let mut faults = Vec::new();
    let result = &reply["result"];
    let kind = kind_of(reply);
    if !result.is_object() && !expected.kind.has(&kind) {
        return vec![format!("no result: {}", short(reply))];
    }
    if !expected.kind.has(&kind) {
        faults.push(format!("it ended as `{kind}`: {}", short(reply)));
    }
    let text = text(reply);
    let mut lacks = |what: &str, held: &str, fragments: &[String]| {
        for fragment in fragments.iter().filter(|fragment| !held.contains(*fragment)) {
            faults.push(format!("no `{fragment}` in its {what}: {}", short(reply)));
        }
    };
    lacks("text", text, &expected.says);
    let failure = &result["_meta"]["omni/failure"];
    lacks("stack", failure["stack"].as_str().unwrap_or_default(), &expected.stack);
    let meta = result["_meta"].as_object();
    for member in expected.meta.iter().filter(|member| meta.is_none_or(|meta| !meta.contains_key(*member))) {
        faults.push(format!("no `{member}` in its `_meta`: {}", short(reply)));
    }
    if result.is_object() && kind != "finished" {
        if failure["phase"] != expected.phase {
            faults.push(format!("its phase is not `{}`: {}", expected.phase, short(reply)));
        }
        let retryable = expected.retryable.or(expected.kind.is_certain().then_some(false));
        if retryable.is_some_and(|retryable| failure["retryable"] != retryable) {
            faults.push(format!("`retryable` is not {}: {}", retryable == Some(true), short(reply)));
        }
        if !failure["elapsed_ms"].is_u64() || !failure["attempt"].is_u64() || result["isError"] != true {
            faults.push(format!("the failure does not say all it must: {}", short(reply)));
        }
    }
    let whole = reply.to_string();
    faults.extend(
        SECRETS
            .iter()
            .filter(|secret| whole.contains(**secret))
            .map(|_| "the reply holds a secret".to_owned()),
    );
    faults
}

/// How the call has ended: `error` and the code, where the answer is no result.
fn kind_of(reply: &Value) -> String {
    if let Some(code) = reply["error"]["code"].as_i64() {
        return format!("error {code}");
    }
    let result = &reply["result"];
    match result["_meta"]["omni/failure"]["kind"].as_str() {
        Some(kind) => kind.to_owned(),
        None if result["isError"] == true => "error without a kind".to_owned(),
        None => "finished".to_owned(),
    }
}

fn text(reply: &Value) -> &str {
    let said = reply["result"]["content"][0]["text"].as_str();
    said.or(reply["error"]["message"].as_str()).unwrap_or_default()
}

fn short(reply: &Value) -> String {
    reply.to_string().chars().take(600).collect()
}

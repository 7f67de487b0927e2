//! One suite of calls, every way to run tools, the same outcomes: each result, error, event and cancellation in
//! `fixtures/suite/calls.toml` must come out as `fixtures/suite/outcomes.json` has it, whatever runs the tool.
//! What may differ stands in `fixtures/suite/differences.toml`, with its reason.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use support::{Folder, PATIENCE, Stdio_, ways};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Calls {
    call: Vec<Call>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    name: String,
    tool: String,
    #[serde(default)]
    arguments: Map<String, Value>,
    /// The length of the argument `value`, which is put together here.
    long: Option<usize>,
    /// Takes the call back once it has said something.
    #[serde(default)]
    cancel: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differences {
    #[serde(default)]
    difference: Vec<Difference>,
}

/// What may differ, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    ways: Vec<String>,
    calls: Vec<String>,
    /// JSON pointers into the outcome; these members are not compared.
    #[serde(default)]
    members: Vec<String>,
    /// The call is not made at all.
    #[serde(default)]
    left_out: bool,
    because: String,
}

impl Difference {
    fn concerns(&self, way: &str, call: &str) -> bool {
        self.ways.iter().any(|one| one == way) && self.calls.iter().any(|one| one == call)
    }
}

macro_rules! each_way {
    ($($way:ident)*) => {
        const WAYS: &[&str] = &[$(stringify!($way)),*];
        $(#[test] fn $way() { the_suite_comes_out_the_same(stringify!($way)); })*
    };
}
ways::with_each_way!(each_way);

/// The way back, where no executor of ours runs anything.
const ALONE: &str = "python_alone";

#[test]
fn python_alone() {
    the_suite_comes_out_the_same(ALONE);
}

fn the_suite_comes_out_the_same(way: &str) {
    let differences: Differences = read("differences.toml");
    let left_out =
        |call: &str| differences.difference.iter().any(|one| one.left_out && one.concerns(way, call));
    let Some(outcomes) = outcomes(way, left_out) else { return };
    let path = suite().join("outcomes.json");
    if std::env::var_os("OMNI_SUITE_WRITE").is_some_and(|writer| writer == way) {
        fs::write(&path, serde_json::to_string_pretty(&outcomes).unwrap() + "\n").unwrap();
    }
    let expected: BTreeMap<String, Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut faults = Vec::new();
    for (name, outcome) in &outcomes {
        let (mut is, mut should) = (outcome.clone(), expected.get(name).cloned().unwrap_or_default());
        for difference in &differences.difference {
            if difference.concerns(way, name) {
                for pointer in &difference.members {
                    remove(&mut is, pointer);
                    remove(&mut should, pointer);
                }
            }
        }
        if is != should {
            faults.push(format!("{name}:\n       is {is}\n   should {should}"));
        }
    }
    let asked = expected.keys().filter(|name| !left_out(name)).count();
    assert_eq!(outcomes.len(), asked, "another number of outcomes");
    assert!(faults.is_empty(), "{} of {} calls differ:\n{}", faults.len(), outcomes.len(), faults.join("\n"));
}

#[test]
fn there_are_enough_calls_and_each_difference_is_about_some_and_has_a_reason() {
    let calls = read::<Calls>("calls.toml").call;
    assert!(calls.len() >= 40, "{}", calls.len());
    for difference in read::<Differences>("differences.toml").difference {
        for way in &difference.ways {
            assert!(WAYS.contains(&way.as_str()) || way == ALONE, "no way `{way}`");
        }
        for name in &difference.calls {
            assert!(calls.iter().any(|call| call.name == *name), "no call `{name}`");
        }
        assert!(
            difference.left_out == difference.members.is_empty() && difference.because.len() > 20,
            "{difference:?}"
        );
    }
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/suite").canonicalize().unwrap()
}

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let text = fs::read_to_string(suite().join(name)).unwrap();
    toml::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Makes every call in turn on one server; `None` where this machine lacks what the way needs.
fn outcomes(way: &str, left_out: impl Fn(&str) -> bool) -> Option<BTreeMap<String, Value>> {
    let mut folder = Folder::empty();
    folder.env = vec![
        ("SUITE_SECRET", "hidden".to_owned()),
        ("SUITE_SHOWN", "shown".to_owned()),
        ("OMNI_ISOLATION", "auto".to_owned()),
    ];
    // A large result is compared as it is: what a client gets instead of it is tested by `large_results` of omni-server.
    folder.write("omni.toml", "[skills.suite]\ncolour = \"blue\"\n[results]\ninline_kib = 0\n");
    fs::create_dir(folder.path("root")).unwrap();
    let root = folder.path("root").canonicalize().unwrap().to_str().unwrap().to_owned();
    let skills = suite().join("skills").to_str().unwrap().to_owned();
    let (arguments, backing) = ways::prepare(way, &folder, skills.as_ref(), root.as_ref(), "SUITE_SHOWN");
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if way == ALONE {
        // Nothing is read there that nobody names.
        arguments.extend(["--config", "omni.toml"]);
    }
    let client = if way == ALONE { folder.python_alone(&arguments)? } else { folder.stdio(&arguments) };
    let mut client = client.initialised();
    client.request("logging/setLevel", json!({"level": "debug"}));
    let known = [(root.as_str(), "$root"), (skills.as_str(), "$skills")];
    let mut outcomes = BTreeMap::new();
    for call in read::<Calls>("calls.toml").call.into_iter().filter(|call| !left_out(&call.name)) {
        let outcome = outcome(&mut client, &call, &known);
        let text = known.iter().fold(outcome.to_string(), |text, (path, name)| text.replace(path, name));
        let mut outcome = serde_json::from_str(&text).unwrap();
        normalise(&mut outcome);
        assert!(outcomes.insert(call.name.clone(), outcome).is_none(), "two calls `{}`", call.name);
    }
    assert_eq!(client.close(), Vec::<Value>::new(), "messages that belong to no call");
    drop(backing);
    Some(outcomes)
}

fn outcome(client: &mut Stdio_, call: &Call, known: &[(&str, &str)]) -> Value {
    let mut arguments = Value::Object(call.arguments.clone());
    if let Some(length) = call.long {
        arguments["value"] = "0123456789".repeat(length / 10).into();
    }
    let arguments = known.iter().fold(arguments.to_string(), |text, (path, name)| text.replace(name, path));
    let arguments: Value = serde_json::from_str(&arguments).unwrap();
    // A busy machine may need longer to start Python than the tool may take; then it is tried again.
    for _ in 0..4 {
        let outcome = one_call(client, call, &arguments);
        let failure = &outcome["result"]["_meta"]["omni/failure"];
        let starved = failure["kind"].as_str().is_some_and(|kind| kind.starts_with("timeout"))
            && failure["phase"] != "started";
        if !starved {
            return outcome;
        }
    }
    panic!("{}: the time limit struck before it ran, four times", call.name);
}

fn one_call(client: &mut Stdio_, call: &Call, arguments: &Value) -> Value {
    let id = json!(call.name);
    let tool = format!("suite.{}", call.tool);
    client.send(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": {"progressToken": call.name}}}));
    let mut events = Vec::new();
    loop {
        let message = client.next_within(PATIENCE).unwrap_or_else(|why| panic!("{}: {why}", call.name));
        if message.get("id") == Some(&id) {
            let mut outcome = json!({"events": events});
            for member in ["result", "error"] {
                if let Some(value) = message.get(member) {
                    outcome[member] = value.clone();
                }
            }
            // Which is what it is when nobody says it.
            if outcome["result"]["isError"] == false {
                remove(&mut outcome, "/result/isError");
            }
            return outcome;
        }
        if !is_dump(&message, &events) {
            events.push(json!({"method": message["method"], "params": message["params"]}));
        }
        if call.cancel {
            client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": {"requestId": id, "reason": "the suite says so"}}));
            // Whatever came for it would stand before this answer, or be left over at the end.
            assert!(client.request("ping", json!({})).get("result").is_some());
            return json!({"events": events, "cancelled": true});
        }
    }
}

/// Whether it is a further line of what Python prints when it crashes: addresses and our own frames.
fn is_dump(message: &Value, events: &[Value]) -> bool {
    let of_stderr = message["params"]["logger"] == "stderr";
    let crashed =
        |event: &Value| event["params"]["data"].as_str().is_some_and(|data| data.starts_with("Fatal Python"));
    of_stderr && events.last().is_some_and(crashed)
}

/// Takes out what is another in each run, and shortens what is long.
fn normalise(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(elapsed) = members.get_mut("elapsed_ms") {
                *elapsed = json!("some");
            }
            members.values_mut().for_each(normalise);
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        // The stacks that Python dumps have addresses in them, and each version has its own form.
        Value::String(text) if text.contains("\n\nCurrent thread") => {
            text.truncate(text.find("\n\nCurrent thread").unwrap_or_default());
        }
        Value::String(text) if text.len() > 2_000 => {
            // FNV-1a: enough to see a difference.
            let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            *text = format!("{} characters, {hash:016x}", text.chars().count());
        }
        _ => {}
    }
}

fn remove(value: &mut Value, pointer: &str) {
    let Some((parent, member)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(members)) = value.pointer_mut(parent) {
        members.remove(&member.replace("~1", "/"));
    }
}

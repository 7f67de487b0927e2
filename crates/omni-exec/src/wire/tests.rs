use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{Answer, Ask, Call, OutcomeKind};
use omni_call::{
    AskRefusal, CallId, CallOrigin, CallRequest, CompletionReference, CompletionRequest, Deadline,
    FunctionKind, LogLevel, PythonTarget, RunSpec, Wants,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::from_worker::BeatFrame;
use super::to_worker::push_number;
use super::*;

const LIMIT: usize = 1 << 20;

fn call(arguments: &'static str, session: &str) -> Call {
    Call {
        id: CallId(u64::MAX - 1),
        spec: Arc::new(RunSpec::new(
            "notes",
            "save",
            PythonTarget::new("/skills/notes", "scripts/notes.py", "save"),
        )),
        request: CallRequest::tool(arguments),
        deadline: Deadline::new(Instant::now(), None, Some(Duration::from_millis(1500))),
        wants: Wants { progress: true, log: Some(LogLevel::Info) },
        session: session.into(),
        affinity: None,
        origin: None,
        parent: None,
    }
}

fn body(frame: &[u8]) -> &[u8] {
    let length = body_length(frame, LIMIT).unwrap().unwrap();
    assert_eq!(frame.len(), header_length() + length, "the header counts the body");
    &frame[header_length()..]
}

#[test]
fn a_call_frame_carries_target_and_arguments_byte_for_byte() {
    let mut out = Vec::new();
    let arguments = "{ \"text\" : \"a\\u00e9\", \"n\": 1.0 }";
    let call = call(arguments, "s-1");
    push_call(
        &mut out,
        &call,
        DispatchInfo { id: call.id.0, info: AttemptInfo::of(&call, 2), now: Instant::now() },
    );
    let text = std::str::from_utf8(body(&out)).unwrap();
    assert!(text.contains(&format!("\"args\":{arguments},")), "{text}");
    assert!(text.contains(call.spec.worker_target()), "{text}");
    let frame: Value = serde_json::from_str(text).unwrap();
    assert_eq!(frame["call"]["id"], json!(u64::MAX - 1));
    assert_eq!(frame["call"]["deadline_ms"], Value::Null);
    assert_eq!(frame["call"]["idle_ms"], 1500);
    assert_eq!(frame["call"]["attempt"], 2);
    assert_eq!(frame["call"]["context"], json!({"progress": true, "log": "info", "session": "s-1"}));
}

#[test]
fn a_session_name_with_any_characters_stays_a_json_string() {
    for session in ["", "a\"b\\c", "é\u{1}\n", "\u{7f}"] {
        let mut out = Vec::new();
        let call = call("{}", session);
        push_call(
            &mut out,
            &call,
            DispatchInfo { id: 7, info: AttemptInfo::of(&call, 1), now: Instant::now() },
        );
        let frame: Value = serde_json::from_slice(body(&out)).unwrap();
        assert_eq!(frame["call"]["context"]["session"], session);
    }
}

#[test]
fn a_result_is_taken_over_raw() {
    let frame = r#"{"result":{"id":7,"content":[ {"type":"text","text":"x"} ],"structured":{"a":1.50}}}"#;
    let WorkerMessage::Result(result) = decode(frame.as_bytes()).unwrap() else { panic!("not a result") };
    assert_eq!(result.content.bytes(), br#"[ {"type":"text","text":"x"} ]"#);
    assert_eq!(result.structured.unwrap().bytes(), br#"{"a":1.50}"#);
    assert!(result.meta.is_none() && !result.is_error);
}

#[test]
fn unknown_types_and_fields_are_passed_over() {
    assert!(matches!(decode(br#"{"later":{"x":[1,{}]}}"#).unwrap(), WorkerMessage::Unknown));
    assert!(matches!(
        decode(br#"{"beat":{"id":3,"later":[]}}"#).unwrap(),
        WorkerMessage::Beat(BeatFrame { id: 3, .. })
    ));
}

#[test]
fn what_is_no_frame_is_a_fault() {
    let faulty: [&[u8]; 18] = [
        b"",
        b"[]",
        b"{}",
        b"null",
        br#"{"beat":{"id":1},"result":{}}"#,
        br#"{"beat":{}}"#,
        br#"{"beat":{"id":-1}}"#,
        br#"{"beat":{"id":1}} x"#,
        br#"{"result":{"id":1,"content":{}}}"#,
        br#"{"result":{"id":1,"content":[NaN]}}"#,
        br#"{"result":{"id":1,"content":[],"meta":[]}}"#,
        br#"{"result":{"id":1,"content":[],"tainted":{}}}"#,
        b"{\"result\":{\"id\":1,\"content\":[\n]}}",
        br#"{"ask":{"id":1,"ask":1,"method":"roots/list","params":[]}}"#,
        br#"{"ask":{"id":1,"ask":1,"method":"roots/list"}}"#,
        br#"{"ask":{"id":1,"method":"roots/list","params":{}}}"#,
        br#"{"ask":{"id":1,"ask":-1,"method":"roots/list","params":{}}}"#,
        br#"{"retract":{"id":1}}"#,
    ];
    for frame in faulty {
        assert!(decode(frame).is_err(), "{}", String::from_utf8_lossy(frame));
    }
    assert!(decode(b"{\"log\":{\"id\":1,\"level\":\"info\",\"data\":\"\xff\"}}").is_err());
}

#[test]
fn a_frame_larger_than_allowed_is_refused_by_its_header() {
    assert!(matches!(
        body_length(&u32::MAX.to_le_bytes(), LIMIT),
        Err(WireError::TooLong { limit: LIMIT, .. })
    ));
    assert_eq!(body_length(&[1, 0, 0], LIMIT).unwrap(), None);
    assert_eq!(body_length(&1_048_576_u32.to_le_bytes(), LIMIT).unwrap(), Some(LIMIT));
}

#[test]
fn numbers_are_written_as_they_are_read() {
    for number in [0, 9, 10, 1_234_567_890, u64::MAX] {
        let mut out = Vec::new();
        push_number(&mut out, number);
        assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
    }
}

/// One line of the cases that Python's side is held to as well.
#[derive(Deserialize)]
struct Case {
    name: String,
    direction: String,
    bytes_hex: String,
    frame: Option<Value>,
    error: Option<String>,
    #[serde(default)]
    ignored: bool,
    frame_bytes_max: Option<usize>,
    /// The key that the frame should come with.
    key: Option<String>,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        unhex(&self.bytes_hex)
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn shared_cases(direction: &str) -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../conformance/wire-cases.jsonl");
    let cases = std::fs::read_to_string(path).unwrap();
    let cases: Vec<Case> = cases.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.direction == direction).collect();
    assert!(cases.len() > 10, "the file has cases of both directions");
    cases
}

#[test]
fn frames_up_are_read_as_the_shared_cases_say() {
    for case in shared_cases("up") {
        let (name, bytes) = (&case.name, case.bytes());
        let key: Option<FrameKey> = case.key.as_deref().map(|key| unhex(key).try_into().unwrap());
        let Ok(behind) = after_key(&bytes, key.as_ref()) else {
            assert_eq!(case.error.as_deref(), Some("foreign"), "{name}");
            continue;
        };
        let bytes = behind.unwrap_or_default().to_vec();
        let length = match body_length(&bytes, case.frame_bytes_max.unwrap_or(LIMIT)) {
            Ok(Some(length)) if bytes.len() >= header_length() + length => length,
            Ok(_) => {
                assert_eq!(case.error.as_deref(), Some("truncated"), "{name}");
                continue;
            }
            Err(_) => {
                assert_eq!(case.error.as_deref(), Some("too_long"), "{name}");
                continue;
            }
        };
        let body = Bytes::copy_from_slice(&bytes[header_length()..header_length() + length]);
        match (decode(&body), decode_large(&body)) {
            (Ok(read), Ok(large)) => assert_eq!(as_value(&read), as_value(&large), "{name}"),
            (read, large) => assert_eq!(read.is_err(), large.is_err(), "{name}"),
        }
        match (decode(&body), &case.frame) {
            (Err(_), None) => assert!(case.error.is_some(), "{name}"),
            (Ok(WorkerMessage::Unknown), Some(_)) => assert!(case.ignored, "{name}"),
            (Ok(up), Some(frame)) => assert_eq!(&as_value(&up), frame, "{name}"),
            (read, _) => panic!("{name}: {read:?}"),
        }
    }
}

/// What was read, spelled as a frame again; members that may be absent are left out when they are.
fn as_value(up: &WorkerMessage<'_>) -> Value {
    let value = |raw: &JsonPart<'_>| serde_json::from_slice::<Value>(raw.bytes()).unwrap();
    match up {
        WorkerMessage::Ready(ready) => {
            json!({"ready": {"proto": ready.proto, "python": "3.11.7", "pid": 123}})
        }
        WorkerMessage::Started(named) => json!({"started": {"id": named.id}}),
        WorkerMessage::Skipped(named) => json!({"skipped": {"id": named.id}}),
        WorkerMessage::Stale(stale) => json!({"stale": {"id": stale.id, "digest": stale.digest}}),
        WorkerMessage::Beat(BeatFrame { id, note: None }) => json!({"beat": {"id": id}}),
        WorkerMessage::Beat(BeatFrame { id, note }) => json!({"beat": {"id": id, "note": note}}),
        WorkerMessage::Progress(p) => {
            json!({"progress": {"id": p.id, "value": p.value, "total": p.total, "message": p.message}})
        }
        WorkerMessage::Log(log) => json!({
            "log": {"id": log.id, "level": log.level, "logger": log.logger, "data": value(&log.data)}
        }),
        WorkerMessage::Output(output) => {
            let mut members = json!({"id": output.id, "stream": output.stream, "text": output.text});
            if output.left_out > 0 {
                members["left_out"] = output.left_out.into();
            }
            json!({ "output": members })
        }
        WorkerMessage::Ask(ask) => {
            let (method, params) = (&ask.method, value(&ask.params));
            let mut members = json!({"id": ask.id, "ask": ask.ask, "method": method, "params": params});
            if let Some(key) = &ask.key {
                members["key"] = (**key).into();
            }
            json!({ "ask": members })
        }
        WorkerMessage::Show(named) => json!({"show": {"id": named.id, "name": named.name}}),
        WorkerMessage::Hide(named) => json!({"hide": {"id": named.id, "name": named.name}}),
        WorkerMessage::ResourceUpdated(updated) => {
            json!({"resource_updated": {"id": updated.id, "uri": updated.uri}})
        }
        WorkerMessage::Retract(asked) => json!({"retract": {"id": asked.id, "ask": asked.ask}}),
        WorkerMessage::Result(result) => {
            let mut members = json!({"id": result.id, "content": value(&result.content)});
            if let Some(structured) = &result.structured {
                members["structured"] = value(structured);
            }
            if let Some(meta) = &result.meta {
                members["meta"] = value(meta);
            }
            if result.is_error {
                members["is_error"] = true.into();
            }
            if let Some(description) = &result.description {
                members["description"] = description.as_ref().into();
            }
            if let Some(total) = result.total {
                members["total"] = total.into();
            }
            if let Some(has_more) = result.has_more {
                members["has_more"] = has_more.into();
            }
            if result.printed {
                members["printed"] = true.into();
            }
            if let Some(tainted) = &result.tainted {
                members["tainted"] = value(tainted);
            }
            json!({ "result": members })
        }
        WorkerMessage::Error(error) => {
            let kind = match error.kind {
                ErrorKind::ToolError => "tool_error",
                ErrorKind::McpError => "mcp_error",
                ErrorKind::BadResult => "bad_result",
                ErrorKind::LoadError => "load_error",
                ErrorKind::Cancelled => "cancelled",
                ErrorKind::Exited => "exited",
                ErrorKind::OutputLimit => "output_limit",
                ErrorKind::InvalidArguments => "invalid_arguments",
                ErrorKind::NotFound => "not_found",
            };
            let mut members = json!({
                "id": error.id, "kind": kind, "class": error.class, "message": error.message,
                "location": error.location, "intended": error.intended, "traceback": error.traceback,
            });
            if !error.bases.is_empty() {
                members["bases"] = error.bases.clone().into();
            }
            if let Some(capability) = &error.capability {
                members["capability"] = capability.capability().into();
            }
            if let Some(code) = error.code {
                members["code"] = code.into();
            }
            if let Some(data) = &error.data {
                members["data"] = serde_json::from_str(data.get()).unwrap();
            }
            if let Some(tainted) = &error.tainted {
                members["tainted"] = serde_json::from_str(tainted.get()).unwrap();
            }
            json!({ "error": members })
        }
        WorkerMessage::Unknown => Value::Null,
    }
}

#[test]
fn calls_are_written_as_the_shared_cases_say() {
    let mut calls = 0;
    for case in shared_cases("down") {
        let Some(frame) = case.frame.as_ref().and_then(|frame| frame.get("call")) else { continue };
        let bytes = case.bytes();
        let now = Instant::now();
        let call = call_from(frame, &bytes[header_length()..], now);
        let mut out = Vec::new();
        let context = &frame["context"];
        let attempt = u32::try_from(frame["attempt"].as_u64().unwrap()).unwrap();
        push_call(
            &mut out,
            &call,
            DispatchInfo {
                id: call.id.0,
                info: AttemptInfo { attempt, asks: context["asks"] != false },
                now,
            },
        );
        assert_eq!(
            String::from_utf8_lossy(&out[header_length()..]),
            String::from_utf8_lossy(&bytes[header_length()..]),
            "{}",
            case.name
        );
        assert_eq!(out, bytes, "{}", case.name);
        calls += 1;
    }
    assert!(calls > 0);
}

/// The call that a frame describes, its arguments spelled as in `body`.
fn call_from(frame: &Value, body: &[u8], now: Instant) -> Call {
    #[derive(Deserialize)]
    struct Down<'a> {
        #[serde(borrow)]
        call: DownCall<'a>,
    }
    #[derive(Deserialize)]
    struct DownCall<'a> {
        #[serde(borrow)]
        args: &'a RawValue,
        #[serde(borrow)]
        context: DownContext<'a>,
    }
    #[derive(Deserialize)]
    struct DownContext<'a> {
        request: Option<Box<str>>,
        #[serde(borrow)]
        client: Option<&'a RawValue>,
    }
    let down: Down<'_> = serde_json::from_slice(body).unwrap();
    let target = &frame["target"];
    let text = |member: &str| target[member].as_str().unwrap();
    let millis = |member: &str| frame[member].as_u64().map(Duration::from_millis);
    let (skill, command) = text("tool").split_once('.').unwrap();
    let kind: FunctionKind =
        target.get("kind").map(|kind| serde_json::from_value(kind.clone()).unwrap()).unwrap_or_default();
    let python = PythonTarget {
        kind,
        mime_type: target["mime_type"].as_str().map(str::to_owned),
        wrap_result: target["wrap"].as_bool().unwrap(),
        inject: serde_json::from_value(target["inject"].clone()).unwrap(),
        ..PythonTarget::new(text("dir"), text("file"), text("function"))
    };
    let mut spec = RunSpec::new(skill, command, python);
    spec.structured = target["structured"].as_bool().unwrap();
    let context = &frame["context"];
    Call {
        id: CallId(frame["id"].as_u64().unwrap()),
        spec: Arc::new(spec),
        request: request(kind, frame, down.call.args.get()),
        deadline: Deadline::new(now, millis("deadline_ms"), millis("idle_ms")),
        wants: Wants {
            progress: context["progress"].as_bool().unwrap(),
            log: context["log"].as_str().map(|level| level.parse().unwrap()),
        },
        session: context["session"].as_str().unwrap().into(),
        affinity: None,
        origin: down
            .call
            .context
            .request
            .zip(down.call.context.client)
            .map(|(request_id, client)| Arc::new(CallOrigin { request_id, client: client.get().into() })),
        parent: None,
    }
}

/// What the call of a frame asks for, whose arguments are spelled like this.
fn request(kind: FunctionKind, frame: &Value, arguments: &str) -> CallRequest {
    let bytes = Bytes::copy_from_slice(arguments.as_bytes());
    match kind {
        FunctionKind::Tool => CallRequest::tool(bytes),
        FunctionKind::Resource => {
            CallRequest::Resource { uri: frame["uri"].as_str().unwrap().into(), arguments: bytes }
        }
        FunctionKind::Prompt => CallRequest::Prompt { name: "review".into(), arguments: Some(bytes) },
        FunctionKind::Completion => {
            let given = &frame["args"];
            CallRequest::Completion(Box::new(CompletionRequest {
                reference: CompletionReference::Prompt { name: "review".to_owned() },
                argument: "language".to_owned(),
                value: given["value"].as_str().unwrap().to_owned(),
                context: given.get("context").map(|known| known.to_string().into()),
            }))
        }
    }
}

#[test]
fn a_greeting_and_a_cancellation_are_written_as_the_shared_cases_say() {
    for case in shared_cases("down").iter().filter(|case| case.error.is_none()) {
        let frame = case.frame.as_ref().unwrap();
        let mut out = Vec::new();
        if let Some(hello) = frame.get("hello") {
            let mode = if hello["mode"] == "sync" { WorkerMode::Sync } else { WorkerMode::Async };
            let size = |member: &str| usize::try_from(hello[member].as_u64().unwrap()).unwrap();
            let hello = ServerHello {
                proto: PROTO,
                mode,
                page: hello["page"].as_bool().unwrap(),
                key: None,
                root: hello["root"].as_str().unwrap(),
                settings: hello["settings"].as_object().unwrap(),
                protected: &[],
                frame_bytes_max: size("frame_bytes_max"),
                result_bytes_max: size("result_bytes_max"),
                temp: None,
                temp_stays: false,
                stateful: false,
            };
            push_hello(&mut out, &hello).unwrap();
        } else if let Some(cancel) = frame.get("cancel").filter(|cancel| cancel.get("why").is_none()) {
            push_cancel(&mut out, cancel["id"].as_u64().unwrap());
        } else {
            continue;
        }
        assert_eq!(out, case.bytes(), "{}", case.name);
    }
}

#[test]
fn an_answer_is_written_as_the_shared_cases_say() {
    let mut answers = 0;
    for case in shared_cases("down").iter().filter(|case| case.error.is_none()) {
        let Some(frame) = case.frame.as_ref().and_then(|frame| frame.get("answer")) else { continue };
        let answer = match frame["refused"].as_str() {
            Some(why) => Answer::Refused {
                why: AskRefusal::from_name(why).unwrap(),
                message: frame["message"].as_str().unwrap().to_owned(),
            },
            None => Answer::Result(result_as_it_is_spelt(&case.bytes()[header_length()..])),
        };
        let mut out = Vec::new();
        push_answer(&mut out, frame["id"].as_u64().unwrap(), frame["ask"].as_u64().unwrap(), &answer);
        assert_eq!(out, case.bytes(), "{}", case.name);
        answers += 1;
    }
    assert!(answers >= 3);
}

fn result_as_it_is_spelt(body: &[u8]) -> Bytes {
    #[derive(Deserialize)]
    struct Down<'a> {
        #[serde(borrow)]
        answer: DownAnswer<'a>,
    }
    #[derive(Deserialize)]
    struct DownAnswer<'a> {
        #[serde(borrow)]
        result: &'a RawValue,
    }
    let down: Down<'_> = serde_json::from_slice(body).unwrap();
    Bytes::copy_from_slice(down.answer.result.get().as_bytes())
}

#[test]
fn a_question_larger_than_allowed_is_a_fault() {
    let ask = |bytes: usize| {
        let text = "x".repeat(bytes - r#"{"a":""}"#.len());
        format!(r#"{{"ask":{{"id":1,"ask":1,"method":"roots/list","params":{{"a":"{text}"}}}}}}"#)
    };
    assert!(matches!(decode(ask(Ask::BYTES_MAX).as_bytes()).unwrap(), WorkerMessage::Ask(_)));
    let larger = ask(Ask::BYTES_MAX + 1);
    let length = Ask::BYTES_MAX + 1;
    assert!(
        matches!(decode(larger.as_bytes()), Err(WireError::AskTooLong { length: given }) if given == length)
    );
}

#[test]
fn a_question_s_key_has_1_to_128_bytes() {
    let ask = |key: &str| {
        format!(r#"{{"ask":{{"id":1,"ask":1,"key":"{key}","method":"roots/list","params":{{}}}}}}"#)
    };
    for key in ["a", &"x".repeat(Ask::KEY_BYTES_MAX)] {
        assert!(matches!(decode(ask(key).as_bytes()).unwrap(), WorkerMessage::Ask(_)), "{key}");
    }
    for key in ["", &"x".repeat(Ask::KEY_BYTES_MAX + 1)] {
        assert!(
            matches!(decode(ask(key).as_bytes()), Err(WireError::AskKey { length }) if length == key.len()),
            "{key}"
        );
    }
}

#[test]
fn the_wires_numbers_are_those_of_python() {
    let shared = include_str!("../../../../conformance/shared.json");
    let shared: serde_json::Value = serde_json::from_str(shared).unwrap();
    let config = crate::ExecConfig::new("python3".into(), "/p".into(), "/l".into(), "/r".into());
    assert_eq!(shared["wire"]["proto"], PROTO);
    assert_eq!(shared["wire"]["ask_bytes_max"], Ask::BYTES_MAX);
    assert_eq!(shared["wire"]["error_data_bytes_max"], OutcomeKind::ERROR_DATA_BYTES_MAX);
    assert_eq!(shared["wire"]["ask_key_bytes_max"], Ask::KEY_BYTES_MAX);
    assert_eq!(shared["wire"]["answer_bytes_max"], Answer::BYTES_MAX);
    assert_eq!(shared["wire"]["asks_open_max"], Ask::OPEN_MAX);
    assert_eq!(shared["wire"]["frame_bytes_max"], config.frame_bytes_max);
    assert_eq!(shared["wire"]["result_bytes_max"], config.result_bytes_max);
    assert_eq!(
        shared["runner"]["body_bytes_max"], config.frame_bytes_max,
        "a runner takes what a worker takes"
    );
}

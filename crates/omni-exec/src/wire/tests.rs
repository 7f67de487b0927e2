use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use omni_call::{CallId, Deadline, LogLevel, RunSpec, Wants};
use serde_json::json;

use super::*;

const LIMIT: usize = 1 << 20;

fn call(arguments: &'static str, session: &str) -> Call {
    Call {
        id: CallId(u64::MAX - 1),
        spec: Arc::new(RunSpec::new("notes", "save", "/skills/notes".into(), "scripts/notes.py", "save")),
        arguments: Bytes::from_static(arguments.as_bytes()),
        deadline: Deadline::new(Instant::now(), None, Some(Duration::from_millis(1500))),
        wants: Wants { progress: true, log: Some(LogLevel::Info) },
        session: session.into(),
    }
}

fn body(frame: &[u8]) -> &[u8] {
    let length = body_length(frame, LIMIT).unwrap().unwrap();
    assert_eq!(frame.len(), HEADER + length, "the header counts the body");
    &frame[HEADER..]
}

#[test]
fn a_call_frame_carries_target_and_arguments_byte_for_byte() {
    let mut out = Vec::new();
    let arguments = "{ \"text\" : \"a\\u00e9\", \"n\": 1.0 }";
    let call = call(arguments, "s-1");
    push_call(&mut out, &call, Sending { attempt: 2, now: Instant::now() });
    let text = std::str::from_utf8(body(&out)).unwrap();
    assert!(text.contains(&format!("\"args\":{arguments},")), "{text}");
    assert!(text.contains(call.spec.target()), "{text}");
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
        push_call(&mut out, &call("{}", session), Sending { attempt: 1, now: Instant::now() });
        let frame: Value = serde_json::from_slice(body(&out)).unwrap();
        assert_eq!(frame["call"]["context"]["session"], session);
    }
}

#[test]
fn a_result_is_taken_over_raw() {
    let frame = r#"{"result":{"id":7,"content":[ {"type":"text","text":"x"} ],"structured":{"a":1.50}}}"#;
    let Up::Result(result) = decode(frame.as_bytes()).unwrap() else { panic!("not a result") };
    assert_eq!(result.content.get(), r#"[ {"type":"text","text":"x"} ]"#);
    assert_eq!(result.structured.unwrap().get(), r#"{"a":1.50}"#);
    assert!(result.meta.is_none() && !result.is_error);
}

#[test]
fn unknown_types_and_fields_are_passed_over() {
    assert!(matches!(decode(br#"{"later":{"x":[1,{}]}}"#).unwrap(), Up::Unknown));
    assert!(matches!(decode(br#"{"beat":{"id":3,"note":"new"}}"#).unwrap(), Up::Beat(Named { id: 3 })));
}

#[test]
fn what_is_no_frame_is_a_fault() {
    let faulty: [&[u8]; 12] = [
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
        b"{\"result\":{\"id\":1,\"content\":[\n]}}",
    ];
    for frame in faulty {
        assert!(decode(frame).is_err(), "{}", String::from_utf8_lossy(frame));
    }
    assert!(decode(b"{\"log\":{\"id\":1,\"level\":\"info\",\"data\":\"\xff\"}}").is_err());
}

#[test]
fn a_frame_larger_than_allowed_is_refused_by_its_header() {
    assert!(matches!(body_length(&u32::MAX.to_le_bytes(), LIMIT), Err(Fault::TooLong { limit: LIMIT, .. })));
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

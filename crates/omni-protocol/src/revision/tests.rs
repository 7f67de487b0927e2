use bytes::Bytes;
use omni_call::{CompletionReference, CompletionRequest};

use super::*;
use crate::message::{Id, RawNotification, RawRequest, Rejected};
use crate::request::{Action, ItemKind, Notification, Request};
use crate::{ErrorCode, RpcError};

fn request(method: &str, params: &str, session: Option<Revision>) -> Result<Request, Rejected> {
    let id = Id::parse(&Bytes::from_static(b"1")).unwrap();
    let params = (!params.is_empty()).then(|| Bytes::copy_from_slice(params.as_bytes()));
    Request::read(RawRequest { id, method: method.into(), params }, session)
}

fn code(result: Result<Request, Rejected>) -> i32 {
    result.expect_err("a refusal").error.code.number()
}

const MODERN: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

#[test]
fn every_legacy_revision_is_agreed_to_and_any_other_gets_the_newest() {
    let cases = [
        ("2024-11-05", Revision::V2024_11_05),
        ("2025-03-26", Revision::V2025_03_26),
        ("2025-06-18", Revision::V2025_06_18),
        ("2025-11-25", Revision::V2025_11_25),
        ("2026-07-28", Revision::V2025_11_25),
        ("2099-01-01", Revision::V2025_11_25),
    ];
    for (asked, expected) in cases {
        let params = format!(r#"{{"protocolVersion":"{asked}","clientInfo":{{"name":"c","version":"1"}}}}"#);
        let request = request("initialize", &params, None).unwrap();
        let Action::Initialize(initialize) = request.action else { panic!("not initialize") };
        assert_eq!(initialize.agreed, expected, "{asked}");
        assert_eq!(initialize.client.name, "c");
    }
}

#[test]
fn a_modern_request_is_modern_also_inside_a_legacy_session() {
    let params = format!("{{{MODERN}}}");
    let request = request("tools/list", &params, Some(Revision::V2025_06_18)).unwrap();
    assert_eq!(request.revision, Revision::V2026_07_28);
}

#[test]
fn refusals_carry_the_code_of_their_revision() {
    let without_capabilities = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
    let future = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2099-01-01","io.modelcontextprotocol/clientCapabilities":{}}}"#;
    let legacy_by_meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-06-18","io.modelcontextprotocol/clientCapabilities":{}}}"#;
    let session = Some(Revision::V2025_11_25);
    assert_eq!(code(request("tools/list", without_capabilities, None)), -32602);
    assert_eq!(code(request("tools/list", future, None)), -32022);
    assert_eq!(code(request("tools/list", legacy_by_meta, None)), -32022);
    assert_eq!(code(request("ping", &format!("{{{MODERN}}}"), None)), -32601);
    assert_eq!(code(request("tools/list", "", None)), -32602);
    assert_eq!(code(request("resources/subscribe", "", session)), -32602);
    assert_eq!(code(request("resources/unsubscribe", "{\"uri\":1}", session)), -32602);
    let in_modern = format!("{{{MODERN},\"uri\":\"a:b\"}}");
    assert_eq!(code(request("resources/subscribe", &in_modern, None)), -32601);
    assert_eq!(code(request("subscriptions/listen", "", session)), -32601);
    assert_eq!(code(request("server/discover", "", session)), -32601);
    assert_eq!(code(request("tools/call", "{}", session)), -32602);
    assert_eq!(code(request("tools/call", r#"{"name":"a","arguments":[1]}"#, session)), -32602);
    assert_eq!(code(request("tools/call", r#"{"name":7}"#, session)), -32602);
    assert_eq!(code(request("logging/setLevel", r#"{"level":"loud"}"#, session)), -32602);
    assert_eq!(code(request("tools/list", r#"{"_meta":{"progressToken":[1]}}"#, session)), -32602);
}

#[test]
fn modern_members_of_another_type_are_refused_and_legacy_ones_mean_nothing() {
    for (member, wrong) in [
        ("requestState", &["5", "null", "{}", "[\"a\"]", "true"][..]),
        ("inputResponses", &["5", "null", "\"a\"", "[]"]),
        ("_meta", &["5", "\"a\"", "[]"]),
        ("name", &["5", "{}", "[]", "true"]),
        ("cursor", &["5", "{}"]),
    ] {
        for value in wrong {
            let meta = if member == "_meta" { String::new() } else { format!(",{MODERN}") };
            let params = format!(r#"{{"{member}":{value}{meta}}}"#);
            assert_eq!(code(request("tools/list", &params, None)), -32602, "{params}");
        }
    }
    for (key, wrong) in [
        ("protocolVersion", &["5", "{}", "true"][..]),
        ("clientCapabilities", &["5", "null", "[]", "\"a\""]),
        ("clientInfo", &["5", "[1]", "\"a\"", r#"{"name":5}"#]),
        ("logLevel", &["5", "{}", "\"loud\"", "\"\""]),
    ] {
        for value in wrong {
            let mut members = MODERN.replacen(&format!("/{key}\""), &format!("/other-{key}\""), 1);
            members.truncate(members.len() - 1);
            let params = format!(r#"{{{members},"io.modelcontextprotocol/{key}":{value}}}}}"#);
            assert_eq!(code(request("tools/list", &params, None)), -32602, "{params}");
        }
    }
    for token in ["1.5", "1e3", "{}", "true", "null"] {
        let params = format!(r#"{{"_meta":{{"progressToken":{token}}}}}"#);
        let read = request("tools/list", &params, Some(Revision::V2025_11_25));
        assert_eq!(read.is_err(), token != "null", "{token}");
    }
    let legacy =
        request("tools/list", r#"{"requestState":5,"inputResponses":5}"#, Some(Revision::V2025_11_25));
    assert!(legacy.is_ok());
}

#[test]
fn a_retry_brings_its_state_and_the_answers_as_they_were_written() {
    let call = |members: &str| request("tools/call", &format!(r#"{{"name":"a"{members},{MODERN}}}"#), None);
    assert_eq!(call("").unwrap().meta.input_responses, None);
    // Without a state they are for what has not been asked yet.
    let early = call(r#","inputResponses":{"q1":{"x": 1}}"#).unwrap().meta;
    assert_eq!(early.input_responses, None);
    assert_eq!(early.early_answers, [("q1".to_owned(), Bytes::from_static(br#"{"x": 1}"#))]);
    let retry =
        call(r#","requestState":"a\u0062","inputResponses":{"q1":{"x": 1.0}}"#).unwrap().meta.input_responses;
    let retry = retry.expect("a retry");
    assert_eq!(retry.state, "ab");
    assert_eq!(retry.responses, [("q1".to_owned(), Bytes::from_static(br#"{"x": 1.0}"#))]);
    assert_eq!(call(r#","requestState":"a""#).unwrap().meta.input_responses.unwrap().responses, []);
    for wrong in ["5", "null", "[]", "\"accept\""] {
        for state in ["", r#","requestState":"a""#] {
            let refused = call(&format!(r#"{state},"inputResponses":{{"q1":{wrong}}}"#)).unwrap_err();
            assert_eq!(refused.error.message, "`params.inputResponses.q1` must be an object", "{wrong}");
        }
    }
    let legacy = r#"{"name":"a","requestState":"a","inputResponses":{"q1":{}}}"#;
    let legacy = request("tools/call", legacy, Some(Revision::V2025_11_25)).unwrap();
    assert_eq!(legacy.meta.input_responses, None);
}

#[test]
fn a_question_has_the_shape_of_the_clients_revision() {
    let shaped = |revision: Revision, params: &'static str| {
        let ask = omni_call::Ask { key: None, method: omni_call::AskMethod::Elicit, params: params.into() };
        String::from_utf8(revision.ask_params(&ask, b"\"a\"").to_vec()).unwrap()
    };
    let choices = concat!(
        r#"{"message":"m","requestedSchema":{"type":"object","title":"T","description":"D","properties":{"#,
        r#""a":{"type":"string","title":"A","oneOf":[{"const":"x","title":"X"},{"const":"y","title":"Y"}]}},"#,
        r#""required":["a"],"$schema":"s"}}"#
    );
    let listed = concat!(
        r#"{"message":"m","requestedSchema":{"type":"object","properties":{"#,
        r#""a":{"type":"string","title":"A","enum":["x","y"],"enumNames":["X","Y"]}},"required":["a"]}}"#
    );
    let stripped = concat!(
        r#"{"message":"m","requestedSchema":{"type":"object","properties":{"#,
        r#""a":{"type":"string","title":"A","oneOf":[{"const":"x","title":"X"},{"const":"y","title":"Y"}]}},"#,
        r#""required":["a"]}}"#
    );
    assert_eq!(shaped(Revision::V2025_06_18, choices), listed);
    assert_eq!(shaped(Revision::V2025_11_25, choices), stripped);
    assert_eq!(shaped(Revision::V2026_07_28, choices), choices);
    let chosen = concat!(
        r#"{"message":"m","requestedSchema":{"type":"object","properties":{"#,
        r#""a":{"type":"integer","description":"A","default":3},"b":{"type":"boolean","default":true},"#,
        r#""c":{"type":"string","default":"x"}}}}"#
    );
    let described = concat!(
        r#"{"message":"m","requestedSchema":{"type":"object","properties":{"#,
        r#""a":{"type":"integer","description":"A (default: 3)"},"b":{"type":"boolean","default":true},"#,
        r#""c":{"type":"string","description":"default: x"}}}}"#
    );
    assert_eq!(shaped(Revision::V2025_06_18, chosen), described);
    assert_eq!(shaped(Revision::V2025_11_25, chosen), chosen);
    let (form, page) = (r#"{"mode":"form","message":"m"}"#, r#"{"mode":"url","url":"https://a"}"#);
    assert_eq!(shaped(Revision::V2025_06_18, form), r#"{"message":"m"}"#);
    assert_eq!(shaped(Revision::V2025_11_25, form), form);
    assert_eq!(
        shaped(Revision::V2025_11_25, page),
        r#"{"mode":"url","url":"https://a","elicitationId":"a"}"#
    );
    let named = r#"{"mode":"url","url":"https://a","elicitationId":"b"}"#;
    assert_eq!(shaped(Revision::V2025_11_25, named), named);
    assert_eq!(shaped(Revision::V2026_07_28, page), page);
}

#[test]
fn what_a_client_may_be_asked_is_kept_in_both_eras() {
    let hello =
        r#"{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"c"}}"#;
    let Action::Initialize(initialize) = request("initialize", hello, None).unwrap().action else { panic!() };
    let form = crate::ClientCapabilities::read(r#"{"elicitation":{}}"#);
    assert_eq!(initialize.capabilities, form);
    let members = MODERN.replace(r#"clientCapabilities":{}"#, r#"clientCapabilities":{"elicitation":{}}"#);
    assert_ne!(members, MODERN);
    let read = request("tools/list", &format!("{{{members}}}"), None).unwrap();
    assert_eq!(read.meta.capabilities, form);
}

#[test]
fn a_modern_request_never_asks_for_its_session() {
    let raw = |params: String| RawRequest {
        id: Id::parse(&Bytes::from_static(b"1")).unwrap(),
        method: "tools/list".into(),
        params: Some(params.into()),
    };
    let none = || Err(RpcError::new(ErrorCode::UnknownSession, "no such session"));
    assert!(Request::read_in(raw(format!("{{{MODERN}}}")), none).is_ok());
    let refused = Request::read_in(raw("{}".into()), none).expect_err("it has none");
    assert_eq!(refused.error.code, ErrorCode::UnknownSession);
}

#[test]
fn arguments_and_progress_token_come_through_byte_for_byte() {
    let params = r#"{"name":"a.b","arguments":{"x": 1.0},"_meta":{"progressToken":"t\u0031","other":1}}"#;
    let request = request("tools/call", params, Some(Revision::V2025_11_25)).unwrap();
    assert_eq!(request.meta.progress_token.as_deref(), Some(br#""t\u0031""#.as_slice()));
    let Action::CallTool(call) = request.action else { panic!("no call") };
    assert_eq!(call.arguments.as_deref(), Some(br#"{"x": 1.0}"#.as_slice()));
}

#[test]
fn unknown_metadata_of_coding_agents_passes() {
    let params = r#"{"name":"a","_meta":{"claudecode/toolUseId":"x","threadId":7,"progressToken":3}}"#;
    assert!(request("tools/call", params, Some(Revision::V2025_11_25)).is_ok());
}

#[test]
fn a_cancellation_names_its_request() {
    let raw = |params: &str| RawNotification {
        method: "notifications/cancelled".into(),
        params: Some(Bytes::copy_from_slice(params.as_bytes())),
    };
    let Notification::Cancelled(cancelled) =
        Notification::read(&raw(r#"{"requestId":"a","reason":"bored"}"#))
    else {
        panic!("not a cancellation")
    };
    assert_eq!(cancelled.request.as_json(), b"\"a\"");
    assert_eq!(cancelled.reason.as_deref(), Some("bored"));
    assert_eq!(Notification::read(&raw(r#"{"requestId":null}"#)), Notification::Other);
}

#[test]
fn resources_and_prompts_are_read_alike_in_both_eras() {
    let session = Some(Revision::V2024_11_05);
    let both = |method: &str, params: &str| {
        let modern = format!("{{{MODERN}{}{params}}}", if params.is_empty() { "" } else { "," });
        let legacy = request(method, &format!("{{{params}}}"), session).map(|request| request.action);
        let modern = request(method, &modern, None).map(|request| request.action);
        [legacy, modern].map(|read| read.map_err(|rejected| rejected.error.code.number()))
    };
    for (method, kind) in [
        ("resources/list", ItemKind::Resource),
        ("resources/templates/list", ItemKind::ResourceTemplate),
        ("prompts/list", ItemKind::Prompt),
    ] {
        for read in both(method, r#""cursor":"c""#) {
            assert!(
                matches!(&read, Ok(Action::List { kind: read, cursor: Some(_) }) if *read == kind),
                "{read:?}"
            );
        }
    }
    for read in both("resources/read", r#""uri":"a:\u0062""#) {
        assert!(matches!(&read, Ok(Action::ReadResource { uri }) if uri == "a:b"), "{read:?}");
    }
    for read in both("prompts/get", r#""name":"p","arguments":{"x": "1"}"#) {
        let Ok(Action::GetPrompt(prompt)) = read else { panic!("{read:?}") };
        assert_eq!(prompt.arguments.as_deref(), Some(br#"{"x": "1"}"#.as_slice()));
    }
    for (method, params) in [
        ("resources/read", ""),
        ("resources/read", r#""uri":5"#),
        ("prompts/get", ""),
        ("prompts/get", r#""name":"p","arguments":[]"#),
        ("prompts/get", r#""name":"p","arguments":{"x":1}"#),
    ] {
        for read in both(method, params) {
            assert_eq!(read.err(), Some(-32602), "{method} {params}");
        }
    }
}

#[test]
fn an_unknown_resource_has_a_code_of_its_own_only_in_the_legacy_era() {
    for (revision, code) in [
        (Revision::V2024_11_05, -32002),
        (Revision::V2025_03_26, -32002),
        (Revision::V2025_06_18, -32002),
        (Revision::V2025_11_25, -32002),
        (Revision::V2026_07_28, -32602),
    ] {
        let error = RpcError::resource_not_found(revision, "a:b", "no");
        assert_eq!(error.code.number(), code, "{revision:?}");
        assert_eq!(error.data.unwrap()["uri"], "a:b");
    }
}

#[test]
fn a_subscription_says_what_it_wants_to_hear_of() {
    let listen = |filter: &str| {
        let params = format!(r#"{{{MODERN},"notifications":{filter}}}"#);
        request("subscriptions/listen", &params, None).map(|request| request.action)
    };
    use crate::ListKind::{Prompts, Resources, Tools};
    for (filter, lists, resources) in [
        ("{}", &[][..], &[][..]),
        (
            r#"{"toolsListChanged":true,"resourceSubscriptions":["a:b","a:\u0063","a:b"],"later":1}"#,
            &[Tools],
            &["a:b", "a:c"],
        ),
        (r#"{"toolsListChanged":false,"promptsListChanged":true}"#, &[Prompts], &[]),
        (
            r#"{"promptsListChanged":true,"resourcesListChanged":true,"toolsListChanged":true}"#,
            &[Tools, Resources, Prompts],
            &[],
        ),
    ] {
        let Ok(Action::Listen(read)) = listen(filter) else { panic!("{filter} is refused") };
        assert_eq!(read.lists.iter().collect::<Vec<_>>(), lists, "{filter}");
        assert_eq!(read.resources, resources, "{filter}");
    }
    for wrong in [
        "null",
        "[]",
        r#"{"toolsListChanged":"yes"}"#,
        r#"{"promptsListChanged":1}"#,
        r#"{"resourceSubscriptions":"a:b"}"#,
        r#"{"resourceSubscriptions":[1]}"#,
    ] {
        assert_eq!(listen(wrong).err().map(|rejected| rejected.error.code.number()), Some(-32602), "{wrong}");
    }
    assert_eq!(code(request("subscriptions/listen", &format!("{{{MODERN}}}"), None)), -32602);
}

#[test]
fn what_a_peer_says_of_itself_is_cut_and_a_token_that_comes_back_often_is_bounded() {
    let long = "ä".repeat(100_000);
    let params = |text: String| Some(Bytes::from(text));
    let hello = format!(
        r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{{"name":"{long}","version":"{long}"}}}}"#
    );
    let id = Id::parse(&Bytes::from(format!("\"{long}\""))).unwrap();
    assert!(format!("{id:?}").len() < 200);
    let raw = RawRequest { id: id.clone(), method: "initialize".into(), params: params(hello) };
    let Ok(Request { action: Action::Initialize(initialize), .. }) = Request::read(raw, None) else {
        panic!("refused")
    };
    assert_eq!(
        (initialize.client.name.chars().count(), initialize.client.version.chars().count()),
        (129, 129)
    );
    let raw = RawRequest {
        id,
        method: long.clone().into(),
        params: params(format!(r#"{{"name":{{"{long}":1}}}}"#)),
    };
    let Err(rejected) = Request::read(raw, Some(Revision::NEWEST_LEGACY)) else { panic!("no such method") };
    assert!(rejected.error.message.chars().count() <= 4_001);
    let gone = RawNotification {
        method: "notifications/cancelled".into(),
        params: params(format!(r#"{{"requestId":1,"reason":"{long}"}}"#)),
    };
    let Notification::Cancelled(cancelled) = Notification::read(&gone) else { panic!("not read") };
    assert_eq!(cancelled.reason.map(|reason| reason.chars().count()), Some(201));
    let call = format!(r#"{{"name":"a","_meta":{{"progressToken":"{long}"}}}}"#);
    let raw = RawRequest {
        id: Id::parse(&Bytes::from_static(b"1")).unwrap(),
        method: "tools/call".into(),
        params: params(call),
    };
    let Err(rejected) = Request::read(raw, Some(Revision::NEWEST_LEGACY)) else { panic!("too long a token") };
    assert!(rejected.error.message.contains("1024 bytes"), "{}", rejected.error.message);
}

#[test]
fn what_is_to_be_completed_is_read_alike_in_every_revision() {
    let read = |params: &str, session: Option<Revision>| {
        let params = match session {
            None => format!("{{{MODERN},{params}}}"),
            Some(_) => format!("{{{params}}}"),
        };
        request("completion/complete", &params, session).map(|request| request.action)
    };
    let whole = r#""ref":{"type":"ref/prompt","name":"p","title":"P"},"argument":{"name":"a","value":"\u0062"},
        "context":{"arguments":{"x": "1"}}"#;
    let revisions = [
        (Some(Revision::V2024_11_05), false),
        (Some(Revision::V2025_03_26), false),
        (Some(Revision::V2025_06_18), true),
        (Some(Revision::V2025_11_25), true),
        (None, true),
    ];
    for (session, has_context) in revisions {
        let Ok(Action::Complete(completing)) = read(whole, session) else { panic!("{session:?}") };
        let expected = CompletionRequest {
            reference: CompletionReference::Prompt { name: "p".into() },
            argument: "a".into(),
            value: "b".into(),
            context: has_context.then(|| Bytes::from_static(br#"{"x": "1"}"#)),
        };
        assert_eq!(*completing, expected, "{session:?}");
        for context in ["", r#","context":null"#, r#","context":{}"#, r#","context":{"arguments":null}"#] {
            let params = format!(
                r#""ref":{{"type":"ref/resource","uri":"x:{{n}}"}},"argument":{{"name":"n","value":""}}{context}"#
            );
            let Ok(Action::Complete(completing)) = read(&params, session) else { panic!("{params}") };
            assert_eq!(completing.reference, CompletionReference::Resource { uri: "x:{n}".into() });
            assert_eq!((&*completing.value, completing.context), ("", None));
        }
    }
    let reference = r#""ref":{"type":"ref/prompt","name":"p"}"#;
    let argument = r#""argument":{"name":"a","value":"b"}"#;
    for (params, named) in [
        (argument.to_owned(), "params.ref"),
        (format!(r#""ref":"p",{argument}"#), "params.ref"),
        (format!(r#""ref":["ref/prompt","p"],{argument}"#), "params.ref"),
        (format!(r#""ref":{{"name":"p"}},{argument}"#), "type"),
        (format!(r#""ref":{{"type":"ref/tool","name":"p"}},{argument}"#), "`ref/tool`, not `ref/prompt`"),
        (format!(r#""ref":{{"type":"ref/prompt","uri":"p"}},{argument}"#), "params.ref.name"),
        (format!(r#""ref":{{"type":"ref/prompt","name":1}},{argument}"#), "params.ref"),
        (format!(r#""ref":{{"type":"ref/resource","name":"p"}},{argument}"#), "params.ref.uri"),
        (reference.to_owned(), "params.argument"),
        (format!(r#"{reference},"argument":["a","b"]"#), "params.argument"),
        (format!(r#"{reference},"argument":{{"name":"a"}}"#), "value"),
        (format!(r#"{reference},"argument":{{"name":"a","value":1}}"#), "params.argument"),
    ] {
        for (session, _) in revisions {
            let refused = read(&params, session).expect_err("a refusal").error;
            assert_eq!(refused.code.number(), -32602, "{params}");
            assert!(refused.message.contains(named), "{params}: {}", refused.message);
        }
    }
    for context in ["[]", "1", r#"{"arguments":[]}"#, r#"{"arguments":{"x":1}}"#] {
        for (session, has_context) in revisions {
            let read = read(&format!(r#"{reference},{argument},"context":{context}"#), session);
            let refused = read.err().map(|rejected| rejected.error.code.number());
            assert_eq!(refused, has_context.then_some(-32602), "{session:?} {context}");
        }
    }
    assert_eq!(code(request("completion/complete", &format!("{{{reference},{argument}}}"), None)), -32602);
}

use super::*;

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
    assert_eq!(code(request("resources/list", "", session)), -32601);
    assert_eq!(code(request("server/discover", "", session)), -32601);
    assert_eq!(code(request("tools/call", "{}", session)), -32602);
    assert_eq!(code(request("tools/call", r#"{"name":"a","arguments":[1]}"#, session)), -32602);
    assert_eq!(code(request("tools/call", r#"{"name":7}"#, session)), -32602);
    assert_eq!(code(request("logging/setLevel", r#"{"level":"loud"}"#, session)), -32602);
    assert_eq!(code(request("tools/list", r#"{"_meta":{"progressToken":[1]}}"#, session)), -32602);
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

//! Both halves against each other: what the client writes the server reads, and the other way round, in each revision.

use bytes::Bytes;
use omni_call::{
    Ask, AskMethod, CallResult, CompletionReference, CompletionRequest, Event, LogLevel, PromptMessages,
    ResourceContents, ToolResult,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::revision::{Era, Revision, StructuredContent};
use crate::{
    Action, AskedBy, CallTool, ClientCapabilities, ClientInfo, Encoder, ErrorCode, GetPrompt, Id,
    Implementation, Initialize, ItemKind, ListKind, Message, PeerError, Question, RawRequest, Request,
    RequestMeta, Response, RpcError, SubscriptionFilter, decode, error_frame,
};

const REVISIONS: [Revision; 5] = [
    Revision::V2024_11_05,
    Revision::V2025_03_26,
    Revision::V2025_06_18,
    Revision::V2025_11_25,
    Revision::V2026_07_28,
];

fn form() -> ClientCapabilities {
    ClientCapabilities::of(&[Question::ElicitForm])
}

fn initialize(agreed: Revision) -> Action {
    Action::Initialize(Initialize {
        agreed,
        client: ClientInfo::default(),
        capabilities: ClientCapabilities::default(),
    })
}

fn client() -> ClientEncoder {
    let client = Implementation { name: "c".into(), title: "C".into(), version: "1".into() };
    ClientEncoder::new(&client, form())
}

const PUBLIC: crate::ListCache = crate::ListCache { scope: crate::CacheScope::Public, is_settled: true };

const OFFERS: crate::ServerCapabilities = crate::ServerCapabilities {
    tasks: false,
    resources: true,
    subscribe: true,
    prompts: false,
    completions: true,
    skills: true,
    apps: true,
};

fn server() -> Encoder {
    let server = Implementation { name: "s".into(), title: "S".into(), version: "2".into() };
    Encoder::new(&server, ListKind::ALL.into_iter().collect())
}

fn id(text: &str) -> Id {
    Id::parse(&Bytes::copy_from_slice(text.as_bytes())).expect("an id")
}

fn json(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn request(frame: &Bytes) -> RawRequest {
    match decode(frame) {
        Ok(Message::Request(request)) => request,
        other => panic!("no request: {other:?}"),
    }
}

fn response(frame: crate::Frame) -> Response {
    match decode(&frame.into_bytes()) {
        Ok(Message::Response(response)) => response,
        other => panic!("no response: {other:?}"),
    }
}

fn result(frame: crate::Frame) -> Bytes {
    response(frame).result.expect("a result")
}

fn arguments() -> impl Strategy<Value = Option<Bytes>> {
    let text = "[ -~é\n]{0,12}";
    proptest::option::of(
        proptest::collection::btree_map(text, text, 0..4)
            .prop_map(|members| Bytes::from(serde_json::to_vec(&members).expect("an object"))),
    )
}

fn completing() -> impl Strategy<Value = Action> {
    let text = || "[ -~é\n]{0,12}".prop_map(String::from);
    let reference = prop_oneof![
        text().prop_map(|name| CompletionReference::Prompt { name }),
        text().prop_map(|uri| CompletionReference::Resource { uri }),
    ];
    (reference, text(), text(), arguments()).prop_map(|(reference, argument, value, context)| {
        Action::Complete(Box::new(CompletionRequest { reference, argument, value, context }))
    })
}

/// What an older revision has no words for, left out.
fn as_spoken(action: &Action, revision: Revision) -> Action {
    match action.clone() {
        Action::Complete(mut completing) if !revision.has_completion_context() => {
            completing.context = None;
            Action::Complete(completing)
        }
        other => other,
    }
}

fn action() -> impl Strategy<Value = Action> {
    let text = || "[ -~é\n]{0,12}".prop_map(String::from);
    let cursor = || proptest::option::of(text());
    let kind =
        prop_oneof![Just(ItemKind::Resource), Just(ItemKind::ResourceTemplate), Just(ItemKind::Prompt)];
    prop_oneof![
        Just(Action::Discover),
        Just(Action::Ping),
        cursor().prop_map(|cursor| Action::ListTools { cursor }),
        (text(), arguments()).prop_map(|(name, arguments)| Action::CallTool(CallTool { name, arguments })),
        (text(), arguments()).prop_map(|(name, arguments)| Action::GetPrompt(GetPrompt { name, arguments })),
        (0usize..8).prop_map(|n| Action::SetLogLevel(LogLevel::ALL[n])),
        (kind, cursor()).prop_map(|(kind, cursor)| Action::List { kind, cursor }),
        text().prop_map(|uri| Action::ReadResource { uri }),
        completing(),
        text().prop_map(|uri| Action::Subscribe { uri }),
        text().prop_map(|uri| Action::Unsubscribe { uri }),
        (proptest::sample::subsequence(&ListKind::ALL, 0..=3), proptest::collection::btree_set(text(), 0..3))
            .prop_map(|(lists, resources)| {
                let resources = resources.into_iter().collect();
                let (lists, tasks) = (lists.into_iter().collect(), vec!["t1".to_owned()]);
                Action::Listen(SubscriptionFilter { lists, resources, tasks })
            }),
        text().prop_map(|task| Action::GetTask { task }),
        text().prop_map(|task| Action::CancelTask { task }),
        text().prop_map(|task| Action::UpdateTask {
            task,
            responses: vec![("q\"1".to_owned(), Bytes::from_static(b"{\"a\":[1]}"))],
        }),
    ]
}

proptest! {
    #[test]
    fn what_the_client_asks_is_what_the_server_reads(
        action in action(),
        token in proptest::option::of(0u32..9),
        level in proptest::option::of(0usize..8),
        timing in any::<bool>(),
    ) {
        for revision in REVISIONS {
            let meta = RequestMeta {
                progress_token: token.map(|token| token.to_string().into()),
                log_level: level.map(|level| LogLevel::ALL[level]),
                timing,
                ..RequestMeta::default()
            };
            let Ok(outgoing) = client().request(revision, &id("7"), &action, &meta) else {
                prop_assert!(!revision.has_method(action.method()));
                continue;
            };
            prop_assert!(!outgoing.frame.contains(&b'\n'));
            let read = Request::read(request(&outgoing.frame), Some(revision)).expect("a request");
            prop_assert_eq!(read.revision, revision);
            prop_assert_eq!(read.id, id("7"));
            prop_assert_eq!(format!("{:?}", read.action), format!("{:?}", as_spoken(&action, revision)));
            prop_assert_eq!(read.meta.progress_token, meta.progress_token);
            prop_assert_eq!(read.meta.timing, timing);
            match revision.era() {
                Era::Legacy => prop_assert!(read.meta.client.is_none() && read.meta.log_level.is_none()),
                Era::Modern => {
                    prop_assert_eq!(read.meta.client, Some(ClientInfo { name: "c".into(), version: "1".into() }));
                    prop_assert_eq!(read.meta.log_level, meta.log_level);
                    prop_assert_eq!(read.meta.capabilities, form());
                }
            }
        }
    }
}

#[test]
fn a_handshake_asks_for_each_legacy_revision_and_gets_it() {
    for asked in REVISIONS.into_iter().filter(|revision| revision.has_sessions()) {
        let action = initialize(asked);
        let outgoing = client().request(asked, &id("0"), &action, &RequestMeta::default()).expect("spoken");
        assert_eq!(outgoing.headers, [], "nothing is agreed yet");
        let read = Request::read(request(&outgoing.frame), None).expect("a request");
        let Action::Initialize(initialize) = read.action else { panic!("not initialize") };
        assert_eq!(initialize.agreed, asked);
        assert_eq!(initialize.client.name, "c");

        let (mut negotiation, _) = Negotiation::begin(Some(Era::Legacy));
        let answer = ProbeAnswer::Result(result(server().initialize_result(
            &read.id,
            initialize.agreed,
            OFFERS,
            Some("be kind"),
        )));
        let NegotiationStep::Agreed(agreed) = negotiation.answered(Probe::Initialize(asked), answer) else {
            panic!("no agreement");
        };
        assert_eq!(agreed.revision, asked);
        assert_eq!((&*agreed.server.name, &*agreed.server.version), ("s", "2"));
        let offers = DeclaredCapabilities {
            tools: true,
            resources: true,
            prompts: false,
            completions: true,
            logging: true,
        };
        assert_eq!(agreed.server.offers, offers);
        assert_eq!(agreed.server.instructions.is_some(), asked != Revision::V2024_11_05);
    }
}

#[test]
fn a_client_declares_what_the_revision_has_a_question_for() {
    let declared = |revision| {
        let action = Action::ListTools { cursor: None };
        let initialize = initialize(revision);
        let action = if revision.has_sessions() { initialize } else { action };
        let outgoing =
            client().request(revision, &id("1"), &action, &RequestMeta::default()).expect("spoken");
        let params = serde_json::from_slice::<Value>(&outgoing.frame).expect("JSON")["params"].clone();
        let modern = params["_meta"]["io.modelcontextprotocol/clientCapabilities"].clone();
        if modern.is_null() { params["capabilities"].clone() } else { modern }
    };
    assert_eq!(declared(Revision::V2024_11_05), json!({}));
    assert_eq!(declared(Revision::V2025_03_26), json!({}));
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25, Revision::V2026_07_28] {
        assert_eq!(declared(revision), json!({"elicitation": {}}));
    }
}

#[test]
fn a_declaration_is_read_as_it_was_written() {
    for bits in 0..1u8 << Question::ALL.len() {
        let Some(declared) = ClientCapabilities::from_bits(bits) else { panic!("{bits}") };
        let read = ClientCapabilities::read(&declared.write(Revision::V2026_07_28).to_string());
        let asked = |question: &Question| {
            // The finer ones say nothing without the capability that they belong to.
            !matches!(question, Question::SampleTools | Question::SampleContext) || bits & 4 != 0
        };
        let expected: Vec<Question> = Question::ALL
            .into_iter()
            .filter(|question| bits & (1 << *question as u8) != 0)
            .filter(asked)
            .collect();
        assert_eq!(read, ClientCapabilities::of(&expected), "{declared:?}");
    }
}

#[test]
fn headers_say_what_the_body_says() {
    let call = Action::CallTool(CallTool { name: "dé".into(), arguments: None });
    let headers = |revision| {
        let outgoing = client().request(revision, &id("1"), &call, &RequestMeta::default()).expect("spoken");
        let pair = |header: Header| format!("{}: {}", header.name, header.value);
        outgoing.headers.into_iter().map(pair).collect::<Vec<_>>()
    };
    assert!(headers(Revision::V2024_11_05).is_empty() && headers(Revision::V2025_03_26).is_empty());
    assert_eq!(headers(Revision::V2025_06_18), ["MCP-Protocol-Version: 2025-06-18"]);
    assert_eq!(
        headers(Revision::V2026_07_28),
        ["MCP-Protocol-Version: 2026-07-28", "Mcp-Method: tools/call", "Mcp-Name: =?base64?ZMOp?="]
    );
}

#[test]
fn a_cancellation_names_the_request_in_each_revision() {
    for revision in REVISIONS {
        let outgoing = client().cancelled_notification(revision, &id("\"a\""), "enough");
        let Ok(Message::Notification(raw)) = decode(&outgoing.frame) else { panic!("no notification") };
        let expected = crate::Cancelled { request: id("\"a\""), reason: Some("enough".into()) };
        assert_eq!(crate::Notification::read(&raw), crate::Notification::Cancelled(expected));
        let Ok(Message::Notification(raw)) = decode(&client().initialized_notification(revision).frame)
        else {
            panic!("no notification")
        };
        assert_eq!(crate::Notification::read(&raw), crate::Notification::Initialized);
    }
}

#[test]
fn arguments_over_several_lines_stay_one_frame() {
    let arguments = Some(json("{\r\n  \"a\": \"x\\ny\"\n}"));
    let call = Action::CallTool(CallTool { name: "t".into(), arguments });
    let outgoing =
        client().request(Revision::V2025_11_25, &id("1"), &call, &RequestMeta::default()).expect("spoken");
    assert!(!outgoing.frame.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
    let Action::CallTool(read) =
        Request::read(request(&outgoing.frame), Some(Revision::V2025_11_25)).expect("a request").action
    else {
        panic!("no call")
    };
    let read: Value = serde_json::from_slice(&read.arguments.expect("arguments")).expect("JSON");
    assert_eq!(read, json!({"a": "x\ny"}));
}

/// What the server answers a call with.
fn called(revision: Revision, called: CallResult) -> Bytes {
    result(server().call_result(&id("1"), &revision.adapt(called)))
}

#[test]
fn results_come_back_as_the_server_wrote_them() {
    let content = json(r#"[{"type":"text","text":"{\"a\":1}"}]"#);
    let written = ToolResult {
        content: content.clone(),
        structured: Some(json(r#"{"a":1}"#)),
        meta: Some(json(r#"{"omni/kind":"k"}"#)),
        is_error: true,
    };
    for revision in REVISIONS {
        let raw = called(revision, written.clone().into());
        let Ok(RequestResult::Complete(read)) = read_tool_result(revision, &raw) else {
            panic!("{revision:?}")
        };
        assert_eq!((&read.content, read.is_error), (&content, true), "{revision:?}");
        assert_eq!(
            read.structured.is_some(),
            revision.structured_content() != StructuredContent::Absent,
            "{revision:?}"
        );
        let meta: Value = serde_json::from_slice(&read.meta.expect("meta")).expect("JSON");
        assert_eq!(meta["omni/kind"], "k");

        let tools = json(r#"[{"name":"a"},{"name":"b"}]"#);
        let page = result(server().list_tools_result(&id("1"), revision, tools, Some("next"), PUBLIC));
        let page = read_page("tools/list", "tools", &page).expect("a page");
        assert_eq!(page.items, [json(r#"{"name":"a"}"#), json(r#"{"name":"b"}"#)]);
        assert_eq!(page.next_cursor.as_deref(), Some("next"));
        for kind in [ItemKind::Resource, ItemKind::ResourceTemplate, ItemKind::Prompt] {
            let page = result(server().list_items_result(
                &id("1"),
                revision,
                kind,
                json(r#"[{"name":"a"}]"#),
                None,
                PUBLIC,
            ));
            let page = read_page("a list", kind.member(), &page).expect("a page");
            assert_eq!((page.items.len(), page.next_cursor), (1, None));
        }
        let contents =
            called(revision, CallResult::Resource(ResourceContents { contents: json("[{}]"), meta: None }));
        assert_eq!(read_contents(revision, &contents), Ok(RequestResult::Complete(json("[{}]"))));
        let prompt = called(
            revision,
            CallResult::Prompt(PromptMessages {
                description: Some("d".into()),
                messages: json("[]"),
                meta: None,
            }),
        );
        let expected = Prompt { description: Some("d".into()), messages: json("[]") };
        assert_eq!(read_prompt(revision, &prompt), Ok(RequestResult::Complete(expected)));
        let mut completion = omni_call::Completion::read(br#"{"values":["a","b"],"total":7,"hasMore":true}"#)
            .expect("a completion");
        completion.meta = Some(json(r#"{"a":1}"#));
        let written = called(revision, CallResult::Completion(completion.clone()));
        let read = read_completion(revision, &written).expect("a completion");
        assert_eq!(read.to_json(), completion.to_json(), "{revision:?}");
        let meta: Value = serde_json::from_slice(&read.meta.expect("meta")).expect("JSON");
        assert_eq!(meta["a"], 1);
    }
    let error = RpcError::new(ErrorCode::InvalidParams, "no such tool").with_data(json!({"a": 1}));
    let expected = PeerError { code: -32602, message: "no such tool".into(), data: Some(json(r#"{"a":1}"#)) };
    assert_eq!(response(error_frame(Some(&id("1")), &error)).result, Err(expected));
}

#[test]
fn notifications_come_back_as_the_server_wrote_them() {
    let read = |frame: crate::Frame| match decode(&frame.into_bytes()) {
        Ok(Message::Notification(raw)) => ServerNotification::read(&raw),
        other => panic!("no notification: {other:?}"),
    };
    for revision in REVISIONS {
        let progress = read(server().progress_notification(revision, b"\"t\"", 1.5, Some(3.0), Some("half")));
        let message = revision.has_progress_message().then(|| "half".to_owned());
        let event = Event::Progress { value: 1.5, total: Some(3.0), message };
        assert_eq!(progress, ServerNotification::Progress { token: json("\"t\""), event });
    }
    let event = Event::Log { level: LogLevel::Error, logger: Some("l".into()), data: json(r#"{"a":1}"#) };
    assert_eq!(
        read(server().log_notification(LogLevel::Error, Some("l"), br#"{"a":1}"#)),
        ServerNotification::Log(event)
    );
    assert_eq!(
        read(server().list_changed_notification(ListKind::Tools, None)),
        ServerNotification::ToolsChanged
    );
}

#[test]
fn results_of_others_are_read_with_what_they_leave_out_and_refused_where_they_are_none() {
    let revision = Revision::V2025_06_18;
    let empty = ToolResult { content: json("[]"), structured: None, meta: None, is_error: false };
    for text in
        ["{}", r#"{"content":[],"isError":null,"_meta":null,"extra":{"a":[1]}}"#, r#"{"resultType":"task"}"#]
    {
        assert_eq!(
            read_tool_result(revision, &json(text)),
            Ok(RequestResult::Complete(empty.clone())),
            "{text}"
        );
    }
    for text in ["[]", "7", "null", r#"{"content":{}}"#, r#"{"content":"text"}"#] {
        assert!(read_tool_result(revision, &json(text)).is_err(), "{text}");
    }
    let task = read_tool_result(Revision::V2026_07_28, &json(r#"{"resultType":"task"}"#));
    assert!(task.expect_err("a task").to_string().contains("`resultType` is `task`"));
    for text in ["[]", "{}", r#"{"completion":[]}"#, r#"{"completion":{"values":[1]}}"#] {
        assert!(read_completion(revision, &json(text)).is_err(), "{text}");
    }
    let asking = json(r#"{"resultType":"input_required","requestState":"s"}"#);
    let why = read_completion(Revision::V2026_07_28, &asking).expect_err("a question").to_string();
    assert!(why.contains("it may not"), "{why}");
    for text in [r#"{"tools":{}}"#, "{}", r#"{"tools":["a"]}"#] {
        assert!(read_page("tools/list", "tools", &json(text)).is_err(), "{text}");
    }
}

#[test]
fn questions_are_read_and_their_answers_go_back_with_the_state() {
    let text = r#"{"resultType":"input_required","requestState":"opaque","inputRequests":{
        "b":{"method":"elicitation/create","params":{"message":"who?"}},
        "a":{"method":"roots/list"}}}"#;
    let revision = Revision::V2026_07_28;
    let Ok(RequestResult::InputRequired(input)) = read_tool_result(revision, &json(text)) else {
        panic!("no questions")
    };
    let elicit = Ask { key: None, method: AskMethod::Elicit, params: json(r#"{"message":"who?"}"#) };
    let roots = Ask { key: None, method: AskMethod::ListRoots, params: json("{}") };
    assert_eq!(input.questions, [("b".to_owned(), elicit), ("a".to_owned(), roots)]);
    let resume =
        InputResponses { state: input.state, answers: vec![("b".into(), json(r#"{"action":"decline"}"#))] };
    let call = Action::CallTool(CallTool { name: "t".into(), arguments: None });
    let outgoing =
        client().retry_request(revision, &id("2"), &call, &RequestMeta::default(), &resume).expect("spoken");
    let params = serde_json::from_slice::<Value>(&outgoing.frame).expect("JSON")["params"].clone();
    assert_eq!(params["requestState"], "opaque");
    assert_eq!(params["inputResponses"], json!({"b": {"action": "decline"}}));
    let retry = Request::read(request(&outgoing.frame), None)
        .expect("a request")
        .meta
        .input_responses
        .expect("a retry");
    assert_eq!((retry.state, retry.responses), ("opaque".to_owned(), resume.answers));

    for wrong in [
        r#"{"resultType":"input_required"}"#,
        r#"{"resultType":"input_required","inputRequests":{"a":{"method":"files/read"}}}"#,
        r#"{"resultType":"input_required","inputRequests":[]}"#,
    ] {
        assert!(read_tool_result(revision, &json(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn what_the_server_asks_is_what_the_client_reads() {
    let ask = Ask { key: None, method: AskMethod::ListRoots, params: json("{}") };
    for revision in REVISIONS {
        match revision.asked_by() {
            AskedBy::Request => {
                let raw = request(&server().ask(&id("\"q\""), revision, &ask).into_bytes());
                assert_eq!((&raw.id, Incoming::read(&raw)), (&id("\"q\""), Incoming::Ask(ask.clone())));
            }
            AskedBy::InputRequired => {
                let asks = [("q1", &ask)];
                let raw = result(server().input_required(&id("1"), revision, asks.into_iter(), "state"));
                let expected = InputRequired {
                    questions: vec![("q1".into(), ask.clone())],
                    state: Some("state".into()),
                };
                assert_eq!(read_tool_result(revision, &raw), Ok(RequestResult::InputRequired(expected)));
            }
        }
    }
    let Ok(Message::Notification(raw)) =
        decode(&server().cancelled_notification(&id("\"q\""), "done").into_bytes())
    else {
        panic!("no notification")
    };
    assert_eq!(ServerNotification::read(&raw), ServerNotification::Cancelled(id("\"q\"")));
}

#[test]
fn a_server_may_ask_what_its_client_can_be_asked() {
    let read =
        |method: &str| Incoming::read(&RawRequest { id: id("1"), method: method.into(), params: None });
    assert_eq!(read("ping"), Incoming::Ping);
    let ask = Ask { key: None, method: AskMethod::Sample, params: json("{}") };
    assert_eq!(read("sampling/createMessage"), Incoming::Ask(ask));
    assert_eq!(read("tools/list"), Incoming::Unknown { method: "tools/list".into() });
    let answer = client().answer(Revision::V2025_11_25, &id("9"), &json("{}"));
    let Ok(Message::Response(answer)) = decode(&answer.frame) else { panic!("no response") };
    assert_eq!((answer.id, answer.result), (Some(id("9")), Ok(json("{}"))));
    let refusal = client().refusal(Revision::V2025_11_25, &id("9"), ErrorCode::MethodNotFound, "no");
    let Ok(Message::Response(refusal)) = decode(&refusal.frame) else { panic!("no response") };
    assert_eq!(refusal.result.expect_err("an error").code, -32601);
}

mod opening {
    use super::*;

    const DISCOVER: Probe = Probe::Discover(Revision::V2026_07_28);
    const INITIALIZE: Probe = Probe::Initialize(Revision::V2025_11_25);

    fn error(code: i64, data: &str) -> ProbeAnswer {
        let data = (!data.is_empty()).then(|| json(data));
        ProbeAnswer::Error(PeerError { code, message: "no".into(), data })
    }

    fn answer(text: &str) -> ProbeAnswer {
        ProbeAnswer::Result(json(text))
    }

    fn step(only: Option<Era>, probe: Probe, answer: ProbeAnswer) -> NegotiationStep {
        Negotiation::begin(only).0.answered(probe, answer)
    }

    fn failed(opening: NegotiationStep) -> NegotiationError {
        match opening {
            NegotiationStep::Failed(unopened) => unopened,
            other => panic!("no failure: {other:?}"),
        }
    }

    #[test]
    fn a_modern_server_is_agreed_with_at_once() {
        let result = result(server().discover_result(
            &id("1"),
            Revision::V2026_07_28,
            OFFERS,
            Some("be kind"),
            PUBLIC,
        ));
        let NegotiationStep::Agreed(agreed) = step(None, DISCOVER, ProbeAnswer::Result(result)) else {
            panic!("no agreement")
        };
        assert_eq!((agreed.revision, &*agreed.server.name), (Revision::V2026_07_28, "s"));
        assert!(agreed.server.offers.tools && agreed.server.offers.resources);
    }

    #[test]
    fn whatever_no_modern_server_says_leads_to_the_handshake() {
        for answer in [
            error(-32601, ""),
            error(-32602, ""),
            error(-32600, ""),
            error(0, ""),
            error(-32000, r#"{"supported":["2026-07-28"]}"#),
            answer("{}"),
            answer("7"),
            ProbeAnswer::None,
        ] {
            assert_eq!(step(None, DISCOVER, answer.clone()), NegotiationStep::Send(INITIALIZE), "{answer:?}");
            let modern = failed(step(Some(Era::Modern), DISCOVER, answer.clone()));
            assert!(matches!(modern, NegotiationError::NotMcp { .. }), "{answer:?}");
        }
    }

    #[test]
    fn what_only_a_modern_server_says_never_does() {
        for code in [-32020, -32021] {
            let refused = failed(step(None, DISCOVER, error(code, "")));
            assert_eq!(refused, NegotiationError::Refused { code, message: "no".into() });
        }
        let newer = error(-32022, r#"{"supported":["2099-01-01"],"requested":"2026-07-28"}"#);
        let NegotiationError::NoSharedVersion { theirs, ours } = failed(step(None, DISCOVER, newer)) else {
            panic!("shared")
        };
        assert_eq!(theirs, ["2099-01-01"]);
        assert_eq!(ours.len(), REVISIONS.len());
        // It refuses what it says it takes: asked once, not for ever.
        let same = error(-32022, r#"{"supported":["2026-07-28"]}"#);
        assert!(matches!(failed(step(None, DISCOVER, same)), NegotiationError::Refused { code: -32022, .. }));
    }

    #[test]
    fn a_server_of_both_eras_that_wants_another_version_gets_the_handshake_it_names() {
        let older = Probe::Initialize(Revision::V2025_06_18);
        let names = r#"{"supported":["2024-11-05","2025-06-18"]}"#;
        assert_eq!(step(None, DISCOVER, error(-32022, names)), NegotiationStep::Send(older));
        let discovered = answer(r#"{"supportedVersions":["2025-06-18"],"capabilities":{}}"#);
        assert_eq!(step(None, DISCOVER, discovered), NegotiationStep::Send(older));
        let older = error(-32602, r#"{"supported":["2024-11-05"],"requested":"2025-11-25"}"#);
        let expected = NegotiationStep::Send(Probe::Initialize(Revision::V2024_11_05));
        assert_eq!(step(Some(Era::Legacy), INITIALIZE, older), expected);
    }

    #[test]
    fn a_modern_server_that_was_slow_to_answer_is_asked_once_more() {
        let (mut negotiation, first) = Negotiation::begin(None);
        assert_eq!(negotiation.answered(first, ProbeAnswer::None), NegotiationStep::Send(INITIALIZE));
        let modern_only = error(-32022, r#"{"supported":["2026-07-28"]}"#);
        assert_eq!(negotiation.answered(INITIALIZE, modern_only.clone()), NegotiationStep::Send(DISCOVER));
        assert!(matches!(
            failed(negotiation.answered(INITIALIZE, modern_only)),
            NegotiationError::Refused { .. }
        ));
        // Its late answer to the first one is as good.
        let late = answer(r#"{"supportedVersions":["2026-07-28"],"capabilities":{}}"#);
        assert!(matches!(negotiation.answered(DISCOVER, late), NegotiationStep::Agreed(_)));
    }

    #[test]
    fn a_handshake_may_end_in_any_version_that_has_one_and_in_no_other() {
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let text = format!(r#"{{"protocolVersion":"{version}"}}"#);
            let NegotiationStep::Agreed(agreed) = step(None, INITIALIZE, answer(&text)) else {
                panic!("{version}")
            };
            assert_eq!(agreed.revision.name(), version);
            assert_eq!(agreed.server, ServerInfo::default(), "missing members are empty");
        }
        for version in ["2026-07-28", "2099-01-01", ""] {
            let text = format!(r#"{{"protocolVersion":"{version}","capabilities":{{}}}}"#);
            let unopened = failed(step(None, INITIALIZE, answer(&text)));
            assert!(matches!(unopened, NegotiationError::NoSharedVersion { .. }), "{version}: {unopened:?}");
        }
        assert!(matches!(failed(step(None, INITIALIZE, answer("{}"))), NegotiationError::NotMcp { .. }));
        assert!(matches!(failed(step(None, INITIALIZE, ProbeAnswer::None)), NegotiationError::NotMcp { .. }));
    }

    proptest! {
        #[test]
        fn an_opening_ends_whatever_a_server_answers(
            codes in proptest::collection::vec(prop_oneof![Just(-32022i64), Just(-32601), Just(-32020), Just(-32602)], 0..40),
            names in proptest::collection::vec(prop_oneof![
                Just("2024-11-05"), Just("2025-06-18"), Just("2025-11-25"), Just("2026-07-28"), Just("x")
            ], 0..4),
        ) {
            let (mut negotiation, mut probe) = Negotiation::begin(None);
            let mut sent = 1;
            for code in codes {
                match negotiation.answered(probe, error(code, &json!({ "supported": names }).to_string())) {
                    NegotiationStep::Send(next) => (probe, sent) = (next, sent + 1),
                    NegotiationStep::Agreed(_) => panic!("an error is no agreement"),
                    NegotiationStep::Failed(_) => break,
                }
                prop_assert!(sent <= 4);
            }
        }
    }
}

//! The contract, against the cases that the Python runner is tested with too.

use std::sync::Arc;
use std::time::Duration;

use omni_call::{
    Answer, Ask, BoxFuture, CallId, CallPort, CallRequest, CallResult, Deadline, Event, EventSink, LogLevel,
    PythonTarget, RunSpec, Target, ToolResult, Wants,
};
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::questions::QuestionFrame;

const CASES: &str = include_str!("../../../../conformance/runner-cases.jsonl");

#[derive(Deserialize)]
struct Case {
    name: String,
    part: String,
    text: String,
    /// The text as hexadecimal digits, where it is none.
    hex: Option<String>,
    written_by_omni: Option<bool>,
    reads: Option<Value>,
    event: Option<String>,
    said: Option<String>,
    kind: Option<String>,
    result: Option<Value>,
    message: Option<String>,
    number: Option<i64>,
    stack: Option<String>,
    stderr: Option<String>,
    worker: Option<String>,
    phase: Option<String>,
    events: Option<usize>,
    #[serde(default)]
    ignored: bool,
    #[serde(default)]
    broken: bool,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        let Some(hex) = &self.hex else { return self.text.clone().into() };
        hex.as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
            .collect()
    }
}

fn cases(part: &str) -> Vec<Case> {
    let cases: Vec<Case> = CASES
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|case: &Case| case.part == part)
        .collect();
    assert!(cases.len() > 5, "{part}");
    cases
}

/// The call that all lines are about.
fn call() -> Call {
    Call {
        id: CallId(7),
        spec: Arc::new(RunSpec::new(
            "notes",
            "save",
            PythonTarget::new("/skills/notes", "scripts/a.py", "save"),
        )),
        request: CallRequest::tool("{}"),
        deadline: Deadline::new(Instant::now(), None, None),
        wants: Wants { progress: true, log: Some(LogLevel::Debug) },
        session: "".into(),
        affinity: None,
        origin: None,
        parent: None,
    }
}

#[test]
fn a_tool_that_the_runner_lists_is_called_by_the_name_it_has_there() {
    let target = Target::Remote { source: "unix:/run/notes".into(), name: "save".into() };
    let spec = Arc::new(RunSpec::new("notes", "save", target));
    let body = body(&Call { spec, ..call() }, 1);
    let request: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(request["name"], "save");
}

#[test]
fn a_request_has_the_bytes_of_the_cases() {
    let mut count = 0;
    for case in cases("request").iter().filter(|case| case.written_by_omni == Some(true)) {
        let reads = case.reads.as_ref().unwrap();
        let millis = |name: &str| reads[name].as_u64().map(Duration::from_millis);
        let now = Instant::now();
        let mut call = call();
        call.id = CallId(reads["id"].as_u64().unwrap());
        call.request = CallRequest::tool(reads["arguments"].as_str().unwrap().to_owned());
        call.deadline = Deadline::new(now, millis("deadline_ms"), millis("idle_ms"));
        call.wants = Wants {
            progress: reads["progress"].as_bool().unwrap(),
            log: reads["log"].as_str().map(|level| level.parse().unwrap()),
        };
        call.session = reads["session"].as_str().unwrap().into();
        let attempt = u32::try_from(reads["attempt"].as_u64().unwrap()).unwrap();
        let mut out = Vec::new();
        wire::push_request(
            &mut out,
            &call,
            DispatchInfo { id: call.id.0, info: AttemptInfo::of(&call, attempt), now },
        );
        assert_eq!(String::from_utf8(out).unwrap(), case.text, "{}", case.name);
        count += 1;
    }
    assert!(count >= 3);
}

/// An event in the words of the cases.
fn words(event: Option<Event>) -> Option<String> {
    event.map(|event| match event {
        Event::Progress { value, total, message } => {
            let total = total.map_or_else(|| "?".to_owned(), |total| total.to_string());
            format!("{value} of {total} {}", message.unwrap_or_default())
        }
        Event::Log { level, logger, data } => {
            let logger = logger.as_deref().unwrap_or("-");
            format!("{} {logger} {}", level.name(), String::from_utf8_lossy(&data))
        }
        Event::ResourceUpdated { uri } => format!("updated {uri}"),
        Event::Visibility { name, shown } => format!("{} {name}", if shown { "show" } else { "hide" }),
    })
}

/// The number that an outcome carries: milliseconds, a code, a signal.
fn number(kind: &OutcomeKind) -> Option<i64> {
    let millis = |duration: &Duration| i64::try_from(duration.as_millis()).ok();
    match kind {
        OutcomeKind::Exited { code: number, .. }
        | OutcomeKind::Signalled { signal: number }
        | OutcomeKind::McpError { code: number, .. } => Some((*number).into()),
        OutcomeKind::TimedOut { limit } | OutcomeKind::Idle { limit } => millis(limit),
        OutcomeKind::Busy { retry_after } | OutcomeKind::Quarantined { retry_after } => millis(retry_after),
        _ => None,
    }
}

fn message(kind: &OutcomeKind) -> Option<&str> {
    match kind {
        OutcomeKind::ToolError { message, .. }
        | OutcomeKind::McpError { message, .. }
        | OutcomeKind::BadResult { message }
        | OutcomeKind::InvalidArguments { message }
        | OutcomeKind::LoadError { message, .. }
        | OutcomeKind::Exited { message: Some(message), .. }
        | OutcomeKind::Lost { message }
        | OutcomeKind::WorkerStart { message, .. } => Some(message),
        _ => None,
    }
}

fn result_of_case(parts: &Value) -> ToolResult {
    let part = |name: &str| parts[name].as_str().map(|text| Bytes::from(text.to_owned()));
    ToolResult {
        content: part("content").unwrap(),
        structured: part("structured"),
        meta: part("meta"),
        is_error: parts["is_error"].as_bool().unwrap_or_default(),
    }
}

#[test]
fn each_line_means_what_the_cases_say() {
    for case in cases("line") {
        let name = &case.name;
        let said = runner_line::read(&case.bytes().into(), &call(), 8 << 20);
        match (said, case.event.as_deref()) {
            (Err(_), _) => assert!(case.broken, "{name}"),
            (Ok(_), _) if case.broken => panic!("{name} was taken"),
            (Ok(RunnerLine::Nothing), _) => assert!(case.ignored, "{name}"),
            (Ok(RunnerLine::Started), event) => assert_eq!(event, Some("started"), "{name}"),
            (Ok(RunnerLine::Question(asking)), event) => {
                let said = if matches!(asking, QuestionFrame::Ask(1, _)) { "ask" } else { "retract" };
                assert_eq!(event, Some(said), "{name}");
            }
            (Ok(RunnerLine::Event(event)), expected) => {
                assert!(
                    matches!(
                        expected,
                        Some("beat" | "progress" | "log" | "resource_updated" | "show" | "hide")
                    ),
                    "{name}"
                );
                assert_eq!(words(event), case.said, "{name}");
            }
            (Ok(RunnerLine::End(last)), _) => {
                assert_eq!(Some(last.kind.name()), case.kind.as_deref(), "{name}");
                if let (OutcomeKind::Finished(CallResult::Tool(result)), Some(parts)) =
                    (&last.kind, &case.result)
                {
                    assert_eq!(*result, result_of_case(parts), "{name}");
                }
                if case.message.is_some() {
                    assert_eq!(message(&last.kind), case.message.as_deref(), "{name}");
                }
                if case.number.is_some() {
                    assert_eq!(number(&last.kind), case.number, "{name}");
                }
                assert_eq!((last.stack, last.stderr), (case.stack, case.stderr), "{name}");
                assert_eq!(last.worker.as_deref(), case.worker.as_deref(), "{name}");
            }
        }
    }
}

#[test]
fn a_result_above_the_limit_is_refused() {
    let line = Bytes::from(r#"{"result":{"id":7,"content":["123456789"]}}"#);
    let RunnerLine::End(last) = runner_line::read(&line, &call(), 8).unwrap() else { panic!() };
    assert_eq!(last.kind, OutcomeKind::OutputLimit { limit_bytes: 8 });
}

#[test]
fn the_time_limit_is_named_that_was_reached_the_callers_or_the_runners_own() {
    let limits = |total: u64, accepted: Instant| {
        let mut call = call();
        let idle = Some(Duration::from_secs(2));
        call.deadline = Deadline::new(accepted, Some(Duration::from_secs(total)), idle);
        call
    };
    let said = |call: &Call, name: &str, ms: u64| {
        let line = format!(r#"{{"error":{{"id":7,"kind":"{name}","limit_ms":{ms}}}}}"#);
        let RunnerLine::End(last) = runner_line::read(&line.into(), call, 8).unwrap() else { panic!() };
        last.kind
    };
    let over = Instant::now().checked_sub(Duration::from_secs(9)).unwrap();
    let total = |seconds| OutcomeKind::TimedOut { limit: Duration::from_secs(seconds) };
    let idle = |seconds| OutcomeKind::Idle { limit: Duration::from_secs(seconds) };
    assert_eq!(said(&limits(9, over), "timeout_total", 8999), total(9), "what was left of it");
    assert_eq!(said(&limits(1800, over), "timeout_total", 3000), total(3), "of a resource, say");
    assert_eq!(said(&call(), "timeout_total", 3000), total(3));
    assert_eq!(said(&limits(9, over), "timeout_idle", 2000), idle(2));
    assert_eq!(said(&limits(9, over), "timeout_idle", 1000), idle(1));
}

struct Counted(usize);

impl EventSink for Counted {
    fn event(&mut self, _: Event) {
        self.0 += 1;
    }
}

impl CallPort for Counted {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        Box::pin(std::future::ready(Answer::unsupported(ask.method)))
    }
}

/// Serves one answer after another, each on a connection of its own, with this body for every request.
async fn serve(listener: tokio::net::TcpListener, answer: Vec<u8>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut request = [0; 4096];
        // The requests here are small and come in one piece.
        if stream.read(&mut request).await.is_ok() {
            let _ = stream.write_all(&answer).await;
        }
    }
}

async fn runner_that_answers(answer: Vec<u8>) -> Runner {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(serve(listener, answer));
    Runner::new(RunnerConfig::new(address.parse().unwrap()))
}

fn stream_of(body: &[u8]) -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    if !body.is_empty() {
        answer.extend_from_slice(format!("{:x}\r\n", body.len()).as_bytes());
        answer.extend_from_slice(body);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

#[tokio::test]
async fn each_answer_ends_the_call_as_the_cases_say() {
    for case in cases("stream") {
        let runner = runner_that_answers(stream_of(&case.bytes())).await;
        let mut events = Counted(0);
        let outcome = runner.run(call(), &mut events).await;
        assert_eq!(Some(outcome.kind.name()), case.kind.as_deref(), "{}", case.name);
        let phase = if outcome.phase == Phase::Started { "started" } else { "starting" };
        assert_eq!(Some(phase), case.phase.as_deref(), "{}", case.name);
        assert_eq!(Some(events.0), case.events, "{}", case.name);
    }
}

#[tokio::test]
async fn a_refusal_ends_the_call_as_its_status_says() {
    for (head, kind, said) in [
        ("503 Service Unavailable\r\nRetry-After: 7", "busy", "7 s"),
        ("404 Not Found", "worker_start", "no tool `notes.save`"),
        ("400 Bad Request", "worker_start", "(400)"),
        ("302 Found\r\nLocation: /elsewhere", "worker_start", "(302)"),
    ] {
        let body = r#"{"error":{"code":"unknown_tool","message":"why"}}"#;
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let answer =
            if head.starts_with("404") { answer } else { answer.replace("unknown_tool", "another_tool") };
        let outcome = runner_that_answers(answer.into()).await.run(call(), &mut omni_call::NoClient).await;
        assert_eq!((outcome.kind.name(), outcome.phase), (kind, Phase::Queued), "{head}");
        let result = outcome.into_result("notes.save", omni_call::ErrorDetail::Masked);
        let text = String::from_utf8_lossy(&result.content);
        assert!(text.contains(said), "{text}");
    }
}

#[tokio::test]
async fn a_runner_that_speaks_something_else_loses_its_call_only() {
    for answer in [
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"res".to_vec(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        vec![b'x'; 100_000],
        [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 100_000], b"\r\n\r\n".to_vec()].concat(),
        Vec::new(),
    ] {
        let runner = runner_that_answers(answer.clone()).await;
        let outcome = runner.run(call(), &mut omni_call::NoClient).await;
        let start = String::from_utf8_lossy(&answer[..answer.len().min(40)]).into_owned();
        assert_eq!(outcome.kind.name(), "lost", "{start}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let mut config = RunnerConfig::new("http://127.0.0.1:1".parse().unwrap());
    let endless = runner_that_answers(stream_of(&vec![b' '; 100_000])).await;
    config.address = endless.address().clone();
    config.line_bytes_max = 50_000;
    let outcome = Runner::new(config).run(call(), &mut omni_call::NoClient).await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::Lost { message } if message.contains("50000")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_head_is_tried_once_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        drop(listener.accept().await);
        serve(listener, stream_of(b"{\"result\":{\"id\":7,\"content\":[]}}\n")).await;
    });
    let runner = Runner::new(RunnerConfig::new(address.parse().unwrap()));
    let outcome = runner.run(call(), &mut omni_call::NoClient).await;
    assert_eq!((outcome.kind.name(), outcome.attempt), ("finished", 2), "{outcome:?}");
    accepting.abort();
}

#[tokio::test]
async fn a_runner_that_is_not_there_is_named_with_its_address() {
    let runner = Runner::new(RunnerConfig::new("unix:/no/such/socket".parse().unwrap()));
    let outcome = runner.run(call(), &mut omni_call::NoClient).await;
    assert!(
        matches!(&outcome.kind, OutcomeKind::WorkerStart { message, .. } if message.contains("unix:/no/such/socket")),
        "{outcome:?}"
    );
    assert!(matches!(runner.health().await, Err(RunnerError::Unreachable { .. })));
}

#[tokio::test]
async fn a_list_is_fetched_once_and_known_by_its_tag_afterwards() {
    let body = r#"{"tools":[]}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nETag: \"a1\"\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let runner = runner_that_answers(answer.into()).await;
    let listing = runner.tools(None).await.unwrap();
    assert_eq!(listing, Listing::New { etag: Some("\"a1\"".into()), body: body.into() });
    let runner = runner_that_answers(b"HTTP/1.1 304 Not Modified\r\nETag: \"a1\"\r\n\r\n".to_vec()).await;
    assert_eq!(runner.tools(Some("\"a1\"")).await.unwrap(), Listing::Same);
    let runner = runner_that_answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]".to_vec()).await;
    assert!(matches!(runner.tools(None).await, Err(RunnerError::ConnectionError(_))));
}

#[tokio::test]
async fn a_call_ends_at_its_limit_whatever_the_runner_does() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: RunnerAddress = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let limit = Duration::from_millis(50);
    let mut late = call();
    late.deadline = Deadline::new(Instant::now(), Some(limit), None);
    // Nobody accepts the connection.
    let outcome = Runner::new(RunnerConfig::new(address)).run(late, &mut omni_call::NoClient).await;
    assert_eq!((outcome.kind, outcome.phase), (OutcomeKind::TimedOut { limit }, Phase::Queued));
    drop(listener);
    let started =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n15\r\n{\"started\":{\"id\":7}}\n\r\n".to_vec();
    let holding = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", holding.local_addr().unwrap());
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        let (mut stream, _) = holding.accept().await.unwrap();
        stream.write_all(&started).await.unwrap();
        // Held open until the test ends.
        std::future::pending::<()>().await;
        drop(stream);
    });
    let mut late = call();
    late.deadline = Deadline::new(Instant::now(), None, Some(limit));
    let runner = Runner::new(RunnerConfig::new(address.parse().unwrap()));
    let outcome = runner.run(late, &mut omni_call::NoClient).await;
    assert_eq!((outcome.kind, outcome.phase), (OutcomeKind::Idle { limit }, Phase::Started));
}

#[tokio::test]
async fn what_failed_at_a_runner_that_is_no_tool_is_told_as_it_tells_it() {
    for case in cases("refused") {
        let text = &case.text;
        let answer = format!("HTTP/1.1 500 Internal\r\nContent-Length: {}\r\n\r\n{text}", text.len());
        let runner = runner_that_answers(answer.into()).await;
        let deadline = Deadline::new(Instant::now(), Some(Duration::from_millis(1500)), None);
        let call = Call { request: CallRequest::resource("notes://0"), deadline, ..call() };
        let outcome = runner.run(call, &mut omni_call::NoClient).await;
        let (name, kind) = (&case.name, outcome.kind);
        assert_eq!(Some(kind.name()), case.kind.as_deref(), "{name}: {kind:?}");
        if case.message.is_some() {
            assert_eq!(message(&kind), case.message.as_deref(), "{name}");
        }
        if case.number.is_some() {
            assert_eq!(number(&kind), case.number, "{name}");
        }
        assert_eq!(outcome.died, kind.name() == "signalled", "{name}");
    }
}

#[tokio::test]
async fn what_is_to_be_completed_has_the_bytes_of_the_cases_and_answers_mean_what_they_say() {
    use omni_call::{CompletionReference, CompletionRequest};
    let of = |reads: &Value| {
        let text = |member: &str| reads[member].as_str().unwrap().to_owned();
        let reference = match reads["kind"].as_str() {
            Some("prompt") => CompletionReference::Prompt { name: text("name") },
            _ => CompletionReference::Resource { uri: text("name") },
        };
        let context = reads["known"].as_str().map(|known| Bytes::from(known.to_owned()));
        CompletionRequest { reference, argument: text("argument"), value: text("value"), context }
    };
    let mut written = 0;
    for case in cases("complete").iter().filter(|case| case.written_by_omni == Some(true)) {
        assert_eq!(of(case.reads.as_ref().unwrap()).to_json(), case.text, "{}", case.name);
        written += 1;
    }
    assert!(written >= 3);
    let reference = CompletionReference::Prompt { name: "greet".into() };
    let completing =
        CompletionRequest { reference, argument: "who".into(), value: String::new(), context: None };
    let request = CallRequest::Completion(Box::new(completing));
    for case in cases("completed") {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", case.text.len(), case.text);
        let runner = runner_that_answers(answer.into()).await;
        let call = Call { request: request.clone(), ..call() };
        let kind = runner.run(call, &mut omni_call::NoClient).await.kind;
        if case.broken {
            assert_eq!(kind.name(), "worker_start", "{}: {kind:?}", case.name);
            continue;
        }
        let OutcomeKind::Finished(CallResult::Completion(completion)) = kind else { panic!("{kind:?}") };
        let read: Value = serde_json::from_slice(&completion.to_json()).unwrap();
        assert_eq!(Some(read), case.result, "{}", case.name);
    }
    for (status, kind) in
        [("404 Not Found", "not_found"), ("400 Bad Request", "invalid_arguments"), ("503 Busy", "busy")]
    {
        let body = r#"{"error":{"code":"c","message":"why"}}"#;
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let call = Call { request: request.clone(), ..call() };
        let outcome = runner_that_answers(answer.into()).await.run(call, &mut omni_call::NoClient).await;
        assert_eq!(outcome.kind.name(), kind, "{outcome:?}");
    }
}

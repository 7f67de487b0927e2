//! Frames of a worker, scripted on a pair of sockets: what each means, in which order they may come, and what is left of a
//! call when the channel ends at any byte.

use std::cell::Cell;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use omni_call::{
    Answer, Ask, BoxFuture, Call, CallId, CallPort, CallRequest, Deadline, Event, EventSink, Expired,
    FunctionKind, LogLevel, OutcomeKind, Phase, PythonTarget, RunSpec, ToolResult, Wants,
};
use omni_process::ExitStatus;

use super::*;
use crate::ExecConfig;
use crate::bounds::{DECODE_INLINE_BYTES_MAX, READ_BYTES_PER_TURN};
use crate::channel::Channel;
use crate::questions::CallQuestions;
use crate::wire::{self, WireError};

const FRAME_BYTES_MAX: usize = 4096;
const RESULT_BYTES_MAX: usize = 100;

/// The call at hand in all of these.
const ID: u64 = 7;

/// Writes down what it hears, and answers nothing.
#[derive(Default)]
struct Ear(Vec<String>);

impl EventSink for Ear {
    fn event(&mut self, event: Event) {
        self.0.push(match event {
            Event::Progress { value, .. } => format!("progress {value}"),
            Event::Log { data, .. } => format!("log {}", String::from_utf8_lossy(&data)),
            Event::ResourceUpdated { uri } => format!("updated {uri}"),
            Event::Visibility { name, shown } => format!("{} {name}", if shown { "show" } else { "hide" }),
        });
    }

    fn alive(&mut self) {
        self.0.push("alive".to_owned());
    }
}

impl CallPort for Ear {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'static, Answer> {
        self.0.push(format!("asked {}", ask.method.name()));
        Box::pin(std::future::pending())
    }
}

/// A worker's end of a channel, and all that belongs to the call at hand on ours.
struct Stage {
    worker: Option<UnixStream>,
    channel: Channel,
    call: RunningCall,
    /// The last call that the status page says has begun.
    begun: Cell<u64>,
    ready: bool,
    deadline: Deadline,
    ear: Ear,
    asks: CallQuestions,
}

impl Stage {
    fn new(may_ask: bool) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let wants = Wants { progress: true, log: Some(LogLevel::Info) };
        let reader =
            FrameReader { kind: FunctionKind::Tool, wants, may_ask, result_bytes_max: RESULT_BYTES_MAX };
        Stage {
            worker: Some(theirs),
            channel: Channel::new(ours, FRAME_BYTES_MAX).unwrap(),
            call: RunningCall::new(ID, reader),
            begun: Cell::new(ID),
            ready: false,
            deadline: Deadline::new(Instant::now(), None, None),
            ear: Ear::default(),
            asks: CallQuestions::default(),
        }
    }

    /// The worker writes these bytes.
    fn says(&mut self, bytes: &[u8]) {
        self.worker.as_mut().unwrap().write_all(bytes).unwrap();
    }

    /// Everything that has arrived is read.
    async fn read(&mut self) -> Poll<Result<FinalMessage, WireError>> {
        // The runtime has to look at the socket before it knows that there is something: else this would be the moment of
        // silence after which an answer needs no mark.
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        self.poll()
    }

    fn poll(&mut self) -> Poll<Result<FinalMessage, WireError>> {
        let begun = &self.begun;
        let mut view = WorkerView {
            channel: &mut self.channel,
            has_started: &|number| begun.get() >= number,
            ready: &mut self.ready,
        };
        let mut context =
            CallContext { deadline: &mut self.deadline, port: &mut self.ear, asks: &mut self.asks };
        self.call.poll_frames(&mut Context::from_waker(Waker::noop()), &mut view, &mut context)
    }
}

fn frames(bodies: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    bodies.iter().for_each(|body| wire::push_body(&mut out, body.as_bytes()));
    out
}

/// How it ended, in words that a table can hold.
fn told(polled: &Poll<Result<FinalMessage, WireError>>) -> String {
    match polled {
        Poll::Pending => "goes on".to_owned(),
        Poll::Ready(Err(error)) => error.to_string(),
        Poll::Ready(Ok(last)) => {
            let mut said = match &last.result {
                AttemptResult::Result(result) => {
                    format!("result {}", String::from_utf8_lossy(&result.tool().unwrap().content))
                }
                AttemptResult::Error(error) => format!("error {:?} {}", error.kind, error.message),
                other => format!("{other:?}"),
            };
            if let Some(findings) = &last.contamination {
                said += &format!(", contaminated {findings}");
            }
            if last.printed {
                said += ", printed";
            }
            said
        }
    }
}

const RESULT: &str = r#"{"result":{"id":7,"content":[1]}}"#;
const ASK: &str = r#"{"ask":{"id":7,"ask":1,"method":"roots/list","params":{}}}"#;
const FOREIGN: &str = "it answered a call that it had not begun";

#[tokio::test]
async fn each_frame_means_one_thing_to_its_call() {
    let large = format!(r#"{{"result":{{"id":7,"content":["{}"]}}}}"#, "x".repeat(RESULT_BYTES_MAX));
    let table: &[(&str, &[&str], &str)] = &[
        (RESULT, &[], "result [1]"),
        (r#"{"result":{"id":7,"content":[],"printed":true}}"#, &[], "result [], printed"),
        (
            r#"{"result":{"id":7,"content":[],"tainted":["a thread"]}}"#,
            &[],
            r#"result [], contaminated ["a thread"]"#,
        ),
        (&large, &[], "TooLarge"),
        (r#"{"error":{"id":7,"kind":"tool_error","message":"no"}}"#, &[], "error ToolError no"),
        (
            r#"{"error":{"id":7,"kind":"exited","message":"","tainted":["x"],"printed":true}}"#,
            &[],
            r#"error Exited , contaminated ["x"], printed"#,
        ),
        (r#"{"skipped":{"id":7}}"#, &[], "Skipped"),
        (r#"{"beat":{"id":7}}"#, &["alive"], "goes on"),
        (r#"{"beat":{"id":7,"note":"n"}}"#, &["alive", r#"log "n""#], "goes on"),
        (r#"{"progress":{"id":7,"value":3}}"#, &["alive", "progress 3"], "goes on"),
        (r#"{"log":{"id":7,"level":"info","data":1}}"#, &["alive", "log 1"], "goes on"),
        (r#"{"log":{"id":7,"level":"debug","data":1}}"#, &["alive"], "goes on"),
        (ASK, &["alive", "asked roots/list"], "goes on"),
        (
            r#"{"ask":{"id":7,"ask":2,"method":"roots/list","params":{}}}"#,
            &[],
            "it asked question 2 of its call where 1 was next",
        ),
        (r#"{"started":{"id":7}}"#, &[], "goes on"),
        (r#"{"ready":{"proto":2}}"#, &[], "goes on"),
        (r#"{"later":{"x":1}}"#, &[], "goes on"),
        (r#"{"result":{"id":7,"content":{}}}"#, &[], "it sent `content` that is not an array"),
        (
            "{\"result\":\n{}}",
            &[],
            "it sent a frame with a raw line break, which would break the framing of the reply",
        ),
    ];
    for (body, heard, end) in table {
        let mut stage = Stage::new(true);
        stage.says(&frames(&[body]));
        let polled = stage.read().await;
        assert_eq!(stage.ear.0, *heard, "{body}");
        assert_eq!(told(&polled), *end, "{body}");
    }
}

/// One moment of a script.
enum Step {
    /// The worker writes these frames, in one go.
    Says(&'static [&'static str]),
    /// It notes that it begins the call of this number.
    Begins(u64),
    /// We read what there is.
    Reads,
}

#[tokio::test]
async fn what_may_come_when_is_a_matter_of_who_has_begun() {
    use Step::{Begins, Reads, Says};
    const OLD: &str = r#"{"result":{"id":6,"content":["old"]}}"#;
    const OLD_LOG: &str = r#"{"log":{"id":6,"level":"info","data":"old"}}"#;
    const OLD_ASK: &str = r#"{"ask":{"id":6,"ask":1,"method":"roots/list","params":{}}}"#;
    const NEXT: &str = r#"{"result":{"id":8,"content":["next"]}}"#;
    const NEXT_BEAT: &str = r#"{"beat":{"id":8}}"#;
    const ERROR: &str = r#"{"error":{"id":7,"kind":"load_error","message":"m"}}"#;
    const SKIPPED: &str = r#"{"skipped":{"id":7}}"#;
    let table: &[(&str, &[Step], &str)] = &[
        ("an answer that was sent ahead of its turn", &[Begins(7), Says(&[RESULT]), Reads], "result [1]"),
        ("an answer that was there before the call began", &[Says(&[RESULT]), Reads], FOREIGN),
        ("one of which the page says that it began later", &[Begins(6), Says(&[RESULT]), Reads], FOREIGN),
        ("an answer after a moment of silence needs no page", &[Reads, Says(&[RESULT]), Reads], "result [1]"),
        ("words before it are no moment of silence", &[Says(&[OLD_LOG, RESULT]), Reads], FOREIGN),
        ("a call that failed before its code began", &[Says(&[ERROR]), Reads], "error LoadError m"),
        ("a call that was revoked", &[Says(&[SKIPPED]), Reads], "Skipped"),
        (
            "an earlier call's thread speaks on",
            &[Begins(7), Says(&[OLD_LOG, OLD, RESULT]), Reads],
            "result [1]",
        ),
        ("an earlier call asks", &[Begins(7), Says(&[OLD_ASK, RESULT]), Reads], "result [1]"),
        ("only an earlier call speaks", &[Begins(7), Says(&[OLD_LOG, OLD]), Reads], "goes on"),
        ("an answer to a call to come", &[Reads, Says(&[NEXT]), Reads], FOREIGN),
        ("a sign of life of a call to come", &[Begins(8), Says(&[NEXT_BEAT]), Reads], FOREIGN),
        (
            "what stands behind the answer is not read",
            &[Begins(8), Says(&[RESULT, NEXT]), Reads],
            "result [1]",
        ),
        ("a question before the call has begun", &[Reads, Says(&[ASK]), Reads], FOREIGN),
        ("a question of a call that runs", &[Reads, Begins(7), Says(&[ASK]), Reads], "goes on"),
        (
            "the same question twice",
            &[Begins(7), Says(&[ASK, ASK]), Reads],
            "it asked question 1 of its call where 2 was next",
        ),
        (
            "a question, then the answer",
            &[Begins(7), Says(&[ASK]), Reads, Says(&[RESULT]), Reads],
            "result [1]",
        ),
    ];
    for (name, steps, end) in table {
        let mut stage = Stage::new(true);
        stage.begun.set(0);
        let mut polled = Poll::Pending;
        for step in *steps {
            match step {
                Says(bodies) => stage.says(&frames(bodies)),
                Begins(number) => stage.begun.set(*number),
                Reads => polled = stage.read().await,
            }
        }
        assert_eq!(told(&polled), *end, "{name}");
        assert!(!stage.ear.0.iter().any(|heard| heard.contains("old")), "{name}: {:?}", stage.ear.0);
    }
}

/// A frame of more bytes than are decoded where everyone waits.
#[tokio::test]
async fn a_large_frame_is_decoded_elsewhere_and_is_no_less_early_for_that() {
    let text = "x".repeat(2 * DECODE_INLINE_BYTES_MAX);
    let body = format!(r#"{{"result":{{"id":7,"content":["{text}"]}}}}"#);
    for begun in [0, ID] {
        let mut stage = Stage::new(true);
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        stage.channel = Channel::new(ours, 2 * body.len()).unwrap();
        stage.call.reader.result_bytes_max = body.len();
        stage.begun.set(begun);
        let frame = frames(&[&body]);
        let writes = std::thread::spawn(move || theirs.write_all(&frame).map(|()| theirs));
        let end = loop {
            match stage.read().await {
                Poll::Ready(end) => break end,
                // What the call's number says was read before now, and nothing was silent since.
                Poll::Pending if stage.channel.holds_back() => {}
                Poll::Pending => stage.call = RunningCall::new(ID, stage.call.reader),
            }
        };
        match end {
            Ok(last) => {
                let AttemptResult::Result(result) = last.result else { panic!("{:?}", last.result) };
                assert_eq!(result.tool().unwrap().content, format!(r#"["{text}"]"#));
                assert_eq!(begun, ID);
            }
            Err(error) => assert_eq!((error.to_string().as_str(), begun), (FOREIGN, 0)),
        }
        drop(writes.join().unwrap());
    }
}

/// However fast a worker writes, others have their turn before its frame is whole.
#[tokio::test]
async fn a_large_frame_is_read_in_turns() {
    let body = format!(r#"{{"result":{{"id":7,"content":["{}"]}}}}"#, "x".repeat(4 << 20));
    let mut stage = Stage::new(true);
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    stage.channel = Channel::new(ours, 2 * body.len()).unwrap();
    let frame = frames(&[&body]);
    let writes = std::thread::spawn(move || theirs.write_all(&frame).map(|()| theirs));
    let mut turns = 0;
    while stage.read().await.is_pending() {
        turns += 1;
    }
    assert!(turns >= (4 << 20) / READ_BYTES_PER_TURN - 1, "{turns} turns");
    drop(writes.join().unwrap());
}

#[tokio::test]
async fn who_cannot_ask_ends_its_worker_by_asking() {
    let mut stage = Stage::new(false);
    stage.says(&frames(&[ASK]));
    let polled = stage.read().await;
    assert!(told(&polled).starts_with("it asked a question for a call that cannot ask"), "{}", told(&polled));
    assert!(!stage.call.asked && stage.ear.0.is_empty());
}

#[tokio::test]
async fn what_the_end_has_to_know_is_noted_on_the_way() {
    let progress = r#"{"progress":{"id":7,"value":1}}"#;
    let printed = r#"{"result":{"id":7,"content":[],"printed":true}}"#;
    let table = [
        (&[RESULT][..], (false, false, false)),
        (&[progress, RESULT], (true, false, false)),
        (&[printed], (true, true, false)),
        (&[ASK, RESULT], (true, false, true)),
        (&[r#"{"log":{"id":6,"level":"info","data":1}}"#, RESULT], (false, false, false)),
    ];
    for (bodies, noted) in table {
        let mut stage = Stage::new(true);
        stage.says(&frames(bodies));
        assert!(stage.read().await.is_ready(), "{bodies:?}");
        let call = &stage.call;
        assert_eq!((call.talked, call.printed, call.asked), noted, "{bodies:?}");
    }
}

#[tokio::test]
async fn a_worker_that_dies_at_any_byte_leaves_what_it_had_said() {
    let bodies = [
        r#"{"log":{"id":7,"level":"info","data":"a"}}"#,
        r#"{"progress":{"id":7,"value":2}}"#,
        r#"{"log":{"id":6,"level":"info","data":"old"}}"#,
        ASK,
        RESULT,
    ];
    let heard = [&["alive", r#"log "a""#][..], &["alive", "progress 2"], &[], &["alive", "asked roots/list"]];
    let all = frames(&bodies);
    for cut in 0..=all.len() {
        let mut stage = Stage::new(true);
        stage.says(&all[..cut]);
        let mut polled = stage.read().await;
        stage.worker = None;
        if polled.is_pending() {
            polled = stage.read().await;
        }
        let whole = (0..=bodies.len()).rev().find(|count| frames(&bodies[..*count]).len() <= cut).unwrap();
        let wanted: Vec<&str> = heard.iter().take(whole).copied().flatten().copied().collect();
        assert_eq!(stage.ear.0, wanted, "cut at {cut}");
        let end = if cut == all.len() { "result [1]" } else { "it closed its control channel" };
        assert_eq!(told(&polled), end, "cut at {cut}");
    }
}

/// What is known where an attempt was made, for whoever concludes it.
#[derive(Default)]
struct Site {
    started: bool,
    contamination: Option<Box<str>>,
    stderr: Option<String>,
    looked: Cell<u32>,
}

impl AttemptSite for Site {
    fn has_started(&self) -> bool {
        self.looked.set(self.looked.get() + 1);
        self.started
    }

    fn take_contamination(&mut self) -> Option<Box<str>> {
        self.contamination.take()
    }

    fn stderr_tail(&self) -> Option<String> {
        self.stderr.clone()
    }

    async fn stack(&mut self, _call: &Call) -> Option<String> {
        Some("  File \"a.py\", line 1 in f".to_owned())
    }
}

fn call() -> Call {
    Call {
        id: CallId(1),
        spec: Arc::new(RunSpec::new("s", "c", PythonTarget::new("/s", "a.py", "c"))),
        request: CallRequest::tool("{}"),
        deadline: Deadline::new(Instant::now(), None, None),
        wants: Wants::default(),
        session: "".into(),
        affinity: None,
        origin: None,
        parent: None,
    }
}

fn killed() -> AttemptResult {
    AttemptResult::Died(ExitStatus::Signal(9))
}

fn shared() -> AttemptResult {
    AttemptResult::Broken(WireError::SharedWorkerEnded("others did it".to_owned()))
}

#[test]
fn a_call_is_begun_once_more_only_when_nothing_of_it_has_run() {
    type Made = fn() -> AttemptResult;
    let table: &[(&str, Made, bool, bool, bool)] = &[
        ("its process died before a line ran", killed, false, false, true),
        ("its process died while it ran", killed, true, false, false),
        ("its process died while all is ended", killed, false, true, false),
        ("others ended its process before a line ran", shared, false, false, true),
        ("others ended its process while it ran", shared, true, false, false),
        ("its worker broke the wire", || AttemptResult::Broken(WireError::Foreign), false, false, false),
        ("it was revoked", || AttemptResult::Skipped, false, false, true),
        ("it was revoked while all is ended", || AttemptResult::Skipped, false, true, false),
        ("its result was too large", || AttemptResult::TooLarge, false, false, false),
    ];
    for (name, result, started, closing, again) in table {
        let site = Site { started: *started, ..Site::default() };
        let mut attempt_counter = AttemptCounter::default();
        assert_eq!(attempt_counter.should_retry(&call(), &result(), &site, *closing), *again, "{name}");
    }
}

#[test]
fn a_second_death_is_no_accident_and_a_revocation_is_no_attempt() {
    let site = Site::default();
    let mut attempt_counter = AttemptCounter::default();
    for _ in 0..3 {
        assert!(attempt_counter.should_retry(&call(), &AttemptResult::Skipped, &site, false));
        assert_eq!(attempt_counter.number(), 1);
    }
    assert!(attempt_counter.should_retry(&call(), &killed(), &site, false));
    assert_eq!(attempt_counter.number(), 2);
    assert!(!attempt_counter.should_retry(&call(), &killed(), &site, false));
    assert_eq!((attempt_counter.number(), site.looked.get()), (2, 1), "the page is read once");
}

async fn conclude_own_process(mut site: Site, result: AttemptResult, closing: bool) -> omni_call::Outcome {
    let config = ExecConfig::new("/python".into(), "/package".into(), "/launcher".into(), "/".into());
    conclude(&mut site, &call(), result, AttemptFacts { config: &config, attempt: 2, closing }).await
}

#[tokio::test]
async fn the_end_of_an_attempt_is_told_in_one_way() {
    let expired = || AttemptResult::Expired(Expired::Total { limit: Duration::from_secs(1) });
    let table = [
        (killed(), true, false, OutcomeKind::Signalled { signal: 9 }, Phase::Started, true),
        (killed(), false, false, OutcomeKind::Signalled { signal: 9 }, Phase::Starting, true),
        (killed(), true, true, OutcomeKind::Shutdown, Phase::Started, false),
        (shared(), true, false, OutcomeKind::Lost { message: "others did it".into() }, Phase::Started, false),
        (shared(), true, true, OutcomeKind::Shutdown, Phase::Started, false),
        (
            AttemptResult::Broken(WireError::Foreign),
            true,
            false,
            OutcomeKind::Lost { message: FOREIGN.into() },
            Phase::Started,
            true,
        ),
        (AttemptResult::Skipped, false, true, OutcomeKind::Shutdown, Phase::Starting, false),
        (
            expired(),
            true,
            false,
            OutcomeKind::TimedOut { limit: Duration::from_secs(1) },
            Phase::Started,
            false,
        ),
    ];
    for (result, started, closing, kind, phase, died) in table {
        let name = format!("{result:?}");
        let timed_out = matches!(result, AttemptResult::Expired(_));
        let site = Site { started, stderr: Some("said".into()), ..Site::default() };
        let outcome = conclude_own_process(site, result, closing).await;
        assert_eq!((outcome.kind, outcome.phase, outcome.died), (kind, phase, died), "{name}");
        assert_eq!(outcome.stack.is_some(), timed_out, "{name}: only then somebody has to look");
        assert_eq!((outcome.stderr.as_deref(), outcome.attempt), (Some("said"), 2), "{name}");
    }
}

#[tokio::test]
async fn a_result_costs_no_look_at_the_process() {
    let result = ToolResult::of_text("done");
    let contamination = Some("[\"a thread\"]".into());
    let site = Site { contamination, stderr: Some("noise".into()), ..Site::default() };
    let outcome = conclude_own_process(site, AttemptResult::Result(result.clone().into()), false).await;
    assert_eq!(outcome.kind, OutcomeKind::from(result));
    assert_eq!((outcome.phase, outcome.stderr, outcome.died), (Phase::Started, None, false));
    assert_eq!(outcome.worker.as_deref(), Some("[\"a thread\"]"));
}

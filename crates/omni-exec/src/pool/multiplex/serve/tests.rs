//! Frames of a shared worker, scripted on a pair of sockets: who hears of them, and what they say of the worker.

use std::future::poll_fn;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use omni_call::{FunctionKind, LogLevel, Wants};

use super::*;
use crate::attempt::FrameReader;
use crate::wire;

/// Two calls, sent in this order; their numbers are 1 and 2.
const FIRST: u64 = 41;
const SECOND: u64 = 30;

/// Reads these frames while the page says that the call `begun` was the last to begin. Returns what stands in the way.
async fn read(begun: u64, bodies: &[&str]) -> (SharedWorkerState, Result<(), WireError>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut channel = Channel::new(ours, 4096).unwrap();
    let page = StatusPage::new().unwrap();
    rustix::io::pwrite(page.as_fd(), &begun.to_le_bytes(), 0).unwrap();
    let reader = FrameReader {
        kind: FunctionKind::Tool,
        wants: Wants { progress: true, log: Some(LogLevel::Info) },
        may_ask: true,
        result_bytes_max: 100,
    };
    let mut state = SharedWorkerState { begun: 2, ..SharedWorkerState::default() };
    state.calls.insert(FIRST, PendingCall::new(1, reader));
    state.calls.insert(SECOND, PendingCall::new(2, FrameReader { may_ask: false, ..reader }));
    for body in bodies {
        let mut frame = Vec::new();
        wire::push_body(&mut frame, body.as_bytes());
        theirs.write_all(&frame).unwrap();
        let taken = poll_fn(|cx| channel.poll_message(cx)).await;
        let taken = taken.and_then(|frame| take_frame(&page, &mut state, &mut channel, 100, frame));
        if taken.is_err() {
            return (state, taken);
        }
    }
    (state, Ok(()))
}

fn end(state: &SharedWorkerState, id: u64) -> String {
    state.calls[&id].end.as_ref().map_or_else(String::new, |end| match end {
        AttemptResult::Result(result) => {
            String::from_utf8_lossy(&result.tool().unwrap().content).into_owned()
        }
        end => format!("{end:?}"),
    })
}

#[tokio::test]
async fn each_call_hears_what_is_said_in_its_name() {
    let one = r#"{"result":{"id":41,"content":[1]}}"#;
    let two = r#"{"result":{"id":30,"content":[2]}}"#;
    let late = r#"{"log":{"id":41,"level":"info","data":"late"}}"#;
    let again = r#"{"result":{"id":41,"content":["again"]}}"#;
    let skipped = r#"{"skipped":{"id":30}}"#;
    let stranger = r#"{"result":{"id":99,"content":[9]}}"#;
    let table = [
        ("both end, the later one first", &[two, one][..], ["[1]", "[2]"], 2, 2),
        ("one is skipped", &[skipped], ["", "Skipped"], 1, 0),
        ("a call that nobody knows any more", &[stranger, one], ["[1]", ""], 1, 1),
        ("words behind the end are no progress", &[one, late, late], ["[1]", ""], 1, 1),
        ("a second end is none", &[one, again], ["[1]", ""], 1, 1),
        ("a word of a later version", &[r#"{"later":{}}"#, two], ["", "[2]"], 1, 2),
    ];
    for (name, bodies, ends, ended, started) in table {
        let (state, taken) = read(0, bodies).await;
        assert!(taken.is_ok(), "{name}");
        assert_eq!([end(&state, FIRST), end(&state, SECOND)], ends, "{name}");
        assert_eq!((state.ended, state.started), (ended, started), "{name}");
        assert!(!state.retiring, "{name}");
    }
}

#[tokio::test]
async fn a_call_that_changed_the_process_is_the_last_but_those_that_run() {
    let changed = r#"{"error":{"id":41,"kind":"tool_error","message":"m","tainted":["a signal handler"]}}"#;
    let (state, taken) = read(FIRST, &[changed]).await;
    assert!(taken.is_ok() && state.retiring, "no further call begins there");
    let findings = |id: u64| state.calls[&id].contamination.as_deref();
    assert_eq!((findings(FIRST), findings(SECOND)), (Some("[\"a signal handler\"]"), None));
}

#[tokio::test]
async fn what_a_call_prints_and_says_is_kept_until_it_looks() {
    let printed = r#"{"output":{"id":30,"stream":"stderr","text":"oops\n"}}"#;
    let progress = r#"{"progress":{"id":30,"value":1}}"#;
    let (state, taken) = read(SECOND, &[printed, progress]).await;
    assert!(taken.is_ok());
    let call = &state.calls[&SECOND];
    assert_eq!((call.events.len(), call.beat.is_some()), (2, true));
    let stderr = call.printed.as_ref().and_then(|printed| printed.stderr_tail());
    assert_eq!(stderr.as_deref(), Some("oops\n"));
    assert!(state.calls[&FIRST].events.is_empty() && state.calls[&FIRST].beat.is_none());
}

#[tokio::test]
async fn only_a_call_that_has_begun_and_may_ask_can_ask() {
    let ask = |id: u64, number: u64| {
        format!(r#"{{"ask":{{"id":{id},"ask":{number},"method":"roots/list","params":{{}}}}}}"#)
    };
    let taken = |begun, asks: Vec<String>| async move {
        let bodies: Vec<&str> = asks.iter().map(String::as_str).collect();
        let (state, taken) = read(begun, &bodies).await;
        taken.map(|()| state.calls[&FIRST].asked.len())
    };
    assert!(matches!(taken(FIRST, vec![ask(FIRST, 1), ask(FIRST, 2)]).await, Ok(2)));
    // Tasks begin in the order in which they were sent, so the page need not name it.
    assert!(matches!(taken(SECOND, vec![ask(FIRST, 1)]).await, Ok(1)));
    assert!(matches!(taken(0, vec![ask(FIRST, 1)]).await, Err(WireError::Foreign)));
    assert!(matches!(taken(SECOND, vec![ask(SECOND, 1)]).await, Err(WireError::MayNotAsk)));
    assert!(matches!(
        taken(FIRST, vec![ask(FIRST, 2)]).await,
        Err(WireError::AskNumber { given: 2, wanted: 1 })
    ));
    assert!(matches!(taken(FIRST, vec![ask(99, 1)]).await, Ok(0)), "its caller has left");
}

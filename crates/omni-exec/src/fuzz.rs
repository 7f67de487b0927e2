//! What must hold of any bytes that a worker or a runner sends: run over its corpus by the tests, and by a fuzzer by
//! hand.
//!
//! The first byte of an input says how the rest is cut into pieces: foreign bytes come as the kernel likes.

use std::future::poll_fn;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use omni_call::{Call, CallId, CallRequest, Deadline, FunctionKind, LogLevel, RunSpec, Target, Wants};

use crate::attempt::FrameReader;
use crate::channel::Channel;
use crate::runner::read_lines;
use crate::wire;

/// Small enough that an input trips it.
const FRAME_BYTES_MAX: usize = 40_000;

/// Of a call that hears and may do everything.
const READER: FrameReader = FrameReader {
    kind: FunctionKind::Tool,
    wants: Wants { progress: true, log: Some(LogLevel::Debug) },
    may_ask: true,
    result_bytes_max: FRAME_BYTES_MAX / 2,
};

/// What a worker writes to its channel: it means the same and ends the same, however it arrives.
pub fn worker_frames(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let whole = runtime.block_on(frames(bytes, bytes.len()));
    let piece = piece_of(*size, bytes);
    let pieces = runtime.block_on(frames(bytes, piece));
    assert_eq!(whole, pieces, "in pieces of {piece}");
}

/// Bytes of a piece, so that there are some hundred at most: each costs system calls.
fn piece_of(size: u8, bytes: &[u8]) -> usize {
    (1 + usize::from(size)).max(bytes.len() / 200)
}

/// What the frames mean, in words, up to the error that ends the worker.
async fn frames(bytes: &[u8], piece: usize) -> Vec<String> {
    let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
    ours.set_nonblocking(true).expect("it can be set");
    theirs.set_nonblocking(true).expect("it can be set");
    let mut channel = Channel::new(ours, FRAME_BYTES_MAX).expect("a channel");
    let mut said = Vec::new();
    for piece in bytes.chunks(piece.max(1)) {
        // A full socket is read before more is written; an input is smaller than what it holds.
        theirs.write_all(piece).expect("the socket holds it");
        if !take(&mut channel, &mut said).await {
            return said;
        }
    }
    drop(theirs);
    take(&mut channel, &mut said).await;
    said
}

/// Takes what has arrived whole; false once the worker is not to be trusted any more.
async fn take(channel: &mut Channel, said: &mut Vec<String>) -> bool {
    loop {
        // The runtime has to look at the socket before it knows that there is something.
        tokio::task::yield_now().await;
        let mut polled = poll_fn(|cx| Poll::Ready(channel.poll_frame(cx))).await;
        if polled.is_pending() {
            tokio::task::yield_now().await;
            polled = poll_fn(|cx| Poll::Ready(channel.poll_frame(cx))).await;
        }
        match polled {
            Poll::Pending => return true,
            Poll::Ready(Err(error)) => {
                said.push(error.to_string());
                return false;
            }
            Poll::Ready(Ok(length)) => {
                let body = channel.body(length);
                match wire::decode(body.bytes()).and_then(|message| READER.read(body, message, || true)) {
                    Ok(meaning) => said.push(format!("{meaning:?}")),
                    Err(error) => {
                        said.push(error.to_string());
                        return false;
                    }
                }
                channel.consume(length);
            }
        }
    }
}

/// What a runner answers to a call: the same events and the same end, however they arrive.
pub fn runner_lines(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let spec =
        RunSpec::new("notes", "save", Target::Remote { source: "runner".into(), name: "notes.save".into() });
    let call = Call {
        id: CallId(7),
        spec: Arc::new(spec),
        request: CallRequest::tool("{}"),
        deadline: Deadline::new(Instant::now(), None, None),
        wants: Wants { progress: true, log: Some(LogLevel::Debug) },
        session: "".into(),
        affinity: None,
        origin: None,
        parent: None,
    };
    let whole = read_lines(&call, bytes, bytes.len().max(1), FRAME_BYTES_MAX);
    let piece = piece_of(*size, bytes);
    assert_eq!(whole, read_lines(&call, bytes, piece, FRAME_BYTES_MAX), "in pieces of {piece}");
}

#[cfg(test)]
mod tests {
    use omni_mutate::Target;

    const WORDS: &[&str] = &[
        "{\"result\":{\"id\":7,\"content\":[]}}",
        "{\"error\":{\"id\":7,\"kind\":\"tool_error\",\"message\":\"m\"}}",
        "{\"log\":{\"id\":7,\"level\":\"info\",\"data\":\"x\"}}",
        "{\"progress\":{\"id\":7,\"value\":1}}",
        "{\"beat\":{\"id\":7}}",
        "{\"started\":{\"id\":7}}",
        "{\"ask\":{\"id\":7,\"ask\":1,\"method\":\"roots/list\",\"params\":{}}}",
        "\"tainted\":[\"x\"]",
        "\"structured\":",
        "\"id\":8",
        "1e999",
        "null",
        "\\ud800",
        "\n",
        "\r",
        "\u{10}\0\0\0",
        "\0\0\0\0",
        "\u{7f}\u{7f}\u{7f}\u{7f}",
    ];

    #[test]
    fn any_frames_of_a_worker_are_read_the_same_however_they_arrive() {
        Target { name: "worker_frames", words: WORDS, seeds: &[], run: super::worker_frames }.check();
    }

    #[test]
    fn any_lines_of_a_runner_are_read_the_same_however_they_arrive() {
        Target { name: "runner_lines", words: WORDS, seeds: &[], run: super::runner_lines }.check();
    }
}

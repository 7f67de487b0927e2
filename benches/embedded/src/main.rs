//! Rows of numbers: nanoseconds of processor time a call, once for a bare call of a Python function through PyO3, once for a call as the
//! executor `embedded` makes it: a frame with JSON in, the tool, a frame with JSON out. Both in one thread that keeps
//! its thread state, in turns, in one interpreter.
//!
//! Arguments: the interpreter's program, its library, the folder of the `omni` package, a skill's folder, rounds, calls
//! a round.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use omni_libpython::{Host, PAGE_SLOTS, Received, Startup, start};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyModule};
use rustix::time::{ClockId, clock_gettime};

const TEXT: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// Hands the same call over again and again, each under the next id, and lets the thread go at the end of a round.
struct Calls {
    /// Made before, as the server makes them in a thread of its own.
    frames: Mutex<VecDeque<Vec<u8>>>,
    sent: AtomicUsize,
    answered: AtomicUsize,
    /// When the call after the first was handed over: the first one loads the skill.
    began: Mutex<f64>,
    page: [AtomicU64; PAGE_SLOTS],
}

impl Host for Calls {
    fn key(&self) -> u64 {
        static KEYS: AtomicU64 = AtomicU64::new(1);
        KEYS.fetch_add(1, Ordering::Relaxed)
    }

    fn page(&self) -> &[AtomicU64; PAGE_SLOTS] {
        &self.page
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn receive(&self, _wait: bool) -> Received {
        // After the introduction and the first call.
        if self.sent.fetch_add(1, Ordering::Relaxed) == 2 {
            *self.began.lock().unwrap() = processor_time();
        }
        self.frames.lock().unwrap().pop_front().map_or(Received::Closed, Received::Frame)
    }

    fn send(&self, frames: &[u8]) {
        assert!(frames[4..].starts_with(b"{\"result\""), "{}", String::from_utf8_lossy(frames));
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    fn print(&self, _id: u64, _stream: i32, _bytes: &[u8]) {}
}

/// What the control thread would be told; here it only prepares the interpreter.
struct Settle(Mutex<Vec<String>>, [AtomicU64; PAGE_SLOTS]);

impl Host for Settle {
    fn key(&self) -> u64 {
        0
    }

    fn page(&self) -> &[AtomicU64; PAGE_SLOTS] {
        &self.1
    }

    fn wake(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn receive(&self, _wait: bool) -> Received {
        self.0.lock().unwrap().pop().map_or(Received::Closed, |frame| Received::Frame(frame.into_bytes()))
    }

    fn send(&self, _frames: &[u8]) {}

    fn print(&self, _id: u64, _stream: i32, _bytes: &[u8]) {}
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, library, package, skill, rounds, calls] = &arguments[..] else {
        panic!("usage: PROGRAM LIBRARY PACKAGE SKILL ROUNDS CALLS");
    };
    let (rounds, calls): (usize, usize) = (rounds.parse().unwrap(), calls.parse().unwrap());
    let python = start(&Startup {
        program: program.into(),
        library: library.into(),
        package_dir: Some(PathBuf::from(package)),
        utf8: false,
    })
    .unwrap();
    let hello = r#"{"hello":{"root":".","environment":{}}}"#.to_owned();
    python.serve("control", Arc::new(Settle(Mutex::new(vec![hello]), Default::default()))).unwrap();
    let bare = bare_function();
    for round in 0..=rounds {
        let floor = bare_calls(&bare, calls);
        let ours = {
            let host = Arc::new(embedded_calls(skill, calls));
            python.serve("serve_sync", host.clone()).unwrap();
            let took = processor_time() - *host.began.lock().unwrap();
            assert_eq!(host.answered.load(Ordering::Relaxed), calls + 1);
            took / calls as f64
        };
        // The first round warms both up.
        if round > 0 {
            println!("{floor:.0} {ours:.0}");
        }
    }
}

fn embedded_calls(skill: &str, calls: usize) -> Calls {
    let target = format!(
        r#"{{"tool":"bench.echo","skill":"bench","dir":"{skill}","file":"scripts/bench.py","function":"echo","wrap":true,"structured":true,"inject":[]}}"#
    );
    let hello = r#"{"hello":{"proto":1,"mode":"sync","page":true,"root":".","settings":{},"frame_bytes_max":16842752,"result_bytes_max":8388608}}"#;
    let call = |id| {
        format!(
            r#"{{"call":{{"id":{id},"target":{target},"args":{{"text":"{TEXT}"}},"deadline_ms":60000,"idle_ms":null,"attempt":1,"context":{{"progress":false,"log":null,"session":""}}}}}}"#
        )
    };
    let frames = std::iter::once(hello.to_owned()).chain((1..=calls + 1).map(call));
    Calls {
        frames: Mutex::new(frames.map(String::into_bytes).collect()),
        sent: AtomicUsize::new(0),
        answered: AtomicUsize::new(0),
        began: Mutex::default(),
        page: Default::default(),
    }
}

fn bare_function() -> Py<PyAny> {
    Python::attach(|py| {
        let code = c"def echo(text):\n    return text\n";
        PyModule::from_code(py, code, c"bare.py", c"bare").unwrap().getattr("echo").unwrap().unbind()
    })
}

/// Nanoseconds that this thread has had a processor: others on the machine do not count.
fn processor_time() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Nanoseconds a call, in one thread state that is kept and let go of between calls, as one that waits does.
fn bare_calls(function: &Py<PyAny>, calls: usize) -> f64 {
    Python::attach(|py| {
        let began = processor_time();
        for _ in 0..calls {
            py.detach(|| std::hint::black_box(()));
            let arguments = PyDict::new(py);
            arguments.set_item("text", TEXT).unwrap();
            let answer = function.call(py, (), Some(&arguments)).unwrap();
            std::hint::black_box(answer.extract::<String>(py).unwrap());
        }
        (processor_time() - began) / calls as f64
    })
}

//! A server that is killed with `kill -9` while it writes: what it had acknowledged is there.
//!
//! A test run kills 25 times. `OMNI_STORE_KILLS=1000 cargo test -p omni-store --test killed -- --nocapture` kills more often, and
//! says how much was acknowledged; with `OMNI_STORE_SEED` it kills after the same numbers of operations.

#![allow(clippy::disallowed_methods, reason = "a test kills a process of its own")]
#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use omni_call::TaskStatus;
use omni_store::{Ending, NewTask, Reply, Store, StoreConfig, overview};
use support::Lab;

/// Set for the process that plays the server: its number, which its tasks are named after.
const ROLE: &str = "OMNI_STORE_TEST_SERVER";
const FOLDER: &str = "OMNI_STORE_TEST_FOLDER";

/// How many operations a server has under way, so that several are committed together.
const WINDOW: usize = 16;

fn config() -> StoreConfig {
    StoreConfig {
        tasks_max: 1_000_000,
        tasks_per_owner_max: 1_000_000,
        bytes_max: 64 << 30,
        nonces_max: 1_000_000,
        ..StoreConfig::default()
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// What becomes of a number: every third task ends, with a result whose length says which it is.
fn has_ended(task: u64) -> bool {
    task.is_multiple_of(3)
}

fn result(task: u64) -> Vec<u8> {
    vec![b'r'; usize::try_from(task * 37 % 6000).unwrap()]
}

fn id(server: u64, task: u64) -> String {
    format!("{server}-{task}")
}

#[test]
fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    if let Some(server) = number(ROLE) {
        serve_until_killed(server);
    }
    let kills = number("OMNI_STORE_KILLS").unwrap_or(25);
    let seed = number("OMNI_STORE_SEED").unwrap_or(21);
    let mut random = Random(seed);
    let lab = Lab::new();
    let (mut acknowledged, mut last_of) = (0u64, Vec::new());
    for server in 0..kills {
        let (mut child, mut lines) = spawn(&lab, server);
        // Some are killed while they open the store, and the first while they make it.
        let wanted = if random.below(10) == 0 { 0 } else { random.below(260) };
        let mut seen = Acknowledged::default();
        for _ in 0..wanted {
            seen.read(&mut lines);
        }
        if wanted == 0 {
            std::thread::sleep(Duration::from_micros(random.below(8_000)));
        }
        child.kill().unwrap();
        // What it had said before it was killed was acknowledged too.
        while seen.read(&mut lines) {}
        child.wait().unwrap();
        acknowledged += seen.count;

        let store = Store::open(lab.folder(), config()).unwrap();
        let lost = store.declare_lost("the server was killed", b"{}", lab.now).wait().unwrap();
        assert!(lost.iter().all(|task| task.id.starts_with(&format!("{server}-"))), "{lost:?}");
        check(&lab, &store, server, &seen);
        store.close();
        last_of.push(seen);
    }
    let store = Store::open(lab.folder(), config()).unwrap();
    for (server, seen) in (0..).zip(&last_of) {
        check(&lab, &store, server, seen);
    }
    let found = overview(&lab.folder(), &config()).unwrap().unwrap();
    assert_eq!((found.put_aside.len(), found.unfinished), (0, 0), "{found:?}");
    println!(
        "{kills} kills, {acknowledged} acknowledged operations, seed {seed}: none lost, nothing damaged"
    );
}

/// How far a server came: tasks and nonces are numbered, and acknowledged in this order.
#[derive(Default)]
struct Acknowledged {
    count: u64,
    created: u64,
    finished: Option<u64>,
    used: u64,
}

impl Acknowledged {
    /// Takes a line of the server. `false` at its end; a line that was cut short by the kill says nothing.
    fn read(&mut self, lines: &mut BufReader<ChildStdout>) -> bool {
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
                return false;
            }
            // The test harness says things of its own, also before the first of ours on the same line.
            let Some((_, said)) = line.trim_end().split_once("acknowledged ") else { continue };
            let (kind, number) = said.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            match kind {
                "created" => self.created = number + 1,
                "finished" => self.finished = Some(number),
                "used" => self.used = number + 1,
                other => panic!("{other}"),
            }
            self.count += 1;
            return true;
        }
    }
}

/// All that one server had acknowledged is there; what it had not acknowledged is there wholly or not at all.
fn check(lab: &Lab, store: &Store, server: u64, seen: &Acknowledged) {
    let tasks: Vec<_> = (0..seen.created + WINDOW as u64)
        .map(|task| (task, store.task(&id(server, task), "ada", lab.now)))
        .collect::<Vec<_>>();
    for (number, task) in tasks {
        let Some(task) = retried(task, || store.task(&id(server, number), "ada", lab.now)) else {
            assert!(number >= seen.created, "task {number} of server {server} was acknowledged, and is lost");
            continue;
        };
        match task.status {
            TaskStatus::Completed => assert!(task.result == Some(result(number)), "{server}-{number}"),
            TaskStatus::Failed => {
                let acknowledged = has_ended(number) && seen.finished.is_some_and(|last| number <= last);
                assert!(!acknowledged, "the end of task {number} of server {server} is lost");
            }
            other => panic!("{server}-{number} is {other:?}"),
        }
    }
    for nonce in 0..seen.used {
        let again = store.use_once(id(server, nonce).as_bytes(), lab.now + Duration::from_secs(60), lab.now);
        assert!(!again.wait().unwrap(), "nonce {nonce} of server {server} was used");
    }
}

/// The queue is bounded: what it refused is asked again.
fn retried<T>(reply: Reply<T>, again: impl Fn() -> Reply<T>) -> T {
    reply.wait().unwrap_or_else(|_| again().wait().unwrap())
}

fn spawn(lab: &Lab, server: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_was_acknowledged_survives_a_kill_at_any_moment", "--nocapture"])
        .env(ROLE, server.to_string())
        .env(FOLDER, lab.folder())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

enum Waiting {
    Created(u64, Reply<()>),
    Finished(u64, Reply<omni_store::Changed>),
    Used(u64, Reply<bool>),
}

fn serve_until_killed(server: u64) -> ! {
    let lab = Lab::new();
    let store = Store::on_first_use(std::env::var_os(FOLDER).unwrap(), config());
    let mut waiting = VecDeque::new();
    for number in 0.. {
        let id = id(server, number);
        waiting.push_back(Waiting::Created(number, store.create(NewTask { ttl: None, ..lab.task(&id) })));
        if has_ended(number) {
            let ending = Ending::Completed(result(number));
            waiting.push_back(Waiting::Finished(number, store.finish(&id, ending, lab.now)));
        }
        let expires = lab.now + Duration::from_secs(60);
        waiting.push_back(Waiting::Used(number, store.use_once(id.as_bytes(), expires, lab.now)));
        while waiting.len() >= WINDOW {
            let (kind, number) = match waiting.pop_front().unwrap() {
                Waiting::Created(number, reply) => {
                    reply.wait().unwrap();
                    ("created", number)
                }
                Waiting::Finished(number, reply) => {
                    assert_eq!(reply.wait().unwrap(), omni_store::Changed::Done);
                    ("finished", number)
                }
                Waiting::Used(number, reply) => {
                    assert!(reply.wait().unwrap());
                    ("used", number)
                }
            };
            let mut out = std::io::stdout().lock();
            writeln!(out, "acknowledged {kind} {number}").unwrap();
            out.flush().unwrap();
        }
    }
    unreachable!("it is killed before it runs out of numbers");
}

/// Enough for numbers that nobody has chosen, and the same ones for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

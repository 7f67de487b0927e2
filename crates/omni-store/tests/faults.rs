//! A disk that is full, or that fails, at every single call that a store makes of it: each operation ends with a named error,
//! and once the disk is well again all is as it was acknowledged.
//!
//! The calls are those of the real library, failed by `faults.c`, which the C compiler that builds SQLite builds too.
//! A test run tries every 29th call; `OMNI_STORE_FAULTS=1 cargo test -p omni-store --test faults -- --nocapture` tries every one, in some
//! minutes, and says how many these were.

#![allow(clippy::disallowed_methods, reason = "a test builds and loads what fails its calls")]
#![expect(clippy::print_stdout, reason = "whoever tries every call wants to know how many there were")]
#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use omni_call::TaskStatus;
use omni_store::{
    Changed, Ending, NewTask, OpenError, Requested, Store, StoreConfig, StoreError, TaskChange, TaskRequest,
    overview,
};
use support::Lab;

const CONTROL: &str = "OMNI_STORE_TEST_CONTROL";
const FOLDER: &str = "OMNI_STORE_TEST_FOLDER";

const EIO: i64 = 5;
const ENOSPC: i64 = 28;

#[test]
fn a_disk_that_is_full_or_fails_at_any_call_is_a_named_error_and_nothing_is_lost() {
    if std::env::var_os(CONTROL).is_some() {
        return fail_everywhere();
    }
    let test = "a_disk_that_is_full_or_fails_at_any_call_is_a_named_error_and_nothing_is_lost";
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("faults.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults.c");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", source, "-ldl", "-o"])
        .arg(&library)
        .status()
        .unwrap();
    assert!(built.success());
    let control = dir.path().join("control");
    File::create(&control).unwrap().set_len(4096).unwrap();
    // Memory where there is some to be had as a folder: thousands of databases are made.
    let shared = PathBuf::from("/dev/shm");
    let work = tempfile::tempdir_in(if shared.is_dir() { &shared } else { dir.path() }).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("LD_PRELOAD", &library)
        .env(CONTROL, &control)
        .env(FOLDER, work.path().join("store"))
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
}

/// How the disk fails.
#[derive(Clone, Copy, Debug)]
struct Fault {
    what: &'static str,
    error: i64,
    /// How many calls fail, from the first one on.
    count: i64,
    /// Only calls that may need room fail.
    room: bool,
    /// The first of them writes half of what it should.
    part: bool,
}

const FOR_EVER: i64 = i64::MAX;

const FAULTS: [Fault; 5] = [
    Fault { what: "one call fails", error: EIO, count: 1, room: false, part: false },
    Fault { what: "three calls fail", error: EIO, count: 3, room: false, part: false },
    Fault { what: "the disk fails", error: EIO, count: FOR_EVER, room: false, part: false },
    Fault { what: "the disk is full", error: ENOSPC, count: FOR_EVER, room: true, part: false },
    Fault { what: "half is written", error: ENOSPC, count: FOR_EVER, room: true, part: true },
];

fn fail_everywhere() {
    let control = Control::open();
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let step = if std::env::var_os("OMNI_STORE_FAULTS").is_some() { 1 } else { 29 };
    for (number, fault) in (0..).zip(FAULTS) {
        let (mut tried, mut failed) = (0u32, 0u32);
        let mut first = number % step;
        loop {
            let _ = fs::remove_dir_all(&folder);
            control.arm(fault, first);
            let mut script = Script::new(folder.clone());
            script.run(fault);
            let injected = control.injected();
            let calls = control.seen();
            if injected == 0 {
                // Well beyond the last call: the disk never failed, so nothing else may have.
                assert_eq!((script.errors, script.acknowledged.len()), (0, STEPS.len()), "{fault:?}");
                control.disarm();
                script.check(fault, &format!("{fault:?}"));
                println!("{}: {tried} of {calls} calls tried, {failed} operations failed", fault.what);
                break;
            }
            control.disarm();
            let what = format!("{}, call {first}: {}", fault.what, control.name());
            failed += script.errors;
            script.check(fault, &what);
            tried += 1;
            first += step;
        }
        assert!(tried > 3, "{fault:?}: hardly anything was tried");
        assert!(failed > 0, "{fault:?}: no operation has noticed");
    }
}

fn config() -> StoreConfig {
    StoreConfig { lock_timeout: Duration::from_millis(20), ..StoreConfig::default() }
}

/// What a server does with its store, some of which fails.
struct Script {
    lab: Lab,
    folder: PathBuf,
    store: Store,
    acknowledged: Vec<Step>,
    errors: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create(&'static str),
    Ask(&'static str),
    /// With a result of so many bytes.
    Finish(&'static str, usize),
    Read(&'static str),
    Use(&'static [u8]),
    /// Another store takes its place, as after a restart.
    Restart,
    DeclareLost,
    Cancel(&'static str),
    RemoveExpired,
    TakeRequests,
}

const STEPS: [Step; 15] = [
    Step::Create("a"),
    Step::Create("b"),
    Step::Ask("a"),
    Step::Finish("a", 20_000),
    Step::Use(b"once"),
    Step::Read("a"),
    Step::Finish("b", 100_000),
    Step::Create("lost"),
    Step::Restart,
    Step::Create("c"),
    Step::DeclareLost,
    Step::Cancel("c"),
    Step::RemoveExpired,
    Step::TakeRequests,
    Step::Use(b"twice"),
];

impl Script {
    fn new(folder: PathBuf) -> Self {
        let store = Store::on_first_use(&folder, config());
        Script { lab: Lab::new(), folder, store, acknowledged: Vec::new(), errors: 0 }
    }

    fn run(&mut self, fault: Fault) {
        for step in STEPS {
            match self.step(step) {
                Ok(true) => self.acknowledged.push(step),
                Ok(false) => {}
                Err(
                    StoreError::Io { .. }
                    | StoreError::DiskFull { .. }
                    | StoreError::Open(
                        OpenError::Folder { .. }
                        | OpenError::Io { .. }
                        | OpenError::DiskFull { .. }
                        | OpenError::Unreadable { .. },
                    ),
                ) => self.errors += 1,
                // SQLite takes a lock that the system cannot give for one that another process has.
                Err(StoreError::Locked { .. } | StoreError::Open(OpenError::Locked { .. }))
                    if fault.error == EIO =>
                {
                    self.errors += 1;
                }
                Err(error) => panic!("{step:?}: {error:?}"),
            }
        }
    }

    /// `false` where that which it is about could not be created.
    fn step(&mut self, step: Step) -> Result<bool, StoreError> {
        let (store, now) = (&self.store, self.lab.now);
        let is_there = |id| self.was(Step::Create(id));
        match step {
            Step::Create(id) => store.create(NewTask { ttl: None, ..self.lab.task(id) }).wait()?,
            Step::Ask(id) | Step::Finish(id, _) | Step::Read(id) | Step::Cancel(id) if !is_there(id) => {
                return Ok(false);
            }
            Step::Ask(id) => {
                let asks = TaskChange { input_requests: Some(b"{}".to_vec()), ..TaskChange::default() };
                assert_eq!(store.change(id, asks, now).wait()?, Changed::Done);
            }
            Step::Finish(id, size) => {
                let ending = Ending::Completed(vec![b'r'; size]);
                assert_eq!(store.finish(id, ending, now).wait()?, Changed::Done);
            }
            Step::Read(id) => assert!(store.task(id, "ada", now).wait()?.is_some()),
            Step::Use(nonce) => assert!(store.use_once(nonce, now + Duration::from_secs(9), now).wait()?),
            Step::Restart => {
                store.close();
                self.store = Store::on_first_use(&self.folder, config());
            }
            Step::DeclareLost => drop(store.declare_lost("lost", b"{}", now).wait()?),
            Step::Cancel(id) => {
                let asked = store.request(id, "ada", TaskRequest::Cancel, now).wait()?;
                assert_eq!(asked, Requested::Mine);
            }
            Step::RemoveExpired => assert_eq!(store.remove_expired(now).wait()?, []),
            Step::TakeRequests => assert_eq!(store.take_requests().wait()?, []),
        }
        Ok(true)
    }

    fn was(&self, step: Step) -> bool {
        self.acknowledged.contains(&step)
    }

    /// The store that has seen the disk fail works as soon as the disk does, and what it had acknowledged is there: for it,
    /// and for one that is opened later.
    fn check(self, fault: Fault, what: &str) {
        let (store, now) = (&self.store, self.lab.now);
        let create = || store.create(self.lab.task("well")).wait();
        let created = match create() {
            // A lock that could not be freed is freed once it has been met.
            Err(StoreError::Locked { .. }) if fault.error == EIO => create(),
            created => created,
        };
        created.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(store.finish("well", Ending::Cancelled, now).wait().unwrap(), Changed::Done, "{what}");
        self.found(store, what);
        store.close();
        let later = Store::open(&self.folder, StoreConfig::default()).unwrap();
        self.found(&later, what);
        later.declare_lost("lost", b"{}", now).wait().unwrap();
        later.close();
        let overview = overview(&self.folder, &StoreConfig::default()).unwrap().unwrap();
        assert!(overview.put_aside.is_empty(), "{what}: a whole database was put aside");
        assert_eq!(overview.unfinished, 0, "{what}");
    }

    fn found(&self, store: &Store, what: &str) {
        for step in &self.acknowledged {
            let task = |id: &str| {
                let found = store.task(id, "ada", self.lab.now).wait().unwrap();
                found.unwrap_or_else(|| panic!("{what}: `{id}` is lost"))
            };
            match *step {
                Step::Create(id) | Step::Ask(id) | Step::Read(id) => drop(task(id)),
                Step::Finish(id, size) => {
                    let task = task(id);
                    assert_eq!(task.status, TaskStatus::Completed, "{what}: {id}");
                    assert!(task.result == Some(vec![b'r'; size]), "{what}: {id}");
                }
                Step::Cancel(id) => assert_eq!(task(id).status, TaskStatus::Cancelled, "{what}"),
                Step::DeclareLost if self.was(Step::Create("lost")) => {
                    assert_eq!(task("lost").status, TaskStatus::Failed, "{what}");
                }
                Step::Use(nonce) => {
                    let again = store.use_once(nonce, self.lab.now + Duration::from_secs(9), self.lab.now);
                    assert!(!again.wait().unwrap(), "{what}: a nonce was forgotten");
                }
                Step::DeclareLost | Step::Restart | Step::RemoveExpired | Step::TakeRequests => {}
            }
        }
    }
}

/// What `faults.c` reads and writes: eight numbers, and the name of the last call that failed.
struct Control(File);

impl Control {
    fn open() -> Self {
        let path = std::env::var_os(CONTROL).unwrap();
        Control(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    fn arm(&self, fault: Fault, first: i64) {
        let numbers =
            [0, 0, first, fault.count, fault.error, i64::from(fault.room), i64::from(fault.part), 0];
        for (at, number) in (0..).zip(numbers) {
            self.set(at, number);
        }
        self.0.write_all_at(&[0; 64], 64).unwrap();
        self.set(0, 1);
    }

    fn disarm(&self) {
        self.set(0, 0);
    }

    fn seen(&self) -> i64 {
        self.number(1)
    }

    fn injected(&self) -> i64 {
        self.number(7)
    }

    fn name(&self) -> String {
        let mut name = [0; 64];
        self.0.read_exact_at(&mut name, 64).unwrap();
        String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned()
    }

    fn set(&self, at: u64, number: i64) {
        self.0.write_all_at(&number.to_ne_bytes(), at * 8).unwrap();
    }

    fn number(&self, at: u64) -> i64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, at * 8).unwrap();
        i64::from_ne_bytes(bytes)
    }
}

//! A server under test, and the oracles that hold after every row, whatever the row was.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, Transport, lives};
use crate::expected;
use crate::support::processes::{Family, family};
use crate::support::ways::{self, Backing};
use crate::support::{Folder, PATIENCE};

/// What a server may take beyond what it had after its first call.
const GROWTH_MAX_MIB: u64 = 96;
/// Descriptors that a server holds for one process: socket, two pipes, pidfd, status page, and some room.
const DESCRIPTORS_PER_PROCESS: usize = 8;
/// Descriptors that come and go with connections and sweeps.
const DESCRIPTORS_SLACK: usize = 6;
/// How long effects must have stood still to count as stopped.
const STILL: Duration = Duration::from_millis(300);

pub(crate) struct Server {
    pub(crate) folder: Folder,
    pub(crate) client: Client,
    backing: Backing,
    rows: usize,
    base: Base,
    /// What processes of tools are like before anything has run there, by the tool that says it.
    states: Vec<(&'static str, String)>,
    /// Tools run in the server's own process, which puts things back beside the next call.
    shares_its_process: bool,
}

/// Tools that say what their process is like.
const STATES: [&str; 2] = ["bystander.state", "bystander.state_async"];

/// What was so before the first row.
#[derive(Debug)]
struct Base {
    descriptors: usize,
    processes: usize,
    memory_mib: u64,
    scratch: BTreeSet<PathBuf>,
}

impl Server {
    /// A server over the fixtures that has answered a call already.
    pub(crate) fn start(transport: Transport, way: &str) -> Self {
        let mut folder = Folder::empty();
        folder.write("omni.toml", "[limits]\nmemory_mib = 2048\n");
        for name in ["root", "tmp", "notes"] {
            fs::create_dir(folder.path(name)).unwrap();
        }
        folder.env = vec![
            ("TMPDIR", folder.path("tmp").to_str().unwrap().to_owned()),
            ("OMNI_MATRIX_SECRET", "for nobody's eyes".to_owned()),
            ("OMNI_LOG", "off".to_owned()),
            // As where others may call: no reply may hold a secret.
            ("OMNI_ERRORS", "masked".to_owned()),
            // As for everybody who starts it; most other tests do without, to be quick.
            ("OMNI_ISOLATION", "auto".to_owned()),
        ];
        let skills = expected::skills();
        let root = folder.path("root");
        let (arguments, backing) = ways::prepare(way, &folder, &skills, &root, "OMNI_MATRIX_SHOWN");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut client = Client::start(transport, &folder, &arguments);
        client.call("bystander.echo", json!({"text": "first"})).expect("the first call is answered");
        let mut server = Server {
            folder,
            client,
            backing,
            rows: 0,
            base: Base { descriptors: 0, processes: 0, memory_mib: 0, scratch: BTreeSet::new() },
            states: Vec::new(),
            shares_its_process: way == "embedded",
        };
        // The second time nothing is imported any more.
        for tool in STATES {
            server.state(tool).expect("the process can be looked at");
            let state = server.state(tool).expect("the process can be looked at");
            server.states.push((tool, state));
        }
        server.base = Base {
            descriptors: server.descriptors(),
            processes: server.family().ours,
            memory_mib: server.memory_mib(),
            scratch: server.scratch(),
        };
        server
    }

    /// A folder for what one row leaves behind.
    pub(crate) fn notes(&mut self) -> PathBuf {
        self.rows += 1;
        let notes = self.folder.path(&format!("notes/{}", self.rows));
        fs::create_dir(&notes).unwrap();
        notes
    }

    /// Waits until everything is as it must be after a row, and says what is not.
    pub(crate) fn settle(&mut self, notes: &std::path::Path) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE / 4;
        let mut faults = Vec::new();
        loop {
            let before = ticks(notes);
            faults.clear();
            if !lives(self.client.pid()) {
                return vec!["the server has ended".to_owned()];
            }
            self.look(&mut faults);
            if faults.is_empty() && before > 0 {
                std::thread::sleep(STILL);
                if ticks(notes) != before {
                    faults.push("what the tool started still has effects".to_owned());
                }
            }
            if faults.is_empty() || Instant::now() > deadline {
                return faults;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn state(&mut self, tool: &str) -> Result<String, String> {
        let (reply, _) = self.client.call(tool, json!({}))?;
        let text = reply["result"]["content"][0]["text"].as_str();
        text.map(str::to_owned).ok_or_else(|| reply.to_string())
    }

    /// Says what a call has left changed in the process of the next.
    pub(crate) fn changes(&mut self) -> Vec<String> {
        let mut faults = Vec::new();
        for (tool, before) in self.states.clone() {
            let deadline = Instant::now() + PATIENCE / 4;
            loop {
                let now = self.state(tool);
                if now.as_ref() == Ok(&before) {
                    break;
                }
                if !self.shares_its_process || Instant::now() > deadline {
                    faults.push(format!("`{tool}` said {now:?}, and before the call {before}"));
                    break;
                }
            }
        }
        faults
    }

    fn look(&self, faults: &mut Vec<String>) {
        let family = self.family();
        faults.extend(family.strays.first().map(|stray| {
            let stray = stray.replace('\n', " ");
            format!("{} processes are left, such as {stray}", family.strays.len())
        }));
        let more = family.ours.saturating_sub(self.base.processes);
        let allowed = self.base.descriptors + more * DESCRIPTORS_PER_PROCESS + DESCRIPTORS_SLACK;
        let descriptors = self.descriptors();
        if descriptors > allowed {
            faults.push(format!("{descriptors} descriptors are open, {allowed} at most expected"));
        }
        let memory = self.memory_mib();
        if memory > self.base.memory_mib + GROWTH_MAX_MIB {
            faults.push(format!("the server has taken {memory} MiB, from {}", self.base.memory_mib));
        }
        let scratch = self.scratch();
        faults.extend(
            scratch.difference(&self.base.scratch).map(|path| format!("a file is left: {}", path.display())),
        );
    }

    fn servers(&self) -> Vec<u32> {
        std::iter::once(self.client.pid()).chain(self.backing.servers()).collect()
    }

    fn family(&self) -> Family {
        family(&self.servers(), self.folder.dir.path())
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.client.pid())).map_or(0, Iterator::count)
    }

    /// The most that the server ever took.
    fn memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.client.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
    }

    /// Everything in the folders that tools and server might leave something in.
    fn scratch(&self) -> BTreeSet<PathBuf> {
        ["root", "tmp"]
            .iter()
            .flat_map(|name| fs::read_dir(self.folder.path(name)).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .collect()
    }

    /// Ends the server as its clients do, and says what it leaves.
    pub(crate) fn end(self) -> Vec<String> {
        let servers = self.servers();
        let mut faults: Vec<String> = self
            .client
            .close()
            .into_iter()
            .map(|message| format!("a message that nobody waited for: {message}"))
            .collect();
        drop(self.backing);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let family = family(&servers, self.folder.dir.path());
            if family.ours == 0 && family.strays.is_empty() {
                return faults;
            }
            if Instant::now() > deadline {
                faults.extend(
                    family.strays.iter().map(|stray| format!("left after the server's end: {stray}")),
                );
                faults.push(format!("{} workers are left after the server's end", family.ours));
                return faults;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// How often a fixture has shown that it runs.
fn ticks(notes: &std::path::Path) -> u64 {
    fs::metadata(notes.join("ticks")).map_or(0, |file| file.len())
}

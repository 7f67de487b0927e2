//! Transport × executor × way to misbehave, driving the built binary. Each row is one call of a tool in
//! `fixtures/skills`, held against the `expected.toml` beside it and against what must hold after every row:
//! stdout is MCP, one reply an id, the call beside it and the next ones are answered, nothing is left running,
//! open or lying about, and the server's memory has not grown. `fixtures/README.md` says how to add a row.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a panic is how a test fails, and rows are reported"
)]

#[path = "../support/mod.rs"]
mod support;

mod client;
mod expected;
mod row;
mod server;

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use client::Transport;
use expected::Fixture;
use row::Seen;
use server::Server;

/// Servers that one test has at once. Most rows wait: for a time limit, for a process to go.
const LANES: usize = 4;

/// Makes a test of each transport and way.
macro_rules! walks {
    ($($way:ident)*) => {
        const WAYS: &[&str] = &[$(stringify!($way)),*];

        mod stdio {
            $(#[test] fn $way() { super::walk(super::Transport::Stdio, stringify!($way)); })*
        }

        mod http {
            $(#[test] fn $way() { super::walk(super::Transport::Http, stringify!($way)); })*
        }
    };
}
support::ways::with_each_way!(walks);

/// Walks through all fixtures and fails with every row that did.
fn walk(transport: Transport, way: &str) {
    let fixtures = expected::fixtures();
    let only = std::env::var("OMNI_MATRIX_ONLY").unwrap_or_default();
    let left: VecDeque<&Fixture> = fixtures.iter().filter(|fixture| fixture.tool.contains(&only)).collect();
    let left = Mutex::new(left);
    let lines = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| lane(transport, way, &left, &lines));
        }
    });
    let lines = lines.into_inner().unwrap();
    keep_report(transport, way, &lines);
    let failed: Vec<&String> = lines.iter().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.is_empty(), "{} rows of {} failed:\n{failed:#?}", failed.len(), lines.len());
}

/// Takes rows until none is left. A server that a row has hurt serves no other row.
fn lane(transport: Transport, way: &str, left: &Mutex<VecDeque<&Fixture>>, lines: &Mutex<Vec<String>>) {
    let mut server: Option<Server> = None;
    let mut served = Vec::new();
    loop {
        let Some(fixture) = left.lock().unwrap().pop_front() else { break };
        let expected = match fixture.expected(transport, way) {
            Ok(expected) => expected,
            Err(because) => {
                lines.lock().unwrap().push(format!("SKIP\t{}\t{because}", fixture.tool));
                continue;
            }
        };
        served.push(fixture.tool.clone());
        let running = server.take();
        // A helper that panics is a row that failed, and no reason to leave the others out.
        let began = Instant::now();
        let ran = catch_unwind(AssertUnwindSafe(|| {
            let mut running = running.unwrap_or_else(|| Server::start(transport, way));
            let mut seen = row::run(&mut running, fixture, &expected);
            if seen.faults.is_empty() && !expected.goes_on {
                return (seen, Some(running));
            }
            seen.faults.extend(running.end());
            (seen, None)
        }));
        let line = match ran {
            Ok((seen, running)) => {
                server = running;
                report(fixture, &seen, began.elapsed())
            }
            Err(panic) => {
                let why = panic.downcast_ref::<String>().map(String::as_str);
                format!("FAIL\t{}\tpanic\t{}", fixture.tool, why.unwrap_or("see above"))
            }
        };
        eprintln!("{line}");
        lines.lock().unwrap().push(line);
    }
    if let Some(server) = server {
        let faults = server.end();
        if !faults.is_empty() {
            lines
                .lock()
                .unwrap()
                .push(format!("FAIL\tthe end of the server that ran {served:?}: {faults:#?}"));
        }
    }
}

fn report(fixture: &Fixture, seen: &Seen, whole: Duration) -> String {
    let word = if seen.faults.is_empty() { "ok" } else { "FAIL" };
    let mut line = format!(
        "{word}\t{}\t{}\t{} ms\t{} ms in all",
        fixture.tool,
        seen.kind,
        seen.took.as_millis(),
        whole.as_millis()
    );
    for fault in &seen.faults {
        let _ = write!(line, "\n    {fault}");
    }
    line
}

/// Leaves the rows in a file, for whoever wants to see times and kinds side by side.
fn keep_report(transport: Transport, way: &str, lines: &[String]) {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("matrix");
    std::fs::create_dir_all(&folder).unwrap();
    let name = format!("{transport:?}-{way}.tsv").to_lowercase();
    std::fs::write(folder.join(name), lines.join("\n")).unwrap();
}

#[test]
fn every_fixture_has_its_row_and_every_row_its_fixture() {
    let listed = support::Folder::empty()
        .run(&["list", "--json", "--skills", expected::skills().to_str().unwrap()])
        .stdout;
    let listed: serde_json::Value = serde_json::from_slice(&listed).unwrap();
    let tools: BTreeSet<String> = listed["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .filter(|name| !name.starts_with("bystander."))
        .collect();
    let rows: BTreeSet<String> = expected::fixtures().into_iter().map(|fixture| fixture.tool).collect();
    assert_eq!(tools, rows);
}

#[test]
fn every_difference_names_a_way_that_exists_and_a_reason() {
    for fixture in expected::fixtures() {
        for (ways, because) in fixture.differences() {
            for way in ways {
                assert!(way == "all" || WAYS.contains(&way.as_str()), "{}: no way `{way}`", fixture.tool);
            }
            assert!(because.len() > 20, "{}: `{because}` is no reason", fixture.tool);
        }
    }
}

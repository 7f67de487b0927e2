//! The ways to run tools that tests walk through: one word each, and how a server is told to use it.
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::Folder;

#[allow(unused_macros, reason = "not every test walks")]
/// Hands the names of all ways to another macro.
macro_rules! with_each_way {
    ($make:ident) => {
        $make! { pool fork fork_ahead fork_reused spawn embedded runner }
    };
}
#[allow(unused_imports, reason = "not every test walks")]
pub(crate) use with_each_way;

/// What a way needs besides the server, for as long as the server runs.
#[derive(Default)]
pub struct Backing {
    runner: Option<Child>,
}

/// What `omni mcp` is started with to run every tool this way, and what it needs beside it. `shown` is a variable
/// that tools may see.
pub fn prepare(
    way: &str,
    folder: &Folder,
    skills: &Path,
    root: &Path,
    shown: &str,
) -> (Vec<String>, Backing) {
    let skills = skills.to_str().unwrap().to_owned();
    let root = root.to_str().unwrap().to_owned();
    let own = ["--skills", &skills, "--root", &root, "--env", shown].map(str::to_owned);
    if way == "runner" {
        let backing = Backing { runner: Some(runner(folder, &own)) };
        let address = format!("unix:{}", folder.path("runner.sock").display());
        return (vec!["--runner".to_owned(), address], backing);
    }
    // `fork` has two settings; each is a way of its own to go wrong.
    let (executor, settings) = match way {
        "fork_ahead" => ("fork", "ahead = 2"),
        "fork_reused" => ("fork", "calls = 100"),
        way => (way, ""),
    };
    if executor == "fork" {
        let path = folder.path("omni.toml");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        folder.write("omni.toml", &format!("{before}\n[fork]\n{settings}\n"));
    }
    let mut arguments = vec!["--executor".to_owned(), executor.to_owned()];
    arguments.extend(own);
    (arguments, Backing::default())
}

/// `omni runner` in the folder of the test, whose `omni.toml` gives limits and settings to both.
fn runner(folder: &Folder, arguments: &[String]) -> Child {
    let mut child = folder
        .omni(&["runner"])
        .args(arguments)
        .args(["--unix", folder.path("runner.sock").to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("listening at"), "the runner said {said:?}");
    child
}

impl Backing {
    /// The processes that are servers of their own.
    pub fn servers(&self) -> Vec<u32> {
        self.runner.iter().map(Child::id).collect()
    }
}

impl Drop for Backing {
    fn drop(&mut self) {
        if let Some(runner) = &mut self.runner {
            let _ = Command::new("kill").arg(runner.id().to_string()).status();
            let _ = runner.wait();
        }
    }
}

//! Do the commands on the pages for people say what the pages say?
//!
//! Each page is a folder of its own. A block of code whose first line is `# skills/…` is that file, and one that is
//! marked with a path behind its language, since it has no comments, such as `markdown skills/…`; a block marked
//! `console` has commands after `$ `, and after each the lines that it prints, in order. `…` stands for anything, and of
//! a line any part will do. A block marked `mcp` has requests after `→ `, a method and its params, and after each what
//! stands in the answer of a server of `skills/`.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use support::{Folder, modern};

#[test]
fn the_readme() {
    assert_eq!(commands_run("README.md"), 3);
}

#[test]
fn writing_a_skill() {
    assert!(commands_run("docs/guide/writing-a-skill.md") >= 2);
}

#[test]
fn troubleshooting() {
    assert!(commands_run("docs/guide/troubleshooting.md") >= 6);
}

#[test]
fn offering_resources_and_prompts() {
    assert!(commands_run("docs/guide/offering-resources-and-prompts.md") >= 9);
}

/// Runs the commands and requests of a page; returns how many there were.
fn commands_run(page: &str) -> usize {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page);
    let text = fs::read_to_string(path).unwrap();
    let folder = Folder::empty();
    let blocks = blocks(&text);
    for (kind, lines) in &blocks {
        let marked = kind.split_once(' ').map(|(_, file)| file);
        let file =
            marked.or_else(|| lines.first()?.strip_prefix("# ")).filter(|file| file.starts_with("skills/"));
        if let Some(file) = file {
            folder.write(file, &(lines.join("\n") + "\n"));
        }
    }
    let mut commands = 0;
    for (kind, lines) in &blocks {
        if *kind == "mcp" {
            commands += requests_answered(page, &folder, lines);
        }
        if *kind != "console" {
            continue;
        }
        for part in lines.split(|line| line.starts_with("$ ")).skip(1).enumerate() {
            let (index, expected) = part;
            let command = lines.iter().filter_map(|line| line.strip_prefix("$ ")).nth(index).unwrap();
            let said = said(&folder, command);
            is_said(page, command, expected, &said);
            commands += 1;
        }
    }
    commands
}

/// Makes the requests of a block; returns how many there were.
fn requests_answered(page: &str, folder: &Folder, lines: &[&str]) -> usize {
    let mut client = folder.stdio(&["--skills", "skills"]);
    let mut answer = String::new();
    let mut requests = 0;
    for line in lines {
        let Some(request) = line.strip_prefix("→ ") else {
            assert!(fits(line.trim(), &answer), "{page}: `{line}` does not stand in {answer}");
            continue;
        };
        let (method, params) = request.split_once(' ').unwrap_or((request, "{}"));
        let mut params: Value = serde_json::from_str(params).unwrap();
        params["_meta"] = modern(&json!({}));
        let reply = client.request(method, params);
        answer = reply.get("result").or_else(|| reply.get("error")).unwrap_or(&reply).to_string();
        requests += 1;
    }
    requests
}

/// The blocks of code: what stands after the fence, and their lines.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(kind), None) => open = Some((kind, Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

/// What a command prints, on either stream.
fn said(folder: &Folder, command: &str) -> String {
    let omni = folder.omni(&[]);
    let mut shell = Command::new("sh");
    shell.current_dir(folder.dir.path()).args(["-c", &format!("exec 2>&1; {command}")]);
    for (name, value) in omni.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let here = Path::new(omni.get_program()).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", here.display()));
    String::from_utf8(shell.output().unwrap().stdout).unwrap()
}

fn is_said(page: &str, command: &str, expected: &[&str], said: &str) {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines = said.lines().map(words);
    for wanted in expected.iter().map(|line| words(line)).filter(|line| !line.is_empty()) {
        assert!(
            lines.any(|line| fits(&wanted, &line)),
            "{page}: `{command}` does not print `{wanted}` there; it prints\n{said}"
        );
    }
}

/// Whether the parts between each `…` stand in the line, in order.
fn fits(wanted: &str, line: &str) -> bool {
    let mut rest = line;
    wanted.split('…').map(str::trim).all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

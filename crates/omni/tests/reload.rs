//! What is edited while a server runs is listed and run, over every transport, and told once.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Folder, Stdio_};

const TOOLS_CHANGED: &str = "notifications/tools/list_changed";

/// A tool `t.NAME` that says a word.
fn tool(name: &str, word: &str) -> String {
    format!("from omni import tool\n\n@tool\ndef {name}() -> str:\n    return {word:?}\n")
}

fn skill(folder: &Folder, name: &str, source: &str) {
    folder.write(&format!("skills/{name}/SKILL.md"), &format!("---\nname: {name}\ndescription: d\n---\n"));
    folder.write(&format!("skills/{name}/scripts/{name}.py"), source);
}

fn names(list: &Value) -> Vec<String> {
    let tools = list["result"]["tools"].as_array().unwrap_or_else(|| panic!("no tools in {list}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// A client on standard input and output that has seen the list, and what it is told since.
struct Client {
    stdio: Stdio_,
}

impl Client {
    fn of(folder: &Folder) -> Self {
        let mut stdio = folder.stdio(&[]).initialised();
        stdio.request("tools/list", json!({}));
        Client { stdio }
    }

    /// Waits until clients are told of other tools, and gives the names in the list.
    fn told(&mut self) -> Vec<String> {
        self.stdio.wait_for(|message| message["method"] == TOOLS_CHANGED);
        self.list()
    }

    fn list(&mut self) -> Vec<String> {
        names(&self.stdio.request("tools/list", json!({})))
    }

    /// All notifications that came and nobody has waited for.
    fn close(mut self) -> Vec<String> {
        let rest = self.stdio.close();
        rest.iter().filter_map(|message| message["method"].as_str().map(str::to_owned)).collect()
    }
}

/// An edit, the names that the list has then, and what it is called.
type Edit = (&'static str, fn(&Folder), &'static [&'static str]);

fn rename(folder: &Folder, from: &str, to: &str) {
    fs::rename(folder.path(from), folder.path(to)).unwrap();
}

/// Each changes the list, and leaves what the next one begins with.
const EDITS: &[Edit] = &[
    ("a file that is written", |it| it.write("skills/t/scripts/t.py", &tool("two", "2")), &["t_two"]),
    ("a new file", |it| it.write("skills/t/scripts/more.py", &tool("more", "m")), &["t_more", "t_two"]),
    (
        "a file that is renamed over another, as editors save",
        |it| {
            it.write("skills/t/scripts/.t.py.new", &tool("three", "3"));
            rename(it, "skills/t/scripts/.t.py.new", "skills/t/scripts/t.py");
        },
        &["t_more", "t_three"],
    ),
    (
        "a file that is removed",
        |it| fs::remove_file(it.path("skills/t/scripts/more.py")).unwrap(),
        &["t_three"],
    ),
    (
        "a folder that is nested",
        |it| it.write("skills/t/scripts/deep/er/deep.py", &tool("deep", "d")),
        &["t_deep", "t_three"],
    ),
    (
        "an edit in it",
        |it| it.write("skills/t/scripts/deep/er/deep.py", &tool("deeper", "d")),
        &["t_deeper", "t_three"],
    ),
    (
        "a folder that goes elsewhere",
        |it| rename(it, "skills/t/scripts/deep", "skills/t/.deep"),
        &["t_three"],
    ),
    ("a new skill", |it| skill(it, "u", &tool("run", "u")), &["t_three", "u_run"]),
    ("a skill under another name", |it| rename(it, "skills/u", "skills/v"), &["t_three", "v_run"]),
    (
        "the text of a skill",
        |it| it.write("skills/v/SKILL.md", "---\nname: v\ndescription: d\nflat: true\n---\n"),
        &["run", "t_three"],
    ),
    ("a skill that is removed", |it| fs::remove_dir_all(it.path("skills/v")).unwrap(), &["t_three"]),
    (
        "another folder of skills in its place",
        |it| {
            it.write("next/w/scripts/w.py", &tool("run", "w"));
            rename(it, "skills", "old");
            rename(it, "next", "skills");
        },
        &["w_run"],
    ),
];

fn start() -> Folder {
    let folder = Folder::empty();
    skill(&folder, "t", &tool("one", "1"));
    folder
}

#[test]
fn every_kind_of_edit_is_told_once_and_listed_over_stdio() {
    let folder = start();
    let mut client = Client::of(&folder);
    for (what, edit, expected) in EDITS {
        edit(&folder);
        assert_eq!(client.told(), *expected, "{what}");
    }
    assert_eq!(client.close(), Vec::<String>::new(), "something was told twice");
}

//! Results of 50 MB by each way to run tools, and of 10 MB of each kind over both transports: what is sent, how the whole is
//! read, what the server takes for it, and what is left of it when the server is gone.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a test runs what a user runs, and a panic is how it fails"
)]

mod support;

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use support::{Folder, Http, Stdio_, signal, ways};

const SOURCE: &str = r#"
from typing import TypedDict
from omni import EmbeddedResource, ToolResult, tool

TEXT = ("0123456789" * 10 + "\n\"") * 98_039

class Rows(TypedDict):
    rows: list

@tool
def text(times: int):
    return TEXT * times

@tool
def typed() -> Rows:
    return {"rows": [TEXT[:1_000_000]] * 10}

@tool
def untyped() -> ToolResult:
    return ToolResult("see", {"rows": [TEXT[:1_000_000]] * 10})

@tool
def blob() -> ToolResult:
    return ToolResult(EmbeddedResource(uri="test://blob", mime_type="image/png", data=bytes(range(250)) * 40_000))
"#;

/// Ten million bytes, nearly.
fn text() -> String {
    format!("{}\n\"", "0123456789".repeat(10)).repeat(98_039)
}

/// What a call has to give, as it is kept.
struct Wanted {
    tool: &'static str,
    arguments: Value,
    whole: Vec<u8>,
}

fn text_of(times: usize) -> Wanted {
    Wanted { tool: "text", arguments: json!({"times": times}), whole: text().repeat(times).into_bytes() }
}

fn blob() -> Wanted {
    Wanted { tool: "blob", arguments: json!({}), whole: (0..40_000).flat_map(|_| 0..250).collect() }
}

fn structured(tool: &'static str) -> Wanted {
    let whole = json!({"rows": vec![&text()[..1_000_000]; 10]}).to_string().into_bytes();
    Wanted { tool, arguments: json!({}), whole }
}

/// How the server is asked.
enum Client<'a> {
    Stdio(&'a mut Stdio_),
    Http(&'a Http),
}

impl Client<'_> {
    fn ask(&mut self, method: &str, params: Value) -> Value {
        let mut answer = match self {
            Client::Stdio(client) => client.request(method, params),
            Client::Http(server) => server.modern(method, params, &[]).json(),
        };
        assert!(answer["result"].is_object(), "{:.2000}", answer.to_string());
        answer["result"].take()
    }

    /// The link that is left of a result.
    fn call(&mut self, wanted: &Wanted, case: &str) -> Value {
        let name = format!("large_{}", wanted.tool);
        let result = self.ask("tools/call", json!({"name": name, "arguments": wanted.arguments}));
        let case = format!("{case}, {name}: {:.3000}", result.to_string());
        assert!(result.to_string().len() < 8_000, "{case}");
        assert_eq!(result.get("structuredContent"), None, "{case}");
        assert_eq!(result["isError"] == json!(true), wanted.tool == "typed", "{case}");
        let blocks = result["content"].as_array().unwrap();
        let mut links = blocks.iter().filter(|block| block["type"] == "resource_link");
        let (Some(link), None) = (links.next(), links.next()) else { panic!("{case}") };
        link.clone()
    }

    /// Has all of it kept, and gives what is asked for.
    fn check(&mut self, folder: &Folder, wanted: &Wanted, case: &str) -> String {
        let before = kept(folder);
        let link = self.call(wanted, case);
        let Wanted { tool, whole, .. } = wanted;
        let uri = link["uri"].as_str().unwrap();
        assert_eq!(link["size"], whole.len(), "{case}, {tool}");
        let files: Vec<PathBuf> = kept(folder).into_iter().filter(|file| !before.contains(file)).collect();
        let [file] = &files[..] else { panic!("{case}, {tool}: {files:?}") };
        assert!(fs::read(file).unwrap() == *whole, "{case}, {tool}: what is kept is another thing");
        for offset in [0, whole.len() / 2, whole.len() - 9] {
            let (bytes, _) = self.read(&format!("{uri}?offset={offset}&length=9"));
            assert_eq!(bytes, whole[offset..][..9], "{case}, {tool}, {offset}");
        }
        uri.to_owned()
    }

    /// All of it, as a client reads it that follows what it is told.
    fn read_on(&mut self, uri: String) -> Vec<u8> {
        let (mut read, mut next) = (Vec::new(), Some(uri));
        while let Some(uri) = next {
            let (bytes, following) = self.read(&uri);
            read.extend_from_slice(&bytes);
            next = following;
        }
        read
    }

    /// The bytes of one range, and where the next begins.
    fn read(&mut self, uri: &str) -> (Vec<u8>, Option<String>) {
        let result = self.ask("resources/read", json!({"uri": uri}));
        let item = &result["contents"][0];
        let bytes = match (item["text"].as_str(), item["blob"].as_str()) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(blob)) => BASE64_STANDARD.decode(blob).unwrap(),
            _ => panic!("{item}"),
        };
        (bytes, item["_meta"]["omni/range"]["next"].as_str().map(str::to_owned))
    }
}

/// The files that servers keep in this folder.
fn kept(folder: &Folder) -> Vec<PathBuf> {
    let state = folder.path("home/.local/state/omni/results");
    let Ok(servers) = fs::read_dir(state) else { return Vec::new() };
    let files = servers.flat_map(|server| fs::read_dir(server.unwrap().path()).unwrap());
    files.map(|file| file.unwrap().path()).filter(|path| path.file_name().unwrap() != "lock").collect()
}

fn folder() -> Folder {
    let folder = Folder::empty();
    folder.write("omni.toml", "[limits]\nresult_mib = 128\n");
    folder.write("skills/large/SKILL.md", "---\nname: large\ndescription: Answers at length.\n---\n");
    folder.write("skills/large/scripts/large.py", SOURCE);
    folder
}

macro_rules! each_way {
    ($($way:ident)*) => {
        $(#[test] fn $way() { super::fifty_megabytes(stringify!($way)); })*
    };
}

mod fifty_megabytes_are_a_preview_and_a_link_to_all_of_it {
    each_way! { pool fork spawn embedded runner }
}

fn fifty_megabytes(way: &str) {
    let folder = folder();
    let (arguments, _backing) =
        ways::prepare(way, &folder, &folder.path("skills"), folder.dir.path(), "NOTHING");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut client = folder.stdio(&arguments).initialised();
    Client::Stdio(&mut client).check(&folder, &text_of(5), way);
    bounded(client.child.id(), way);
    client.close();
}

#[test]
fn each_kind_is_read_in_ranges_to_its_end_over_both_transports() {
    let folder = folder();
    let wanted = [text_of(1), structured("typed"), structured("untyped"), blob()];
    let mut stdio = folder.stdio(&[]).initialised();
    let http = folder.http(&[]);
    for wanted in &wanted {
        for (case, mut client) in [("stdio", Client::Stdio(&mut stdio)), ("HTTP", Client::Http(&http))] {
            let uri = client.check(&folder, wanted, case);
            assert!(client.read_on(uri) == wanted.whole, "{case}, {}: read in ranges", wanted.tool);
        }
    }
}

/// A result is held once, as it came: escaped, and for a blob in base64. Where a check of a schema builds its values, or
/// Python lives in the same process, there is more.
fn bounded(pid: u32, way: &str) {
    let most = if way == "embedded" { 512 } else { 256 };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let taken = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10;
    assert!(taken < most, "{way}: {taken} MiB");
}

#[test]
fn what_a_killed_server_kept_is_gone_when_the_next_one_starts() {
    let folder = folder();
    let mut killed = folder.stdio(&[]).initialised();
    let link = Client::Stdio(&mut killed).call(&blob(), "killed");
    assert_eq!(kept(&folder).len(), 1);
    signal(killed.child.id(), "-KILL");
    killed.child.wait().unwrap();
    assert_eq!(kept(&folder).len(), 1, "nobody was there to remove it");
    let mut next = folder.stdio(&[]).initialised();
    let answer = next.request("resources/read", json!({"uri": link["uri"]}));
    assert!(answer["error"].is_object(), "{answer}");
    assert_eq!(kept(&folder), Vec::<PathBuf>::new());
    // One that ends in good order leaves nothing itself.
    Client::Stdio(&mut next).call(&blob(), "next");
    assert_eq!(kept(&folder).len(), 1);
    next.close();
    next.child.wait().unwrap();
    assert_eq!(kept(&folder), Vec::<PathBuf>::new());
}

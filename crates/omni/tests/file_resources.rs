//! Files of skills as resources, over both transports: what is read, in which parts, and that nothing else is.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use omni_testkit::path_escapes;
use serde_json::{Value, json};
use support::{Folder, descendants};

const SECRET: &str = "the secret outside";
const INSIDE: &str = "# Inside\n";
const PAGE: &str = "omni://skill/t/references/a.md";

/// A skill `t` with a page, links that lead out of it, and a secret beside the folder of skills.
fn folder() -> Folder {
    let folder = Folder::empty();
    folder.write("skills/t/SKILL.md", "---\nname: t\ndescription: A skill. See [a](references/a.md).\n---\n");
    folder.write("skills/t/references/a.md", INSIDE);
    folder.write("secret.txt", SECRET);
    folder.write("outside/a.md", SECRET);
    for (target, link) in [
        ("secret.txt", "link.txt"),
        ("secret.txt", "references/link.md"),
        ("outside", "link-folder"),
        ("skills", "link-up"),
    ] {
        symlink(folder.path(target), folder.path("skills/t").join(link)).unwrap();
    }
    folder
}

fn read(uri: &str) -> Value {
    json!({"uri": uri})
}

/// The text of the only content, or the error's message.
fn outcome(reply: &Value) -> Result<String, String> {
    match reply["result"]["contents"][0]["text"].as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(reply["error"]["message"].as_str().unwrap_or_else(|| panic!("{reply}")).to_owned()),
    }
}

/// Each spelling as a URI of the skill, and of the skill's folder.
fn uris(folder: &Folder) -> Vec<String> {
    let secret = folder.path("secret.txt");
    let spellings = path_escapes(secret.to_str().unwrap());
    let beneath = spellings.iter().map(|spelling| format!("omni://skill/t/{spelling}"));
    let beside = spellings.iter().map(|spelling| format!("omni://skill/{spelling}"));
    let other = ["omni:///t/../../secret.txt", "OMNI://skill/t/../../secret.txt", "omni://skill/T/SKILL.md"];
    beneath.chain(beside).chain(other.map(str::to_owned)).chain(spellings.iter().cloned()).collect()
}

/// Nothing of outside is in the answer, and what is answered well is a file of the skill.
fn check(uri: &str, reply: &Value) {
    assert!(!reply.to_string().contains(SECRET), "{uri:?} leads out: {reply}");
    if let Ok(text) = outcome(reply) {
        assert_eq!(text, INSIDE, "{uri:?}");
    }
}

#[test]
fn no_spelling_of_a_uri_leads_out_of_a_skill_on_stdio() {
    let folder = folder();
    let mut stdio = folder.stdio(&[]).initialised();
    assert_eq!(outcome(&stdio.request("resources/read", read(PAGE))).as_deref(), Ok(INSIDE));
    let uris = uris(&folder);
    assert!(uris.len() > 300);
    for part in uris.chunks(50) {
        for (id, uri) in part.iter().enumerate() {
            stdio.send(&json!({"jsonrpc": "2.0", "id": id, "method": "resources/read", "params": read(uri)}));
        }
        for (id, uri) in part.iter().enumerate() {
            check(uri, &stdio.answer(id));
        }
    }
    assert_eq!(outcome(&stdio.request("resources/read", read(PAGE))).as_deref(), Ok(INSIDE));
    assert_eq!(descendants(stdio.child.id()), [] as [u32; 0], "no process was started for it");
}

#[test]
fn no_spelling_of_a_uri_leads_out_of_a_skill_over_http() {
    let folder = folder();
    let server = folder.http(&[]);
    assert_eq!(outcome(&server.modern("resources/read", read(PAGE), &[]).json()).as_deref(), Ok(INSIDE));
    let session = server.session("2025-11-25");
    let headers = [("Mcp-Session-Id", &*session), ("MCP-Protocol-Version", "2025-11-25")];
    for uri in uris(&folder) {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": read(&uri)});
        check(&uri, &server.post(&headers, &body.to_string()).json());
    }
}

#[test]
fn whoever_swaps_a_folder_with_a_link_while_it_is_read_gets_nothing_from_outside() {
    const READS: usize = 2_000;
    let folder = folder();
    let mut stdio = folder.stdio(&[]).initialised();
    assert_eq!(outcome(&stdio.request("resources/read", read(PAGE))).as_deref(), Ok(INSIDE));
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = swap(&folder, &stop);
    let (mut inside, mut refused) = (0, 0);
    // On until a read has come upon each of the two, which mostly happens at once.
    while inside + refused < READS || (inside == 0 || refused == 0) && inside + refused < 50 * READS {
        for id in 0..50 {
            stdio
                .send(&json!({"jsonrpc": "2.0", "id": id, "method": "resources/read", "params": read(PAGE)}));
        }
        for id in 0..50 {
            let reply = stdio.answer(id);
            check(PAGE, &reply);
            match outcome(&reply) {
                Ok(_) => inside += 1,
                Err(_) => refused += 1,
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    assert!(inside > 0 && refused > 0, "{inside} reads of the folder, {refused} while it was swapped");
}

/// A thread that has `references` be a folder and a link to another one, back and forth.
fn swap(folder: &Folder, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (place, aside, link): (PathBuf, PathBuf, PathBuf) =
        (folder.path("skills/t/references"), folder.path("aside"), folder.path("made-link"));
    let (outside, stop) = (folder.path("outside"), Arc::clone(stop));
    thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            fs::rename(&place, &aside).unwrap();
            symlink(&outside, &link).unwrap();
            fs::rename(&link, &place).unwrap();
            fs::remove_file(&place).unwrap();
            fs::rename(&aside, &place).unwrap();
        }
    })
}

#[test]
fn a_large_file_is_read_in_ranges_that_are_the_file() {
    let folder = folder();
    let text: String = (0..2_000_000).map(|n| char::from_u32(0x4E00 + n % 5_000).unwrap()).collect();
    let size = text.len();
    folder.write("skills/t/references/large.txt", &text);
    let mut stdio = folder.stdio(&[]).initialised();
    let whole = "omni://skill/t/references/large.txt";
    let (mut together, mut uri) = (String::new(), format!("{whole}?offset=0&length=1000001"));
    loop {
        let reply = stdio.request("resources/read", read(&uri));
        let contents = &reply["result"]["contents"][0];
        together.push_str(contents["text"].as_str().unwrap_or_else(|| panic!("{uri}")));
        let range = &contents["_meta"]["omni/range"];
        assert_eq!(range["size"], size);
        match range["next"].as_str() {
            Some(next) => next.clone_into(&mut uri),
            None => break,
        }
    }
    assert!(together == text, "{} bytes of {size}", together.len());
    let bad = stdio.request("resources/read", read(&format!("{whole}?offset=x")));
    assert_eq!(bad["error"]["code"], -32602, "{bad}");
    let beyond = stdio.request("resources/read", read(&format!("{whole}?offset=99999999")));
    assert!(beyond["error"]["message"].as_str().unwrap().contains("beyond the end"), "{beyond}");
}

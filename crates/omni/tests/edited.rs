//! After an edit the edited code runs, in every way to run tools: also when length and second of the last change are
//! what they were, which is all that Python looks at to believe its byte code.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::json;
use support::{Folder, ways};

const HELPER: &str = "skills/t/scripts/inner/helper.py";

macro_rules! each_way {
    ($($way:ident)*) => { $(#[test] fn $way() { what_was_edited_runs(stringify!($way)); })* };
}
ways::with_each_way!(each_way);

#[test]
fn python_alone() {
    what_was_edited_runs("python_alone");
}

fn what_was_edited_runs(way: &str) {
    let mut folder =
        Folder::new("from .inner.helper import word\n@tool\ndef says() -> str:\n    return word()\n");
    folder.env = vec![("OMNI_ISOLATION", "auto".to_owned())];
    std::fs::create_dir(folder.path("root")).unwrap();
    for word in ["one", "two", "six", "one"] {
        folder.write(HELPER, &format!("def word():\n    return {word:?}\n"));
        // Neither the length nor, now, the time of the last change tells the four apart.
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        File::options().write(true).open(folder.path(HELPER)).unwrap().set_modified(then).unwrap();
        let Some(said) = said(way, &folder) else { return };
        assert_eq!(said, word);
    }
    assert_eq!(byte_code(&folder.path("skills")), Vec::<PathBuf>::new());
}

/// What the tool says on a new server; `None` where this machine lacks what the way needs.
fn said(way: &str, folder: &Folder) -> Option<String> {
    let (skills, root) = (folder.path("skills"), folder.path("root"));
    // What a way wants in it is added each time.
    let _ = std::fs::remove_file(folder.path("omni.toml"));
    let (arguments, backing) = ways::prepare(way, folder, &skills, &root, "PATH");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let client = match way {
        "python_alone" => folder.python_alone(&["--skills", skills.to_str().unwrap()])?,
        _ => folder.stdio(&arguments),
    };
    let mut client = client.initialised();
    let result = client.result("t.says", json!({}));
    client.close();
    drop(backing);
    Some(result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned())
}

fn byte_code(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { byte_code(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "pyc"))
        .collect()
}

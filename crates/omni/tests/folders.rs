//! Several folders of skills on one server: who lists what, which of two wins, and what is left out.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::process::Output;

use serde_json::{Value, json};
use support::{Folder, text};

const PAGE: &str = "---\nname: {}\ndescription: A skill.\n---\n";

/// Two folders with one skill each, and tools that say where they are.
fn two() -> Folder {
    let folder = Folder::empty();
    skill(&folder, "one/hi");
    skill(&folder, "two/ho");
    folder
}

/// A skill with the tool `go`, which returns where the skill is.
fn skill(folder: &Folder, at: &str) {
    let name = at.rsplit('/').next().unwrap();
    folder.write(&format!("{at}/SKILL.md"), &PAGE.replace("{}", name));
    let source =
        format!("from omni import tool\n\n\n@tool\ndef go() -> str:\n    \"Go.\"\n    return \"{at}\"\n");
    folder.write(&format!("{at}/scripts/t.py"), &source);
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn listed(output: &Output) -> Vec<String> {
    let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(output).1));
    list["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn several_folders_are_one_server_by_flags_variable_and_settings_file() {
    let folder = two();
    let both = ["hi.go", "ho.go"];
    assert_eq!(listed(&folder.run(&["list", "--json", "--skills", "one", "--skills", "two"])), both);
    let mut by_variable = folder.omni(&["list", "--json"]);
    assert_eq!(listed(&by_variable.env("OMNI_SKILLS", "one:two").output().unwrap()), both);
    folder.write("omni.toml", "skills_dir = [\"one\", \"two/ho\"]\n");
    assert_eq!(listed(&folder.run(&["list", "--json"])), both);
    assert_eq!(listed(&folder.run(&["list", "--json", "--skills", "two"])), ["ho.go"], "flags win");

    let mut client = folder.stdio(&[]).initialised();
    let list = client.request("tools/list", json!({}));
    let names: Vec<&Value> =
        list["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["hi_go", "ho_go"]);
    assert_eq!(text(&client.result("hi_go", json!({}))), "one/hi");
    assert_eq!(text(&client.result("ho.go", json!({}))), "two/ho");

    let (shown, _) = said(&folder.run(&["list"]));
    assert!(shown.contains("one/hi/scripts/t.py:5") && shown.contains("two/ho/scripts/t.py:5"), "{shown}");
    let (shown, _) = said(&folder.run(&["describe", "ho.go"]));
    assert!(shown.contains("two/ho/scripts/t.py:5"), "{shown}");
    let (synced, _) = said(&folder.run(&["sync"]));
    assert_eq!(synced.matches("manifest.json").count(), 2, "{synced}");
}

#[test]
fn shipped_skills_stand_beside_ones_own() {
    let folder = two();
    let names = listed(&folder.run(&["list", "--json", "--skills", "shipped", "--skills", "one"]));
    assert!(names.contains(&"hi.go".to_owned()) && names.contains(&"files.read".to_owned()), "{names:?}");
    let called = folder.run(&["call", "hi.go", "--skills", "shipped", "--skills", "one"]);
    assert_eq!(said(&called).0, "one/hi\n");
    let (shown, _) = said(&folder.run(&["list", "--skills", "shipped", "--skills", "one"]));
    assert!(shown.contains(" shipped/files/scripts/") && shown.contains(" one/hi/scripts/t.py:5"), "{shown}");
    let doctor = folder.run(&["doctor", "--json", "--skills", "one", "--skills", "shipped"]);
    let report: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let root = folder.dir.path().canonicalize().unwrap();
    assert_eq!(report["skills_dir"], json!([root.join("one"), "shipped"]));
}

#[test]
fn of_two_skills_with_one_name_the_first_is_served_and_both_are_named() {
    let folder = two();
    skill(&folder, "two/hi");
    for (order, wins) in [(["one", "two"], "one/hi"), (["two", "one"], "two/hi")] {
        let skills = ["--skills", order[0], "--skills", order[1]];
        let called = folder.run(&[&["call", "hi.go"], &skills[..]].concat());
        assert_eq!(said(&called).0, format!("{wins}\n"));
        let (report, _) = said(&folder.run(&[&["doctor"], &skills[..]].concat()));
        let root = folder.dir.path().canonicalize().unwrap();
        for path in ["one/hi", "two/hi"] {
            assert!(report.contains(&format!("`{}`", root.join(path).display())), "{report}");
        }
        assert_eq!(report.matches("error[duplicate-skill]").count(), 1, "{report}");
    }
    let strict = folder.run(&["doctor", "--strict", "--skills", "one", "--skills", "two"]);
    assert_eq!(strict.status.code(), Some(1));
    // The same folder twice, by any name, is no clash.
    let (report, _) =
        said(&folder.run(&["doctor", "--skills", "one", "--skills", "./one/", "--skills", "one/hi"]));
    assert!(!report.contains("duplicate"), "{report}");
}

#[test]
fn a_filter_holds_for_all_folders_and_what_matches_nothing_is_named_with_its_line() {
    let folder = two();
    skill(&folder, "two/he");
    let list = |filter: &str| {
        folder.write("omni.toml", &format!("skills_dir = [\"one\", \"two\"]\nfilter = [\n{filter}\n]\n"));
        folder.run(&["list", "--json"])
    };
    assert_eq!(listed(&list("")), ["he.go", "hi.go", "ho.go"]);
    assert_eq!(listed(&list("\"hi.*\"")), ["he.go", "ho.go"], "a canonical name");
    assert_eq!(listed(&list("\"ho_go\"")), ["he.go", "hi.go"], "a name in the list");
    assert_eq!(listed(&list("\"he\", 'h?.gone'")), ["hi.go", "ho.go"], "a skill's folder");
    let (_, warned) = said(&folder.run(&["list"]));
    assert!(warned.contains("1 warning"), "{warned}");
    list("  \"hi\",\n  \"hoo.go\",");
    let (report, _) = said(&folder.run(&["doctor"]));
    assert!(report.contains("`hoo.go`") && report.contains("did you mean `ho.go`?"), "{report}");
    assert!(report.contains("omni.toml:4") && !report.contains("`hi`"), "{report}");
}

#[test]
fn a_server_over_http_says_whose_tools_it_serves() {
    let folder = two();
    let http = folder.http(&["--skills", "one", "--skills", "shipped"]);
    let one = folder.dir.path().canonicalize().unwrap().join("one");
    assert!(http.announced.contains(&*one.to_string_lossy()), "{}", http.announced);
    assert!(http.announced.contains("omni itself"), "{}", http.announced);
}

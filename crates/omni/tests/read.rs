//! The commands that only read: what people and scripts see of them.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::process::Output;

use serde_json::Value;
use support::Folder;

const TOOLS: &str = r#"
@tool(title="Add", read_only=True, timeout=5)
def add(ctx: Context, a: int, b: int = 1) -> int:
    """
    Add two numbers.

    Args:
        a: The first.
    """
    return a + b
"#;

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn json(folder: &Folder, arguments: &[&str]) -> Value {
    serde_json::from_slice(&folder.run(arguments).stdout).unwrap()
}

#[test]
fn a_list_has_one_line_a_tool_and_points_at_trouble() {
    let folder = Folder::new(TOOLS);
    let (code, out, err) = text(&folder.run(&["list"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(
        out,
        "t.add  Add two numbers.  skills/t/scripts/t.py:5\n\nresources\n\
         omni://skill/t/SKILL.md      Tools for tests.  t/SKILL.md\n\
         omni://skill/t/scripts/t.py                    t/scripts/t.py\n"
    );
    let listed = json(&folder, &["list", "--json"]);
    assert_eq!(listed["tools"][0]["name"], "t.add");
    assert_eq!(listed["tools"][0]["wire_name"], "t_add");
    assert_eq!(listed["tools"][0]["executor"], "pool");
    folder.write("skills/t/SKILL.md", "---\nname: t\ndescription: Use: now\n---\n");
    let (code, out, err) = text(&folder.run(&["list"]));
    assert_eq!((code, out.lines().count()), (Some(0), 5));
    assert_eq!(err, "\n1 warning: `omni doctor` shows them\n");
}

#[test]
fn a_tool_is_described_with_its_schemas_and_limits() {
    let folder = Folder::new(TOOLS);
    let (code, out, _) = text(&folder.run(&["describe", "t.add"]));
    assert_eq!(code, Some(0));
    for part in [
        "t.add  (Add)\n\n  Add two numbers.\n",
        "listed as    t_add\n",
        "written in   skills/t/scripts/t.py:5, `def add`\n",
        "executor     pool\n",
        "time limit   5 s\n",
        "idle limit   the server's\n",
        "annotations  title=\"Add\", readOnlyHint=true\n",
        "filled in    ctx\n",
        "\"description\": \"The first.\"",
        "\nresult\n",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
    let described = json(&folder, &["describe", "t.add", "--json"]);
    assert_eq!(described["tool"]["inputSchema"]["required"][0], "a");
    assert_eq!((&described["timeout_ms"], &described["function"]), (&5_000.into(), &"add".into()));
}

#[test]
fn an_unknown_tool_is_answered_with_the_name_that_was_meant() {
    let folder = Folder::new(TOOLS);
    let (code, out, err) = text(&folder.run(&["describe", "t.ad"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(err, "error: unknown tool `t.ad`; did you mean `t.add`?\n");
    let (_, _, err) = text(&folder.run(&["describe", "weather"]));
    assert_eq!(
        err,
        "error: unknown tool `weather`; `omni list` shows all there are, and `omni doctor` says why one is missing\n"
    );
}

#[test]
fn a_sync_writes_the_manifest_and_a_check_only_looks() {
    let folder = Folder::new(TOOLS);
    let (code, out, _) = text(&folder.run(&["sync", "--check"]));
    assert_eq!(code, Some(1));
    assert!(out.starts_with("+ skill t\n+ tool t.add\n+ resource omni://skill/t/SKILL.md\n"), "{out}");
    let (code, out, _) = text(&folder.run(&["sync", "--dry-run"]));
    assert_eq!((code, out.lines().next()), (Some(0), Some("+ skill t")));
    let (code, out, _) = text(&folder.run(&["sync"]));
    assert_eq!(code, Some(0));
    assert!(out.ends_with("manifest.json (1 skill, 1 tool, 2 resources)\n"), "{out}");
    let (code, out, _) = text(&folder.run(&["sync", "--check"]));
    assert_eq!(code, Some(0));
    assert!(out.starts_with("up to date: "), "{out}");

    folder.write(
        "skills/t/scripts/t.py",
        "from omni import tool\n\n@tool\ndef sub(a: int) -> int:\n    return a\n",
    );
    let synced = json(&folder, &["sync", "--json"]);
    assert_eq!(synced["written"], true);
    assert_eq!(synced["plan"]["tools"][1], serde_json::json!({"name": "t.sub", "kind": "added"}));
    assert!(std::path::Path::new(synced["manifest"].as_str().unwrap()).is_file());
}

const NOTES: &str = r#"
from typing import Literal

from omni import completion, prompt, resource


@resource("notes://{year}/{name*}", mime_type="text/markdown")
def note(year: int, name: str) -> str:
    """One note."""
    return f"{name} of {year + 1}"


@prompt(title="Review")
def review(topic: str, depth: Literal["low", "high"] = "low", count: int = 3) -> str:
    """Review what was written."""
    return f"{topic} {depth} {count + 1}"


@completion("topic", prompt=review)
def topics(value: str) -> list:
    return [value + "!"]
"#;

#[test]
fn resources_and_prompts_of_a_skill_are_listed_described_synced_and_served() {
    let folder = Folder::new(TOOLS);
    folder.write("skills/notes/SKILL.md", "---\nname: notes\ndescription: Keeps notes.\n---\n");
    folder.write("skills/notes/scripts/n.py", NOTES);
    let (_, out, _) = text(&folder.run(&["sync", "--check"]));
    assert!(out.contains("+ resource template notes://{year}/{name*}\n+ prompt notes.review\n"), "{out}");
    let (code, out, _) = text(&folder.run(&["list"]));
    assert_eq!(code, Some(0));
    for part in [
        "\nresource templates\nnotes://{year}/{name*}  One note.  skills/notes/scripts/n.py:",
        "\nprompts\nnotes.review  Review what was written.  skills/notes/scripts/n.py:",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
    let listed = json(&folder, &["list", "--json"]);
    assert_eq!(listed["prompts"][0]["name"], "notes.review");
    assert_eq!(listed["resource_templates"][0]["key"], "notes://{year}/{name*}");
    let (_, out, _) = text(&folder.run(&["describe", "notes.review"]));
    for part in ["listed as    notes_review\n", "completes    depth: low, high\n", "topic: by `def topics`"] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }

    let mut client = folder.stdio(&[]);
    let capabilities = client.initialize("2025-11-25")["result"]["capabilities"].clone();
    let declared = ["resources", "prompts", "completions"].map(|one| capabilities.get(one).is_some());
    assert_eq!(declared, [true; 3], "{capabilities}");
    let read = client.request("resources/read", serde_json::json!({"uri": "notes://2025/a%20b/c"}));
    let contents = &read["result"]["contents"][0];
    assert_eq!(
        (&contents["text"], &contents["mimeType"]),
        (&"a b/c of 2026".into(), &"text/markdown".into())
    );
    let arguments = serde_json::json!({"name": "notes_review", "arguments": {"topic": "T", "count": "6"}});
    let prompt = client.request("prompts/get", arguments);
    assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "T low 7", "{prompt}");
    let wrong = serde_json::json!({"name": "notes_review", "arguments": {"count": "x", "z": "1"}});
    let refused = client.request("prompts/get", wrong)["error"].clone();
    let said = refused["message"].as_str().unwrap();
    assert_eq!(refused["code"], -32602);
    assert!(["/count", "/topic", "/z"].iter().all(|place| said.contains(place)), "{said}");
    let of = |argument: &str, value: &str| {
        serde_json::json!({
            "ref": {"type": "ref/prompt", "name": "notes_review"},
            "argument": {"name": argument, "value": value},
        })
    };
    for (argument, value, values) in [("depth", "h", "high"), ("topic", "ab", "ab!")] {
        let answer = client.request("completion/complete", of(argument, value));
        assert_eq!(answer["result"]["completion"]["values"], serde_json::json!([values]), "{answer}");
    }
}

#[test]
fn a_folder_without_tools_is_listed_by_what_it_has() {
    let folder = Folder::empty();
    folder.write("skills/notes/SKILL.md", "---\nname: notes\ndescription: Keeps notes.\n---\n");
    folder.write("skills/notes/prompts/write.md", "---\ndescription: Write a note.\n---\nWrite.\n");
    let (code, out, err) = text(&folder.run(&["list"]));
    assert_eq!((code, err.as_str()), (Some(0), ""), "nobody is told how to make what is not missed");
    assert!(!out.contains("no tools"), "{out}");
    assert!(out.starts_with("resources\nomni://skill/notes/SKILL.md"), "{out}");
    assert!(
        out.contains("\n\nprompts\nnotes.write  Write a note.  skills/notes/prompts/write.md:1\n"),
        "{out}"
    );
    let (_, out, _) = text(&folder.run(&["doctor"]));
    assert!(out.contains("\nskills  1 skill with 2 resources, 1 prompt in "), "{out}");
    let doctor = json(&folder, &["doctor", "--json"]);
    let counts = ["tools", "resources", "resource_templates", "prompts"].map(|kind| doctor[kind].as_u64());
    assert_eq!(counts, [0, 2, 0, 1].map(Some), "{doctor}");
    // Of a skill that is prose alone people are told how a tool is made.
    let prose = Folder::empty();
    prose.write("skills/notes/SKILL.md", "---\nname: notes\ndescription: Keeps notes.\n---\n");
    let (_, out, err) = text(&prose.run(&["list"]));
    assert!(
        out.starts_with("resources\n") && err.contains("a tool is a function with `@tool`"),
        "{out}{err}"
    );
}

#[test]
fn what_is_off_is_not_listed_and_is_described_with_what_shows_it() {
    let folder = Folder::new(
        "from omni import prompt, resource, tool\n\n@tool(enabled=False)\ndef late() -> str:\n    \"\"\"Later.\"\"\"\n    return \"\"\n\n\
         @tool\ndef now() -> str:\n    \"\"\"Now.\"\"\"\n    return \"\"\n\n\
         @resource(\"notes://late\", enabled=False)\ndef page() -> str:\n    \"\"\"Later too.\"\"\"\n    return \"\"\n\n\
         @prompt(enabled=False)\ndef ask() -> str:\n    \"\"\"Later as well.\"\"\"\n    return \"\"\n",
    );
    let (_, list, _) = text(&folder.run(&["list"]));
    assert!(list.contains("t.now") && !list.contains("Later"), "{list}");
    let listed = json(&folder, &["list", "--json"]);
    let counts = ["tools", "prompts"].map(|kind| listed[kind].as_array().unwrap().len());
    assert_eq!(counts, [1, 0], "{listed}");
    for (name, shown) in [("t.late", "t.late"), ("notes://late", "t.page"), ("t.ask", "t.ask")] {
        let (_, described, _) = text(&folder.run(&["describe", name]));
        let line = format!(
            "listed as    nothing, since it is off, until a call shows it to its client: `ctx.show(\"{shown}\")`"
        );
        assert!(described.contains(&line), "{described}");
    }
}

#[test]
fn another_server_s_resources_templates_and_prompts_are_listed_as_our_own() {
    let folder = Folder::new(TOOLS);
    folder.write("skills/notes/SKILL.md", "---\nname: notes\ndescription: Keeps notes.\n---\n");
    folder.write("skills/notes/scripts/n.py", NOTES);
    let server = format!("{} mcp --skills {}", env!("CARGO_BIN_EXE_omni"), folder.path("skills").display());
    let (code, out, err) = text(&folder.run(&["list", "--server", &server]));
    assert_eq!(code, Some(0), "{err}");
    for part in [
        "t_add  Add two numbers.\n",
        "\n\nresources\nomni://skill/notes/SKILL.md      Keeps notes.\n",
        "\n\nresource templates\nnotes://{year}/{name*}  One note.\n",
        "\n\nprompts\nnotes_review  Review what was written.\n",
    ] {
        assert!(out.contains(part), "{part:?} is not in\n{out}");
    }
    let listed = json(&folder, &["list", "--json", "--server", &server]);
    assert_eq!(listed["prompts"][0]["key"], "notes_review");
    assert_eq!(listed["resource_templates"][0]["key"], "notes://{year}/{name*}");
    let ours = json(&folder, &["list", "--json"]);
    let members =
        |list: &Value| list["resources"][0].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&listed), members(&ours));
    assert_eq!(listed["resources"].as_array().unwrap().len(), ours["resources"].as_array().unwrap().len());
}

#[test]
fn the_doctor_reports_like_a_compiler_and_is_strict_when_asked() {
    let folder = Folder::new(TOOLS);
    let (code, out, err) = text(&folder.run(&["doctor", "--strict"]));
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.starts_with("python  3."), "{out}");
    assert!(
        out.contains("\nskills  1 skill with 1 tool, 2 resources in ")
            && out.ends_with("\nnothing to report\n"),
        "{out}"
    );

    folder.write("skills/t/SKILL.md", "---\nname: t\ndescription: Use: now\n---\n");
    folder.write("skills/t/scripts/broken.py", "def (\n");
    let (code, out, _) = text(&folder.run(&["doctor"]));
    assert_eq!(code, Some(0));
    assert!(out.contains("warning[bad-front-matter]: the front matter is not valid YAML"), "{out}");
    assert!(out.contains("\n  --> skills/t/SKILL.md:3:"), "{out}");
    assert!(
        out.contains("error[syntax-error]: ") && out.contains("\n  --> skills/t/scripts/broken.py:1:5\n"),
        "{out}"
    );
    assert!(out.ends_with("found   1 error, 1 warning\n"), "{out}");
    assert_eq!(text(&folder.run(&["doctor", "--strict"])).0, Some(1));
    let report = json(&folder, &["doctor", "--json"]);
    assert_eq!(report["counts"], serde_json::json!({"errors": 1, "warnings": 1, "notes": 0}));
    assert_eq!(report["diagnostics"][0]["file"], "t/SKILL.md");
}

#[test]
fn the_doctor_says_when_there_is_no_python() {
    let folder = Folder::new(TOOLS);
    let (code, out, _) = text(&folder.run(&["doctor", "--strict", "--python", "nowhere/python3"]));
    assert_eq!(code, Some(1));
    assert!(out.contains("error[no-python]: `--python nowhere/python3`: there is no such program"), "{out}");
}

//! What `omni doctor` and the start of a server say about mistaken skills, from the built binary.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};
use support::Folder;

const TOOL: &str =
    "from omni import tool\n\n\n@tool\ndef go(a: int) -> int:\n    \"\"\"Go.\"\"\"\n    return a\n";

/// What the server says on stderr when its client asks for the tools and leaves.
fn said_at_start(folder: &Folder) -> String {
    let mut child = folder
        .omni(&["mcp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{}}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
        "\n"
    );
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("a_go"));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_server_on_stdio_says_in_one_line_that_something_is_wrong() {
    let folder = Folder::empty();
    folder.write("skills/a/SKILL.md", "---\nname: a\ndescription: Use when: asked\n---\n");
    folder.write("skills/a/scripts/a.py", TOOL);
    let said = said_at_start(&folder);
    assert_eq!(said.matches("1 problem with these skills").count(), 1, "{said}");
    assert!(said.contains("omni doctor"), "{said}");
    folder.write("skills/a/SKILL.md", "---\nname: a\ndescription: Used when asked\n---\n");
    let said = said_at_start(&folder);
    assert!(!said.contains("problem"), "{said}");
}

/// Each finding as `severity code file:line: message | help`.
fn findings(folder: &Folder, arguments: &[&str]) -> Vec<String> {
    let output = folder.run(&[&["doctor", "--json"], arguments].concat());
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let text = |found: &Value, key: &str| found[key].as_str().unwrap_or_default().to_owned();
    let found = said["diagnostics"].as_array().unwrap().iter();
    found
        .map(|found| {
            format!(
                "{} {} {}:{}: {} | {}",
                text(found, "severity"),
                text(found, "code"),
                text(found, "file"),
                found["line"],
                text(found, "message"),
                text(found, "help")
            )
        })
        .collect()
}

/// One skill whose file begins with these lines.
fn with_lines(lines: &str) -> Folder {
    let folder = Folder::empty();
    folder.write("skills/a/SKILL.md", "---\nname: a\ndescription: A skill.\n---\n");
    folder.write("skills/a/scripts/a.py", &format!("{lines}\n{TOOL}"));
    folder
}

#[test]
fn modules_that_nobody_has_are_named_with_the_package_to_declare() {
    for (lines, expected) in [
        (
            "import yaml_that_is_not_there",
            Some("error missing-module a/scripts/a.py:1: there is no module `yaml_that_is_not_there`"),
        ),
        ("import json, os.path, xml.etree.ElementTree", None),
        ("try:\n    import nowhere_fast\nexcept ImportError:\n    nowhere_fast = None", None),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nowhere_fast", None),
        (
            "def later():\n    import nowhere_fast",
            Some("warning missing-module a/scripts/a.py:2: there is no module `nowhere_fast`"),
        ),
        ("import sys\nsys.path.append('/opt/x')\nimport nowhere_fast", None),
        ("import words", None),
    ] {
        let folder = with_lines(lines);
        folder.write("skills/a/scripts/words.py", "X = 1\n");
        let mut found = findings(&folder, &[]);
        found.retain(|found| !found.contains("absolute-import"));
        match expected {
            None => assert_eq!(found, Vec::<String>::new(), "{lines}"),
            Some(expected) => {
                assert_eq!(found.len(), 1, "{lines}: {found:?}");
                assert!(found[0].starts_with(expected) && found[0].contains("a/pyproject.toml"), "{found:?}");
            }
        }
    }
}

#[test]
fn what_is_declared_is_not_missed_and_what_is_not_is_a_warning() {
    let folder = with_lines("import idna\nimport nowhere_fast");
    folder.write(
        "skills/a/pyproject.toml",
        "[project]\nname = \"a\"\nversion = \"0\"\ndependencies = [\"idna==3.7\"]\n",
    );
    let found = findings(&folder, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("warning missing-module a/scripts/a.py:2"), "{found:?}");
    assert!(
        found[0].ends_with("add `\"nowhere-fast\"` to `dependencies` in `a/pyproject.toml`"),
        "{found:?}"
    );
}

#[test]
fn a_range_of_pythons_that_the_source_does_not_keep_is_a_warning() {
    let folder = with_lines("from datetime import UTC\nimport tomllib");
    folder.write(
        "skills/a/pyproject.toml",
        "[project]\nname = \"a\"\nversion = \"0\"\nrequires-python = \">=3.9\"\n",
    );
    let found = findings(&folder, &[]);
    let expected = ["`datetime` has no `UTC`", "has no module `tomllib`"];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains("too-new") && found.contains(expected), "{found}");
    }
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn a_program_that_cannot_be_started_is_named_before_it_is_called() {
    let folder = Folder::empty();
    let tool = |name: &str, command: &str| {
        format!("  - name: {name}\n    description: D.\n    command: {command}\n")
    };
    let tools = [
        tool("none", "[no-such-program-here]"),
        tool("gone", "[./scripts/gone.sh]"),
        tool("plain", "[./scripts/plain.sh]"),
        tool("bare", "[./scripts/bare.sh]"),
        tool("lost", "[./scripts/lost.sh]"),
        tool("fine", "[cat]"),
        tool("word", "[cat, scripts/nothing.txt]"),
    ];
    folder.write(
        "skills/a/SKILL.md",
        &format!("---\nname: a\ndescription: A skill.\ntools:\n{}---\n", tools.concat()),
    );
    for (name, text, mode) in [
        ("plain.sh", "#!/bin/sh\n", 0o644),
        ("bare.sh", "echo\n", 0o755),
        ("lost.sh", "#!/no/such/interpreter\n", 0o755),
    ] {
        folder.write(&format!("skills/a/scripts/{name}"), text);
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.path(&format!("skills/a/scripts/{name}")), permissions).unwrap();
    }
    let found = findings(&folder, &[]);
    for (name, severity, why) in [
        ("none", "error", "there is no program `no-such-program-here` on the PATH"),
        ("gone", "error", "`./scripts/gone.sh` is not there"),
        ("plain", "error", "may not be executed"),
        ("bare", "error", "does not say what runs it"),
        ("lost", "error", "`/no/such/interpreter`, which is not there"),
        ("word", "warning", "no file `scripts/nothing.txt`"),
    ] {
        let named = format!("{severity} missing-command a/SKILL.md:");
        let said = found.iter().filter(|found| found.contains(&format!("`a.{name}`")));
        let said: Vec<_> = said.collect();
        assert!(
            said.len() == 1 && said[0].starts_with(&named) && said[0].contains(why),
            "{name}: {found:#?}"
        );
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn settings_of_a_skill_that_is_not_there_are_named_with_their_line() {
    let folder = with_lines("");
    folder.write("skills/notes/SKILL.md", "---\nname: notes\ndescription: Notes.\n---\n");
    folder.write("omni.toml", "executor = \"pool\"\n\n[skills.notse]\nkey = 1\n[skills.a]\nkey = 2\n");
    let config = folder.path("omni.toml");
    let found = findings(&folder, &["--config", config.to_str().unwrap()]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("warning unknown-skill ") && found[0].contains("omni.toml:3: `[skills.notse]`"),
        "{found:?}"
    );
    assert!(found[0].ends_with("did you mean `[skills.notes]`?"), "{found:?}");
}

#[test]
fn loading_shows_what_reading_cannot_and_the_reverse() {
    let folder = with_lines("");
    folder.write("skills/a/scripts/fails.py", "from omni import tool\n\n@tool\ndef fails():\n    \"\"\"F.\"\"\"\n\nraise ValueError(\"not today\")\n");
    folder.write("skills/a/scripts/made.py", "from omni import tool\n\n@tool\ndef there():\n    \"\"\"T.\"\"\"\n\ndef make():\n    def made():\n        pass\n    return made\n\nfor name in [\"hidden\"]:\n    function = make()\n    function.__name__ = function.__qualname__ = name\n    globals()[name] = tool(function)\n\ndel there\n");
    folder.write(
        "skills/a/scripts/asks.py",
        "from omni import prompt\n\n@prompt\ndef ask(code):\n    \"\"\"A.\"\"\"\n",
    );
    folder.write(
        "skills/a/scripts/more.py",
        "from omni import completion, prompt, resource\n\n@prompt\ndef there(a):\n    \"\"\"T.\"\"\"\n\n\
         @resource(\"notes://x\")\ndef gone():\n    \"\"\"G.\"\"\"\n\n\
         @resource(\"notes://{x}\")\ndef also(x):\n    \"\"\"A.\"\"\"\n\n\
         @completion(\"a\", prompt=there)\ndef done(value):\n    \"\"\"D.\"\"\"\n\n\
         def make():\n    def made():\n        pass\n    return made\n\n\
         function = make()\nfunction.__name__ = function.__qualname__ = \"late\"\nlate = prompt(function)\n\n\
         del there, gone, also, done\n",
    );
    let found = findings(&folder, &["--load"]);
    assert!(!found.iter().any(|found| found.contains("asks.py")), "{found:#?}");
    let of_more: Vec<&String> = found.iter().filter(|found| found.contains("more.py")).collect();
    for said in [
        "only-read a/scripts/more.py:4: `a.there`",
        "only-read a/scripts/more.py:8: `notes://x`",
        "only-read a/scripts/more.py:12: `notes://{x}`",
        "only-read a/scripts/more.py:4: the completion of `a` of `a.there`",
        "Python sees a prompt `late`",
    ] {
        assert!(of_more.iter().any(|found| found.contains(said)), "{said}: {of_more:#?}");
    }
    assert_eq!(of_more.len(), 5, "{of_more:#?}");
    let found: Vec<String> = found.into_iter().filter(|found| !found.contains("more.py")).collect();
    let of = |code: &str| found.iter().filter(|found| found.contains(code)).cloned().collect::<Vec<_>>();
    let failed = of("load-failed a/scripts/fails.py");
    assert!(
        failed.len() == 1
            && failed[0].contains("a/scripts/fails.py:7")
            && failed[0].contains("ValueError: not today"),
        "{found:#?}"
    );
    let hidden = of("only-loaded");
    assert!(hidden.len() == 1 && hidden[0].contains("`hidden`"), "{found:#?}");
    let gone = of("only-read");
    assert!(gone.len() == 1 && gone[0].contains("a/scripts/made.py:4: `a.there`"), "{found:#?}");
}

#[test]
fn nothing_is_loaded_that_nobody_has_trusted() {
    let folder = with_lines("open('loaded', 'w').close()");
    let place = folder.path("skills").parent().unwrap().to_path_buf();
    let doctor = |load: bool| {
        let mut command = folder.omni(if load { &["doctor", "--load"] } else { &["doctor"] });
        command.env_remove("OMNI_SKILLS").current_dir(&place).stdin(Stdio::null()).output().unwrap()
    };
    let refused = doctor(true);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("omni trust"), "{said}");
    assert!(doctor(false).status.success());
    assert!(!place.join("loaded").exists() && !std::path::Path::new("/loaded").exists());
}

#[test]
fn a_server_offers_what_the_doctor_knows_when_it_is_told_to() {
    let folder = Folder::empty();
    folder.write("skills/a/SKILL.md", "---\nname: a\ndescription: Use when: asked\n---\n");
    folder.write("skills/a/scripts/a.py", TOOL);
    folder.write("skills/beta/SKILL.md", "---\nname: beta\ndescription: Use: this\n---\n");
    folder.write("skills/beta/scripts/beta.py", TOOL);
    let listed = |arguments: &[&str]| {
        let list = folder.run(&[&["list", "--json"], arguments].concat());
        let list: Value = serde_json::from_slice(&list.stdout).unwrap();
        let tools = list["tools"].as_array().unwrap().clone();
        tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), ["a.go", "beta.go"], "it is off by default");
    folder.write("mine.toml", "native_tools = [\"doctor\"]\n");
    let config = folder.path("mine.toml");
    let config = ["--config", config.to_str().unwrap()];
    assert_eq!(listed(&config), ["a.go", "beta.go", "omni.doctor"]);
    // A server that runs makes it.
    std::fs::create_dir_all(folder.path("home/.local/state/omni")).unwrap();
    let said = folder.run(&[&["doctor", "--json"], &config[..]].concat());
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    let mut client = folder.stdio(&config).initialised();
    let list = client.request("tools/list", json!({}));
    let tool = &list["result"]["tools"][2];
    assert_eq!((&tool["name"], &tool["annotations"]["readOnlyHint"]), (&json!("omni_doctor"), &json!(true)));
    let report = client.result("omni_doctor", json!({}))["structuredContent"].take();
    let members = |report: &Value| report.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&report), members(&said));
    for member in
        ["diagnostics", "counts", "python", "environments", "skills_dir", "skills", "tools", "trust"]
    {
        assert_eq!(report[member], said[member], "`{member}` is what the command says");
    }
    assert_eq!(report["skills"], 2, "the tool is of none");
    assert!(report["diagnostics"].as_array().is_some_and(|found| found.len() == 2), "{report}");
    // A skill that has been mended since the server started is looked at as it is now.
    folder.write("skills/beta/SKILL.md", "---\nname: beta\ndescription: Used for this\n---\n");
    let report = client.result("omni.doctor", json!({"skill": "beta"}));
    assert_eq!(report["structuredContent"]["diagnostics"], json!([]), "{report}");
    let warnings = said["counts"]["warnings"].as_u64().unwrap();
    assert_eq!(report["structuredContent"]["counts"]["warnings"], warnings - 1, "of all skills");
    let unknown = client.result("omni_doctor", json!({"skill": "betta"}));
    assert_eq!(unknown["isError"], true);
    assert!(unknown["content"][0]["text"].as_str().unwrap().contains("did you mean `beta`?"), "{unknown}");
    let described = folder.run(&[&["describe", "omni.doctor"], &config[..]].concat());
    let described = String::from_utf8(described.stdout).unwrap();
    for line in ["written in   omni itself\n", "executor     native\n"] {
        assert!(described.contains(line), "{described}");
    }
}

#[test]
fn a_tool_of_omni_s_own_that_there_is_not_is_an_error_that_names_the_line() {
    let folder = Folder::new(TOOL);
    folder.write("mine.toml", "timeout = 5\nnative_tools = [\"docter\"]\n");
    let config = folder.path("mine.toml");
    let output = folder.run(&["list", "--config", config.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    for part in ["mine.toml:2`", "`docter`", "`doctor`"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Clients are written in JavaScript, and count a character above U+FFFF as two.
#[test]
fn a_text_that_clients_cut_is_named_from_one_character_above_the_bound_on() {
    let folder = Folder::empty();
    folder.write("skills/a/SKILL.md", "---\nname: a\ndescription: d\n---\n");
    let tools = [
        ("at", "a".repeat(2_048), None),
        ("above", "a".repeat(2_049), Some(2_049)),
        ("wide_at", "中".repeat(2_048), None),
        ("wide_above", "中".repeat(2_049), Some(2_049)),
        ("emoji_at", "😀".repeat(1_024), None),
        ("emoji_above", "😀".repeat(1_025), Some(2_050)),
    ];
    let source: String = tools
        .iter()
        .map(|(name, text, _)| format!("@tool\ndef {name}():\n    \"\"\"{text}\"\"\"\n\n\n"))
        .collect();
    folder.write("skills/a/scripts/a.py", &format!("from omni import tool\n\n\n{source}"));
    let found: Vec<String> =
        findings(&folder, &[]).into_iter().filter(|found| found.contains("cut-by-clients")).collect();
    for (name, _, chars) in &tools {
        let said = found.iter().find(|found| found.contains(&format!("`a.{name}`")));
        assert_eq!(said.is_some(), chars.is_some(), "{name}: {found:?}");
        if let (Some(said), Some(chars)) = (said, chars) {
            let whole =
                format!("the description of `a.{name}` has {chars} characters, and clients cut it at 2048");
            assert!(said.contains(&whole) && said.contains("a/scripts/a.py:"), "{said}");
        }
    }
    assert_eq!(found.len(), 3, "{found:?}");

    folder.write("skills/a/scripts/a.py", TOOL);
    for (text, chars) in
        [("b".repeat(2_000), None), ("b".repeat(2_001), Some(2_001)), ("😀".repeat(1_001), Some(2_002))]
    {
        folder.write("omni.toml", &format!("instructions = \"{text}\"\n"));
        let found: Vec<String> =
            findings(&folder, &[]).into_iter().filter(|found| found.contains("cut-by-clients")).collect();
        match chars {
            None => assert_eq!(found, [] as [String; 0]),
            Some(chars) => {
                let whole = format!("omni.toml:1: `instructions` has {chars} characters: it is cut at 2000");
                assert!(found.len() == 1 && found[0].contains(&whole), "{found:?}");
            }
        }
    }
}

#[test]
fn what_is_kept_of_tasks_is_said_and_so_is_a_store_that_cannot_be_used() {
    use omni_store::{NewTask, Store, StoreConfig};
    let folder = Folder::empty();
    folder.write("skills/a/scripts/a.py", TOOL);
    let report = || -> Value { serde_json::from_slice(&folder.run(&["doctor", "--json"]).stdout).unwrap() };
    let told = |report: &Value| {
        let found = report["findings"].as_array().unwrap().iter();
        let of_store = found.filter(|found| found["what"].as_str().unwrap().starts_with("store"));
        of_store.map(|found| format!("{} {}", found["level"], found["text"])).collect::<Vec<_>>()
    };
    let nothing = report();
    assert_eq!((&nothing["store"], told(&nothing).len()), (&Value::Null, 0));
    let place = folder.path("home/.local/state/omni/store");
    assert!(!place.exists(), "looking makes nothing");
    let store = Store::open(&place, StoreConfig::default()).unwrap();
    let task = NewTask {
        id: "a".to_owned(),
        owner: "local".to_owned(),
        method: "tools/call".to_owned(),
        name: "a.go".to_owned(),
        created: std::time::SystemTime::now(),
        ttl: None,
        poll_interval: None,
    };
    store.create(task).wait().unwrap();
    let kept = report();
    assert_eq!((&kept["store"]["tasks"], &kept["store"]["unfinished"]), (&json!(1), &json!(1)));
    assert!(told(&kept)[0].contains("1 task, 1 of them at work, 5 kB in `"), "{:?}", told(&kept));
    store.close();

    std::fs::write(place.join("omni.db"), "no database at all").unwrap();
    let damaged = told(&report());
    assert!(damaged[0].starts_with("\"warning\"") && damaged[0].contains("cannot be opened"), "{damaged:?}");
    Store::open(&place, StoreConfig::default()).unwrap().close();
    let put_aside = told(&report());
    assert!(put_aside[1].contains("the store was damaged, and is kept as `"), "{put_aside:?}");
}

#[test]
fn a_client_that_has_connected_is_named_with_what_it_cuts() {
    let folder = Folder::empty();
    let long = "word ".repeat(1_000);
    folder.write(
        "skills/a/scripts/a.py",
        &format!(
            "from omni import tool\n\n\n@tool\ndef go() -> str:\n    \"\"\"{long}\"\"\"\n    return ''\n"
        ),
    );
    let report = || -> Value { serde_json::from_slice(&folder.run(&["doctor", "--json"]).stdout).unwrap() };
    let cut = |report: &Value| {
        let found = report["findings"].as_array().unwrap().iter();
        found
            .filter(|found| found["what"] == "client-cuts")
            .map(|found| found["text"].clone())
            .collect::<Vec<_>>()
    };
    let nobody = report();
    assert_eq!((&nobody["clients"], cut(&nobody)), (&json!([]), vec![]));
    assert!(!folder.path("home/.local/state/omni/clients").exists(), "looking makes nothing");
    let mut omni = folder.stdio(&[]);
    let hello = json!({"protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "claude-code", "version": "2.1.332"}});
    omni.request("initialize", hello);
    let noted = folder.path("home/.local/state/omni/clients");
    support::wait_until("the client is noted", || {
        std::fs::read_dir(&noted).is_ok_and(|found| {
            found.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "json"))
        })
    });
    let report = report();
    assert_eq!(report["clients"][0]["name"], "claude-code");
    let text = cut(&report);
    assert!(
        text[0].as_str().unwrap().contains("4096 characters") && text[0].as_str().unwrap().contains("`a.go`"),
        "{text:?}"
    );
}

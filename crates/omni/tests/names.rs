//! What are tools called for clients, and which names does a call take? Over every way in, with names as people write
//! them and as nobody should.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use support::{Folder, Stdio_, modern, text};

const SAY: &str = "from omni import tool\n\n";

/// A skill whose tools say who they are.
fn skill(folder: &Folder, name: &str, flat: bool, commands: &[&str]) {
    let mut source = SAY.to_owned();
    for (n, command) in commands.iter().enumerate() {
        source += &format!(
            "@tool(name={command:?})\ndef f{n}(word: str = \"\") -> str:\n    return {name:?} + '|' + {command:?}\n\n"
        );
    }
    folder.write(&format!("skills/{name}/scripts/tools.py"), &source);
    let flat = if flat { "flat: true\n" } else { "" };
    folder.write(
        &format!("skills/{name}/SKILL.md"),
        &format!("---\nname: {name}\ndescription: Says.\n{flat}---\n"),
    );
}

const LONG: &str = "export_the_statement_of_cash_flows_of_all_quarters_as_pdf";

/// What is listed of [`nasty`], by canonical name.
const LISTED: [(&str, &str); 12] = [
    ("Files.read", "Files_read_1d57f8031f"),
    ("a-b.c", "a-b_c_fb187eed73"),
    ("a.b_c", "a_b_c_5b8f934a59"),
    ("a_b.c", "a_b_c_a3715283ae"),
    ("a_b_c", "a_b_c_b3f2d26ef3"),
    ("files.read", "files_read_601e4eb608"),
    ("files.write", "files_write"),
    ("größe.messen", "gr_e_messen_1f2958d85c"),
    ("one", "one"),
    (
        "reports.export_the_statement_of_cash_flows_of_all_quarters_as_pdf",
        "reports_expo_s_of_all_quarters_as_pdf_fbf9b6f8ad",
    ),
    ("two.dots.go", "two_dots_go"),
    ("翻訳.実行", "__be73753a9a"),
];

fn nasty() -> Folder {
    let folder = Folder::empty();
    skill(&folder, "files", false, &["read", "write"]);
    skill(&folder, "Files", false, &["read"]);
    skill(&folder, "a_b", false, &["c"]);
    skill(&folder, "a", false, &["b_c"]);
    skill(&folder, "a-b", false, &["c"]);
    skill(&folder, "flat", true, &["a_b_c", "one"]);
    skill(&folder, "reports", false, &[LONG]);
    skill(&folder, "two.dots", false, &["go"]);
    skill(&folder, "größe", false, &["messen"]);
    skill(&folder, "翻訳", false, &["実行"]);
    folder
}

fn names(list: &Value) -> Vec<String> {
    let tools = list["result"]["tools"].as_array().unwrap_or_else(|| panic!("{list}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// The names in the list of each tool, by what the tools say themselves.
fn listed_by_tool(client: &mut Stdio_) -> BTreeMap<String, String> {
    let listed = names(&client.request("tools/list", json!({})));
    listed.into_iter().map(|name| (text(&client.result(&name, json!({}))).to_owned(), name)).collect()
}

#[test]
fn every_listed_name_is_one_that_all_clients_take_and_calls_its_tool() {
    let folder = nasty();
    let mut client = folder.stdio(&[]).initialised();
    let said = listed_by_tool(&mut client);
    let expected: BTreeMap<String, String> = LISTED
        .iter()
        .map(|(canonical, wire)| {
            let (skill, command) = match *canonical {
                "a_b_c" | "one" => ("flat", *canonical),
                "two.dots.go" => ("two.dots", "go"),
                dotted => dotted.split_once('.').unwrap(),
            };
            (format!("{skill}|{command}"), (*wire).to_owned())
        })
        .collect();
    assert_eq!(said, expected);
    for name in said.values() {
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        assert!(name.len() <= 48 && name.chars().all(legal), "{name}");
    }
    for (canonical, wire) in LISTED.iter().filter(|(canonical, _)| *canonical != "a_b_c") {
        let (by_canonical, by_wire) = (client.result(canonical, json!({})), client.result(wire, json!({})));
        assert_eq!(text(&by_canonical), text(&by_wire), "{canonical}");
    }
}

#[test]
fn a_name_of_two_tools_calls_none_and_names_both_as_they_are_listed() {
    let folder = nasty();
    let mut client = folder.stdio(&[]).initialised();
    let error = client.request("tools/call", json!({"name": "a_b_c"}))["error"].take();
    assert_eq!(error["code"], -32602);
    let told = error["message"].as_str().unwrap();
    assert_eq!(
        told,
        "`a_b_c` means 3 tools, so none was called: `a.b_c`, listed as `a_b_c_5b8f934a59`; `a_b.c`, listed as \
         `a_b_c_a3715283ae`; `a_b_c`, listed as `a_b_c_b3f2d26ef3`"
    );
    let output = folder.run(&["call", "a_b_c"]);
    assert_eq!((output.status.code(), &*output.stdout), (Some(2), &b""[..]));
    assert!(String::from_utf8_lossy(&output.stderr).contains("means 3 tools"), "{output:?}");
}

#[test]
fn what_is_not_there_is_answered_in_the_spelling_of_the_question() {
    let folder = nasty();
    let mut client = folder.stdio(&[]).initialised();
    for (name, meant) in [
        ("files_wriet", "`files_write`?"),
        ("files.wriet", "`files.write`?"),
        ("write", "`files_write`?"),
        ("files/write", "`files_write`?"),
        ("reports_export_the_statement_of_cash_flows_of_all_quarters_as_pfd", "_as_pdf_"),
    ] {
        let error = client.request("tools/call", json!({"name": name}))["error"]["message"].take();
        assert!(error.as_str().unwrap().contains(meant), "{name}: {error}");
    }
    let output = folder.run(&["call", "files_wriet"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("did you mean `files.write`?"), "people write the canonical name: {told}");
}

#[test]
fn an_answer_names_the_tool_as_it_was_called() {
    let folder = Folder::new("@tool\ndef add(a: int) -> int:\n    raise ValueError(a)\n");
    let mut client = folder.stdio(&[]).initialised();
    for name in ["t_add", "t.add"] {
        for arguments in [json!({"a": "x"}), json!({"a": 1})] {
            let result = client.result(name, arguments);
            assert!(text(&result).contains(&format!("`{name}`")), "{}", text(&result));
        }
    }
}

#[test]
fn both_eras_over_both_transports_list_the_same_names() {
    let folder = nasty();
    let expected: Vec<&str> = LISTED.iter().map(|(_, wire)| *wire).collect();
    let mut client = folder.stdio(&[]).initialised();
    assert_eq!(names(&client.request("tools/list", json!({}))), expected);
    let mut newer = folder.stdio(&[]);
    assert_eq!(names(&newer.request("tools/list", json!({"_meta": modern(&json!({}))}))), expected);
    let server = folder.http(&[]);
    assert_eq!(names(&server.modern("tools/list", json!({}), &[]).json()), expected);
    let session = server.session("2025-06-18");
    let list = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    assert_eq!(names(&server.post(&[("Mcp-Session-Id", &session)], &list).json()), expected);
    // `Mcp-Name` is held to the name in the body, however it is spelt.
    for name in ["files_write", "files.write"] {
        let reply = server.modern("tools/call", json!({"name": name}), &[]);
        assert_eq!(text(&reply.json()["result"]), "files|write", "{name}");
    }
    let other = server.modern("tools/call", json!({"name": "files.write"}), &[("Mcp-Name", "files_write")]);
    assert_eq!((other.status, other.code()), (400, -32020));
}

#[test]
fn python_alone_lists_the_same_names_and_refuses_the_same() {
    let folder = nasty();
    for style in ["underscore", "dotted"] {
        let Some(mut alone) = folder.python_alone(&["--names", style]).map(Stdio_::initialised) else {
            return;
        };
        let mut client = folder.stdio(&["--names", style]).initialised();
        let list = |client: &mut Stdio_| names(&client.request("tools/list", json!({})));
        assert_eq!(list(&mut alone), list(&mut client), "{style}");
        for name in ["a_b_c", "files_write", "files.write", "größe.messen", "nothing"] {
            let params = json!({"name": name});
            let [expected, found] = [&mut client, &mut alone].map(|client| {
                let answer = client.request("tools/call", params.clone());
                (answer["error"]["message"].clone(), answer["result"]["content"].clone())
            });
            assert_eq!(found, expected, "{style} {name}");
        }
    }
}

#[test]
fn dots_are_kept_where_a_setting_says_so() {
    let folder = nasty();
    folder.write("mine.toml", "names = \"dotted\"\n");
    let config = folder.path("mine.toml");
    let mut expected: Vec<String> = LISTED.iter().map(|(canonical, _)| (*canonical).to_owned()).collect();
    for name in &mut expected {
        match name.as_str() {
            "größe.messen" => *name = "gr_e.messen_1f2958d85c".into(),
            "翻訳.実行" => *name = "_.__be73753a9a".into(),
            _ => {}
        }
    }
    for arguments in [&["--names", "dotted"][..], &["--config", config.to_str().unwrap()]] {
        let mut client = folder.stdio(arguments).initialised();
        assert_eq!(names(&client.request("tools/list", json!({}))), expected);
        assert_eq!(text(&client.result("files_write", json!({}))), "files|write");
        assert_eq!(text(&client.result("a_b_c", json!({}))), "flat|a_b_c", "it is listed");
    }
    let mut command = folder.omni(&["list", "--json"]);
    let output = command.env("OMNI_NAMES", "dotted").output().unwrap();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed["tools"][0]["wire_name"], "Files.read");
    // A server with other names has left its list in the cache, and it is not taken for this one's.
    let mut client = folder.stdio(&[]).initialised();
    assert_eq!(
        names(&client.request("tools/list", json!({})))[5..7],
        ["files_read_601e4eb608", "files_write"]
    );
}

#[test]
fn another_way_of_naming_is_refused_with_those_there_are() {
    let folder = Folder::empty();
    folder.write("mine.toml", "names = \"dots\"\n");
    let config = folder.path("mine.toml");
    for output in [
        folder.run(&["list", "--names", "dots"]),
        folder.omni(&["list"]).env("OMNI_NAMES", "dots").output().unwrap(),
        folder.run(&["list", "--config", config.to_str().unwrap()]),
    ] {
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(["dots", "underscore", "dotted"].iter().all(|word| told.contains(word)), "{told}");
    }
}

#[test]
fn people_see_canonical_names_and_what_clients_see_where_that_is_another() {
    let folder = nasty();
    let output = folder.run(&["list"]);
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(listed.contains("files.write  ") && !listed.contains("files_write"), "{listed}");
    assert!(listed.contains("a_b.c (a_b_c_a3715283ae)"), "{listed}");
    let described = folder.run(&["describe", "files_write", "--json"]);
    let described: Value = serde_json::from_slice(&described.stdout).unwrap();
    assert_eq!(
        (&described["name"], &described["tool"]["name"]),
        (&json!("files.write"), &json!("files_write"))
    );
    let output = folder.run(&["call", "files_write"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "files|write\n");
    let output = folder.run(&["doctor", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found: Vec<(&str, &str)> = Vec::new();
    for finding in report["diagnostics"].as_array().unwrap() {
        let (code, message) = (finding["code"].as_str().unwrap(), finding["message"].as_str().unwrap());
        if code.starts_with("name-") {
            assert!(finding["file"].as_str().unwrap().ends_with("/scripts/tools.py"), "{finding}");
            assert!(finding["line"].as_u64() > Some(0) && finding["help"].is_string(), "{finding}");
            found.push((code, message.split('`').nth(1).unwrap()));
        }
    }
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("name-collision", "Files.read"),
            ("name-collision", "a-b.c"),
            ("name-collision", "a.b_c"),
            ("name-collision", "a_b.c"),
            ("name-collision", "a_b_c"),
            ("name-collision", "files.read"),
            ("name-not-ascii", "größe.messen"),
            ("name-not-ascii", "翻訳.実行"),
            ("name-too-long", "reports.export_the_statement_of_cash_flows_of_all_quarters_as_pdf"),
        ]
    );
}

#[test]
fn filtered_tools_stand_in_nobodys_way() {
    let folder = Folder::empty();
    skill(&folder, "a_b", false, &["c"]);
    skill(&folder, "a", false, &["b_c"]);
    folder.write("mine.toml", "filter = [\"a_b.*\"]\n");
    let config = folder.path("mine.toml");
    let mut client = folder.stdio(&["--config", config.to_str().unwrap()]).initialised();
    assert_eq!(names(&client.request("tools/list", json!({}))), ["a_b_c"]);
    assert_eq!(text(&client.result("a_b_c", json!({}))), "a|b_c");
    assert!(client.request("tools/call", json!({"name": "a_b.c"}))["error"].is_object());
}

//! The tool `skill_read` of the built binary: when it is listed, and what a model gets by it, in both eras and over both
//! transports, and on the command line.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;

use omni_testkit::path_escapes;
use serde_json::{Value, json};
use support::{Folder, Http, Stdio_, descendants, modern};

const PAGE: &str = "---\nname: t\ndescription: Keeps notes. Use it when somebody wants something kept.\n---\nSee references/api.md, Größe 😀.\n";
const API: &str = "# API\n";
const TOOL: &str =
    "from omni import tool\n\n\n@tool\ndef go() -> str:\n    \"\"\"Go.\"\"\"\n    return \"went\"\n";
/// A picture of one point.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const SECRET: &str = "the secret outside";

/// A skill with a tool, pages and a picture, one of prose alone, and a secret beside them. The tool is on, as it is for
/// users.
fn folder() -> Folder {
    let mut folder = Folder::empty();
    folder.env.push(("OMNI_SKILL_READ", "true".to_owned()));
    folder.write("skills/t/SKILL.md", PAGE);
    folder.write("skills/t/scripts/t.py", TOOL);
    folder.write("skills/t/references/api.md", API);
    folder.write("skills/t/assets/font.bin", "\0\u{1}");
    fs::write(folder.path("skills/t/assets/dot.png"), PNG).unwrap();
    folder.write("skills/prose/SKILL.md", "---\nname: prose\ndescription: How we write.\n---\nShort.\n");
    folder.write("secret.txt", SECRET);
    symlink(folder.path("secret.txt"), folder.path("skills/t/references/link.md")).unwrap();
    folder
}

/// A way to ask, of each era and transport.
enum Client<'a> {
    Legacy(Stdio_),
    Modern(Stdio_),
    Http(&'a Http),
}

impl Client<'_> {
    fn request(&mut self, method: &str, mut params: Value) -> Value {
        match self {
            Client::Legacy(client) => client.request(method, params),
            Client::Modern(client) => {
                params["_meta"] = modern(&json!({}));
                client.request(method, params)
            }
            Client::Http(server) => {
                let name = params["name"].as_str().map(|name| ("Mcp-Name", name.to_owned()));
                let headers: Vec<(&str, &str)> =
                    name.iter().map(|(header, name)| (*header, name.as_str())).collect();
                server.modern(method, params, &headers).json()
            }
        }
    }

    fn read(&mut self, arguments: &Value) -> Value {
        let reply = self.request("tools/call", json!({"name": "skill_read", "arguments": arguments}));
        assert!(reply["result"].is_object(), "{arguments}: {reply}");
        reply["result"].clone()
    }
}

fn each_client(folder: &Folder, mut look: impl FnMut(&mut Client<'_>)) {
    look(&mut Client::Legacy(folder.stdio(&[]).initialised()));
    look(&mut Client::Modern(folder.stdio(&[])));
    look(&mut Client::Http(&folder.http(&[])));
}

fn names(reply: &Value) -> Vec<&str> {
    let tools = reply["result"]["tools"].as_array().unwrap_or_else(|| panic!("{reply}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

fn texts(result: &Value) -> Vec<&str> {
    let blocks = result["content"].as_array().unwrap_or_else(|| panic!("{result}"));
    blocks.iter().map(|block| block["text"].as_str().unwrap_or_default()).collect()
}

#[test]
fn it_is_listed_unless_the_argument_the_variable_or_the_file_says_no_in_that_order() {
    // The argument, the variable, the file, and whether it is listed.
    for (argument, variable, file, is_listed) in [
        (None, None, None, true),
        (None, None, Some(false), false),
        (None, Some(false), None, false),
        (None, Some(true), Some(false), true),
        (Some(false), Some(true), Some(true), false),
        (Some(true), Some(false), Some(false), true),
    ] {
        let folder = folder();
        if let Some(value) = file {
            folder.write("omni.toml", &format!("skill_read = {value}\n"));
        }
        let mut command = folder.omni(&["mcp"]);
        command.env_remove("OMNI_SKILL_READ");
        if let Some(value) = variable {
            command.env("OMNI_SKILL_READ", value.to_string());
        }
        if let Some(value) = argument {
            command.args(["--skill-read", &value.to_string()]);
        }
        let mut client = Stdio_::of(command);
        let opened = client.initialize("2025-11-25");
        let listed = client.request("tools/list", json!({}));
        let how = format!("{argument:?} {variable:?} {file:?}");
        let wanted = if is_listed { &["skill_read", "t_go"][..] } else { &["t_go"] };
        assert_eq!(names(&listed), wanted, "{how}");
        let told = opened["result"]["instructions"].as_str().unwrap();
        let first = match is_listed {
            true => "Skills, read with `skill_read` before you do what they are for: prose, t\n",
            false => {
                "Skills, each the resource omni://skill/NAME/SKILL.md, read before you do what it is for: prose, t\n"
            }
        };
        assert!(told.starts_with(first) && told.contains("\n- prose: How we write.\n"), "{how}: {told}");
        // Without it Claude Code has its model look for the tool first.
        let always = &listed["result"]["tools"][0]["_meta"]["anthropic/alwaysLoad"];
        assert_eq!(always == true, is_listed, "{how}: {listed}");
        let called = client.request("tools/call", json!({"name": "skill_read", "arguments": {}}));
        assert_eq!(called["result"].is_object(), is_listed, "{how}: {called}");
    }
}

#[test]
fn a_model_reads_pages_files_and_pictures_in_both_eras_and_no_process_is_started_for_it() {
    let folder = folder();
    each_client(&folder, |client| {
        assert_eq!(names(&client.request("tools/list", json!({}))), ["skill_read", "t_go"]);
        assert_eq!(
            texts(&client.read(&json!({}))),
            ["Skills of this server; read one with `skill`:\n- prose: How we write.\n\
              - t: Keeps notes. Use it when somebody wants something kept."]
        );
        let page = client.read(&json!({"skill": "t"}));
        let beside = "Its other files, read with `path`: `assets/dot.png`, `assets/font.bin`, `references/api.md`, \
                      `scripts/t.py`.\nIts tools: `t_go`.";
        assert_eq!(texts(&page), [PAGE, beside]);
        assert!(page.get("isError").is_none_or(|failed| failed == false), "{page}");
        assert_eq!(texts(&client.read(&json!({"skill": "t", "path": "references/api.md"}))), [API]);
        assert_eq!(texts(&client.read(&json!({"skill": "t", "path": "scripts/t.py"}))), [TOOL]);
        assert_eq!(
            texts(&client.read(&json!({"skill": "prose"}))),
            ["---\nname: prose\ndescription: How we write.\n---\nShort.\n"]
        );
        let picture = client.read(&json!({"skill": "t", "path": "assets/dot.png"}));
        assert_eq!(picture["content"][0]["type"], "image", "{picture}");
        assert_eq!(picture["content"][0]["mimeType"], "image/png");
        let other = client.read(&json!({"skill": "t", "path": "assets/font.bin"}));
        assert!(texts(&other)[0].contains("omni://skill/t/assets/font.bin"), "{other}");
        if let Client::Legacy(client) | Client::Modern(client) = client {
            assert_eq!(descendants(client.child.id()), [] as [u32; 0]);
        }
    });
}

#[test]
fn what_there_is_not_names_what_there_is() {
    let folder = folder();
    each_client(&folder, |client| {
        for (arguments, said) in [
            (json!({"skill": "pros"}), "there is no skill `pros`; did you mean `prose`?"),
            (
                json!({"skill": "weather"}),
                "there is no skill `weather`; call `skill_read` without arguments for all 2",
            ),
            (json!({"path": "references/api.md"}), "of which skill? Give `skill` as well."),
            (
                json!({"skill": "t", "path": "api.md"}),
                "the skill `t` has no file `api.md`; did you mean `references/api.md`?",
            ),
            (json!({"skill": "t", "path": "assets"}), "`assets` is a folder of the skill `t`"),
            (json!({"skill": "t", "path": "references/link.md"}), "has no file `references/link.md`"),
            (json!({"skill": "t", "length": 0}), "length"),
            (json!({"name": "t"}), "name"),
        ] {
            let result = client.read(&arguments);
            assert_eq!(result["isError"], true, "{arguments}: {result}");
            assert!(texts(&result)[0].contains(said), "{arguments}: {result}");
        }
    });
}

#[test]
fn no_spelling_of_a_path_leads_out_of_a_skill() {
    let folder = folder();
    let mut client = folder.stdio(&[]).initialised();
    let secret = folder.path("secret.txt");
    let spellings: Vec<String> = path_escapes(secret.to_str().unwrap()).into_iter().collect();
    let asked: Vec<Value> = spellings
        .iter()
        .flat_map(|path| {
            [
                json!({"skill": "t", "path": path}),
                json!({"skill": path}),
                json!({"skill": path, "path": "secret.txt"}),
            ]
        })
        .collect();
    assert!(asked.len() > 300);
    for part in asked.chunks(50) {
        for (id, arguments) in part.iter().enumerate() {
            client.call(id, "skill_read", arguments.clone());
        }
        for (id, arguments) in part.iter().enumerate() {
            let reply = client.answer(id);
            assert!(!reply.to_string().contains(SECRET), "{arguments}: {reply}");
        }
    }
    assert_eq!(
        texts(&client.result("skill_read", json!({"skill": "t", "path": "references/api.md"}))),
        [API]
    );
}

/// Clients cut what is longer than 40,000 characters, and a model that reads on has to get what the file is. A part ends with
/// a whole character.
#[test]
fn a_long_page_is_read_in_parts_that_clients_show_whole_and_that_are_the_page() {
    const PART_MAX: usize = 32 << 10;
    let folder = folder();
    let long: String = (0..60_000).map(|n| char::from_u32(0x4E00 + n % 5_000).unwrap()).collect();
    folder.write("skills/t/references/long.md", &long);
    each_client(&folder, |client| {
        let (mut whole, mut is_more) = (String::new(), true);
        while is_more {
            let asked = json!({"skill": "t", "path": "references/long.md", "offset": whole.len()});
            let result = client.read(&asked);
            let texts = texts(&result);
            is_more = whole.len() + PART_MAX < long.len();
            let wanted = if is_more { PART_MAX..=PART_MAX + 3 } else { 1..=PART_MAX + 3 };
            assert!(wanted.contains(&texts[0].len()), "{} bytes", texts[0].len());
            whole.push_str(texts[0]);
            let on = format!("of {}: read on with `offset` {}.", long.len(), whole.len());
            assert_eq!(texts.get(1).is_some_and(|text| text.ends_with(&on)), is_more, "{:?}", texts.get(1));
        }
        assert!(whole == long, "{} bytes of {}", whole.len(), long.len());
    });
}

#[test]
fn an_edit_is_read_at_once() {
    let folder = folder();
    let mut client = folder.stdio(&[]).initialised();
    client.result("skill_read", json!({"skill": "prose"}));
    let edited = "---\nname: prose\ndescription: How we write now.\n---\nShorter.\n";
    folder.write("skills/prose/SKILL.md", edited);
    folder.write("skills/prose/references/new.md", "New.\n");
    support::wait_until("the new page", || {
        let page = client.result("skill_read", json!({"skill": "prose"}));
        texts(&page) == [edited, "Its other files, read with `path`: `references/new.md`."]
    });
    let list = client.result("skill_read", json!({}));
    assert!(texts(&list)[0].contains("- prose: How we write now."), "{list}");
    let new = client.result("skill_read", json!({"skill": "prose", "path": "references/new.md"}));
    assert_eq!(texts(&new), ["New.\n"]);
}

#[test]
fn the_command_line_lists_describes_and_calls_it_as_clients_do() {
    let folder = folder();
    let said = |arguments: &[&str]| {
        let output = folder.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let (_, listed, _) = said(&["list"]);
    assert!(listed.starts_with("skill_read  Reads a skill of this server"), "{listed}");
    let (status, described, _) = said(&["describe", "skill_read"]);
    assert!(
        status == 0 && described.contains("omni itself") && described.contains("\"path\""),
        "{described}"
    );
    assert_eq!(
        said(&["call", "skill_read", "skill=t", "path=references/api.md"]).1.trim_end(),
        API.trim_end()
    );
    let (status, _, error) = said(&["call", "skill_read", "skill=pros"]);
    assert!(status == 1 && error.contains("did you mean `prose`?"), "{status}: {error}");
    let (_, listed, _) = said(&["list", "--skill-read", "false"]);
    assert!(!listed.contains("skill_read") && listed.contains("t.go"), "{listed}");
    let (status, _, error) = said(&["describe", "skill_read", "--skill-read", "false"]);
    assert!(status == 1 && error.contains("unknown tool `skill_read`"), "{error}");
}

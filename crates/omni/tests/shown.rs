//! What people are shown of text that wants to deceive them: at the terminal, in the log, as JSON.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::Folder;

/// A description that would clear the screen, forge an error, turn text round and whisper to a model; results, errors,
/// logs and prints that try the same.
const TOOLS: &str = r#"
@tool(title="T\x1b[2Jitle", tags=["a\nexecutor     none"])
def shout(way: str = "text") -> Text:
    """Shout\x1b]0;owned\x07 \u202egnp.exe \U000e0049\U000e0067 loud.

    error: forged

    Args:
        way: How\x9b31m.
    """
    text = "one\x1b[2J\r\n\ttwo\u202e three\nerror: forged\n"
    if way == "error":
        raise ToolError(text)
    if way == "raise":
        raise ValueError(text)
    if way == "log":
        ctx().log.info(text, logger=text)
    return Text(text)

@tool
async def tell(ctx: Context) -> str:
    """Report."""
    ctx.progress(1, 2, message="half\x1b[2J\nerror: forged")
    ctx.log("info", "said\x1b[2J\nerror: forged")
    print("printed\x1b[2J")
    return "👩‍💻 done"
"#;

/// What no terminal may get: whatever moves the cursor or the words, or is not seen.
fn deceives(text: &str) -> bool {
    text.chars().any(|sign| {
        matches!(sign, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\x7f'..='\u{9f}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}' | '\u{2028}')
    })
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// Runs omni with a terminal as its standard output and error, and returns what it wrote there.
fn at_a_terminal(folder: &Folder, arguments: &[&str]) -> String {
    let omni = folder.omni(arguments);
    let program = "import os, pty, sys; os.environ['NO_COLOR'] = '1'; pty.spawn(sys.argv[1:])";
    let mut command = Command::new("python3");
    command.args(["-c", program]).arg(omni.get_program()).args(omni.get_args());
    command.current_dir(folder.dir.path()).stdin(Stdio::null());
    for (name, value) in omni.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let (out, err) = texts(&command.output().unwrap());
    assert_eq!(err, "", "the terminal is what was written to");
    // A terminal's own line ends.
    out.replace("\r\n", "\n")
}

#[test]
fn a_hostile_description_is_shown_by_the_numbers_of_its_characters() {
    let folder = Folder::new(TOOLS);
    let (list, _) = texts(&folder.run(&["list"]));
    let shout = list.lines().find(|line| line.starts_with("t.shout")).unwrap();
    assert!(shout.contains(r"Shout\x1b]0;owned\x07 \u{202e}gnp.exe \u{e0049}\u{e0067} loud."), "{list}");
    let (described, _) = texts(&folder.run(&["describe", "t.shout"]));
    assert!(described.starts_with("t.shout  (T\\x1b[2Jitle)\n"), "{described}");
    assert!(described.contains("\n  error: forged\n"), "further lines are indented: {described}");
    assert!(described.contains("tags         a\\nexecutor     none\n"), "{described}");
    assert!(described.contains("How\\u009b31m."), "a schema is JSON, and so are its escapes: {described}");
    for shown in [&list, &described, &at_a_terminal(&folder, &["list"]), &at_a_terminal(&folder, &["doctor"])]
    {
        assert!(!deceives(shown), "{shown:?}");
    }
}

#[test]
fn json_means_the_same_and_hides_nothing() {
    let folder = Folder::new(TOOLS);
    for arguments in [
        &["list", "--json"][..],
        &["describe", "t.shout", "--json"],
        &["doctor", "--json"],
        &["call", "t.shout", "--json"],
        &["sync", "--json"],
    ] {
        let (out, _) = texts(&folder.run(arguments));
        assert!(!deceives(&out), "{arguments:?}: {out:?}");
        serde_json::from_str::<Value>(&out).unwrap();
    }
    let (out, _) = texts(&folder.run(&["call", "t.shout", "--json"]));
    assert!(out.contains(r"two\u202e three"), "{out}");
    let value: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["content"][0]["text"], "one\x1b[2J\r\n\ttwo\u{202e} three\nerror: forged\n");
}

#[test]
fn a_result_is_raw_for_a_program_and_escaped_for_a_person() {
    let folder = Folder::new(TOOLS);
    let (out, _) = texts(&folder.run(&["call", "t.shout"]));
    assert_eq!(out, "one\x1b[2J\r\n\ttwo\u{202e} three\nerror: forged\n\n");
    let shown = at_a_terminal(&folder, &["call", "t.shout"]);
    // The terminal expands the tab.
    assert!(shown.contains("one\\x1b[2J") && shown.contains("two\\u{202e} three\n"), "{shown:?}");
    assert!(!deceives(&shown), "{shown:?}");
    let told = at_a_terminal(&folder, &["call", "t.tell"]);
    assert!(told.contains("👩\u{200d}💻 done"), "an emoji is left whole: {told:?}");
    assert!(told.contains("half\\x1b[2J\n  error: forged") && !told.contains("\nerror: "), "{told:?}");
    assert!(!deceives(&told), "{told:?}");
}

#[test]
fn errors_of_tools_and_wrong_words_are_escaped_too() {
    let folder = Folder::new(TOOLS);
    for arguments in [
        &["call", "t.shout", "way=error"][..],
        &["call", "t.shout", "way=raise", "--errors", "full"],
        &["call", "t.sh\x1b[2Jout"],
        &["describe", "t.sh\u{202e}out"],
        &["list", "--skills", "no\x1b[2J\u{202e}where"],
        &["list", "--no\x1b[2Jsuch"],
        &["call", "t.shout", "--args", "{\"a\x1b[2J\": 1}"],
        &["call", "t.shout", "nobody\x1b[2J=1"],
        &["call", "t.shout", "--python", "no\x1b[2Jwhere"],
    ] {
        let (out, err) = texts(&folder.run(arguments));
        assert!(!err.is_empty() && !deceives(&err) && !deceives(&out), "{arguments:?}: {out:?} {err:?}");
    }
    for arguments in [&["way=error"][..], &["no\nerror: forged=1"], &["way=raise", "--errors", "full"]] {
        let (_, err) = texts(&folder.run(&[&["call", "t.shout"], arguments].concat()));
        assert!(err.contains("forged") && !err.contains("\nerror: forged"), "{arguments:?}: {err:?}");
    }
}

#[test]
fn a_settings_file_is_quoted_escaped() {
    let folder = Folder::new(TOOLS);
    folder.write("omni.toml", "executor = \"no\u{9b}2J\u{202e}ne\"\n");
    let (_, err) = texts(&folder.run(&["list"]));
    assert!(err.contains(r"no\u{9b}2J\u{202e}ne"), "{err:?}");
    folder.write("omni.toml", "no\u{1b}pe = 1\n");
    let (_, err) = texts(&folder.run(&["list"]));
    assert!(!err.is_empty() && !deceives(&err), "{err:?}");
    assert_eq!(err.lines().filter(|line| !line.starts_with("  ")).count(), 1, "{err}");
}

#[test]
fn a_file_name_forges_no_line() {
    let folder = Folder::new(TOOLS);
    folder.write(
        "skills/t/scripts/a\n  --> b\u{1b}[2J\u{202e}.py",
        "from omni import tool\n@tool\ndef broken(\n",
    );
    folder.write("skills/t/x\nerror[forged]: y.py", "");
    for arguments in [&["doctor"][..], &["list"], &["sync"]] {
        let (out, err) = texts(&folder.run(arguments));
        assert!(!deceives(&out) && !deceives(&err), "{arguments:?}: {out:?}");
        assert!(!out.contains("\nerror[forged]"), "{out}");
        assert!(!out.contains("\n  --> b"), "{out}");
    }
}

#[test]
fn the_log_is_one_line_an_event_as_text_and_as_json() {
    let mut folder = Folder::new(TOOLS);
    folder.env.push(("OMNI_LOG", "debug".into()));
    let forged = |line: &str| line.contains("forged") && !line.contains(r"\n");
    let (_, text) = texts(&folder.run(&["call", "t.shout", "way=raise", "--errors", "masked"]));
    let event = text.lines().find(|line| line.contains("two")).unwrap();
    assert!(event.contains(r"one\x1b[2J\r\n\ttwo\u{202e} three\nerror: forged"), "{event}");
    assert!(!text.lines().any(forged) && !deceives(&text), "{text}");
    assert!(event.contains(" text=\"one"), "the exception's text is a field, in quotes: {event}");
    folder.env.push(("OMNI_LOG_FORMAT", "json".into()));
    let (_, json) = texts(&folder.run(&["call", "t.shout", "way=raise", "--errors", "masked"]));
    let events: Vec<&str> = json.lines().filter(|line| line.starts_with('{')).collect();
    let event = events.iter().find(|line| line.contains("two")).unwrap();
    assert!(event.contains(r"two\u202e three\nerror: forged") && !deceives(&json), "{event}");
    let event: Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["level"], "WARN");
}

#[test]
fn the_doctor_warns_of_what_a_model_reads_and_people_do_not() {
    let folder = Folder::new(TOOLS);
    folder.write(
        "skills/t/SKILL.md",
        "---\nname: t\ndescription: Use\u{200b} me \u{e0072}\u{e006d}.\n---\nשלום\u{200f} :)\n",
    );
    folder.write(
        "skills/u/scripts/u.py",
        "from omni import tool\n\n@tool\ndef f(way: str) -> str:\n    \"\"\"Do 👩\u{200d}💻 it\u{2069}.\"\"\"\n    return way\n",
    );
    let (doctor, _) = texts(&folder.run(&["doctor", "--strict"]));
    let findings: Vec<&str> = doctor.split("\n\n").filter(|one| one.contains("hidden-character")).collect();
    let expected = [
        ("`U+200B`: nothing that can be seen", "skills/t/SKILL.md:3:17"),
        ("it reads `rm`", "skills/t/SKILL.md:3:22"),
        // Written as escapes: the line of the tool.
        ("a text of the tool `t.shout` has `U+001B", "skills/t/scripts/t.py:5:1"),
        ("`U+2069`: a change of the order in which text is shown", "skills/u/scripts/u.py:5:17"),
    ];
    assert_eq!(findings.len(), expected.len(), "{doctor}");
    for (said, place) in expected {
        let found = findings.iter().any(|one| one.contains(said) && one.contains(place));
        assert!(found, "{said} at {place}: {doctor}");
    }
    assert!(!deceives(&doctor), "{doctor:?}");
    let (code, list) = (folder.run(&["doctor", "--strict"]).status.code(), folder.run(&["list"]));
    assert_eq!(code, Some(1));
    assert!(texts(&list).0.contains("u.f "), "the tools are served all the same");
}

//! The lines that `omni mcp` prints for clients: each is run by a real shell, with programs of the clients' names that
//! take their words as the clients do, and what they would start answers like the server that printed it.

#![allow(clippy::disallowed_methods, reason = "a test runs what a user runs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use support::{Folder, Stdio_, text};

const TOOLS: &str = r#"
import os

@tool
def told(ctx: Context) -> str:
    "Tell what is in force."
    return f"{os.getcwd()} {os.environ.get('SERVICE_KEY')} {ctx.settings.get('colour')}"
"#;

/// A program that writes its words and the variables it has to files, and does nothing.
const RECORDER: &str = "#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done > \"$RECORD\"\n";

/// What a client's command was given.
fn pasted(folder: &Folder, line: &str, variables: &[(&str, &str)]) -> Vec<OsString> {
    let bin = folder.path("clients");
    fs::create_dir_all(&bin).unwrap();
    for client in ["claude", "codex", "gemini", "npx"] {
        fs::write(bin.join(client), RECORDER).unwrap();
        fs::set_permissions(bin.join(client), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let record = folder.path("record");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    // From another folder, as a client's user has one.
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).current_dir("/").env("PATH", path).env("RECORD", &record);
    let output = shell.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    let words = fs::read(&record).unwrap();
    let words = words.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
    let mut words: Vec<OsString> = words.collect();
    words.pop();
    words
}

fn line<'a>(printed: &'a str, client: &str) -> &'a str {
    let line = printed.lines().find_map(|line| line.trim_start().strip_prefix(client));
    line.unwrap_or_else(|| panic!("{client} in {printed}")).trim()
}

/// Runs a program on a terminal, ends its input when it has said what it has to, and prints that.
const TERMINAL: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.environ["NO_COLOR"] = "1"
    os.execv(sys.argv[1], sys.argv[1:])
said, ended = b"", False
try:
    while True:
        said += os.read(terminal, 65536)
        if b"To try it by hand" in said and not ended:
            ended = os.write(terminal, b"\4") == 1
except OSError:
    os.waitpid(pid, 0)
sys.stdout.buffer.write(said)
"#;

/// What `omni mcp` says to whoever starts it by hand.
fn at_a_terminal(folder: &Folder, arguments: &[&str]) -> String {
    let omni = folder.omni(arguments);
    let mut command = Command::new("python3");
    command.args(["-c", TERMINAL]).arg(omni.get_program()).args(omni.get_args());
    command.current_dir(folder.dir.path()).stdin(Stdio::null());
    for (name, value) in omni.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let Output { stdout, .. } = command.output().unwrap();
    String::from_utf8(stdout).unwrap().replace("\r\n", "\n")
}

/// Starts a server as a client does that gives it next to no variables, elsewhere.
fn answers(
    folder: &Folder,
    program: &Path,
    words: &[OsString],
    variables: &[(String, OsString)],
) -> (Value, String) {
    let mut command = Command::new(program);
    command.args(words).current_dir("/").env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    command.env("HOME", folder.path("home")).env("OMNI_ISOLATION", "none");
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let mut client = Stdio_::of(command).initialised();
    let tools = client.request("tools/list", json!({}))["result"]["tools"].clone();
    let name = tools[0]["name"].as_str().unwrap().to_owned();
    let told = text(&client.result(&name, json!({}))).to_owned();
    client.close();
    (tools, told)
}

fn after<'a>(words: &'a [OsString], separator: &str) -> &'a [OsString] {
    let at =
        words.iter().position(|word| word == separator).unwrap_or_else(|| panic!("{separator} in {words:?}"));
    &words[at + 1..]
}

/// The pairs of `NAME=VALUE` that follow a flag.
fn pairs(words: &[OsString], flag: &str) -> Vec<(String, OsString)> {
    let follow = words.windows(2).filter(|pair| pair[0] == flag).filter_map(|pair| pair[1].to_str());
    follow
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

/// A project in a folder whose name shells have something against.
fn project(name: &str) -> Folder {
    let mut folder = Folder::empty();
    let skill = format!("{name}/skills/t");
    folder.write(&format!("{skill}/SKILL.md"), "---\nname: t\ndescription: Tools for tests.\n---\n");
    folder.write(&format!("{skill}/scripts/t.py"), &format!("from omni import Context, tool\n{TOOLS}"));
    folder.write(&format!("{name}/work/a.txt"), "");
    folder.write(
        &format!("{name}/settings.toml"),
        "timeout = 700\nenv = [\"SERVICE_KEY\"]\n[skills.t]\ncolour = \"blue\"\n",
    );
    folder.env.push(("OMNI_SKILLS", format!("{name}/skills")));
    folder.env.push(("OMNI_CONFIG", format!("{name}/settings.toml")));
    folder.env.push(("OMNI_IDLE_TIMEOUT", "33".into()));
    folder
}

const NAMES: [&str; 3] = ["plain", "it's a \"test\" $HOME `id` é", "bidi\u{202e}\nline\t%s\\"];

#[test]
fn a_line_for_each_client_starts_this_very_server_from_any_shell_in_any_folder() {
    for name in NAMES {
        let folder = project(name);
        let root = folder.path(name).join("work").canonicalize().unwrap();
        let printed =
            at_a_terminal(&folder, &["mcp", "--root", &format!("{name}/work"), "--env", "SERVICE_KEY"]);
        assert!(printed.contains("meant to be started by a client"), "{printed}");
        let key = [("SERVICE_KEY", "s3cret=x y")];
        assert!(!printed.contains("s3cret"));
        let expected = format!("{} s3cret=x y blue", root.display());

        // Claude Code gives the server all of its own variables.
        let words = pasted(&folder, line(&printed, "Claude Code"), &key);
        assert_eq!(words[..4], ["mcp", "add", "omni", "--"].map(OsString::from));
        let own = [("SERVICE_KEY".to_owned(), OsString::from(key[0].1))];
        let (tools, told) = answers(&folder, Path::new(&words[4]), &words[5..], &own);
        assert_eq!(told, expected);
        for flag in ["--config", "--idle-timeout", "--env", "--root", "--skills"] {
            assert!(words.iter().any(|word| word == flag), "{flag} in {words:?}");
        }

        let words = pasted(&folder, line(&printed, "Codex "), &key);
        let variables = pairs(&words, "--env");
        let started = after(&words, "--");
        assert_eq!(
            answers(&folder, Path::new(&started[0]), &started[1..], &variables),
            (tools.clone(), told.clone())
        );

        let words = pasted(&folder, line(&printed, "Gemini CLI"), &key);
        // It looks `$NAME` up when it starts the server.
        assert_eq!(pairs(&words, "-e"), [("SERVICE_KEY".to_owned(), OsString::from("$SERVICE_KEY"))]);
        assert_eq!(pairs_after(&words, "--timeout"), Some("710000".into()), "as long as the server's own");
        let at = words.iter().position(|word| word == "omni").unwrap();
        assert_eq!(words[at + 2], "--", "what follows is not Gemini's");
        assert_eq!(
            answers(&folder, Path::new(&words[at + 1]), &words[at + 3..], &own),
            (tools.clone(), told.clone())
        );

        let words = pasted(&folder, line(&printed, "Inspector"), &key);
        let at = words.iter().rposition(|word| word == "-e").unwrap() + 2;
        let end = words.iter().position(|word| word == "--method").unwrap();
        let flags: Vec<_> =
            words[at..end].iter().filter(|word| word.to_str().unwrap().starts_with("--")).collect();
        assert_eq!(flags, ["--env"], "`--config` would be taken for the Inspector's");
        let variables = pairs(&words[..at], "-e");
        assert_eq!(answers(&folder, Path::new(&words[at]), &words[at + 1..end], &variables), (tools, told));
    }
}

#[test]
fn every_folder_of_skills_is_in_every_line() {
    let folder = project(NAMES[0]);
    folder.write("more/more/SKILL.md", "---\nname: more\ndescription: More.\n---\n");
    let printed = at_a_terminal(
        &folder,
        &["mcp", "--skills", "shipped", "--skills", &folder.path("more").to_string_lossy()],
    );
    let more = folder.path("more").canonicalize().unwrap().into_os_string();
    let expected = ["--skills".into(), OsString::from("shipped"), "--skills".into(), more.clone()];
    for client in ["Claude Code", "Codex ", "Gemini CLI"] {
        let words = pasted(&folder, line(&printed, client), &[]);
        assert!(words.windows(4).any(|four| four == expected), "{client}: {words:?}");
    }
    let words = pasted(&folder, line(&printed, "Inspector"), &[]);
    let mut both = OsString::from("shipped:");
    both.push(&more);
    assert!(pairs(&words, "-e").contains(&("OMNI_SKILLS".to_owned(), both)), "{words:?}");
}

fn pairs_after(words: &[OsString], flag: &str) -> Option<OsString> {
    words.windows(2).find(|pair| pair[0] == flag).map(|pair| pair[1].clone())
}

#[test]
fn the_parts_of_settings_files_are_what_their_languages_say() {
    for name in NAMES {
        let folder = project(name);
        let printed = at_a_terminal(&folder, &["mcp", "--env", "SERVICE_KEY", "--timeout", "0"]);
        let codex = &printed[printed.find("[mcp_servers.omni]").unwrap()..];
        let codex: toml::Table = codex[..codex.find("\n\n").unwrap()].parse().unwrap();
        let server = &codex["mcp_servers"]["omni"];
        assert_eq!(server["env_vars"].as_array().unwrap().len(), 1);
        assert_eq!(server["tool_timeout_sec"].as_integer(), Some(86_400), "no limit is a day");
        let words = |value: &Value| -> Vec<OsString> {
            value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().into()).collect()
        };
        let own = [("SERVICE_KEY".to_owned(), OsString::from("k"))];
        let arguments = serde_json::to_value(server["args"].clone()).unwrap();
        let program = Path::new(server["command"].as_str().unwrap());
        let by_codex = answers(&folder, program, &words(&arguments), &own);
        let json = printed.lines().find(|line| line.starts_with("{\"mcpServers\"")).unwrap();
        let json: Value = serde_json::from_str(json).unwrap();
        let server = &json["mcpServers"]["omni"];
        assert_eq!(server["env"], json!({"SERVICE_KEY": "${env:SERVICE_KEY}"}));
        assert!(Path::new(server["command"].as_str().unwrap()).is_absolute());
        let by_cursor = answers(&folder, program, &words(&server["args"]), &own);
        assert_eq!(by_codex, by_cursor);
        assert!(by_codex.1.ends_with("k blue"), "{by_codex:?}");
    }
}

#[test]
fn a_program_on_the_path_is_called_by_its_name_and_shipped_skills_by_theirs() {
    let mut folder = Folder::empty();
    let bin = folder.path("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_omni"), bin.join("omni")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    folder.env.push(("PATH", path));
    let printed = at_a_terminal(&folder, &["mcp", "--skills", "shipped"]);
    let claude = line(&printed, "Claude Code");
    assert!(claude.starts_with("claude mcp add omni -- omni mcp --skills shipped --root /"), "{claude}");
    assert!(!printed.contains("cache/skills-") && !printed.contains("--cache-dir /root"), "{printed}");
    // Another program of that name is not this one.
    fs::remove_file(bin.join("omni")).unwrap();
    fs::write(bin.join("omni"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(bin.join("omni"), fs::Permissions::from_mode(0o755)).unwrap();
    let printed = at_a_terminal(&folder, &["mcp"]);
    assert!(line(&printed, "Claude Code").starts_with("claude mcp add omni -- /"), "{printed}");
}

#[test]
fn lines_for_http_send_the_token_and_do_not_show_it() {
    const TOKEN: &str = "0123456789abcdefghijklmnop";
    let folder = Folder::new(TOOLS);
    folder.write("my token's", &format!("\n{TOKEN}\nanother-token-of-somebody\n"));
    fs::set_permissions(folder.path("my token's"), fs::Permissions::from_mode(0o600)).unwrap();
    folder.write(
        "omni.toml",
        "transport = \"http\"\ntimeout = 900\n[http]\nport = 0\ntoken_file = \"my token's\"\n",
    );
    let server = support::Http::of(folder.omni(&["mcp"]));
    let printed = &server.announced;
    assert!(!printed.contains(TOKEN), "{printed}");
    let url = format!("http://{}/mcp", server.address);
    for (client, flag) in [("Claude Code", "--header"), ("Gemini CLI", "--header"), ("Inspector", "--header")]
    {
        let words = pasted(&folder, line(printed, client), &[]);
        assert!(words.iter().any(|word| *word == *url), "{words:?}");
        let header = pairs_after(&words, flag).unwrap();
        assert_eq!(header.to_str(), Some(&*format!("Authorization: Bearer {TOKEN}")), "{client}");
    }
    let words = pasted(&folder, line(printed, "Gemini CLI"), &[]);
    assert_eq!(pairs_after(&words, "--timeout"), Some("910000".into()));
    let words = pasted(&folder, line(printed, "Codex "), &[]);
    assert_eq!(pairs_after(&words, "--bearer-token-env-var"), Some("OMNI_TOKEN".into()));
    let export = printed.lines().find_map(|line| line.split_once(":  export OMNI_TOKEN=")).unwrap().1;
    let shell =
        Command::new("sh").args(["-c", &format!("printf %s {export}")]).current_dir("/").output().unwrap();
    assert_eq!(String::from_utf8(shell.stdout).unwrap(), TOKEN);
    let codex = &printed[printed.find("[mcp_servers.omni]").unwrap()..];
    let codex: toml::Table = codex[..codex.find("\n\n").unwrap()].parse().unwrap();
    assert_eq!(codex["mcp_servers"]["omni"]["url"].as_str(), Some(&*url));
    let json = printed.lines().find(|line| line.starts_with("{\"mcpServers\"")).unwrap();
    let json: Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["mcpServers"]["omni"]["headers"]["Authorization"], "Bearer ${env:OMNI_TOKEN}");
    let bearer = format!("Bearer {TOKEN}");
    let reply = server.modern("tools/list", json!({}), &[("Authorization", &bearer)]);
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(server.modern("tools/list", json!({}), &[]).status, 401);
}

/// The page has the lines of a user whose folder, address and tokens are these.
const PAGE: &str = include_str!("../../../docs/guide/connect-your-client.md");
const PAGE_FOLDER: &str = "/home/ada/omni";

#[test]
fn the_page_on_clients_has_the_lines_that_are_printed() {
    let mut folder = Folder::empty();
    let bin = folder.path("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_omni"), bin.join("omni")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    folder.env.push(("PATH", path));
    folder.write("skills/t/SKILL.md", "---\nname: t\ndescription: Tools for tests.\n---\n");
    folder.write("tokens", "0123456789abcdefghijklmnop\n");
    fs::set_permissions(folder.path("tokens"), fs::Permissions::from_mode(0o600)).unwrap();
    let here = folder.dir.path().canonicalize().unwrap();
    let here = here.to_str().unwrap();
    let on_page = |printed: &str| printed.replace(here, PAGE_FOLDER);

    let printed = on_page(&at_a_terminal(&folder, &["mcp", "--skills", "skills"]));
    let clients = ["Claude Code", "Codex ", "Gemini CLI"];
    for client in clients {
        // What follows is said by the variables of this test.
        let words = line(&printed, client).split(" --cache-dir ").next().unwrap();
        assert!(PAGE.contains(words), "{client}: {words}");
    }
    for token in [&[][..], &["--http-token", "tokens"]] {
        let arguments =
            [&["mcp", "--skills", "skills", "--transport", "http", "--port", "0"], token].concat();
        let server = support::Http::of(folder.omni(&arguments));
        let printed = on_page(&server.announced).replace(&server.address.to_string(), "127.0.0.1:8000");
        for client in clients {
            assert!(PAGE.contains(line(&printed, client)), "{client}: {}", line(&printed, client));
        }
        let json = printed.lines().find(|line| line.starts_with("{\"mcpServers\"")).unwrap();
        assert!(PAGE.contains(json), "{json}");
        let codex = &printed[printed.find("[mcp_servers.omni]").unwrap()..];
        let codex = &codex[..codex.find("\n\n").unwrap()];
        assert!(token.is_empty() || PAGE.contains(codex), "{codex}");
    }
}

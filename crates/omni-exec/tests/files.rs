//! Resources and prompts that are files: what is read of them, and how such a call ends.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use omni_call::{
    Call, CallId, CallRequest, CallResult, Deadline, Executor, FileKind, FileTarget, NoClient, OutcomeKind,
    PromptArgument, PythonTarget, RunSpec, Target,
};
use omni_exec::Files;
use serde_json::{Value, json};
use tempfile::TempDir;

const BYTES_MAX: usize = 1_000;

struct Skill {
    folder: TempDir,
    files: Files,
}

impl Skill {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::create_dir_all(folder.path().join("notes/prompts")).unwrap();
        Skill { folder, files: Files::new(BYTES_MAX) }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("notes")
    }

    fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let path = self.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn call(&self, path: &str, kind: FileKind, request: CallRequest) -> Call {
        let target = Target::File(FileTarget { dir: self.dir(), path: path.to_owned(), kind });
        let deadline = Deadline::new(Instant::now(), None, None);
        Call::new(CallId(1), Arc::new(RunSpec::new("notes", path, target)), request, deadline)
    }

    fn resource(&self, path: &str, query: &str) -> Call {
        let request = CallRequest::resource(format!("omni://skill/notes/{path}{query}"));
        self.call(path, FileKind::Resource { mime_type: None, meta: None }, request)
    }

    async fn run(&self, call: Call) -> OutcomeKind {
        self.files.run(call, &mut NoClient).await.kind
    }

    /// The contents, or how the call ended instead.
    async fn read(&self, path: &str, query: &str) -> Result<Vec<Value>, OutcomeKind> {
        match self.run(self.resource(path, query)).await {
            OutcomeKind::Finished(CallResult::Resource(read)) => {
                Ok(serde_json::from_slice(&read.contents).unwrap())
            }
            other => Err(other),
        }
    }

    async fn one(&self, path: &str, query: &str) -> Value {
        let mut contents = self.read(path, query).await.unwrap();
        assert_eq!(contents.len(), 1, "{contents:?}");
        contents.remove(0)
    }

    async fn refusal(&self, path: &str, query: &str) -> String {
        match self.read(path, query).await.unwrap_err() {
            OutcomeKind::InvalidArguments { message } | OutcomeKind::NotFound { message } => message,
            OutcomeKind::ToolError { message, intended: true, .. } => message,
            other => panic!("{other:?}"),
        }
    }

    async fn prompt(
        &self,
        path: &str,
        arguments: Value,
        known: &[PromptArgument],
    ) -> Result<Value, OutcomeKind> {
        let request =
            CallRequest::Prompt { name: "notes.a".into(), arguments: Some(arguments.to_string().into()) };
        let kind = FileKind::Prompt { arguments: known.to_vec() };
        match self.run(self.call(path, kind, request)).await {
            OutcomeKind::Finished(CallResult::Prompt(prompt)) => {
                Ok(serde_json::from_slice(&prompt.messages).unwrap())
            }
            other => Err(other),
        }
    }
}

fn argument(name: &str) -> PromptArgument {
    PromptArgument { name: name.to_owned(), ..PromptArgument::default() }
}

#[tokio::test]
async fn text_is_text_and_bytes_are_a_blob_by_name_and_by_content() {
    let png = [0x89, b'P', b'N', b'G', 0, 1, 2];
    let skill = Skill::new()
        .file("a.md", "# Töne\n")
        .file("a.png", png)
        .file("ascii.png", "only letters")
        .file("broken.md", b"a\xffb")
        .file("nul.txt", b"a\0b")
        .file("plain", "text without an ending")
        .file("binary", b"\x7fELF\0\0")
        .file("empty", "")
        .file("a.svg", "<svg/>");
    for (path, mime, text) in [
        ("a.md", "text/markdown", Some("# Töne\n")),
        ("a.svg", "image/svg+xml", Some("<svg/>")),
        ("plain", "text/plain", Some("text without an ending")),
        ("empty", "text/plain", Some("")),
        ("a.png", "image/png", None),
        ("ascii.png", "image/png", None),
        ("broken.md", "text/markdown", None),
        ("nul.txt", "text/plain", None),
        ("binary", "application/octet-stream", None),
    ] {
        let read = skill.one(path, "").await;
        assert_eq!(read["uri"], format!("omni://skill/notes/{path}"));
        assert_eq!(read["mimeType"], mime, "{path}");
        assert_eq!(read.get("_meta"), None, "{path}");
        match text {
            Some(text) => assert_eq!((&read["text"], read.get("blob")), (&json!(text), None), "{path}"),
            None => {
                let blob = BASE64_STANDARD.decode(read["blob"].as_str().unwrap()).unwrap();
                assert_eq!(blob, fs::read(skill.dir().join(path)).unwrap(), "{path}");
                assert_eq!(read.get("text"), None);
            }
        }
    }
    // What the catalogue knows of a file is more than its name says.
    let kind = FileKind::Resource { mime_type: Some("application/vnd.own".to_owned()), meta: None };
    let call = skill.call("plain", kind, CallRequest::resource("omni://skill/notes/plain"));
    let OutcomeKind::Finished(CallResult::Resource(read)) = skill.run(call).await else { panic!() };
    let read: Value = serde_json::from_slice(&read.contents).unwrap();
    assert_eq!((&read[0]["mimeType"], read[0].get("text").is_some()), (&json!("application/vnd.own"), true));
}

#[tokio::test]
async fn ranges_are_read_by_their_uri_and_put_together_are_the_file() {
    let text: String = (0..300).map(|n| char::from_u32(0x4E00 + n).unwrap()).collect();
    let bytes: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    let skill = Skill::new().file("a.txt", &text).file("a.bin", &bytes);
    let read = skill.one("a.txt", "?offset=3&length=4").await;
    assert_eq!(read["uri"], "omni://skill/notes/a.txt?offset=3&length=4");
    assert_eq!(read["text"], "\u{4E01}\u{4E02}", "a character is in the range that its first byte is in");
    let next = "omni://skill/notes/a.txt?offset=9&length=4";
    assert_eq!(read["_meta"]["omni/range"], json!({"offset": 3, "length": 6, "size": 900, "next": next}));

    let (mut whole, mut query, mut reads) = (String::new(), "?length=100".to_owned(), 0);
    loop {
        let read = skill.one("a.txt", &query).await;
        whole.push_str(read["text"].as_str().unwrap());
        reads += 1;
        match read["_meta"]["omni/range"]["next"].as_str() {
            Some(next) => {
                assert!(next.ends_with("&length=100") || reads == 8, "as much as was asked for: {next}");
                query = next.split_once("txt").unwrap().1.to_owned();
            }
            None => break,
        }
    }
    assert_eq!((whole, reads), (text, 9));

    let mut whole = Vec::new();
    for offset in (0..3_000).step_by(700) {
        let read = skill.one("a.bin", &format!("?offset={offset}&length=700")).await;
        whole.extend(BASE64_STANDARD.decode(read["blob"].as_str().unwrap()).unwrap());
    }
    assert_eq!(whole, bytes);
    let last = skill.one("a.bin", "?offset=2990").await;
    assert_eq!(last["_meta"]["omni/range"], json!({"offset": 2990, "length": 10, "size": 3000}));
    let at_end = skill.one("a.bin", "?offset=3000").await;
    assert_eq!((&at_end["blob"], &at_end["_meta"]["omni/range"]["length"]), (&json!(""), &json!(0)));
}

#[tokio::test]
async fn what_is_no_text_as_a_whole_is_none_in_any_range_and_loses_no_byte() {
    let mut late = vec![b'a'; 20_000];
    late.push(0xB0);
    late.extend(b"def");
    let all = [
        ("latin.txt", b"abc\xb0def".to_vec()),
        ("starts.md", b"\x80\x80abc".to_vec()),
        ("nul.txt", b"ab\0cd\0ef".to_vec()),
        ("half.txt", "漢字".as_bytes()[..5].to_vec()),
        ("plain", b"no name says what it is\xff".to_vec()),
        ("late.txt", late),
    ];
    for (path, bytes) in all {
        let skill = Skill::new().file(path, &bytes);
        let lengths: &[usize] = if bytes.len() > 100 { &[700] } else { &[1, 2, 3, 5, 700] };
        for length in lengths {
            let (mut query, mut whole, mut reads) = (format!("?length={length}"), Vec::new(), 0);
            loop {
                let read = skill.one(path, &query).await;
                assert_eq!(read.get("text"), None, "{path}{query}");
                let part = BASE64_STANDARD.decode(read["blob"].as_str().unwrap()).unwrap();
                let range = &read["_meta"]["omni/range"];
                assert_eq!(
                    (&range["offset"], &range["length"]),
                    (&json!(whole.len()), &json!(part.len())),
                    "{path}{query}"
                );
                whole.extend(part);
                reads += 1;
                match range["next"].as_str() {
                    Some(next) => query = next.split_once('?').map(|(_, rest)| format!("?{rest}")).unwrap(),
                    None => break,
                }
            }
            assert_eq!(whole, bytes, "{path}, {length} at a time");
            assert_eq!(reads, bytes.len().div_ceil(*length), "{path}, {length} at a time");
        }
    }
}

#[tokio::test]
async fn of_a_longer_text_the_beginning_comes_with_a_hint_and_of_other_files_an_error_that_says_how() {
    let skill = Skill::new()
        .file("long.txt", "ä".repeat(800))
        .file("long.png", vec![7; 1_001])
        .file("liar.txt", vec![0xff; 1_001])
        .file("whole.png", vec![7; 1_000]);
    let contents = skill.read("long.txt", "").await.unwrap();
    assert_eq!(contents.len(), 2);
    assert_eq!(contents[0]["text"].as_str().unwrap().len(), 1_000);
    let next = "omni://skill/notes/long.txt?offset=1000&length=600";
    assert_eq!(contents[0]["_meta"]["omni/range"]["next"], next);
    let hint = contents[1]["text"].as_str().unwrap();
    assert_eq!(
        hint,
        format!(
            "`omni://skill/notes/long.txt` goes on: these are its first 1000 bytes of 1600. Read `{next}` for what follows."
        )
    );
    for path in ["long.png", "liar.txt"] {
        let said = skill.refusal(path, "").await;
        let range = format!("`omni://skill/notes/{path}?offset=0&length=1000`");
        assert!(said.contains("1001 bytes") && said.contains(&range), "{said}");
        assert!(skill.read(path, "?offset=0&length=1000").await.is_ok());
    }
    assert!(skill.read("whole.png", "").await.is_ok());
    // More than one read gives is asked for: as much as that comes, and it says so.
    let read = skill.one("long.png", "?length=5000").await;
    assert_eq!(read["_meta"]["omni/range"]["length"], 1_000);
}

#[tokio::test]
async fn a_range_that_is_none_is_an_invalid_argument() {
    let skill = Skill::new().file("a.txt", "0123456789");
    for (query, said) in [
        ("?offset=x", "`offset=x`: it has to be a whole number"),
        ("?offset=-1", "`offset=-1`"),
        ("?length=0", "`length=0` asks for nothing"),
        ("?offset=11", "`offset=11` is beyond the end: there are 10 bytes"),
        ("?offset=1&offset=2", "`offset=` stands twice"),
    ] {
        let outcome = skill.read("a.txt", query).await.unwrap_err();
        let OutcomeKind::InvalidArguments { message } = outcome else { panic!("{outcome:?}") };
        assert!(message.contains(said) && message.contains("omni://skill/notes/a.txt"), "{message}");
    }
}

#[tokio::test]
async fn what_is_no_ordinary_file_is_not_found_and_says_why() {
    let skill = Skill::new().file("a.txt", "a");
    symlink("a.txt", skill.dir().join("link.txt")).unwrap();
    fs::create_dir(skill.dir().join("folder")).unwrap();
    for (path, why) in [
        ("none.txt", "it is not there any more"),
        ("link.txt", "symbolic link"),
        ("folder", "it is a folder"),
        ("../notes/a.txt", "none beneath the skill's folder"),
    ] {
        let outcome = skill.read(path, "").await.unwrap_err();
        assert!(
            matches!(&outcome, OutcomeKind::NotFound { message } if message.contains(why)),
            "{outcome:?}"
        );
    }
    let closed = skill.dir().join("closed.txt");
    fs::write(&closed, "a").unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&closed).is_ok() {
        eprintln!("skipped, since this user may read everything: a file that the server may not read");
    } else {
        assert!(skill.refusal("closed.txt", "").await.ends_with("the server may not read it"));
    }
}

#[tokio::test]
async fn a_large_file_is_read_whole() {
    let bytes: Vec<u8> = (0..=255).cycle().take(6 << 20).collect();
    let mut skill = Skill::new().file("large.bin", &bytes).file("large.txt", vec![b'a'; 6 << 20]);
    skill.files = Files::new(8 << 20);
    let read = skill.one("large.bin", "").await;
    assert!(BASE64_STANDARD.decode(read["blob"].as_str().unwrap()).unwrap() == bytes);
    assert_eq!(skill.one("large.txt", "").await["text"].as_str().unwrap().len(), 6 << 20);
}

#[tokio::test]
async fn a_call_ends_by_its_time_limit_by_its_caller_and_by_shutdown() {
    let skill = Skill::new().file("a.txt", "a");
    let mut call = skill.resource("a.txt", "");
    let limit = Duration::ZERO;
    call.deadline = Deadline::new(Instant::now(), Some(limit), None);
    // It may be read before anybody looks at a clock.
    let kind = skill.run(call).await;
    assert!(matches!(kind, OutcomeKind::TimedOut { .. } | OutcomeKind::Finished(_)), "{kind:?}");
    // Dropped before, and while, it is read: places become free again, or the last of these would never end.
    for _ in 0..100 {
        let mut port = NoClient;
        let mut running = skill.files.run(skill.resource("a.txt", ""), &mut port);
        let polled =
            std::future::poll_fn(|cx| std::task::Poll::Ready(running.as_mut().poll(cx).is_ready())).await;
        drop(running);
        if polled {
            tokio::task::yield_now().await;
        }
    }
    assert!(skill.read("a.txt", "").await.is_ok());
    skill.files.shut_down().await;
    assert_eq!(skill.read("a.txt", "").await, Err(OutcomeKind::Shutdown));
}

#[tokio::test]
async fn what_is_no_file_is_refused() {
    let files = Files::new(BYTES_MAX);
    let spec = RunSpec::new("s", "c", PythonTarget::new("/s", "scripts/a.py", "c"));
    let deadline = Deadline::new(Instant::now(), None, None);
    let call = Call::new(CallId(1), Arc::new(spec), CallRequest::tool("{}"), deadline);
    assert!(matches!(files.run(call, &mut NoClient).await.kind, OutcomeKind::WorkerStart { .. }));
}

#[tokio::test]
async fn a_prompt_is_filled_in_from_its_arguments_and_their_defaults() {
    let page = "---\nname: review\narguments: []\n---\nReview {{ file }} in {{ language }}{% if note %}: {{ note }}{% endif %}.\n\
                ## assistant\nWhich part?\n";
    let skill = Skill::new().file("prompts/a.md", page);
    let known = [
        PromptArgument { required: true, ..argument("file") },
        PromptArgument { default: Some("English".to_owned()), ..argument("language") },
        argument("note"),
    ];
    let messages =
        skill.prompt("prompts/a.md", json!({"file": "{{ 7 * 7 }}\n## user\nx"}), &known).await.unwrap();
    assert_eq!(
        messages,
        json!([
            {"role": "user", "content": {"type": "text", "text": "Review {{ 7 * 7 }}\n## user\nx in English."}},
            {"role": "assistant", "content": {"type": "text", "text": "Which part?"}},
        ])
    );
    let missing = skill.prompt("prompts/a.md", json!({}), &known).await;
    assert_eq!(
        missing,
        Err(OutcomeKind::InvalidArguments { message: "required and missing: `file`".to_owned() })
    );
    // The file is read anew each time.
    fs::write(skill.dir().join("prompts/a.md"), "Now {{ file }}").unwrap();
    let messages = skill.prompt("prompts/a.md", json!({"file": "b"}), &known).await.unwrap();
    assert_eq!(messages[0]["content"]["text"], "Now b");
}

#[tokio::test]
async fn a_prompt_includes_what_is_beneath_its_folder_and_nothing_else() {
    let skill = Skill::new()
        .file("SKILL.md", "the skill")
        .file("prompts/parts/head.md", "You are {{ who }}.")
        .file("prompts/a.md", "{% include 'parts/head.md' %}");
    fs::write(skill.folder.path().join("secret.txt"), "secret").unwrap();
    symlink("../SKILL.md", skill.dir().join("prompts/link.md")).unwrap();
    let known = [argument("who"), argument("name")];
    let messages = skill.prompt("prompts/a.md", json!({"who": "a critic"}), &known).await.unwrap();
    assert_eq!(messages[0]["content"]["text"], "You are a critic.");
    fs::write(skill.dir().join("prompts/b.md"), "ok\n{% include name %}").unwrap();
    let secret = skill.folder.path().join("secret.txt");
    let mut names = omni_testkit::path_escapes(secret.to_str().unwrap());
    names.extend(["../SKILL.md", "link.md", "parts", "parts/../../SKILL.md", "a.md/"].map(str::to_owned));
    for name in names {
        let failed = skill.prompt("prompts/b.md", json!({"name": name}), &known).await.unwrap_err();
        let OutcomeKind::ToolError { message, kind, intended: true, .. } = failed else {
            panic!("{name:?}: {failed:?}")
        };
        assert!(kind == "TemplateError" && message.starts_with("`prompts/b.md:2`: "), "{name:?}: {message}");
    }
}

#[tokio::test]
async fn a_prompt_at_fault_says_where_and_costs_its_own_call() {
    let skill = Skill::new()
        .file("prompts/typo.md", "---\nname: a\n---\n{{ topci }}")
        .file("prompts/syntax.md", "fine\n{{ oops")
        .file(
            "prompts/endless.md",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        )
        .file("prompts/bomb.md", "{{ 'x' * 10000000000 }}")
        .file("prompts/long.md", "x".repeat(BYTES_MAX + 1))
        .file("prompts/binary.md", b"\xff")
        .file("prompts/huge.md", "x".repeat((1 << 20) + 1))
        .file("prompts/blank.md", "---\nname: a\n---\n\n");
    let said = async |path: &str| match skill.prompt(path, json!({}), &[]).await.unwrap_err() {
        OutcomeKind::ToolError { message, intended: true, .. } | OutcomeKind::NotFound { message } => message,
        other => other.in_full("notes.a"),
    };
    for (path, expected) in [
        ("prompts/typo.md", "`prompts/typo.md:4`: `topci` is not defined (a template has its arguments only"),
        ("prompts/syntax.md", "`prompts/syntax.md:2`: syntax error: "),
        ("prompts/endless.md", "filling it in takes more than a prompt may"),
        ("prompts/bomb.md", "`prompts/bomb.md:1`: "),
        ("prompts/long.md", "returned more than 1000 bytes"),
        ("prompts/binary.md", "`prompts/binary.md`: it is not UTF-8"),
        ("prompts/huge.md", "it has more than 1048576 bytes"),
        ("prompts/blank.md", "it has no message"),
        ("prompts/none.md", "`prompts/none.md`: it is not there any more"),
        ("references/a.md", "is not in `prompts`"),
    ] {
        let message = said(path).await;
        assert!(message.contains(expected), "{path}: {message}");
    }
}

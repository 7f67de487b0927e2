//! Which words may stand in which files: the borders that cargo's graph cannot see.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::rust_text::{RustText, is_in_name};
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// Something that only some files may do.
struct Rule {
    title: &'static str,
    reason: &'static str,
    sought: Pattern,
    /// Path prefixes, relative to the root, in which the rule looks.
    scope: &'static [&'static str],
    /// Path prefixes in which it is allowed.
    allowed: &'static [&'static str],
    /// The words must be found somewhere under `allowed`: a rule whose words are nowhere may be
    /// misspelt. `false` where nobody at all may use them; then only the sample proves the rule.
    used_where_allowed: bool,
    /// A line that the rule must object to.
    sample: &'static str,
}

enum Pattern {
    /// Any of these in code; a word before the first letter rules a hit out.
    Code(&'static [&'static str]),
    /// Any of these in a string, whose quotes are part of it.
    InString(&'static [&'static str]),
    /// A date in a string, as protocol revisions are named.
    DateInString,
    /// One of these enums asked for a single variant: by `==` and its like, `matches!` or `let`. A `match` is none.
    OneVariantOf(&'static [&'static str]),
}

/// How the methods of MCP begin, and those that are one word.
const METHODS: &[&str] = &[
    "tools/",
    "resources/",
    "prompts/",
    "completion/",
    "logging/",
    "notifications/",
    "subscriptions/",
    "server/discover",
    "elicitation/",
    "sampling/",
    "roots/",
    "\"initialize\"",
    "`initialize`",
    "\"ping\"",
];

const PURE: &[&str] = &["crates/omni-protocol/", "crates/omni-call/", "crates/omni-scan/"];
const ALL: &[&str] = &["crates/"];

const RULES: &[Rule] = &[
    Rule {
        title: "protocol revisions are named only where they are decoded",
        reason: "handlers never see a revision; ask the session what it can do instead",
        sought: Pattern::DateInString,
        scope: ALL,
        allowed: &["crates/omni-protocol/src/revision"],
        used_where_allowed: true,
        sample: "if version >= \"2025-06-18\" {",
    },
    Rule {
        title: "a single revision is named only where its answers stand",
        reason: "ask the revision what you want to know, by a method of that name in `revision/table.rs`",
        sought: Pattern::Code(&["Revision::V"]),
        scope: ALL,
        allowed: &["crates/omni-protocol/src/revision"],
        used_where_allowed: true,
        sample: "Revision::V2025_06_18 => true,",
    },
    Rule {
        title: "whoever asks for a revision or an era answers for all of them",
        reason: "a new one would silently be one of the others: use `match`, each with its answer",
        sought: Pattern::OneVariantOf(&["Era", "Revision"]),
        scope: ALL,
        allowed: &[],
        used_where_allowed: false,
        sample: "if matches!(revision.era(), Era::Modern) {",
    },
    Rule {
        title: "a transport names no method",
        reason: "it moves bytes: hand the message to the session, and act on what that says became of it",
        sought: Pattern::InString(METHODS),
        scope: &["crates/omni-server/src/transport/", "crates/omni-protocol/src/method.rs"],
        allowed: &["crates/omni-protocol/src/method.rs"],
        used_where_allowed: true,
        sample: "if &*raw.method == \"ping\" {",
    },
    Rule {
        title: "a transport asks nothing of tools, methods and revisions",
        reason: "what a request is about is the session's affair, `dispatch.rs`'s or `header_match.rs`'s",
        sought: Pattern::Code(&[
            "omni_catalog",
            ".catalog",
            ".snapshot(",
            "tool_call(",
            "Action",
            "CallTool",
            "Revision",
        ]),
        scope: &["crates/omni-server/src/transport/", "crates/omni-server/src/header_match.rs"],
        allowed: &["crates/omni-server/src/header_match.rs"],
        used_where_allowed: true,
        sample: "let Some(tool) = server.snapshot().tool(name) else { return };",
    },
    Rule {
        title: "requests are told apart in one table",
        reason: "give the method its line in `dispatch.rs`, or ask the request by a method of its own",
        sought: Pattern::Code(&["Action::"]),
        scope: &["crates/omni-server/src/"],
        allowed: &["crates/omni-server/src/dispatch.rs"],
        used_where_allowed: true,
        sample: "Action::Ping => Some(frame),",
    },
    Rule {
        title: "only the binary reads the environment and the arguments",
        reason: "take the value in a plain configuration struct; `omni` fills it",
        sought: Pattern::Code(&["env::", "std::env"]),
        scope: ALL,
        // The second file takes no setting from there: it copies what a child process may inherit.
        allowed: &[
            "crates/omni/",
            "crates/omni-process/src/environment.rs",
            "crates/omni-environments/src/variables.rs",
        ],
        used_where_allowed: true,
        sample: "let home = std::env::var_os(\"HOME\");",
    },
    Rule {
        title: "only the binary ends the process",
        reason: "return an error; `omni` decides exit codes",
        sought: Pattern::Code(&["process::exit", "process::abort"]),
        scope: ALL,
        allowed: &["crates/omni/"],
        used_where_allowed: false,
        sample: "std::process::exit(2);",
    },
    Rule {
        title: "programs are started in one place",
        reason: "whoever starts a process must also be able to kill its whole group",
        sought: Pattern::Code(&["Command::new"]),
        scope: ALL,
        // The last one is for the operator's own command that prints tokens, which is ended there with its group.
        allowed: &["crates/omni-process/src/", "crates/omni/src/python", "crates/omni/src/http_tokens.rs"],
        used_where_allowed: true,
        sample: "let child = Command::new(\"git\").spawn();",
    },
    Rule {
        title: "running a tool of ours knows nothing of MCP",
        reason: "only a connection to another MCP server speaks it there: `upstream/`",
        sought: Pattern::Code(&["omni_protocol"]),
        scope: &["crates/omni-exec/"],
        allowed: &["crates/omni-exec/src/upstream/"],
        used_where_allowed: true,
        sample: "use omni_protocol::Revision;",
    },
    Rule {
        title: "only one file writes for people",
        reason: "use `terminal::Output`, `say` or `tracing`: they escape what a reader would not see",
        sought: Pattern::Code(&["io::stdout", "io::stderr", "stdout()", "stderr()", "println!", "print!"]),
        scope: ALL,
        // The second hands the descriptors to the protocol; the third builds a line of its own of what a child says.
        allowed: &[
            "crates/omni/src/terminal.rs",
            "crates/omni/src/streams.rs",
            "crates/omni-process/src/output.rs",
        ],
        used_where_allowed: true,
        sample: "let _ = writeln!(io::stderr(), \"{text}\");",
    },
    Rule {
        title: "paths are shown escaped",
        reason: "use `omni_call::shown_path`: a path may hold line ends and commands to a terminal",
        sought: Pattern::Code(&[".display()"]),
        scope: &["crates/omni/"],
        allowed: &[],
        used_where_allowed: false,
        sample: "format!(\"{}\", path.display())",
    },
    Rule {
        title: "unsafe code stands in two crates",
        reason: "give it a safe function in `omni-libpython`, or find one in a library",
        sought: Pattern::Code(&["unsafe"]),
        scope: ALL,
        allowed: &["crates/omni-embed/", "crates/omni-libpython/"],
        used_where_allowed: true,
        sample: "unsafe { *pointer }",
    },
    Rule {
        title: "pure crates never look at a clock",
        reason: "the caller passes `now`, so that a test can",
        sought: Pattern::Code(&["Instant::now", "SystemTime", ".elapsed()"]),
        scope: PURE,
        allowed: &[],
        used_where_allowed: false,
        sample: "let start = Instant::now();",
    },
    Rule {
        title: "pure crates touch no file, socket, process or thread",
        reason: "bytes and text come in as arguments",
        sought: Pattern::Code(&["std::fs", "std::net", "std::process", "std::thread", "std::os"]),
        scope: PURE,
        allowed: &[],
        used_where_allowed: false,
        sample: "use std::fs::File;",
    },
    Rule {
        title: "the Python parser's types stay in its crate",
        reason: "its API changes with every release; give callers our own model",
        sought: Pattern::Code(&["ruff_"]),
        scope: ALL,
        allowed: &["crates/omni-scan/"],
        used_where_allowed: true,
        sample: "use ruff_python_ast::Stmt;",
    },
];

/// Checks every rule against every Rust file of the product; each rule counts as one.
pub(crate) fn check(workspace: &Workspace) -> Result<TestCounts> {
    let files = product_files(&workspace.root)?;
    let mut counts = TestCounts::default();
    for rule in RULES {
        let faults = faults(rule, &files);
        println!("{}: {}", rule.title, if faults.is_empty() { "ok" } else { "broken" });
        for fault in &faults {
            println!("  {fault}");
        }
        counts += TestCounts::one(faults.is_empty());
    }
    Ok(counts)
}

/// A file of the product, read.
struct SourceFile {
    /// Relative to the root, with `/`.
    path: String,
    text: RustText,
}

/// All Rust files under `crates/` that end up in the product: no tests and what they share, no benchmarks, and no build
/// scripts, to which cargo speaks through the environment.
fn product_files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    collect(root, &root.join("crates"), &mut files)?;
    Ok(files)
}

/// What is built for tests alone.
const TEST_FOLDERS: [&str; 5] = ["tests", "benches", "examples", "omni-testkit", "omni-mutate"];
const TEST_FILES: [&str; 2] = ["tests.rs", "fuzz.rs"];

fn collect(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("{} cannot be listed", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !TEST_FOLDERS.contains(&name.as_ref()) {
            collect(root, &path, files)?;
        } else if name.ends_with(".rs") && !TEST_FILES.contains(&name.as_ref()) && name != "build.rs" {
            let source =
                fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(SourceFile { path, text: RustText::of(&source) });
        }
    }
    Ok(())
}

/// What is wrong: each forbidden line, and the controls that do not hold.
fn faults(rule: &Rule, files: &[SourceFile]) -> Vec<String> {
    let under = |path: &str, prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    let mut faults = Vec::new();
    let mut seen_where_allowed = false;
    for file in files.iter().filter(|file| under(&file.path, rule.scope)) {
        let lines = hits(&rule.sought, &file.text);
        if under(&file.path, rule.allowed) {
            seen_where_allowed |= !lines.is_empty();
        } else {
            faults.extend(lines.iter().map(|line| format!("{}:{line}: {}", file.path, rule.reason)));
        }
    }
    if rule.used_where_allowed && !seen_where_allowed {
        faults.push(format!(
            "the control failed: nothing of the kind is in {} either, so this rule proves nothing; did it move?",
            rule.allowed.join(", ")
        ));
    }
    if hits(&rule.sought, &RustText::of(rule.sample)).is_empty() {
        faults.push(format!("the control failed: the rule does not object to `{}`", rule.sample));
    }
    faults
}

/// The lines, counted from 1, on which something sought stands.
fn hits(sought: &Pattern, text: &RustText) -> Vec<usize> {
    match sought {
        Pattern::Code(words) => numbers(&text.code, |line| words.iter().any(|word| stands_in(line, word))),
        Pattern::InString(words) => {
            numbers(&text.strings, |line| words.iter().any(|word| line.contains(word)))
        }
        Pattern::DateInString => numbers(&text.strings, has_date),
        Pattern::OneVariantOf(enums) => asked_for_one(&text.code, enums),
    }
}

/// The numbers of the lines that are sought.
fn numbers(text: &str, is_sought: impl Fn(&str) -> bool) -> Vec<usize> {
    (1..).zip(text.lines()).filter(|(_, line)| is_sought(line)).map(|(number, _)| number).collect()
}

/// Whether `word` stands in `line` and is not the end of a longer name (`my_env::`).
fn stands_in(line: &str, word: &str) -> bool {
    let begins_a_name = word.starts_with(is_in_name);
    line.match_indices(word).any(|(at, _)| !begins_a_name || !line[..at].ends_with(is_in_name))
}

/// The lines on which one of the enums is compared with a variant of it, by an operator, `matches!` or `let`.
fn asked_for_one(code: &str, enums: &[&str]) -> Vec<usize> {
    let mut lines: Vec<usize> = Vec::new();
    for name in enums {
        let variant = format!("{name}::");
        let places = code.match_indices(&variant).map(|(at, _)| at);
        for at in places.filter(|at| stands_in(&code[..at + variant.len()], &variant)) {
            let end = code[at + variant.len()..].find(|sign: char| !is_in_name(sign));
            let after = end.map_or("", |end| code[at + variant.len() + end..].trim_start());
            // `Some(Era::Modern)` is asked for as the variant in it is; a path leads to either.
            let before = code[..at].trim_end_matches(|sign: char| is_in_name(sign) || "(:&".contains(sign));
            let before = before.trim_end();
            let by_operator = ["==", "!=", "<", ">=", "<="].iter().any(|sign| before.ends_with(sign))
                || before.ends_with('>') && !before.ends_with("=>") && !before.ends_with("->")
                || ["==", "!=", "<=", ">=", "> ", "< "].iter().any(|sign| after.starts_with(sign));
            if by_operator || asked_by_let(&code[..at]) || is_in_matches(&code[..at]) {
                lines.push(code[..at].matches('\n').count() + 1);
            }
        }
    }
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Whether the text ends within the pattern of a `let`, before its `=`.
fn asked_by_let(before: &str) -> bool {
    let statement = &before[before.rfind([';', '{', '}']).map_or(0, |at| at + 1)..];
    let last = statement.rfind("let ").filter(|_| stands_in(statement, "let "));
    // After a colon stands a type, after an equals sign a value.
    last.is_some_and(|at| !statement[at..].replace("::", "").contains(['=', ':']))
}

/// Whether the text ends within the parentheses of a `matches!`.
fn is_in_matches(before: &str) -> bool {
    let Some((_, inside)) = before.rsplit_once("matches!(") else { return false };
    let mut depth = 1;
    inside.chars().all(|sign| {
        depth += i32::from(sign == '(') - i32::from(sign == ')');
        depth > 0
    })
}

/// Whether something like `2025-06-18` stands in the line.
fn has_date(line: &str) -> bool {
    line.as_bytes().windows(10).any(|window| {
        window.starts_with(b"20")
            && window.iter().enumerate().all(|(at, byte)| match at {
                4 | 7 => *byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        title: "only `a` starts programs",
        reason: "ask `a`",
        sought: Pattern::Code(&["Command::new"]),
        scope: &["crates/"],
        allowed: &["crates/a/"],
        used_where_allowed: true,
        sample: "Command::new(x)",
    };

    fn file(path: &str, source: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: RustText::of(source) }
    }

    #[test]
    fn a_forbidden_word_is_reported_with_its_file_and_line() {
        let files = [
            file("crates/a/x.rs", "Command::new(y)"),
            file("crates/b/x.rs", "fn f() {\n Command::new(y)\n}"),
        ];
        assert_eq!(faults(&RULE, &files), ["crates/b/x.rs:2: ask `a`"]);
    }

    #[test]
    fn comments_strings_and_tests_may_name_it() {
        let source = "// Command::new\nfn f() { g(\"Command::new\") }\n#[cfg(test)]\nmod tests { fn h() { Command::new(y); } }";
        let files = [file("crates/a/x.rs", "Command::new(y)"), file("crates/b/x.rs", source)];
        assert!(faults(&RULE, &files).is_empty());
    }

    #[test]
    fn a_word_in_a_string_is_found_there_and_not_in_code_or_comments() {
        let rule = Rule {
            sought: Pattern::InString(METHODS),
            used_where_allowed: false,
            sample: "\"tools/call\"",
            ..RULE
        };
        let named = "fn f() {\n g(b\"ping\", \"resources/read\")\n}";
        let harmless = "// \"ping\"\nfn ping() { tools/2; g(\"the ping of a tool\", \"initialized\") }";
        let files = [file("crates/b/x.rs", named), file("crates/b/y.rs", harmless)];
        assert_eq!(faults(&rule, &files), ["crates/b/x.rs:2: ask `a`"]);
    }

    #[test]
    fn the_control_fails_when_the_allowed_place_no_longer_does_it() {
        let faults = faults(&RULE, &[file("crates/a/x.rs", "fn f() {}")]);
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("the control failed: nothing of the kind"), "{faults:?}");
    }

    #[test]
    fn the_control_fails_when_the_words_do_not_fit_the_sample() {
        let rule = Rule { sought: Pattern::Code(&["Comand::new"]), used_where_allowed: false, ..RULE };
        let faults = faults(&rule, &[]);
        assert_eq!(faults, ["the control failed: the rule does not object to `Command::new(x)`"]);
    }

    #[test]
    fn every_rule_objects_to_its_sample() {
        for rule in RULES {
            let path = format!("{}src/sample.rs", rule.scope[0]);
            let lines = hits(&rule.sought, &file(&path, rule.sample).text);
            assert_eq!(lines, [1], "{}", rule.title);
        }
    }

    #[test]
    fn asking_for_one_variant_is_found_however_it_is_written_and_a_match_is_not() {
        let asked = |source: &str| asked_for_one(&RustText::of(source).code, &["Era", "Revision"]);
        for one in [
            "revision.era() == Era::Modern",
            "Era::Modern != revision.era()",
            "self.only == Some(Era::Modern)",
            "revision >= omni_protocol::Revision::NEWEST_LEGACY",
            "revision < Revision::NEWEST_LEGACY",
            "Revision::NEWEST_LEGACY > revision",
            "matches!(revision.era(), Era::Modern | Era::Legacy)",
            "matches!(\n    revision.era(),\n    Some(Era::Modern)\n)",
            "if let Era::Modern = revision.era() {",
            "let Some(Era::Modern) = only else { return };",
            "revisions.filter(|revision| *revision == Revision::NEWEST_LEGACY)",
        ] {
            assert_eq!(asked(one).len(), 1, "{one}");
        }
        for none in [
            "match era { Era::Modern => a == b, Era::Legacy => b < a }",
            "let first = Probe::Initialize(Revision::NEWEST_LEGACY);",
            "let era: Option<Era> = Some(Era::Modern);",
            "match only { None | Some(Era::Legacy) => {} Some(Era::Modern) => {} }",
            "fn newest() -> Revision { matches!(a, b); Revision::NEWEST_LEGACY }",
            "my_Era::Modern == a",
            "if matches!(a, b) { name.and_then(Revision::from_name) }",
            "let all: Vec<Revision> = Revision::all().collect();",
        ] {
            assert_eq!(asked(none), [0; 0], "{none}");
        }
        assert_eq!(asked("a\nb\nc == Era::Modern"), [3]);
    }

    #[test]
    fn a_longer_name_or_a_year_alone_is_no_hit() {
        assert!(!stands_in("my_env::var()", "env::"));
        assert!(stands_in("std::env::var()", "env::"));
        assert!(stands_in("start.elapsed()", ".elapsed()"));
        assert!(has_date("\"2025-06-18\"") && has_date("x2024-11-05T"));
        assert!(!has_date("\"https://json-schema.org/draft/2020-12/schema\""));
    }
}

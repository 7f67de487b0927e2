//! Whether the map is true: what docs/architecture.md names is there, and what somebody found who had only the map.
//!
//! `docs/reader-test/` has questions about the code and, apart from them, a key of places. Whoever has read nothing but
//! README.md and the map answers each with `file:function`; [`score`] compares. The stage [`check`] holds the map and the
//! key against the files, so that a rename changes them too.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::rust_text::{RustText, is_in_name};
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

const MAP: &str = "docs/architecture.md";
const QUESTIONS: &str = "docs/reader-test/questions.md";
const KEY: &str = "docs/reader-test/key.json";

/// A place in the repository: a file, and what stands in it under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Relative to the root; a crate's may leave out `crates/`.
    file: String,
    /// The folder that the file may be named from instead.
    below: Option<String>,
    /// A function, `Type::function` or another item; in a data file, a key.
    item: Option<String>,
}

impl Place {
    /// Reads `file:item`, with or without back-ticks, brackets and `crates/`.
    fn read(text: &str) -> Place {
        let text: String = text.trim().chars().filter(|c| !matches!(c, '`' | '(' | ')')).collect();
        let (file, item) = text.split_once(':').map_or((&*text, None), |(file, item)| (file, Some(item)));
        let file = file.trim().trim_start_matches("./").trim_start_matches("crates/").to_owned();
        Place {
            file,
            below: None,
            item: item.map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()),
        }
    }

    /// Whether an answer means this place: the same file, and the same function whatever it says of its type. Where the
    /// place is a file alone, anything in it.
    fn is(&self, answer: &Place) -> bool {
        let item = |place: &'_ Place| place.item.as_deref().map(|item| last(item).to_owned());
        self.file == answer.file && (self.item.is_none() || item(self) == item(answer))
    }

    /// What is wrong with it, if it is not there.
    fn fault(&self, read: &dyn Fn(&str) -> Option<Entry>) -> Option<String> {
        let from_folder = self.below.as_ref().and_then(|folder| read(&format!("{folder}{}", self.file)));
        let Some(entry) = from_folder.or_else(|| read(&self.file)) else {
            return Some(format!("`{}` is no file or folder here", self.file));
        };
        let item = self.item.as_deref()?;
        let defined = match &entry {
            Entry::Folder => false,
            Entry::File(text) => defines(&self.file, text, item),
        };
        (!defined).then(|| format!("`{}` does not define `{item}`", self.file))
    }
}

/// What is at a path.
enum Entry {
    File(String),
    Folder,
}

fn entry(root: &Path, path: &str) -> Option<Entry> {
    let found = [root.join(path), root.join("crates").join(path)].into_iter().find(|path| path.exists())?;
    match found.is_dir() {
        true => Some(Entry::Folder),
        false => Some(Entry::File(fs::read_to_string(found).unwrap_or_default())),
    }
}

/// The function's name alone: `Client::line` is `line`.
fn last(item: &str) -> &str {
    item.rsplit("::").next().unwrap_or(item).rsplit('.').next().unwrap_or(item)
}

/// Whether the file has an item of that name, and of that type where it says one.
fn defines(file: &str, text: &str, item: &str) -> bool {
    const RUST: &[&str] = &["fn", "struct", "enum", "trait", "const", "static", "type", "mod", "union"];
    let parts: Vec<&str> = item.split("::").flat_map(|part| part.split('.')).collect();
    let Some((name, types)) = parts.split_last() else { return false };
    if file.ends_with(".rs") {
        let code = RustText::of(text).code;
        types.iter().all(|name| words(&code).any(|word| word == *name)) && declared(&code, RUST, name)
    } else if file.ends_with(".py") {
        let assigned = text.lines().any(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with([':', '=']))
        });
        types.iter().all(|name| declared(text, &["class"], name))
            && (assigned || declared(text, &["def", "class"], name))
    } else {
        text.contains(item)
    }
}

/// Whether `name` stands behind one of the words that declare.
fn declared(code: &str, declaring: &[&str], name: &str) -> bool {
    let mut before = "";
    words(code).any(|word| {
        let found = word == name && declaring.contains(&before);
        before = word;
        found
    })
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|sign: char| !is_in_name(sign)).filter(|word| !word.is_empty())
}

/// The places that a page names: files in back-ticks, and an item that follows its file at once. A paragraph that begins
/// with a crate in bold, or with the Python package, names files below its `src`. What stands in a fenced block is a
/// drawing, and a name with `NAME` in it is one to be chosen.
fn places(page: &str) -> Vec<(usize, Place)> {
    let mut places = Vec::new();
    let mut fenced = false;
    let mut below = None;
    for (number, line) in page.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        if let Some((subject, _)) = line.strip_prefix("**").and_then(|rest| rest.split_once("**")) {
            let folder =
                if subject.contains('/') { format!("{subject}/") } else { format!("{subject}/src/") };
            below = Some(folder);
        } else if line.trim().is_empty() {
            below = None;
        }
        // The parts at odd places stand between back-ticks.
        let parts: Vec<&str> = line.split('`').collect();
        for at in (1..parts.len()).step_by(2) {
            if !is_path(parts[at]) {
                continue;
            }
            let follows = parts.get(at + 1) == Some(&" ") && at + 2 < parts.len() && is_item(parts[at + 2]);
            let item = follows.then(|| parts[at + 2].trim_end_matches("()").to_owned());
            places.push((number + 1, Place { file: parts[at].to_owned(), below: below.clone(), item }));
        }
    }
    places
}

fn is_path(span: &str) -> bool {
    const ENDINGS: &[&str] = &[".rs", ".py", ".toml", ".json", ".jsonl", ".md"];
    let plain = span.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'));
    // Files that users have, not we.
    const USERS: &[&str] = &["omni.toml", "pyproject.toml", "SKILL.md", "Cargo.toml"];
    plain
        && !span.contains("NAME")
        && !USERS.contains(&span)
        && (ENDINGS.iter().any(|ending| span.ends_with(ending)) || (span.ends_with('/') && span.len() > 1))
}

fn is_item(span: &str) -> bool {
    !span.is_empty()
        && span.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '(' | ')' | '.'))
        && !is_path(span)
}

/// One question's answer: any of these places is right.
struct Answer {
    about: String,
    accept: Vec<Place>,
}

fn key(workspace: &Workspace) -> Result<Vec<Answer>> {
    #[derive(serde::Deserialize)]
    struct Row {
        about: String,
        accept: Vec<String>,
    }
    let text =
        fs::read_to_string(workspace.root.join(KEY)).with_context(|| format!("`{KEY}` cannot be read"))?;
    let rows: Vec<Row> =
        serde_json::from_str(&text).with_context(|| format!("`{KEY}` is not as it should be"))?;
    let answer = |row: Row| Answer {
        about: row.about,
        accept: row.accept.iter().map(|place| Place::read(place)).collect(),
    };
    Ok(rows.into_iter().map(answer).collect())
}

/// The numbers of the questions, as they stand at the beginning of a line: `7. Where …`.
fn numbers(page: &str) -> Vec<usize> {
    page.lines().filter_map(|line| line.split_once(". ")?.0.parse().ok()).collect()
}

/// Checks the map, and the key of the questions about it; each place counts as one, and so does the control.
pub(crate) fn check(workspace: &Workspace) -> Result<TestCounts> {
    let read = |path: &str| entry(&workspace.root, path);
    let mut counts = TestCounts::one(report("a made-up page", &control()));
    let page =
        fs::read_to_string(workspace.root.join(MAP)).with_context(|| format!("`{MAP}` cannot be read"))?;
    let mut faults = Vec::new();
    let named = places(&page);
    for (line, place) in &named {
        faults.extend(place.fault(&read).map(|fault| format!("{MAP}:{line}: {fault}")));
    }
    counts += TestCounts::one(report(&format!("{MAP}, {} places", named.len()), &faults));
    let key = key(workspace)?;
    let mut faults: Vec<String> = key
        .iter()
        .zip(1..)
        .flat_map(|(answer, number)| answer.accept.iter().map(move |place| (number, place)))
        .filter_map(|(number, place)| {
            place.fault(&read).map(|fault| format!("{KEY}: question {number}: {fault}"))
        })
        .collect();
    let questions = fs::read_to_string(workspace.root.join(QUESTIONS))
        .with_context(|| format!("`{QUESTIONS}` cannot be read"))?;
    if numbers(&questions) != (1..=key.len()).collect::<Vec<_>>() {
        faults.push(format!("`{QUESTIONS}` and `{KEY}` have not the same questions"));
    }
    counts += TestCounts::one(report(&format!("{KEY}, {} questions", key.len()), &faults));
    Ok(counts)
}

fn report(what: &str, faults: &[String]) -> bool {
    println!("{what}: {}", if faults.is_empty() { "ok" } else { "broken" });
    for fault in faults {
        println!("  {fault}");
    }
    faults.is_empty()
}

/// A page that names a file which is not there, and one without the function: not to find them means that the check
/// finds nothing.
fn control() -> Vec<String> {
    let page = "See `a/b.rs` `Client::line` and `a/b.rs` `Client::gone`, `a/c.rs`.\n```\n`a/d.rs`\n```\n";
    let read = |path: &str| {
        (path == "a/b.rs")
            .then(|| Entry::File("impl Client {\n    fn line() {}\n    // fn gone()\n}".to_owned()))
    };
    let found: Vec<String> = places(page).iter().filter_map(|(_, place)| place.fault(&read)).collect();
    let expected = ["`a/b.rs` does not define `Client::gone`", "`a/c.rs` is no file or folder here"];
    match found == expected {
        true => Vec::new(),
        false => vec![format!("the control failed: {found:?} was found, not {expected:?}")],
    }
}

/// Compares the answers in a file with the key: one a line, `7. file:function`. Says which differ; `true` when all are
/// right.
///
/// # Errors
///
/// When the file cannot be read, or answers a question that there is not.
pub(crate) fn score(workspace: &Workspace, answers: &Path) -> Result<bool> {
    let text =
        fs::read_to_string(answers).with_context(|| format!("`{}` cannot be read", answers.display()))?;
    let key = key(workspace)?;
    let mut given: Vec<Option<Place>> = vec![None; key.len()];
    for line in text.lines() {
        let Some((number, answer)) = line.trim().split_once(['.', ')']) else { continue };
        let Ok(number) = number.parse::<usize>() else { continue };
        if !(1..=key.len()).contains(&number) {
            bail!("there is no question {number}: they are 1 to {}", key.len());
        }
        given[number - 1] = Some(Place::read(answer));
    }
    let mut right = 0;
    for ((number, answer), given) in (1..).zip(&key).zip(&given) {
        match given {
            Some(place) if answer.accept.iter().any(|accepted| accepted.is(place)) => right += 1,
            Some(Place { file, item, .. }) => {
                println!(
                    "{number}. {}: `{file}:{}` is not it",
                    answer.about,
                    item.as_deref().unwrap_or_default()
                );
            }
            None => println!("{number}. {}: no answer", answer.about),
        }
    }
    println!("{right} of {}", key.len());
    Ok(right == key.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_holds() {
        assert_eq!(control(), Vec::<String>::new());
    }

    #[test]
    fn an_answer_may_leave_out_the_type_and_the_crates_folder() {
        let place = Place::read("omni-server/src/call.rs:Server::call");
        for answer in ["crates/omni-server/src/call.rs:call", "`omni-server/src/call.rs:Server::call()`"] {
            assert!(place.is(&Place::read(answer)), "{answer}");
        }
        for answer in ["omni-server/src/call.rs", "omni-server/src/call.rs:run", "omni-exec/src/call.rs:call"]
        {
            assert!(!place.is(&Place::read(answer)), "{answer}");
        }
    }

    #[test]
    fn what_is_defined_is_code_outside_tests_and_of_the_type_that_is_said() {
        let rust = "struct A;\nimpl A { fn f() {} }\n// fn g()\n#[cfg(test)]\nmod tests { fn h() {} }\n";
        for (item, there) in
            [("A", true), ("A::f", true), ("f", true), ("B::f", false), ("g", false), ("h", false)]
        {
            assert_eq!(defines("x.rs", rust, item), there, "{item}");
        }
        let python = "LIMIT = 3\nclass A:\n    def f(self): ...\n";
        for (item, there) in [("LIMIT", true), ("A.f", true), ("A", true), ("B.f", false), ("g", false)] {
            assert_eq!(defines("x.py", python, item), there, "{item}");
        }
    }

    #[test]
    fn a_folder_is_named_with_a_slash_and_drawings_and_placeholders_are_no_places() {
        let page =
            "`docs/` and `omni.toml`, `src/NAME.rs`, `a b.rs`, `call.rs` `f`\n```\n`gone.rs`\n```\n`Type`";
        let found: Vec<Place> = places(page).into_iter().map(|(_, place)| place).collect();
        let place = |file: &str, item: Option<&str>| Place {
            file: file.into(),
            below: None,
            item: item.map(Into::into),
        };
        assert_eq!(found, [place("docs/", None), place("call.rs", Some("f"))]);
    }

    #[test]
    fn a_paragraph_about_a_crate_names_files_below_its_src() {
        let page =
            "**omni-call** has `outcome.rs` `Outcome`, as\n`README.md`.\n\nAnd `gone.rs`, `outcome.rs`.";
        let read = |path: &str| match path {
            "omni-call/src/outcome.rs" => Some(Entry::File("enum Outcome {}".to_owned())),
            "README.md" => Some(Entry::File(String::new())),
            _ => None,
        };
        let faults: Vec<String> = places(page).iter().filter_map(|(_, place)| place.fault(&read)).collect();
        assert_eq!(faults, ["`gone.rs` is no file or folder here", "`outcome.rs` is no file or folder here"]);
    }

    #[test]
    fn questions_are_lines_that_begin_with_their_number() {
        assert_eq!(numbers("# A\n1. Where?\ntext. more\n2. What?\n"), [1, 2]);
    }
}

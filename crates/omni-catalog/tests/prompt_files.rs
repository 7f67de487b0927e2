//! Prompts that are files: what is listed of them, what is found wrong, and what an edit changes.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::Arc;

use omni_call::{ExecutorKind, FileKind, FileTarget, PromptArgument, Target};
use omni_catalog::{
    Catalog, CatalogKind, FolderConfig, FolderSource, Item, ListFields, NameStyle, ProfileId, Severity,
    ToolRules,
};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Skills {
    folder: TempDir,
    catalog: Catalog,
}

impl Skills {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let config = FolderConfig {
            skills_dir: folder.path().to_owned(),
            only: None,
            name: None,
            cache_dir: None,
            default_executor: ExecutorKind::Pool,
            names: NameStyle::Underscore,
            own_tools: None,
        };
        let source = Arc::new(FolderSource::open(config).unwrap());
        let skills = Skills { folder, catalog: Catalog::new(vec![source], ToolRules::default()).unwrap() };
        skills.write("notes/SKILL.md", "---\nname: notes\ndescription: A skill.\ntags: [all]\n---\n");
        files.iter().for_each(|(path, text)| skills.write(path, text));
        skills.catalog.refresh().unwrap();
        skills
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn list(&self) -> Value {
        let snapshot = self.catalog.snapshot();
        let page = snapshot.items_all(ProfileId::EVERYBODY, CatalogKind::Prompts, ListFields::All).unwrap();
        serde_json::from_slice(&page.items).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.list()
            .as_array()
            .unwrap()
            .iter()
            .map(|prompt| prompt["name"].as_str().unwrap().to_owned())
            .collect()
    }

    fn prompt(&self, name: &str) -> Arc<Item> {
        self.catalog.snapshot().prompt(ProfileId::EVERYBODY, name, None).unwrap()
    }

    /// `file:line code: message` of what was found, with the severity's first letter before it.
    fn findings(&self) -> Vec<String> {
        let snapshot = self.catalog.snapshot();
        let line = |found: &omni_catalog::Diagnostic| {
            let letter = match found.severity {
                Severity::Error => 'E',
                Severity::Warning => 'W',
                Severity::Note => 'N',
            };
            assert!(found.help.is_some(), "{found:?}");
            format!("{letter} {}:{} {}: {}", found.file, found.line, found.code, found.message)
        };
        snapshot.diagnostics().iter().map(line).collect()
    }
}

const REVIEW: &str = "---
title: Review a change
description: Looks at a change.
arguments:
  - name: change
    title: Change
    description: What to review.
    required: true
  - name: depth
    choices: [quick, thorough]
    default: quick
  - note
icons:
  - src: https://example.com/i.png
    mimeType: image/png
tags: [git]
version: 1.10
meta:
  team: blue
---
Review {{ change }} ({{ depth }}). {{ note }}
{% include '_rules.md' %}
";

#[test]
fn a_prompt_file_is_listed_as_it_says_and_knows_how_it_is_filled_in() {
    let skills = Skills::new(&[("notes/prompts/review.md", REVIEW), ("notes/prompts/_rules.md", "Be kind.")]);
    assert_eq!(skills.findings(), [] as [String; 0]);
    assert_eq!(
        skills.list(),
        json!([{
            "name": "notes_review",
            "title": "Review a change",
            "description": "Looks at a change.",
            "arguments": [
                {"name": "change", "title": "Change", "description": "What to review.", "required": true},
                {"name": "depth", "required": false},
                {"name": "note", "required": false},
            ],
            "icons": [{"src": "https://example.com/i.png", "mimeType": "image/png"}],
            "_meta": skills.list()[0]["_meta"],
        }])
    );
    assert_eq!(skills.list()[0]["_meta"]["team"], "blue");
    let prompt = skills.prompt("notes.review");
    assert_eq!(prompt.key, skills.prompt("notes_review").key, "both names are known");
    let spec = prompt.spec.as_ref().unwrap();
    assert_eq!((spec.executor, spec.tool.as_str()), (ExecutorKind::File, "notes.review"));
    let argument = |name: &str| PromptArgument { name: name.to_owned(), ..PromptArgument::default() };
    let arguments = vec![
        PromptArgument { required: true, ..argument("change") },
        PromptArgument {
            default: Some("quick".to_owned()),
            choices: vec!["quick".to_owned(), "thorough".to_owned()],
            ..argument("depth")
        },
        argument("note"),
    ];
    let target = FileTarget {
        dir: skills.folder.path().canonicalize().unwrap().join("notes"),
        path: "prompts/review.md".to_owned(),
        kind: FileKind::Prompt { arguments },
    };
    assert_eq!(spec.target, Target::File(target));
    assert_eq!(prompt.tags, ["git", "all"]);
    let values = prompt.completion("depth").unwrap().fixed("th").unwrap().values;
    assert_eq!(values, r#"["thorough"]"#);
    let faults = prompt.check_arguments("notes_review", br#"{"depth": "deep", "other": "x"}"#).unwrap_err();
    for part in ["change", "deep", "other"] {
        assert!(faults.contains(part), "{faults}");
    }
    assert!(prompt.check_arguments("notes_review", br#"{"change": "x", "depth": "thorough"}"#).is_ok());
}

#[test]
fn pages_without_front_matter_parts_and_folders_below_are_no_prompts() {
    let skills = Skills::new(&[
        ("notes/prompts/page.md", "Just a page with {{ braces }}"),
        ("notes/prompts/open.md", "---\ndescription: Has no end.\n\nHello\n"),
        ("notes/prompts/_part.md", "---\ndescription: A part.\n---\n"),
        ("notes/prompts/deep/other.md", "---\ndescription: Deeper.\n---\nx"),
        ("notes/prompts/data.json", "{"),
        ("notes/prompts/own.md", "---\nname: mine\ndescription: Named.\n---\nHello"),
    ]);
    assert_eq!(skills.names(), ["notes_mine"]);
    assert_eq!(
        skills.findings(),
        [
            "W notes/prompts/open.md:1 not-a-prompt: `prompts/open.md` has front matter without an end, so it is no prompt but a page to include",
            "N notes/prompts/page.md:1 not-a-prompt: `prompts/page.md` has no front matter, so it is no prompt but a page to include"
        ]
    );
}

#[test]
fn whatever_is_wrong_is_told_with_its_line_and_costs_no_more_than_that() {
    let skills = Skills::new(&[
        (
            "notes/prompts/a.md",
            "---
description: A prompt.
titel: Typo
arguments:
  - name: topic
    requierd: true
    default: x
    choices: [y]
  - name: file-name
  - description: nameless
  - topic
  - name: idle
  - name: both
    required: true
    default: d
---
{{ topci }} {{ both }}
{{ topic }}
## User
{% include 'none.md' %}
",
        ),
        ("notes/prompts/broken.md", "---\ndescription: Broken.\n---\nfine\n{% if x %}\n"),
        ("notes/prompts/deep/part.md", "{{ oops"),
        ("notes/prompts/bad name.md", "---\ndescription: Spaced.\n---\nx"),
        ("notes/prompts/bare.md", "---\n---\nx"),
        ("notes/prompts/kinds.md", "---\ndescription: [a]\narguments: topic\nicons: x\nmeta: y\n---\nx"),
    ]);
    symlink("a.md", skills.folder.path().join("notes/prompts/link.md")).unwrap();
    fs::write(skills.folder.path().join("notes/prompts/latin.md"), b"---\n---\n\xe4").unwrap();
    skills.catalog.refresh().unwrap();
    assert_eq!(skills.names(), ["notes_a", "notes_bare", "notes_broken", "notes_kinds"]);
    let arguments: Vec<Value> = skills.list()[0]["arguments"].as_array().unwrap().clone();
    let names: Vec<&str> = arguments.iter().map(|argument| argument["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["topic", "idle", "both"]);
    let found = skills.findings();
    let expected = [
        "N notes/prompts/a.md:3 unknown-key: the key `titel` means nothing in a prompt",
        "W notes/prompts/a.md:4 bad-argument: there is an argument `topic` before it already, so this one is left out",
        "N notes/prompts/a.md:6 unknown-key: the key `requierd` means nothing in an argument",
        "W notes/prompts/a.md:7 bad-argument: the default `x` of `topic` is none of its choices",
        "E notes/prompts/a.md:9 bad-argument: `file-name` is no name that a template can use, so the argument is left out",
        "E notes/prompts/a.md:10 bad-argument: an argument has no `name`, so it is left out",
        "N notes/prompts/a.md:12 unused-argument: the argument `idle` is not used in the prompt",
        "W notes/prompts/a.md:15 bad-argument: `both` is required, so its default is never used",
        "W notes/prompts/a.md:17 undeclared-argument: `topci` is none of the prompt's arguments, and fails where it is used",
        "N notes/prompts/a.md:19 prompt-heading: the heading begins no message and stays part of the text",
        "E notes/prompts/a.md:20 missing-include: there is no `prompts/none.md`, so the prompt cannot be filled in",
        "E notes/prompts/bad name.md:1 illegal-name: `notes.bad name` cannot be a prompt's name, so the prompt is not listed",
        "N notes/prompts/bare.md:1 missing-description: the prompt `notes.bare` has no `description`",
        "W notes/prompts/kinds.md:2 bad-value: the value of `description` must be a text",
        "W notes/prompts/kinds.md:3 bad-value: the value of `arguments` must be a list",
        "W notes/prompts/kinds.md:4 bad-value: the value of `icons` must be a list of mappings",
        "W notes/prompts/kinds.md:5 bad-value: the value of `meta` must be a mapping",
        "W notes/prompts/link.md:0 linked-prompt: a link among prompts is not followed",
        "E notes/prompts/latin.md:3 not-utf-8: the file is not UTF-8 and is not read",
    ];
    for line in expected {
        assert!(found.iter().any(|found| found == line), "{line}\nin {found:#?}");
    }
    for (file, line) in [("broken.md", 5), ("deep/part.md", 1)] {
        let place = format!("E notes/prompts/{file}:{line} bad-prompt: ");
        assert!(found.iter().any(|found| found.starts_with(&place)), "{place}\nin {found:#?}");
    }
    assert_eq!(found.len(), expected.len() + 3, "{found:#?}");
}

#[test]
fn an_edit_of_the_body_changes_no_list_and_one_of_the_front_matter_does() {
    let skills = Skills::new(&[("notes/prompts/a.md", "---\ndescription: A.\n---\nHello")]);
    let version = || skills.catalog.snapshot().version(CatalogKind::Prompts).to_owned();
    let before = version();
    skills.write("notes/prompts/a.md", "---\ndescription: A.\n---\nGood morning");
    skills.catalog.refresh().unwrap();
    assert_eq!(version(), before);
    skills.write("notes/prompts/a.md", "---\ndescription: Another.\n---\nGood morning");
    skills.catalog.refresh().unwrap();
    assert_ne!(version(), before);
    fs::remove_file(skills.folder.path().join("notes/prompts/a.md")).unwrap();
    skills.catalog.refresh().unwrap();
    assert_eq!(skills.names(), [] as [String; 0]);
    skills.write("notes/prompts/b.md", "---\ndescription: B.\n---\nHello {{ x }}");
    skills.catalog.refresh().unwrap();
    assert_eq!(skills.names(), ["notes_b"]);
    assert_eq!(skills.findings().len(), 1, "{:?}", skills.findings());
    // What is found of a prompt depends on what it includes.
    skills.write("notes/prompts/b.md", "---\ndescription: B.\n---\nHello {% include 'parts/c.md' %}");
    skills.catalog.refresh().unwrap();
    assert_eq!(skills.findings().len(), 1, "{:?}", skills.findings());
    skills.write("notes/prompts/parts/c.md", "you");
    skills.catalog.refresh().unwrap();
    assert_eq!(skills.findings(), [] as [String; 0]);
}

//! Are the schemas the ones that FastMCP and Pydantic make from the same functions?
//!
//! `corpus/*.py` are the functions, `corpus/*.expected.json` what FastMCP lists for them, written by
//! `corpus/make_expected.py`. Every difference is either in [`ACCEPTED`], with its reason, or a failure.
#![expect(clippy::unwrap_used, reason = "a corpus that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use omni_scan::{Scan, Source, Tool, scan};
use serde_json::{Map, Value};

/// Differences that are meant to be: `file:tool:part`, and why.
const ACCEPTED: &[(&str, &str)] = &[
    (
        "classes:returns_special:output",
        "an `InitVar` is no member of the value: the results of FastMCP itself lack what its schema requires",
    ),
    (
        "defaults:formatted_constant:input",
        "text made with `%` is not worked out here: the parameter is optional, its default is not shown",
    ),
    (
        "futures:returns_none:output",
        "`None` as text is `None`: FastMCP announces a structured `null` only because it compares the annotation \
         before it reads the text",
    ),
    ("outputs:as_text_none:output", "the same, for an annotation that is written as text"),
    (
        "rare:holder:input",
        "an instance of a Pydantic model is made by its validators, so a default that is one is not shown",
    ),
];

#[test]
fn every_signature_of_the_corpus_has_the_schema_that_fastmcp_gives_it() {
    let corpus = Corpus::read();
    let mut differences: BTreeMap<String, String> = BTreeMap::new();
    let mut compared = 0;
    for (stem, answers) in &corpus.answers {
        let path = format!("scripts/{stem}.py");
        for (name, answer) in answers {
            compared += 1;
            let tool = corpus.scan.tools.iter().find(|tool| tool.file == path && tool.command == *name);
            compare(&format!("{stem}:{name}"), tool, answer, &corpus.scan, &mut differences);
        }
    }
    assert!(compared >= 300, "the corpus has only {compared} signatures");
    let mut accepted: BTreeMap<&str, &str> = ACCEPTED.iter().copied().collect();
    let unexplained: Vec<String> = differences
        .iter()
        .filter(|(place, _)| accepted.remove(place.as_str()).is_none())
        .map(|(place, difference)| format!("{place}\n{difference}"))
        .collect();
    assert!(
        unexplained.is_empty(),
        "{} of {compared} signatures differ:\n\n{}",
        unexplained.len(),
        unexplained.join("\n\n")
    );
    assert!(accepted.is_empty(), "accepted differences that no longer occur: {accepted:#?}");
}

struct Corpus {
    answers: Vec<(String, Map<String, Value>)>,
    scan: Scan,
}

impl Corpus {
    fn read() -> Corpus {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".py") && name != "make_expected.py" && name != "generate.py")
            .collect();
        names.sort();
        let texts: Vec<(String, String)> = names
            .iter()
            .map(|name| (format!("scripts/{name}"), fs::read_to_string(folder.join(name)).unwrap()))
            .collect();
        // Each file is scanned as a skill of its own beside the helpers, since tools of different files may
        // share a name here.
        let mut all = Scan::default();
        let mut answers = Vec::new();
        let helper = |path: &str| path.contains("/_");
        for (path, text) in texts.iter().filter(|(path, _)| !helper(path)) {
            let mut sources = vec![Source { path, text }];
            let helpers = texts.iter().filter(|(path, _)| helper(path));
            sources.extend(helpers.map(|(path, text)| Source { path, text }));
            let found = scan(&sources);
            all.tools.extend(found.tools);
            all.diagnostics.extend(found.diagnostics);
            let stem = path.trim_start_matches("scripts/").trim_end_matches(".py").to_owned();
            let expected = fs::read_to_string(folder.join(format!("{stem}.expected.json"))).unwrap();
            answers.push((stem, serde_json::from_str(&expected).unwrap()));
        }
        Corpus { answers, scan: all }
    }
}

fn compare(
    place: &str,
    tool: Option<&Tool>,
    answer: &Value,
    scan: &Scan,
    differences: &mut BTreeMap<String, String>,
) {
    let mut differ = |part: &str, ours: String, theirs: String| {
        differences.insert(format!("{place}:{part}"), format!("  ours   {ours}\n  theirs {theirs}"));
    };
    let Some(tool) = tool else {
        let said: Vec<&str> = scan.diagnostics.iter().map(|found| found.message.as_str()).collect();
        let name = place.split(':').nth(1).unwrap();
        if !said.iter().any(|message| message.contains(&format!("`{name}`"))) {
            differ("listed", "not listed, no diagnostic".to_owned(), answer.to_string());
        } else if answer.get("refused").is_none() {
            differ("listed", "not listed".to_owned(), answer.to_string());
        }
        return;
    };
    // What FastMCP cannot describe is listed all the same; there is nothing to compare it with.
    if answer.get("refused").is_some() {
        return;
    }
    let text = |value: Option<&str>| format!("{value:?}");
    if tool.title.as_deref() != answer["title"].as_str() {
        differ("title", text(tool.title.as_deref()), text(answer["title"].as_str()));
    }
    let description = answer.get("description").and_then(Value::as_str);
    if tool.description.as_deref() != description {
        differ("description", text(tool.description.as_deref()), text(description));
    }
    // Compared as text: the order of properties and keywords is part of what a client sees.
    let (ours, theirs) = (tool.input_schema.to_string(), answer["input"].to_string());
    if ours != theirs {
        differ("input", ours, theirs);
    }
    let ours = tool.output_schema.as_ref().map(Value::to_string);
    let theirs = answer.get("output").map(Value::to_string);
    if ours != theirs {
        differ("output", format!("{ours:?}"), format!("{theirs:?}"));
    }
    let wrap = answer["output"].get("x-fastmcp-wrap-result").is_some();
    if ours == theirs && tool.wrap_result != wrap {
        differ("wrap", tool.wrap_result.to_string(), wrap.to_string());
    }
}

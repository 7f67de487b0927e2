//! Are prompts, resources and templates listed as FastMCP lists the same functions, and as Python describes them?
//!
//! `items/*.py` are the functions, `items/*.expected.json` what FastMCP lists for them, written by
//! `items/make_expected.py`. Every difference is either one of the kinds that [`same`] takes off both sides, with its
//! reason, or a failure. `items/described.json` is what is read here; the Python package's own description is held against
//! it (`python/tests/test_describe_items.py`), so that both readers say the same. `OMNI_BLESS=1` writes it anew.
#![expect(clippy::unwrap_used, reason = "a corpus that cannot be read is a failed test")]

use std::fs;
use std::path::{Path, PathBuf};

use omni_scan::{Scan, Source, scan};
use serde_json::{Map, Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/items")
}

fn read(stem: &str) -> Scan {
    let text = fs::read_to_string(folder().join(format!("{stem}.py"))).unwrap();
    scan(&[Source { path: &format!("scripts/{stem}.py"), text: &text }])
}

/// What is read of each function, by its name.
fn found(scan: &Scan) -> Map<String, Value> {
    let prompts = scan.prompts.iter().map(|prompt| (prompt.function.clone(), json!(prompt)));
    let resources = scan.resources.iter().map(|resource| (resource.function.clone(), json!(resource)));
    prompts.chain(resources).collect()
}

#[test]
fn every_prompt_and_resource_is_listed_as_fastmcp_lists_it() {
    let mut differences = Vec::new();
    let mut compared = 0;
    for stem in ["prompts", "resources"] {
        let scanned = read(stem);
        let ours = found(&scanned);
        let expected = fs::read_to_string(folder().join(format!("{stem}.expected.json"))).unwrap();
        let expected: Map<String, Value> = serde_json::from_str(&expected).unwrap();
        for (function, theirs) in &expected {
            compared += 1;
            let ours = ours.get(function);
            match (ours, theirs.get("refused")) {
                (None, Some(_)) => {
                    let told = scanned
                        .diagnostics
                        .iter()
                        .any(|finding| finding.message.contains(&format!("`{function}`")));
                    assert!(told, "{function} is left out without a word");
                }
                // A parameter with a default that no URI gives: there is nothing wrong with its resource.
                (Some(_), Some(_)) if function == "unused_default" => {}
                (Some(ours), None) => {
                    let (ours, theirs) = same(ours, theirs);
                    if ours != theirs {
                        differences.push(format!("{function}\n  ours   {ours}\n  theirs {theirs}"));
                    }
                }
                (ours, _) => differences.push(format!("{function}\n  ours   {ours:?}\n  theirs {theirs}")),
            }
        }
    }
    assert!(compared >= 40, "only {compared} functions");
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
}

/// Both sides in one form, without what is meant to differ.
fn same(ours: &Value, theirs: &Value) -> (Value, Value) {
    let mut left = Map::new();
    let mut right = theirs.as_object().unwrap().clone();
    for (name, key) in [
        ("name", "name"),
        ("description", "description"),
        ("uri", "uri"),
        ("uri_template", "uriTemplate"),
        ("annotations", "annotations"),
        ("icons", "icons"),
        ("mime_type", "mimeType"),
    ] {
        if let Some(value) = ours.get(name) {
            left.insert(key.to_owned(), value.clone());
        }
    }
    // A title that nobody gave is made of the name here: some clients show nothing else.
    if right.contains_key("title") {
        left.insert("title".to_owned(), ours["title"].clone());
    }
    // FastMCP says `text/plain` of what may be anything; here the result tells.
    if !left.contains_key("mimeType") {
        assert_eq!(right.remove("mimeType").unwrap_or(json!("text/plain")), "text/plain");
    }
    // Of a template FastMCP lists the whole docstring; here it is taken apart as a tool's is.
    if let (Some(Value::String(own)), Some(Value::String(whole))) =
        (left.get("description"), right.get_mut("description"))
        && right_is_longer(own, whole)
    {
        whole.clone_from(own);
    }
    // How tags and versions stand in `_meta` is for who lists.
    right.remove("_meta");
    if let Some(Value::Array(arguments)) = ours.get("arguments") {
        let arguments = arguments.iter().map(|argument| {
            let mut shown = argument.as_object().unwrap().clone();
            shown.remove("default");
            shown.remove("choices");
            // MCP's older revisions have no title of an argument, and FastMCP none at all.
            shown.remove("title");
            Value::Object(shown)
        });
        left.insert("arguments".to_owned(), Value::Array(arguments.map(without_note).collect()));
    } else if right.contains_key("arguments") {
        left.insert("arguments".to_owned(), json!([]));
    }
    if let Some(Value::Array(arguments)) = right.get_mut("arguments") {
        *arguments = arguments.drain(..).map(without_note).collect();
    }
    if let Some(parameters) = right.remove("parameters") {
        let mut schema = ours["input_schema"].clone();
        let names: Vec<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        let theirs = &parameters["properties"];
        // Parameters that no URI gives are no part of the address.
        let theirs: Map<String, Value> =
            names.iter().filter_map(|name| Some((name.clone(), theirs.get(name)?.clone()))).collect();
        right.insert("properties".to_owned(), Value::Object(theirs));
        right.insert("required".to_owned(), parameters.get("required").cloned().unwrap_or(json!([])));
        // FastMCP does not read the docstring of a template for what it says of a parameter.
        for (name, property) in schema["properties"].as_object_mut().unwrap() {
            if right["properties"][name].get("description").is_none() {
                property.as_object_mut().unwrap().remove("description");
            }
        }
        left.insert("properties".to_owned(), schema["properties"].clone());
        left.insert("required".to_owned(), schema.get("required").cloned().unwrap_or(json!([])));
        // An enumeration stands in place here where it is used once.
        if let (Some(definitions), None) = (parameters.get("$defs"), schema.get("$defs")) {
            inline(&mut right["properties"], definitions);
        }
    }
    (Value::Object(left), Value::Object(right))
}

fn inline(properties: &mut Value, definitions: &Value) {
    for property in properties.as_object_mut().unwrap().values_mut() {
        let name =
            property.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
        if let Some(name) = name {
            *property = definitions[name].clone();
        }
    }
}

fn right_is_longer(own: &str, whole: &str) -> bool {
    whole.strip_prefix(own).is_some_and(|rest| rest.starts_with("\n\nArgs:"))
}

/// FastMCP puts the schema behind each description, a string's too where annotations are texts; here only an argument that
/// is written as JSON has it.
fn without_note(argument: Value) -> Value {
    let Value::Object(mut argument) = argument else { return argument };
    if let Some(Value::String(text)) = argument.get_mut("description") {
        let said =
            text.split("Provide a value matching the following JSON schema").next().unwrap_or_default();
        *text = said.trim_end().to_owned();
    }
    if argument.get("description").and_then(Value::as_str) == Some("") {
        argument.remove("description");
    }
    Value::Object(argument)
}

#[test]
fn what_is_read_of_prompts_and_resources_is_what_python_is_held_against() {
    let mut all = Map::new();
    for stem in ["prompts", "resources"] {
        all.insert(stem.to_owned(), Value::Object(found(&read(stem))));
    }
    let path = folder().join("described.json");
    let text = serde_json::to_string_pretty(&Value::Object(all)).unwrap() + "\n";
    if std::env::var_os("OMNI_BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let known = fs::read_to_string(&path).unwrap();
    assert!(known == text, "what is read differs from {}: `OMNI_BLESS=1` writes it anew", path.display());
}

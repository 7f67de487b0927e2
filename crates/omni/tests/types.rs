//! Does the table of types hold through the real wire, whatever runs the tool?
//!
//! The rows of `conformance/types.jsonl` that every Python has become tools of one skill: each compares what it got
//! with the Python value of its row, and gives it back. `python/tests/test_types_table.py` has the other rows.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use support::{Folder, text, ways};

macro_rules! each_way {
    ($($way:ident)*) => {
        $(#[test] fn $way() { every_type_arrives_and_goes_back(stringify!($way)); })*
    };
}
ways::with_each_way!(each_way);

fn every_type_arrives_and_goes_back(way: &str) {
    let table = table();
    let header = table[0]["header"].as_str().unwrap();
    let rows: Vec<&Value> = table.iter().filter(|row| is_everywhere(row)).collect();
    assert!(rows.len() >= 110, "{} rows", rows.len());
    let folder = Folder::empty();
    folder.write("skills/kinds/SKILL.md", "---\nname: kinds\ndescription: Every type.\n---\n");
    for (index, row) in rows.iter().enumerate() {
        folder.write(&format!("skills/kinds/scripts/row{index}.py"), &source(index, row, header));
    }
    let skills = folder.path("skills");
    let (arguments, backing) = ways::prepare(way, &folder, &skills, folder.dir.path(), "NOTHING");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut client = folder.stdio(&arguments).initialised();
    let mut faults = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let tool = format!("kinds.row{index}");
        let mut fault = |what: &str, result: &Value| {
            faults.push(format!("{way}: {} {}: {what}: {result}", row["type"], row["given"]));
        };
        let result = client.result(&tool, json!({"x": row["given"]}));
        let back = row.get("returned").unwrap_or(&row["given"]);
        if result["isError"] == json!(true) {
            fault("refused", &result);
        } else if *back != Value::Null && written(&result) != *back {
            fault(&format!("should be {back}"), &result);
        }
        for wrong in row["wrong"].as_array().into_iter().flatten() {
            let result = client.result(&tool, json!({"x": wrong}));
            let place = text(&result).contains("/x") || text(&result).contains("`x");
            if result["isError"] != json!(true) || !place {
                fault(&format!("{wrong} was not refused by its place"), &result);
            }
        }
    }
    client.close();
    drop(backing);
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

fn table() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/types.jsonl");
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Whether any Python from 3.9 on has the type, without a package.
fn is_everywhere(row: &Value) -> bool {
    row.get("python").is_some() && row.get("since").is_none() && row.get("needs").is_none()
}

/// A tool that raises when its argument is not what the row says, and returns it otherwise.
fn source(index: usize, row: &Value, header: &str) -> String {
    let word = |name: &str| row[name].as_str().unwrap_or_default();
    let (kind, setup, expected) = (word("type"), word("setup"), word("python"));
    let through =
        if word("through").is_empty() { String::new() } else { format!("x = {}(x)", word("through")) };
    format!(
        "{header}from omni import ToolError, tool\n{setup}\n@tool\ndef row{index}(x: {kind}) -> {kind}:\n    {through}\n    \
         expected = {expected}\n    if x != expected or type(x) is not type(expected):\n        \
         raise ToolError(f'{{x!r}} came')\n    return x\n"
    )
}

/// The JSON that a result is: structured where its schema says so, else its text.
fn written(result: &Value) -> Value {
    let content = || match result["content"].as_array().map(Vec::as_slice) {
        Some([one]) => {
            let text = one["text"].as_str().unwrap();
            serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
        }
        _ => Value::Null,
    };
    match result.get("structuredContent") {
        Some(structured) => match structured.as_object().filter(|members| members.len() == 1) {
            Some(members) if members.contains_key("result") => members["result"].clone(),
            _ => structured.clone(),
        },
        None => content(),
    }
}

//! Does the scanner say of every row of the table of types what the table says?
//!
//! The table is `conformance/types.jsonl`. Python's own descriptions, and what becomes of the values, are held against
//! the same rows by `python/tests/test_types_table.py`; the page of all types is written from them.
#![expect(clippy::unwrap_used, reason = "a table that cannot be read is a failed test")]

use std::fs;
use std::path::Path;

use omni_scan::{Scan, Severity, Source, Tool, scan};
use serde_json::{Map, Value};

#[test]
fn every_type_of_the_table_has_its_schema_its_default_or_its_refusal() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/types.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let header = rows[0]["header"].as_str().unwrap();
    let mut faults = Vec::new();
    let mut compared = 0;
    for row in rows.iter().filter(|row| row.get("type").is_some()) {
        for future in ["", "from __future__ import annotations\n"] {
            compared += 1;
            let text = source(row, future, header);
            let found = scan(&[Source { path: "scripts/row.py", text: &text }]);
            faults.extend(
                differences(row, &found)
                    .into_iter()
                    .map(|fault| format!("{} {}: {fault}", row["type"], row["given"])),
            );
        }
    }
    assert!(compared >= 380, "the table has only {compared} types");
    assert!(faults.is_empty(), "{} of {compared} differ:\n{}", faults.len(), faults.join("\n"));
}

fn source(row: &Value, future: &str, header: &str) -> String {
    let word = |name: &str| row[name].as_str().unwrap_or_default();
    let (kind, setup) = (word("type"), word("setup"));
    let mut text = format!(
        "{future}{header}from omni import tool\n{setup}\n@tool\ndef plain(x: {kind}) -> {kind}:\n    return x\n"
    );
    if row.get("default").is_some() {
        text += &format!("\n@tool\ndef default(x: {kind} = {}):\n    return x\n", word("default"));
    }
    text
}

fn differences(row: &Value, found: &Scan) -> Vec<String> {
    let mut faults = Vec::new();
    let mut same = |what: &str, is: &Value, should: &Value| {
        // As text: the order of keywords is part of what a client sees.
        let (is, should) = (is.to_string(), should.to_string());
        if is != should {
            faults.push(format!("{what} is {is}, should be {should}"));
        }
    };
    let tool = |name: &str| found.tools.iter().find(|tool| tool.command == name);
    let plain = tool("plain").unwrap();
    let unknown = found.diagnostics.iter().find(|finding| finding.code == "unknown-type");
    if let Some(refused) = row.get("refused") {
        let said = unknown.filter(|finding| finding.severity == Severity::Warning);
        let said = said.map_or("nothing", |finding| finding.message.split(", so `").next().unwrap());
        same("the refusal", &Value::from(said), refused);
        return faults;
    }
    let none = Value::Null;
    same("a finding", &unknown.map_or(none.clone(), |finding| Value::from(finding.message.clone())), &none);
    let schema = &plain.input_schema["properties"]["x"];
    same("the schema", schema, &row["schema"]);
    same("what is defined", definitions(&plain.input_schema), row.get("defs").unwrap_or(&none));
    let output = row.get("output").unwrap_or(&row["schema"]);
    same("the output", &result(plain), &whole(output, row));
    if let Some(with_default) = tool("default") {
        let properties = &with_default.input_schema["properties"]["x"];
        let nothing = Value::from("not shown");
        let default = |map: &Value, name: &str| map.get(name).unwrap_or(&nothing).clone();
        same("the default", &default(properties, "default"), &default(row, "shown"));
    }
    faults
}

fn definitions(schema: &Value) -> &Value {
    schema.get("$defs").unwrap_or(&Value::Null)
}

/// The schema of the result itself: unwrapped, and without what it refers to.
fn result(tool: &Tool) -> Value {
    match &tool.output_schema {
        None => Value::Null,
        Some(schema) if tool.wrap_result => schema["properties"]["result"].clone(),
        Some(schema) => {
            let kept = |(name, _): &(&String, &Value)| *name != "$defs";
            let map: Map<String, Value> = schema
                .as_object()
                .unwrap()
                .iter()
                .filter(kept)
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            Value::Object(map)
        }
    }
}

/// What a reference to an object leads to: as a result, the object stands at the root.
fn whole(output: &Value, row: &Value) -> Value {
    let name = output.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/"));
    let target = name.map(|name| &row["defs"][name]);
    match target {
        Some(target) if target["type"] == "object" => target.clone(),
        _ => output.clone(),
    }
}

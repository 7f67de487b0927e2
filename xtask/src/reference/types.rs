//! The page of all types, made from the table that the tests of both languages are held against.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

const TABLE: &str = include_str!("../../../conformance/types.jsonl");

const INTRODUCTION: &str = "\
# Types

Generated from `conformance/types.jsonl` by `cargo xtask docs`; do not edit. Tests hold every row against the reader of
skills, the Python that runs tools, and every way to run them.

What a tool's parameters and results may be annotated with, and what becomes of a value:

- **schema**: what clients see of it in `inputSchema`. A result has the same in `outputSchema`, or what stands after
  \"as a result\"; what is not an object is wrapped in `{\"result\": …}`.
- **value**: JSON that a client sends → what the tool gets. The tool may return it: then the JSON after \"back as\" is
  written, or the JSON that came.
- **refused**: JSON that is answered with an error for the model, naming the place; the tool does not run.
- **default**: a default of the signature, as the schema shows it.

*from 3.11* means the Python that the type came with; *Pydantic* that the skill needs that package. What comes from a
skill's own code stands above its table. A type that is not here, or stands under \"refused\", is no error: the tool is
listed, `omni doctor` warns of it (`unknown-type`), the schema says nothing about the argument, and the tool gets the
JSON as it came. Give such a tool `input_schema=`, or take a type from this page and make the value yourself.
";

/// The whole page.
///
/// # Errors
/// The table has a line that is no row.
pub(super) fn page() -> Result<String> {
    let rows = TABLE
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("types.jsonl: {line}")))
        .collect::<Result<Vec<Map<String, Value>>>>()?;
    let mut page = INTRODUCTION.to_owned();
    // What a table under way has above it: none, or the kind of its rows with the code of the skill.
    let mut open = String::new();
    for row in &rows {
        if let Some(title) = row.get("section").and_then(Value::as_str) {
            let _ = write!(page, "\n## {title}\n");
            if let Some(about) = row.get("about").and_then(Value::as_str) {
                let _ = write!(page, "\n{about}\n");
            }
            open.clear();
        } else if row.contains_key("type") || row.contains_key("result") {
            let heading = heading(row);
            if open != heading {
                page += &heading;
                open = heading;
            }
            page += &if row.contains_key("result") { result(row) } else { line(row) };
        }
    }
    Ok(page)
}

/// The code of the skill, and the head of the table.
fn heading(row: &Map<String, Value>) -> String {
    let code = word(row, "setup").trim();
    // Imports alone tell nothing.
    let code = if code.lines().all(|line| line.starts_with("import ")) { "" } else { code };
    let mut text = String::new();
    if !code.is_empty() {
        let _ = write!(text, "\n```python\n{code}\n```\n");
    }
    text += match (row.contains_key("result"), row.contains_key("refused")) {
        (true, _) => "\n| result | JSON |\n|---|---|\n",
        (_, true) => "\n| type | refused, since |\n|---|---|\n",
        _ => "\n| type | schema | value | refused | default |\n|---|---|---|---|---|\n",
    };
    text
}

fn line(row: &Map<String, Value>) -> String {
    let mut kind = code(word(row, "type"));
    if let Some(since) = row.get("since").and_then(Value::as_str) {
        kind += &format!(" *from {since}*");
    }
    if row.contains_key("needs") {
        kind += " *Pydantic*";
    }
    if row.contains_key("refused") {
        return format!("| {kind} | {} |\n", cell(word(row, "refused")));
    }
    let mut schema = json(&row["schema"]);
    if let Some(definitions) = row.get("defs") {
        schema += &format!("<br>`$defs`: {}", json(definitions));
    }
    match row.get("output") {
        None => {}
        Some(Value::Null) => schema += "<br>as a result: none",
        Some(output) => schema += &format!("<br>as a result: {}", json(output)),
    }
    let mut value = format!("{} → {}", json(&row["given"]), code(word(row, "python")));
    if row.contains_key("through") {
        value += ", one after another";
    }
    if let Some(returned) = row.get("returned") {
        value += &format!("<br>back as {}", json(returned));
    }
    let wrong = row.get("wrong").and_then(Value::as_array);
    let wrong: Vec<String> = wrong.into_iter().flatten().map(json).collect();
    let default = match (row.get("default"), row.get("shown")) {
        (Some(_), Some(shown)) => format!("{} → {}", code(word(row, "default")), json(shown)),
        (Some(_), None) => format!("{} is not shown", code(word(row, "default"))),
        _ => String::new(),
    };
    format!("| {kind} | {schema} | {value} | {} | {default} |\n", wrong.join(", "))
}

fn result(row: &Map<String, Value>) -> String {
    let written = match row.get("refused").and_then(Value::as_str) {
        Some(refused) => format!("an error: … {}", cell(refused)),
        None => json(&row["returned"]),
    };
    format!("| {} | {written} |\n", code(word(row, "result")))
}

fn word<'a>(row: &'a Map<String, Value>, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn json(value: &Value) -> String {
    code(&value.to_string())
}

/// Code within a cell of a table.
fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_on_the_page() {
        let page = page().expect("the table can be read");
        let rows = TABLE.lines().filter(|line| line.contains("\"type\"") || line.contains("\"result\""));
        let lines = page.lines().filter(|line| line.starts_with("| `"));
        assert_eq!(rows.filter(|line| !line.contains("\"header\"")).count(), lines.count());
        assert!(page.contains("`int \\| None`"), "a bar ends a cell");
    }
}

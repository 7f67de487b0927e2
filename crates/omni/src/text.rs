//! Texts for people: numbers, lists and lines as the commands print them.

use anyhow::Result;
use omni_call::{Target, shown_json, shown_line};
use omni_catalog::{CatalogKind, Snapshot};
use serde_json::Value;
use serde_json::value::RawValue;

/// So many characters of a description stand in a list.
pub(crate) const DESCRIPTION_CHARS_MAX: usize = 72;

/// `no tools`, `1 tool`, `2 tools`.
pub(crate) fn plural(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// `2 resources, 1 prompt`: what everybody sees besides tools; `None` where that is nothing.
pub(crate) fn items(snapshot: &Snapshot) -> Option<String> {
    let counts = [
        (CatalogKind::Resources, "resource"),
        (CatalogKind::Templates, "resource template"),
        (CatalogKind::Prompts, "prompt"),
    ];
    let counts = counts.map(|(kind, what)| plural(snapshot.item_count(kind), what));
    Some(join(&counts)).filter(|text| !text.is_empty())
}

/// `310 MB`, as people count: in steps of a thousand.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{} MB", bytes.div_ceil(1_000_000)),
    }
}

/// `a, b and 3 more`: the first `most` of names, with commas.
pub(crate) fn first_of(names: &[String], most: usize) -> String {
    match names.get(..most).filter(|_| names.len() > most) {
        Some(first) => format!("{} and {} more", first.join(", "), names.len() - most),
        None => names.join(", "),
    }
}

/// The parts that are not `no …`, with commas.
pub(crate) fn join(parts: &[String]) -> String {
    let some: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.starts_with("no ")).collect();
    some.join(", ")
}

/// Text by the limits of a terminal's line: the first sentence of it, cut at `width` characters.
pub(crate) fn one_line(text: &str, width: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default().trim_end();
    let line = line.find(". ").map_or(line, |end| &line[..=end]);
    // Before it is cut, or half an escape would be left.
    let line = shown_line(line);
    match line.char_indices().nth(width) {
        Some(_) => {
            let kept: String = line.chars().take(width.saturating_sub(1)).collect();
            format!("{}…", kept.trim_end())
        }
        None => line.into_owned(),
    }
}

/// A schema as people read it.
pub(crate) fn schema(schema: &RawValue) -> Result<String> {
    let value: Value = serde_json::from_str(schema.get())?;
    Ok(indented(&shown_json(&serde_json::to_string_pretty(&value)?)))
}

/// Each line with two blanks before it.
pub(crate) fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}").trim_end().to_owned()).collect();
    lines.join("\n")
}

/// What is run, to stand behind the place where it is written: `, ` and the function or the command line.
pub(crate) fn function(target: &Target) -> String {
    match target {
        Target::Program(program) => format!(", `{}`", program.argv.join(" ")),
        Target::Python(python) if python.is_async => format!(", `async def {}`", python.function),
        Target::Python(python) => format!(", `def {}`", python.function),
        // The other's affair.
        Target::File(_) | Target::Remote { .. } | Target::Native { .. } => String::new(),
    }
}

/// A line for each fact, by its name.
pub(crate) fn in_lines(facts: &[(&str, String)]) -> String {
    let lines: Vec<String> =
        facts.iter().map(|(name, value)| format!("{name:<12} {}", shown_line(value))).collect();
    lines.join("\n")
}

/// A time limit that a tool, resource or prompt has, or whose it is.
pub(crate) fn limit(milliseconds: Option<u64>) -> String {
    match milliseconds {
        None => "the server's".to_owned(),
        Some(0) => "none".to_owned(),
        Some(milliseconds) => format!("{} s", std::time::Duration::from_millis(milliseconds).as_secs_f64()),
    }
}

/// Where something is listed that is off: `enabled=False`.
pub(crate) fn off(name: &str) -> String {
    format!("nothing, since it is off, until a call shows it to its client: `ctx.show(\"{name}\")`")
}

//! How resources, resource templates and prompts are shown to people and to programs by `omni list` and `omni describe`.

use std::io::Write as _;

use anyhow::Result;
use omni_call::shown_line;
use omni_catalog::{ArgumentCompletion, CatalogKind, FoundResource, Item, ProfileId, Snapshot};
use serde_json::{Value, json};

use crate::read_catalog;
use crate::settings::Places;
use crate::terminal::Output;
use crate::text::{self, function, in_lines, indented, limit, schema};

/// So many resources are shown one by one: a skill may have thousands of files.
const SHOWN_MAX: usize = 100;

/// Each kind, what a list of it is called, and its member of `omni list --json`.
const KINDS: [(CatalogKind, &str, &str); 3] = [
    (CatalogKind::Resources, "resources", "resources"),
    (CatalogKind::Templates, "resource templates", "resource_templates"),
    (CatalogKind::Prompts, "prompts", "prompts"),
];

/// The lines of one kind.
pub(crate) struct Rows {
    heading: &'static str,
    /// What it is called, what it is for, and where it is written, of the first [`SHOWN_MAX`].
    rows: Vec<[String; 3]>,
    /// How many there are.
    count: usize,
}

/// What everybody sees besides tools; a kind of which there is nothing is left out.
pub(crate) fn rows(snapshot: &Snapshot, places: &Places) -> Vec<Rows> {
    let of = |(kind, heading, _): (CatalogKind, &'static str, _)| {
        let row = |item: std::sync::Arc<Item>| {
            let words = item.text("description").or_else(|| item.text("title")).unwrap_or_default();
            row(&named(&item), &words, &written_at(&item, places))
        };
        let rows = snapshot.shown_items(kind).take(SHOWN_MAX).map(row).collect();
        Rows { heading, rows, count: snapshot.shown_count(kind) }
    };
    KINDS.into_iter().map(of).filter(|rows| rows.count > 0).collect()
}

/// The resources, templates and prompts that another server lists.
pub(crate) fn rows_of_another(items: &[Vec<Value>; KINDS.len()]) -> Vec<Rows> {
    let of = |((kind, heading, _), items): ((CatalogKind, &'static str, _), &Vec<Value>)| {
        let row = |item: &Value| {
            let text = |name: &str| item[name].as_str();
            let words = text("description").or_else(|| text("title")).unwrap_or_default();
            row(text(key(kind)).unwrap_or_default(), words, "")
        };
        Rows { heading, rows: items.iter().take(SHOWN_MAX).map(row).collect(), count: items.len() }
    };
    KINDS.into_iter().zip(items).map(of).filter(|rows| rows.count > 0).collect()
}

fn row(name: &str, words: &str, place: &str) -> [String; 3] {
    let words = text::one_line(words, text::DESCRIPTION_CHARS_MAX);
    [shown_line(name).into_owned(), words, shown_line(place).into_owned()]
}

/// The member by which people and clients name one.
fn key(kind: CatalogKind) -> &'static str {
    match kind {
        CatalogKind::Resources => "uri",
        CatalogKind::Templates => "uriTemplate",
        CatalogKind::Prompts | CatalogKind::Tools | CatalogKind::Skills => "name",
    }
}

/// Prints a heading for each kind, and a line for each of it. `below` says that something stands above.
pub(crate) fn print(kinds: &[Rows], mut below: bool, out: &mut Output) -> Result<()> {
    for Rows { heading, rows, count } in kinds {
        if std::mem::replace(&mut below, true) {
            writeln!(out)?;
        }
        writeln!(out, "{heading}")?;
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (names, words) = (width(0), width(1));
        for [name, description, place] in rows {
            writeln!(out, "{}", format!("{name:names$}  {description:words$}  {place}").trim_end())?;
        }
        if *count > SHOWN_MAX {
            writeln!(out, "and {} more: `omni list --json` shows all", count - SHOWN_MAX)?;
        }
    }
    Ok(())
}

/// The members of `omni list --json` of another server, besides those of tools; what only skills have is null.
pub(crate) fn summaries_of_another(
    items: &[Vec<Value>; KINDS.len()],
) -> impl Iterator<Item = (&'static str, Value)> {
    KINDS.into_iter().zip(items).map(|((kind, _, member), items)| {
        let all = items.iter().map(|item| {
            json!({
                "key": item[key(kind)],
                "name": item["name"],
                "title": item["title"],
                "description": item["description"],
                "skill": null,
                "file": null,
                "line": null,
            })
        });
        (member, all.collect())
    })
}

/// The members of `omni list --json` besides those of tools.
pub(crate) fn summaries(snapshot: &Snapshot) -> impl Iterator<Item = (&'static str, Value)> {
    KINDS.into_iter().map(|(kind, _, member)| {
        let all = snapshot.shown_items(kind).map(|item| {
            let origin = item.origin.as_ref();
            json!({
                "key": item.key,
                "name": item.name(),
                "title": item.text("title"),
                "description": item.text("description"),
                "skill": item.spec.as_ref().map(|spec| &spec.skill),
                "file": origin.map(|origin| &origin.file),
                "line": origin.map(|origin| origin.line),
            })
        });
        (member, all.collect())
    })
}

/// The prompt of that name, or the resource or template of that URI.
pub(crate) fn find(snapshot: &Snapshot, name: &str) -> Option<std::sync::Arc<Item>> {
    if let Some(prompt) = snapshot.prompt(ProfileId::EVERYBODY, name, None) {
        return Some(prompt);
    }
    match snapshot.template(ProfileId::EVERYBODY, name, None)? {
        FoundResource::Listed(item) | FoundResource::FromTemplate(item, _) => Some(item),
        FoundResource::Source(_) => None,
    }
}

/// Everything about one, for people.
pub(crate) fn describe(item: &Item, places: &Places, out: &mut Output) -> Result<()> {
    let title = item.text("title").map(|title| format!("  ({title})")).unwrap_or_default();
    writeln!(out, "{}", shown_line(&format!("{}{title}", named(item))))?;
    if let Some(description) = item.text("description") {
        writeln!(out, "\n{}", indented(&description))?;
    }
    let mut facts = vec![("kind", what(item.kind).to_owned())];
    match item.is_on {
        true => facts.extend((item.kind == CatalogKind::Prompts).then(|| ("listed as", item.key.clone()))),
        false => facts.push(("listed as", text::off(item.name()))),
    }
    facts.extend(item.text("mimeType").map(|mime| ("mime type", mime)));
    if let Some(spec) = &item.spec {
        facts.push(("written in", format!("{}{}", written_at(item, places), function(&spec.target))));
        facts.push(("executor", spec.executor.name().to_owned()));
        if spec.target.python().is_some() {
            facts.push(("time limit", limit(spec.limits.timeout_ms)));
            facts.push(("idle limit", limit(spec.limits.idle_timeout_ms)));
        }
    }
    facts.extend((!item.tags.is_empty()).then(|| ("tags", item.tags.join(", "))));
    for (argument, how) in item.completions() {
        let how = match how {
            ArgumentCompletion::Values(values) => values.join(", "),
            ArgumentCompletion::Function(spec) => {
                let function = spec.target.python().map_or("", |python| &python.function);
                format!("by `def {function}`")
            }
        };
        facts.push(("completes", format!("{argument}: {how}")));
    }
    writeln!(out, "\n{}", in_lines(&facts))?;
    if let Some(of) = item.schema() {
        writeln!(out, "\narguments\n{}", schema(of)?)?;
    }
    Ok(())
}

/// Everything about one, for programs.
pub(crate) fn as_json(item: &Item) -> Value {
    let listing: Value = serde_json::from_slice(&item.listing).unwrap_or_default();
    let python = item.spec.as_ref().and_then(|spec| spec.target.python());
    json!({
        "name": item.name(),
        "kind": what(item.kind),
        "listing": listing,
        "skill": item.spec.as_ref().map(|spec| &spec.skill),
        "file": item.origin.as_ref().map(|origin| &origin.file),
        "line": item.origin.as_ref().map(|origin| origin.line),
        "function": python.map(|python| &python.function),
        "executor": item.spec.as_ref().map(|spec| spec.executor.name()),
        "schema": item.schema(),
        "tags": item.tags,
    })
}

fn what(kind: CatalogKind) -> &'static str {
    match kind {
        CatalogKind::Resources => "resource",
        CatalogKind::Templates => "resource template",
        CatalogKind::Prompts => "prompt",
        CatalogKind::Tools | CatalogKind::Skills => "tool",
    }
}

/// A prompt's name, or a URI.
fn named(item: &Item) -> String {
    match item.kind {
        CatalogKind::Prompts => item.name().to_owned(),
        _ => item.key.clone(),
    }
}

fn written_at(item: &Item, places: &Places) -> String {
    item.origin.as_ref().map(|origin| read_catalog::written_at(places, origin)).unwrap_or_default()
}

//! `omni list`: every tool, resource and prompt, what it is for, and where it is written.

use std::io::Write as _;

use anyhow::Result;
use omni_call::shown_line;
use omni_catalog::{CatalogKind, ProfileId, Tool};
use serde_json::{Value, json};

use crate::args::ListArguments;
use crate::other_server::{self, OtherServer};
use crate::terminal::{self, Output};
use crate::{getting_started, item_text, read_catalog, text};

/// Prints one line a tool, sorted by name, then one for each resource, template and prompt.
pub(crate) fn run(arguments: &ListArguments, out: &mut Output) -> Result<u8> {
    if let Some(server) = OtherServer::of(&arguments.server)? {
        return other_server::list(server, arguments.read.json, out);
    }
    let arguments = &arguments.read;
    let (places, sources) = read_catalog::open_served(&arguments.place)?;
    read_catalog::refresh(&places, &sources)?;
    let snapshot = sources.catalog.snapshot();
    let list = snapshot.for_profile(ProfileId::EVERYBODY);
    let tools = || list.tools().filter(|tool| list.is_listed(tool));
    if arguments.json {
        let tools: Vec<Value> = tools().map(|tool| summary(&tool)).collect();
        let mut all = json!({ "version": snapshot.version(CatalogKind::Tools), "tools": tools });
        for (member, items) in item_text::summaries(&snapshot) {
            all[member] = items;
        }
        out.json(&all)?;
        return Ok(0);
    }
    let rows: Vec<[String; 3]> = tools()
        .map(|tool| {
            let description = tool.description().unwrap_or_default();
            [
                shown_line(&named(&tool)).into_owned(),
                text::one_line(&description, text::DESCRIPTION_CHARS_MAX),
                shown_line(&read_catalog::written_at(&places, &tool.origin)).into_owned(),
            ]
        })
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (names, descriptions) = (width(0), width(1));
    for [name, description, place] in &rows {
        writeln!(out, "{name:names$}  {description:descriptions$}  {place}")?;
    }
    let items = item_text::rows(&snapshot, &places);
    if rows.is_empty() && items.is_empty() {
        writeln!(out, "no tools in {}", places.source())?;
    }
    item_text::print(&items, !rows.is_empty(), out)?;
    read_catalog::mention_findings(&snapshot);
    let text = getting_started::with_all_left_out(&snapshot)
        .or_else(|| getting_started::with_no_tools(&places, &snapshot))
        .or_else(|| getting_started::with_shipped_skills(&places));
    if let Some(text) = text {
        out.flush()?;
        terminal::say(&text);
    }
    Ok(0)
}

/// The tool's name, and what clients see where that is not the same with another separator.
fn named(tool: &Tool) -> String {
    let (name, wire) = (tool.name(), &tool.wire_name);
    if name == wire || name.replace('.', "_") == *wire { name.to_owned() } else { format!("{name} ({wire})") }
}

fn summary(tool: &Tool) -> Value {
    json!({
        "name": tool.name(),
        "wire_name": tool.wire_name,
        "title": tool.title(),
        "description": tool.description(),
        "skill": tool.spec.skill,
        "file": tool.origin.file,
        "line": tool.origin.line,
        "executor": tool.spec.executor.name(),
        "trust": tool.spec.trust.name(),
    })
}

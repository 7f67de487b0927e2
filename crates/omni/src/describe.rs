//! `omni describe NAME`: everything about one tool, prompt, resource or template.

use std::io::Write as _;

use anyhow::Result;
use omni_call::{Requirements, Target, shown_line};
use omni_catalog::{Override, ProfileId, Tool};
use serde_json::{Value, json};

use crate::args::DescribeArguments;
use crate::other_server::{self, OtherServer};
use crate::settings::Places;
use crate::terminal::{self, Output};
use crate::text::{self, function, in_lines, indented, limit, schema};
use crate::{item_text, read_catalog};

/// Prints the tool, else the prompt of that name or the resource of that URI; exits with 1 when there is none.
pub(crate) fn run(arguments: &DescribeArguments, out: &mut Output) -> Result<u8> {
    if let Some(server) = OtherServer::of(&arguments.server)? {
        return other_server::describe(server, &arguments.tool, arguments.read.json, out);
    }
    let (places, sources) = read_catalog::open_served(&arguments.read.place)?;
    read_catalog::refresh(&places, &sources)?;
    let snapshot = sources.catalog.snapshot();
    let Some(tool) = snapshot.tool(&arguments.tool) else {
        if let Some(item) = item_text::find(&snapshot, &arguments.tool) {
            match arguments.read.json {
                true => out.json(&item_text::as_json(&item))?,
                false => item_text::describe(&item, &places, out)?,
            }
            return Ok(0);
        }
        terminal::say(&format!("error: {}", read_catalog::unknown_name(&snapshot, &arguments.tool)));
        return Ok(1);
    };
    if arguments.read.json {
        out.json(&as_json(&tool, &places))?;
    } else {
        as_text(&tool, &places, out)?;
    }
    Ok(0)
}

fn as_text(tool: &Tool, places: &Places, out: &mut Output) -> Result<()> {
    let spec = &tool.spec;
    let place = read_catalog::written_at(places, &tool.origin);
    let title = tool.title().map(|title| format!("  ({title})")).unwrap_or_default();
    writeln!(out, "{}", shown_line(&format!("{}{title}", tool.name())))?;
    if let Some(description) = tool.description() {
        writeln!(out, "\n{}", indented(&description))?;
    }
    let mut facts = vec![
        ("listed as", listed_as(tool, places)),
        ("written in", format!("{place}{}", function(&spec.target))),
        ("executor", spec.executor.name().to_owned()),
        ("time limit", limit(spec.limits.timeout_ms)),
        ("idle limit", limit(spec.limits.idle_timeout_ms)),
    ];
    facts.extend(changes(tool, places).map(|said| ("changed by", said)));
    facts.extend(spec.target.requirements().map(|needs| ("needs", needed(needs))));
    let annotations = listing(tool)["annotations"].take();
    if let Some(annotations) = annotations.as_object() {
        let hints: Vec<String> = annotations.iter().map(|(name, value)| format!("{name}={value}")).collect();
        facts.push(("annotations", hints.join(", ")));
    }
    if let Some(python) = spec.target.python().filter(|python| !python.inject.is_empty()) {
        let filled: Vec<&str> = python.inject.iter().map(|inject| inject.parameter.as_str()).collect();
        facts.push(("filled in", filled.join(", ")));
    }
    facts.extend(tool.category.iter().map(|category| ("category", category.clone())));
    facts.extend((!tool.tags.is_empty()).then(|| ("tags", tool.tags.join(", "))));
    facts.extend(tool.version.iter().map(|version| ("version", version.clone())));
    writeln!(out, "\n{}", in_lines(&facts))?;
    writeln!(out, "\narguments\n{}", schema(tool.input_schema())?)?;
    if let Some(output) = tool.output_schema() {
        writeln!(out, "\nresult\n{}", schema(output)?)?;
    }
    Ok(())
}

/// What has to be installed, and where that is said.
fn needed(needs: &Requirements) -> String {
    let python = needs.python.iter().map(|range| format!("Python {range}"));
    let all: Vec<String> = needs.dependencies.iter().cloned().chain(python).collect();
    let locked = if needs.locked.is_some() { ", versions by uv.lock" } else { "" };
    format!("{} ({}{locked})", all.join(", "), needs.file)
}

/// The name in the list, or that it is in none.
fn listed_as(tool: &Tool, places: &Places) -> String {
    if tool.spec.policy.enabled == Some(false) {
        return text::off(tool.name());
    }
    match is_hidden(tool, places) {
        true => format!("nothing, since it is hidden; calls by `{}` are taken", tool.wire_name),
        false => tool.wire_name.clone(),
    }
}

fn is_hidden(tool: &Tool, places: &Places) -> bool {
    overrides(tool, places).find_map(|own| own.hidden).unwrap_or(false)
}

fn overrides<'a>(tool: &Tool, places: &'a Places) -> impl Iterator<Item = &'a Override> {
    places.rules.overrides_of(ProfileId::EVERYBODY, tool.name())
}

/// What the settings say of it, and where.
fn changes(tool: &Tool, places: &Places) -> impl Iterator<Item = String> {
    overrides(tool, places).map(|own| {
        let points = [
            ("alias", own.alias.is_some()),
            ("title", own.title.is_some()),
            ("append_doc", own.append_doc.is_some()),
            ("hidden", own.hidden.is_some()),
        ];
        let said: Vec<&str> = points.into_iter().filter(|(_, said)| *said).map(|(point, _)| point).collect();
        format!("{} ({})", own.setting, said.join(", "))
    })
}

fn as_json(tool: &Tool, places: &Places) -> Value {
    let spec = &tool.spec;
    let python = spec.target.python();
    // Only the runner knows what a tool there needs.
    let (function, is_async) = match &spec.target {
        Target::Python(python) => (Some(&python.function), Some(python.is_async)),
        Target::Program(_) => (Some(&spec.command), Some(false)),
        Target::File(_) | Target::Remote { .. } | Target::Native { .. } => (None, None),
    };
    json!({
        "name": tool.name(),
        "alias": overrides(tool, places).find_map(|own| own.alias.as_ref()).map(|alias| &alias.value),
        "hidden": is_hidden(tool, places),
        "tool": listing(tool),
        "skill": spec.skill,
        "file": tool.origin.file,
        "line": tool.origin.line,
        "function": function,
        "async": is_async,
        "executor": spec.executor.name(),
        "timeout_ms": spec.limits.timeout_ms,
        "idle_timeout_ms": spec.limits.idle_timeout_ms,
        "inject": python.map_or(&[][..], |python| &python.inject),
        "requirements": spec.target.requirements(),
        "category": tool.category,
        "tags": tool.tags,
        "version": tool.version,
    })
}

fn listing(tool: &Tool) -> Value {
    serde_json::from_slice(&tool.listing).unwrap_or_default()
}

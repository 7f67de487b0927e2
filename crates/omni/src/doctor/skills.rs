//! What is wrong with the skills: what the catalogue found, what only this machine can tell, and what comes of loading.

use anyhow::Result;
use omni_call::shown_path;
use omni_catalog::{CatalogKind, Diagnostic, Snapshot};

use super::checks::Checks;
use super::cut_texts;
use super::finding::{Finding, Section};
use super::load;
use super::options::DoctorOptions;
use crate::python::Python;
use crate::settings::{Places, RunSettings};
use crate::text::{self, plural};
use crate::{environments, executors};

/// By file and line. Reads every skill again.
///
/// # Errors
///
/// When skills that nobody trusts shall be loaded.
pub(super) fn examine(
    options: &DoctorOptions,
    places: &Places,
    settings: &RunSettings,
    snapshot: &Snapshot,
    python: Option<&Python>,
) -> Result<Section> {
    let found = diagnostics(options, places, settings, snapshot, python)?;
    let placed = found.into_iter().map(|found| {
        let shown = shown_path(&places.shown(&found.file));
        Finding::placed(found, shown)
    });
    Ok(Section::of(placed.collect()))
}

fn diagnostics(
    options: &DoctorOptions,
    places: &Places,
    settings: &RunSettings,
    snapshot: &Snapshot,
    python: Option<&Python>,
) -> Result<Vec<Diagnostic>> {
    let mut found = snapshot.diagnostics().to_vec();
    if places.folders().is_empty() {
        return Ok(found);
    }
    let environments = match python.is_some() && environments::any(snapshot, places) {
        true => Some(executors::environments(places, settings, false)?),
        false => None,
    };
    let environments = environments.as_ref();
    let checks =
        Checks { snapshot, places, python, environments, settings_file: options.settings_file.as_deref() };
    found.extend(checks.findings());
    found.extend(cut_texts::diagnostics(places, snapshot));
    if let Some(python) = python.filter(|_| options.load) {
        found.extend(load::findings(snapshot, places, python, environments)?);
    }
    found.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Ok(found)
}

/// How many there are, and whether they were loaded.
pub(super) fn summary(loaded: bool, places: &Places, snapshot: &Snapshot) -> Section {
    let (skills, tools) = (plural(snapshot.skills().len(), "skill"), plural(snapshot.tool_count(), "tool"));
    let items = text::items(snapshot);
    let mut findings = Vec::new();
    if loaded {
        let text = format!("what can be loaded of {skills}, and compared with what was read");
        findings.push(Finding::fact("loaded", text));
    }
    let what = match (snapshot.tool_count(), items) {
        (0, None) => tools,
        (0, Some(items)) => format!("{skills} with {items}"),
        (_, None) => format!("{skills} with {tools}"),
        (_, Some(items)) => format!("{skills} with {tools}, {items}"),
    };
    findings.push(Finding::fact("skills", format!("{what} in {}", places.source())));
    Section::of(findings)
        .with("skills_dir", places.skills_json())
        .with("skills", snapshot.skills().len())
        .with("tools", snapshot.tool_count())
        .with("resources", snapshot.item_count(CatalogKind::Resources))
        .with("resource_templates", snapshot.item_count(CatalogKind::Templates))
        .with("prompts", snapshot.item_count(CatalogKind::Prompts))
}

//! `omni doctor`: everything that is wrong with the skills or with this machine, and what to do about it.

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use omni_catalog::{Catalog, Diagnostic, Severity};
use serde_json::{Value, json};

use crate::args::{DoctorArguments, RunArguments};
use crate::environments::{self, Report};
use crate::python::{self, Python, Refusal, Tried};
use crate::reading::{self, Counts, join, plural};
use crate::runner::{self, RunnerSettings};
use crate::settings::{Places, RunSettings};
use crate::{assets, executors, mcp};

/// Prints every finding in the style of a compiler. Exits with 1 only under `--strict`, for any warning
/// or error.
pub(crate) fn run(arguments: &DoctorArguments, out: &mut dyn Write) -> Result<u8> {
    let (places, catalog) = reading::open(&arguments.read.place)?;
    if places.lister().is_none() {
        catalog.refresh()?;
    }
    let runner = places.runner.as_ref().map(|settings| ask(settings, places.lister().map(|_| &catalog)));
    let snapshot = catalog.snapshot();
    let chosen = RunArguments { python: arguments.python.clone(), ..RunArguments::default() };
    let settings = RunSettings::resolve(&chosen, &places.file)?;
    let python = python::find(settings.python.as_deref(), &places.cache);
    let embedding = python.as_ref().ok().map(|python| embedding(python, &places));
    let mut counts = Counts::of(&snapshot);
    for _ in [python.is_err(), runner.as_ref().is_some_and(Result::is_err)].iter().filter(|fails| **fails) {
        counts.add(Severity::Error);
    }
    let wanted = python.is_ok() && environments::any(&snapshot, &places);
    let environments = if wanted {
        let environments = executors::environments(&places, &settings)?;
        Some(Report::of(&snapshot, &environments, &places.skills))
    } else {
        None
    };
    environments.iter().for_each(|report| report.count(&mut counts));
    if arguments.read.json {
        let report = json!({
            "python": python.as_ref().ok(),
            "python_error": python.as_ref().err().map(|error| format!("{error:#}")),
            "embedding": embedding.as_ref().and_then(|tried| tried.as_ref().ok()),
            "embedding_error": embedding.as_ref().and_then(|tried| tried.as_ref().err()),
            "runner": runner.as_ref().and_then(|asked| asked.as_ref().ok()),
            "runner_error": runner.as_ref().and_then(|asked| asked.as_ref().err()),
            "skills_dir": places.skills,
            "skills": snapshot.skills().len(),
            "tools": snapshot.tool_count(),
            "environments": environments.as_ref().map(Report::json),
            "diagnostics": snapshot.diagnostics(),
            "counts": counts,
        });
        writeln!(out, "{report}")?;
    } else {
        for finding in snapshot.diagnostics() {
            let file = match places.lister() {
                Some(_) => finding.file.clone(),
                None => reading::shown(&places.skills, &finding.file).display().to_string(),
            };
            writeln!(out, "{}\n", Diagnostic { file, ..finding.clone() })?;
        }
        match &python {
            Ok(python) => writeln!(out, "python  {} ({})", python.version, python.executable.display())?,
            Err(error) => {
                writeln!(out, "error[no-python]: {error:#}\n  = help: tools are listed, but none can run\n")?
            }
        }
        match &embedding {
            Some(Ok(tried)) => writeln!(
                out,
                "embedding works with {}: ready after {:.0} ms, {} MiB",
                tried.library.display(),
                tried.ready_ms,
                tried.rss_kib / 1024
            )?,
            Some(Err(Refusal { message, hint })) => {
                writeln!(out, "embedding does not work: {message}\n  = help: {hint}")?
            }
            None => {}
        }
        match (&runner, &places.runner) {
            (Some(Ok(health)), Some(settings)) => {
                writeln!(out, "runner  {} says: {}", settings.address, health["status"])?
            }
            (Some(Err(why)), _) => writeln!(
                out,
                "error[runner]: {why}\n  = help: tools are listed as they were last known; the runner's can not run\n"
            )?,
            _ => {}
        }
        let (skills, tools) =
            (plural(snapshot.skills().len(), "skill"), plural(snapshot.tool_count(), "tool"));
        writeln!(out, "skills  {skills} with {tools} in {}", places.source())?;
        if let Some(report) = &environments {
            report.write(out)?;
        }
        writeln!(out, "{}", verdict(counts))?;
    }
    Ok(u8::from(arguments.strict && counts.errors + counts.warnings > 0))
}

/// What a runner says of its health; then its list of tools is taken up, where that is the one in use.
fn ask(settings: &RunnerSettings, lists: Option<&Arc<Catalog>>) -> Result<Value, String> {
    let runner = settings.connect();
    let asked = async {
        let health = runner.health().await?;
        if let Some(catalog) = lists {
            runner::look(&runner, catalog).await?;
        }
        Ok(serde_json::from_slice(&health)?)
    };
    let asked = mcp::runtime().and_then(|runtime| runtime.block_on(asked));
    asked.map_err(|error: anyhow::Error| format!("{error:#}"))
}

/// Whether this Python runs inside omni. Nobody has to have that, so it is no finding.
fn embedding(python: &Python, places: &Places) -> Result<Tried, Refusal> {
    let package = assets::python_package(&places.cache).map_err(|error| Refusal {
        message: format!("{error:#}"),
        hint: "name a folder that can be written with `--cache-dir`".into(),
    })?;
    python::embedding(python, &package, &places.cache)
}

fn verdict(counts: Counts) -> String {
    let Counts { errors, warnings, notes } = counts;
    let parts = [plural(errors, "error"), plural(warnings, "warning"), plural(notes, "note")];
    match join(&parts) {
        found if found.is_empty() => "nothing to report".to_owned(),
        found => format!("found   {found}"),
    }
}

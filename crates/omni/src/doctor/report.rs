//! What `omni doctor` knows: the skills and this machine, looked at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use omni_call::Trust;
use omni_catalog::{Diagnostic, Severity, Snapshot};
use omni_exec::ForkBorders;
use omni_process::{Isolation, namespaces};
use serde_json::{Value, json};

use super::checks::Checks;
use super::load;
use crate::environments::{self, Report};
use crate::executors::LAUNCHER;
use crate::protected::{self, WithinRoot};
use crate::python::{self, Python, Refusal, Tried};
use crate::reading::Counts;
use crate::runner::Health;
use crate::settings::{Places, RunSettings, SkillsPlace, Sources};
use crate::{assets, executors, mcp};

/// What was found. Looking at it anew takes seconds: Python is started, and every skill is read.
pub(crate) struct Examination<'a> {
    pub(super) places: &'a Places,
    pub(super) settings: &'a RunSettings,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) python: Result<Python>,
    pub(super) embedding: Option<Result<Tried, Refusal>>,
    pub(super) isolation: Result<(), &'static str>,
    pub(super) fork: Option<Result<ForkBorders>>,
    pub(super) runner: Option<Result<Health, String>>,
    /// By file and line.
    pub(super) findings: Vec<Diagnostic>,
    pub(super) environments: Option<Report>,
    pub(super) within_root: WithinRoot,
    pub(super) counts: Counts,
}

/// How closely to look.
#[derive(Default)]
pub(crate) struct Look {
    /// Loads the skills, which runs their files.
    pub(super) load: bool,
    /// The settings file that `[skills.…]` stands in, most likely.
    pub(super) settings_file: Option<PathBuf>,
}

impl<'a> Examination<'a> {
    /// Looks at the skills, as they are in their folders now, and at this machine. Blocks, and runs nothing of a skill
    /// unless it shall be loaded.
    ///
    /// # Errors
    ///
    /// When the skills cannot be read, or skills that nobody trusts shall be loaded.
    pub(crate) fn of(
        places: &'a Places,
        settings: &'a RunSettings,
        sources: &Sources,
        look: &Look,
    ) -> Result<Self> {
        sources.catalog.refresh()?;
        let runner = places.runner.as_ref().map(|settings| {
            let asked = mcp::runtime().and_then(|runtime| runtime.block_on(Health::ask(settings, sources)));
            asked.map_err(|error| format!("{error:#}"))
        });
        let snapshot = sources.catalog.snapshot();
        let python = python::find(settings.python.as_ref(), &places.cache);
        let embedding = python.as_ref().ok().map(|python| embedding(python, places));
        let isolation = isolation(settings.isolation);
        let fork = python.is_ok().then(|| executors::fork_borders(places, settings));
        let findings = findings(look, places, settings, &snapshot, python.as_ref().ok())?;
        let served: Vec<PathBuf> = places.folders().iter().map(SkillsPlace::served).collect();
        let wanted = python.is_ok() && environments::any(&snapshot, places);
        let environments = if wanted {
            let environments = executors::environments(places, settings, false)?;
            Some(Report::of(&snapshot, &environments, &served))
        } else {
            None
        };
        let mut obeyed = places.protected.clone();
        if let Ok(python) = &python {
            let uv = environments::uv(&settings.environments).ok().flatten();
            obeyed.extend(protected::of_python(python, uv.as_deref()));
        }
        let within_root = WithinRoot::of(&obeyed, &places.root, &served);
        let mut examination = Examination {
            places,
            settings,
            snapshot,
            python,
            embedding,
            isolation,
            fork,
            runner,
            findings,
            environments,
            within_root,
            counts: Counts::default(),
        };
        examination.count();
        Ok(examination)
    }

    fn count(&mut self) {
        let mut counts = Counts::default();
        self.findings.iter().for_each(|finding| counts.add(finding.severity));
        self.places.standing.findings().iter().for_each(|(severity, ..)| counts.add(*severity));
        if self.python.is_err() {
            counts.add(Severity::Error);
        }
        match &self.runner {
            Some(Err(_)) => counts.add(Severity::Error),
            Some(Ok(health)) => {
                health.lacks.iter().for_each(|_| counts.add(Severity::Error));
                health.differs.iter().for_each(|_| counts.add(Severity::Warning));
            }
            None => {}
        }
        self.environments.iter().for_each(|report| report.count(&mut counts));
        self.within_root.count(&mut counts);
        self.counts = counts;
    }

    /// All of it, as `omni doctor --json` prints it.
    pub(crate) fn json(&self) -> Value {
        json!({
            "python": self.python.as_ref().ok(),
            "python_error": self.python.as_ref().err().map(|error| format!("{error:#}")),
            "embedding": self.embedding.as_ref().and_then(|tried| tried.as_ref().ok()),
            "embedding_error": self.embedding.as_ref().and_then(|tried| tried.as_ref().err()),
            "runner": self.runner.as_ref().and_then(|asked| asked.as_ref().ok()),
            "runner_error": self.runner.as_ref().and_then(|asked| asked.as_ref().err()),
            "trust": self.places.standing.json(),
            "isolation": if self.isolation.is_ok() { "namespaces" } else { "none" },
            "isolation_reason": self.isolation.as_ref().err(),
            "fork_isolation": self.fork.as_ref().map(|found| match found {
                Ok(ForkBorders { reason: None, .. }) => "namespaces",
                Ok(ForkBorders { hides: true, .. }) => "hidden memory",
                Ok(_) | Err(_) => "none",
            }),
            "fork_isolation_reason": self.fork.as_ref().and_then(|found| match found {
                Ok(borders) => borders.reason.clone(),
                Err(error) => Some(format!("{error:#}")),
            }),
            "no_new_privileges": self.settings.isolation == Isolation::Auto,
            "own_processes": self.own_processes(),
            "root": self.places.root,
            "protected_within_root": self.within_root.json(),
            "skills_dir": self.places.skills_json(),
            "skills": self.snapshot.skills().len(),
            "tools": self.snapshot.tool_count(),
            "environments": self.environments.as_ref().map(Report::json),
            "diagnostics": self.findings,
            "counts": self.counts,
        })
    }

    /// The skills that share no process with others.
    pub(super) fn own_processes(&self) -> Vec<&str> {
        let own = self.snapshot.skills().iter().filter(|skill| skill.trust == Trust::Own);
        own.map(|skill| skill.folder.as_str()).collect()
    }
}

/// What the catalogue found, what only this machine can tell, and what comes of loading, by file and line.
fn findings(
    look: &Look,
    places: &Places,
    settings: &RunSettings,
    snapshot: &Snapshot,
    python: Option<&Python>,
) -> Result<Vec<Diagnostic>> {
    let mut findings = snapshot.diagnostics().to_vec();
    if places.folders().is_empty() {
        return Ok(findings);
    }
    let environments = match python.is_some() && environments::any(snapshot, places) {
        true => Some(executors::environments(places, settings, false)?),
        false => None,
    };
    let environments = environments.as_ref();
    let checks =
        Checks { snapshot, places, python, environments, settings_file: look.settings_file.as_deref() };
    findings.extend(checks.findings());
    if let Some(python) = python.filter(|_| look.load) {
        findings.extend(load::findings(snapshot, places, python, environments)?);
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Ok(findings)
}

/// Whether tools get process-id namespaces; the error says why not. Many machines have none, so it is no finding.
fn isolation(wanted: Isolation) -> Result<(), &'static str> {
    match wanted {
        Isolation::None => Err("`isolation` is `none`"),
        Isolation::Auto => namespaces(Path::new(LAUNCHER)),
    }
}

/// Whether this Python runs inside omni. Nobody has to have that, so it is no finding.
fn embedding(python: &Python, places: &Places) -> Result<Tried, Refusal> {
    let package = assets::python_package(&places.cache).map_err(|error| Refusal {
        message: format!("{error:#}"),
        hint: "name a folder that can be written with `--cache-dir`".into(),
    })?;
    python::embedding(python, &package, &places.cache)
}

//! The environments that skills need: which are made, which cannot be, and which nobody needs any more.

use std::path::PathBuf;

use anyhow::Result;
use omni_catalog::Snapshot;
use omni_environments::{Environments, StoredEnvironment, last_failure, stored_environments};
use serde_json::{Value, json};

use super::finding::{Finding, Level, Section};
use crate::environments::{self, Wanted, stale, wanted};
use crate::executors;
use crate::settings::{Places, RunSettings, SkillsFolder};
use crate::text::{plural, size};
use omni_call::shown_path;

/// Looks at everything where there is a Python and a skill that needs something, and makes nothing.
///
/// # Errors
///
/// When the folder of environments, or the installer that the settings name, cannot be used.
pub(super) fn examine(
    has_python: bool,
    places: &Places,
    settings: &RunSettings,
    snapshot: &Snapshot,
) -> Result<Section> {
    if !has_python || !environments::any(snapshot, places) {
        return Ok(Section::default().with("environments", Value::Null));
    }
    let environments = executors::environments(places, settings, false)?;
    let served: Vec<PathBuf> = places.folders().iter().map(SkillsFolder::served).collect();
    let report = Report::of(snapshot, &environments, &served);
    Ok(Section::of(report.findings()).with("environments", report.json()))
}

/// The environments that skills want, as they are, and those that nobody wants.
struct Report {
    installer: String,
    lines: Vec<EnvironmentLine>,
    stale: usize,
    stale_bytes: u64,
}

struct EnvironmentLine {
    wanted: Wanted,
    state: EnvironmentState,
}

enum EnvironmentState {
    Ready {
        stored: Box<StoredEnvironment>,
        bytes: u64,
    },
    NotMade,
    /// It could not be made the last time, or cannot be.
    Wrong {
        message: String,
        help: String,
    },
}

impl Report {
    /// Looks at everything, and makes nothing.
    fn of(snapshot: &Snapshot, environments: &Environments, skills: &[PathBuf]) -> Report {
        let folder = environments.folder();
        let wanted = wanted(snapshot, environments);
        let unwanted = stale(stored_environments(folder), &wanted, skills);
        let mut stored: Vec<StoredEnvironment> = stored_environments(folder);
        let lines = wanted.into_iter().map(|wanted| {
            let here = stored.iter().position(|stored| stored.name == wanted.name && stored.made.is_some());
            let state = match here.map(|at| stored.swap_remove(at)) {
                Some(stored) => EnvironmentState::Ready { bytes: stored.bytes(), stored: Box::new(stored) },
                None => not_ready(environments, &wanted),
            };
            EnvironmentLine { wanted, state }
        });
        Report {
            installer: environments.installer(),
            lines: lines.collect(),
            stale: unwanted.len(),
            stale_bytes: unwanted.iter().map(StoredEnvironment::bytes).sum(),
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.lines.iter().map(EnvironmentLine::finding).collect();
        if !self.lines.is_empty() {
            findings.push(Finding::fact("installed", format!("by {}", self.installer)));
        }
        if self.stale > 0 {
            let text = format!(
                "{} ({}) that no skill here needs: `omni sync --prune` removes what is not in use",
                plural(self.stale, "environment"),
                size(self.stale_bytes)
            );
            findings.push(Finding::fact("unused", text));
        }
        findings
    }

    fn json(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(EnvironmentLine::json).collect();
        json!({
            "installer": self.installer,
            "needed": lines,
            "unneeded": { "count": self.stale, "bytes": self.stale_bytes },
        })
    }
}

fn not_ready(environments: &Environments, wanted: &Wanted) -> EnvironmentState {
    if let Some(error) = environments.obstacle(&wanted.requirements, &wanted.skill_dir) {
        return EnvironmentState::Wrong { message: error.message, help: error.hint };
    }
    match last_failure(environments.folder(), &wanted.name) {
        Some((log, reason)) => EnvironmentState::Wrong {
            message: format!("it could not be made the last time: {reason}"),
            help: format!("the whole output is in {}; `omni sync` tries again", shown_path(&log)),
        },
        None => EnvironmentState::NotMade,
    }
}

impl EnvironmentLine {
    fn finding(&self) -> Finding {
        let who = self.wanted.skills.join(", ");
        match &self.state {
            EnvironmentState::Ready { stored, bytes } => {
                let made = stored.made.as_ref();
                let (python, packages) =
                    made.map_or(("", 0), |made| (made.python.as_str(), made.installed.len()));
                let (packages, size) = (plural(packages, "package"), size(*bytes));
                let path = shown_path(&stored.path);
                Finding::fact(
                    "environment",
                    format!("of {who}: ready, Python {python}, {packages}, {size} ({path})"),
                )
            }
            EnvironmentState::NotMade => Finding::fact(
                "environment",
                format!("of {who}: not made yet; a call or `omni sync` makes it"),
            ),
            EnvironmentState::Wrong { message, help } => {
                Finding::new(Level::Warning, "environment", format!("of {who}: {message}")).hint(help)
            }
        }
    }

    fn json(&self) -> Value {
        let Wanted { name, skills, requirements, .. } = &self.wanted;
        let mut value = json!({ "name": name, "skills": skills, "requirements": requirements });
        match &self.state {
            EnvironmentState::Ready { stored, bytes } => {
                value["state"] = "ready".into();
                value["path"] = stored.path.to_string_lossy().into();
                value["bytes"] = (*bytes).into();
                value["python"] = stored.made.as_ref().map(|made| made.python.clone()).into();
                value["installed"] = stored.made.as_ref().map(|made| made.installed.clone()).into();
            }
            EnvironmentState::NotMade => value["state"] = "not_made".into(),
            EnvironmentState::Wrong { message, help } => {
                value["state"] = "wrong".into();
                value["message"] = message.as_str().into();
                value["help"] = help.as_str().into();
            }
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use omni_call::{Requirements, RequirementsSource};

    use super::*;

    #[test]
    fn an_environment_that_cannot_be_made_is_a_warning_and_one_that_is_not_made_yet_none() {
        let line = |skill: &str, state| EnvironmentLine {
            wanted: Wanted {
                name: "e".into(),
                skills: vec![skill.to_owned()],
                requirements: Requirements {
                    key: "e".into(),
                    source: RequirementsSource::Pyproject,
                    file: "pyproject.toml".into(),
                    python: None,
                    dependencies: Vec::new(),
                    locked: None,
                },
                skill_dir: PathBuf::new(),
            },
            state,
        };
        let wrong = EnvironmentState::Wrong { message: "no index".into(), help: "name one".into() };
        let report = Report {
            installer: "uv 1".into(),
            lines: vec![line("a", EnvironmentState::NotMade), line("b", wrong)],
            stale: 2,
            stale_bytes: 3_000_000,
        };
        let said: Vec<_> = report
            .findings()
            .into_iter()
            .map(|found| (found.level, found.what, found.text, found.hint))
            .collect();
        let fact = |what: &str, text: &str| (Level::Fact, what.to_owned(), text.to_owned(), None);
        assert_eq!(
            said,
            [
                fact("environment", "of a: not made yet; a call or `omni sync` makes it"),
                (Level::Warning, "environment".into(), "of b: no index".into(), Some("name one".into())),
                fact("installed", "by uv 1"),
                fact(
                    "unused",
                    "2 environments (3 MB) that no skill here needs: `omni sync --prune` removes what is not in use"
                ),
            ]
        );
    }
}

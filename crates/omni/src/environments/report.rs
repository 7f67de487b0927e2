//! What `omni doctor` says about environments.

use std::io::{self, Write};
use std::path::PathBuf;

use omni_catalog::{Severity, Snapshot};
use omni_exec::{Environments, Stored, last_failure, stored_environments};
use serde_json::{Value, json};

use super::{Wanted, stale, wanted};
use crate::reading::{Counts, plural, size};
use omni_call::shown_path;

/// The environments that skills want, as they are, and those that nobody wants.
pub(crate) struct Report {
    installer: String,
    lines: Vec<Line>,
    stale: usize,
    stale_bytes: u64,
}

struct Line {
    wanted: Wanted,
    state: State,
}

enum State {
    Ready {
        stored: Box<Stored>,
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
    pub(crate) fn of(snapshot: &Snapshot, environments: &Environments, skills: &[PathBuf]) -> Report {
        let folder = environments.folder();
        let wanted = wanted(snapshot, environments);
        let unwanted = stale(stored_environments(folder), &wanted, skills);
        let mut stored: Vec<Stored> = stored_environments(folder);
        let lines = wanted.into_iter().map(|wanted| {
            let here = stored.iter().position(|stored| stored.name == wanted.name && stored.made.is_some());
            let state = match here.map(|at| stored.swap_remove(at)) {
                Some(stored) => State::Ready { bytes: stored.bytes(), stored: Box::new(stored) },
                None => not_ready(environments, &wanted),
            };
            Line { wanted, state }
        });
        Report {
            installer: environments.installer(),
            lines: lines.collect(),
            stale: unwanted.len(),
            stale_bytes: unwanted.iter().map(Stored::bytes).sum(),
        }
    }

    pub(crate) fn count(&self, counts: &mut Counts) {
        for line in &self.lines {
            if matches!(line.state, State::Wrong { .. }) {
                counts.add(Severity::Warning);
            }
        }
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for Line { wanted, state } in &self.lines {
            let who = wanted.skills.join(", ");
            match state {
                State::Ready { stored, bytes } => {
                    let (python, packages) = stored
                        .made
                        .as_ref()
                        .map_or(("", 0), |made| (made.python.as_str(), made.installed.len()));
                    let (packages, size) = (plural(packages, "package"), size(*bytes));
                    writeln!(
                        out,
                        "environment of {who}: ready, Python {python}, {packages}, {size} ({})",
                        shown_path(&stored.path)
                    )?;
                }
                State::NotMade => {
                    writeln!(out, "environment of {who}: not made yet; a call or `omni sync` makes it")?;
                }
                State::Wrong { message, help } => {
                    writeln!(out, "warning[environment]: of {who}: {message}\n  = help: {help}\n")?;
                }
            }
        }
        if !self.lines.is_empty() {
            writeln!(out, "installed by {}", self.installer)?;
        }
        if self.stale > 0 {
            writeln!(
                out,
                "{} ({}) that no skill here needs: `omni sync --prune` removes what is not in use",
                plural(self.stale, "environment"),
                size(self.stale_bytes)
            )?;
        }
        Ok(())
    }

    pub(crate) fn json(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(Line::json).collect();
        json!({
            "installer": self.installer,
            "needed": lines,
            "unneeded": { "count": self.stale, "bytes": self.stale_bytes },
        })
    }
}

fn not_ready(environments: &Environments, wanted: &Wanted) -> State {
    if let Some(error) = environments.obstacle(&wanted.requirements, &wanted.skill_dir) {
        return State::Wrong { message: error.message, help: error.hint };
    }
    match last_failure(environments.folder(), &wanted.name) {
        Some((log, reason)) => State::Wrong {
            message: format!("it could not be made the last time: {reason}"),
            help: format!("the whole output is in {}; `omni sync` tries again", shown_path(&log)),
        },
        None => State::NotMade,
    }
}

impl Line {
    fn json(&self) -> Value {
        let Wanted { name, skills, requirements, .. } = &self.wanted;
        let mut value = json!({ "name": name, "skills": skills, "requirements": requirements });
        match &self.state {
            State::Ready { stored, bytes } => {
                value["state"] = "ready".into();
                value["path"] = stored.path.to_string_lossy().into();
                value["bytes"] = (*bytes).into();
                value["python"] = stored.made.as_ref().map(|made| made.python.clone()).into();
                value["installed"] = stored.made.as_ref().map(|made| made.installed.clone()).into();
            }
            State::NotMade => value["state"] = "not_made".into(),
            State::Wrong { message, help } => {
                value["state"] = "wrong".into();
                value["message"] = message.as_str().into();
                value["help"] = help.as_str().into();
            }
        }
        value
    }
}

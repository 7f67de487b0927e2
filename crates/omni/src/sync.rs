//! `omni sync`: brings the cached manifest up to date, or says whether it is, and makes the environments that
//! the skills need.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use omni_call::shown_path;
use omni_catalog::{Catalog, ChangeKind, ManifestChange, ManifestDiff};
use omni_environments::{Environments, stored_environments};
use serde_json::{Value, json};

use crate::args::{RunArguments, SyncArguments, WorkArguments};
use crate::environments::{self, Wanted};
use crate::progress_line::ProgressLine;
use crate::read_catalog;
use crate::settings::{Places, RunSettings, SkillsFolder, Sources};
use crate::terminal::{Output, say};
use crate::text::{self, plural, size};
use crate::{executors, process_setup};

/// Exits with 1 under `--check`, when the manifest is out of date, and when an environment cannot be made.
pub(crate) fn run(arguments: &SyncArguments, out: &mut Output) -> Result<u8> {
    let (places, Sources { catalog, .. }) = read_catalog::open(&arguments.read.place)?;
    if let Some(runner) = places.lister().filter(|_| places.folders().is_empty()) {
        bail!(
            "`omni sync` is about a folder of skills, and the tools here are those that the runner at `{}` lists; \
             name the folder with `--skills`, or say `--tools manifest`",
            runner.address
        );
    }
    let diff = catalog.diff()?;
    let only_look = arguments.check || arguments.dry_run;
    if !only_look {
        catalog.refresh()?;
    }
    if !arguments.read.json {
        report(&diff, only_look, &catalog, out)?;
    }
    let mut results = Vec::new();
    if !arguments.check {
        let as_text = !arguments.read.json;
        results = make_environments(arguments, &places, &catalog, |result| {
            if as_text { writeln!(out, "{}", result.text()) } else { Ok(()) }
        })?;
    }
    if arguments.read.json {
        let mut paths = catalog.manifest_paths();
        let path = if paths.len() == 1 { json!(paths.remove(0)) } else { json!(paths) };
        let environments: Vec<Value> = results.iter().map(EnvironmentResult::json).collect();
        out.json(&json!({
            "manifest": path,
            "written": !only_look && !diff.up_to_date,
            "plan": diff,
            "environments": environments,
        }))?;
    } else if !only_look {
        read_catalog::mention_findings(&catalog.snapshot());
    }
    let failed = results.iter().any(|result| matches!(result.what, EnvironmentChange::Failed { .. }));
    Ok(u8::from((arguments.check && !diff.up_to_date) || failed))
}

/// What was done about one environment.
struct EnvironmentResult {
    /// Its folder's name.
    name: String,
    skills: Vec<String>,
    what: EnvironmentChange,
}

enum EnvironmentChange {
    Present { packages: usize },
    Made { packages: usize, seconds: f64 },
    Missing,
    Failed { message: String, hint: String },
    Removed { bytes: u64 },
    InUse,
}

impl EnvironmentResult {
    fn text(&self) -> String {
        let who = self.skills.join(", ");
        match &self.what {
            EnvironmentChange::Present { packages } => {
                format!("environment of {who}: ready ({})", plural(*packages, "package"))
            }
            EnvironmentChange::Made { packages, seconds } => {
                format!("environment of {who}: made in {seconds:.1} s ({})", plural(*packages, "package"))
            }
            EnvironmentChange::Missing => format!("environment of {who}: to be made"),
            EnvironmentChange::Failed { message, hint } => {
                format!("environment of {who}: {message}\n  = help: {hint}")
            }
            EnvironmentChange::Removed { bytes } => {
                format!("environment {}: removed ({})", self.name, size(*bytes))
            }
            EnvironmentChange::InUse => format!("environment {}: in use, so it stays", self.name),
        }
    }

    fn json(&self) -> Value {
        let mut value = json!({ "name": self.name, "skills": self.skills });
        let (state, more) = match &self.what {
            EnvironmentChange::Present { packages } => ("ready", json!({ "packages": packages })),
            EnvironmentChange::Made { packages, seconds } => {
                ("made", json!({ "packages": packages, "seconds": seconds }))
            }
            EnvironmentChange::Missing => ("missing", json!({})),
            EnvironmentChange::Failed { message, hint } => {
                ("failed", json!({ "message": message, "hint": hint }))
            }
            EnvironmentChange::Removed { bytes } => ("removed", json!({ "bytes": bytes })),
            EnvironmentChange::InUse => ("in_use", json!({})),
        };
        value["state"] = state.into();
        for (key, member) in more.as_object().into_iter().flatten() {
            value[key] = member.clone();
        }
        value
    }
}

/// Makes what is missing, and removes what nobody needs where that was asked for. Python is looked for only
/// when there is something to make.
fn make_environments(
    arguments: &SyncArguments,
    places: &Places,
    catalog: &Catalog,
    mut tell: impl FnMut(&EnvironmentResult) -> std::io::Result<()>,
) -> Result<Vec<EnvironmentResult>> {
    let snapshot = catalog.snapshot();
    let any_stored = !stored_environments(&environments::folder(&places.cache)).is_empty();
    let anything = environments::any_required(&snapshot) || (arguments.prune && any_stored);
    if !anything {
        return Ok(Vec::new());
    }
    let work = WorkArguments { python: arguments.python.clone(), ..WorkArguments::default() };
    let chosen = RunArguments { work, ..RunArguments::default() };
    let settings = RunSettings::resolve(&chosen, &places.file)?;
    let environments = match executors::environments(places, &settings, arguments.allow_build) {
        Ok(environments) => environments,
        // Without a Python there is nothing to install for, and the manifest is as good as ever.
        Err(_) if !environments::any_dependency(&snapshot) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut results = Vec::new();
    let mut done = |result: EnvironmentResult, results: &mut Vec<EnvironmentResult>| {
        let told = tell(&result);
        results.push(result);
        told
    };
    let wanted = environments::wanted(&snapshot, &environments);
    let stored = stored_environments(&environments::folder(&places.cache));
    let mut maker = Maker { environments: &environments, runtime: process_setup::runtime()? };
    for one in &wanted {
        let here =
            stored.iter().find(|stored| stored.name == one.name).and_then(|stored| stored.made.as_ref());
        let what = match here {
            Some(made) => EnvironmentChange::Present { packages: made.installed.len() },
            None => match environments.obstacle(&one.requirements, &one.skill_dir) {
                Some(error) => EnvironmentChange::Failed { message: error.message, hint: error.hint },
                None if arguments.dry_run => EnvironmentChange::Missing,
                None => {
                    before_making(&environments, one);
                    maker.make(one)
                }
            },
        };
        done(EnvironmentResult { name: one.name.clone(), skills: one.skills.clone(), what }, &mut results)?;
    }
    if arguments.prune {
        let served: Vec<PathBuf> = places.folders().iter().map(SkillsFolder::served).collect();
        for stored in environments::stale(stored, &wanted, &served) {
            let bytes = stored.bytes();
            let what = if stored.remove()? {
                EnvironmentChange::Removed { bytes }
            } else {
                EnvironmentChange::InUse
            };
            done(EnvironmentResult { name: stored.name, skills: Vec::new(), what }, &mut results)?;
        }
    }
    Ok(results)
}

/// Says on stderr what is about to be run that the skills' authors chose.
fn before_making(environments: &Environments, wanted: &Wanted) {
    let who = wanted.skills.join(", ");
    for dependency in environments.own_sources(&wanted.requirements) {
        say(&format!("environment of {who}: takes `{dependency}`"));
    }
    if environments.may_build() && !wanted.requirements.dependencies.is_empty() {
        let text = "a package for which there is no wheel is built from source, which runs its code";
        say(&format!("environment of {who}: {text}"));
    }
}

struct Maker<'a> {
    environments: &'a Environments,
    runtime: tokio::runtime::Runtime,
}

impl Maker<'_> {
    /// Makes one environment and shows how far it is.
    fn make(&mut self, wanted: &Wanted) -> EnvironmentChange {
        let began = Instant::now();
        let mut line = ProgressLine::new();
        let who = wanted.skills.join(", ");
        let made = self.runtime.block_on(async {
            let making = self.environments.prepare(&wanted.requirements, &wanted.skill_dir, |progress| {
                line.show(progress.done, progress.total, &format!("{who}: {}", progress.text));
            });
            tokio::select! {
                made = making => made.map_err(|error| (error.message, error.hint)),
                _ = tokio::signal::ctrl_c() => {
                    self.environments.shut_down().await;
                    Err(("interrupted".to_owned(), "`omni sync` begins anew".to_owned()))
                }
            }
        });
        line.clear();
        match made {
            Ok(environment) => EnvironmentChange::Made {
                packages: environment.made.installed.len(),
                seconds: began.elapsed().as_secs_f64(),
            },
            Err((message, hint)) => EnvironmentChange::Failed { message, hint },
        }
    }
}

fn report(diff: &ManifestDiff, only_look: bool, catalog: &Catalog, out: &mut Output) -> Result<()> {
    let paths: Vec<String> = catalog.manifest_paths().iter().map(|path| shown_path(path)).collect();
    let path = paths.join(", ");
    if diff.up_to_date {
        writeln!(out, "up to date: {}", path)?;
        return Ok(());
    }
    changes("skill", &diff.skills, out)?;
    changes("tool", &diff.tools, out)?;
    changes("resource", &diff.resources, out)?;
    changes("resource template", &diff.templates, out)?;
    changes("prompt", &diff.prompts, out)?;
    if only_look {
        writeln!(out, "out of date: {}\n`omni sync` brings it up to date, and so does every start", path)?;
    } else {
        let snapshot = catalog.snapshot();
        let (skills, tools) =
            (plural(snapshot.skills().len(), "skill"), plural(snapshot.tool_count(), "tool"));
        let items = text::items(&snapshot).map(|items| format!(", {items}")).unwrap_or_default();
        writeln!(out, "written: {} ({skills}, {tools}{items})", path)?;
    }
    Ok(())
}

fn changes(what: &str, changes: &[ManifestChange], out: &mut Output) -> Result<()> {
    for ManifestChange { name, kind } in changes {
        let sign = match kind {
            ChangeKind::Added => '+',
            ChangeKind::Changed => '~',
            ChangeKind::Removed => '-',
        };
        writeln!(out, "{sign} {what} {name}")?;
    }
    Ok(())
}

//! `omni doctor`: everything that is wrong with the skills or with this machine, and what to do about it.

mod checks;
mod installed;
mod load;
mod programs;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use omni_call::{Trust, shown_line, shown_path};
use omni_catalog::{Diagnostic, Severity, Snapshot};
use omni_exec::{ForkBorders, Isolation, namespaces};
use serde_json::json;

use crate::args::{DoctorArguments, RunArguments, WorkArguments};
use crate::connect;
use crate::environments::{self, Report};
use crate::executors::LAUNCHER;
use crate::protected::{self, WithinRoot};
use crate::python::{self, Python, Refusal, Tried};
use crate::reading::{self, Counts, join, plural};
use crate::runner::Health;
use crate::settings::{Places, RunSettings, SHIPPED};
use crate::terminal::Output;
use crate::{assets, begin, executors, mcp, trust};
use checks::Checks;

/// What to do about a runner that does not fit what is listed here.
const SAME_FOLDER: &str = "let it serve this folder of skills, start it again after a change, or list its own tools \
                           with `--tools runner`";

/// Prints every finding in the style of a compiler. Exits with 1 only under `--strict`, for any warning
/// or error.
pub(crate) fn run(arguments: &DoctorArguments, out: &mut Output) -> Result<u8> {
    let (places, sources) = reading::open(&arguments.read.place)?;
    sources.catalog.refresh()?;
    let runner = places.runner.as_ref().map(|settings| {
        let asked = mcp::runtime().and_then(|runtime| runtime.block_on(Health::ask(settings, &sources)));
        asked.map_err(|error| format!("{error:#}"))
    });
    let snapshot = sources.catalog.snapshot();
    let work = WorkArguments { python: arguments.python.clone(), ..WorkArguments::default() };
    let chosen = RunArguments { work, ..RunArguments::default() };
    let settings = RunSettings::resolve(&chosen, &places.file)?;
    let python = python::find(settings.python.as_ref(), &places.cache);
    let embedding = python.as_ref().ok().map(|python| embedding(python, &places));
    let isolation = isolation(settings.isolation);
    let fork = python.is_ok().then(|| executors::fork_borders(&places, &settings));
    let findings = findings(arguments, &places, &settings, &snapshot, python.as_ref().ok())?;
    let mut counts = Counts::default();
    findings.iter().for_each(|finding| counts.add(finding.severity));
    let untrusted = places.standing.findings();
    untrusted.iter().for_each(|(severity, ..)| counts.add(*severity));
    if python.is_err() {
        counts.add(Severity::Error);
    }
    match &runner {
        Some(Err(_)) => counts.add(Severity::Error),
        Some(Ok(health)) => {
            health.lacks.iter().for_each(|_| counts.add(Severity::Error));
            health.differs.iter().for_each(|_| counts.add(Severity::Warning));
        }
        None => {}
    }
    let wanted = python.is_ok() && environments::any(&snapshot, &places);
    let environments = if wanted {
        let environments = executors::environments(&places, &settings, false)?;
        Some(Report::of(&snapshot, &environments, &places.skills))
    } else {
        None
    };
    environments.iter().for_each(|report| report.count(&mut counts));
    let mut obeyed = places.protected.clone();
    if let Ok(python) = &python {
        let uv = environments::uv(&settings.environments).ok().flatten();
        obeyed.extend(protected::of_python(python, uv.as_deref()));
    }
    let within_root = WithinRoot::of(&obeyed, &places.root, &places.served());
    within_root.count(&mut counts);
    if arguments.read.json {
        let report = json!({
            "python": python.as_ref().ok(),
            "python_error": python.as_ref().err().map(|error| format!("{error:#}")),
            "embedding": embedding.as_ref().and_then(|tried| tried.as_ref().ok()),
            "embedding_error": embedding.as_ref().and_then(|tried| tried.as_ref().err()),
            "runner": runner.as_ref().and_then(|asked| asked.as_ref().ok()),
            "runner_error": runner.as_ref().and_then(|asked| asked.as_ref().err()),
            "trust": places.standing.json(),
            "isolation": if isolation.is_ok() { "namespaces" } else { "none" },
            "isolation_reason": isolation.as_ref().err(),
            "fork_isolation": fork.as_ref().map(|found| match found {
                Ok(ForkBorders { reason: None, .. }) => "namespaces",
                Ok(ForkBorders { hides: true, .. }) => "hidden memory",
                Ok(_) | Err(_) => "none",
            }),
            "fork_isolation_reason": fork.as_ref().and_then(|found| match found {
                Ok(borders) => borders.reason.clone(),
                Err(error) => Some(format!("{error:#}")),
            }),
            "no_new_privileges": settings.isolation == Isolation::Auto,
            "own_processes": own_processes(&snapshot),
            "root": places.root,
            "protected_within_root": within_root.json(),
            "skills_dir": if places.standing.are_shipped() { SHIPPED.into() } else { places.served() },
            "skills": snapshot.skills().len(),
            "tools": snapshot.tool_count(),
            "environments": environments.as_ref().map(Report::json),
            "diagnostics": findings,
            "counts": counts,
        });
        out.json(&report)?;
    } else {
        for finding in &findings {
            let file = match places.lister() {
                Some(_) => finding.file.clone(),
                None => shown_path(&places.shown(&finding.file)),
            };
            writeln!(out, "{}\n", Diagnostic { file, ..finding.clone() })?;
        }
        for (severity, message, help) in &untrusted {
            let severity = if *severity == Severity::Note { "note" } else { "warning" };
            writeln!(out, "{severity}[trust]: {message}\n  = help: {help}\n")?;
        }
        match &python {
            Ok(python) => writeln!(out, "python  {} ({})", python.version, shown_path(&python.executable))?,
            Err(error) => {
                writeln!(out, "error[no-python]: {error:#}\n  = help: tools are listed, but none can run\n")?
            }
        }
        match &embedding {
            Some(Ok(tried)) => writeln!(
                out,
                "embedding works with {}: ready after {:.0} ms, {} MiB",
                shown_path(&tried.library),
                tried.ready_ms,
                tried.rss_kib / 1024
            )?,
            Some(Err(Refusal { message, hint })) => {
                writeln!(out, "embedding does not work: {message}\n  = help: {hint}")?
            }
            None => {}
        }
        match (&runner, &places.runner) {
            (Some(Ok(Health { said, lacks, differs })), Some(settings)) => {
                let address = &settings.address;
                for tool in lacks {
                    writeln!(
                        out,
                        "error[runner]: the runner at `{address}` has no tool `{tool}`\n  = help: {SAME_FOLDER}\n"
                    )?;
                }
                for tool in differs {
                    writeln!(
                        out,
                        "warning[runner]: the runner at `{address}` describes the arguments of `{tool}` in another \
                         way\n  = help: {SAME_FOLDER}\n"
                    )?;
                }
                writeln!(out, "runner  {address} says: {}", said["status"])?
            }
            (Some(Err(why)), _) => writeln!(
                out,
                "error[runner]: {why}\n  = help: tools are listed as they were last known; the runner's can not run\n"
            )?,
            _ => {}
        }
        match &isolation {
            Ok(()) => writeln!(out, "tools   run in process-id namespaces of their own")?,
            Err(reason) => writeln!(
                out,
                "tools   run without namespaces of their own: {reason}\n  = note: a tool can see and signal the \
                 server and other tools, and read their workers' memory; a daemon that has emptied its environment can \
                 outlive its call"
            )?,
        }
        if let Some(found) = &fork {
            write_fork(out, isolation.is_ok(), found)?;
        }
        if settings.isolation == Isolation::None {
            writeln!(
                out,
                "  = note: set-user-id programs that a tool starts (`sudo`) gain their owner's rights"
            )?;
        }
        let own = own_processes(&snapshot);
        if !own.is_empty() {
            let own: Vec<_> = own.iter().map(|skill| shown_line(skill)).collect();
            writeln!(out, "trust   processes of their own: {}", own.join(", "))?;
        }
        let others = places.file.http.lets_others_in().then_some("`http.allow_users`");
        writeln!(out, "errors  {}", connect::errors_for_the_doctor(settings.errors, others))?;
        let (skills, tools) =
            (plural(snapshot.skills().len(), "skill"), plural(snapshot.tool_count(), "tool"));
        within_root.write(&places.root, out)?;
        if arguments.load && python.is_ok() {
            writeln!(out, "loaded  what can be loaded of {skills}, and compared with what was read")?;
        }
        writeln!(out, "skills  {skills} with {tools} in {}", places.source())?;
        if let Some(report) = &environments {
            report.write(out)?;
        }
        writeln!(out, "{}", verdict(counts))?;
        if let Some(text) = begin::with_no_tools(&places, &snapshot) {
            writeln!(out, "\n{text}")?;
        }
    }
    Ok(u8::from(arguments.strict && counts.errors + counts.warnings > 0))
}

/// What the catalogue found, what only this machine can tell, and what comes of loading, by file and line.
fn findings(
    arguments: &DoctorArguments,
    places: &Places,
    settings: &RunSettings,
    snapshot: &Snapshot,
    python: Option<&Python>,
) -> Result<Vec<Diagnostic>> {
    let mut findings = snapshot.diagnostics().to_vec();
    if places.lister().is_some() {
        return Ok(findings);
    }
    let environments = match python.is_some() && environments::any(snapshot, places) {
        true => Some(executors::environments(places, settings, false)?),
        false => None,
    };
    let environments = environments.as_ref();
    let settings_file = settings_file(arguments);
    let checks = Checks { snapshot, places, python, environments, settings_file: settings_file.as_deref() };
    findings.extend(checks.findings());
    if let Some(python) = python.filter(|_| arguments.load) {
        findings.extend(load::findings(snapshot, places, python, environments)?);
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Ok(findings)
}

/// The settings file that `[skills.…]` stands in, most likely.
fn settings_file(arguments: &DoctorArguments) -> Option<PathBuf> {
    let named = arguments.read.place.config.clone();
    named
        .or_else(|| Some(PathBuf::from(trust::SETTINGS)))
        .and_then(|path| std::path::absolute(path).ok())
        .filter(|path| path.is_file())
}

/// What stands between calls of the executor `fork`.
fn write_fork(out: &mut dyn Write, namespaces: bool, found: &Result<ForkBorders>) -> Result<()> {
    match found {
        Ok(ForkBorders { reason: None, .. }) => {
            writeln!(out, "fork    gives each call a namespace of its own, and hides its memory")?;
        }
        Ok(ForkBorders { hides: true, reason }) => {
            writeln!(out, "fork    hides the memory of calls from each other, and ends what they leave")?;
            if let Some(reason) = reason.as_deref().filter(|_| namespaces) {
                writeln!(out, "  = note: calls can see and signal each other and their parent: {reason}")?;
            }
        }
        Ok(ForkBorders { hides: false, reason }) => {
            let reason = reason.as_deref().unwrap_or("for no reason that it says");
            writeln!(
                out,
                "fork    lets calls see, signal and read each other and their parent: {reason}\n  = help: use a Python \
                 with `ctypes`, or `executor: pool`"
            )?;
        }
        Err(error) => writeln!(out, "fork    does not start: {error:#}")?,
    }
    Ok(())
}

/// The skills that share no process with others.
fn own_processes(snapshot: &Snapshot) -> Vec<&str> {
    let own = snapshot.skills().iter().filter(|skill| skill.trust == Trust::Own);
    own.map(|skill| skill.folder.as_str()).collect()
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

fn verdict(counts: Counts) -> String {
    let Counts { errors, warnings, notes } = counts;
    let parts = [plural(errors, "error"), plural(warnings, "warning"), plural(notes, "note")];
    match join(&parts) {
        found if found.is_empty() => "nothing to report".to_owned(),
        found => format!("found   {found}"),
    }
}

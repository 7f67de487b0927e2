//! `omni doctor`: everything that is wrong with the skills or with this machine, and what to do about it.

mod checks;
mod installed;
mod load;
mod programs;
mod report;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use omni_call::{shown_line, shown_path};
use omni_catalog::{Diagnostic, Severity};
use omni_exec::ForkBorders;
use omni_process::Isolation;

use crate::args::{DoctorArguments, RunArguments, WorkArguments};
use crate::connect;
use crate::python::Refusal;
use crate::reading::{self, Counts, join, plural};
use crate::runner::Health;
use crate::settings::RunSettings;
use crate::terminal::Output;
use crate::{begin, trust};
pub(crate) use report::{Examination, Look};

/// What to do about a runner that does not fit what is listed here.
const SAME_FOLDER: &str = "let it serve this folder of skills, start it again after a change, or list its own tools \
                           with `--tools runner`";

/// Prints every finding in the style of a compiler. Exits with 1 only under `--strict`, for any warning
/// or error.
pub(crate) fn run(arguments: &DoctorArguments, out: &mut Output) -> Result<u8> {
    let (places, sources) = reading::open(&arguments.read.place)?;
    let work = WorkArguments { python: arguments.python.clone(), ..WorkArguments::default() };
    let chosen = RunArguments { work, ..RunArguments::default() };
    let settings = RunSettings::resolve(&chosen, &places.file)?;
    let look = Look { load: arguments.load, settings_file: settings_file(arguments) };
    let examination = Examination::of(&places, &settings, &sources, &look)?;
    if arguments.read.json {
        out.json(&examination.json())?;
    } else {
        write(&examination, arguments.load, out)?;
    }
    let counts = examination.counts;
    Ok(u8::from(arguments.strict && counts.errors + counts.warnings > 0))
}

/// Prints what was found for people; `load` says that the skills were loaded.
fn write(examination: &Examination<'_>, load: bool, out: &mut Output) -> Result<()> {
    let Examination {
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
        counts,
    } = examination;
    for finding in findings {
        let file = shown_path(&places.shown(&finding.file));
        writeln!(out, "{}\n", Diagnostic { file, ..finding.clone() })?;
    }
    for (severity, message, help) in &places.standing.findings() {
        let severity = if *severity == Severity::Note { "note" } else { "warning" };
        writeln!(out, "{severity}[trust]: {message}\n  = help: {help}\n")?;
    }
    match python {
        Ok(python) => writeln!(out, "python  {} ({})", python.version, shown_path(&python.executable))?,
        Err(error) => {
            writeln!(out, "error[no-python]: {error:#}\n  = help: tools are listed, but none can run\n")?
        }
    }
    match embedding {
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
    match (runner, &places.runner) {
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
    match isolation {
        Ok(()) => writeln!(out, "tools   run in process-id namespaces of their own")?,
        Err(reason) => writeln!(
            out,
            "tools   run without namespaces of their own: {reason}\n  = note: a tool can see and signal the \
             server and other tools, and read their workers' memory; a daemon that has emptied its environment can \
             outlive its call"
        )?,
    }
    if let Some(found) = fork {
        write_fork(out, isolation.is_ok(), found)?;
    }
    if settings.isolation == Isolation::None {
        writeln!(
            out,
            "  = note: set-user-id programs that a tool starts (`sudo`) gain their owner's rights"
        )?;
    }
    let own = examination.own_processes();
    if !own.is_empty() {
        let own: Vec<_> = own.iter().map(|skill| shown_line(skill)).collect();
        writeln!(out, "trust   processes of their own: {}", own.join(", "))?;
    }
    let others = places.file.http.lets_others_in().then_some("`http.allow_users`");
    writeln!(out, "errors  {}", connect::errors_for_the_doctor(settings.errors, others))?;
    let (skills, tools) = (plural(snapshot.skills().len(), "skill"), plural(snapshot.tool_count(), "tool"));
    within_root.write(&places.root, out)?;
    if load && python.is_ok() {
        writeln!(out, "loaded  what can be loaded of {skills}, and compared with what was read")?;
    }
    writeln!(out, "skills  {skills} with {tools} in {}", places.source())?;
    if let Some(report) = environments {
        report.write(out)?;
    }
    writeln!(out, "{}", verdict(*counts))?;
    if let Some(text) = begin::with_no_tools(places, snapshot) {
        writeln!(out, "\n{text}")?;
    }
    Ok(())
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

fn verdict(counts: Counts) -> String {
    let Counts { errors, warnings, notes } = counts;
    let parts = [plural(errors, "error"), plural(warnings, "warning"), plural(notes, "note")];
    match join(&parts) {
        found if found.is_empty() => "nothing to report".to_owned(),
        found => format!("found   {found}"),
    }
}

//! `omni doctor`: everything that is wrong with the skills or with this machine, and what to do about it.
//!
//! Each subject has a module that looks and gives [findings](finding::Finding); two printers show them, one for
//! [people] and one for [programs](json).

mod checks;
mod clients;
mod cut_texts;
mod environments;
mod examination;
mod finding;
mod installed;
mod isolation;
mod json;
mod load;
mod options;
mod people;
mod programs;
mod python;
mod root;
mod runner;
mod skills;
mod task_store;
mod trust;
mod watching;

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Result;

use crate::args::{DoctorArguments, RunArguments, WorkArguments};
use crate::read_catalog;
use crate::settings::RunSettings;
use crate::terminal::Output;
use crate::{getting_started, trust as store};
pub(crate) use examination::Examination;
pub(crate) use options::DoctorOptions;

/// Prints every finding in the style of a compiler. Exits with 1 only under `--strict`, for any warning
/// or error.
pub(crate) fn run(arguments: &DoctorArguments, out: &mut Output) -> Result<u8> {
    let (places, sources) = read_catalog::open(&arguments.read.place)?;
    let work = WorkArguments { python: arguments.python.clone(), ..WorkArguments::default() };
    let chosen = RunArguments { work, ..RunArguments::default() };
    let settings = RunSettings::resolve(&chosen, &places.file)?;
    let options = DoctorOptions { load: arguments.load, settings_file: settings_file(arguments) };
    let examination = Examination::of(&places, &settings, &sources, &options)?;
    if arguments.read.json {
        out.json(&examination.json())?;
    } else {
        let findings: Vec<_> = examination.findings().cloned().collect();
        people::print(&findings, out)?;
        if let Some(text) = getting_started::with_no_tools(&places, &examination.snapshot) {
            writeln!(out, "\n{text}")?;
        }
    }
    let counts = examination.counts();
    Ok(u8::from(arguments.strict && counts.errors + counts.warnings > 0))
}

/// The settings file that `[skills.…]` stands in, most likely.
fn settings_file(arguments: &DoctorArguments) -> Option<PathBuf> {
    let named = arguments.read.place.config.clone();
    named
        .or_else(|| Some(PathBuf::from(store::SETTINGS)))
        .and_then(|path| std::path::absolute(path).ok())
        .filter(|path| path.is_file())
}

/// One of each kind, for the tests of the printers.
#[cfg(test)]
fn samples() -> Vec<finding::Finding> {
    use finding::{Finding, Level};
    use omni_catalog::{Diagnostic, Severity};
    let diagnostic = Diagnostic {
        severity: Severity::Warning,
        skill: "a".into(),
        file: "a/scripts/a.py".into(),
        line: 3,
        column: 1,
        code: "missing-module".into(),
        message: "there is no module `yaml`".into(),
        help: Some("declare `pyyaml`".into()),
    };
    vec![
        Finding::placed(diagnostic, "skills/a/scripts/a.py".into()),
        Finding::new(Level::Note, "trust", "`./skills` is not trusted").hint("`omni trust` trusts it"),
        Finding::new(Level::Error, "no-python", "there is no `python3`").hint("install one"),
        Finding::fact("tools", "run in namespaces of their own").note("`sudo` gains rights"),
    ]
}

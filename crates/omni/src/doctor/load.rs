//! `omni doctor --load`: the skills as Python sees them when it loads them, against what was read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use omni_call::{FunctionKind, RunSpec};
use omni_catalog::{ArgumentCompletion, CatalogKind, Diagnostic, Origin, Severity, Skill, Snapshot};
use omni_environments::{Environments, stored_environments};
use serde::Deserialize;

use crate::assets;
use crate::python::{self, Python};
use crate::settings::Places;

/// What a process says of one skill that it has loaded.
#[derive(Debug, Deserialize)]
struct Loaded {
    folder: String,
    functions: Vec<Function>,
    /// File, line, severity, message.
    problems: Vec<(String, u32, String, String)>,
}

/// A tool, or what has a `kind`.
#[derive(Debug, Deserialize)]
struct Function {
    #[serde(default)]
    kind: FunctionKind,
    /// Of a tool.
    #[serde(default)]
    command: Option<String>,
    /// Of a resource or prompt.
    #[serde(default)]
    name: Option<String>,
    function: String,
    file: String,
    line: u32,
}

impl Function {
    /// What it is known by: completions have no name of their own.
    fn known_by(&self) -> &str {
        match self.kind {
            FunctionKind::Tool => self.command.as_deref(),
            FunctionKind::Resource | FunctionKind::Prompt => self.name.as_deref(),
            FunctionKind::Completion => None,
        }
        .unwrap_or(&self.function)
    }
}

/// A function as the list has it.
struct Listed {
    kind: FunctionKind,
    /// See [`Function::known_by`].
    known_by: String,
    /// What people call it.
    shown: String,
    file: String,
    /// Where it is written, as the catalogue says.
    origin: Origin,
}

/// Loads every skill in a process of its own, which is ended after 30 seconds, and says what differs.
///
/// # Errors
///
/// When nobody has trusted the skills: loading runs them.
pub(super) fn findings(
    snapshot: &Snapshot,
    places: &Places,
    python: &Python,
    environments: Option<&Environments>,
) -> Result<Vec<Diagnostic>> {
    if !places.settings_status.skills_trusted() {
        bail!(
            "`--load` runs the files of the skills, and `{}` is not trusted: `{}` first, or name the folder with `--skills`",
            omni_call::shown_path(places.own_skills()),
            places.settings_status.trust_skills()
        );
    }
    let package = assets::python_package(&places.cache)?;
    let mut findings = Vec::new();
    let mut by_interpreter: BTreeMap<(PathBuf, &Path), Vec<&Skill>> = BTreeMap::new();
    for skill in snapshot.skills() {
        // One that a runner lists is not here.
        let Some(folder) = skill.path.parent() else { continue };
        match interpreter(snapshot, &skill.folder, python, environments) {
            Some(interpreter) => by_interpreter.entry((interpreter, folder)).or_default().push(skill),
            None => findings.push(finding(
                Severity::Note,
                &skill.folder,
                (&places.file_of(skill, &skill.folder), 0),
                "not-loaded",
                "the skill is not loaded: its environment has not been made".to_owned(),
                "`omni sync` makes it",
            )),
        }
    }
    for ((interpreter, skills_dir), skills) in by_interpreter {
        let folders: Vec<String> = skills.iter().map(|skill| skill.folder.clone()).collect();
        let said = python::describe(&interpreter, &package, skills_dir, &folders)?;
        let loaded: Vec<Loaded> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        for skill in skills {
            let folder = &skill.folder;
            let file = |path: &str| places.file_of(skill, &format!("{folder}/{path}"));
            match loaded.iter().find(|loaded| loaded.folder == *folder) {
                Some(loaded) => compare(snapshot, loaded, &file, &mut findings),
                None => findings.push(finding(
                    Severity::Error,
                    folder,
                    (&file("scripts"), 0),
                    "load-failed",
                    "the process that loads the skill was ended by it".to_owned(),
                    "look for what ends or replaces the process when a file is imported",
                )),
            }
        }
    }
    Ok(findings)
}

/// The Python that a skill's tools run on; `None` when it has still to be made.
fn interpreter(
    snapshot: &Snapshot,
    skill: &str,
    python: &Python,
    environments: Option<&Environments>,
) -> Option<PathBuf> {
    let tools = snapshot.tools().filter(|tool| tool.spec.skill == skill);
    let needs = tools.filter_map(|tool| tool.spec.target.requirements().cloned()).next();
    let Some((environments, needs)) = environments.zip(needs).filter(|(all, needs)| all.wanted(needs)) else {
        return Some(python.executable.clone());
    };
    let name = environments.name(&needs);
    let stored = stored_environments(environments.folder());
    let made = stored.iter().find(|stored| stored.name == name && stored.made.is_some())?;
    Some(made.path.join("bin/python"))
}

/// What Python found of a skill, against what was read.
fn compare(
    snapshot: &Snapshot,
    loaded: &Loaded,
    place_of: &dyn Fn(&str) -> String,
    findings: &mut Vec<Diagnostic>,
) {
    let folder = &*loaded.folder;
    let failed: BTreeSet<&str> = loaded
        .problems
        .iter()
        .filter(|(_, _, severity, message)| severity == "error" && message.contains("tools are not listed"))
        .map(|(file, ..)| &**file)
        .collect();
    for (file, line, severity, message) in &loaded.problems {
        if severity == "error" {
            let help = "what is listed of this file fails when it is called; correct it as the message says";
            let place = (&*place_of(file), *line);
            // This list is made by reading, so what Python says of names in a list of its own does not apply.
            let message = message.replace("its tools are not listed", "none of its tools can run");
            findings.push(finding(Severity::Error, folder, place, "load-failed", message, help));
        }
    }
    let read = listed(snapshot, folder);
    let same = |one: &Listed, other: &Function| one.kind == other.kind && one.known_by == other.known_by();
    for function in &loaded.functions {
        if !read.iter().any(|listed| same(listed, function)) {
            let place = (&*place_of(&function.file), function.line);
            let (kind, name) = (function.kind.name(), function.known_by());
            let message = format!("Python sees a {kind} `{name}` that reading does not, so it is not listed");
            let help = format!(
                "write it as a function with `@{kind}` on the line above its `def`, at the top level of its file"
            );
            findings.push(finding(Severity::Error, folder, place, "only-loaded", message, &help));
        }
    }
    for listed in &read {
        let is_there = loaded.functions.iter().any(|function| same(listed, function));
        if !is_there && !failed.contains(&*listed.file) {
            let place = (&*listed.origin.file, listed.origin.line);
            let message =
                format!("{} is listed, but Python does not have it once the file is loaded", listed.shown);
            let help = "look for what removes or replaces the function when the file runs";
            findings.push(finding(Severity::Error, folder, place, "only-read", message, help));
        }
    }
}

/// The functions of a skill that are listed as something, and those that complete arguments of them.
fn listed(snapshot: &Snapshot, skill: &str) -> Vec<Listed> {
    let of = |spec: &RunSpec, origin: &Origin, shown: String| {
        let python = spec.target.python().filter(|_| spec.skill == skill)?;
        let known_by = match python.kind {
            FunctionKind::Completion => &python.function,
            FunctionKind::Tool | FunctionKind::Resource | FunctionKind::Prompt => &spec.command,
        };
        Some(Listed {
            kind: python.kind,
            known_by: known_by.clone(),
            shown,
            file: python.file.clone(),
            origin: origin.clone(),
        })
    };
    let mut all: Vec<Listed> = snapshot
        .tools()
        .filter_map(|tool| of(&tool.spec, &tool.origin, format!("`{}`", tool.spec.tool)))
        .collect();
    for kind in [CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts] {
        for item in snapshot.all_items(kind) {
            let (Some(spec), Some(origin)) = (&item.spec, &item.origin) else { continue };
            let name = if kind == CatalogKind::Prompts { item.name() } else { &item.key };
            all.extend(of(spec, origin, format!("`{name}`")));
            for (argument, how) in item.completions() {
                let ArgumentCompletion::Function(spec) = how else { continue };
                // Where it is written the list does not say, but of what it is.
                all.extend(of(spec, origin, format!("the completion of `{argument}` of `{name}`")));
            }
        }
    }
    all
}

fn finding(
    severity: Severity,
    skill: &str,
    (file, line): (&str, u32),
    code: &str,
    message: String,
    help: &str,
) -> Diagnostic {
    Diagnostic {
        severity,
        skill: skill.to_owned(),
        file: file.to_owned(),
        line,
        column: line.min(1),
        code: code.to_owned(),
        message,
        help: Some(help.to_owned()),
    }
}

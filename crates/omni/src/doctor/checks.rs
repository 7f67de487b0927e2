//! What only this machine can tell of the skills: whether its Python runs them and has what they import, whether their
//! programs are there, and whether `omni.toml` speaks of skills that exist.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use omni_call::{PythonRange, Requirements, shown_path};
use omni_catalog::{Diagnostic, Severity, Skill, Snapshot, SourceFile, Tool, closest, sources};
use omni_environments::{Environments, stored_environments};
use omni_scan::{Need, Source};

use super::installed::{Installed, declares, package_of};
use super::programs;
use crate::python::Python;
use crate::settings::Places;

/// The newest minor version that is tried for a skill that does not run on the chosen Python.
const MINOR_FAR: u32 = 20;

/// What the checks look at.
pub(super) struct Checks<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) places: &'a Places,
    pub(super) python: Option<&'a Python>,
    pub(super) environments: Option<&'a Environments>,
    pub(super) settings_file: Option<&'a Path>,
}

impl Checks<'_> {
    /// Reads every skill's sources again, and lists the folders of installed packages: seconds for thousands of skills.
    pub(super) fn findings(&self) -> Vec<Diagnostic> {
        let mut tools: BTreeMap<String, Vec<Arc<Tool>>> = BTreeMap::new();
        for tool in self.snapshot.tools() {
            tools.entry(tool.spec.skill.clone()).or_default().push(tool);
        }
        let mut findings = self.settings();
        let mut installed = self.python.map(|python| Installed::of(&python.folders));
        for (skill, tools) in &tools {
            for tool in tools {
                findings.extend(programs::missing(skill, tool));
            }
            if let (Some(python), Some(installed)) = (self.python, installed.as_mut()) {
                let Some(skill) = self.snapshot.skills().iter().find(|known| known.folder == *skill) else {
                    continue;
                };
                let Some(folder) = skill.path.parent() else { continue };
                let read = sources(folder, &skill.folder);
                findings.extend(
                    SkillCheck { checks: self, python, skill, tools, read: &read }.findings(installed),
                );
            }
        }
        findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        findings
    }

    /// `[skills.…]` of a skill that is not there.
    fn settings(&self) -> Vec<Diagnostic> {
        let folders: Vec<&str> = self.snapshot.skills().iter().map(|skill| skill.folder.as_str()).collect();
        let unknown = self.places.file.skills.keys().filter(|name| !folders.contains(&name.as_str()));
        let text = self.settings_file.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        unknown
            .map(|name| {
                let heads = [format!("[skills.{name}"), format!("[skills.\"{name}\"")];
                let line = text
                    .lines()
                    .position(|line| heads.iter().any(|head| line.trim_start().starts_with(head)));
                let line = line.and_then(|at| u32::try_from(at + 1).ok()).unwrap_or(0);
                let help = match closest(name, folders.iter().copied()) {
                    Some(near) => format!("did you mean `[skills.{near}]`?"),
                    None => format!("the skills are {}", listed(&folders)),
                };
                Diagnostic {
                    severity: Severity::Warning,
                    skill: String::new(),
                    file: self
                        .settings_file
                        .map_or_else(|| "omni.toml".to_owned(), |path| path.to_string_lossy().into()),
                    line,
                    column: line.min(1),
                    code: "unknown-skill".to_owned(),
                    message: format!(
                        "`[skills.{name}]` is for a skill that is not here, so it has no effect"
                    ),
                    help: Some(help),
                }
            })
            .collect()
    }
}

fn listed(names: &[&str]) -> String {
    const SHOWN_MAX: usize = 8;
    let shown: Vec<_> = names.iter().take(SHOWN_MAX).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > SHOWN_MAX { ", …" } else { "" };
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") + more }
}

/// The sources of one skill, against the Python that its tools run on.
struct SkillCheck<'a> {
    checks: &'a Checks<'a>,
    python: &'a Python,
    skill: &'a Skill,
    tools: &'a [Arc<Tool>],
    read: &'a [SourceFile],
}

impl SkillCheck<'_> {
    fn findings(&self, installed: &mut Installed) -> Vec<Diagnostic> {
        let sources: Vec<Source<'_>> =
            self.read.iter().map(|file| Source { path: &file.path, text: &file.text }).collect();
        let chosen = version(&self.python.version);
        let mut checked: HashMap<u32, Vec<omni_scan::FileCheck>> = HashMap::new();
        let mut findings = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            let requirements = self.requirements(source.path);
            let range = requirements.and_then(|needs| needs.python.as_deref()?.parse::<PythonRange>().ok());
            let lowest = range.as_ref().and_then(lowest_minor);
            let minor = match (&range, lowest) {
                (Some(range), Some(lowest)) if !range.allows(chosen) => lowest,
                _ => chosen[1],
            };
            let mut of = |minor: u32| {
                let checks =
                    checked.entry(minor).or_insert_with(|| omni_scan::check_compatibility(&sources, minor));
                checks.iter().find(|check| check.path == sources[at].path).cloned()
            };
            let Some(check) = of(minor) else { continue };
            let too_new = check.findings.len();
            findings.extend(check.findings.into_iter().map(|finding| self.placed(finding)));
            if let Some(lowest) = lowest.filter(|lowest| *lowest < minor && too_new == 0)
                && let Some(check) = of(lowest)
            {
                findings.extend(check.findings.into_iter().map(|finding| {
                    let finding = self.placed(finding);
                    Diagnostic {
                        severity: Severity::Warning,
                        message: format!("`requires-python` allows 3.{lowest}, but {}", finding.message),
                        help: Some("ask for a newer Python there, or write it in another way".to_owned()),
                        ..finding
                    }
                }));
            }
            for need in &check.needs {
                findings.extend(self.missing(source.path, need, requirements, installed));
            }
        }
        findings
    }

    /// What the tools of a file need; of a helper, what the skill's first tool does.
    fn requirements(&self, file: &str) -> Option<&Requirements> {
        let functions = || self.tools.iter().filter_map(|tool| tool.spec.target.python());
        let own = functions().find(|function| function.file == file);
        own.or_else(|| functions().next()).and_then(|function| function.requirements.as_ref())
    }

    /// A module that the file imports and that the interpreter of its tools does not have.
    fn missing(
        &self,
        file: &str,
        need: &Need,
        requirements: Option<&Requirements>,
        installed: &mut Installed,
    ) -> Option<Diagnostic> {
        let top = need.module.split('.').next().unwrap_or(&need.module);
        let environment = self.checks.environments.zip(requirements).filter(|(all, needs)| all.wanted(needs));
        let package = package_of(top);
        let (message, help) = match environment {
            None if installed.has(top) => return None,
            None => (
                format!(
                    "there is no module `{}` in Python {} at `{}`, and the skill declares none that has it",
                    need.module,
                    self.python.version,
                    shown_path(&self.python.executable)
                ),
                format!(
                    "add `\"{package}\"` to `dependencies` under `[project]` in `{}/pyproject.toml`, or name an interpreter \
                     that has it with `--python`",
                    self.skill.folder
                ),
            ),
            Some((environments, needs)) => {
                let name = environments.name(needs);
                let stored = stored_environments(environments.folder());
                let ready = stored.iter().find(|stored| stored.name == name && stored.made.is_some());
                let has = match ready {
                    Some(stored) => Installed::of(&site_packages(&stored.path)).has(top),
                    None => declares(&needs.dependencies, top),
                };
                if has {
                    return None;
                }
                let so = match ready {
                    Some(_) => "and its environment does not have it",
                    None => "unless another of its packages brings it along",
                };
                (
                    format!("module `{}` is not among the skill's `dependencies`, {so}", need.module),
                    format!(
                        "add `\"{package}\"` to `dependencies` in `{}/{}`",
                        self.skill.folder, needs.file
                    ),
                )
            }
        };
        let severity = if need.at_load { Severity::Error } else { Severity::Warning };
        let severity = if message.ends_with("brings it along") { Severity::Warning } else { severity };
        Some(Diagnostic {
            severity,
            skill: self.skill.folder.clone(),
            file: self.file(file),
            line: need.line,
            column: need.column,
            code: "missing-module".to_owned(),
            message,
            help: Some(help),
        })
    }

    /// A file of the skill as the catalogue names it.
    fn file(&self, path: &str) -> String {
        self.checks.places.file_of(self.skill, &format!("{}/{path}", self.skill.folder))
    }

    fn placed(&self, finding: omni_scan::Diagnostic) -> Diagnostic {
        Diagnostic {
            severity: finding.severity,
            skill: self.skill.folder.clone(),
            file: self.file(&finding.file),
            line: finding.line,
            column: finding.column,
            code: finding.code.to_owned(),
            message: finding.message,
            help: finding.help,
        }
    }
}

/// `lib/python3.11/site-packages` of an environment.
fn site_packages(environment: &Path) -> Vec<PathBuf> {
    let pythons = fs::read_dir(environment.join("lib")).into_iter().flatten().flatten();
    pythons.map(|python| python.path().join("site-packages")).collect()
}

/// The oldest minor version that a range allows, from 3.9 on.
fn lowest_minor(range: &PythonRange) -> Option<u32> {
    (9..MINOR_FAR).find(|minor| (0..40).any(|micro| range.allows([3, *minor, micro])))
}

fn version(text: &str) -> [u32; 3] {
    let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(0));
    [numbers.next().unwrap_or(3), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)]
}

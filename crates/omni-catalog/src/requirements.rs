//! What a skill needs installed, from its `pyproject.toml` and `uv.lock`, or from the blocks in its scripts
//! (PEP 723).
//!
//! A `pyproject.toml` that names dependencies holds for the whole skill. Where it names none, each script's own
//! block does, and `requires-python` is the block's, or else the project's.

mod declared;
mod script;
mod specifier;

use std::collections::BTreeMap;

use omni_call::{ProgramTarget, Requirements, RequirementsSource};

use crate::folder::SkillFolder;
use crate::{Diagnostic, Severity};
use declared::{DeclaredRequirements, Document};

/// What the tools of one skill need.
#[derive(Debug, Default)]
pub(crate) struct SkillRequirements {
    /// For every tool that has none of its own.
    common: Option<Requirements>,
    /// By file, relative to the skill's folder.
    scripts: BTreeMap<String, Requirements>,
}

const PYPROJECT: &str = "pyproject.toml";
const LOCK: &str = "uv.lock";

impl SkillRequirements {
    /// Reads what the skill's files say. What is wrong with them is added to `findings` and costs no tool.
    pub(crate) fn read(folder: &SkillFolder, findings: &mut Vec<Diagnostic>) -> SkillRequirements {
        let mut reader = RequirementsReader { folder, findings };
        let project = reader.project();
        let lock = reader.lock(&project);
        let mut requirements = SkillRequirements::default();
        for source in &folder.sources {
            let Some(block) = reader.script(&source.path, &source.text) else { continue };
            if !project.dependencies.is_empty() {
                reader.ignored(&source.path, block.line);
                continue;
            }
            let python = block.python.or_else(|| project.python.clone());
            let found =
                requirement(RequirementsSource::Script, &source.path, python, block.dependencies, None);
            requirements.scripts.extend(found.map(|found| (source.path.clone(), found)));
        }
        let source = if lock.is_some() { RequirementsSource::Lock } else { RequirementsSource::Pyproject };
        requirements.common = requirement(source, PYPROJECT, project.python, project.dependencies, lock);
        requirements
    }

    /// What a tool needs that is written in `file`. A program that runs a script of the skill needs what that
    /// script does.
    pub(crate) fn of(&self, file: &str, program: Option<&ProgramTarget>) -> Option<Requirements> {
        let run = program.into_iter().flat_map(|program| &program.argv);
        let mut files = run.map(|word| word.trim_start_matches("./")).chain([file]);
        files.find_map(|file| self.scripts.get(file)).or(self.common.as_ref()).cloned()
    }
}

/// `None` when nothing is asked for.
fn requirement(
    source: RequirementsSource,
    file: &str,
    python: Option<String>,
    dependencies: Vec<String>,
    locked: Option<String>,
) -> Option<Requirements> {
    if dependencies.is_empty() && python.is_none() {
        return None;
    }
    let key = key(python.as_deref(), &dependencies, locked.as_deref());
    Some(Requirements { key, source, file: file.to_owned(), python, dependencies, locked })
}

/// A hash of what decides what is installed. The order of the dependencies and the file they stand in do not.
fn key(python: Option<&str>, dependencies: &[String], locked: Option<&str>) -> String {
    let mut dependencies: Vec<&str> = dependencies.iter().map(String::as_str).collect();
    dependencies.sort_unstable();
    dependencies.dedup();
    let mut hasher = blake3::Hasher::new();
    let mut part = |text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    part("omni environment 1");
    part(python.unwrap_or_default());
    part(locked.unwrap_or_default());
    dependencies.into_iter().for_each(&mut part);
    hasher.finalize().to_hex()[..16].to_owned()
}

struct RequirementsReader<'a> {
    folder: &'a SkillFolder,
    findings: &'a mut Vec<Diagnostic>,
}

impl RequirementsReader<'_> {
    fn project(&mut self) -> DeclaredRequirements {
        let Some(file) = &self.folder.pyproject else { return DeclaredRequirements::default() };
        let mut document = self.document(PYPROJECT, &file.text, 1, 1);
        document.project()
    }

    /// The hash of the lock that is to be installed from.
    fn lock(&mut self, project: &DeclaredRequirements) -> Option<String> {
        let lock = self.folder.lock.as_ref()?;
        if self.folder.pyproject.is_none() {
            let message = format!("`{LOCK}` is not used: there is no `{PYPROJECT}` beside it");
            self.find(Severity::Warning, LOCK, 0, message, "add the project file that it was made from");
            return None;
        }
        (!project.dependencies.is_empty()).then(|| lock.hash.to_hex().to_string())
    }

    fn script(&mut self, path: &str, text: &str) -> Option<DeclaredRequirements> {
        let block = match script::block(text) {
            Ok(block) => block?,
            Err(problem) => {
                self.find(Severity::Error, path, problem.line, problem.message, problem.help);
                return None;
            }
        };
        // Two characters of comment stand before each line of it.
        let mut document = self.document(path, &block.text, block.line + 1, 3);
        let declared = document.script();
        Some(DeclaredRequirements { line: block.line, ..declared })
    }

    fn ignored(&mut self, path: &str, line: u32) {
        let message = format!(
            "this block is not used: `{PYPROJECT}` names dependencies, which hold for the whole skill"
        );
        self.find(Severity::Note, path, line, message, "move its dependencies there, or remove the block");
    }

    fn document<'d>(&'d mut self, file: &str, text: &'d str, line: u32, column: u32) -> Document<'d> {
        let place = format!("{}/{file}", self.folder.folder);
        Document::new(text, &self.folder.folder, place, (line, column), self.findings)
    }

    fn find(&mut self, severity: Severity, path: &str, line: u32, message: String, help: &str) {
        self.findings.push(Diagnostic {
            severity,
            skill: self.folder.folder.clone(),
            file: format!("{}/{path}", self.folder.folder),
            line,
            column: u32::from(line > 0),
            code: "requirements".to_owned(),
            message,
            help: Some(help.to_owned()),
        });
    }
}

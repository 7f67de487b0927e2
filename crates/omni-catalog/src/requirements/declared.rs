//! The members of a TOML document that say what is to be installed, each checked, with its place.

use std::ops::Range;

use omni_call::{PythonRange, PythonVersion};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::specifier;
use crate::{Diagnostic, Severity};

/// What a document asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct DeclaredRequirements {
    pub(super) dependencies: Vec<String>,
    /// `requires-python`.
    pub(super) python: Option<String>,
    /// Where it begins.
    pub(super) line: u32,
}

/// TOML in a file of a skill.
pub(super) struct Document<'a> {
    text: &'a str,
    skill: &'a str,
    file: String,
    /// Line and column of the file at which the text's lines begin.
    origin: (u32, u32),
    findings: &'a mut Vec<Diagnostic>,
}

/// The oldest Python that the workers run on, and versions that will not exist for years: a range is searched between them.
const PYTHON_OLDEST: PythonVersion = [3, 9, 0];
const PYTHON_FAR: u32 = 40;
const MICRO_FAR: u32 = 40;

impl<'a> Document<'a> {
    pub(super) fn new(
        text: &'a str,
        skill: &'a str,
        file: String,
        origin: (u32, u32),
        findings: &'a mut Vec<Diagnostic>,
    ) -> Self {
        Document { text, skill, file, origin, findings }
    }

    /// Reads a `pyproject.toml`.
    pub(super) fn project(&mut self) -> DeclaredRequirements {
        // Where it is no TOML is reported by whoever reads the rest of the file.
        let (document, _) = DeTable::parse_recoverable(self.text);
        let document = document.get_ref();
        self.other_tools(document);
        self.sources(
            document,
            "`[tool.uv.sources]` counts only through `uv.lock`",
            "run `uv lock`, or write `name @ https://…`",
        );
        let Some(project) = document.get("project") else { return DeclaredRequirements::default() };
        let Some(project) = project.get_ref().as_table() else {
            self.error(project.span(), "`project` must be a table".into(), "write `[project]`");
            return DeclaredRequirements::default();
        };
        if let Some(dynamic) = project.get("dynamic")
            && let Some(names) = dynamic.get_ref().as_array()
            && names.iter().any(|name| name.get_ref().as_str() == Some("dependencies"))
        {
            let message = "`dependencies` that are worked out at build time (`dynamic`) are not installed";
            self.warn(dynamic.span(), message.into(), "list them in `[project] dependencies`");
        }
        self.members(project)
    }

    /// Reads the metadata of a script.
    pub(super) fn script(&mut self) -> DeclaredRequirements {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        if let Some(error) = errors.first() {
            let message = format!("the block is not valid TOML: {}", error.message().replace('\n', ", "));
            let help = "correct this line; what can be read of the block is used until then";
            self.error(error.span().unwrap_or_default(), message, help);
        }
        let document = document.get_ref();
        self.sources(document, "`[tool.uv.sources]` of a script is not read", "write `name @ https://…`");
        self.members(document)
    }

    fn members(&mut self, table: &DeTable<'_>) -> DeclaredRequirements {
        DeclaredRequirements { dependencies: self.dependencies(table), python: self.python(table), line: 0 }
    }

    fn dependencies(&mut self, table: &DeTable<'_>) -> Vec<String> {
        let Some(value) = table.get("dependencies") else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            let help = "write `dependencies = [\"idna==3.7\"]`";
            self.error(value.span(), "`dependencies` must be a list of texts".into(), help);
            return Vec::new();
        };
        items.iter().filter_map(|item| self.dependency(item)).collect()
    }

    fn dependency(&mut self, item: &Spanned<DeValue<'_>>) -> Option<String> {
        let Some(text) = item.get_ref().as_str().map(str::trim) else {
            let message = "a dependency must be a text".to_owned();
            self.error(item.span(), message, "write for instance `\"idna==3.7\"`");
            return None;
        };
        if let Err(why) = specifier::check(text) {
            let message = format!("the dependency `{}` {why}", text.escape_debug());
            self.error(item.span(), message, "it is left out until then, and the others are installed");
            return None;
        }
        Some(text.to_owned())
    }

    fn python(&mut self, table: &DeTable<'_>) -> Option<String> {
        let value = table.get("requires-python")?;
        let Some(text) = value.get_ref().as_str().map(str::trim) else {
            let message = "`requires-python` must be a text".to_owned();
            self.error(value.span(), message, "write for instance `requires-python = \">=3.10\"`");
            return None;
        };
        match text.parse::<PythonRange>() {
            Ok(range) if !reachable(&range) => {
                let message = format!("`requires-python = \"{text}\"` allows no Python that omni runs on");
                self.error(
                    value.span(),
                    message,
                    "omni needs Python 3.9 or newer; it is left out until then",
                );
                None
            }
            Ok(_) => Some(text.to_owned()),
            Err(why) => {
                self.error(value.span(), format!("`requires-python`: {why}"), "it is left out until then");
                None
            }
        }
    }

    /// Warns of what other tools would read here and omni does not.
    fn other_tools(&mut self, document: &DeTable<'_>) {
        let Some(tool) = document.get("tool").and_then(|tool| tool.get_ref().as_table()) else { return };
        let below = |name: &str, member: &str| {
            tool.get(name).and_then(|table| table.get_ref().as_table()?.get(member))
        };
        let has_project_list = document
            .get("project")
            .and_then(|project| project.get_ref().as_table())
            .is_some_and(|project| project.contains_key("dependencies"));
        if let Some(poetry) = below("poetry", "dependencies").filter(|_| !has_project_list) {
            let message = "`[tool.poetry.dependencies]` is not read".to_owned();
            self.warn(
                poetry.span(),
                message,
                "list them in `[project] dependencies`, which Poetry reads too",
            );
        }
    }

    fn sources(&mut self, document: &DeTable<'_>, message: &str, help: &str) {
        let tool = document.get("tool").and_then(|tool| tool.get_ref().as_table());
        let uv = tool.and_then(|tool| tool.get("uv")).and_then(|uv| uv.get_ref().as_table());
        if let Some(sources) = uv.and_then(|uv| uv.get("sources")) {
            self.find(Severity::Note, sources.span(), message.to_owned(), help);
        }
    }

    fn error(&mut self, span: Range<usize>, message: String, help: &str) {
        self.find(Severity::Error, span, message, help);
    }

    fn warn(&mut self, span: Range<usize>, message: String, help: &str) {
        self.find(Severity::Warning, span, message, help);
    }

    fn find(&mut self, severity: Severity, span: Range<usize>, message: String, help: &str) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        self.findings.push(Diagnostic {
            severity,
            skill: self.skill.to_owned(),
            file: self.file.clone(),
            line: self.origin.0.saturating_add(number(line)),
            column: self.origin.1.saturating_add(number(column)),
            code: "requirements".to_owned(),
            message,
            help: Some(help.to_owned()),
        });
    }
}

/// Whether the range has any version that may exist and that the workers run on.
fn reachable(range: &PythonRange) -> bool {
    let versions =
        (PYTHON_OLDEST[1]..PYTHON_FAR).flat_map(|minor| (0..MICRO_FAR).map(move |micro| [3, minor, micro]));
    versions.into_iter().any(|version| version >= PYTHON_OLDEST && range.allows(version))
}

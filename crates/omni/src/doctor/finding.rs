//! A finding of the doctor, as a value. The two printers decide how it is shown to people and to programs.

use omni_catalog::{Diagnostic, Severity};
use serde::Serialize;
use serde_json::Value;

use crate::counts::Counts;

/// How much a finding matters. All but facts are counted, and `--strict` minds errors and warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// How things are.
    Fact,
    Note,
    Warning,
    Error,
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Level {
        match severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
            Severity::Note => Level::Note,
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// A stable name for this kind of finding: `no-python`, `missing-module`; of a fact, its subject.
    pub(crate) what: String,
    pub(crate) level: Level,
    /// A sentence fragment that names things in back-ticks.
    pub(crate) text: String,
    /// What follows from it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) notes: Vec<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// Where it stands, of what stands in a file.
    #[serde(skip)]
    pub(crate) place: Option<FindingPlace>,
}

/// A place in a file of a skill, or of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FindingPlace {
    /// The skill's folder; empty for what is about none.
    pub(crate) skill: String,
    /// As the catalogue names it.
    pub(crate) file: String,
    /// As a person can open it from where they are.
    pub(crate) shown: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Finding {
    pub(crate) fn new(level: Level, what: &str, text: impl Into<String>) -> Self {
        let (what, text) = (what.to_owned(), text.into());
        Finding { what, level, text, notes: Vec::new(), hint: None, place: None }
    }

    pub(crate) fn fact(what: &str, text: impl Into<String>) -> Self {
        Finding::new(Level::Fact, what, text)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Of what stands in a file. `shown` is the file as a person can open it.
    pub(crate) fn placed(found: Diagnostic, shown: String) -> Self {
        let Diagnostic { severity, skill, file, line, column, code, message, help } = found;
        let place = Some(FindingPlace { skill, file, shown, line, column });
        Finding { what: code, level: severity.into(), text: message, notes: Vec::new(), hint: help, place }
    }

    /// As the catalogue would say it; `None` for what stands in no file.
    pub(super) fn diagnostic(&self, file: impl Fn(&FindingPlace) -> &str) -> Option<Diagnostic> {
        let place = self.place.as_ref()?;
        let severity = match self.level {
            Level::Error => Severity::Error,
            Level::Warning => Severity::Warning,
            Level::Note | Level::Fact => Severity::Note,
        };
        Some(Diagnostic {
            severity,
            skill: place.skill.clone(),
            file: file(place).to_owned(),
            line: place.line,
            column: place.column,
            code: self.what.clone(),
            message: self.text.clone(),
            help: self.hint.clone(),
        })
    }
}

/// What is said of one subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Section {
    pub(crate) findings: Vec<Finding>,
    /// The same for programs, with more than a sentence holds: members of the report.
    pub(crate) members: Vec<(&'static str, Value)>,
}

impl Section {
    pub(crate) fn of(findings: Vec<Finding>) -> Self {
        Section { findings, members: Vec::new() }
    }

    pub(crate) fn with(mut self, member: &'static str, value: impl Serialize) -> Self {
        // What cannot be written as JSON has no keys that are texts; there is none such here.
        self.members.push((member, serde_json::to_value(value).unwrap_or_default()));
        self
    }
}

/// How many there are of each level.
pub(super) fn counts<'a>(findings: impl Iterator<Item = &'a Finding>) -> Counts {
    let mut counts = Counts::default();
    for finding in findings {
        match finding.level {
            Level::Error => counts.errors += 1,
            Level::Warning => counts.warnings += 1,
            Level::Note => counts.notes += 1,
            Level::Fact => {}
        }
    }
    counts
}

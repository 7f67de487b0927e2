//! The fields of front matter in a prompt or a page, read as what they are to be; what a value cannot be is a finding.

use serde_json::{Map, Value};

use crate::folder::ReadFile;
use crate::front_matter::{self, Entry, Position, Yaml};
use crate::similar::closest;
use crate::{Diagnostic, Severity, Skill};

/// Reads fields of one file.
pub(crate) struct FieldReader<'a> {
    pub(crate) skill: &'a Skill,
    pub(crate) file: &'a ReadFile,
    pub(crate) findings: &'a mut Vec<Diagnostic>,
}

impl FieldReader<'_> {
    /// A text without blanks around it; `None` where nothing is left.
    pub(crate) fn text(&mut self, entries: &[Entry], key: &str) -> Option<String> {
        let entry = front_matter::find(entries, key)?;
        let text = entry.value.text();
        if text.is_none() {
            self.bad_value(entry, "a text", "write it on one line, in quotes if it holds a colon");
        }
        text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(crate) fn is_true(&mut self, entries: &[Entry], key: &str) -> bool {
        front_matter::find(entries, key).is_some_and(|entry| self.flag(entry, false))
    }

    /// A wrong value is taken as `otherwise`.
    pub(crate) fn flag(&mut self, entry: &Entry, otherwise: bool) -> bool {
        entry.value.flag().unwrap_or_else(|| {
            self.bad_value(entry, "`true` or `false`", &format!("it is taken as `{otherwise}`"));
            otherwise
        })
    }

    /// A list of texts, or one text with commas.
    pub(crate) fn texts(&mut self, entries: &[Entry], key: &str) -> Vec<String> {
        let Some(entry) = front_matter::find(entries, key) else { return Vec::new() };
        let (texts, help) = entry.value.texts();
        if let Some(help) = help {
            self.bad_value(entry, "a list of texts", help);
        }
        texts
    }

    pub(crate) fn list_of_maps(&mut self, entries: &[Entry], key: &str) -> Option<Value> {
        let entry = front_matter::find(entries, key)?;
        match &entry.value {
            Yaml::List(items) if items.iter().all(|item| matches!(item, Yaml::Map(_))) => {
                Some(entry.value.json())
            }
            _ => {
                let help = "write `- src: …` for each, and `mimeType: …` below it";
                self.bad_value(entry, "a list of mappings", help);
                None
            }
        }
    }

    pub(crate) fn object(&mut self, entries: &[Entry], key: &str) -> Option<Map<String, Value>> {
        let entry = front_matter::find(entries, key)?;
        match entry.value.json() {
            Value::Object(object) => Some(object),
            _ => {
                self.bad_value(entry, "a mapping", "write one `key: value` a line below it");
                None
            }
        }
    }

    /// `what` is what the entry stands in, which knows other keys.
    pub(crate) fn unknown_key(&mut self, entry: &Entry, known: &[&'static str], what: &str) {
        let message = format!("the key `{}` means nothing in {what}", entry.key);
        let help = match closest(&entry.key, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("there are `{}`", known.join("`, `")),
        };
        self.find(Severity::Note, entry.place, "unknown-key", message, &help);
    }

    pub(crate) fn bad_value(&mut self, entry: &Entry, wanted: &str, help: &str) {
        let message = format!("the value of `{}` must be {wanted}", entry.key);
        self.find(Severity::Warning, entry.place, "bad-value", message, help);
    }

    pub(crate) fn find(
        &mut self,
        severity: Severity,
        place: Position,
        code: &str,
        message: String,
        help: &str,
    ) {
        self.findings.push(Diagnostic {
            severity,
            skill: self.skill.folder.clone(),
            file: format!("{}/{}", self.skill.folder, self.file.path),
            line: place.line,
            column: place.column,
            code: code.to_owned(),
            message,
            help: Some(help.to_owned()),
        });
    }
}

//! What is wrong with a skill's source, where, and what its author can do about it.

use std::sync::Mutex;

use serde::{Deserialize, Deserializer, Serialize};

use crate::syntax::Lines;

/// How much a [`Diagnostic`] costs the author.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something the author wrote has no effect: a file or tool is not listed, an option is not applied.
    Error,
    /// The tool is listed, but with less than Python would know, or its calls may surprise.
    Warning,
    /// Worth knowing; nothing is lost.
    Note,
}

/// One finding about one place in a skill's source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Path of the file as it was given in [`Source::path`](crate::Source::path).
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
    /// A stable name for this kind of finding, such as `unknown-option`.
    #[serde(deserialize_with = "known_code")]
    pub code: &'static str,
    /// What is wrong: a sentence fragment that names things in back-ticks.
    pub message: String,
    /// What to do next, when there is something to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Collects findings about one file, turning byte offsets into lines and columns only when one is kept.
pub(crate) struct Report<'a> {
    file: &'a str,
    lines: Lines<'a>,
    found: Vec<Diagnostic>,
}

/// More findings than this about one file tell nobody anything; hostile input could ask for millions.
const FINDINGS_PER_FILE_MAX: usize = 500;

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Report { file, lines: Lines::new(text), found: Vec::new() }
    }

    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    pub(crate) fn line(&self, at: u32) -> u32 {
        self.lines.position(at).0
    }

    /// Line and column, both from 1.
    pub(crate) fn position(&self, at: u32) -> (u32, u32) {
        self.lines.position(at)
    }

    pub(crate) fn place(&self, at: u32) -> String {
        format!("{}:{}", self.file, self.line(at))
    }

    pub(crate) fn error(&mut self, at: u32, code: &'static str, message: String, help: &str) {
        self.add(Severity::Error, at, code, message, help);
    }

    pub(crate) fn warning(&mut self, at: u32, code: &'static str, message: String, help: &str) {
        self.add(Severity::Warning, at, code, message, help);
    }

    pub(crate) fn note(&mut self, at: u32, code: &'static str, message: String, help: &str) {
        self.add(Severity::Note, at, code, message, help);
    }

    fn add(&mut self, severity: Severity, at: u32, code: &'static str, message: String, help: &str) {
        if self.found.len() >= FINDINGS_PER_FILE_MAX {
            return;
        }
        let (line, column) = self.lines.position(at);
        let finding = Diagnostic {
            severity,
            file: self.file.to_owned(),
            line,
            column,
            code,
            message,
            help: (!help.is_empty()).then(|| help.to_owned()),
        };
        // A type that two parameters share would be reported once for each.
        if !self.found.contains(&finding) {
            self.found.push(finding);
        }
    }

    /// Whether nothing was found that says why a function is no tool.
    pub(crate) fn is_clean(&self) -> bool {
        let aside =
            |finding: &Diagnostic| finding.severity == Severity::Note || finding.code == "absolute-import";
        self.found.iter().all(aside)
    }

    pub(crate) fn into_findings(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|finding| (finding.line, finding.column));
        self.found
    }
}

/// Gives a code read from a cache the lifetime that codes in the source have.
///
/// The set of codes is small and fixed at build time, so each distinct one is kept for good; a cap keeps
/// a damaged cache from growing the process.
fn known_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
    const CODES_MAX: usize = 256;
    static CODES: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    let code = String::deserialize(deserializer)?;
    let mut codes = CODES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = codes.iter().find(|known| **known == code) {
        return Ok(known);
    }
    if codes.len() >= CODES_MAX {
        return Ok("other");
    }
    let kept: &'static str = Box::leak(code.into_boxed_str());
    codes.push(kept);
    Ok(kept)
}

//! What is wrong with a skill, where, and what its author can do about it.

use std::collections::BTreeSet;
use std::fmt;

use omni_call::shown_line;
pub use omni_scan::Severity;
use serde::{Deserialize, Serialize};

use crate::tool_rules::{RuleConflict, RuleWarning, SettingLocation};

/// One finding about one place in the skills folder. Its [`Display`](fmt::Display) is what a compiler
/// would print.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub severity: Severity,
    /// The skill's folder name; empty for a finding about the skills folder itself.
    pub skill: String,
    /// Relative to the skills folder, with `/`.
    pub file: String,
    /// Counted from 1; 0 when the finding is about the whole file or folder.
    pub line: u32,
    /// Counted from 1, in characters; 0 with line 0.
    pub column: u32,
    /// A stable name for this kind of finding, such as `bad-front-matter`.
    pub code: String,
    /// What is wrong: a sentence fragment that names things in back-ticks.
    pub message: String,
    /// What to do next, when there is something to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// An error, whatever line it has moved to: its file and its code.
pub(crate) type Fault = (String, String);

/// The errors of a skill of which the version before an edit is served.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultsOfKept {
    /// Those that keep the edit back.
    pub(crate) new: BTreeSet<Fault>,
    /// Those of the version that is served.
    pub(crate) lived_with: BTreeSet<Fault>,
}

impl Diagnostic {
    pub(crate) fn fault(&self) -> Fault {
        (self.file.clone(), self.code.clone())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        // Each is one line, whatever the skill's author wrote: a second one could pass for a finding of its own.
        let (message, file) = (shown_line(&self.message), shown_line(&self.file));
        write!(f, "{severity}[{}]: {message}\n  --> {file}", self.code)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column.max(1))?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  = help: {}", shown_line(help))?;
        }
        Ok(())
    }
}

impl From<&RuleWarning> for Diagnostic {
    fn from(warning: &RuleWarning) -> Diagnostic {
        Diagnostic {
            severity: Severity::Warning,
            code: "no-effect".to_owned(),
            message: format!("`{}`: {}", warning.setting.key(), warning.message),
            help: Some(warning.help.clone()),
            ..at(Some(&warning.setting))
        }
    }
}

impl From<&RuleConflict> for Diagnostic {
    fn from(conflict: &RuleConflict) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "alias-collision".to_owned(),
            message: conflict.to_string(),
            help: Some("until then these tools are listed under their own names; a server that is started now refuses".to_owned()),
            ..at(conflict.setting())
        }
    }
}

/// A finding at a place of a settings file, without its message yet.
fn at(setting: Option<&SettingLocation>) -> Diagnostic {
    let line = setting.map_or(0, SettingLocation::line);
    Diagnostic {
        severity: Severity::Note,
        skill: String::new(),
        file: setting.map_or("omni.toml", SettingLocation::file).to_owned(),
        line,
        column: line.min(1),
        code: String::new(),
        message: String::new(),
        help: None,
    }
}

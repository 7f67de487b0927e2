//! Which texts clients cut before a model reads them.

use omni_catalog::{Diagnostic, INSTRUCTIONS_CHARS_MAX, Severity, Snapshot, chars_of};

use crate::settings::Places;

/// What clients show of a description, in characters: Claude Code 2.1.197 cuts there, 2.1.332 at 4,096.
const SHOWN_CHARS_MAX: usize = 2_048;

const HELP: &str = "say first what decides whether it is called, and move the rest into `SKILL.md` or a file of `references`";

/// By file and line. Parses all tools.
pub(super) fn diagnostics(places: &Places, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for tool in snapshot.tools() {
        let chars = tool.description().map_or(0, |text| chars_of(&text));
        if chars > SHOWN_CHARS_MAX {
            let message = format!(
                "the description of `{}` has {chars} characters, and clients cut it at {SHOWN_CHARS_MAX}",
                tool.name()
            );
            let (file, line) = (tool.origin.file.clone(), tool.origin.line);
            found.push(cut(&tool.spec.skill, file, line, message, HELP));
        }
    }
    let chars = places.file.instructions.as_deref().map_or(0, chars_of);
    if chars > INSTRUCTIONS_CHARS_MAX {
        let message = format!(
            "`instructions` has {chars} characters: it is cut at {INSTRUCTIONS_CHARS_MAX}, and no skill is named behind it"
        );
        let (file, line) = places.file.written_at("instructions");
        found.push(cut(
            "",
            file,
            line,
            message,
            "leave room for the lines of the skills, of about 100 characters each",
        ));
    }
    found
}

fn cut(skill: &str, file: String, line: u32, message: String, help: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        skill: skill.to_owned(),
        file,
        line,
        column: line.min(1),
        code: "cut-by-clients".to_owned(),
        message,
        help: Some(help.to_owned()),
    }
}

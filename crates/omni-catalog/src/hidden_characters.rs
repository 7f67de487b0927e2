//! Which characters of a skill do people who read it not see? A model reads them all.
//!
//! A text that hides something is how a stranger's skill gives a model orders that its user never saw. It is served all
//! the same: what is hidden may be harmless, and leaving it out would hide it a second time.

use omni_call::{Hidden, HiddenKind, hidden, shown_line};
use serde_json::Value;

use crate::{Diagnostic, Severity};

const CODE: &str = "hidden-character";
const HELP: &str = "remove it, or write what is meant so that it can be seen; a model reads it, and whoever looks at \
                    the text does not";

/// More findings than this about one file would help nobody.
const FINDINGS_PER_FILE_MAX: usize = 10;

/// What is hidden in a file of a skill; characters that follow each other are one finding.
///
/// `file` is relative to the skills folder.
pub(crate) fn in_file(skill: &str, file: &str, text: &str) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let (mut line, mut line_start, mut read) = (1, 0, 0);
    for run in runs(text) {
        for (at, _) in text[read..run[0].at].match_indices('\n') {
            line += 1;
            line_start = read + at + 1;
        }
        read = run[0].at;
        let column = 1 + text[line_start..read].chars().count();
        let mut finding = Diagnostic {
            severity: Severity::Warning,
            skill: skill.to_owned(),
            file: file.to_owned(),
            line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
            code: CODE.to_owned(),
            message: describe(&run),
            help: Some(HELP.to_owned()),
        };
        if findings.len() == FINDINGS_PER_FILE_MAX {
            finding.message = "the file hides more characters from here on".to_owned();
            findings.push(finding);
            break;
        }
        findings.push(finding);
    }
    findings
}

/// What is hidden in the texts of a tool, as a client gets them, and does not stand in its `source` as it is: somebody
/// wrote it as an escape.
pub(crate) fn in_texts<'a>(values: impl IntoIterator<Item = &'a Value>, source: &str) -> Option<String> {
    let mut found = Vec::new();
    values.into_iter().for_each(|value| walk(value, &mut found));
    found.retain(|hidden| !source.contains(hidden.character));
    (!found.is_empty()).then(|| describe(&found))
}

/// The help that goes with every finding.
pub(crate) const fn help() -> &'static str {
    HELP
}

/// The stable name of every finding.
pub(crate) const fn code() -> &'static str {
    CODE
}

fn walk(value: &Value, found: &mut Vec<Hidden>) {
    match value {
        Value::String(text) => found.extend(hidden(text)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Value::Object(members) => {
            for (name, value) in members {
                found.extend(hidden(name));
                walk(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The hidden characters of a file in groups without a gap. A form feed parts the pages of a listing and is none.
fn runs(text: &str) -> Vec<Vec<Hidden>> {
    let mut runs: Vec<Vec<Hidden>> = Vec::new();
    for hidden in hidden(text).filter(|hidden| hidden.character != '\x0c') {
        match runs.last_mut() {
            Some(run) if ends_at(run) == hidden.at => run.push(hidden),
            _ => runs.push(vec![hidden]),
        }
    }
    runs
}

fn ends_at(run: &[Hidden]) -> usize {
    run.last().map_or(0, |last| last.at + last.character.len_utf8())
}

/// The message about some characters: which they are, what they do, and what tags say.
fn describe(run: &[Hidden]) -> String {
    const NAMED_MAX: usize = 4;
    let mut names: Vec<String> = Vec::new();
    for name in run.iter().map(|hidden| format!("U+{:04X}", u32::from(hidden.character))) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let more = names.len().saturating_sub(NAMED_MAX);
    names.truncate(NAMED_MAX);
    let mut message = format!("`{}`", names.join(" "));
    if more > 0 {
        message = format!("{message} and {more} more");
    }
    let mut kinds: Vec<HiddenKind> = Vec::new();
    for hidden in run {
        if !kinds.contains(&hidden.kind) {
            kinds.push(hidden.kind);
        }
    }
    let does: Vec<&str> = kinds.into_iter().map(HiddenKind::what_it_is).collect();
    message = format!("{message}: {}", does.join(", "));
    let letter = |hidden: &Hidden| char::from_u32(u32::from(hidden.character).checked_sub(0xe_0000)?);
    let tags: String = run
        .iter()
        .filter(|hidden| hidden.kind == HiddenKind::Tag)
        .filter_map(letter)
        .filter(|letter| !letter.is_control())
        .take(80)
        .collect();
    if !tags.is_empty() {
        message = format!("{message}; it reads `{}`", shown_line(&tags));
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_line_column_and_code_point_and_what_tags_say() {
        let tags: String =
            "obey".chars().map(|letter| char::from_u32(0xe_0000 + u32::from(letter)).unwrap()).collect();
        let text =
            format!("\u{feff}# naïve 👩\u{200d}💻\n\tx = \"a\u{202e}b\"\n\n# {tags} שלום\u{200f} :)\n\x0c\n");
        let found: Vec<(u32, u32, String)> = in_file("s", "s/SKILL.md", &text)
            .into_iter()
            .map(|finding| (finding.line, finding.column, finding.message))
            .collect();
        assert_eq!(
            found,
            [
                (2, 8, "`U+202E`: a change of the order in which text is shown".to_owned()),
                (
                    4,
                    3,
                    "`U+E006F U+E0062 U+E0065 U+E0079`: letters that people do not see and models read; it reads \
                     `obey`"
                        .to_owned()
                ),
            ]
        );
    }

    #[test]
    fn a_file_full_of_them_is_a_few_findings() {
        let found = in_file("s", "f", &"a\u{200b}\n".repeat(1_000));
        assert_eq!(found.len(), FINDINGS_PER_FILE_MAX + 1);
        assert_eq!(found.last().unwrap().line, 11);
    }

    #[test]
    fn what_was_written_as_an_escape_is_found_in_the_texts() {
        let value = serde_json::json!({"a\u{2066}": ["x", {"description": "b\u{1b}c"}], "enum": ["d"]});
        assert_eq!(
            in_texts([&value], "no such thing").unwrap(),
            "`U+2066 U+001B`: a change of the order in which text is shown, a command to a terminal"
        );
        assert_eq!(in_texts([&value], "\u{2066} \u{1b}"), None, "they have been found in the file");
        assert_eq!(in_texts([&serde_json::json!({"a": "👩\u{200d}💻\n"})], ""), None);
    }
}

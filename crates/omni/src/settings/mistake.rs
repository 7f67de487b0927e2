//! What is wrong with a settings file: where it stands, and what was probably meant.

use std::path::Path;

use anyhow::{Error, anyhow};
use omni_call::{shown_line, shown_path};
use omni_catalog::closest;

use super::lines::KeyLines;

/// Keys that people look for under other names or in other places, with where they are.
const ELSEWHERE: &[(&str, &str)] = &[
    ("host", "it belongs in the table `[http]`"),
    ("port", "it belongs in the table `[http]`"),
    ("unix", "it belongs in the table `[http]`"),
    ("allow_hosts", "it belongs in the table `[http]`"),
    ("allow_origins", "it belongs in the table `[http]`"),
    ("allow_users", "it belongs in the table `[http]`"),
    ("token_file", "it belongs in the table `[http]`"),
    ("transport", "it stands before all tables"),
    ("http_token", "it is `token_file` in the table `[http]`"),
    ("allow_unauthenticated", "it is a flag of `omni mcp` only, so that whoever starts a server says it"),
    ("memory_mib", "it belongs in the table `[limits]` (of each tool), `[workers]` or `[admission]`"),
    ("log_level", "the level of the log is `OMNI_LOG`"),
    ("exclude", "it is `filter` now, which can also bring back: `filter = [\"git\", \"!git.log\"]`"),
    ("filter_commands", "it is `filter`"),
    ("include", "it is `filter`: `filter = [\"*\", \"!git.*\"]` leaves out all but what it names"),
    ("allow", "it is `filter`: `filter = [\"*\", \"!git.*\"]` leaves out all but what it names"),
    ("deny", "it is `filter`"),
    ("aliases", "it is `alias` in the table `[overrides.\"SKILL.COMMAND\"]`"),
    ("cache_dir", "it is the flag `--cache-dir`, or `OMNI_CACHE_DIR`"),
];

/// Longer lines are cut in a message.
const LINE_CHARS_MAX: usize = 80;

/// The sentence for a text that is no settings file.
pub(super) fn of_text(path: &Path, text: &str, error: &toml::de::Error) -> Error {
    let at = error.span().map_or(0, |span| span.start).min(text.len());
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let place = format!("`{}:{line}:{column}`", shown_path(path));
    if let Some(unknown) = Unknown::read(error.message()) {
        return anyhow!("{place}: there is no key `{}`; {}", unknown.key, unknown.meant());
    }
    let written: String =
        text.lines().nth(line - 1).unwrap_or_default().trim().chars().take(LINE_CHARS_MAX).collect();
    if let Some(wanted) = wanted(error.message(), &written) {
        return anyhow!("{place}: {wanted}");
    }
    let message = shown_line(error.message().trim()).into_owned();
    let hint = match written.split('=').next().map(str::trim) {
        Some("skills") => {
            "; the folder of skills is `skills_dir`, and `[skills.NAME]` holds settings of one skill"
        }
        Some("http") => "; `[http]` is a table, with `host` and `port`",
        _ => "",
    };
    anyhow!("{place}: {message}, in `{}`{hint}", shown_line(&written))
}

/// The sentence for a value where a list or a table is wanted, in the words of a settings file.
fn wanted(message: &str, written: &str) -> Option<String> {
    let (found, wanted) = message.trim().strip_prefix("invalid type: ")?.split_once(", expected ")?;
    if let Some(key) = written.strip_prefix("[[").and_then(|rest| rest.split(']').next()) {
        let one = match key {
            "overrides" => "overrides.\"SKILL.COMMAND\"",
            "profiles" => "profiles.NAME",
            "http.tokens" => "http.tokens.NAME",
            key => key,
        };
        return (wanted == "a map").then(|| {
            format!(
                "`[[{}]]` begins a list of tables, and one table is wanted: write `[{}]`",
                shown_line(key),
                shown_line(one)
            )
        });
    }
    let (key, value) = written.split_once('=').map(|(key, value)| (key.trim(), value.trim()))?;
    let is_key = |key: &str| key.chars().all(|sign| sign.is_alphanumeric() || "_-.".contains(sign));
    if !is_key(key) || key.is_empty() {
        return None;
    }
    // A number or a truth value in a list has no likely meaning to suggest.
    let example = if found.starts_with("string") && value.ends_with(['"', '\'']) { value } else { "\"…\"" };
    match wanted {
        "a sequence" => {
            Some(format!("`{0}` is a list: write `{0} = [{1}]`", shown_line(key), shown_line(example)))
        }
        _ => None,
    }
}

/// The sentence for a value that no setting has: `why` names its key first, as in `` `limits.open_files = 3` …``.
pub(super) fn of_value(path: &Path, lines: &KeyLines, why: &Error) -> Error {
    let why = format!("{why:#}");
    let key = why.strip_prefix('`').and_then(|rest| rest.split([' ', '`']).next()).unwrap_or_default();
    let why = why.replacen(" in omni.toml", "", 1);
    match lines.line(key) {
        Some(line) => anyhow!("`{}:{line}`: {why}", shown_path(path)),
        None => anyhow!("`{}`: {why}", shown_path(path)),
    }
}

/// A key that nobody knows, and those that stand where it does.
struct Unknown<'a> {
    key: String,
    known: Vec<&'a str>,
}

impl<'a> Unknown<'a> {
    /// From the sentence of the parser.
    fn read(message: &'a str) -> Option<Self> {
        let (key, rest) = message.strip_prefix("unknown field `")?.split_once('`')?;
        let known = rest.split('`').skip(1).step_by(2).collect();
        Some(Unknown { key: shown_line(key).into_owned(), known })
    }

    fn meant(&self) -> String {
        // `idle-timeout`, `skillsDir`: another spelling is closest of all.
        if let Some(meant) = closest(&self.key, self.known.iter().copied()) {
            return format!("did you mean `{meant}`?");
        }
        match ELSEWHERE.iter().find(|(key, _)| *key == self.key.replace('-', "_")) {
            Some((_, place)) => (*place).to_owned(),
            None => format!("those there are: {}", self.known.join(", ")),
        }
    }
}

//! How to connect the usual clients, as commands to copy.

use std::fmt::Write as _;
use std::path::Path;

use omni_call::{ErrorDetail, shown_path};

use crate::settings::Places;

/// Commands that connect clients to a running HTTP server. Where it wants a token, `TOKEN` stands for one.
pub(crate) fn http(url: &str, token: bool) -> String {
    let header = if token { " --header 'Authorization: Bearer TOKEN'" } else { "" };
    let (variable, named) =
        if token { ("OMNI_TOKEN=TOKEN ", " --bearer-token-env-var OMNI_TOKEN") } else { ("", "") };
    table(&[
        ("Claude Code", format!("claude mcp add --transport http omni {url}{header}")),
        ("Codex", format!("{variable}codex mcp add omni --url {url}{named}")),
        ("Gemini CLI", format!("gemini mcp add --transport http{header} omni {url}")),
        (
            "Inspector",
            format!(
                "npx @modelcontextprotocol/inspector --cli {url} --transport http{header} --method tools/list"
            ),
        ),
    ])
}

/// Commands that let clients start omni themselves.
pub(crate) fn stdio(binary: &Path, places: &Places) -> String {
    let mut command = format!("{} mcp", quoted(binary));
    if places.lister().is_none() {
        let _ = write!(command, " --skills {}", quoted(&places.skills));
    }
    if let Some(runner) = &places.runner {
        let _ = write!(command, " --runner {}", quoted(Path::new(&runner.address.to_string())));
        if places.lister().is_some() {
            // There may be a `./skills` where the client starts it.
            command.push_str(" --tools runner");
        }
    }
    table(&[
        ("Claude Code", format!("claude mcp add omni -- {command}")),
        ("Codex", format!("codex mcp add omni -- {command}")),
        ("Gemini CLI", format!("gemini mcp add omni {command}")),
        ("Inspector", format!("npx @modelcontextprotocol/inspector --cli {command} --method tools/list")),
    ])
}

/// A line that says what clients read of exceptions, and why. `others` is the setting by which others than the user who
/// runs omni may call.
pub(crate) fn errors(detail: ErrorDetail, is_set: bool, others: Option<&str>) -> String {
    let read = match detail {
        ErrorDetail::Masked => "an exception's class and place, and not what it says",
        ErrorDetail::Message => "what an exception says",
        ErrorDetail::Full => "what an exception says, its traceback, and what tools write to stderr",
    };
    let why = match (is_set, detail, others) {
        (false, ErrorDetail::Masked, Some(others)) => {
            format!(", because of {others}; `--errors message` shows them what it says")
        }
        (true, ErrorDetail::Message | ErrorDetail::Full, Some(others)) => {
            format!(", also those let in by {others}; `--errors masked` keeps it in the log")
        }
        _ => String::new(),
    };
    format!("errors = {}: clients read {read}{why}\n", detail.name())
}

/// What clients read of exceptions, for somebody who has not said yet how they will call.
pub(crate) fn errors_for_the_doctor(set: Option<ErrorDetail>, others: Option<&str>) -> String {
    match (set, others) {
        (Some(detail), _) => format!("{}, as it is set", detail.name()),
        (None, Some(others)) => format!("message over stdio, masked over HTTP because of {others}"),
        (None, None) => "message; masked over HTTP as soon as others may call".to_owned(),
    }
}

fn table(rows: &[(&str, String)]) -> String {
    rows.iter().fold(String::new(), |mut out, (client, command)| {
        let _ = writeln!(out, "  {client:<12} {command}");
        out
    })
}

/// A path as a shell reads it back.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if text.chars().all(plain) {
        text.into_owned()
    } else if matches!(shown_path(path), shown if shown == text) {
        format!("'{}'", text.replace('\'', r"'\''"))
    } else {
        // The line is shown with what is hidden written as an escape, and must still mean this path.
        path.as_os_str().as_encoded_bytes().iter().fold(String::from("$'"), |mut out, byte| {
            let _ = match byte {
                b'\'' | b'\\' => write!(out, "\\{}", char::from(*byte)),
                b' '..=b'~' => write!(out, "{}", char::from(*byte)),
                byte => write!(out, "\\x{byte:02x}"),
            };
            out
        }) + "'"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_blanks_or_quotes_survives_the_shell() {
        assert_eq!(quoted(Path::new("/usr/bin/omni")), "/usr/bin/omni");
        assert_eq!(quoted(Path::new("/my skills/it's")), r"'/my skills/it'\''s'");
        assert_eq!(quoted(Path::new("/déjà vu")), "'/déjà vu'");
        assert_eq!(quoted(Path::new("/a\u{202e}'b\nc")), r"$'/a\xe2\x80\xae\'b\x0ac'");
    }
}

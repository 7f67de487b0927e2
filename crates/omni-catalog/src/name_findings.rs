//! Which tools are listed under a name that their author would not expect?

use std::collections::HashMap;
use std::sync::Arc;

use crate::encoded_list::EncodedList;
use crate::names::{self, NameStyle, WIRE_CHARS_MAX};
use crate::{Diagnostic, Severity, Tool};

/// The findings about the names of the tools in a list. `tool` parses one of them.
pub(crate) fn of(encoded: &EncodedList, tool: impl Fn(usize) -> Option<Arc<Tool>>) -> Vec<Diagnostic> {
    let style = encoded.style;
    let renamed: Vec<(usize, &str, &str)> = (0..encoded.tool_count())
        // An alias was chosen by somebody, and collides with nothing.
        .filter(|tool| !encoded.is_aliased(*tool))
        .filter_map(|tool| Some((tool, encoded.name(tool)?, encoded.wire_name(tool)?)))
        .filter(|(_, name, wire)| names::plain(name, style) != *wire)
        .collect();
    if renamed.is_empty() || style == NameStyle::Canonical {
        return Vec::new();
    }
    // The other tools that would have this name for a client that compares in the strictest way.
    let mut wanting: HashMap<String, Vec<&str>> = HashMap::new();
    for name in (0..encoded.tool_count()).filter_map(|tool| encoded.name(tool)) {
        let wanted = names::plain(name, style);
        wanting.entry(names::as_clients_compare(&wanted, style).into_owned()).or_default().push(name);
    }
    let finding = |(at, name, wire): (usize, &str, &str)| {
        let plain = names::plain(name, style);
        let others = wanting.get(&*names::as_clients_compare(&plain, style)).map_or(&[][..], Vec::as_slice);
        let other = others.iter().find(|other| **other != name);
        let (severity, code, why, help) = if let Some(other) = other {
            let why = format!("because `{other}` would be `{plain}` to some clients, too");
            let help = "rename one of the two, and both are listed under their plain names; clients that fold case, or \
                        write `_` for `.` and `-`, know no difference";
            (Severity::Warning, "name-collision", why, help)
        } else if names::is_foreign(name) {
            let help = "clients take ASCII letters, digits, `_` and `-` only; people and files keep the name that it has";
            (Severity::Note, "name-not-ascii", "because it is not all ASCII".to_owned(), help)
        } else if names::is_long(&plain, style) {
            let why = format!("because `{plain}` has more than {WIRE_CHARS_MAX} characters");
            let help = "clients put the server's name before it, and allow 64 in all; a shorter name of the skill or the \
                        command is shown whole";
            (Severity::Note, "name-too-long", why, help)
        } else {
            let why = format!("because `{plain}` is what another tool's name becomes");
            (Severity::Warning, "name-collision", why, "rename it: no name needs to end with such digits")
        };
        let tool = tool(at)?;
        Some(Diagnostic {
            severity,
            skill: tool.spec.skill.clone(),
            file: tool.origin.file.clone(),
            line: tool.origin.line,
            column: tool.origin.line.min(1),
            code: code.to_owned(),
            message: format!("clients see `{name}` as `{wire}`, {why}"),
            help: Some(help.to_owned()),
        })
    };
    renamed.into_iter().filter_map(finding).collect()
}

//! The decorator of the Python package, and the table that `omni.describe` reads by.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::data::{Entry, Options};

/// A line of Python at most, as `ruff.toml` says.
const WIDTH: usize = 110;

const HEAD: &str = r#""""The decorator `tool`. Generated from `conformance/options.json` by `cargo xtask docs`; do not edit."""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.tool_marks import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Callable, Literal, TypeVar, overload

    F = TypeVar("F", bound=Callable[..., Any])

    @overload
    def tool(function: F, /) -> F: ...
    @overload
    def tool(
        called: str | None = None,
        /,
        *,
"#;

const DOCUMENTATION: &str = r#"    """Make a function a tool: `@tool`, `@tool("name")` or `@tool(read_only=True)`.

    The function stays what it was and can be called and tested as before. The server reads the
    decorator from the source without running it, so every value is a literal or a constant of the
    module. An option that does not exist, or has a value that it cannot have, is not applied and costs
    no more than that: a warning tells it here, and `omni doctor` shows its place.

    Args:
"#;

/// The module with the decorator.
pub(in super::super) fn decorator(options: &Options) -> Result<String> {
    let executors: Vec<&str> =
        omni_call::ExecutorKind::choices().map(omni_call::ExecutorKind::name).collect();
    let entries: Vec<&Entry> = options.options.iter().filter(|entry| entry.stands_in("decorator")).collect();
    let mut text = HEAD.to_owned();
    for entry in &entries {
        let default = if entry.none_is_given { "..." } else { "None" };
        writeln!(text, "        {}: {} | None = {default},", entry.name, checked_type(entry, &executors)?)?;
    }
    text += "    ) -> Callable[[F], F]: ...\n\n\ndef tool(  # noqa: D417 - one keyword per property of a tool\n    \
             function: Any = None,\n    /,\n    *,\n";
    for entry in &entries {
        let (kind, note) = match entry.none_is_given {
            true => ("...", "  # type: ignore[assignment] - None says something"),
            false => ("None", ""),
        };
        let r#type = match entry.kind.as_str() {
            "exceptions" => "Any".to_owned(),
            "choice" | "executor" => "str | None".to_owned(),
            _ => format!("{} | None", checked_type(entry, &executors)?),
        };
        writeln!(text, "    {}: {type} = {kind},{note}", entry.name)?;
    }
    text += "    **unknown: Any,\n) -> Any:\n";
    text += DOCUMENTATION;
    for entry in &entries {
        text += &wrapped(&format!("{}: {}", entry.name, entry.doc));
    }
    text += "\n    Raises:\n        TypeError: It is given something else than a function or a name.\n    \"\"\"\n    options = {\n";
    for entry in entries.iter().filter(|entry| !entry.none_is_given) {
        writeln!(text, "        {0:?}: {0},", entry.name)?;
    }
    text += "    }\n    given = {key: value for key, value in options.items() if value is not None}\n";
    for entry in entries.iter().filter(|entry| entry.none_is_given) {
        writeln!(text, "    if {0} is not ...:\n        given[{0:?}] = {0}", entry.name)?;
    }
    text += "    return mark(function, given, unknown)\n\n\nskill_command = tool\n";
    Ok(text)
}

/// The type that a type checker is told, without `None`.
fn checked_type(entry: &Entry, executors: &[&str]) -> Result<String> {
    let literal = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        format!("Literal[{}]", words.join(", "))
    };
    Ok(match entry.kind.as_str() {
        "text" | "version" => "str".to_owned(),
        "flag" => "bool".to_owned(),
        "seconds" => "float".to_owned(),
        "count" => "int".to_owned(),
        "choice" => literal(&entry.choices.iter().map(String::as_str).collect::<Vec<_>>()),
        "executor" => literal(executors),
        "exceptions" => "type[BaseException] | str | Iterable[type[BaseException] | str]".to_owned(),
        "schema" | "object" => "dict[str, Any]".to_owned(),
        "icons" => "list[dict[str, Any]]".to_owned(),
        "texts" => "Iterable[str]".to_owned(),
        other => return Err(anyhow::anyhow!("no kind `{other}`")).context("the type of an option in Python"),
    })
}

/// An entry of the `Args:` section, its later lines further in.
fn wrapped(entry: &str) -> String {
    let mut lines = vec![String::from("       ")];
    for word in entry.split(' ') {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last + 1 + word.chars().count() > WIDTH {
            lines.push(String::from("           "));
        }
        lines.last_mut().into_iter().for_each(|line| *line += &format!(" {word}"));
    }
    lines.join("\n") + "\n"
}

/// The module with the table.
pub(in super::super) fn table(options: &Options) -> Result<String> {
    let mut text = String::from(
        "\"\"\"The options of tools. Generated from `conformance/options.json` by `cargo xtask docs`; do not edit.\"\"\"\n\n\
         from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here\n\n\
         #: Each option: how it is read and checked (`kind`), where it may stand (`at`), and what carries it.\nOPTIONS = {\n",
    );
    for entry in &options.options {
        writeln!(
            text,
            "    {:?}: {{\n        \"kind\": {:?},\n        \"at\": {},",
            entry.name,
            entry.kind,
            tuple(&entry.at)
        )?;
        for (key, value) in [("min", entry.min), ("max", entry.max)] {
            if let Some(value) = value {
                writeln!(text, "        {key:?}: {value},")?;
            }
        }
        if entry.kind == "count" {
            writeln!(text, "        \"of\": {:?},", entry.of)?;
        }
        if !entry.choices.is_empty() {
            writeln!(text, "        \"choices\": {},", tuple(&entry.choices))?;
        }
        if let Some(hint) = &entry.hint {
            writeln!(text, "        \"hint\": {hint:?},")?;
        }
        if let Some(carrier) = &entry.carried {
            writeln!(text, "        \"carried\": {carrier:?},\n        \"member\": {:?},", entry.member())?;
        }
        if let Some(member) = &entry.front_matter_member {
            writeln!(text, "        \"front_matter_member\": {member:?},")?;
        }
        if !entry.without.is_empty() {
            writeln!(text, "        \"without\": {:?},", entry.without)?;
        }
        text += "    },\n";
    }
    text +=
        "}\n\n#: What `omni.foundation`'s decorator took; nothing acts on it any more.\nWITHOUT_EFFECT = (\n";
    for name in &options.without_effect {
        writeln!(text, "    {name:?},")?;
    }
    let most = &options.seconds_max;
    write!(
        text,
        ")\n\n#: The longest time in each place: more is a mistake in the unit.\nSECONDS_MAX = {{\n    \"decorator\": {},\n    \
         \"front_matter\": {},\n    \"program\": {},\n}}\n\n#: Members of a tool's `policy`, in the order in which it is written.\n\
         POLICY_MEMBERS = (\n",
        most.decorator, most.front_matter, most.program
    )?;
    for entry in options.options.iter().filter(|entry| entry.carried.as_deref() == Some("policy")) {
        for member in [Some(entry.member()), entry.front_matter_member.clone()].into_iter().flatten() {
            writeln!(text, "    {member:?},")?;
        }
    }
    for computed in &options.carriers.policy.computed {
        writeln!(text, "    {:?},", computed.member)?;
    }
    text += ")\n";
    Ok(text)
}

/// A tuple in one line.
fn tuple(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
    match items.as_slice() {
        [one] => format!("({one},)"),
        items => format!("({})", items.join(", ")),
    }
}

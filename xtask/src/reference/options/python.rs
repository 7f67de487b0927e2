//! The decorator of the Python package, and the table that `omni.describe` reads by.

use std::fmt::Write as _;

use anyhow::{Context, Result};

use super::data::{Entry, Options};

/// A line of Python at most, as `ruff.toml` says.
const WIDTH: usize = 110;

/// A decorator of the package: its name, the place of its options, and what its page says.
pub(in super::super) struct Decorator {
    pub(in super::super) file: &'static str,
    name: &'static str,
    place: &'static str,
    alias: Option<&'static str>,
    /// It may stand without parentheses.
    bare: bool,
    documentation: &'static str,
}

pub(in super::super) const DECORATORS: [Decorator; 4] = [
    Decorator {
        file: "python/src/omni/decorator.py",
        name: "tool",
        place: "decorator",
        alias: Some("skill_command"),
        bare: true,
        documentation: r#"    """Make a function a tool: `@tool`, `@tool("name")` or `@tool(read_only=True)`.

    The function stays what it was and can be called and tested as before. The server reads the
    decorator from the source without running it, so every value is a literal or a constant of the
    module. An option that does not exist, or has a value that it cannot have, is not applied and costs
    no more than that: a warning tells it here, and `omni doctor` shows its place.

    Args:
"#,
    },
    Decorator {
        file: "python/src/omni/resource_decorator.py",
        name: "resource",
        place: "resource",
        alias: Some("skill_resource"),
        bare: true,
        documentation: r#"    """Make a function a resource: `@resource`, `@resource("notes://today")`, `@resource("notes://{name}")`.

    Clients read what the function returns at the URI; with a template, its variables are the function's
    arguments, turned into the types of the parameters. The function stays what it was. The server reads
    the decorator from the source without running it, so every value is a literal or a constant of the
    module. An option that does not exist, or has a value that it cannot have, is not applied and costs
    no more than that: a warning tells it here, and `omni doctor` shows its place.

    Args:
"#,
    },
    Decorator {
        file: "python/src/omni/prompt_decorator.py",
        name: "prompt",
        place: "prompt",
        alias: None,
        bare: true,
        documentation: r#"    """Make a function a prompt: `@prompt`, `@prompt("name")` or `@prompt(title="Review")`.

    A user picks it and gives the arguments, the function returns the messages: a text, or a list of
    texts and messages. The choices of a `Literal` or an `Enum` are offered to the user as they type. The
    function stays what it was. The server reads the decorator from the source without running it, so
    every value is a literal or a constant of the module. An option that does not exist, or has a value
    that it cannot have, is not applied and costs no more than that: a warning tells it here, and
    `omni doctor` shows its place.

    Args:
"#,
    },
    Decorator {
        file: "python/src/omni/completion_decorator.py",
        name: "completion",
        place: "completion",
        alias: None,
        bare: false,
        documentation: r#"    """Make a function complete an argument: `@completion("language", prompt=review)`.

    The function takes `value`, what the user has typed so far, and returns the texts that it may become.
    With a parameter `context` it is given the other arguments too, as a dictionary of texts. The
    choices of a `Literal` or an `Enum` need no such function.

    Args:
"#,
    },
];

/// The module with a decorator.
pub(in super::super) fn decorator(options: &Options, made: &Decorator) -> Result<String> {
    let executors: Vec<&str> =
        omni_call::ExecutorKind::choices().map(omni_call::ExecutorKind::name).collect();
    let entries: Vec<&Entry> = options.options.iter().filter(|entry| entry.stands_in(made.place)).collect();
    let name = made.name;
    let has = |kinds: &[&str]| entries.iter().any(|entry| kinds.contains(&entry.kind.as_str()));
    let iterable = if made.bare && has(&["exceptions", "texts"]) {
        "    from collections.abc import Iterable\n"
    } else {
        ""
    };
    let overload = if made.bare { ", overload" } else { "" };
    let mut text = format!(
        r#""""The decorator `{name}`. Made of `conformance/options.json` by `cargo xtask docs`; do not edit."""

from __future__ import annotations

from omni.own_builtins import __builtins__  # noqa: F401 - functions find built-in names here
from omni.tool_marks import mark

TYPE_CHECKING = False
if TYPE_CHECKING:
{iterable}    from typing import Any, Callable, Literal, TypeVar{overload}

    F = TypeVar("F", bound=Callable[..., Any])

"#
    );
    if made.bare {
        text += &format!(
            "    @overload\n    def {name}(function: F, /) -> F: ...\n    @overload\n    def {name}(\n        called: str | None = \
             None,\n        /,\n        *,\n"
        );
        for entry in &entries {
            let default = if entry.none_is_given { "..." } else { "None" };
            writeln!(
                text,
                "        {}: {} | None = {default},",
                entry.name,
                checked_type(entry, &executors)?
            )?;
        }
        text += "    ) -> Callable[[F], F]: ...\n\n\n";
    } else {
        text += "\n";
    }
    let (first, returned) = match made.bare {
        true => ("function: Any", "Any"),
        false => ("called: str | None", "Callable[[F], F]"),
    };
    writeln!(
        text,
        "def {name}(  # noqa: D417 - one keyword per property of a {name}\n    {first} = None,\n    /,\n    *,"
    )?;
    for entry in &entries {
        let (kind, note) = match entry.none_is_given {
            true => ("...", "  # type: ignore[assignment] - None says something"),
            false => ("None", ""),
        };
        let r#type = match entry.kind.as_str() {
            "exceptions" => "Any".to_owned(),
            "choice" if made.bare && !entry.flags.is_empty() => "str | bool | None".to_owned(),
            "choice" | "executor" if made.bare => "str | None".to_owned(),
            _ => format!("{} | None", checked_type(entry, &executors)?),
        };
        writeln!(text, "    {}: {type} = {kind},{note}", entry.name)?;
    }
    writeln!(text, "    **unknown: Any,\n) -> {returned}:")?;
    text += made.documentation;
    for entry in &entries {
        text += &wrapped(&format!("{}: {}", entry.name, entry.doc(made.place)));
    }
    let wanted = match made.place {
        "resource" => "a function or a URI",
        "completion" => "an argument's name",
        _ => "a function or a name",
    };
    writeln!(
        text,
        "\n    Raises:\n        TypeError: It is given something else than {wanted}.\n    \"\"\"\n    options = {{"
    )?;
    for entry in entries.iter().filter(|entry| !entry.none_is_given) {
        writeln!(text, "        {0:?}: {0},", entry.name)?;
    }
    text += "    }\n    given = {key: value for key, value in options.items() if value is not None}\n";
    for entry in entries.iter().filter(|entry| entry.none_is_given) {
        writeln!(text, "    if {0} is not ...:\n        given[{0:?}] = {0}", entry.name)?;
    }
    let (first, kind) = match made.name {
        "tool" => ("function", String::new()),
        _ if made.bare => ("function", format!(", {name:?}")),
        _ => ("called", format!(", {name:?}")),
    };
    writeln!(text, "    return mark({first}, given, unknown{kind})")?;
    if let Some(alias) = made.alias {
        writeln!(text, "\n\n{alias} = {name}")?;
    }
    Ok(text)
}

/// The type that a type checker is told, without `None`.
fn checked_type(entry: &Entry, executors: &[&str]) -> Result<String> {
    let literal = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        format!("Literal[{}]", words.join(", "))
    };
    Ok(match entry.kind.as_str() {
        "text" | "version" | "uri" | "mime_type" => "str".to_owned(),
        "size" => "int".to_owned(),
        "function" => "str | Callable[..., Any]".to_owned(),
        "flag" => "bool".to_owned(),
        "seconds" => "float".to_owned(),
        "count" => "int".to_owned(),
        "choice" => {
            let words = literal(&entry.choices.iter().map(String::as_str).collect::<Vec<_>>());
            if entry.flags.is_empty() { words } else { format!("{words} | bool") }
        }
        "executor" => literal(executors),
        "exceptions" => "type[BaseException] | str | Iterable[type[BaseException] | str]".to_owned(),
        "schema" | "object" | "annotations" => "dict[str, Any]".to_owned(),
        "icons" => "list[dict[str, Any]]".to_owned(),
        "app" => "str | dict[str, Any]".to_owned(),
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
        "\"\"\"The options of decorators. Generated from `conformance/options.json` by `cargo xtask docs`; do not edit.\"\"\"\n\n\
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
        if !entry.also.is_empty() {
            writeln!(text, "        \"also\": {},", tuple(&entry.also))?;
        }
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
        if !entry.flags.is_empty() {
            writeln!(text, "        \"flags\": {},", tuple(&entry.flags))?;
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
         \"front_matter\": {},\n    \"program\": {},\n    \"resource\": {},\n    \"prompt\": {},\n    \"completion\": {},\n}}\n\n#: Members of a tool's `policy`, in the order in which it is written.\n\
         POLICY_MEMBERS = (\n",
        most.decorator, most.front_matter, most.program, most.resource, most.prompt, most.completion
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

//! The page of options, for authors.

use std::fmt::Write as _;

use anyhow::Result;

use super::data::{Entry, Options};

const INTRODUCTION: &str = "\
# Options of tools, resources, prompts and completions

Generated from `conformance/options.json` by `cargo xtask docs`; do not edit.

An option may stand in the decorator (`@tool(timeout=5)`), some also in the front matter of `SKILL.md` for all tools of the
skill (`timeout: 5`, at the top or under `metadata`), and some in the declaration of a [program](../guide/writing-a-skill.md#any-program-as-a-tool).
What a tool says wins over what its skill says, and that over the server's setting in `omni.toml` ([Settings](settings.md)).
A value that an option cannot have is not applied; `omni doctor` shows its place.

## `@tool`

| option | values | where | without it | server's setting | |
|---|---|---|---|---|---|
";

/// The page.
pub(in super::super) fn page(options: &Options) -> Result<String> {
    let mut page = INTRODUCTION.to_owned();
    for entry in &options.options {
        let places: Vec<&str> = entry.at.iter().filter_map(|at| place(at)).collect();
        if places.is_empty() {
            continue;
        }
        let setting = entry.setting.as_ref().map(|setting| format!("`{setting}`")).unwrap_or_default();
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {setting} | {} |",
            entry.name,
            values(entry),
            places.join(", "),
            entry.default,
            entry.doc
        )?;
    }
    page += "\nA time is at most a week in a decorator or a declaration and a year in the front matter; more is a mistake in \
             the unit.\n";
    for (place, words) in OTHERS {
        page += words;
        for entry in options.options.iter().filter(|entry| entry.stands_in(place)) {
            let also: Vec<String> = entry.also.iter().map(|name| format!(" or `{name}`")).collect();
            writeln!(
                page,
                "| `{}`{} | {} | {} | {} |",
                entry.name,
                also.concat(),
                values(entry),
                entry.default,
                entry.doc(place)
            )?;
        }
    }
    page += "\n## Without effect\n\nOptions of `omni.foundation`'s `skill_command` that nothing here acts on; each costs a \
             warning of `omni doctor`, and nothing else: ";
    let names: Vec<String> = options.without_effect.iter().map(|name| format!("`{name}`")).collect();
    page += &names.join(", ");
    page += ".\n";
    Ok(page)
}

fn place(at: &str) -> Option<&'static str> {
    match at {
        "decorator" => Some("`@tool`"),
        "front_matter" => Some("`SKILL.md`"),
        "program" => Some("program"),
        _ => None,
    }
}

/// The tables of what is no tool: the place, and what stands above its rows.
const OTHERS: [(&str, &str); 3] = [
    (
        "resource",
        "\n## `@resource`\n\nAlso written `@skill_resource`. The one positional argument is the URI: `@resource(\"notes://{name}\")`. What \
         `SKILL.md` says for the tools of a skill holds for its resources, prompts and completions too.\n\n| option | values | without it \
         | |\n|---|---|---|---|\n",
    ),
    (
        "prompt",
        "\n## `@prompt`\n\nThe one positional argument is the name: `@prompt(\"review\")`.\n\n| option | values | without it | \
         |\n|---|---|---|---|\n",
    ),
    (
        "completion",
        "\n## `@completion`\n\nThe one positional argument is the argument: `@completion(\"language\", prompt=review)`.\n\n| option \
         | values | without it | |\n|---|---|---|---|\n",
    ),
];

fn values(entry: &Entry) -> String {
    match entry.kind.as_str() {
        "flag" => "true or false".to_owned(),
        "seconds" => "seconds".to_owned(),
        "count" => {
            let (min, max) = (entry.min.unwrap_or_default(), entry.max.unwrap_or_default());
            format!("{} {min} to {max}", entry.of).trim().to_owned()
        }
        "choice" => entry.choices.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        "exceptions" => "exception classes or their names".to_owned(),
        "executor" => "an [executor](executors.md)".to_owned(),
        "schema" => "JSON Schema of an object".to_owned(),
        "object" => "a dictionary of JSON values".to_owned(),
        "icons" => "a list of icons, each with a `src`".to_owned(),
        "app" => "`AppConfig`, or a dictionary".to_owned(),
        "texts" => "texts".to_owned(),
        "version" => "a text or a number".to_owned(),
        "uri" => "a URI or a template".to_owned(),
        "mime_type" => "a type and subtype".to_owned(),
        "size" => "bytes".to_owned(),
        "annotations" => "`audience`, `priority`, `lastModified`".to_owned(),
        "function" => "a function or a name".to_owned(),
        _ => "a text".to_owned(),
    }
}

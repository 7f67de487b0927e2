//! What are the arguments of a prompt, as clients are shown them?

use serde_json::{Map, Value as Json};

use crate::choices::{STEPS_MAX, choices, definition};
use crate::prompt::PromptArgument;

/// The arguments that a schema of an object stands for, in its order.
pub(crate) fn arguments(schema: &Json) -> Vec<PromptArgument> {
    let Some(Json::Object(properties)) = schema.get("properties") else { return Vec::new() };
    let required = |name: &str| {
        let required = schema.get("required").and_then(Json::as_array);
        required.is_some_and(|names| names.iter().any(|known| known.as_str() == Some(name)))
    };
    let argument = |(name, property): (&String, &Json)| {
        let text = |key: &str| property.get(key).and_then(Json::as_str).map(str::to_owned);
        PromptArgument {
            name: name.clone(),
            title: text("title"),
            description: description(schema, property),
            required: required(name),
            default: property.get("default").cloned(),
            choices: choices(schema, name),
        }
    };
    properties.iter().map(argument).collect()
}

/// What the author says of an argument, and of one that is written as JSON how.
///
/// A client has nothing but this text to say that a list or an object is wanted: MCP's arguments are strings.
fn description(root: &Json, property: &Json) -> Option<String> {
    let said = property.get("description").and_then(Json::as_str);
    if is_plain(root, property, STEPS_MAX) {
        return said.map(str::to_owned);
    }
    let mut shown: Map<String, Json> = property.as_object().cloned().unwrap_or_default();
    shown.retain(|key, _| !matches!(key.as_str(), "title" | "description" | "default"));
    let mut shown = Json::Object(shown);
    if shown.to_string().contains("\"#/$defs/")
        && let (Some(shown), Some(definitions)) = (shown.as_object_mut(), root.get("$defs"))
    {
        shown.insert("$defs".to_owned(), definitions.clone());
    }
    let note = format!(
        "Provide a value matching the following JSON schema: {shown}. Encode non-string values as JSON."
    );
    Some(match said {
        Some(said) => format!("{said}\n\n{note}"),
        None => note,
    })
}

/// Whether a person can write a value without knowing JSON: a text, a number, `true`, a choice.
fn is_plain(root: &Json, schema: &Json, steps: u32) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return true };
    if let Some(definition) = definition(root, schema) {
        return definition.is_none_or(|definition| is_plain(root, definition, steps));
    }
    if let Some(variants) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array) {
        let real = |variant: &&Json| variant.get("type").and_then(Json::as_str) != Some("null");
        return variants.iter().filter(real).any(|variant| is_plain(root, variant, steps));
    }
    !matches!(schema.get("type").and_then(Json::as_str), Some("array" | "object"))
}

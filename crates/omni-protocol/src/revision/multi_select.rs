//! A choice of several values in a form, for a revision whose forms have none: a yes or no for each value.
//!
//! Forms of 2025-06-18 have fields of text, numbers, yes or no, and one of several values. A client that is sent an array
//! there may refuse the whole form.

use serde_json::{Map, Value, json};

/// A field of the form for one value of a choice.
struct ValueField {
    name: String,
    value: Value,
    title: String,
}

/// The fields that stand for each choice of several values, by the choice's name. The same for the form and for its answer.
fn value_fields(properties: &Map<String, Value>) -> Vec<(String, Vec<ValueField>)> {
    let choices = properties.iter().filter_map(|(name, property)| {
        let items = property.get("items").filter(|_| property["type"] == "array")?;
        let titled = |one: &Value| Some((one.get("const")?.clone(), one.get("title")?.as_str()?.to_owned()));
        let values: Option<Vec<(Value, String)>> = match (&items["enum"], &items["anyOf"]) {
            (Value::Array(values), _) => values.iter().map(|one| Some((one.clone(), text_of(one)))).collect(),
            (_, Value::Array(values)) => values.iter().map(titled).collect(),
            _ => None,
        };
        let fields = values?.into_iter().map(|(value, title)| {
            let mut field = format!("{name}.{}", text_of(&value));
            while properties.contains_key(&field) {
                field.push('_');
            }
            ValueField { name: field, value, title }
        });
        Some((name.clone(), fields.collect()))
    });
    choices.collect()
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Writes each choice of several values in a form's schema as a yes or no for each.
pub(super) fn spread(params: &mut Map<String, Value>) {
    let Some(schema) = params.get_mut("requestedSchema").and_then(Value::as_object_mut) else { return };
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
    let choices = value_fields(properties);
    if choices.is_empty() {
        return;
    }
    let mut spread = Map::new();
    for (name, property) in properties {
        match choices.iter().find(|(choice, _)| choice == name) {
            None => drop(spread.insert(name.clone(), property.clone())),
            Some((_, fields)) => spread.extend(fields.iter().map(|field| {
                let mut written = json!({
                    "type": "boolean",
                    "title": format!("{}: {}", property["title"].as_str().unwrap_or(name), field.title),
                });
                if let Some(described) = described(property) {
                    written["description"] = described.into();
                }
                if let Some(chosen) = property["default"].as_array() {
                    written["default"] = chosen.contains(&field.value).into();
                }
                (field.name.clone(), written)
            })),
        }
    }
    schema.insert("properties".to_owned(), spread.into());
    // None of the values has to be chosen for a choice to have been made.
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| choices.iter().all(|(choice, _)| *name != **choice));
    }
}

/// What is said of a choice, with how many values may be chosen, which a yes or no cannot say.
fn described(property: &Value) -> Option<String> {
    let bounds = match (property["minItems"].as_u64(), property["maxItems"].as_u64()) {
        (Some(least), Some(most)) => Some(format!("choose {least} to {most}")),
        (Some(least), None) => Some(format!("choose at least {least}")),
        (None, Some(most)) => Some(format!("choose at most {most}")),
        (None, None) => None,
    };
    match (property["description"].as_str(), bounds) {
        (Some(says), Some(bounds)) => Some(format!("{says} ({bounds})")),
        (Some(says), None) => Some(says.to_owned()),
        (None, bounds) => bounds,
    }
}

/// Makes of the fields of a form's answer the choices that [`spread`] made them of. Whether there was any.
pub(super) fn gather(params: &Map<String, Value>, answer: &mut Map<String, Value>) -> bool {
    let Some(properties) = params.get("requestedSchema").and_then(|schema| schema["properties"].as_object())
    else {
        return false;
    };
    let Some(content) = answer.get_mut("content").and_then(Value::as_object_mut) else { return false };
    let is_required = |name: &str| {
        let required = params["requestedSchema"]["required"].as_array();
        required.is_some_and(|required| required.iter().any(|one| one == name))
    };
    let choices = value_fields(properties);
    for (name, fields) in &choices {
        let said: Vec<(&Value, Value)> =
            fields.iter().filter_map(|field| Some((&field.value, content.remove(&field.name)?))).collect();
        // A client that knows the choice all the same has answered it by its name.
        if content.contains_key(name) || (said.is_empty() && !is_required(name)) {
            continue;
        }
        let chosen = said.into_iter().filter(|(_, said)| *said == Value::Bool(true));
        content.insert(name.clone(), chosen.map(|(value, _)| value.clone()).collect());
    }
    !choices.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Map<String, Value> {
        let form = json!({"message": "m", "requestedSchema": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "sizes": {"type": "array", "title": "Sizes", "description": "Of shirts", "minItems": 1, "maxItems": 2,
                    "items": {"type": "string", "enum": ["S", "M"]}, "default": ["M"]},
                "days": {"type": "array", "items": {"anyOf": [{"const": "mo", "title": "Monday"}]}},
                "days.mo": {"type": "string"},
                "files": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["name", "sizes"],
        }});
        form.as_object().unwrap().clone()
    }

    #[test]
    fn a_choice_becomes_a_yes_or_no_for_each_value_and_comes_back_as_a_choice() {
        let mut sent = form();
        spread(&mut sent);
        let schema = &sent["requestedSchema"];
        assert_eq!(
            schema["properties"],
            json!({
                "name": {"type": "string"},
                "sizes.S": {"type": "boolean", "title": "Sizes: S", "description": "Of shirts (choose 1 to 2)",
                    "default": false},
                "sizes.M": {"type": "boolean", "title": "Sizes: M", "description": "Of shirts (choose 1 to 2)",
                    "default": true},
                "days.mo_": {"type": "boolean", "title": "days: Monday"},
                "days.mo": {"type": "string"},
                "files": {"type": "array", "items": {"type": "string"}},
            })
        );
        assert_eq!(schema["required"], json!(["name"]));
        for (content, gathered) in [
            (
                json!({"name": "n", "sizes.S": true, "sizes.M": false, "days.mo_": true, "days.mo": "t"}),
                json!({"name": "n", "sizes": ["S"], "days": ["mo"], "days.mo": "t"}),
            ),
            (json!({"sizes.M": true, "sizes.S": true}), json!({"sizes": ["S", "M"]})),
            (json!({}), json!({"sizes": []})),
            (json!({"sizes": ["M"], "days": []}), json!({"sizes": ["M"], "days": []})),
        ] {
            let mut answer = json!({"action": "accept", "content": content}).as_object().unwrap().clone();
            assert!(gather(&form(), &mut answer));
            assert_eq!(answer["content"], gathered);
        }
        let mut declined = json!({"action": "decline"}).as_object().unwrap().clone();
        assert!(!gather(&form(), &mut declined));
    }

    #[test]
    fn a_form_without_such_a_choice_stays_as_it_is() {
        let plain = json!({"message": "m", "requestedSchema": {"type": "object", "properties": {"a": {"type": "string"}}}});
        let mut params = plain.as_object().unwrap().clone();
        spread(&mut params);
        assert_eq!(Value::Object(params.clone()), plain);
        let mut answer = json!({"action": "accept", "content": {"a": "b"}}).as_object().unwrap().clone();
        assert!(!gather(&params, &mut answer));
    }
}

//! What several revisions have in common in how they ask a client.

use bytes::Bytes;
use omni_call::Ask;
use serde_json::{Map, Value};

use super::rules::QuestionSupport;
use omni_call::Question;

/// The questions of the revisions before there were forms.
pub(super) fn questions_before_elicitation(question: Question) -> QuestionSupport {
    match question {
        Question::Sample | Question::ListRoots => QuestionSupport::Yes,
        Question::SampleContext => QuestionSupport::Undeclared,
        Question::ElicitForm | Question::ElicitUrl | Question::SampleTools => QuestionSupport::No,
    }
}

/// The parameters as the tool gave them: they have the newest revision's form, and an older one's where that is the same.
pub(super) fn unchanged(ask: &Ask, _name: &[u8]) -> Bytes {
    ask.params.clone()
}

/// What a form has at its root for its fields to mean something. Codex cancels one that has anything else there, which
/// Pydantic writes by itself (`title`, `description`).
const FORM_MEMBERS: [&str; 3] = ["type", "properties", "required"];

/// Takes off the root of a form's schema what says nothing of its fields.
pub(super) fn strip_form(params: &mut Map<String, Value>) {
    if let Some(schema) = params.get_mut("requestedSchema").and_then(Value::as_object_mut) {
        schema.retain(|member, _| FORM_MEMBERS.contains(&member.as_str()));
    }
}

/// Writes the choices of a form as revisions do that have no titles beside values: `enum`, and `enumNames` in the same
/// order.
pub(super) fn list_choices(params: &mut Map<String, Value>) {
    let properties = params.get_mut("requestedSchema").and_then(|schema| schema.get_mut("properties"));
    let Some(properties) = properties.and_then(Value::as_object_mut) else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        let Some(Value::Array(choices)) = property.get("oneOf") else { continue };
        let part =
            |name: &str| choices.iter().map(|choice| choice.get(name).cloned()).collect::<Option<Vec<_>>>();
        let Some(values) = part("const") else { continue };
        let titles = part("title");
        property.remove("oneOf");
        property.insert("enum".into(), values.into());
        if let Some(titles) = titles {
            property.insert("enumNames".into(), titles.into());
        }
    }
}

/// Writes what is chosen from the beginning as a revision does that has it of a yes or no alone: among the words about a field.
pub(super) fn describe_defaults(params: &mut Map<String, Value>) {
    let properties = params.get_mut("requestedSchema").and_then(|schema| schema.get_mut("properties"));
    let Some(properties) = properties.and_then(Value::as_object_mut) else { return };
    for property in properties.values_mut().filter_map(Value::as_object_mut) {
        if property.get("type").is_some_and(|kind| kind == "boolean") {
            continue;
        }
        let Some(default) = property.shift_remove("default") else { continue };
        let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
        let described = match property.get("description").and_then(Value::as_str) {
            Some(says) => format!("{says} (default: {default})"),
            None => format!("default: {default}"),
        };
        property.insert("description".to_owned(), described.into());
    }
}

/// The answer has the newest revision's form already.
pub(super) fn as_it_came(_ask: &Ask, _answer: &mut Map<String, Value>) -> bool {
    false
}

/// The parameters as the tool gave them, if they are an object.
pub(super) fn params_of(ask: &Ask) -> Option<Map<String, Value>> {
    serde_json::from_slice(&ask.params).ok()
}

/// The parameters with a change. What is no object stays as it is.
pub(super) fn change_params(ask: &Ask, change: impl FnOnce(&mut Map<String, Value>)) -> Bytes {
    let changed = params_of(ask).and_then(|mut params| {
        change(&mut params);
        serde_json::to_vec(&params).ok()
    });
    changed.map_or_else(|| ask.params.clone(), Bytes::from)
}

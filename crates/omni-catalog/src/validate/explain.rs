//! What a validator found, in words that help a model to correct itself.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::fault::{ArgumentFault, CheckedValue, escaped};
use crate::similar;

/// Lists every fault of `value`, in the order of their places. Only for what is `narrow::affordable`.
pub(super) fn explain(
    validator: &Validator,
    schema: &Value,
    value: &Value,
    kind: CheckedValue,
) -> Vec<ArgumentFault> {
    let mut explainer = Explainer { schema, value, kind, faults: Vec::new() };
    for error in validator.iter_errors(value) {
        explainer.add(&error);
    }
    explainer.faults.sort_by(|a, b| a.pointer.cmp(&b.pointer));
    explainer.faults.dedup();
    without_types_of_listed(explainer.faults)
}

/// Where the values are listed that there are, of which type they are says nothing more.
fn without_types_of_listed(mut faults: Vec<ArgumentFault>) -> Vec<ArgumentFault> {
    let is_listed = |fault: &ArgumentFault| matches!(fault.rule.as_str(), "enum" | "const");
    let listed: Vec<String> =
        faults.iter().filter(|fault| is_listed(fault)).map(|fault| fault.pointer.clone()).collect();
    faults.retain(|fault| fault.rule != "type" || !listed.contains(&fault.pointer));
    faults
}

struct Explainer<'a> {
    schema: &'a Value,
    value: &'a Value,
    kind: CheckedValue,
    faults: Vec<ArgumentFault>,
}

impl<'a> Explainer<'a> {
    fn add(&mut self, error: &ValidationError<'_>) {
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected }
            | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
                self.add_unknown(error, unexpected)
            }
            ValidationErrorKind::Required { property } => self.add_missing(error, property),
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                self.add_alternatives(error, context);
            }
            kind => {
                let message = self.message(error, kind);
                self.push(error.instance_path().as_str().to_owned(), kind.keyword(), message);
            }
        }
    }

    fn push(&mut self, pointer: String, rule: &str, message: String) {
        self.faults.push(ArgumentFault { pointer, rule: rule.to_owned(), message });
    }

    fn add_unknown(&mut self, error: &ValidationError<'_>, unexpected: &[String]) {
        let path = error.instance_path().as_str();
        let what = match self.kind {
            CheckedValue::Arguments if path.is_empty() => "argument",
            CheckedValue::Arguments | CheckedValue::Output => "property",
        };
        let known = self.properties_beside(error);
        // A name that is present already was not misspelt as the unknown one.
        let value: &'a Value = self.value;
        let present = value.pointer(path).and_then(Value::as_object);
        for name in unexpected {
            let absent = known
                .iter()
                .copied()
                .filter(|known| present.is_none_or(|object| !object.contains_key(*known)));
            let hint = match similar::closest(name, absent) {
                Some(meant) => format!(" (did you mean `{meant}`?)"),
                None if known.is_empty() => " (none is known)".to_owned(),
                None => format!(" (known: {})", join(known.iter().map(|name| format!("`{name}`")), ", ")),
            };
            self.push(
                format!("{path}/{}", escaped(name)),
                error.kind().keyword(),
                format!("unknown {what}{hint}"),
            );
        }
    }

    fn add_missing(&mut self, error: &ValidationError<'_>, property: &Value) {
        let name = property.as_str().unwrap_or_default();
        let pointer = format!("{}/{}", error.instance_path().as_str(), escaped(name));
        let dependent = error.schema_path().as_str().contains("/dependent");
        let message = if dependent {
            "required together with the others given, but missing"
        } else {
            "required, but missing"
        };
        self.push(pointer, "required", message.to_owned());
    }

    /// When one alternative was meant, its faults say more than "none of these": the only one of the value's
    /// type, else the one whose tag the value has, else the one that it comes closest to.
    fn add_alternatives(&mut self, error: &ValidationError<'_>, branches: &[Vec<ValidationError<'static>>]) {
        let here = error.instance_path().as_str();
        let wrong_type = |error: &ValidationError<'_>| {
            error.instance_path().as_str() == here
                && matches!(
                    error.kind(),
                    ValidationErrorKind::Type { .. } | ValidationErrorKind::Constant { .. }
                )
        };
        let fitting: Vec<&Vec<ValidationError<'static>>> =
            branches.iter().filter(|branch| !branch.iter().any(wrong_type)).collect();
        if let Some((pointer, options)) = refused_tag(here, &fitting) {
            let got = error.instance().pointer(&pointer[here.len()..]).unwrap_or(&Value::Null);
            let message = one_of(&Value::Array(options), got, &shown(got));
            return self.push(pointer, "enum", message);
        }
        let distance = |branch: &[ValidationError<'_>]| {
            let tags = branch.iter().filter(|error| tag(here, error).is_some()).count();
            (tags, branch.iter().map(fault_count).sum::<usize>())
        };
        // A lone text or number that fits no alternative is near to none of them.
        let inside = error.instance().is_object() || error.instance().is_array();
        let meant = match fitting.as_slice() {
            [only] => Some(*only),
            [] => None,
            several => several.iter().copied().min_by_key(|branch| distance(branch)).filter(|_| inside),
        };
        if let Some(branch) = meant {
            for error in branch {
                self.add(error);
            }
            return;
        }
        let keyword = error.kind().keyword();
        let alternatives = self.schema.pointer(error.schema_path().as_str()).and_then(Value::as_array);
        let expected = match alternatives {
            Some(list) => join(unique(list.iter().map(|one| self.describe(one, 0))), " or "),
            None => "one of the alternatives".to_owned(),
        };
        self.push(here.to_owned(), keyword, format!("expected {expected}, got {}", shown(error.instance())));
    }

    fn message(&self, error: &ValidationError<'_>, kind: &ValidationErrorKind) -> String {
        let got = shown(error.instance());
        match kind {
            ValidationErrorKind::Type { kind } => {
                let expected = match kind {
                    TypeKind::Single(one) => one.to_string(),
                    TypeKind::Multiple(set) => join(set.iter().map(|one| one.to_string()), " or "),
                };
                format!("expected {expected}, got {}", typed(error.instance(), &got))
            }
            ValidationErrorKind::Enum { options } => one_of(options, error.instance(), &got),
            ValidationErrorKind::Constant { expected_value } => {
                format!("expected {}, got {got}", shown(expected_value))
            }
            ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}, got {got}"),
            ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}, got {got}"),
            ValidationErrorKind::ExclusiveMinimum { limit } => {
                format!("must be more than {limit}, got {got}")
            }
            ValidationErrorKind::ExclusiveMaximum { limit } => {
                format!("must be less than {limit}, got {got}")
            }
            ValidationErrorKind::MultipleOf { multiple_of } => {
                format!("must be a multiple of {multiple_of}, got {got}")
            }
            ValidationErrorKind::MinLength { limit } => {
                format!("must have at least {limit} characters, got {got}")
            }
            ValidationErrorKind::MaxLength { limit } => {
                format!("must have at most {limit} characters, got {got}")
            }
            ValidationErrorKind::Pattern { pattern } => {
                format!("must match the pattern `{pattern}`, got {got}")
            }
            ValidationErrorKind::MinItems { limit } => {
                format!("must have at least {limit} items, has {}", length(error.instance()))
            }
            ValidationErrorKind::MaxItems { limit } => {
                format!("must have at most {limit} items, has {}", length(error.instance()))
            }
            ValidationErrorKind::UniqueItems => format!("its items must all differ, got {got}"),
            ValidationErrorKind::MinProperties { limit } => {
                format!("must have at least {limit} members, has {}", length(error.instance()))
            }
            ValidationErrorKind::MaxProperties { limit } => {
                format!("must have at most {limit} members, has {}", length(error.instance()))
            }
            ValidationErrorKind::FalseSchema => format!("nothing is allowed here, got {got}"),
            ValidationErrorKind::PropertyNames { error } => {
                format!(
                    "the name {} is not allowed: {}",
                    shown(error.instance()),
                    self.message(error, error.kind())
                )
            }
            ValidationErrorKind::Format { format } => format!("is not a valid `{format}`: {got}"),
            _ => cut(&error.masked_with(&got).to_string(), 300),
        }
    }

    /// The names that the schema beside a broken `additionalProperties` knows.
    fn properties_beside(&self, error: &ValidationError<'_>) -> Vec<&'a str> {
        let path = error.schema_path().as_str();
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let schema: &'a Value = self.schema;
        schema
            .pointer(parent)
            .and_then(|schema| schema.get("properties"))
            .and_then(Value::as_object)
            .map(|properties| properties.keys().map(String::as_str).collect())
            .unwrap_or_default()
    }

    /// A few words for what a schema accepts, following references within it.
    fn describe(&self, schema: &Value, depth: usize) -> String {
        let Some(object) = schema.as_object().filter(|_| depth < DESCRIBE_DEPTH_MAX) else {
            return "any value".to_owned();
        };
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            let resolved = target.strip_prefix('#').and_then(|pointer| self.schema.pointer(pointer));
            return resolved
                .map_or_else(|| "any value".to_owned(), |schema| self.describe(schema, depth + 1));
        }
        if let Some(value) = object.get("const") {
            return shown(value);
        }
        if let Some(Value::Array(options)) = object.get("enum") {
            return format!("one of {}", join(options.iter().map(shown), ", "));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(list)) = object.get(keyword) {
                return join(unique(list.iter().map(|one| self.describe(one, depth + 1))), " or ");
            }
        }
        self.describe_type(object, depth)
    }

    fn describe_type(&self, object: &Map<String, Value>, depth: usize) -> String {
        match object.get("type") {
            Some(Value::String(name)) if name == "array" => match object.get("items") {
                Some(items @ Value::Object(_)) => format!("array of {}", self.describe(items, depth + 1)),
                _ => "array".to_owned(),
            },
            Some(Value::String(name)) => name.clone(),
            Some(Value::Array(names)) => {
                join(names.iter().filter_map(Value::as_str).map(str::to_owned), " or ")
            }
            _ => "any value".to_owned(),
        }
    }
}

/// The values that a member below `here` may have where this alternative is meant, and where that member is.
fn tag<'e>(here: &str, error: &'e ValidationError<'_>) -> Option<(&'e str, Vec<Value>)> {
    let pointer = error.instance_path().as_str();
    let options = match error.kind() {
        ValidationErrorKind::Constant { expected_value } => vec![Value::clone(expected_value)],
        ValidationErrorKind::Enum { options } => options.as_array().cloned()?,
        _ => return None,
    };
    (pointer.len() > here.len()).then_some((pointer, options))
}

/// The member by which alternatives are told apart, when no alternative takes the value's, with all values that
/// some alternative takes.
fn refused_tag(here: &str, branches: &[&Vec<ValidationError<'static>>]) -> Option<(String, Vec<Value>)> {
    let (first, rest) = branches.split_first().filter(|(_, rest)| !rest.is_empty())?;
    first.iter().filter_map(|error| tag(here, error)).find_map(|(pointer, options)| {
        let mut all = options;
        for branch in rest {
            let same =
                branch.iter().filter_map(|error| tag(here, error)).find(|(other, _)| *other == pointer);
            all.extend(same?.1);
        }
        all = unique(all.into_iter()).collect();
        Some((pointer.to_owned(), all))
    })
}

/// How many faults one error of the validator stands for.
fn fault_count(error: &ValidationError<'_>) -> usize {
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected.len(),
        _ => 1,
    }
}

const DESCRIBE_DEPTH_MAX: usize = 4;
/// Offending values are cut here, so that a fault never returns a megabyte to its sender.
const SHOWN_CHARS_MAX: usize = 100;
/// Longer lists of alternatives or names are cut.
const LISTED_MAX: usize = 20;

fn one_of(options: &Value, value: &Value, got: &str) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let hint = value
        .as_str()
        .and_then(|typed| similar::closest(typed, options.iter().filter_map(Value::as_str)))
        .map(|meant| format!(" (did you mean {}?)", shown(&Value::from(meant))))
        .unwrap_or_default();
    format!("expected one of {}, got {got}{hint}", join(options.iter().map(shown), ", "))
}

fn shown(value: &Value) -> String {
    if let Value::String(text) = value
        && let Some((at, _)) = text.char_indices().nth(SHOWN_CHARS_MAX)
    {
        // Only as much is written as is kept.
        return cut(&Value::from(&text[..at]).to_string(), SHOWN_CHARS_MAX);
    }
    cut(&value.to_string(), SHOWN_CHARS_MAX)
}

pub(super) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn join(items: impl Iterator<Item = String>, separator: &str) -> String {
    let mut items: Vec<String> = items.collect();
    if items.len() > LISTED_MAX {
        items.truncate(LISTED_MAX);
        items.push("…".to_owned());
    }
    items.join(separator)
}

fn unique<T: Clone + PartialEq>(items: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    let mut seen = Vec::new();
    items.filter(move |item| {
        let new = !seen.contains(item);
        seen.push(item.clone());
        new
    })
}

/// A value with its type where the text alone does not show it.
fn typed(value: &Value, got: &str) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => format!("boolean {got}"),
        Value::Number(_) => format!("number {got}"),
        Value::String(_) => format!("string {got}"),
        Value::Array(_) => format!("array {got}"),
        Value::Object(_) => format!("object {got}"),
    }
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

//! From types to JSON Schema, in the dialect that authors know from FastMCP.
//!
//! Pydantic's generator gives every node a title, sorts keywords and moves named types to `$defs`; FastMCP
//! then takes the titles off again, except where a node has no keyword that marks it as a schema. Both
//! steps are done here one after the other, because the leftovers are visible.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::reference::{reference, referenced};
use crate::titles::loses_title;
use crate::type_ir::{DefId, Definition, Member, Object, Shape, TypeIr, TypeKind};
use crate::value::Value;

/// Which side of a call a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Input,
    Output,
}

/// Writes schemas that share definitions.
pub(crate) struct Writer<'a> {
    pub(crate) definitions: &'a [Definition],
    mode: Mode,
    pub(crate) written: HashMap<DefId, Map<String, Json>>,
    by_alias: bool,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(definitions: &'a [Definition], mode: Mode) -> Self {
        Writer { definitions, mode, written: HashMap::new(), by_alias: mode == Mode::Input }
    }

    pub(crate) fn schema_of(&mut self, ty: &TypeIr) -> Map<String, Json> {
        let mut schema = self.kind(ty);
        schema.extend(ty.updates.clone());
        schema.extend(ty.extra.clone());
        schema
    }

    fn json(&mut self, ty: &TypeIr) -> Json {
        Json::Object(self.schema_of(ty))
    }

    fn kind(&mut self, ty: &TypeIr) -> Map<String, Json> {
        match &ty.kind {
            TypeKind::Any | TypeKind::Anything | TypeKind::Unknown | TypeKind::Content => Map::new(),
            TypeKind::None => typed("null"),
            TypeKind::Bool => typed("boolean"),
            TypeKind::Int => bounded(typed("integer"), ty, NUMERIC),
            TypeKind::Float => bounded(typed("number"), ty, NUMERIC),
            TypeKind::Str => bounded(typed("string"), ty, STRING),
            TypeKind::Complex => typed("string"),
            TypeKind::Bytes => bounded(formatted("binary"), ty, STRING),
            TypeKind::ByteSize => self.byte_size(),
            TypeKind::Decimal | TypeKind::Fraction => self.decimal(ty),
            TypeKind::Temporal(format) | TypeKind::Format(format) => formatted(format),
            TypeKind::Uuid => formatted("uuid"),
            TypeKind::Url { multi } => {
                let mut schema = formatted(if *multi { "multi-host-uri" } else { "uri" });
                schema.insert("minLength".to_owned(), Json::from(1));
                bounded(schema, ty, STRING)
            }
            TypeKind::Fixed(schema) | TypeKind::EmptyEnum(schema) => schema.clone(),
            TypeKind::List(item)
            | TypeKind::Sequence(item)
            | TypeKind::Iterable(item)
            | TypeKind::TupleOf(item) => {
                let mut schema = typed("array");
                schema.insert("items".to_owned(), self.json(item));
                bounded(schema, ty, ARRAY)
            }
            TypeKind::Set(item) => {
                let mut schema = typed("array");
                schema.insert("uniqueItems".to_owned(), Json::Bool(true));
                schema.insert("items".to_owned(), self.json(item));
                bounded(schema, ty, ARRAY)
            }
            TypeKind::Tuple(items) => {
                let mut schema = typed("array");
                let prefix: Vec<Json> = items.iter().map(|item| self.json(item)).collect();
                let length = Json::from(prefix.len());
                if !prefix.is_empty() {
                    schema.insert("prefixItems".to_owned(), Json::Array(prefix));
                }
                schema.insert("minItems".to_owned(), length.clone());
                schema.insert("maxItems".to_owned(), length);
                bounded(schema, ty, ARRAY)
            }
            TypeKind::Dict(key, value) | TypeKind::Mapping(key, value) => self.dict(ty, key, value),
            TypeKind::Literal(values) => literal(values),
            TypeKind::Nullable(inner) => {
                let inner = self.schema_of(inner);
                if inner == typed("null") { inner } else { any_of(vec![inner, typed("null")]) }
            }
            TypeKind::Union(choices) => {
                let mut choices: Vec<_> = choices.iter().map(|choice| self.schema_of(choice)).collect();
                if choices.len() == 1 { choices.remove(0) } else { any_of(choices) }
            }
            TypeKind::Tagged(field, choices) => self.tagged(field, choices),
            TypeKind::JsonText(inner) => {
                if self.mode == Mode::Output {
                    return self.schema_of(inner);
                }
                let mut schema = typed("string");
                schema.insert("contentMediaType".to_owned(), Json::from("application/json"));
                schema.insert("contentSchema".to_owned(), self.json(inner));
                schema
            }
            TypeKind::Wrapped(inner) => self.schema_of(inner),
            TypeKind::Default(inner, value) => {
                let mut schema = self.schema_of(inner);
                if let Some(value) = value.as_ref().and_then(Value::json) {
                    schema.insert("default".to_owned(), value);
                }
                schema
            }
            TypeKind::Definition(id) => {
                self.define(*id);
                reference(*id)
            }
        }
    }

    fn decimal(&mut self, ty: &TypeIr) -> Map<String, Json> {
        let text = if ty.kind == TypeKind::Fraction { formatted("fraction") } else { typed("string") };
        if self.mode == Mode::Output {
            return text;
        }
        let number = bounded(typed("number"), ty, NUMERIC);
        any_of(vec![floats(number), text])
    }

    fn byte_size(&self) -> Map<String, Json> {
        let mut number = typed("integer");
        number.insert("minimum".to_owned(), Json::from(0));
        if self.mode == Mode::Output {
            return number;
        }
        let mut text = typed("string");
        text.insert("pattern".to_owned(), Json::from(r"^\s*(\d*\.?\d+)\s*(\w+)?"));
        any_of(vec![text, number])
    }

    fn dict(&mut self, ty: &TypeIr, key: &TypeIr, value: &TypeIr) -> Map<String, Json> {
        let mut schema = typed("object");
        let mut keys = self.schema_of(key);
        let mut pattern = None;
        if !keys.contains_key("$ref") {
            pattern = keys.shift_remove("pattern");
            keys.shift_remove("title");
        }
        let mut values = self.schema_of(value);
        values.shift_remove("title");
        match (pattern, values.is_empty()) {
            (Some(Json::String(pattern)), _) => {
                schema.insert("patternProperties".to_owned(), json!({ pattern: values }));
            }
            (_, false) => {
                schema.insert("additionalProperties".to_owned(), Json::Object(values));
            }
            (_, true) => {
                schema.insert("additionalProperties".to_owned(), Json::Bool(true));
            }
        }
        let constrained = keys.get("type") == Some(&Json::from("string")) && keys.len() > 1;
        if constrained || keys.contains_key("$ref") {
            keys.shift_remove("type");
            schema.insert("propertyNames".to_owned(), Json::Object(keys));
        }
        bounded(schema, ty, OBJECT)
    }

    fn tagged(&mut self, field: &str, choices: &[(String, TypeIr)]) -> Map<String, Json> {
        let mut mapping = Map::new();
        let mut one_of: Vec<Json> = Vec::new();
        for (tag, choice) in choices {
            let choice = self.json(choice);
            mapping.insert(tag.clone(), choice.get("$ref").unwrap_or(&choice).clone());
            if !one_of.contains(&choice) {
                one_of.push(choice);
            }
        }
        let mut schema = Map::new();
        schema.insert("discriminator".to_owned(), json!({"mapping": mapping, "propertyName": field}));
        schema.insert("oneOf".to_owned(), Json::Array(one_of));
        schema
    }

    fn define(&mut self, id: DefId) {
        if self.written.contains_key(&id) {
            return;
        }
        // Present while it is written, so that a type that contains itself ends here.
        self.written.insert(id, Map::new());
        let definitions = self.definitions;
        let Some(definition) = definitions.get(id) else { return };
        let schema = match &definition.shape {
            Shape::Pending => Map::new(),
            Shape::Alias(ty) => self.schema_of(ty),
            Shape::Enum { description, values } => {
                enumeration(&definition.name, description.as_ref(), values)
            }
            Shape::NamedTuple(members) => self.named_tuple(members),
            Shape::Object(object) => self.object(object),
        };
        self.written.insert(id, schema);
    }

    fn named_tuple(&mut self, members: &[Member]) -> Map<String, Json> {
        let mut schema = typed("array");
        let items: Vec<Json> =
            members.iter().map(|member| Json::Object(self.member(member, &member.name))).collect();
        let required = members.iter().filter(|member| member.required).count();
        schema.insert("maxItems".to_owned(), Json::from(items.len()));
        if !items.is_empty() {
            schema.insert("prefixItems".to_owned(), Json::Array(items));
        }
        if required > 0 {
            schema.insert("minItems".to_owned(), Json::from(required));
        }
        schema
    }

    fn object(&mut self, object: &Object) -> Map<String, Json> {
        let outer = self.by_alias;
        if self.mode == Mode::Output {
            self.by_alias = object.serialize_by_alias;
        }
        let mut schema = match (object.root, object.members.first()) {
            (true, Some(root)) => {
                let mut schema = self.schema_of(&root.ty);
                schema.extend(root.updates.clone());
                schema.extend(root.extra.clone());
                schema
            }
            _ => self.properties(&object.members),
        };
        self.by_alias = outer;
        schema.entry("title").or_insert_with(|| Json::String(object.title.clone()));
        if let Some(description) = &object.description {
            schema.entry("description").or_insert_with(|| Json::String(description.clone()));
        }
        if let Some(additional) = object.additional {
            schema.entry("additionalProperties").or_insert(Json::Bool(additional));
        }
        schema.extend(object.extra.clone());
        schema
    }

    fn properties(&mut self, members: &[Member]) -> Map<String, Json> {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for member in members {
            let left_out = if self.mode == Mode::Output { member.exclude } else { member.computed };
            if left_out {
                continue;
            }
            let alias = match self.mode {
                Mode::Input => &member.validation_alias,
                Mode::Output => &member.serialization_alias,
            };
            let name = alias.as_ref().filter(|_| self.by_alias).unwrap_or(&member.name);
            properties.insert(name.clone(), Json::Object(self.member(member, name)));
            if member.required {
                required.push(Json::String(name.clone()));
            }
        }
        let mut schema = typed("object");
        schema.insert("properties".to_owned(), Json::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), Json::Array(required));
        }
        schema
    }

    fn member(&mut self, member: &Member, name: &str) -> Map<String, Json> {
        let mut schema = self.schema_of(&member.ty);
        schema.extend(member.updates.clone());
        schema.extend(member.extra.clone());
        self.titled(&mut schema, &member.ty, name);
        self.without_repetition(schema)
    }

    /// Adds the title that a property gets from its name.
    pub(crate) fn titled(&self, schema: &mut Map<String, Json>, ty: &TypeIr, name: &str) {
        // Most would be taken off again at the end.
        if !schema.contains_key("title") && !loses_title(schema) && takes_title(ty) {
            schema.insert("title".to_owned(), Json::String(title_from_name(name)));
        }
    }

    /// Keywords beside a `$ref` that only repeat what it refers to are dropped.
    fn without_repetition(&self, mut schema: Map<String, Json>) -> Map<String, Json> {
        let Some(id) = schema.get("$ref").and_then(referenced) else { return schema };
        if let Some(target) = self.written.get(&id) {
            schema.retain(|key, value| key == "$ref" || target.get(key) != Some(value));
        }
        schema
    }
}

const NUMERIC: &[(&str, &str)] = &[
    ("multiple_of", "multipleOf"),
    ("le", "maximum"),
    ("ge", "minimum"),
    ("lt", "exclusiveMaximum"),
    ("gt", "exclusiveMinimum"),
];
const STRING: &[(&str, &str)] =
    &[("min_length", "minLength"), ("max_length", "maxLength"), ("pattern", "pattern")];
const ARRAY: &[(&str, &str)] = &[("min_length", "minItems"), ("max_length", "maxItems")];
const OBJECT: &[(&str, &str)] = &[("min_length", "minProperties"), ("max_length", "maxProperties")];

fn bounded(mut schema: Map<String, Json>, ty: &TypeIr, keywords: &[(&str, &str)]) -> Map<String, Json> {
    for (bound, keyword) in keywords {
        if let Some((_, value)) = ty.bounds.iter().find(|(name, _)| name == bound) {
            schema.insert((*keyword).to_owned(), value.clone());
        }
    }
    schema
}

/// Bounds of a decimal are written as floating point numbers.
fn floats(mut schema: Map<String, Json>) -> Map<String, Json> {
    for (_, value) in &mut schema {
        let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
        if let Some(number) = number.filter(|_| value.as_str() != Some("number")) {
            *value = Json::from(number);
        }
    }
    schema
}

fn typed(name: &str) -> Map<String, Json> {
    let mut schema = Map::new();
    schema.insert("type".to_owned(), Json::from(name));
    schema
}

fn formatted(format: &str) -> Map<String, Json> {
    let mut schema = typed("string");
    schema.insert("format".to_owned(), Json::from(format));
    schema
}

fn any_of(choices: Vec<Map<String, Json>>) -> Map<String, Json> {
    let mut members: Vec<Json> = Vec::new();
    let mut add = |member: Json| {
        if !members.contains(&member) {
            members.push(member);
        }
    };
    for choice in choices {
        match choice.get("anyOf") {
            Some(Json::Array(inner)) if choice.len() == 1 => inner.iter().cloned().for_each(&mut add),
            _ => add(Json::Object(choice)),
        }
    }
    if members.len() == 1
        && let Some(Json::Object(only)) = members.pop()
    {
        return only;
    }
    let mut schema = Map::new();
    schema.insert("anyOf".to_owned(), Json::Array(members));
    schema
}

fn literal(values: &[Value]) -> Map<String, Json> {
    let values: Vec<Json> = values.iter().filter_map(Value::json).collect();
    let mut schema = Map::new();
    let kind = common_type(&values, true);
    if let [only] = values.as_slice() {
        schema.insert("const".to_owned(), only.clone());
    } else {
        schema.insert("enum".to_owned(), Json::Array(values));
    }
    if let Some(kind) = kind {
        schema.insert("type".to_owned(), Json::from(kind));
    }
    schema
}

fn enumeration(title: &str, description: Option<&String>, values: &[Value]) -> Map<String, Json> {
    let values: Vec<Json> = values.iter().filter_map(Value::json).collect();
    let mut schema = Map::new();
    if let Some(kind) = common_type(&values, false) {
        schema.insert("type".to_owned(), Json::from(kind));
    }
    schema.insert("title".to_owned(), Json::from(title));
    if let Some(description) = description {
        schema.insert("description".to_owned(), Json::from(description.as_str()));
    }
    schema.insert("enum".to_owned(), Json::Array(values));
    schema
}

/// The JSON type that all values share, by Python's types: `1` and `1.0` share none.
fn common_type(values: &[Json], with_null: bool) -> Option<&'static str> {
    let name = |value: &Json| match value {
        Json::String(_) => "string",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::Array(_) => "array",
        Json::Null if with_null => "null",
        Json::Null | Json::Object(_) => "",
    };
    let first = name(values.first()?);
    (!first.is_empty() && values.iter().all(|value| name(value) == first)).then_some(first)
}

/// Named types bring their own title, everything else takes one from the property's name.
fn takes_title(ty: &TypeIr) -> bool {
    match &ty.kind {
        TypeKind::Definition(_) => false,
        TypeKind::Default(inner, _) | TypeKind::Nullable(inner) | TypeKind::Wrapped(inner) => {
            takes_title(inner)
        }
        _ => true,
    }
}

/// `max_items_2x` → `Max Items 2X`, as Python's `str.title` has it.
pub(crate) fn title_from_name(name: &str) -> String {
    title_case(name).replace('_', " ").trim().to_owned()
}

pub(crate) fn title_case(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_lowercase() || c.is_uppercase();
    }
    out
}

//! What goes into a function and what comes out, as schemas.

use omni_call::Inject;
use serde_json::{Map, Value as Json, json};

use crate::core::{Core, Kind, Shape};
use crate::docstring::Docstring;
use crate::family::{Family, family, is_context};
use crate::package::{FileId, Item, Package, last};
use crate::schema::{Mode, Writer, title_from_name};
use crate::syntax::{Expr, ExprKind, Function, Operator, Parameter, ParameterKind, parse_annotation};
use crate::titles::without_titles;
use crate::types::{Problem, Types};

/// A function's schemas.
pub(crate) struct Signature {
    pub(crate) input: Json,
    pub(crate) output: Option<Json>,
    pub(crate) wrap: bool,
    pub(crate) inject: Vec<Inject>,
    pub(crate) problems: Vec<Located>,
}

/// A problem and the part of the signature that it is about.
pub(crate) struct Located {
    /// A parameter's name and position, or nothing for the result.
    pub(crate) parameter: Option<(String, u32)>,
    pub(crate) problem: Problem,
}

/// Reads a function's signature.
pub(crate) fn signature(
    package: &Package,
    file: FileId,
    function: &Function,
    docstring: &Docstring,
) -> Signature {
    let mut inject = Vec::new();
    let mut problems = Vec::new();
    let input = input(package, file, function, docstring, &mut inject, &mut problems);
    let (output, wrap) = output(package, file, function, &mut problems);
    Signature { input, output, wrap, inject, problems }
}

fn input(
    package: &Package,
    file: FileId,
    function: &Function,
    docstring: &Docstring,
    inject: &mut Vec<Inject>,
    problems: &mut Vec<Located>,
) -> Json {
    let mut types = Types::new(package);
    types.declare(file, &function.type_parameters);
    let mut arguments: Vec<(String, Core)> = Vec::new();
    for parameter in &function.parameters {
        if matches!(parameter.kind, ParameterKind::VarArgs | ParameterKind::VarKeywords) {
            continue;
        }
        if parameter
            .annotation
            .as_ref()
            .is_some_and(|annotation| takes_context(package, file, annotation, 16))
        {
            inject.push(Inject { parameter: parameter.name.clone(), kind: "context".to_owned() });
            continue;
        }
        arguments.push(argument(&mut types, file, parameter));
        let found = std::mem::take(&mut types.problems);
        problems.extend(
            found
                .into_iter()
                .map(|problem| Located { parameter: Some((parameter.name.clone(), parameter.at)), problem }),
        );
    }
    let mut writer = Writer::new(&types.definitions, Mode::Input);
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut titles = Vec::new();
    for (name, core) in &arguments {
        let mut schema = writer.core(core);
        writer.titled(&mut schema, core, name);
        if let Some(Json::String(title)) = schema.get("title")
            && *title != title_from_name(name)
        {
            titles.push((name.clone(), title.clone()));
        }
        properties.insert(name.clone(), Json::Object(schema));
        if !matches!(core.kind, Kind::Default(..)) {
            required.push(Json::String(name.clone()));
        }
    }
    let mut root = Map::new();
    root.insert("type".to_owned(), Json::from("object"));
    root.insert("properties".to_owned(), Json::Object(properties));
    root.insert("additionalProperties".to_owned(), Json::Bool(false));
    if !required.is_empty() {
        root.insert("required".to_owned(), Json::Array(required));
    }
    let mut root = writer.finish(root);
    without_titles(&mut root);
    if let Some(Json::Object(properties)) = root.get_mut("properties") {
        complete(properties, titles, docstring);
    }
    Json::Object(root)
}

/// Puts back the titles that the author wrote and fills in descriptions from the docstring.
fn complete(properties: &mut Map<String, Json>, titles: Vec<(String, String)>, docstring: &Docstring) {
    for (name, title) in titles {
        if let Some(Json::Object(property)) = properties.get_mut(&name) {
            property.insert("title".to_owned(), Json::String(title));
        }
    }
    // The last text for a name is the one that counts.
    for (name, text) in docstring.parameters.iter().rev() {
        if let Some(Json::Object(property)) = properties.get_mut(name)
            && !property.contains_key("description")
        {
            property.insert("description".to_owned(), Json::String(text.clone()));
        }
    }
}

fn argument(types: &mut Types<'_>, file: FileId, parameter: &Parameter) -> (String, Core) {
    let mut name = parameter.name.clone();
    let (core, mut info) = match &parameter.annotation {
        Some(annotation) => {
            let mut peeled = types.peel(file, annotation);
            if let Some(text) = peeled.text {
                peeled.info.description = Some(text);
            }
            (peeled.core, peeled.info)
        }
        None => (Core::any(), crate::field::FieldInfo::default()),
    };
    if let Some(default) = &parameter.default {
        match types.field_expression(file, default) {
            Some(field) => info.merge_default(field),
            None => info.default = types.default_value(file, default),
        }
    }
    if let Some(alias) = info.validation_alias.as_ref().or(info.alias.as_ref()) {
        name.clone_from(alias);
    }
    (name, types.apply(core, info))
}

/// Whether an annotation is the call's context: itself, in a union, in `Annotated`, as text, by alias.
fn takes_context(package: &Package, file: FileId, annotation: &Expr, steps: u32) -> bool {
    let (Some(steps), Some(())) = (steps.checked_sub(1), package.step()) else { return false };
    match &annotation.kind {
        ExprKind::Str(text) => {
            text.contains("Context")
                && parse_annotation(text, annotation.at)
                    .is_some_and(|parsed| takes_context(package, file, &parsed, steps))
        }
        ExprKind::Name(_) | ExprKind::Attribute(..) => match package.resolve(file, annotation) {
            Item::External(path) => is_context(&path),
            Item::Class(at, class) => family(package, at, class) == Family::Context,
            Item::Value(at, value) => takes_context(package, at, value, steps),
            _ => false,
        },
        ExprKind::Binary(left, Operator::Or, right) => {
            takes_context(package, file, left, steps) || takes_context(package, file, right, steps)
        }
        ExprKind::Subscript(base, arguments) => match package.resolve(file, base) {
            Item::External(path) => match last(&path) {
                "Optional" | "Union" => {
                    arguments.iter().any(|argument| takes_context(package, file, argument, steps))
                }
                "Annotated" => {
                    arguments.first().is_some_and(|argument| takes_context(package, file, argument, steps))
                }
                // `Context[Session, State]`.
                _ => is_context(&path),
            },
            _ => false,
        },
        _ => false,
    }
}

fn output(
    package: &Package,
    file: FileId,
    function: &Function,
    problems: &mut Vec<Located>,
) -> (Option<Json>, bool) {
    let Some(returns) = &function.returns else { return (None, false) };
    let mut types = Types::new(package);
    types.declare(file, &function.type_parameters);
    let core = types.annotation(file, returns);
    if says_nothing(&core) || !types.problems.is_empty() {
        let found = std::mem::take(&mut types.problems);
        problems.extend(found.into_iter().map(|problem| Located { parameter: None, problem }));
        return (None, false);
    }
    if has_bytes(&core) || unconstrained_list(&core) || has_content(&core) {
        return (None, false);
    }
    let mut writer = Writer::new(&types.definitions, Mode::Output);
    let schema = writer.core(&core);
    let object = is_object(&types, &core, &schema);
    let (schema, wrap) = if object {
        (schema, false)
    } else {
        let mut result = schema;
        writer.titled(&mut result, &core, "result");
        let mut root = Map::new();
        root.insert("type".to_owned(), Json::from("object"));
        root.insert("properties".to_owned(), json!({"result": result}));
        root.insert("required".to_owned(), json!(["result"]));
        (root, true)
    };
    let mut schema = writer.finish(schema);
    without_titles(&mut schema);
    if wrap {
        schema.insert("x-fastmcp-wrap-result".to_owned(), Json::Bool(true));
    }
    (Some(Json::Object(schema)), wrap)
}

fn says_nothing(core: &Core) -> bool {
    matches!(core.kind, Kind::None | Kind::Any | Kind::Unknown | Kind::Content) && !core.sealed
}

/// Bytes are not structured output, not even as one choice of a union.
fn has_bytes(core: &Core) -> bool {
    match &core.kind {
        Kind::Bytes => true,
        Kind::Nullable(inner) => has_bytes(inner),
        Kind::Union(choices) => choices.iter().any(has_bytes),
        _ => false,
    }
}

/// A list of anything says nothing that a client could use.
fn unconstrained_list(core: &Core) -> bool {
    match &core.kind {
        Kind::List(item) | Kind::Sequence(item) | Kind::TupleOf(item) => **item == Core::any(),
        _ => false,
    }
}

fn has_content(core: &Core) -> bool {
    match &core.kind {
        Kind::Content => true,
        Kind::Nullable(inner)
        | Kind::List(inner)
        | Kind::Sequence(inner)
        | Kind::Lazy(inner)
        | Kind::Set(inner)
        | Kind::TupleOf(inner)
        | Kind::Wrapped(inner)
        | Kind::Default(inner, _) => has_content(inner),
        Kind::Dict(key, value) | Kind::Mapping(key, value) => has_content(key) || has_content(value),
        Kind::Union(items) | Kind::Tuple(items) => items.iter().any(has_content),
        _ => false,
    }
}

fn is_object(types: &Types<'_>, core: &Core, schema: &Map<String, Json>) -> bool {
    if schema.get("type") == Some(&Json::from("object")) || schema.contains_key("properties") {
        return true;
    }
    let Kind::Definition(id) = core.kind else { return false };
    match types.definitions.get(id).map(|definition| &definition.shape) {
        Some(Shape::Object(object)) if object.root => {
            object.members.first().is_some_and(|root| object_core(types, &root.core, 16))
        }
        Some(Shape::Object(_)) => true,
        Some(Shape::Alias(inner)) => object_core(types, inner, 16),
        _ => false,
    }
}

fn object_core(types: &Types<'_>, core: &Core, steps: u32) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    match &core.kind {
        Kind::Dict(..) | Kind::Mapping(..) => true,
        Kind::Definition(id) => match types.definitions.get(*id).map(|definition| &definition.shape) {
            Some(Shape::Object(object)) => !object.root,
            Some(Shape::Alias(inner)) => object_core(types, inner, steps),
            _ => false,
        },
        _ => false,
    }
}

//! What goes into a function and what comes out, as schemas.

use omni_call::InjectedParameter;
use serde_json::{Map, Value as Json, json};

use crate::class_kind::{ClassKind, class_kind, is_context};
use crate::docstring::Docstring;
use crate::package::{FileId, Item, Package, last};
use crate::schema::{Mode, Writer, title_from_name};
use crate::syntax::{Expr, ExprKind, Function, Operator, Parameter, ParameterKind, parse_annotation};
use crate::titles::without_titles;
use crate::type_ir::{Shape, TypeIr, TypeKind};
use crate::types::{Problem, Types};

/// A function's schemas.
pub(crate) struct Signature {
    pub(crate) input: Json,
    pub(crate) output: Option<Json>,
    pub(crate) wrap: bool,
    pub(crate) inject: Vec<InjectedParameter>,
    pub(crate) problems: Vec<Located>,
}

/// A problem and the part of the signature that it is about.
pub(crate) struct Located {
    /// A parameter's name and position, or nothing for the result.
    pub(crate) parameter: Option<(String, u32)>,
    pub(crate) problem: Problem,
}

/// What a function takes.
pub(crate) struct Inputs {
    /// JSON Schema of an object whose properties are the parameters, in their order.
    pub(crate) schema: Json,
    pub(crate) inject: Vec<InjectedParameter>,
    pub(crate) problems: Vec<Located>,
}

/// Reads what a function takes.
pub(crate) fn inputs(package: &Package, file: FileId, function: &Function, docstring: &Docstring) -> Inputs {
    let mut inject = Vec::new();
    let mut problems = Vec::new();
    let schema = input(package, file, function, docstring, &mut inject, &mut problems);
    Inputs { schema, inject, problems }
}

/// Reads a function's signature.
pub(crate) fn signature(
    package: &Package,
    file: FileId,
    function: &Function,
    docstring: &Docstring,
) -> Signature {
    let Inputs { schema: input, inject, mut problems } = inputs(package, file, function, docstring);
    let (output, wrap) = output(package, file, function, &mut problems);
    Signature { input, output, wrap, inject, problems }
}

fn input(
    package: &Package,
    file: FileId,
    function: &Function,
    docstring: &Docstring,
    inject: &mut Vec<InjectedParameter>,
    problems: &mut Vec<Located>,
) -> Json {
    let mut types = Types::new(package);
    types.declare(file, &function.type_parameters);
    let mut arguments: Vec<(String, TypeIr)> = Vec::new();
    for parameter in &function.parameters {
        if matches!(parameter.kind, ParameterKind::VarArgs | ParameterKind::VarKeywords) {
            continue;
        }
        if parameter
            .annotation
            .as_ref()
            .is_some_and(|annotation| takes_context(package, file, annotation, 16))
        {
            inject.push(InjectedParameter { parameter: parameter.name.clone(), kind: "context".to_owned() });
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
    for (name, ty) in &arguments {
        let mut schema = writer.schema_of(ty);
        writer.titled(&mut schema, ty, name);
        if let Some(Json::String(title)) = schema.get("title")
            && *title != title_from_name(name)
        {
            titles.push((name.clone(), title.clone()));
        }
        properties.insert(name.clone(), Json::Object(schema));
        if !matches!(ty.kind, TypeKind::Default(..)) {
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

fn argument(types: &mut Types<'_>, file: FileId, parameter: &Parameter) -> (String, TypeIr) {
    let mut name = parameter.name.clone();
    let (ty, mut info) = match &parameter.annotation {
        Some(annotation) => {
            let mut annotated = types.unwrap_annotated(file, annotation);
            if let Some(text) = annotated.text {
                annotated.info.description = Some(text);
            }
            (annotated.ty, annotated.info)
        }
        None => (TypeIr::any(), crate::field::FieldInfo::default()),
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
    (name, types.apply(ty, info))
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
            Item::Class(at, class) => class_kind(package, at, class) == ClassKind::Context,
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
    let ty = types.annotation(file, returns);
    if says_nothing(&ty) || !types.problems.is_empty() {
        let found = std::mem::take(&mut types.problems);
        problems.extend(found.into_iter().map(|problem| Located { parameter: None, problem }));
        return (None, false);
    }
    if has_bytes(&ty) || unconstrained_list(&ty) || has_content(&ty) {
        return (None, false);
    }
    let mut writer = Writer::new(&types.definitions, Mode::Output);
    let schema = writer.schema_of(&ty);
    let object = is_object(&types, &ty, &schema);
    let (schema, wrap) = if object {
        (schema, false)
    } else {
        let mut result = schema;
        writer.titled(&mut result, &ty, "result");
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

fn says_nothing(ty: &TypeIr) -> bool {
    matches!(ty.kind, TypeKind::None | TypeKind::Any | TypeKind::Unknown | TypeKind::Content)
        && !ty.from_annotated
}

/// Bytes are not structured output, not even as one choice of a union.
fn has_bytes(ty: &TypeIr) -> bool {
    match &ty.kind {
        TypeKind::Bytes => true,
        TypeKind::Nullable(inner) => has_bytes(inner),
        TypeKind::Union(choices) => choices.iter().any(has_bytes),
        _ => false,
    }
}

/// A list of anything says nothing that a client could use.
fn unconstrained_list(ty: &TypeIr) -> bool {
    match &ty.kind {
        TypeKind::List(item) | TypeKind::Sequence(item) | TypeKind::TupleOf(item) => **item == TypeIr::any(),
        _ => false,
    }
}

fn has_content(ty: &TypeIr) -> bool {
    match &ty.kind {
        TypeKind::Content => true,
        TypeKind::Nullable(inner)
        | TypeKind::List(inner)
        | TypeKind::Sequence(inner)
        | TypeKind::Iterable(inner)
        | TypeKind::Set(inner)
        | TypeKind::TupleOf(inner)
        | TypeKind::Wrapped(inner)
        | TypeKind::Default(inner, _) => has_content(inner),
        TypeKind::Dict(key, value) | TypeKind::Mapping(key, value) => has_content(key) || has_content(value),
        TypeKind::Union(items) | TypeKind::Tuple(items) => items.iter().any(has_content),
        _ => false,
    }
}

fn is_object(types: &Types<'_>, ty: &TypeIr, schema: &Map<String, Json>) -> bool {
    if schema.get("type") == Some(&Json::from("object")) || schema.contains_key("properties") {
        return true;
    }
    let TypeKind::Definition(id) = ty.kind else { return false };
    match types.definitions.get(id).map(|definition| &definition.shape) {
        Some(Shape::Object(object)) if object.root => {
            object.members.first().is_some_and(|root| is_object_type(types, &root.ty, 16))
        }
        Some(Shape::Object(_)) => true,
        Some(Shape::Alias(inner)) => is_object_type(types, inner, 16),
        _ => false,
    }
}

fn is_object_type(types: &Types<'_>, ty: &TypeIr, steps: u32) -> bool {
    let Some(steps) = steps.checked_sub(1) else { return false };
    match &ty.kind {
        TypeKind::Dict(..) | TypeKind::Mapping(..) => true,
        TypeKind::Definition(id) => match types.definitions.get(*id).map(|definition| &definition.shape) {
            Some(Shape::Object(object)) => !object.root,
            Some(Shape::Alias(inner)) => is_object_type(types, inner, steps),
            _ => false,
        },
        _ => false,
    }
}

//! What does a class of the skill look like as a type: an enumeration, a typed dictionary, a dataclass, a
//! Pydantic model?

use serde_json::{Map, Value as Json};

use crate::core::{Core, Kind, Member, Object, Shape};
use crate::docstring::cleaned;
use crate::field::{FieldInfo, Metadata, last};
use crate::package::{FileId, Item, Package};
use crate::syntax::{Call, Class, Expr, ExprKind, Field, Function};
use crate::types::{DefinitionKey, Named, Types};
use crate::value::{Evaluator, Value};

/// What kind of class it is, by its bases and decorators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Enum(Automatic),
    TypedDict,
    NamedTuple,
    Model,
    RootModel,
    Dataclass,
    /// Filled in by the worker.
    Context,
    /// MCP content.
    Content,
    Other,
}

/// What `auto()` gives in an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Automatic {
    Count,
    Power,
    LowerName,
}

/// Classes of classes: more than this is a cycle.
const BASES_MAX: u32 = 16;

/// Members that one enumeration may have.
const MEMBERS_MAX: usize = 2_000;

/// Which kind of class this is.
pub(crate) fn family(package: &Package, file: FileId, class: usize) -> Family {
    family_within(package, file, class, BASES_MAX)
}

fn family_within(package: &Package, file: FileId, index: usize, steps: u32) -> Family {
    let (Some(steps), Some(())) = (steps.checked_sub(1), package.step()) else { return Family::Other };
    let class = &package.file(file).classes[index];
    for base in &class.bases {
        let base = match &base.kind {
            ExprKind::Subscript(base, ..) => base,
            _ => base,
        };
        let found = match package.resolve(file, base) {
            Item::External(path) => external_family(&path),
            Item::Class(at, class) => family_within(package, at, class, steps),
            _ => Family::Other,
        };
        if found != Family::Other {
            return found;
        }
    }
    let dataclass = class.decorators.iter().any(|decorator| {
        let name = match &decorator.kind {
            ExprKind::Call(call) => &call.function,
            _ => decorator,
        };
        matches!(package.resolve(file, name), Item::External(path)
            if path == "dataclasses.dataclass" || path == "pydantic.dataclasses.dataclass")
    });
    if dataclass { Family::Dataclass } else { Family::Other }
}

fn external_family(path: &str) -> Family {
    if is_context(path) {
        return Family::Context;
    }
    match path {
        "enum.Enum" | "enum.IntEnum" | "enum.ReprEnum" => Family::Enum(Automatic::Count),
        "enum.StrEnum" => Family::Enum(Automatic::LowerName),
        "enum.Flag" | "enum.IntFlag" => Family::Enum(Automatic::Power),
        "typing.TypedDict" | "typing_extensions.TypedDict" => Family::TypedDict,
        "typing.NamedTuple" | "typing_extensions.NamedTuple" => Family::NamedTuple,
        "pydantic.BaseModel" | "pydantic.main.BaseModel" => Family::Model,
        "pydantic.RootModel" | "pydantic.root_model.RootModel" => Family::RootModel,
        "omni.ToolResult" | "omni.Text" | "omni.Image" | "omni.Audio" => Family::Content,
        _ => Family::Other,
    }
}

/// Whether a dotted path names a call's context, in omni or in the frameworks that skills come from.
pub(crate) fn is_context(path: &str) -> bool {
    let (module, name) = path.rsplit_once('.').unwrap_or(("", path));
    name == "Context"
        && (module == "omni"
            || module.starts_with("omni.")
            || module == "fastmcp"
            || module.starts_with("fastmcp.")
            || module.starts_with("mcp.server"))
}

/// The members of an enumeration in order, aliases included; `None` when only Python knows them.
pub(crate) fn enum_members(package: &Package, file: FileId, index: usize) -> Option<Vec<(String, Value)>> {
    let _level = package.level()?;
    let Family::Enum(automatic) = family(package, file, index) else { return None };
    let class = &package.file(file).classes[index];
    let makes_values =
        |method: &Function| matches!(method.name.as_str(), "__new__" | "__init__" | "_generate_next_value_");
    if class.methods.iter().any(makes_values) || class.fields.len() > MEMBERS_MAX {
        return None;
    }
    let mut evaluator = Evaluator::new(package);
    let mut members: Vec<(String, Value)> = Vec::new();
    for field in &class.fields {
        let (Some(expr), None) = (&field.value, &field.annotation) else { continue };
        // `_name_` is reserved and `__name` private; `_name` is a member like any other.
        if field.name.starts_with("__") || field.name.starts_with('_') && field.name.ends_with('_') {
            continue;
        }
        let value = member_value(package, file, &mut evaluator, &members, field, expr, automatic)?;
        evaluator.define(&field.name, value.clone());
        members.push((field.name.clone(), value));
    }
    Some(members)
}

/// The JSON form of an instance of a named tuple or plain dataclass of the skill: `Point(1, y=2)`.
pub(crate) fn instance(
    package: &Package,
    (file, index): (FileId, usize),
    positional: Vec<Value>,
    mut named: Vec<(String, Value)>,
) -> Option<Value> {
    let _level = package.level()?;
    let kind = family(package, file, index);
    let class = &package.file(file).classes[index];
    // What `__init__` or a base class adds is not followed.
    let own = class
        .methods
        .iter()
        .any(|method| matches!(method.name.as_str(), "__init__" | "__post_init__" | "__new__"));
    if !matches!(kind, Family::NamedTuple | Family::Dataclass) || own || class.fields.len() > MEMBERS_MAX {
        return None;
    }
    if kind == Family::Dataclass && !class.bases.is_empty() {
        return None;
    }
    let mut positional = positional.into_iter();
    let mut values = Vec::new();
    for field in class.fields.iter().filter(|field| field.annotation.is_some()) {
        let given = named.iter().position(|(name, _)| *name == field.name).map(|at| named.swap_remove(at).1);
        let value = match given.or_else(|| positional.next()) {
            Some(value) => value,
            None => field_default(package, file, field.value.as_ref()?)?,
        };
        values.push((Value::Str(field.name.clone()), value));
    }
    if positional.next().is_some() || !named.is_empty() {
        return None;
    }
    Some(match kind {
        Family::NamedTuple => Value::Tuple(values.into_iter().map(|(_, value)| value).collect()),
        _ => Value::Dict(values),
    })
}

/// The default of a dataclass's field: a value, `field(default=…)` or `field(default_factory=list)`.
fn field_default(package: &Package, file: FileId, expr: &Expr) -> Option<Value> {
    if let ExprKind::Call(call) = &expr.kind
        && matches!(package.resolve(file, &call.function), Item::External(path) if path == "dataclasses.field")
    {
        if let Some(default) = call.keyword("default") {
            return Evaluator::new(package).value(file, default);
        }
        return match package.resolve(file, call.keyword("default_factory")?) {
            Item::External(path) if path == "builtins.list" => Some(Value::List(Vec::new())),
            Item::External(path) if path == "builtins.dict" => Some(Value::Dict(Vec::new())),
            _ => None,
        };
    }
    Evaluator::new(package).value(file, expr)
}

fn member_value(
    package: &Package,
    file: FileId,
    evaluator: &mut Evaluator<'_>,
    members: &[(String, Value)],
    field: &Field,
    expr: &Expr,
    automatic: Automatic,
) -> Option<Value> {
    if let ExprKind::Call(call) = &expr.kind
        && let Item::External(path) = package.resolve(file, &call.function)
        && path == "enum.auto"
    {
        return automatic_value(members, &field.name, automatic);
    }
    match evaluator.value(file, expr)? {
        Value::Member(value) => Some(*value),
        value => Some(value),
    }
}

fn automatic_value(members: &[(String, Value)], name: &str, automatic: Automatic) -> Option<Value> {
    let integers = members.iter().filter_map(|(_, value)| match value {
        Value::Int(value) => Some(*value),
        _ => None,
    });
    match automatic {
        Automatic::LowerName => Some(Value::Str(name.to_lowercase())),
        Automatic::Count => integers.max().unwrap_or(0).checked_add(1).map(Value::Int),
        Automatic::Power => match integers.max().filter(|highest| *highest > 0) {
            None => Some(Value::Int(1)),
            Some(highest) => 1_i64.checked_shl(64 - highest.leading_zeros()).map(Value::Int),
        },
    }
}

/// An annotation with its outermost `Annotated` and qualifiers taken off.
pub(crate) struct Peeled {
    pub(crate) core: Core,
    pub(crate) info: FieldInfo,
    /// The text of `Annotated[T, "text"]`, when it is all the metadata there is.
    pub(crate) text: Option<String>,
    required: Option<bool>,
    class_variable: bool,
}

#[derive(Default)]
struct Layers {
    info: FieldInfo,
    texts: Vec<String>,
    metadata: usize,
    required: Option<bool>,
    class_variable: bool,
}

impl Types<'_> {
    /// Takes `Annotated`, `Required`, `ClassVar` and the like off an annotation.
    pub(crate) fn peel(&mut self, file: FileId, expr: &Expr) -> Peeled {
        let mut layers = Layers::default();
        let core = self.peel_within(file, expr, &mut layers, BASES_MAX);
        let text = if layers.metadata == 1 { layers.texts.pop() } else { None };
        Peeled {
            core,
            info: layers.info,
            text,
            required: layers.required,
            class_variable: layers.class_variable,
        }
    }

    fn peel_within(&mut self, file: FileId, expr: &Expr, layers: &mut Layers, steps: u32) -> Core {
        let Some(steps) = steps.checked_sub(1) else { return self.annotation(file, expr) };
        match &expr.kind {
            ExprKind::Str(text) => match crate::syntax::parse_annotation(text, expr.at) {
                Some(parsed) => self.peel_within(file, &parsed, layers, steps),
                None => self.annotation(file, expr),
            },
            ExprKind::Name(name) if self.variables.iter().any(|(found, _)| found == name) => {
                self.annotation(file, expr)
            }
            ExprKind::Name(_) | ExprKind::Attribute(..) => match self.resolve(file, expr) {
                Item::Value(at, value @ Expr { kind: ExprKind::Subscript(..), .. }) => {
                    self.peel_within(at, value, layers, steps)
                }
                Item::External(path) if matches!(last(&path), "ClassVar" | "Final") => {
                    layers.class_variable |= path.ends_with("ClassVar");
                    Core::any()
                }
                _ => self.annotation(file, expr),
            },
            ExprKind::Subscript(base, arguments) => {
                let path = match self.resolve(file, base) {
                    Item::External(path) => path,
                    _ => String::new(),
                };
                let Some(inner) = arguments.first() else { return self.annotation(file, expr) };
                match last(&path) {
                    "Annotated" => {
                        let core = self.peel_within(file, inner, layers, steps);
                        self.read_metadata(file, &arguments[1..], layers);
                        core
                    }
                    "Required" => {
                        layers.required = Some(true);
                        self.peel_within(file, inner, layers, steps)
                    }
                    "NotRequired" => {
                        layers.required = Some(false);
                        self.peel_within(file, inner, layers, steps)
                    }
                    "ClassVar" => {
                        layers.class_variable = true;
                        Core::any()
                    }
                    "ReadOnly" | "Final" | "InitVar" => self.peel_within(file, inner, layers, steps),
                    _ => self.annotation(file, expr),
                }
            }
            _ => self.annotation(file, expr),
        }
    }

    fn read_metadata(&mut self, file: FileId, items: &[Expr], layers: &mut Layers) {
        for item in items {
            layers.metadata += 1;
            match self.metadata(file, item) {
                Metadata::Field(field) => layers.info.merge(*field),
                Metadata::Text(text) => layers.texts.push(text),
                Metadata::Ignored => {}
                Metadata::Unknown => self.unknown_metadata(file, item),
            }
        }
    }

    /// The type that a class of the skill stands for.
    pub(crate) fn class(
        &mut self,
        file: FileId,
        index: usize,
        arguments: &[Core],
        at: (FileId, u32),
    ) -> Core {
        let package = self.package;
        let class = &package.file(file).classes[index];
        let family = family(package, file, index);
        match family {
            Family::Other => {
                let message = format!(
                    "`{}` is a plain class: only an enumeration, a dataclass, a typed dictionary, a named tuple or a \
                     Pydantic model can be described",
                    class.name
                );
                self.problem(at.0, at.1, message);
                return Kind::Unknown.into();
            }
            _ if class.fields.len() > MEMBERS_MAX => {
                let message =
                    format!("`{}` has more than {MEMBERS_MAX} fields, so it is not followed", class.name);
                self.problem(at.0, at.1, message);
                return Kind::Unknown.into();
            }
            Family::Context => return Kind::Unknown.into(),
            Family::Content => return Kind::Content.into(),
            Family::Enum(_) => return self.enumeration(file, index, class, at),
            _ => {}
        }
        let name = self.class_name(class, arguments);
        let key = DefinitionKey {
            file,
            what: Named::Class(index),
            arguments: if arguments.is_empty() { String::new() } else { format!("{arguments:?}") },
        };
        let (id, new) = self.define(key, &name);
        if new {
            let outer = std::mem::take(&mut self.variables);
            self.within.push((file, index));
            self.declare_class(file, class, arguments);
            let shape = match family {
                Family::NamedTuple => Shape::NamedTuple(self.named_tuple(file, class)),
                Family::TypedDict => Shape::Object(self.typed_dict(file, index, &name)),
                Family::Dataclass => Shape::Object(self.dataclass(file, index, &name)),
                Family::RootModel => self.root_model(file, class, &name),
                _ => Shape::Object(self.model(file, index, &name)),
            };
            self.within.pop();
            self.variables = outer;
            self.definitions[id].shape = shape;
        }
        Kind::Definition(id).into()
    }

    /// `Box[int]` for a generic class with arguments.
    fn class_name(&self, class: &Class, arguments: &[Core]) -> String {
        if arguments.is_empty() {
            return class.name.clone();
        }
        let shown: Vec<String> = arguments.iter().map(|argument| self.display(argument)).collect();
        format!("{}[{}]", class.name, shown.join(","))
    }

    pub(crate) fn display(&self, core: &Core) -> String {
        match &core.kind {
            Kind::Int => "int".to_owned(),
            Kind::Str => "str".to_owned(),
            Kind::Float => "float".to_owned(),
            Kind::Bool => "bool".to_owned(),
            Kind::Bytes => "bytes".to_owned(),
            Kind::None => "NoneType".to_owned(),
            Kind::Any => "Any".to_owned(),
            Kind::Anything => "object".to_owned(),
            Kind::List(item) => format!("list[{}]", self.display(item)),
            Kind::Dict(key, value) => format!("dict[{}, {}]", self.display(key), self.display(value)),
            Kind::Definition(id) => self.definitions[*id].name.clone(),
            Kind::Union(_) | Kind::Nullable(_) => {
                let (inner, last) = match &core.kind {
                    Kind::Nullable(inner) => (inner.as_ref(), Some("NoneType".to_owned())),
                    _ => (core, None),
                };
                let choices = match &inner.kind {
                    Kind::Union(choices) => choices.as_slice(),
                    _ => std::slice::from_ref(inner),
                };
                let shown: Vec<String> =
                    choices.iter().map(|choice| self.display(choice)).chain(last).collect();
                format!("Union[{}]", shown.join(", "))
            }
            _ => "type".to_owned(),
        }
    }

    fn declare_class(&mut self, file: FileId, class: &Class, arguments: &[Core]) {
        self.declare(file, &class.type_parameters);
        let mut names: Vec<String> =
            class.type_parameters.iter().map(|parameter| parameter.name.clone()).collect();
        for base in &class.bases {
            // `Generic[T]`, `Base[T]`.
            if let ExprKind::Subscript(_, parameters) = &base.kind {
                for parameter in parameters {
                    if let ExprKind::Name(name) = &parameter.kind
                        && !names.contains(name)
                        && matches!(self.resolve(file, parameter), Item::Value(..))
                    {
                        names.push(name.clone());
                    }
                }
            }
        }
        for (name, argument) in names.into_iter().zip(arguments) {
            self.variables.push((name, argument.clone()));
        }
    }

    fn enumeration(&mut self, file: FileId, index: usize, class: &Class, at: (FileId, u32)) -> Core {
        let Some(members) = enum_members(self.package, file, index) else {
            let message = format!("the members of `{}` are worked out when the file runs", class.name);
            self.problem(at.0, at.1, message);
            return Kind::Unknown.into();
        };
        let description = class.docstring.as_deref().map(cleaned);
        if members.is_empty() {
            let mut schema = Map::new();
            if let Some(description) = description {
                schema.insert("description".to_owned(), Json::String(description));
            }
            schema.insert("enum".to_owned(), Json::Array(Vec::new()));
            schema.insert("title".to_owned(), Json::String(class.name.clone()));
            return Kind::EmptyEnum(schema).into();
        }
        let key = DefinitionKey { file, what: Named::Class(index), arguments: String::new() };
        let (id, new) = self.define(key, &class.name);
        if new {
            let values = members.into_iter().map(|(_, value)| value).collect();
            self.definitions[id].shape = Shape::Enum { description, values };
        }
        Kind::Definition(id).into()
    }

    /// The classes whose fields a class inherits, farthest first, itself last.
    fn lineage(&self, file: FileId, index: usize) -> Vec<(FileId, usize)> {
        let mut lineage = Vec::new();
        self.ancestors(file, index, &mut lineage, BASES_MAX);
        lineage
    }

    fn ancestors(&self, file: FileId, index: usize, lineage: &mut Vec<(FileId, usize)>, steps: u32) {
        let Some(steps) = steps.checked_sub(1) else { return };
        if lineage.contains(&(file, index)) || lineage.len() > 64 {
            return;
        }
        for base in self.package.file(file).classes[index].bases.iter().rev() {
            let base = match &base.kind {
                ExprKind::Subscript(base, ..) => base,
                _ => base,
            };
            if let Item::Class(at, class) = self.resolve(file, base) {
                self.ancestors(at, class, lineage, steps);
            }
        }
        if !lineage.contains(&(file, index)) {
            lineage.push((file, index));
        }
    }

    fn typed_dict(&mut self, file: FileId, index: usize, name: &str) -> Object {
        let mut members: Vec<Member> = Vec::new();
        let package = self.package;
        for (file, index) in self.lineage(file, index) {
            let class = &package.file(file).classes[index];
            let total = keyword_bool(class, "total").unwrap_or(true);
            for field in &class.fields {
                let Some(annotation) = &field.annotation else { continue };
                let peeled = self.peel(file, annotation);
                let required = peeled.required.unwrap_or(total);
                put(&mut members, self.member(&field.name, peeled, Some(required)));
            }
        }
        let class = &package.file(file).classes[index];
        let mut object = Object { members, ..self.described(class, name) };
        let configuration = class.fields.iter().find(|field| field.name == "__pydantic_config__");
        if let Some(value) = configuration.and_then(|field| field.value.as_ref()) {
            self.configure(file, value, &mut object);
        }
        object
    }

    fn named_tuple(&mut self, file: FileId, class: &Class) -> Vec<Member> {
        let mut members = Vec::new();
        for field in &class.fields {
            let Some(annotation) = &field.annotation else { continue };
            let mut peeled = self.peel(file, annotation);
            if let Some(value) = &field.value {
                peeled.info.default = self.default_value(file, value);
            }
            members.push(self.member(&field.name, peeled, None));
        }
        members
    }

    fn dataclass(&mut self, file: FileId, index: usize, name: &str) -> Object {
        let package = self.package;
        let mut members: Vec<(bool, Member)> = Vec::new();
        for (file, index) in self.lineage(file, index) {
            let class = &package.file(file).classes[index];
            let mut keyword_only = decorator_bool(class, "kw_only").unwrap_or(false);
            for field in &class.fields {
                let Some(annotation) = &field.annotation else { continue };
                if matches!(self.resolve(file, annotation), Item::External(path) if path == "dataclasses.KW_ONLY")
                {
                    keyword_only = true;
                    continue;
                }
                let mut peeled = self.peel(file, annotation);
                if peeled.class_variable {
                    continue;
                }
                if let Some(value) = &field.value {
                    self.assigned(file, value, &mut peeled.info);
                }
                // Neither an argument nor a value: nothing to describe.
                if peeled.info.initialised == Some(false) && peeled.info.default.is_none() {
                    continue;
                }
                let last = keyword_only || peeled.info.keyword_only;
                let member = self.member(&field.name, peeled, None);
                match members.iter_mut().find(|(_, found)| found.name == member.name) {
                    Some(found) => *found = (last, member),
                    None => members.push((last, member)),
                }
            }
        }
        // Positional fields come first, as in the generated `__init__`.
        members.sort_by_key(|(keyword_only, _)| *keyword_only);
        let class = &package.file(file).classes[index];
        let mut object = self.described(class, name);
        object.members = members.into_iter().map(|(_, member)| member).collect();
        for decorator in &class.decorators {
            if let ExprKind::Call(call) = &decorator.kind
                && let Some(value) = call.keyword("config")
            {
                self.configure(file, value, &mut object);
            }
        }
        object.members.extend(self.computed(file, class));
        object
    }

    fn model(&mut self, file: FileId, index: usize, name: &str) -> Object {
        let package = self.package;
        let class = &package.file(file).classes[index];
        let mut object = self.described(class, name);
        let lineage = self.lineage(file, index);
        let mut generator = None;
        for (file, index) in &lineage {
            if let Some(value) = configuration(&package.file(*file).classes[*index]) {
                generator = self.configure(*file, value, &mut object).or(generator);
            }
            self.configure_class(*file, *index, &mut object);
        }
        let mut members: Vec<Member> = Vec::new();
        let mut computed: Vec<Member> = Vec::new();
        for (file, index) in lineage {
            let class = &package.file(file).classes[index];
            for field in &class.fields {
                let Some(annotation) = &field.annotation else { continue };
                if field.name.starts_with('_') || field.name == "model_config" {
                    continue;
                }
                let mut peeled = self.peel(file, annotation);
                if peeled.class_variable {
                    continue;
                }
                if let Some(value) = &field.value {
                    self.assigned(file, value, &mut peeled.info);
                }
                let mut member = self.member(&field.name, peeled, None);
                if let Some(generator) = generator {
                    let alias = generator(&member.name);
                    member.validation_alias.get_or_insert_with(|| alias.clone());
                    member.serialization_alias.get_or_insert(alias);
                }
                put(&mut members, member);
            }
            for member in self.computed(file, class) {
                put(&mut computed, member);
            }
        }
        object.members = members;
        object.members.extend(computed);
        object
    }

    fn root_model(&mut self, file: FileId, class: &Class, name: &str) -> Shape {
        let mut object = self.described(class, name);
        object.root = true;
        let field = class.fields.iter().find(|field| field.name == "root");
        let base = class.bases.iter().find_map(|base| match &base.kind {
            ExprKind::Subscript(_, arguments) => arguments.first(),
            _ => None,
        });
        let annotation = field.and_then(|field| field.annotation.as_ref()).or(base);
        let Some(annotation) = annotation else { return Shape::Alias(Core::any()) };
        let mut peeled = self.peel(file, annotation);
        if let Some(value) = field.and_then(|field| field.value.as_ref()) {
            self.assigned(file, value, &mut peeled.info);
        }
        object.members.push(self.member("root", peeled, None));
        if let Some(value) = configuration(class) {
            self.configure(file, value, &mut object);
        }
        Shape::Object(object)
    }

    /// Title and description of a class.
    fn described(&self, class: &Class, name: &str) -> Object {
        Object {
            title: name.to_owned(),
            description: class.docstring.as_deref().map(cleaned).filter(|text| !text.is_empty()),
            ..Object::default()
        }
    }

    fn member(&mut self, name: &str, peeled: Peeled, required: Option<bool>) -> Member {
        let info = peeled.info;
        let core = match &info.discriminator {
            Some(field) => self.discriminate(peeled.core, field),
            None => peeled.core,
        };
        let core = info.constrain(core);
        let core = self.with_default(core, &info);
        Member {
            name: name.to_owned(),
            validation_alias: info
                .validation_alias
                .clone()
                .or_else(|| info.alias_choice.clone())
                .or_else(|| info.alias.clone()),
            serialization_alias: info.serialization_alias.clone().or_else(|| info.alias.clone()),
            updates: info.updates(),
            extra: info.extra.clone(),
            required: required.unwrap_or(info.default.is_none()),
            core,
            exclude: info.exclude,
            computed: false,
        }
    }

    /// The value that a field is assigned in a class body: a default, `Field(…)` or `field(…)`.
    fn assigned(&mut self, file: FileId, value: &Expr, info: &mut FieldInfo) {
        if let Some(field) = self.field_expression(file, value) {
            info.merge_default(field);
        } else if let Some(default) = self.default_value(file, value) {
            info.default = Some(default);
        } else {
            info.default = None;
        }
    }

    /// `Field(…)` of Pydantic or `field(…)` of the standard library, directly or by name.
    pub(crate) fn field_expression(&mut self, file: FileId, value: &Expr) -> Option<FieldInfo> {
        let _level = self.package.level()?;
        let (file, call) = match &value.kind {
            ExprKind::Call(call) => (file, call.as_ref()),
            ExprKind::Name(_) | ExprKind::Attribute(..) => match self.resolve(file, value) {
                Item::Value(at, Expr { kind: ExprKind::Call(call), .. }) => (at, call.as_ref()),
                _ => return None,
            },
            _ => return None,
        };
        let Item::External(path) = self.resolve(file, &call.function) else { return None };
        match path.as_str() {
            "dataclasses.field" => {
                let mut info = self.field_call(file, call);
                // Keywords of `field` that mean something else for `Field` do not occur; `metadata` may
                // hold what `Field` would say.
                if let Some(Value::Dict(entries)) =
                    call.keyword("metadata").and_then(|value| self.value(file, value))
                {
                    for (key, value) in entries {
                        match (key.str(), value) {
                            (Some("description"), Value::Str(text)) => info.description = Some(text),
                            (Some("title"), Value::Str(text)) => info.title = Some(text),
                            (Some("alias"), Value::Str(text)) => info.alias = Some(text),
                            (Some("examples"), value) => info.examples = value.json(),
                            _ => {}
                        }
                    }
                }
                Some(info)
            }
            path if last(path) == "Field" && (path.starts_with("pydantic") || path.starts_with("omni")) => {
                Some(self.field_call(file, call))
            }
            _ => None,
        }
    }

    fn computed(&mut self, file: FileId, class: &Class) -> Vec<Member> {
        let mut members = Vec::new();
        for method in &class.methods {
            let mark = method.decorators.iter().find(|decorator| {
                let name = match &decorator.kind {
                    ExprKind::Call(call) => &call.function,
                    _ => decorator,
                };
                matches!(self.resolve(file, name), Item::External(path) if path.starts_with("pydantic") && last(&path) == "computed_field")
            });
            let Some(mark) = mark else { continue };
            let mut info = match &mark.kind {
                ExprKind::Call(call) => self.field_call(file, call),
                _ => FieldInfo::default(),
            };
            if info.description.is_none() {
                info.description = method.docstring.as_deref().map(cleaned);
            }
            let core = match &method.returns {
                Some(returns) => self.annotation(file, returns),
                None => Core::any(),
            };
            let mut updates = info.updates();
            updates.insert("readOnly".to_owned(), Json::Bool(true));
            members.push(Member {
                name: method.name.clone(),
                validation_alias: None,
                serialization_alias: info.alias.clone(),
                core,
                updates,
                extra: info.extra,
                required: true,
                exclude: false,
                computed: true,
            });
        }
        members
    }

    /// Reads `ConfigDict(…)` or a dictionary. Returns the alias generator, if one that is known here.
    fn configure(&mut self, file: FileId, value: &Expr, object: &mut Object) -> Option<fn(&str) -> String> {
        let mut generator = None;
        let ExprKind::Call(call) = &value.kind else {
            if let Some(Value::Dict(entries)) = self.value(file, value) {
                for (key, value) in entries {
                    if let Some(key) = key.str() {
                        setting(key, &value, object);
                    }
                }
            }
            return None;
        };
        for keyword in &call.keywords {
            let Some(name) = keyword.name.as_deref() else { continue };
            if name == "alias_generator" {
                generator = self.alias_generator(file, &keyword.value);
                continue;
            }
            if let Some(value) = self.value(file, &keyword.value) {
                setting(name, &value, object);
            }
        }
        generator
    }

    /// Settings in the class statement (`class A(BaseModel, extra="forbid")`) and in `class Config:`.
    fn configure_class(&mut self, file: FileId, index: usize, object: &mut Object) {
        let package = self.package;
        let class = &package.file(file).classes[index];
        for keyword in &class.keywords {
            if let Some(name) = keyword.name.as_deref()
                && let Some(value) = self.value(file, &keyword.value)
            {
                setting(name, &value, object);
            }
        }
        if let Some((_, inner)) = class.nested.iter().find(|(name, _)| name == "Config") {
            for field in &package.file(file).classes[*inner].fields {
                if let Some(value) = field.value.as_ref().and_then(|value| self.value(file, value)) {
                    setting(&field.name, &value, object);
                }
            }
        }
    }

    fn alias_generator(&mut self, file: FileId, expr: &Expr) -> Option<fn(&str) -> String> {
        match self.resolve(file, expr) {
            Item::External(path) if path.starts_with("pydantic") => match last(&path) {
                "to_camel" => Some(to_camel),
                "to_pascal" => Some(to_pascal),
                _ => None,
            },
            _ => {
                let message = "field names made by a function are only known to Python".to_owned();
                self.problem(file, expr.at, message);
                None
            }
        }
    }

    /// A class made by calling `TypedDict`, `NamedTuple`, `namedtuple` or an enumeration type.
    pub(crate) fn class_call(
        &mut self,
        file: FileId,
        bound: &str,
        maker: &str,
        call: &Call,
        at: (FileId, u32),
    ) -> Core {
        let name = match call.arguments.first().map(|first| &first.kind) {
            Some(ExprKind::Str(name)) => name.clone(),
            _ => bound.to_owned(),
        };
        let key = DefinitionKey { file, what: Named::Bound(bound.to_owned()), arguments: String::new() };
        let contents = call.arguments.get(1);
        match maker {
            "TypedDict" => {
                let Some(Expr { kind: ExprKind::Dict(items), .. }) = contents else {
                    return self.computed_class(&name, at);
                };
                let (id, new) = self.define(key, &name);
                if new {
                    let total = !matches!(
                        call.keyword("total").map(|value| &value.kind),
                        Some(ExprKind::Bool(false))
                    );
                    let mut members = Vec::new();
                    for (key, annotation) in items {
                        let Some(Expr { kind: ExprKind::Str(field), .. }) = key else { continue };
                        let peeled = self.peel(file, annotation);
                        let required = peeled.required.unwrap_or(total);
                        members.push(self.member(field, peeled, Some(required)));
                    }
                    let object = Object { title: name, members, ..Object::default() };
                    self.definitions[id].shape = Shape::Object(object);
                }
                Kind::Definition(id).into()
            }
            "NamedTuple" | "namedtuple" => {
                let Some(fields) = contents.and_then(|contents| self.tuple_fields(file, contents)) else {
                    return self.computed_class(&name, at);
                };
                let (id, new) = self.define(key, &name);
                if new {
                    let mut members = Vec::new();
                    for (field, annotation) in fields {
                        let core = annotation
                            .map_or_else(Core::any, |annotation| self.annotation(file, &annotation));
                        let peeled = Peeled {
                            core,
                            info: FieldInfo::default(),
                            text: None,
                            required: None,
                            class_variable: false,
                        };
                        members.push(self.member(&field, peeled, None));
                    }
                    self.definitions[id].shape = Shape::NamedTuple(members);
                }
                Kind::Definition(id).into()
            }
            "Enum" | "IntEnum" | "StrEnum" | "Flag" | "IntFlag" => {
                let automatic = match maker {
                    "StrEnum" => Automatic::LowerName,
                    "Flag" | "IntFlag" => Automatic::Power,
                    _ => Automatic::Count,
                };
                let values = contents
                    .and_then(|contents| self.value(file, contents))
                    .and_then(|contents| enum_values(&contents, automatic));
                let Some(values) = values.filter(|values| !values.is_empty()) else {
                    return self.computed_class(&name, at);
                };
                let (id, new) = self.define(key, &name);
                if new {
                    self.definitions[id].shape = Shape::Enum { description: None, values };
                }
                Kind::Definition(id).into()
            }
            _ => self.computed_class(bound, at),
        }
    }

    fn computed_class(&mut self, name: &str, at: (FileId, u32)) -> Core {
        self.problem(at.0, at.1, format!("`{name}` is made when the file runs"));
        Kind::Unknown.into()
    }

    fn tuple_fields(&mut self, file: FileId, contents: &Expr) -> Option<Vec<(String, Option<Expr>)>> {
        if let ExprKind::List(items) | ExprKind::Tuple(items) = &contents.kind
            && items.iter().all(|item| matches!(&item.kind, ExprKind::Tuple(pair) if pair.len() == 2))
        {
            return items
                .iter()
                .map(|item| match &item.kind {
                    ExprKind::Tuple(pair) => match &pair[0].kind {
                        ExprKind::Str(name) => Some((name.clone(), Some(pair[1].clone()))),
                        _ => None,
                    },
                    _ => None,
                })
                .collect();
        }
        match self.value(file, contents)? {
            Value::Str(names) => Some(
                names
                    .split([',', ' '])
                    .filter(|name| !name.is_empty())
                    .map(|name| (name.to_owned(), None))
                    .collect(),
            ),
            Value::List(names) | Value::Tuple(names) => {
                names.iter().map(|name| name.str().map(|name| (name.to_owned(), None))).collect()
            }
            _ => None,
        }
    }

    /// A union whose choices are told apart by one field's literal.
    pub(crate) fn discriminate(&mut self, core: Core, field: &str) -> Core {
        let Core { kind, bounds, updates, extra, sealed } = core;
        let kind = match kind {
            Kind::Nullable(inner) => Kind::Nullable(Box::new(self.discriminate(*inner, field))),
            Kind::Union(choices) => match self.tags(&choices, field) {
                Some(tags) => {
                    let mut tagged = Vec::new();
                    for (tags, choice) in tags.into_iter().zip(choices) {
                        tagged.extend(tags.into_iter().map(|tag| (tag, choice.clone())));
                    }
                    Kind::Tagged(field.to_owned(), tagged)
                }
                None => Kind::Union(choices),
            },
            other => other,
        };
        Core { kind, bounds, updates, extra, sealed }
    }

    fn tags(&self, choices: &[Core], field: &str) -> Option<Vec<Vec<String>>> {
        let mut tags = Vec::new();
        for choice in choices {
            let Kind::Definition(id) = choice.kind else { return None };
            let Shape::Object(object) = &self.definitions.get(id)?.shape else { return None };
            let member = object.members.iter().find(|member| member.name == field)?;
            let core = match &member.core.kind {
                Kind::Default(inner, _) => inner,
                _ => &member.core,
            };
            let Kind::Literal(values) = &core.kind else { return None };
            let texts: Option<Vec<String>> = values
                .iter()
                .map(|value| match value.json()? {
                    Json::String(text) => Some(text),
                    Json::Null => Some("null".to_owned()),
                    other => Some(other.to_string()),
                })
                .collect();
            tags.push(texts?);
        }
        Some(tags)
    }
}

fn put(members: &mut Vec<Member>, member: Member) {
    match members.iter_mut().find(|found| found.name == member.name) {
        Some(found) => *found = member,
        None => members.push(member),
    }
}

fn configuration(class: &Class) -> Option<&Expr> {
    class
        .fields
        .iter()
        .rev()
        .find(|field| field.name == "model_config")
        .and_then(|field| field.value.as_ref())
}

fn setting(name: &str, value: &Value, object: &mut Object) {
    match (name, value) {
        ("extra", Value::Str(extra)) => {
            object.additional = match extra.as_str() {
                "forbid" => Some(false),
                "allow" => Some(true),
                _ => None,
            };
        }
        ("title", Value::Str(title)) => object.title.clone_from(title),
        ("serialize_by_alias", Value::Bool(by_alias)) => object.serialize_by_alias = *by_alias,
        ("json_schema_extra" | "schema_extra", extra) => {
            if let Some(extra) = extra.json() {
                object.extra = crate::types::object(&extra);
            }
        }
        _ => {}
    }
}

fn keyword_bool(class: &Class, name: &str) -> Option<bool> {
    class.keywords.iter().find(|keyword| keyword.name.as_deref() == Some(name)).and_then(|keyword| {
        match keyword.value.kind {
            ExprKind::Bool(value) => Some(value),
            _ => None,
        }
    })
}

fn decorator_bool(class: &Class, name: &str) -> Option<bool> {
    class.decorators.iter().find_map(|decorator| match &decorator.kind {
        ExprKind::Call(call) => call.keyword(name).and_then(|value| match value.kind {
            ExprKind::Bool(value) => Some(value),
            _ => None,
        }),
        _ => None,
    })
}

/// Values of an enumeration made by a call: names alone, or pairs of name and value.
fn enum_values(contents: &Value, automatic: Automatic) -> Option<Vec<Value>> {
    let names = |names: &[&str]| {
        let mut members: Vec<(String, Value)> = Vec::new();
        for name in names {
            let value = automatic_value(&members, name, automatic)?;
            members.push(((*name).to_owned(), value));
        }
        Some(members.into_iter().map(|(_, value)| value).collect())
    };
    match contents {
        Value::Str(text) => {
            names(&text.split([',', ' ']).filter(|name| !name.is_empty()).collect::<Vec<_>>())
        }
        Value::List(items) | Value::Tuple(items) => {
            if let Some(texts) = items.iter().map(Value::str).collect::<Option<Vec<_>>>() {
                return names(&texts);
            }
            items
                .iter()
                .map(|item| match item {
                    Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => Some(pair[1].clone()),
                    _ => None,
                })
                .collect()
        }
        Value::Dict(entries) => Some(entries.iter().map(|(_, value)| value.clone()).collect()),
        _ => None,
    }
}

fn to_pascal(name: &str) -> String {
    name.split('_')
        .map(|part| {
            let mut chars = part.chars();
            chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
        })
        .collect()
}

fn to_camel(name: &str) -> String {
    let pascal = to_pascal(name);
    let mut chars = pascal.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

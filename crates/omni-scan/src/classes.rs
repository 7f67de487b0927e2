//! What does a class of the skill look like as a type: an enumeration, a typed dictionary, a dataclass, a
//! Pydantic model?

use crate::annotated::AnnotatedType;
use crate::class_kind::{BASES_MAX, ClassKind, MEMBERS_MAX, class_kind};
use crate::docstring::cleaned;
use crate::package::{FileId, Item};
use crate::syntax::{Class, Expr, ExprKind};
use crate::type_ir::{Member, Object, Shape, TypeIr, TypeKind};
use crate::types::{DefinitionKey, Named, Types};

impl Types<'_> {
    /// The type that a class of the skill stands for.
    pub(crate) fn class(
        &mut self,
        file: FileId,
        index: usize,
        arguments: &[TypeIr],
        at: (FileId, u32),
    ) -> TypeIr {
        let package = self.package;
        let class = &package.file(file).classes[index];
        let kind = class_kind(package, file, index);
        match kind {
            ClassKind::Other => {
                let message = format!(
                    "`{}` is a plain class: only an enumeration, a dataclass, a typed dictionary, a named tuple or a \
                     Pydantic model can be described",
                    class.name
                );
                self.problem(at.0, at.1, message);
                return TypeKind::Unknown.into();
            }
            _ if class.fields.len() > MEMBERS_MAX => {
                let message =
                    format!("`{}` has more than {MEMBERS_MAX} fields, so it is not followed", class.name);
                self.problem(at.0, at.1, message);
                return TypeKind::Unknown.into();
            }
            ClassKind::Context => return TypeKind::Unknown.into(),
            ClassKind::Content => return TypeKind::Content.into(),
            ClassKind::Enum(_) => return self.enumeration(file, index, class, at),
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
            let following = std::mem::take(&mut self.following);
            self.within.push((file, index));
            self.declare_class(file, class, arguments);
            let shape = match kind {
                ClassKind::NamedTuple => Shape::NamedTuple(self.named_tuple(file, class)),
                ClassKind::TypedDict => Shape::Object(self.typed_dict(file, index, &name)),
                ClassKind::Dataclass => Shape::Object(self.dataclass(file, index, &name)),
                ClassKind::RootModel => self.root_model(file, class, &name),
                _ => Shape::Object(self.model(file, index, &name)),
            };
            self.within.pop();
            self.variables = outer;
            self.following = following;
            self.definitions[id].shape = shape;
        }
        TypeKind::Definition(id).into()
    }

    /// `Box[int]` for a generic class with arguments.
    fn class_name(&self, class: &Class, arguments: &[TypeIr]) -> String {
        if arguments.is_empty() {
            return class.name.clone();
        }
        let shown: Vec<String> = arguments.iter().map(|argument| self.display(argument)).collect();
        format!("{}[{}]", class.name, shown.join(","))
    }

    pub(crate) fn display(&self, ty: &TypeIr) -> String {
        match &ty.kind {
            TypeKind::Int => "int".to_owned(),
            TypeKind::Str => "str".to_owned(),
            TypeKind::Float => "float".to_owned(),
            TypeKind::Bool => "bool".to_owned(),
            TypeKind::Bytes => "bytes".to_owned(),
            TypeKind::None => "NoneType".to_owned(),
            TypeKind::Any => "Any".to_owned(),
            TypeKind::Anything => "object".to_owned(),
            TypeKind::List(item) => format!("list[{}]", self.display(item)),
            TypeKind::Dict(key, value) => format!("dict[{}, {}]", self.display(key), self.display(value)),
            TypeKind::Definition(id) => self.definitions[*id].name.clone(),
            TypeKind::Union(_) | TypeKind::Nullable(_) => {
                let (inner, last) = match &ty.kind {
                    TypeKind::Nullable(inner) => (inner.as_ref(), Some("NoneType".to_owned())),
                    _ => (ty, None),
                };
                let choices = match &inner.kind {
                    TypeKind::Union(choices) => choices.as_slice(),
                    _ => std::slice::from_ref(inner),
                };
                let shown: Vec<String> =
                    choices.iter().map(|choice| self.display(choice)).chain(last).collect();
                format!("Union[{}]", shown.join(", "))
            }
            TypeKind::Decimal => "Decimal".to_owned(),
            TypeKind::Fraction => "Fraction".to_owned(),
            TypeKind::Complex => "complex".to_owned(),
            TypeKind::Uuid => "UUID".to_owned(),
            TypeKind::Temporal(format) | TypeKind::Format(format) => class_of_format(format).to_owned(),
            _ => "type".to_owned(),
        }
    }

    fn declare_class(&mut self, file: FileId, class: &Class, arguments: &[TypeIr]) {
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

    /// The classes whose fields a class inherits, farthest first, itself last.
    pub(crate) fn lineage(&self, file: FileId, index: usize) -> Vec<(FileId, usize)> {
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
                let annotated = self.unwrap_annotated(file, annotation);
                let required = annotated.required.unwrap_or(total);
                put(&mut members, self.member(&field.name, annotated, Some(required)));
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
            let mut annotated = self.unwrap_annotated(file, annotation);
            if let Some(value) = &field.value {
                annotated.info.default = self.default_value(file, value);
            }
            members.push(self.member(&field.name, annotated, None));
        }
        members
    }

    fn is_init_only(&self, file: FileId, annotation: &Expr) -> bool {
        let named = match &annotation.kind {
            ExprKind::Subscript(base, _) => base,
            _ => annotation,
        };
        matches!(self.resolve(file, named), Item::External(path) if path == "dataclasses.InitVar")
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
                let mut annotated = self.unwrap_annotated(file, annotation);
                if annotated.class_variable {
                    continue;
                }
                // An argument of the class, which its values do not have: no result shows it.
                annotated.info.exclude |= self.is_init_only(file, annotation);
                if let Some(value) = &field.value {
                    self.assigned(file, value, &mut annotated.info);
                }
                // Neither an argument nor a value: nothing to describe.
                if annotated.info.initialised == Some(false) && annotated.info.default.is_none() {
                    continue;
                }
                let last = keyword_only || annotated.info.keyword_only;
                let member = self.member(&field.name, annotated, None);
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

    /// Title and description of a class.
    pub(crate) fn described(&self, class: &Class, name: &str) -> Object {
        Object {
            title: name.to_owned(),
            description: class.docstring.as_deref().map(cleaned).filter(|text| !text.is_empty()),
            ..Object::default()
        }
    }

    pub(crate) fn member(&mut self, name: &str, annotated: AnnotatedType, required: Option<bool>) -> Member {
        let info = annotated.info;
        let ty = match &info.discriminator {
            Some(field) => self.discriminate(annotated.ty, field),
            None => annotated.ty,
        };
        let ty = info.constrain(ty);
        let ty = self.with_default(ty, &info);
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
            ty,
            exclude: info.exclude,
            computed: false,
        }
    }
}

pub(crate) fn put(members: &mut Vec<Member>, member: Member) {
    match members.iter_mut().find(|found| found.name == member.name) {
        Some(found) => *found = member,
        None => members.push(member),
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

/// The name of the library's class that is written as text of this format.
fn class_of_format(format: &str) -> &'static str {
    match format {
        "date" => "date",
        "date-time" => "datetime",
        "time" => "time",
        "duration" => "timedelta",
        "path" => "Path",
        "regex" => "Pattern",
        "zoneinfo" => "ZoneInfo",
        "ipv4" => "IPv4Address",
        "ipv6" => "IPv6Address",
        "ipv4network" => "IPv4Network",
        "ipv6network" => "IPv6Network",
        "ipv4interface" => "IPv4Interface",
        "ipv6interface" => "IPv6Interface",
        _ => "type",
    }
}

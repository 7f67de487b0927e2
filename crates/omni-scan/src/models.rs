//! What does a Pydantic model look like: its fields, configuration, computed fields, tagged unions?

use serde_json::Value as Json;

use crate::classes::put;
use crate::docstring::cleaned;
use crate::field::FieldInfo;
use crate::package::{FileId, Item, last};
use crate::syntax::{Class, Expr, ExprKind};
use crate::type_ir::{Member, Object, Shape, TypeIr, TypeKind};
use crate::types::Types;
use crate::value::Value;

impl Types<'_> {
    pub(crate) fn model(&mut self, file: FileId, index: usize, name: &str) -> Object {
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
                let mut annotated = self.unwrap_annotated(file, annotation);
                if annotated.class_variable {
                    continue;
                }
                if let Some(value) = &field.value {
                    self.assigned(file, value, &mut annotated.info);
                }
                let mut member = self.member(&field.name, annotated, None);
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

    pub(crate) fn root_model(&mut self, file: FileId, class: &Class, name: &str) -> Shape {
        let mut object = self.described(class, name);
        object.root = true;
        let field = class.fields.iter().find(|field| field.name == "root");
        let base = class.bases.iter().find_map(|base| match &base.kind {
            ExprKind::Subscript(_, arguments) => arguments.first(),
            _ => None,
        });
        let annotation = field.and_then(|field| field.annotation.as_ref()).or(base);
        let Some(annotation) = annotation else { return Shape::Alias(TypeIr::any()) };
        let mut annotated = self.unwrap_annotated(file, annotation);
        if let Some(value) = field.and_then(|field| field.value.as_ref()) {
            self.assigned(file, value, &mut annotated.info);
        }
        object.members.push(self.member("root", annotated, None));
        if let Some(value) = configuration(class) {
            self.configure(file, value, &mut object);
        }
        Shape::Object(object)
    }

    pub(crate) fn computed(&mut self, file: FileId, class: &Class) -> Vec<Member> {
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
            let ty = match &method.returns {
                Some(returns) => self.annotation(file, returns),
                None => TypeIr::any(),
            };
            let mut updates = info.updates();
            updates.insert("readOnly".to_owned(), Json::Bool(true));
            members.push(Member {
                name: method.name.clone(),
                validation_alias: None,
                serialization_alias: info.alias.clone(),
                ty,
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
    pub(crate) fn configure(
        &mut self,
        file: FileId,
        value: &Expr,
        object: &mut Object,
    ) -> Option<fn(&str) -> String> {
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

    /// A union whose choices are told apart by one field's literal.
    pub(crate) fn discriminate(&mut self, ty: TypeIr, field: &str) -> TypeIr {
        let TypeIr { kind, bounds, updates, extra, from_annotated } = ty;
        let kind = match kind {
            TypeKind::Nullable(inner) => TypeKind::Nullable(Box::new(self.discriminate(*inner, field))),
            TypeKind::Union(choices) => match self.tags(&choices, field) {
                Some(tags) => {
                    let mut tagged = Vec::new();
                    for (tags, choice) in tags.into_iter().zip(choices) {
                        tagged.extend(tags.into_iter().map(|tag| (tag, choice.clone())));
                    }
                    TypeKind::Tagged(field.to_owned(), tagged)
                }
                None => TypeKind::Union(choices),
            },
            other => other,
        };
        TypeIr { kind, bounds, updates, extra, from_annotated }
    }

    fn tags(&self, choices: &[TypeIr], field: &str) -> Option<Vec<Vec<String>>> {
        let mut tags = Vec::new();
        for choice in choices {
            let TypeKind::Definition(id) = choice.kind else { return None };
            let Shape::Object(object) = &self.definitions.get(id)?.shape else { return None };
            let member = object.members.iter().find(|member| member.name == field)?;
            let ty = match &member.ty.kind {
                TypeKind::Default(inner, _) => inner,
                _ => &member.ty,
            };
            let TypeKind::Literal(values) = &ty.kind else { return None };
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
                object.extra = crate::library_types::object(&extra);
            }
        }
        _ => {}
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

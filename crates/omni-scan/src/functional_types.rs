//! What is a class that a call makes: `TypedDict("Name", {…})`, `namedtuple(…)`, `Enum("Name", "A B")`?

use crate::annotated::AnnotatedType;
use crate::class_kind::AutoValue;
use crate::enum_members::enum_values;
use crate::field::FieldInfo;
use crate::package::FileId;
use crate::syntax::{Call, Expr, ExprKind};
use crate::type_ir::{Object, Shape, TypeIr, TypeKind};
use crate::types::{DefinitionKey, Named, Types};
use crate::value::Value;

impl Types<'_> {
    /// A class made by calling `TypedDict`, `NamedTuple`, `namedtuple` or an enumeration type.
    pub(crate) fn class_call(
        &mut self,
        file: FileId,
        bound: &str,
        maker: &str,
        call: &Call,
        at: (FileId, u32),
    ) -> TypeIr {
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
                        let annotated = self.unwrap_annotated(file, annotation);
                        let required = annotated.required.unwrap_or(total);
                        members.push(self.member(field, annotated, Some(required)));
                    }
                    let object = Object { title: name, members, ..Object::default() };
                    self.definitions[id].shape = Shape::Object(object);
                }
                TypeKind::Definition(id).into()
            }
            "NamedTuple" | "namedtuple" => {
                let Some(fields) = contents.and_then(|contents| self.tuple_fields(file, contents)) else {
                    return self.computed_class(&name, at);
                };
                let (id, new) = self.define(key, &name);
                if new {
                    let mut members = Vec::new();
                    for (field, annotation) in fields {
                        let ty = annotation
                            .map_or_else(TypeIr::any, |annotation| self.annotation(file, &annotation));
                        let annotated = AnnotatedType {
                            ty,
                            info: FieldInfo::default(),
                            text: None,
                            required: None,
                            class_variable: false,
                        };
                        members.push(self.member(&field, annotated, None));
                    }
                    self.definitions[id].shape = Shape::NamedTuple(members);
                }
                TypeKind::Definition(id).into()
            }
            "Enum" | "IntEnum" | "StrEnum" | "Flag" | "IntFlag" => {
                let automatic = match maker {
                    "StrEnum" => AutoValue::LowerName,
                    "Flag" | "IntFlag" => AutoValue::Power,
                    _ => AutoValue::Count,
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
                TypeKind::Definition(id).into()
            }
            _ => self.computed_class(bound, at),
        }
    }

    fn computed_class(&mut self, name: &str, at: (FileId, u32)) -> TypeIr {
        self.problem(at.0, at.1, format!("`{name}` is made when the file runs"));
        TypeKind::Unknown.into()
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
}

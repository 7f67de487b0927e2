//! What stands around the type in an annotation: `Annotated`, `Required`, `ClassVar`?

use crate::field::{FieldInfo, Metadata};
use crate::package::{FileId, Item, last};
use crate::syntax::{Expr, ExprKind, parse_annotation};
use crate::type_ir::TypeIr;
use crate::types::Types;

/// Aliases of aliases around a type: more than this is a cycle.
const LAYERS_MAX: u32 = 16;

/// An annotation with its outermost `Annotated` and qualifiers taken off.
pub(crate) struct AnnotatedType {
    pub(crate) ty: TypeIr,
    pub(crate) info: FieldInfo,
    /// The text of `Annotated[T, "text"]`, when it is all the metadata there is.
    pub(crate) text: Option<String>,
    pub(crate) required: Option<bool>,
    pub(crate) class_variable: bool,
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
    pub(crate) fn unwrap_annotated(&mut self, file: FileId, expr: &Expr) -> AnnotatedType {
        let mut layers = Layers::default();
        let ty = self.unwrap_annotated_within(file, expr, &mut layers, LAYERS_MAX);
        let text = if layers.metadata == 1 { layers.texts.pop() } else { None };
        AnnotatedType {
            ty,
            info: layers.info,
            text,
            required: layers.required,
            class_variable: layers.class_variable,
        }
    }

    fn unwrap_annotated_within(
        &mut self,
        file: FileId,
        expr: &Expr,
        layers: &mut Layers,
        steps: u32,
    ) -> TypeIr {
        let Some(steps) = steps.checked_sub(1) else { return self.annotation(file, expr) };
        match &expr.kind {
            ExprKind::Str(text) => match parse_annotation(text, expr.at) {
                Some(parsed) => self.unwrap_annotated_within(file, &parsed, layers, steps),
                None => self.annotation(file, expr),
            },
            ExprKind::Name(name) if self.variables.iter().any(|(found, _)| found == name) => {
                self.annotation(file, expr)
            }
            ExprKind::Name(_) | ExprKind::Attribute(..) => match self.resolve(file, expr) {
                Item::Value(at, value @ Expr { kind: ExprKind::Subscript(..), .. }) => {
                    self.unwrap_annotated_within(at, value, layers, steps)
                }
                Item::External(path) if matches!(last(&path), "ClassVar" | "Final") => {
                    layers.class_variable |= path.ends_with("ClassVar");
                    TypeIr::any()
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
                        let ty = self.unwrap_annotated_within(file, inner, layers, steps);
                        self.read_metadata(file, &arguments[1..], layers);
                        ty
                    }
                    "Required" => {
                        layers.required = Some(true);
                        self.unwrap_annotated_within(file, inner, layers, steps)
                    }
                    "NotRequired" => {
                        layers.required = Some(false);
                        self.unwrap_annotated_within(file, inner, layers, steps)
                    }
                    "ClassVar" => {
                        layers.class_variable = true;
                        TypeIr::any()
                    }
                    "ReadOnly" | "Final" | "InitVar" => {
                        self.unwrap_annotated_within(file, inner, layers, steps)
                    }
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
}

//! What do `Field(…)`, the items of `Annotated[…]` and a default say of a field?

use serde_json::Value as Json;

use crate::field::{Default, FieldInfo, Metadata};
use crate::package::{FileId, Item, last};
use crate::syntax::{Call, Expr, ExprKind};
use crate::types::Types;
use crate::value::Value;

const CONSTRAINTS: [&str; 11] = [
    "gt",
    "ge",
    "lt",
    "le",
    "multiple_of",
    "min_length",
    "max_length",
    "pattern",
    "max_digits",
    "decimal_places",
    "allow_inf_nan",
];

impl Types<'_> {
    /// Reads one argument of `Annotated`, or the value that stands as a default.
    pub(crate) fn metadata(&mut self, file: FileId, expr: &Expr) -> Metadata {
        let Some(_level) = self.package.level() else { return Metadata::Unknown };
        match &expr.kind {
            ExprKind::Str(text) => return Metadata::Text(text.clone()),
            ExprKind::Name(_) | ExprKind::Attribute(..) => {
                return match self.resolve(file, expr) {
                    // `NAME = Field(…)` at module level.
                    Item::Value(at, value) => self.metadata(at, value),
                    Item::External(path) if last(&path) == "Strict" => Metadata::Ignored,
                    _ => Metadata::Unknown,
                };
            }
            ExprKind::Call(_) => {}
            // Numbers, tuples and the like carry no meaning for a schema.
            _ => return Metadata::Ignored,
        }
        let ExprKind::Call(call) = &expr.kind else { return Metadata::Ignored };
        let Item::External(path) = self.resolve(file, &call.function) else {
            return Metadata::Unknown;
        };
        match last(&path) {
            "Field" if path.starts_with("pydantic") || path.starts_with("omni") => {
                Metadata::Field(Box::new(self.field_call(file, call)))
            }
            "Gt" | "Ge" | "Lt" | "Le" | "MultipleOf" | "MinLen" | "MaxLen" | "Interval" | "Len" => {
                self.bound_call(file, last(&path).to_owned().as_str(), call)
            }
            "StringConstraints" | "UrlConstraints" => {
                let mut info = FieldInfo::default();
                self.constraint_keywords(file, call, &mut info);
                Metadata::Field(Box::new(info))
            }
            "WithJsonSchema" => match call.arguments.first().and_then(|first| self.constant(file, first)) {
                Some(Json::Object(schema)) => {
                    Metadata::Field(Box::new(FieldInfo { schema: Some(schema), ..FieldInfo::default() }))
                }
                _ => Metadata::Unknown,
            },
            "BeforeValidator" | "AfterValidator" | "WrapValidator" | "Strict" | "Doc" | "FailFast"
            | "AllowInfNan" | "Predicate" | "Not" | "Timezone" => Metadata::Ignored,
            _ => Metadata::Unknown,
        }
    }

    /// `Field(…)` of Pydantic.
    pub(crate) fn field_call(&mut self, file: FileId, call: &Call) -> FieldInfo {
        let mut info = FieldInfo::default();
        let positional = call.arguments.first();
        if let Some(default) = positional.or_else(|| call.keyword("default")) {
            info.default = self.default_value(file, default);
        }
        for keyword in &call.keywords {
            let Some(name) = keyword.name.as_deref() else { continue };
            let value = &keyword.value;
            match name {
                "default_factory" => info.default = Some(Default::Computed),
                "title" => info.title = self.text(file, value),
                "description" => info.description = self.text(file, value),
                "examples" => info.examples = self.constant(file, value),
                "deprecated" => info.deprecated = self.deprecated(file, value),
                "json_schema_extra" => {
                    if let Some(Json::Object(extra)) = self.constant(file, value) {
                        info.extra = extra;
                    }
                }
                "alias" => info.alias = self.text(file, value),
                "validation_alias" => self.validation_alias(file, value, &mut info),
                "serialization_alias" => info.serialization_alias = self.text(file, value),
                "exclude" => info.exclude = matches!(value.kind, ExprKind::Bool(true)),
                "discriminator" => info.discriminator = self.text(file, value),
                "kw_only" => info.keyword_only = matches!(value.kind, ExprKind::Bool(true)),
                "init" => info.initialised = Some(!matches!(value.kind, ExprKind::Bool(false))),
                _ => {}
            }
        }
        self.constraint_keywords(file, call, &mut info);
        info
    }

    /// The value that a field is assigned in a class body: a default, `Field(…)` or `field(…)`.
    pub(crate) fn assigned(&mut self, file: FileId, value: &Expr, info: &mut FieldInfo) {
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

    /// The default that an expression stands for; `...` means none.
    pub(crate) fn default_value(&mut self, file: FileId, expr: &Expr) -> Option<Default> {
        if matches!(expr.kind, ExprKind::Ellipsis) {
            return None;
        }
        Some(self.value(file, expr).map_or(Default::Computed, Default::Known))
    }

    fn constraint_keywords(&mut self, file: FileId, call: &Call, info: &mut FieldInfo) {
        for keyword in &call.keywords {
            let Some(name) = keyword.name.as_deref() else { continue };
            if let Some(known) = CONSTRAINTS.iter().find(|known| **known == name)
                && let Some(value) = self.constraint_value(file, &keyword.value)
            {
                info.constraints.push((known, value));
            }
        }
    }

    fn constraint_value(&mut self, file: FileId, expr: &Expr) -> Option<Json> {
        // `pattern=re.compile("…")` as well as the text itself.
        if let ExprKind::Call(call) = &expr.kind
            && let Item::External(path) = self.resolve(file, &call.function)
            && path == "re.compile"
        {
            return call.arguments.first().and_then(|first| self.constant(file, first));
        }
        self.constant(file, expr)
    }

    fn bound_call(&mut self, file: FileId, name: &str, call: &Call) -> Metadata {
        let mut info = FieldInfo::default();
        let single = match name {
            "Gt" => "gt",
            "Ge" => "ge",
            "Lt" => "lt",
            "Le" => "le",
            "MultipleOf" => "multiple_of",
            "MinLen" => "min_length",
            "MaxLen" => "max_length",
            _ => "",
        };
        let positional: Vec<Option<Json>> =
            call.arguments.iter().map(|argument| self.constant(file, argument)).collect();
        if single.is_empty() {
            let names = if name == "Len" { ["min_length", "max_length"] } else { ["gt", "ge"] };
            for (value, name) in positional.into_iter().zip(names) {
                // `Len(0, …)` sets no lower bound.
                if let Some(value) =
                    value.filter(|value| !(name == "min_length" && value.as_u64() == Some(0)))
                {
                    info.constraints.push((name, value));
                }
            }
            self.constraint_keywords(file, call, &mut info);
        } else if let Some(Some(value)) = positional.into_iter().next() {
            info.constraints.push((single, value));
        } else {
            self.constraint_keywords(file, call, &mut info);
        }
        Metadata::Field(Box::new(info))
    }

    fn validation_alias(&mut self, file: FileId, expr: &Expr, info: &mut FieldInfo) {
        match &expr.kind {
            ExprKind::Call(call) => {
                info.alias_choice = call.arguments.iter().find_map(|argument| self.text(file, argument));
            }
            _ => info.validation_alias = self.text(file, expr),
        }
    }

    fn deprecated(&mut self, file: FileId, expr: &Expr) -> bool {
        match self.value(file, expr) {
            Some(Value::Bool(value)) => value,
            Some(Value::Str(_)) => true,
            _ => matches!(expr.kind, ExprKind::Call(_)),
        }
    }

    pub(crate) fn text(&mut self, file: FileId, expr: &Expr) -> Option<String> {
        let text = self.value(file, expr).and_then(|value| value.str().map(str::to_owned));
        if text.is_none() && !matches!(expr.kind, ExprKind::None) {
            self.problem(
                file,
                expr.at,
                "this text is worked out when the file runs, so it can't be shown".to_owned(),
            );
        }
        text
    }

    fn constant(&mut self, file: FileId, expr: &Expr) -> Option<Json> {
        self.value(file, expr).and_then(|value| value.json())
    }
}

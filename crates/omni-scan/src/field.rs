//! What do `Field(…)` and the other arguments of `Annotated` say about a parameter or a class's field?

use serde_json::{Map, Value as Json};

use crate::core::Core;
use crate::package::{FileId, Item};
use crate::syntax::{Call, Expr, ExprKind};
use crate::types::Types;
use crate::value::Value;

/// The default of a parameter or field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Default {
    Known(Value),
    /// There is one, but only Python can make it.
    Made,
}

/// Everything that the metadata of one parameter or field adds up to.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldInfo {
    pub(crate) constraints: Vec<(&'static str, Json)>,
    pub(crate) default: Option<Default>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) examples: Option<Json>,
    pub(crate) deprecated: bool,
    pub(crate) extra: Map<String, Json>,
    pub(crate) alias: Option<String>,
    pub(crate) validation_alias: Option<String>,
    /// The first name of `AliasChoices`: a field of a class goes by it, a parameter does not.
    pub(crate) alias_choice: Option<String>,
    pub(crate) serialization_alias: Option<String>,
    pub(crate) exclude: bool,
    pub(crate) discriminator: Option<String>,
    /// `WithJsonSchema(…)`: replaces the schema.
    pub(crate) schema: Option<Map<String, Json>>,
    pub(crate) keyword_only: bool,
    pub(crate) initialised: Option<bool>,
}

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

impl FieldInfo {
    /// Adds a later piece of metadata: what it sets wins, and its constraints come after.
    pub(crate) fn merge(&mut self, mut later: FieldInfo) {
        self.constraints.append(&mut later.constraints);
        self.merge_attributes(later);
    }

    /// Adds the `Field(…)` that stands as the default: its attributes win over the annotation's, its
    /// constraints lose to them.
    pub(crate) fn merge_default(&mut self, mut default: FieldInfo) {
        let mut constraints = std::mem::take(&mut default.constraints);
        constraints.append(&mut self.constraints);
        self.constraints = constraints;
        self.merge_attributes(default);
    }

    fn merge_attributes(&mut self, later: FieldInfo) {
        fn keep<T>(own: &mut Option<T>, later: Option<T>) {
            if later.is_some() {
                *own = later;
            }
        }
        keep(&mut self.default, later.default);
        keep(&mut self.title, later.title);
        keep(&mut self.description, later.description);
        keep(&mut self.examples, later.examples);
        keep(&mut self.alias, later.alias);
        keep(&mut self.validation_alias, later.validation_alias);
        keep(&mut self.alias_choice, later.alias_choice);
        keep(&mut self.serialization_alias, later.serialization_alias);
        keep(&mut self.discriminator, later.discriminator);
        keep(&mut self.schema, later.schema);
        keep(&mut self.initialised, later.initialised);
        self.deprecated |= later.deprecated;
        self.exclude |= later.exclude;
        self.keyword_only |= later.keyword_only;
        self.extra.extend(later.extra);
    }

    /// The keywords that sit beside the type's own.
    pub(crate) fn updates(&self) -> Map<String, Json> {
        let mut updates = Map::new();
        if let Some(title) = &self.title {
            updates.insert("title".to_owned(), Json::String(title.clone()));
        }
        if let Some(description) = &self.description {
            updates.insert("description".to_owned(), Json::String(description.clone()));
        }
        if self.deprecated {
            updates.insert("deprecated".to_owned(), Json::Bool(true));
        }
        if let Some(examples) = &self.examples {
            updates.insert("examples".to_owned(), examples.clone());
        }
        updates
    }

    /// Applies the constraints, but neither keywords nor the default.
    pub(crate) fn constrain(&self, mut core: Core) -> Core {
        for (name, value) in &self.constraints {
            core = core.constrain(name, value.clone());
        }
        if let Some(schema) = &self.schema {
            core = crate::core::Kind::Fixed(schema.clone()).into();
        }
        core
    }
}

/// How a metadata object is understood.
pub(crate) enum Metadata {
    Field(Box<FieldInfo>),
    /// A string: a description only where it stands alone.
    Text(String),
    /// Has no effect on the schema.
    Ignored,
    /// May have one, but only Python knows which.
    Unknown,
}

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
                "default_factory" => info.default = Some(Default::Made),
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
        Some(self.value(file, expr).map_or(Default::Made, Default::Known))
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

/// The last part of a dotted path.
pub(crate) fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

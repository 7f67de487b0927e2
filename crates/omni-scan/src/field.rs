//! What is known of a parameter or a class's field besides its type, and how it adds up.

use serde_json::{Map, Value as Json};

use crate::type_ir::TypeIr;
use crate::value::Value;

/// The default of a parameter or field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Default {
    Known(Value),
    /// There is one, but only Python can make it.
    Computed,
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
    pub(crate) fn constrain(&self, mut ty: TypeIr) -> TypeIr {
        for (name, value) in &self.constraints {
            ty = ty.constrain(name, value.clone());
        }
        if let Some(schema) = &self.schema {
            ty = crate::type_ir::TypeKind::Fixed(schema.clone()).into();
        }
        ty
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

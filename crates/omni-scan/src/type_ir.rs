//! A type as a validator sees it: between the annotation that names it and the schema that describes it.
//!
//! The steps follow Pydantic's, since the schemas have to: constraints go inside an optional type, metadata
//! stays outside, a constraint that a type cannot hold wraps it.

use serde_json::{Map, Value as Json};

use crate::value::Value;

/// Index into [`Types::definitions`](crate::types::Types).
pub(crate) type DefId = usize;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeIr {
    pub(crate) kind: TypeKind,
    /// Constraints that the kind itself holds, by their Python names.
    pub(crate) bounds: Vec<(&'static str, Json)>,
    /// Keywords that `Field(…)` puts beside the type's own.
    pub(crate) updates: Map<String, Json>,
    /// `json_schema_extra`.
    pub(crate) extra: Map<String, Json>,
    /// Came through `Annotated`, so a union around it does not flatten it.
    pub(crate) from_annotated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypeKind {
    /// No constraint at all, and nothing said.
    Any,
    /// No constraint either, but said on purpose: `object`, a type variable.
    Anything,
    None,
    Bool,
    Int,
    Float,
    Str,
    Bytes,
    Decimal,
    Fraction,
    Complex,
    /// A number of bytes, also as text with a unit.
    ByteSize,
    /// `date`, `time`, `date-time`, `duration`: a string of that format that takes inequalities.
    Temporal(&'static str),
    Uuid,
    /// A string of a fixed format that takes no constraint of its own.
    Format(&'static str),
    Url {
        multi: bool,
    },
    /// A schema that nothing is added to.
    Fixed(Map<String, Json>),
    List(Box<TypeIr>),
    /// As a list in JSON, but constraints wrap it.
    Sequence(Box<TypeIr>),
    /// `Iterable`.
    Iterable(Box<TypeIr>),
    Set(Box<TypeIr>),
    Tuple(Vec<TypeIr>),
    TupleOf(Box<TypeIr>),
    Dict(Box<TypeIr>, Box<TypeIr>),
    /// A mapping type other than `dict`: constraints wrap it.
    Mapping(Box<TypeIr>, Box<TypeIr>),
    Literal(Vec<Value>),
    Nullable(Box<TypeIr>),
    Union(Vec<TypeIr>),
    /// A union told apart by a field; tag and choice.
    Tagged(String, Vec<(String, TypeIr)>),
    /// JSON text with this content.
    JsonText(Box<TypeIr>),
    /// Something that a constraint wraps.
    Wrapped(Box<TypeIr>),
    /// With a default; `None` for one that only Python can make.
    Default(Box<TypeIr>, Option<Value>),
    Definition(DefId),
    /// An enumeration without members.
    EmptyEnum(Map<String, Json>),
    /// Refused as an output: MCP content, or a type that is not known here.
    Content,
    Unknown,
}

impl From<TypeKind> for TypeIr {
    fn from(kind: TypeKind) -> Self {
        TypeIr { kind, bounds: Vec::new(), updates: Map::new(), extra: Map::new(), from_annotated: false }
    }
}

/// A schema that others refer to by name.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: String,
    /// Name with its module, for when two definitions share the short one.
    pub(crate) qualified: String,
    pub(crate) shape: Shape,
}

#[derive(Debug)]
pub(crate) enum Shape {
    /// Being worked out: reached again only through a recursive type.
    Pending,
    Enum {
        description: Option<String>,
        values: Vec<Value>,
    },
    Object(Object),
    NamedTuple(Vec<Member>),
    /// A `type` statement, or a model whose root is not an object.
    Alias(TypeIr),
}

/// A model, dataclass or typed dictionary.
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(crate) title: String,
    pub(crate) description: Option<String>,
    pub(crate) members: Vec<Member>,
    /// `additionalProperties`, when the class says.
    pub(crate) additional: Option<bool>,
    pub(crate) extra: Map<String, Json>,
    /// The output schema uses serialization aliases.
    pub(crate) serialize_by_alias: bool,
    /// Set for `RootModel`: the schema is the root's, with the class's title and description.
    pub(crate) root: bool,
}

/// One field of a class.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) validation_alias: Option<String>,
    pub(crate) serialization_alias: Option<String>,
    pub(crate) ty: TypeIr,
    pub(crate) updates: Map<String, Json>,
    pub(crate) extra: Map<String, Json>,
    pub(crate) required: bool,
    /// Left out of the output schema.
    pub(crate) exclude: bool,
    /// A computed field: in the output schema only.
    pub(crate) computed: bool,
}

impl TypeIr {
    pub(crate) fn any() -> TypeIr {
        TypeKind::Any.into()
    }

    /// The union of `choices`, as `typing.Union` builds it: flat, without repetition, `None` last.
    pub(crate) fn union(choices: Vec<TypeIr>) -> TypeIr {
        let mut flat: Vec<TypeIr> = Vec::new();
        let mut nullable = false;
        flatten(choices, &mut flat, &mut nullable);
        let inner = match flat.len() {
            0 => return TypeKind::None.into(),
            1 => flat.remove(0),
            _ => TypeKind::Union(flat).into(),
        };
        if nullable { TypeKind::Nullable(Box::new(inner)).into() } else { inner }
    }

    /// Applies one constraint the way Pydantic does.
    pub(crate) fn constrain(self, name: &'static str, value: Json) -> TypeIr {
        if value.is_null() {
            return self;
        }
        let TypeIr { kind, mut bounds, updates, extra, from_annotated } = self;
        if let TypeKind::Nullable(inner) = kind {
            let kind = TypeKind::Nullable(Box::new(inner.constrain(name, value)));
            return TypeIr { kind, bounds, updates, extra, from_annotated };
        }
        if kind.takes(name) {
            bounds.retain(|(found, _)| *found != name);
            bounds.push((name, value));
            return TypeIr { kind, bounds, updates, extra, from_annotated };
        }
        let keyword = match name {
            // These never show in a schema, or only check a string after the type's own steps.
            "pattern" | "allow_inf_nan" | "strict" | "union_mode" | "max_digits" | "decimal_places" => {
                return TypeIr { kind, bounds, updates, extra, from_annotated };
            }
            "min_length" if kind.lists() => "minItems",
            "max_length" if kind.lists() => "maxItems",
            "min_length" => "minLength",
            "max_length" => "maxLength",
            other => other,
        };
        let inner = TypeIr { kind, bounds, updates, extra, from_annotated };
        let mut wrapped = TypeIr::from(TypeKind::Wrapped(Box::new(inner)));
        wrapped.updates.insert(keyword.to_owned(), value);
        wrapped
    }
}

fn flatten(choices: Vec<TypeIr>, flat: &mut Vec<TypeIr>, nullable: &mut bool) {
    for choice in choices {
        match choice {
            TypeIr { kind: TypeKind::None, ref updates, .. } if updates.is_empty() => *nullable = true,
            TypeIr { kind: TypeKind::Union(inner), from_annotated: false, .. } => {
                flatten(inner, flat, nullable)
            }
            TypeIr { kind: TypeKind::Nullable(inner), from_annotated: false, .. } => {
                *nullable = true;
                flatten(vec![*inner], flat, nullable);
            }
            other => {
                if !flat.contains(&other) {
                    flat.push(other);
                }
            }
        }
    }
}

impl TypeKind {
    fn takes(&self, bound: &str) -> bool {
        let length = matches!(bound, "min_length" | "max_length");
        let inequality = matches!(bound, "gt" | "ge" | "lt" | "le");
        match self {
            TypeKind::Int | TypeKind::Float | TypeKind::Decimal | TypeKind::Fraction => {
                inequality || bound == "multiple_of"
            }
            TypeKind::Temporal(_) => inequality || bound == "multiple_of",
            TypeKind::Str => length || bound == "pattern",
            TypeKind::Bytes
            | TypeKind::List(_)
            | TypeKind::Iterable(_)
            | TypeKind::Set(_)
            | TypeKind::Tuple(_)
            | TypeKind::TupleOf(_)
            | TypeKind::Dict(..) => length,
            TypeKind::Url { .. } => bound == "max_length",
            _ => false,
        }
    }

    fn lists(&self) -> bool {
        match self {
            TypeKind::List(_) | TypeKind::Sequence(_) => true,
            TypeKind::Wrapped(inner) => inner.kind.lists(),
            _ => false,
        }
    }
}

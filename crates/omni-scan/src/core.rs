//! A type as a validator sees it: between the annotation that names it and the schema that describes it.
//!
//! The steps follow Pydantic's, since the schemas have to: constraints go inside an optional type, metadata
//! stays outside, a constraint that a type cannot hold wraps it.

use serde_json::{Map, Value as Json};

use crate::value::Value;

/// Index into [`Types::definitions`](crate::types::Types).
pub(crate) type DefId = usize;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Core {
    pub(crate) kind: Kind,
    /// Constraints that the kind itself holds, by their Python names.
    pub(crate) bounds: Vec<(&'static str, Json)>,
    /// Keywords that `Field(…)` puts beside the type's own.
    pub(crate) updates: Map<String, Json>,
    /// `json_schema_extra`.
    pub(crate) extra: Map<String, Json>,
    /// Came through `Annotated`, so a union around it does not flatten it.
    pub(crate) sealed: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
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
    List(Box<Core>),
    /// As a list in JSON, but constraints wrap it.
    Sequence(Box<Core>),
    /// `Iterable`.
    Lazy(Box<Core>),
    Set(Box<Core>),
    Tuple(Vec<Core>),
    TupleOf(Box<Core>),
    Dict(Box<Core>, Box<Core>),
    /// A mapping type other than `dict`: constraints wrap it.
    Mapping(Box<Core>, Box<Core>),
    Literal(Vec<Value>),
    Nullable(Box<Core>),
    Union(Vec<Core>),
    /// A union told apart by a field; tag and choice.
    Tagged(String, Vec<(String, Core)>),
    /// JSON text with this content.
    JsonText(Box<Core>),
    /// Something that a constraint wraps.
    Wrapped(Box<Core>),
    /// With a default; `None` for one that only Python can make.
    Default(Box<Core>, Option<Value>),
    Definition(DefId),
    /// An enumeration without members.
    EmptyEnum(Map<String, Json>),
    /// Refused as an output: MCP content, or a type that is not known here.
    Content,
    Unknown,
}

impl From<Kind> for Core {
    fn from(kind: Kind) -> Self {
        Core { kind, bounds: Vec::new(), updates: Map::new(), extra: Map::new(), sealed: false }
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
    Alias(Core),
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
    pub(crate) core: Core,
    pub(crate) updates: Map<String, Json>,
    pub(crate) extra: Map<String, Json>,
    pub(crate) required: bool,
    /// Left out of the output schema.
    pub(crate) exclude: bool,
    /// A computed field: in the output schema only.
    pub(crate) computed: bool,
}

impl Core {
    pub(crate) fn any() -> Core {
        Kind::Any.into()
    }

    /// The union of `choices`, as `typing.Union` builds it: flat, without repetition, `None` last.
    pub(crate) fn union(choices: Vec<Core>) -> Core {
        let mut flat: Vec<Core> = Vec::new();
        let mut nullable = false;
        flatten(choices, &mut flat, &mut nullable);
        let inner = match flat.len() {
            0 => return Kind::None.into(),
            1 => flat.remove(0),
            _ => Kind::Union(flat).into(),
        };
        if nullable { Kind::Nullable(Box::new(inner)).into() } else { inner }
    }

    /// Applies one constraint the way Pydantic does.
    pub(crate) fn constrain(self, name: &'static str, value: Json) -> Core {
        if value.is_null() {
            return self;
        }
        let Core { kind, mut bounds, updates, extra, sealed } = self;
        if let Kind::Nullable(inner) = kind {
            let kind = Kind::Nullable(Box::new(inner.constrain(name, value)));
            return Core { kind, bounds, updates, extra, sealed };
        }
        if kind.takes(name) {
            bounds.retain(|(found, _)| *found != name);
            bounds.push((name, value));
            return Core { kind, bounds, updates, extra, sealed };
        }
        let keyword = match name {
            // These never show in a schema, or only check a string after the type's own steps.
            "pattern" | "allow_inf_nan" | "strict" | "union_mode" | "max_digits" | "decimal_places" => {
                return Core { kind, bounds, updates, extra, sealed };
            }
            "min_length" if kind.lists() => "minItems",
            "max_length" if kind.lists() => "maxItems",
            "min_length" => "minLength",
            "max_length" => "maxLength",
            other => other,
        };
        let inner = Core { kind, bounds, updates, extra, sealed };
        let mut wrapped = Core::from(Kind::Wrapped(Box::new(inner)));
        wrapped.updates.insert(keyword.to_owned(), value);
        wrapped
    }
}

fn flatten(choices: Vec<Core>, flat: &mut Vec<Core>, nullable: &mut bool) {
    for choice in choices {
        match choice {
            Core { kind: Kind::None, ref updates, .. } if updates.is_empty() => *nullable = true,
            Core { kind: Kind::Union(inner), sealed: false, .. } => flatten(inner, flat, nullable),
            Core { kind: Kind::Nullable(inner), sealed: false, .. } => {
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

impl Kind {
    fn takes(&self, bound: &str) -> bool {
        let length = matches!(bound, "min_length" | "max_length");
        let inequality = matches!(bound, "gt" | "ge" | "lt" | "le");
        match self {
            Kind::Int | Kind::Float | Kind::Decimal | Kind::Fraction => inequality || bound == "multiple_of",
            Kind::Temporal(_) => inequality || bound == "multiple_of",
            Kind::Str => length || bound == "pattern",
            Kind::Bytes
            | Kind::List(_)
            | Kind::Lazy(_)
            | Kind::Set(_)
            | Kind::Tuple(_)
            | Kind::TupleOf(_)
            | Kind::Dict(..) => length,
            Kind::Url { .. } => bound == "max_length",
            _ => false,
        }
    }

    fn lists(&self) -> bool {
        match self {
            Kind::List(_) | Kind::Sequence(_) => true,
            Kind::Wrapped(inner) => inner.kind.lists(),
            _ => false,
        }
    }
}

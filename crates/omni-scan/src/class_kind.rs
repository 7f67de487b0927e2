//! What kind of class is it, by its bases and decorators?

use crate::library_types::is_content;
use crate::package::{FileId, Item, Package};
use crate::syntax::ExprKind;

/// What kind of class it is, by its bases and decorators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClassKind {
    Enum(AutoValue),
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

/// Classes of classes: more than this is a cycle.
pub(crate) const BASES_MAX: u32 = 16;

/// Fields of one class, members of one enumeration.
pub(crate) const MEMBERS_MAX: usize = 2_000;

/// Which kind of class this is.
pub(crate) fn class_kind(package: &Package, file: FileId, class: usize) -> ClassKind {
    class_kind_within(package, file, class, BASES_MAX)
}

fn class_kind_within(package: &Package, file: FileId, index: usize, steps: u32) -> ClassKind {
    let (Some(steps), Some(())) = (steps.checked_sub(1), package.step()) else { return ClassKind::Other };
    let class = &package.file(file).classes[index];
    for base in &class.bases {
        let base = match &base.kind {
            ExprKind::Subscript(base, ..) => base,
            _ => base,
        };
        let found = match package.resolve(file, base) {
            Item::External(path) => external_class_kind(&path),
            Item::Class(at, class) => class_kind_within(package, at, class, steps),
            _ => ClassKind::Other,
        };
        if found != ClassKind::Other {
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
    if dataclass { ClassKind::Dataclass } else { ClassKind::Other }
}

fn external_class_kind(path: &str) -> ClassKind {
    if is_context(path) {
        return ClassKind::Context;
    }
    match path {
        "enum.Enum" | "enum.IntEnum" | "enum.ReprEnum" => ClassKind::Enum(AutoValue::Count),
        "enum.StrEnum" => ClassKind::Enum(AutoValue::LowerName),
        "enum.Flag" | "enum.IntFlag" => ClassKind::Enum(AutoValue::Power),
        "typing.TypedDict" | "typing_extensions.TypedDict" => ClassKind::TypedDict,
        "typing.NamedTuple" | "typing_extensions.NamedTuple" => ClassKind::NamedTuple,
        "pydantic.BaseModel" | "pydantic.main.BaseModel" => ClassKind::Model,
        "pydantic.RootModel" | "pydantic.root_model.RootModel" => ClassKind::RootModel,
        _ if is_content(path) => ClassKind::Content,
        _ => ClassKind::Other,
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

/// What `auto()` gives in an enumeration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AutoValue {
    Count,
    Power,
    LowerName,
}

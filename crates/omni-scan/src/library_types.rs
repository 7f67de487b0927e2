//! Which types do the standard library, Pydantic and the MCP packages offer by name?

use serde_json::{Map, Value as Json, json};

use crate::type_ir::{TypeIr, TypeKind};

/// The generic type that a dotted path names, whichever module spells it.
pub(crate) fn generic_name(path: &str) -> &str {
    let (module, name) = path.rsplit_once('.').unwrap_or(("", path));
    match (module, name) {
        ("typing" | "typing_extensions", "List") => "list",
        ("typing" | "typing_extensions", "Dict") => "dict",
        ("typing" | "typing_extensions", "Tuple") => "tuple",
        ("typing" | "typing_extensions", "FrozenSet") => "frozenset",
        ("typing" | "typing_extensions", "Set") => "set",
        ("typing" | "typing_extensions", "AbstractSet") => "Set",
        ("typing" | "typing_extensions", "Deque") => "deque",
        ("typing" | "typing_extensions", "DefaultDict") => "defaultdict",
        ("typing" | "typing_extensions", "Type") => "type",
        ("builtins" | "typing" | "typing_extensions" | "collections" | "collections.abc", name) => name,
        ("dataclasses", "InitVar") => "InitVar",
        ("re", "Pattern") => "Pattern",
        ("os", "PathLike") => "PathLike",
        (module, name) if module.starts_with("pydantic") => name,
        _ => "",
    }
}

/// What can be gone through, once or again: a list in JSON.
pub(crate) const ITERABLES: [&str; 6] =
    ["Iterable", "Iterator", "Generator", "Collection", "Container", "Reversible"];

/// The type that a dotted path names when nothing is in brackets behind it.
pub(crate) fn plain(path: &str) -> Option<TypeIr> {
    let any = || Box::new(TypeIr::any());
    let generic = match generic_name(path) {
        "list" | "deque" => Some(TypeKind::List(any())),
        "Sequence" | "MutableSequence" => Some(TypeKind::Sequence(any())),
        name if ITERABLES.contains(&name) => Some(TypeKind::Iterable(any())),
        "set" | "frozenset" | "Set" | "MutableSet" => Some(TypeKind::Set(any())),
        "tuple" => Some(TypeKind::TupleOf(any())),
        "dict" | "OrderedDict" => Some(TypeKind::Dict(any(), any())),
        "Mapping" | "MutableMapping" | "defaultdict" => Some(TypeKind::Mapping(any(), any())),
        "Counter" => Some(TypeKind::Dict(any(), Box::new(TypeKind::Int.into()))),
        "Json" => Some(TypeKind::JsonText(any())),
        _ => None,
    };
    if let Some(kind) = generic {
        return Some(kind.into());
    }
    let kind = match path {
        "builtins.str" | "typing.Text" | "typing.LiteralString" | "typing_extensions.LiteralString" => {
            TypeKind::Str
        }
        "builtins.int" => TypeKind::Int,
        "builtins.float" => TypeKind::Float,
        "builtins.bool" => TypeKind::Bool,
        "builtins.bytes" | "builtins.bytearray" => TypeKind::Bytes,
        "builtins.complex" => TypeKind::Complex,
        "types.NoneType" => TypeKind::None,
        "typing.Any" | "typing_extensions.Any" => TypeKind::Any,
        "builtins.object" => TypeKind::Anything,
        "typing.AnyStr" => return Some(TypeIr::union(vec![TypeKind::Bytes.into(), TypeKind::Str.into()])),
        "datetime.datetime" => TypeKind::Temporal("date-time"),
        "datetime.date" => TypeKind::Temporal("date"),
        "datetime.time" => TypeKind::Temporal("time"),
        "datetime.timedelta" => TypeKind::Temporal("duration"),
        "uuid.UUID" => TypeKind::Uuid,
        "decimal.Decimal" => TypeKind::Decimal,
        "fractions.Fraction" => TypeKind::Fraction,
        "pathlib.Path"
        | "pathlib.PurePath"
        | "pathlib.PosixPath"
        | "pathlib.PurePosixPath"
        | "os.PathLike"
        | "pathlib.PureWindowsPath" => TypeKind::Format("path"),
        "re.Pattern" | "typing.Pattern" => TypeKind::Format("regex"),
        "zoneinfo.ZoneInfo" => TypeKind::Format("zoneinfo"),
        "ipaddress.IPv4Address" => TypeKind::Format("ipv4"),
        "ipaddress.IPv6Address" => TypeKind::Format("ipv6"),
        "ipaddress.IPv4Network" => TypeKind::Format("ipv4network"),
        "ipaddress.IPv6Network" => TypeKind::Format("ipv6network"),
        "ipaddress.IPv4Interface" => TypeKind::Format("ipv4interface"),
        "ipaddress.IPv6Interface" => TypeKind::Format("ipv6interface"),
        _ if is_content(path) => TypeKind::Content,
        _ => return pydantic(path),
    };
    Some(kind.into())
}

/// Whether a dotted path names MCP content, which carries no structured value: of omni, of FastMCP, of the official SDK.
pub(crate) fn is_content(path: &str) -> bool {
    let Some((module, name)) = path.rsplit_once('.') else { return false };
    match module.split('.').next().unwrap_or(module) {
        "omni" => {
            matches!(name, "Text" | "Image" | "Audio" | "ResourceLink" | "EmbeddedResource" | "ToolResult")
        }
        "fastmcp" => matches!(name, "Image" | "Audio" | "File" | "ToolResult"),
        "mcp" | "mcp_types" => matches!(
            name,
            "TextContent"
                | "ImageContent"
                | "AudioContent"
                | "ResourceLink"
                | "EmbeddedResource"
                | "CallToolResult"
                | "ContentBlock"
                | "Image"
                | "Audio"
        ),
        _ => false,
    }
}

/// Types that Pydantic itself offers.
fn pydantic(path: &str) -> Option<TypeIr> {
    let (module, name) = path.rsplit_once('.')?;
    if module != "pydantic" && !module.starts_with("pydantic.") {
        return None;
    }
    let bounded =
        |kind: TypeKind, bound: &'static str| Some(TypeIr::from(kind).constrain(bound, Json::from(0)));
    let fixed = |value: Json| Some(TypeIr::from(TypeKind::Fixed(object(&value))));
    let url = |length: Option<u64>| {
        let ty = TypeIr::from(TypeKind::Url { multi: false });
        Some(length.map_or(ty.clone(), |length| ty.constrain("max_length", Json::from(length))))
    };
    match name {
        "StrictStr" => Some(TypeKind::Str.into()),
        "StrictInt" => Some(TypeKind::Int.into()),
        "StrictFloat" | "FiniteFloat" => Some(TypeKind::Float.into()),
        "StrictBool" => Some(TypeKind::Bool.into()),
        "StrictBytes" => Some(TypeKind::Bytes.into()),
        "PositiveInt" => bounded(TypeKind::Int, "gt"),
        "NegativeInt" => bounded(TypeKind::Int, "lt"),
        "NonNegativeInt" => bounded(TypeKind::Int, "ge"),
        "NonPositiveInt" => bounded(TypeKind::Int, "le"),
        "PositiveFloat" => bounded(TypeKind::Float, "gt"),
        "NegativeFloat" => bounded(TypeKind::Float, "lt"),
        "NonNegativeFloat" => bounded(TypeKind::Float, "ge"),
        "NonPositiveFloat" => bounded(TypeKind::Float, "le"),
        "AwareDatetime" | "NaiveDatetime" | "PastDatetime" | "FutureDatetime" => {
            Some(TypeKind::Format("date-time").into())
        }
        "PastDate" | "FutureDate" => Some(TypeKind::Format("date").into()),
        "UUID1" => Some(TypeKind::Format("uuid1").into()),
        "UUID3" => Some(TypeKind::Format("uuid3").into()),
        "UUID4" => Some(TypeKind::Format("uuid4").into()),
        "UUID5" => Some(TypeKind::Format("uuid5").into()),
        "FilePath" => Some(TypeKind::Format("file-path").into()),
        "DirectoryPath" => Some(TypeKind::Format("directory-path").into()),
        "NewPath" | "SocketPath" => Some(TypeKind::Format("path").into()),
        "EmailStr" => Some(TypeKind::Format("email").into()),
        "NameEmail" => Some(TypeKind::Format("name-email").into()),
        "IPvAnyAddress" => Some(TypeKind::Format("ipvanyaddress").into()),
        "IPvAnyInterface" => Some(TypeKind::Format("ipvanyinterface").into()),
        "IPvAnyNetwork" => Some(TypeKind::Format("ipvanynetwork").into()),
        "AnyUrl" | "AnyHttpUrl" | "FileUrl" | "FtpUrl" | "WebsocketUrl" | "AnyWebsocketUrl" => url(None),
        "HttpUrl" => url(Some(2083)),
        "PostgresDsn" => Some(TypeKind::Url { multi: true }.into()),
        "RedisDsn" | "AmqpDsn" | "MySQLDsn" | "MariaDBDsn" | "ClickHouseDsn" | "CockroachDsn"
        | "SnowflakeDsn" => url(None),
        "SecretStr" | "SecretBytes" => {
            fixed(json!({"type": "string", "format": "password", "writeOnly": true}))
        }
        "Base64Str" | "Base64UrlStr" => fixed(json!({"type": "string", "format": "base64"})),
        "Base64Bytes" | "Base64UrlBytes" => fixed(json!({"type": "string", "format": "base64"})),
        "ByteSize" => Some(TypeKind::ByteSize.into()),
        "BaseModel" => None,
        _ => None,
    }
}

pub(crate) fn object(value: &Json) -> Map<String, Json> {
    value.as_object().cloned().unwrap_or_default()
}

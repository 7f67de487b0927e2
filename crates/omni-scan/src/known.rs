//! Which types do the standard library, Pydantic and the MCP packages offer by name?

use serde_json::{Map, Value as Json, json};

use crate::core::{Core, Kind};

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
pub(crate) const LAZY: [&str; 6] =
    ["Iterable", "Iterator", "Generator", "Collection", "Container", "Reversible"];

/// The type that a dotted path names when nothing is in brackets behind it.
pub(crate) fn plain(path: &str) -> Option<Core> {
    let any = || Box::new(Core::any());
    let generic = match generic_name(path) {
        "list" | "deque" => Some(Kind::List(any())),
        "Sequence" | "MutableSequence" => Some(Kind::Sequence(any())),
        name if LAZY.contains(&name) => Some(Kind::Lazy(any())),
        "set" | "frozenset" | "Set" | "MutableSet" => Some(Kind::Set(any())),
        "tuple" => Some(Kind::TupleOf(any())),
        "dict" | "OrderedDict" => Some(Kind::Dict(any(), any())),
        "Mapping" | "MutableMapping" | "defaultdict" => Some(Kind::Mapping(any(), any())),
        "Counter" => Some(Kind::Dict(any(), Box::new(Kind::Int.into()))),
        "Json" => Some(Kind::JsonText(any())),
        _ => None,
    };
    if let Some(kind) = generic {
        return Some(kind.into());
    }
    let kind = match path {
        "builtins.str" | "typing.Text" | "typing.LiteralString" | "typing_extensions.LiteralString" => {
            Kind::Str
        }
        "builtins.int" => Kind::Int,
        "builtins.float" => Kind::Float,
        "builtins.bool" => Kind::Bool,
        "builtins.bytes" | "builtins.bytearray" => Kind::Bytes,
        "builtins.complex" => Kind::Complex,
        "types.NoneType" => Kind::None,
        "typing.Any" | "typing_extensions.Any" => Kind::Any,
        "builtins.object" => Kind::Anything,
        "typing.AnyStr" => return Some(Core::union(vec![Kind::Bytes.into(), Kind::Str.into()])),
        "datetime.datetime" => Kind::Temporal("date-time"),
        "datetime.date" => Kind::Temporal("date"),
        "datetime.time" => Kind::Temporal("time"),
        "datetime.timedelta" => Kind::Temporal("duration"),
        "uuid.UUID" => Kind::Uuid,
        "decimal.Decimal" => Kind::Decimal,
        "fractions.Fraction" => Kind::Fraction,
        "pathlib.Path"
        | "pathlib.PurePath"
        | "pathlib.PosixPath"
        | "pathlib.PurePosixPath"
        | "os.PathLike"
        | "pathlib.PureWindowsPath" => Kind::Format("path"),
        "re.Pattern" | "typing.Pattern" => Kind::Format("regex"),
        "zoneinfo.ZoneInfo" => Kind::Format("zoneinfo"),
        "ipaddress.IPv4Address" => Kind::Format("ipv4"),
        "ipaddress.IPv6Address" => Kind::Format("ipv6"),
        "ipaddress.IPv4Network" => Kind::Format("ipv4network"),
        "ipaddress.IPv6Network" => Kind::Format("ipv6network"),
        "ipaddress.IPv4Interface" => Kind::Format("ipv4interface"),
        "ipaddress.IPv6Interface" => Kind::Format("ipv6interface"),
        _ => return content(path).or_else(|| pydantic(path)),
    };
    Some(kind.into())
}

/// MCP content: an output that carries no structured value.
fn content(path: &str) -> Option<Core> {
    let (module, name) = path.rsplit_once('.')?;
    let known = match module.split('.').next().unwrap_or(module) {
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
    };
    known.then(|| Kind::Content.into())
}

/// Types that Pydantic itself offers.
fn pydantic(path: &str) -> Option<Core> {
    let (module, name) = path.rsplit_once('.')?;
    if module != "pydantic" && !module.starts_with("pydantic.") {
        return None;
    }
    let bounded = |kind: Kind, bound: &'static str| Some(Core::from(kind).constrain(bound, Json::from(0)));
    let fixed = |value: Json| Some(Core::from(Kind::Fixed(object(&value))));
    let url = |length: Option<u64>| {
        let core = Core::from(Kind::Url { multi: false });
        Some(length.map_or(core.clone(), |length| core.constrain("max_length", Json::from(length))))
    };
    match name {
        "StrictStr" => Some(Kind::Str.into()),
        "StrictInt" => Some(Kind::Int.into()),
        "StrictFloat" | "FiniteFloat" => Some(Kind::Float.into()),
        "StrictBool" => Some(Kind::Bool.into()),
        "StrictBytes" => Some(Kind::Bytes.into()),
        "PositiveInt" => bounded(Kind::Int, "gt"),
        "NegativeInt" => bounded(Kind::Int, "lt"),
        "NonNegativeInt" => bounded(Kind::Int, "ge"),
        "NonPositiveInt" => bounded(Kind::Int, "le"),
        "PositiveFloat" => bounded(Kind::Float, "gt"),
        "NegativeFloat" => bounded(Kind::Float, "lt"),
        "NonNegativeFloat" => bounded(Kind::Float, "ge"),
        "NonPositiveFloat" => bounded(Kind::Float, "le"),
        "AwareDatetime" | "NaiveDatetime" | "PastDatetime" | "FutureDatetime" => {
            Some(Kind::Format("date-time").into())
        }
        "PastDate" | "FutureDate" => Some(Kind::Format("date").into()),
        "UUID1" => Some(Kind::Format("uuid1").into()),
        "UUID3" => Some(Kind::Format("uuid3").into()),
        "UUID4" => Some(Kind::Format("uuid4").into()),
        "UUID5" => Some(Kind::Format("uuid5").into()),
        "FilePath" => Some(Kind::Format("file-path").into()),
        "DirectoryPath" => Some(Kind::Format("directory-path").into()),
        "NewPath" | "SocketPath" => Some(Kind::Format("path").into()),
        "EmailStr" => Some(Kind::Format("email").into()),
        "NameEmail" => Some(Kind::Format("name-email").into()),
        "IPvAnyAddress" => Some(Kind::Format("ipvanyaddress").into()),
        "IPvAnyInterface" => Some(Kind::Format("ipvanyinterface").into()),
        "IPvAnyNetwork" => Some(Kind::Format("ipvanynetwork").into()),
        "AnyUrl" | "AnyHttpUrl" | "FileUrl" | "FtpUrl" | "WebsocketUrl" | "AnyWebsocketUrl" => url(None),
        "HttpUrl" => url(Some(2083)),
        "PostgresDsn" => Some(Kind::Url { multi: true }.into()),
        "RedisDsn" | "AmqpDsn" | "MySQLDsn" | "MariaDBDsn" | "ClickHouseDsn" | "CockroachDsn"
        | "SnowflakeDsn" => url(None),
        "SecretStr" | "SecretBytes" => {
            fixed(json!({"type": "string", "format": "password", "writeOnly": true}))
        }
        "Base64Str" | "Base64UrlStr" => fixed(json!({"type": "string", "format": "base64"})),
        "Base64Bytes" | "Base64UrlBytes" => fixed(json!({"type": "string", "format": "base64"})),
        "ByteSize" => Some(Kind::ByteSize.into()),
        "BaseModel" => None,
        _ => None,
    }
}

pub(crate) fn object(value: &Json) -> Map<String, Json> {
    value.as_object().cloned().unwrap_or_default()
}

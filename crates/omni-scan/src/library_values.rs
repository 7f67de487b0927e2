//! Which value do the constructors and constants of Python's library make, as a schema writes it?

use crate::app_config;
use crate::value::{Value, complex, distinct, number};

const PATHS: [&str; 4] = ["pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.PurePosixPath"];

/// A constant of the library: `math.pi`, `datetime.timezone.utc`.
pub(crate) fn constant(path: &str) -> Option<Value> {
    match path {
        "math.inf" => Some(Value::Float(f64::INFINITY)),
        "math.pi" => Some(Value::Float(std::f64::consts::PI)),
        "math.e" => Some(Value::Float(std::f64::consts::E)),
        "math.tau" => Some(Value::Float(std::f64::consts::TAU)),
        "datetime.timezone.utc" | "datetime.UTC" => Some(Value::Text(UTC.to_owned())),
        _ => None,
    }
}

/// How this file writes the one time zone whose offset is known without a data base.
const UTC: &str = "UTC";

/// What a constructor gives for these arguments; `None` when only Python knows.
pub(crate) fn made(path: &str, arguments: &[Value], named: &[(String, Value)]) -> Option<Value> {
    match path {
        "datetime.timedelta" => return timedelta(arguments, named),
        "datetime.date" => return date(&parts(&DATE, arguments, named)?).map(Value::Text),
        "datetime.time" => return time(&parts(&TIME, arguments, named)?).map(Value::Text),
        "datetime.datetime" => {
            let parts = parts(&DATETIME, arguments, named)?;
            let (date, time) = (date(&parts[..3])?, time(&parts[3..])?);
            return Some(Value::Text(format!("{date}T{time}")));
        }
        // What options of resources and icons may be written with: the dictionary that it stands for.
        _ if is_dictionary(path) && arguments.len() <= positional(path).len() => {
            let first = positional(path).iter().map(|name| (*name).to_owned()).zip(arguments.iter().cloned());
            let given = first.chain(named.iter().cloned()).filter(|(_, value)| *value != Value::None);
            return Some(Value::Dict(given.map(|(name, value)| (Value::Str(name), value)).collect()));
        }
        _ if !named.is_empty() => return None,
        _ => {}
    }
    match (path, arguments) {
        ("builtins.list", []) => Some(Value::List(Vec::new())),
        ("builtins.dict", []) => Some(Value::Dict(Vec::new())),
        ("builtins.tuple", []) => Some(Value::Tuple(Vec::new())),
        ("builtins.set" | "builtins.frozenset", []) => Some(Value::Set(Vec::new())),
        ("builtins.str", []) => Some(Value::Str(String::new())),
        (
            "builtins.set" | "builtins.frozenset",
            [Value::List(items) | Value::Tuple(items) | Value::Set(items)],
        ) => Some(Value::Set(distinct(items.clone()))),
        ("builtins.tuple", [Value::List(items) | Value::Tuple(items)]) => Some(Value::Tuple(items.clone())),
        ("builtins.list" | "collections.deque", [Value::List(items) | Value::Tuple(items)]) => {
            Some(Value::List(items.clone()))
        }
        ("collections.deque", []) => Some(Value::List(Vec::new())),
        ("collections.OrderedDict" | "builtins.dict", [Value::Dict(entries)]) => {
            Some(Value::Dict(entries.clone()))
        }
        ("collections.OrderedDict" | "collections.Counter" | "collections.defaultdict", []) => {
            Some(Value::Dict(Vec::new()))
        }
        ("collections.Counter", [counted]) => counts(counted),
        ("collections.defaultdict", [Value::Dict(entries)]) => Some(Value::Dict(entries.clone())),
        ("builtins.bytes" | "builtins.bytearray", []) => Some(Value::Bytes(Vec::new())),
        ("builtins.bytes" | "builtins.bytearray", [Value::Bytes(bytes)]) => Some(Value::Bytes(bytes.clone())),
        ("builtins.complex", []) => Some(Value::Complex(0.0, 0.0)),
        ("builtins.complex", [real]) => {
            complex(real).map(|(real, imaginary)| Value::Complex(real, imaginary))
        }
        ("builtins.complex", [real, imaginary]) => Some(Value::Complex(number(real)?, number(imaginary)?)),
        (path, []) if PATHS.contains(&path) => Some(Value::Text(".".to_owned())),
        (path, [Value::Str(text)]) if PATHS.contains(&path) => Some(Value::Text(posix_path(text))),
        // Only Python knows what a drive is.
        ("pathlib.PureWindowsPath", [Value::Str(text)]) if !text.contains([':', '\\']) => {
            Some(Value::Text(posix_path(text)))
        }
        ("decimal.Decimal", [Value::Str(text)]) if plain_decimal(text) => Some(Value::Text(text.clone())),
        ("decimal.Decimal", [Value::Int(value)]) => Some(Value::Text(value.to_string())),
        ("fractions.Fraction", [Value::Int(over)]) => Some(Value::Text(over.to_string())),
        ("fractions.Fraction", [Value::Int(over), Value::Int(under)]) => fraction(*over, *under),
        ("uuid.UUID", [Value::Str(text)]) => uuid(text),
        ("datetime.date.fromisoformat", [Value::Str(text)]) if is_plain_date(text) => {
            Some(Value::Text(text.clone()))
        }
        ("re.compile" | "zoneinfo.ZoneInfo", [Value::Str(text)]) => Some(Value::Text(text.clone())),
        ("ipaddress.IPv4Address", [Value::Str(text)]) => {
            text.parse::<core::net::Ipv4Addr>().ok().map(|address| Value::Text(address.to_string()))
        }
        ("ipaddress.IPv6Address", [Value::Str(text)]) => {
            text.parse::<core::net::Ipv6Addr>().ok().map(|address| Value::Text(address.to_string()))
        }
        ("ipaddress.IPv4Network" | "ipaddress.IPv4Interface", [Value::Str(text)]) => {
            subnet::<core::net::Ipv4Addr>(text, 32, path.ends_with("Network"))
        }
        ("ipaddress.IPv6Network" | "ipaddress.IPv6Interface", [Value::Str(text)]) => {
            subnet::<core::net::Ipv6Addr>(text, 128, path.ends_with("Network"))
        }
        ("pydantic.SecretStr", [Value::Str(text)]) => {
            Some(Value::Text(if text.is_empty() { String::new() } else { "*".repeat(10) }))
        }
        _ => None,
    }
}

/// The parameters of such a class that may be given without their names.
fn positional(path: &str) -> &'static [&'static str] {
    if path == "omni.Icon" { &["src", "mime_type", "sizes", "theme"] } else { &[] }
}

/// Whether the objects of a class stand for the dictionary of what they are given.
fn is_dictionary(path: &str) -> bool {
    matches!(path, "mcp.types.Icon" | "omni.Icon" | "mcp.types.Annotations") || app_config::is_class(path)
}

/// `Counter(…)` of a mapping, a text or a list.
fn counts(counted: &Value) -> Option<Value> {
    const COUNTED_MAX: usize = 1_000;
    let items: Vec<Value> = match counted {
        Value::Dict(entries) => return Some(Value::Dict(entries.clone())),
        Value::Str(text) => text.chars().take(COUNTED_MAX + 1).map(|c| Value::Str(c.to_string())).collect(),
        Value::List(items) | Value::Tuple(items) => items.clone(),
        _ => return None,
    };
    if items.len() > COUNTED_MAX {
        return None;
    }
    let mut counts: Vec<(Value, i64)> = Vec::new();
    for item in items {
        match counts.iter_mut().find(|(found, _)| *found == item) {
            Some((_, count)) => *count += 1,
            None => counts.push((item, 1)),
        }
    }
    Some(Value::Dict(counts.into_iter().map(|(item, count)| (item, Value::Int(count))).collect()))
}

/// `10.0.0.0/8`, as Python writes it. A network with bits behind its prefix is an error there.
fn subnet<A: core::str::FromStr + ToString + Into<core::net::IpAddr>>(
    text: &str,
    bits: u32,
    network: bool,
) -> Option<Value> {
    let (address, prefix) =
        text.split_once('/').map_or((text, None), |(address, rest)| (address, Some(rest)));
    let prefix = match prefix {
        None => bits,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|prefix| *prefix <= bits)?
        }
        // A mask, which Python reads too.
        Some(_) => return None,
    };
    let address: A = address.parse().ok()?;
    let shown = address.to_string();
    let host = match address.into() {
        core::net::IpAddr::V4(address) => u128::from(address.to_bits()),
        core::net::IpAddr::V6(address) => address.to_bits(),
    };
    let rest = if prefix == bits { 0 } else { host & (u128::MAX >> (128 - (bits - prefix))) };
    (!network || rest == 0).then(|| Value::Text(format!("{shown}/{prefix}")))
}

const DATE: [&str; 3] = ["year", "month", "day"];
const TIME: [&str; 5] = ["hour", "minute", "second", "microsecond", "tzinfo"];
const DATETIME: [&str; 8] = ["year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"];

/// Arguments by position and name, in the order of the parameters; `None` where one is not given.
fn parts(names: &[&str], arguments: &[Value], named: &[(String, Value)]) -> Option<Vec<Option<Value>>> {
    let mut parts: Vec<Option<Value>> = vec![None; names.len()];
    for (index, value) in arguments.iter().enumerate() {
        *parts.get_mut(index)? = Some(value.clone());
    }
    for (name, value) in named {
        let index = names.iter().position(|found| found == name)?;
        if parts[index].replace(value.clone()).is_some() {
            return None;
        }
    }
    Some(parts)
}

fn integer(part: &Option<Value>, default: Option<i64>, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
    match part {
        None => default,
        Some(Value::Int(value)) if range.contains(value) => Some(*value),
        Some(_) => None,
    }
}

fn date(parts: &[Option<Value>]) -> Option<String> {
    let [year, month, day] = parts else { return None };
    let (year, month) = (integer(year, None, 1..=9999)?, integer(month, None, 1..=12)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = integer(day, None, 1..=days)?;
    Some(format!("{year:04}-{month:02}-{day:02}"))
}

fn time(parts: &[Option<Value>]) -> Option<String> {
    let [hour, minute, second, microsecond, zone] = parts else { return None };
    let (hour, minute) = (integer(hour, Some(0), 0..=23)?, integer(minute, Some(0), 0..=59)?);
    let (second, micros) = (integer(second, Some(0), 0..=59)?, integer(microsecond, Some(0), 0..=999_999)?);
    let zone = match zone {
        None | Some(Value::None) => "",
        Some(Value::Text(name)) if name == UTC => "Z",
        Some(_) => return None,
    };
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    Some(format!("{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

fn is_plain_date(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('-') else { return false };
    let Some((month, day)) = rest.split_once('-') else { return false };
    let read = |digits: &str, length: usize| {
        let plain = digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| digits.parse().ok().map(Value::Int)).flatten()
    };
    date(&[read(year, 4), read(month, 2), read(day, 2)]).is_some()
}

fn fraction(over: i64, under: i64) -> Option<Value> {
    let (mut a, mut b) = (over.unsigned_abs(), under.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let (over, under) = (i128::from(over), i128::from(under));
    let common = i128::from(a);
    if under == 0 || common == 0 {
        return (under != 0).then(|| Value::Text("0".to_owned()));
    }
    let sign = if under < 0 { -1 } else { 1 };
    let (over, under) = (sign * over / common, sign * under / common);
    Some(Value::Text(if under == 1 { over.to_string() } else { format!("{over}/{under}") }))
}

fn uuid(text: &str) -> Option<Value> {
    // Python takes it with braces, as a URN and with hyphens anywhere.
    let bare = text.replace("urn:", "").replace("uuid:", "");
    let bare = bare.trim_matches(|c| c == '{' || c == '}');
    let digits: String = bare.chars().filter(|c| *c != '-').collect::<String>().to_lowercase();
    if digits.len() != 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
    Some(Value::Text(format!("{a}-{b}-{c}-{d}-{e}")))
}

fn timedelta(arguments: &[Value], named: &[(String, Value)]) -> Option<Value> {
    const UNITS: [(&str, f64); 7] = [
        ("days", 86_400e6),
        ("seconds", 1e6),
        ("microseconds", 1.0),
        ("milliseconds", 1e3),
        ("minutes", 60e6),
        ("hours", 3_600e6),
        ("weeks", 604_800e6),
    ];
    let mut microseconds = 0.0_f64;
    for (value, (_, unit)) in arguments.iter().zip(UNITS) {
        microseconds += number(value)? * unit;
    }
    for (name, value) in named {
        let (_, unit) = UNITS.iter().find(|(found, _)| found == name)?;
        microseconds += number(value)? * unit;
    }
    duration_text(microseconds).map(Value::Text)
}

/// `str(PurePosixPath(text))`.
pub(crate) fn posix_path(text: &str) -> String {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let root = if text.starts_with('/') { "/" } else { "" };
    match (root, parts.is_empty()) {
        ("", true) => ".".to_owned(),
        _ => format!("{root}{}", parts.join("/")),
    }
}

fn plain_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.matches('.').count() <= 1
        && digits.starts_with(|c: char| c.is_ascii_digit())
}

/// ISO 8601 as Pydantic writes a `timedelta`.
fn duration_text(microseconds: f64) -> Option<String> {
    if !microseconds.is_finite() || microseconds.abs() > 8e22 {
        return None;
    }
    let sign = if microseconds < 0.0 { "-" } else { "" };
    let total = microseconds.abs().round() as u128;
    let (seconds, micros) = (total / 1_000_000, total % 1_000_000);
    let (years, days) = (seconds / 86_400 / 365, seconds / 86_400 % 365);
    let (hours, minutes, seconds) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{sign}P");
    if years > 0 {
        text += &format!("{years}Y");
    }
    if days > 0 {
        text += &format!("{days}D");
    }
    let mut time = String::new();
    if hours > 0 {
        time += &format!("{hours}H");
    }
    if minutes > 0 {
        time += &format!("{minutes}M");
    }
    if micros > 0 {
        time += &format!("{seconds}.{}S", format!("{micros:06}").trim_end_matches('0'));
    } else if seconds > 0 {
        time += &format!("{seconds}S");
    }
    if total == 0 {
        time = "0S".to_owned();
    }
    if !time.is_empty() {
        text += &format!("T{time}");
    }
    Some(text)
}

//! Which options does a tool's decorator set?

use std::ops::RangeInclusive;

use omni_call::{Affinity, ExecutorKind, ForkSettings, Policy, TimeLimits};
use serde_json::{Map, Value as Json};

use crate::diagnostic::Report;
use crate::evaluator::Evaluator;
use crate::package::{FileId, Package};
use crate::suggest::closest;
use crate::syntax::{Expr, ExprKind, Keyword};
use crate::value::Value;

/// The options of one tool, checked.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    /// The name is given but only known to Python.
    pub(crate) name_unknown: bool,
    /// Python refuses the options, and with them the whole file.
    pub(crate) file_fails: bool,
    pub(crate) description: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) annotations: Map<String, Json>,
    pub(crate) limits: TimeLimits,
    pub(crate) policy: Policy,
    pub(crate) executor: Option<ExecutorKind>,
    pub(crate) fork: ForkSettings,
    pub(crate) input_schema: Option<Json>,
    /// The inner `None` is `output_schema=None`: no schema, whatever the annotation says.
    pub(crate) output_schema: Option<Option<Json>>,
    pub(crate) meta: Option<Map<String, Json>>,
    pub(crate) icons: Option<Json>,
    pub(crate) tags: Vec<String>,
    pub(crate) version: Option<String>,
}

const NAMES: [&str; 24] = [
    "name",
    "description",
    "category",
    "title",
    "read_only",
    "destructive",
    "idempotent",
    "open_world",
    "timeout",
    "idle_timeout",
    "executor",
    "ahead",
    "calls",
    "affinity",
    "concurrency",
    "retry_on",
    "max_attempts",
    "cache_ttl",
    "input_schema",
    "output_schema",
    "meta",
    "icons",
    "tags",
    "version",
];

/// Options that `omni.foundation`'s decorator took and nothing here acts on.
const WITHOUT_EFFECT: [&str; 12] = [
    "variants",
    "default_variant",
    "inject_root",
    "inject_settings",
    "autowire",
    "error_strategy",
    "log_level",
    "trace_args",
    "trace_result",
    "trace_timing",
    "filter_empty",
    "max_result_depth",
];

const AHEAD: &str = "a number of processes from 0 to 64";
const CALLS: &str = "a number of calls from 1 to 100000";

/// A week: a limit longer than this is a mistake in the unit.
const SECONDS_MAX: f64 = 604_800.0;

/// Reads the decorator's arguments. `keywords` come outermost last, each with the file it stands in;
/// findings go to `report`, at the position of the tool when the argument stands in another file.
pub(crate) fn read(
    package: &Package,
    sources: &[(FileId, &[Expr], &[Keyword])],
    file: FileId,
    tool_at: u32,
    report: &mut Report<'_>,
) -> Options {
    let mut reader = Reader { package, report, options: Options::default() };
    for (source, positional, keywords) in sources {
        let place = |at: u32| if *source == file { at } else { tool_at };
        if let Some(first) = positional.first() {
            reader.positional(*source, first, positional.get(1), place);
        }
        for keyword in *keywords {
            match &keyword.name {
                Some(name) => reader.option(name, *source, &keyword.value, place(keyword.at)),
                None => reader.spread(*source, &keyword.value, place(keyword.at)),
            }
        }
    }
    reader.check_fork(tool_at);
    reader.options
}

struct Reader<'a, 'r> {
    package: &'a Package,
    report: &'a mut Report<'r>,
    options: Options,
}

impl Reader<'_, '_> {
    /// `@tool("name")`. Anything else there makes Python raise, and with it the whole file fail.
    fn positional(&mut self, file: FileId, first: &Expr, second: Option<&Expr>, place: impl Fn(u32) -> u32) {
        let wrong = match (Evaluator::new(self.package).value(file, first), second) {
            (_, Some(second)) => Some(second),
            (Some(value), None) if value.str().is_none() => Some(first),
            _ => None,
        };
        match wrong {
            None => self.option("name", file, first, place(first.at)),
            Some(wrong) => {
                let message = "a tool's options are given by name".to_owned();
                let help = "only the name may stand alone, as in `@tool(\"name\", timeout=5)`; as it stands, the file \
                            can't be loaded";
                self.report.error(place(wrong.at), "positional-option", message, help);
                self.options.file_fails = true;
            }
        }
    }

    fn option(&mut self, name: &str, file: FileId, expr: &Expr, at: u32) {
        if !self.known(name, at) {
            return;
        }
        match Evaluator::new(self.package).value(file, expr) {
            Some(value) => self.set(name, &value, at),
            // Exceptions are named as Python names them, and a class is no literal.
            None if name == "retry_on" && class_names(expr).is_some() => {
                self.options.policy.retry_on = class_names(expr).unwrap_or_default();
            }
            None => {
                self.options.name_unknown |= name == "name";
                let message = format!("`{name}=` is worked out when the file runs");
                let help = "options are read without running the file: use a literal, or a constant assigned once in \
                            this skill";
                self.report.error(at, "computed-option", message, help);
            }
        }
    }

    /// `@tool(**COMMON)`.
    fn spread(&mut self, file: FileId, expr: &Expr, at: u32) {
        let Some(Value::Dict(entries)) = Evaluator::new(self.package).value(file, expr) else {
            let message = "options given with `**` are worked out when the file runs".to_owned();
            self.report.error(
                at,
                "computed-option",
                message,
                "write the options out, each as `option=literal`",
            );
            return;
        };
        for (key, value) in entries {
            if let Some(name) = key.str()
                && self.known(name, at)
            {
                self.set(name, &value, at);
            }
        }
    }

    fn known(&mut self, name: &str, at: u32) -> bool {
        if NAMES.contains(&name) {
            return true;
        }
        if WITHOUT_EFFECT.contains(&name) {
            let message = format!("option `{name}` has no effect");
            self.report.warning(at, "option-without-effect", message, "remove it; the tool works without");
            return false;
        }
        let help = match (name, closest(name, &NAMES)) {
            ("annotations", _) => {
                "annotations are options of their own: `read_only`, `destructive`, `idempotent`, `open_world`"
                    .to_owned()
            }
            ("enabled", _) => "a tool that should not be listed needs no decorator".to_owned(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            _ => format!("the options are {}", listed(&NAMES)),
        };
        let message = format!("`tool` has no option `{name}`, so it is not applied");
        self.report.error(at, "unknown-option", message, &help);
        false
    }

    fn set(&mut self, name: &str, value: &Value, at: u32) {
        // `None` is every option's "not given"; only for `output_schema` it says something.
        if *value == Value::None {
            if name == "output_schema" {
                self.options.output_schema = Some(None);
            }
            return;
        }
        let wanted = match name {
            "name" => {
                self.text(value, |options, text| options.name = Some(text).filter(|text| !text.is_empty()))
            }
            "description" => self.text(value, |options, text| options.description = Some(text)),
            "category" => self.text(value, |options, text| options.category = Some(text)),
            // An empty title is none.
            "title" if value.str() == Some("") => None,
            "title" => self.text(value, |options, text| {
                options.annotations.insert("title".to_owned(), Json::String(text.clone()));
                options.title = Some(text);
            }),
            "read_only" => self.hint(value, "readOnlyHint"),
            "destructive" => self.hint(value, "destructiveHint"),
            "idempotent" => self.hint(value, "idempotentHint"),
            "open_world" => self.hint(value, "openWorldHint"),
            "timeout" => self.milliseconds(value, |options, ms| options.limits.timeout_ms = Some(ms)),
            "idle_timeout" => {
                self.milliseconds(value, |options, ms| options.limits.idle_timeout_ms = Some(ms))
            }
            "executor" => self.executor(value, at),
            "ahead" => self.fork_setting(value, 0..=ForkSettings::AHEAD_MAX, |fork| &mut fork.ahead),
            "calls" => self.fork_setting(value, 1..=ForkSettings::CALLS_MAX, |fork| &mut fork.calls),
            "affinity" => self.affinity(value),
            "concurrency" => {
                let wanted = "a number of calls from 1 to 4096";
                self.count(value, Policy::CONCURRENCY_MAX, wanted, |policy, n| policy.concurrency = Some(n))
            }
            "max_attempts" => {
                let wanted = "a number from 1 to 10";
                self.count(value, Policy::ATTEMPTS_MAX, wanted, |policy, n| policy.max_attempts = Some(n))
            }
            "retry_on" => self.retry_on(value),
            "cache_ttl" => self.milliseconds(value, |options, ms| {
                options.policy.cache_ttl_ms = Some(ms).filter(|ms| *ms > 0)
            }),
            "input_schema" => self.schema(value, |options, schema| options.input_schema = Some(schema)),
            "output_schema" => {
                self.schema(value, |options, schema| options.output_schema = Some(Some(schema)))
            }
            "meta" => self.meta(value),
            "icons" => self.icons(value),
            "tags" => self.tags(value),
            _ => self.version(value),
        };
        if let Some(wanted) = wanted {
            self.invalid(name, wanted, at);
        }
    }

    /// `ahead=` and `calls=` mean something to one executor only; without `executor=` it may be the skill's.
    fn check_fork(&mut self, at: u32) {
        let other = self.options.executor.filter(|kind| *kind != ExecutorKind::Fork);
        if let Some(other) = other
            && !self.options.fork.is_empty()
        {
            let message =
                format!("`ahead=` and `calls=` have no effect with `executor=\"{}\"`", other.name());
            let help = "they say how `executor=\"fork\"` has processes ready: choose that, or remove them";
            self.report.warning(at, "option-without-effect", message, help);
        }
    }

    fn invalid(&mut self, name: &str, wanted: &str, at: u32) {
        let message = format!("`{name}=` must be {wanted}");
        self.report.error(at, "invalid-option", message, "the option is not applied");
    }

    // Each of these returns what the option should have been, when it is not.

    fn text(&mut self, value: &Value, keep: fn(&mut Options, String)) -> Option<&'static str> {
        match value.str() {
            Some(text) => {
                keep(&mut self.options, text.to_owned());
                None
            }
            None => Some("a string"),
        }
    }

    fn hint(&mut self, value: &Value, wire: &str) -> Option<&'static str> {
        match value {
            Value::Bool(value) => {
                self.options.annotations.insert(wire.to_owned(), Json::Bool(*value));
                None
            }
            _ => Some("`True` or `False`"),
        }
    }

    fn milliseconds(&mut self, value: &Value, keep: fn(&mut Options, u64)) -> Option<&'static str> {
        let seconds = match value {
            Value::Int(value) => *value as f64,
            Value::Float(value) => *value,
            _ => f64::NAN,
        };
        if !(0.0..=SECONDS_MAX).contains(&seconds) {
            return Some("a number of seconds from 0 (off) to a week");
        }
        // A positive limit below a millisecond must not become 0, which switches the clock off.
        let milliseconds = (seconds * 1000.0).ceil();
        keep(&mut self.options, milliseconds as u64);
        None
    }

    fn executor(&mut self, value: &Value, at: u32) -> Option<&'static str> {
        let Some(name) = value.str() else { return Some("a string") };
        match name.parse() {
            Ok(kind) => self.options.executor = Some(kind),
            Err(error) => {
                let message = format!("`executor=\"{name}\"`: {error}");
                self.report.error(at, "invalid-option", message, "the option is not applied");
            }
        }
        None
    }

    fn fork_setting(
        &mut self,
        value: &Value,
        allowed: RangeInclusive<u32>,
        of: fn(&mut ForkSettings) -> &mut Option<u32>,
    ) -> Option<&'static str> {
        let number = match value {
            Value::Int(number) => u32::try_from(*number).ok().filter(|number| allowed.contains(number)),
            _ => None,
        };
        *of(&mut self.options.fork) = number;
        match (number, allowed.start()) {
            (Some(_), _) => None,
            (None, 0) => Some(AHEAD),
            (None, _) => Some(CALLS),
        }
    }

    fn affinity(&mut self, value: &Value) -> Option<&'static str> {
        self.options.policy.affinity = value.str().and_then(|name| name.parse::<Affinity>().ok());
        self.options.policy.affinity.is_none().then_some("\"none\", \"session\" or \"single\"")
    }

    fn count(
        &mut self,
        value: &Value,
        max: u32,
        wanted: &'static str,
        keep: fn(&mut Policy, u32),
    ) -> Option<&'static str> {
        let Value::Int(number) = value else { return Some(wanted) };
        match u32::try_from(*number) {
            Ok(number) if (1..=max).contains(&number) => {
                keep(&mut self.options.policy, number);
                None
            }
            _ => Some(wanted),
        }
    }

    fn retry_on(&mut self, value: &Value) -> Option<&'static str> {
        let wanted = Some("an exception class or a tuple of them");
        let names = match value {
            Value::List(items) | Value::Tuple(items) => {
                items.iter().map(Value::str).collect::<Option<Vec<_>>>()
            }
            one => one.str().map(|name| vec![name]),
        };
        let Some(names) = names.filter(|names| !names.is_empty()) else { return wanted };
        self.options.policy.retry_on = names.into_iter().map(str::to_owned).collect();
        None
    }

    fn schema(&mut self, value: &Value, keep: fn(&mut Options, Json)) -> Option<&'static str> {
        match (value, value.json()) {
            (Value::Dict(_), Some(schema)) => match schema.get("type").and_then(Json::as_str) {
                // MCP allows nothing but an object on either side of a call.
                None | Some("object") => {
                    keep(&mut self.options, with_type(schema));
                    None
                }
                _ => Some("the schema of an object (`\"type\": \"object\"`)"),
            },
            _ => Some("a dictionary that holds a JSON Schema"),
        }
    }

    fn meta(&mut self, value: &Value) -> Option<&'static str> {
        match (value, value.json()) {
            (Value::Dict(_), Some(Json::Object(meta))) => {
                self.options.meta = Some(meta);
                None
            }
            _ => Some("a dictionary of JSON values"),
        }
    }

    fn icons(&mut self, value: &Value) -> Option<&'static str> {
        let wanted = Some("a list of dictionaries, each with a `src`");
        let Some(Json::Array(icons)) = value.json() else { return wanted };
        if !icons.iter().all(|icon| icon.get("src").is_some_and(Json::is_string)) {
            return wanted;
        }
        self.options.icons = Some(Json::Array(icons));
        None
    }

    fn tags(&mut self, value: &Value) -> Option<&'static str> {
        let wanted = Some("a list of strings");
        let (Value::List(items) | Value::Tuple(items) | Value::Set(items)) = value else { return wanted };
        let mut tags: Vec<String> = Vec::new();
        for item in items {
            let Some(tag) = item.str() else { return wanted };
            if !tags.iter().any(|found| found == tag) {
                tags.push(tag.to_owned());
            }
        }
        self.options.tags = tags;
        None
    }

    fn version(&mut self, value: &Value) -> Option<&'static str> {
        self.options.version = match value {
            Value::Int(number) => Some(number.to_string()),
            _ => match value.str() {
                Some(text) => Some(text.to_owned()),
                None => return Some("a string"),
            },
        };
        None
    }
}

/// `ConnectionError`, `requests.Timeout` or a list of such: the classes' own names.
fn class_names(expr: &Expr) -> Option<Vec<String>> {
    match &expr.kind {
        ExprKind::Name(name) | ExprKind::Attribute(_, name) => Some(vec![name.clone()]),
        ExprKind::Str(name) => Some(vec![name.clone()]),
        ExprKind::List(items) | ExprKind::Tuple(items) => {
            let names: Option<Vec<_>> = items.iter().map(class_names).collect();
            names.map(|names| names.concat()).filter(|names| !names.is_empty())
        }
        _ => None,
    }
}

fn with_type(schema: Json) -> Json {
    let mut schema = schema;
    if let Json::Object(map) = &mut schema
        && !map.contains_key("type")
    {
        map.insert("type".to_owned(), Json::from("object"));
    }
    schema
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_and_their_bounds_are_those_of_python() {
        let shared = include_str!("../../../conformance/shared.json");
        let shared: Json = serde_json::from_str(shared).expect("the file is JSON");
        let options = &shared["options"];
        assert_eq!(options["names"], serde_json::json!(NAMES));
        assert_eq!(options["without_effect"], serde_json::json!(WITHOUT_EFFECT));
        assert_eq!(options["seconds_max"].as_f64(), Some(SECONDS_MAX));
        // The other bounds are `omni-call`'s, and stand in two texts here.
        assert!(AHEAD.ends_with(&format!(" {}", options["ahead_max"])));
        assert!(CALLS.ends_with(&format!(" {}", options["calls_max"])));
    }
}

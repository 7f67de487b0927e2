//! Which options does a tool's decorator set?

use omni_call::{
    CallOptions, ExecutorKind, OPTIONS_WITHOUT_EFFECT, OptionKind, OptionPlace, OptionValue, ToolOption,
};
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
    pub(crate) executor: Option<ExecutorKind>,
    /// What is acted on when a call is made.
    pub(crate) call: CallOptions,
    pub(crate) input_schema: Option<Json>,
    /// The inner `None` is `output_schema=None`: no schema, whatever the annotation says.
    pub(crate) output_schema: Option<Option<Json>>,
    pub(crate) meta: Option<Map<String, Json>>,
    pub(crate) icons: Option<Json>,
    pub(crate) tags: Vec<String>,
    pub(crate) version: Option<String>,
}

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
        let Some(option) = self.known(name, at) else { return };
        let value = Evaluator::new(self.package).value(file, expr);
        // Exceptions are named as Python names them, and a class is no literal.
        let classes = || (option.kind == OptionKind::Exceptions).then(|| class_names(expr)).flatten();
        match value.or_else(classes) {
            Some(value) => self.set(option, &value, at),
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
            if let Some(option) = key.str().and_then(|name| self.known(name, at)) {
                self.set(option, &value, at);
            }
        }
    }

    fn known(&mut self, name: &str, at: u32) -> Option<&'static ToolOption> {
        let found = ToolOption::find(name, OptionPlace::Decorator);
        if found.is_some() {
            return found;
        }
        if OPTIONS_WITHOUT_EFFECT.contains(&name) {
            let message = format!("option `{name}` has no effect");
            self.report.warning(at, "option-without-effect", message, "remove it; the tool works without");
            return None;
        }
        let names: Vec<&str> = ToolOption::all(OptionPlace::Decorator).map(|option| option.name).collect();
        let help = match (name, closest(name, &names)) {
            ("annotations", _) => {
                "annotations are options of their own: `read_only`, `destructive`, `idempotent`, `open_world`"
                    .to_owned()
            }
            ("enabled", _) => "a tool that should not be listed needs no decorator".to_owned(),
            (_, Some(near)) => format!("did you mean `{near}`?"),
            _ => format!("the options are {}", listed(&names)),
        };
        let message = format!("`tool` has no option `{name}`, so it is not applied");
        self.report.error(at, "unknown-option", message, &help);
        None
    }

    fn set(&mut self, option: &'static ToolOption, value: &Value, at: u32) {
        // `None` is every option's "not given"; only for `output_schema` it says something.
        if *value == Value::None {
            if option.name == "output_schema" {
                self.options.output_schema = Some(None);
            }
            return;
        }
        let wrong = match option.kind {
            OptionKind::Executor => self.executor(value, at),
            _ => self.listed_option(option, value).unwrap_or_else(|| self.call_option(option, value)),
        };
        if let Err(Wanted(wanted)) = wrong {
            let wanted = wanted.map_or_else(|| option.wanted(OptionPlace::Decorator), str::to_owned);
            let message = format!("`{}=` must be {wanted}", option.name);
            self.report.error(at, "invalid-option", message, "the option is not applied");
        }
    }

    /// Sets what clients are shown of a tool, or what it is found by. `None` when the option is none of these.
    fn listed_option(&mut self, option: &ToolOption, value: &Value) -> Option<Result<(), Wanted>> {
        let options = &mut self.options;
        Some(match (option.name, option.kind) {
            ("name", _) => text(value).map(|text| options.name = Some(text).filter(|text| !text.is_empty())),
            ("description", _) => text(value).map(|text| options.description = Some(text)),
            ("category", _) => text(value).map(|text| options.category = Some(text)),
            // An empty title is none.
            ("title", _) if value.str() == Some("") => Ok(()),
            ("title", _) => text(value).map(|text| {
                options.annotations.insert("title".to_owned(), Json::String(text.clone()));
                options.title = Some(text);
            }),
            ("input_schema", _) => schema(value).map(|schema| options.input_schema = Some(schema)),
            ("output_schema", _) => schema(value).map(|schema| options.output_schema = Some(Some(schema))),
            ("meta", _) => meta(value).map(|meta| options.meta = Some(meta)),
            ("icons", _) => icons(value).map(|icons| options.icons = Some(icons)),
            ("tags", _) => tags(value).map(|tags| options.tags = tags),
            ("version", _) => version(value).map(|version| options.version = Some(version)),
            (_, OptionKind::Hint(hint)) => flag(value).map(|flag| {
                options.annotations.insert(hint.to_owned(), Json::Bool(flag));
            }),
            _ => return None,
        })
    }

    /// Sets what is acted on when a call is made.
    fn call_option(&mut self, option: &ToolOption, value: &Value) -> Result<(), Wanted> {
        let read = match (option.kind, value) {
            (OptionKind::Seconds, Value::Int(seconds)) => {
                option.seconds(*seconds as f64, OptionPlace::Decorator)
            }
            (OptionKind::Seconds, Value::Float(seconds)) => option.seconds(*seconds, OptionPlace::Decorator),
            (OptionKind::Count { .. }, Value::Int(number)) => option.count(*number),
            (OptionKind::Choice(_), value) => value.str().and_then(|word| option.choice(word)),
            (OptionKind::Exceptions, value) => exceptions(value).map(OptionValue::Texts),
            (OptionKind::Flag, value) => flag(value).ok().map(OptionValue::Flag),
            _ => None,
        };
        let set = read.is_some_and(|value| self.options.call.set(option.name, OptionPlace::Decorator, value));
        set.then_some(()).ok_or(Wanted(None))
    }

    /// `ahead=` and `calls=` mean something to one executor only; without `executor=` it may be the skill's.
    fn check_fork(&mut self, at: u32) {
        let other = self.options.executor.filter(|kind| *kind != ExecutorKind::Fork);
        if let Some(other) = other
            && !self.options.call.fork.is_empty()
        {
            let message =
                format!("`ahead=` and `calls=` have no effect with `executor=\"{}\"`", other.name());
            let help = "they say how `executor=\"fork\"` has processes ready: choose that, or remove them";
            self.report.warning(at, "option-without-effect", message, help);
        }
    }

    fn executor(&mut self, value: &Value, at: u32) -> Result<(), Wanted> {
        let name = value.str().ok_or(Wanted(None))?;
        match name.parse() {
            Ok(kind) => self.options.executor = Some(kind),
            Err(error) => {
                let message = format!("`executor=\"{name}\"`: {error}");
                self.report.error(at, "invalid-option", message, "the option is not applied");
            }
        }
        Ok(())
    }
}

/// A value is none that its option takes. Has what would be one, where that is not all that the option says.
struct Wanted(Option<&'static str>);

fn text(value: &Value) -> Result<String, Wanted> {
    value.str().map(str::to_owned).ok_or(Wanted(None))
}

fn flag(value: &Value) -> Result<bool, Wanted> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        _ => Err(Wanted(None)),
    }
}

fn exceptions(value: &Value) -> Option<Vec<String>> {
    let names = match value {
        Value::List(items) | Value::Tuple(items) => {
            items.iter().map(Value::str).collect::<Option<Vec<_>>>()?
        }
        one => vec![one.str()?],
    };
    (!names.is_empty()).then(|| names.into_iter().map(str::to_owned).collect())
}

fn schema(value: &Value) -> Result<Json, Wanted> {
    match (value, value.json()) {
        (Value::Dict(_), Some(schema)) => match schema.get("type").and_then(Json::as_str) {
            // MCP allows nothing but an object on either side of a call.
            None | Some("object") => Ok(with_type(schema)),
            _ => Err(Wanted(Some("the schema of an object (`\"type\": \"object\"`)"))),
        },
        _ => Err(Wanted(None)),
    }
}

fn meta(value: &Value) -> Result<Map<String, Json>, Wanted> {
    match (value, value.json()) {
        (Value::Dict(_), Some(Json::Object(meta))) => Ok(meta),
        _ => Err(Wanted(None)),
    }
}

fn icons(value: &Value) -> Result<Json, Wanted> {
    match value.json() {
        Some(Json::Array(icons)) if icons.iter().all(|icon| icon.get("src").is_some_and(Json::is_string)) => {
            Ok(Json::Array(icons))
        }
        _ => Err(Wanted(None)),
    }
}

fn tags(value: &Value) -> Result<Vec<String>, Wanted> {
    let (Value::List(items) | Value::Tuple(items) | Value::Set(items)) = value else {
        return Err(Wanted(None));
    };
    let mut tags: Vec<String> = Vec::new();
    for item in items {
        let tag = text(item)?;
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn version(value: &Value) -> Result<String, Wanted> {
    match value {
        Value::Int(number) => Ok(number.to_string()),
        _ => text(value),
    }
}

/// `ConnectionError`, `requests.Timeout` or a list of such: the classes' own names.
fn class_names(expr: &Expr) -> Option<Value> {
    fn names(expr: &Expr) -> Option<Vec<Value>> {
        match &expr.kind {
            ExprKind::Name(name) | ExprKind::Attribute(_, name) | ExprKind::Str(name) => {
                Some(vec![Value::Str(name.clone())])
            }
            ExprKind::List(items) | ExprKind::Tuple(items) => {
                let names: Option<Vec<_>> = items.iter().map(names).collect();
                names.map(|names| names.concat()).filter(|names| !names.is_empty())
            }
            _ => None,
        }
    }
    names(expr).map(Value::List)
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

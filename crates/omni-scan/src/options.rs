//! Which options does a decorator of omni's set?

use omni_call::{
    ExecutorKind, FunctionKind, OPTIONS_WITHOUT_EFFECT, OptionKind, OptionValue, TaskSupport, ToolOption,
};
use serde_json::{Map, Value as Json};

use crate::app_config;
use crate::diagnostic::Report;
use crate::evaluator::Evaluator;
use crate::function_kind::{place, positional, word};
use crate::given_options::{Options, Reference, Wanted};
use crate::package::{FileId, Item, Package};
use crate::resource_rules;
use crate::suggest::closest;
use crate::syntax::{Expr, ExprKind, Keyword};
use crate::value::Value;

/// The member of `_meta` that the extension for apps reads.
const UI: &str = "ui";

/// Reads the decorator's arguments. `keywords` come outermost last, each with the file it stands in;
/// findings go to `report`, at the position of the function when the argument stands in another file.
pub(crate) fn read(
    package: &Package,
    kind: FunctionKind,
    sources: &[(FileId, &[Expr], &[Keyword])],
    file: FileId,
    tool_at: u32,
    report: &mut Report<'_>,
) -> Options {
    let mut reader = Reader { package, kind, report, options: Options::default() };
    for (source, arguments, keywords) in sources {
        let here = |at: u32| if *source == file { at } else { tool_at };
        if let Some(first) = arguments.first() {
            reader.positional(*source, first, arguments.get(1), here);
        }
        for keyword in *keywords {
            match &keyword.name {
                Some(name) => reader.option(name, *source, &keyword.value, here(keyword.at)),
                None => reader.spread(*source, &keyword.value, here(keyword.at)),
            }
        }
    }
    reader.check_fork(tool_at);
    let mut options = reader.options;
    if let Some(app) = options.app.take() {
        options.meta.get_or_insert_default().insert(UI.to_owned(), Json::Object(app));
    }
    options
}

struct Reader<'a, 'r> {
    package: &'a Package,
    kind: FunctionKind,
    report: &'a mut Report<'r>,
    options: Options,
}

impl Reader<'_, '_> {
    /// `@tool("name")`, `@resource("notes://today")`. Anything else there makes Python raise, and with it the whole file fail.
    fn positional(&mut self, file: FileId, first: &Expr, second: Option<&Expr>, here: impl Fn(u32) -> u32) {
        let wrong = match (Evaluator::new(self.package).value(file, first), second) {
            (_, Some(second)) => Some(second),
            (Some(value), None) if value.str().is_none() => Some(first),
            _ => None,
        };
        match wrong {
            None => self.option(positional(self.kind), file, first, here(first.at)),
            Some(wrong) => {
                let message = format!("a {}'s options are given by name", word(self.kind));
                let help = match self.kind {
                    FunctionKind::Tool => "only the name may stand alone, as in `@tool(\"name\", timeout=5)`",
                    FunctionKind::Resource => {
                        "only the URI may stand alone, as in `@resource(\"notes://today\", timeout=5)`"
                    }
                    FunctionKind::Prompt => {
                        "only the name may stand alone, as in `@prompt(\"name\", timeout=5)`"
                    }
                    FunctionKind::Completion => {
                        "only the argument may stand alone, as in `@completion(\"language\", prompt=review)`"
                    }
                };
                let help = format!("{help}; as it stands, the file can't be loaded");
                self.report.error(here(wrong.at), "positional-option", message, &help);
                self.options.file_fails = true;
            }
        }
    }

    fn option(&mut self, name: &str, file: FileId, expr: &Expr, at: u32) {
        let Some(option) = self.known(name, at) else { return };
        if option.kind == OptionKind::Function
            && let Item::Function(at_file, index) = self.package.resolve(file, expr)
        {
            let name = self.package.file(at_file).functions[index].name.clone();
            self.completes(option, Reference::Function(at_file, name), at);
            return;
        }
        let value = Evaluator::new(self.package).value(file, expr);
        // Exceptions are named as Python names them, and a class is no literal.
        let classes = || (option.kind == OptionKind::Exceptions).then(|| class_names(expr)).flatten();
        match value.or_else(classes) {
            Some(value) => self.set(option, &value, at),
            None => {
                self.options.name_unknown |= option.name == "name";
                self.options.uri_unknown |= option.name == "uri";
                self.options.target_unknown |= matches!(option.name, "prompt" | "resource" | "argument");
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
        let stands = place(self.kind);
        let found = ToolOption::find(name, stands);
        if found.is_some() {
            return found;
        }
        if OPTIONS_WITHOUT_EFFECT.contains(&name) {
            let message = format!("option `{name}` has no effect");
            self.report.warning(at, "option-without-effect", message, "remove it; the tool works without");
            return None;
        }
        let names: Vec<&str> = ToolOption::all(stands).map(|option| option.name).collect();
        let word = word(self.kind);
        let help = match (name, closest(name, &names)) {
            ("annotations", _) if self.kind == FunctionKind::Tool => {
                "annotations are options of their own: `read_only`, `destructive`, `idempotent`, `open_world`"
                    .to_owned()
            }
            ("uri_template" | "uriTemplate" | "url", _) if self.kind == FunctionKind::Resource => {
                "write `uri=`: a template is one that has variables".to_owned()
            }
            ("mime" | "media_type" | "content_type", _) if self.kind == FunctionKind::Resource => {
                "did you mean `mime_type`?".to_owned()
            }
            ("arguments", _) if self.kind == FunctionKind::Prompt => {
                "the parameters of the function are the arguments".to_owned()
            }
            ("cache_ttl", _) if self.kind == FunctionKind::Resource => {
                "`ttl=` says how long clients may keep what they have read".to_owned()
            }
            (_, Some(near)) => format!("did you mean `{near}`?"),
            _ => format!("the options are {}", listed(&names)),
        };
        let message = format!("`{word}` has no option `{name}`, so it is not applied");
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
            OptionKind::Annotations => self.annotations(value, at),
            OptionKind::Function => match value.str() {
                Some(name) => {
                    self.completes(option, Reference::Name(name.to_owned()), at);
                    Ok(())
                }
                None => Err(Wanted::AsSaid),
            },
            _ => resource_rules::set(&mut self.options, option, value, at)
                .or_else(|| self.listed_option(option, value, at))
                .unwrap_or_else(|| self.call_option(option, value)),
        };
        if let Err(wanted) = wrong {
            let wanted = match wanted {
                Wanted::AsSaid => option.wanted(place(self.kind)),
                Wanted::Instead(wanted) => wanted,
            };
            let message = format!("`{}=` must be {wanted}", option.name);
            self.report.error(at, "invalid-option", message, "the option is not applied");
            self.options.uri_unknown |= option.name == "uri";
            self.options.target_unknown |= matches!(option.name, "prompt" | "resource" | "argument");
        }
    }

    fn completes(&mut self, option: &ToolOption, reference: Reference, at: u32) {
        let kind = if option.name == "prompt" { FunctionKind::Prompt } else { FunctionKind::Resource };
        self.options.completes.retain(|(known, ..)| *known != kind);
        self.options.completes.push((kind, reference, at));
    }

    fn annotations(&mut self, value: &Value, at: u32) -> Result<(), Wanted> {
        let report = &mut self.report;
        let read = resource_rules::annotations(value, |message, help| {
            report.error(at, "invalid-option", message, &help);
        });
        self.options.annotations = read.ok_or(Wanted::AsSaid)?;
        Ok(())
    }

    /// Sets what clients are shown of a tool, or what it is found by. `None` when the option is none of these.
    fn listed_option(&mut self, option: &ToolOption, value: &Value, at: u32) -> Option<Result<(), Wanted>> {
        let is_tool = self.kind == FunctionKind::Tool;
        let options = &mut self.options;
        Some(match (option.name, option.kind) {
            ("name", _) => text(value).map(|text| options.name = Some(text).filter(|text| !text.is_empty())),
            ("description", _) => text(value).map(|text| options.description = Some(text)),
            ("category", _) => text(value).map(|text| options.category = Some(text)),
            // An empty title is none.
            ("title", _) if value.str() == Some("") => Ok(()),
            ("title", _) => text(value).map(|text| {
                if is_tool {
                    options.annotations.insert("title".to_owned(), Json::String(text.clone()));
                }
                options.title = Some(text);
            }),
            ("input_schema", _) => schema(value).map(|schema| options.input_schema = Some(schema)),
            ("output_schema", _) => schema(value).map(|schema| options.output_schema = Some(Some(schema))),
            ("meta", _) => meta(value).map(|meta| options.meta = Some(meta)),
            ("icons", _) => icons(value).map(|icons| options.icons = Some(icons)),
            ("app", _) => {
                app_config::read(value, is_tool).map(|app| options.app = Some(app)).ok_or(Wanted::AsSaid)
            }
            ("tags", _) => tags(value).map(|tags| options.tags = tags),
            ("argument", _) => text(value).map(|text| options.argument = Some((text, at))),
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
            (OptionKind::Seconds, Value::Int(seconds)) => option.seconds(*seconds as f64, place(self.kind)),
            (OptionKind::Seconds, Value::Float(seconds)) => option.seconds(*seconds, place(self.kind)),
            (OptionKind::Count { .. }, Value::Int(number)) => option.count(*number),
            // As FastMCP spells it.
            (OptionKind::Choice(_), Value::Bool(flag)) if option.name == "task" => {
                option.choice(TaskSupport::of_flag(*flag).name())
            }
            (OptionKind::Choice(_), value) => value.str().and_then(|word| option.choice(word)),
            (OptionKind::Exceptions, value) => exceptions(value).map(OptionValue::Texts),
            (OptionKind::Flag, value) => flag(value).ok().map(OptionValue::Flag),
            _ => None,
        };
        let set = read.is_some_and(|value| self.options.call.set(option.name, place(self.kind), value));
        set.then_some(()).ok_or(Wanted::AsSaid)
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
        let name = value.str().ok_or(Wanted::AsSaid)?;
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

fn text(value: &Value) -> Result<String, Wanted> {
    value.str().map(str::to_owned).ok_or(Wanted::AsSaid)
}

fn flag(value: &Value) -> Result<bool, Wanted> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        _ => Err(Wanted::AsSaid),
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
            _ => Err(Wanted::Instead("the schema of an object (`\"type\": \"object\"`)".to_owned())),
        },
        _ => Err(Wanted::AsSaid),
    }
}

fn meta(value: &Value) -> Result<Map<String, Json>, Wanted> {
    match (value, value.json()) {
        (Value::Dict(_), Some(Json::Object(meta))) => Ok(meta),
        _ => Err(Wanted::AsSaid),
    }
}

fn icons(value: &Value) -> Result<Json, Wanted> {
    match value.json() {
        Some(Json::Array(icons)) if icons.iter().all(|icon| icon.get("src").is_some_and(Json::is_string)) => {
            Ok(icons.into_iter().map(|icon| spelled_icon(&icon)).collect())
        }
        _ => Err(Wanted::AsSaid),
    }
}

/// An icon as MCP spells it, without what is not set.
fn spelled_icon(icon: &Json) -> Json {
    let members = icon.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let spelled = members.map(|(name, value)| {
        let name = if name == "mime_type" { "mimeType" } else { name };
        (name.to_owned(), value.clone())
    });
    spelled.collect()
}

fn tags(value: &Value) -> Result<Vec<String>, Wanted> {
    let (Value::List(items) | Value::Tuple(items) | Value::Set(items)) = value else {
        return Err(Wanted::AsSaid);
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

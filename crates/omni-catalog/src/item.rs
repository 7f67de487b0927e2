//! One resource, resource template or prompt, taken out of the snapshot when it is first used.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use omni_call::{Completion, PromptArgument, RunSpec};
use omni_scan::{CacheHint, CacheScope};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::item_detail::{ItemCompletion, ItemDetail};
use crate::source_defaults::SourceDefaults;
use crate::text_arguments;
use crate::validate::Schema;
use crate::{CatalogKind, Origin, Visibility};

/// One resource, template or prompt: how it is read, how it is shown, and what its arguments must look like.
#[derive(Debug)]
pub struct Item {
    pub kind: CatalogKind,
    /// The URI, URI template or name that the list shows.
    pub key: String,
    /// Whether clients have it before a call has shown it to them.
    pub is_on: bool,
    /// Which of the catalogue's sources it is of, counted from 0.
    pub source: usize,
    /// How it is read or filled in; `None` where its source does that, which alone knows more of it.
    pub spec: Option<Arc<RunSpec>>,
    /// MCP's object as a list with everything shows it.
    pub listing: Bytes,
    /// Where it is written; `None` for what is no file here.
    pub origin: Option<Origin>,
    pub tags: Vec<String>,
    /// What a prompt may be given.
    pub arguments: Vec<PromptArgument>,
    /// How long what was read may be kept, and by whom.
    pub cache: CacheHint,
    completions: BTreeMap<String, ArgumentCompletion>,
    schema: Option<Box<RawValue>>,
    content: Option<[u8; 16]>,
    compiled: OnceLock<Schema>,
}

/// How an argument of a prompt, or a variable of a template, is completed.
#[derive(Clone, Debug)]
pub enum ArgumentCompletion {
    /// By the values that there are.
    Values(Vec<String>),
    /// By a function.
    Function(Arc<RunSpec>),
}

impl Item {
    /// `source` is the number of the source that it is of, which has these `defaults`. `detail` is empty for what only its
    /// source knows.
    pub(crate) fn parse(
        (kind, key, is_on): (CatalogKind, &str, bool),
        listing: Bytes,
        detail: &[u8],
        source: usize,
        defaults: &SourceDefaults,
    ) -> Result<Item, serde_json::Error> {
        let mut item = Item {
            kind,
            key: key.to_owned(),
            is_on,
            source,
            spec: None,
            listing,
            origin: None,
            tags: Vec::new(),
            arguments: Vec::new(),
            cache: CacheHint::default(),
            completions: BTreeMap::new(),
            schema: None,
            content: None,
            compiled: OnceLock::new(),
        };
        if detail.is_empty() {
            return Ok(item);
        }
        item.content = Some(content_digest(&item.listing, detail));
        let detail: ItemDetail<RunSpec> = serde_json::from_slice(detail)?;
        let placed = |mut run: RunSpec, any_executor: bool| {
            run.target.place_in(&defaults.dir);
            if any_executor {
                run.executor = defaults.default_executor;
            }
            Arc::new(run)
        };
        let mut origin = detail.origin;
        if let Some(prefix) = &defaults.prefix {
            origin.file = format!("{prefix}/{}", origin.file);
        }
        let schema = detail.schema.or_else(|| {
            let of_arguments = kind == CatalogKind::Prompts;
            of_arguments.then(|| schema_of(&detail.arguments)).and_then(|it| RawValue::from_string(it).ok())
        });
        let completion = |completion| match completion {
            ItemCompletion::Values(values) => ArgumentCompletion::Values(values),
            ItemCompletion::Function { run, any_executor } => {
                ArgumentCompletion::Function(placed(run, any_executor))
            }
        };
        item.completions =
            detail.completions.into_iter().map(|(name, how)| (name, completion(how))).collect();
        item.spec = Some(placed(detail.run, detail.any_executor));
        item.origin = Some(origin);
        item.tags = detail.tags;
        item.arguments = detail.arguments;
        item.cache = detail.cache;
        item.schema = schema;
        Ok(item)
    }

    /// What people, files and logs call it: `<skill>.<name>`, or its key where only its source knows more.
    pub fn name(&self) -> &str {
        self.spec.as_ref().map_or(&self.key, |spec| &spec.tool)
    }

    /// Whether a client has it, for whom these things are otherwise than for everybody; `None` is whoever has everything.
    pub(crate) fn is_seen(&self, seen: Option<&Visibility>) -> bool {
        seen.is_none_or(|seen| seen.has(self.kind, &self.key, self.is_on))
    }

    /// Whether its author says that every user of the server may be shown what one has read.
    pub fn is_public(&self) -> bool {
        self.cache.scope == Some(CacheScope::Public)
    }

    /// A hash over what its content comes from: the code of a function, the content of a file; `None` where only its source
    /// knows. What a function reads besides is not in it.
    pub(crate) fn content_digest(&self) -> Option<[u8; 16]> {
        self.content
    }

    /// A text of its listing, such as `title`.
    pub fn text(&self, member: &str) -> Option<String> {
        let listing: Map<String, Value> = serde_json::from_slice(&self.listing).ok()?;
        listing.get(member)?.as_str().map(str::to_owned)
    }

    /// The JSON Schema of a template's variables or a prompt's arguments.
    pub fn schema(&self) -> Option<&RawValue> {
        self.schema.as_deref()
    }

    /// Checks a prompt's arguments, or a template's variables: texts, each of which must be what the type it is meant for
    /// can be made of. All faults at once. `called` is the name or URI that the caller used. The schema is compiled on first
    /// use.
    ///
    /// # Errors
    ///
    /// What is wrong, in words for whoever asked.
    pub fn check_arguments(&self, called: &str, raw: &[u8]) -> Result<(), String> {
        let Some(schema) = &self.schema else { return Ok(()) };
        let compiled = self.compiled.get_or_init(|| Schema::compile(schema.get()));
        let read = text_arguments::read(schema.get(), raw);
        let raw = read.as_deref().unwrap_or(raw);
        let checked = compiled.check_arguments(called, || schema.get(), raw);
        let how = |argument: &str| text_arguments::how_to_write(schema.get(), argument);
        checked.map_err(|faults| faults.with_advice(how).to_string())
    }

    /// How it is run, and how its arguments are completed, as far as that is not its source's affair.
    pub(crate) fn run_specs(&self) -> Vec<Arc<RunSpec>> {
        let completions = self.completions.values().filter_map(ArgumentCompletion::function);
        self.spec.iter().chain(completions).cloned().collect()
    }

    /// The arguments that are completed, by name.
    pub fn completions(&self) -> impl Iterator<Item = (&str, &ArgumentCompletion)> {
        self.completions.iter().map(|(argument, how)| (argument.as_str(), how))
    }

    /// How one of its arguments is completed; `None` where nothing completes it.
    pub fn completion(&self, argument: &str) -> Option<&ArgumentCompletion> {
        self.completions.get(argument)
    }

    /// The names of its arguments or variables; none where only its source knows them.
    fn argument_names(&self) -> Vec<String> {
        let schema = self.schema.as_ref().and_then(|schema| serde_json::from_str(schema.get()).ok());
        let schema: Value = schema.unwrap_or_default();
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    }

    /// Whether it has an argument or variable of that name.
    pub fn has_argument(&self, name: &str) -> bool {
        self.argument_names().iter().any(|known| known == name)
    }

    /// What is said of an argument that it has not.
    pub fn no_argument(&self, name: &str) -> String {
        let name: String = name.chars().take(200).collect();
        let names = self.argument_names();
        let has = match names.as_slice() {
            [] => "it has none".to_owned(),
            names => format!("it has `{}`", names.join("`, `")),
        };
        format!("`{}` has no argument `{name}`: {has}", self.key)
    }
}

/// What is served as it was before a broken edit is what it was.
fn content_digest(listing: &[u8], detail: &[u8]) -> [u8; 16] {
    let detail = String::from_utf8_lossy(detail).replace(",\"last_good\":true", "");
    let mut hasher = blake3::Hasher::new();
    hasher.update(listing).update(detail.as_bytes());
    let mut digest = [0; 16];
    hasher.finalize_xof().fill(&mut digest);
    digest
}

/// The fixed values that go with what has been typed: those that begin so, then those that have it in them, whatever its case;
/// 100 at most.
pub(crate) fn matching_values(values: &[String], typed: &str) -> Completion {
    let typed = typed.to_lowercase();
    let place = |value: &&String| value.to_lowercase().find(&typed);
    let mut found: Vec<&String> = values.iter().filter(|value| place(value) == Some(0)).collect();
    found.extend(values.iter().filter(|value| place(value).is_some_and(|at| at > 0)));
    let total = found.len();
    found.truncate(Completion::VALUES_MAX);
    Completion {
        values: serde_json::to_vec(&found).unwrap_or_default().into(),
        total: Some(total as u64),
        has_more: Some(total > Completion::VALUES_MAX),
        meta: None,
    }
}

impl ArgumentCompletion {
    /// The fixed values that go with what has been typed; `None` where a function knows them.
    pub fn fixed(&self, typed: &str) -> Option<Completion> {
        match self {
            ArgumentCompletion::Values(values) => Some(matching_values(values, typed)),
            ArgumentCompletion::Function(_) => None,
        }
    }

    /// The function that knows them.
    pub fn function(&self) -> Option<&Arc<RunSpec>> {
        match self {
            ArgumentCompletion::Values(_) => None,
            ArgumentCompletion::Function(spec) => Some(spec),
        }
    }
}

/// The JSON Schema of a prompt's arguments where there is no function that could say more: texts.
fn schema_of(arguments: &[PromptArgument]) -> String {
    let properties: Map<String, Value> = arguments
        .iter()
        .map(|argument| {
            let mut property = json!({"type": "string"});
            if !argument.choices.is_empty() {
                property["enum"] = argument.choices.clone().into();
            }
            (argument.name.clone(), property)
        })
        .collect();
    let required: Vec<&str> = arguments
        .iter()
        .filter(|argument| argument.required)
        .map(|argument| argument.name.as_str())
        .collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
        .to_string()
}

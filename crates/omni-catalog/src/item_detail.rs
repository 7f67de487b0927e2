//! What the manifest and the encoded list keep of a resource, resource template or prompt.

use std::borrow::Cow;
use std::collections::BTreeMap;

use omni_call::{PromptArgument, RunSpec};
use omni_scan::CacheHint;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{CatalogKind, Origin};

/// One resource, template or prompt of a skill.
#[derive(Debug, Serialize)]
pub(crate) struct SkillItem {
    /// A resource, template or prompt.
    pub(crate) kind: CatalogKind,
    /// Its URI, its URI template, or its canonical name: `<skill>.<name>`, or the name alone where the skill is flat.
    pub(crate) key: String,
    /// MCP's object as lists show it: a [`ResourceListing`] or a [`PromptListing`].
    pub(crate) listing: Box<RawValue>,
    pub(crate) detail: ItemDetail<RunSpec>,
}

/// What the manifest and the encoded list keep of an item besides its listing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ItemDetail<R> {
    /// How it is read or filled in. `tool` is `<skill>.<name>`, of a prompt its key, by which people and filters name the
    /// item; the folder is relative to the skills folder.
    pub(crate) run: R,
    pub(crate) origin: Origin,
    /// Neither the item nor its skill says how it is run, so that is the server's to say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) any_executor: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) tags: Vec<String>,
    /// JSON Schema of a template's variables or a prompt's arguments; a prompt that is a file has `arguments` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<Box<RawValue>>,
    /// What a prompt may be given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) arguments: Vec<PromptArgument>,
    /// By the argument of a prompt, or the variable of a template.
    #[serde(default = "BTreeMap::new", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) completions: BTreeMap<String, ItemCompletion<R>>,
    /// Names the content of a file, so that clients can be told when it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<String>,
    /// How long what was read may be kept.
    #[serde(default, skip_serializing_if = "CacheHint::is_empty")]
    pub(crate) cache: CacheHint,
}

/// How an argument is completed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ItemCompletion<R> {
    /// By the values that there are.
    Values(Vec<String>),
    /// By a function.
    Function {
        run: R,
        /// See [`ItemDetail::any_executor`].
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        any_executor: bool,
    },
}

impl ItemDetail<RunSpec> {
    /// Of an item that is run so and was found there; the rest is set on the value.
    pub(crate) fn new(run: RunSpec, origin: Origin) -> Self {
        ItemDetail {
            run,
            origin,
            any_executor: false,
            tags: Vec::new(),
            schema: None,
            arguments: Vec::new(),
            completions: BTreeMap::new(),
            content: None,
            cache: CacheHint::default(),
        }
    }

    /// Makes these what a prompt may be given. One with choices is completed by them.
    pub(crate) fn set_arguments(&mut self, arguments: Vec<PromptArgument>) {
        let chosen = arguments.iter().filter(|argument| !argument.choices.is_empty());
        self.completions = chosen
            .map(|argument| (argument.name.clone(), ItemCompletion::Values(argument.choices.clone())))
            .collect();
        self.arguments = arguments;
    }
}

/// An item as a manifest's line has it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RecordedItem<'a> {
    pub(crate) kind: CatalogKind,
    #[serde(borrow)]
    pub(crate) key: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) listing: &'a RawValue,
    #[serde(borrow)]
    pub(crate) detail: &'a RawValue,
}

/// Says of the functions in the detail of a tool or item, of the one that answers and of those that complete arguments,
/// whether they are of a version that the folder does not have any more.
pub(crate) fn mark_last_good(detail: &mut Value, is_last_good: bool) {
    let mark = |run: Option<&mut Value>| {
        let Some(Value::Object(python)) = run.and_then(|run| run.pointer_mut("/target/python")) else {
            return;
        };
        if is_last_good {
            python.insert("last_good".to_owned(), Value::Bool(true));
        } else {
            python.remove("last_good");
        }
    };
    mark(detail.get_mut("run"));
    let completions = detail.get_mut("completions").and_then(Value::as_object_mut);
    for (_, completion) in completions.into_iter().flatten() {
        mark(completion.pointer_mut("/function/run"));
    }
}

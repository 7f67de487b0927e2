//! Tools that somebody else describes, such as a runner: its list, checked tool by tool.

use std::collections::BTreeMap;

use omni_call::{ExecutorKind, Policy, RunSpec, Target, TimeLimits};
use omni_scan::is_tool_name;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::hidden_characters;
use crate::listing::Listing;
use crate::tool::{Detail, Origin};
use crate::{Diagnostic, Severity, Skill, own_words, usable_schemas};

/// Why a text is no list of tools.
#[derive(Debug, thiserror::Error)]
pub enum NotAToolList {
    #[error("it is not `{{\"tools\":[…]}}`: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("it describes more than 4 GiB of tools")]
    TooLarge,
}

/// What a list comes to.
#[derive(Debug, Default)]
pub(crate) struct RemoteList {
    /// By name.
    pub(crate) tools: BTreeMap<String, ToolTexts>,
    pub(crate) skills: Vec<Skill>,
    pub(crate) findings: Vec<Diagnostic>,
}

/// A tool as the encoded list keeps it.
#[derive(Debug)]
pub(crate) struct ToolTexts {
    pub(crate) listing: String,
    pub(crate) detail: String,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
}

/// The member `omni` of a description: what MCP has no member for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extra {
    skill: Option<String>,
    command: Option<String>,
    timeout_ms: Option<u64>,
    idle_timeout_ms: Option<u64>,
    policy: Option<Value>,
}

/// Reads a list of MCP tool objects. `source` says where it comes from, for findings.
///
/// A description that is of no use costs its own tool only, and a member that is wrong, where that is enough,
/// only itself.
pub(crate) fn read(source: &str, list: &[u8], executor: ExecutorKind) -> Result<RemoteList, NotAToolList> {
    let List { tools } = serde_json::from_slice(list)?;
    let mut described = RemoteList::default();
    for (n, text) in tools.into_iter().enumerate() {
        let place = format!("/tools/{n}");
        let mut reading = ListReader { source, place, executor, findings: &mut described.findings };
        let Some((name, skill, texts)) = reading.tool(text) else { continue };
        if described.tools.contains_key(&name) {
            let message = format!("there is a tool `{name}` before it already, so this one is not listed");
            reading.find(Severity::Error, "duplicate-name", message, "give one of the two another name");
            continue;
        }
        described.tools.insert(name, texts);
        // A tool of the server's own belongs to no skill that could be read or filtered.
        if executor == ExecutorKind::Native {
            continue;
        }
        match described.skills.iter_mut().find(|known| known.folder == skill) {
            Some(known) => known.tools += 1,
            None => described.skills.push(Skill { folder: skill, tools: 1, ..Skill::default() }),
        }
    }
    described.skills.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(described)
}

/// One description being read.
struct ListReader<'a> {
    source: &'a str,
    /// A JSON pointer into the list.
    place: String,
    /// What runs the tool.
    executor: ExecutorKind,
    findings: &'a mut Vec<Diagnostic>,
}

impl ListReader<'_> {
    fn find(&mut self, severity: Severity, code: &str, message: String, help: &str) {
        self.findings.push(Diagnostic {
            severity,
            skill: String::new(),
            file: format!("{} {}", self.source, self.place),
            line: 0,
            column: 0,
            code: code.to_owned(),
            message,
            help: Some(help.to_owned()),
        });
    }

    /// `None`, with a finding, for a tool that no client could use or that would spoil the list for one.
    fn tool(&mut self, text: &RawValue) -> Option<(String, String, ToolTexts)> {
        if let Ok(whole) = serde_json::from_str::<Value>(text.get())
            && let Some(message) = hidden_characters::in_texts([&whole], "")
        {
            let message = format!("a text of this tool has {message}");
            self.find(Severity::Warning, hidden_characters::code(), message, hidden_characters::help());
        }
        let Ok(mut tool) = serde_json::from_str::<Map<String, Value>>(text.get()) else {
            let message = "it is no description of a tool, so it is not listed".to_owned();
            self.find(Severity::Error, "bad-description", message, "a description is a JSON object");
            return None;
        };
        let name = self.name(tool.remove("name"))?;
        let input_schema = tool.remove("inputSchema").unwrap_or_default();
        let output_schema = tool.remove("outputSchema").filter(|schema| !schema.is_null());
        let find = |severity, code: &str, message, help: &str| self.find(severity, code, message, help);
        let output_schema =
            usable_schemas::output_schema(&name, &input_schema, output_schema.as_ref(), find)?;
        let title = self.member(&mut tool, &name, "title", "a string", Value::is_string);
        let description = self.member(&mut tool, &name, "description", "a string", Value::is_string);
        let icons = self.member(&mut tool, &name, "icons", "an array", Value::is_array);
        let annotations = self.member(&mut tool, &name, "annotations", "an object", Value::is_object);
        let annotations = annotations.and_then(object).unwrap_or_default();
        let meta = self.member(&mut tool, &name, "_meta", "an object", Value::is_object);
        let tags = meta.as_ref().map(own_words::told_tags).unwrap_or_default();
        let listing = Listing {
            name: name.clone(),
            title: title.as_ref().and_then(Value::as_str),
            description: description.as_ref().and_then(Value::as_str),
            icons: icons.as_ref(),
            input_schema: &input_schema,
            output_schema,
            annotations: &annotations,
            meta: meta.and_then(object).unwrap_or_default(),
        };
        let listing = serde_json::to_string(&listing).ok()?;
        let run = self.run_spec(&name, tool.remove("omni"), output_schema.is_some());
        let skill = run.skill.clone();
        let origin = Origin { file: self.source.to_owned(), line: 0 };
        let detail = Detail { run, origin, any_executor: false, category: None, tags, version: None };
        let detail = serde_json::to_string(&detail).ok()?;
        Some((name, skill, ToolTexts { listing, detail }))
    }

    fn name(&mut self, name: Option<Value>) -> Option<String> {
        let name = match name {
            Some(Value::String(name)) if is_tool_name(&name) => return Some(name),
            other => other.unwrap_or_default().to_string(),
        };
        let name: String = name.chars().take(140).collect();
        let message = format!("{name} cannot be a tool's name, so the tool is not listed");
        let help = "names are strings of 1 to 128 letters, digits, `_`, `-` and `.`";
        self.find(Severity::Error, "illegal-name", message, help);
        None
    }

    /// A member that may be left out; one of another type is, with a finding.
    fn member(
        &mut self,
        tool: &mut Map<String, Value>,
        name: &str,
        member: &str,
        wanted: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let value = tool.remove(member).filter(|value| !value.is_null())?;
        if fits(&value) {
            return Some(value);
        }
        let message = format!("`{member}` of `{name}` is not {wanted} and is left out");
        self.find(Severity::Warning, "bad-description", message, "correct it, or leave it out");
        None
    }

    fn run_spec(&mut self, name: &str, extra: Option<Value>, structured: bool) -> RunSpec {
        let extra = match extra.filter(|extra| !extra.is_null()).map(Extra::deserialize) {
            None => Extra::default(),
            Some(Ok(extra)) => extra,
            Some(Err(error)) => {
                let message =
                    format!("`omni` of `{name}` cannot be read, and its defaults are used: {error}");
                self.find(Severity::Warning, "bad-description", message, "correct it, or leave it out");
                Extra::default()
            }
        };
        let (skill, command) = name.split_once('.').unwrap_or((name, name));
        let skill = extra.skill.as_deref().unwrap_or(skill);
        let command = extra.command.as_deref().unwrap_or(command);
        let name_there = name.to_owned();
        let target = match self.executor {
            ExecutorKind::Native => Target::Native { name: name_there },
            _ => Target::Remote { source: self.source.to_owned(), name: name_there },
        };
        let mut run = RunSpec::new(skill, command, target);
        name.clone_into(&mut run.tool);
        run.executor = self.executor;
        run.structured = structured;
        run.limits = TimeLimits { timeout_ms: extra.timeout_ms, idle_timeout_ms: extra.idle_timeout_ms };
        run.policy = self.policy(name, extra.policy);
        run
    }

    fn policy(&mut self, name: &str, policy: Option<Value>) -> Policy {
        let Some(policy) = policy.filter(|policy| !policy.is_null()) else { return Policy::default() };
        let why = match Policy::deserialize(policy) {
            Ok(policy) if let Some(why) = policy.out_of_bounds() => why.to_owned(),
            Ok(policy) => return policy,
            Err(error) => error.to_string(),
        };
        let message =
            format!("`omni.policy` of `{name}` cannot be used, so nothing is done around its calls: {why}");
        self.find(Severity::Warning, "bad-description", message, "correct it, or leave it out");
        Policy::default()
    }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

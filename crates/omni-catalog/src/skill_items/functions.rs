//! The resources, templates and prompts of a skill that are Python functions, and the functions that complete arguments.

use std::collections::BTreeMap;

use omni_call::{
    ExecutorKind, ForkSettings, FunctionKind, InjectedParameter, Policy, PromptArgument, PythonTarget,
    RunSpec, TimeLimits,
};
use omni_scan::{Completion, CompletionOf, Prompt, Resource, Scan, choices, is_tool_name};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use crate::item_detail::{ItemCompletion, ItemDetail, SkillItem};
use crate::item_listing::{PromptListing, ResourceListing};
use crate::own_words::{meta, tags};
use crate::requirements::SkillRequirements;
use crate::skill_uri::resource_uri;
use crate::{CatalogKind, Diagnostic, Origin, Severity, Skill};

/// What is the same in everything that a decorator can make of a function.
struct Function<'a> {
    kind: FunctionKind,
    name: &'a str,
    function: &'a str,
    file: &'a str,
    line: u32,
    is_async: bool,
    inject: &'a [InjectedParameter],
    limits: &'a TimeLimits,
    policy: &'a Policy,
    executor: Option<ExecutorKind>,
    fork: &'a ForkSettings,
    mime_type: Option<&'a str>,
    /// What the author says of a resource in `_meta`.
    meta: Option<&'a Map<String, Value>>,
}

/// The resources and prompts of the scan, in the order of the source.
pub(super) fn items(
    skill: &Skill,
    scan: &Scan,
    requirements: &SkillRequirements,
    findings: &mut Vec<Diagnostic>,
) -> Vec<SkillItem> {
    let resources = scan.resources.iter().map(|found| resource(skill, found, requirements));
    let mut items: Vec<SkillItem> = resources.collect();
    items.extend(scan.prompts.iter().filter_map(|found| prompt(skill, found, requirements, findings)));
    items
}

fn resource(skill: &Skill, found: &Resource, requirements: &SkillRequirements) -> SkillItem {
    let function = Function {
        kind: FunctionKind::Resource,
        name: &found.name,
        function: &found.function,
        file: &found.file,
        line: found.line,
        is_async: found.is_async,
        inject: &found.inject,
        limits: &found.limits,
        policy: &found.policy,
        executor: found.executor,
        fork: &found.fork,
        mime_type: found.mime_type.as_deref(),
        meta: found.meta.as_ref(),
    };
    let own = match (&found.uri, &found.uri_template) {
        (None, None) => Some(resource_uri(&skill.folder, &found.name)),
        _ => None,
    };
    let uri = own.as_deref().or(found.uri.as_deref());
    let uri_template = found.uri_template.as_deref().filter(|_| uri.is_none());
    let listing = ResourceListing {
        uri,
        uri_template,
        name: &found.name,
        title: found.title.as_deref(),
        description: found.description.as_deref(),
        mime_type: found.mime_type.as_deref(),
        size: found.size.filter(|_| uri.is_some()),
        annotations: Some(&found.annotations).filter(|annotations| !annotations.is_empty()),
        icons: found.icons.as_ref(),
        meta: meta(found.meta.as_ref(), None, &found.tags, found.version.as_deref()),
    };
    let mut detail = detail(skill, &function, requirements, &found.tags);
    detail.cache = found.cache;
    if uri_template.is_some() {
        detail.schema = to_raw_value(&found.input_schema).ok();
        detail.completions = fixed_values(&found.input_schema);
    }
    let kind = if uri_template.is_some() { CatalogKind::Templates } else { CatalogKind::Resources };
    let key = uri.or(uri_template).unwrap_or_default().to_owned();
    SkillItem { kind, key, listing: listing.to_raw(), detail }
}

/// `None`, with a finding, for one whose name no client could use.
fn prompt(
    skill: &Skill,
    found: &Prompt,
    requirements: &SkillRequirements,
    findings: &mut Vec<Diagnostic>,
) -> Option<SkillItem> {
    let name = skill.canonical(&found.name);
    if !is_tool_name(&name) {
        findings.push(Diagnostic {
            severity: Severity::Error,
            skill: skill.folder.clone(),
            file: format!("{}/{}", skill.folder, found.file),
            line: found.line,
            column: 1,
            code: "illegal-name".to_owned(),
            message: format!("`{name}` cannot be a prompt's name, so the prompt is not listed"),
            help: Some(
                "names have 1 to 128 letters, digits, `_`, `-` and `.`, no blank and no other sign; rename the folder or give `name=` to the decorator"
                    .to_owned(),
            ),
        });
        return None;
    }
    let function = Function {
        kind: FunctionKind::Prompt,
        name: &found.name,
        function: &found.function,
        file: &found.file,
        line: found.line,
        is_async: found.is_async,
        inject: &found.inject,
        limits: &found.limits,
        policy: &found.policy,
        executor: found.executor,
        fork: &found.fork,
        mime_type: None,
        meta: None,
    };
    let listing = PromptListing {
        name: &name,
        title: found.title.as_deref(),
        description: found.description.as_deref(),
        arguments: found.arguments.iter().map(Into::into).collect(),
        icons: found.icons.as_ref(),
        meta: meta(found.meta.as_ref(), None, &found.tags, found.version.as_deref()),
    };
    let mut detail = detail(skill, &function, requirements, &found.tags);
    name.clone_into(&mut detail.run.tool);
    detail.schema = to_raw_value(&found.input_schema).ok();
    detail.set_arguments(found.arguments.iter().map(argument).collect());
    let listing = listing.to_raw();
    Some(SkillItem { kind: CatalogKind::Prompts, key: name, listing, detail })
}

fn argument(found: &omni_scan::PromptArgument) -> PromptArgument {
    let default = found.default.as_ref().map(|default| match default {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    PromptArgument {
        name: found.name.clone(),
        required: found.required,
        default,
        choices: found.choices.clone(),
    }
}

/// The variables of a template whose values the schema lists.
fn fixed_values(schema: &Value) -> BTreeMap<String, ItemCompletion<RunSpec>> {
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let values = properties.map(|(name, _)| (name.clone(), choices(schema, name)));
    values
        .filter(|(_, values)| !values.is_empty())
        .map(|(name, values)| (name, ItemCompletion::Values(values)))
        .collect()
}

/// Gives the arguments of the skill's items the functions that complete them, which count before fixed values.
pub(super) fn complete(
    skill: &Skill,
    scan: &Scan,
    requirements: &SkillRequirements,
    items: &mut [SkillItem],
    findings: &mut Vec<Diagnostic>,
) {
    for found in &scan.completions {
        let (what, name) = match &found.of {
            CompletionOf::Prompt(name) => ("prompt", name),
            CompletionOf::Resource(name) => ("resource template", name),
        };
        let of_prompt = matches!(found.of, CompletionOf::Prompt(_));
        let completed = items.iter_mut().find(|item| {
            item.detail.run.command == *name
                && match item.kind {
                    CatalogKind::Prompts => of_prompt,
                    kind => !of_prompt && kind == CatalogKind::Templates,
                }
        });
        let has = |item: &SkillItem| item.detail.takes(&found.argument);
        match completed {
            Some(item) if has(item) => {
                let run = run_spec(skill, &function(found, &item.detail.run.command), requirements);
                let any_executor = found.executor.or(skill.executor).is_none();
                let how = ItemCompletion::Function { run, any_executor };
                item.detail.completions.insert(found.argument.clone(), how);
            }
            found_item => {
                let message = match found_item {
                    Some(_) => {
                        format!("the {what} `{name}` has no argument `{}` to complete", found.argument)
                    }
                    None => format!("the skill has no {what} `{name}` whose arguments could be completed"),
                };
                findings.push(Diagnostic {
                    severity: Severity::Warning,
                    skill: skill.folder.clone(),
                    file: format!("{}/{}", skill.folder, found.file),
                    line: found.line,
                    column: 1,
                    code: "completion-target".to_owned(),
                    message,
                    help: Some(
                        "correct the name in the decorator; until then the function is never called"
                            .to_owned(),
                    ),
                });
            }
        }
    }
}

fn function<'a>(found: &'a Completion, name: &'a str) -> Function<'a> {
    Function {
        kind: FunctionKind::Completion,
        name,
        function: &found.function,
        file: &found.file,
        line: found.line,
        is_async: found.is_async,
        inject: &found.inject,
        limits: &found.limits,
        policy: &found.policy,
        executor: found.executor,
        fork: &found.fork,
        mime_type: None,
        meta: None,
    }
}

impl ItemDetail<RunSpec> {
    /// Whether it has an argument or variable of that name.
    fn takes(&self, argument: &str) -> bool {
        self.arguments.iter().any(|known| known.name == argument)
            || self.schema.as_ref().is_some_and(|schema| {
                let schema: Value = serde_json::from_str(schema.get()).unwrap_or_default();
                schema.get("properties").is_some_and(|properties| properties.get(argument).is_some())
            })
    }
}

fn detail(
    skill: &Skill,
    function: &Function<'_>,
    requirements: &SkillRequirements,
    own_tags: &[String],
) -> ItemDetail<RunSpec> {
    let origin = Origin { file: format!("{}/{}", skill.folder, function.file), line: function.line };
    let mut detail = ItemDetail::new(run_spec(skill, function, requirements), origin);
    detail.any_executor = function.executor.or(skill.executor).is_none();
    detail.tags = tags(skill, own_tags);
    detail
}

/// How it is run. The folder's name stands for its path until the skills folder is known again.
fn run_spec(skill: &Skill, function: &Function<'_>, requirements: &SkillRequirements) -> RunSpec {
    let target = PythonTarget {
        dir: skill.folder.clone().into(),
        file: function.file.to_owned(),
        function: function.function.to_owned(),
        kind: function.kind,
        mime_type: function.mime_type.map(str::to_owned),
        meta: function.meta.cloned().map(Box::new),
        is_async: function.is_async,
        wrap_result: false,
        inject: function.inject.to_vec(),
        preload: skill.preload,
        fork: function.fork.or(&skill.fork),
        requirements: requirements.of(function.file, None),
        digest: skill.digest.clone(),
        last_good: false,
    };
    let mut run = RunSpec::new(&skill.folder, function.name, target);
    run.executor = function.executor.or(skill.executor).unwrap_or_default();
    run.limits = function.limits.or(&skill.limits);
    run.policy = function.policy.clone().or(&skill.policy);
    // None of these changes anything: MCP has no resource, prompt or completion that does.
    run.policy.repeatable = true;
    run.trust = skill.trust;
    run.keep_temp = skill.keep_temp;
    run
}

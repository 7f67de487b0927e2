//! From a marked function and its options to a resource, a prompt or a completion.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use omni_call::FunctionKind;
use serde_json::Value as Json;

use crate::arguments::arguments;
use crate::completion::{Completion, CompletionOf};
use crate::completion_rules::{Pending, resolve, shown};
use crate::docstring::Docstring;
use crate::given_options::Options;
use crate::package::FileId;
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::resource_rules::{misfits, variables_schema};
use crate::scan::Scanner;
use crate::signature::{Inputs, inputs};
use crate::syntax::Function;
use crate::tool_name::is_tool_name;
use crate::uri::{self, Uri};

/// What a completion's function is given: by these names, or else in this order.
const COMPLETION_PARAMETERS: [&str; 2] = ["value", "context"];

/// The first parameter of a completion that nothing is left for.
fn unfilled(schema: &Json) -> Option<&str> {
    let Some(Json::Object(properties)) = schema.get("properties") else { return None };
    let required = schema.get("required").and_then(Json::as_array);
    let left = COMPLETION_PARAMETERS.iter().filter(|name| !properties.contains_key(**name)).count();
    let others = properties.keys().filter(|name| !COMPLETION_PARAMETERS.contains(&name.as_str()));
    others
        .skip(left)
        .find(|name| required.is_some_and(|names| names.iter().any(|known| known.as_str() == Some(*name))))
        .map(String::as_str)
}

impl Scanner<'_, '_> {
    /// What a function takes, with its problems told.
    fn inputs(
        &mut self,
        kind: FunctionKind,
        file: FileId,
        function: &Function,
        docstring: &Docstring,
    ) -> Inputs {
        let mut read = inputs(self.package, file, function, docstring);
        self.problems(kind, function, std::mem::take(&mut read.problems), false, false);
        read
    }

    /// Adds a resource, or tells why it is none.
    pub(crate) fn add_resource(
        &mut self,
        file: FileId,
        path: &str,
        function: &Function,
        mut options: Options,
    ) {
        if options.name_unknown || options.uri_unknown {
            return;
        }
        self.resource_name(file, function, &mut options);
        let name = options.name.clone().unwrap_or_else(|| function.name.clone());
        let docstring = Docstring::of(function);
        let Inputs { schema, inject, .. } = self.inputs(FunctionKind::Resource, file, function, &docstring);
        let given = options.uri.take();
        let uri = match &given {
            None => None,
            Some((text, at)) => match uri::parse(text) {
                Ok(uri) => Some((text.as_str(), uri)),
                Err(fault) => {
                    let message = format!(
                        "`{text}` {}, so the resource `{}` is not listed",
                        fault.message, function.name
                    );
                    self.reports[file].error(*at, "invalid-uri", message, &fault.help);
                    return;
                }
            },
        };
        let at = given.as_ref().map_or(function.at, |(_, at)| *at);
        let hidden: Vec<&str> = inject.iter().map(|injected| injected.parameter.as_str()).collect();
        let misfits = misfits(&function.name, uri.as_ref().map(|(text, uri)| (*text, uri)), &schema, &hidden);
        for misfit in &misfits {
            let message = format!("{}, so the resource is not listed", misfit.message);
            self.reports[file].error(at, "uri-variable", message, &misfit.help);
        }
        if !misfits.is_empty() {
            return;
        }
        if let Some((message, help)) = uri.as_ref().and_then(|(text, _)| uri::doubt(text)) {
            self.reports[file].note(at, "doubtful-uri", message, help);
        }
        let is_template = matches!(uri, Some((_, Uri::Template(_))));
        if is_template && options.size.take().is_some() {
            let message = "`size=` says how long one resource is, and a template stands for many".to_owned();
            self.reports[file].warning(at, "option-without-effect", message, "remove it");
        }
        let text = uri.as_ref().map(|(text, _)| (*text).to_owned());
        let resource = Resource {
            title: Some(options.title_of(&name)),
            function: function.name.clone(),
            file: path.to_owned(),
            line: self.reports[file].line(function.at),
            is_async: function.is_async,
            uri: text.clone().filter(|_| !is_template),
            uri_template: text.filter(|_| is_template),
            description: options.description.or(docstring.description),
            mime_type: options.mime_type.or_else(|| uri.as_ref().and_then(|(text, _)| uri::own_type(text))),
            size: options.size,
            annotations: options.annotations,
            cache: options.cache,
            input_schema: variables_schema(schema, uri.as_ref().map(|(_, uri)| uri)),
            inject,
            limits: options.call.limits,
            policy: options.call.policy,
            executor: options.executor,
            fork: options.call.fork,
            meta: options.meta,
            icons: options.icons,
            tags: options.tags,
            version: options.version,
            name,
        };
        if self.is_new(FunctionKind::Resource, file, function.at, &resource.name)
            && self.is_new_address(file, at, &resource)
        {
            self.resources.push(resource);
        }
    }

    /// A name that people wrote for people is the title: what clients read a resource by is its URI.
    fn resource_name(&mut self, file: FileId, function: &Function, options: &mut Options) {
        let Some(name) = options.name.take_if(|name| !is_tool_name(name)) else { return };
        let message = format!(
            "`{}` is no name for programs, so the resource is called `{}` and this is its title",
            name.chars().take(128).collect::<String>(),
            function.name
        );
        let help = "write it as `title=`; a name has letters, digits, `_`, `.` or `-`";
        self.reports[file].note(function.at, "invalid-name", message, help);
        options.title.get_or_insert(name);
    }

    /// Adds a prompt, or tells why it is none.
    pub(crate) fn add_prompt(&mut self, file: FileId, path: &str, function: &Function, options: Options) {
        if options.name_unknown {
            return;
        }
        let name = options.name.clone().unwrap_or_else(|| function.name.clone());
        if !self.named(FunctionKind::Prompt, file, function, &name)
            || !self.is_new(FunctionKind::Prompt, file, function.at, &name)
        {
            return;
        }
        let docstring = Docstring::of(function);
        let Inputs { schema, inject, .. } = self.inputs(FunctionKind::Prompt, file, function, &docstring);
        self.prompts.push(Prompt {
            title: Some(options.title_of(&name)),
            function: function.name.clone(),
            file: path.to_owned(),
            line: self.reports[file].line(function.at),
            is_async: function.is_async,
            description: options.description.or(docstring.description),
            arguments: arguments(&schema),
            input_schema: schema,
            inject,
            limits: options.call.limits,
            policy: options.call.policy,
            executor: options.executor,
            fork: options.call.fork,
            meta: options.meta,
            icons: options.icons,
            tags: options.tags,
            version: options.version,
            name,
        });
    }

    /// Keeps a completion until all prompts and resources are known, or tells why it is none.
    pub(crate) fn add_completion(&mut self, file: FileId, path: &str, function: &Function, options: Options) {
        if options.target_unknown {
            return;
        }
        let Inputs { schema, inject, .. } =
            self.inputs(FunctionKind::Completion, file, function, &Docstring::of(function));
        if let Some(name) = unfilled(&schema) {
            let message = format!(
                "nobody gives `{name}` to `{}`: a completion takes `value`, and `context` when it wants, so it \
                 completes nothing",
                function.name
            );
            let help = "`value` is what the user has typed, `context` a dictionary of the other arguments: \
                        `def languages(value: str, context: dict)`";
            self.reports[file].error(function.at, "completion-parameter", message, help);
            return;
        }
        let completion = Completion {
            of: CompletionOf::Prompt(String::new()),
            argument: String::new(),
            function: function.name.clone(),
            file: path.to_owned(),
            line: self.reports[file].line(function.at),
            is_async: function.is_async,
            inject,
            limits: options.call.limits,
            policy: options.call.policy,
            executor: options.executor,
            fork: options.call.fork,
        };
        let (at, completes, argument) = (function.at, options.completes, options.argument);
        self.pending.push(Pending { file, at, completes, argument, completion });
    }

    /// Finds out what each completion is for.
    pub(crate) fn resolve_completions(&mut self) -> Vec<Completion> {
        let mut found: Vec<Completion> = Vec::new();
        // Which of `found` completes an argument.
        let mut taken: HashMap<(CompletionOf, String), usize> = HashMap::new();
        for pending in std::mem::take(&mut self.pending) {
            let (file, at) = (pending.file, pending.at);
            let path = |file: FileId| self.reports[file].file().to_owned();
            match resolve(pending, &self.prompts, &self.resources, path) {
                Ok(completion) => match taken.entry((completion.of.clone(), completion.argument.clone())) {
                    Entry::Vacant(entry) => {
                        entry.insert(found.len());
                        found.push(completion);
                    }
                    Entry::Occupied(entry) => {
                        let known = &found[*entry.get()];
                        let message = format!(
                            "`{}` of {} is completed by `{}` at {}:{} already",
                            completion.argument,
                            shown(&completion.of),
                            known.function,
                            known.file,
                            known.line
                        );
                        self.reports[file].error(at, "duplicate-completion", message, "remove one of them");
                    }
                },
                Err(fault) => self.reports[file].error(fault.at, fault.code, fault.message, &fault.help),
            }
        }
        found
    }

    /// Tells of a second resource at one address; `false` when it is that.
    fn is_new_address(&mut self, file: FileId, at: u32, resource: &Resource) -> bool {
        let own = resource.uri.clone().or_else(|| resource.uri_template.as_deref().map(uri::shape));
        let Some(own) = own else { return true };
        match self.addresses.entry(own) {
            Entry::Vacant(entry) => {
                entry.insert((file, resource.line));
                true
            }
            Entry::Occupied(entry) => {
                let (other, line) = *entry.get();
                let message = format!(
                    "the resource at {}:{line} is read at this URI already",
                    self.reports[other].file()
                );
                let help = "this one is not listed: give one another URI";
                self.reports[file].error(at, "duplicate-resource", message, help);
                false
            }
        }
    }
}

//! From the files of a skill to its tools, resources, prompts and completions.

use std::collections::HashMap;

use omni_call::FunctionKind;
use serde_json::Value as Json;

use crate::completion::Completion;
use crate::completion_rules::Pending;
use crate::decorators::{Effect, Mark, OptionSources, effect, mark};
use crate::diagnostic::{Diagnostic, Report};
use crate::docstring::Docstring;
use crate::function_kind::word;
use crate::given_options::Options;
use crate::lookalike_decorators::Lookalike;
use crate::missed_tools;
use crate::options;
use crate::own_imports;
use crate::package::{FileId, Package};
use crate::prompt::Prompt;
use crate::resource::Resource;
use crate::signature::{Located, Signature, signature};
use crate::syntax::{Function, Module, ParameterKind, parse};
use crate::tool::Tool;
use crate::tool_name::is_tool_name;

/// One Python file of a skill.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Path relative to the skill's folder, with `/`: `scripts/notes.py`.
    pub path: &'a str,
    pub text: &'a str,
}

/// What a skill's files define.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// In the order of the files, then of the source.
    pub tools: Vec<Tool>,
    /// In the order of the files, then of the source.
    pub resources: Vec<Resource>,
    /// In the order of the files, then of the source.
    pub prompts: Vec<Prompt>,
    /// In the order of the files, then of the source.
    pub completions: Vec<Completion>,
    /// In the order of the files, then of the source.
    pub diagnostics: Vec<Diagnostic>,
}

/// Of a name that is none, so many characters are shown.
const NAME_SHOWN_MAX: usize = 128;

/// Finds the tools that a skill's Python files define.
///
/// Takes all `.py` files of the skill, helpers (`__init__.py` and `_*.py`) included: names are followed
/// through relative imports. A file that is not Python loses its own tools only. Nothing is run and no file
/// is read; the time is bounded by the size of the sources. Whatever is left out has a diagnostic.
#[must_use]
pub fn scan(sources: &[Source<'_>]) -> Scan {
    let mut reports = Vec::with_capacity(sources.len());
    let mut files = Vec::with_capacity(sources.len());
    for source in sources {
        let mut report = Report::new(source.path, source.text);
        let module = parse(source.text).unwrap_or_else(|error| {
            let help = "the file's tools are not listed; the other files are not affected";
            report.error(error.at, "syntax-error", error.message, help);
            Module::default()
        });
        reports.push(report);
        files.push((source.path.to_owned(), module));
    }
    let package = Package::new(files, sources.iter().map(|source| source.text.len()).sum());
    let mut scanner = Scanner {
        package: &package,
        reports,
        tools: Vec::new(),
        resources: Vec::new(),
        prompts: Vec::new(),
        pending: Vec::new(),
        names: HashMap::new(),
        addresses: HashMap::new(),
        fails: false,
    };
    for (file, source) in package.ids().zip(sources) {
        own_imports::missing(&package, file, &mut scanner.reports[file]);
        let fails = own_imports::unknown_names(&package, file, &mut scanner.reports[file]);
        scanner.fails = fails;
        scanner.file(file, source.path);
    }
    for (file, source) in package.ids().zip(sources) {
        scanner.undecorated(file, source);
        scanner.absolute_imports(file, source);
    }
    let completions = scanner.resolve_completions();
    let Scanner { reports, tools, resources, prompts, .. } = scanner;
    let diagnostics = reports.into_iter().flat_map(Report::into_findings).collect();
    Scan { tools, resources, prompts, completions, diagnostics }
}

pub(crate) struct Scanner<'p, 'a> {
    pub(crate) package: &'p Package,
    pub(crate) reports: Vec<Report<'a>>,
    tools: Vec<Tool>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) prompts: Vec<Prompt>,
    pub(crate) pending: Vec<Pending>,
    /// Where the function of each name is; the kinds have names of their own.
    names: HashMap<(FunctionKind, String), (FileId, u32)>,
    /// File and line of the resource at each URI or shape of a template.
    pub(crate) addresses: HashMap<String, (FileId, u32)>,
    /// The file in hand cannot be loaded by Python, so it is looked at for findings only.
    fails: bool,
}

impl<'p> Scanner<'p, '_> {
    fn file(&mut self, file: FileId, path: &str) {
        let module = self.package.file(file);
        let before = (self.tools.len(), self.resources.len(), self.prompts.len(), self.pending.len());
        // What each name stands for once the file has run.
        let last: HashMap<&str, &Function> = module
            .functions
            .iter()
            .filter(|function| !function.conditional)
            .map(|function| (function.name.as_str(), function))
            .collect();
        for function in &module.functions {
            let later = last.get(function.name.as_str()).filter(|later| later.at > function.at);
            self.function(file, path, function, later.map(|later| later.at));
            for inner in &function.inner {
                self.hidden(file, inner, "inside another function");
            }
        }
        for class in &module.classes {
            for method in &class.methods {
                self.hidden(file, method, "a method");
            }
        }
        missed_tools::classes(self.package, file, &mut self.reports[file]);
        missed_tools::calls(self.package, file, &mut self.reports[file]);
        if self.fails {
            self.tools.truncate(before.0);
            self.resources.truncate(before.1);
            self.prompts.truncate(before.2);
            self.pending.truncate(before.3);
            self.names.retain(|_, (known, _)| *known != file);
            self.addresses.retain(|_, (known, _)| *known != file);
        }
    }

    /// Points at functions that nobody marked, in a file that has no tool and that no other file imports.
    fn undecorated(&mut self, file: FileId, source: &Source<'_>) {
        let Source { path, text } = *source;
        let module = self.package.file(file);
        // A program for the command line is meant to be one.
        if module.is_program && (text.contains("argparse") || text.contains("sys.argv")) {
            return;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        if is_helper(path)
            || name.starts_with("test_")
            || name == "conftest.py"
            || !self.reports[file].is_clean()
        {
            return;
        }
        let public = missed_tools::public_functions(module);
        let Some(first) = public.first() else { return };
        if self.offers(path) || self.package.is_imported(file) {
            return;
        }
        let others = match public.len() - 1 {
            0 => String::new(),
            1 => " and 1 other function of this file".to_owned(),
            more => format!(" and {more} other functions of this file"),
        };
        let verb = if public.len() == 1 { "has" } else { "have" };
        let message = format!("`{}`{others} {verb} no decorator, so nothing here is a tool", first.name);
        let help = "write `from omni import tool` and put `@tool` above each function that clients may call; name the \
                    file `_*.py` if it only helps others";
        // A program is run, not imported, and beside tools a file of functions is often only not yet in use.
        if module.is_program || self.offers_anything() {
            self.reports[file].note(first.at, "undecorated", message, help);
        } else {
            self.reports[file].warning(first.at, "undecorated", message, help);
        }
    }

    /// Whether something of the file is listed.
    fn offers(&self, path: &str) -> bool {
        self.tools.iter().any(|tool| tool.file == path)
            || self.resources.iter().any(|resource| resource.file == path)
            || self.prompts.iter().any(|prompt| prompt.file == path)
            || self.pending.iter().any(|pending| pending.completion.file == path)
    }

    fn offers_anything(&self) -> bool {
        !self.tools.is_empty() || !self.resources.is_empty() || !self.prompts.is_empty()
    }

    /// Points at absolute imports of own files, where omni loads the file: started as a program it finds them.
    fn absolute_imports(&mut self, file: FileId, source: &Source<'_>) {
        let is_loaded = !self.package.file(file).is_program || self.offers(source.path);
        let is_meant = self.offers_anything() || !self.reports[file].is_clean();
        if is_loaded && is_meant {
            own_imports::absolute(self.package, file, source.text, &mut self.reports[file]);
        }
    }

    fn function(&mut self, file: FileId, path: &str, function: &'p Function, later: Option<u32>) {
        let marks = self.marks(file, function);
        let Some((kind, _)) = marks.first() else { return };
        let kind = *kind;
        let word = word(kind);
        if is_helper(path) {
            let message = format!("`{}` is in a helper file, so it is not listed", function.name);
            let help = format!(
                "files named `_*.py` or `__init__.py` are helpers: move the {word}, or rename the file"
            );
            self.reports[file].warning(function.at, "tool-in-helper", message, &help);
            return;
        }
        if function.never {
            let message = format!(
                "`{}` is defined where nothing is run when the file is loaded, so it is not listed",
                function.name
            );
            let help = "move it out of the `if`, to the top level of the file";
            self.reports[file].error(function.at, "nested-tool", message, help);
            return;
        }
        if let Some(later) = later {
            let place = self.reports[file].place(later);
            let message = format!("`{}` is defined again at {place}, which replaces this one", function.name);
            self.reports[file].error(function.at, "replaced-tool", message, "give one of them another name");
            return;
        }
        let mut read = Vec::with_capacity(marks.len());
        for (kind, sources) in &marks {
            let options =
                options::read(self.package, *kind, sources, file, function.at, &mut self.reports[file]);
            self.fails |= options.file_fails;
            read.push((*kind, options));
        }
        if !self.callable(kind, file, function) || !self.decorators(kind, file, function) {
            return;
        }
        for (kind, options) in read {
            match kind {
                FunctionKind::Tool => {
                    if let Some(tool) = self.tool(file, path, function, options) {
                        self.add(file, function.at, tool);
                    }
                }
                FunctionKind::Resource => self.add_resource(file, path, function, options),
                FunctionKind::Prompt => self.add_prompt(file, path, function, options),
                FunctionKind::Completion => self.add_completion(file, path, function, options),
            }
        }
    }

    /// What a function is marked as, with the sources of its options; empty when it is nothing.
    fn marks(&mut self, file: FileId, function: &'p Function) -> Vec<(FunctionKind, OptionSources<'p>)> {
        let mut found: Vec<(FunctionKind, OptionSources<'p>)> = Vec::new();
        for decorator in &function.decorators {
            match mark(self.package, file, decorator) {
                Mark::Own(kind, sources) => {
                    if found.iter().any(|(known, _)| *known == kind) {
                        let message = format!("`{}` is marked as a {} twice", function.name, word(kind));
                        self.reports[file].error(
                            decorator.at,
                            "marked-twice",
                            message,
                            "remove one of the decorators",
                        );
                        continue;
                    }
                    found.push((kind, sources));
                }
                Mark::Foreign(Lookalike { code, why, help, unknown }) => {
                    let message = format!("{why}, so `{}` is not listed", function.name);
                    let report = &mut self.reports[file];
                    if unknown {
                        self.fails |= !function.conditional;
                        report.error(decorator.at, code, message, help);
                    } else {
                        report.warning(decorator.at, code, message, help);
                    }
                }
                Mark::Other => {
                    if let Effect::MakesTools(why) = effect(self.package, file, decorator) {
                        let message = format!("{why}, so `{}` is not listed", function.name);
                        let help = "decorate the function with `@tool` itself";
                        self.reports[file].warning(decorator.at, "indirect-tool", message, help);
                    }
                }
            }
        }
        found
    }

    /// A marked function where nobody can call it.
    fn hidden(&mut self, file: FileId, function: &'p Function, place: &str) {
        for decorator in &function.decorators {
            if let Mark::Own(kind, _) = mark(self.package, file, decorator) {
                let message = format!("`{}` is {place}, so it is not listed", function.name);
                let help = format!("a {} is a function at the top level of its file", word(kind));
                self.reports[file].error(function.at, "nested-tool", message, &help);
            }
        }
        for inner in &function.inner {
            self.hidden(file, inner, "inside another function");
        }
    }

    /// Whether a client's arguments can reach the function by name.
    fn callable(&mut self, kind: FunctionKind, file: FileId, function: &Function) -> bool {
        let word = word(kind);
        let report = &mut self.reports[file];
        let name = &function.name;
        let mut callable = true;
        for (index, parameter) in function.parameters.iter().enumerate() {
            let (code, message, help) = match parameter.kind {
                ParameterKind::VarArgs => (
                    "variadic-parameter",
                    format!(
                        "`*{}` of `{name}` can't be described, so the {word} is not listed",
                        parameter.name
                    ),
                    "take a `list` parameter instead",
                ),
                ParameterKind::VarKeywords => (
                    "variadic-parameter",
                    format!(
                        "`**{}` of `{name}` can't be described, so the {word} is not listed",
                        parameter.name
                    ),
                    "name the parameters, or take a `dict` parameter instead",
                ),
                ParameterKind::PositionalOnly => (
                    "positional-only-parameter",
                    format!(
                        "`{}` of `{name}` can't be given by name, as arguments are, so the {word} is not listed",
                        parameter.name
                    ),
                    "remove the `/`",
                ),
                _ if index == 0 && parameter.name == "self" && parameter.annotation.is_none() => (
                    "self-parameter",
                    format!("`{name}` takes `self` but is not a method, so the {word} is not listed"),
                    "remove `self`",
                ),
                _ => continue,
            };
            report.error(parameter.at, code, message, help);
            callable = false;
        }
        callable
    }

    /// Whether the function that Python ends up with takes the parameters that are written.
    fn decorators(&mut self, kind: FunctionKind, file: FileId, function: &'p Function) -> bool {
        let mut kept = true;
        for decorator in &function.decorators {
            if !matches!(mark(self.package, file, decorator), Mark::Other) {
                continue;
            }
            let report = &mut self.reports[file];
            match effect(self.package, file, decorator) {
                Effect::Kept | Effect::MakesTools(_) => {}
                Effect::Hidden(why) => {
                    let message = format!("{why}: `{}` gets plain JSON instead of its types", function.name);
                    let help = "put `@functools.wraps(function)` on the wrapper";
                    report.warning(decorator.at, "hidden-signature", message, help);
                }
                Effect::Assumed(why) => {
                    let message = format!("{why}: it is taken to keep the parameters of `{}`", function.name);
                    let help = match kind {
                        FunctionKind::Tool => "if it changes them, give `input_schema=`",
                        _ => "if it changes them, put `@functools.wraps(function)` on its wrapper",
                    };
                    report.note(decorator.at, "unknown-decorator", message, help);
                }
                Effect::Replaced(why) => {
                    let message = format!("{why}, so `{}` is not listed", function.name);
                    let help =
                        "put `@functools.wraps(function)` on the wrapper and let it take `*args, **kwargs`";
                    report.error(decorator.at, "replaced-signature", message, help);
                    kept = false;
                }
            }
        }
        kept
    }

    fn tool(&mut self, file: FileId, path: &str, function: &Function, options: Options) -> Option<Tool> {
        if options.name_unknown {
            return None;
        }
        let command = options.name.clone().unwrap_or_else(|| function.name.clone());
        let title = options.title_of(&command);
        if !self.named(FunctionKind::Tool, file, function, &command) {
            return None;
        }
        let parsed = Docstring::of(function);
        self.unsaid(
            file,
            function,
            &options.description,
            &parsed.description,
            options.input_schema.is_some(),
        );
        let Signature { input, output, wrap, inject, problems } =
            signature(self.package, file, function, &parsed);
        self.problems(
            FunctionKind::Tool,
            function,
            problems,
            options.input_schema.is_some(),
            options.output_schema.is_some(),
        );
        let (output_schema, wrap_result) = match options.output_schema {
            Some(Some(schema)) => {
                let wrap = schema.get("x-fastmcp-wrap-result") == Some(&Json::Bool(true));
                (Some(schema), wrap)
            }
            Some(None) => (None, false),
            None => (output, wrap),
        };
        Some(Tool {
            title: Some(title),
            command,
            function: function.name.clone(),
            file: path.to_owned(),
            line: self.reports[file].line(function.at),
            is_async: function.is_async,
            description: options.description.or(parsed.description),
            input_schema: options.input_schema.unwrap_or(input),
            output_schema,
            wrap_result,
            annotations: options.annotations,
            inject,
            limits: options.call.limits,
            policy: options.call.policy,
            executor: options.executor,
            fork: options.call.fork,
            meta: options.meta,
            icons: options.icons,
            tags: options.tags,
            category: options.category,
            version: options.version,
        })
    }

    /// Points at what a model would have to guess.
    fn unsaid(
        &mut self,
        file: FileId,
        function: &Function,
        given: &Option<String>,
        written: &Option<String>,
        has_schema: bool,
    ) {
        let report = &mut self.reports[file];
        let bare: Vec<_> = function
            .parameters
            .iter()
            .filter(|parameter| parameter.annotation.is_none() && parameter.default.is_none())
            .map(|parameter| format!("`{}`", parameter.name))
            .collect();
        let hinted = function.parameters.iter().any(|parameter| parameter.annotation.is_some());
        let described = given.as_ref().or(written.as_ref()).is_some_and(|text| !text.trim().is_empty());
        if !described && !hinted && !function.parameters.is_empty() && !has_schema {
            let message = format!(
                "`{}` has neither a docstring nor type hints: a model sees its name alone",
                function.name
            );
            let help =
                "say in a docstring what it does, and give each parameter a type: `def add(a: int, b: int)`";
            report.warning(function.at, "no-description", message, help);
        } else if described && !bare.is_empty() && !has_schema {
            let (is, has) = if bare.len() == 1 { ("it takes", "has") } else { ("they take", "have") };
            let message = format!(
                "{} of `{}` {has} no type hint, so {is} any JSON value",
                bare.join(", "),
                function.name
            );
            report.note(function.at, "no-hint", message, "give it a type, as in `a: int`");
        }
    }

    /// Whether a name is one; tells of it when it is not.
    pub(crate) fn named(
        &mut self,
        kind: FunctionKind,
        file: FileId,
        function: &Function,
        command: &str,
    ) -> bool {
        if is_tool_name(command) {
            return true;
        }
        let shown: String = command.chars().take(NAME_SHOWN_MAX).collect();
        let message = format!("`{shown}` can't be a {}'s name, so it is not listed", word(kind));
        let help = "a name has 1 to 128 letters, digits, `_`, `.` or `-`, no blank and no other sign: give one with `name=`";
        self.reports[file].error(function.at, "invalid-name", message, help);
        false
    }

    /// Tells which types of a function only Python knows.
    pub(crate) fn problems(
        &mut self,
        kind: FunctionKind,
        function: &Function,
        problems: Vec<Located>,
        input_given: bool,
        output_given: bool,
    ) {
        for Located { parameter, problem } in problems {
            let name = &function.name;
            let report = &mut self.reports[problem.file];
            match parameter {
                Some(_) if input_given => {}
                Some((parameter, _)) => {
                    let message =
                        format!("{}, so `{parameter}` of `{name}` is not fully checked", problem.message);
                    let help = match kind {
                        FunctionKind::Tool => {
                            "use a type that can be read from source, or give the tool `input_schema=`"
                        }
                        _ => "use a type that can be read from source",
                    };
                    report.warning(problem.at, "unknown-type", message, help);
                }
                None if output_given => {}
                None => {
                    let message = format!("{}, so `{name}` has no output schema", problem.message);
                    let help = "use a type that can be read from source, or give the tool `output_schema=`";
                    report.note(problem.at, "no-output-schema", message, help);
                }
            }
        }
    }

    fn add(&mut self, file: FileId, at: u32, tool: Tool) {
        if self.is_new(FunctionKind::Tool, file, at, &tool.command) {
            self.tools.push(tool);
        }
    }

    /// Takes a name; tells of it and returns `false` when it is taken.
    pub(crate) fn is_new(&mut self, kind: FunctionKind, file: FileId, at: u32, name: &str) -> bool {
        let key = (kind, name.to_owned());
        let Some((other, other_at)) = self.names.get(&key).copied() else {
            self.names.insert(key, (file, at));
            return true;
        };
        let place = self.reports[other].place(other_at);
        let message = format!("`{name}` is already the name of the {} at {place}", word(kind));
        let help = "this one is not listed: give one of them another name with `name=`";
        let code = match kind {
            FunctionKind::Tool => "duplicate-tool",
            FunctionKind::Resource => "duplicate-resource",
            FunctionKind::Prompt => "duplicate-prompt",
            FunctionKind::Completion => "duplicate-completion",
        };
        self.reports[file].error(at, code, message, help);
        false
    }
}

/// `__init__.py` and `_*.py` are helpers.
fn is_helper(path: &str) -> bool {
    path.rsplit('/').next().unwrap_or(path).starts_with('_')
}

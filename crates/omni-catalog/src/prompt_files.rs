//! The prompts of a skill that are files: `prompts/*.md`, each with front matter that says what it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::catch_unwind;

use omni_call::{ExecutorKind, FileKind, FileTarget, PromptArgument, RunSpec};
use omni_prompts::{FOLDER, TemplateFault, Uses};
use omni_scan::is_tool_name;

use crate::field_reader::FieldReader;
use crate::folder::{ReadFile, SkillFolder};
use crate::front_matter::{self, Entry, FrontMatter, Position, Yaml};
use crate::icon_files;
use crate::item_detail::{ItemDetail, SkillItem};
use crate::item_listing::{ListedArgument, PromptListing};
use crate::own_words::{meta, tags};
use crate::prompt_names::is_read;
use crate::similar::closest;
use crate::{CatalogKind, Diagnostic, Origin, Severity, Skill};

/// The keys of a prompt's front matter.
const KEYS: [&str; 9] =
    ["name", "title", "description", "arguments", "enabled", "icons", "tags", "version", "meta"];

/// The keys of an argument.
const ARGUMENT_KEYS: [&str; 6] = ["name", "title", "description", "required", "default", "choices"];

/// An argument, and what of it stands in lists only.
struct Argument {
    value: PromptArgument,
    title: Option<String>,
    description: Option<String>,
    place: Position,
}

/// The prompts among the files of a skill, in the order of their paths. What is wrong with one is added to `findings`, and
/// costs no more than what it concerns.
pub(crate) fn items(skill: &Skill, folder: &SkillFolder, findings: &mut Vec<Diagnostic>) -> Vec<SkillItem> {
    let mut uses = BTreeMap::new();
    for file in &folder.prompts {
        // A panic of the template engine is a bug that must cost this one file only.
        let Ok(checked) = catch_unwind(|| omni_prompts::check(own_path(file), &file.text)) else {
            findings.push(internal(skill, file));
            continue;
        };
        uses.insert(own_path(file), checked);
    }
    let own = |file: &&ReadFile| file.path.ends_with(".md") && !own_path(file).contains('/');
    for file in folder.prompts.iter().filter(|file| !own(file)).filter(|file| !own_path(file).contains('/')) {
        if omni_prompts::split(&file.text).has_front_matter() && !own_path(file).starts_with('_') {
            let message = format!("the name of `{}` does not end in `.md`, so it is no prompt", file.path);
            let help = "give it the ending `.md`, in small letters";
            FieldReader { skill, file, findings }.find(
                Severity::Note,
                Position { line: 1, column: 1 },
                "not-a-prompt",
                message,
                help,
            );
        }
    }
    let is_part = |file: &ReadFile| own_path(file).starts_with('_');
    let mut items = Vec::new();
    for file in folder.prompts.iter().filter(own).filter(|file| !is_part(file)) {
        let mut fields = FieldReader { skill, file, findings };
        if !omni_prompts::split(&file.text).has_front_matter() {
            let begins =
                file.text.trim_start_matches('\u{feff}').lines().next().map(str::trim_end) == Some("---");
            let (severity, why, help) = match begins {
                true => (
                    Severity::Warning,
                    "has front matter without an end",
                    "write a line `---` below the last of its keys, and the prompt's text below that",
                ),
                false => (
                    Severity::Note,
                    "has no front matter",
                    "begin the file with `---`, then `description: …`, then `---` to offer it as a prompt",
                ),
            };
            let message = format!("`{}` {why}, so it is no prompt but a page to include", file.path);
            fields.find(severity, Position { line: 1, column: 1 }, "not-a-prompt", message, help);
            continue;
        }
        let (front, problems) = front_matter::read(&file.text);
        for problem in problems {
            fields.find(Severity::Warning, problem.place, "bad-front-matter", problem.message, &problem.help);
        }
        items.extend(PromptReader { fields, folder, uses: &uses, front: &front }.prompt());
    }
    // A part that nobody includes by a name that is written out is at fault all the same.
    for file in &folder.prompts {
        if let Some(Err(fault)) = uses.get(own_path(file)) {
            findings.push(at_fault(skill, fault));
        }
    }
    items
}

/// As templates name it.
fn own_path(file: &ReadFile) -> &str {
    file.path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&file.path)
}

fn at_fault(skill: &Skill, fault: &TemplateFault) -> Diagnostic {
    let line = u32::try_from(fault.line).unwrap_or(u32::MAX);
    Diagnostic {
        severity: Severity::Error,
        skill: skill.folder.clone(),
        file: format!("{}/{FOLDER}/{}", skill.folder, fault.file),
        line,
        column: line.min(1),
        code: "bad-prompt".to_owned(),
        message: format!("{}, so it cannot be filled in", fault.message),
        help: Some(fault.help.clone()),
    }
}

fn internal(skill: &Skill, file: &ReadFile) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        skill: skill.folder.clone(),
        file: format!("{}/{}", skill.folder, file.path),
        line: 0,
        column: 0,
        code: "internal".to_owned(),
        message: "omni failed while reading this prompt, so it is not listed".to_owned(),
        help: Some("this is a bug in omni: please report it with the file".to_owned()),
    }
}

struct PromptReader<'a> {
    fields: FieldReader<'a>,
    folder: &'a SkillFolder,
    /// What each file of the folder needs, by its name there.
    uses: &'a BTreeMap<&'a str, Result<Uses, TemplateFault>>,
    front: &'a FrontMatter,
}

impl PromptReader<'_> {
    /// `None`, with a finding, for one that no client could use.
    fn prompt(&mut self) -> Option<SkillItem> {
        self.check_keys(&self.front.entries, &KEYS, "a prompt");
        let stem = own_path(self.fields.file).trim_end_matches(".md").to_owned();
        let name = self.text("name").unwrap_or(stem);
        let key = self.fields.skill.canonical(&name);
        if !is_tool_name(&key) {
            let message = format!("`{key}` cannot be a prompt's name, so the prompt is not listed");
            let help = "names have 1 to 128 letters, digits, `_`, `-` and `.`, no blank and no other sign; rename the file or write `name:`";
            self.fields.find(Severity::Error, self.place("name"), "illegal-name", message, help);
            return None;
        }
        let (title, description) = (self.text("title"), self.text("description"));
        if description.is_none() {
            let message = format!("the prompt `{key}` has no `description`");
            let help = "say in a sentence what it is for: people choose prompts from a list";
            self.fields.find(Severity::Note, self.place("description"), "missing-description", message, help);
        }
        let (tags_of_file, version) = (self.fields.texts(&self.front.entries, "tags"), self.text("version"));
        let (mut icons, own_meta) = (
            self.fields.list_of_maps(&self.front.entries, "icons"),
            self.fields.object(&self.front.entries, "meta"),
        );
        let written = Origin {
            file: format!("{}/{}", self.fields.skill.folder, self.fields.file.path),
            line: self.place("icons").line,
        };
        icon_files::embed(
            self.folder,
            &mut icons,
            &format!("the prompt `{key}`"),
            &written,
            self.fields.findings,
        );
        let arguments = self.arguments();
        let enabled = self.front.find("enabled").map(|entry| self.fields.flag(entry, true));
        // A body that is no template is told by itself. The prompt stays listed, so that an edit of the body never changes what
        // clients have, and whoever asks for it reads what is wrong, and where.
        if let Some(Ok(uses)) = self.uses.get(own_path(self.fields.file)) {
            self.check_body(uses, &arguments);
        }
        let listing = PromptListing {
            name: &key,
            title: title.as_deref(),
            description: description.as_deref(),
            arguments: arguments.iter().map(Argument::listed).collect(),
            icons: icons.as_ref(),
            meta: meta(own_meta.as_ref(), None, &tags_of_file, version.as_deref()),
        };
        let listing = listing.to_raw();
        let values: Vec<PromptArgument> = arguments.into_iter().map(|argument| argument.value).collect();
        let target = FileTarget {
            dir: self.fields.skill.folder.clone().into(),
            path: self.fields.file.path.clone(),
            kind: FileKind::Prompt { arguments: values.clone() },
        };
        let mut run = RunSpec::new(&self.fields.skill.folder, &name, target);
        key.clone_into(&mut run.tool);
        run.executor = ExecutorKind::File;
        run.limits.clone_from(&self.fields.skill.limits);
        run.policy.enabled = enabled.or(self.fields.skill.policy.enabled);
        let origin =
            Origin { file: format!("{}/{}", self.fields.skill.folder, self.fields.file.path), line: 1 };
        let mut detail = ItemDetail::new(run, origin);
        detail.tags = tags(self.fields.skill, &tags_of_file);
        detail.set_arguments(values);
        Some(SkillItem { kind: CatalogKind::Prompts, key, listing, detail })
    }

    fn arguments(&mut self) -> Vec<Argument> {
        let Some(entry) = self.front.find("arguments") else { return Vec::new() };
        let items = match &entry.value {
            Yaml::List(items) => items.as_slice(),
            Yaml::Text(text) if text.is_empty() => return Vec::new(),
            Yaml::Text(_) | Yaml::Quoted(_) | Yaml::Map(_) => {
                let help = "write one item for each argument: `- name: topic`, and below it `description: …`";
                self.fields.bad_value(entry, "a list", help);
                return Vec::new();
            }
        };
        let mut arguments: Vec<Argument> = Vec::new();
        for item in items {
            let Some(argument) = self.argument(entry.place, item) else { continue };
            let name = &argument.value.name;
            if arguments.iter().any(|known| known.value.name == *name) {
                let message =
                    format!("there is an argument `{name}` before it already, so this one is left out");
                self.fields.find(
                    Severity::Warning,
                    argument.place,
                    "bad-argument",
                    message,
                    "rename one of the two",
                );
                continue;
            }
            arguments.push(argument);
        }
        arguments
    }

    /// `None`, with a finding, for what no template can use.
    fn argument(&mut self, list: Position, item: &Yaml) -> Option<Argument> {
        let nothing = Vec::new();
        let (entries, place, name) = match item {
            // A name alone.
            Yaml::Text(name) | Yaml::Quoted(name) => (&nothing, list, Some(name.trim().to_owned())),
            Yaml::Map(entries) => {
                let place = entries.first().map_or(list, |entry| entry.place);
                (entries, place, self.fields.text(entries, "name"))
            }
            Yaml::List(_) => (&nothing, list, None),
        };
        self.check_keys(entries, &ARGUMENT_KEYS, "an argument");
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            let message = "an argument has no `name`, so it is left out".to_owned();
            self.fields.find(Severity::Error, place, "bad-argument", message, "give it one: `- name: topic`");
            return None;
        };
        if !is_variable(&name) {
            let message = format!("`{name}` is no name that a template can use, so the argument is left out");
            let help = "use letters, digits and `_`, and no digit first";
            self.fields.find(Severity::Error, place, "bad-argument", message, help);
            return None;
        }
        let default = self.fields.text(entries, "default");
        // `default: ""` is a default too: a text that is empty.
        let default = default.or_else(|| {
            front_matter::find(entries, "default").and_then(|entry| entry.value.text()).map(str::to_owned)
        });
        let choices = self.fields.texts(entries, "choices");
        let required = self.fields.is_true(entries, "required");
        let at = |key: &str| front_matter::find(entries, key).map_or(place, |entry| entry.place);
        if let Some(default) =
            default.as_ref().filter(|default| !choices.is_empty() && !choices.contains(default))
        {
            let message = format!("the default `{default}` of `{name}` is none of its choices");
            self.fields.find(
                Severity::Warning,
                at("default"),
                "bad-argument",
                message,
                "add it to `choices`, or choose one of these",
            );
        }
        if required && default.is_some() {
            let message = format!("`{name}` is required, so its default is never used");
            self.fields.find(
                Severity::Warning,
                at("default"),
                "bad-argument",
                message,
                "take out one of the two",
            );
        }
        Some(Argument {
            title: self.fields.text(entries, "title"),
            description: self.fields.text(entries, "description"),
            value: PromptArgument { name, required, default, choices },
            place,
        })
    }

    /// Holds the body against the arguments, and against the files that it includes.
    fn check_body(&mut self, uses: &Uses, arguments: &[Argument]) {
        let (mut variables, mut reached, mut to_read) =
            (BTreeSet::new(), BTreeSet::new(), vec![(own_path(self.fields.file), uses)]);
        let mut whole = true;
        while let Some((name, uses)) = to_read.pop() {
            if !reached.insert(name) {
                continue;
            }
            variables.extend(uses.variables.iter().map(|variable| (variable.as_str(), name)));
            whole &= !uses.includes_by_expression;
            for (included, line) in &uses.includes {
                match self.uses.get_key_value(included.as_str()) {
                    Some((included, Ok(uses))) => to_read.push((included, uses)),
                    Some((_, Err(_))) => {}
                    None if is_read(included) && name == own_path(self.fields.file) => {
                        let message =
                            format!("there is no `{FOLDER}/{included}`, so the prompt cannot be filled in");
                        let place = self.body(*line);
                        let help = "a name is a path below the skill's `prompts` folder, and of no link";
                        self.fields.find(Severity::Error, place, "missing-include", message, help);
                    }
                    None => whole = false,
                }
            }
        }
        let names = || arguments.iter().map(|argument| argument.value.name.as_str());
        for (variable, file) in &variables {
            if names().any(|name| name == *variable) {
                continue;
            }
            let line = if *file == own_path(self.fields.file) {
                line_of(&self.fields.file.text, variable)
            } else {
                1
            };
            let message =
                format!("`{variable}` is none of the prompt's arguments, and fails where it is used");
            let help = match closest(variable, names()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("add `- name: {variable}` to `arguments`, or test it with `is defined`"),
            };
            self.fields.find(Severity::Warning, self.body(line), "undeclared-argument", message, &help);
        }
        for argument in arguments.iter().filter(|_| whole) {
            let name = &argument.value.name;
            if variables.iter().all(|(variable, _)| variable != name) {
                let message = format!("the argument `{name}` is not used in the prompt");
                let help =
                    format!("write `{{{{ {name} }}}}` where it belongs, or take it out of `arguments`");
                self.fields.find(Severity::Note, argument.place, "unused-argument", message, &help);
            }
        }
        for (line, help) in &uses.near_headings {
            let message = "the heading begins no message and stays part of the text".to_owned();
            self.fields.find(Severity::Note, self.body(*line), "prompt-heading", message, help);
        }
    }

    fn body(&self, line: usize) -> Position {
        Position { line: u32::try_from(line).unwrap_or(u32::MAX), column: 1 }
    }

    fn check_keys(&mut self, entries: &[Entry], known: &[&'static str], what: &str) {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            self.fields.unknown_key(entry, known, what);
        }
    }

    fn place(&self, key: &str) -> Position {
        self.front.find(key).map_or(Position { line: 1, column: 1 }, |entry| entry.place)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.fields.text(&self.front.entries, key)
    }
}

impl Argument {
    fn listed(&self) -> ListedArgument<'_> {
        ListedArgument {
            name: &self.value.name,
            title: self.title.as_deref(),
            description: self.description.as_deref(),
            required: self.value.required,
        }
    }
}

fn is_variable(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(rest)
}

/// The first line below the front matter on which the name stands as a word.
fn line_of(text: &str, name: &str) -> usize {
    let cut = omni_prompts::split(text);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let has = |line: &str| line.split(|c| !is_word(c)).any(|word| word == name);
    cut.body.lines().position(has).map_or(1, |at| cut.lines_above() + at + 1)
}

//! Tools that a skill declares under `tools:` of its SKILL.md, or under `[tool.omni]` of its pyproject.toml:
//! programs of any kind, with a command line of their own.

use omni_call::{
    CallOptions, ExecutorKind, OptionKind, OptionPlace, OptionValue, ProgramInput, ProgramOutput,
    ProgramTarget, ToolOption,
};
use serde_json::{Map, Value};

use crate::front_matter::{Entry, Position, Yaml, find};
use crate::pyproject::Pyproject;
use crate::{Diagnostic, Severity, similar};

/// A tool, described like one that the scanner has found, and the program behind it.
#[derive(Debug)]
pub(crate) struct DeclaredTool {
    pub(crate) tool: omni_scan::Tool,
    pub(crate) program: ProgramTarget,
}

pub(crate) const PYPROJECT: &str = "pyproject.toml";

/// The keys of a tool besides those options that may stand here.
const OWN_KEYS: [&str; 5] = ["command", "input", "output", "cwd", "env"];

/// Where tools are declared.
#[derive(Clone, Copy)]
pub(crate) struct DeclaredIn<'a> {
    /// The skill's folder.
    pub(crate) folder: &'a str,
    /// The file in it.
    pub(crate) file: &'a str,
}

/// Reads a list of tools and adds them to those `declared` so far. What is wrong with one tool costs that tool,
/// or the member alone where the tool makes sense without it.
pub(crate) fn read(
    source: DeclaredIn<'_>,
    tools: Option<&Entry>,
    declared: &mut Vec<DeclaredTool>,
    findings: &mut Vec<Diagnostic>,
) {
    let Some(Entry { value, place, .. }) = tools else { return };
    let mut reader = DeclarationReader { source, entries: &[], place: *place, findings };
    let Yaml::List(items) = value else {
        let help =
            "write one item for each tool: `- name: …` in SKILL.md, `[[tool.omni.tools]]` in pyproject.toml";
        return reader.warn(*place, "`tools` must be a list".to_owned(), help.to_owned());
    };
    for item in items {
        reader.entries = item.map();
        reader.place = reader.entries.first().map_or(*place, |entry| entry.place);
        let Some(tool) = reader.tool() else { continue };
        match declared.iter().find(|other| other.tool.command == tool.tool.command) {
            Some(other) => {
                let (name, file, line) = (&tool.tool.command, &other.tool.file, other.tool.line);
                let why = format!("there is another one named `{name}` at {file}:{line}");
                reader.drop::<()>(&why, "rename one of the two");
            }
            None => declared.push(tool),
        }
    }
}

/// Reads `[tool.omni]`.
pub(crate) fn read_pyproject(
    folder: &str,
    file: &Pyproject,
    declared: &mut Vec<DeclaredTool>,
    findings: &mut Vec<Diagnostic>,
) {
    let Some(table) = file.find(&["tool", "omni"]) else { return };
    let source = DeclaredIn { folder, file: PYPROJECT };
    let mut reader = DeclarationReader { source, entries: &[], place: table.place, findings };
    for entry in table.value.map().iter().filter(|entry| entry.key != "tools") {
        let message = format!("the key `{}` of `[tool.omni]` means nothing to omni", entry.key);
        let help = "`[[tool.omni.tools]]` declares a tool; what holds for the whole skill stands in SKILL.md";
        reader.report(Severity::Note, entry.place, message, help.to_owned());
    }
    read(source, find(table.value.map(), "tools"), declared, findings);
}

struct DeclarationReader<'a> {
    source: DeclaredIn<'a>,
    entries: &'a [Entry],
    /// Where the tool begins.
    place: Position,
    findings: &'a mut Vec<Diagnostic>,
}

impl DeclarationReader<'_> {
    fn tool(&mut self) -> Option<DeclaredTool> {
        self.warn_of_unknown_keys();
        let Some(name) = self.text("name") else {
            return self.drop("it has no `name`", "give it one, for instance `count`");
        };
        let program = self.program(&name)?;
        let (annotations, call) = self.options();
        let tool = omni_scan::Tool {
            function: name.clone(),
            file: self.source.file.to_owned(),
            line: self.place.line,
            is_async: false,
            // Some clients drop a tool that has none.
            title: self.text("title").or_else(|| Some(titled(&name))),
            description: self.text("description"),
            input_schema: self.schema("input_schema").unwrap_or_else(any_object),
            output_schema: self.schema("output_schema"),
            wrap_result: false,
            annotations,
            inject: Vec::new(),
            limits: call.limits,
            policy: call.policy,
            executor: Some(ExecutorKind::Spawn),
            fork: call.fork,
            meta: None,
            icons: None,
            tags: self.words("tags"),
            category: None,
            version: None,
            command: name,
        };
        if tool.description.is_none() {
            let message = format!("the tool `{}` has no `description`", tool.command);
            self.warn(
                self.place,
                message,
                "say in a sentence what it does: a model knows nothing else".into(),
            );
        }
        Some(DeclaredTool { tool, program })
    }

    fn warn_of_unknown_keys(&mut self) {
        let options = ToolOption::all(OptionPlace::Program).map(|option| option.name);
        let keys: Vec<&str> = options.chain(OWN_KEYS).collect();
        for entry in self.entries {
            if !keys.contains(&entry.key.as_str()) {
                let help = match similar::closest(&entry.key, keys.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys of a tool are {}", keys.join(", ")),
                };
                self.warn(entry.place, format!("a tool has no key `{}`", entry.key), help);
            }
        }
    }

    fn program(&mut self, name: &str) -> Option<ProgramTarget> {
        let argv = self.command(name)?;
        Some(ProgramTarget {
            argv,
            input: self
                .choice(
                    "input",
                    &[
                        ("stdin", ProgramInput::Stdin),
                        ("file", ProgramInput::File),
                        ("flags", ProgramInput::Flags),
                    ],
                )
                .unwrap_or_default(),
            output: self
                .choice("output", &[("text", ProgramOutput::Text), ("json", ProgramOutput::Json)])
                .unwrap_or_default(),
            cwd: self.beneath("cwd"),
            env: self.env(),
            ..ProgramTarget::default()
        })
    }

    fn command(&mut self, name: &str) -> Option<Vec<String>> {
        let help = "write the program and its arguments as a list: `command: [bash, scripts/count.sh]`; no \
                    shell reads them";
        let Some(Yaml::List(words)) = self.find("command").map(|entry| &entry.value) else {
            return self.drop(&format!("`{name}` has no list `command`"), help);
        };
        let words: Option<Vec<String>> = words.iter().map(|word| word.text().map(str::to_owned)).collect();
        match words {
            Some(words) if words.first().is_some_and(|program| !program.is_empty()) => {
                let leads_out = |word: &String| word.contains('/') && escapes(word);
                if words.first().is_some_and(leads_out) {
                    let message = format!("the program of `{name}` is outside of the skill's folder");
                    return self.drop(
                        &message,
                        "name a file of the skill, or a program without `/` that is looked up in PATH",
                    );
                }
                Some(words)
            }
            _ => self.drop(&format!("the `command` of `{name}` is empty, or not all of it is text"), help),
        }
    }

    fn env(&mut self) -> std::collections::BTreeMap<String, String> {
        let entries = self.find("env").map(|entry| entry.value.map()).unwrap_or_default();
        entries.iter().filter_map(|entry| Some((entry.key.clone(), entry.value.text()?.to_owned()))).collect()
    }

    fn schema(&mut self, key: &str) -> Option<Value> {
        let entry = self.find(key)?;
        let Yaml::Map(members) = &entry.value else {
            let place = entry.place;
            self.warn(
                place,
                format!("`{key}` must be a mapping"),
                "write the members of a JSON Schema".to_owned(),
            );
            return None;
        };
        let mut schema: Map<String, Value> =
            members.iter().map(|member| (member.key.clone(), member.value.json())).collect();
        if !schema.contains_key("type") {
            schema.insert("type".to_owned(), "object".into());
        }
        Some(Value::Object(schema))
    }

    fn beneath(&mut self, key: &str) -> Option<String> {
        let entry = self.find(key)?;
        let (text, place) = (entry.value.text().map(str::to_owned), entry.place);
        if text.as_deref().is_none_or(escapes) {
            let message = format!("`{key}` must be a folder beneath the skill's");
            self.warn(place, message, "write a relative path without `..`; it is left out until then".into());
            return None;
        }
        text
    }

    fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        let entry = self.find(key)?;
        let (text, place) = (entry.value.text(), entry.place);
        let chosen = choices.iter().find(|(name, _)| Some(*name) == text).map(|(_, value)| *value);
        if chosen.is_none() {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            let message = format!("`{key}` must be {}", names.join(" or "));
            self.warn(place, message, "it is left out until then".to_owned());
        }
        chosen
    }

    /// The options that may stand here: the hints for clients, and what is acted on when a call is made.
    fn options(&mut self) -> (Map<String, Value>, CallOptions) {
        let (mut hints, mut set) = (Map::new(), CallOptions::default());
        for option in ToolOption::all(OptionPlace::Program) {
            // Read by themselves: they are no part of these.
            if matches!(option.kind, OptionKind::Text | OptionKind::Schema | OptionKind::Texts) {
                continue;
            }
            let Some(entry) = self.find(option.name) else { continue };
            let (place, word) = (entry.place, entry.value.text());
            let value = word.and_then(|word| option.parse(word, OptionPlace::Program));
            let taken = match (option.kind, value) {
                (OptionKind::Hint(hint), Some(OptionValue::Flag(flag))) => {
                    hints.insert(hint.to_owned(), Value::Bool(flag));
                    true
                }
                (_, value) => value.is_some_and(|value| set.set(option.name, OptionPlace::Program, value)),
            };
            if !taken {
                let message = format!("`{}` must be {}", option.name, option.wanted(OptionPlace::Program));
                self.warn(place, message, "it is left out until then".to_owned());
            }
        }
        (hints, set)
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let text = self.find(key)?.value.text()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A list of texts, or one text with commas.
    fn words(&mut self, key: &str) -> Vec<String> {
        let Some(entry) = self.find(key) else { return Vec::new() };
        let place = entry.place;
        let words: Option<Vec<String>> = match &entry.value {
            Yaml::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
            value => value.text().map(|text| text.split(',').map(|word| word.trim().to_owned()).collect()),
        };
        let words = words.filter(|words| words.iter().all(|word| !word.is_empty()));
        if words.is_none() {
            let message = format!("`{key}` must be a list of texts");
            self.warn(place, message, "write `[a, b]`; it is left out until then".to_owned());
        }
        words.unwrap_or_default()
    }

    fn find(&self, key: &str) -> Option<&Entry> {
        find(self.entries, key)
    }

    fn drop<T>(&mut self, why: &str, help: &str) -> Option<T> {
        let message = format!("a declared tool is not served: {why}");
        self.report(Severity::Error, self.place, message, help.to_owned());
        None
    }

    fn warn(&mut self, place: Position, message: String, help: String) {
        self.report(Severity::Warning, place, message, help);
    }

    fn report(&mut self, severity: Severity, place: Position, message: String, help: String) {
        self.findings.push(Diagnostic {
            severity,
            skill: self.source.folder.to_owned(),
            file: format!("{}/{}", self.source.folder, self.source.file),
            line: place.line,
            column: place.column,
            code: "declared-tool".to_owned(),
            message,
            help: Some(help),
        });
    }
}

/// `word_count` as `Word count`.
fn titled(name: &str) -> String {
    let words = name.replace(['_', '-', '.'], " ");
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Whether a path leaves the folder that it is relative to.
fn escapes(path: &str) -> bool {
    path.starts_with('/') || path.split('/').any(|part| part == "..")
}

/// Arguments of a tool that declares none.
fn any_object() -> Value {
    serde_json::json!({"type": "object"})
}

//! What one skill is: its front matter, checked, and the settings that hold for all of its tools.

use std::path::PathBuf;

use omni_call::{
    CallOptions, ExecutorKind, ForkSettings, OptionKind, OptionPlace, OptionValue, Policy, TimeLimits,
    ToolOption, Trust,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::declared_tools::{self, DeclaredTool};
use crate::front_matter::{self, Entry, FrontMatter, Position, Yaml};
use crate::{Diagnostic, Severity, SkillFile};

/// One skill, as its folder and front matter describe it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skill {
    /// The folder's name: the first half of its tools' names.
    pub folder: String,
    /// `name` as the front matter gives it; should equal the folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compatibility: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_tools: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routing_keywords: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub intents: Vec<String>,
    /// Words that its tools are found and filtered by, besides those of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Everything under `metadata:`, with texts as they are spelt in the file.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// Its tools are listed by command alone, without `<folder>.` before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flat: bool,
    /// Its files are imported when a worker starts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preload: bool,
    /// Which other skills its processes may serve.
    #[serde(default, skip_serializing_if = "Trust::is_shared")]
    pub trust: Trust,
    /// What its calls leave in their temporary folder stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_temp: bool,
    /// Which executor runs its tools unless a tool says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executor: Option<ExecutorKind>,
    /// How `fork` has processes ready for its tools, unless a tool says otherwise.
    #[serde(default, skip_serializing_if = "ForkSettings::is_empty")]
    pub fork: ForkSettings,
    /// Time limits of its tools unless a tool has its own.
    #[serde(default)]
    pub limits: TimeLimits,
    /// Retries, concurrency of the whole skill and affinity of its tools.
    #[serde(default)]
    pub policy: Policy,
    /// How many tools its source defines.
    #[serde(default)]
    pub tools: usize,
    /// Names the version of its code: the digest over all its Python files. `None` where it has no `scripts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Its front matter as it stands there: what the public format, and clients that speak it, make of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub front_matter: Map<String, Value>,
    /// What clients may read of it, `SKILL.md` first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<SkillFile>,
    /// Its folder, absolute; empty where it is not here.
    #[serde(skip)]
    pub path: PathBuf,
}

impl Skill {
    /// The canonical name of its tool or prompt of that name: `<skill>.<name>`, or the name alone where the skill is flat.
    pub(crate) fn canonical(&self, name: &str) -> String {
        if self.flat { name.to_owned() } else { format!("{}.{name}", self.folder) }
    }

    /// Reads the text of a SKILL.md. What is wrong with it is added to `findings`, and costs no more than
    /// the field it concerns.
    /// Also returns the tools that it declares itself.
    pub(crate) fn read(
        folder: &str,
        skill_md: &str,
        findings: &mut Vec<Diagnostic>,
    ) -> (Skill, Vec<DeclaredTool>) {
        let (front, problems) = front_matter::read(skill_md);
        let mut reader = SkillReader { folder, front: &front, findings };
        for problem in problems {
            reader.find(Severity::Warning, problem.place, "bad-front-matter", problem.message, problem.help);
        }
        let skill = reader.skill();
        let mut declared = Vec::new();
        let source = declared_tools::DeclaredIn { folder, file: "SKILL.md" };
        declared_tools::read(source, front.find("tools"), &mut declared, findings);
        (skill, declared)
    }
}

/// Limits of the public SKILL.md format, in characters.
const NAME_CHARS_MAX: usize = 64;
const DESCRIPTION_CHARS_MAX: usize = 1_024;

const TOP: Position = Position { line: 1, column: 1 };

/// Keys that have a meaning here besides the options of its tools; at the top or under `metadata`.
const OWN_KEYS: [&str; 16] = [
    "name",
    "description",
    "license",
    "compatibility",
    "metadata",
    "allowed-tools",
    "version",
    "author",
    "authors",
    "routing_keywords",
    "intents",
    "flat",
    "preload",
    "trust",
    "keep_temp",
    "tools",
];

struct SkillReader<'a> {
    folder: &'a str,
    front: &'a FrontMatter,
    findings: &'a mut Vec<Diagnostic>,
}

impl<'a> SkillReader<'a> {
    fn skill(&mut self) -> Skill {
        let call = self.call_options();
        let skill = Skill {
            folder: self.folder.to_owned(),
            name: self.text("name"),
            description: self.text("description"),
            license: self.text("license"),
            compatibility: self.text("compatibility"),
            allowed_tools: self.words("allowed-tools"),
            version: self.text("version"),
            authors: [self.list("authors"), self.list("author")].concat(),
            routing_keywords: self.list("routing_keywords"),
            intents: self.list("intents"),
            tags: self.list("tags"),
            metadata: self.metadata(),
            flat: self.flag("flat"),
            preload: self.flag("preload"),
            trust: self.trust(),
            keep_temp: self.flag("keep_temp"),
            executor: self.executor(),
            fork: call.fork,
            limits: call.limits,
            policy: call.policy,
            path: PathBuf::new(),
            tools: 0,
            digest: None,
            front_matter: self.front.json(),
            files: Vec::new(),
        };
        self.check_name(&skill);
        self.check_description(&skill);
        self.check_keys();
        skill
    }

    fn check_name(&mut self, skill: &Skill) {
        let folder = self.folder;
        let Some(name) = &skill.name else {
            if self.reported("name") {
                return;
            }
            let help = format!("add the line `name: {folder}`");
            return self.find(
                Severity::Warning,
                TOP,
                "missing-name",
                "the front matter has no `name`".into(),
                help,
            );
        };
        let place = self.front.find("name").map_or(TOP, |entry| entry.place);
        if name != folder {
            let message = format!("the name `{name}` differs from the folder `{folder}`");
            let help =
                format!("tools are named after the folder; write `name: {folder}`, or rename the folder");
            self.find(Severity::Warning, place, "name-differs", message, help);
        }
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.len() > NAME_CHARS_MAX || !name.bytes().all(legal) {
            let message = format!("the name `{name}` is not one that every reader of skills accepts");
            let help = format!("use at most {NAME_CHARS_MAX} lower-case letters, digits and hyphens");
            self.find(Severity::Note, place, "unusual-name", message, help);
        }
    }

    fn check_description(&mut self, skill: &Skill) {
        let place = self.front.find("description").map_or(TOP, |entry| entry.place);
        let length = skill.description.as_deref().map_or(0, |text| text.trim().chars().count());
        if self.reported("description") {
            return;
        }
        if length == 0 {
            let help = "say in a sentence what the skill does and when a model should use it".to_owned();
            let message = "the front matter has no `description`".to_owned();
            self.find(Severity::Warning, place, "missing-description", message, help);
        } else if length > DESCRIPTION_CHARS_MAX {
            let message =
                format!("the description has {length} characters, and {DESCRIPTION_CHARS_MAX} are allowed");
            let help = "move the details below the front matter".to_owned();
            self.find(Severity::Warning, place, "long-description", message, help);
        }
    }

    fn check_keys(&mut self) {
        let options = || ToolOption::all(OptionPlace::FrontMatter).map(|option| option.name);
        for entry in &self.front.entries {
            if !OWN_KEYS.contains(&entry.key.as_str()) && options().all(|option| option != entry.key) {
                let message = format!("the key `{}` means nothing to omni", entry.key);
                let help = match crate::similar::closest(&entry.key, OWN_KEYS.into_iter().chain(options())) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "put it under `metadata:` to keep it".to_owned(),
                };
                self.find(Severity::Note, entry.place, "unknown-key", message, help);
            }
        }
    }

    /// The entry of a key, at the top or under `metadata`.
    fn entry(&self, key: &str) -> Option<&'a Entry> {
        let metadata = self.front.find("metadata").map(|entry| entry.value.map()).unwrap_or_default();
        self.front.find(key).or_else(|| front_matter::find(metadata, key))
    }

    fn text(&mut self, key: &str) -> Option<String> {
        let entry = self.entry(key)?;
        let text = entry.value.text();
        if text.is_none() {
            self.bad_value(entry, "a text", "write it on one line, in quotes if it holds a colon");
        }
        text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Whether a value of the wrong kind stands there, which has been said.
    fn reported(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| entry.value.text().is_none())
    }

    fn metadata(&mut self) -> Map<String, Value> {
        let Some(entry) = self.front.find("metadata") else { return Map::new() };
        if entry.value.text().is_some_and(|text| !text.is_empty()) || matches!(entry.value, Yaml::List(_)) {
            self.bad_value(
                entry,
                "a mapping",
                "write one `key: value` a line below it, each with two blanks before it",
            );
        }
        object(entry.value.map())
    }

    fn list(&mut self, key: &str) -> Vec<String> {
        let Some(entry) = self.entry(key) else { return Vec::new() };
        let (texts, help) = entry.value.texts();
        if let Some(help) = help {
            self.bad_value(entry, "a list of texts", help);
        }
        texts
    }

    /// A list, or a text of words: `Bash(git add:*) Read`. Blanks within brackets do not part words.
    fn words(&mut self, key: &str) -> Vec<String> {
        let Some(text) = self.entry(key).and_then(|entry| entry.value.text()) else { return self.list(key) };
        let mut depth = 0usize;
        let parts = text.split(|c: char| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && (c == ',' || c.is_whitespace())
        });
        parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    fn flag(&mut self, key: &str) -> bool {
        let Some(entry) = self.entry(key) else { return false };
        entry.value.flag().unwrap_or_else(|| {
            self.bad_value(entry, "`true` or `false`", "it is taken as `false`");
            false
        })
    }

    fn executor(&mut self) -> Option<ExecutorKind> {
        let option = ToolOption::find("executor", OptionPlace::FrontMatter)?;
        let entry = self.entry(option.name)?;
        let help = format!("{} until then", option.without);
        let Some(name) = entry.value.text() else {
            self.bad_value(entry, &option.wanted(OptionPlace::FrontMatter), &help);
            return None;
        };
        match name.parse() {
            Ok(kind) => Some(kind),
            Err(error) => {
                let message = format!("`executor: {name}`: {error}");
                self.find(Severity::Error, entry.place, "bad-value", message, help);
                None
            }
        }
    }

    /// The options of its tools that are acted on when a call is made, each as the table of options says.
    fn call_options(&mut self) -> CallOptions {
        let mut set = CallOptions::default();
        for option in ToolOption::all(OptionPlace::FrontMatter) {
            let Some(entry) = self.entry(option.name) else { continue };
            let value = match option.kind {
                // Read by themselves: they are no part of these.
                OptionKind::Executor | OptionKind::Texts => continue,
                OptionKind::Exceptions => Some(OptionValue::Texts(self.list(option.name))),
                _ => entry.value.text().and_then(|word| option.parse(word, OptionPlace::FrontMatter)),
            };
            if value.is_none_or(|value| !set.set(option.name, OptionPlace::FrontMatter, value)) {
                let instance = match option.kind {
                    OptionKind::Seconds => "write for instance `120`; ",
                    _ => "",
                };
                let help = format!("{instance}{} until then", option.without);
                self.bad_value(entry, &option.wanted(OptionPlace::FrontMatter), &help);
            }
        }
        set
    }

    /// Any other word was meant to separate the skill from others, so it does.
    fn trust(&mut self) -> Trust {
        let Some(entry) = self.entry("trust") else { return Trust::Shared };
        entry.value.text().and_then(|name| name.parse().ok()).unwrap_or_else(|| {
            let help = "the skill gets processes of its own, as with `own`, until then";
            self.bad_value(entry, "`shared` or `own`", help);
            Trust::Own
        })
    }

    fn bad_value(&mut self, entry: &Entry, expected: &str, help: &str) {
        let given = entry.value.text().map(|text| format!("; it is `{text}`")).unwrap_or_default();
        let message = format!("`{}` must be {expected}{given}", entry.key);
        self.find(Severity::Warning, entry.place, "bad-value", message, help.to_owned());
    }

    fn find(&mut self, severity: Severity, place: Position, code: &str, message: String, help: String) {
        self.findings.push(Diagnostic {
            severity,
            skill: self.folder.to_owned(),
            file: format!("{}/SKILL.md", self.folder),
            line: place.line,
            column: place.column,
            code: code.to_owned(),
            message,
            help: Some(help),
        });
    }
}

fn object(entries: &[Entry]) -> Map<String, Value> {
    entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect()
}

fn json(value: &Yaml) -> Value {
    match value {
        Yaml::Text(text) | Yaml::Quoted(text) => Value::from(text.as_str()),
        Yaml::List(items) => items.iter().map(json).collect(),
        Yaml::Map(entries) => Value::Object(object(entries)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_large_is_so_for_python_too() {
        let shared = include_str!("../../../conformance/shared.json");
        let shared: Value = serde_json::from_str(shared).unwrap();
        assert_eq!(shared["front_matter"]["file_bytes_max"], crate::folder::FILE_BYTES_MAX);
    }

    #[test]
    fn every_option_of_the_front_matter_is_read_and_a_wrong_value_costs_that_option_alone() {
        for option in ToolOption::all(OptionPlace::FrontMatter) {
            let (good, bad) = match option.kind {
                OptionKind::Count { min, max, .. } => (max.to_string(), format!("-{min}1")),
                OptionKind::Choice(words) => {
                    (words.concat().get(..words[0].len()).unwrap_or_default().to_owned(), "x".into())
                }
                OptionKind::Flag | OptionKind::Hint(_) => ("true".into(), "perhaps".into()),
                OptionKind::Executor => ("spawn".into(), "thread".into()),
                OptionKind::Exceptions | OptionKind::Texts => ("OSError".into(), "{a: b}".into()),
                _ => ("1.5".into(), "soon".into()),
            };
            let read = |value: &str| {
                let mut findings = Vec::new();
                let text = format!("---\nname: a\ndescription: d\n{}: {value}\n---\n", option.name);
                let (skill, _) = Skill::read("a", &text, &mut findings);
                // As it stands there it would tell any two values apart.
                (Skill { front_matter: Map::new(), ..skill }, findings)
            };
            let (without, _) = read("\"\"");
            let (skill, findings) = read(&good);
            assert!(findings.is_empty(), "{}: {good}: {findings:?}", option.name);
            assert_ne!(skill, without, "{}: {good} is read and goes nowhere", option.name);
            let (skill, findings) = read(&bad);
            assert_eq!(findings.len(), 1, "{}: {bad}: {findings:?}", option.name);
            assert_eq!((findings[0].code.as_str(), findings[0].line), ("bad-value", 4), "{findings:?}");
            assert_eq!(skill, without, "{}: {bad}", option.name);
        }
    }
}

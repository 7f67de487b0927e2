//! What one skill is: its front matter, checked, and the settings that hold for all of its tools.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use omni_call::{Affinity, ExecutorKind, ForkSettings, Policy, TimeLimits, Trust};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::declared_tools::{self, DeclaredTool};
use crate::front_matter::{self, Entry, FrontMatter, Position, Yaml};
use crate::{Diagnostic, Severity};

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
    /// Its folder, absolute; empty where it is not here.
    #[serde(skip)]
    pub path: PathBuf,
}

impl Skill {
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

/// What holds until a value is put right.
const EXECUTOR_DEFAULT: &str = "its tools run with the server's default executor until then";
const FORK_DEFAULT: &str = "the server's default holds until then";
const NO_LIMIT: &str = "there is no such limit until then";

const TOP: Position = Position { line: 1, column: 1 };

/// Keys that have a meaning here; at the top or under `metadata`.
const KNOWN_KEYS: [&str; 26] = [
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
    "executor",
    "ahead",
    "calls",
    "timeout",
    "idle_timeout",
    "affinity",
    "concurrency",
    "retry_on",
    "max_attempts",
    "tools",
    "tags",
];

struct SkillReader<'a> {
    folder: &'a str,
    front: &'a FrontMatter,
    findings: &'a mut Vec<Diagnostic>,
}

impl<'a> SkillReader<'a> {
    fn skill(&mut self) -> Skill {
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
            fork: ForkSettings {
                ahead: self.count("ahead", 0..=ForkSettings::AHEAD_MAX, FORK_DEFAULT),
                calls: self.count("calls", 1..=ForkSettings::CALLS_MAX, FORK_DEFAULT),
            },
            limits: TimeLimits {
                timeout_ms: self.milliseconds("timeout"),
                idle_timeout_ms: self.milliseconds("idle_timeout"),
            },
            path: PathBuf::new(),
            policy: Policy {
                retry_on: self.list("retry_on"),
                max_attempts: self.count("max_attempts", 1..=Policy::ATTEMPTS_MAX, NO_LIMIT),
                skill_concurrency: self.count("concurrency", 1..=Policy::CONCURRENCY_MAX, NO_LIMIT),
                affinity: self.affinity(),
                ..Policy::default()
            },
            tools: 0,
            digest: None,
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
        for entry in &self.front.entries {
            if !KNOWN_KEYS.contains(&entry.key.as_str()) {
                let message = format!("the key `{}` means nothing to omni", entry.key);
                let help = match crate::similar::closest(&entry.key, KNOWN_KEYS) {
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
        match &entry.value {
            Yaml::List(items) => {
                let texts: Vec<String> = items.iter().filter_map(Yaml::text).map(str::to_owned).collect();
                if texts.len() < items.len() {
                    let help = "an item that holds a colon needs quotes; the others are taken until then";
                    self.bad_value(entry, "a list of texts", help);
                }
                texts
            }
            Yaml::Text(text) | Yaml::Quoted(text) => {
                text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
            }
            Yaml::Map(_) => {
                self.bad_value(entry, "a list of texts", "write one `- item` a line, or `[a, b]`");
                Vec::new()
            }
        }
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
        match entry.value.text().map(str::to_ascii_lowercase).as_deref() {
            Some("true" | "yes" | "on") => true,
            Some("false" | "no" | "off") => false,
            _ => {
                self.bad_value(entry, "`true` or `false`", "it is taken as `false`");
                false
            }
        }
    }

    fn executor(&mut self) -> Option<ExecutorKind> {
        let entry = self.entry("executor")?;
        let Some(name) = entry.value.text() else {
            self.bad_value(entry, &ExecutorKind::names(), EXECUTOR_DEFAULT);
            return None;
        };
        match name.parse() {
            Ok(kind) => Some(kind),
            Err(error) => {
                let message = format!("`executor: {name}`: {error}");
                self.find(Severity::Error, entry.place, "bad-value", message, EXECUTOR_DEFAULT.to_owned());
                None
            }
        }
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

    fn affinity(&mut self) -> Option<Affinity> {
        let entry = self.entry("affinity")?;
        let affinity = entry.value.text().and_then(|name| name.parse().ok());
        if affinity.is_none() {
            let help = "any worker serves any call until then";
            self.bad_value(entry, "`none`, `session` or `single`", help);
        }
        affinity
    }

    fn count(&mut self, key: &str, allowed: RangeInclusive<u32>, help: &str) -> Option<u32> {
        let entry = self.entry(key)?;
        let count = entry.value.text().and_then(|text| text.parse::<u32>().ok());
        let count = count.filter(|count| allowed.contains(count));
        if count.is_none() {
            let wanted = format!("a number from {} to {}", allowed.start(), allowed.end());
            self.bad_value(entry, &wanted, help);
        }
        count
    }

    fn milliseconds(&mut self, key: &str) -> Option<u64> {
        let entry = self.entry(key)?;
        let seconds = entry.value.text().and_then(|text| text.parse::<f64>().ok());
        match seconds.filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds)) {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range was checked on the line above"
            )]
            Some(seconds) => Some((seconds * 1_000.0).ceil() as u64),
            None => {
                self.bad_value(entry, "a number of seconds", "write for instance `120`, or `0` for no limit");
                None
            }
        }
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

/// A year. More is a mistake, and keeps arithmetic on deadlines far from overflow.
const SECONDS_MAX: f64 = 31_536_000.0;

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
    fn the_bounds_of_front_matter_are_those_of_python() {
        let shared = include_str!("../../../conformance/shared.json");
        let shared: Value = serde_json::from_str(shared).unwrap();
        let bounds = &shared["front_matter"];
        assert_eq!(bounds["seconds_max"].as_f64(), Some(SECONDS_MAX));
        assert_eq!(shared["options"]["seconds_max"].as_f64(), Some(crate::declared_tools::SECONDS_MAX));
        assert_eq!(bounds["file_bytes_max"], crate::folder::FILE_BYTES_MAX);
    }
}

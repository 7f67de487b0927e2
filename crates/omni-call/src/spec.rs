//! How one tool is run: what the manifest records so that no executor has to ask Python.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ExecutorKind, ForkSettings, Policy, ProgramSpec, Requirements, Trust};

/// Everything an executor needs to know about a tool.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunSpec {
    /// The canonical name, `<skill>.<command>`.
    pub tool: String,
    pub skill: String,
    pub command: String,
    /// Absolute path of the skill's folder.
    pub skill_dir: PathBuf,
    /// The source file, relative to the skill's folder, with `/`.
    pub file: String,
    /// The function's name in that file.
    pub function: String,
    pub is_async: bool,
    pub executor: ExecutorKind,
    /// What the tool or its skill says for the case that `executor` is [`ExecutorKind::Fork`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub fork: ForkSettings,
    /// The return value is put under `{"result": …}` in structured content, because its schema is not an
    /// object's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrap_result: bool,
    /// The tool declares an output schema, so its result carries structured content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub structured: bool,
    /// Parameters that are filled in by the worker and never shown to a client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<Inject>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: Policy,
    /// Its file is imported when a worker starts, rather than by its first call there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preload: bool,
    /// Which other skills its processes may serve.
    #[serde(default, skip_serializing_if = "Trust::is_shared")]
    pub trust: Trust,
    /// What its calls leave in their temporary folder stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_temp: bool,
    /// What the tool needs installed; `None` runs with the server's own interpreter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Requirements>,
    /// Set for a tool that is no Python function; `file` and `function` say where it is declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<ProgramSpec>,
    /// Python's description of where the tool is, written once: see [`target`](Self::target).
    #[serde(skip)]
    target: OnceLock<Box<str>>,
}

/// One injected parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inject {
    pub parameter: String,
    /// `context`, `settings`, `paths` or `project_root`.
    pub kind: String,
}

/// Time limits that a tool or its skill declares, in milliseconds. `None` takes the server's default, 0
/// switches the clock off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
}

impl Limits {
    /// The total and idle limits in force, given the server's defaults (`None` = off).
    pub fn resolve(
        &self,
        total: Option<Duration>,
        idle: Option<Duration>,
    ) -> (Option<Duration>, Option<Duration>) {
        let pick = |own: Option<u64>, default| match own {
            None => default,
            Some(0) => None,
            Some(ms) => Some(Duration::from_millis(ms)),
        };
        (pick(self.timeout_ms, total), pick(self.idle_timeout_ms, idle))
    }
}

impl RunSpec {
    /// A specification with the fields that have no sensible default; the rest is set on the value.
    pub fn new(skill: &str, command: &str, skill_dir: PathBuf, file: &str, function: &str) -> Self {
        RunSpec {
            tool: format!("{skill}.{command}"),
            skill: skill.to_owned(),
            command: command.to_owned(),
            skill_dir,
            file: file.to_owned(),
            function: function.to_owned(),
            is_async: false,
            executor: ExecutorKind::Pool,
            fork: ForkSettings::default(),
            wrap_result: false,
            structured: false,
            inject: Vec::new(),
            limits: Limits::default(),
            policy: Policy::default(),
            preload: false,
            trust: Trust::default(),
            keep_temp: false,
            requirements: None,
            program: None,
            target: OnceLock::new(),
        }
    }

    /// What a worker needs to find and call the function, as a JSON object. Serialised on first use and
    /// kept, since it goes out with every call.
    pub fn target(&self) -> &str {
        self.target.get_or_init(|| {
            let target = Target {
                tool: &self.tool,
                skill: &self.skill,
                dir: &self.skill_dir.to_string_lossy(),
                file: &self.file,
                function: &self.function,
                wrap: self.wrap_result,
                structured: self.structured,
                inject: &self.inject,
                keep_temp: self.keep_temp,
            };
            serde_json::to_string(&target).unwrap_or_default().into()
        })
    }
}

#[derive(Serialize)]
struct Target<'a> {
    tool: &'a str,
    skill: &'a str,
    dir: &'a str,
    file: &'a str,
    function: &'a str,
    wrap: bool,
    structured: bool,
    inject: &'a [Inject],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep_temp: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

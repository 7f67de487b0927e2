//! How one tool is run: what the manifest records so that no executor has to ask Python.

use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{ExecutorKind, InjectedParameter, Policy, Target, Trust};

/// Everything an executor needs to know about a tool.
#[derive(Debug, Serialize, Deserialize)]
pub struct RunSpec {
    /// The canonical name, `<skill>.<command>`.
    pub tool: String,
    pub skill: String,
    pub command: String,
    /// What is called.
    pub target: Target,
    pub executor: ExecutorKind,
    /// The tool declares an output schema, so its result carries structured content.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub structured: bool,
    #[serde(default)]
    pub limits: TimeLimits,
    #[serde(default, skip_serializing_if = "is_default")]
    pub policy: Policy,
    /// Which other skills its processes may serve.
    #[serde(default, skip_serializing_if = "Trust::is_shared")]
    pub trust: Trust,
    /// What its calls leave in their temporary folder stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep_temp: bool,
    /// What a worker is told of the tool, written once: see [`worker_target`](Self::worker_target).
    #[serde(skip)]
    worker_target: OnceLock<Box<str>>,
}

/// Time limits that a tool or its skill declares, in milliseconds. `None` takes the server's default, 0
/// switches the clock off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLimits {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
}

impl TimeLimits {
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
    pub fn new(skill: &str, command: &str, target: impl Into<Target>) -> Self {
        RunSpec {
            tool: format!("{skill}.{command}"),
            skill: skill.to_owned(),
            command: command.to_owned(),
            target: target.into(),
            executor: ExecutorKind::Pool,
            structured: false,
            limits: TimeLimits::default(),
            policy: Policy::default(),
            trust: Trust::default(),
            keep_temp: false,
            worker_target: OnceLock::new(),
        }
    }

    /// Whether a call of the tool may ask its client something before it answers: a Python function that takes the
    /// call's context. Such a call is never sent ahead of another to one worker, or its answer would stand behind that
    /// other call.
    pub fn may_ask(&self) -> bool {
        self.target.python().is_some_and(crate::PythonTarget::takes_context)
    }

    /// What a worker needs to find and call the Python function, as a JSON object. Serialised on first use and
    /// kept, since it goes out with every call. Empty for a tool that is none: no worker is sent one.
    pub fn worker_target(&self) -> &str {
        let Target::Python(python) = &self.target else { return "" };
        self.worker_target.get_or_init(|| {
            let target = WorkerTarget {
                tool: &self.tool,
                skill: &self.skill,
                dir: &python.dir.to_string_lossy(),
                file: &python.file,
                function: &python.function,
                wrap: python.wrap_result,
                structured: self.structured,
                last_good: python.last_good,
                inject: &python.inject,
                keep_temp: self.keep_temp,
            };
            serde_json::to_string(&target).unwrap_or_default().into()
        })
    }
}

#[derive(Serialize)]
struct WorkerTarget<'a> {
    tool: &'a str,
    skill: &'a str,
    dir: &'a str,
    file: &'a str,
    function: &'a str,
    wrap: bool,
    structured: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    last_good: bool,
    inject: &'a [InjectedParameter],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep_temp: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::{ProgramTarget, PythonTarget};

    fn spec(target: impl Into<Target>) -> RunSpec {
        RunSpec::new("notes", "save", target)
    }

    fn python(inject: &[(&str, &str)]) -> PythonTarget {
        let inject = inject.iter().map(|(parameter, kind)| InjectedParameter {
            parameter: (*parameter).into(),
            kind: (*kind).into(),
        });
        PythonTarget { inject: inject.collect(), ..PythonTarget::new("/s/notes", "scripts/a.py", "save") }
    }

    #[test]
    fn only_a_python_function_that_takes_the_context_may_ask() {
        assert!(spec(python(&[("paths", "paths"), ("ctx", "context")])).may_ask());
        assert!(!spec(python(&[("context", "settings")])).may_ask(), "the name of a parameter says nothing");
        assert!(!spec(python(&[])).may_ask());
        assert!(!spec(ProgramTarget::default()).may_ask());
        assert!(!spec(Target::Remote { source: "r".into(), name: "notes.save".into() }).may_ask());
        assert!(!spec(Target::Native { name: "omni.doctor".into() }).may_ask());
    }

    #[test]
    fn every_kind_of_target_is_read_back_as_it_was_written_and_has_nothing_of_the_others() {
        let targets = [
            (
                "python",
                Target::from(python(&[("ctx", "context")])),
                vec!["dir", "file", "function", "inject"],
            ),
            (
                "program",
                ProgramTarget {
                    dir: "/s/notes".into(),
                    file: "SKILL.md".into(),
                    argv: vec!["ls".into()],
                    ..ProgramTarget::default()
                }
                .into(),
                vec!["argv", "dir", "file", "input", "output"],
            ),
            ("remote", Target::Remote { source: "r".into(), name: "n".into() }, vec!["name", "source"]),
            ("native", Target::Native { name: "n".into() }, vec!["name"]),
        ];
        for (tag, target, members) in targets {
            let written = serde_json::to_value(spec(target.clone())).unwrap();
            assert_eq!(written["target"].as_object().unwrap().keys().collect::<Vec<_>>(), [tag]);
            let mut keys: Vec<&str> =
                written["target"][tag].as_object().unwrap().keys().map(String::as_str).collect();
            keys.sort_unstable();
            assert_eq!(keys, members, "{written}");
            let read: RunSpec = serde_json::from_value(written).unwrap();
            assert_eq!(read.target, target);
        }
    }

    #[test]
    fn a_worker_is_told_where_a_function_is_and_nothing_of_what_is_none() {
        let saving = RunSpec { structured: true, ..spec(python(&[("ctx", "context")])) };
        let told: Value = serde_json::from_str(saving.worker_target()).unwrap();
        let expected = json!({
            "tool": "notes.save", "skill": "notes", "dir": "/s/notes", "file": "scripts/a.py", "function": "save",
            "wrap": false, "structured": true, "inject": [{"parameter": "ctx", "kind": "context"}],
        });
        assert_eq!(told, expected);
        assert_eq!(spec(ProgramTarget::default()).worker_target(), "");
        let kept = spec(PythonTarget { last_good: true, ..python(&[]) });
        let told: Value = serde_json::from_str(kept.worker_target()).unwrap();
        assert_eq!(told["last_good"], true, "what is not in the folder any more may run from what is kept");
    }

    #[test]
    fn a_folder_is_placed_where_there_is_one() {
        let skills = Path::new("/srv/skills");
        for mut target in [
            Target::from(PythonTarget::new("notes", "scripts/a.py", "save")),
            ProgramTarget { dir: "notes".into(), ..ProgramTarget::default() }.into(),
        ] {
            target.place_in(skills);
            assert_eq!(target.dir(), Some(Path::new("/srv/skills/notes")));
        }
        let mut remote = Target::Remote { source: "r".into(), name: "n".into() };
        remote.place_in(skills);
        assert_eq!((remote.dir(), remote.file(), remote.requirements()), (None, None, None));
    }
}

//! How one tool is run: what the manifest records so that no executor has to ask Python.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ExecutorKind, FunctionKind, InjectedParameter, Policy, Target, TimeLimits, Trust};

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
    #[serde(default, skip_serializing_if = "Policy::is_empty")]
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
    /// See [`code`](Self::code).
    #[serde(skip)]
    code: OnceLock<Code>,
}

/// A skill, as a number by which it is told from others quickly: made of its folder's path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SkillId(u64);

/// A version of a skill's code, as a number by which it is told from others quickly: made of its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodeId(u64);

/// Which version of which skill's code a call means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Code {
    pub skill: SkillId,
    /// `None` where none is named: any will do.
    pub version: Option<CodeId>,
}

/// A skill whose code is another one now, or that is gone: what executors are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillChange {
    /// Its folder's name.
    pub skill: String,
    /// Its folder, absolute.
    pub folder: PathBuf,
    /// The digest of the version that no call is to run any more; `None` where none is known.
    pub before: Option<String>,
}

impl SkillChange {
    /// The code that is outdated.
    pub fn outdated(&self) -> Code {
        Code { skill: SkillId::of(&self.folder), version: self.before.as_deref().map(CodeId::of) }
    }
}

impl SkillId {
    /// The skill in that folder, whose path is absolute.
    pub fn of(folder: &Path) -> Self {
        SkillId(fnv(folder.as_os_str().as_encoded_bytes()))
    }
}

impl CodeId {
    /// The version of that digest.
    pub fn of(digest: &str) -> Self {
        CodeId(fnv(digest.as_bytes()))
    }
}

/// FNV-1a. Nobody gains by two folders with one number: their workers would be replaced together.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
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
            code: OnceLock::new(),
        }
    }

    /// Whether a call of the tool may ask its client something before it answers: a Python function that takes the
    /// call's context. Such a call is never sent ahead of another to one worker, or its answer would stand behind that
    /// other call.
    pub fn may_ask(&self) -> bool {
        self.target.python().is_some_and(crate::PythonTarget::takes_context)
    }

    /// Whether a call of the tool may want something of the server that runs it: of a runner's tool nobody here knows.
    pub fn may_request(&self) -> bool {
        self.may_ask() || matches!(self.target, Target::Remote { .. })
    }

    /// Which version of which skill's code is meant. Computed on first use and kept, since it is asked with every call.
    pub fn code(&self) -> Code {
        *self.code.get_or_init(|| Code {
            skill: self.target.dir().map_or_else(SkillId::default, SkillId::of),
            version: self.target.python().and_then(|python| python.digest.as_deref()).map(CodeId::of),
        })
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
                kind: python.kind,
                mime_type: python.mime_type.as_deref(),
                meta: python.meta.as_deref(),
                wrap: python.wrap_result,
                structured: self.structured,
                last_good: python.last_good,
                inject: &python.inject,
                keep_temp: self.keep_temp,
                digest: python.digest.as_deref(),
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
    #[serde(skip_serializing_if = "FunctionKind::is_tool")]
    kind: FunctionKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a Map<String, Value>>,
    wrap: bool,
    structured: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    last_good: bool,
    inject: &'a [InjectedParameter],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    keep_temp: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::{FileKind, FileTarget, ProgramTarget, PythonTarget};

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
    fn what_may_ask_and_what_a_runner_has_may_want_something_of_the_server() {
        assert!(spec(python(&[("ctx", "context")])).may_request());
        assert!(spec(Target::Remote { source: "r".into(), name: "notes.save".into() }).may_request());
        assert!(!spec(python(&[])).may_request() && !spec(ProgramTarget::default()).may_request());
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
            (
                "file",
                FileTarget {
                    dir: "/s/notes".into(),
                    path: "references/a.md".into(),
                    kind: FileKind::Resource { mime_type: None, meta: None },
                }
                .into(),
                vec!["dir", "kind", "path"],
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
        let meant = spec(PythonTarget { digest: Some("d1".into()), ..python(&[]) });
        let told: Value = serde_json::from_str(meant.worker_target()).unwrap();
        assert_eq!(told["digest"], "d1", "which version of the code is meant");
        let prompt = spec(PythonTarget { kind: FunctionKind::Prompt, ..python(&[]) });
        let told: Value = serde_json::from_str(prompt.worker_target()).unwrap();
        assert_eq!(told["kind"], "prompt", "what is no tool says so");
        let mime_type = Some("text/csv".into());
        let meta = Some(Box::new(Map::from_iter([("ui".to_owned(), json!({}))])));
        let read = spec(PythonTarget { kind: FunctionKind::Resource, mime_type, meta, ..python(&[]) });
        let told: Value = serde_json::from_str(read.worker_target()).unwrap();
        assert_eq!((&told["kind"], &told["mime_type"]), (&json!("resource"), &json!("text/csv")));
        assert_eq!(told["meta"], json!({"ui": {}}));
    }

    #[test]
    fn a_version_of_a_skill_s_code_is_known_by_its_folder_and_its_digest() {
        let meant = |dir: &str, digest: Option<&str>| {
            let digest = digest.map(str::to_owned);
            spec(PythonTarget { digest, ..PythonTarget::new(dir, "scripts/a.py", "save") }).code()
        };
        assert_eq!(meant("/s/notes", Some("d1")), meant("/s/notes", Some("d1")));
        assert_ne!(meant("/s/notes", Some("d1")), meant("/s/notes", Some("d2")));
        assert_ne!(meant("/s/notes", Some("d1")).skill, meant("/t/notes", Some("d1")).skill);
        assert_eq!(meant("/s/notes", None).version, None);
        assert_eq!(meant("/s/notes", None).skill, SkillId::of(Path::new("/s/notes")));
        let program = ProgramTarget { dir: "/s/notes".into(), ..ProgramTarget::default() };
        assert_eq!(spec(program).code(), meant("/s/notes", None));
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

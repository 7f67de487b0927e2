//! What answers a call, and so what has to be known to run it: a Python function, a program, a file, something of
//! somebody else's, or a function of the server's own.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{FileTarget, ForkSettings, ProgramTarget, Requirements};

/// What is called when a tool is. An executor takes the kinds that it can run and refuses the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A function in a file of a skill.
    Python(PythonTarget),
    /// A program of any kind that a skill declares.
    Program(ProgramTarget),
    /// A file of a skill: a resource as it is, or a prompt to be filled in. No Python is needed for it.
    File(FileTarget),
    /// A tool that another process lists and runs, such as a runner.
    Remote {
        /// The source of the catalogue that lists it: for a runner its address.
        source: String,
        /// What it is called there.
        name: String,
    },
    /// A function of this program.
    Native {
        /// Its name in the table of those.
        name: String,
    },
}

/// A Python function: where it stands, and how it is to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonTarget {
    /// Absolute path of the skill's folder.
    pub dir: PathBuf,
    /// The source file, relative to the skill's folder, with `/`.
    pub file: String,
    /// The function's name in that file.
    pub function: String,
    /// What it is offered as, and so what its arguments and its return value mean.
    #[serde(default, skip_serializing_if = "FunctionKind::is_tool")]
    pub kind: FunctionKind,
    /// Of a resource: the MIME type of contents that name none themselves; what they are says theirs by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Of a resource: the `_meta` of each of its contents, beneath what those say themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Box<Map<String, Value>>>,
    #[serde(default, rename = "async", skip_serializing_if = "std::ops::Not::not")]
    pub is_async: bool,
    /// The return value is put under `{"result": …}` in structured content, because its schema is not an
    /// object's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrap_result: bool,
    /// Parameters that are filled in by the worker and never shown to a client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inject: Vec<InjectedParameter>,
    /// Its file is imported when a worker starts, rather than by its first call there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preload: bool,
    /// What the tool or its skill says for the case that it is forked.
    #[serde(default, skip_serializing_if = "ForkSettings::is_empty")]
    pub fork: ForkSettings,
    /// What the tool needs installed; `None` runs with the server's own interpreter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Requirements>,
    /// The version of its skill's code that is meant: the digest over all Python files of the skill, in hexadecimal digits
    /// (`conformance/skill-digest.json`). No other version is run for a call of it. `None` runs what is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The folder has another version by now, in which an edit has broken a file: this one is served until that is mended,
    /// by workers that have loaded it, and by others from the code that is kept of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last_good: bool,
}

/// What a Python function is offered as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FunctionKind {
    #[default]
    Tool,
    /// A resource, or a template of some: its arguments are the template's variables.
    Resource,
    Prompt,
    /// The values that an argument of a prompt or template may have.
    Completion,
}

impl FunctionKind {
    /// Whether it is the default, which is not written.
    pub fn is_tool(&self) -> bool {
        *self == FunctionKind::Tool
    }

    /// The word in frames and manifests.
    pub fn name(self) -> &'static str {
        match self {
            FunctionKind::Tool => "tool",
            FunctionKind::Resource => "resource",
            FunctionKind::Prompt => "prompt",
            FunctionKind::Completion => "completion",
        }
    }
}

/// One injected parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedParameter {
    pub parameter: String,
    /// `context`, `settings`, `paths` or `project_root`.
    pub kind: String,
}

impl PythonTarget {
    /// A sync function that has nothing filled in and needs nothing installed; the rest is set on the value.
    pub fn new(dir: impl Into<PathBuf>, file: &str, function: &str) -> Self {
        PythonTarget {
            dir: dir.into(),
            file: file.to_owned(),
            function: function.to_owned(),
            ..PythonTarget::default()
        }
    }

    /// Whether the call's context is among the parameters that are filled in.
    pub fn takes_context(&self) -> bool {
        self.inject.iter().any(|inject| inject.kind == "context")
    }
}

impl Target {
    /// The Python function, if it is one.
    pub fn python(&self) -> Option<&PythonTarget> {
        match self {
            Target::Python(python) => Some(python),
            Target::Program(_) | Target::File(_) | Target::Remote { .. } | Target::Native { .. } => None,
        }
    }

    /// The program, if it is one.
    pub fn program(&self) -> Option<&ProgramTarget> {
        match self {
            Target::Program(program) => Some(program),
            Target::Python(_) | Target::File(_) | Target::Remote { .. } | Target::Native { .. } => None,
        }
    }

    /// The folder of the skill that it is part of; `None` for what is in no folder here.
    pub fn dir(&self) -> Option<&Path> {
        match self {
            Target::Python(PythonTarget { dir, .. })
            | Target::Program(ProgramTarget { dir, .. })
            | Target::File(FileTarget { dir, .. }) => Some(dir),
            Target::Remote { .. } | Target::Native { .. } => None,
        }
    }

    /// The file that it is written or declared in, relative to [`dir`](Self::dir).
    pub fn file(&self) -> Option<&str> {
        match self {
            Target::Python(PythonTarget { file, .. })
            | Target::Program(ProgramTarget { file, .. })
            | Target::File(FileTarget { path: file, .. }) => Some(file),
            Target::Remote { .. } | Target::Native { .. } => None,
        }
    }

    /// What has to be installed for it on this machine.
    pub fn requirements(&self) -> Option<&Requirements> {
        match self {
            Target::Python(PythonTarget { requirements, .. })
            | Target::Program(ProgramTarget { requirements, .. }) => requirements.as_ref(),
            Target::File(_) | Target::Remote { .. } | Target::Native { .. } => None,
        }
    }

    /// Makes the path of its folder absolute, where it is known relative to `skills`.
    pub fn place_in(&mut self, skills: &Path) {
        match self {
            Target::Python(PythonTarget { dir, .. })
            | Target::Program(ProgramTarget { dir, .. })
            | Target::File(FileTarget { dir, .. }) => *dir = skills.join(&*dir),
            Target::Remote { .. } | Target::Native { .. } => {}
        }
    }

    /// What it is, in words for a message: `a Python function`, `a program`, and so on.
    pub fn about(&self) -> &'static str {
        match self {
            Target::Python(_) => "a Python function",
            Target::Program(_) => "a program",
            Target::File(_) => "a file",
            Target::Remote { .. } => "a tool of another server",
            Target::Native { .. } => "a tool of the server itself",
        }
    }
}

impl From<PythonTarget> for Target {
    fn from(python: PythonTarget) -> Self {
        Target::Python(python)
    }
}

impl From<ProgramTarget> for Target {
    fn from(program: ProgramTarget) -> Self {
        Target::Program(program)
    }
}

impl From<FileTarget> for Target {
    fn from(file: FileTarget) -> Self {
        Target::File(file)
    }
}

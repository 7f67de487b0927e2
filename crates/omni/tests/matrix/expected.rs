//! What each fixture must come to: the `expected.toml` beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::Deserialize;

use crate::client::Transport;
use crate::support::Folder;

/// One way to misbehave, and what must be seen of it.
#[derive(Debug)]
pub(crate) struct Fixture {
    /// The name that clients call.
    pub(crate) tool: String,
    expected: Expected,
}

/// What a row must show. Everything has a default, the commonest case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Expected {
    /// How the call ends; several where chance decides.
    pub(crate) kind: OneOf,
    pub(crate) phase: String,
    /// `false` where nothing is said, and not looked at where several outcomes are possible.
    pub(crate) retryable: Option<bool>,
    /// Fragments of the text that the model reads.
    pub(crate) says: Vec<String>,
    /// Fragments of the Python stack in `_meta`.
    pub(crate) stack: Vec<String>,
    /// Members that `_meta` must have besides.
    pub(crate) meta: Vec<String>,
    /// It does nothing that a tool inside the server's own process must not do.
    pub(crate) trusted: bool,
    /// What the tool has started may go on until the server ends, and no longer.
    pub(crate) goes_on: bool,
    /// Which ways differ, and why.
    differs: Vec<Differs>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOf {
    One(String),
    Some(Vec<String>),
}

/// A difference that is allowed, with its reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Differs {
    ways: Vec<String>,
    because: String,
    /// Only by that transport.
    transport: Option<Transport>,
    /// Only where this machine has no pid namespaces for tools.
    #[serde(default)]
    without_namespaces: bool,
    /// The row is left out. For what is known to fail, or cannot be asked of this way.
    #[serde(default)]
    skip: bool,
    kind: Option<OneOf>,
    phase: Option<String>,
    retryable: Option<bool>,
    says: Option<Vec<String>>,
    stack: Option<Vec<String>>,
    meta: Option<Vec<String>>,
    goes_on: Option<bool>,
}

impl Default for Expected {
    fn default() -> Self {
        Expected {
            kind: OneOf::One("finished".to_owned()),
            phase: "started".to_owned(),
            retryable: None,
            says: Vec::new(),
            stack: Vec::new(),
            meta: Vec::new(),
            trusted: false,
            goes_on: false,
            differs: Vec::new(),
        }
    }
}

impl OneOf {
    /// Whether it is known beforehand how the call ends.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self, OneOf::One(_))
    }

    pub(crate) fn has(&self, kind: &str) -> bool {
        match self {
            OneOf::One(one) => one == kind,
            OneOf::Some(some) => some.iter().any(|one| one == kind),
        }
    }
}

impl Fixture {
    /// What this way must show, or why it is left out.
    pub(crate) fn expected(&self, transport: Transport, way: &str) -> Result<Expected, String> {
        let mut expected = self.expected.clone();
        if way == "embedded" && !expected.trusted {
            return Err("a tool inside the server's process can do to it whatever it likes".to_owned());
        }
        for differs in &self.expected.differs {
            let concerns = differs.ways.iter().any(|named| named == way || named == "all")
                && differs.transport.is_none_or(|named| named == transport);
            if !concerns || differs.without_namespaces && has_namespaces() {
                continue;
            }
            if differs.skip {
                return Err(differs.because.clone());
            }
            let own = differs.clone();
            expected.kind = own.kind.unwrap_or(expected.kind);
            expected.phase = own.phase.unwrap_or(expected.phase);
            expected.retryable = own.retryable.or(expected.retryable);
            expected.says = own.says.unwrap_or(expected.says);
            expected.stack = own.stack.unwrap_or(expected.stack);
            expected.meta = own.meta.unwrap_or(expected.meta);
            expected.goes_on = own.goes_on.unwrap_or(expected.goes_on);
        }
        Ok(expected)
    }

    /// The differences, for a check of the table itself.
    pub(crate) fn differences(&self) -> impl Iterator<Item = (&[String], &str)> {
        self.expected.differs.iter().map(|differs| (differs.ways.as_slice(), differs.because.as_str()))
    }
}

/// Whether processes of tools live in pid namespaces of their own here, as `omni doctor` says.
fn has_namespaces() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        let skills = skills();
        let mut folder = Folder::empty();
        folder.env = vec![("OMNI_ISOLATION", "auto".to_owned())];
        let doctor = folder.run(&["doctor", "--json", "--skills", skills.to_str().unwrap()]);
        let said: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
        said["isolation"] == "namespaces"
    })
}

/// The folder of fixtures.
pub(crate) fn skills() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/skills").canonicalize().unwrap()
}

/// Every row that an `expected.toml` has, by tool.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let mut fixtures = Vec::new();
    for entry in fs::read_dir(skills()).unwrap() {
        let path = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(path.join("expected.toml")) else { continue };
        let skill = path.file_name().unwrap().to_string_lossy().into_owned();
        let table: BTreeMap<String, Expected> =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{skill}/expected.toml: {error}"));
        fixtures.extend(
            table
                .into_iter()
                .map(|(command, expected)| Fixture { tool: format!("{skill}.{command}"), expected }),
        );
    }
    fixtures.sort_by(|a, b| a.tool.cmp(&b.tool));
    fixtures
}

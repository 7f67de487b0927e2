//! What does `conformance/options.json` say, and is it what its readers can use?

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

const FILE: &str = include_str!("../../../../conformance/options.json");

/// The file. Its `about` and `fields` are for people.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Options {
    #[serde(rename = "about")]
    pub(super) _about: Value,
    #[serde(rename = "fields")]
    pub(super) fields: serde_json::Map<String, Value>,
    pub(super) seconds_max: SecondsMax,
    pub(super) carriers: Carriers,
    pub(super) options: Vec<Entry>,
    pub(super) without_effect: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SecondsMax {
    pub(super) decorator: u64,
    pub(super) front_matter: u64,
    pub(super) program: u64,
    pub(super) resource: u64,
    pub(super) prompt: u64,
    pub(super) completion: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carriers {
    pub(super) limits: Carrier,
    pub(super) policy: Carrier,
    pub(super) fork: Carrier,
}

impl Carriers {
    pub(super) fn all(&self) -> [(&'static str, &Carrier); 3] {
        [("limits", &self.limits), ("policy", &self.policy), ("fork", &self.fork)]
    }
}

/// A struct of omni-call whose members are options.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Carrier {
    pub(super) r#type: String,
    pub(super) copy: bool,
    pub(super) doc: String,
    /// Flags that nobody sets: they follow from other options.
    #[serde(default)]
    pub(super) computed: Vec<Computed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Computed {
    pub(super) member: String,
    pub(super) doc: String,
}

/// One option.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) at: Vec<String>,
    #[serde(default)]
    pub(super) none_is_given: bool,
    #[serde(default)]
    pub(super) of: String,
    pub(super) min: Option<u32>,
    pub(super) max: Option<u32>,
    #[serde(default)]
    pub(super) choices: Vec<String>,
    /// The type of a choice, in Rust.
    pub(super) r#type: Option<String>,
    /// What `False` and `True` mean, where a choice may be one.
    #[serde(default)]
    pub(super) flags: Vec<String>,
    pub(super) hint: Option<String>,
    pub(super) carried: Option<String>,
    pub(super) front_matter_member: Option<String>,
    pub(super) setting: Option<String>,
    #[serde(default)]
    pub(super) default: String,
    #[serde(default)]
    pub(super) without: String,
    pub(super) meaning: String,
    pub(super) doc: String,
    /// What the author of something else than a tool reads, by place.
    #[serde(default)]
    pub(super) docs: BTreeMap<String, String>,
    /// Second names.
    #[serde(default)]
    pub(super) also: Vec<String>,
}

/// Where an option may stand.
pub(super) const PLACES: [&str; 6] =
    ["decorator", "front_matter", "program", "resource", "prompt", "completion"];

impl Entry {
    /// What the author of a thing whose options stand at `place` reads.
    pub(super) fn doc(&self, place: &str) -> &str {
        self.docs.get(place).unwrap_or(&self.doc)
    }

    pub(super) fn stands_in(&self, place: &str) -> bool {
        self.at.iter().any(|at| at == place)
    }

    /// The member that carries it.
    pub(super) fn member(&self) -> String {
        if self.kind == "seconds" { format!("{}_ms", self.name) } else { self.name.clone() }
    }
}

/// Reads the file, and refuses what no reader of it could use.
pub(in super::super) fn read(root: &Path) -> Result<Options> {
    let options: Options = serde_json::from_str(FILE).context("conformance/options.json")?;
    for entry in &options.options {
        check(entry, &options, root)
            .with_context(|| format!("conformance/options.json, `{}`", entry.name))?;
    }
    Ok(options)
}

fn check(entry: &Entry, options: &Options, root: &Path) -> Result<()> {
    let known = options.fields.get("kind").and_then(Value::as_str).unwrap_or_default();
    ensure!(known.contains(&format!("`{}`", entry.kind)), "there is no kind `{}`", entry.kind);
    for at in &entry.at {
        ensure!(PLACES.contains(&at.as_str()), "an option cannot stand at `{at}`");
    }
    for place in entry.docs.keys() {
        ensure!(entry.stands_in(place), "`docs` is for `{place}`, where it cannot stand");
    }
    ensure!(
        (entry.kind == "count") == (entry.min.is_some() && entry.max.is_some()),
        "`min` and `max` are for a `count`, which needs both"
    );
    let carried = entry.carried.as_deref();
    if let Some(carrier) = carried {
        ensure!(
            options.carriers.all().iter().any(|(name, _)| *name == carrier),
            "`{carrier}` carries nothing"
        );
    } else if matches!(entry.kind.as_str(), "count" | "exceptions")
        || matches!(entry.kind.as_str(), "seconds" | "choice") && !entry.at.iter().all(|at| at == "resource")
    {
        bail!("a value of the kind `{}` has to be `carried` by something", entry.kind);
    }
    // An option that nothing acts on would be accepted and do nothing.
    let text = fs::read_to_string(root.join(&entry.meaning))
        .with_context(|| format!("`meaning` names {}, which cannot be read", entry.meaning))?;
    let word = match (&entry.hint, carried) {
        (Some(hint), _) if text.contains(hint) => hint.clone(),
        (_, Some(_)) => format!(".{}", entry.member()),
        _ => entry.name.clone(),
    };
    ensure!(
        text.contains(&word) || entry.hint.is_some() && text.contains("OptionKind::Hint"),
        "{} is said to act on it, and does not mention `{word}`",
        entry.meaning
    );
    Ok(())
}

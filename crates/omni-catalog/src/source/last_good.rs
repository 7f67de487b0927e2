//! What is served of a skill while an edit of it is broken: the version before.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::encoded_list::EncodedList;
use crate::record::Record;
use crate::{Diagnostic, Severity};

/// The skills that are served as they were before an edit, since that has put an error into a Python file of theirs: a
/// file that cannot be read costs its tools, and a helper those that import it.
///
/// An error that was there before, in the version that is served, keeps nothing back: whoever lives with it sees every edit.
#[derive(Debug, Default)]
pub(super) struct LastGood {
    /// By folder: the errors that the version has which is served.
    kept: BTreeMap<String, BTreeSet<Fault>>,
}

/// An error, whatever line it has moved to: its file and its code.
type Fault = (String, String);

/// A record, as [`Record`] reads it.
#[derive(Serialize)]
struct Composed<'a> {
    folder: &'a str,
    digest: &'a str,
    skill: &'a RawValue,
    tools: Vec<ComposedTool<'a>>,
    diagnostics: Vec<Diagnostic>,
}

#[derive(Serialize)]
struct ComposedTool<'a> {
    name: &'a str,
    listing: &'a RawValue,
    detail: &'a RawValue,
}

#[derive(Deserialize)]
struct SkillKey {
    folder: String,
}

#[derive(Deserialize)]
struct DetailKey {
    run: RunKey,
}

#[derive(Deserialize)]
struct RunKey {
    skill: String,
}

impl LastGood {
    /// The records to serve instead, each in the place of the one that it is for. `served` is what is served now.
    pub(super) fn keep(&mut self, served: &EncodedList, records: &[Record<'_>]) -> Vec<Option<String>> {
        let mut faults_served: Option<BTreeMap<String, BTreeSet<Fault>>> = None;
        let mut kept = BTreeMap::new();
        let texts = records.iter().map(|record| {
            let faults: BTreeSet<Fault> = record.diagnostics.iter().filter_map(fault).collect();
            if faults.is_empty() {
                return None;
            }
            let folder = record.folder.as_ref();
            let known = self.kept.get(folder).cloned();
            let before = known.unwrap_or_else(|| {
                let all = faults_served.get_or_insert_with(|| faults_of(served));
                all.get(folder).cloned().unwrap_or_default()
            });
            if faults.is_subset(&before) {
                return None;
            }
            let text = composed(served, record)?;
            kept.insert(folder.to_owned(), before);
            Some(text)
        });
        let texts = texts.collect();
        self.kept = kept;
        texts
    }
}

/// The error, if it is one that keeps an edit back.
fn fault(finding: &Diagnostic) -> Option<Fault> {
    let counts = finding.severity == Severity::Error && finding.file.ends_with(".py");
    counts.then(|| (finding.file.clone(), finding.code.clone()))
}

/// The errors of what is served, by skill.
fn faults_of(served: &EncodedList) -> BTreeMap<String, BTreeSet<Fault>> {
    let findings: Vec<Diagnostic> = serde_json::from_slice(served.diagnostics()).unwrap_or_default();
    let mut faults: BTreeMap<String, BTreeSet<Fault>> = BTreeMap::new();
    for finding in &findings {
        faults.entry(finding.skill.clone()).or_default().extend(fault(finding));
    }
    faults
}

/// The record of a skill as it is served, with the findings of what it is now. `None` where none of it is served.
fn composed(served: &EncodedList, record: &Record<'_>) -> Option<String> {
    let folder = record.folder.as_ref();
    let skills: Vec<&RawValue> = serde_json::from_slice(served.skills()).ok()?;
    let of_folder = |skill: &&&RawValue| {
        serde_json::from_str::<SkillKey>(skill.get()).is_ok_and(|key| key.folder == folder)
    };
    let skill = *skills.iter().find(of_folder)?;
    let raw = |bytes: Option<bytes::Bytes>| serde_json::from_slice::<Box<RawValue>>(&bytes?).ok();
    let tools: Vec<(&str, Box<RawValue>, Box<RawValue>)> = (0..served.tool_count())
        .filter_map(|tool| {
            let detail = raw(served.detail(tool))?;
            let whose: DetailKey = serde_json::from_str(detail.get()).ok()?;
            (whose.run.skill == folder).then_some(())?;
            Some((served.name(tool)?, raw(served.listing(tool))?, as_last_good(&detail)?))
        })
        .collect();
    if tools.is_empty() {
        return None;
    }
    let mut diagnostics = record.diagnostics.clone();
    for finding in diagnostics.iter_mut().filter(|finding| fault(finding).is_some()) {
        let until = "until this is mended, the skill is served as it was before the edit";
        finding.help = Some(match &finding.help {
            Some(help) if finding.code != "syntax-error" => format!("{help}; {until}"),
            _ => until.to_owned(),
        });
    }
    let composed = Composed {
        folder,
        digest: &record.digest,
        skill,
        tools: tools.iter().map(|(name, listing, detail)| ComposedTool { name, listing, detail }).collect(),
        diagnostics,
    };
    serde_json::to_string(&composed).ok()
}

/// How a tool is run, of a version that the folder does not have any more: workers are told so.
fn as_last_good(detail: &RawValue) -> Option<Box<RawValue>> {
    let mut detail: Value = serde_json::from_str(detail.get()).ok()?;
    if let Some(Value::Object(python)) = detail.pointer_mut("/run/target/python") {
        python.insert("last_good".to_owned(), Value::Bool(true));
    }
    serde_json::value::to_raw_value(&detail).ok()
}

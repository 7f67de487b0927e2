//! What is served of a skill while an edit of it is broken: the version before.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::catalog_kind::{ITEM_KINDS, place};
use crate::diagnostic::{Fault, FaultsOfKept};
use crate::encoded_list::EncodedList;
use crate::item_detail::{RecordedItem, mark_last_good};
use crate::record::{Record, RecordedTool};
use crate::skill_tags::SkillTags;
use crate::{CatalogKind, Diagnostic, Severity, SourceSnapshot};

/// What is wrong with a file or folder that costs all that is in it.
const NOT_READ: [&str; 3] = ["unreadable", "not-utf-8", "too-large"];

/// What may cost tools, and mostly costs none.
const MAY_COST_TOOLS: [&str; 8] = [
    "bad-front-matter",
    "bad-pyproject",
    "declared-tool",
    "broken-link",
    "link-leads-out",
    "linked-folder",
    "nested-too-deep",
    "too-many-files",
];

/// A record to serve in the place of another.
pub(super) struct LastGood {
    pub(super) record: String,
    pub(super) faults: FaultsOfKept,
}

/// What is served, by skill.
struct Served<'a> {
    encoded: &'a EncodedList,
    skills: BTreeMap<String, &'a RawValue>,
    /// The numbers of its tools.
    tools: BTreeMap<String, Vec<usize>>,
    /// Its resources, templates and prompts: their kinds and places.
    items: BTreeMap<String, Vec<(CatalogKind, usize)>>,
    /// Its errors.
    faults: BTreeMap<String, BTreeSet<Fault>>,
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
    tool: String,
}

/// What is said of an error that keeps an edit back. What is served has not got it, though its findings say so.
const UNTIL: &str = "until this is mended, the skill is served as it was before the edit";

/// The records to serve instead, each in the place of the one that it is for. `served` is what is served now.
///
/// A skill is served as it was before an edit that has broken something of it: a Python file in which there is an error, a
/// file or folder that cannot be read, or a `SKILL.md` of which so little can be read that tools are lost. What is deleted
/// is no error.
///
/// An error that was there before, in the version that is served, keeps nothing back: whoever lives with it sees every edit.
pub(super) fn keep(served: &SourceSnapshot, records: &[Record<'_>]) -> Vec<Option<LastGood>> {
    let mut by_skill: Option<Served<'_>> = None;
    let kept = records.iter().map(|record| {
        if !record.diagnostics.iter().any(|finding| breaks(finding) || may_cost_tools(finding)) {
            return None;
        }
        let served = by_skill.get_or_insert_with(|| Served::of(served));
        let loses = served.loses_tools(record);
        let is_new = |finding: &Diagnostic| {
            let before = served.faults.get(record.folder.as_ref());
            keeps_back(finding, loses) && before.is_none_or(|before| !before.contains(&finding.fault()))
        };
        let new: BTreeSet<Fault> =
            record.diagnostics.iter().filter(|finding| is_new(finding)).map(Diagnostic::fault).collect();
        if new.is_empty() {
            return None;
        }
        let lived_with = served.faults.get(record.folder.as_ref()).cloned().unwrap_or_default();
        let faults = FaultsOfKept { new, lived_with };
        Some(LastGood { record: composed(served, record, is_new)?, faults })
    });
    kept.collect()
}

/// Whether the finding is an error that keeps an edit back.
fn breaks(finding: &Diagnostic) -> bool {
    let is_error = finding.severity == Severity::Error;
    is_error && (finding.file.ends_with(".py") || NOT_READ.contains(&finding.code.as_str()))
}

/// Whether it keeps an edit back where tools are lost.
fn may_cost_tools(finding: &Diagnostic) -> bool {
    MAY_COST_TOOLS.contains(&finding.code.as_str())
}

fn keeps_back(finding: &Diagnostic, loses_tools: bool) -> bool {
    breaks(finding) || loses_tools && may_cost_tools(finding)
}

impl<'a> Served<'a> {
    fn of(served: &'a SourceSnapshot) -> Served<'a> {
        let encoded = served.encoded();
        let findings: Vec<Diagnostic> = serde_json::from_slice(encoded.diagnostics()).unwrap_or_default();
        // An error of the served version stands in no finding while the edit's own hide it: a file that cannot be parsed
        // has no other.
        let kept = served.kept().iter().map(|(folder, kept)| (folder.clone(), kept.lived_with.clone()));
        let mut faults: BTreeMap<String, BTreeSet<Fault>> = kept.collect();
        let of_served = |finding: &&Diagnostic| keeps_back(finding, true) && !served.keeps_back(finding);
        for finding in findings.iter().filter(of_served) {
            faults.entry(finding.skill.clone()).or_default().insert(finding.fault());
        }
        let skills: Vec<&RawValue> = serde_json::from_slice(encoded.skills()).unwrap_or_default();
        let folder = |skill: &RawValue| serde_json::from_str::<SkillKey>(skill.get()).ok();
        let skills = skills.into_iter().filter_map(|skill| Some((folder(skill)?.folder, skill))).collect();
        let mut tools: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for tool in 0..encoded.tool_count() {
            tools.entry(SkillTags::of(encoded, tool).skill).or_default().push(tool);
        }
        let mut items: BTreeMap<String, Vec<(CatalogKind, usize)>> = BTreeMap::new();
        for (kind, of_kind) in ITEM_KINDS.into_iter().zip(&encoded.items) {
            for item in 0..of_kind.len() {
                let whose = of_kind.detail(item).and_then(|it| serde_json::from_slice::<DetailKey>(&it).ok());
                if let Some(DetailKey { run }) = whose {
                    items.entry(run.skill).or_default().push((kind, item));
                }
            }
        }
        Served { encoded, skills, tools, items, faults }
    }

    fn items(&self, folder: &str) -> &[(CatalogKind, usize)] {
        self.items.get(folder).map(Vec::as_slice).unwrap_or_default()
    }

    /// The key that a manifest has for an item: of a prompt its canonical name, which the list may show in another form.
    fn item_key(&self, kind: CatalogKind, item: usize) -> Option<(String, Box<RawValue>)> {
        let of_kind = &self.encoded.items[place(kind)];
        let detail: Box<RawValue> = serde_json::from_slice(&of_kind.detail(item)?).ok()?;
        let listed = of_kind.key(item)?;
        if kind != CatalogKind::Prompts {
            return Some((listed.to_owned(), detail));
        }
        let DetailKey { run } = serde_json::from_str(detail.get()).ok()?;
        Some((run.tool, detail))
    }

    fn tools(&self, folder: &str) -> &[usize] {
        self.tools.get(folder).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a tool is served of the skill that the record has not.
    fn loses_tools(&self, record: &Record<'_>) -> bool {
        let names = self.tools(&record.folder).iter().filter_map(|tool| self.encoded.name(*tool));
        let tools = names.into_iter().any(|name| record.tools.iter().all(|tool| tool.name != name));
        let is_gone = |(kind, item): &(CatalogKind, usize)| {
            let known = self.item_key(*kind, *item);
            known.is_some_and(|(key, _)| !record.items.iter().any(|it| it.kind == *kind && it.key == key))
        };
        tools || self.items(&record.folder).iter().any(is_gone)
    }
}

/// The record of a skill as it is served, with the findings of what it is now. `None` where none of it is served.
fn composed(
    served: &Served<'_>,
    record: &Record<'_>,
    keeps_back: impl Fn(&Diagnostic) -> bool,
) -> Option<String> {
    let folder = record.folder.as_ref();
    let skill = *served.skills.get(folder)?;
    let raw = |bytes: Option<bytes::Bytes>| serde_json::from_slice::<Box<RawValue>>(&bytes?).ok();
    let encoded = served.encoded;
    let tools: Vec<(&str, Box<RawValue>, Box<RawValue>)> = served
        .tools(folder)
        .iter()
        .filter_map(|&tool| {
            let detail = raw(encoded.detail(tool))?;
            Some((encoded.name(tool)?, raw(encoded.listing(tool))?, as_last_good(&detail)?))
        })
        .collect();
    let items: Vec<(CatalogKind, String, Box<RawValue>, Box<RawValue>)> = served
        .items(folder)
        .iter()
        .filter_map(|&(kind, item)| {
            let (key, detail) = served.item_key(kind, item)?;
            let listing = raw(encoded.items[place(kind)].listing(item))?;
            Some((kind, key, listing, as_last_good(&detail)?))
        })
        .collect();
    if tools.is_empty() && items.is_empty() {
        return None;
    }
    let mut diagnostics = record.diagnostics.clone();
    for finding in diagnostics.iter_mut().filter(|finding| keeps_back(finding)) {
        finding.help = Some(match &finding.help {
            Some(help) if finding.code != "syntax-error" => format!("{help}; {UNTIL}"),
            _ => UNTIL.to_owned(),
        });
    }
    let tools = tools.iter().map(|(name, listing, detail)| RecordedTool {
        name: Cow::Borrowed(name),
        listing,
        detail,
    });
    let composed = Record {
        folder: Cow::Borrowed(folder),
        digest: Cow::Borrowed(&record.digest),
        skill,
        tools: tools.collect(),
        items: items
            .iter()
            .map(|(kind, key, listing, detail)| RecordedItem {
                kind: *kind,
                key: Cow::Borrowed(key),
                listing,
                detail,
            })
            .collect(),
        diagnostics,
    };
    serde_json::to_string(&composed).ok()
}

/// How a tool is run, of a version that the folder does not have any more: workers are told so.
fn as_last_good(detail: &RawValue) -> Option<Box<RawValue>> {
    let mut detail: Value = serde_json::from_str(detail.get()).ok()?;
    mark_last_good(&mut detail, true);
    serde_json::value::to_raw_value(&detail).ok()
}

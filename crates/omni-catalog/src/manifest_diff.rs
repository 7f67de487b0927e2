//! How two manifests differ: what a refresh would change, before it does.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalog_kind::{ITEM_KINDS, place};
use crate::manifest::Manifest;

/// What a refresh would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManifestDiff {
    /// Whether the cached manifest is what the folder gives.
    pub up_to_date: bool,
    pub skills: Vec<ManifestChange>,
    pub tools: Vec<ManifestChange>,
    /// Each by its URI.
    pub resources: Vec<ManifestChange>,
    /// Each by its URI template.
    pub templates: Vec<ManifestChange>,
    pub prompts: Vec<ManifestChange>,
}

impl Default for ManifestDiff {
    fn default() -> Self {
        ManifestDiff {
            up_to_date: true,
            skills: Vec::new(),
            tools: Vec::new(),
            resources: Vec::new(),
            templates: Vec::new(),
            prompts: Vec::new(),
        }
    }
}

/// One skill, tool, resource, template or prompt that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ManifestChange {
    pub name: String,
    pub kind: ChangeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Added,
    Changed,
    Removed,
}

impl ManifestDiff {
    /// Both together.
    pub(crate) fn and(mut self, other: ManifestDiff) -> ManifestDiff {
        self.up_to_date &= other.up_to_date;
        self.skills.extend(other.skills);
        self.tools.extend(other.tools);
        self.resources.extend(other.resources);
        self.templates.extend(other.templates);
        self.prompts.extend(other.prompts);
        self
    }

    pub(crate) fn between(before: Option<&Manifest<'_>>, after: Option<&Manifest<'_>>) -> ManifestDiff {
        let mut skills = [BTreeMap::new(), BTreeMap::new()];
        let mut tools = [BTreeMap::new(), BTreeMap::new()];
        let mut items = ITEM_KINDS.map(|_| [BTreeMap::new(), BTreeMap::new()]);
        for (side, manifest) in [before, after].into_iter().enumerate() {
            for record in manifest.into_iter().flat_map(Manifest::records) {
                skills[side].insert(record.folder.into_owned(), record.digest.into_owned());
                for tool in record.tools {
                    let text = format!("{}{}", tool.listing, tool.detail);
                    tools[side].insert(tool.name.into_owned(), text);
                }
                for item in record.items {
                    let text = format!("{}{}", item.listing, item.detail);
                    items[place(item.kind)][side].insert(item.key.into_owned(), text);
                }
            }
        }
        let [skills_before, skills_after] = skills;
        let [tools_before, tools_after] = tools;
        let [resources, templates, prompts] = items.map(|[before, after]| differences(&before, &after));
        ManifestDiff {
            up_to_date: false,
            skills: differences(&skills_before, &skills_after),
            tools: differences(&tools_before, &tools_after),
            resources,
            templates,
            prompts,
        }
    }
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<ManifestChange> {
    let mut changes = Vec::new();
    for (name, text) in after {
        match before.get(name) {
            None => changes.push(ManifestChange { name: name.clone(), kind: ChangeKind::Added }),
            Some(old) if old != text => {
                changes.push(ManifestChange { name: name.clone(), kind: ChangeKind::Changed })
            }
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    changes.extend(gone.map(|name| ManifestChange { name: name.clone(), kind: ChangeKind::Removed }));
    changes.sort_by(|a, b| a.name.cmp(&b.name));
    changes
}

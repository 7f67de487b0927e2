//! Which skills does somebody else have, such as a runner with a folder of its own, by the resources that it lists?
//!
//! What is known of them is what a list of resources says, so they have no entry of the extension for skills, which wants
//! digests: a model reads them by `skill_read`, and is told of them at the beginning.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::catalog_kind::CatalogKind;
use crate::encoded_items::EncodedItems;
use crate::skill_tags::SkillTags;
use crate::skill_uri::skill_and_path;
use crate::source_snapshot::SourceSnapshot;
use crate::tool_list::ToolList;
use crate::{Skill, SkillFile};

/// A resource as a list has it.
#[derive(Deserialize)]
struct Listing {
    name: Option<String>,
    title: Option<String>,
    description: Option<String>,
    #[serde(default, rename = "mimeType")]
    mime_type: String,
    /// Unknown of code.
    #[serde(default)]
    size: u64,
}

/// The skills of sources that are no folders here, without those that are `here`. Those of the source that is
/// named first win. They have no folder (`path`).
pub(crate) fn remote_skills<'a>(
    sources: impl Iterator<Item = &'a SourceSnapshot>,
    tools: &ToolList,
    here: &[Skill],
) -> Vec<Skill> {
    let mut all: BTreeMap<String, Skill> = BTreeMap::new();
    for source in sources.filter(|source| !source.defaults().is_folder()) {
        let Some(items) = source.items(CatalogKind::Resources) else { continue };
        for (folder, skill) in skills_of(items.encoded()) {
            let is_here = here.iter().any(|known| known.folder == folder && !known.files.is_empty());
            if !is_here && skill.files.first().is_some_and(|file| file.path == "SKILL.md") {
                all.entry(folder).or_insert(skill);
            }
        }
    }
    if !all.is_empty() {
        let encoded = tools.encoded();
        for tool in 0..encoded.tool_count() {
            if let Some(skill) = all.get_mut(&SkillTags::of(encoded, tool).skill) {
                skill.tools += 1;
            }
        }
    }
    all.into_values().collect()
}

/// By folder.
fn skills_of(items: &EncodedItems) -> BTreeMap<String, Skill> {
    let mut skills: BTreeMap<String, Skill> = BTreeMap::new();
    for item in 0..items.len() {
        let Some((folder, path)) = items.key(item).and_then(skill_and_path) else { continue };
        let listing = items.listing(item).and_then(|text| serde_json::from_slice::<Listing>(&text).ok());
        let Some(Listing { name, title, description, mime_type, size }) = listing else { continue };
        let skill = skills
            .entry(folder)
            .or_insert_with_key(|folder| Skill { folder: folder.clone(), ..Skill::default() });
        if path == "SKILL.md" {
            (skill.name, skill.description) = (name, description.clone());
        }
        skill.files.push(SkillFile { path, size, sha256: String::new(), mime_type, title, description });
    }
    for skill in skills.values_mut() {
        skill.files.sort_by(|a, b| (a.path != "SKILL.md", &a.path).cmp(&(b.path != "SKILL.md", &b.path)));
    }
    skills
}

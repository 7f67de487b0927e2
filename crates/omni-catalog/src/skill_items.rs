//! What a skill offers besides tools: its resources, resource templates and prompts, on their way into the manifest.
//!
//! Whoever reads a part of a skill hands in its items in [`read`]: functions, and files. An item says all that a list
//! shows and a call needs, so nothing else knows where it is from.

mod files;
mod functions;
mod reserved;

use std::collections::HashMap;

use omni_call::ExecutorKind;
use omni_scan::Scan;

use crate::folder::SkillFolder;
use crate::item_detail::SkillItem;
use crate::items::twice;
use crate::requirements::SkillRequirements;
use crate::uri_form::normalized;
use crate::{CatalogKind, Diagnostic, Origin, Skill, app_pages, prompt_files};

/// What a skill hands in: each part in its turn, in an order that depends on nothing but the files.
pub(crate) fn read(
    skill: &Skill,
    folder: &SkillFolder,
    scan: &Scan,
    requirements: &SkillRequirements,
    findings: &mut Vec<Diagnostic>,
) -> Vec<SkillItem> {
    let mut items = functions::items(skill, scan, requirements, findings);
    reserved::keep_own(skill, &mut items, findings);
    items.extend(prompt_files::items(skill, folder, findings));
    items.extend(files::items(skill));
    items.extend(app_pages::items(skill, folder, findings));
    functions::complete(skill, scan, requirements, &mut items, findings);
    one_of_each_key(skill, items, findings)
}

/// Of two items with one key the first stays, and a file before a function: of a file clients are told its digest.
fn one_of_each_key(skill: &Skill, items: Vec<SkillItem>, findings: &mut Vec<Diagnostic>) -> Vec<SkillItem> {
    let key = |item: &SkillItem| (item.kind, normalized(&item.key).into_owned());
    let is_file = |item: &&SkillItem| {
        item.kind == CatalogKind::Resources && item.detail.run.executor == ExecutorKind::File
    };
    let files = items.iter().filter(is_file);
    let files: HashMap<_, _> = files.map(|item| (key(item), item.detail.origin.clone())).collect();
    let mut first: HashMap<(CatalogKind, String), Origin> = HashMap::new();
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        let of_file = files.get(&key(&item)).filter(|_| !is_file(&&item));
        if let Some(known) = of_file.or_else(|| first.get(&key(&item))) {
            let there = match known.line {
                0 => known.file.clone(),
                line => format!("{}:{line}", known.file),
            };
            findings.push(twice(
                item.kind,
                &item.key,
                &skill.folder,
                &item.detail.origin,
                &format!("at {there}"),
            ));
            continue;
        }
        first.insert(key(&item), item.detail.origin.clone());
        kept.push(item);
    }
    kept
}

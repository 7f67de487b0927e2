//! Of which skills are the tools, resources or prompts others in one snapshot than in an earlier one?

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::Snapshot;
use crate::catalog_kind::ITEM_KINDS;
use crate::item_detail::mark_last_good;
use crate::item_facts::ItemFacts;
use crate::list_index::ListIndex;
use crate::skill_tags::SkillTags;

impl Snapshot {
    /// The folders of skills of which a tool, resource, template or prompt has come, has gone, is described in another way or
    /// is run in another way than in an earlier snapshot, whatever the rules show of it. What is served as it was before a
    /// broken edit is the same. Looks at the text of each, and parses those that differ.
    pub fn skills_with_other_tools(&self, before: &Snapshot) -> BTreeSet<String> {
        let (old, new) = (&before.items.all, &self.items.all);
        let (before, after) = (before.all.encoded(), self.all.encoded());
        let mut skills = BTreeSet::new();
        for tool in 0..after.tool_count() {
            let known = after.name(tool).and_then(|name| before.position(name));
            if !known.is_some_and(|known| is_same(before, known, after, tool)) {
                skills.insert(SkillTags::of(after, tool).skill);
                // It may be another skill's by now.
                skills.extend(known.map(|known| SkillTags::of(before, known).skill));
            }
        }
        for tool in 0..before.tool_count() {
            if before.name(tool).is_some_and(|name| after.position(name).is_none()) {
                skills.insert(SkillTags::of(before, tool).skill);
            }
        }
        for (kind, (old, new)) in ITEM_KINDS.into_iter().zip(old.iter().zip(new)) {
            if Arc::ptr_eq(old, new) {
                continue;
            }
            for (one, other) in [(old, new), (new, old)] {
                for (items, item) in one.encoded_places() {
                    let key = items.key(item).unwrap_or_default();
                    let is_there =
                        other.encoded_item(key).is_some_and(|(others, at)| is_same(items, item, others, at));
                    if !is_there {
                        skills.insert(ItemFacts::of(kind, items, item).skill);
                    }
                }
            }
        }
        // What is of no skill, such as a resource of another server.
        skills.remove("");
        skills
    }

    /// Whether both are seen by the same rules: filters, overrides and profiles.
    pub fn has_rules_of(&self, other: &Snapshot) -> bool {
        Arc::ptr_eq(&self.rules, &other.rules)
    }
}

fn is_same(before: &ListIndex, known: usize, after: &ListIndex, tool: usize) -> bool {
    let (old, new) = (before.detail(known), after.detail(tool));
    before.listing(known) == after.listing(tool) && (old == new || how(old) == how(new))
}

/// How a tool is run, without whether the folder still has that version.
fn how(detail: Option<bytes::Bytes>) -> Option<Value> {
    let mut detail: Value = serde_json::from_slice(&detail?).ok()?;
    mark_last_good(&mut detail, false);
    Some(detail)
}

//! Of which skills are the tools others in one snapshot than in an earlier one?

use std::collections::BTreeSet;

use serde_json::Value;

use crate::Snapshot;
use crate::encoded_list::EncodedList;
use crate::skill_tags::SkillTags;

impl Snapshot {
    /// The folders of skills of which a tool has come, has gone, is described in another way or is run in another way than
    /// in an earlier snapshot, whatever the rules show of it. Tools that are served as they were before a broken edit are
    /// the same. Looks at the text of every tool, and parses those that differ.
    pub fn skills_with_other_tools(&self, before: &Snapshot) -> BTreeSet<String> {
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
        skills
    }

    /// Whether both are seen by the same rules: filters, overrides and profiles.
    pub fn has_rules_of(&self, other: &Snapshot) -> bool {
        std::sync::Arc::ptr_eq(&self.rules, &other.rules)
    }
}

fn is_same(before: &EncodedList, known: usize, after: &EncodedList, tool: usize) -> bool {
    let (old, new) = (before.detail(known), after.detail(tool));
    before.listing(known) == after.listing(tool) && (old == new || how(old) == how(new))
}

/// How a tool is run, without whether the folder still has that version.
fn how(detail: Option<bytes::Bytes>) -> Option<Value> {
    let mut detail: Value = serde_json::from_slice(&detail?).ok()?;
    if let Some(Value::Object(python)) = detail.pointer_mut("/run/target/python") {
        python.remove("last_good");
    }
    Some(detail)
}

//! The skill and the tags of a tool, which filters and profiles go by: read from the encoded list without the rest of it.

use serde::{Deserialize, Deserializer};

use crate::encoded_list::EncodedList;

/// What rules ask of a tool besides its name.
#[derive(Default, Deserialize)]
pub(crate) struct SkillTags {
    #[serde(rename = "run", deserialize_with = "skill_of_run")]
    pub(crate) skill: String,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
}

fn skill_of_run<'de, D: Deserializer<'de>>(run: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    struct Run {
        skill: String,
    }
    Run::deserialize(run).map(|run| run.skill)
}

impl SkillTags {
    pub(crate) fn of(encoded: &EncodedList, tool: usize) -> SkillTags {
        let detail = encoded.detail(tool).unwrap_or_default();
        serde_json::from_slice(&detail).unwrap_or_default()
    }
}

//! What the rules of filters and profiles ask of a tool, read from the served form without the rest of it.

use serde::{Deserialize, Deserializer};

use crate::served::Served;

/// What rules ask of a tool besides its name.
#[derive(Default, Deserialize)]
pub(crate) struct Asked {
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

impl Asked {
    pub(crate) fn of(served: &Served, tool: usize) -> Asked {
        let detail = served.detail(tool).unwrap_or_default();
        serde_json::from_slice(&detail).unwrap_or_default()
    }
}

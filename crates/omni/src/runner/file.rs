//! `runner` of `omni.toml`, as it is written.

use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::args::{Offer, ToolsFrom};

/// `runner` of `omni.toml`: the table, or the address alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunnerFile(pub(super) Table);

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) address: Option<String>,
    pub(super) tools: Option<ToolsFrom>,
    pub(super) resources: Option<Offer>,
    pub(super) prompts: Option<Offer>,
    /// Seconds.
    pub(super) refresh: Option<f64>,
}

impl<'de> Deserialize<'de> for RunnerFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because a derived choice between text and table loses the message about a wrong key.
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = RunnerFile;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the address of a runner, or a table `[runner]`")
    }

    fn visit_str<E: serde::de::Error>(self, address: &str) -> Result<RunnerFile, E> {
        Ok(RunnerFile(Table { address: Some(address.to_owned()), ..Table::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RunnerFile, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(RunnerFile)
    }
}

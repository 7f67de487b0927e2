//! `workers` of `omni.toml`: how many Python processes there are, and for how long each serves.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow};
use omni_exec::RecycleLimits;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::keys::limit_of;
use crate::args::Workers;

/// The table `[workers]`, or `workers = "MIN..MAX"`, which is its `count` alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerSettings(Table);

/// Defaults and bounds are in `KEYS`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// `"MIN..MAX"`.
    count: Option<String>,
    max_calls: Option<i64>,
    max_memory_mib: Option<i64>,
    max_age: Option<i64>,
    max_idle: Option<i64>,
    ready_timeout: Option<i64>,
}

impl WorkerSettings {
    /// How many workers, where that is said.
    pub(crate) fn count(&self) -> Result<Option<Workers>> {
        let count = self.0.count.as_deref().map(str::parse);
        count.transpose().map_err(|why| anyhow!("`workers` in omni.toml: {why}"))
    }

    /// As it is written.
    pub(super) fn max_idle(&self) -> Option<i64> {
        self.0.max_idle
    }

    /// As it is written.
    pub(super) fn ready_timeout(&self) -> Option<i64> {
        self.0.ready_timeout
    }

    /// When a worker is replaced.
    pub(crate) fn life(&self) -> Result<RecycleLimits> {
        Ok(RecycleLimits {
            calls: limit_of("workers.max_calls", self.0.max_calls)?,
            memory_bytes: limit_of("workers.max_memory_mib", self.0.max_memory_mib)?
                .map(|mib| mib.saturating_mul(1 << 20)),
            age: limit_of("workers.max_age", self.0.max_age)?.map(Duration::from_secs),
        })
    }
}

impl<'de> Deserialize<'de> for WorkerSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand, because a derived choice between text and table loses the message about a wrong key.
        deserializer.deserialize_any(Either)
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = WorkerSettings;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`\"MIN..MAX\"` or a table `[workers]`")
    }

    fn visit_str<E: serde::de::Error>(self, count: &str) -> Result<WorkerSettings, E> {
        Ok(WorkerSettings(Table { count: Some(count.to_owned()), ..Table::default() }))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WorkerSettings, A::Error> {
        Table::deserialize(MapAccessDeserializer::new(map)).map(WorkerSettings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct File {
        workers: WorkerSettings,
    }

    fn read(text: &str) -> WorkerSettings {
        toml::from_str::<File>(text).unwrap().workers
    }

    #[test]
    fn a_text_is_the_count_and_a_table_says_more() {
        let short = read("workers = \"2..3\"");
        assert_eq!(short.count().unwrap(), Some(Workers { min: 2, max: 3 }));
        assert_eq!(short.life().unwrap(), RecycleLimits::default());
        let long = read("[workers]\ncount = \"2..3\"\nmax_calls = 500\nmax_memory_mib = 0\nmax_age = 3600");
        assert_eq!(long.count().unwrap(), Some(Workers { min: 2, max: 3 }));
        let life =
            RecycleLimits { calls: Some(500), memory_bytes: None, age: Some(Duration::from_secs(3_600)) };
        assert_eq!(long.life().unwrap(), life);
        assert_eq!(read("[workers]\nmax_calls = 7").count().unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| toml::from_str::<File>(text).unwrap_err().to_string();
        assert!(error("[workers]\nmax_call = 7").contains("max_calls"));
        assert!(error("workers = 3").contains("MIN..MAX"));
        assert!(read("workers = \"many\"").count().unwrap_err().to_string().contains("MIN..MAX"));
        assert!(read("[workers]\nmax_age = 3").life().unwrap_err().to_string().contains("10 or more"));
    }
}

//! `workers` of `omni.toml`: how many Python processes there are, and for how long each serves.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, anyhow};
use omni_exec::WorkerLife;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::args::Workers;

/// The table `[workers]`, or `workers = "MIN..MAX"`, which is its `count` alone.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerSettings(Table);

/// For each limit 0 is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// `"MIN..MAX"`.
    count: Option<String>,
    /// Calls after which a worker is replaced.
    max_calls: Option<u64>,
    /// Memory in MiB above which a worker is replaced.
    max_memory_mib: Option<u64>,
    /// Seconds after which a worker is replaced.
    max_age: Option<u64>,
}

impl WorkerSettings {
    /// How many workers, where that is said.
    pub(crate) fn count(&self) -> Result<Option<Workers>> {
        let count = self.0.count.as_deref().map(str::parse);
        count.transpose().map_err(|why| anyhow!("`workers` in omni.toml: {why}"))
    }

    /// What a worker may go through.
    pub(crate) fn life(&self) -> Result<WorkerLife> {
        let default = WorkerLife::default();
        let chosen =
            |own: Option<u64>, default: Option<u64>| own.map_or(default, |own| (own > 0).then_some(own));
        let age = chosen(self.0.max_age, default.age.map(|age| age.as_secs()));
        // Less, and workers would do little else than being replaced.
        if let Some(age) = age.filter(|age| *age < 10) {
            return Err(anyhow!(
                "`workers.max_age = {age}` in omni.toml is too short; use 10 or more seconds, or 0 for no limit"
            ));
        }
        Ok(WorkerLife {
            calls: chosen(self.0.max_calls, default.calls),
            memory_bytes: chosen(
                self.0.max_memory_mib.map(|mib| mib.saturating_mul(1 << 20)),
                default.memory_bytes,
            ),
            age: age.map(Duration::from_secs),
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
        assert_eq!(short.life().unwrap(), WorkerLife::default());
        let long = read("[workers]\ncount = \"2..3\"\nmax_calls = 500\nmax_memory_mib = 0\nmax_age = 3600");
        assert_eq!(long.count().unwrap(), Some(Workers { min: 2, max: 3 }));
        let life = WorkerLife { calls: Some(500), memory_bytes: None, age: Some(Duration::from_secs(3_600)) };
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

//! `[tasks]` of `omni.toml`: which calls become tasks, how long these are kept, and how many run.

use std::time::Duration;

use anyhow::Result;
use omni_server::TasksConfig;
use omni_store::Store;
use serde::Deserialize;

use super::keys::{limit_of, number_of};

/// As it is written. Defaults and bounds are in `KEYS`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TasksTable {
    after: Option<i64>,
    keep: Option<i64>,
    poll_interval: Option<i64>,
    per_principal: Option<i64>,
    total: Option<i64>,
}

/// All of a [`TasksConfig`] but where tasks are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TaskSettings {
    after: Option<Duration>,
    keep: Duration,
    poll_interval: Duration,
    per_principal: usize,
    total: usize,
}

impl TaskSettings {
    /// With tasks kept in that store.
    pub(crate) fn in_store(self, store: Store) -> TasksConfig {
        let TaskSettings { after, keep, poll_interval, per_principal, total } = self;
        TasksConfig { store, after, keep, poll_interval, per_principal, total }
    }
}

impl TasksTable {
    pub(super) fn resolve(&self) -> Result<TaskSettings> {
        let seconds = |name, written| number_of(name, written).map(|value| Duration::from_secs(value as u64));
        Ok(TaskSettings {
            after: limit_of("tasks.after", self.after)?.map(Duration::from_secs),
            keep: seconds("tasks.keep", self.keep)?,
            poll_interval: seconds("tasks.poll_interval", self.poll_interval)?,
            per_principal: number_of("tasks.per_principal", self.per_principal)?,
            total: number_of("tasks.total", self.total)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use omni_store::StoreConfig;

    use super::*;

    #[test]
    fn what_the_keys_say_by_default_is_what_the_server_has_by_default() {
        let store = Store::on_first_use("/nowhere", StoreConfig::default());
        let TasksConfig { store: _, after, keep, poll_interval, per_principal, total } =
            TasksConfig::new(store);
        let expected = TaskSettings { after, keep, poll_interval, per_principal, total };
        assert_eq!(TasksTable::default().resolve().unwrap(), expected);
        let text = "after = 0\nkeep = 60\npoll_interval = 5\nper_principal = 3\ntotal = 4";
        let settings = toml::from_str::<TasksTable>(text).unwrap().resolve().unwrap();
        assert_eq!((settings.after, settings.keep), (None, Duration::from_secs(60)));
        assert_eq!((settings.per_principal, settings.total), (3, 4));
        for wrong in ["after = -1", "keep = 59", "poll_interval = 0", "per_principal = 0", "total = 0"] {
            let error = toml::from_str::<TasksTable>(wrong).unwrap().resolve().unwrap_err().to_string();
            assert!(error.contains(&format!("tasks.{wrong}")), "{error}");
        }
    }
}

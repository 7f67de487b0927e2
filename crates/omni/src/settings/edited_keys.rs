//! What becomes of the keys of `omni.toml` that an edit has changed while a server runs?

use toml::{Table, Value};

use super::keys::KEYS;
use crate::{log, variables};

/// The keys that take effect while a server runs. With a name of a table, all beneath it.
pub(super) const LIVE: [&str; 9] = [
    "timeout",
    "idle_timeout",
    "grace",
    "errors",
    "filter",
    "overrides",
    "profiles",
    "log_level",
    "log_output",
];

/// The keys that a flag, or the variable that stands for it, says whatever a settings file says.
const OVERRULED_BY: [(&str, &str); 23] = [
    ("skills_dir", "skills"),
    ("root", "root"),
    ("python", "python"),
    ("executor", "executor"),
    ("isolation", "isolation"),
    ("timeout", "timeout"),
    ("idle_timeout", "idle-timeout"),
    ("transport", "transport"),
    ("errors", "errors"),
    ("names", "names"),
    ("skill_read", "skill-read"),
    ("log_output", "log-output"),
    ("http.host", "host"),
    ("http.port", "port"),
    ("http.unix", "unix"),
    ("http.token_file", "http-token"),
    ("workers.count", "workers"),
    ("workers", "workers"),
    ("runner.address", "runner"),
    ("runner.tools", "tools"),
    ("runner.resources", "runner-resources"),
    ("runner.prompts", "runner-prompts"),
    ("runner.refresh", "runner-refresh"),
];

/// What becomes of the keys of an edit.
#[derive(Debug, Default, PartialEq)]
pub(super) struct SortedKeys {
    pub(super) live_keys: Vec<String>,
    pub(super) waiting_keys: Vec<String>,
    pub(super) restored_keys: Vec<String>,
    pub(super) overruled_keys: Vec<String>,
}

impl SortedKeys {
    /// `unlike_started` are the keys that differ from those that the server was started with.
    pub(super) fn of(
        keys: Vec<String>,
        unlike_started: &[String],
        overruled_by: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let mut sorted = SortedKeys::default();
        for key in keys {
            if let Some(by) = overruled_by(&key) {
                sorted.overruled_keys.push(format!("{key} ({by} is given)"));
            } else if LIVE.contains(&key.as_str()) {
                sorted.live_keys.push(key);
            } else if unlike_started.contains(&key) {
                sorted.waiting_keys.push(key);
            } else {
                sorted.restored_keys.push(key);
            }
        }
        sorted
    }
}

/// The flag or the variable that says what a key says, whatever that is.
pub(super) fn overruled_by(key: &str) -> Option<String> {
    if key == "log_level" {
        return log::is_decided().then(|| "--log-level or OMNI_LOG".to_owned());
    }
    OVERRULED_BY.iter().find(|(known, _)| *known == key).and_then(|(_, flag)| variables::given_by(flag))
}

/// The keys whose values differ, in the order of the reference.
pub(super) fn changed_keys(before: &Table, after: &Table) -> Vec<String> {
    fn value<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
        match key.split_once('.') {
            Some((table_name, member)) => table.get(table_name)?.as_table()?.get(member),
            None => table.get(key),
        }
    }
    let differs = |key: &&str| value(before, key) != value(after, key);
    let mut keys: Vec<String> = KEYS.iter().map(|key| key.name).filter(differs).map(str::to_owned).collect();
    // `workers = "1..4"` and `runner = "ADDRESS"` stand for a table.
    for name in ["workers", "runner"] {
        let text = |table: &Table| table.get(name).filter(|value| !value.is_table()).cloned();
        if text(before) != text(after) && !keys.iter().any(|key| key.starts_with(&format!("{name}."))) {
            keys.push(name.to_owned());
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_waits_where_it_is_not_what_runs_and_one_that_is_overruled_does_nothing() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let started = table("executor = \"pool\"\ntimeout = 5");
        let sorted = |before: &Table, after: &Table| {
            let by = |key: &str| (key == "idle_timeout").then(|| "--idle-timeout".to_owned());
            SortedKeys::of(changed_keys(before, after), &changed_keys(&started, after), by)
        };
        let edited = table("executor = \"fork\"\ntimeout = 6\nidle_timeout = 7");
        let first = sorted(&started, &edited);
        assert_eq!((first.live_keys, first.waiting_keys), (vec!["timeout".into()], vec!["executor".into()]));
        assert_eq!(first.overruled_keys, ["idle_timeout (--idle-timeout is given)"]);
        let back = sorted(&edited, &started);
        assert_eq!((back.waiting_keys, back.restored_keys), (vec![], vec!["executor".to_owned()]));
        assert_eq!(sorted(&started, &started), SortedKeys::default());
    }

    #[test]
    fn each_flag_that_overrules_a_key_is_in_the_row_of_that_key() {
        for (key, flag) in OVERRULED_BY {
            let row = KEYS.iter().find(|row| row.name == key);
            let Some(row) = row else {
                assert!(KEYS.iter().any(|row| row.name.starts_with(&format!("{key}."))), "{key}");
                continue;
            };
            assert!(row.about.contains(&format!("`--{flag}`")), "{key}: {}", row.about);
        }
    }

    #[test]
    fn the_keys_that_differ_are_named_and_each_live_one_is_a_key() {
        let table = |text: &str| text.parse::<Table>().unwrap();
        let before = table("timeout = 5\nworkers = \"1..2\"\n[http]\nport = 1\n[skills.a]\nx = 1");
        let after =
            table("timeout = 6\nworkers = \"1..3\"\nfilter = [\"a\"]\n[http]\nport = 1\n[skills.a]\nx = 2");
        assert_eq!(changed_keys(&before, &after), ["timeout", "filter", "skills", "workers"]);
        assert_eq!(changed_keys(&before, &before), Vec::<String>::new());
        for key in LIVE {
            assert!(KEYS.iter().any(|row| row.name == key), "{key}");
        }
    }
}

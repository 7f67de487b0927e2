//! The reference page of `omni.toml`, made of the table of its keys.

use std::fmt::Write as _;

use super::edited_keys::LIVE;
use super::keys::{KEYS, SettingKey, UntrustedRule, ValueKind};

const HEAD: &str = "# Settings\n\nGenerated from the table of keys by `cargo xtask docs`; do not edit.\n\n\
    Each key of `omni.toml`, which is looked for where [running omni](../guide/running.md#settings) says; all are optional. A \
    flag wins over its environment variable, that over the file, that over the default. The last column says what a key \
    does in a file that was found and that [nobody has trusted](../guide/running.md#trust): nothing, or lower what holds \
    without it.\n\n\
    A key that there is not, and a value that cannot be meant, end the command with file, line and key: \
    ``error: `omni.toml:3`: `embedded.threads = 0` is not from 1 to 64``. What is said of each number stands \
    [below](#what-is-said-of-numbers).\n";

/// The page.
pub(crate) fn page() -> String {
    let mut page = HEAD.to_owned();
    let mut table = None;
    for key in KEYS {
        let (own, name) =
            key.name.split_once('.').map_or((None, key.name), |(table, name)| (Some(table), name));
        if own != table || page == HEAD {
            let title = own.map_or_else(|| "Before all tables".to_owned(), |table| format!("`[{table}]`"));
            let _ = write!(
                page,
                "\n## {title}\n\n| key | values | default | | untrusted |\n|---|---|---|---|---|\n"
            );
            table = own;
        }
        let _ = writeln!(
            page,
            "| `{name}` | {} | {} | {} | {} |",
            values(key),
            default(key),
            about(key),
            untrusted(key)
        );
    }
    page += "\n## What is said of numbers\n\n```text\n";
    for key in KEYS {
        if let ValueKind::Number(number) = key.kind {
            let _ =
                writeln!(page, "{}", number.refusal(key.name, number.wrong()).replace(" in omni.toml", ""));
        }
    }
    page += "```\n";
    page
}

/// What it does, and whether an edit of it waits for the next start.
fn about(key: &SettingKey) -> String {
    match LIVE.contains(&key.name) {
        true => format!("{} *Takes effect while a server runs.*", key.about),
        false => key.about.to_owned(),
    }
}

fn values(key: &SettingKey) -> String {
    match key.kind {
        ValueKind::Number(number) => format!("{}, {}", number.unit(), number.values()),
        ValueKind::Seconds { values, .. } => format!("seconds, {values}"),
        ValueKind::Other { values, .. } => values.to_owned(),
    }
}

fn default(key: &SettingKey) -> String {
    match key.kind {
        ValueKind::Number(number) => {
            number.default.map_or_else(|| "no limit".to_owned(), |default| default.to_string())
        }
        ValueKind::Seconds { default, .. } => default.to_string(),
        ValueKind::Other { default, .. } => default.to_owned(),
    }
}

fn untrusted(key: &SettingKey) -> &'static str {
    match key.untrusted {
        UntrustedRule::Trust => "",
        UntrustedRule::Lower | UntrustedRule::LowerRange(_) => "lowers",
        UntrustedRule::LowerLimit(..) => "lowers, also what `ulimit` says",
        UntrustedRule::Filter => "leaves out more",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_each_key_once_under_its_table_with_its_default_and_bounds() {
        let page = page();
        assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), KEYS.len());
        let rows = page.split("## `[embedded]`").nth(1).unwrap();
        assert!(rows.contains("| `threads` | threads, from 1 to 64 | 4 |"), "{rows}");
        assert!(page.contains("\n`embedded.threads = 0` is not from 1 to 64\n"));
        assert!(page.contains("| `timeout` | seconds, 0 to a year; 0 is no limit | 1800 |"));
        let tables: Vec<&str> = page.lines().filter(|line| line.starts_with("## `[")).collect();
        let mut once = tables.clone();
        once.dedup();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), tables.len(), "the keys of a table stand together: {tables:?}");
    }
}

//! On which line of a settings file each key stands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use omni_call::shown_path;
use omni_catalog::SettingLocation;
use toml::de::{DeTable, DeValue};

/// The keys of one file, written as `http.port`, `overrides."git.log".alias` or `filter[2]`, each with its line.
#[derive(Clone, Debug, Default)]
pub(super) struct KeyLines {
    file: PathBuf,
    lines: BTreeMap<String, usize>,
}

impl KeyLines {
    /// Nothing of a text that is no TOML.
    pub(super) fn read(file: &Path, text: &str) -> KeyLines {
        let mut lines = KeyLines { file: file.to_owned(), lines: BTreeMap::new() };
        let starts: Vec<usize> =
            std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        if let Ok(table) = DeTable::parse(text) {
            lines.table("", table.get_ref(), &starts);
        }
        lines
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>, starts: &[usize]) {
        for (key, value) in table {
            let path = joined(prefix, key.get_ref());
            self.lines.insert(path.clone(), line_at(key.span().start, starts));
            self.value(&path, value.get_ref(), starts);
        }
    }

    fn value(&mut self, path: &str, value: &DeValue<'_>, starts: &[usize]) {
        match value {
            DeValue::Table(table) => self.table(path, table, starts),
            DeValue::Array(array) => {
                for (at, item) in array.iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    self.lines.insert(path.clone(), line_at(item.span().start, starts));
                    self.value(&path, item.get_ref(), starts);
                }
            }
            _ => {}
        }
    }

    pub(super) fn line(&self, key: &str) -> Option<usize> {
        self.lines.get(key).copied()
    }

    /// A key, with the place of `inner`, which is a part of it.
    pub(super) fn setting_of(&self, key: &str, inner: &str) -> SettingLocation {
        let file = if self.file.as_os_str().is_empty() { "omni.toml".into() } else { shown_path(&self.file) };
        let line = self.line(inner).or_else(|| self.line(key)).and_then(|line| u32::try_from(line).ok());
        SettingLocation::new(key, &file, line.unwrap_or(0))
    }

    pub(super) fn setting(&self, key: &str) -> SettingLocation {
        self.setting_of(key, key)
    }

    /// `omni.toml:4`, or the file alone where the key is not in it as it is written here.
    pub(super) fn place(&self, key: &str) -> String {
        self.setting(key).place()
    }
}

/// A key within a table, in quotes where TOML wants them.
pub(super) fn joined(prefix: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let key = if bare { key.to_owned() } else { format!("\"{}\"", key.escape_debug()) };
    if prefix.is_empty() { key } else { format!("{prefix}.{key}") }
}

fn line_at(offset: usize, starts: &[usize]) -> usize {
    starts.partition_point(|start| *start <= offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_line_however_it_is_written() {
        let text = "timeout = 3\nfilter = [\n  \"a\",\n  \"b\",\n]\n[limits]\nopen_files = 3\n[ http ]\n timeout=4\n\
                    [overrides.\"git.log\"]\nalias = \"x\"\n[profiles.a.overrides]\n\"b.c\" = { title = \"T\" }\n";
        let lines = KeyLines::read(Path::new("/x/omni.toml"), text);
        for (key, line) in [
            ("timeout", 1),
            ("filter", 2),
            ("filter[1]", 4),
            ("limits.open_files", 7),
            ("http.timeout", 9),
            ("overrides.\"git.log\"", 10),
            ("overrides.\"git.log\".alias", 11),
            ("profiles.a", 12),
            ("profiles.a.overrides.\"b.c\".title", 13),
        ] {
            assert_eq!(lines.line(key), Some(line), "{key}");
        }
        assert_eq!(lines.line("open_files"), None);
        assert_eq!(lines.place("filter[0]"), "/x/omni.toml:3");
        assert_eq!(lines.place("nothing"), "/x/omni.toml");
        assert_eq!(KeyLines::default().place("filter"), "omni.toml");
    }
}

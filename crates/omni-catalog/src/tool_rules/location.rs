//! Where in a settings file a rule is written.

use std::fmt;

/// A key of a settings file and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingLocation {
    key: Box<str>,
    file: Box<str>,
    line: u32,
}

impl SettingLocation {
    /// `key` as in `overrides."git.log".alias`; `line` from 1, and 0 where it is not known.
    pub fn new(key: &str, file: &str, line: u32) -> SettingLocation {
        SettingLocation { key: key.into(), file: file.into(), line }
    }

    pub fn key(&self) -> &str {
        &self.key
    }

    pub fn file(&self) -> &str {
        &self.file
    }

    pub fn line(&self) -> u32 {
        self.line
    }

    /// `omni.toml:4`.
    pub fn place(&self) -> String {
        if self.line == 0 { self.file.to_string() } else { format!("{}:{}", self.file, self.line) }
    }
}

impl fmt::Display for SettingLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at `{}`", self.key, self.place())
    }
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub setting: SettingLocation,
}

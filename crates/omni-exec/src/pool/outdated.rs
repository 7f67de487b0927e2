//! Which code no call runs any more, as far as a pool has been told.

use std::collections::HashMap;

use omni_call::{Code, CodeId, SkillId};

/// Of each skill that has ever changed the version before its last change: no call of it is run any more. Only that one: a
/// worker finds an earlier one by itself, and an edit that is taken back brings its version back.
#[derive(Debug, Default)]
pub(super) struct OutdatedCode(HashMap<SkillId, CodeId>);

impl OutdatedCode {
    /// From now on this code is outdated, and no earlier version of its skill.
    pub(super) fn note(&mut self, code: Code) {
        match code.version {
            Some(version) => self.0.insert(code.skill, version),
            None => self.0.remove(&code.skill),
        };
    }

    /// Whether a call that was resolved against this code is not to be run.
    pub(super) fn has(&self, code: Code) -> bool {
        code.version.is_some_and(|version| self.0.get(&code.skill) == Some(&version))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn code(folder: &str, digest: Option<&str>) -> Code {
        Code { skill: SkillId::of(Path::new(folder)), version: digest.map(CodeId::of) }
    }

    #[test]
    fn of_each_skill_the_version_before_the_last_change_is_outdated() {
        let mut outdated = OutdatedCode::default();
        outdated.note(code("/s/notes", Some("1")));
        outdated.note(code("/s/files", Some("1")));
        outdated.note(code("/s/notes", Some("2")));
        assert!(outdated.has(code("/s/notes", Some("2"))) && outdated.has(code("/s/files", Some("1"))));
        assert!(
            !outdated.has(code("/s/notes", Some("1"))),
            "an edit that is taken back brings its version back"
        );
        assert!(!outdated.has(code("/s/notes", None)), "a call that names no version takes any");
        outdated.note(code("/s/notes", None));
        assert!(!outdated.has(code("/s/notes", Some("2"))), "which version there was before is not known");
        assert!(outdated.has(code("/s/files", Some("1"))));
    }
}

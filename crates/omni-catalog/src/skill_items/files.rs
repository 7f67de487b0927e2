//! The files of a skill, each as a resource that is read without Python.

use omni_call::{ExecutorKind, FileKind, FileTarget, RunSpec, Target};

use crate::item_detail::{ItemDetail, SkillItem};
use crate::skill_list::resource_of;
use crate::skill_uri::skill_file_uri;
use crate::{CatalogKind, Origin, Skill};

/// One resource for each file that clients may read, `SKILL.md` first.
pub(super) fn items(skill: &Skill) -> Vec<SkillItem> {
    let items = skill.files.iter().map(|file| {
        let target = FileTarget {
            dir: skill.folder.clone().into(),
            path: file.path.clone(),
            kind: FileKind::Resource { mime_type: Some(file.mime_type.clone()), meta: None },
        };
        let mut run = RunSpec::new(&skill.folder, &file.path, Target::File(target));
        run.executor = ExecutorKind::File;
        run.trust = skill.trust;
        let origin = Origin { file: format!("{}/{}", skill.folder, file.path), line: 0 };
        let mut detail = ItemDetail::new(run, origin);
        detail.tags.clone_from(&skill.tags);
        detail.content = Some(file.sha256.clone());
        SkillItem {
            kind: CatalogKind::Resources,
            key: skill_file_uri(&skill.folder, &file.path),
            listing: resource_of(&skill.folder, skill.name.as_deref(), file),
            detail,
        }
    });
    items.collect()
}

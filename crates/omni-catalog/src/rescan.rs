//! Bringing the record of every skill up to date with as little reading and scanning as possible.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use crate::folder::SkillFolder;
use crate::known::KnownSkill;
use crate::manifest::Manifest;
use crate::parallel::in_parallel;
use crate::record;

/// One skill, up to date.
#[derive(Debug)]
pub(crate) struct Fresh<'a> {
    /// Its line in the manifest.
    pub(crate) record: Cow<'a, str>,
    pub(crate) known: KnownSkill,
    /// Its files were read.
    pub(crate) read: bool,
    /// Their content was new, so they were scanned.
    pub(crate) scanned: bool,
}

/// Updates the skills in `folders`, in that order. Those in `clean` are taken over from the old manifest
/// unread; of the others, those whose content is as it was are taken over too; the rest is scanned, on
/// all cores. No link is followed out of `within`.
pub(crate) fn skills<'a>(
    skills_dir: &Path,
    within: &Path,
    folders: &[String],
    old: Option<&'a Manifest<'_>>,
    mut clean: BTreeMap<String, KnownSkill>,
) -> Vec<Fresh<'a>> {
    let mut fresh: Vec<Option<Fresh<'a>>> = Vec::with_capacity(folders.len());
    for folder in folders {
        let kept = old.and_then(|old| old.find(folder)).zip(clean.remove(folder));
        fresh.push(kept.map(|((record, _), known)| Fresh {
            record: Cow::Borrowed(record),
            known,
            read: false,
            scanned: false,
        }));
    }
    let dirty: Vec<usize> = (0..folders.len()).filter(|&n| fresh[n].is_none()).collect();
    for (n, skill) in in_parallel(&dirty, |n| update(skills_dir, within, &folders[n], old)) {
        fresh[n] = Some(skill);
    }
    fresh.into_iter().flatten().collect()
}

fn update<'a>(skills_dir: &Path, within: &Path, folder: &str, old: Option<&'a Manifest<'_>>) -> Fresh<'a> {
    let read = SkillFolder::read(skills_dir, within, folder);
    let digest = read.digest().to_hex();
    let same = old.and_then(|old| old.find(folder)).filter(|(_, known)| *known == digest.as_str());
    let (record, scanned) = match same {
        Some((record, _)) => (Cow::Borrowed(record), false),
        None => (Cow::Owned(record::describe(&read, &digest)), true),
    };
    Fresh { record, known: KnownSkill { folder: folder.to_owned(), paths: read.paths }, read: true, scanned }
}

//! Bringing the record of every skill up to date with as little reading and scanning as possible.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use crate::file_stamps::SkillStamps;
use crate::folder::SkillFolder;
use crate::manifest::Manifest;
use crate::parallel::in_parallel;
use crate::record;

/// One skill, up to date.
#[derive(Debug)]
pub(crate) struct UpdatedRecord<'a> {
    /// Its line in the manifest.
    pub(crate) record: Cow<'a, str>,
    pub(crate) stamps: SkillStamps,
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
    mut clean: BTreeMap<String, SkillStamps>,
) -> Vec<UpdatedRecord<'a>> {
    let mut updated: Vec<Option<UpdatedRecord<'a>>> = Vec::with_capacity(folders.len());
    for folder in folders {
        let kept = old.and_then(|old| old.find(folder)).zip(clean.remove(folder));
        updated.push(kept.map(|((record, _), stamps)| UpdatedRecord {
            record: Cow::Borrowed(record),
            stamps,
            read: false,
            scanned: false,
        }));
    }
    let dirty: Vec<usize> = (0..folders.len()).filter(|&n| updated[n].is_none()).collect();
    for (n, skill) in in_parallel(&dirty, |n| update(skills_dir, within, &folders[n], old)) {
        updated[n] = Some(skill);
    }
    updated.into_iter().flatten().collect()
}

fn update<'a>(
    skills_dir: &Path,
    within: &Path,
    folder: &str,
    old: Option<&'a Manifest<'_>>,
) -> UpdatedRecord<'a> {
    let read = SkillFolder::read(skills_dir, within, folder);
    let digest = read.digest().to_hex();
    let same = old.and_then(|old| old.find(folder)).filter(|(_, stamps)| *stamps == digest.as_str());
    let (record, scanned) = match same {
        Some((record, _)) => (Cow::Borrowed(record), false),
        None => (Cow::Owned(record::describe(&read, &digest)), true),
    };
    UpdatedRecord {
        record,
        stamps: SkillStamps { folder: folder.to_owned(), paths: read.paths },
        read: true,
        scanned,
    }
}

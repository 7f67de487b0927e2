//! Which files and folders the snapshot was made from, so that one look at each tells what changed.
//!
//! Folders are in the list because their time of change betrays what was added, removed or renamed in
//! them; so a check never has to read a folder.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::parallel::in_parallel;
use crate::sealed::{Reader, Writer};
use crate::stamp::Stamp;

/// Everything that was looked at, by skill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// Names the manifest that was made from it.
    pub(crate) content: [u8; 32],
    /// The skills folder itself.
    pub(crate) root: Vec<KnownPath>,
    pub(crate) skills: Vec<KnownSkill>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownSkill {
    pub(crate) folder: String,
    pub(crate) paths: Vec<KnownPath>,
}

/// A path relative to the skills folder and its stamp when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownPath {
    pub(crate) path: String,
    pub(crate) stamp: Stamp,
}

/// What differs from what is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Dirt {
    /// Names the manifest that the known paths belong to.
    pub(crate) content: [u8; 32],
    /// Skills may have been added or removed.
    pub(crate) root: bool,
    /// Folder names of the skills in which something changed.
    pub(crate) skills: BTreeSet<String>,
    /// How many paths were looked at.
    pub(crate) looked_at: usize,
}

impl Dirt {
    pub(crate) fn is_clean(&self) -> bool {
        !self.root && self.skills.is_empty()
    }
}

impl Known {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.bytes(&self.content);
        encode_paths(&self.root, &mut writer);
        writer.count(self.skills.len());
        for skill in &self.skills {
            writer.text(&skill.folder);
            encode_paths(&skill.paths, &mut writer);
        }
        writer.finish()
    }

    /// `None` when the bytes are not what [`encode`](Self::encode) wrote.
    pub(crate) fn decode(encoded: &[u8]) -> Option<Known> {
        let mut reader = Reader::new(encoded);
        let content = reader.bytes(32)?.try_into().ok()?;
        let root = decode_paths(&mut reader)?;
        let mut skills = Vec::new();
        for _ in 0..reader.count()? {
            let folder = reader.text()?.to_owned();
            skills.push(KnownSkill { folder, paths: decode_paths(&mut reader)? });
        }
        reader.at_end().then_some(Known { content, root, skills })
    }
}

/// Looks at every known path once, straight from the encoded form: with tens of thousands of paths,
/// building the list first would cost more than the looks. Reads no file and no folder.
pub(crate) fn check(encoded: &[u8], skills_dir: &Path) -> Option<Dirt> {
    let mut reader = Reader::new(encoded);
    let mut dirt = Dirt { content: reader.bytes(32)?.try_into().ok()?, ..Dirt::default() };
    let mut looker = Looker::new(skills_dir);
    dirt.root = looker.any_differs(&mut reader)?;
    dirt.looked_at = looker.looked_at;
    let skills = sections(&mut reader)?;
    let parts: Vec<&[Section<'_>]> = skills.chunks(SKILLS_PER_PART).collect();
    let looked = match parts.as_slice() {
        [] => Vec::new(),
        [only] => vec![check_part(only, skills_dir)],
        parts => in_parallel(parts, |part| check_part(part, skills_dir))
            .into_iter()
            .map(|(_, part)| part)
            .collect(),
    };
    for part in looked {
        let (looked_at, dirty) = part?;
        dirt.looked_at += looked_at;
        dirt.skills.extend(dirty);
    }
    Some(dirt)
}

/// Half a millisecond of looking: below that another thread costs more than it saves.
const SKILLS_PER_PART: usize = 128;

/// One skill's folder name and its encoded paths.
type Section<'a> = (&'a str, &'a [u8]);

/// Finds where each skill's paths begin, without reading them.
fn sections<'a>(reader: &mut Reader<'a>) -> Option<Vec<Section<'a>>> {
    let mut sections = Vec::new();
    for _ in 0..reader.count()? {
        let folder = reader.text()?;
        let start = reader.clone();
        for _ in 0..reader.count()? {
            reader.text()?;
            reader.bytes(STAMP_BYTES)?;
        }
        sections.push((folder, start.until(reader)));
    }
    reader.at_end().then_some(sections)
}

fn check_part(part: &[Section<'_>], skills_dir: &Path) -> Option<(usize, Vec<String>)> {
    let mut looker = Looker::new(skills_dir);
    let mut dirty = Vec::new();
    for (folder, paths) in part {
        if looker.any_differs(&mut Reader::new(paths))? {
            dirty.push((*folder).to_owned());
        }
    }
    Some((looker.looked_at, dirty))
}

struct Looker {
    /// The skills folder and a slash, followed by whatever was looked at last.
    path: Vec<u8>,
    base_bytes: usize,
    looked_at: usize,
}

impl Looker {
    fn new(skills_dir: &Path) -> Looker {
        let path = skills_dir.join("").into_os_string().into_vec();
        Looker { base_bytes: path.len(), path, looked_at: 0 }
    }

    fn any_differs(&mut self, reader: &mut Reader<'_>) -> Option<bool> {
        let mut differs = false;
        for _ in 0..reader.count()? {
            let path = reader.text()?;
            let stamp = decode_stamp(reader)?;
            // One difference is enough for a skill to be read again.
            if !differs {
                differs = stamp == Stamp::UNSETTLED || self.look(path) != stamp;
            }
        }
        Some(differs)
    }

    fn look(&mut self, path: &str) -> Stamp {
        self.looked_at += 1;
        self.path.truncate(self.base_bytes);
        self.path.extend_from_slice(path.as_bytes());
        Stamp::of(Path::new(OsStr::from_bytes(&self.path)))
    }
}

fn encode_paths(paths: &[KnownPath], writer: &mut Writer) {
    writer.count(paths.len());
    for known in paths {
        writer.text(&known.path);
        writer.number(known.stamp.modified_ns.cast_unsigned());
        writer.number(known.stamp.changed_ns.cast_unsigned());
        writer.number(known.stamp.size);
        writer.number(known.stamp.inode);
    }
}

fn decode_paths(reader: &mut Reader<'_>) -> Option<Vec<KnownPath>> {
    let mut paths = Vec::new();
    for _ in 0..reader.count()? {
        let path = reader.text()?.to_owned();
        paths.push(KnownPath { path, stamp: decode_stamp(reader)? });
    }
    Some(paths)
}

const STAMP_BYTES: usize = 4 * 8;

fn decode_stamp(reader: &mut Reader<'_>) -> Option<Stamp> {
    Some(Stamp {
        modified_ns: reader.number()?.cast_signed(),
        changed_ns: reader.number()?.cast_signed(),
        size: reader.number()?,
        inode: reader.number()?,
    })
}

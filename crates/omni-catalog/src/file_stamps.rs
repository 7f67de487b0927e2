//! Which files and folders the snapshot was made from, so that one `stat` of each tells what changed.
//!
//! Folders are in the list because their time of change shows what was added, removed or renamed in
//! them; so a check never has to read a folder.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::checksummed_file::{ByteReader, ByteWriter};
use crate::parallel::in_parallel;
use crate::stamp::Stamp;

/// The stamp of every file and folder that was read, by skill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileStamps {
    /// Names the manifest that was made from it.
    pub(crate) content: [u8; 32],
    /// The skills folder itself.
    pub(crate) root: Vec<PathStamp>,
    pub(crate) skills: Vec<SkillStamps>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SkillStamps {
    pub(crate) folder: String,
    pub(crate) paths: Vec<PathStamp>,
}

/// A path relative to the skills folder and its stamp when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathStamp {
    pub(crate) path: String,
    pub(crate) stamp: Stamp,
}

/// What is no longer as the stamps say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangedFiles {
    /// Names the manifest that the stamps belong to.
    pub(crate) content: [u8; 32],
    /// Skills may have been added or removed.
    pub(crate) root: bool,
    /// Folder names of the skills in which something changed.
    pub(crate) skills: BTreeSet<String>,
    /// How many paths were compared, with a system call each.
    pub(crate) paths_checked: usize,
}

impl ChangedFiles {
    pub(crate) fn is_empty(&self) -> bool {
        !self.root && self.skills.is_empty()
    }
}

impl FileStamps {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = ByteWriter::default();
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
    pub(crate) fn decode(encoded: &[u8]) -> Option<FileStamps> {
        let mut reader = ByteReader::new(encoded);
        let content = reader.bytes(32)?.try_into().ok()?;
        let root = decode_paths(&mut reader)?;
        let mut skills = Vec::new();
        for _ in 0..reader.count()? {
            let folder = reader.text()?.to_owned();
            skills.push(SkillStamps { folder, paths: decode_paths(&mut reader)? });
        }
        reader.at_end().then_some(FileStamps { content, root, skills })
    }
}

/// Compares every path with its stamp, straight from the encoded form: with tens of thousands of paths,
/// building the list first would cost more than the comparing. Reads no file and no folder.
pub(crate) fn changed_since(encoded: &[u8], skills_dir: &Path) -> Option<ChangedFiles> {
    let mut reader = ByteReader::new(encoded);
    let mut changed = ChangedFiles { content: reader.bytes(32)?.try_into().ok()?, ..ChangedFiles::default() };
    let mut checker = StampChecker::new(skills_dir);
    changed.root = checker.any_differs(&mut reader)?;
    changed.paths_checked = checker.paths_checked;
    let skills = sections(&mut reader)?;
    let chunks: Vec<&[Section<'_>]> = skills.chunks(SKILLS_PER_CHUNK).collect();
    let checked = match chunks.as_slice() {
        [] => Vec::new(),
        [only] => vec![check_chunk(only, skills_dir)],
        chunks => in_parallel(chunks, |chunk| check_chunk(chunk, skills_dir))
            .into_iter()
            .map(|(_, chunk)| chunk)
            .collect(),
    };
    for chunk in checked {
        let (paths_checked, skills) = chunk?;
        changed.paths_checked += paths_checked;
        changed.skills.extend(skills);
    }
    Some(changed)
}

/// Half a millisecond of comparing: below that another thread costs more than it saves.
const SKILLS_PER_CHUNK: usize = 128;

/// One skill's folder name and its encoded paths.
type Section<'a> = (&'a str, &'a [u8]);

/// Finds where each skill's paths begin, without reading them.
fn sections<'a>(reader: &mut ByteReader<'a>) -> Option<Vec<Section<'a>>> {
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

fn check_chunk(chunk: &[Section<'_>], skills_dir: &Path) -> Option<(usize, Vec<String>)> {
    let mut checker = StampChecker::new(skills_dir);
    let mut changed = Vec::new();
    for (folder, paths) in chunk {
        if checker.any_differs(&mut ByteReader::new(paths))? {
            changed.push((*folder).to_owned());
        }
    }
    Some((checker.paths_checked, changed))
}

struct StampChecker {
    /// The skills folder and a slash, followed by the path that was compared last.
    path: Vec<u8>,
    base_bytes: usize,
    paths_checked: usize,
}

impl StampChecker {
    fn new(skills_dir: &Path) -> StampChecker {
        let path = skills_dir.join("").into_os_string().into_vec();
        StampChecker { base_bytes: path.len(), path, paths_checked: 0 }
    }

    fn any_differs(&mut self, reader: &mut ByteReader<'_>) -> Option<bool> {
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
        self.paths_checked += 1;
        self.path.truncate(self.base_bytes);
        self.path.extend_from_slice(path.as_bytes());
        Stamp::of(Path::new(OsStr::from_bytes(&self.path)))
    }
}

fn encode_paths(paths: &[PathStamp], writer: &mut ByteWriter) {
    writer.count(paths.len());
    for stamps in paths {
        writer.text(&stamps.path);
        writer.number(stamps.stamp.modified_ns.cast_unsigned());
        writer.number(stamps.stamp.changed_ns.cast_unsigned());
        writer.number(stamps.stamp.size);
        writer.number(stamps.stamp.inode);
    }
}

fn decode_paths(reader: &mut ByteReader<'_>) -> Option<Vec<PathStamp>> {
    let mut paths = Vec::new();
    for _ in 0..reader.count()? {
        let path = reader.text()?.to_owned();
        paths.push(PathStamp { path, stamp: decode_stamp(reader)? });
    }
    Some(paths)
}

const STAMP_BYTES: usize = 4 * 8;

fn decode_stamp(reader: &mut ByteReader<'_>) -> Option<Stamp> {
    Some(Stamp {
        modified_ns: reader.number()?.cast_signed(),
        changed_ns: reader.number()?.cast_signed(),
        size: reader.number()?,
        inode: reader.number()?,
    })
}

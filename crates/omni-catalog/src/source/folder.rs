//! A folder of skills, read without running it: what is known of it, checked against the folder and replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use omni_call::{ExecutorKind, with_causes};

use super::last_good;
use super::{RefreshReport, Source, SourceError};
use crate::checksummed_file::{self, Magic};
use crate::encoded_items::EncodedItems;
use crate::encoded_list::{self, EncodedList, EncodedTool, ListMeta, list_file};
use crate::file_stamps::{self, ChangedFiles, FileStamps, SkillStamps};
use crate::listing::optional_members;
use crate::manifest::{self, Manifest};
use crate::manifest_diff::ManifestDiff;
use crate::record::Record;
use crate::source_defaults::SourceDefaults;
use crate::store::Store;
use crate::{
    CatalogKind, Diagnostic, NameStyle, Origin, Severity, SourceSnapshot, folder, folder_items, remote_list,
    rescan,
};

/// Where the skills are, and where what was read from them may be kept.
#[derive(Clone, Debug, Default)]
pub struct FolderConfig {
    pub skills_dir: PathBuf,
    /// The name of the one folder in it that is served, as if there were no other. `None` serves all.
    pub only: Option<String>,
    /// What people call it; `None` is its path.
    pub name: Option<String>,
    /// A folder that may be shared with other processes and other skills folders; created when needed.
    /// `None` keeps nothing between two starts.
    pub cache_dir: Option<PathBuf>,
    /// How tools are run that do not say it, nor their skill.
    pub default_executor: ExecutorKind,
    /// Tools of the server's own that are listed with those of the folder: a list as `tools/list` of MCP has it, the same
    /// for all that a build of ours ever gives. They are kept in its encoded list, so that a list of both is served as it
    /// lies. `None` lists no others.
    pub own_tools: Option<Arc<str>>,
    /// How lists name the tools: an encoded list with these names is kept, so that it can be served as it lies.
    pub names: NameStyle,
}

/// The skills of one folder.
///
/// Its snapshot changes only in [`refresh`](Source::refresh). Nothing is watched, and dropping a source stops nothing.
#[derive(Debug)]
pub struct FolderSource {
    name: String,
    /// Absolute, without links.
    skills_dir: Arc<Path>,
    /// The one skill in it that is served; `None` serves all.
    only: Option<Box<str>>,
    defaults: SourceDefaults,
    own_tools: Option<Arc<str>>,
    names: NameStyle,
    store: Store,
    current: ArcSwap<SourceSnapshot>,
    /// One refresh at a time; readers of the snapshot never wait for it.
    refreshing: Mutex<SnapshotOrigin>,
}

/// What the snapshot was made from.
#[derive(Debug, Default)]
struct SnapshotOrigin {
    /// It is that of the folder, and no longer that of a cache.
    is_read: bool,
    /// Names the manifest of the folder. Where a last good version is served, the snapshot has another name.
    manifest: Option<[u8; 32]>,
}

/// What the source of the server's own tools is called.
const OWN_TOOLS: &str = "omni itself";

const STAMPS: &str = "stamps.bin";
const MANIFEST: &str = "manifest.json";
const STAMPS_MAGIC: Magic = b"omnistmp";

/// What a comparison of the folder with what is kept of it came to.
enum Rescan {
    /// Nothing differs from what is known.
    Unchanged(ChangedFiles),
    Rebuilt(Box<Rebuilt>),
}

/// Everything that follows from the folder as it is now.
struct Rebuilt {
    manifest: String,
    /// The manifest in the store is another one, or none.
    manifest_differs: bool,
    /// What is to be served.
    snapshot: SourceSnapshot,
    /// What is to be kept for the next start: the folder as it is.
    encoded_bytes: Bytes,
    stamps: FileStamps,
    report: RefreshReport,
}

impl FolderSource {
    /// Opens the cached encoded list if there is one that this build wrote, and looks at nothing else:
    /// a cached list is ready in a millisecond or two. Without a cache the snapshot is empty until the
    /// first [`refresh`](Source::refresh).
    ///
    /// # Errors
    ///
    /// When `skills_dir` is not a folder that can be entered.
    pub fn open(config: FolderConfig) -> Result<FolderSource, SourceError> {
        let FolderConfig { skills_dir: path, only, name, cache_dir, default_executor, own_tools, names } =
            config;
        let unreadable = |source| SourceError::SkillsDir { path: path.clone(), source };
        let skills_dir = path.canonicalize().map_err(unreadable)?;
        if !skills_dir.metadata().map_err(unreadable)?.is_dir() {
            return Err(SourceError::NotAFolder { path });
        }
        let skills_dir: Arc<Path> = skills_dir.into();
        let store = match &only {
            // A name of its own beside the folder's, and one that no path can be.
            Some(only) => Store::new(cache_dir.as_deref(), &skills_dir.join(format!("{only}\0"))),
            None => Store::new(cache_dir.as_deref(), &skills_dir),
        };
        let served_dir = only.as_ref().map_or_else(|| skills_dir.to_path_buf(), |only| skills_dir.join(only));
        let shown = name.clone().unwrap_or_else(|| skills_dir.display().to_string());
        let name = name.unwrap_or_else(|| served_dir.display().to_string());
        let defaults = SourceDefaults::folder(Arc::clone(&skills_dir), &shown, default_executor);
        let cached = store
            .read(list_file(names, own_tools.is_some()))
            .and_then(|file| EncodedList::decode(file.into(), names));
        let snapshot = match cached {
            Some(encoded) => SourceSnapshot::new(encoded, defaults.clone()),
            None => SourceSnapshot::unknown(names, defaults.clone()),
        };
        Ok(FolderSource {
            name,
            skills_dir,
            only: only.map(Into::into),
            defaults,
            own_tools,
            names,
            store,
            current: ArcSwap::from_pointee(snapshot),
            refreshing: Mutex::default(),
        })
    }

    fn unreadable(&self, source: std::io::Error) -> SourceError {
        SourceError::SkillsDir { path: self.skills_dir.to_path_buf(), source }
    }

    fn too_large(&self) -> SourceError {
        SourceError::TooLarge { source_name: self.name.clone() }
    }

    /// Makes the snapshot what the folder is now.
    fn refresh_with(
        &self,
        origin: &mut SnapshotOrigin,
        served: Option<&SourceSnapshot>,
    ) -> Result<RefreshReport, SourceError> {
        let before = self.current.load_full();
        let known = origin.manifest.unwrap_or(before.encoded().content);
        // The first refresh replaces what a cache said, whatever the folder has by now.
        let rescan = self.rescan(known, served.filter(|_| origin.is_read))?;
        origin.is_read = true;
        match rescan {
            Rescan::Unchanged(changed) => {
                let mut report =
                    RefreshReport { paths_checked: changed.paths_checked, ..RefreshReport::default() };
                report.skills = before.skills().len();
                if before.failure().is_some() {
                    self.current.store(Arc::new(before.without_failure()));
                    report.replaced = true;
                }
                Ok(report)
            }
            Rescan::Rebuilt(rebuilt) => {
                origin.manifest = Some(rebuilt.stamps.content);
                Ok(self.apply(&before, *rebuilt))
            }
        }
    }

    fn apply(&self, before: &SourceSnapshot, rebuilt: Rebuilt) -> RefreshReport {
        let Rebuilt { manifest, manifest_differs, snapshot, encoded_bytes, stamps, mut report } = rebuilt;
        let is_new = !before.is_known() || before.failure().is_some();
        report.replaced = is_new || snapshot.encoded().content != before.encoded().content;
        let (old, new) = (before.encoded(), snapshot.encoded());
        let differs = |(one, other): (&EncodedItems, &EncodedItems)| one.list_hash != other.list_hash;
        report.changed = old.list_hash != new.list_hash || old.items.iter().zip(&new.items).any(differs);
        if manifest_differs || report.replaced {
            self.store.write(MANIFEST, manifest.into_bytes());
            self.store.write(list_file(self.names, self.own_tools.is_some()), encoded_bytes.into());
        }
        // Last, because the stamps vouch for the other two.
        self.store.write(STAMPS, checksummed_file::encode(STAMPS_MAGIC, &stamps.encode()));
        if report.replaced {
            self.current.store(Arc::new(snapshot));
        }
        report
    }

    /// `known` names the manifest that the snapshot was made from. With `served`, broken edits leave what that has.
    fn rescan(&self, known: [u8; 32], served: Option<&SourceSnapshot>) -> Result<Rescan, SourceError> {
        let stamps = self.store.read(STAMPS);
        let stamps = stamps.as_deref().and_then(|file| checksummed_file::decode(STAMPS_MAGIC, file));
        let changed = stamps.and_then(|encoded| file_stamps::changed_since(encoded, &self.skills_dir));
        if let Some(changed) =
            changed.as_ref().filter(|changed| changed.is_empty() && changed.content == known)
        {
            return Ok(Rescan::Unchanged(ChangedFiles {
                paths_checked: changed.paths_checked,
                ..ChangedFiles::default()
            }));
        }
        let text = self.read_manifest();
        let manifest = text.as_deref().and_then(Manifest::read);
        // Stamps vouch for the manifest they were written with and for no other.
        let matching =
            changed.as_ref().is_some_and(|changed| text.as_deref().map(content_of) == Some(changed.content));
        let stamps = stamps.filter(|_| matching).and_then(FileStamps::decode);
        let unchanged = unchanged_skills(stamps, changed.as_ref());
        let paths_checked = changed.map_or(0, |changed| changed.paths_checked);
        self.build(text.as_deref(), manifest.as_ref(), unchanged, paths_checked, served).map(Rescan::Rebuilt)
    }

    /// What is to be served in the place of `records`; `None` where that is the same.
    fn with_last_good(
        &self,
        served: &SourceSnapshot,
        records: &[Record<'_>],
        lines: &[&str],
        findings: &[Diagnostic],
    ) -> Result<Option<SourceSnapshot>, SourceError> {
        let kept = last_good::keep(served, records);
        if kept.iter().all(Option::is_none) {
            return Ok(None);
        }
        let lines =
            kept.iter().zip(lines).map(|(kept, line)| kept.as_ref().map_or(*line, |kept| &*kept.record));
        let lines: Vec<&str> = lines.collect();
        let records = read_records(lines.iter().copied());
        let (tools, twice) = unique_tools(&records);
        let (items, items_twice) =
            folder_items::encoded(&records, self.names).map_err(|_| self.too_large())?;
        let findings: Vec<Diagnostic> = findings.iter().cloned().chain(twice).chain(items_twice).collect();
        let content = content_of(&manifest::write(lines.into_iter(), &findings));
        let bytes = self.encoded(content, &records, &tools, &items, findings)?;
        let encoded = EncodedList::decode(bytes, self.names).ok_or_else(|| self.too_large())?;
        let faults = records
            .iter()
            .zip(&kept)
            .filter_map(|(record, kept)| Some((record.folder.to_string(), kept.as_ref()?.faults.clone())));
        let snapshot = SourceSnapshot::new(encoded, self.defaults.clone());
        Ok(Some(snapshot.keeping_back(faults.collect())))
    }

    fn build(
        &self,
        old_text: Option<&str>,
        old: Option<&Manifest<'_>>,
        unchanged: BTreeMap<String, SkillStamps>,
        paths_checked: usize,
        served: Option<&SourceSnapshot>,
    ) -> Result<Box<Rebuilt>, SourceError> {
        let root = match &self.only {
            Some(only) => folder::Root { folders: vec![only.to_string()], ..folder::Root::default() },
            None => folder::list(&self.skills_dir).map_err(|source| self.unreadable(source))?,
        };
        let within = match &self.only {
            Some(only) => self.skills_dir.join(&**only),
            None => self.skills_dir.to_path_buf(),
        };
        let skills = rescan::skills(&self.skills_dir, &within, &root.folders, old, unchanged);
        let mut report = RefreshReport { skills: skills.len(), paths_checked, ..RefreshReport::default() };
        for skill in &skills {
            report.read += usize::from(skill.read);
            report.scanned += usize::from(skill.scanned);
        }
        let lines: Vec<&str> = skills.iter().map(|skill| &*skill.record).collect();
        let records = read_records(lines.iter().copied());
        let (tools, twice) = unique_tools(&records);
        let (items, items_twice) =
            folder_items::encoded(&records, self.names).map_err(|_| self.too_large())?;
        let twice = twice.into_iter().chain(items_twice);
        let findings: Vec<Diagnostic> = root.findings.iter().cloned().chain(twice).collect();
        let manifest = manifest::write(lines.iter().copied(), &findings);
        let content = content_of(&manifest);
        let last_good = match served {
            Some(served) => self.with_last_good(served, &records, &lines, &root.findings)?,
            None => None,
        };
        let encoded_bytes = self.encoded(content, &records, &tools, &items, findings)?;
        let Some(encoded) = EncodedList::decode(encoded_bytes.clone(), self.names) else {
            // What was encoded a line above decodes; an empty list would be a lie, an error is not.
            return Err(self.too_large());
        };
        let snapshot = last_good.unwrap_or_else(|| SourceSnapshot::new(encoded, self.defaults.clone()));
        let stamps = FileStamps {
            content,
            root: root.paths,
            skills: skills.into_iter().map(|skill| skill.stamps).collect(),
        };
        let manifest_differs = old_text != Some(manifest.as_str());
        Ok(Box::new(Rebuilt { manifest, manifest_differs, snapshot, encoded_bytes, stamps, report }))
    }

    fn encoded(
        &self,
        content: [u8; 32],
        records: &[Record<'_>],
        tools: &[EncodedTool<'_>],
        items: &[Vec<u8>; 3],
        mut findings: Vec<Diagnostic>,
    ) -> Result<Bytes, SourceError> {
        findings.extend(records.iter().flat_map(|record| record.diagnostics.iter().cloned()));
        findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        let own = self
            .own_tools
            .as_ref()
            .and_then(|list| remote_list::read(OWN_TOOLS, list.as_bytes(), ExecutorKind::Native).ok());
        let own = own.as_ref().map(|own| &own.tools);
        let own = own.into_iter().flatten().map(|(name, texts)| EncodedTool {
            name,
            listing: &texts.listing,
            detail: &texts.detail,
        });
        // A skill's tool of that name was there first, and its author can rename it.
        let own = own.filter(|own| tools.iter().all(|tool| tool.name != own.name));
        let mut tools: Vec<EncodedTool<'_>> = tools.iter().copied().chain(own).collect();
        tools.sort_unstable_by_key(|tool| tool.name);
        let skills: Vec<_> = records.iter().map(|record| record.skill).collect();
        let json = |result: Result<String, serde_json::Error>| result.unwrap_or_else(|_| "[]".to_owned());
        let meta = ListMeta {
            content,
            style: self.names,
            optional_members: optional_members(tools.iter().map(|tool| tool.listing)),
            skills: &json(serde_json::to_string(&skills)),
            diagnostics: &json(serde_json::to_string(&findings)),
            items: items.each_ref().map(Vec::as_slice),
        };
        encoded_list::encode(&tools, meta).map(Bytes::from).map_err(|_| self.too_large())
    }

    fn read_manifest(&self) -> Option<String> {
        String::from_utf8(self.store.read(MANIFEST)?).ok()
    }
}

impl Source for FolderSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn snapshot(&self) -> Arc<SourceSnapshot> {
        self.current.load_full()
    }

    /// An edit may give a skill any of them, and clients are told of what is declared at their start only.
    fn offers(&self, _kind: CatalogKind) -> bool {
        true
    }

    fn completes(&self) -> bool {
        self.current.load().completes()
    }

    /// One system call for each known file and folder, and where something differs, the time to read and scan those
    /// skills. Skills that did not change are not read. What cannot be written to the cache is logged and done without.
    /// Two refreshes at once run one after the other.
    ///
    /// A skill in which an edit has broken a file stays as it is `served`, until that is mended: its tools, and the version
    /// of the code that its calls name. Its findings are those of the folder. What this process has not served before is
    /// not served for that, and caches and manifests are those of the folder.
    fn refresh(&self, served: Option<&SourceSnapshot>) -> Result<RefreshReport, SourceError> {
        let mut origin = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh_with(&mut origin, served).inspect_err(|error| {
            let failed = self.current.load().failed(&self.name, &with_causes(error));
            self.current.store(Arc::new(failed));
        })
    }

    fn diff(&self) -> Result<ManifestDiff, SourceError> {
        let origin = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = origin.manifest.unwrap_or_else(|| self.current.load().encoded().content);
        let rebuilt = match self.rescan(known, None)? {
            Rescan::Unchanged(_) => return Ok(ManifestDiff::default()),
            Rescan::Rebuilt(rebuilt) => rebuilt,
        };
        if !rebuilt.manifest_differs {
            return Ok(ManifestDiff::default());
        }
        let before = self.read_manifest();
        let before = before.as_deref().and_then(Manifest::read);
        let after = Manifest::read(&rebuilt.manifest);
        Ok(ManifestDiff::between(before.as_ref(), after.as_ref()))
    }

    fn manifest_path(&self) -> Option<PathBuf> {
        self.store.path(MANIFEST)
    }
}

fn content_of(manifest: &str) -> [u8; 32] {
    *blake3::hash(manifest.as_bytes()).as_bytes()
}

/// What is known of the skills in which nothing changed.
fn unchanged_skills(
    stamps: Option<FileStamps>,
    changed: Option<&ChangedFiles>,
) -> BTreeMap<String, SkillStamps> {
    let (Some(stamps), Some(changed)) = (stamps, changed) else { return BTreeMap::new() };
    let unchanged = stamps.skills.into_iter().filter(|skill| !changed.skills.contains(&skill.folder));
    unchanged.map(|skill| (skill.folder.clone(), skill)).collect()
}

/// What stands in these lines of a manifest. They were written here, so each can be read.
fn read_records<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Record<'a>> {
    lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// All tools by name. Of two with one name the first skill's stays, and the other is a finding.
fn unique_tools<'a>(records: &'a [Record<'a>]) -> (Vec<EncodedTool<'a>>, Vec<Diagnostic>) {
    let mut tools: BTreeMap<&str, (EncodedTool<'_>, &str)> = BTreeMap::new();
    let mut twice = Vec::new();
    for record in records {
        for tool in &record.tools {
            if let Some((_, first)) = tools.get(&*tool.name) {
                twice.push(name_twice(&tool.name, first, record, tool.detail.get()));
                continue;
            }
            let encoded =
                EncodedTool { name: &tool.name, listing: tool.listing.get(), detail: tool.detail.get() };
            tools.insert(&tool.name, (encoded, &record.folder));
        }
    }
    (tools.into_values().map(|(tool, _)| tool).collect(), twice)
}

fn name_twice(name: &str, first: &str, record: &Record<'_>, detail: &str) -> Diagnostic {
    #[derive(serde::Deserialize)]
    struct Place {
        origin: Origin,
    }
    let (file, line) = match serde_json::from_str::<Place>(detail) {
        Ok(Place { origin }) => (origin.file, origin.line),
        Err(_) => (record.folder.to_string(), 0),
    };
    Diagnostic {
        severity: Severity::Error,
        skill: record.folder.to_string(),
        file,
        line,
        column: u32::from(line > 0),
        code: "duplicate-name".to_owned(),
        message: format!(
            "there is a tool `{name}` in the skill `{first}` already, so this one is not listed"
        ),
        help: Some("rename one of the two, or drop `flat: true` from one skill's front matter".to_owned()),
    }
}

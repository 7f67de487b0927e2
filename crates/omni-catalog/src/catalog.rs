//! How the snapshot in force is found, checked against the folder and replaced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use omni_call::ExecutorKind;

use crate::change::Plan;
use crate::described::{self, Described, NotAList};
use crate::known::{self, Dirt, Known, KnownSkill};
use crate::listing::carries;
use crate::manifest::{self, Manifest};
use crate::record::Record;
use crate::sealed::{self, Magic};
use crate::served::{self, Around, Carries, Served, ServedTool};
use crate::store::Store;
use crate::{Diagnostic, Exclude, NameStyle, Origin, Severity, Snapshot, folder, rescan};

/// Where the skills are, and where what was read from them may be kept.
#[derive(Clone, Debug)]
pub struct CatalogConfig {
    pub skills_dir: PathBuf,
    /// The name of the one folder in it that is served, as if there were no other. `None` serves all.
    pub only: Option<String>,
    /// A folder that may be shared with other processes and other skills folders; created when needed.
    /// `None` keeps nothing between two starts.
    pub cache_dir: Option<PathBuf>,
    /// How tools are run that do not say it, nor their skill.
    pub default_executor: ExecutorKind,
    /// How lists name the tools.
    pub names: NameStyle,
}

/// The skills of one folder, or the tools that somebody else describes. Shared in an `Arc`; every method may be
/// called from any thread.
///
/// The snapshot in force changes only in [`refresh`](Catalog::refresh), or in [`describe`](Catalog::describe).
/// Nothing is watched, and dropping a catalogue stops nothing.
#[derive(Debug)]
pub struct Catalog {
    /// Absolute, without links. Empty for described tools.
    skills_dir: Arc<Path>,
    /// The one skill in it that is served; `None` serves all.
    only: Option<Box<str>>,
    /// Who describes the tools; `None` for a folder.
    source: Option<Box<str>>,
    default_executor: ExecutorKind,
    names: NameStyle,
    store: Store,
    cached: bool,
    exclude: Exclude,
    current: ArcSwap<Snapshot>,
    /// One refresh at a time; readers of the snapshot never wait for it.
    refreshing: Mutex<()>,
}

/// What a [`Catalog::refresh`] found and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// The tool list that clients see differs from the one before.
    pub changed: bool,
    /// A new snapshot is in force, be it only because a tool's body changed.
    pub replaced: bool,
    /// Skills in the folder.
    pub skills: usize,
    /// Files and folders that one system call each was spent on.
    pub looked_at: usize,
    /// Skills whose files were read because something about them looked different.
    pub read: usize,
    /// Skills of those whose content had changed, so that they were scanned.
    pub scanned: usize,
}

/// Why there is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    #[error("the skills folder `{}` cannot be read", path.display())]
    SkillsDir { path: PathBuf, source: io::Error },
    #[error("`{}` is not a folder of skills, but a file", path.display())]
    NotAFolder { path: PathBuf },
    #[error("the skills in `{}` describe more than 4 GiB of tools", path.display())]
    TooLarge { path: PathBuf },
}

/// Why a list was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error(transparent)]
    NotAList(#[from] NotAList),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}

const STAMPS: &str = "stamps.bin";
const MANIFEST: &str = "manifest.json";
const STAMPS_MAGIC: Magic = b"omnistmp";
const ETAG: &str = "etag.bin";
const ETAG_MAGIC: Magic = b"omnietag";

/// The served form has a file for each way of naming, so that servers with different ones may share a folder.
fn served_file(names: NameStyle) -> &'static str {
    match names {
        NameStyle::Underscore => "served.bin",
        NameStyle::Dotted => "served-dotted.bin",
        NameStyle::Canonical => "served-canonical.bin",
    }
}

/// A look at the folder, and what came of it.
enum Survey {
    /// Nothing differs from what is known.
    Clean(Dirt),
    Built(Box<Built>),
}

/// Everything that follows from the folder as it is now.
struct Built {
    manifest: String,
    /// The manifest in the store is another one, or none.
    manifest_differs: bool,
    served: Served,
    served_bytes: Bytes,
    known: Known,
    refreshed: Refreshed,
}

impl Catalog {
    /// Takes up the cached served form if there is one that this build wrote, and looks at nothing else:
    /// a cached list is ready in a millisecond or two. Without a cache the catalogue is empty until the
    /// first [`refresh`](Self::refresh).
    ///
    /// # Errors
    ///
    /// When `skills_dir` is not a folder that can be entered.
    pub fn open(config: CatalogConfig) -> Result<Catalog, CatalogError> {
        let CatalogConfig { skills_dir: path, only, cache_dir, default_executor, names } = config;
        let unreadable = |source| CatalogError::SkillsDir { path: path.clone(), source };
        let skills_dir = path.canonicalize().map_err(unreadable)?;
        if !skills_dir.metadata().map_err(unreadable)?.is_dir() {
            return Err(CatalogError::NotAFolder { path });
        }
        let skills_dir: Arc<Path> = skills_dir.into();
        let store = match &only {
            // A name of its own beside the folder's, and one that no path can be.
            Some(only) => Store::new(cache_dir.as_deref(), &skills_dir.join(format!("{only}\0"))),
            None => Store::new(cache_dir.as_deref(), &skills_dir),
        };
        let cached = store.read(served_file(names)).and_then(|file| Served::decode(file.into(), names));
        let is_cached = cached.is_some();
        let served = match cached {
            Some(served) => served,
            None => nothing_yet(&path, names)?,
        };
        let current = ArcSwap::from_pointee(Snapshot::new(served, Arc::clone(&skills_dir), default_executor));
        Ok(Catalog {
            skills_dir,
            only: only.map(Into::into),
            source: None,
            default_executor,
            names,
            store,
            cached: is_cached,
            exclude: Exclude::default(),
            current,
            refreshing: Mutex::default(),
        })
    }

    /// A catalogue of tools that `source` describes (a runner's address, say): the last good list if the cache
    /// has it, else empty until the first [`describe`](Self::describe).
    ///
    /// # Errors
    ///
    /// Never, as far as we know: an empty list is not too large.
    pub fn described(
        source: &str,
        cache_dir: Option<&Path>,
        names: NameStyle,
    ) -> Result<Catalog, CatalogError> {
        // A name of its own beside those of folders, which are absolute paths.
        let name = PathBuf::from(format!("described by {source}"));
        let store = Store::new(cache_dir, &name);
        let cached = store.read(served_file(names)).and_then(|file| Served::decode(file.into(), names));
        let is_cached = cached.is_some();
        let served = match cached {
            Some(served) => served,
            None => nothing_yet(&name, names)?,
        };
        let nowhere: Arc<Path> = Path::new("").into();
        let current =
            ArcSwap::from_pointee(Snapshot::new(served, Arc::clone(&nowhere), ExecutorKind::Runner));
        Ok(Catalog {
            skills_dir: nowhere,
            only: None,
            source: Some(source.into()),
            default_executor: ExecutorKind::Runner,
            names,
            store,
            cached: is_cached,
            exclude: Exclude::default(),
            current,
            refreshing: Mutex::default(),
        })
    }

    /// The same catalogue with some tools and skills left out of every snapshot. What is kept in the cache has them all.
    pub fn excluding(mut self, exclude: Exclude) -> Catalog {
        self.exclude = exclude;
        if !self.exclude.is_empty() {
            let all = self.snapshot();
            self.current.store(Arc::new(self.seen(all.served().clone())));
        }
        self
    }

    /// The snapshot of a served form, without what is left out.
    fn seen(&self, served: Served) -> Snapshot {
        Snapshot::new(self.exclude.apply(served), Arc::clone(&self.skills_dir), self.default_executor)
    }

    /// Makes the snapshot what `list` says: `{"tools":[…]}`, MCP's tool objects with a member `omni` more. A
    /// description that is of no use is a finding and costs its own tool only. The list is kept, with its `etag`.
    /// Blocks: it parses and writes.
    ///
    /// # Errors
    ///
    /// When `list` is no such list; the snapshot stays as it was. Also for more than 4 GiB of tools.
    pub fn describe(&self, list: &[u8], etag: Option<&str>) -> Result<Refreshed, DescribeError> {
        let _turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot();
        let content = *blake3::hash(list).as_bytes();
        let mut refreshed = Refreshed { skills: before.skills().len(), ..Refreshed::default() };
        if content != *before.content() {
            let source = self.source.as_deref().unwrap_or("the list");
            let Described { tools, skills, findings } = described::read(source, list)?;
            let tools: Vec<ServedTool<'_>> = tools
                .iter()
                .map(|(name, texts)| ServedTool { name, listing: &texts.listing, detail: &texts.detail })
                .collect();
            let around = Around {
                content,
                style: self.names,
                carries: carries(&tools),
                skills: &serde_json::to_string(&skills).unwrap_or_else(|_| "[]".to_owned()),
                diagnostics: &serde_json::to_string(&findings).unwrap_or_else(|_| "[]".to_owned()),
            };
            let too_large = || CatalogError::TooLarge { path: self.skills_dir.to_path_buf() };
            let file = Bytes::from(served::encode(&tools, around).map_err(|_| too_large())?);
            let served = Served::decode(file.clone(), self.names).ok_or_else(too_large)?;
            let after = self.seen(served);
            refreshed.skills = skills.len();
            refreshed.replaced = true;
            refreshed.changed = after.version() != before.version();
            self.store.write(served_file(self.names), file.into());
            self.current.store(Arc::new(after));
        }
        if self.etag().as_deref() != etag {
            let mut tag = sealed::Writer::default();
            tag.bytes(&content);
            tag.text(etag.unwrap_or_default());
            self.store.write(ETAG, sealed::seal(ETAG_MAGIC, &tag.finish()));
        }
        Ok(refreshed)
    }

    /// The tag that the list in force came with, to ask whether there is a newer one.
    pub fn etag(&self) -> Option<String> {
        let file = self.store.read(ETAG)?;
        let mut reader = sealed::Reader::new(sealed::open(ETAG_MAGIC, &file)?);
        // Kept apart from the list, it could be another list's: each write replaces one file only.
        let of_this = reader.bytes(32)? == self.snapshot().content();
        reader.text().filter(|etag| of_this && !etag.is_empty()).map(str::to_owned)
    }

    /// The snapshot in force. Never waits.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Whether [`open`](Self::open) found a served form, so that there is a list before the first refresh.
    pub fn has_cached(&self) -> bool {
        self.cached
    }

    /// The skills folder, absolute and without links; empty for described tools.
    pub fn skills_dir(&self) -> &Path {
        &self.skills_dir
    }

    /// The one folder in it that is served, where not all are.
    pub fn only(&self) -> Option<&str> {
        self.only.as_deref()
    }

    /// Where the manifest is kept, if anywhere.
    pub fn manifest_path(&self) -> Option<PathBuf> {
        self.store.path(MANIFEST)
    }

    /// Makes the snapshot what the folder is now. Blocks: one system call for each known file and folder,
    /// and where something differs, the time to read and scan those skills.
    ///
    /// Described tools have no folder to look at: there it does nothing.
    ///
    /// Skills that did not change are not read. What cannot be written to the cache is logged and done
    /// without. Two refreshes at once run one after the other.
    ///
    /// # Errors
    ///
    /// When the skills folder itself can no longer be read; the snapshot stays as it was.
    pub fn refresh(&self) -> Result<Refreshed, CatalogError> {
        if self.source.is_some() {
            return Ok(Refreshed { skills: self.snapshot().skills().len(), ..Refreshed::default() });
        }
        let _turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot();
        match self.survey(&before)? {
            Survey::Clean(dirt) => Ok(Refreshed {
                skills: before.skills().len(),
                looked_at: dirt.looked_at,
                ..Refreshed::default()
            }),
            Survey::Built(built) => Ok(self.take_up(&before, *built)),
        }
    }

    /// What a refresh would change in the manifest, without changing anything.
    ///
    /// # Errors
    ///
    /// As for [`refresh`](Self::refresh).
    pub fn plan(&self) -> Result<Plan, CatalogError> {
        if self.source.is_some() {
            return Ok(Plan::default());
        }
        let _turn = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let built = match self.survey(&self.snapshot())? {
            Survey::Clean(_) => return Ok(Plan::default()),
            Survey::Built(built) => built,
        };
        if !built.manifest_differs {
            return Ok(Plan::default());
        }
        let before = self.read_manifest();
        let before = before.as_deref().and_then(Manifest::read);
        let after = Manifest::read(&built.manifest);
        Ok(Plan::between(before.as_ref(), after.as_ref()))
    }

    fn take_up(&self, before: &Snapshot, built: Built) -> Refreshed {
        let Built { manifest, manifest_differs, served, served_bytes, known, mut refreshed } = built;
        let after = self.seen(served);
        refreshed.replaced = after.content() != before.content();
        refreshed.changed = after.version() != before.version();
        if manifest_differs || refreshed.replaced {
            self.store.write(MANIFEST, manifest.into_bytes());
            self.store.write(served_file(self.names), served_bytes.into());
        }
        // Last, because the stamps vouch for the other two.
        self.store.write(STAMPS, sealed::seal(STAMPS_MAGIC, &known.encode()));
        if refreshed.replaced {
            self.current.store(Arc::new(after));
        }
        refreshed
    }

    fn survey(&self, current: &Snapshot) -> Result<Survey, CatalogError> {
        let stamps = self.store.read(STAMPS);
        let stamps = stamps.as_deref().and_then(|file| sealed::open(STAMPS_MAGIC, file));
        let dirt = stamps.and_then(|encoded| known::check(encoded, &self.skills_dir));
        if let Some(dirt) = dirt.as_ref().filter(|dirt| dirt.is_clean() && dirt.content == *current.content())
        {
            return Ok(Survey::Clean(Dirt { looked_at: dirt.looked_at, ..Dirt::default() }));
        }
        let text = self.read_manifest();
        let manifest = text.as_deref().and_then(Manifest::read);
        // Stamps vouch for the manifest they were written with and for no other.
        let matching =
            dirt.as_ref().is_some_and(|dirt| text.as_deref().map(content_of) == Some(dirt.content));
        let known = stamps.filter(|_| matching).and_then(Known::decode);
        let clean = clean_skills(known, dirt.as_ref());
        let looked_at = dirt.map_or(0, |dirt| dirt.looked_at);
        self.build(text.as_deref(), manifest.as_ref(), clean, looked_at).map(Survey::Built)
    }

    fn build(
        &self,
        old_text: Option<&str>,
        old: Option<&Manifest<'_>>,
        clean: BTreeMap<String, KnownSkill>,
        looked_at: usize,
    ) -> Result<Box<Built>, CatalogError> {
        let root = match &self.only {
            Some(only) => folder::Root { folders: vec![only.to_string()], ..folder::Root::default() },
            None => folder::list(&self.skills_dir)
                .map_err(|source| CatalogError::SkillsDir { path: self.skills_dir.to_path_buf(), source })?,
        };
        let within = match &self.only {
            Some(only) => self.skills_dir.join(&**only),
            None => self.skills_dir.to_path_buf(),
        };
        let skills = rescan::skills(&self.skills_dir, &within, &root.folders, old, clean);
        let mut refreshed = Refreshed { skills: skills.len(), looked_at, ..Refreshed::default() };
        for skill in &skills {
            refreshed.read += usize::from(skill.read);
            refreshed.scanned += usize::from(skill.scanned);
        }
        let records: Vec<Record<'_>> =
            skills.iter().filter_map(|skill| serde_json::from_str(&skill.record).ok()).collect();
        let (tools, twice) = unique_tools(&records);
        let findings: Vec<Diagnostic> = root.findings.iter().cloned().chain(twice).collect();
        let manifest = manifest::write(skills.iter().map(|skill| &*skill.record), &findings);
        let content = content_of(&manifest);
        let served_bytes = self.served(content, &records, &tools, findings)?;
        let Some(served) = Served::decode(served_bytes.clone(), self.names) else {
            // What was encoded a line above decodes; an empty list would be a lie, an error is not.
            return Err(CatalogError::TooLarge { path: self.skills_dir.to_path_buf() });
        };
        let known = Known {
            content,
            root: root.paths,
            skills: skills.into_iter().map(|skill| skill.known).collect(),
        };
        let manifest_differs = old_text != Some(manifest.as_str());
        Ok(Box::new(Built { manifest, manifest_differs, served, served_bytes, known, refreshed }))
    }

    fn served(
        &self,
        content: [u8; 32],
        records: &[Record<'_>],
        tools: &[ServedTool<'_>],
        mut findings: Vec<Diagnostic>,
    ) -> Result<Bytes, CatalogError> {
        findings.extend(records.iter().flat_map(|record| record.diagnostics.iter().cloned()));
        findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        let skills: Vec<_> = records.iter().map(|record| record.skill).collect();
        let json = |result: Result<String, serde_json::Error>| result.unwrap_or_else(|_| "[]".to_owned());
        let around = Around {
            content,
            style: self.names,
            carries: carries(tools),
            skills: &json(serde_json::to_string(&skills)),
            diagnostics: &json(serde_json::to_string(&findings)),
        };
        served::encode(tools, around)
            .map(Bytes::from)
            .map_err(|_| CatalogError::TooLarge { path: self.skills_dir.to_path_buf() })
    }

    fn read_manifest(&self) -> Option<String> {
        String::from_utf8(self.store.read(MANIFEST)?).ok()
    }
}

fn nothing_yet(path: &Path, names: NameStyle) -> Result<Served, CatalogError> {
    let around = Around {
        content: [0; 32],
        style: names,
        carries: Carries::default(),
        skills: "[]",
        diagnostics: "[]",
    };
    let file = served::encode(&[], around).ok();
    file.and_then(|file| Served::decode(file.into(), names))
        .ok_or_else(|| CatalogError::TooLarge { path: path.to_owned() })
}

fn content_of(manifest: &str) -> [u8; 32] {
    *blake3::hash(manifest.as_bytes()).as_bytes()
}

/// What is known of the skills in which nothing changed.
fn clean_skills(known: Option<Known>, dirt: Option<&Dirt>) -> BTreeMap<String, KnownSkill> {
    let (Some(known), Some(dirt)) = (known, dirt) else { return BTreeMap::new() };
    let clean = known.skills.into_iter().filter(|skill| !dirt.skills.contains(&skill.folder));
    clean.map(|skill| (skill.folder.clone(), skill)).collect()
}

/// All tools by name. Of two with one name the first skill's stays, and the other is a finding.
fn unique_tools<'a>(records: &'a [Record<'a>]) -> (Vec<ServedTool<'a>>, Vec<Diagnostic>) {
    let mut tools: BTreeMap<&str, (ServedTool<'_>, &str)> = BTreeMap::new();
    let mut twice = Vec::new();
    for record in records {
        for tool in &record.tools {
            if let Some((_, first)) = tools.get(&*tool.name) {
                twice.push(name_twice(&tool.name, first, record, tool.detail.get()));
                continue;
            }
            let served =
                ServedTool { name: &tool.name, listing: tool.listing.get(), detail: tool.detail.get() };
            tools.insert(&tool.name, (served, &record.folder));
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

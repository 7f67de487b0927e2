//! A folder of skills, read without running it: what is known of it, checked against the folder and replaced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use omni_call::{ExecutorKind, with_causes};

use super::{Refreshed, Source, SourceError};
use crate::change::Plan;
use crate::home::Home;
use crate::known::{self, Dirt, Known, KnownSkill};
use crate::listing::carries;
use crate::manifest::{self, Manifest};
use crate::record::Record;
use crate::sealed::{self, Magic};
use crate::served::{self, Around, Served, ServedTool, served_file};
use crate::store::Store;
use crate::{Diagnostic, Kind, NameStyle, Origin, Part, Severity, folder, rescan};

/// Where the skills are, and where what was read from them may be kept.
#[derive(Clone, Debug)]
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
    /// How lists name the tools: a served form with these names is kept, so that it can be served as it lies.
    pub names: NameStyle,
}

/// The skills of one folder.
///
/// Its part changes only in [`look`](Source::look). Nothing is watched, and dropping a source stops nothing.
#[derive(Debug)]
pub struct FolderSource {
    name: String,
    /// Absolute, without links.
    skills_dir: Arc<Path>,
    /// The one skill in it that is served; `None` serves all.
    only: Option<Box<str>>,
    home: Home,
    names: NameStyle,
    store: Store,
    current: ArcSwap<Part>,
    /// One look at a time; readers of the part never wait for it.
    looking: Mutex<()>,
}

const STAMPS: &str = "stamps.bin";
const MANIFEST: &str = "manifest.json";
const STAMPS_MAGIC: Magic = b"omnistmp";

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

impl FolderSource {
    /// Takes up the cached served form if there is one that this build wrote, and looks at nothing else:
    /// a cached list is ready in a millisecond or two. Without a cache the part is empty until the
    /// first [`look`](Source::look).
    ///
    /// # Errors
    ///
    /// When `skills_dir` is not a folder that can be entered.
    pub fn open(config: FolderConfig) -> Result<FolderSource, SourceError> {
        let FolderConfig { skills_dir: path, only, name, cache_dir, default_executor, names } = config;
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
        let home = Home::folder(Arc::clone(&skills_dir), &shown, default_executor);
        let cached = store.read(served_file(names)).and_then(|file| Served::decode(file.into(), names));
        let part = match cached {
            Some(served) => Part::new(served, home.clone()),
            None => Part::unknown(names, home.clone())
                .without([Kind::Resources, Kind::Templates, Kind::Prompts].into_iter()),
        };
        Ok(FolderSource {
            name,
            skills_dir,
            only: only.map(Into::into),
            home,
            names,
            store,
            current: ArcSwap::from_pointee(part),
            looking: Mutex::default(),
        })
    }

    /// The skills folder, absolute and without links.
    pub fn skills_dir(&self) -> &Path {
        &self.skills_dir
    }

    /// The one folder in it that is served, where not all are.
    pub fn only(&self) -> Option<&str> {
        self.only.as_deref()
    }

    fn unreadable(&self, source: std::io::Error) -> SourceError {
        SourceError::SkillsDir { path: self.skills_dir.to_path_buf(), source }
    }

    fn too_large(&self) -> SourceError {
        SourceError::TooLarge { source_name: self.name.clone() }
    }

    /// Makes the part what the folder is now.
    fn refresh(&self) -> Result<Refreshed, SourceError> {
        let before = self.current.load_full();
        match self.survey(&before)? {
            Survey::Clean(dirt) => {
                let mut refreshed = Refreshed { looked_at: dirt.looked_at, ..Refreshed::default() };
                refreshed.skills = before.skills().len();
                if before.failure().is_some() {
                    self.current.store(Arc::new(before.without_failure()));
                    refreshed.replaced = true;
                }
                Ok(refreshed)
            }
            Survey::Built(built) => Ok(self.take_up(&before, *built)),
        }
    }

    fn take_up(&self, before: &Part, built: Built) -> Refreshed {
        let Built { manifest, manifest_differs, served, served_bytes, known, mut refreshed } = built;
        let is_new = !before.is_known() || before.failure().is_some();
        refreshed.replaced = is_new || served.content != before.served().content;
        refreshed.changed = served.list_hash != before.served().list_hash;
        let after = Part::new(served, self.home.clone());
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

    fn survey(&self, current: &Part) -> Result<Survey, SourceError> {
        let stamps = self.store.read(STAMPS);
        let stamps = stamps.as_deref().and_then(|file| sealed::open(STAMPS_MAGIC, file));
        let dirt = stamps.and_then(|encoded| known::check(encoded, &self.skills_dir));
        if let Some(dirt) =
            dirt.as_ref().filter(|dirt| dirt.is_clean() && dirt.content == current.served().content)
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
    ) -> Result<Box<Built>, SourceError> {
        let root = match &self.only {
            Some(only) => folder::Root { folders: vec![only.to_string()], ..folder::Root::default() },
            None => folder::list(&self.skills_dir).map_err(|source| self.unreadable(source))?,
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
            return Err(self.too_large());
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
    ) -> Result<Bytes, SourceError> {
        findings.extend(records.iter().flat_map(|record| record.diagnostics.iter().cloned()));
        findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        let skills: Vec<_> = records.iter().map(|record| record.skill).collect();
        let json = |result: Result<String, serde_json::Error>| result.unwrap_or_else(|_| "[]".to_owned());
        let around = Around {
            content,
            style: self.names,
            carries: carries(tools.iter().map(|tool| tool.listing)),
            skills: &json(serde_json::to_string(&skills)),
            diagnostics: &json(serde_json::to_string(&findings)),
        };
        served::encode(tools, around).map(Bytes::from).map_err(|_| self.too_large())
    }

    fn read_manifest(&self) -> Option<String> {
        String::from_utf8(self.store.read(MANIFEST)?).ok()
    }
}

impl Source for FolderSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn part(&self) -> Arc<Part> {
        self.current.load_full()
    }

    /// One system call for each known file and folder, and where something differs, the time to read and scan those
    /// skills. Skills that did not change are not read. What cannot be written to the cache is logged and done without.
    /// Two looks at once are one after the other.
    fn look(&self) -> Result<Refreshed, SourceError> {
        let _turn = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh().inspect_err(|error| {
            let failed = self.current.load().failed(&self.name, &with_causes(error));
            self.current.store(Arc::new(failed));
        })
    }

    fn plan(&self) -> Result<Plan, SourceError> {
        let _turn = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let built = match self.survey(&self.current.load_full())? {
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

    fn manifest_path(&self) -> Option<PathBuf> {
        self.store.path(MANIFEST)
    }
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

//! What the catalogue knew at one moment: every question about skills and tools is answered from here.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use omni_call::ExecutorKind;

use crate::served::Served;
use crate::{Diagnostic, NotNamed, Skill, Tool, listing, name_findings};

/// Which members of a tool's description a list carries, from fewest to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListShape {
    /// Name, description and input schema.
    Basic,
    /// … and annotations.
    Annotated,
    /// … and title, output schema and `_meta`.
    Structured,
    /// … and icons: everything.
    All,
}

/// One page of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// A JSON array, brackets included. Shared with the snapshot, not copied.
    pub tools: Bytes,
    /// The number of the next page, if there is one.
    pub next: Option<usize>,
}

/// An immutable picture of the skills folder. A request keeps the one it started with.
///
/// It holds the served form as bytes and parses a tool when it is first asked for, so ten thousand tools
/// cost little more than their text.
#[derive(Debug)]
pub struct Snapshot {
    served: Served,
    skills_dir: Arc<Path>,
    /// How tools are run that do not say it.
    default_executor: ExecutorKind,
    version: String,
    shaped: [OnceLock<Vec<Bytes>>; 3],
    whole: [OnceLock<Bytes>; 4],
    used: Mutex<Used>,
    skills: OnceLock<Vec<Skill>>,
    diagnostics: OnceLock<Vec<Diagnostic>>,
}

impl Snapshot {
    pub(crate) fn new(served: Served, skills_dir: Arc<Path>, default_executor: ExecutorKind) -> Snapshot {
        let version = blake3::Hash::from_bytes(served.list_hash).to_hex()[..32].to_owned();
        Snapshot {
            served,
            skills_dir,
            default_executor,
            version,
            shaped: Default::default(),
            whole: Default::default(),
            used: Mutex::default(),
            skills: OnceLock::new(),
            diagnostics: OnceLock::new(),
        }
    }

    /// A hash of the tool list: two snapshots that show clients the same list have the same version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Names the manifest this was made from; differs also when only a tool's body changed.
    pub(crate) fn content(&self) -> &[u8; 32] {
        &self.served.content
    }

    pub(crate) fn served(&self) -> &Served {
        &self.served
    }

    pub fn tool_count(&self) -> usize {
        self.served.tool_count()
    }

    /// The `n`th page, from 0, of at most 1,000 tools or 1 MB, sorted by name; `None` past the last one.
    /// An empty catalogue has one empty page.
    ///
    /// [`ListShape::All`] is ready; another shape is derived for all pages when first asked for (about a
    /// millisecond per thousand tools), and kept.
    pub fn page(&self, shape: ListShape, n: usize) -> Option<Page> {
        let tools = if listing::complete(shape, self.served.carries) {
            self.served.page(n)?
        } else {
            self.shaped(shape).get(n)?.clone()
        };
        Some(Page { tools, next: Some(n + 1).filter(|next| *next < self.served.page_count()) })
    }

    /// The whole list on one page, for clients that do not follow cursors. Put together when first asked
    /// for, and kept; with one page it is that page.
    pub fn page_all(&self, shape: ListShape) -> Page {
        let tools = self.whole[shape as usize].get_or_init(|| {
            let pages: Vec<Bytes> = (0..self.served.page_count())
                .filter_map(|n| self.page(shape, n))
                .map(|page| page.tools)
                .collect();
            match pages.as_slice() {
                [] => Bytes::from_static(b"[]"),
                [only] => only.clone(),
                pages => joined(pages),
            }
        });
        Page { tools: tools.clone(), next: None }
    }

    fn shaped(&self, shape: ListShape) -> &[Bytes] {
        // `All` is always complete and never comes here.
        let slot = &self.shaped[(shape as usize).min(self.shaped.len() - 1)];
        slot.get_or_init(|| {
            (0..self.served.page_count())
                .filter_map(|n| self.served.page(n))
                // The checksum vouches for the bytes; were they broken after all, too many members are
                // better than no tools.
                .map(|page| listing::cut(&page, shape).unwrap_or(page))
                .collect()
        })
    }

    /// The tool that a name means, be it the one in the list or the canonical one; `None` also where it means several.
    /// Parsed on first use and kept while it stays among the last few hundred used.
    pub fn tool(&self, name: &str) -> Option<Arc<Tool>> {
        // Tools are cheap to make and the lock is never held across work: losing a race costs nothing.
        if let Some(tool) = self.used().find(name) {
            return Some(tool);
        }
        let mut meant = self.served.find(name);
        let tool = self.parse(meant.next()?).filter(|_| meant.next().is_none())?;
        self.used().keep(name, &tool);
        Some(tool)
    }

    /// Why [`tool`](Self::tool) has none for a name, and what was probably meant. Compares it with all there are.
    pub fn not_named(&self, name: &str) -> NotNamed {
        NotNamed::new(&self.served, name)
    }

    /// All tools, sorted by canonical name. Parses each: for the command line, not for a request.
    pub fn tools(&self) -> impl Iterator<Item = Arc<Tool>> {
        (0..self.tool_count()).filter_map(|tool| self.parse(tool))
    }

    /// All skills, sorted by folder name, those without tools included.
    pub fn skills(&self) -> &[Skill] {
        self.skills.get_or_init(|| serde_json::from_slice(self.served.skills()).unwrap_or_default())
    }

    /// Everything that was found wrong, by skill, file and line.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        self.diagnostics.get_or_init(|| {
            let mut all: Vec<Diagnostic> =
                serde_json::from_slice(self.served.diagnostics()).unwrap_or_default();
            // Of those that are listed, so not when their skills are read.
            all.extend(name_findings::of(&self.served, |tool| self.parse(tool)));
            all.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
            all
        })
    }

    fn parse(&self, tool: usize) -> Option<Arc<Tool>> {
        let listing = self.served.listing(tool)?;
        let detail = self.served.detail(tool)?;
        let wire_name = self.served.wire_name(tool)?;
        let parsed = Tool::parse(listing, wire_name, &detail, &self.skills_dir, self.default_executor);
        if let Err(error) = &parsed {
            tracing::error!(tool = self.served.name(tool), %error, "a tool in the served form cannot be read");
        }
        parsed.ok().map(Arc::new)
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn joined(pages: &[Bytes]) -> Bytes {
    let mut all = BytesMut::with_capacity(pages.iter().map(Bytes::len).sum());
    for page in pages {
        // Without its brackets; an empty page occurs only alone.
        let inner = page.get(1..page.len().saturating_sub(1)).unwrap_or_default();
        all.put_u8(if all.is_empty() { b'[' } else { b',' });
        all.put_slice(inner);
    }
    all.put_u8(b']');
    all.freeze()
}

/// The tools used last, by the names they were called by, in two generations: when the young one is full it becomes the old one, and what
/// nobody asked for since is dropped with its compiled schema. Bounds memory without keeping order.
#[derive(Debug, Default)]
struct Used {
    young: HashMap<Box<str>, Arc<Tool>>,
    old: HashMap<Box<str>, Arc<Tool>>,
}

const GENERATION_TOOLS_MAX: usize = 256;

impl Used {
    fn find(&mut self, name: &str) -> Option<Arc<Tool>> {
        if let Some(tool) = self.young.get(name) {
            return Some(Arc::clone(tool));
        }
        let tool = self.old.remove(name)?;
        self.keep(name, &tool);
        Some(tool)
    }

    fn keep(&mut self, name: &str, tool: &Arc<Tool>) {
        if self.young.len() >= GENERATION_TOOLS_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name.into(), Arc::clone(tool));
    }
}

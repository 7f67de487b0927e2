//! The tools that a client sees: their list as bytes, and which tool a name means.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::encoded_list::EncodedList;
use crate::list_fields::{self, ListFields};
use crate::list_index::TooLarge;
use crate::pages::{Page, joined};
use crate::source_defaults::SourceDefaults;
use crate::tool_rules::ProfileTools;
use crate::used::Used;
use crate::{CatalogKind, Diagnostic, NameStyle, Tool, UnknownName, Visibility, listing, name_findings};

/// Which list, of all that can be made from the same tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct ListKey {
    fields: ListFields,
    /// On one page, for clients that do not follow cursors.
    whole: bool,
}

/// An immutable list of tools under the names of one style, as a profile shows them.
///
/// It holds the encoded list as bytes and parses a tool when it is first asked for, so ten thousand tools
/// cost little more than their text.
#[derive(Debug)]
pub struct ToolList {
    encoded: EncodedList,
    /// Of each source.
    defaults: Vec<SourceDefaults>,
    sources: ToolSources,
    version: String,
    /// Lists with fewer members than the complete one, made when first asked for.
    lists: Mutex<HashMap<ListKey, Arc<[Bytes]>>>,
    used: Mutex<Used<Tool>>,
}

/// Which source each tool of a list is of.
#[derive(Clone, Debug)]
enum ToolSources {
    /// All of one, whose encoded list this is, and which alone has defaults here.
    One(usize),
    Each(Box<[u16]>),
}

impl ToolList {
    /// The encoded list of the tools of one source, as it is: the one of that number.
    pub(crate) fn of_one(encoded: EncodedList, defaults: SourceDefaults, source: usize) -> ToolList {
        ToolList::new(encoded, vec![defaults], ToolSources::One(source))
    }

    /// The encoded list of the tools of several sources: each tool is of the one of `defaults` that `source_of` says.
    pub(crate) fn of_several(
        encoded: EncodedList,
        defaults: Vec<SourceDefaults>,
        source_of: Vec<u16>,
    ) -> ToolList {
        ToolList::new(encoded, defaults, ToolSources::Each(source_of.into()))
    }

    /// What a profile shows of this list of all tools.
    pub(crate) fn shaped(&self, shown: &ProfileTools<'_>, names: NameStyle) -> Result<ToolList, TooLarge> {
        let encoded = self.encoded.shaped(shown, names)?;
        let sources = match &self.sources {
            ToolSources::One(source) => ToolSources::One(*source),
            ToolSources::Each(sources) => {
                let of = |tool: usize| sources.get(tool).copied().unwrap_or_default();
                ToolSources::Each(shown.tools.iter().map(|shown| of(shown.tool)).collect())
            }
        };
        Ok(ToolList::new(encoded, self.defaults.clone(), sources))
    }

    /// The list as one client sees it, for whom something is otherwise. What a rule leaves out of lists stays out, shown
    /// or not: `unlisted` says so of a canonical name.
    pub(crate) fn seen(
        &self,
        visibility: &Visibility,
        unlisted: impl Fn(&str) -> bool,
    ) -> Result<ToolList, TooLarge> {
        let otherwise: HashMap<usize, bool> = visibility
            .of_kind(CatalogKind::Tools)
            .filter_map(|(name, shown)| {
                let tool = self.encoded.position(name)?;
                let listed = shown && !(self.encoded.is_off(tool) && unlisted(name));
                Some((tool, listed))
            })
            .collect();
        let listed = |tool| otherwise.get(&tool).copied().unwrap_or_else(|| self.encoded.is_listed(tool));
        let mut seen = self.relisted(self.encoded.relisted(listed)?)?;
        seen.version = visibility.version(CatalogKind::Tools, &self.version);
        Ok(seen)
    }

    fn relisted(&self, encoded: EncodedList) -> Result<ToolList, TooLarge> {
        Ok(ToolList::new(encoded, self.defaults.clone(), self.sources.clone()))
    }

    /// Whether some clients have more of it than others, since there are tools that are off.
    pub fn has_off(&self) -> bool {
        self.encoded.has_off()
    }

    pub(crate) fn encoded(&self) -> &EncodedList {
        &self.encoded
    }

    /// Whether a tool that it has is in the list, and not only called. By canonical name.
    pub fn is_listed(&self, tool: &Tool) -> bool {
        self.encoded.position(tool.name()).is_some_and(|at| self.encoded.is_listed(at))
    }

    fn new(encoded: EncodedList, defaults: Vec<SourceDefaults>, sources: ToolSources) -> ToolList {
        let version = blake3::Hash::from_bytes(encoded.list_hash).to_hex()[..32].to_owned();
        let (lists, used) = (Mutex::default(), Mutex::default());
        ToolList { encoded, defaults, sources, version, lists, used }
    }

    /// A hash of the list with everything: two that show clients the same have the same version.
    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn tool_count(&self) -> usize {
        self.encoded.tool_count()
    }

    /// The `n`th page, from 0; `None` past the last one.
    pub fn page(&self, fields: ListFields, n: usize) -> Option<Page> {
        let items = if list_fields::complete(fields, self.encoded.optional_members) {
            self.encoded.page(n)?
        } else {
            self.list(ListKey { fields, whole: false }).get(n)?.clone()
        };
        Some(Page { items, next: Some(n + 1).filter(|next| *next < self.encoded.page_count()) })
    }

    /// The whole list on one page.
    pub fn page_all(&self, fields: ListFields) -> Page {
        if self.encoded.page_count() == 1
            && let Some(page) = self.page(fields, 0)
        {
            return page;
        }
        let list = self.list(ListKey { fields, whole: true });
        Page { items: list.first().cloned().unwrap_or_else(|| Bytes::from_static(b"[]")), next: None }
    }

    /// A list from the cache, or made. It is made without the lock: losing a race costs nothing but time.
    fn list(&self, key: ListKey) -> Arc<[Bytes]> {
        if let Some(list) = self.lists().get(&key) {
            return Arc::clone(list);
        }
        let list: Arc<[Bytes]> = self.make(key).into();
        Arc::clone(self.lists().entry(key).or_insert(list))
    }

    fn make(&self, key: ListKey) -> Vec<Bytes> {
        let pages = self.encoded.pages();
        let pages =
            pages.map(|page| match list_fields::complete(key.fields, self.encoded.optional_members) {
                true => page,
                // The checksum says that the bytes are whole; were they broken after all, too many members are
                // better than no tools.
                false => listing::cut(&page, key.fields).unwrap_or(page),
            });
        let pages: Vec<Bytes> = pages.collect();
        if key.whole { vec![joined(&pages)] } else { pages }
    }

    fn lists(&self) -> std::sync::MutexGuard<'_, HashMap<ListKey, Arc<[Bytes]>>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The tool that a name means, be it the one in the list or the canonical one; `None` also where it means several.
    /// Parsed on first use and kept while it stays among the last few hundred used.
    pub fn tool(&self, name: &str) -> Option<Arc<Tool>> {
        // Tools are cheap to make and the lock is never held across work: losing a race costs nothing.
        if let Some(tool) = self.used().find(name) {
            return Some(tool);
        }
        let mut meant = self.encoded.find(name);
        let tool = self.parse(meant.next()?).filter(|_| meant.next().is_none())?;
        self.used().keep(name, &tool);
        Some(tool)
    }

    /// Why [`tool`](Self::tool) has none for a name, and what was probably meant. Compares it with all there are.
    pub fn unknown_name(&self, name: &str) -> UnknownName {
        UnknownName::new(&self.encoded, name)
    }

    /// All tools, sorted by canonical name. Parses each: for the command line, not for a request.
    pub fn tools(&self) -> impl Iterator<Item = Arc<Tool>> {
        (0..self.tool_count()).filter_map(|tool| self.parse(tool))
    }

    /// Which tools are listed under names that their authors would not expect.
    pub(crate) fn name_findings(&self) -> Vec<Diagnostic> {
        name_findings::of(&self.encoded, |tool| self.parse(tool))
    }

    /// Which source a tool of the list is of.
    pub(crate) fn source_of(&self, tool: usize) -> usize {
        match &self.sources {
            ToolSources::One(source) => *source,
            ToolSources::Each(sources) => sources.get(tool).map_or(0, |source| usize::from(*source)),
        }
    }

    pub(crate) fn parse(&self, tool: usize) -> Option<Arc<Tool>> {
        let listing = self.encoded.listing(tool)?;
        let detail = self.encoded.detail(tool)?;
        let wire_name = self.encoded.wire_name(tool)?;
        let source = self.source_of(tool);
        let defaults = match &self.sources {
            ToolSources::One(_) => self.defaults.first()?,
            ToolSources::Each(_) => self.defaults.get(source)?,
        };
        let parsed = Tool::parse(listing, wire_name, &detail, source, defaults);
        if let Err(error) = &parsed {
            tracing::error!(tool = self.encoded.name(tool), %error, "a tool in the encoded list cannot be read");
        }
        parsed.ok().map(Arc::new)
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Used<Tool>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

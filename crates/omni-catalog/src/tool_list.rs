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
use crate::{Diagnostic, NameStyle, Tool, UnknownName, listing, name_findings};

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
    /// Which source each tool is of. `None` where there is one source, whose encoded list this is.
    source_of: Option<Box<[u16]>>,
    version: String,
    /// Lists with fewer members than the complete one, made when first asked for.
    lists: Mutex<HashMap<ListKey, Arc<[Bytes]>>>,
    used: Mutex<Used<Tool>>,
}

impl ToolList {
    /// The encoded list of the tools of one source, as it is.
    pub(crate) fn of_one(encoded: EncodedList, defaults: SourceDefaults) -> ToolList {
        ToolList::new(encoded, vec![defaults], None)
    }

    /// The encoded list of the tools of several sources: each tool is of the one of `defaults` that `source_of` says.
    pub(crate) fn of_several(
        encoded: EncodedList,
        defaults: Vec<SourceDefaults>,
        source_of: Vec<u16>,
    ) -> ToolList {
        ToolList::new(encoded, defaults, Some(source_of.into()))
    }

    /// What a profile shows of this list of all tools.
    pub(crate) fn shaped(&self, shown: &ProfileTools<'_>, names: NameStyle) -> Result<ToolList, TooLarge> {
        let encoded = self.encoded.shaped(shown, names)?;
        let source_of = self.source_of.as_ref().map(|sources| {
            shown.tools.iter().map(|shown| sources.get(shown.tool).copied().unwrap_or_default()).collect()
        });
        Ok(ToolList::new(encoded, self.defaults.clone(), source_of))
    }

    pub(crate) fn encoded(&self) -> &EncodedList {
        &self.encoded
    }

    /// Whether a tool that it has is in the list, and not only called. By canonical name.
    pub fn is_listed(&self, tool: &Tool) -> bool {
        self.encoded.position(tool.name()).is_some_and(|at| self.encoded.is_listed(at))
    }

    fn new(encoded: EncodedList, defaults: Vec<SourceDefaults>, source_of: Option<Box<[u16]>>) -> ToolList {
        let version = blake3::Hash::from_bytes(encoded.list_hash).to_hex()[..32].to_owned();
        let (lists, used) = (Mutex::default(), Mutex::default());
        ToolList { encoded, defaults, source_of, version, lists, used }
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
    fn source_of(&self, tool: usize) -> usize {
        self.source_of.as_ref().and_then(|sources| sources.get(tool)).map_or(0, |source| usize::from(*source))
    }

    pub(crate) fn parse(&self, tool: usize) -> Option<Arc<Tool>> {
        let listing = self.encoded.listing(tool)?;
        let detail = self.encoded.detail(tool)?;
        let wire_name = self.encoded.wire_name(tool)?;
        let source = self.source_of(tool);
        let defaults = self.defaults.get(source)?;
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

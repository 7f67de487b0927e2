//! What somebody else lists, such as a runner: its last good lists, kept for when it cannot be reached.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use omni_call::{ExecutorKind, RunSpec, Target};
use serde_json::value::RawValue;

use super::{RefreshReport, Source};
use crate::checksummed_file::{self, ByteReader, ByteWriter, Magic};
use crate::encoded_list::{EncodedList, list_file};
use crate::items::{Items, member};
use crate::remote_list::NotAToolList;
use crate::source_defaults::SourceDefaults;
use crate::source_snapshot::remote_file;
use crate::store::Store;
use crate::{CatalogKind, NameStyle, SourceSnapshot};

/// Lists that somebody else gives us, which nobody here can look at: whoever asks for them tells this source what came of
/// it, and then has the catalogue [merge](crate::Catalog::merge).
#[derive(Debug)]
pub struct RemoteSource {
    name: String,
    names: NameStyle,
    executor: ExecutorKind,
    offers: Vec<CatalogKind>,
    items_spec: Arc<RunSpec>,
    /// Whether it completes arguments, once it has said so, here or to a server before.
    completes: Mutex<Option<bool>>,
    store: Store,
    current: ArcSwap<SourceSnapshot>,
    /// One list at a time; readers of the snapshot never wait for it.
    updating: Mutex<()>,
}

/// Why a list was not taken up.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    #[error(transparent)]
    NotAToolList(#[from] NotAToolList),
    /// Of resources, templates or prompts.
    #[error("it is not `{{\"{member}\":[…]}}`: {why}")]
    NotItems { member: &'static str, why: serde_json::Error },
}

const ETAG: &str = "etag.bin";
const ETAG_MAGIC: Magic = b"omnietag";
const ITEMS: &str = "items.bin";
const ITEMS_MAGIC: Magic = b"omniitem";

/// The kinds that have items, in the order of the cache.
const ITEM_KINDS: [CatalogKind; 3] = [CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];

impl RemoteSource {
    /// A source called `name` (a runner's address, say), whose tools `executor` runs: its last good lists if the cache
    /// has them, else empty until it is told some. It has what `offers` names: without [`CatalogKind::Tools`] no tools and no
    /// skills either, be there any in the cache.
    pub fn new(
        name: &str,
        cache_dir: Option<&Path>,
        names: NameStyle,
        executor: ExecutorKind,
        offers: &[CatalogKind],
    ) -> RemoteSource {
        // A name of its own beside those of folders, which are absolute paths.
        let store = Store::new(cache_dir, &PathBuf::from(format!("described by {name}")));
        let cached = store
            .read(list_file(names, false))
            .filter(|_| offers.contains(&CatalogKind::Tools))
            .and_then(|file| EncodedList::decode(file.into(), names));
        let defaults = SourceDefaults::without_folder(executor);
        let mut snapshot = match cached {
            Some(encoded) => SourceSnapshot::unknown(names, defaults).with_tools(encoded),
            None => SourceSnapshot::unknown(names, defaults),
        };
        snapshot = snapshot.without(CatalogKind::ALL.into_iter().filter(|kind| !is_offered(offers, *kind)));
        let CachedItems { items, completes } = cached_items(&store).unwrap_or_default();
        for (kind, array) in items {
            if offers.contains(&kind)
                && let Ok(items) = Items::read(name, kind, array.as_bytes())
            {
                snapshot = snapshot.with_items(kind, items);
            }
        }
        let target = match executor {
            ExecutorKind::Native => Target::Native { name: name.to_owned() },
            _ => Target::Remote { source: name.to_owned(), name: "items".to_owned() },
        };
        let mut items_spec = RunSpec::new(name, "items", target);
        items_spec.executor = executor;
        RemoteSource {
            name: name.to_owned(),
            names,
            executor,
            offers: offers.to_vec(),
            items_spec: Arc::new(items_spec),
            completes: Mutex::new(completes),
            store,
            current: ArcSwap::from_pointee(snapshot),
            updating: Mutex::default(),
        }
    }

    /// Takes note whether it completes arguments. Until it is told it does not. Kept with the items. Blocks where it is
    /// another word than before: it writes.
    pub fn set_completes(&self, completes: bool) {
        let _turn = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        if self.said_completes().replace(completes) != Some(completes) {
            self.keep_items(&self.current.load());
        }
    }

    /// Whether it has ever given a list, be it before this server's start.
    pub fn is_known(&self) -> bool {
        self.current.load().is_known()
    }

    /// Whether it has ever been told, be it before this server's start.
    pub fn has_said_completes(&self) -> bool {
        self.said_completes().is_some()
    }

    fn said_completes(&self) -> MutexGuard<'_, Option<bool>> {
        self.completes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the tools what `list` says: `{"tools":[…]}`, MCP's tool objects with a member `omni` more. A description that
    /// is of no use is a finding and costs its own tool only. The list is kept, with its `etag`. Blocks: it parses and
    /// writes.
    ///
    /// # Errors
    ///
    /// When `list` is no such list, or one of more than 4 GiB; the tools stay as they were.
    pub fn describe(&self, list: &[u8], etag: Option<&str>) -> Result<RefreshReport, DescribeError> {
        let _turn = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let content = *blake3::hash(list).as_bytes();
        let mut report = RefreshReport::default();
        if content != before.encoded().content || !before.is_known() {
            let (encoded, file) = remote_file(&self.name, list, self.executor, self.names)?;
            report.replaced = true;
            report.changed = encoded.list_hash != before.encoded().list_hash;
            self.store.write(list_file(self.names, false), file.into());
            self.current.store(Arc::new(before.with_tools(encoded)));
        } else if before.failure().is_some() {
            report.replaced = true;
            self.current.store(Arc::new(before.without_failure()));
        }
        report.skills = self.current.load().skills().len();
        if self.etag().as_deref() != etag {
            let mut tag = ByteWriter::default();
            tag.bytes(&content);
            tag.text(etag.unwrap_or_default());
            self.store.write(ETAG, checksummed_file::encode(ETAG_MAGIC, &tag.finish()));
        }
        Ok(report)
    }

    /// Makes the resources, templates or prompts what `list` says: an object whose member of that kind (`resources`,
    /// `resourceTemplates`, `prompts`) is an array; without the member there are none. Kept, and what is of no use a
    /// finding, as for tools. Says whether the list is another one. Blocks: it parses and writes.
    ///
    /// # Errors
    ///
    /// When `list` is no such object; the items stay as they were.
    pub fn describe_items(&self, kind: CatalogKind, list: &[u8]) -> Result<bool, DescribeError> {
        let not_items = |why| DescribeError::NotItems { member: member(kind), why };
        let object: BTreeMap<String, &RawValue> = serde_json::from_slice(list).map_err(not_items)?;
        let array = object.get(member(kind)).map_or("[]", |array| array.get());
        let array = if array == "null" { "[]" } else { array };
        let items = Items::read(&self.name, kind, array.as_bytes()).map_err(not_items)?;
        let _turn = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let Some(known) = before.items(kind) else { return Ok(false) };
        let is_other = **known != items;
        if !is_other && before.knows(kind) {
            return Ok(false);
        }
        let after = before.with_items(kind, items);
        self.keep_items(&after);
        self.current.store(Arc::new(after));
        Ok(is_other)
    }

    /// Writes the items of a snapshot, and whether there are completions, to the cache.
    fn keep_items(&self, snapshot: &SourceSnapshot) {
        // Another server may have this source's cache and offer more of it: what is not offered here stays as it is there.
        let others = cached_items(&self.store).unwrap_or_default().items;
        let mut writer = ByteWriter::default();
        for kind in ITEM_KINDS {
            if !self.offers.contains(&kind) {
                writer.text(others.iter().find(|(other, _)| *other == kind).map_or("", |(_, array)| array));
                continue;
            }
            let texts: Vec<Bytes> = snapshot.items(kind).into_iter().flat_map(|items| items.told()).collect();
            let texts: Vec<&str> =
                texts.iter().map(|text| std::str::from_utf8(text).unwrap_or("{}")).collect();
            // Nothing, not an empty list, of what has not been heard of yet.
            writer.text(&if snapshot.knows(kind) { format!("[{}]", texts.join(",")) } else { String::new() });
        }
        writer.number(self.said_completes().map_or(NOT_SAID, u64::from));
        self.store.write(ITEMS, checksummed_file::encode(ITEMS_MAGIC, &writer.finish()));
    }

    /// Takes note that it could not be asked; `why` is a sentence fragment. What it had stays, with a finding.
    pub fn failed(&self, why: &str) {
        let _turn = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.current.load_full();
        let failed = before.failed(&self.name, why);
        if failed.failure() != before.failure() {
            self.current.store(Arc::new(failed));
        }
    }

    /// Takes note that it was asked, and that its tools are the same as before.
    pub fn unchanged(&self) {
        let _turn = self.updating.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = self.current.load_full();
        if snapshot.failure().is_some() {
            self.current.store(Arc::new(snapshot.without_failure()));
        }
    }

    /// The tag that the list of tools in force came with, to ask whether there is a newer one.
    pub fn etag(&self) -> Option<String> {
        let file = self.store.read(ETAG)?;
        let mut reader = ByteReader::new(checksummed_file::decode(ETAG_MAGIC, &file)?);
        // Kept apart from the list, it could be another list's: each write replaces one file only.
        let of_this = reader.bytes(32)? == self.current.load().encoded().content;
        reader.text().filter(|etag| of_this && !etag.is_empty()).map(str::to_owned)
    }
}

/// Whether a source that offers these has any of a kind. Skills come with tools.
fn is_offered(offers: &[CatalogKind], kind: CatalogKind) -> bool {
    offers.contains(&if kind == CatalogKind::Skills { CatalogKind::Tools } else { kind })
}

/// What the cache has besides tools.
#[derive(Default)]
struct CachedItems {
    /// An array of each kind.
    items: Vec<(CatalogKind, String)>,
    completes: Option<bool>,
}

/// Stands in the cache for a source that has not said whether it completes arguments.
const NOT_SAID: u64 = 2;

fn cached_items(store: &Store) -> Option<CachedItems> {
    let file = store.read(ITEMS)?;
    let mut reader = ByteReader::new(checksummed_file::decode(ITEMS_MAGIC, &file)?);
    let items: Option<Vec<_>> =
        ITEM_KINDS.into_iter().map(|kind| Some((kind, reader.text()?.to_owned()))).collect();
    let completes = match reader.number()? {
        NOT_SAID => None,
        said => Some(said == 1),
    };
    Some(CachedItems { items: items?, completes })
}

impl Source for RemoteSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn snapshot(&self) -> Arc<SourceSnapshot> {
        self.current.load_full()
    }

    fn offers(&self, kind: CatalogKind) -> bool {
        is_offered(&self.offers, kind)
    }

    fn completes(&self) -> bool {
        // Of lists that are not served nothing is completed.
        let served = self.offers(CatalogKind::Prompts) || self.offers(CatalogKind::Templates);
        served && self.said_completes().unwrap_or(false)
    }

    fn items_spec(&self) -> Option<Arc<RunSpec>> {
        Some(self.items_spec.clone())
    }
}

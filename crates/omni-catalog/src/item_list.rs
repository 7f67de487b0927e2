//! The resources, resource templates or prompts that a client sees: their list as bytes, and which source has each.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use omni_call::{Target, split_range};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::encoded_items::EncodedItems;
use crate::items::{self, Items};
use crate::pages::{self, Page, joined};
use crate::source_defaults::SourceDefaults;
use crate::uri_form::normalized;
use crate::uri_template::UriTemplate;
use crate::used::Used;
use crate::{CatalogKind, Item, ListFields, Visibility, list_fields};

/// An immutable list of the items of all sources, in the order of the sources.
///
/// The list of one source is served as it lies, and an item is parsed when it is first asked for.
#[derive(Debug)]
pub(crate) struct ItemList {
    kind: CatalogKind,
    pages: Arc<[Bytes]>,
    whole: OnceLock<Bytes>,
    /// Lists of fewer members, made when first asked for: the pages, and all on one.
    structured: OnceLock<ReducedList>,
    basic: OnceLock<ReducedList>,
    version: String,
    /// What each source has.
    sources: Vec<Arc<Items>>,
    /// Of each source, whether an item of it is in the list; `None` where all of all are.
    listed: Option<Vec<Box<[bool]>>>,
    /// Those whose key is not written as the form that all spellings of it have, by that form.
    spelled: OnceLock<HashMap<String, (usize, usize)>>,
    /// In the order of the list, each with its source and place there.
    templates: OnceLock<Vec<(UriTemplate, usize, usize)>>,
    used: Mutex<Used<Item>>,
}

/// A list without the members that a revision does not have.
#[derive(Debug)]
struct ReducedList {
    pages: Vec<Bytes>,
    whole: Bytes,
}

/// Items that are not listed, since an earlier source has their keys.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shadowed {
    pub(crate) first: usize,
    pub(crate) second: usize,
    pub(crate) keys: Vec<String>,
}

/// What a URI means to whoever reads it.
#[derive(Clone, Debug)]
pub enum FoundResource {
    /// A resource that is listed by its URI.
    Listed(Arc<Item>),
    /// One that is made from a template, with the values of its variables: texts.
    FromTemplate(Arc<Item>, Map<String, Value>),
    /// The source of that number may have it, and has to say so itself.
    Source(usize),
}

/// Which items of all sources a list shows: those for which `shows(source, place)` holds.
pub(crate) type Shows<'a> = &'a dyn Fn(usize, usize) -> bool;

impl ItemList {
    /// The items of each source, the first one that has a key first. `shows` is `None` where everything may be seen.
    pub(crate) fn new(
        kind: CatalogKind,
        sources: Vec<Arc<Items>>,
        shows: Option<Shows<'_>>,
    ) -> (ItemList, Vec<Shadowed>) {
        let mut filled = sources.iter().filter(|items| !items.encoded().is_empty());
        let only = filled.next().or(sources.first());
        if shows.is_none()
            && filled.next().is_none()
            && let Some(only) = only
        {
            let pages: Vec<Bytes> = only.encoded().pages().collect();
            let version = version(&only.encoded().list_hash);
            return (ItemList::made(kind, pages, version, sources, None), Vec::new());
        }
        let mut first: HashMap<Cow<'_, str>, usize> = HashMap::new();
        let mut shadowed: Vec<Shadowed> = Vec::new();
        let mut texts = Vec::new();
        let mut listed = Vec::new();
        for (source, items) in sources.iter().enumerate() {
            let encoded = items.encoded();
            let mut of_source = vec![false; encoded.len()].into_boxed_slice();
            for (item, is_listed) in of_source.iter_mut().enumerate() {
                let (Some(key), Some(text)) = (encoded.key(item), encoded.listing(item)) else { continue };
                if shows.is_some_and(|shows| !shows(source, item)) {
                    continue;
                }
                let canonical = canonical(kind, encoded, item);
                match first.get(key).or_else(|| first.get(canonical.as_deref()?)) {
                    Some(first) => {
                        let (first, second) = (*first, source);
                        match shadowed.iter_mut().find(|it| (it.first, it.second) == (first, second)) {
                            Some(known) => known.keys.push(key.to_owned()),
                            None => shadowed.push(Shadowed { first, second, keys: vec![key.to_owned()] }),
                        }
                    }
                    None => {
                        first.insert(Cow::Borrowed(key), source);
                        first.extend(canonical.map(|name| (Cow::Owned(name), source)));
                        *is_listed = true;
                        if !encoded.is_off(item) {
                            texts.push(text);
                        }
                    }
                }
            }
            listed.push(of_source);
        }
        let pages = pages::of_texts(texts.iter().map(|text| &**text));
        let mut hasher = blake3::Hasher::new();
        pages.iter().for_each(|page| {
            hasher.update(page);
        });
        let version = version(hasher.finalize().as_bytes());
        drop(first);
        (ItemList::made(kind, pages, version, sources, Some(listed)), shadowed)
    }

    fn made(
        kind: CatalogKind,
        pages: Vec<Bytes>,
        version: String,
        sources: Vec<Arc<Items>>,
        listed: Option<Vec<Box<[bool]>>>,
    ) -> ItemList {
        ItemList {
            kind,
            pages: pages.into(),
            whole: OnceLock::new(),
            structured: OnceLock::new(),
            basic: OnceLock::new(),
            version,
            sources,
            listed,
            spelled: OnceLock::new(),
            templates: OnceLock::new(),
            used: Mutex::default(),
        }
    }

    /// The list as one client sees it, for whom something is otherwise: of the same items, so nothing that a rule leaves out
    /// is in it.
    pub(crate) fn seen(&self, visibility: &Visibility) -> ItemList {
        let texts: Vec<Bytes> = self
            .encoded_places()
            .filter(|(items, item)| {
                let key = items.key(*item).unwrap_or_default();
                visibility.has(self.kind, key, !items.is_off(*item))
            })
            .filter_map(|(items, item)| items.listing(item))
            .collect();
        let pages = pages::of_texts(texts.iter().map(|text| &**text));
        let version = visibility.version(self.kind, &self.version);
        ItemList::made(self.kind, pages, version, self.sources.clone(), self.listed.clone())
    }

    /// Whether clients have anything of it only once a call has shown it to them.
    pub(crate) fn has_off(&self) -> bool {
        self.sources.iter().any(|items| items.encoded().has_off())
    }

    /// Whether this was made of the same items.
    pub(crate) fn is_of(&self, sources: &[Arc<Items>]) -> bool {
        self.sources.len() == sources.len()
            && self.sources.iter().zip(sources).all(|(one, other)| Arc::ptr_eq(one, other) || one == other)
    }

    /// A hash of the list: two that show clients the same have the same version.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    pub(crate) fn page(&self, fields: ListFields, n: usize) -> Option<Page> {
        let items = self.cut(fields).map_or(&*self.pages, |cut| &cut.pages).get(n)?.clone();
        Some(Page { items, next: Some(n + 1).filter(|next| *next < self.pages.len()) })
    }

    pub(crate) fn page_all(&self, fields: ListFields) -> Page {
        let whole = match self.cut(fields) {
            Some(cut) => &cut.whole,
            None => self.whole.get_or_init(|| joined(&self.pages)),
        };
        Page { items: whole.clone(), next: None }
    }

    /// Whether any source has a page for hosts of the extension for apps.
    pub(crate) fn has_apps(&self) -> bool {
        self.sources.iter().any(|items| items.encoded().optional_members.apps)
    }

    /// The list with those members; `None` where it is the one that lies ready.
    fn cut(&self, fields: ListFields) -> Option<&ReducedList> {
        let has = self.sources.iter().map(|items| items.encoded().optional_members);
        // Items had annotations from the beginning.
        let has = has.reduce(list_fields::OptionalMembers::and).unwrap_or_default().without_annotations();
        if list_fields::complete(fields, has) {
            return None;
        }
        let made = match fields {
            ListFields::All => return None,
            ListFields::Structured => &self.structured,
            // The members between the two exist for tools only.
            ListFields::Annotated | ListFields::Basic => &self.basic,
        };
        Some(made.get_or_init(|| {
            let pages: Vec<Bytes> = self.pages.iter().map(|page| items::cut(page, fields)).collect();
            let whole = joined(&pages);
            ReducedList { pages, whole }
        }))
    }

    fn is_listed(&self, source: usize, item: usize) -> bool {
        let Some(listed) = &self.listed else { return true };
        listed.get(source).and_then(|listed| listed.get(item)).copied().unwrap_or(false)
    }

    /// The keys of a source's items.
    pub(crate) fn keys_of(&self, source: usize) -> impl Iterator<Item = &str> {
        self.encoded_of(source).filter_map(|(items, item)| items.key(item))
    }

    /// All that are listed, as their sources and places there.
    fn places(&self) -> impl Iterator<Item = (usize, usize)> {
        let sources = self.sources.iter().enumerate();
        let all =
            sources.flat_map(|(source, items)| (0..items.encoded().len()).map(move |item| (source, item)));
        all.filter(|(source, item)| self.is_listed(*source, *item))
    }

    pub(crate) fn len(&self) -> usize {
        match &self.listed {
            None => self.sources.iter().map(|items| items.encoded().len()).sum(),
            Some(listed) => listed.iter().flatten().filter(|listed| **listed).count(),
        }
    }

    /// All that are listed, unparsed.
    pub(crate) fn encoded_places(&self) -> impl Iterator<Item = (&EncodedItems, usize)> {
        self.places().filter_map(|(source, item)| Some((self.sources.get(source)?.encoded(), item)))
    }

    /// Those of one source, unparsed.
    pub(crate) fn encoded_of(&self, source: usize) -> impl Iterator<Item = (&EncodedItems, usize)> {
        let of_source = self.places().filter(move |(of, _)| *of == source);
        of_source.filter_map(|(of, item)| Some((self.sources.get(of)?.encoded(), item)))
    }

    /// The item of a key, unparsed.
    pub(crate) fn encoded_item(&self, key: &str) -> Option<(&EncodedItems, usize)> {
        let (source, item) = self.place(key)?;
        Some((self.sources.get(source)?.encoded(), item))
    }

    /// The file that is asked for by its URI with a range behind it (`?offset=…&length=…`). Of a range that is none, whoever
    /// reads the file tells.
    pub(crate) fn find_in_range(&self, uri: &str, defaults: &[SourceDefaults]) -> Option<Arc<Item>> {
        let whole = match split_range(uri) {
            Ok((_, None)) => return None,
            Ok((whole, Some(_))) => whole,
            Err(_) => uri.split_once('?')?.0.into(),
        };
        let item = self.find_uri(&whole, defaults)?;
        let is_file = item.spec.as_ref().is_some_and(|spec| matches!(spec.target, Target::File(_)));
        is_file.then_some(item)
    }

    /// The item that is asked for by a key, parsed on first use and kept while it stays among the last few hundred used.
    pub(crate) fn find(&self, key: &str, defaults: &[SourceDefaults]) -> Option<Arc<Item>> {
        if let Some(item) = self.used().find(key) {
            return Some(item);
        }
        let (source, item) = self.place(key)?;
        self.kept(key, source, item, defaults)
    }

    /// The item that is asked for by a URI, however that is spelled (see [`normalized`]); one that is listed in the very
    /// spelling comes before others.
    pub(crate) fn find_uri(&self, uri: &str, defaults: &[SourceDefaults]) -> Option<Arc<Item>> {
        if let Some(item) = self.find(uri, defaults) {
            return Some(item);
        }
        let form = normalized(uri);
        let (source, item) = self.place(&form).or_else(|| self.spelled().get(&*form).copied())?;
        let key = self.sources.get(source)?.encoded().key(item)?;
        let used = self.used().find(key);
        used.or_else(|| self.kept(key, source, item, defaults))
    }

    fn kept(&self, key: &str, source: usize, item: usize, defaults: &[SourceDefaults]) -> Option<Arc<Item>> {
        let item = self.parse(source, item, defaults)?;
        self.used().keep(key, &item);
        Some(item)
    }

    fn spelled(&self) -> &HashMap<String, (usize, usize)> {
        self.spelled.get_or_init(|| {
            let mut spelled = HashMap::new();
            for (source, item) in self.places() {
                let Some(key) = self.sources[source].encoded().key(item) else { continue };
                if let Cow::Owned(form) = normalized(key)
                    && form != key
                {
                    spelled.entry(form).or_insert((source, item));
                }
            }
            spelled
        })
    }

    fn place(&self, key: &str) -> Option<(usize, usize)> {
        self.sources.iter().enumerate().find_map(|(source, items)| {
            let item = items.encoded().find(key)?;
            self.is_listed(source, item).then_some((source, item))
        })
    }

    /// What a URI is made from: the first template that it comes of, of those that a client has; of folders here alone where
    /// `is_here`.
    pub(crate) fn template_of(
        &self,
        uri: &str,
        defaults: &[SourceDefaults],
        is_here: bool,
        seen: Option<&Visibility>,
    ) -> Option<FoundResource> {
        let templates = self.templates.get_or_init(|| {
            let templates = self.places().filter_map(|(source, item)| {
                let encoded = self.sources.get(source)?.encoded();
                Some((UriTemplate::parse(encoded.key(item)?), source, item))
            });
            templates.collect()
        });
        let may = |source: &usize| !is_here || defaults.get(*source).is_some_and(SourceDefaults::is_folder);
        let form = normalized(uri);
        templates.iter().filter(|(_, source, _)| may(source)).find_map(|(template, source, item)| {
            let encoded = self.sources.get(*source)?.encoded();
            let key = encoded.key(*item)?;
            if seen.is_some_and(|seen| !seen.has(self.kind, key, !encoded.is_off(*item))) {
                return None;
            }
            if template.is_foreign() || encoded.detail(*item).is_none_or(|detail| detail.is_empty()) {
                return may_be_of(key, uri).then_some(FoundResource::Source(*source));
            }
            let variables = template.matches(&form)?;
            Some(FoundResource::FromTemplate(self.find(key, defaults)?, variables))
        })
    }

    /// Each that is listed, in order. Parses all: for the command line, not for a request.
    pub(crate) fn all<'a>(&'a self, defaults: &'a [SourceDefaults]) -> impl Iterator<Item = Arc<Item>> + 'a {
        self.places().filter_map(|(source, item)| self.parse(source, item, defaults))
    }

    /// Those that everybody is shown, without what is off. Parses each.
    pub(crate) fn shown<'a>(
        &'a self,
        defaults: &'a [SourceDefaults],
    ) -> impl Iterator<Item = Arc<Item>> + 'a {
        self.shown_places().filter_map(|(source, item)| self.parse(source, item, defaults))
    }

    /// How many everybody is shown.
    pub(crate) fn shown_count(&self) -> usize {
        self.shown_places().count()
    }

    fn shown_places(&self) -> impl Iterator<Item = (usize, usize)> {
        let is_off =
            |source: usize, item| self.sources.get(source).is_some_and(|items| items.encoded().is_off(item));
        self.places().filter(move |(source, item)| !is_off(*source, *item))
    }

    /// Each of which `other` has not the same. Parses these and no others.
    pub(crate) fn unlike<'a>(
        &'a self,
        other: &'a ItemList,
        defaults: &'a [SourceDefaults],
    ) -> impl Iterator<Item = Arc<Item>> + 'a {
        let differs = move |(source, item): &(usize, usize)| {
            let encoded = self.sources.get(*source)?.encoded();
            let (others, at) = other.encoded_item(encoded.key(*item)?)?;
            Some(others.detail(at) != encoded.detail(*item))
        };
        // Mostly nothing of a kind has changed.
        let places = (!self.is_of(&other.sources)).then(|| self.places()).into_iter().flatten();
        places
            .filter(move |place| differs(place).unwrap_or(true))
            .filter_map(|(source, item)| self.parse(source, item, defaults))
    }

    fn parse(&self, source: usize, item: usize, defaults: &[SourceDefaults]) -> Option<Arc<Item>> {
        let encoded = self.sources.get(source)?.encoded();
        let (key, listing) = (encoded.key(item)?, encoded.listing(item)?);
        let detail = encoded.detail(item)?;
        let is_on = !encoded.is_off(item);
        let parsed = Item::parse((self.kind, key, is_on), listing, &detail, source, defaults.get(source)?);
        if let Err(error) = &parsed {
            tracing::error!(key, %error, "an item in the encoded list cannot be read");
        }
        parsed.ok().map(Arc::new)
    }

    fn used(&self) -> std::sync::MutexGuard<'_, Used<Item>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other name of a prompt: a folder lists it by its name on the wire, and a runner of the same folder by its canonical
/// one.
fn canonical(kind: CatalogKind, encoded: &EncodedItems, item: usize) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        run: Run,
    }
    #[derive(Deserialize)]
    struct Run {
        tool: String,
    }
    if kind != CatalogKind::Prompts {
        return None;
    }
    let detail = encoded.detail(item).filter(|detail| !detail.is_empty())?;
    serde_json::from_slice::<Named>(&detail).ok().map(|named| named.run.tool)
}

fn version(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex()[..32].to_owned()
}

/// Whether a URI may come of a template (RFC 6570). Each `{expression}` is taken for any text: the source refuses URIs
/// that are not its own, so this only has to find the right source.
fn may_be_of(template: &str, uri: &str) -> bool {
    let mut literals = Vec::new();
    let mut rest = template;
    while let Some((literal, expression)) = rest.split_once('{') {
        literals.push(literal);
        // A brace that is never closed is no expression.
        let Some((_, after)) = expression.split_once('}') else { return template == uri };
        rest = after;
    }
    let Some((first, middle)) = literals.split_first() else { return template == uri };
    let Some(uri) = uri.strip_prefix(first) else { return false };
    let Some(mut uri) = uri.strip_suffix(rest) else { return false };
    // The leftmost place of each literal leaves the most room for those after it.
    for literal in middle {
        match uri.find(literal) {
            Some(at) => uri = &uri[at + literal.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_of_a_template_whose_literals_it_has_in_order() {
        for (template, uri) in [
            ("a://{x}", "a://"),
            ("a://{x}", "a://b/c"),
            ("a://{x}/raw", "a://b/raw"),
            ("a://{x}/{y}.txt", "a://b/c.txt"),
            ("a://{+path}{?q}", "a://b?q=1"),
            ("a://b", "a://b"),
            ("a://{open", "a://{open"),
        ] {
            assert!(may_be_of(template, uri), "{template} {uri}");
        }
        for (template, uri) in [
            ("a://{x}", "b://x"),
            ("a://{x}/raw", "a://b/row"),
            ("a://{x}/{y}.txt", "a://b.txt"),
            ("a://b", "a://c"),
            ("a://{x}aa", "a://a"),
            ("a://{open", "a://x"),
        ] {
            assert!(!may_be_of(template, uri), "{template} {uri}");
        }
    }

    #[test]
    fn of_two_sources_with_one_key_the_first_has_it() {
        let read = |array: &str| Arc::new(Items::read("s", CatalogKind::Prompts, array.as_bytes()).unwrap());
        let sources =
            vec![read(r#"[{"name":"b"},{"name":"a"}]"#), read(r#"[{"name":"a","x":1},{"name":"c"}]"#)];
        let (list, shadowed) = ItemList::new(CatalogKind::Prompts, sources.clone(), None);
        assert_eq!(&list.page_all(ListFields::All).items[..], br#"[{"name":"b"},{"name":"a"},{"name":"c"}]"#);
        assert_eq!(shadowed, [Shadowed { first: 0, second: 1, keys: vec!["a".into()] }]);
        let source_of = |key| list.place(key).map(|(source, _)| source);
        assert_eq!((source_of("a"), source_of("c"), source_of("d")), (Some(0), Some(1), None));
        assert!(list.is_of(&sources) && !list.is_of(&sources[..1]));
    }
}

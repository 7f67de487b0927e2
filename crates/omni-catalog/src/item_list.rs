//! The resources, resource templates or prompts that a client sees: their list as bytes, and which source has each.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::items::{self, Item, Items};
use crate::pages::{self, Page, joined};
use crate::{CatalogKind, ListFields};

/// An immutable list of the items of all sources, in the order of the sources.
#[derive(Debug)]
pub(crate) struct ItemList {
    pages: Arc<[Bytes]>,
    whole: Bytes,
    /// Lists of fewer members, made when first asked for: the pages, and all on one.
    structured: OnceLock<ReducedList>,
    basic: OnceLock<ReducedList>,
    version: String,
    /// The source of each key.
    index: HashMap<Box<str>, usize>,
    /// Templates with their sources, in the order of the list.
    templates: Vec<(Box<str>, usize)>,
    /// What it was made from.
    made_of: Vec<Arc<Items>>,
}

/// A list without the members that a revision does not have.
#[derive(Debug)]
struct ReducedList {
    pages: Vec<Bytes>,
    whole: Bytes,
}

/// An item that is not listed, since an earlier source has its key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shadowed {
    pub(crate) key: String,
    pub(crate) first: usize,
    pub(crate) second: usize,
}

impl ItemList {
    /// The items of each source, the first one that has a key first.
    pub(crate) fn new(kind: CatalogKind, sources: Vec<Arc<Items>>) -> (ItemList, Vec<Shadowed>) {
        let mut index: HashMap<Box<str>, usize> = HashMap::new();
        let mut listed: Vec<&Item> = Vec::new();
        let (mut templates, mut shadowed) = (Vec::new(), Vec::new());
        for (source, items) in sources.iter().enumerate() {
            for item in items.iter() {
                if let Some(first) = index.get(&*item.key) {
                    shadowed.push(Shadowed { key: item.key.clone(), first: *first, second: source });
                    continue;
                }
                index.insert(item.key.as_str().into(), source);
                if kind == CatalogKind::Templates {
                    templates.push((item.key.as_str().into(), source));
                }
                listed.push(item);
            }
        }
        let pages = pages::of_texts(listed.iter().map(|item| &*item.text));
        let whole = joined(&pages);
        let version = blake3::hash(&whole).to_hex()[..32].to_owned();
        let (structured, basic) = (OnceLock::new(), OnceLock::new());
        let pages = pages.into();
        let list = ItemList { pages, whole, structured, basic, version, index, templates, made_of: sources };
        (list, shadowed)
    }

    /// Whether this was made of the same items.
    pub(crate) fn is_of(&self, sources: &[Arc<Items>]) -> bool {
        self.made_of.len() == sources.len()
            && self.made_of.iter().zip(sources).all(|(one, other)| Arc::ptr_eq(one, other) || one == other)
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
        let whole = self.cut(fields).map_or(&self.whole, |cut| &cut.whole);
        Page { items: whole.clone(), next: None }
    }

    /// The list with those members; `None` where it is the one that lies ready.
    fn cut(&self, fields: ListFields) -> Option<&ReducedList> {
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

    /// The source that has an item of this key.
    pub(crate) fn source_of(&self, key: &str) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// The keys of a source's items.
    pub(crate) fn keys_of(&self, source: usize) -> impl Iterator<Item = &str> {
        self.index.iter().filter(move |(_, of)| **of == source).map(|(key, _)| &**key)
    }

    /// The source of the first template that a URI may be made from.
    pub(crate) fn source_by_template(&self, uri: &str) -> Option<usize> {
        self.templates.iter().find(|(template, _)| may_be_of(template, uri)).map(|(_, source)| *source)
    }
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
        let (list, shadowed) = ItemList::new(CatalogKind::Prompts, sources.clone());
        assert_eq!(&list.page_all(ListFields::All).items[..], br#"[{"name":"b"},{"name":"a"},{"name":"c"}]"#);
        assert_eq!(shadowed, [Shadowed { key: "a".into(), first: 0, second: 1 }]);
        assert_eq!((list.source_of("a"), list.source_of("c"), list.source_of("d")), (Some(0), Some(1), None));
        assert!(list.is_of(&sources) && !list.is_of(&sources[..1]));
    }
}

//! The resources, templates and prompts of all skills of a folder as one encoded list of each kind.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::app_checks;
use crate::catalog_kind::ITEM_KINDS;
use crate::encoded_items::{self, EncodedItem};
use crate::encoded_list::named;
use crate::items::twice;
use crate::list_index::{TooLarge, is_off};
use crate::record::Record;
use crate::skill_uri::app_page_uri;
use crate::{CatalogKind, Diagnostic, NameStyle, Origin, names};

/// The items of all skills of a folder, each kind encoded, and what was found: of two skills with one key the first
/// one's stays.
pub(crate) fn encoded(
    records: &[Record<'_>],
    style: NameStyle,
) -> Result<([Vec<u8>; ITEM_KINDS.len()], Vec<Diagnostic>), TooLarge> {
    let mut findings = Vec::new();
    let mut sections = [const { Vec::new() }; ITEM_KINDS.len()];
    for (kind, section) in ITEM_KINDS.into_iter().zip(&mut sections) {
        let items = unique(records, kind, &mut findings);
        if items.is_empty() {
            continue;
        }
        *section = match kind {
            CatalogKind::Prompts => encoded_prompts(items, style)?,
            _ => encoded_items::encode(&items, &encoded_items::own_keys(&items))?,
        };
    }
    findings.extend(app_checks::findings(records));
    Ok((sections, findings))
}

fn unique<'a>(
    records: &'a [Record<'a>],
    kind: CatalogKind,
    findings: &mut Vec<Diagnostic>,
) -> Vec<EncodedItem<'a>> {
    let mut first: HashMap<&str, &str> = HashMap::new();
    let pages = app_pages(records, kind);
    let mut items = Vec::new();
    for record in records {
        for item in record.items.iter().filter(|item| item.kind == kind) {
            let of_page = pages.get(&*item.key).filter(|skill| **skill != record.folder);
            if let Some(skill) = of_page.or_else(|| first.get(&*item.key)) {
                let place = serde_json::from_str::<Place>(item.detail.get()).unwrap_or_default();
                let there = format!("in the skill `{skill}`");
                findings.push(twice(kind, &item.key, &record.folder, &place.origin, &there));
                continue;
            }
            first.insert(&item.key, &record.folder);
            let (listing, detail) = (item.listing.get(), item.detail.get());
            items.push(EncodedItem { key: &item.key, listing, detail, is_off: is_off(detail) });
        }
    }
    items
}

/// The pages for apps that skills have beneath their own names, each with its skill: no other skill takes their place.
fn app_pages<'a>(records: &'a [Record<'a>], kind: CatalogKind) -> HashMap<&'a str, &'a str> {
    if kind != CatalogKind::Resources {
        return HashMap::new();
    }
    let of_record = |record: &'a Record<'a>| {
        let own = app_page_uri(&record.folder, "");
        let pages = record.items.iter().filter(move |item| item.kind == kind && item.key.starts_with(&own));
        pages.map(|item| (&*item.key, &*record.folder))
    };
    records.iter().flat_map(of_record).collect()
}

#[derive(Default, Deserialize)]
struct Place {
    origin: Origin,
}

/// Prompts sorted by canonical name, listed by the name on the wire, and found by either.
fn encoded_prompts(mut prompts: Vec<EncodedItem<'_>>, style: NameStyle) -> Result<Vec<u8>, TooLarge> {
    prompts.sort_unstable_by_key(|prompt| prompt.key);
    let canonical: Vec<&str> = prompts.iter().map(|prompt| prompt.key).collect();
    let wire = names::wire_names(&canonical, style);
    let listings: Vec<Cow<'_, str>> =
        prompts.iter().zip(&wire).map(|(prompt, wire)| named(prompt.listing, wire)).collect();
    let listed: Vec<EncodedItem<'_>> = prompts
        .iter()
        .zip(&listings)
        .zip(&wire)
        .map(|((prompt, listing), wire)| EncodedItem { key: wire, listing, ..*prompt })
        .collect();
    encoded_items::encode(&listed, &names::meanings(&canonical, &wire, style))
}

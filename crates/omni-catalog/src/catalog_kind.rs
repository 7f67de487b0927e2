//! The kinds of things that a catalogue lists.

use serde::{Deserialize, Serialize};

/// One kind of thing that a server offers. Each has a list and a version of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatalogKind {
    Tools,
    Resources,
    Templates,
    Prompts,
    Skills,
}

impl CatalogKind {
    /// All of them.
    pub const ALL: [CatalogKind; 5] = [
        CatalogKind::Tools,
        CatalogKind::Resources,
        CatalogKind::Templates,
        CatalogKind::Prompts,
        CatalogKind::Skills,
    ];
}

/// The kinds that have items, in the order in which they are kept.
pub(crate) const ITEM_KINDS: [CatalogKind; 3] =
    [CatalogKind::Resources, CatalogKind::Templates, CatalogKind::Prompts];

/// The place of a kind among those that have items; of tools and skills, which have none, that of resources.
pub(crate) fn place(kind: CatalogKind) -> usize {
    ITEM_KINDS.iter().position(|known| *known == kind).unwrap_or_default()
}

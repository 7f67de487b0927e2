//! The kinds of things that a catalogue lists.

/// One kind of thing that a server offers. Each has a list and a version of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

//! What a catalogue has lists of.

/// One kind of thing that a server offers. Each has a list and a version of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Tools,
    Resources,
    Templates,
    Prompts,
    Skills,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 5] = [Kind::Tools, Kind::Resources, Kind::Templates, Kind::Prompts, Kind::Skills];
}

//! The parts of content that not every revision has.

/// A type of content block, or a member of one, that came after the first revision.
///
/// All else that a block, a resource's contents or a prompt's message may have, every revision has: text, images and
/// embedded resources, and annotations that say for whom they are and how important.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ContentPart {
    /// Blocks of the type `audio`.
    Audio,
    /// Blocks of the type `resource_link`.
    ResourceLink,
    /// `_meta` of a block, and of what a resource holds.
    Meta,
    /// `lastModified` among annotations.
    LastModified,
    /// `title` of a link.
    Title,
    /// `icons` of a link.
    Icons,
}

impl ContentPart {
    pub(crate) const ALL: [ContentPart; 6] = [
        ContentPart::Audio,
        ContentPart::ResourceLink,
        ContentPart::Meta,
        ContentPart::LastModified,
        ContentPart::Title,
        ContentPart::Icons,
    ];
}

//! Whether a resource is there, and whether its content is what it was.

/// What one snapshot knows of the content of a URI. The content has changed where two snapshots have another one of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceVersion {
    /// There is no such resource, and no template that it may be made from.
    Absent,
    /// There may be one, whose content nobody but its source knows.
    Unknown,
    /// A hash over what the content comes from.
    Digest([u8; 16]),
}

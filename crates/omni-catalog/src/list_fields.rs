//! Which members of a tool's description a list carries, and whether a shorter list differs from the whole one.

/// Which members of a tool's description a list carries, from fewest to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListFields {
    /// Name, description and input schema.
    Basic,
    /// … and annotations.
    Annotated,
    /// … and title, output schema and `_meta`.
    Structured,
    /// … and icons: everything.
    All,
}

/// Which optional members any tool of the list has. A list that would drop none of them needs no copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OptionalMembers {
    pub(crate) annotations: bool,
    /// `title`, `outputSchema` or `_meta`.
    pub(crate) structured: bool,
    pub(crate) icons: bool,
    /// Something is meant for hosts of the extension for apps: a member of `_meta`, or a page.
    pub(crate) apps: bool,
}

impl OptionalMembers {
    pub(crate) fn bits(self) -> u64 {
        u64::from(self.annotations)
            | u64::from(self.structured) << 1
            | u64::from(self.icons) << 2
            | u64::from(self.apps) << 3
    }

    pub(crate) fn from_bits(bits: u64) -> OptionalMembers {
        OptionalMembers {
            annotations: bits & 1 != 0,
            structured: bits & 2 != 0,
            icons: bits & 4 != 0,
            apps: bits & 8 != 0,
        }
    }

    /// The same of things whose annotations every revision knows.
    pub(crate) fn without_annotations(self) -> OptionalMembers {
        OptionalMembers { annotations: false, ..self }
    }

    /// With what another has too.
    pub(crate) fn and(self, other: OptionalMembers) -> OptionalMembers {
        OptionalMembers {
            annotations: self.annotations | other.annotations,
            structured: self.structured | other.structured,
            icons: self.icons | other.icons,
            apps: self.apps | other.apps,
        }
    }
}

/// Whether `fields` shows everything that a list with `optional_members` has.
pub(crate) fn complete(fields: ListFields, optional_members: OptionalMembers) -> bool {
    (fields >= ListFields::All || !optional_members.icons)
        && (fields >= ListFields::Structured || !optional_members.structured)
        && (fields >= ListFields::Annotated || !optional_members.annotations)
}

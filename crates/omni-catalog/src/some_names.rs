//! Some of many names, as they stand in a finding.

/// So many are given.
const NAMED_MAX: usize = 5;

/// The first of these, in back-ticks, and how many more there are.
pub(crate) fn some_of(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<String> =
        names.iter().take(NAMED_MAX).map(|name| format!("`{}`", name.as_ref())).collect();
    match names.len().saturating_sub(NAMED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

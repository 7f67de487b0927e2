//! Words to choose from, as they stand in a sentence.

/// `a, b or c`.
pub(crate) fn alternatives(words: &[String]) -> String {
    match words {
        [rest @ .., last] if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        words => words.concat(),
    }
}

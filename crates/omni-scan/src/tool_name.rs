//! Which names can a tool, or a half of its name, have?

use unicode_ident::is_xid_continue;

/// More characters than this are no name.
const CHARS_MAX: usize = 128;

/// Letters that have no look: two names that differ by them are one to whoever reads them.
const INVISIBLE: [std::ops::RangeInclusive<char>; 10] = [
    '\u{34f}'..='\u{34f}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

/// Whether a tool can be called so: 1 to 128 letters and digits of any script, as in Python's identifiers, `_`, `-` and
/// `.`. What of it clients are shown is another matter.
pub fn is_tool_name(name: &str) -> bool {
    let fits = |c: char| match c {
        '-' | '.' => true,
        c if c.is_ascii() => is_xid_continue(c),
        c => is_xid_continue(c) && !INVISIBLE.iter().any(|range| range.contains(&c)),
    };
    (1..=CHARS_MAX).contains(&name.chars().count()) && name.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tools_are_those_of_the_shared_file() {
        let shared = include_str!("../../../conformance/tool-names.json");
        let shared: serde_json::Value = serde_json::from_str(shared).unwrap();
        for (kind, is_name) in [("names", true), ("none", false)] {
            for name in shared[kind].as_array().unwrap() {
                assert_eq!(is_tool_name(name.as_str().unwrap()), is_name, "{name}");
            }
        }
        assert!(is_tool_name(&"ü".repeat(CHARS_MAX)) && !is_tool_name(&"ü".repeat(CHARS_MAX + 1)));
    }
}

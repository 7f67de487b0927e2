//! The name of a tool that clients see, which follows from the set of all canonical names alone.
//!
//! A canonical name is `<skill>.<command>`, or a command alone. Most clients take no dot, put the server's name before
//! a tool's and cut what is then longer than 64 characters; some make one name of two that differ in case or by `-` and
//! `_`. The rule that keeps names apart there is the same in Python (`omni/names.py`); `conformance/names.json` holds
//! what both must answer.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// How tools are named in lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameStyle {
    /// `files_read`: ASCII letters, digits, `_` and `-`, 48 characters at most.
    #[default]
    Underscore,
    /// `files.read`: the canonical name, but for letters that MCP does not allow in names.
    Dotted,
    /// The canonical name, whatever is in it: between servers of omni, by the runner contract.
    Canonical,
}

/// Clients put a prefix of their own before it, and all of it must fit into 64.
pub(crate) const WIRE_CHARS_MAX: usize = 48;

/// Digits of the canonical name's hash that a name ends with: more each time that it could still mean another tool.
const HASH_DIGITS: [usize; 3] = [10, 20, 40];

/// Returns the name on the wire of each canonical name, in their order. The order changes nothing else. No two names
/// are the same, since no two of `canonical` are.
pub(crate) fn wire_names(canonical: &[&str], style: NameStyle) -> Vec<String> {
    let plain: Vec<Cow<'_, str>> = canonical.iter().map(|name| plain(name, style)).collect();
    let mut digits: Vec<usize> =
        plain.iter().zip(canonical).map(|(plain, name)| first(plain, name, style)).collect();
    let mut names: Vec<String> =
        (0..plain.len()).map(|tool| written(&plain[tool], canonical[tool], digits[tool])).collect();
    if style == NameStyle::Canonical {
        return names;
    }
    loop {
        // Whoever wants the same name takes a longer one, all at once, so that none is first. A name with its dots
        // stays as it is.
        let mut claims: HashMap<Cow<'_, str>, Claim> = HashMap::with_capacity(names.len() * 2);
        for tool in 0..names.len() {
            claim(&mut claims, as_clients_compare(&names[tool], style), tool);
            if style == NameStyle::Underscore {
                claim(&mut claims, as_clients_compare(&plain[tool], style), tool);
            }
        }
        let contested: Vec<usize> = (0..names.len())
            .filter(|tool| {
                claims.get(&*as_clients_compare(&names[*tool], style)).is_some_and(|claim| claim.shared)
            })
            .filter(|tool| {
                next(digits[*tool]).is_some() && (style == NameStyle::Underscore || digits[*tool] > 0)
            })
            .collect();
        if contested.is_empty() {
            return names;
        }
        drop(claims);
        for tool in contested {
            digits[tool] = next(digits[tool]).unwrap_or(digits[tool]);
            names[tool] = written(&plain[tool], canonical[tool], digits[tool]);
        }
    }
}

/// The tools that would have a name.
struct Claim {
    tool: usize,
    shared: bool,
}

fn claim<'a>(claims: &mut HashMap<Cow<'a, str>, Claim>, name: Cow<'a, str>, tool: usize) {
    match claims.entry(name) {
        Entry::Occupied(mut claim) => claim.get_mut().shared |= claim.get().tool != tool,
        Entry::Vacant(free) => {
            free.insert(Claim { tool, shared: false });
        }
    }
}

/// A canonical name with `_` for each run of what `style` does not take.
pub(crate) fn plain(canonical: &str, style: NameStyle) -> Cow<'_, str> {
    let takes = |c: char| match style {
        NameStyle::Canonical => true,
        NameStyle::Dotted => is_ascii_name(c),
        NameStyle::Underscore => is_ascii_name(c) && c != '.',
    };
    if canonical.chars().all(takes) {
        return Cow::Borrowed(canonical);
    }
    let mut plain = String::with_capacity(canonical.len());
    let mut replaced = false;
    for c in canonical.chars() {
        if takes(c) {
            plain.push(c);
        } else if !replaced {
            plain.push('_');
        }
        replaced = !takes(c);
    }
    Cow::Owned(plain)
}

/// What MCP allows in a name.
fn is_ascii_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

/// Whether some of a name cannot be told from its plain form, so that two names might have the same.
pub(crate) fn is_foreign(canonical: &str) -> bool {
    !canonical.chars().all(is_ascii_name)
}

/// Whether a plain form is longer than `style` has it.
pub(crate) fn is_long(plain: &str, style: NameStyle) -> bool {
    style == NameStyle::Underscore && plain.len() > WIRE_CHARS_MAX
}

/// How many digits of its hash a name has when no other tool would have the same.
fn first(plain: &str, canonical: &str, style: NameStyle) -> usize {
    let whole = style == NameStyle::Canonical || !(is_foreign(canonical) || is_long(plain, style));
    if whole { 0 } else { HASH_DIGITS[0] }
}

fn next(digits: usize) -> Option<usize> {
    HASH_DIGITS.into_iter().find(|more| *more > digits)
}

/// A plain form, with so many digits of the hash of its canonical name behind as much of it as there is room for: a
/// third from the beginning, the rest from the end, where the command is.
fn written(plain: &str, canonical: &str, digits: usize) -> String {
    if digits == 0 {
        return plain.to_owned();
    }
    let hash = Sha256::digest(canonical.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let hash = hash.get(..digits).unwrap_or(&hash);
    let room = WIRE_CHARS_MAX - 1 - digits;
    if plain.len() <= room {
        return format!("{plain}_{hash}");
    }
    // A plain form is ASCII wherever it has a hash.
    let head = room / 3;
    let tail = plain.len() - (room - head - 1);
    format!("{}_{}_{hash}", plain.get(..head).unwrap_or_default(), plain.get(tail..).unwrap_or_default())
}

/// A name as the strictest client compares it: some fold case, some write `_` for `-`, some write one for several.
pub(crate) fn as_clients_compare(name: &str, style: NameStyle) -> Cow<'_, str> {
    let kept = |c: u8| !c.is_ascii_uppercase() && c != b'-';
    if style != NameStyle::Underscore || (name.bytes().all(kept) && !name.contains("__")) {
        return Cow::Borrowed(name);
    }
    let mut folded = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' if folded.ends_with('_') => {}
            '-' => folded.push('_'),
            c => folded.push(c.to_ascii_lowercase()),
        }
    }
    Cow::Owned(folded)
}

/// All names by which a tool can be called, as pairs of a name and the tool's place in `canonical`, sorted. A name that
/// stands there for two tools means neither.
pub(crate) fn meanings<'a>(
    canonical: &[&'a str],
    wire: &'a [String],
    style: NameStyle,
) -> Vec<(Cow<'a, str>, usize)> {
    let mut meanings: Vec<(Cow<'a, str>, usize)> = Vec::with_capacity(canonical.len() * 2);
    let listed: HashMap<&str, usize> =
        wire.iter().enumerate().map(|(tool, name)| (name.as_str(), tool)).collect();
    for (tool, name) in canonical.iter().copied().enumerate() {
        meanings.push((Cow::Borrowed(name), tool));
        meanings.push((Cow::Borrowed(&wire[tool]), tool));
        if style != NameStyle::Canonical {
            // The name that the tool would have if it were alone; where that is in the list, it means the tool listed under it.
            let plain = plain(name, NameStyle::Underscore);
            if listed.get(&*plain).is_none_or(|listed| *listed == tool) {
                meanings.push((plain, tool));
            }
        }
    }
    meanings.sort_unstable();
    meanings.dedup();
    meanings
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use serde_json::Value;

    use super::*;

    const CASES: &str = include_str!("../../../conformance/names.json");

    fn style(case: &Value) -> NameStyle {
        NameStyle::deserialize(&case["style"]).unwrap()
    }

    fn is_wire_name(name: &str) -> bool {
        (1..=WIRE_CHARS_MAX).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    }

    #[test]
    fn names_and_what_they_mean_are_those_of_the_shared_cases() {
        let cases: Vec<Value> = serde_json::from_str(CASES).unwrap();
        for case in &cases {
            let wanted = case["wire"].as_object().unwrap();
            let canonical: Vec<&str> = wanted.keys().map(String::as_str).collect();
            let wire = wire_names(&canonical, style(case));
            let found: BTreeMap<&str, &str> =
                canonical.iter().copied().zip(wire.iter().map(String::as_str)).collect();
            let wanted: BTreeMap<&str, &str> =
                wanted.iter().map(|(name, wire)| (name.as_str(), wire.as_str().unwrap())).collect();
            assert_eq!(found, wanted, "{}", case["about"]);
            let meanings = meanings(&canonical, &wire, style(case));
            for (name, meant) in case["calls"].as_object().into_iter().flatten() {
                let mut found: Vec<&str> = meanings
                    .iter()
                    .filter(|(key, _)| key == name)
                    .map(|(_, tool)| canonical[*tool])
                    .collect();
                found.sort_unstable();
                let meant: Vec<&str> = meant.as_array().unwrap().iter().filter_map(Value::as_str).collect();
                assert_eq!(found, meant, "`{name}` of {}", case["about"]);
            }
        }
        assert!(cases.len() > 8);
    }

    #[test]
    fn the_bounds_are_those_of_the_shared_file() {
        let shared: Value = serde_json::from_str(include_str!("../../../conformance/shared.json")).unwrap();
        assert_eq!(shared["names"]["wire_chars_max"], WIRE_CHARS_MAX);
        assert_eq!(shared["names"]["hash_digits"], serde_json::json!(HASH_DIGITS));
    }

    /// Ten thousand names of few letters and many separators, so that nearly all of them get in each other's way.
    fn nasty() -> Vec<String> {
        let parts =
            ["a", "A", "b", "a_b", "a-b", "a.b", "größe", "実行", "x".repeat(30).leak(), "_", "-", "9"];
        let mut names = HashSet::new();
        let mut state = 7_u64;
        while names.len() < 10_000 {
            let mut name = String::new();
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let mut rest = state >> 20;
            for _ in 0..2 + rest % 3 {
                rest /= 3;
                let separator =
                    if name.is_empty() { "" } else { [".", "_", "-"][usize::try_from(rest % 3).unwrap()] };
                rest /= 3;
                name += separator;
                name += parts[usize::try_from(rest % parts.len() as u64).unwrap()];
                rest /= parts.len() as u64;
            }
            names.insert(name);
        }
        // The very names that others are given.
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        let taken: Vec<String> = wire_names(&known, NameStyle::Underscore).into_iter().step_by(3).collect();
        names.extend(taken);
        names.into_iter().collect()
    }

    #[test]
    fn ten_thousand_names_are_legal_and_apart_for_every_client_and_each_is_a_call_of_its_tool() {
        let canonical = nasty();
        let canonical: Vec<&str> = canonical.iter().map(String::as_str).collect();
        let wire = wire_names(&canonical, NameStyle::Underscore);
        let mut apart = HashSet::new();
        for name in &wire {
            assert!(is_wire_name(name), "{name}");
            assert!(apart.insert(as_clients_compare(name, NameStyle::Underscore)), "{name}");
        }
        let mut meant: HashMap<Cow<'_, str>, Vec<usize>> = HashMap::new();
        for (name, tool) in meanings(&canonical, &wire, NameStyle::Underscore) {
            meant.entry(name).or_default().push(tool);
        }
        for (tool, name) in wire.iter().enumerate() {
            assert_eq!(meant[&Cow::Borrowed(name.as_str())], [tool], "{name}");
        }
        for (tool, name) in canonical.iter().enumerate() {
            assert!(meant[&Cow::Borrowed(*name)].contains(&tool), "{name}");
        }
        assert!(meant.values().any(|tools| tools.len() > 1), "some names are of two tools");
    }

    #[test]
    fn names_do_not_depend_on_the_order_in_which_tools_were_found() {
        let canonical = nasty();
        let mut order: Vec<&str> = canonical.iter().map(String::as_str).collect();
        for style in [NameStyle::Underscore, NameStyle::Dotted] {
            let first: HashMap<&str, String> = order.iter().copied().zip(wire_names(&order, style)).collect();
            for turn in 1..4 {
                order.rotate_left(1_234 * turn);
                order.reverse();
                let again: HashMap<&str, String> =
                    order.iter().copied().zip(wire_names(&order, style)).collect();
                assert_eq!(first, again);
            }
        }
    }

    #[test]
    fn a_dotted_name_stays_as_it_is_where_mcp_allows_it() {
        let canonical = nasty();
        let canonical: Vec<&str> = canonical.iter().map(String::as_str).collect();
        let wire = wire_names(&canonical, NameStyle::Dotted);
        let apart: HashSet<&String> = wire.iter().collect();
        assert_eq!(apart.len(), canonical.len());
        for (name, wire) in canonical.iter().zip(&wire) {
            assert!(is_foreign(name) || name == wire, "{name} {wire}");
            assert!(!is_foreign(wire), "{wire}");
        }
    }
}

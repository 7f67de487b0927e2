//! Which files reach each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::crate_modules::Uses;

/// Files each of which reaches every other, with all uses among them.
#[derive(Debug, PartialEq)]
pub(super) struct ModuleCycle {
    uses: Uses,
}

impl ModuleCycle {
    pub(super) fn files(&self) -> impl Iterator<Item = &String> {
        self.uses.keys()
    }

    /// Whether it is made of just these files, in any order.
    pub(super) fn is(&self, files: &[&str]) -> bool {
        let files: BTreeSet<&str> = files.iter().copied().collect();
        self.files().map(String::as_str).eq(files)
    }
}

/// `2 files in a cycle`, then one line for each use that ties them.
impl fmt::Display for ModuleCycle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} files in a cycle", self.uses.len())?;
        for (from, others) in &self.uses {
            for (to, names) in others {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                write!(out, "\n  {from} -> {to}: {}", names.join(", "))?;
            }
        }
        Ok(())
    }
}

/// All cycles of two files and more, each as large as it can be.
pub(super) fn cycles(uses: &Uses) -> Vec<ModuleCycle> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        uses.keys().map(|file| (&**file, reached(uses, file))).collect();
    let mut cycles = Vec::new();
    let mut seen = BTreeSet::new();
    for (file, others) in &reached {
        // Who reaches a file and is reached by it stands in the same cycle; alone means in none.
        let back = |other: &&&str| reached.get(**other).is_some_and(|others| others.contains(file));
        let members: BTreeSet<&str> = others.iter().filter(back).copied().collect();
        if members.is_empty() || !seen.insert(members.clone()) {
            continue;
        }
        let among = |others: &BTreeMap<String, BTreeSet<String>>| {
            let mut others = others.clone();
            others.retain(|other, _| members.contains(&**other));
            others
        };
        let within = uses.iter().filter(|(file, _)| members.contains(&***file));
        cycles
            .push(ModuleCycle { uses: within.map(|(file, others)| (file.clone(), among(others))).collect() });
    }
    cycles
}

/// All files that `from` reaches over one use or more; itself too, when it stands in a cycle.
fn reached<'a>(uses: &'a Uses, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(file) = waiting.pop() {
        for other in uses.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(other.as_str()) {
                waiting.push(other);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses from `a > b` and so on, each by the name `x`.
    fn uses(edges: &[&str]) -> Uses {
        let mut uses = Uses::new();
        for (from, to) in edges.iter().map(|edge| edge.split_once(" > ").unwrap()) {
            let of = uses.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default();
            of.insert("x".to_owned());
        }
        uses
    }

    fn files(cycles: &[ModuleCycle]) -> Vec<String> {
        cycles.iter().map(|cycle| cycle.files().cloned().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_chain_is_no_cycle() {
        assert!(cycles(&uses(&["a > b", "b > c", "a > c"])).is_empty());
    }

    #[test]
    fn cycles_that_touch_are_one_and_others_stand_apart() {
        let found = cycles(&uses(&["a > b", "b > a", "b > c", "c > b", "c > d", "d > e", "e > d", "f > a"]));
        assert_eq!(files(&found), ["a b c", "d e"]);
    }

    #[test]
    fn a_long_way_round_is_a_cycle_and_is_told_with_its_names() {
        let found = cycles(&uses(&["a > b", "b > c", "c > a", "c > d"]));
        let told = "3 files in a cycle\n  a -> b: x\n  b -> c: x\n  c -> a: x";
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [told]);
    }
}

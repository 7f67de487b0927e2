//! Which known name did an author probably mean?

/// The known name nearest to `name`, if it is near enough to be a slip.
pub(crate) fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    const LENGTH_MAX: usize = 64;
    if name.len() > LENGTH_MAX {
        return None;
    }
    let (distance, found) = known.iter().map(|known| (edits(name, known), *known)).min()?;
    (distance <= 1 + name.len() / 4).then_some(found)
}

/// Edits between two texts, a swap of neighbours counting as one.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let change = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let known = ["timeout", "title", "tags", "read_only"];
        assert_eq!(closest("tiemout", &known), Some("timeout"));
        assert_eq!(closest("readonly", &known), Some("read_only"));
        assert_eq!(closest("temperature", &known), None);
    }
}

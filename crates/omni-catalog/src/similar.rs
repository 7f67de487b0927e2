//! Which known name somebody probably meant.

/// Returns the candidate closest to `name`, if one is close enough to be worth offering.
///
/// Names that differ only in case or in `.`, `-`, `_` count as closest of all; then small edit distances,
/// up to a third of the name's length and never more than four. Of equals, the first wins.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return None;
    }
    let allowed = (name.len() / 3).min(4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if same_but_for_spelling(name, candidate) {
            return Some(candidate);
        }
        let allowed = best.map_or(allowed, |(distance, _)| distance.saturating_sub(1));
        if let Some(distance) = edit_distance(name.as_bytes(), candidate.as_bytes(), allowed) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Longer names are not compared: hostile input must not buy quadratic work.
const NAME_BYTES_MAX: usize = 128;

fn same_but_for_spelling(a: &str, b: &str) -> bool {
    let plain = |name: &str| {
        name.bytes()
            .filter(|byte| !matches!(byte, b'.' | b'-' | b'_'))
            .map(|byte| byte.to_ascii_lowercase())
            .collect::<Vec<_>>()
    };
    // Comparing lengths first spares the allocation for nearly every candidate.
    a.len().abs_diff(b.len()) <= 2 && plain(a) == plain(b)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`, or `None` when
/// there are more than `allowed`.
fn edit_distance(a: &[u8], b: &[u8], allowed: usize) -> Option<usize> {
    if b.len() > NAME_BYTES_MAX || a.len().abs_diff(b.len()) > allowed {
        return None;
    }
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for (i, &from) in a.iter().enumerate() {
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(from != to);
            row[j + 1] = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && from == b[j - 1] && a[i - 1] == to {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        if row.iter().all(|&distance| distance > allowed) {
            return None;
        }
        std::mem::swap(&mut before_last, &mut last);
        std::mem::swap(&mut last, &mut row);
    }
    last.last().copied().filter(|&distance| distance <= allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_recognised_and_a_different_word_is_not() {
        let known = ["title", "body", "tags", "created_at"];
        for (typed, meant) in [
            ("titel", Some("title")),
            ("Title", Some("title")),
            ("createdAt", Some("created_at")),
            ("tgas", Some("tags")),
            ("bdy", Some("body")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(closest(typed, known), meant, "{typed}");
        }
    }

    #[test]
    fn another_separator_is_no_other_name() {
        assert_eq!(closest("notes_save", ["notes.find", "notes.save"]), Some("notes.save"));
    }
}

//! Dash lists: `- name: type - text` below `Args:`, as `omni.foundation` skills write them.

/// Reads an item that starts with a dash or a star.
pub(super) fn item(lines: &[&str]) -> Option<(String, String)> {
    let first = lines.first()?;
    let rest = first.strip_prefix("- ").or_else(|| first.strip_prefix("* "))?.trim_start();
    let rest = rest.strip_prefix('`').unwrap_or(rest);
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    let rest = rest.strip_prefix('`').unwrap_or(rest);
    if name.is_empty() || !rest.starts_with([':', ' ', '(']) {
        return None;
    }
    let mut text = described(rest)?.to_owned();
    for line in &lines[1..] {
        text.push('\n');
        text.push_str(line);
    }
    Some((name.to_owned(), text.trim_end_matches('\n').to_owned()))
}

/// The text behind `: type - `, ` (type): `, `: ` or ` - `.
fn described(rest: &str) -> Option<&str> {
    let rest = rest.trim_start();
    if let Some(inner) = rest.strip_prefix('(') {
        let (_, after) = inner.split_once(')')?;
        let after = after.trim_start();
        return after.strip_prefix(':').or_else(|| after.strip_prefix("- ")).map(str::trim_start);
    }
    if let Some(text) = rest.strip_prefix("- ") {
        return Some(text.trim_start());
    }
    let after = rest.strip_prefix(':')?.trim_start();
    match after.split_once(" - ") {
        Some((kind, text)) if looks_like_type(kind) => Some(text.trim_start()),
        _ => Some(after),
    }
}

/// `str`, `list[int] | None`, `int = 10`: one word, or words joined by what joins types.
fn looks_like_type(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "_[],|.\"'=- ".contains(c);
    let joined = text.replace(" | ", "|").replace(", ", ",").replace(" = ", "=");
    !text.is_empty() && text.chars().all(fits) && !joined.contains(' ')
}

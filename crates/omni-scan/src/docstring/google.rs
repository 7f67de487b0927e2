//! Google style: `Args:` with an indented body.

use super::dash;
use super::section::{Section, blank, flush, indentation};

#[derive(Clone, Copy, PartialEq, Eq)]
enum SectionKind {
    Parameters,
    /// Items of `name: text`, of no use to a schema; empty without a colon.
    Named,
    /// Items without a colon count too.
    Items,
    Block,
}

fn kind(title: &str) -> Option<SectionKind> {
    Some(match title.to_lowercase().as_str() {
        "args" | "arguments" | "params" | "parameters" => SectionKind::Parameters,
        "keyword args" | "keyword arguments" | "other args" | "other arguments" | "other params"
        | "other parameters" | "type args" | "type arguments" | "type params" | "type parameters"
        | "raises" | "exceptions" | "attributes" | "functions" | "methods" | "classes" | "type aliases"
        | "modules" | "warns" | "warnings" => SectionKind::Named,
        "returns" | "yields" | "receives" => SectionKind::Items,
        "examples" => SectionKind::Block,
        _ => return None,
    })
}

pub(super) fn sections(lines: &[&str]) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut text: Vec<&str> = Vec::new();
    let mut fenced = false;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        if line.trim_start_matches(' ').starts_with("```") {
            fenced = !fenced;
            text.push(line);
        } else if let Some(title) = title(line).filter(|_| !fenced && opens(lines, at)) {
            match kind(title) {
                Some(kind) => {
                    flush(&mut text, &mut sections);
                    at = read(lines, at + 1, kind, &mut sections);
                    continue;
                }
                None => match block(lines, at + 1) {
                    (true, end) => {
                        flush(&mut text, &mut sections);
                        sections.push(Section::Other);
                        at = end;
                        continue;
                    }
                    (false, _) => text.push(line),
                },
            }
        } else {
            text.push(line);
        }
        at += 1;
    }
    flush(&mut text, &mut sections);
    sections
}

/// `Title:` or `Title: more`, at the margin.
fn title(line: &str) -> Option<&str> {
    let (title, rest) = line.split_once(':')?;
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let starts = title.chars().next().is_some_and(word);
    let continues = title.chars().all(|c| word(c) || c.is_whitespace() || c == '-');
    let rest_fits = blank(rest) || rest.starts_with(char::is_whitespace);
    (starts && continues && rest_fits).then_some(title)
}

/// A title opens a section when an indented line follows at once and a blank line stands above.
fn opens(lines: &[&str], at: usize) -> bool {
    let next = lines.get(at + 1);
    let after = lines.get(at + 2);
    let indented = |line: Option<&&str>| line.is_some_and(|line| !blank(line) && line.starts_with(' '));
    let blank_above = at == 0 || blank(lines[at - 1]);
    let blank_below = next.is_some_and(|line| blank(line));
    (indented(next) || indented(after)) && blank_above && !(indented(after) && blank_below)
}

/// Reads one section's body; returns the index of the line behind it.
fn read(lines: &[&str], start: usize, kind: SectionKind, sections: &mut Vec<Section>) -> usize {
    if kind == SectionKind::Block {
        let (_, end) = block(lines, start);
        sections.push(Section::Other);
        return end;
    }
    let (items, end) = items(lines, start);
    let named: Vec<(&str, String)> = items.iter().filter_map(|item| name_and_text(item)).collect();
    match kind {
        SectionKind::Parameters => {
            let parameters: Vec<(String, String)> = items
                .iter()
                .filter_map(|item| dash::item(item).or_else(|| name_and_text(item).map(parameter)))
                .collect();
            if !parameters.is_empty() {
                sections.push(Section::Parameters(parameters));
            }
        }
        SectionKind::Named if named.is_empty() => {}
        _ if items.is_empty() => {}
        _ => sections.push(Section::Other),
    }
    end
}

fn name_and_text<'a>(item: &[&'a str]) -> Option<(&'a str, String)> {
    let (name, text) = item.first()?.split_once(':')?;
    let mut text = text.trim_start().to_owned();
    for line in &item[1..] {
        text.push('\n');
        text.push_str(line);
    }
    Some((name, text.trim_end_matches('\n').to_owned()))
}

/// `name (type)` gives the name alone.
fn parameter((name, text): (&str, String)) -> (String, String) {
    let name = match name.split_once('(') {
        Some((bare, _)) if name.ends_with(')') => bare.trim(),
        _ => name,
    };
    (name.to_owned(), text)
}

/// The items of an indented list, each with its lines, and the index of the line behind the list.
fn items<'a>(lines: &[&'a str], start: usize) -> (Vec<Vec<&'a str>>, usize) {
    let mut at = start;
    while lines.get(at).is_some_and(|line| blank(line)) {
        at += 1;
    }
    let Some(first) = lines.get(at) else { return (Vec::new(), at.max(start)) };
    let indent = indentation(first);
    if indent == 0 {
        return (Vec::new(), at);
    }
    let mut items = Vec::new();
    let mut current = vec![&first[indent..]];
    at += 1;
    while let Some(line) = lines.get(at) {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        if blank(line) {
            current.push("");
        } else if spaces >= indent * 2 {
            current.push(&line[indent * 2..]);
        } else if spaces > indent {
            current.push(line.trim_start());
        } else if spaces >= indent {
            items.push(std::mem::replace(&mut current, vec![&line[indent..]]));
        } else {
            break;
        }
        at += 1;
    }
    items.push(current);
    (items, at)
}

/// Whether an indented block starts at `start`, and the index of the line behind it.
fn block(lines: &[&str], start: usize) -> (bool, usize) {
    let mut at = start;
    while lines.get(at).is_some_and(|line| blank(line)) {
        at += 1;
    }
    let Some(first) = lines.get(at) else { return (false, start) };
    let indent = indentation(first);
    if indent == 0 {
        return (false, start);
    }
    at += 1;
    while lines
        .get(at)
        .is_some_and(|line| blank(line) || line.len() - line.trim_start_matches(' ').len() >= indent)
    {
        at += 1;
    }
    (true, at)
}

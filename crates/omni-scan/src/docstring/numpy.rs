//! NumPy style: a title underlined with dashes.

use super::section::{Section, blank, flush};

pub(super) fn sections(lines: &[&str]) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut text: Vec<&str> = Vec::new();
    // Inside a section of an unknown title: its text is not the description's.
    let mut noted = false;
    let mut fenced = false;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let fence = line.trim_start_matches(' ').starts_with("```");
        if fence || fenced {
            fenced ^= fence;
            text.push(line);
        } else if blank(line) {
            text.push("");
        } else if lines.get(at + 1).is_some_and(|next| underline(next)) {
            finish(&mut text, &mut noted, &mut sections);
            let title = line.to_lowercase();
            if KNOWN.contains(&title.as_str()) {
                at = read(lines, at + 2, &title, &mut sections);
                continue;
            }
            noted = true;
            at += 1;
        } else {
            text.push(line);
        }
        at += 1;
    }
    finish(&mut text, &mut noted, &mut sections);
    sections
}

const KNOWN: [&str; 16] = [
    "deprecated",
    "parameters",
    "other parameters",
    "type parameters",
    "returns",
    "yields",
    "receives",
    "raises",
    "warns",
    "examples",
    "attributes",
    "functions",
    "methods",
    "classes",
    "type aliases",
    "modules",
];

fn finish(text: &mut Vec<&str>, noted: &mut bool, sections: &mut Vec<Section>) {
    if std::mem::take(noted) {
        sections.push(Section::Other);
        text.clear();
    } else {
        flush(text, sections);
    }
}

fn underline(line: &str) -> bool {
    line.contains('-') && line.chars().all(|c| c == '-' || c.is_whitespace())
}

fn read(lines: &[&str], start: usize, title: &str, sections: &mut Vec<Section>) -> usize {
    if title == "examples" {
        let end = block(lines, start);
        sections.push(Section::Other);
        return end;
    }
    let (items, end) = items(lines, start);
    if title == "parameters" {
        let mut parameters = Vec::new();
        for item in &items {
            let text = item[1..].join("\n").trim_end().to_owned();
            parameters.extend(names(item[0]).into_iter().map(|name| (name, text.clone())));
        }
        if !parameters.is_empty() {
            sections.push(Section::Parameters(parameters));
        }
    } else if !items.is_empty() {
        sections.push(Section::Other);
    }
    end
}

/// `a, b : int` names two parameters.
fn names(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = line;
    loop {
        let stars = rest.len() - rest.trim_start_matches('*').len();
        let body = &rest[stars..];
        let end = body.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(body.len());
        if stars > 2 || end == 0 || body.starts_with(|c: char| c.is_ascii_digit()) {
            return names;
        }
        names.push(rest[..stars + end].to_owned());
        match body[end..].strip_prefix(", ") {
            Some(next) => rest = next,
            None => return names,
        }
    }
}

fn items<'a>(lines: &[&'a str], start: usize) -> (Vec<Vec<&'a str>>, usize) {
    let mut at = start;
    while lines.get(at).is_some_and(|line| blank(line)) {
        at += 1;
    }
    let Some(first) = lines.get(at) else { return (Vec::new(), at) };
    let mut items = Vec::new();
    let mut current = vec![*first];
    at += 1;
    while let Some(line) = lines.get(at) {
        if blank(line) {
            current.push("");
        } else if let Some(rest) = line.strip_prefix("    ") {
            current.push(rest);
        } else if line.starts_with(' ') {
            current.push(line.trim_start());
        } else if lines.get(at + 1).is_some_and(|next| underline(next)) {
            break;
        } else {
            items.push(std::mem::replace(&mut current, vec![line]));
        }
        at += 1;
    }
    items.push(current);
    (items, at)
}

fn block(lines: &[&str], start: usize) -> usize {
    let mut at = start;
    while lines.get(at).is_some_and(|line| blank(line)) {
        at += 1;
    }
    while let Some(line) = lines.get(at) {
        let ends = blank(line)
            && (lines.get(at + 1).is_some_and(|next| underline(next))
                || lines.get(at + 2).is_some_and(|next| underline(next)));
        if ends {
            break;
        }
        at += 1;
    }
    at
}

//! The pieces of a docstring, and what the readers of all styles do with its lines.

/// One piece of a docstring.
pub(super) enum Section {
    Text(String),
    Parameters(Vec<(String, String)>),
    /// Returns, raises, notes: ends the description and says nothing about a parameter.
    Other,
}

/// `inspect.cleandoc`: tabs widened, the common indentation taken off, blank ends removed.
pub(crate) fn cleaned(raw: &str) -> String {
    let normal = raw.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<String> = normal.split('\n').map(widened).collect();
    let margin = lines.iter().skip(1).filter_map(|line| line.find(|c| c != ' ')).min();
    if let Some(first) = lines.first_mut() {
        *first = first.trim_start_matches(' ').to_owned();
    }
    if let Some(margin) = margin {
        for line in lines.iter_mut().skip(1) {
            *line = line.get(margin..).unwrap_or("").to_owned();
        }
    }
    let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |index| index + 1);
    let start = lines.iter().position(|line| !line.is_empty()).unwrap_or(0);
    lines.get(start..end).unwrap_or_default().join("\n")
}

fn widened(line: &str) -> String {
    if !line.contains('\t') {
        return line.to_owned();
    }
    let mut out = String::with_capacity(line.len() + 8);
    let mut column = 0;
    for c in line.chars() {
        if c == '\t' {
            let width = 8 - column % 8;
            out.extend(std::iter::repeat_n(' ', width));
            column += width;
        } else {
            out.push(c);
            column += 1;
        }
    }
    out
}

pub(super) fn blank(line: &str) -> bool {
    line.chars().all(char::is_whitespace)
}

/// Number of bytes of leading whitespace.
pub(super) fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The lines of a text section, joined, unless all are empty.
pub(super) fn flush(lines: &mut Vec<&str>, sections: &mut Vec<Section>) {
    if lines.iter().any(|line| !line.is_empty()) {
        sections.push(Section::Text(lines.join("\n").trim_end_matches('\n').to_owned()));
    }
    lines.clear();
}

//! What does a docstring say about the function, and about each parameter?
//!
//! The text up to the first section describes the function. Google, NumPy and Sphinx sections are tried in
//! that order, and the first style with any section wins. The rules match what authors see from FastMCP,
//! including the ones that surprise; the dash list is this project's own addition.

mod dash;
mod google;
mod numpy;
mod sphinx;

/// A docstring taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Docstring {
    pub(crate) description: Option<String>,
    /// Name and text, in order; a name may occur twice.
    pub(crate) parameters: Vec<(String, String)>,
}

/// One piece of a docstring.
enum Section {
    Text(String),
    Parameters(Vec<(String, String)>),
    /// Returns, raises, notes: ends the description and says nothing about a parameter.
    Other,
}

/// Text longer than this is cut before it is searched for sections.
const DOCSTRING_BYTES_MAX: usize = 256 * 1024;

/// Takes a docstring apart.
pub(crate) fn parse(raw: &str) -> Docstring {
    let text = cleaned(raw);
    if text.is_empty() || text.len() > DOCSTRING_BYTES_MAX {
        return Docstring { description: (!text.is_empty()).then_some(text), parameters: Vec::new() };
    }
    let lines: Vec<&str> = text.trim_end().split('\n').collect();
    for parser in [google::sections, numpy::sections, sphinx::sections] {
        let sections = parser(&lines);
        if sections.iter().any(|section| !matches!(section, Section::Text(_))) {
            return from_sections(sections);
        }
    }
    Docstring { description: Some(text), parameters: Vec::new() }
}

fn from_sections(sections: Vec<Section>) -> Docstring {
    let mut docstring = Docstring::default();
    for section in sections {
        match section {
            Section::Text(text) => {
                docstring.description.get_or_insert(text);
            }
            Section::Parameters(found) => docstring.parameters.extend(found),
            Section::Other => {}
        }
    }
    docstring
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

fn blank(line: &str) -> bool {
    line.chars().all(char::is_whitespace)
}

/// Number of bytes of leading whitespace.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The lines of a text section, joined, unless all are empty.
fn flush(lines: &mut Vec<&str>, sections: &mut Vec<Section>) {
    if lines.iter().any(|line| !line.is_empty()) {
        sections.push(Section::Text(lines.join("\n").trim_end_matches('\n').to_owned()));
    }
    lines.clear();
}

//! What does a docstring say about the function, and about each parameter?
//!
//! The text up to the first section describes the function. Google, NumPy and Sphinx sections are tried in
//! that order, and the first style with any section wins. The rules match what authors see from FastMCP,
//! including the ones that surprise; the dash list is this project's own addition.

mod dash;
mod google;
mod numpy;
mod section;
mod sphinx;

use section::Section;
pub(crate) use section::cleaned;

use crate::syntax::Function;

/// A docstring taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Docstring {
    pub(crate) description: Option<String>,
    /// Name and text, in order; a name may occur twice.
    pub(crate) parameters: Vec<(String, String)>,
}

impl Docstring {
    /// What a function's says; nothing where it has none.
    pub(crate) fn of(function: &Function) -> Docstring {
        function.docstring.as_deref().map(parse).unwrap_or_default()
    }
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

//! Sphinx style: `:param name: text`.

use std::collections::HashSet;

use super::section::{Section, blank, cleaned};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Parameter,
    /// Needs a name, and counts as a section.
    Named,
    /// Counts as a section.
    Result,
    /// Says only a type.
    Type,
}

const DIRECTIVES: [(&str, Directive); 18] = [
    (":type", Directive::Type),
    (":param", Directive::Parameter),
    (":parameter", Directive::Parameter),
    (":arg", Directive::Parameter),
    (":argument", Directive::Parameter),
    (":key", Directive::Parameter),
    (":keyword", Directive::Parameter),
    (":vartype", Directive::Type),
    (":var", Directive::Named),
    (":ivar", Directive::Named),
    (":cvar", Directive::Named),
    (":raises", Directive::Named),
    (":raise", Directive::Named),
    (":except", Directive::Named),
    (":exception", Directive::Named),
    (":returns", Directive::Result),
    (":return", Directive::Result),
    (":rtype", Directive::Type),
];

pub(super) fn sections(lines: &[&str]) -> Vec<Section> {
    let mut text: Vec<&str> = Vec::new();
    let mut parameters: Vec<(String, String)> = Vec::new();
    let mut seen: HashSet<String> = HashSet::new();
    let mut other = false;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let directive = DIRECTIVES.iter().find(|(prefix, _)| line.starts_with(prefix));
        let Some((_, directive)) = directive else {
            text.push(line);
            at += 1;
            continue;
        };
        let end = lines[at + 1..]
            .iter()
            .position(|line| line.starts_with(':'))
            .map_or(lines.len(), |found| at + 1 + found);
        let joined = cleaned(&lines[at..end].join("\n"));
        at = end;
        let mut parts = joined.splitn(3, ':').skip(1);
        let (Some(head), Some(value)) = (parts.next(), parts.next()) else { continue };
        let words: Vec<&str> = head.split(' ').collect();
        match directive {
            Directive::Parameter if words.len() > 1 => {
                let name = words[words.len() - 1];
                // The first text for a name is the one that counts.
                if seen.insert(name.to_owned()) {
                    parameters.push((name.to_owned(), value.trim().to_owned()));
                }
            }
            Directive::Named => other |= words.len() == 2,
            Directive::Result => other = true,
            Directive::Parameter | Directive::Type => {}
        }
    }
    let start = text.iter().position(|line| !blank(line)).unwrap_or(text.len());
    let end = text.iter().rposition(|line| !blank(line)).map_or(start, |index| index + 1);
    let mut sections = vec![Section::Text(text[start..end].join("\n"))];
    if !parameters.is_empty() {
        sections.push(Section::Parameters(parameters));
    }
    if other {
        sections.push(Section::Other);
    }
    sections
}

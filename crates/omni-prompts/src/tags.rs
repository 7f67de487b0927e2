//! Where the tags of a template stand, as the engine finds them: what its own reader does not tell anybody.

/// What stands between two signs, of which the text is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagKind {
    /// `{% … %}` that gives no text by itself, or `{# … #}`.
    Silent,
    /// `{% include … %}`: its line is gone, and the line's end is that of what is included.
    Include,
    /// `{{ … }}`.
    Value,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tag {
    pub(crate) kind: TagKind,
    pub(crate) start: usize,
    /// Behind its last sign.
    pub(crate) end: usize,
}

/// All tags, in order, as far as each has an end. What stands between `{% raw %}` and `{% endraw %}` is text.
pub(crate) fn tags(template: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut at = 0;
    while let Some(start) = template[at..].find("{").map(|found| at + found) {
        let (kind, end) = match template.as_bytes().get(start + 1) {
            Some(b'#') => (TagKind::Silent, template[start + 2..].find("#}").map(|found| start + found + 4)),
            Some(b'{') => (TagKind::Value, end_of_code(template, start + 2, "}}")),
            Some(b'%') => {
                let word = template[start + 2..].trim_start_matches(['-', '+']).trim_start();
                let is_include = word.strip_prefix("include").is_some_and(|rest| !rest.starts_with(is_name));
                let kind = if is_include { TagKind::Include } else { TagKind::Silent };
                (kind, end_of_code(template, start + 2, "%}"))
            }
            _ => {
                at = start + 1;
                continue;
            }
        };
        let Some(end) = end else { break };
        tags.push(Tag { kind, start, end });
        at = end;
        if template[start..].starts_with("{%") && code(&template[start..end]) == "raw" {
            let Some(raw_end) = end_of_raw(template, end) else { break };
            tags.push(raw_end);
            at = raw_end.end;
        }
    }
    tags
}

/// Where code ends that begins at `from`: behind the first `sign` that is not within quotes.
fn end_of_code(template: &str, from: usize, sign: &str) -> Option<usize> {
    let bytes = template.as_bytes();
    let mut at = from;
    let mut quote = None;
    while at < bytes.len() {
        match (quote, bytes[at]) {
            (Some(_), b'\\') => at += 1,
            (Some(open), byte) if byte == open => quote = None,
            (None, byte @ (b'"' | b'\'')) => quote = Some(byte),
            (None, _) if bytes[at..].starts_with(sign.as_bytes()) => {
                return Some(at + sign.len());
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn end_of_raw(template: &str, from: usize) -> Option<Tag> {
    let found = template[from..].match_indices("{%").map(|(at, _)| from + at);
    found.into_iter().find_map(|start| {
        let end = start + 4 + template[start + 2..].find("%}")?;
        (code(&template[start..end]) == "endraw").then_some(Tag { kind: TagKind::Silent, start, end })
    })
}

/// What stands in a `{% … %}`.
pub(crate) fn code(tag: &str) -> &str {
    tag[2..tag.len() - 2].trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim()
}

pub(crate) fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The names that stand behind `|` and behind `is` or `is not` in code: of filters, and of tests. Those in quotes are text.
pub(crate) fn filters_and_tests(code: &str) -> Vec<NamedUse<'_>> {
    let mut found = Vec::new();
    let (mut quote, mut escaped, mut word) = (None, false, None);
    let mut before = "";
    // One more than there are, so that the last word ends.
    for (at, c) in code.char_indices().chain([(code.len(), ' ')]) {
        if let Some(open) = quote {
            quote = Some(open).filter(|open| escaped || c != *open);
            escaped = c == '\\' && !escaped;
            continue;
        }
        if is_name(c) {
            word.get_or_insert(at);
            continue;
        }
        if let Some(start) = word.take() {
            let name = &code[start..at];
            match before {
                "|" => found.push(NamedUse { name, is_test: false, at: start }),
                "is" if name != "not" => found.push(NamedUse { name, is_test: true, at: start }),
                _ => {}
            }
            // `is not` asks what `is` asks.
            before = if before == "is" && name == "not" { "is" } else { name };
        }
        match c {
            '"' | '\'' => (quote, before) = (Some(c), ""),
            _ if c.is_whitespace() => {}
            '|' => before = "|",
            _ => before = "",
        }
    }
    found
}

/// A filter or a test, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamedUse<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_test: bool,
    /// Where it stands in the code.
    pub(crate) at: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_end_where_the_engine_ends_them() {
        let text = "{{ '}}' }}{% set x = \"%}\\\"\" %}{# }} {{ #}{% raw %}{{ x }}{% endraw %}{%- include 'a' -%}{ x }{{";
        let found: Vec<(TagKind, &str)> =
            tags(text).iter().map(|tag| (tag.kind, &text[tag.start..tag.end])).collect();
        let silent = TagKind::Silent;
        assert_eq!(
            found,
            [
                (TagKind::Value, "{{ '}}' }}"),
                (silent, "{% set x = \"%}\\\"\" %}"),
                (silent, "{# }} {{ #}"),
                (silent, "{% raw %}"),
                (silent, "{% endraw %}"),
                (TagKind::Include, "{%- include 'a' -%}"),
            ]
        );
    }

    #[test]
    fn filters_and_tests_are_found_by_the_word_before_them() {
        let names = |code| -> Vec<(&str, bool)> {
            filters_and_tests(code).iter().map(|named| (named.name, named.is_test)).collect()
        };
        assert_eq!(
            names("x | upper|trim | default('a | b')"),
            [("upper", false), ("trim", false), ("default", false)]
        );
        assert_eq!(names("x is not defined and y is odd"), [("defined", true), ("odd", true)]);
        assert_eq!(names("'it is | here' ~ \"a\\\" | b\""), []);
        assert_eq!(names("this is"), []);
    }
}

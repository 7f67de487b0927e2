//! Which line ends of a template are its author's layout and none of the text.
//!
//! The engine can drop the end of a line behind *every* tag, or behind none. Either spoils a prompt: text that ends in a tag
//! runs into the next line, or each `{% if %}` leaves an empty line behind. So a line on which nothing stands but tags
//! and comments gives nothing, and any other line is as it is written.

use std::borrow::Cow;

use crate::tags::{Tag, TagKind, tags};

/// The template without the blanks and line ends of lines on which only tags stand. A line's end is put inside its last tag,
/// where it is none to the reader and still counts for whoever numbers the lines.
pub(crate) fn without_tag_lines(template: &str) -> Cow<'_, str> {
    let tags = tags(template);
    let mut out = String::new();
    let (mut copied, mut next) = (0, 0);
    while let Some(first) = tags.get(next) {
        let Some((line, last)) = tag_line(template, &tags, next) else {
            next += 1;
            continue;
        };
        let tail = &template[tags[last].end..];
        let blanks = tail.len() - tail.trim_start_matches([' ', '\t']).len();
        let after = &tail[blanks..];
        let newline = ["\r\n", "\n"].into_iter().find(|end| after.starts_with(end)).unwrap_or_default();
        let includes = tags[next..=last].iter().any(|tag| tag.kind == TagKind::Include);
        // `{%+`, `-%}` and `+%}` say themselves what becomes of what is beside them.
        let opening = template.as_bytes()[first.start + 2];
        let closing = template.as_bytes()[tags[last].end - 3];
        out.push_str(&template[copied..if opening == b'+' { first.start } else { line }]);
        tags[next..last].iter().for_each(|tag| out.push_str(&template[tag.start..tag.end]));
        let last_tag = &template[tags[last].start..tags[last].end];
        if includes || matches!(closing, b'-' | b'+') {
            out.push_str(last_tag);
            copied = tags[last].end + if closing == b'+' { 0 } else { blanks };
        } else {
            let (code, sign) = last_tag.split_at(last_tag.len() - 2);
            out.extend([code, newline, sign]);
            copied = tags[last].end + blanks + newline.len();
        }
        next = last + 1;
    }
    if copied == 0 {
        return Cow::Borrowed(template);
    }
    out.push_str(&template[copied..]);
    Cow::Owned(out)
}

/// Where the line begins whose first tag this is, and the last tag on it, if nothing else stands there.
fn tag_line(template: &str, tags: &[Tag], first: usize) -> Option<(usize, usize)> {
    let line = template[..tags[first].start].rfind('\n').map_or(0, |at| at + 1);
    let is_blank = |from: usize, to: usize| template[from..to].trim_matches([' ', '\t']).is_empty();
    if !is_blank(line, tags[first].start) {
        return None;
    }
    for (number, tag) in tags.iter().enumerate().skip(first) {
        if tag.kind == TagKind::Value {
            return None;
        }
        let rest = &template[tag.end..];
        let end = rest.find('\n').map_or(template.len(), |at| tag.end + at);
        match tags.get(number + 1).filter(|next| next.start < end) {
            Some(next) if is_blank(tag.end, next.start) => {}
            Some(_) => return None,
            None => {
                let line_end = end - usize::from(template[tag.end..end].ends_with('\r'));
                return is_blank(tag.end, line_end).then_some((line, number));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, context};

    use super::*;

    /// What the engine makes of the template by itself once its lines are looked after.
    fn made(template: &str) -> String {
        let prepared = without_tag_lines(template);
        assert_eq!(
            prepared.matches('\n').count(),
            template.matches('\n').count(),
            "lines keep their numbers"
        );
        let mut environment = Environment::new();
        environment.add_template("two.md", "one\ntwo\n").unwrap();
        environment.render_str(&prepared, context! { yes => true, no => false, word => "w" }).unwrap()
    }

    #[test]
    fn a_line_of_tags_alone_gives_nothing_and_any_other_is_as_it_is_written() {
        for (template, expected) in [
            ("a\n{% if yes %}\nb\n{% endif %}\nc", "a\nb\nc"),
            ("a\r\n  {% if yes %} \t\r\nb\r\n\t{% endif %}\r\nc", "a\r\nb\r\nc"),
            ("Be {% if yes %}quick{% endif %}\nNext", "Be quick\nNext"),
            ("a {# why #}\nb", "a \nb"),
            ("a\n{# why #}\nb", "a\nb"),
            ("a\n{# why\nindeed #}\nb", "a\nb"),
            ("- a\n  {% if yes %}more{% endif %}\nb", "- a\n  more\nb"),
            ("a\n{% if no %}{% endif %} {# both #}\nb", "a\nb"),
            ("a\n{% set x = [\n 1,\n '%}'\n] %}\nb{{ x[0] }}", "a\nb1"),
            ("{% for n in range(2) %}\n- {{ n }}\n{% endfor %}\nend", "- 0\n- 1\nend"),
            ("{% for n in range(2) %}{{ n }}\n{% endfor %}end", "0\n1\nend"),
            ("a\n{{ word }}\nb", "a\nw\nb"),
            ("a\n{% if yes %}{{ word }}\n{% endif %}b", "a\nw\nb"),
            ("{% if yes %}\n", ""),
        ] {
            let closed = if template == "{% if yes %}\n" { "{% if yes %}\n{% endif %}\n" } else { template };
            assert_eq!(made(closed), expected, "{template:?}");
        }
    }

    #[test]
    fn what_is_included_ends_with_its_line() {
        assert_eq!(made("a\n{% include 'two.md' %}\nb"), "a\none\ntwo\nb");
        assert_eq!(made("a\n  {% include 'two.md' %}  \nb"), "a\none\ntwo\nb");
        assert_eq!(made("a {% include 'two.md' %} b"), "a one\ntwo b");
        assert_eq!(made("{% if yes %}{% include 'two.md' %}{% endif %}\nb"), "one\ntwo\nb");
    }

    #[test]
    fn signs_at_a_tag_say_what_becomes_of_the_blanks_beside_it() {
        assert_eq!(made("a\n  {%- if yes %}\nb{% endif %}"), "ab");
        assert_eq!(made("a\n{% if yes -%}\n  b{% endif %}"), "a\nb");
        assert_eq!(made("a\n{% if yes +%}\nb{% endif %}"), "a\n\nb");
        assert_eq!(made("a\n  {%+ if yes %}\nb{% endif %}"), "a\n  b");
    }

    #[test]
    fn what_is_raw_and_what_has_no_end_is_left_alone() {
        assert_eq!(made("{% raw %}\na\n{% if x %}\nb\n{% endraw %}\nc"), "a\n{% if x %}\nb\nc");
        assert_eq!(made("a\n{ b }\n{"), "a\n{ b }\n{");
        for open in
            ["a\n{% if x", "a\n{# x", "{% raw %}\n{% if %}\n", "{{ '}}", "{%", "{#", "{{", "{%%}", "{#}"]
        {
            let _ = without_tag_lines(open);
        }
        assert!(matches!(without_tag_lines("a\nb {{ c }}\n"), Cow::Borrowed(_)));
    }
}

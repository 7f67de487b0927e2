//! The template engine as prompt files have it, and what can be said of a template before it is filled in.

use std::collections::BTreeSet;

use minijinja::value::Kwargs;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior, Value};
use minijinja_contrib::{filters, pycompat};
use thiserror::Error as ThisError;

use crate::file::split;
use crate::messages::near_headings;
use crate::tags::{NamedUse, TagKind, code, filters_and_tests, is_name, tags};

/// What one filling in may cost. A unit pays for one instruction, or for 64 bytes of whatever is made: 32 MiB altogether, and
/// some tenths of a second. A prompt of a hundred pages with a large argument takes a hundredth of it.
pub(crate) const FUEL: u64 = 500_000;

/// How deep templates may go, in the engine's own count, in which a file that includes another is ten: files may include
/// each other nine deep.
pub(crate) const DEPTH_MAX: usize = 100;

/// Words and signs of one tag at most. A list of a hundred items has two hundred.
const TOKENS_MAX: usize = 400;

/// `elif` in one file at most.
const ELIFS_MAX: usize = 200;

/// What to do about a filter or a test that there is not.
const FILTERS_HELP: &str =
    "`docs/reference/prompts.md` lists what there is; text can also be put together in a Python prompt";

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
#[error("{file}:{line}: {message}")]
pub struct TemplateFault {
    /// As it was named: the prompt's file, or what it includes.
    pub file: String,
    /// Counted from 1 in the file, front matter included; 0 where no line is to blame.
    pub line: usize,
    /// A fragment that names things in back-ticks.
    pub message: String,
    pub help: String,
    /// A variable is missing: which one, the engine may not say.
    pub(crate) is_undefined: bool,
}

/// What a template needs, as far as that can be read without filling it in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Names that it takes from outside: each should be an argument.
    pub variables: BTreeSet<String>,
    /// Files that it includes by a name that is written out, each with the line.
    pub includes: Vec<(String, usize)>,
    /// It takes something of files that cannot be known here: by a name that is put together, or by `import` or `extends`.
    pub includes_by_expression: bool,
    /// Lines that look as if they were meant to begin a message, and what to write there.
    pub near_headings: Vec<(usize, String)>,
}

/// An environment without files: no function of it reaches outside.
pub(crate) fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // It is text for a model, whatever an included file is called.
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_recursion_limit(DEPTH_MAX);
    environment.set_fuel(Some(FUEL));
    environment.set_unknown_method_callback(pycompat::unknown_method_callback);
    environment.add_filter("filesizeformat", filters::filesizeformat);
    environment.add_filter("pluralize", filters::pluralize);
    environment.add_filter("striptags", filters::striptags);
    environment.add_filter("truncate", truncate);
    // It prints all variables, and serves only whoever writes the engine.
    environment.remove_global("debug");
    environment
}

/// Jinja takes the length by its place too: `truncate(80)`.
fn truncate(
    state: &mut State,
    value: &Value,
    length: Option<usize>,
    options: Kwargs,
) -> Result<Value, Error> {
    let mut all: Vec<(&str, Value)> =
        options.args().map(|name| Ok((name, options.get(name)?))).collect::<Result<_, Error>>()?;
    all.extend(length.map(|length| ("length", Value::from(length))));
    filters::truncate(state, value, all.into_iter().collect())
}

/// The body of a file, with an empty line for each line of front matter, so that lines keep their numbers.
pub(crate) fn numbered(text: &str) -> String {
    let cut = split(text);
    let mut numbered = "\n".repeat(cut.lines_above());
    numbered.push_str(cut.body);
    numbered
}

/// Reads a prompt file's body, and says what it needs. `file` is how the file is named in a fault.
///
/// # Errors
///
/// The body is no template.
pub fn check(file: &str, text: &str) -> Result<Uses, TemplateFault> {
    let body = numbered(text);
    check_size(file, &body)?;
    let environment = environment();
    let template = environment.template_from_named_str(file, &body).map_err(|error| fault(file, &error))?;
    check_names(file, &body, &environment)?;
    let globals: BTreeSet<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
    let variables = template.undeclared_variables(false).into_iter().filter(|name| !globals.contains(name));
    let (includes, includes_by_expression) = includes(&body);
    Ok(Uses {
        variables: variables.collect(),
        includes,
        includes_by_expression,
        near_headings: near_headings(&body),
    })
}

/// Refuses what the engine would follow until its stack ends: it goes down one step for each operator of an expression and
/// for each `elif`, and bounds neither. A tag begins where `{{` or `{%` stands, and each such place is looked at, even one in
/// a comment or a text, since which of them are tags is what only the engine knows.
pub(crate) fn check_size(file: &str, body: &str) -> Result<(), TemplateFault> {
    let refuse = |at: usize, message: String, help: &str| {
        let line = line_of(body, at);
        Err(TemplateFault {
            file: file.to_owned(),
            line,
            message,
            help: help.to_owned(),
            is_undefined: false,
        })
    };
    if let Some((at, _)) = body.match_indices("elif").nth(ELIFS_MAX) {
        let message = format!("the template has more than {ELIFS_MAX} `elif`");
        return refuse(
            at,
            message,
            "put what depends on so many cases into files, and include the one that is meant",
        );
    }
    for (at, _) in body.match_indices("{{").chain(body.match_indices("{%")) {
        if tokens(&body.as_bytes()[at + 2..]) > TOKENS_MAX {
            let message = format!(
                "there are more than {TOKENS_MAX} words and signs between `{}` and its end",
                &body[at..at + 2]
            );
            return refuse(
                at,
                message,
                "write long text outside of `{{ }}`, and cut the expression into several with `{% set %}`",
            );
        }
    }
    Ok(())
}

/// Words and signs up to the end of a tag, where each text in quotes is one; one more than are allowed where there are more.
fn tokens(tag: &[u8]) -> usize {
    let (mut count, mut at, mut in_word) = (0, 0, false);
    while let Some(&byte) = tag.get(at) {
        let is_word = byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
        match byte {
            b'}' | b'%' if tag.get(at + 1) == Some(&b'}') => break,
            b'"' | b'\'' => {
                count += 1;
                at += 1;
                while let Some(&inner) = tag.get(at).filter(|inner| **inner != byte) {
                    at += if inner == b'\\' { 2 } else { 1 };
                }
            }
            _ if byte.is_ascii_whitespace() || is_word && in_word => {}
            _ => count += 1,
        }
        if count > TOKENS_MAX {
            break;
        }
        in_word = is_word;
        at += 1;
    }
    count
}

/// The names in `{% include "…" %}`, and whether anything else is taken of files.
fn includes(body: &str) -> (Vec<(String, usize)>, bool) {
    let (mut found, mut others) = (Vec::new(), false);
    for tag in tags(body) {
        let text = &body[tag.start..tag.end];
        match tag.kind {
            TagKind::Value => {}
            TagKind::Silent if text.starts_with("{#") => {}
            TagKind::Silent => {
                others |= ["import", "from", "extends"].iter().any(|word| code(text).starts_with(word));
            }
            TagKind::Include => {
                let file = code(text).strip_prefix("include").unwrap_or_default().trim_start();
                let quote = file.chars().next().filter(|sign| matches!(sign, '"' | '\''));
                // Put together from parts, or allowed to be missing, where anything stands behind the name.
                let name = quote
                    .and_then(|quote| file[1..].strip_suffix(quote).filter(|name| !name.contains(quote)));
                match name {
                    Some(name) => found.push((name.to_owned(), line_of(body, tag.start))),
                    None => others = true,
                }
            }
        }
    }
    (found, others)
}

/// The line of a place, counted from 1.
fn line_of(body: &str, at: usize) -> usize {
    body.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Refuses filters and tests that the engine has not. It would say so when it comes to one, before a user.
fn check_names(file: &str, body: &str, environment: &Environment<'_>) -> Result<(), TemplateFault> {
    let mut known = BTreeSet::new();
    for tag in tags(body) {
        let text = &body[tag.start..tag.end];
        if text.starts_with("{#") {
            continue;
        }
        let filtered = code(text).strip_prefix("filter ").map(|name| NamedUse {
            name: name.trim_start().split(|c: char| !is_name(c)).next().unwrap_or_default(),
            is_test: false,
            at: 0,
        });
        for named in filters_and_tests(text).into_iter().chain(filtered) {
            if named.name.is_empty() || !known.insert((named.name, named.is_test)) {
                continue;
            }
            let (asked, unknown, what) = match named.is_test {
                true => (format!("'' is {}", named.name), ErrorKind::UnknownTest, "test"),
                false => (format!("''|{}", named.name), ErrorKind::UnknownFilter, "filter"),
            };
            let evaluated = environment.compile_expression(&asked).and_then(|asked| asked.eval(()));
            if evaluated.is_err_and(|error| error.kind() == unknown) {
                return Err(TemplateFault {
                    file: file.to_owned(),
                    line: line_of(body, tag.start + named.at),
                    message: format!("there is no {what} `{}`", named.name),
                    help: FILTERS_HELP.to_owned(),
                    is_undefined: false,
                });
            }
        }
    }
    Ok(())
}

/// What the engine found, in words for whoever wrote the file. Of an error in a file that is included, it is that one.
pub(crate) fn fault(file: &str, error: &Error) -> TemplateFault {
    let (mut inner, mut place) = (error, error);
    while let Some(source) = std::error::Error::source(inner).and_then(|source| source.downcast_ref()) {
        inner = source;
        // One from a loader has no place: that is the line that includes.
        if inner.line().is_some() {
            place = inner;
        }
    }
    let (message, help) = match (inner.kind(), inner.detail()) {
        (ErrorKind::OutOfFuel, _) => (
            "filling it in takes more than a prompt may".to_owned(),
            "make less of it: shorter loops, and no text that is doubled again and again",
        ),
        (ErrorKind::UndefinedError, detail) => (
            detail.map_or_else(|| "a variable is not defined".to_owned(), str::to_owned),
            "a template has its arguments only: declare it under `arguments` in the front matter, or test it with `is defined`",
        ),
        (ErrorKind::TemplateNotFound | ErrorKind::BadInclude, detail) => (
            detail.map_or_else(|| "a file that it includes is not there".to_owned(), str::to_owned),
            "a name is a path below the skill's `prompts` folder, without `..`, and no link",
        ),
        (kind, Some(detail)) => (format!("{kind}: {detail}"), "correct the template"),
        (kind, None) => (kind.to_string(), "correct the template"),
    };
    TemplateFault {
        file: place.name().unwrap_or(file).to_owned(),
        line: place.line().unwrap_or(0),
        message,
        help: help.to_owned(),
        is_undefined: inner.kind() == ErrorKind::UndefinedError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_says_what_it_needs() {
        let text = "---\nname: a\n---\n{% set x = 1 %}{{ x }} {{ topic }}\n{% for n in range(3) %}{{ n }}{{ loop.index }}{% endfor %}\n\
                    {%- include \"parts/head.md\" -%}\n{% include 'maybe.md' ignore missing %}{% include name ~ '.md' %}\n## User\n";
        let uses = check("a.md", text).unwrap();
        assert_eq!(uses.variables.into_iter().collect::<Vec<_>>(), ["topic"]);
        assert_eq!(uses.includes, [("parts/head.md".to_owned(), 6)]);
        assert!(uses.includes_by_expression);
        assert!(!check("a.md", "{% include 'b.md' %}").unwrap().includes_by_expression);
        assert_eq!(uses.near_headings, [(8, "write `## user`".to_owned())]);
    }

    #[test]
    fn a_fault_has_the_line_of_the_file() {
        let fault = check("a.md", "---\nname: a\n---\nfine\n{{ oops\n").unwrap_err();
        assert_eq!((fault.file.as_str(), fault.line), ("a.md", 5), "{fault:?}");
        let fault = check("a.md", "{% if x %}\n").unwrap_err();
        assert!(fault.line >= 1 && fault.message.starts_with("syntax error: "), "{fault:?}");
    }

    #[test]
    fn a_filter_or_test_that_there_is_not_is_told_before_anybody_fills_it_in() {
        let said = |body: &str| check("a.md", &format!("---\nname: a\n---\n{body}")).unwrap_err().to_string();
        assert_eq!(said("{% if x %}\n{{ x | uper }}{% endif %}"), "a.md:5: there is no filter `uper`");
        assert_eq!(said("{% if x is evenly %}{% endif %}"), "a.md:4: there is no test `evenly`");
        assert_eq!(said("\n\n{% filter shout %}x{% endfilter %}"), "a.md:6: there is no filter `shout`");
        for good in [
            "{{ x | upper | default('y | z') | replace('a', 'b') | truncate(9) }}",
            "{{ x is not defined }}{% if x is odd or not x is divisibleby(3) %}{% endif %}{{ [1] | map('upper') | list }}",
            "{% filter upper %}x | nothing{% endfilter %}{# x | nothing #}{% raw %}{{ x | nothing }}{% endraw %}",
        ] {
            assert!(check("a.md", good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_template_that_is_nested_without_end_is_refused_rather_than_followed() {
        let many = |part: &str, n: usize| part.repeat(n);
        // On a small stack, since threads of the runtime have one.
        let refused = |text: String| {
            let checked = std::thread::Builder::new().stack_size(3 << 19).spawn(move || check("a.md", &text));
            checked.unwrap().join().unwrap()
        };
        for n in [TOKENS_MAX / 2 - 10, 100_000] {
            for (before, part, after) in [
                ("", "(", ""),
                ("", "[", ""),
                ("", "not ", "x"),
                ("", "-", "1"),
                ("", "1 if 1 else ", "1"),
                ("1", "~1", ""),
                ("1", "+1", ""),
                ("1", "==1", ""),
                ("1", " and 1", ""),
                ("1", "**1", ""),
                ("x", "|e", ""),
                ("x", ".x", ""),
                ("x", "[0]", ""),
                ("x", "()", ""),
                ("1", "|default(1", ""),
            ] {
                let expression = format!("{before}{}{after}", many(part, n));
                for text in [
                    format!("{{{{ {expression} }}}}"),
                    format!("{{% if {expression} %}}{{% endif %}}"),
                    format!("{{% raw %}}{{{{ '{{% endraw %}}{{{{ {expression} }}}}"),
                    format!("{{# ' #}}{{{{ \"'\" ~ {expression} }}}}"),
                ] {
                    let checked = refused(text);
                    assert!(n < 1_000 || checked.is_err(), "{part}");
                }
            }
        }
        let blocks = ["if true", "for x in y", "with", "set x", "filter upper", "autoescape true", "block b"];
        for block in blocks {
            assert!(refused(many(&format!("{{% {block} %}}"), 50_000)).is_err(), "{block}");
        }
        assert!(refused(format!("{{% if 1 %}}{}{{% endif %}}", many("{% elif 1 %}", 100_000))).is_err());
        assert!(refused(format!("{{% if 1 %}}{}{{% endif %}}", many("{% elif 1 %}", ELIFS_MAX))).is_ok());
    }
}

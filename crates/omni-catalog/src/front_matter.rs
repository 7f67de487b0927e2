//! The YAML at the top of a SKILL.md, read so that one bad line costs no more than that line.
//!
//! Values keep the spelling of the file: `no` and `1.10` are texts here, whatever YAML makes of them.

mod problem;
mod repair;

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Value};

pub(crate) use problem::{Position, YamlProblem};

/// What stands between the two `---` lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FrontMatter {
    pub(crate) entries: Vec<Entry>,
}

/// One `key: value`, and where its key stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: Yaml,
    pub(crate) place: Position,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Yaml {
    Text(String),
    /// A text in quotes: never a number or a truth value.
    Quoted(String),
    List(Vec<Yaml>),
    Map(Vec<Entry>),
}

impl FrontMatter {
    pub(crate) fn find(&self, key: &str) -> Option<&Entry> {
        find(&self.entries, key)
    }

    /// All of it as JSON, by the rules of YAML's core schema.
    pub(crate) fn json(&self) -> Map<String, Value> {
        object(&self.entries)
    }
}

fn object(entries: &[Entry]) -> Map<String, Value> {
    entries.iter().map(|entry| (entry.key.clone(), entry.value.json())).collect()
}

impl Yaml {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Yaml::Text(text) | Yaml::Quoted(text) => Some(text),
            Yaml::List(_) | Yaml::Map(_) => None,
        }
    }

    pub(crate) fn map(&self) -> &[Entry] {
        match self {
            Yaml::Map(entries) => entries,
            Yaml::Text(_) | Yaml::Quoted(_) | Yaml::List(_) => &[],
        }
    }

    /// `true` or `false`, or another word for it; `None` for anything else.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self.text()?.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => None,
        }
    }

    /// The texts of a list, or of one text with commas. Where not all of it is texts, also what to write instead.
    pub(crate) fn texts(&self) -> (Vec<String>, Option<&'static str>) {
        match self {
            Yaml::List(items) => {
                let texts: Vec<String> = items.iter().filter_map(Yaml::text).map(str::to_owned).collect();
                let help = "an item that holds a colon needs quotes; the others are taken until then";
                let lacks = texts.len() < items.len();
                (texts, lacks.then_some(help))
            }
            Yaml::Text(text) | Yaml::Quoted(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                (items.map(str::to_owned).collect(), None)
            }
            Yaml::Map(_) => (Vec::new(), Some("write one `- item` a line, or `[a, b]`")),
        }
    }

    /// The JSON that the value stands for, by the rules of YAML's core schema.
    pub(crate) fn json(&self) -> Value {
        match self {
            Yaml::Text(text) => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => Value::Null,
                "true" | "True" | "TRUE" => Value::Bool(true),
                "false" | "False" | "FALSE" => Value::Bool(false),
                text => number(text).map_or_else(|| Value::from(text), Value::Number),
            },
            Yaml::Quoted(text) => Value::from(text.as_str()),
            Yaml::List(items) => items.iter().map(Yaml::json).collect(),
            Yaml::Map(entries) => Value::Object(object(entries)),
        }
    }
}

/// The number that a plain text is. YAML writes some as JSON does not: `+1`, `.5`, `007`, `0x1F`.
fn number(text: &str) -> Option<serde_json::Number> {
    let of_radix = |prefix: &str, radix| u64::from_str_radix(text.strip_prefix(prefix)?, radix).ok();
    if let Some(number) = of_radix("0x", 16).or_else(|| of_radix("0o", 8)) {
        return Some(number.into());
    }
    if let Ok(number) = serde_json::from_str(text) {
        return Some(number);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !digits.contains(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let whole = text.parse::<i64>().ok().map(serde_json::Number::from);
    whole.or_else(|| serde_json::Number::from_f64(text.parse().ok()?))
}

pub(crate) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key == key)
}

/// Reads the front matter of a whole SKILL.md. With problems, everything is read that they leave.
pub(crate) fn read(text: &str) -> (FrontMatter, Vec<YamlProblem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = if text.contains('\r') { &text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
    let mut problems = Vec::new();
    let Some(Fenced { yaml, above }) = between_fences(text, &mut problems) else {
        return (FrontMatter::default(), problems);
    };
    let (mut entries, found) = match repair::read(yaml, parse) {
        Ok(((entries, twice), mut found)) => {
            found.extend(twice);
            (entries, found)
        }
        Err(found) => (rescue(yaml), found),
    };
    problems.extend(found);
    cut_off(&mut entries, yaml, &mut problems);
    curly_quotes(&mut entries, &mut problems);
    if above > 0 {
        shift(&mut entries, above);
        problems
            .iter_mut()
            .filter(|problem| problem.place.line > 1)
            .for_each(|problem| problem.place.line += above);
    }
    problems.sort_by_key(|problem| (problem.place.line, problem.place.column));
    (FrontMatter { entries }, problems)
}

/// The lines between the fences.
struct Fenced<'a> {
    yaml: &'a str,
    /// Lines above the first fence.
    above: u32,
}

/// The lines between the fences. The first fence is line 1, so the first line here is line 2 of the file, but for
/// blank lines above it.
fn between_fences<'a>(text: &'a str, problems: &mut Vec<YamlProblem>) -> Option<Fenced<'a>> {
    let body = text.trim_start_matches(['\n', ' ', '\t', '\u{feff}']);
    let blank = &text[..text.len() - body.len()];
    let above = u32::try_from(blank.matches('\n').count()).unwrap_or(u32::MAX);
    let mut problem = |line: u32, message: &str, help: &str| {
        let place = Position { line, column: 1 };
        problems.push(YamlProblem {
            place,
            message: message.to_owned(),
            help: help.to_owned(),
            fatal: false,
        });
    };
    let first = body.lines().next().unwrap_or_default().trim_end();
    if !is_fence(first) {
        problem(
            1,
            "there is no front matter",
            "begin the file with a line `---`, then `name: …` and `description: …`, then a line `---`",
        );
        return None;
    }
    if !blank.is_empty() {
        problem(
            1,
            "there are blanks above the front matter, which other readers do not accept",
            "begin the file with `---`",
        );
    } else if first != "---" {
        problem(
            1,
            &format!("the first line is `{first}` where `---` is meant"),
            "write three hyphens: `---`",
        );
    }
    let start = body.find('\n').map_or(body.len(), |at| at + 1);
    let mut at = start;
    let mut line_number = 1;
    // Where it would end if its second fence had been forgotten: at a blank line, or a heading.
    let mut would_end = None;
    for line in body[start..].split_inclusive('\n') {
        line_number += 1;
        let bare = line.trim_end();
        if bare == "..." || is_fence(bare) {
            if bare != "..." && bare != "---" {
                problem(
                    line_number,
                    &format!("`{bare}` stands where `---` is meant"),
                    "write three hyphens: `---`",
                );
            }
            return Some(Fenced { yaml: &body[start..at], above });
        }
        if would_end.is_none() && (bare.is_empty() || bare.starts_with("# ") || bare.starts_with("## ")) {
            would_end = Some((at, line_number));
        }
        at += line.len();
    }
    let (end, line) = would_end.unwrap_or((body.len(), line_number + 1));
    problem(
        1,
        "the front matter has no end",
        &format!(
            "close it with a line that holds `---` alone; until then it is taken to end before line {line}"
        ),
    );
    Some(Fenced { yaml: &body[start..end], above })
}

/// `---`, or what editors make of it.
fn is_fence(line: &str) -> bool {
    line == "---"
        || (2..=8).contains(&line.chars().count()) && line.chars().all(|c| matches!(c, '-' | '–' | '—'))
        || line == "—"
}

fn shift(entries: &mut [Entry], lines: u32) {
    for entry in entries {
        entry.place.line += lines;
        if let Yaml::Map(members) = &mut entry.value {
            shift(members, lines);
        }
    }
}

/// Gives a description back what YAML takes for a comment: `Closes issue #12`.
fn cut_off(entries: &mut [Entry], yaml: &str, problems: &mut Vec<YamlProblem>) {
    for Entry { key, value, place } in entries {
        let Yaml::Text(text) = value else { continue };
        let line = usize::try_from(place.line.saturating_sub(2)).ok().and_then(|at| yaml.lines().nth(at));
        let Some((_, whole)) = line.and_then(|line| line.split_once(':')) else { continue };
        let whole = whole.trim();
        let Some(rest) = whole.strip_prefix(text.trim_end()).map(str::trim_start) else { continue };
        let is_word = rest.strip_prefix('#').is_some_and(|rest| rest.starts_with(char::is_alphanumeric));
        if key != "description" || !is_word {
            continue;
        }
        problems.push(YamlProblem {
            place: *place,
            message: format!("YAML takes `{rest}` for a comment"),
            help: format!(
                "the value needs quotes: `{key}: \"…\"`; until then it is taken to the end of its line"
            ),
            fatal: false,
        });
        *value = Yaml::Quoted(whole.to_owned());
    }
}

/// Takes off quotes that a word processor has made: for YAML they are part of the text.
fn curly_quotes(entries: &mut [Entry], problems: &mut Vec<YamlProblem>) {
    for Entry { key, value, place } in entries {
        match value {
            Yaml::Text(text) => {
                let inner = [('“', '”'), ('„', '“'), ('‘', '’'), ('«', '»')]
                    .iter()
                    .find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
                let Some(inner) = inner.map(str::to_owned) else { continue };
                problems.push(YamlProblem {
                    place: *place,
                    message: format!("the quotes around the value of `{key}` are typographic, and part of the text for YAML"),
                    help: "write `\"` or `'`; they are taken off until then".to_owned(),
                    fatal: false,
                });
                *value = Yaml::Quoted(inner);
            }
            Yaml::Map(members) => curly_quotes(members, problems),
            Yaml::Quoted(_) | Yaml::List(_) => {}
        }
    }
}

/// Front matter is small. What is larger is a mistake, or an attack that grows in memory.
const NODES_MAX: usize = 2_000;
const DEPTH_MAX: usize = 16;

/// The entries, and keys that stand twice, of which the first holds.
fn parse(yaml: &str) -> Result<(Vec<Entry>, Vec<YamlProblem>), YamlProblem> {
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let mut builder =
        Builder { parser: Parser::new_from_str_with_options(yaml, options), nodes: 0, twice: Vec::new() };
    match builder.document()? {
        None => Ok((Vec::new(), Vec::new())),
        Some(Yaml::Map(entries)) => Ok((entries, builder.twice)),
        Some(_) => Err(YamlProblem {
            place: Position { line: 2, column: 1 },
            message: "the front matter is not a mapping".to_owned(),
            help: "write one `key: value` a line".to_owned(),
            fatal: false,
        }),
    }
}

struct Builder<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    nodes: usize,
    twice: Vec<YamlProblem>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Yaml>, YamlProblem> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(None),
                (event, span) => return self.node(event, span, 0).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), YamlProblem> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(invalid(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Yaml, YamlProblem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX || depth > DEPTH_MAX {
            return Err(YamlProblem {
                place: place(&span),
                message: "the front matter is too large".to_owned(),
                help: format!("keep it below {NODES_MAX} values; longer text belongs below the second `---`"),
                fatal: true,
            });
        }
        match event {
            // An anchor is taken off the text without a word, and so is a tag.
            Event::Scalar(_, ScalarStyle::Plain, anchor, ref tag)
                if anchor > 0 || tag.as_ref().is_some_and(|tag| !tag.is_yaml_core_schema()) =>
            {
                Err(YamlProblem {
                    place: place(&span),
                    message: "the front matter is not valid YAML here: `&` and `!` at the start of a value have a meaning of \
                              their own"
                        .to_owned(),
                    help: "put the value in quotes".to_owned(),
                    fatal: false,
                })
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) => Ok(Yaml::Text(text.into_owned())),
            Event::Scalar(text, ..) => Ok(Yaml::Quoted(text.into_owned())),
            Event::SequenceStart(..) => self.list(depth),
            Event::MappingStart(..) => self.map(depth),
            // An alias could repeat its anchor's content without bound, and no front matter needs one.
            _ => Err(YamlProblem {
                place: place(&span),
                message: "the front matter uses a YAML alias".to_owned(),
                help: "write the value out where it is needed".to_owned(),
                fatal: false,
            }),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Yaml, YamlProblem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(Yaml::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Yaml, YamlProblem> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            let key = match event {
                Event::MappingEnd | Event::StreamEnd => return Ok(Yaml::Map(entries)),
                event => self.node(event, span, depth + 1)?,
            };
            let (event, value_span) = self.next()?;
            let value = self.node(event, value_span, depth + 1)?;
            let key = key.text().unwrap_or_default().to_owned();
            if find(&entries, &key).is_some() {
                self.twice.push(YamlProblem {
                    place: place(&span),
                    message: format!("the key `{key}` stands twice in the front matter"),
                    help: "keep one of the two; the first one holds until then".to_owned(),
                    fatal: false,
                });
                continue;
            }
            entries.push(Entry { key, value, place: place(&span) });
        }
    }
}

fn invalid(error: &ScanError) -> YamlProblem {
    let marker = error.marker();
    YamlProblem {
        place: at(marker.line(), marker.col()),
        message: format!("the front matter is not valid YAML: {}", error.kind()),
        help: "correct this line; the others are read one by one until then".to_owned(),
        fatal: false,
    }
}

fn place(span: &Span) -> Position {
    at(span.start.line(), span.start.col())
}

/// The parser counts lines of the YAML from 1, which is line 2 of the file, and columns from 0.
fn at(line: usize, column: usize) -> Position {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Position { line: number(line.max(1) + 1), column: number(column + 1) }
}

/// Reads every line of the form `key: value` as just that, with the indented ones below `metadata:` as its
/// members. For YAML that no parser accepts, this is what its author most likely meant.
fn rescue(yaml: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in yaml.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some((key, value)) = line.trim().split_once(':') else { continue };
        let is_key =
            !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if !is_key {
            continue;
        }
        let entry =
            Entry { key: key.to_owned(), value: rescued_value(value.trim()), place: at(number + 1, indent) };
        if indent == 0 {
            if find(&entries, key).is_none() {
                entries.push(entry);
            }
            continue;
        }
        match entries.last_mut() {
            Some(Entry { key, value: Yaml::Map(members), .. }) if key == "metadata" => members.push(entry),
            Some(Entry { key, value, .. }) if key == "metadata" => *value = Yaml::Map(vec![entry]),
            _ => {}
        }
    }
    entries
}

fn rescued_value(text: &str) -> Yaml {
    let unquoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    if let Some(items) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let items = items.split(',').map(str::trim).filter(|item| !item.is_empty());
        return Yaml::List(items.map(|item| Yaml::Text(item.trim_matches(['"', '\'']).to_owned())).collect());
    }
    Yaml::Text(unquoted('"').or_else(|| unquoted('\'')).unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of<'a>(front: &'a FrontMatter, key: &str) -> Option<&'a str> {
        front.find(key)?.value.text()
    }

    #[test]
    fn values_keep_the_spelling_of_the_file() {
        let (front, problem) =
            read("---\nname: notes\nversion: 1.10\nflat: no\nmetadata:\n  since: 2024-01-02\n---\n# Notes\n");
        assert_eq!(problem, []);
        assert_eq!(text_of(&front, "version"), Some("1.10"));
        assert_eq!(text_of(&front, "flat"), Some("no"));
        let metadata = front.find("metadata").unwrap();
        assert_eq!(metadata.place, Position { line: 5, column: 1 });
        assert_eq!(metadata.value.map()[0].value.text(), Some("2024-01-02"));
        assert_eq!(metadata.value.map()[0].place, Position { line: 6, column: 3 });
    }

    #[test]
    fn folded_text_and_lists_are_read_as_yaml() {
        let (front, problem) =
            read("---\ndescription: >\n  two\n  lines\nintents:\n  - a: b\n  - [x, y]\n---\n");
        assert_eq!(problem, []);
        assert_eq!(text_of(&front, "description"), Some("two lines\n"));
        assert!(matches!(&front.find("intents").unwrap().value, Yaml::List(items) if items.len() == 2));
    }

    /// Reads front matter with one fault, which is to be told once, at this line, and to cost no more than that.
    fn with_fault(lines: &str) -> (FrontMatter, YamlProblem) {
        let text = format!(
            "---\nname: notes\n{lines}\nexecutor: fork\ntools:\n  - name: a\n    description: b\n---\n# T\n"
        );
        let (front, mut problems) = read(&text);
        assert_eq!(problems.len(), 1, "{lines}: {problems:#?}");
        assert_eq!(text_of(&front, "name"), Some("notes"), "{lines}");
        assert_eq!(text_of(&front, "executor"), Some("fork"), "{lines}: {front:#?}");
        let tools = &front.find("tools").unwrap().value;
        let Yaml::List(tools) = tools else { panic!("{lines}: {tools:?}") };
        assert_eq!(find(tools[0].map(), "description").unwrap().value.text(), Some("b"), "{lines}");
        (front, problems.remove(0))
    }

    #[test]
    fn an_unquoted_colon_costs_nothing_but_a_warning_with_its_place() {
        let (front, problem) =
            with_fault("description: Use when: notes are meant\nmetadata:\n  version: \"1.0\"");
        assert_eq!(problem.place.line, 3);
        assert!(problem.place.column > 12, "{problem:?}");
        assert!(problem.help.contains("`description: \"…\"`"), "{problem:?}");
        assert_eq!(text_of(&front, "description"), Some("Use when: notes are meant"));
        assert_eq!(front.find("metadata").unwrap().value.map()[0].value.text(), Some("1.0"));
    }

    #[test]
    fn a_value_that_yaml_reads_in_another_way_is_taken_as_text_to_the_end_of_its_line() {
        for value in [
            "Use when: x",
            "@scope is meant",
            "`code` first",
            "%d items",
            "*important* text",
            "& more",
            "&more text",
            "! look",
            "!look here",
            "[draft] text",
            "{x} y",
            "> 5 files",
            "| piped",
            "- dash",
            "? what: x",
            "it's: so",
            "a: b # c",
            "\"quoted\" and more",
            "'a' or 'b'",
            ": colon",
            "Use for: a, b: c",
            "x: [1",
            "{a",
            "[a",
        ] {
            let (front, problem) = with_fault(&format!("description: {value}"));
            assert_eq!(text_of(&front, "description"), Some(value), "{problem:?}");
            assert_eq!(problem.place.line, 3, "{value}: {problem:?}");
            assert!(problem.help.contains("needs quotes"), "{value}: {problem:?}");
        }
        for (value, text) in [("\"half a quote", "half a quote"), ("'half a quote", "half a quote")] {
            let (front, problem) = with_fault(&format!("description: {value}"));
            assert_eq!((text_of(&front, "description"), problem.place.line), (Some(text), 3), "{problem:?}");
        }
    }

    #[test]
    fn a_number_sign_within_a_description_is_no_comment() {
        let (front, problem) = with_fault("description: Closes issue #12 and #13");
        assert_eq!(text_of(&front, "description"), Some("Closes issue #12 and #13"), "{problem:?}");
        let (front, problems) = read("---\nname: a #1\ndescription: b # not said\n---\n");
        assert_eq!((text_of(&front, "description"), problems.len()), (Some("b"), 0));
    }

    #[test]
    fn a_fault_inside_of_a_list_or_mapping_costs_its_line_only() {
        let (front, problem) = with_fault("metadata:\n  when: Use when: x\n  version: 1");
        assert_eq!(problem.place.line, 4);
        let metadata = front.find("metadata").unwrap().value.map();
        assert_eq!(find(metadata, "when").unwrap().value.text(), Some("Use when: x"));
        assert_eq!(find(metadata, "version").unwrap().value.text(), Some("1"));
        let (front, problem) = with_fault("intents:\n  - @all\n  - read: a");
        assert_eq!(problem.place.line, 4, "{problem:?}");
        assert!(matches!(&front.find("intents").unwrap().value, Yaml::List(items) if items.len() == 2));
    }

    #[test]
    fn slips_in_the_form_of_a_line_are_read_as_they_were_meant() {
        for (lines, line, help) in [
            ("description:Short", 3, "blank behind the colon"),
            ("  description: Short", 3, "indentation"),
            ("metadata:\n\tversion: 1\ndescription: Short", 4, "ordinary blanks"),
            ("description:\u{a0}Short", 3, "ordinary blanks"),
            ("description: “Short”", 3, "taken off"),
            ("description: Short\nname: other", 4, "first one holds"),
            ("description: Short\nwords without a key", 4, "left out"),
        ] {
            let (front, problem) = with_fault(lines);
            assert_eq!(text_of(&front, "description"), Some("Short"), "{lines}: {problem:?}");
            assert_eq!(problem.place.line, line, "{lines}: {problem:?}");
            assert!(problem.help.contains(help), "{lines}: {problem:?}");
        }
    }

    #[test]
    fn several_faults_are_told_one_by_one() {
        let (front, problems) =
            read("---\nname: a: b\ndescription: @x\nlicense: MIT\ncompatibility: \"x\n---\n");
        assert_eq!(
            problems.iter().map(|problem| problem.place.line).collect::<Vec<_>>(),
            [2, 3, 5],
            "{problems:#?}"
        );
        assert_eq!(text_of(&front, "name"), Some("a: b"));
        assert_eq!(text_of(&front, "license"), Some("MIT"));
        assert_eq!(text_of(&front, "compatibility"), Some("x"));
    }

    #[test]
    fn fences_are_found_in_whatever_form() {
        for text in [
            "---  \nname: x\n---\t\n",
            "---\r\nname: x\r\n---\r\n",
            "\u{feff}---\nname: x\n---\n",
            "---\rname: x\r---\r",
            "---\nname: x\n...\n",
        ] {
            let (front, problems) = read(text);
            assert_eq!((text_of(&front, "name"), problems.len()), (Some("x"), 0), "{text:?}");
        }
        for (text, line, message) in [
            ("\n\n---\nname: x\n---\n", 1, "above the front matter"),
            ("----\nname: x\n---\n", 1, "`----`"),
            ("—-\nname: x\n---\n", 1, "`—-`"),
            ("---\nname: x\n-----\n", 3, "`-----`"),
            ("---\nname: x\n\n# Text\na: b: c\n", 1, "no end"),
            ("---\nname: x\n# Text\n", 1, "no end"),
            ("---\nname: x\n", 1, "no end"),
        ] {
            let (front, problems) = read(text);
            assert_eq!(text_of(&front, "name"), Some("x"), "{text:?}: {problems:?}");
            assert_eq!((problems.len(), problems[0].place.line), (1, line), "{text:?}: {problems:?}");
            assert!(problems[0].message.contains(message), "{problems:?}");
        }
        let (front, problems) = read("\n---\nname: x\ndescription: a: b\n---\n");
        assert_eq!(front.find("name").unwrap().place.line, 3);
        assert_eq!(problems[1].place.line, 4);
    }

    #[test]
    fn a_file_without_front_matter_says_how_to_write_one() {
        assert!(read("# Notes\n").1[0].help.contains("`description: …`"));
        assert_eq!(read("").1.len(), 1);
        assert_eq!(read("---\n---\n"), (FrontMatter::default(), Vec::new()));
    }

    #[test]
    fn hostile_yaml_is_refused_in_bounded_space() {
        let bomb = "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\n";
        assert!(read(bomb).1[0].message.contains("alias"));
        let deep = format!("---\na: {}x{}\n---\n", "[".repeat(200), "]".repeat(200));
        assert!(!read(&deep).1.is_empty());
        let long = format!("---\nname: x\nl: [{}]\n---\n", "x, ".repeat(5_000));
        assert!(read(&long).1[0].message.contains("too large"));
        let wrong = format!("---\n{}---\n", "a: b: c\n@\n".repeat(2_000));
        assert!(!read(&wrong).1.is_empty());
    }
}

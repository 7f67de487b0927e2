//! The YAML at the top of a SKILL.md, read so that one bad line costs no more than that line.
//!
//! Values keep the spelling of the file: `no` and `1.10` are texts here, whatever YAML makes of them.

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span};
use serde_json::{Map, Value};

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
    pub(crate) place: Place,
}

/// Line and column of the file, both from 1, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Yaml {
    Text(String),
    /// A text in quotes: never a number or a truth value.
    Quoted(String),
    List(Vec<Yaml>),
    Map(Vec<Entry>),
}

/// Why the front matter could not be read as it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) place: Place,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl FrontMatter {
    pub(crate) fn find(&self, key: &str) -> Option<&Entry> {
        find(&self.entries, key)
    }
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
}

impl Yaml {
    /// The JSON that the value stands for, by the rules of YAML's core schema.
    pub(crate) fn json(&self) -> Value {
        match self {
            Yaml::Text(text) => match text.as_str() {
                "" | "~" | "null" => Value::Null,
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                text => serde_json::from_str::<serde_json::Number>(text)
                    .map_or_else(|_| Value::from(text), Value::Number),
            },
            Yaml::Quoted(text) => Value::from(text.as_str()),
            Yaml::List(items) => items.iter().map(Yaml::json).collect(),
            Yaml::Map(entries) => {
                let members = entries.iter().map(|entry| (entry.key.clone(), entry.value.json()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

pub(crate) fn find<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.key == key)
}

/// Reads the front matter of a whole SKILL.md. With a problem, the rest is still what could be rescued.
pub(crate) fn read(text: &str) -> (FrontMatter, Option<Problem>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Some(yaml) = between_fences(text) else {
        return (FrontMatter::default(), Some(unfenced(text)));
    };
    match parse(yaml) {
        Ok(entries) => (FrontMatter { entries }, None),
        Err(problem) => (FrontMatter { entries: rescue(yaml) }, Some(problem)),
    }
}

/// The lines between the fences. The first fence is line 1, so the first line here is line 2 of the file.
fn between_fences(text: &str) -> Option<&str> {
    let start = text.find('\n')? + 1;
    if text[..start].trim_end() != "---" {
        return None;
    }
    let mut at = start;
    for line in text[start..].split_inclusive('\n') {
        if matches!(line.trim_end(), "---" | "...") {
            return Some(&text[start..at]);
        }
        at += line.len();
    }
    None
}

fn unfenced(text: &str) -> Problem {
    let place = Place { line: 1, column: 1 };
    if text.lines().next().is_some_and(|line| line.trim_end() == "---") {
        return Problem {
            place,
            message: "the front matter has no end".to_owned(),
            help: "close it with a line that holds `---` alone".to_owned(),
        };
    }
    Problem {
        place,
        message: "there is no front matter".to_owned(),
        help: "begin the file with a line `---`, then `name: …` and `description: …`, then a line `---`"
            .to_owned(),
    }
}

/// Front matter is small. What is larger is a mistake, or an attack that grows in memory.
const NODES_MAX: usize = 2_000;
const DEPTH_MAX: usize = 16;

fn parse(yaml: &str) -> Result<Vec<Entry>, Problem> {
    let mut options = Options::default();
    options.flow_nesting_limit = DEPTH_MAX;
    options.block_nesting_limit = DEPTH_MAX;
    let mut builder = Builder { parser: Parser::new_from_str_with_options(yaml, options), yaml, nodes: 0 };
    match builder.document()? {
        None => Ok(Vec::new()),
        Some(Yaml::Map(entries)) => Ok(entries),
        Some(_) => Err(Problem {
            place: Place { line: 2, column: 1 },
            message: "the front matter is not a mapping".to_owned(),
            help: "write one `key: value` a line".to_owned(),
        }),
    }
}

struct Builder<'a> {
    parser: Parser<'a, granit_parser::StrInput<'a>>,
    yaml: &'a str,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Yaml>, Problem> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => return Ok(None),
                (event, span) => return self.node(event, span, 0).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.invalid(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Yaml, Problem> {
        self.nodes += 1;
        if self.nodes > NODES_MAX || depth > DEPTH_MAX {
            return Err(Problem {
                place: place(&span),
                message: "the front matter is too large".to_owned(),
                help: format!("keep it below {NODES_MAX} values; longer text belongs below the second `---`"),
            });
        }
        match event {
            Event::Scalar(text, ScalarStyle::Plain, ..) => Ok(Yaml::Text(text.into_owned())),
            Event::Scalar(text, ..) => Ok(Yaml::Quoted(text.into_owned())),
            Event::SequenceStart(..) => self.list(depth),
            Event::MappingStart(..) => self.map(depth),
            // An alias could repeat its anchor's content without bound, and no front matter needs one.
            _ => Err(Problem {
                place: place(&span),
                message: "the front matter uses a YAML alias".to_owned(),
                help: "write the value out where it is needed".to_owned(),
            }),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Yaml, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd | Event::StreamEnd, _) => return Ok(Yaml::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Yaml, Problem> {
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
                return Err(Problem {
                    place: place(&span),
                    message: format!("the key `{key}` stands twice in the front matter"),
                    help: "keep one of the two".to_owned(),
                });
            }
            entries.push(Entry { key, value, place: place(&span) });
        }
    }

    fn invalid(&self, error: &ScanError) -> Problem {
        let marker = error.marker();
        let at = at(marker.line(), marker.col());
        let line = self.yaml.lines().nth(marker.line().saturating_sub(1)).unwrap_or_default();
        Problem {
            place: at,
            message: format!("the front matter is not valid YAML: {}", reason(error)),
            help: advice(line),
        }
    }
}

/// The parser's words without the position that the diagnostic gives anyway.
fn reason(error: &ScanError) -> String {
    error.kind().to_string()
}

fn advice(line: &str) -> String {
    match line.split_once(": ") {
        Some((key, value))
            if value.contains(": ") && !value.trim_start().starts_with(['"', '\'', '[', '{']) =>
        {
            let key = key.trim();
            format!(
                "a value with a colon needs quotes: `{key}: \"…\"`; until then the line is taken as it stands"
            )
        }
        _ => "correct this line; the others are read one by one until then".to_owned(),
    }
}

fn place(span: &Span) -> Place {
    at(span.start.line(), span.start.col())
}

/// The parser counts lines of the YAML from 1, which is line 2 of the file, and columns from 0.
fn at(line: usize, column: usize) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place { line: number(line.max(1) + 1), column: number(column + 1) }
}

/// Takes every line of the form `key: value` at its word, with the indented ones below `metadata:` as its
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
        assert_eq!(problem, None);
        assert_eq!(text_of(&front, "version"), Some("1.10"));
        assert_eq!(text_of(&front, "flat"), Some("no"));
        let metadata = front.find("metadata").unwrap();
        assert_eq!(metadata.place, Place { line: 5, column: 1 });
        assert_eq!(metadata.value.map()[0].value.text(), Some("2024-01-02"));
        assert_eq!(metadata.value.map()[0].place, Place { line: 6, column: 3 });
    }

    #[test]
    fn folded_text_and_lists_are_read_as_yaml() {
        let (front, problem) =
            read("---\ndescription: >\n  two\n  lines\nintents:\n  - a: b\n  - [x, y]\n---\n");
        assert_eq!(problem, None);
        assert_eq!(text_of(&front, "description"), Some("two lines\n"));
        assert!(matches!(&front.find("intents").unwrap().value, Yaml::List(items) if items.len() == 2));
    }

    #[test]
    fn an_unquoted_colon_costs_nothing_but_a_warning_with_its_place() {
        let (front, problem) = read(
            "---\nname: notes\ndescription: Use when: notes are meant\nmetadata:\n  version: \"1.0\"\n---\nText\n",
        );
        let problem = problem.unwrap();
        assert_eq!(problem.place.line, 3);
        assert!(problem.place.column > 12, "{problem:?}");
        assert!(problem.help.contains("`description: \"…\"`"), "{problem:?}");
        assert_eq!(text_of(&front, "description"), Some("Use when: notes are meant"));
        assert_eq!(front.find("metadata").unwrap().value.map()[0].value.text(), Some("1.0"));
    }

    #[test]
    fn a_file_without_front_matter_says_how_to_write_one() {
        assert!(read("# Notes\n").1.unwrap().help.contains("`description: …`"));
        assert!(read("---\nname: x\n").1.unwrap().message.contains("no end"));
        assert!(read("").1.is_some());
        assert_eq!(read("---\r\nname: x\r\n---\r\n").1, None);
        assert_eq!(read("---\n---\n"), (FrontMatter::default(), None));
    }

    #[test]
    fn hostile_yaml_is_refused_in_bounded_space() {
        let bomb = "---\na: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n---\n";
        assert!(read(bomb).1.unwrap().message.contains("alias"));
        let deep = format!("---\na: {}x{}\n---\n", "[".repeat(200), "]".repeat(200));
        assert!(read(&deep).1.is_some());
        let long = format!("---\nname: x\nl: [{}]\n---\n", "x, ".repeat(5_000));
        assert!(read(&long).1.unwrap().message.contains("too large"));
        let twice = "---\nname: x\nname: y\n---\n";
        assert_eq!(read(twice).1.unwrap().place.line, 3);
    }
}

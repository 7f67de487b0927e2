//! A skill's `pyproject.toml`, read into the same values as front matter, so that what may stand in either is
//! read by one piece of code.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::front_matter::{Entry, Position, Yaml, YamlProblem, find};

/// The tables of the file, each key with its place.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pyproject {
    entries: Vec<Entry>,
}

impl Pyproject {
    /// What stands under a path of keys: `["tool", "omni"]` is the table `[tool.omni]`.
    pub(crate) fn find(&self, path: &[&str]) -> Option<&Entry> {
        let (last, above) = path.split_last()?;
        let table =
            above.iter().try_fold(&*self.entries, |table, key| Some(find(table, key)?.value.map()))?;
        find(table, last)
    }
}

/// Reads the file. With a problem, the rest is still what could be rescued.
pub(crate) fn read(text: &str) -> (Pyproject, Option<YamlProblem>) {
    let lines = LineIndex::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let problem = errors.first().map(|error| YamlProblem {
        place: lines.place(error.span().map_or(0, |span| span.start)),
        message: format!("it is not valid TOML: {}", error.message().replace('\n', ", ")),
        help: "correct this line; what can be read of the file is used until then".to_owned(),
        fatal: false,
    });
    (Pyproject { entries: entries(table.get_ref(), &lines, 0) }, problem)
}

/// Deeper tables are no configuration that a person wrote.
const DEPTH_MAX: usize = 32;

/// The members of a table in the order of the file, which the parser does not keep.
fn entries(table: &DeTable<'_>, lines: &LineIndex<'_>, depth: usize) -> Vec<Entry> {
    if depth > DEPTH_MAX {
        return Vec::new();
    }
    let mut members: Vec<_> = table.iter().collect();
    members.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (&Spanned<std::borrow::Cow<'_, str>>, &Spanned<DeValue<'_>>)| Entry {
        key: key.get_ref().to_string(),
        value: tree(value.get_ref(), lines, depth + 1),
        place: lines.place(key.span().start),
    };
    members.into_iter().map(entry).collect()
}

fn tree(value: &DeValue<'_>, lines: &LineIndex<'_>, depth: usize) -> Yaml {
    match value {
        DeValue::String(text) => Yaml::Quoted(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Yaml::Text(number.to_string()),
            Err(_) => Yaml::Text(number.as_str().to_owned()),
        },
        DeValue::Float(number) => Yaml::Text(number.as_str().to_owned()),
        DeValue::Boolean(value) => Yaml::Text(value.to_string()),
        DeValue::Datetime(time) => Yaml::Quoted(time.to_string()),
        DeValue::Array(items) if depth <= DEPTH_MAX => {
            Yaml::List(items.iter().map(|item| tree(item.get_ref(), lines, depth + 1)).collect())
        }
        DeValue::Array(_) => Yaml::List(Vec::new()),
        DeValue::Table(table) => Yaml::Map(entries(table, lines, depth)),
    }
}

/// Where the lines of a text begin.
struct LineIndex<'a> {
    text: &'a str,
    lines: Vec<usize>,
}

impl<'a> LineIndex<'a> {
    fn of(text: &'a str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        LineIndex { text, lines: std::iter::once(0).chain(after).collect() }
    }

    fn place(&self, at: usize) -> Position {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count());
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position { line: number(line), column: number(column + 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_places_and_the_order_of_the_file() {
        let (file, problem) = read(
            "[project]\nname = \"x\"\n\n[tool.omni]\nz = 1_000\n\"ä\" = [true, 1.5]\na = { b = \"1\" }\n",
        );
        assert_eq!(problem, None);
        let omni = file.find(&["tool", "omni"]).unwrap();
        let keys: Vec<_> = omni.value.map().iter().map(|entry| (&*entry.key, entry.place.line)).collect();
        assert_eq!(keys, [("z", 5), ("ä", 6), ("a", 7)]);
        assert_eq!(omni.value.json(), serde_json::json!({"z": 1000, "ä": [true, 1.5], "a": {"b": "1"}}));
        assert_eq!(file.find(&["tool", "omni", "a", "b"]).unwrap().place, Position { line: 7, column: 7 });
        assert_eq!(file.find(&["tool", "uv"]), None);
        assert_eq!(file.find(&["project", "name", "deeper"]), None);
    }

    #[test]
    fn a_broken_line_is_named_and_the_rest_is_read() {
        let (file, problem) = read("[project]\nname = \"x\"\nbroken =\n[tool.omni]\na = 1\n");
        let problem = problem.unwrap();
        assert_eq!(problem.place.line, 3, "{problem:?}");
        assert!(problem.message.contains("not valid TOML"), "{problem:?}");
        assert!(file.find(&["tool", "omni", "a"]).is_some());
    }

    #[test]
    fn hostile_files_are_read_in_bounded_depth() {
        fn depth(entries: &[Entry]) -> usize {
            entries.iter().map(|entry| 1 + depth(entry.value.map())).max().unwrap_or(0)
        }
        let brackets = |n: usize| format!("a = {}{}", "[".repeat(n), "]".repeat(n));
        let dotted = |n: usize| format!("[{}b]\nc = 1\n", "a.".repeat(n));
        for (deep, shallow) in [(brackets(5_000), brackets(3)), (dotted(5_000), dotted(3))] {
            let (found, _) = read(&deep);
            assert!(depth(&found.entries) <= DEPTH_MAX + 1, "{}", &deep[..20]);
            let (found, problem) = read(&shallow);
            assert!(depth(&found.entries) >= 1 && problem.is_none(), "{shallow}: {problem:?}");
        }
        let (_, problem) = read(&brackets(5_000));
        assert!(problem.is_some_and(|problem| problem.message.contains("not valid TOML")));
        let (found, problem) = read("\u{feff}[project]\nname = \"a\"\n");
        assert!(
            problem.is_none() && found.find(&["project", "name"]).is_some(),
            "a byte order mark is passed over"
        );
        let (found, problem) = read("a = 1\na = 2\n[[a]]\nb = 1\n");
        assert!(problem.is_some_and(|problem| problem.place.line == 2), "the second one is the mistake");
        assert!(found.find(&["a"]).is_some(), "and the first one stays");
    }
}

//! What did the author of YAML that no parser accepts most likely mean?
//!
//! Each round looks at the lines at and above the one where the parser gave up, tries for each what people get wrong
//! (a value that needs quotes, a blank too few, an indentation too much), and keeps the change that lets the parser
//! come furthest. So a faulty line costs at most itself. Lines are changed in place: positions stay those of the file.

use super::problem::{Position, YamlProblem};

/// Lines that are tried for one fault, nearest first, and parses for a whole file: front matter is small.
const LINES_TRIED_MAX: usize = 40;
const PARSES_MAX: usize = 400;
/// No person writes larger front matter, and parsing it again and again would take long.
const BYTES_MAX: usize = 32 << 10;

/// Parses `yaml`, changed where it has to be, until it can be read. `Err` holds the problems and the place where
/// nothing helped.
pub(super) fn read<T>(
    yaml: &str,
    parse: impl Fn(&str) -> Result<T, YamlProblem>,
) -> Result<(T, Vec<YamlProblem>), Vec<YamlProblem>> {
    let first = match parse(yaml) {
        Ok(read) => return Ok((read, Vec::new())),
        Err(problem) => problem,
    };
    if yaml.len() > BYTES_MAX || first.fatal {
        return Err(vec![first]);
    }
    let mut lines: Vec<String> = yaml.lines().map(str::to_owned).collect();
    let mut problems = Vec::new();
    let mut left = PARSES_MAX;
    blanks(&mut lines, &mut problems);
    let mut fault = match parse(&lines.join("\n")) {
        Ok(read) => return Ok((read, problems)),
        Err(problem) => problem,
    };
    loop {
        let Some((repair, result)) = best_repair(&lines, &fault, &parse, &mut left) else {
            problems.push(fault);
            return Err(problems);
        };
        problems.push(repair.problem(&lines, &fault));
        lines[repair.line].clone_from(&repair.text);
        match result {
            Ok(read) => return Ok((read, problems)),
            Err(next) => fault = next,
        }
    }
}

/// One line, written as its author may have meant it.
struct Repair {
    line: usize,
    text: String,
    kind: RepairKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RepairKind {
    /// The value is put in quotes.
    Quoted,
    /// `key:value` gets its blank.
    Spaced,
    /// The line is moved to the indentation of the lines around it.
    Moved,
    /// The line is left out.
    Dropped,
}

impl Repair {
    fn problem(&self, lines: &[String], fault: &YamlProblem) -> YamlProblem {
        let before = &lines[self.line];
        let shown = before.trim();
        let indent = before.chars().take_while(|c| c.is_whitespace()).count();
        let line = number(self.line + 2);
        let column = if fault.place.line == line { fault.place.column } else { number(indent + 1) };
        let help = match self.kind {
            RepairKind::Quoted => {
                let key = split(before).map_or("…".to_owned(), |(start, _)| start.trim().to_owned());
                let why = if self.text.contains(": ") && before.matches(": ").count() > 1 {
                    "a value with a colon needs quotes"
                } else {
                    "this value needs quotes"
                };
                format!("{why}: `{key} \"…\"`; until then it is taken as text, to the end of its line")
            }
            RepairKind::Spaced => format!("put a blank behind the colon: `{}`", self.text.trim()),
            RepairKind::Moved => {
                "give it the indentation of its neighbours, as it is taken to have".to_owned()
            }
            RepairKind::Dropped => format!("`{shown}` is left out until then; the other lines are read"),
        };
        YamlProblem { place: Position { line, column }, message: fault.message.clone(), help, fatal: false }
    }
}

type Attempt<T> = (Repair, Result<T, YamlProblem>);

/// The change after which the parser comes furthest; nothing when none helps.
fn best_repair<T>(
    lines: &[String],
    fault: &YamlProblem,
    parse: &impl Fn(&str) -> Result<T, YamlProblem>,
    left: &mut usize,
) -> Option<Attempt<T>> {
    let faulty =
        usize::try_from(fault.place.line.saturating_sub(2)).unwrap_or(0).min(lines.len().checked_sub(1)?);
    let mut best: Option<(u32, Attempt<T>)> = None;
    for kind in [RepairKind::Spaced, RepairKind::Quoted, RepairKind::Moved, RepairKind::Dropped] {
        for line in (0..=faulty).rev().take(LINES_TRIED_MAX) {
            // Only the line where the parser gave up may be left out: leaving out one above it would nearly always help, too.
            if kind == RepairKind::Dropped && line != faulty {
                break;
            }
            for text in written(lines, line, kind) {
                *left = left.checked_sub(1)?;
                let mut tried: Vec<&str> = lines.iter().map(String::as_str).collect();
                tried[line] = &text;
                let result = parse(&tried.join("\n"));
                let reached = match &result {
                    Ok(_) => u32::MAX,
                    Err(next) => next.place.line,
                };
                let repair = Repair { line, text, kind };
                if reached == u32::MAX {
                    return Some((repair, result));
                }
                let further = reached > fault.place.line || kind == RepairKind::Dropped;
                if further && best.as_ref().is_none_or(|(known, _)| reached > *known) {
                    best = Some((reached, (repair, result)));
                }
            }
        }
    }
    best.map(|(_, attempt)| attempt)
}

/// Other ways to write a line.
fn written(lines: &[String], at: usize, kind: RepairKind) -> Vec<String> {
    let line = &lines[at];
    if line.trim().is_empty() || line.trim_start().starts_with('#') {
        return Vec::new();
    }
    match kind {
        RepairKind::Quoted => split(line)
            .filter(|(_, value)| {
                !value.is_empty() && !matches!(*value, "|" | ">" | "|-" | ">-" | "[]" | "{}")
            })
            .map(|(start, value)| format!("{start} '{}'", unquoted(value).replace('\'', "''")))
            .into_iter()
            .collect(),
        RepairKind::Spaced => spaced(line).into_iter().collect(),
        RepairKind::Moved => {
            let bare = line.trim_start();
            if split(bare).is_none() && !bare.starts_with("- ") {
                return Vec::new();
            }
            let now = line.len() - bare.len();
            let around =
                |line: &String| (!line.trim().is_empty()).then(|| line.len() - line.trim_start().len());
            let mut indents: Vec<usize> = lines[..at].iter().rev().take(8).filter_map(around).collect();
            indents.push(0);
            indents.dedup();
            indents.retain(|indent| *indent != now);
            indents.into_iter().map(|indent| format!("{}{bare}", " ".repeat(indent))).collect()
        }
        RepairKind::Dropped => vec!["#".to_owned()],
    }
}

/// `key:`, or the dash of a list's item, and the value behind it.
fn split(line: &str) -> Option<(&str, &str)> {
    let bare = line.trim_start();
    let indent = line.len() - bare.len();
    let dash = if bare.starts_with("- ") { 2 } else { 0 };
    let key = bare[dash..].trim_start();
    let start = line.len() - key.len();
    if let Some(colon) = key.find(':').filter(|colon| is_key(&key[..*colon]))
        && key[colon + 1..].starts_with([' ', '\t'])
    {
        let end = start + colon + 1;
        return Some((&line[..end], line[end..].trim()));
    }
    (dash > 0).then(|| (&line[..=indent], key.trim()))
}

fn spaced(line: &str) -> Option<String> {
    let bare = line.trim_start();
    let colon = bare.find(':').filter(|colon| is_key(bare[..*colon].trim_start_matches("- ")))?;
    let value = &bare[colon + 1..];
    let begins =
        value.chars().next().is_some_and(|first| !first.is_whitespace() && !matches!(first, '/' | ':'));
    begins.then(|| format!("{}{}: {value}", &line[..line.len() - bare.len()], &bare[..colon]))
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The value without a quote that has no partner, or without its pair.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote) {
            return match inner.strip_suffix(quote) {
                Some(inner) if !inner.contains(quote) => inner,
                // More than a pair: the first one belongs to a word.
                _ if inner.contains(quote) => value,
                _ => inner,
            };
        }
    }
    value
}

/// Puts blanks in the place of tabs that indent and of those that only look like blanks.
fn blanks(lines: &mut [String], problems: &mut Vec<YamlProblem>) {
    let foreign =
        |c: char| matches!(c, '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{3000}' | '\u{200b}' | '\u{feff}');
    for (at, line) in lines.iter_mut().enumerate() {
        let body = line.trim_start_matches(|c| c == ' ' || c == '\t' || foreign(c));
        let start = &line[..line.len() - body.len()];
        let colon = body.find(':').filter(|colon| is_key(&body[..*colon]));
        let gap_end = colon.map(|colon| {
            let value = body[colon + 1..].trim_start_matches(|c| c == ' ' || c == '\t' || foreign(c));
            body.len() - value.len()
        });
        let gap = colon.zip(gap_end).map_or("", |(colon, end)| &body[colon + 1..end]);
        let found = start.chars().position(|c| c == '\t' || foreign(c));
        let found = found.or_else(|| {
            let before = start.chars().count() + colon? + 1;
            gap.chars().position(foreign).map(|at| before + at)
        });
        let Some(column) = found else { continue };
        let what = if start.contains('\t') { "a tab" } else { "a blank of another kind" };
        problems.push(YamlProblem {
            place: Position { line: number(at + 2), column: number(column + 1) },
            message: format!("the front matter is not valid YAML: {what} stands where only blanks may stand"),
            help: "write ordinary blanks, as it is taken to have until then".to_owned(),
            fatal: false,
        });
        let indent: String = start.chars().map(|c| if c == '\t' { "  " } else { " " }).collect();
        let rest = match (colon, gap_end) {
            (Some(colon), Some(end)) if !gap.is_empty() => format!("{}: {}", &body[..colon], &body[end..]),
            _ => body.to_owned(),
        };
        *line = indent + &rest;
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

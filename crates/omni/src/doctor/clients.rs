//! Which clients have connected, and what each of them cuts or leaves out before a model sees it.

use std::time::{SystemTime, UNIX_EPOCH};

use omni_call::shown_line;
use omni_catalog::{Snapshot, chars_of};
use serde_json::json;

use super::finding::{Finding, Level, Section};
use crate::connected_clients::{ConnectedClient, connected_clients};
use crate::settings::Places;
use crate::text::{first_of, plural};

/// What a client does with what it is given, as it was measured with the version named there.
#[derive(Debug)]
struct Habits {
    /// What its name begins with.
    name: &'static str,
    /// The version that was measured.
    measured: &'static str,
    /// So many characters of a tool's description are shown; `None` is all.
    description: Option<usize>,
    /// The same of versions before the one measured.
    description_before: Option<usize>,
    /// So many characters of the first line of the instructions are shown, and nothing behind it; `None` is all.
    first_line: Option<usize>,
    /// What becomes of the rest.
    notes: &'static [&'static str],
}

/// In characters as JavaScript counts them; see `docs/guide/what-clients-see.md`, which has the same table.
const KNOWN: [Habits; 4] = [
    Habits {
        name: "claude-code",
        measured: "2.1.332",
        description: Some(4_096),
        description_before: Some(2_048),
        first_line: None,
        notes: &[
            "of a result above 50,000 characters a model sees the first 2,000; the rest goes to a file",
            "of a result with structured content a model sees that, and no text besides",
        ],
    },
    Habits {
        name: "codex-mcp-client",
        measured: "0.171.0",
        description: None,
        description_before: None,
        first_line: Some(250),
        notes: &[
            "of a result above some 48,000 characters a model does not see the middle",
            "of the instructions a model sees 250 characters of the first line",
            "progress is not shown",
        ],
    },
    Habits {
        name: "gemini-cli-mcp-client",
        measured: "0.61.0",
        description: None,
        description_before: None,
        first_line: None,
        notes: &[
            "of a result above 40,000 characters a model does not see the middle",
            "structured content is not shown, only text",
            "it cannot be asked: `ctx.elicit` takes its default there, or fails",
        ],
    },
    Habits {
        name: "supergateway",
        measured: "4.0.0",
        description: None,
        description_before: None,
        first_line: None,
        notes: &[
            "towards stdio it passes on requests and answers alone: progress, changed lists and questions are lost",
        ],
    },
];

/// Names of tools that one finding names.
const NAMES_MAX: usize = 5;

/// What is known of those that have connected to servers with this state folder. Parses all tools if one of them cuts
/// descriptions.
pub(super) fn examine(places: &Places, snapshot: &Snapshot) -> Section {
    let clients = connected_clients(&places.state);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let descriptions = || {
        let lengths = snapshot.tools().map(|tool| (tool.name().to_owned(), tool.description()));
        lengths.map(|(name, text)| (name, text.map_or(0, |text| chars_of(&text)))).collect::<Vec<_>>()
    };
    let instructions = places.file.instructions.as_deref();
    let mut findings = Vec::new();
    for client in &clients {
        let Some(habits) = habits(&client.name) else { continue };
        findings.push(fact(client, habits, now));
        findings.extend(cut_descriptions(client, habits, descriptions));
        findings.extend(cut_instructions(client, habits, instructions));
    }
    let members = clients.iter().map(|client| {
        let notes = habits(&client.name).map_or(&[][..], |habits| habits.notes);
        json!({ "name": client.name, "version": client.version, "seen": client.seen, "cuts": notes })
    });
    Section::of(findings).with("clients", members.collect::<Vec<_>>())
}

fn habits(name: &str) -> Option<&'static Habits> {
    KNOWN.iter().find(|known| {
        name.get(..known.name.len()).is_some_and(|start| start.eq_ignore_ascii_case(known.name))
    })
}

fn named(client: &ConnectedClient) -> String {
    let named = if client.version.is_empty() {
        client.name.clone()
    } else {
        format!("{} {}", client.name, client.version)
    };
    format!("`{}`", shown_line(&named))
}

fn fact(client: &ConnectedClient, habits: &Habits, now: u64) -> Finding {
    let text = format!("{} connected {}", named(client), when(now.saturating_sub(client.seen)));
    let finding =
        habits.notes.iter().fold(Finding::fact("client", text), |finding, note| finding.note(*note));
    match client.version == habits.measured {
        true => finding,
        false => finding.note(format!("measured with version {}", habits.measured)),
    }
}

/// In words, since a day more or less does not matter.
fn when(seconds_ago: u64) -> String {
    match seconds_ago / 3_600 {
        0 => "within the last hour".to_owned(),
        hours @ 1..48 => format!("{} ago", plural(usize::try_from(hours).unwrap_or(usize::MAX), "hour")),
        hours => format!("{} ago", plural(usize::try_from(hours / 24).unwrap_or(usize::MAX), "day")),
    }
}

fn cut_descriptions(
    client: &ConnectedClient,
    habits: &Habits,
    descriptions: impl Fn() -> Vec<(String, usize)>,
) -> Option<Finding> {
    let is_older = version(&client.version) < version(habits.measured);
    let limit = if is_older { habits.description_before } else { habits.description }?;
    let long: Vec<String> = descriptions()
        .into_iter()
        .filter(|(_, chars)| *chars > limit)
        .map(|(name, chars)| format!("`{}` ({chars})", shown_line(&name)))
        .collect();
    if long.is_empty() {
        return None;
    }
    let text = format!(
        "{} shows a model {limit} characters of a tool's description, and {} more: {}",
        named(client),
        if long.len() == 1 { "1 has".to_owned() } else { format!("{} have", long.len()) },
        first_of(&long, NAMES_MAX)
    );
    Some(
        Finding::new(Level::Warning, "client-cuts", text)
            .hint("say first what decides whether it is called, and move the rest into `SKILL.md`"),
    )
}

fn cut_instructions(
    client: &ConnectedClient,
    habits: &Habits,
    instructions: Option<&str>,
) -> Option<Finding> {
    let (limit, instructions) = (habits.first_line?, instructions?);
    let first = instructions.trim().lines().next().unwrap_or_default();
    let text = format!(
        "{} shows a model {limit} characters of the first line of the instructions, which is that of `instructions` in \
         omni.toml: it has {}, and the names of the skills come after it",
        named(client),
        chars_of(first)
    );
    Some(
        Finding::new(Level::Warning, "client-cuts", text).hint(
            "leave `instructions` out for this client, or name in its first line the skills that matter",
        ),
    )
}

/// The numbers of a version, for one to be older than another.
fn version(text: &str) -> Vec<u64> {
    text.split('.')
        .map(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str, version: &str) -> ConnectedClient {
        ConnectedClient { name: name.into(), version: version.into(), seen: 1_000_000 }
    }

    #[test]
    fn a_client_is_known_by_how_its_name_begins() {
        for (name, known) in [
            ("claude-code", Some("claude-code")),
            ("Claude-Code", Some("claude-code")),
            ("gemini-cli-mcp-client-omni", Some("gemini-cli-mcp-client")),
            ("claude", None),
            ("ééééééééééé", None),
            ("", None),
        ] {
            assert_eq!(habits(name).map(|habits| habits.name), known, "{name}");
        }
    }

    #[test]
    fn a_description_is_held_to_what_the_version_that_has_connected_shows() {
        let lengths =
            || vec![("a.b".to_owned(), 3_000), ("a.c".to_owned(), 5_000), ("a.d".to_owned(), 2_048)];
        let cut = |name: &str, version: &str| {
            let client = client(name, version);
            cut_descriptions(&client, habits(name).unwrap(), lengths).map(|finding| finding.text)
        };
        let newer = cut("claude-code", "2.1.400").unwrap();
        assert!(newer.starts_with("`claude-code 2.1.400` shows a model 4096 characters"), "{newer}");
        assert!(newer.ends_with("and 1 has more: `a.c` (5000)"), "{newer}");
        let older = cut("claude-code", "2.1.197").unwrap();
        assert!(older.ends_with("2 have more: `a.b` (3000), `a.c` (5000)"), "{older}");
        assert_eq!(cut("codex-mcp-client", "0.171.0"), None);
    }

    #[test]
    fn a_client_that_reads_one_line_of_the_instructions_is_named_where_that_is_the_operators() {
        let codex = client("codex-mcp-client", "0.171.0");
        let said = |instructions| {
            cut_instructions(&codex, habits("codex-mcp-client").unwrap(), instructions)
                .map(|finding| finding.text)
        };
        assert_eq!(said(None), None);
        let text = said(Some("Be careful.\nAnd more.")).unwrap();
        assert!(text.contains("250 characters of the first line") && text.contains("it has 11,"), "{text}");
        let claude = client("claude-code", "2.1.332");
        assert_eq!(cut_instructions(&claude, habits("claude-code").unwrap(), Some("x")), None);
    }

    #[test]
    fn the_guide_has_a_row_for_each_client_with_what_was_measured() {
        let guide = include_str!("../../../../docs/guide/what-clients-see.md");
        for known in &KNOWN {
            let begins = format!("| `{}` {}", known.name, known.measured);
            let row = guide.lines().find(|line| line.starts_with(&begins));
            let row = row.unwrap_or_else(|| panic!("no row begins with {begins}"));
            let limits = [known.description, known.description_before, known.first_line];
            for limit in limits.into_iter().flatten() {
                let written = if limit < 1_000 {
                    limit.to_string()
                } else {
                    format!("{},{:03}", limit / 1_000, limit % 1_000)
                };
                assert!(row.contains(&written), "{written}: {row}");
            }
        }
    }

    #[test]
    fn what_is_said_of_a_client_has_no_escapes_and_says_what_was_measured() {
        let now = 1_000_000;
        let odd = client("claude-code\u{1b}[31m", "1");
        let finding = fact(&odd, habits("claude-code").unwrap(), now);
        assert!(!finding.text.contains('\u{1b}'), "{}", finding.text);
        assert!(finding.notes.last().unwrap().contains("2.1.332"));
        let same = fact(&client("claude-code", "2.1.332"), habits("claude-code").unwrap(), now + 3 * 86_400);
        assert!(
            same.text.ends_with("connected 3 days ago")
                && !same.notes.iter().any(|note| note.contains("measured"))
        );
        assert_eq!(
            [when(5), when(3_600), when(7_300), when(47 * 3_600)].join(", "),
            "within the last hour, 1 hour ago, 2 hours ago, 47 hours ago"
        );
    }
}

//! Names, aliases and visibility, in tables and by chance.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::tool_rules::{ClientPattern, Overrides, Profile, RuleConflicts, SettingLocation};

fn setting(key: &str) -> SettingLocation {
    SettingLocation::new(key, "omni.toml", 7)
}

fn filter(patterns: &[&str]) -> Filter {
    Filter::new(patterns.iter().map(|text| FilterRule::new(text, setting("filter")).unwrap()).collect())
}

fn alias(tool: &str, alias: &str) -> Override {
    let key = format!("overrides.\"{tool}\"");
    Override {
        tool: tool.to_owned(),
        setting: setting(&key),
        alias: Some(Located { value: alias.to_owned(), setting: setting(&format!("{key}.alias")) }),
        append_doc: None,
        title: None,
        hidden: None,
    }
}

fn hidden(tool: &str, hidden: bool) -> Override {
    Override { alias: None, hidden: Some(hidden), ..alias(tool, "") }
}

fn profile(name: &str, filter: Filter, overrides: Vec<Override>, names: Option<NameStyle>) -> Profile {
    Profile {
        name: name.to_owned(),
        setting: setting(name),
        clients: vec![ClientPattern::new(name).unwrap()],
        principals: Vec::new(),
        filter,
        overrides: Overrides::new(overrides),
        names,
    }
}

fn rules(filters: Vec<Filter>, overrides: Vec<Override>, profiles: Vec<Profile>) -> ToolRules {
    ToolRules::new(filters, Overrides::new(overrides), NameStyle::Underscore, profiles)
}

fn shown<'a>(rules: &'a ToolRules, profile: &str, tools: &[&str]) -> ProfileTools<'a> {
    let tools: Vec<ToolFacts<'_>> = tools
        .iter()
        .map(|name| ToolFacts { name, skill: name.split('.').next().unwrap(), tags: &[] })
        .collect();
    rules.profile_tools(rules.id(profile).unwrap(), &tools)
}

fn listed<'a>(arrangement: &'a ProfileTools<'_>) -> Vec<&'a str> {
    arrangement.tools.iter().filter(|tool| !tool.hidden).map(|tool| tool.name.as_str()).collect()
}

fn meant(arrangement: &ProfileTools<'_>, name: &str) -> Vec<usize> {
    let meant = arrangement.names.iter().filter(|(key, _)| key == name);
    meant.map(|(_, tool)| arrangement.tools[*tool].tool).collect()
}

#[test]
fn the_list_shows_the_alias_alone_and_every_name_is_a_call() {
    let rules = rules(vec![], vec![alias("git.log", "history")], vec![]);
    let found = shown(&rules, "default", &["git.log", "web.fetch"]);
    assert_eq!(listed(&found), ["history", "web_fetch"]);
    for name in ["history", "git.log", "git_log"] {
        assert_eq!(meant(&found, name), [0], "{name}");
    }
    assert!(found.conflicts.is_empty() && found.tools[0].is_aliased && !found.tools[1].is_aliased);
}

#[test]
fn a_tool_that_is_hidden_is_not_listed_and_one_that_is_filtered_is_not_there() {
    let rules = rules(vec![filter(&["web"])], vec![hidden("git.log", true)], vec![]);
    let found = shown(&rules, "default", &["git.log", "git.push", "web.fetch"]);
    assert_eq!(listed(&found), ["git_push"]);
    assert_eq!(meant(&found, "git_log"), [0]);
    for name in ["web.fetch", "web_fetch"] {
        assert!(meant(&found, name).is_empty(), "{name}");
    }
}

#[test]
fn a_profile_takes_away_more_and_its_own_word_counts_first() {
    let common = Override { title: Some("Common".into()), ..alias("git.log", "history") };
    let own = Override { append_doc: Some("Own.".into()), ..hidden("git.log", true) };
    let rules = rules(
        vec![filter(&["*.delete"])],
        vec![common],
        vec![
            profile("readers", filter(&["*", "!git", "!notes.delete"]), vec![own], Some(NameStyle::Dotted)),
            profile("default", filter(&["git.push"]), vec![], None),
        ],
    );
    let tools = ["git.log", "git.push", "notes.delete", "web.fetch"];
    assert_eq!(listed(&shown(&rules, "default", &tools)), ["history", "web_fetch"]);
    let found = shown(&rules, "readers", &tools);
    assert_eq!(listed(&found), ["git.push"], "what nobody has is not given back by a profile");
    assert_eq!(
        (found.tools[0].name.as_str(), found.tools[0].title, found.tools[0].append_doc),
        ("history", Some("Common"), Some("Own."))
    );
}

#[test]
fn filtered_tools_stand_in_nobodys_way() {
    let tools = ["a.b_c", "a_b.c"];
    let all = rules(vec![], vec![], vec![]);
    assert_ne!(listed(&shown(&all, "default", &tools))[0], "a_b_c");
    let one = rules(vec![filter(&["a_b"])], vec![], vec![]);
    assert_eq!(listed(&shown(&one, "default", &tools)), ["a_b_c"]);
    // The name of a tool that is left out is free for another.
    let rules = rules(vec![filter(&["git.log"])], vec![alias("my.log", "git_log")], vec![]);
    let found = shown(&rules, "default", &["git.log", "my.log"]);
    assert_eq!((found.conflicts.len(), meant(&found, "git_log")), (0, vec![1]));
    assert!(meant(&found, "git.log").is_empty());
}

#[test]
fn one_of_two_that_want_a_name_may_be_given_it() {
    let rules = rules(vec![], vec![alias("a.b_c", "a_b_c")], vec![]);
    let found = shown(&rules, "default", &["a.b_c", "a_b.c"]);
    assert!(found.conflicts.is_empty(), "{:?}", found.conflicts);
    assert_eq!(listed(&found)[0], "a_b_c");
    assert_eq!(meant(&found, "a_b_c"), [0], "it meant two before");
}

#[test]
fn what_cannot_be_is_said_of_all_that_are_concerned_and_their_own_names_stay() {
    let tools = ["a.x", "b.y", "c.z", "d"];
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str]);
    let cases: &[Case] = &[
        // Two tools, one alias; also as a client compares them.
        (
            &[("a.x", "same"), ("b.y", "same")],
            &["`same` is given to several tools: `a.x` (`overrides.\"a.x\".alias` at \
           `omni.toml:7`), `b.y`"],
        ),
        (&[("a.x", "Get-It"), ("b.y", "get_it")], &["clients take these aliases for one: `a.x` (`Get-It`"]),
        // The name of another: on the wire, canonical, and as a client compares them.
        (
            &[("a.x", "b_y")],
            &["`b_y` of `a.x` (`overrides.\"a.x\".alias` at `omni.toml:7`) is a name of `b.y`"],
        ),
        (&[("a.x", "d")], &["is a name of `d`"]),
        (&[("a.x", "B-Y")], &["is a name of `b.y`"]),
        // Also of one that has an alias itself: it is still called by its old names.
        (&[("a.x", "b_y"), ("b.y", "other")], &["`b_y` of `a.x`"]),
        // In circles.
        (
            &[("a.x", "b_y"), ("b.y", "a_x")],
            &["circle: `a.x` is to be `b_y` (`overrides.\"a.x\".alias` at `omni.toml:7`), a \
           name of `b.y`; `b.y` is to be `a_x`"],
        ),
        (&[("a.x", "b_y"), ("b.y", "c_z"), ("c.z", "a_x")], &["a name of `c.z`; `c.z` is to be `a_x`"]),
        (
            &[("a.x", "b_y"), ("b.y", "a_x"), ("c.z", "a_x")],
            &["`a_x` is given to several tools", "circle", "of `c.z`"],
        ),
    ];
    for (aliases, said) in cases {
        let rules = rules(vec![], aliases.iter().map(|(tool, name)| alias(tool, name)).collect(), vec![]);
        let found = shown(&rules, "default", &tools);
        let conflicts = RuleConflicts(found.conflicts.clone()).to_string();
        assert_eq!(found.conflicts.len(), said.len(), "{conflicts}");
        for said in *said {
            assert!(conflicts.contains(said), "{aliases:?}: {conflicts}");
        }
        let wrong: BTreeSet<&str> = found.conflicts.iter().flat_map(|conflict| conflict.tools()).collect();
        for tool in wrong {
            let at = tools.iter().position(|name| *name == tool).unwrap();
            assert_eq!(listed(&found)[at], tool.replace('.', "_"), "{aliases:?}");
        }
    }
}

#[test]
fn an_alias_is_a_name_that_clients_take() {
    for (names, alias_, said) in [
        (None, "", "is empty"),
        (None, "git log", "has ` `"),
        (None, "git.log2", "write `git_log2`, or set `names = \"dotted\"`"),
        (None, "größe", "has `ö`"),
        (None, &*"x".repeat(65), "has 65 characters, and clients take 64"),
        (Some(NameStyle::Dotted), &*"x".repeat(129), "clients take 128"),
        (Some(NameStyle::Dotted), "a\"b", "has `\"`"),
    ] {
        let rules =
            rules(vec![], vec![alias("a.x", alias_)], vec![profile("default", filter(&[]), vec![], names)]);
        let conflicts = rules.check().to_string();
        assert!(conflicts.contains(said) && conflicts.contains("`a.x`"), "{alias_}: {conflicts}");
        assert!(!shown(&rules, "default", &["a.x"]).tools[0].is_aliased);
    }
    let one = |name: &str, names| {
        rules(vec![], vec![alias("a.x", name)], vec![profile("default", filter(&[]), vec![], names)]).check()
    };
    assert!(one(&"x".repeat(64), None).is_empty() && one("git.history", Some(NameStyle::Dotted)).is_empty());
    // What is wrong for one profile alone is said of it.
    let rules = rules(
        vec![],
        vec![alias("a.x", "x.y")],
        vec![profile("dots", filter(&[]), vec![], Some(NameStyle::Dotted))],
    );
    assert!(
        rules
            .check()
            .to_string()
            .starts_with("in the profile `default`: `overrides.\"a.x\".alias` at `omni.toml:7`")
    );
}

#[test]
fn what_has_no_effect_is_said_with_what_was_meant() {
    let admin = ["admin".to_owned()];
    let tools: Vec<ToolFacts<'_>> = [("files.read", "files"), ("git.log", "git"), ("git.push", "git")]
        .map(|(name, skill)| ToolFacts { name, skill, tags: if name == "git.push" { &admin } else { &[] } })
        .to_vec();
    for (patterns, said) in [
        (&["git_log"][..], &[][..]),
        (&["git_lgo"], &["`git_lgo` matches no tool|did you mean `git.log`?"]),
        (&["gti.*"], &["did you mean `git.*`?"]),
        (&["*", "!gti"], &["`!gti` matches no tool|did you mean `!git`?"]),
        (&["tag:admni"], &["matches no tag|did you mean `tag:admin`?"]),
        (&["admin"], &["did you mean `tag:admin`?"]),
        (&["nothing.like.it"], &["`omni list` shows"]),
        (&["!git.*"], &["`!git.*` leaves nothing out|`[\"*\", \"!git.*\"]` leaves all others out"]),
        (&["*", "!git.*", "tag:admin"], &[]),
    ] {
        let warnings = rules(vec![filter(patterns)], vec![], vec![]).without_effect(&tools);
        assert_eq!(warnings.len(), said.len(), "{patterns:?}: {warnings:?}");
        for (warning, said) in warnings.iter().zip(said) {
            for said in said.split('|') {
                let text = format!("{}; {}", warning.message, warning.help);
                assert!(text.contains(said), "{patterns:?}: {text}");
            }
        }
    }
    let profiles = vec![
        profile("*", filter(&[]), vec![], None),
        profile("late", filter(&[]), vec![alias("git.lgo", "x")], None),
    ];
    let warnings = rules(vec![], vec![], profiles).without_effect(&tools);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert_eq!(
        (&*warnings[0].message, &*warnings[0].help),
        ("there is no tool `git.lgo`", "did you mean `git.log`?")
    );
    assert!(warnings[1].message.contains("no client gets the profile `late`"));
}

#[test]
fn an_override_of_what_is_no_tool_or_nobodys_says_what_was_meant() {
    let tools: Vec<ToolFacts<'_>> = [("files.read", "files"), ("git.log", "git"), ("git.push", "git")]
        .map(|(name, skill)| ToolFacts { name, skill, tags: &[] })
        .to_vec();
    for (overrides, said) in [
        (
            vec![alias("git", "x")],
            "no tool `git`; that is a skill; an override is for one tool: `[overrides.\"git.log\"]`",
        ),
        (
            vec![alias("git.log", "history"), alias("history", "x")],
            "no tool `history`; that is the alias of `git.log`: write `[overrides.\"git.log\"]`",
        ),
        (
            vec![alias("git.push", "x")],
            "nobody has the tool `git.push`; the pattern `git.push` of `filter` at `omni.toml:7` leaves it out",
        ),
    ] {
        let warnings = rules(vec![filter(&["git.push"])], overrides, vec![]).without_effect(&tools);
        let said_of: Vec<String> =
            warnings.iter().map(|warning| format!("{}; {}", warning.message, warning.help)).collect();
        assert!(said_of.len() == 1 && said_of[0].ends_with(said), "{said}: {said_of:?}");
    }
}

#[test]
fn a_profile_that_brings_back_what_nobody_has_is_told_why_not() {
    let tools: Vec<ToolFacts<'_>> = [("files.read", "files"), ("git.log", "git"), ("git.push", "git")]
        .map(|(name, skill)| ToolFacts { name, skill, tags: &[] })
        .to_vec();
    let found = |own: &[&str]| -> Vec<String> {
        let profiles = vec![profile("a", filter(own), vec![], None)];
        let warnings = rules(vec![filter(&["git"])], vec![], profiles).without_effect(&tools);
        warnings.into_iter().map(|warning| format!("{}; {}", warning.message, warning.help)).collect()
    };
    for own in [&["!git.log"][..], &["*", "!git"]] {
        let said = found(own);
        assert!(
            said.len() == 1
                && said[0].contains("brings nothing back; the pattern `git` of `filter` at `omni.toml:7`"),
            "{said:?}"
        );
    }
    // Something of it is everybody's.
    assert_eq!(found(&["*", "!*e*"]), Vec::<String>::new());
    assert!(found(&["!files"])[0].contains("leaves nothing out"));
}

#[test]
fn a_profile_that_no_client_gets_is_told_of_and_one_that_some_may_get_is_not() {
    let of = |name: &str, clients: &[&str], principals: &[&str]| {
        let patterns = |texts: &[&str]| texts.iter().map(|text| ClientPattern::new(text).unwrap()).collect();
        Profile {
            clients: patterns(clients),
            principals: patterns(principals),
            ..profile(name, filter(&[]), vec![], None)
        }
    };
    for (first, second, nobody) in [
        (of("a", &["claude*"], &[]), of("b", &["Claude-Code", "claude-ai*"], &[]), true),
        (of("a", &["claude*"], &[]), of("b", &["claude-code", "cursor"], &[]), false),
        (of("a", &["claude?"], &[]), of("b", &["claude*"], &[]), false),
        (of("a", &["claude-code"], &[]), of("b", &["claude*"], &[]), false),
        (of("a", &["claude*"], &["user:1"]), of("b", &["claude-code"], &[]), false),
        (of("a", &["claude*"], &["user:*"]), of("b", &["claude-code"], &["user:1"]), true),
        (of("a", &[], &["local"]), of("b", &["claude-code"], &["local"]), true),
        // By name alone.
        (of("a", &["*"], &[]), of("b", &[], &[]), false),
        (of("a", &[], &[]), of("b", &["x"], &[]), false),
        (of("a", &["x"], &[]), of("b", &[], &["root"]), true),
        (of("a", &["x"], &[]), of("b", &[], &["user:ada", "1000"]), true),
        (of("a", &["x"], &[]), of("b", &[], &["user:"]), true),
        (of("a", &["x"], &[]), of("b", &[], &["user:10*"]), false),
        (of("a", &["x"], &[]), of("b", &[], &["us*", "root"]), false),
        (of("a", &["x"], &[]), of("b", &[], &["tok?n"]), false),
    ] {
        let unique = format!("{first:?} {second:?}");
        let warnings = rules(vec![], vec![], vec![first, second]).without_effect(&[]);
        let found = warnings.iter().any(|warning| warning.message.contains("no client gets the profile `b`"));
        assert_eq!(found, nobody, "{unique}: {warnings:?}");
        assert!(warnings.len() <= 1, "{warnings:?}");
    }
}

const NAMES: &[&str] = &["a.b", "a.b_c", "a_b.c", "A.b", "c", "d.e", "d.e-f", "größe.x"];
const ALIASES: &[&str] = &["a_b", "a.b", "x", "X", "c", "d_e", "y-z", "y_z", "a_b_c", "größe", ""];
const PATTERNS: &[&str] = &["*", "a*", "!a.b", "d", "!c", "tag:t", "!tag:t", "?.*", "zzz"];

proptest! {
    /// What is listed and what is hidden is what can be called, and nothing else; each listed name is one tool's.
    #[test]
    fn the_list_is_what_can_be_called_but_for_what_is_hidden(
        patterns in proptest::collection::vec(proptest::sample::select(PATTERNS), 0..4),
        own in proptest::collection::vec(proptest::sample::select(PATTERNS), 0..4),
        aliases in proptest::collection::btree_map(0..NAMES.len(), proptest::sample::select(ALIASES), 0..6),
        hidden_tools in proptest::collection::btree_set(0..NAMES.len(), 0..4),
        tagged in proptest::collection::btree_set(0..NAMES.len(), 0..4),
        dotted in any::<bool>(),
    ) {
        let mut names: Vec<&str> = NAMES.to_vec();
        names.sort_unstable();
        let tag = ["t".to_owned()];
        let tools: Vec<ToolFacts<'_>> = names
            .iter()
            .enumerate()
            .map(|(at, name)| ToolFacts {
                name,
                skill: name.split('.').next().unwrap(),
                tags: if tagged.contains(&at) { &tag } else { &[] },
            })
            .collect();
        let common: Vec<Override> = aliases.iter().map(|(at, name)| alias(names[*at], name)).collect();
        let own_rules = hidden_tools.iter().map(|at| hidden(names[*at], true)).collect();
        let style = dotted.then_some(NameStyle::Dotted);
        let (patterns, own) = (filter(&patterns), filter(&own));
        let rules = rules(vec![patterns.clone()], common, vec![profile("p", own.clone(), own_rules, style)]);
        let found = rules.profile_tools(rules.id("p").unwrap(), &tools);

        let there: BTreeSet<usize> = (0..tools.len())
            .filter(|at| patterns.blocks(&tools[*at]).is_none() && own.blocks(&tools[*at]).is_none())
            .collect();
        let listed: BTreeSet<usize> = found.tools.iter().filter(|tool| !tool.hidden).map(|tool| tool.tool).collect();
        let expected: BTreeSet<usize> = there.difference(&hidden_tools).copied().collect();
        prop_assert_eq!(&listed, &expected);
        let callable: BTreeSet<usize> = found.names.iter().map(|(_, tool)| found.tools[*tool].tool).collect();
        prop_assert_eq!(&callable, &there);
        let mut seen = BTreeSet::new();
        for tool in &found.tools {
            prop_assert_eq!(meant(&found, &tool.name), vec![tool.tool], "{}", tool.name);
            prop_assert!(meant(&found, names[tool.tool]).contains(&tool.tool));
            prop_assert!(seen.insert(names::as_clients_compare(&tool.name, rules.names(rules.id("p").unwrap())).into_owned()));
            let wrong = found.conflicts.iter().any(|conflict| conflict.tools().any(|name| name == names[tool.tool]));
            let wanted = aliases.get(&tool.tool).filter(|alias| {
                conflicts::alias_problem(alias, rules.names(rules.id("p").unwrap())).is_none()
            });
            prop_assert_eq!(tool.is_aliased, wanted.is_some() && !wrong);
        }
    }
}

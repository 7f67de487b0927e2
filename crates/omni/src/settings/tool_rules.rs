//! `filter`, `[overrides]` and `[profiles]` of `omni.toml`: which tools each client sees.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use omni_catalog::{
    ClientPattern, Filter, FilterRule, Located, NameStyle, Override, Overrides, Profile, SettingLocation,
    ToolRules, closest,
};
use toml::{Table, Value};

use super::lines::{KeyLines, joined};
use super::profiles::ProfileTable;
use super::settings_file::SettingsFile;
use crate::args::Names;

/// The profile of everybody else.
const DEFAULT: &str = "default";

/// What may stand in `[overrides."TOOL"]`.
const OVERRIDE_KEYS: [&str; 4] = ["alias", "append_doc", "title", "hidden"];

impl SettingsFile {
    /// The rules of the file, with `names` for lists whose profile has no style of its own.
    ///
    /// # Errors
    ///
    /// A pattern, an alias or a profile without a meaning; the sentence names file and line.
    pub(crate) fn tool_rules(&self, names: NameStyle) -> Result<ToolRules> {
        let reader = RulesReader { lines: &self.lines };
        let mut filters = vec![reader.filter("filter", &self.filter)?];
        if let Some(found) = &self.found_filter {
            filters.push(RulesReader { lines: &found.lines }.filter("filter", &found.patterns)?);
        }
        let overrides = reader.overrides("overrides", &self.overrides)?;
        let mut profiles: Vec<(usize, Profile)> = Vec::new();
        for (name, table) in &self.profiles {
            let key = joined("profiles", name);
            profiles.push((self.lines.line(&key).unwrap_or(0), reader.profile(&key, name, table)?));
        }
        if profiles.len() > ToolRules::PROFILES_MAX {
            bail!(
                "`{}`: there are more than {} profiles",
                self.lines.place("profiles"),
                ToolRules::PROFILES_MAX
            );
        }
        // They are tried as they stand in the file; a table of TOML has no order of its own.
        profiles.sort_by_key(|(line, _)| *line);
        let rules = ToolRules::new(
            filters,
            overrides,
            names,
            profiles.into_iter().map(|(_, profile)| profile).collect(),
        );
        let conflicts = rules.check();
        if !conflicts.is_empty() {
            bail!("{conflicts}");
        }
        Ok(rules)
    }
}

struct RulesReader<'a> {
    lines: &'a KeyLines,
}

impl RulesReader<'_> {
    fn setting(&self, key: &str) -> SettingLocation {
        self.lines.setting(key)
    }

    fn filter(&self, key: &str, patterns: &[String]) -> Result<Filter> {
        let mut rules = Vec::with_capacity(patterns.len());
        for (at, text) in patterns.iter().enumerate() {
            // One line for each pattern, where they stand on several.
            let setting = self.lines.setting_of(key, &format!("{key}[{at}]"));
            let place = setting.place();
            match FilterRule::new(text, setting) {
                Ok(rule) => rules.push(rule),
                Err(why) => bail!("`{place}`: the pattern `{text}` of `{key}` {why}"),
            }
        }
        Ok(Filter::new(rules))
    }

    fn patterns(&self, key: &str, patterns: &Option<Vec<String>>) -> Result<Vec<ClientPattern>> {
        let Some(patterns) = patterns else { return Ok(Vec::new()) };
        if patterns.is_empty() {
            bail!(
                "`{}`: `{key}` is empty, so nobody is meant; leave it out, or write a name",
                self.lines.place(key)
            );
        }
        let read = patterns.iter().enumerate().map(|(at, text)| {
            ClientPattern::new(text).map_err(|why| {
                anyhow::anyhow!(
                    "`{}`: the pattern `{text}` of `{key}` {why}",
                    self.lines.place(&format!("{key}[{at}]"))
                )
            })
        });
        read.collect()
    }

    fn profile(&self, key: &str, name: &str, table: &ProfileTable) -> Result<Profile> {
        let place = || self.lines.place(key);
        if name.is_empty() {
            bail!("`{}`: a profile needs a name: `[profiles.NAME]`", place());
        }
        if name == DEFAULT && (table.clients.is_some() || table.principals.is_some()) {
            bail!(
                "`{}`: `profiles.default` is for everybody whom no other profile is for, so it has neither `clients` nor \
                 `principals`; give it another name",
                place()
            );
        }
        Ok(Profile {
            name: name.to_owned(),
            setting: self.setting(key),
            clients: self.patterns(&format!("{key}.clients"), &table.clients)?,
            principals: self.patterns(&format!("{key}.principals"), &table.principals)?,
            filter: self.filter(&format!("{key}.filter"), &table.filter)?,
            overrides: self.overrides(&format!("{key}.overrides"), &table.overrides)?,
            names: table.names.map(Names::style),
        })
    }

    fn overrides(&self, key: &str, table: &Table) -> Result<Overrides> {
        let mut found = BTreeMap::new();
        self.tools(key, "", table, &mut found)?;
        Ok(Overrides::new(found.into_values().collect()))
    }

    /// `[overrides."git.log"]` and `[overrides.git.log]` are one: a table in it is more of a tool's name.
    fn tools(
        &self,
        key: &str,
        name: &str,
        table: &Table,
        found: &mut BTreeMap<String, Override>,
    ) -> Result<()> {
        for (member, value) in table {
            let inner = joined(key, member);
            let place = || self.lines.place(&inner);
            let Value::Table(within) = value else {
                if name.is_empty() {
                    bail!("`{}`: `{inner}` is no table: write `[overrides.\"SKILL.COMMAND\"]`", place());
                }
                let own = found.entry(name.to_owned()).or_insert_with(|| Override {
                    tool: name.to_owned(),
                    setting: self.setting(key),
                    alias: None,
                    append_doc: None,
                    title: None,
                    hidden: None,
                });
                let text = || match value.as_str() {
                    Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
                    Some(_) => bail!("`{}`: `{inner}` is empty; leave it out", place()),
                    None => bail!("`{}`: `{inner}` is no text", place()),
                };
                match member.as_str() {
                    "alias" => own.alias = Some(Located { value: text()?, setting: self.setting(&inner) }),
                    "append_doc" => own.append_doc = Some(text()?),
                    "title" => own.title = Some(text()?),
                    "hidden" => match value.as_bool() {
                        Some(hidden) => own.hidden = Some(hidden),
                        None => bail!("`{}`: `{inner}` is neither `true` nor `false`", place()),
                    },
                    _ => bail!("`{}`: there is no key `{member}` in `{key}`; {}", place(), meant(member)),
                }
                continue;
            };
            let name = if name.is_empty() { member.clone() } else { format!("{name}.{member}") };
            self.tools(&inner, &name, within, found)?;
        }
        Ok(())
    }
}

fn meant(key: &str) -> String {
    match closest(key, OVERRIDE_KEYS) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("those there are: {}", OVERRIDE_KEYS.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use omni_catalog::ProfileId;

    use super::*;

    fn read(text: &str) -> Result<ToolRules> {
        let mut file: SettingsFile = toml::from_str(text).unwrap();
        file.lines = KeyLines::read(Path::new("omni.toml"), text);
        file.tool_rules(NameStyle::Underscore)
    }

    #[test]
    fn profiles_are_tried_in_the_order_of_the_file() {
        let rules = read(
            "[profiles.z]\nclients = [\"claude*\"]\n[profiles.default]\nnames = \"dotted\"\n[profiles.a]\nclients = [\"claude-code\"]\n",
        )
        .unwrap();
        assert_eq!(rules.profile_names().collect::<Vec<_>>(), ["default", "z", "a"]);
        assert_eq!(rules.name(rules.choose(Some("claude-code"), "")), "z");
        assert_eq!(rules.names(rules.choose(None, "")), NameStyle::Dotted);
    }

    #[test]
    fn what_cannot_be_meant_is_an_error_with_its_line() {
        for (text, said) in [
            ("filter = [\n\"a\",\n\"[ab]\"]", "`omni.toml:3`: the pattern `[ab]` of `filter` has `[`"),
            ("filter = [\"!\"]", "`omni.toml:1`: the pattern `!` of `filter` is empty"),
            ("[profiles.a]\nclients = []", "`omni.toml:2`: `profiles.a.clients` is empty"),
            ("[profiles.a]\nclients = [\"!b\"]", "begins with `!`, which is for `filter`"),
            ("[profiles.default]\nclients = [\"b\"]", "`omni.toml:1`: `profiles.default` is for everybody"),
            (
                "[profiles.a]\nfilter = [\"a b\"]",
                "`omni.toml:2`: the pattern `a b` of `profiles.a.filter` has ` `",
            ),
            ("[overrides]\nalias = \"x\"", "`omni.toml:2`: `overrides.alias` is no table"),
            (
                "[overrides.\"a.b\"]\nalais = \"x\"",
                "no key `alais` in `overrides.\"a.b\"`; did you mean `alias`?",
            ),
            ("[overrides.\"a.b\"]\n\nhidden = 1", "`omni.toml:3`: `overrides.\"a.b\".hidden` is neither"),
            ("[overrides.\"a.b\"]\ntitle = \" \"", "`overrides.\"a.b\".title` is empty"),
            ("[overrides.\"a.b\"]\nalias = [\"x\"]", "`overrides.\"a.b\".alias` is no text"),
            (
                "[overrides.\"a.b\"]\nalias = \"x y\"",
                "`overrides.\"a.b\".alias` at `omni.toml:2` is no name for `a.b`: `x y` has ` `",
            ),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(toml::from_str::<SettingsFile>("[profiles.a]\nclient = [\"x\"]").is_err());
    }

    #[test]
    fn a_tools_name_may_be_written_in_quotes_or_as_tables() {
        for text in [
            "[overrides.\"a.b.c\"]\nalias = \"x\"",
            "[overrides.a.b.c]\nalias = \"x\"",
            "overrides.a.\"b.c\".alias = \"x\"",
        ] {
            let rules = read(text).unwrap();
            let own: Vec<String> = overrides(&rules, "a.b.c");
            assert_eq!((own.len(), rules.renames()), (1, true), "{text}");
            assert!(own[0].starts_with("omni.toml:"), "{text}: {own:?}");
        }
        // A tool and one whose name goes on.
        let rules = read("[overrides.a]\nalias = \"x\"\n[overrides.a.b]\nalias = \"y\"").unwrap();
        assert_eq!(
            (overrides(&rules, "a"), overrides(&rules, "a.b")),
            (vec!["omni.toml:1".into()], vec!["omni.toml:3".into()])
        );
    }

    fn overrides(rules: &ToolRules, tool: &str) -> Vec<String> {
        rules.overrides_of(ProfileId::EVERYBODY, tool).map(|own| own.setting.place()).collect()
    }
}

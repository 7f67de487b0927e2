//! What a settings file that nobody has trusted may say: it may only narrow what holds without it, lower a limit, leave a
//! tool out. [`KEYS`] says it of each key; one that is not there waits for trust.

use rustix::process::{Resource, getrlimit};
use toml::{Table, Value};

use super::keys::{KEYS, UntrustedRule, ValueKind};

/// The rule for a key, or for a table whose keys all wait for trust.
fn rule(key: &str) -> Option<UntrustedRule> {
    if let Some(row) = KEYS.iter().find(|row| row.name == key) {
        return Some(row.untrusted);
    }
    let beneath = |name: &str| name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'));
    let mut members = KEYS.iter().filter(|row| beneath(row.name)).peekable();
    members.peek()?;
    members.all(|row| row.untrusted == UntrustedRule::Trust).then_some(UntrustedRule::Trust)
}

/// What a number is where nobody says anything, and whether 0 is no limit.
fn default_of(key: &str) -> (f64, bool) {
    #[expect(clippy::cast_precision_loss, reason = "defaults are small numbers")]
    match KEYS.iter().find(|row| row.name == key).map(|row| row.kind) {
        Some(ValueKind::Seconds { default, values }) => (default, values.contains("0 is no limit")),
        Some(ValueKind::Number(number)) => {
            (number.default.map_or(f64::INFINITY, |default| default as f64), number.zero_is_none)
        }
        Some(ValueKind::Other { .. }) | None => (f64::INFINITY, false),
    }
}

/// What holds when a file that nobody has trusted is found beside what holds without it, and the keys of it that are
/// ignored.
pub(super) fn narrowed(base: &Table, found: &Table) -> (Table, Vec<String>) {
    let (mut result, found) = (spread(base), spread(found));
    let mut ignored = Vec::new();
    for (name, value) in &found {
        match (rule(name), value) {
            (None, Value::Table(members)) => {
                for (member, value) in members {
                    let key = format!("{name}.{member}");
                    let table = result.entry(name).or_insert_with(|| Value::Table(Table::new()));
                    let obeyed =
                        table.as_table_mut().is_some_and(|table| put(table, member, &key, rule(&key), value));
                    if !obeyed {
                        ignored.push(key);
                    }
                }
            }
            // One line for each skill: `[skills.web]`.
            (Some(UntrustedRule::Trust), Value::Table(members)) if name == "skills" => {
                ignored.extend(members.keys().map(|member| format!("{name}.{member}")));
            }
            (rule, value) => {
                if !put(&mut result, name, name, rule, value) {
                    ignored.push(name.clone());
                }
            }
        }
    }
    // A table that was only looked into says nothing.
    result.retain(|_, value| value.as_table().is_none_or(|table| !table.is_empty()));
    (result, ignored)
}

/// Sets a value where that narrows; says whether it is obeyed. One that repeats what holds anyway is.
/// `key` is the whole of the name that it has in its table.
fn put(table: &mut Table, name: &str, key: &str, rule: Option<UntrustedRule>, value: &Value) -> bool {
    let before = table.get(name);
    let narrower = match rule {
        None | Some(UntrustedRule::Trust) => return false,
        Some(UntrustedRule::Lower) => match default_of(key) {
            (default, false) => lower(before, value, default, |number| number),
            (default, true) => {
                lower(before, value, default, |number| if number == 0.0 { f64::INFINITY } else { number })
            }
        },
        Some(UntrustedRule::LowerLimit(resource, unit)) => {
            lower(before, value, in_force(resource) / unit, |number| number)
        }
        Some(UntrustedRule::LowerRange(default)) => lower_range(before, value, default),
        Some(UntrustedRule::Filter) => return value.is_array(),
    };
    match narrower {
        Some(narrower) => {
            table.insert(name.to_owned(), narrower);
            true
        }
        None => false,
    }
}

/// The limit that this process was started with, and its tools have where no setting says otherwise.
#[expect(clippy::cast_precision_loss, reason = "a limit beyond 2^53 is none")]
fn in_force(resource: Resource) -> f64 {
    getrlimit(resource).current.map_or(f64::INFINITY, |limit| limit as f64)
}

/// The value, if it is a number that is no higher than the one before.
fn lower(before: Option<&Value>, value: &Value, default: f64, meaning: fn(f64) -> f64) -> Option<Value> {
    let before = before.and_then(number).map_or(default, meaning);
    // Not a number, or a negative one, is an error that the reader of the file reports.
    let number = meaning(number(value)?);
    (number <= before || number.is_nan()).then(|| value.clone())
}

fn number(value: &Value) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "settings are small numbers")]
    let of_integer = value.as_integer().map(|number| number as f64);
    of_integer.or_else(|| value.as_float())
}

/// The lower of both ends; nothing where both are higher.
fn lower_range(before: Option<&Value>, value: &Value, default: &str) -> Option<Value> {
    let parse = |text: &str| text.parse::<crate::args::Workers>().ok();
    let before = parse(before.and_then(Value::as_str).unwrap_or(default))?;
    let Some(wanted) = value.as_str().and_then(parse) else {
        // What is not a range is an error that the reader of the file reports.
        return Some(value.clone());
    };
    let (min, max) = (wanted.min.min(before.min), wanted.max.min(before.max));
    (wanted.min <= before.min || wanted.max <= before.max).then(|| Value::String(format!("{min}..{max}")))
}

/// The table with `workers = "1..4"` written as `workers.count`.
fn spread(table: &Table) -> Table {
    let mut table = table.clone();
    if let Some(count @ Value::String(_)) = table.get("workers").cloned() {
        table.insert("workers".into(), Value::Table(Table::from_iter([("count".to_owned(), count)])));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::settings_file::SettingsFile;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn the_table_knows_the_defaults_that_hold_without_a_file() {
        use crate::args::RunArguments;
        use crate::settings::RunSettings;
        let resolved = |text: &str| {
            let (narrowed, _) = narrowed(&Table::new(), &table(text));
            let file: SettingsFile = narrowed.try_into().unwrap();
            format!("{:?}", RunSettings::resolve(&RunArguments::default(), &file).unwrap())
        };
        let default = resolved("");
        for row in KEYS {
            let key = row.name;
            let (more, less) = match row.untrusted {
                UntrustedRule::Lower => {
                    let (default, _) = default_of(key);
                    assert!(default.is_finite(), "{key} has nothing to be lowered from");
                    ((default + 1.0).to_string(), (default - 1.0).to_string())
                }
                UntrustedRule::LowerRange(_) => ("\"2..65\"".to_owned(), "\"1..63\"".to_owned()),
                _ => continue,
            };
            assert_eq!(resolved(&format!("{key} = {more}")), default, "{key} was raised");
            assert_ne!(resolved(&format!("{key} = {less}")), default, "{key} was not lowered");
        }
    }

    #[test]
    fn limits_go_down_and_never_up() {
        let base =
            table("timeout = 60\nidle_timeout = 0\n[limits]\nmemory_mib = 512\n[workers]\ncount = \"2..8\"");
        let found = table(
            "timeout = 0\nidle_timeout = 30\nworkers = \"1..64\"\n[limits]\nmemory_mib = 1024\nopen_files = 100",
        );
        let (result, ignored) = narrowed(&base, &found);
        assert_eq!(ignored, ["limits.memory_mib", "timeout"]);
        assert_eq!(result["timeout"].as_integer(), Some(60));
        assert_eq!(result["idle_timeout"].as_integer(), Some(30));
        assert_eq!(result["limits"], Value::Table(table("memory_mib = 512\nopen_files = 100")));
        assert_eq!(result["workers"]["count"].as_str(), Some("1..8"));
    }

    #[test]
    fn a_limit_of_the_system_is_not_raised_above_the_one_that_tools_have_anyway() {
        let had = in_force(Resource::Nofile);
        assert!(had.is_finite(), "the system bounds open files");
        for (wanted, obeyed) in [(had + 1.0, false), (1e9, false), (had, true), (had - 1.0, true)] {
            let (result, ignored) =
                narrowed(&Table::new(), &table(&format!("limits.open_files = {wanted:.0}")));
            assert_eq!(ignored.is_empty(), obeyed, "{wanted}: {ignored:?}");
            assert_eq!(result.contains_key("limits"), obeyed, "{wanted}: {result:?}");
        }
        // The user may raise it; a file that is found may then come back to that.
        let own = table("limits.open_files = 1000000");
        let (result, ignored) = narrowed(&own, &table("limits.open_files = 500000"));
        assert!(ignored.is_empty());
        assert_eq!(result["limits"]["open_files"].as_integer(), Some(500_000));
    }

    #[test]
    fn what_decides_what_is_run_waits_and_is_named() {
        let found = table(
            "python = \"./evil\"\nskills_dir = \"x\"\nroot = \"/\"\nrunner = \"unix:/x\"\nenv = [\"TOKEN\"]\n\
             executor = \"embedded\"\nisolation = \"none\"\nerrors = \"full\"\nfilter = [\"a.*\"]\n\
             overrides.\"a.b\".alias = \"x\"\nprofiles.a.clients = [\"*\"]\n\
             [skills.web]\nallow_private = true\n[environments]\nuv = \"./uv\"\ninstall_args = [\"-e\", \".\"]\n\
             timeout = 5\n[http]\nallow_users = [\"nobody\"]",
        );
        let (result, ignored) = narrowed(&table("filter = [\"b\"]"), &found);
        let expected = [
            "env",
            "environments.install_args",
            "environments.uv",
            "errors",
            "executor",
            "http",
            "isolation",
            "overrides",
            "profiles",
            "python",
            "root",
            "runner",
            "skills.web",
            "skills_dir",
        ];
        let mut ignored: Vec<&str> = ignored.iter().map(String::as_str).collect();
        ignored.sort_unstable();
        assert_eq!(ignored, expected);
        assert_eq!(result, table("filter = [\"b\"]\n[environments]\ntimeout = 5"));
    }

    #[test]
    fn a_value_that_is_none_is_left_for_its_reader_to_refuse() {
        for text in ["timeout = nan", "timeout = -1", "workers = \"many\""] {
            let (result, ignored) = narrowed(&Table::new(), &table(text));
            assert!(ignored.is_empty() && !result.is_empty(), "{text}: {ignored:?}");
        }
    }
}

//! Which options may the author of a tool, resource, prompt or completion set, where, and with which values?
//!
//! The table of them is made from `conformance/options.json`, and so are the types that carry to an executor what was
//! set: whoever reads a decorator, a `SKILL.md` or the declaration of a program asks the table, whoever acts on an
//! option reads a member, and nobody between the two names one.

mod option;
mod table;

pub use option::{OptionKind, OptionPlace, OptionValue, ToolOption};
pub use table::{CallOptions, ForkSettings, OPTIONS, OPTIONS_WITHOUT_EFFECT, Policy, TimeLimits};

use crate::alternatives::alternatives;

impl ToolOption {
    /// The option of this name, or second name, if it may stand there.
    pub fn find(name: &str, place: OptionPlace) -> Option<&'static ToolOption> {
        Self::all(place).find(|option| option.name == name || option.also.contains(&name))
    }

    /// The options that may stand there, in the order of the table.
    pub fn all(place: OptionPlace) -> impl Iterator<Item = &'static ToolOption> {
        OPTIONS.iter().filter(move |option| option.places.contains(&place))
    }

    /// What a value must be, in words for an author: `must be …`.
    pub fn wanted(&self, place: OptionPlace) -> String {
        let python = place.in_python();
        match self.kind {
            OptionKind::Text | OptionKind::Version | OptionKind::Executor if python => "a string".to_owned(),
            OptionKind::Text | OptionKind::Version => "a text".to_owned(),
            OptionKind::Executor => crate::ExecutorKind::names(),
            OptionKind::Flag | OptionKind::Hint(_) if python => "`True` or `False`".to_owned(),
            OptionKind::Flag | OptionKind::Hint(_) => "`true` or `false`".to_owned(),
            OptionKind::Seconds => {
                let most = if place.seconds_max() > WEEK { "a year" } else { "a week" };
                format!("a number of seconds from 0 (off) to {most}")
            }
            OptionKind::Count { min, max, of: "" } => format!("a number from {min} to {max}"),
            OptionKind::Count { min, max, of } => format!("a number of {of} from {min} to {max}"),
            OptionKind::Choice(words) => {
                let quote = if python { '"' } else { '`' };
                let words: Vec<String> = words.iter().map(|word| format!("{quote}{word}{quote}")).collect();
                alternatives(&words)
            }
            OptionKind::Exceptions if python => "an exception class or a tuple of them".to_owned(),
            OptionKind::Exceptions => "a list of names of exceptions".to_owned(),
            OptionKind::Schema => "a dictionary that holds a JSON Schema".to_owned(),
            OptionKind::Object => "a dictionary of JSON values".to_owned(),
            OptionKind::Icons => "a list of dictionaries, each with a `src`".to_owned(),
            OptionKind::App if place == OptionPlace::Decorator => {
                "the `ui://` URI of a page, or a dictionary with `resource_uri` and `visibility`".to_owned()
            }
            OptionKind::App => {
                "a dictionary with `csp`, `permissions`, `domain` and `prefers_border`".to_owned()
            }
            OptionKind::Texts if python => "a list of strings".to_owned(),
            OptionKind::Texts => "a list of texts".to_owned(),
            OptionKind::Uri => "a string that is a URI".to_owned(),
            OptionKind::MimeType => "a string such as `text/markdown`".to_owned(),
            OptionKind::Size => "a number of bytes, 0 or more".to_owned(),
            OptionKind::Annotations => {
                "a dictionary with `audience`, `priority` and `lastModified`".to_owned()
            }
            OptionKind::Function => "a function of this skill, or a string that names it".to_owned(),
        }
    }

    /// Reads a value that is written as a word in a file. `None` when it is not [`wanted`](Self::wanted) there, and for
    /// kinds that no word writes.
    pub fn parse(&self, word: &str, place: OptionPlace) -> Option<OptionValue> {
        match self.kind {
            OptionKind::Flag | OptionKind::Hint(_) => match word.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Some(OptionValue::Flag(true)),
                "false" | "no" | "off" => Some(OptionValue::Flag(false)),
                _ => None,
            },
            OptionKind::Seconds => self.seconds(word.parse().ok()?, place),
            OptionKind::Count { .. } => self.count(word.parse().ok()?),
            OptionKind::Choice(_) => self.choice(word),
            OptionKind::Text
            | OptionKind::Exceptions
            | OptionKind::Executor
            | OptionKind::Schema
            | OptionKind::Object
            | OptionKind::Icons
            | OptionKind::App
            | OptionKind::Texts
            | OptionKind::Version
            | OptionKind::Uri
            | OptionKind::MimeType
            | OptionKind::Size
            | OptionKind::Annotations
            | OptionKind::Function => None,
        }
    }

    /// A time that may stand there, as it is carried.
    pub fn seconds(&self, seconds: f64, place: OptionPlace) -> Option<OptionValue> {
        if self.kind != OptionKind::Seconds || !(0.0..=place.seconds_max()).contains(&seconds) {
            return None;
        }
        // Upwards: a positive limit below a millisecond must not become 0, which switches the clock off.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked on the line above"
        )]
        Some(OptionValue::Milliseconds((seconds * 1_000.0).ceil() as u64))
    }

    /// A number within the option's bounds.
    pub fn count(&self, number: i64) -> Option<OptionValue> {
        let OptionKind::Count { min, max, .. } = self.kind else { return None };
        let number = u32::try_from(number).ok()?;
        (min..=max).contains(&number).then_some(OptionValue::Count(number))
    }

    /// One of the option's words.
    pub fn choice(&self, word: &str) -> Option<OptionValue> {
        let OptionKind::Choice(words) = self.kind else { return None };
        words.iter().find(|known| **known == word).map(|known| OptionValue::Choice(known))
    }
}

/// In seconds.
const WEEK: f64 = 604_800.0;

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [OptionPlace; 6] = [
        OptionPlace::Decorator,
        OptionPlace::FrontMatter,
        OptionPlace::Program,
        OptionPlace::Resource,
        OptionPlace::Prompt,
        OptionPlace::Completion,
    ];

    /// What a client is told, and no executor: it is carried by what lists it.
    const LISTED: [&str; 2] = ["ttl", "scope"];

    /// A word of each kind that a file can have.
    fn sample(option: &ToolOption) -> Option<(String, OptionValue)> {
        match option.kind {
            OptionKind::Flag => Some(("true".to_owned(), OptionValue::Flag(true))),
            OptionKind::Seconds => Some(("1.5".to_owned(), OptionValue::Milliseconds(1_500))),
            OptionKind::Count { max, .. } => Some((max.to_string(), OptionValue::Count(max))),
            OptionKind::Choice(words) => Some((words[0].to_owned(), OptionValue::Choice(words[0]))),
            _ => None,
        }
    }

    #[test]
    fn what_is_read_of_an_option_is_carried_by_a_member_of_its_own_in_each_place() {
        for place in PLACES {
            let mut seen: Vec<CallOptions> = vec![CallOptions::default()];
            for option in ToolOption::all(place) {
                let Some((word, value)) = sample(option) else { continue };
                assert_eq!(option.parse(&word, place), Some(value.clone()), "{}", option.name);
                if LISTED.contains(&option.name) {
                    continue;
                }
                let mut carried = CallOptions::default();
                assert!(carried.set(option.name, place, value), "{} is carried by nothing", option.name);
                assert!(!seen.contains(&carried), "{} sets what another one sets", option.name);
                seen.push(carried);
            }
        }
    }

    #[test]
    fn every_word_of_a_choice_has_its_variant() {
        for option in &OPTIONS {
            let OptionKind::Choice(words) = option.kind else { continue };
            if LISTED.contains(&option.name) {
                continue;
            }
            let mut seen = vec![CallOptions::default()];
            for word in words {
                let mut carried = CallOptions::default();
                assert!(carried.set(option.name, option.places[0], OptionValue::Choice(word)));
                assert!(!seen.contains(&carried), "`{word}` of `{}` is nothing in Rust", option.name);
                seen.push(carried);
            }
        }
    }

    #[test]
    fn a_value_out_of_bounds_is_none() {
        for place in PLACES {
            for option in ToolOption::all(place) {
                let wrong = match option.kind {
                    OptionKind::Count { min: 0, max, .. } => {
                        vec![format!("{}", i64::from(max) + 1), "-1".into()]
                    }
                    OptionKind::Count { min, max, .. } => {
                        vec![format!("{}", min - 1), format!("{}", i64::from(max) + 1)]
                    }
                    OptionKind::Seconds => {
                        vec![
                            "-1".into(),
                            "nan".into(),
                            "soon".into(),
                            (place.seconds_max() + 1.0).to_string(),
                        ]
                    }
                    _ => vec!["neither this nor that".into()],
                };
                for word in wrong {
                    assert_eq!(option.parse(&word, place), None, "{} {word}", option.name);
                }
            }
        }
    }

    #[test]
    fn a_time_below_a_millisecond_is_not_none() {
        let timeout = ToolOption::find("timeout", OptionPlace::Decorator).unwrap();
        assert_eq!(timeout.seconds(1e-9, OptionPlace::Decorator), Some(OptionValue::Milliseconds(1)));
        assert_eq!(timeout.seconds(0.0, OptionPlace::Decorator), Some(OptionValue::Milliseconds(0)));
    }

    #[test]
    fn what_the_tool_says_wins_over_what_its_skill_says() {
        let tool = Policy { max_attempts: Some(2), ..Policy::default() };
        let skill = Policy {
            max_attempts: Some(5),
            retry_on: vec!["OSError".into()],
            skill_concurrency: Some(3),
            ..Policy::default()
        };
        let both = tool.or(&skill);
        assert_eq!((both.max_attempts, both.skill_concurrency), (Some(2), Some(3)));
        assert_eq!(both.retry_on, ["OSError"]);
    }

    #[test]
    fn every_option_of_a_skill_says_what_holds_without_it() {
        for option in &OPTIONS {
            let stands = option.places.contains(&OptionPlace::FrontMatter);
            assert_eq!(!option.without.is_empty(), stands, "{}", option.name);
        }
    }
}

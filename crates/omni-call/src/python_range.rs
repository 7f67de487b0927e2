//! Which versions of Python something runs on, as `requires-python` says it.

use std::str::FromStr;

/// Major, minor and micro number of a Python.
pub type PythonVersion = [u32; 3];

/// A set of Python versions: version specifiers (PEP 440) joined by commas.
///
/// Looks at release numbers only: a pre-release counts as the release that it comes before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonRange {
    clauses: Vec<Clause>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Clause {
    operator: Operator,
    /// One to three numbers.
    release: Vec<u32>,
    /// It ended in `.*`.
    any_below: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Compatible,
}

/// Longer ones first: `>=` is not `>` and an odd version.
const OPERATORS: [(&str, Operator); 8] = [
    ("===", Operator::Equal),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("~=", Operator::Compatible),
    ("<", Operator::Less),
    (">", Operator::Greater),
];

impl PythonRange {
    /// Whether `version` is in the set.
    pub fn allows(&self, version: PythonVersion) -> bool {
        self.clauses.iter().all(|clause| clause.allows(version))
    }
}

impl Clause {
    fn allows(&self, version: PythonVersion) -> bool {
        let mut bound = [0; 3];
        for (place, number) in bound.iter_mut().zip(&self.release) {
            *place = *number;
        }
        let same = if self.any_below { version.starts_with(&self.release) } else { version == bound };
        match self.operator {
            Operator::Equal => same,
            Operator::NotEqual => !same,
            Operator::Less => version < bound,
            Operator::LessOrEqual => version <= bound,
            Operator::Greater => version > bound,
            Operator::GreaterOrEqual => version >= bound,
            Operator::Compatible => {
                let family = self.release.split_last().map_or(&[][..], |(_, family)| family);
                version >= bound && version.starts_with(family)
            }
        }
    }
}

impl FromStr for PythonRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let clauses: Result<Vec<Clause>, String> = text.split(',').map(|part| clause(part.trim())).collect();
        Ok(PythonRange { clauses: clauses? })
    }
}

fn clause(text: &str) -> Result<Clause, String> {
    let wrong = |why: &str| format!("`{text}` {why}; write for instance `>=3.10`");
    let (operator, version) = OPERATORS
        .iter()
        .find_map(|(sign, operator)| Some((*operator, text.strip_prefix(sign)?.trim())))
        .ok_or_else(|| wrong("does not begin with a comparison"))?;
    let (release, any_below) = match version.strip_suffix(".*") {
        Some(release) => (release, true),
        None => (without_suffix(version), false),
    };
    let release: Option<Vec<u32>> = release.split('.').map(|number| number.parse().ok()).collect();
    let release = release
        .filter(|release| (1..=3).contains(&release.len()))
        .ok_or_else(|| wrong("does not name a version of Python"))?;
    if any_below && !matches!(operator, Operator::Equal | Operator::NotEqual) {
        return Err(wrong("has a `*`, which goes with `==` and `!=` only"));
    }
    if operator == Operator::Compatible && release.len() < 2 {
        return Err(wrong("needs two numbers after `~=`"));
    }
    Ok(Clause { operator, release, any_below })
}

/// The release of a version without what marks it as alpha, beta, candidate, post- or development release.
fn without_suffix(version: &str) -> &str {
    let end = version.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(version.len());
    let (release, suffix) = version.split_at(end);
    let letters = suffix.trim_end_matches(|sign: char| sign.is_ascii_digit());
    match letters {
        "a" | "b" | "rc" if letters != suffix => release,
        "post" | "dev" if letters != suffix => release.trim_end_matches('.'),
        // Left as it is, to be refused.
        _ => version,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_mean_what_pep_440_says() {
        for (range, inside, outside) in [
            (">=3.9", vec![[3, 9, 0], [3, 13, 2], [4, 0, 0]], vec![[3, 8, 19]]),
            (">=3.10, <4", vec![[3, 10, 0]], vec![[3, 9, 9], [4, 0, 0]]),
            ("~=3.10", vec![[3, 10, 0], [3, 12, 1]], vec![[4, 0, 0], [3, 9, 0]]),
            ("~=3.10.2", vec![[3, 10, 2], [3, 10, 9]], vec![[3, 11, 0], [3, 10, 1]]),
            ("==3.11.*", vec![[3, 11, 0], [3, 11, 9]], vec![[3, 12, 0]]),
            ("!=3.11.*,>3.9", vec![[3, 9, 1], [3, 12, 0]], vec![[3, 11, 4], [3, 9, 0]]),
            ("==3.12", vec![[3, 12, 0]], vec![[3, 12, 1]]),
            ("<=3.12.3", vec![[3, 12, 3]], vec![[3, 12, 4]]),
            (">=3.13.0rc1", vec![[3, 13, 0]], vec![[3, 12, 9]]),
            ("===3.9.1", vec![[3, 9, 1]], vec![[3, 9, 2]]),
        ] {
            let parsed: PythonRange = range.parse().unwrap();
            for version in inside {
                assert!(parsed.allows(version), "{range} {version:?}");
            }
            for version in outside {
                assert!(!parsed.allows(version), "{range} {version:?}");
            }
        }
    }

    #[test]
    fn what_is_no_specifier_is_named() {
        for wrong in ["", "3.9", "^3.9", ">=", ">=three", ">=3.9.*", "~=3", ">=3.9,", "==1.2.3.4", ">=3.9x1"]
        {
            let error = wrong.parse::<PythonRange>().unwrap_err();
            assert!(error.contains("write for instance"), "{wrong}: {error}");
        }
    }
}

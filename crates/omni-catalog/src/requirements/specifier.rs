//! Whether a text has the form of a dependency specifier (PEP 508).
//!
//! An installer has the last word. This finds at once what it would refuse later, and keeps out whatever would
//! be something else on its command line: an option, a path.

const OPERATORS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];

/// `Err` says what is wrong, as the rest of a sentence that began with the specifier.
pub(super) fn check(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err("has a line break or another control character in it".to_owned());
    }
    let name_end = text.find(|sign| !is_name_sign(sign)).unwrap_or(text.len());
    let (name, rest) = text.split_at(name_end);
    let ends_well = |sign: Option<char>| sign.is_some_and(|sign| sign.is_ascii_alphanumeric());
    if !ends_well(name.chars().next()) || !ends_well(name.chars().next_back()) {
        return Err("does not begin with the name of a package".to_owned());
    }
    let rest = extras(rest.trim_start())?.trim_start();
    if let Some(address) = rest.strip_prefix('@') {
        return url(address.trim());
    }
    let (versions, marker) = match rest.split_once(';') {
        Some((versions, marker)) => (versions.trim(), Some(marker.trim())),
        None => (rest.trim(), None),
    };
    if marker == Some("") {
        return Err("ends in `;` without a condition".to_owned());
    }
    let versions = versions.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).unwrap_or(versions);
    if versions.is_empty() { Ok(()) } else { versions.split(',').try_for_each(|part| version(part.trim())) }
}

fn is_name_sign(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || matches!(sign, '.' | '_' | '-')
}

/// What follows `[a, b]`.
fn extras(text: &str) -> Result<&str, String> {
    let Some(inner) = text.strip_prefix('[') else { return Ok(text) };
    let (names, rest) = inner.split_once(']').ok_or("has a `[` without `]`")?;
    let good = |name: &str| !name.is_empty() && name.chars().all(is_name_sign);
    if names.trim().is_empty() || names.split(',').all(|name| good(name.trim())) {
        return Ok(rest);
    }
    Err(format!("has `[{names}]`, which is no list of extras"))
}

fn url(text: &str) -> Result<(), String> {
    // A blank parts the address from a condition.
    let address = text.split(" ;").next().unwrap_or_default().trim();
    let scheme = address.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let good = scheme.starts_with(|sign: char| sign.is_ascii_alphabetic())
        && scheme.chars().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '+' | '-' | '.'));
    if !good || address.contains(char::is_whitespace) {
        return Err("has no address after `@`, such as `https://…` or `file:///…`".to_owned());
    }
    Ok(())
}

fn version(text: &str) -> Result<(), String> {
    if text.starts_with('^') {
        return Err(format!("has `{text}`, which only Poetry knows; write a range such as `>=1.2,<2`"));
    }
    let number = OPERATORS.iter().find_map(|operator| text.strip_prefix(operator));
    let Some(number) = number.map(str::trim) else {
        return Err(format!("has `{text}` where a version belongs, such as `>=1.2`"));
    };
    let good = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '.' | '*' | '+' | '!' | '-' | '_');
    if number.is_empty() || !number.chars().all(good) || !number.contains(|sign: char| sign.is_ascii_digit())
    {
        return Err(format!("has `{text}`, which is no version"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_installers_take_is_taken() {
        for good in [
            "idna",
            "idna==3.7",
            "requests[socks,security] >= 2.8.1, == 2.8.* ; python_version < '3.12'",
            "name @ file:///tmp/conflict-1.0-py3-none-any.whl",
            "name[x] @ git+https://example.org/a.git@v1 ; os_name == 'posix'",
            "ruamel.yaml (>=0.17,<1)",
            "a~=1.0rc1",
            "torch==2.1.0+cu118",
            "x!=1!2.0",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_none_or_would_be_something_else_is_refused() {
        for (wrong, named) in [
            ("", "name of a package"),
            ("--index-url=https://evil", "name of a package"),
            ("-e .", "name of a package"),
            ("./local", "name of a package"),
            ("/abs/path.whl", "name of a package"),
            ("idna 3.7", "where a version belongs"),
            ("idna=3.7", "where a version belongs"),
            ("idna^3.7", "Poetry"),
            ("idna==", "no version"),
            ("idna==3.7;", "without a condition"),
            ("idna[", "without `]`"),
            ("idna\n--pre", "control character"),
            ("idna @ ", "no address"),
            ("idna @ ../x.whl", "no address"),
            ("idna>=1,", "where a version belongs"),
        ] {
            let error = check(wrong).unwrap_err();
            assert!(error.contains(named), "{wrong}: {error}");
        }
    }
}

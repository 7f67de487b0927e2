//! Is a text a URI or a template of URIs, and which variables has it?
//!
//! Templates are the part of RFC 6570 that FastMCP takes: `{x}` between slashes, `{x*}` across them, `{?a,b}` at the end.

use omni_call::APP_PAGE;

/// What a text is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Uri {
    Plain,
    Template(Vec<Variable>),
}

/// A variable of a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    /// From `{?name}`: a URI may leave it out.
    pub(crate) optional: bool,
}

/// Why a text is neither, and what to write instead.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UriFault {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Schemes of URIs that say themselves what they stand for, or what to do: nobody asks a server for one.
const NEVER_READ: [&str; 6] = ["about", "blob", "data", "javascript", "mailto", "vbscript"];

/// Variables of one template: nobody writes more by hand.
const VARIABLES_MAX: usize = 32;

fn fault<T>(message: impl Into<String>, help: impl Into<String>) -> Result<T, UriFault> {
    Err(UriFault { message: message.into(), help: help.into() })
}

/// Takes a URI or a template apart.
pub(crate) fn parse(text: &str) -> Result<Uri, UriFault> {
    let Some((scheme, rest)) = text.split_once(':') else {
        let name = text.trim_matches('/');
        let example = if name.is_empty() { "notes" } else { name };
        return fault("has no scheme", format!("a scheme stands first, as in `notes://{example}`"));
    };
    check_scheme(scheme, rest)?;
    if scheme.eq_ignore_ascii_case("omni") && !rest.starts_with("//skill/") {
        return fault(
            "is in the scheme `omni`, which is the server's own",
            "choose another scheme, or leave the URI out for `omni://skill/<skill>/<name>`",
        );
    }
    if rest.trim_matches('/').is_empty() {
        return fault("names nothing after its scheme", format!("say what, as in `{scheme}://today`"));
    }
    let variables = variables(rest)?;
    Ok(if variables.is_empty() { Uri::Plain } else { Uri::Template(variables) })
}

/// What a client may do with such a URI instead of asking the server.
pub(crate) fn doubt(text: &str) -> Option<(String, &'static str)> {
    let (scheme, _) = text.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    matches!(&*scheme, "http" | "https").then(|| {
        let message =
            format!("clients may fetch `{scheme}` URIs from the web themselves, without asking this server");
        (message, "choose a scheme of your own, unless the page is there too")
    })
}

/// The media type of what has such a URI, where its scheme says that.
pub(crate) fn own_type(text: &str) -> Option<String> {
    let scheme = text.split_once("://")?.0;
    scheme.eq_ignore_ascii_case("ui").then(|| APP_PAGE.to_owned())
}

/// The shape that a template's URIs have, whatever its variables are called: two templates of one shape are one address.
pub(crate) fn shape(text: &str) -> String {
    let mut shape = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        shape.push_str(before);
        let (expression, after) = after.split_once('}').unwrap_or((after, ""));
        match expression.chars().next() {
            Some('?') => {}
            _ if expression.ends_with('*') => shape.push_str("{*}"),
            _ => shape.push_str("{}"),
        }
        rest = after;
    }
    shape + rest
}

fn check_scheme(scheme: &str, rest: &str) -> Result<(), UriFault> {
    let mut letters = scheme.chars();
    let starts = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
    if !starts || !letters.all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '+' | '-' | '.')) {
        return fault(
            format!("has `{scheme}` for a scheme"),
            "a scheme is made of letters, digits, `+`, `-` and `.`, begins with a letter and holds no variable",
        );
    }
    // `data://config` is what FastMCP's own pages write, and nothing that a client could take for content.
    if NEVER_READ.contains(&&*scheme.to_ascii_lowercase()) && !rest.starts_with("//") {
        return fault(
            format!("is in the scheme `{scheme}`, which no client asks a server for"),
            "choose a scheme of your own, as in `notes://today`",
        );
    }
    Ok(())
}

fn variables(rest: &str) -> Result<Vec<Variable>, UriFault> {
    let mut variables: Vec<Variable> = Vec::new();
    let mut rest = rest;
    // The variable that the part in hand follows directly.
    let mut before: Option<String> = None;
    let mut queried = false;
    while !rest.is_empty() {
        let end = rest.find('{').unwrap_or(rest.len());
        let (literal, after) = rest.split_at(end);
        check_literal(literal)?;
        if queried && !(literal.is_empty() && after.is_empty()) {
            return fault(
                "goes on after its query",
                "`{?…}` stands at the end, once, with all names of the query",
            );
        }
        if !literal.is_empty() {
            before = None;
        }
        let Some(after) = after.strip_prefix('{') else { break };
        let Some((expression, after)) = after.split_once('}') else {
            return fault(
                "has a `{` that nothing closes",
                "write `{name}`; a brace in a URI itself is `%7B`",
            );
        };
        queried = expression.starts_with('?');
        for variable in expression_variables(expression)? {
            if variables.iter().any(|known| known.name == variable.name) {
                return fault(format!("has `{}` twice", variable.name), "name each variable once");
            }
            if !queried && let Some(first) = &before {
                return fault(
                    format!(
                        "has `{}` right after `{first}`, so that no URI tells where one ends",
                        variable.name
                    ),
                    format!("put something between, as in `{{{first}}}/{{{}}}`", variable.name),
                );
            }
            if variables.len() == VARIABLES_MAX {
                return fault(
                    format!("has more than {VARIABLES_MAX} variables"),
                    "take some together, as in `{path*}`",
                );
            }
            before = Some(variable.name.clone());
            variables.push(variable);
        }
        rest = after;
    }
    Ok(variables)
}

fn expression_variables(expression: &str) -> Result<Vec<Variable>, UriFault> {
    if let Some(names) = expression.strip_prefix('?') {
        return names
            .split(',')
            .map(|name| Ok(Variable { name: variable_name(name.trim(), expression)?, optional: true }))
            .collect();
    }
    if let Some(name) = expression.strip_prefix(['+', '#', '/', '.', ';', '&']) {
        let name = name.trim_end_matches('*');
        return fault(
            format!("has `{{{expression}}}`, which is not read here"),
            format!(
                "write `{{{name}}}`, `{{{name}*}}` for a part that may hold slashes, or `{{?{name}}}` for a query"
            ),
        );
    }
    let name = expression.strip_suffix('*').unwrap_or(expression);
    if let Some((first, _)) = name.split_once([',', ':']) {
        return fault(
            format!("has `{{{expression}}}`, which is not read here"),
            format!("one variable stands in braces, as in `{{{first}}}`"),
        );
    }
    Ok(vec![Variable { name: variable_name(name, expression)?, optional: false }])
}

fn variable_name(name: &str, expression: &str) -> Result<String, UriFault> {
    let starts = name.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_');
    if starts && name.chars().all(|letter| letter.is_alphanumeric() || letter == '_') {
        return Ok(name.to_owned());
    }
    fault(
        format!("has `{{{expression}}}`, where no parameter's name stands"),
        "a variable is named as the parameter of the function that it is for, as in `{name}`",
    )
}

fn check_literal(text: &str) -> Result<(), UriFault> {
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if letter == '%' {
            let code: String = rest.by_ref().take(2).collect();
            if code.len() != 2 || !code.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return fault(
                    "has a `%` that no two hexadecimal digits follow",
                    "write a percent sign itself as `%25`",
                );
            }
            continue;
        }
        let allowed = letter.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=".contains(letter);
        if !allowed {
            let coded: String = letter.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
            let shown =
                if letter == ' ' { "a blank".to_owned() } else { format!("`{}`", letter.escape_debug()) };
            return fault(format!("holds {shown}, which no URI does"), format!("write it as `{coded}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        match parse(text) {
            Ok(Uri::Template(variables)) => variables
                .into_iter()
                .map(|variable| if variable.optional { format!("?{}", variable.name) } else { variable.name })
                .collect(),
            Ok(Uri::Plain) => Vec::new(),
            Err(fault) => panic!("{text}: {}", fault.message),
        }
    }

    #[test]
    fn the_variables_of_a_template_are_read_in_its_order() {
        assert_eq!(names("notes://today"), [""; 0]);
        assert_eq!(names("urn:isbn:12"), [""; 0]);
        assert_eq!(names("data://config"), [""; 0]);
        assert_eq!(names("a+b.c-1://x/%20"), [""; 0]);
        assert_eq!(names("notes://{year}/{path*}{?full,limit}"), ["year", "path", "?full", "?limit"]);
        assert_eq!(names("notes://{owner}-{repo}.git"), ["owner", "repo"]);
        assert_eq!(names("notes://search{?q}"), ["?q"]);
        assert_eq!(names("omni://skill/git/log"), [""; 0]);
    }

    #[test]
    fn what_is_no_uri_is_told_with_what_to_write() {
        for (text, message, help) in [
            ("notes", "has no scheme", "notes://notes"),
            ("", "has no scheme", "notes://notes"),
            ("{scheme}://x", "has `{scheme}` for a scheme", "no variable"),
            ("1x://a", "has `1x` for a scheme", "begins with a letter"),
            ("data:text/plain,x", "no client asks", "scheme of your own"),
            ("javascript:alert(1)", "no client asks", "scheme of your own"),
            ("omni://tools/x", "the server's own", "leave the URI out"),
            ("OMNI://result/x", "the server's own", "leave the URI out"),
            ("notes://", "names nothing", "notes://today"),
            ("notes://a b", "holds a blank", "%20"),
            ("notes://ü", "holds `ü`", "%C3%BC"),
            ("notes://a}b", "holds `}`", "%7D"),
            ("notes://a%2", "no two hexadecimal digits", "%25"),
            ("notes://{a", "that nothing closes", "%7B"),
            ("notes://{}", "where no parameter's name stands", "{name}"),
            ("notes://{a-b}", "where no parameter's name stands", "{name}"),
            ("notes://{?}", "where no parameter's name stands", "{name}"),
            ("notes://{+path}", "not read here", "{path*}"),
            ("notes://{a,b}", "not read here", "{a}"),
            ("notes://{a:3}", "not read here", "{a}"),
            ("notes://{a}/{a}", "has `a` twice", "once"),
            ("notes://{a}{b}", "right after `a`", "{a}/{b}"),
            ("notes://{?a}/x", "goes on after its query", "at the end"),
            ("notes://{?a}{?b}", "goes on after its query", "at the end"),
        ] {
            let fault = parse(text).unwrap_err();
            assert!(fault.message.contains(message), "{text}: {}", fault.message);
            assert!(fault.help.contains(help), "{text}: {}", fault.help);
        }
    }

    #[test]
    fn a_template_of_many_variables_is_refused_and_not_searched() {
        let many: Vec<String> = (0..100_000).map(|number| format!("{{v{number}}}")).collect();
        let fault = parse(&format!("a://{}", many.join("/"))).unwrap_err();
        assert_eq!(fault.message, "has more than 32 variables");
    }

    #[test]
    fn templates_that_differ_in_the_names_of_their_variables_have_one_shape() {
        assert_eq!(shape("notes://{a}/x{?q}"), shape("notes://{b}/x"));
        assert_ne!(shape("notes://{a}/x"), shape("notes://{a*}/x"));
        assert_ne!(shape("notes://{a}"), shape("notes://a"));
    }
}

//! Which values may the options of a resource have, and do its URI and its function fit?

use omni_call::{OptionPlace, OptionValue, ToolOption};
use serde_json::{Map, Value as Json};

use crate::given_options::{Options, Wanted};
use crate::resource::CacheScope;
use crate::suggest::closest;
use crate::uri::{Uri, Variable};
use crate::value::Value;

/// The types that the registry of media types has at the top.
const TOP_TYPES: [&str; 11] = [
    "application",
    "audio",
    "example",
    "font",
    "haptics",
    "image",
    "message",
    "model",
    "multipart",
    "text",
    "video",
];

/// Faults of one function that are told: more tell nobody anything.
const MISFITS_MAX: usize = 8;

/// What MCP says of a resource beside its content.
const ANNOTATIONS: [&str; 3] = ["audience", "priority", "lastModified"];

/// Sets one of the options that only resources have. `None` when it is none of these.
pub(crate) fn set(
    options: &mut Options,
    option: &ToolOption,
    value: &Value,
    at: u32,
) -> Option<Result<(), Wanted>> {
    Some(match option.name {
        "uri" => value.str().map(|text| options.uri = Some((text.to_owned(), at))).ok_or(Wanted::AsSaid),
        "mime_type" => mime_type(value).map(|text| options.mime_type = Some(text)),
        "size" => match value {
            Value::Int(bytes) => {
                u64::try_from(*bytes).map(|bytes| options.size = Some(bytes)).map_err(|_| Wanted::AsSaid)
            }
            _ => Err(Wanted::AsSaid),
        },
        "ttl" => {
            let read = match value {
                Value::Int(seconds) => option.seconds(*seconds as f64, OptionPlace::Resource),
                Value::Float(seconds) => option.seconds(*seconds, OptionPlace::Resource),
                _ => None,
            };
            match read {
                Some(OptionValue::Milliseconds(time)) => {
                    options.cache.ttl_ms = Some(time);
                    Ok(())
                }
                _ => Err(Wanted::AsSaid),
            }
        }
        "scope" => match value.str() {
            Some("public") => {
                options.cache.scope = Some(CacheScope::Public);
                Ok(())
            }
            Some("private") => {
                options.cache.scope = Some(CacheScope::Private);
                Ok(())
            }
            _ => Err(Wanted::AsSaid),
        },
        _ => return None,
    })
}

/// `text/markdown`, `text/plain; charset=utf-8`.
fn mime_type(value: &Value) -> Result<String, Wanted> {
    let text = value.str().ok_or(Wanted::AsSaid)?;
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let Some((top, sub)) = name.trim_end().split_once('/') else { return Err(Wanted::AsSaid) };
    let token = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    if !token(top) || !token(sub) || parameters.chars().any(char::is_control) || !parameters.is_ascii() {
        return Err(Wanted::AsSaid);
    }
    let lower = top.to_ascii_lowercase();
    if !TOP_TYPES.contains(&&*lower) && lower != "chemical" && !lower.starts_with("x-") {
        return Err(match closest(&lower, &TOP_TYPES) {
            Some(near) => Wanted::Instead(format!("a media type: did you mean `{near}/{sub}`?")),
            None => Wanted::Instead(format!("a media type, and `{top}` is no kind of those")),
        });
    }
    Ok(text.to_owned())
}

/// `annotations=`: each member that is wrong is left out, and told by `report`: what, and what to do.
pub(crate) fn annotations(
    value: &Value,
    mut report: impl FnMut(String, String),
) -> Option<Map<String, Json>> {
    let (Value::Dict(_), Some(Json::Object(given))) = (value, value.json()) else { return None };
    let mut kept = Map::new();
    for (name, value) in given {
        if value.is_null() {
            continue;
        }
        let wanted = match &*name {
            "audience" => (!is_audience(&value)).then_some("a list of \"user\" and \"assistant\""),
            "priority" => (!value.as_f64().is_some_and(|priority| (0.0..=1.0).contains(&priority)))
                .then_some("a number from 0 to 1"),
            "lastModified" => (!value.as_str().is_some_and(is_time))
                .then_some("a time as ISO 8601 writes it: YYYY-MM-DDThh:mm:ssZ"),
            _ => match closest(&name, &ANNOTATIONS) {
                Some(near) => {
                    report(format!("`annotations=` has no `{name}`"), format!("did you mean `{near}`?"));
                    continue;
                }
                // Hints of other frameworks pass, as MCP lets them.
                None => None,
            },
        };
        match wanted {
            Some(wanted) => {
                report(
                    format!("`{name}` of `annotations=` must be {wanted}"),
                    "it is not applied".to_owned(),
                );
            }
            None => {
                kept.insert(name, value);
            }
        }
    }
    Some(kept)
}

fn is_audience(value: &Json) -> bool {
    let role = |item: &Json| matches!(item.as_str(), Some("user" | "assistant"));
    value.as_array().is_some_and(|items| !items.is_empty() && items.iter().all(role))
}

/// `2026-01-31`, `2026-01-31T12:00:00Z`, `2026-01-31T12:00+02:00`.
fn is_time(text: &str) -> bool {
    let (date, time) = text.split_once(['T', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let numbers = |text: &str, mark: char, widths: &[usize]| {
        let parts: Vec<&str> = text.split(mark).collect();
        parts.len() == widths.len()
            && parts
                .iter()
                .zip(widths)
                .all(|(part, width)| part.len() == *width && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let clock = |text: &str| {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        (numbers(whole, ':', &[2, 2, 2]) || numbers(whole, ':', &[2, 2]))
            && !fraction.is_empty()
            && fraction.bytes().all(|byte| byte.is_ascii_digit())
    };
    numbers(date, '-', &[4, 2, 2])
        && time.is_none_or(|time| match time.strip_suffix('Z') {
            Some(time) => clock(time),
            None => match time.split_once(['+', '-']) {
                Some((time, offset)) => clock(time) && numbers(offset, ':', &[2, 2]),
                None => clock(time),
            },
        })
}

/// Why a function and its URI do not fit, and what to do.
pub(crate) struct Misfit {
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Holds the variables of a URI against the parameters of its function, of which `schema` is the input.
pub(crate) fn misfits(
    function: &str,
    uri: Option<(&str, &Uri)>,
    schema: &Json,
    hidden: &[&str],
) -> Vec<Misfit> {
    let names: Vec<&str> = match schema.get("properties") {
        Some(Json::Object(properties)) => properties.keys().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    let required: Vec<&str> = match schema.get("required") {
        Some(Json::Array(required)) => required.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let variables: &[Variable] = match uri {
        Some((_, Uri::Template(variables))) => variables,
        _ => &[],
    };
    let mut misfits = Vec::new();
    for variable in variables {
        let name = &variable.name;
        if hidden.contains(&name.as_str()) {
            misfits.push(Misfit {
                message: format!(
                    "`{name}` of `{function}` is filled in by the server, and is a variable of the URI"
                ),
                help: "give the variable another name".to_owned(),
            });
        } else if !names.contains(&name.as_str()) {
            let help = match closest(name, &names) {
                Some(near) => format!("did you mean `{{{near}}}`?"),
                None => format!("add a parameter `{name}: str`, or take the variable out of the URI"),
            };
            misfits.push(Misfit {
                message: format!("`{function}` has no parameter for the variable `{name}`"),
                help,
            });
        } else if variable.optional && required.contains(&name.as_str()) {
            misfits.push(Misfit {
                message: format!("a URI may leave out `{name}`, as part of its query, and `{name}` of `{function}` has no default"),
                help: format!("give it one, as in `{name}: str = \"\"`"),
            });
        }
    }
    for name in required.iter().filter(|name| !variables.iter().any(|variable| variable.name == **name)) {
        if misfits.len() >= MISFITS_MAX {
            break;
        }
        // A slip in a variable's name was told above, from its side.
        if misfits.iter().any(|misfit| misfit.help.contains(&format!("`{{{name}}}`"))) {
            continue;
        }
        let help = match uri {
            Some((text, _)) => {
                let text = text.split("{?").next().unwrap_or(text).trim_end_matches('/');
                format!("write it into the URI, as in `{text}/{{{name}}}`, or give it a default")
            }
            None => format!(
                "give the resource a template, as in `@resource(\"{function}://{{{name}}}\")`, or the parameter a default"
            ),
        };
        misfits.push(Misfit {
            message: format!("`{name}` of `{function}` has no default and is no variable of the URI"),
            help,
        });
    }
    misfits
}

/// The schema of a template's variables: the input's, without the parameters that no URI gives.
pub(crate) fn variables_schema(schema: Json, uri: Option<&Uri>) -> Json {
    let Json::Object(mut schema) = schema else { return schema };
    let variables: &[Variable] = match uri {
        Some(Uri::Template(variables)) => variables,
        _ => &[],
    };
    let is_variable = |name: &str| variables.iter().any(|variable| variable.name == name);
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| is_variable(name));
    }
    if let Some(Json::Array(required)) = schema.get_mut("required") {
        required.retain(|name| name.as_str().is_some_and(is_variable));
    }
    if schema.get("required").is_some_and(|required| *required == Json::Array(Vec::new())) {
        schema.shift_remove("required");
    }
    // Definitions that only the parameters left out referred to.
    if !schema.get("properties").is_some_and(|properties| properties.to_string().contains("\"#/$defs/")) {
        schema.shift_remove("$defs");
    }
    Json::Object(schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_has_a_type_that_exists_and_a_subtype() {
        let read = |text: &str| mime_type(&Value::Str(text.to_owned()));
        for good in ["text/plain", "text/markdown; charset=utf-8", "application/vnd.api+json", "x-a/b"] {
            assert_eq!(read(good).ok().as_deref(), Some(good));
        }
        for bad in ["markdown", "text/", "/plain", "text/a b", "", "texts/plain", "notes/plain"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let Err(Wanted::Instead(said)) = read("aplication/json") else { panic!() };
        assert!(said.contains("did you mean `application/json`?"), "{said}");
    }

    #[test]
    fn a_time_is_written_as_iso_8601_writes_it() {
        for good in
            ["2026-01-31", "2026-01-31T12:00:00Z", "2026-01-31T12:00+02:00", "2026-01-31T12:00:00.123-01:00"]
        {
            assert!(is_time(good), "{good}");
        }
        for bad in
            ["yesterday", "2026-7-28", "28.07.2026", "2026-01-31T", "2026-01-31T12", "2026-01-31T12:00:00."]
        {
            assert!(!is_time(bad), "{bad}");
        }
    }
}

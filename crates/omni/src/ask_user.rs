//! Puts the questions of tools to the person who runs omni: at a terminal they are answered, elsewhere they are shown.

use std::io::{self, BufRead as _, IsTerminal as _};

use bytes::Bytes;
use omni_call::{Answer, Ask, AskMethod, BoxFuture, shown_line};
use serde_json::{Map, Value, json};

use crate::terminal;

/// How often a value is asked for that is none of those allowed.
const TRIES_MAX: usize = 3;

/// Puts a question to the person: a form to fill in, or a page to visit. Other questions are answered as unsupported.
///
/// When the question is taken back while a line is read, that line is still consumed.
pub(crate) fn ask(ask: Ask) -> BoxFuture<'static, Answer> {
    if ask.method != AskMethod::Elicit {
        return Box::pin(std::future::ready(Answer::unsupported(ask.method)));
    }
    let params: Value = serde_json::from_slice(&ask.params).unwrap_or_default();
    if !(io::stdin().is_terminal() && terminal::stderr_is_terminal()) {
        terminal::say(&unanswered(&params));
        return Box::pin(std::future::ready(result(&json!({ "action": "cancel" }))));
    }
    Box::pin(async move {
        let answered = tokio::task::spawn_blocking(move || {
            let ask_for = if is_page(&params) { page } else { form };
            ask_for(&params, &mut |text| terminal::say(text), &mut || {
                let mut line = String::new();
                // The end of the input and a failure of it both mean that there is no answer.
                io::stdin().lock().read_line(&mut line).ok().filter(|length| *length > 0)?;
                Some(line.trim().to_owned())
            })
        });
        result(&answered.await.unwrap_or_else(|_| json!({ "action": "cancel" })))
    })
}

fn result(value: &Value) -> Answer {
    Answer::Result(Bytes::from(value.to_string()))
}

fn is_page(params: &Value) -> bool {
    params["mode"] == "url"
}

fn url(params: &Value) -> String {
    shown_line(params["url"].as_str().unwrap_or("(it does not say which)")).into_owned()
}

fn message(params: &Value) -> String {
    terminal::indented(params["message"].as_str().unwrap_or("(it does not say what for)"))
}

fn properties(params: &Value) -> Map<String, Value> {
    params["requestedSchema"]["properties"].as_object().cloned().unwrap_or_default()
}

/// What a log shows of a question that nobody answers.
fn unanswered(params: &Value) -> String {
    let fields: Vec<String> = properties(params).keys().map(|name| format!("`{name}`")).collect();
    let fields = match fields.is_empty() {
        _ if is_page(params) => format!(" (at {})", url(params)),
        true => String::new(),
        false => format!(" (it wants {})", fields.join(", ")),
    };
    format!(
        "the tool asks: {}{fields}\n  no terminal is here to answer at, so the question is cancelled",
        message(params)
    )
}

/// Asks whether the person visits a page, which omni does not open: whoever reads its address decides.
fn page(params: &Value, say: &mut dyn FnMut(&str), read: &mut dyn FnMut() -> Option<String>) -> Value {
    say(&format!("the tool asks: {}", message(params)));
    say(&format!("  it wants this page visited, in a browser of yours: {}", url(params)));
    say("  do you? yes or no");
    let yes = read().is_some_and(|line| boolean(&line) == Some(true));
    json!({ "action": if yes { "accept" } else { "decline" } })
}

/// Asks for one value after the other. `read` gives the next line without its end, `None` when there are no more: that
/// declines.
fn form(params: &Value, say: &mut dyn FnMut(&str), read: &mut dyn FnMut() -> Option<String>) -> Value {
    let declined = || json!({ "action": "decline" });
    say(&format!("the tool asks: {}", message(params)));
    let properties = properties(params);
    if properties.is_empty() {
        say("  yes or no?");
        let yes = read().is_some_and(|line| boolean(&line) == Some(true));
        return if yes { json!({ "action": "accept", "content": {} }) } else { declined() };
    }
    say("  an empty line takes the default, or leaves the value out; the end of the input (Ctrl-D) declines");
    let required = &params["requestedSchema"]["required"];
    let required = |name: &str| required.as_array().is_some_and(|all| all.iter().any(|one| one == name));
    let mut content = Map::new();
    for (name, property) in properties {
        say(&prompt(&name, &property, required(&name)));
        let mut tries = 0;
        loop {
            let Some(line) = read() else { return declined() };
            let value = match (line.is_empty(), &property["default"]) {
                (true, Value::Null) if required(&name) => Err("a value is needed".to_owned()),
                (true, Value::Null) => break,
                (true, default) => Ok(default.clone()),
                (false, _) => value(&line, &property),
            };
            let value = value.and_then(|value| within_bounds(value, &property));
            match value {
                Ok(value) => {
                    content.insert(name, value);
                    break;
                }
                Err(why) => {
                    tries += 1;
                    if tries == TRIES_MAX {
                        say(&format!("  {why}; the question is cancelled"));
                        return json!({ "action": "cancel" });
                    }
                    say(&format!("  {why}"));
                }
            }
        }
    }
    json!({ "action": "accept", "content": content })
}

fn prompt(name: &str, property: &Value, required: bool) -> String {
    let text = |key: &str| property[key].as_str().map(str::to_owned);
    let title = text("title").filter(|title| title != name).map(|title| format!(" ({title})"));
    let description = text("description").map(|description| format!(", {description}"));
    let choices = choices(property).or_else(|| choices(&property["items"])).map(|choices| {
        let named = choices.iter().map(|(value, title)| match title {
            Some(title) if title != value => format!("{value} ({title})"),
            _ => value.clone(),
        });
        format!(": {}", named.collect::<Vec<_>>().join(", "))
    });
    let kind = match property["type"].as_str() {
        Some("boolean") => ", yes or no",
        Some("array") => ", several with commas",
        Some("integer" | "number") => ", a number",
        _ => "",
    };
    let default = match &property["default"] {
        Value::Null if required => String::new(),
        Value::Null => " [may be left out]".to_owned(),
        default => format!(" [default: {default}]"),
    };
    let parts = [title, description].into_iter().flatten().collect::<String>();
    let line = format!("{name}{parts}{kind}{}{default}", choices.unwrap_or_default());
    format!("  {}", shown_line(&line))
}

/// The values that a property may have, with their titles.
fn choices(property: &Value) -> Option<Vec<(String, Option<String>)>> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(values) = property["enum"].as_array() {
        let titles = property["enumNames"].as_array();
        let titled = |(at, value)| Some((text(value)?, titles.and_then(|titles| text(titles.get(at)?))));
        return values.iter().enumerate().map(titled).collect();
    }
    let options = property["oneOf"].as_array().or_else(|| property["anyOf"].as_array())?;
    options.iter().map(|option| Some((text(&option["const"])?, text(&option["title"])))).collect()
}

/// A line as the value that the property wants.
fn value(line: &str, property: &Value) -> Result<Value, String> {
    let among = |line: &str, choices: &[(String, Option<String>)]| {
        let found = choices
            .iter()
            .find(|(value, title)| value == line || title.as_deref() == Some(line))
            .map(|(value, _)| Value::from(value.clone()));
        let all = || choices.iter().map(|(value, _)| format!("`{value}`")).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("`{line}` is none of {}", all()))
    };
    match property["type"].as_str() {
        Some("boolean") => boolean(line).map(Value::from).ok_or_else(|| "yes or no?".to_owned()),
        Some("integer") => {
            line.parse::<i64>().map(Value::from).map_err(|_| format!("`{line}` is no whole number"))
        }
        Some("number") => match line.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(json!(number)),
            _ => Err(format!("`{line}` is no number")),
        },
        Some("array") => {
            let values = line.split(',').map(str::trim).filter(|value| !value.is_empty());
            match choices(&property["items"]) {
                Some(choices) => values.map(|value| among(value, &choices)).collect(),
                None => Ok(values.map(Value::from).collect()),
            }
        }
        _ => match choices(property) {
            Some(choices) => among(line, &choices),
            None => Ok(line.into()),
        },
    }
}

/// The value again when it is as large and as long as the property wants it; the server would refuse another.
fn within_bounds(value: Value, property: &Value) -> Result<Value, String> {
    let (size, least, most, what) = match &value {
        Value::Number(number) => (number.as_f64(), "minimum", "maximum", ""),
        Value::String(text) => (count(text.chars().count()), "minLength", "maxLength", " characters"),
        Value::Array(items) => (count(items.len()), "minItems", "maxItems", " values"),
        _ => return Ok(value),
    };
    let Some(size) = size else { return Ok(value) };
    let bound = |name: &str| property[name].as_f64();
    let plain = |bound: f64| shown_line(&Value::from(bound).to_string()).trim_end_matches(".0").to_owned();
    match (bound(least).filter(|least| size < *least), bound(most).filter(|most| size > *most)) {
        (Some(least), _) => Err(format!("{}{what} at least", plain(least))),
        (None, Some(most)) => Err(format!("{}{what} at most", plain(most))),
        (None, None) => Ok(value),
    }
}

fn count(length: usize) -> Option<f64> {
    u32::try_from(length).ok().map(f64::from)
}

fn boolean(line: &str) -> Option<bool> {
    match line.to_lowercase().as_str() {
        "y" | "yes" | "true" => Some(true),
        "n" | "no" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(params: &Value, lines: &[&str]) -> (Value, String) {
        let (mut said, mut lines) = (String::new(), lines.iter());
        let mut say = |text: &str| {
            said.push_str(text);
            said.push('\n');
        };
        let answer = form(params, &mut say, &mut || lines.next().map(|line| (*line).to_owned()));
        (answer, said)
    }

    #[test]
    fn each_kind_of_value_is_asked_for_and_read() {
        let params = json!({"message": "about you", "requestedSchema": {"type": "object", "required": ["name"],
        "properties": {
            "name": {"type": "string", "title": "Your name"},
            "age": {"type": "integer", "description": "in years"},
            "size": {"type": "number", "default": 1.5},
            "member": {"type": "boolean"},
            "color": {"type": "string", "enum": ["red", "green"]},
            "mode": {"type": "string", "oneOf": [{"const": "a", "title": "Alpha"}, {"const": "b", "title": "Beta"}]},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["x", "y"]}},
            "note": {"type": "string"},
        }}});
        let (answer, said) =
            answered(&params, &["", "Ada", "old", "36", "", "yes", "blue", "green", "Beta", "x, y", ""]);
        let content = json!({"name": "Ada", "age": 36, "size": 1.5, "member": true, "color": "green", "mode": "b",
            "tags": ["x", "y"]});
        assert_eq!(answer, json!({"action": "accept", "content": content}));
        for part in [
            "the tool asks: about you",
            "name (Your name)\n",
            "a value is needed",
            "age, in years, a number [may be left out]",
            "`old` is no whole number",
            "size, a number [default: 1.5]",
            "color: red, green",
            "`blue` is none of `red`, `green`",
            "mode: a (Alpha), b (Beta)",
            "tags, several with commas: x, y",
        ] {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
    }

    #[test]
    fn what_is_too_small_or_too_long_is_asked_for_again() {
        let params = json!({"message": "m", "requestedSchema": {"type": "object", "properties": {
            "age": {"type": "integer", "minimum": 18, "maximum": 99},
            "share": {"type": "number", "maximum": 0.5},
            "name": {"type": "string", "minLength": 2, "maxLength": 3},
            "tags": {"type": "array", "minItems": 2, "items": {"type": "string"}},
        }}});
        let (answer, said) =
            answered(&params, &["17", "100", "18", "0.75", "0.5", "\u{e9}", "abcd", "abc", "a", "a,b"]);
        let content = json!({"age": 18, "share": 0.5, "name": "abc", "tags": ["a", "b"]});
        assert_eq!(answer, json!({"action": "accept", "content": content}));
        for part in [
            "18 at least",
            "99 at most",
            "0.5 at most",
            "2 characters at least",
            "3 characters at most",
            "2 values at least",
        ] {
            assert!(said.contains(part), "{part} is not in:\n{said}");
        }
    }

    #[test]
    fn the_end_of_the_input_declines_and_nonsense_cancels() {
        let params = json!({"message": "m", "requestedSchema": {"properties": {"n": {"type": "integer"}}}});
        assert_eq!(answered(&params, &[]).0, json!({"action": "decline"}));
        assert_eq!(answered(&params, &["a", "b", "c", "1"]).0, json!({"action": "cancel"}));
        let plain = json!({"message": "sure?"});
        assert_eq!(answered(&plain, &["y"]).0, json!({"action": "accept", "content": {}}));
        assert_eq!(answered(&plain, &["n"]).0, json!({"action": "decline"}));
        assert_eq!(answered(&plain, &[]).0, json!({"action": "decline"}));
    }

    #[test]
    fn a_page_is_shown_with_its_whole_address_and_visited_by_the_person() {
        let params = json!({"mode": "url", "message": "sign in", "url": "https://a.example/\u{1b}[31m?x=1"});
        for (line, action) in [(Some("y"), "accept"), (Some("no"), "decline"), (None, "decline")] {
            let mut said = String::new();
            let answer = page(&params, &mut |text| said.push_str(text), &mut || line.map(str::to_owned));
            assert_eq!(answer, json!({ "action": action }));
            assert!(said.contains("sign in") && said.contains("https://a.example/"), "{said}");
            assert!(!said.contains('\u{1b}'), "{said}");
        }
        assert!(unanswered(&params).contains("(at https://a.example/"), "{}", unanswered(&params));
    }

    #[test]
    fn what_nobody_can_answer_is_told_with_its_fields() {
        let params =
            json!({"message": "who\nare you?", "requestedSchema": {"properties": {"name": {}, "age": {}}}});
        let text = unanswered(&params);
        assert!(text.starts_with("the tool asks: who\n  are you? (it wants `name`, `age`)\n"), "{text}");
    }
}

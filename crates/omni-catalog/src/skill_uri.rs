//! The URIs of skills, of their files and of their other resources: `omni://skill/<skill>/<path>`.

use crate::uri_form::{SKILLS, normalized};
use crate::uri_template::decoded;

/// The URI of a skill's page, `SKILL.md`: what the skill is known by.
pub fn skill_uri(folder: &str) -> String {
    skill_file_uri(folder, "SKILL.md")
}

/// The URI of a file of a skill, or of a folder in it. `path` is relative to the skill's folder, with `/`.
pub fn skill_file_uri(folder: &str, path: &str) -> String {
    let mut uri = directory_uri(folder);
    uri.push('/');
    quote(path, true, &mut uri);
    uri
}

/// The URI of a skill's folder.
pub(crate) fn directory_uri(folder: &str) -> String {
    let mut uri = SKILLS.to_owned();
    quote(folder, false, &mut uri);
    uri
}

/// The scheme of pages that hosts show beside a chat.
const APP_SCHEME: &str = "ui://";

/// The URI of a page of a skill that hosts show beside a chat. `path` is relative to the folder of such pages.
pub(crate) fn app_page_uri(folder: &str, path: &str) -> String {
    let mut uri = APP_SCHEME.to_owned();
    quote(folder, false, &mut uri);
    uri.push('/');
    quote(path, true, &mut uri);
    uri
}

/// Whether a URI, or the template of some, is that of a page that hosts show beside a chat.
pub(crate) fn is_app_page(uri: &str) -> bool {
    uri.get(..APP_SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(APP_SCHEME))
}

/// The URI of a resource of a skill whose author gives none. A slash in its name parts nothing.
pub(crate) fn resource_uri(folder: &str, name: &str) -> String {
    let mut uri = directory_uri(folder);
    uri.push('/');
    quote(name, false, &mut uri);
    uri
}

/// The folder of the skill, and the path or name in it, of which that is the URI.
pub(crate) fn skill_and_path(uri: &str) -> Option<(String, String)> {
    let (skill, path) = uri.strip_prefix(SKILLS)?.split_once('/')?;
    let plain = |text: &str| decoded(text, false).unwrap_or_else(|| text.to_owned());
    Some((plain(skill), plain(path)))
}

/// Whether a URI, or the template of some, is that of something of a skill.
pub(crate) fn is_of_skills(uri: &str) -> bool {
    normalized(uri).starts_with(SKILLS)
}

/// The folder of the skill that a URI, in any spelling, lies beneath.
pub(crate) fn skill_of(uri: &str) -> Option<String> {
    let form = normalized(uri);
    let (skill, _) = form.strip_prefix(SKILLS)?.split_once('/')?;
    decoded(skill, false)
}

/// Writes a text as a part of a URI.
fn quote(text: &str, slash: bool, uri: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.' | b'-' | b'~' => uri.push(byte.into()),
            b'/' if slash => uri.push('/'),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_has_nothing_in_it_that_a_uri_must_not_have() {
        assert_eq!(skill_uri("notes"), "omni://skill/notes/SKILL.md");
        assert_eq!(skill_file_uri("a b", "x y/ü?#%.md"), "omni://skill/a%20b/x%20y/%C3%BC%3F%23%25.md");
        assert_eq!(directory_uri("a/b"), "omni://skill/a%2Fb");
        assert_eq!(resource_uri("a b", "x/y"), "omni://skill/a%20b/x%2Fy");
    }

    #[test]
    fn a_uri_says_of_which_skill_it_is() {
        let (skill, path) = ("a b".to_owned(), "x y/ü?#%.md".to_owned());
        assert_eq!(skill_and_path(&skill_file_uri(&skill, &path)), Some((skill, path)));
        assert_eq!(skill_and_path("omni://skill/a"), None);
        assert_eq!(skill_and_path("notes://a/b"), None);
    }
}

//! The URIs of skills and of their files: `omni://skill/<skill>/<path>`.

const SCHEME: &str = "omni://skill/";

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
    let mut uri = SCHEME.to_owned();
    quote(folder, false, &mut uri);
    uri
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
    }
}

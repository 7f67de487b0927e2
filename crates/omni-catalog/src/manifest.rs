//! Everything learnt from the skills folder, as one JSON document that depends on nothing but the files'
//! contents: the same files give the same bytes, on any machine and at any time.
//!
//! ```text
//! {"format":"omni-manifest","revision":2,"scanner":"<build>","check":"<blake3 of all that follows the line>",
//! "skills":[
//! {"folder":…,"digest":…,"files":[{"path":…,"bytes":…,"blake3":…}],"skill":{…},"tools":[…],"diagnostics":[…]},
//! …
//! ],
//! "diagnostics":[…]}
//! ```
//!
//! One line holds one skill, sorted by folder. `digest` names the contents of the skill's files: as long
//! as it is the same, the line is. A tool has its `name`, its `listing` as `tools/list` shows it, and a
//! `detail` with the run specification and where it comes from. The last member holds the findings that
//! belong to no single skill.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::Diagnostic;
use crate::checksummed_file::fingerprint;
use crate::record::Record;

/// A manifest that this build wrote, looked into only as far as its lines.
#[derive(Debug)]
pub(crate) struct Manifest<'a> {
    skills: Vec<Line<'a>>,
}

#[derive(Debug)]
struct Line<'a> {
    folder: String,
    digest: String,
    text: &'a str,
}

#[derive(Deserialize)]
struct Head {
    format: String,
    revision: u32,
    scanner: String,
    check: String,
}

#[derive(Deserialize)]
struct Key {
    folder: String,
    digest: String,
}

const FORMAT: &str = "omni-manifest";
const REVISION: u32 = 2;

/// Writes a manifest from the lines of its skills, sorted by folder.
pub(crate) fn write<'a>(records: impl Iterator<Item = &'a str>, findings: &[Diagnostic]) -> String {
    let mut body = String::from("\"skills\":[");
    for (n, record) in records.enumerate() {
        body.push_str(if n == 0 { "\n" } else { ",\n" });
        body.push_str(record);
    }
    body.push_str("\n],\n\"diagnostics\":");
    body.push_str(&serde_json::to_string(findings).unwrap_or_default());
    body.push_str("}\n");
    format!(
        "{{\"format\":\"{FORMAT}\",\"revision\":{REVISION},\"scanner\":\"{}\",\"check\":\"{}\",\n{body}",
        fingerprint(),
        blake3::hash(body.as_bytes()).to_hex()
    )
}

impl<'a> Manifest<'a> {
    /// `None` for anything but a whole manifest of this build.
    pub(crate) fn read(text: &'a str) -> Option<Manifest<'a>> {
        let (head, body) = text.split_at(text.find('\n')? + 1);
        let head: Head = serde_json::from_str(&format!("{}}}", head.trim_end().strip_suffix(',')?)).ok()?;
        let whole = head.check == blake3::hash(body.as_bytes()).to_hex().as_str();
        if head.format != FORMAT || head.revision != REVISION || head.scanner != fingerprint() || !whole {
            return None;
        }
        // The cut is inside the document's braces, so only the list itself is JSON here.
        let list = body.strip_prefix("\"skills\":")?;
        let lines: Vec<&'a RawValue> = serde_json::Deserializer::from_str(list).into_iter().next()?.ok()?;
        let mut skills = Vec::with_capacity(lines.len());
        for line in lines {
            let Key { folder, digest } = serde_json::from_str(line.get()).ok()?;
            skills.push(Line { folder, digest, text: line.get() });
        }
        Some(Manifest { skills })
    }

    /// The line of a skill, and the digest of the files it was made from.
    pub(crate) fn find(&self, folder: &str) -> Option<(&'a str, &str)> {
        let at = self.skills.binary_search_by(|line| line.folder.as_str().cmp(folder)).ok()?;
        self.skills.get(at).map(|line| (line.text, line.digest.as_str()))
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = Record<'a>> {
        self.skills.iter().filter_map(|line| serde_json::from_str(line.text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_cut_or_edited_anywhere_is_none() {
        let record =
            r#"{"folder":"a","digest":"d","files":[],"skill":{"folder":"a"},"tools":[],"diagnostics":[]}"#;
        let text = write([record].into_iter(), &[]);
        assert_eq!(Manifest::read(&text).unwrap().find("a"), Some((record, "d")));
        assert_eq!(Manifest::read(&text).unwrap().find("b"), None);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "the document is JSON as a whole");
        for at in 0..text.len() {
            assert!(Manifest::read(&text[..at]).is_none(), "cut at {at}");
        }
        assert!(Manifest::read(&text.replace("\"digest\":\"d\"", "\"digest\":\"e\"")).is_none());
        assert!(Manifest::read(&text.replace("\"revision\":2", "\"revision\":1")).is_none());
        assert!(Manifest::read(&text.replace(env!("OMNI_CATALOG_FINGERPRINT"), "another")).is_none());
    }
}

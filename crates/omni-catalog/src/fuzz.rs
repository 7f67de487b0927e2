//! What must hold of any file or list that the catalogue reads: run over its corpus by the tests, and by a fuzzer by
//! hand.

use bytes::Bytes;
use serde_json::Value;

use omni_call::ExecutorKind;

use crate::encoded_list::{self, EncodedList};
use crate::file_stamps::FileStamps;
use crate::front_matter::{self, Entry, Yaml};
use crate::manifest::Manifest;
use crate::{NameStyle, checksummed_file, pyproject, remote_list};

/// A `SKILL.md`: whatever is read of it has a place in the file, and so has whatever is wrong with it.
pub fn front_matter(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let (read, problems) = front_matter::read(&text);
    let lines = 1 + text.split(['\n', '\r']).count();
    let places = problems.iter().map(|problem| problem.place);
    for place in places.chain(read.entries.iter().flat_map(places_of)) {
        assert!(place.line as usize <= lines, "line {} of {lines}", place.line);
    }
    for entry in &read.entries {
        let _ = entry.value.json();
    }
}

fn places_of(entry: &Entry) -> Vec<front_matter::Position> {
    let mut places = vec![entry.place];
    if let Yaml::Map(entries) = &entry.value {
        places.extend(entries.iter().flat_map(places_of));
    }
    places
}

/// A `pyproject.toml`.
pub fn pyproject(text: &[u8]) {
    let _ = pyproject::read(&String::from_utf8_lossy(text));
}

/// The list of a runner: each tool that is taken is an object of its own.
pub fn runner_list(list: &[u8]) {
    if let Ok(described) = remote_list::read("a runner", list, ExecutorKind::Runner) {
        for tool in described.tools.values() {
            let listing: Value = serde_json::from_str(&tool.listing).expect("a listing is JSON");
            assert!(listing.is_object());
        }
    }
}

/// A cached list whose checksum is right although its bytes are not what was written: no question about it panics.
pub fn list_cache(payload: &[u8]) {
    for style in [NameStyle::Underscore, NameStyle::Dotted, NameStyle::Canonical] {
        let file: Bytes = checksummed_file::encode(encoded_list::MAGIC, payload).into();
        let Some(encoded) = EncodedList::decode(file, style) else { continue };
        for page in 0..encoded.page_count().min(10) {
            let _ = encoded.page(page);
        }
        for tool in 0..encoded.tool_count().min(100) {
            let _ =
                (encoded.name(tool), encoded.wire_name(tool), encoded.listing(tool), encoded.detail(tool));
        }
        let keys: Vec<String> = encoded.keys().take(100).map(|(key, _)| key.to_owned()).collect();
        for key in keys.iter().map(String::as_str).chain(["", "a", "notes_save"]) {
            let _ = encoded.find(key).take(100).count();
        }
        let _ = (encoded.skills(), encoded.diagnostics());
    }
    if let Some(known) = FileStamps::decode(payload) {
        assert_eq!(known.encode(), payload, "what is read is what was written");
    }
    if let Ok(text) = std::str::from_utf8(payload)
        && let Some(manifest) = Manifest::read(text)
    {
        let _ = manifest.records().count();
    }
}

#[cfg(test)]
mod tests {
    use omni_mutate::Target;

    #[test]
    fn any_front_matter_is_read() {
        let words = &[
            "---\n",
            "name: ",
            "description: ",
            "metadata:\n",
            "  ",
            "- ",
            ": ",
            "\t",
            "|\n",
            ">-\n",
            "\"",
            "'",
            "&a ",
            "*a",
            "!!str ",
            "{",
            "}",
            "[",
            "]",
            "? ",
            "#",
            "...",
            "%YAML 1.2\n",
            "\u{feff}",
            "\r\n",
            "\u{85}",
            "\0",
            "<<: ",
        ];
        let seeds = &["fixtures/skills/*/SKILL.md", "skills/*/SKILL.md"];
        Target { name: "front_matter", words, seeds, run: super::front_matter }.check();
    }

    #[test]
    fn any_pyproject_is_read() {
        let words = &[
            "[project]\n",
            "dependencies = [",
            "requires-python = \"",
            "[tool.omni]\n",
            "[[",
            "'''",
            "\"\"\"",
            "a.b.c = ",
            "1979-05-27T07:32:00Z",
            "0x",
            "inf",
            "{",
            "}",
            ",",
            "\\u0000",
            "\r",
            "#",
            ">=3.9,<4",
        ];
        Target {
            name: "pyproject",
            words,
            seeds: &["fixtures/skills/*/pyproject.toml"],
            run: super::pyproject,
        }
        .check();
    }

    #[test]
    fn any_list_of_a_runner_is_read() {
        let words = &[
            "{\"tools\":[",
            "{\"name\":\"a.b\",",
            "\"inputSchema\":{\"type\":\"object\"}",
            "\"omni\":{",
            "\"policy\":{",
            "\"skill\":\"a\"",
            "\"timeout_ms\":",
            "\"inject\":[",
            "null",
            "1e400",
            "\\ud800",
            "\"_meta\":{",
            "\"icons\":[",
            "\"$ref\":\"#\"",
        ];
        Target { name: "runner_list", words, seeds: &[], run: super::runner_list }.check();
    }

    #[test]
    fn any_cached_list_is_read() {
        let words = &["\u{1}\0\0\0", "\u{7f}", "{\"name\":\"", "[]", "]", "\0\0\0\0\0\0\0\0"];
        Target { name: "list_cache", words, seeds: &[], run: super::list_cache }.check();
    }
}

//! What clients may read of a skill, and how its skills are told of: entries, directories, lines for a model.

#![allow(clippy::unwrap_used, reason = "a test says what went wrong")]

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use omni_call::Target;
use omni_catalog::{
    Catalog, CatalogKind, Filter, FilterRule, FolderConfig, FolderSource, FoundResource, ListFields,
    NameStyle, Overrides, ProfileId, SettingLocation, Severity, Snapshot, ToolRules,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

struct World {
    dir: tempfile::TempDir,
}

const PAGE: &str = "---\nname: notes\ndescription: Keeps notes. Use it when something is to be remembered.\n\
                    metadata:\n  version: 1.0\n  tags: [a, 'b']\nallowed-tools: Read\n---\n# Notes\n";

const TOOL: &str = "from omni import tool\n\n\n@tool\ndef save(title: str) -> str:\n    return title\n";

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("skills")).unwrap();
        World { dir }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join("skills").join(path)
    }

    fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> &World {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), bytes).unwrap();
        self
    }

    fn open(&self, rules: ToolRules) -> Catalog {
        let config = FolderConfig {
            skills_dir: self.path(""),
            cache_dir: Some(self.dir.path().join("cache")),
            ..FolderConfig::default()
        };
        Catalog::new(vec![Arc::new(FolderSource::open(config).unwrap())], rules).unwrap()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let catalog = self.open(ToolRules::default());
        catalog.refresh().unwrap();
        catalog.snapshot()
    }

    fn offered(&self, skill: &str) -> Vec<String> {
        let snapshot = self.snapshot();
        let skill = snapshot.skills().iter().find(|known| known.folder == skill).unwrap();
        skill.files.iter().map(|file| file.path.clone()).collect()
    }
}

fn entry(snapshot: &Snapshot, skill: &str) -> Value {
    let list = snapshot.skill_list(ProfileId::EVERYBODY);
    let entry = list.entry(&format!("omni://skill/{skill}/SKILL.md"));
    serde_json::from_slice(&entry.unwrap_or_else(|| panic!("no entry of {skill}"))).unwrap()
}

fn codes<'a>(snapshot: &'a Snapshot, code: &str) -> Vec<&'a str> {
    let found = snapshot.diagnostics().iter().filter(|finding| finding.code == code);
    found.map(|finding| finding.message.as_str()).collect()
}

#[test]
fn all_that_somebody_wrote_is_offered_and_what_programs_leave_is_not() {
    let world = World::new();
    world.write("notes/SKILL.md", PAGE).write("notes/scripts/notes.py", TOOL);
    for kept in [
        "LICENSE.txt",
        "assets/logo.png",
        "forms.md",
        "references/deep/api.md",
        "scripts/run.sh",
        "themes/dark/a b.css",
    ] {
        world.write(&format!("notes/{kept}"), "x");
    }
    for left in [
        ".env",
        ".git/config",
        "__pycache__/a.pyc",
        "assets/node_modules/x/y.js",
        "data/notes.json",
        "scripts/a.pyc",
        "scripts/old.py~",
        "secrets.json",
        "server.key",
        "store.sqlite-wal",
        "tests/test_notes.py",
        "venv/lib/x.py",
    ] {
        world.write(&format!("notes/{left}"), "x");
    }
    world.write("notes/venv/pyvenv.cfg", "");
    world.write("other.md", "outside");
    symlink(world.path("other.md"), world.path("notes/linked.md")).unwrap();
    assert_eq!(
        world.offered("notes"),
        [
            "SKILL.md",
            "LICENSE.txt",
            "assets/logo.png",
            "forms.md",
            "references/deep/api.md",
            "scripts/notes.py",
            "scripts/run.sh",
            "themes/dark/a b.css",
        ]
    );
    let snapshot = world.snapshot();
    let said = codes(&snapshot, "file-not-offered");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|said| said.contains("`linked.md`")), "{said:?}");
    assert!(said.iter().any(|said| said.contains("`secrets.json`, `server.key`")), "{said:?}");
}

#[test]
fn what_is_a_secret_by_its_name_is_offered_where_the_page_links_to_it() {
    let world = World::new();
    let page = format!("{PAGE}The root is [here](certs/ca.pem), the key in `certs/ca.key`.\n");
    world.write("notes/SKILL.md", page);
    for name in [
        "certs/ca.pem",
        "certs/ca.key",
        "id_rsa",
        "id_rsa.pub",
        "prod.env",
        "token.txt",
        "references/password.md",
    ] {
        world.write(&format!("notes/{name}"), "x");
    }
    assert_eq!(world.offered("notes"), ["SKILL.md", "certs/ca.pem", "id_rsa.pub", "references/password.md"]);
    let snapshot = world.snapshot();
    let said = codes(&snapshot, "file-not-offered");
    assert_eq!(said.len(), 1, "{said:?}");
    for name in ["certs/ca.key", "id_rsa", "prod.env", "token.txt"] {
        assert!(said[0].contains(&format!("`{name}`")), "{said:?}");
    }
}

#[test]
fn a_link_of_the_page_to_no_file_is_told_at_its_line() {
    let world = World::new();
    let page = format!("{PAGE}[one](references/one.md)\n[two](references/two.md) [out](../x.md)\n");
    world.write("notes/SKILL.md", page).write("notes/references/one.md", "x");
    let snapshot = world.snapshot();
    let found: Vec<(u32, &str)> = snapshot
        .diagnostics()
        .iter()
        .filter(|found| found.code == "broken-page-link")
        .map(|found| (found.line, found.message.as_str()))
        .collect();
    assert_eq!(found, [(11, "the page links to `references/two.md`, and there is no such file")]);
}

#[test]
fn what_is_listed_of_a_folder_of_strange_names_and_kinds_can_be_read_and_the_rest_is_named() {
    let world = World::new();
    world.write("notes/SKILL.md", PAGE);
    let readable = [
        "references/#not-a-fragment.md",
        "references/%41.md",
        "references/a b.md",
        "references/a+b&c=d;e@f:g!h$i'j(k)l*m,n.md",
        "references/a?b.md",
        "references/dot..dot.md",
        "references/empty",
        "references/tilde~x.md",
        "references/{brace}.md",
        "references/\u{fc}\u{6f22}\u{1f642}.md",
    ];
    for path in readable {
        world.write(&format!("notes/{path}"), path);
    }
    for path in ["back\\slash.md", "new\nline.md", "tab\t.md", "del\u{7f}.md"] {
        world.write(&format!("notes/references/{path}"), "x");
    }
    world.write("notes/references/dir\\x/inner.md", "x");
    let bad_name = std::ffi::OsStr::from_bytes(b"bad\xff.md");
    fs::write(world.path("notes/references").join(bad_name), "x").unwrap();
    let pipe = world.path("notes/references/pipe");
    #[expect(clippy::disallowed_methods, reason = "it ends before the line after it")]
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(world.path("notes/references/socket")).unwrap();
    let deep = (0..20).map(|_| "d").collect::<Vec<_>>().join("/");
    world.write(&format!("notes/{deep}/deep.md"), "x");
    symlink("a b.md", world.path("notes/references/link.md")).unwrap();

    let mut offered = world.offered("notes");
    offered.sort_unstable();
    let mut expected: Vec<&str> = readable.to_vec();
    expected.push("SKILL.md");
    expected.sort_unstable();
    assert_eq!(offered, expected);
    let snapshot = world.snapshot();
    let page = snapshot.items_all(ProfileId::EVERYBODY, CatalogKind::Resources, ListFields::All).unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&page.items).unwrap();
    assert_eq!(listed.len(), expected.len());
    for item in listed {
        let uri = item["uri"].as_str().unwrap();
        let Some(FoundResource::Listed(item)) = snapshot.resource(ProfileId::EVERYBODY, uri, None) else {
            panic!("{uri} is listed and not found")
        };
        let Target::File(file) = &item.spec.as_ref().unwrap().target else { panic!("{uri}") };
        assert!(fs::read(file.dir.join(&file.path)).is_ok(), "{uri}");
    }
    let said = codes(&snapshot, "file-not-offered").join("\n");
    for name in [
        "back\\\\slash.md",
        "new\\nline.md",
        "tab\\t.md",
        "del\\u{7f}.md",
        "dir\\\\x",
        "bad\u{fffd}.md",
        "pipe",
        "socket",
        "link.md",
        "d/d/d",
    ] {
        assert!(said.contains(name), "{name}: {said}");
    }
}

#[test]
fn a_skill_without_tools_offers_its_data_too_and_a_folder_without_a_page_nothing() {
    let world = World::new();
    world.write("styles/SKILL.md", PAGE.replace("notes", "styles"));
    world.write("styles/data/styles.csv", "a,b").write("styles/scripts/search.py", "print('x')\n");
    world.write("folder/readme.md", "no skill");
    assert_eq!(world.offered("styles"), ["SKILL.md", "data/styles.csv", "scripts/search.py"]);
    assert_eq!(world.offered("folder"), Vec::<String>::new());
}

#[test]
fn an_entry_has_the_front_matter_verbatim_and_each_file_with_its_digest_and_its_tools() {
    let world = World::new();
    world.write("notes/SKILL.md", PAGE).write("notes/scripts/notes.py", TOOL);
    world.write("notes/references/ü #1.md", "---\ntitle: The API\ndescription: All of it.\n---\nText\n");
    let snapshot = world.snapshot();
    let entry = entry(&snapshot, "notes");
    assert_eq!(
        entry["frontmatter"],
        json!({
            "name": "notes",
            "description": "Keeps notes. Use it when something is to be remembered.",
            "metadata": {"version": 1.0, "tags": ["a", "b"]},
            "allowed-tools": "Read",
        })
    );
    assert_eq!(entry["_meta"]["omni/tools"], json!(["notes_save"]));
    let resources = entry["resources"].as_array().unwrap();
    let uris: Vec<&str> = resources.iter().map(|file| file["uri"].as_str().unwrap()).collect();
    assert_eq!(
        uris,
        [
            "omni://skill/notes/SKILL.md",
            "omni://skill/notes/references/%C3%BC%20%231.md",
            "omni://skill/notes/scripts/notes.py",
        ]
    );
    let digest: String = Sha256::digest(PAGE).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(resources[0]["digest"], format!("sha256:{digest}"));
    assert_eq!(resources[0]["size"], PAGE.len());
    // And back: the tool's listing has the page of its skill.
    let tools: Value = serde_json::from_slice(&snapshot.page_all(ListFields::All).items).unwrap();
    assert_eq!(tools[0]["_meta"], json!({"omni/skill": "omni://skill/notes/SKILL.md"}));
    let directory = |uri: &str| {
        let list = snapshot.skill_list(ProfileId::EVERYBODY).directory(uri);
        list.map(|list| serde_json::from_slice::<Value>(&list).unwrap())
    };
    let root = directory("omni://skill/notes").unwrap();
    let names: Vec<&str> = root.as_array().unwrap().iter().map(|it| it["uri"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["omni://skill/notes/SKILL.md", "omni://skill/notes/references", "omni://skill/notes/scripts"]
    );
    assert_eq!(
        root[1],
        json!({"uri": "omni://skill/notes/references", "name": "references", "mimeType": "inode/directory"})
    );
    let references = directory("omni://skill/notes/references/").unwrap();
    assert_eq!(references[0]["title"], "The API");
    assert_eq!(references[0]["description"], "All of it.");
    assert_eq!(references[0]["mimeType"], "text/markdown");
    for none in ["omni://skill/notes/SKILL.md", "omni://skill/note", "omni://skill", "omni://skill/notes/no"]
    {
        assert_eq!(directory(none), None, "{none}");
    }
}

#[test]
fn front_matter_is_json_by_the_core_schema_of_yaml() {
    let world = World::new();
    world.write(
        "a/SKILL.md",
        "---\nname: a\ndescription: d\nmetadata:\n  no: no\n  yes: True\n  null: ~\n  hex: 0x1F\n  plus: +7\n  \
         half: .5\n  zero: 007\n  text: '7'\n  date: 2026-11-30\n  version: 1.2.3\n---\n",
    );
    assert_eq!(
        entry(&world.snapshot(), "a")["frontmatter"]["metadata"],
        json!({"no": "no", "yes": true, "null": null, "hex": 31, "plus": 7, "half": 0.5, "zero": 7, "text": "7",
               "date": "2026-11-30", "version": "1.2.3"})
    );
}

#[test]
fn what_is_no_skill_by_the_public_format_has_no_entry_and_can_still_be_read() {
    let world = World::new();
    world.write("named/SKILL.md", PAGE);
    world.write("silent/SKILL.md", "---\nname: silent\n---\n");
    world.write("plain/SKILL.md", "# No front matter\n");
    let snapshot = world.snapshot();
    let list = snapshot.skill_list(ProfileId::EVERYBODY);
    assert_eq!(&list.page_all().items[..], b"[]");
    let folders: Vec<&str> = list.skills().iter().map(|skill| skill.folder.as_str()).collect();
    assert_eq!(folders, ["named", "plain", "silent"]);
    assert!(list.directory("omni://skill/plain").is_some());
}

#[test]
fn beyond_the_bounds_the_page_and_what_it_names_come_first_and_the_rest_is_named() {
    let world = World::new();
    world.write("big/SKILL.md", "---\nname: big\ndescription: d\n---\nSee `zz/last.md`.\n");
    world.write("big/zz/last.md", "x").write("big/references/r.md", "x");
    for n in 0..520 {
        world.write(&format!("big/many/{n:03}.txt"), "x");
    }
    let offered = world.offered("big");
    assert_eq!(offered.len(), 512);
    for kept in ["SKILL.md", "zz/last.md", "references/r.md", "many/508.txt"] {
        assert!(offered.iter().any(|path| path == kept), "{kept}");
    }
    let snapshot = world.snapshot();
    let said = codes(&snapshot, "too-many-skill-files");
    assert!(said[0].contains("`many/509.txt`") && said[0].contains("and 6 more"), "{said:?}");

    world.write("heavy/SKILL.md", "---\nname: heavy\ndescription: d\n---\n");
    world.write("heavy/assets/a.bin", vec![0; 10 << 20]).write("heavy/assets/b.bin", vec![0; 10 << 20]);
    world.write("heavy/assets/c.txt", "small");
    assert_eq!(world.offered("heavy"), ["SKILL.md", "assets/a.bin", "assets/c.txt"]);
    let snapshot = world.snapshot();
    let finding = snapshot.diagnostics().iter().find(|found| found.skill == "heavy").unwrap();
    assert_eq!((finding.code.as_str(), finding.severity), ("too-many-skill-files", Severity::Warning));
    assert!(finding.message.contains("`assets/b.bin`"), "{finding:?}");
}

#[test]
fn an_edit_of_any_file_is_seen_and_nothing_is_read_where_none_was_made() {
    let world = World::new();
    world.write("notes/SKILL.md", PAGE).write("notes/assets/deep/er/a.bin", [0, 1, 2]);
    let catalog = world.open(ToolRules::default());
    while catalog.refresh().unwrap().read > 0 {}
    let digest = |snapshot: &Snapshot| entry(snapshot, "notes")["resources"][1]["digest"].clone();
    let before = digest(&catalog.snapshot());
    assert_eq!(catalog.refresh().unwrap().read, 0);
    world.write("notes/assets/deep/er/a.bin", [0, 1, 2, 3]);
    assert!(catalog.refresh().unwrap().replaced);
    assert_ne!(digest(&catalog.snapshot()), before);
    world.write("notes/assets/deep/er/b.bin", [4]);
    catalog.refresh().unwrap();
    assert_eq!(entry(&catalog.snapshot(), "notes")["resources"].as_array().unwrap().len(), 3);
}

#[test]
fn instructions_have_a_line_for_each_skill_within_what_clients_show() {
    let world = World::new();
    let list = |snapshot: &Arc<Snapshot>, own: Option<&str>, tool: Option<&str>| {
        snapshot.skill_list(ProfileId::EVERYBODY).instructions(own, tool)
    };
    assert_eq!(list(&world.snapshot(), None, Some("skill_read")), None);
    assert_eq!(list(&world.snapshot(), Some(" Be kind. "), None).as_deref(), Some("Be kind."));
    world.write("notes/SKILL.md", PAGE);
    assert_eq!(
        list(&world.snapshot(), Some("Be kind."), Some("skill_read")).unwrap(),
        "Be kind.\n\nSkills, read with `skill_read` before you do what they are for: notes\n\
         - notes: Keeps notes. Use it when something is to be remembered."
    );
    let without = list(&world.snapshot(), None, None).unwrap();
    assert!(without.contains("omni://skill/NAME/SKILL.md") && !without.contains("skill_read"), "{without}");
    let long = "Wörter, die sich reihen, ".repeat(30);
    for n in 0..40 {
        world.write(&format!("s{n:02}/SKILL.md"), format!("---\nname: s{n:02}\ndescription: {long}\n---\n"));
    }
    let text = list(&world.snapshot(), None, Some("skill_read")).unwrap();
    assert!(text.chars().count() <= 2_000, "{}", text.chars().count());
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1..].iter().all(|line| line.chars().count() <= 120), "{text}");
    assert!(lines.len() > 14, "{text}");
    assert!(lines[2].starts_with("- s00: Wörter") && lines[2].ends_with('…'), "{text}");
    let told = lines.iter().filter(|line| line.starts_with("- ")).count();
    assert_eq!(*lines.last().unwrap(), format!("and {} more: `skill_read`", 41 - told));
    assert_eq!(
        list(&world.snapshot(), None, Some("skill_read")),
        Some(text),
        "the same skills, the same text"
    );
}

/// Codex shows a model the first 250 characters of the first line of instructions, and nothing else of them.
#[test]
fn the_first_line_has_the_names_of_as_many_skills_as_a_client_shows_of_it() {
    let world = World::new();
    let first = |snapshot: &Arc<Snapshot>, own: Option<&str>| {
        let text = snapshot.skill_list(ProfileId::EVERYBODY).instructions(own, Some("skill_read")).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    for n in 0..11 {
        let name = format!("a-skill-with-a-name-{n:02}");
        world.write(&format!("{name}/SKILL.md"), format!("---\nname: {name}\ndescription: d\n---\n"));
        let line = first(&world.snapshot(), None);
        assert!(line.chars().count() <= 240, "{line}");
        let named = line.matches("a-skill-with-a-name").count();
        match n {
            0 => assert!(line.ends_with("what they are for: a-skill-with-a-name-00"), "{line}"),
            _ if named == n + 1 => assert!(line.ends_with(&format!(", {name}")), "{line}"),
            _ => assert!(line.ends_with(&format!(" and {} more", n + 1 - named)) && named == 6, "{line}"),
        }
    }
    assert_eq!(first(&world.snapshot(), Some("Be kind.")), "Be kind.");
}

/// A client in JavaScript counts an emoji as two characters, and cuts where it has counted 2,048.
#[test]
fn instructions_are_counted_as_clients_count() {
    let world = World::new();
    let told = |snapshot: &Arc<Snapshot>, own: Option<&str>| {
        snapshot.skill_list(ProfileId::EVERYBODY).instructions(own, Some("skill_read")).unwrap()
    };
    let counted = |text: &str| text.encode_utf16().count();
    let smiles = "😀".repeat(1_500);
    assert_eq!(told(&world.snapshot(), Some(&smiles)), "😀".repeat(1_000));
    assert_eq!(told(&world.snapshot(), Some(&format!("a{smiles}"))), format!("a{}", "😀".repeat(999)));
    for n in 0..40 {
        world
            .write(&format!("s{n:02}/SKILL.md"), format!("---\nname: s{n:02}\ndescription: {smiles}\n---\n"));
    }
    let text = told(&world.snapshot(), None);
    assert!(counted(&text) <= 2_000 && text.contains(" more: `skill_read`"), "{}: {text}", counted(&text));
    // Where the operator has said so much that there is no room, skills are not begun.
    let own = "a".repeat(1_900);
    assert_eq!(told(&world.snapshot(), Some(&own)), own);
}

#[test]
fn a_skill_that_a_filter_leaves_out_is_nowhere() {
    let world = World::new();
    world.write("notes/SKILL.md", PAGE).write("notes/scripts/notes.py", TOOL);
    world.write("pages/SKILL.md", PAGE.replace("notes", "pages"));
    for (pattern, left) in [("notes", "pages"), ("notes.*", "pages"), ("pages", "notes")] {
        let setting = SettingLocation::new("filter", "omni.toml", 1);
        let filter = Filter::new(vec![FilterRule::new(pattern, setting).unwrap()]);
        let rules = ToolRules::new(vec![filter], Overrides::default(), NameStyle::Underscore, Vec::new());
        let catalog = world.open(rules);
        catalog.refresh().unwrap();
        let snapshot = catalog.snapshot();
        let list = snapshot.skill_list(ProfileId::EVERYBODY);
        let folders: Vec<&str> = list.skills().iter().map(|skill| skill.folder.as_str()).collect();
        assert_eq!(folders, [left], "{pattern}");
    }
}

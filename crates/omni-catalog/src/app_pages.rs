//! The pages of a skill that hosts show beside a chat: `ui/*.html`, each a resource `ui://<skill>/<path>`.
//!
//! What hosts are told of a page stands in a comment at its beginning, as front matter does in a `SKILL.md`:
//!
//! ```html
//! <!--
//! ---
//! title: Weather
//! csp:
//!   connectDomains: [https://api.example.com]
//! ---
//! -->
//! <!doctype html>
//! ```
//!
//! So the file stays a page that a browser opens, and is served as it is.

use omni_call::{APP_PAGE, ExecutorKind, FileKind, FileTarget, RunSpec};
use omni_scan::app_member;
use serde_json::{Map, Value};

use crate::app_page_names::FOLDER;
use crate::field_reader::FieldReader;
use crate::folder::SkillFolder;
use crate::front_matter::{self, Entry, FrontMatter, Position, Yaml};
use crate::icon_files;
use crate::item_detail::{ItemDetail, SkillItem};
use crate::item_listing::ResourceListing;
use crate::own_words::{APP, meta, tags};
use crate::skill_uri::app_page_uri;
use crate::{CatalogKind, Diagnostic, Origin, Severity, Skill};

/// The keys of a page's front matter: what a list shows of it, and what `_meta.ui` has.
const KEYS: [&str; 9] =
    ["title", "description", "icons", "tags", "meta", "csp", "permissions", "domain", "prefersBorder"];

/// Those of them that `_meta.ui` has.
const OF_HOSTS: [&str; 4] = ["csp", "permissions", "domain", "prefersBorder"];

/// What of a page is searched for its title.
const HEAD_BYTES: usize = 8 << 10;

/// The pages among the files of a skill, in the order of their paths.
pub(crate) fn items(skill: &Skill, folder: &SkillFolder, findings: &mut Vec<Diagnostic>) -> Vec<SkillItem> {
    let item = |file| PageReader { fields: FieldReader { skill, file, findings }, folder }.item();
    folder.pages.iter().map(item).collect()
}

struct PageReader<'a> {
    fields: FieldReader<'a>,
    folder: &'a SkillFolder,
}

impl PageReader<'_> {
    fn item(mut self) -> SkillItem {
        let (skill, file) = (self.fields.skill, self.fields.file);
        let own_path =
            file.path.strip_prefix(FOLDER).map_or(&*file.path, |path| path.trim_start_matches('/'));
        let front = self.front_matter();
        self.check_page();
        self.check_keys(&front);
        let title = self.fields.text(&front.entries, "title").or_else(|| title_of(&file.text));
        let description = self.fields.text(&front.entries, "description");
        let own_tags = self.fields.texts(&front.entries, "tags");
        let mut own = self.fields.object(&front.entries, "meta").unwrap_or_default();
        let app = self.app(&front);
        if !app.is_empty() {
            own.insert(APP.to_owned(), Value::Object(app));
        }
        let uri = app_page_uri(&skill.folder, own_path);
        let mut icons = self.fields.list_of_maps(&front.entries, "icons");
        let line = front.find("icons").map_or(1, |entry| entry.place.line);
        let written = Origin { file: format!("{}/{}", skill.folder, file.path), line };
        icon_files::embed(
            self.folder,
            &mut icons,
            &format!("the page `{uri}`"),
            &written,
            self.fields.findings,
        );
        let listing = ResourceListing {
            uri: Some(&uri),
            name: own_path,
            title: title.as_deref(),
            description: description.as_deref(),
            mime_type: Some(APP_PAGE),
            size: Some(file.text.len() as u64),
            icons: icons.as_ref(),
            meta: meta(Some(&own), None, &own_tags, None),
            ..ResourceListing::default()
        };
        let listing = listing.to_raw();
        let kind = FileKind::Resource {
            mime_type: Some(APP_PAGE.to_owned()),
            meta: (!own.is_empty()).then(|| Box::new(own)),
        };
        let target = FileTarget { dir: skill.folder.clone().into(), path: file.path.clone(), kind };
        let mut run = RunSpec::new(&skill.folder, &file.path, target);
        run.executor = ExecutorKind::File;
        run.trust = skill.trust;
        let origin = Origin { file: format!("{}/{}", skill.folder, file.path), line: 1 };
        let mut detail = ItemDetail::new(run, origin);
        detail.tags = tags(skill, &own_tags);
        detail.content = Some(file.hash.to_hex().to_string());
        SkillItem { kind: CatalogKind::Resources, key: uri, listing, detail }
    }

    /// What stands in the comment at the beginning, where that is front matter.
    fn front_matter(&mut self) -> FrontMatter {
        let Some((commented, _)) = split(&self.fields.file.text) else { return FrontMatter::default() };
        // The comment begins on a line of its own, above the first `---`.
        let (mut front, problems) = front_matter::read(commented);
        for problem in problems {
            let place = Position { line: problem.place.line + 1, ..problem.place };
            self.fields.find(Severity::Warning, place, "bad-front-matter", problem.message, &problem.help);
        }
        front.entries.iter_mut().for_each(|entry| entry.place.line += 1);
        front
    }

    /// Hosts take a whole document of HTML 5 and nothing else.
    fn check_page(&mut self) {
        let page = split(&self.fields.file.text).map_or(&*self.fields.file.text, |(_, page)| page);
        let page = after_comments(page);
        let begins = |word: &str| page.get(..word.len()).is_some_and(|text| text.eq_ignore_ascii_case(word));
        if begins("<!doctype html") || begins("<html") {
            return;
        }
        let before = &self.fields.file.text[..self.fields.file.text.len() - page.len()];
        let line = u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX);
        let message = "the page is no whole HTML document, which hosts want of an app's page".to_owned();
        let help = "begin it with `<!doctype html>`; move it out of `ui` if it is no page for an app";
        self.fields.find(Severity::Warning, Position { line, column: 1 }, "app-page", message, help);
    }

    fn check_keys(&mut self, front: &FrontMatter) {
        for entry in front.entries.iter().filter(|entry| !KEYS.contains(&app_member(&entry.key))) {
            self.fields.unknown_key(entry, &KEYS, "a page");
        }
    }

    /// What hosts are told of the page. Whether they can use it is checked with the pages that are functions.
    fn app(&self, front: &FrontMatter) -> Map<String, Value> {
        let of_hosts = front.entries.iter().filter(|entry| OF_HOSTS.contains(&app_member(&entry.key)));
        let members = of_hosts.map(|entry| {
            let name = app_member(&entry.key);
            let value = match (name, &entry.value) {
                // `permissions: [camera]` is what people write.
                ("permissions", Yaml::List(names)) => {
                    let asked = names.iter().filter_map(Yaml::text);
                    asked.map(|asked| (app_member(asked).to_owned(), Value::Object(Map::new()))).collect()
                }
                ("prefersBorder", value) => value.flag().map_or_else(|| value.json(), Value::Bool),
                (_, value) => respelled(value),
            };
            (name.to_owned(), value)
        });
        members.collect()
    }
}

/// The front matter in the comment at the beginning of a page, and what follows the comment.
fn split(text: &str) -> Option<(&str, &str)> {
    let commented = text.strip_prefix('\u{feff}').unwrap_or(text).strip_prefix("<!--")?;
    let (rest_of_line, commented) = commented.split_once('\n')?;
    let (front, page) = commented.split_once("-->")?;
    // The fence itself has two of the signs that end a comment.
    let is_front_matter = rest_of_line.trim().is_empty() && front.starts_with("---");
    is_front_matter.then_some((front, page))
}

/// What stands behind blanks and comments.
fn after_comments(mut page: &str) -> &str {
    loop {
        page = page.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        match page.strip_prefix("<!--").and_then(|comment| comment.split_once("-->")) {
            Some((_, after)) => page = after,
            None => return page,
        }
    }
}

/// What the page calls itself, where that needs no knowledge of HTML to be read.
fn title_of(page: &str) -> Option<String> {
    let head = &page[..page.floor_char_boundary(HEAD_BYTES)];
    let (_, title) = head.split_once("<title>")?;
    let (title, _) = title.split_once("</title>")?;
    let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
    (!title.is_empty() && !title.contains(['<', '&'])).then_some(title)
}

/// With the extension's spelling of keys.
fn respelled(value: &Yaml) -> Value {
    let of = |entry: &Entry| (app_member(&entry.key).to_owned(), entry.value.json());
    match value {
        Yaml::Map(entries) => entries.iter().map(of).collect(),
        value => value.json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_matter_stands_in_the_first_comment_and_nowhere_else() {
        let page = "<!--\n---\ntitle: A\n---\n-->\n<!doctype html>";
        assert_eq!(split(page), Some(("---\ntitle: A\n---\n", "\n<!doctype html>")));
        for none in
            ["<!doctype html>", "<!-- a note -->\n<html>", "<!--\nnote\n-->", "", "<!--", "<!--\n---\n"]
        {
            assert_eq!(split(none), None, "{none:?}");
        }
        assert_eq!(after_comments(" <!-- a -->\n<!--b--> <html>"), "<html>");
        assert_eq!(after_comments("<!-- never ended"), "<!-- never ended");
    }

    #[test]
    fn a_title_is_taken_where_it_is_plain() {
        assert_eq!(title_of("<head><title> The\n weather </title>").as_deref(), Some("The weather"));
        for none in ["<title></title>", "<title>A &amp; B</title>", "<title>A", "A</title>", ""] {
            assert_eq!(title_of(none), None, "{none}");
        }
    }
}

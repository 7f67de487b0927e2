//! Which files of its skill does a `SKILL.md` link to?

use std::collections::BTreeMap;

use crate::uri_template::decoded;

/// The files that the page's Markdown links name, each with the line of the first: paths relative to the skill's folder.
/// What stands in code is no link, and neither is one that leads elsewhere, or out of the folder.
pub(super) fn linked_files(page: &str) -> BTreeMap<String, u32> {
    let mut links = BTreeMap::new();
    let mut fence = None;
    for (number, line) in (1..).zip(page.lines()) {
        let text = line.trim_start();
        let mark = ["```", "~~~"].into_iter().find(|mark| text.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => {
                for path in links_of(line) {
                    links.entry(path).or_insert(number);
                }
            }
            (Some(_), _) => {}
        }
    }
    links
}

fn links_of(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("](") {
        // Behind an odd number of back-ticks stands code.
        if !line[..at].matches('`').count().is_multiple_of(2) {
            continue;
        }
        let target = &line[at + 2..];
        let target = match target.strip_prefix('<') {
            Some(target) => target.split('>').next(),
            None => target.split([')', ' ']).next(),
        };
        found.extend(target.and_then(own_path));
    }
    found
}

fn own_path(target: &str) -> Option<String> {
    let path = target.split(['#', '?']).next().unwrap_or_default();
    let path = path.strip_prefix("./").unwrap_or(path);
    let plain = |name: &str| !name.is_empty() && name != "." && name != "..";
    if path.contains(':') || !path.split('/').all(plain) {
        return None;
    }
    decoded(path, false).filter(|path| path.split('/').all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_files_are_found_and_what_leads_elsewhere_is_not() {
        let page = "See [a](references/a.md) and [b](./b%20c.md#part \"title\"), ![](<as sets/x.png>).\n\
                    [again](references/a.md) `[code](code.md)`\n\
                    ```\n[fenced](fenced.md)\n```\n\
                    [web](https://example.com/x.md) [mail](mailto:x) [top](#top) [out](../out.md) [root](/etc/x)\n\
                    [folder](references/) [up](a/%2e%2e/b) [last](last.md)";
        let found: Vec<(String, u32)> = linked_files(page).into_iter().collect();
        let expected = [("as sets/x.png", 1), ("b c.md", 1), ("last.md", 7), ("references/a.md", 1)];
        assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    }
}

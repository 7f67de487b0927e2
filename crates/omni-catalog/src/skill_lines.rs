//! What a model is told of skills before it has read any: a line for each, within what clients show.

use std::fmt::Write as _;

use crate::skill_list::{ShownSkill, SkillList};

/// What a model is told at the beginning has at most so many characters, as [`chars_of`] counts them. The clients that cut
/// soonest do it at 2,048.
pub const INSTRUCTIONS_CHARS_MAX: usize = 2_000;
/// A skill's line has at most so many characters.
const LINE_CHARS_MAX: usize = 120;
/// The first line has at most so many. Of a server whose tools a model has to look for, it is all that Codex shows, and
/// 250 characters of it.
const FIRST_LINE_CHARS_MAX: usize = 240;
/// What is cut off may need so many characters to say that it is: `and 100000 more: see the resources`.
const MORE_CHARS_MAX: usize = 60;

/// How many characters clients count: they are written in JavaScript, where one above U+FFFF, such as an emoji, is two.
pub fn chars_of(text: &str) -> usize {
    text.encode_utf16().count()
}

impl SkillList {
    /// What a client's model is told of the skills: `own` first, which the operator gives, then a line with their names, then
    /// a line for each skill as long as there is room, then how many more there are. `tool` is the name of the tool that
    /// reads skills, where the client has it. `None` where there is nothing to say.
    ///
    /// The same skills give the same text.
    pub fn instructions(&self, own: Option<&str>, tool: Option<&str>) -> Option<String> {
        let mut text = cut_at(own.unwrap_or_default().trim(), INSTRUCTIONS_CHARS_MAX).to_owned();
        if self.skills().is_empty() {
            return Some(text).filter(|text| !text.is_empty());
        }
        let first = self.first_line(tool);
        let mut chars = chars_of(&text);
        if chars + 2 + chars_of(&first) > INSTRUCTIONS_CHARS_MAX {
            return Some(text);
        }
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&first);
        chars = chars_of(&text);
        let mut left = self.skills().len();
        for skill in self.skills() {
            let line = line(skill);
            let needed = 1 + chars_of(&line);
            let room = if left == 1 { 0 } else { MORE_CHARS_MAX };
            if chars + needed + room > INSTRUCTIONS_CHARS_MAX {
                break;
            }
            text.push('\n');
            text.push_str(&line);
            chars += needed;
            left -= 1;
        }
        if left > 0 && chars + MORE_CHARS_MAX <= INSTRUCTIONS_CHARS_MAX {
            let how = tool.map_or_else(|| "see the resources".to_owned(), |tool| format!("`{tool}`"));
            let _ = write!(text, "\nand {left} more: {how}");
        }
        Some(text)
    }

    /// How a skill is read, and the names of as many as there is room for.
    fn first_line(&self, tool: Option<&str>) -> String {
        let mut line = match tool {
            Some(tool) => format!("Skills, read with `{tool}` before you do what they are for:"),
            None => {
                "Skills, each the resource omni://skill/NAME/SKILL.md, read before you do what it is for:"
                    .to_owned()
            }
        };
        let mut chars = chars_of(&line);
        for (at, skill) in self.skills().iter().enumerate() {
            let left = self.skills().len() - at;
            let more = format!(" and {left} more");
            let room = if left == 1 { 0 } else { 1 + more.len() };
            if chars + 2 + chars_of(&skill.folder) + room > FIRST_LINE_CHARS_MAX {
                line.push_str(&more);
                break;
            }
            line.push_str(if at == 0 { " " } else { ", " });
            line.push_str(&skill.folder);
            chars = chars_of(&line);
        }
        line
    }
}

/// As much of a text's beginning as has at most so many characters.
fn cut_at(text: &str, chars_max: usize) -> &str {
    let mut chars = 0;
    let end = text.char_indices().find(|(_, char)| {
        chars += char.len_utf16();
        chars > chars_max
    });
    end.map_or(text, |(at, _)| &text[..at])
}

/// `- notes: Keep notes.`, on one line, cut between words.
fn line(skill: &ShownSkill) -> String {
    let mut line = format!("- {}", skill.folder);
    let description = skill.description.as_deref().unwrap_or_default();
    for (at, word) in description.split_whitespace().enumerate() {
        line.push_str(if at == 0 { ": " } else { " " });
        line.push_str(word);
    }
    if line.chars().count() <= LINE_CHARS_MAX {
        return line;
    }
    let cut: String = line.chars().take(LINE_CHARS_MAX - 1).collect();
    // A word that is cut says little; one that alone fills the line is cut all the same.
    let end = cut.rfind(' ').filter(|at| *at > LINE_CHARS_MAX / 2).unwrap_or(cut.len());
    format!("{}…", cut[..end].trim_end_matches([',', ';', ':', ' ']))
}

//! What a model is told of skills before it has read any: a line for each, within what clients show.

use std::fmt::Write as _;

use crate::skill_list::{ShownSkill, SkillList};

/// What a model is told at the beginning has at most so many characters. Clients cut at 2,048.
pub const INSTRUCTIONS_CHARS_MAX: usize = 2_000;
/// A skill's line has at most so many characters.
const LINE_CHARS_MAX: usize = 120;
/// What is cut off may need so many characters to say that it is: `and 100000 more: read the resources`.
const MORE_CHARS_MAX: usize = 60;

impl SkillList {
    /// What a client's model is told of the skills: `own` first, which the operator gives, then a line for each skill as
    /// long as there is room, then how many more there are. `tool` is the name of the tool that reads skills, where the
    /// client has it. `None` where there is nothing to say.
    ///
    /// The same skills give the same text.
    pub fn instructions(&self, own: Option<&str>, tool: Option<&str>) -> Option<String> {
        let mut text: String = own.unwrap_or_default().trim().chars().take(INSTRUCTIONS_CHARS_MAX).collect();
        if self.skills().is_empty() {
            return Some(text).filter(|text| !text.is_empty());
        }
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(&match tool {
            Some(tool) => {
                format!("Skills of this server. Read one with `{tool}` before you do what it is for:")
            }
            None => "Skills of this server. Before you do what one is for, read its resource \
                     omni://skill/NAME/SKILL.md:"
                .to_owned(),
        });
        let mut chars = text.chars().count();
        let mut left = self.skills().len();
        for skill in self.skills() {
            let line = line(skill);
            let needed = 1 + line.chars().count();
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

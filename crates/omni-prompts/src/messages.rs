//! How one text becomes several messages: lines `## user` and `## assistant` begin them.
//!
//! The headings are found in the files, before anything is filled in, and replaced by a mark that nobody can guess. So
//! a heading in an argument is text like any other, while `{% if %}` and `{% for %}` around headings of the file work.

use std::borrow::Cow;

/// Who says a message. MCP's prompts have these two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    User,
    Assistant,
}

/// One message of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub text: String,
}

impl Role {
    const ALL: [Role; 2] = [Role::User, Role::Assistant];

    /// The name in MCP, and in a heading.
    pub fn name(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }

    /// Whose message a line begins.
    fn of_heading(line: &str) -> Option<Role> {
        let title = line.strip_prefix("## ")?.trim_end();
        Role::ALL.into_iter().find(|role| role.name() == title)
    }
}

/// What stands in a rendered text where a message begins.
pub(crate) struct Marks {
    nonce: u128,
}

impl Marks {
    /// `nonce` must be one that no author or client can know.
    pub(crate) fn new(nonce: u128) -> Self {
        Marks { nonce }
    }

    fn of(&self, role: Role) -> String {
        format!("\u{1}{:032x}:{}\u{1}", self.nonce, role.name())
    }

    /// A file's body with marks instead of headings. Headings in fenced code are code.
    pub(crate) fn put<'a>(&self, body: &'a str) -> Cow<'a, str> {
        if !body.contains("## ") {
            return Cow::Borrowed(body);
        }
        let mut marked = String::with_capacity(body.len() + 64);
        for (line, is_code) in lines(body) {
            match Role::of_heading(line).filter(|_| !is_code) {
                // The line's end stays, so that lines have the numbers that they have in the file.
                Some(role) => {
                    marked.push_str(&self.of(role));
                    marked.push_str(if line.ends_with('\n') { "\n" } else { "" });
                }
                None => marked.push_str(line),
            }
        }
        Cow::Owned(marked)
    }

    /// Cuts a rendered text at the marks. What stands before the first is the user's. A message of nothing but blanks is
    /// none, such as one whose `{% if %}` was false.
    pub(crate) fn cut(&self, rendered: &str) -> Vec<Message> {
        let mut messages = Vec::new();
        let mut push = |role, text: &str| {
            let text = text.trim();
            if !text.is_empty() {
                messages.push(Message { role, text: text.to_owned() });
            }
        };
        let (mut role, mut rest) = (Role::User, rendered);
        let marks = Role::ALL.map(|role| (role, self.of(role)));
        loop {
            let found = marks.iter().filter_map(|(next, mark)| Some((rest.find(mark)?, *next, mark.len())));
            let Some((at, next, length)) = found.min_by_key(|(at, ..)| *at) else { break };
            push(role, &rest[..at]);
            (role, rest) = (next, &rest[at + length..]);
        }
        push(role, rest);
        messages
    }
}

/// Lines that look as if they were meant to begin a message and do not, each with its number in the body, from 1, and what
/// to write: other letters, another level, a role that MCP does not have.
pub(crate) fn near_headings(body: &str) -> Vec<(usize, String)> {
    let mut near = Vec::new();
    for (number, (line, is_code)) in lines(body).enumerate() {
        if is_code || Role::of_heading(line).is_some() {
            continue;
        }
        let hashes = line.len() - line.trim_start_matches('#').len();
        let title = line[hashes..].trim().trim_end_matches(':').to_ascii_lowercase();
        let meant = Role::ALL.into_iter().find(|role| role.name() == title);
        match (hashes, meant) {
            (1..=6, Some(role)) => near.push((number + 1, format!("write `## {}`", role.name()))),
            (2, None) if title == "system" => {
                near.push((number + 1, "MCP has no such role: write it below `## user`".to_owned()));
            }
            _ => {}
        }
    }
    near
}

/// Each line with its end, and whether it is within fenced code.
fn lines(body: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut fence: Option<(char, usize)> = None;
    body.split_inclusive('\n').map(move |line| {
        let bare = line.trim_start_matches(' ');
        let indent = line.len() - bare.len();
        let run = |sign: char| bare.chars().take_while(|c| *c == sign).count();
        match fence {
            Some((sign, length)) => {
                let closes = indent <= 3 && run(sign) >= length && bare.trim().trim_matches(sign).is_empty();
                if closes {
                    fence = None;
                }
                (line, true)
            }
            None => {
                let opens = ['`', '~'].into_iter().map(|sign| (sign, run(sign))).find(|(_, n)| *n >= 3);
                fence = opens.filter(|_| indent <= 3);
                (line, fence.is_some())
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &str) -> Vec<(&'static str, String)> {
        let marks = Marks::new(7);
        marks.cut(&marks.put(body)).into_iter().map(|message| (message.role.name(), message.text)).collect()
    }

    #[test]
    fn headings_begin_messages_and_what_is_before_them_is_the_user_s() {
        assert_eq!(cut("Hello\n"), [("user", "Hello".to_owned())]);
        let several = "Hi\n\n## assistant\nYes?\n## user  \nTell me\n\n### user\nmore\n";
        assert_eq!(
            cut(several),
            [
                ("user", "Hi".to_owned()),
                ("assistant", "Yes?".to_owned()),
                ("user", "Tell me\n\n### user\nmore".to_owned())
            ]
        );
        assert_eq!(cut("## assistant\n\n## user\nA"), [("user", "A".to_owned())]);
        assert_eq!(cut(" \n\n"), []);
    }

    #[test]
    fn headings_in_code_and_headings_that_only_look_like_one_are_text() {
        for text in [
            "```\n## user\n```\nA",
            "~~~md\n## assistant\n```\n## user\n~~~",
            "````\n```\n## user\n````",
            "## User",
            "## user story",
            "##user",
            " ## user",
            "# user",
        ] {
            assert_eq!(cut(text).len(), 1, "{text:?}");
        }
        assert_eq!(cut("```\ncode\n```\nA\n## assistant\nB").len(), 2);
    }

    #[test]
    fn what_was_meant_to_begin_a_message_is_told() {
        let near = |text| near_headings(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
        assert_eq!(near("a\n## User\n# assistant\n##  user:\n## system\n## user\n"), [2, 3, 4, 5]);
        assert_eq!(near("## users\nuser\n# System design\n```\n## User\n```\n"), [] as [usize; 0]);
    }

    #[test]
    fn a_mark_with_another_nonce_is_text() {
        let forged = Marks::new(8).put("a\n## assistant\nb").into_owned();
        assert_eq!(Marks::new(7).cut(&forged).len(), 1);
    }
}

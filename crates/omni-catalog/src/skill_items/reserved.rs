//! Which URIs of the server's own scheme may the functions of a skill have: those beneath its own `omni://skill/<skill>/`
//! that are no file of it.
//!
//! What clients are told of a page, and what they read by its URI, must be one thing, and no other skill's business.

use crate::item_detail::SkillItem;
use crate::merged_items::RESERVED;
use crate::skill_uri::directory_uri;
use crate::uri_form::{is_own_scheme, normalized};
use crate::{Diagnostic, Severity, Skill};

/// Takes out the resources and templates that lie where another skill, or the server itself, has its own.
pub(super) fn keep_own(skill: &Skill, items: &mut Vec<SkillItem>, findings: &mut Vec<Diagnostic>) {
    let own = directory_uri(&skill.folder) + "/";
    items.retain(|item| {
        let is_own = normalized(&item.key).strip_prefix(&*own).is_some_and(|path| !path.is_empty());
        let stays = !is_own_scheme(&item.key) || is_own;
        if !stays {
            findings.push(reserved(skill, item, &own));
        }
        stays
    });
}

fn reserved(skill: &Skill, item: &SkillItem, own: &str) -> Diagnostic {
    let origin = &item.detail.origin;
    Diagnostic {
        severity: Severity::Error,
        skill: skill.folder.clone(),
        file: origin.file.clone(),
        line: origin.line,
        column: origin.line.min(1),
        code: RESERVED.to_owned(),
        message: format!(
            "`{}` may be of another skill, or of the server, whose scheme `omni` is, so this one is not listed",
            item.key
        ),
        help: Some(format!(
            "begin it with `{own}`, which is this skill's own, or choose another scheme, as in `{}://…`",
            scheme_for(&skill.folder)
        )),
    }
}

/// A scheme of its own for a skill, made of its folder's name.
fn scheme_for(folder: &str) -> String {
    let name: String = folder.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let begins = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if begins { name } else { format!("skill{name}") }
}

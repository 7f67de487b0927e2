//! What is said of temporary files that a result names.

use serde::{Deserialize, Serialize};

/// Temporary files that a result names, and that its reader will not find.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TempFiles {
    /// Their paths; some of them where there are many.
    pub files: Vec<String>,
    /// They are removed. Otherwise they are where several calls share a folder, and go with it.
    pub gone: bool,
}

impl TempFiles {
    /// Paths that are named at most.
    pub const NAMED_MAX: usize = 8;

    /// What a model reads.
    pub fn sentence(&self) -> String {
        let named: Vec<String> = self.files.iter().map(|file| format!("`{file}`")).collect();
        let (named, one) = (named.join(", "), self.files.len() == 1);
        if self.gone {
            let was = if one { "was" } else { "were" };
            format!(
                "{named} {was} in the call's temporary folder, which is gone; `keep_temp: true` in the skill's SKILL.md \
                 keeps it"
            )
        } else {
            let is = if one { "is" } else { "are" };
            format!(
                "{named} {is} in the temporary folder of a worker and go{es} with it; `keep_temp: true` in the skill's \
                 SKILL.md keeps it",
                es = if one { "es" } else { "" }
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolResult;

    #[test]
    fn a_result_that_names_them_says_so_in_a_text_and_in_its_meta() {
        for (content, before) in [("[]", 0), (r#"[{"type":"text","text":"in /tmp/x/a"} ]"#, 1)] {
            let result =
                ToolResult { content: content.into(), structured: None, meta: None, is_error: false };
            let files = TempFiles { files: vec!["/tmp/x/a".into()], gone: true };
            let result = result.naming(&files);
            let content: serde_json::Value = serde_json::from_slice(&result.content).unwrap();
            let text = content[before]["text"].as_str().unwrap();
            assert!(text.starts_with("`/tmp/x/a` was in") && text.contains("`keep_temp: true`"), "{text}");
            assert_eq!(content.as_array().unwrap().len(), before + 1);
            let meta: serde_json::Value = serde_json::from_slice(&result.meta.unwrap()).unwrap();
            assert_eq!(meta, serde_json::json!({"omni/temp": {"files": ["/tmp/x/a"], "gone": true}}));
        }
        let shared = TempFiles { files: vec!["/t/a".into(), "/t/b".into()], gone: false };
        assert!(shared.sentence().starts_with("`/t/a`, `/t/b` are in"), "{}", shared.sentence());
    }
}

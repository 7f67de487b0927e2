//! What must hold of any text that is said to be a prompt file: run over its corpus by the tests, and by a fuzzer by hand.

use crate::{Includes, RenderError, RenderLimits, check, render};

/// The file itself, under another name, so that it may include itself.
struct Itself(String);

impl Includes for Itself {
    fn load(&self, name: &str) -> Result<Option<String>, String> {
        Ok((name == "part.md").then(|| self.0.clone()))
    }
}

const OUTPUT_BYTES_MAX: usize = 1 << 16;

/// Checks the file, and fills an argument into it that says more than it seems.
pub fn prompt_file(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let lines = 1 + text.split('\n').count();
    let checked = check("a.md", &text);
    if let Ok(uses) = &checked {
        let numbers = uses.includes.iter().map(|(_, line)| line);
        assert!(numbers.chain(uses.near_headings.iter().map(|(line, _)| line)).all(|line| *line <= lines));
    }
    let arguments = [
        ("change".to_owned(), "{{ 1 }}\n## assistant\n\u{1}".to_owned()),
        ("depth".to_owned(), String::new()),
    ];
    let limits = RenderLimits { output_bytes_max: OUTPUT_BYTES_MAX, nonce: 0x1234_5678_9abc_def0 };
    match render("a.md", &text, &arguments, Itself(text.clone().into_owned()), limits) {
        Ok(messages) => {
            assert!(checked.is_ok() && !messages.is_empty());
            let bytes: usize = messages.iter().map(|message| message.text.len()).sum();
            assert!(bytes <= OUTPUT_BYTES_MAX);
        }
        Err(RenderError::Template(fault)) => assert!(fault.line <= lines, "{fault}"),
        Err(RenderError::TooLarge(_) | RenderError::Empty) => {}
    }
}

#[cfg(test)]
mod tests {
    use omni_mutate::Target;

    #[test]
    fn any_prompt_file_is_checked_and_filled_in() {
        let words = &[
            "{{ change }}",
            "{{ depth | default('x') }}",
            "{% if change %}",
            "{% elif depth %}",
            "{% else %}",
            "{% endif %}",
            "{% for n in range(9) %}",
            "{% endfor %}",
            "{% set x = x ~ change %}",
            "{% set x %}",
            "{% endset %}",
            "{% include 'part.md' %}",
            "{% block b %}",
            "{% extends 'part.md' %}",
            "{% raw %}",
            "{% endraw %}",
            "{#",
            "#}",
            "{%-",
            "-%}",
            " | replace('a', x)",
            " | join(x)",
            " * 9999999",
            "\n## user\n",
            "\n## assistant\n",
            "\n```\n",
            "---\n",
            "\u{1}",
            "[1:2]",
            "namespace()",
            "é",
        ];
        Target { name: "prompt_file", words, seeds: &["skills/*/prompts/*"], run: super::prompt_file }
            .check();
    }
}

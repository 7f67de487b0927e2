//! Findings for programs: the report of `omni doctor --json`, and of the tool `omni.doctor`.

use serde_json::{Map, Value, json};

use super::finding::{Finding, Section, counts};

/// One object: the members of each subject, `diagnostics` (what stands in a file), `findings` (all else) and `counts`.
pub(super) fn report(sections: &[Section]) -> Value {
    let mut report = Map::new();
    for (member, value) in sections.iter().flat_map(|section| &section.members) {
        report.insert((*member).to_owned(), value.clone());
    }
    let findings = || sections.iter().flat_map(|section| &section.findings);
    let diagnostics: Vec<_> =
        findings().filter_map(|finding| finding.diagnostic(|place| &place.file)).collect();
    let others: Vec<&Finding> = findings().filter(|finding| finding.place.is_none()).collect();
    report.insert("diagnostics".to_owned(), json!(diagnostics));
    report.insert("findings".to_owned(), json!(others));
    report.insert("counts".to_owned(), json!(counts(findings())));
    Value::Object(report)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn the_report_has_what_stands_in_files_what_does_not_and_the_members_of_each_subject() {
        let sections = [
            Section::of(samples()[..2].to_vec()).with("skills", 2),
            Section::of(samples()[2..].to_vec()).with("python", Value::Null),
        ];
        insta::assert_snapshot!(serde_json::to_string_pretty(&report(&sections)).unwrap(), @r#"
        {
          "skills": 2,
          "python": null,
          "diagnostics": [
            {
              "severity": "warning",
              "skill": "a",
              "file": "a/scripts/a.py",
              "line": 3,
              "column": 1,
              "code": "missing-module",
              "message": "there is no module `yaml`",
              "help": "declare `pyyaml`"
            }
          ],
          "findings": [
            {
              "what": "trust",
              "level": "note",
              "text": "`./skills` is not trusted",
              "hint": "`omni trust` trusts it"
            },
            {
              "what": "no-python",
              "level": "error",
              "text": "there is no `python3`",
              "hint": "install one"
            },
            {
              "what": "tools",
              "level": "fact",
              "text": "run in namespaces of their own",
              "notes": [
                "`sudo` gains rights"
              ]
            }
          ],
          "counts": {
            "errors": 1,
            "warnings": 1,
            "notes": 1
          }
        }
        "#);
    }
}

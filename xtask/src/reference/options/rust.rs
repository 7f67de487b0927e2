//! The table and the carriers of `omni-call`.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::data::{Carrier, Entry, Options};

/// The module, before `rustfmt`.
pub(in super::super) fn table(options: &Options) -> Result<String> {
    let mut text = String::from(
        "//! The options, and what carries them. Generated from `conformance/options.json` by `cargo xtask docs`; do not edit.\n\n\
         use serde::{Deserialize, Serialize};\n\n\
         use super::option::{OptionKind, OptionPlace, OptionValue, ToolOption};\nuse crate::{Affinity, TaskSupport};\n\n",
    );
    writeln!(
        text,
        "/// Every option, in the order in which a reader is shown them.\npub const OPTIONS: [ToolOption; {}] = [",
        options.options.len()
    )?;
    for entry in &options.options {
        let places: Vec<&str> = entry.at.iter().map(|at| place(at)).collect();
        writeln!(
            text,
            "    ToolOption {{\n        name: {:?},\n        also: &{:?},\n        kind: {},\n        places: &[{}],\n        without: {:?},\n    }},",
            entry.name,
            entry.also,
            kind(entry)?,
            places.join(", "),
            entry.without
        )?;
    }
    text += "];\n\n/// Options that `omni.foundation`'s decorator took and nothing here acts on.\n";
    writeln!(text, "pub const OPTIONS_WITHOUT_EFFECT: [&str; {}] = [", options.without_effect.len())?;
    for name in &options.without_effect {
        writeln!(text, "    {name:?},")?;
    }
    text += "];\n";
    for (name, carrier) in options.carriers.all() {
        let entries: Vec<&Entry> =
            options.options.iter().filter(|entry| entry.carried.as_deref() == Some(name)).collect();
        text += &carrier_type(carrier, &entries)?;
    }
    text += "\n/// What a tool, or a skill for all of its tools, has set of the options that somebody acts on when a call is made.\n\
             #[derive(Clone, Debug, Default, PartialEq, Eq)]\npub struct CallOptions {\n";
    for (name, carrier) in options.carriers.all() {
        writeln!(text, "    pub {name}: {},", carrier.r#type)?;
    }
    text += "}\n";
    text += &setter(options)?;
    text += "\nimpl OptionPlace {\n    /// The longest time there, in seconds: more is a mistake in the unit, and far from where arithmetic on deadlines \
             overflows.\n    pub const fn seconds_max(self) -> f64 {\n        match self {\n";
    let most = &options.seconds_max;
    let mut places = vec![
        ("Decorator", most.decorator),
        ("FrontMatter", most.front_matter),
        ("Program", most.program),
        ("Resource", most.resource),
        ("Prompt", most.prompt),
        ("Completion", most.completion),
    ];
    while let Some((_, seconds)) = places.first().copied() {
        let (same, others) = places.into_iter().partition::<Vec<_>, _>(|(_, other)| *other == seconds);
        let same: Vec<String> = same.iter().map(|(place, _)| format!("OptionPlace::{place}")).collect();
        writeln!(text, "            {} => {}.0,", same.join(" | "), grouped(seconds))?;
        places = others;
    }
    text += "        }\n    }\n}\n";
    Ok(text)
}

/// A number as a lint wants it: `100_000`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    grouped
}

fn place(at: &str) -> &'static str {
    match at {
        "decorator" => "OptionPlace::Decorator",
        "front_matter" => "OptionPlace::FrontMatter",
        "resource" => "OptionPlace::Resource",
        "prompt" => "OptionPlace::Prompt",
        "completion" => "OptionPlace::Completion",
        _ => "OptionPlace::Program",
    }
}

fn kind(entry: &Entry) -> Result<String> {
    Ok(match entry.kind.as_str() {
        "text" => "OptionKind::Text".to_owned(),
        "flag" => match &entry.hint {
            Some(hint) => format!("OptionKind::Hint({hint:?})"),
            None => "OptionKind::Flag".to_owned(),
        },
        "seconds" => "OptionKind::Seconds".to_owned(),
        "count" => format!(
            "OptionKind::Count {{ min: {}, max: {}, of: {:?} }}",
            entry.min.unwrap_or_default(),
            entry.max.unwrap_or_default(),
            entry.of
        ),
        "choice" => format!("OptionKind::Choice(&{:?})", entry.choices),
        "exceptions" => "OptionKind::Exceptions".to_owned(),
        "executor" => "OptionKind::Executor".to_owned(),
        "schema" => "OptionKind::Schema".to_owned(),
        "object" => "OptionKind::Object".to_owned(),
        "icons" => "OptionKind::Icons".to_owned(),
        "app" => "OptionKind::App".to_owned(),
        "texts" => "OptionKind::Texts".to_owned(),
        "version" => "OptionKind::Version".to_owned(),
        "uri" => "OptionKind::Uri".to_owned(),
        "mime_type" => "OptionKind::MimeType".to_owned(),
        "size" => "OptionKind::Size".to_owned(),
        "annotations" => "OptionKind::Annotations".to_owned(),
        "function" => "OptionKind::Function".to_owned(),
        other => bail!("no kind `{other}`"),
    })
}

/// One member of a carrier: its name, its documentation, its type, and what says that it is not set.
struct Member {
    name: String,
    doc: String,
    r#type: String,
    unset: &'static str,
}

fn members(carrier: &Carrier, entries: &[&Entry]) -> Vec<Member> {
    let mut members = Vec::new();
    for entry in entries {
        let (r#type, unset) = match entry.kind.as_str() {
            "flag" => ("Option<bool>".to_owned(), "Option::is_none"),
            "seconds" => ("Option<u64>".to_owned(), "Option::is_none"),
            "count" => ("Option<u32>".to_owned(), "Option::is_none"),
            "choice" => {
                (format!("Option<{}>", entry.r#type.as_deref().unwrap_or("&'static str")), "Option::is_none")
            }
            _ => ("Vec<String>".to_owned(), "Vec::is_empty"),
        };
        members.push(Member {
            name: entry.member(),
            doc: if entry.kind == "seconds" {
                format!("{} Here in milliseconds.", entry.doc)
            } else {
                entry.doc.clone()
            },
            r#type: r#type.clone(),
            unset,
        });
        if let Some(name) = &entry.front_matter_member {
            let doc = format!(
                "`{}` where it stands in `SKILL.md`: of all tools of the skill together.",
                entry.name
            );
            members.push(Member { name: name.clone(), doc, r#type, unset });
        }
    }
    members.extend(carrier.computed.iter().map(|computed| Member {
        name: computed.member.clone(),
        doc: computed.doc.clone(),
        r#type: "bool".to_owned(),
        unset: "std::ops::Not::not",
    }));
    members
}

fn carrier_type(carrier: &Carrier, entries: &[&Entry]) -> Result<String> {
    let (name, members) = (&carrier.r#type, members(carrier, entries));
    let copy = if carrier.copy { "Copy, " } else { "" };
    let mut text = format!(
        "\n/// {}\n#[derive(Clone, {copy}Debug, Default, PartialEq, Eq, Serialize, Deserialize)]\n#[serde(default)]\npub struct \
         {name} {{\n",
        carrier.doc
    );
    for member in &members {
        writeln!(
            text,
            "    /// {}\n    #[serde(skip_serializing_if = {:?})]\n    pub {}: {},",
            member.doc, member.unset, member.name, member.r#type
        )?;
    }
    writeln!(text, "}}\n\nimpl {name} {{")?;
    for entry in entries.iter().filter(|entry| entry.kind == "count") {
        let bound = entry.name.strip_prefix("max_").unwrap_or(&entry.name).to_uppercase();
        let most = grouped(entry.max.unwrap_or_default().into());
        writeln!(
            text,
            "    /// The largest `{}` there is.\n    pub const {bound}_MAX: u32 = {most};\n",
            entry.name
        )?;
    }
    writeln!(
        text,
        "    /// These, and where they say nothing, `others`.\n    #[must_use]\n    pub fn or(self, others: &Self) -> Self {{\n        \
         {name} {{"
    )?;
    for Member { name, r#type, .. } in &members {
        let value = match r#type.as_str() {
            "bool" => format!("self.{name} || others.{name}"),
            "Vec<String>" => {
                format!("if self.{name}.is_empty() {{ others.{name}.clone() }} else {{ self.{name} }}")
            }
            _ => format!("self.{name}.or(others.{name})"),
        };
        writeln!(text, "            {name}: {value},")?;
    }
    text += "        }\n    }\n\n    /// Whether nothing is set.\n    pub fn is_empty(&self) -> bool {\n        *self == Self::default()\n    }\n";
    text += &out_of_bounds(entries)?;
    text += "}\n";
    Ok(text)
}

/// For what was not read by the table: what somebody else's server says of its tools.
fn out_of_bounds(entries: &[&Entry]) -> Result<String> {
    let counts: Vec<&&Entry> = entries.iter().filter(|entry| entry.kind == "count").collect();
    let mut text = String::new();
    if counts.is_empty() {
        return Ok(text);
    }
    text += "\n    /// The first number that is out of its bounds, in words: for what others have written.\n    pub fn out_of_bounds(&self) -> \
             Option<&'static str> {\n";
    for entry in counts {
        let (min, max) = (entry.min.unwrap_or_default(), entry.max.unwrap_or_default());
        for member in [Some(entry.member()), entry.front_matter_member.clone()].into_iter().flatten() {
            let most = grouped(max.into());
            let beyond =
                if min == 0 { format!("n > {most}") } else { format!("!({min}..={most}).contains(&n)") };
            writeln!(
                text,
                "        if self.{member}.is_some_and(|n| {beyond}) {{\n            return Some(\"`{}` is not {min} to {max}\");\n        }}",
                entry.name
            )?;
        }
    }
    text += "        None\n    }\n";
    Ok(text)
}

fn setter(options: &Options) -> Result<String> {
    let mut text = String::from(
        "\nimpl CallOptions {\n    /// Sets what carries the option of this name where it stands at `place`. `false` when nothing carries it, or \
         not such a value.\n    pub fn set(&mut self, option: &str, place: OptionPlace, value: OptionValue) -> bool {\n        \
         match (option, place, value) {\n",
    );
    for entry in &options.options {
        let Some(carrier) = &entry.carried else { continue };
        let (value, member) = match entry.kind.as_str() {
            "flag" => ("OptionValue::Flag(value)", "Some(value)"),
            "seconds" => ("OptionValue::Milliseconds(value)", "Some(value)"),
            "count" => ("OptionValue::Count(value)", "Some(value)"),
            "choice" => ("OptionValue::Choice(value)", "value.parse().ok()"),
            _ => ("OptionValue::Texts(value)", "value"),
        };
        let name = &entry.name;
        if let Some(own) = &entry.front_matter_member {
            writeln!(
                text,
                "            ({name:?}, OptionPlace::FrontMatter, {value}) => self.{carrier}.{own} = {member},"
            )?;
        }
        writeln!(
            text,
            "            ({name:?}, _, {value}) => self.{carrier}.{} = {member},",
            entry.member()
        )?;
    }
    text += "            _ => return false,\n        }\n        true\n    }\n}\n";
    Ok(text)
}

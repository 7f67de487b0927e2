//! What is answered to a name that no tool has.

use crate::encoded_list::EncodedList;
use crate::similar;

/// Why a name means no tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownName {
    /// No tool has it.
    Unknown {
        name: String,
        /// The tool that was probably meant.
        meant: Option<ToolNames>,
    },
    /// Several tools would have this name, each if the others were not there, so it means none of them.
    Shared {
        name: String,
        /// By canonical name.
        tools: Vec<ToolNames>,
    },
}

/// The names of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolNames {
    pub canonical: String,
    /// The one in the list.
    pub wire: String,
}

/// Of a longer name this much is repeated.
const NAME_CHARS_MAX: usize = 128;

/// More tools than this are not named.
const NAMED_MAX: usize = 5;

impl UnknownName {
    pub(crate) fn new(encoded: &EncodedList, name: &str) -> Self {
        let tools: Vec<usize> = encoded.find(name).collect();
        let tool_names = |tool| {
            let (canonical, wire) = (encoded.name(tool)?.to_owned(), encoded.wire_name(tool)?.to_owned());
            Some(ToolNames { canonical, wire })
        };
        let shown: String = name.chars().take(NAME_CHARS_MAX).collect();
        if tools.len() > 1 {
            let tools = tools.into_iter().filter_map(tool_names).collect();
            return UnknownName::Shared { name: shown, tools };
        }
        // The command alone, without its skill, is the most common slip. A tool that is not listed is not suggested.
        let suffix = format!(".{name}");
        let by_command = (0..encoded.tool_count())
            .filter(|tool| encoded.is_listed(*tool))
            .find(|tool| encoded.name(*tool).is_some_and(|name| name.ends_with(&suffix)));
        let meant = by_command.or_else(|| {
            let listed = encoded.keys().filter(|(_, tool)| encoded.is_listed(*tool));
            let closest = similar::closest(name, listed.map(|(key, _)| key))?;
            encoded.find(closest).find(|tool| encoded.is_listed(*tool))
        });
        UnknownName::Unknown { name: shown, meant: meant.and_then(tool_names) }
    }

    /// What is wrong with the name, for whoever called by it: names are spelt as theirs was, with a dot or without.
    pub fn for_clients(&self) -> String {
        let (UnknownName::Unknown { name, .. } | UnknownName::Shared { name, .. }) = self;
        let is_dotted = name.contains('.');
        let spelt = |tool: &ToolNames| if is_dotted { tool.canonical.clone() } else { tool.wire.clone() };
        self.describe(spelt, "the tool list names all there are")
    }

    /// The same for people, who use the canonical names.
    pub fn for_people(&self) -> String {
        self.describe(
            |tool| tool.canonical.clone(),
            "`omni list` shows all there are, and `omni doctor` says why one is missing",
        )
    }

    fn describe(&self, spelt: impl Fn(&ToolNames) -> String, all: &str) -> String {
        match self {
            UnknownName::Unknown { name, meant: Some(meant) } => {
                format!("unknown tool `{name}`; did you mean `{}`?", spelt(meant))
            }
            UnknownName::Unknown { name, meant: None } => {
                format!("unknown tool `{name}`; {all}")
            }
            UnknownName::Shared { name, tools } => {
                let each: Vec<String> = tools
                    .iter()
                    .take(NAMED_MAX)
                    .map(|ToolNames { canonical, wire }| format!("`{canonical}`, listed as `{wire}`"))
                    .collect();
                let more = match tools.len().saturating_sub(NAMED_MAX) {
                    0 => String::new(),
                    more => format!("; and {more} more"),
                };
                format!("`{name}` means {} tools, so none was called: {}{more}", tools.len(), each.join("; "))
            }
        }
    }
}

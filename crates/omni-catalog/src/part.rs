//! What one source offers at one moment.

use std::sync::Arc;

use bytes::Bytes;
use omni_call::{ExecutorKind, shown_line};

use crate::described::{self, NotAList};
use crate::home::Home;
use crate::items::Items;
use crate::list_shape::Carries;
use crate::listing::carries;
use crate::served::{self, Around, Served, ServedTool};
use crate::{Diagnostic, Kind, NameStyle, Severity, Skill};

/// An immutable picture of one source: its tools, resources, templates, prompts and skills, and what is wrong with them.
/// Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Part {
    served: Served,
    home: Home,
    resources: Arc<Items>,
    templates: Arc<Items>,
    prompts: Arc<Items>,
    /// By kind: false until the source has been asked for it once, now or by whoever wrote the cache.
    known: [bool; Kind::ALL.len()],
    failure: Option<Diagnostic>,
}

impl Part {
    pub(crate) fn new(served: Served, home: Home) -> Part {
        let nothing = Arc::new(Items::default());
        Part {
            served,
            home,
            resources: nothing.clone(),
            templates: nothing.clone(),
            prompts: nothing,
            known: [true; Kind::ALL.len()],
            failure: None,
        }
    }

    /// The part of a source that has not been looked at yet.
    pub(crate) fn unknown(names: NameStyle, home: Home) -> Part {
        Part { known: [false; Kind::ALL.len()], ..Part::new(Served::empty(names), home) }
    }

    /// The same part of a source that has nothing of these kinds, so that there is nothing to be asked for.
    pub(crate) fn without(mut self, kinds: impl Iterator<Item = Kind>) -> Part {
        kinds.for_each(|kind| self.known[kind as usize] = true);
        self
    }

    /// Tools as `tools/list` of MCP describes them, `{"tools":[…]}`, each with a member `omni` for what is no matter of
    /// clients. All are run by `executor`. `source` says in findings where the list is from.
    ///
    /// # Errors
    ///
    /// When `list` is no such list. A description that is of no use is a finding, and costs its own tool only.
    pub fn described(source: &str, list: &[u8], executor: ExecutorKind) -> Result<Part, NotAList> {
        let served = described_tools(source, list, executor, NameStyle::default())?;
        Ok(Part::new(served, Home::elsewhere(executor)))
    }

    /// The same part with other tools.
    pub(crate) fn with_tools(&self, served: Served) -> Part {
        let part = Part { served, failure: None, ..self.clone() };
        part.without([Kind::Tools, Kind::Skills].into_iter())
    }

    /// The same part with other items of a kind; tools and skills have none.
    pub(crate) fn with_items(&self, kind: Kind, items: Items) -> Part {
        let mut part = self.clone();
        match kind {
            Kind::Resources => part.resources = Arc::new(items),
            Kind::Templates => part.templates = Arc::new(items),
            Kind::Prompts => part.prompts = Arc::new(items),
            Kind::Tools | Kind::Skills => return part,
        }
        part.known[kind as usize] = true;
        part
    }

    /// The same part of a source that can no longer be read. `why` is a sentence fragment.
    pub(crate) fn failed(&self, source: &str, why: &str) -> Part {
        let kept = if self.is_known() { "what it had before is served" } else { "nothing of it is served" };
        let failure = Diagnostic {
            severity: Severity::Error,
            skill: String::new(),
            file: source.to_owned(),
            line: 0,
            column: 0,
            code: "source-failed".to_owned(),
            message: format!("{}; {kept}", shown_line(why)),
            help: Some("it is asked again at the next look; nothing else waits for it".to_owned()),
        };
        Part { failure: Some(failure), ..self.clone() }
    }

    pub(crate) fn without_failure(&self) -> Part {
        Part { failure: None, ..self.clone() }
    }

    /// Why the source gives nothing newer, if that is so.
    pub fn failure(&self) -> Option<&Diagnostic> {
        self.failure.as_ref()
    }

    /// Whether the source has been asked for its tools, now or by whoever wrote the cache.
    pub fn is_known(&self) -> bool {
        self.knows(Kind::Tools)
    }

    /// Whether the source has been asked for this kind, now or by whoever wrote the cache.
    pub fn knows(&self, kind: Kind) -> bool {
        self.known[kind as usize]
    }

    /// All skills, sorted by folder name. Parses them.
    pub(crate) fn skills(&self) -> Vec<Skill> {
        let mut skills: Vec<Skill> = serde_json::from_slice(self.served.skills()).unwrap_or_default();
        if self.home.is_folder() {
            for skill in &mut skills {
                skill.path = self.home.dir.join(&skill.folder);
            }
        }
        skills
    }

    /// What was found wrong when it was read, and that it can no longer be read. Parses them.
    pub(crate) fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut all: Vec<Diagnostic> = serde_json::from_slice(self.served.diagnostics()).unwrap_or_default();
        for items in [&self.resources, &self.templates, &self.prompts] {
            all.extend(items.findings().iter().cloned());
        }
        all.extend(self.failure.clone());
        all
    }

    pub(crate) fn served(&self) -> &Served {
        &self.served
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// The resources, templates or prompts; nothing for tools and skills.
    pub(crate) fn items(&self, kind: Kind) -> Option<&Arc<Items>> {
        match kind {
            Kind::Resources => Some(&self.resources),
            Kind::Templates => Some(&self.templates),
            Kind::Prompts => Some(&self.prompts),
            Kind::Tools | Kind::Skills => None,
        }
    }

    /// Whether a list of tools made from `other` is one made from this.
    pub(crate) fn has_tools_of(&self, other: &Part) -> bool {
        let (one, other_served) = (&self.served, &other.served);
        one.content == other_served.content
            && one.list_hash == other_served.list_hash
            && one.style == other_served.style
            && self.home == other.home
    }
}

/// The served form of tools that somebody describes.
pub(crate) fn described_tools(
    source: &str,
    list: &[u8],
    executor: ExecutorKind,
    names: NameStyle,
) -> Result<Served, NotAList> {
    described_file(source, list, executor, names).map(|(served, _)| served)
}

/// The same, and the bytes that decode to it.
pub(crate) fn described_file(
    source: &str,
    list: &[u8],
    executor: ExecutorKind,
    names: NameStyle,
) -> Result<(Served, Bytes), NotAList> {
    let read = described::read(source, list, executor)?;
    let tools: Vec<ServedTool<'_>> = read
        .tools
        .iter()
        .map(|(name, texts)| ServedTool { name, listing: &texts.listing, detail: &texts.detail })
        .collect();
    let around = Around {
        content: *blake3::hash(list).as_bytes(),
        style: names,
        carries: carries(tools.iter().map(|tool| tool.listing)),
        skills: &serde_json::to_string(&read.skills).unwrap_or_else(|_| "[]".to_owned()),
        diagnostics: &serde_json::to_string(&read.findings).unwrap_or_else(|_| "[]".to_owned()),
    };
    let file = Bytes::from(served::encode(&tools, around).map_err(|_| NotAList::TooLarge)?);
    let served = Served::decode(file.clone(), names).ok_or(NotAList::TooLarge)?;
    Ok((served, file))
}

impl Served {
    /// The served form of no tools.
    pub(crate) fn empty(style: NameStyle) -> Served {
        let around =
            Around { content: [0; 32], style, carries: Carries::default(), skills: "[]", diagnostics: "[]" };
        let file = served::encode(&[], around).unwrap_or_default();
        Served::decode(file.into(), style).expect("what was encoded a line above decodes")
    }
}

//! What one source offers at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use omni_call::{ExecutorKind, shown_line};

use crate::diagnostic::FaultsOfKept;
use crate::encoded_list::{self, EncodedList, EncodedTool, ListMeta};
use crate::items::Items;
use crate::list_fields::OptionalMembers;
use crate::listing::optional_members;
use crate::remote_list::{self, NotAToolList};
use crate::source_defaults::SourceDefaults;
use crate::{CatalogKind, Diagnostic, NameStyle, Severity, Skill};

/// An immutable picture of one source: its tools, resources, templates, prompts and skills, and what is wrong with them.
/// Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct SourceSnapshot {
    encoded: EncodedList,
    defaults: SourceDefaults,
    resources: Arc<Items>,
    templates: Arc<Items>,
    prompts: Arc<Items>,
    /// By kind: false until the source has been asked for it once, now or by whoever wrote the cache.
    known: [bool; CatalogKind::ALL.len()],
    failure: Option<Diagnostic>,
    /// The skills, by folder, of which an edit is kept back.
    kept: Arc<BTreeMap<String, FaultsOfKept>>,
}

impl SourceSnapshot {
    pub(crate) fn new(encoded: EncodedList, defaults: SourceDefaults) -> SourceSnapshot {
        let [resources, templates, prompts] =
            encoded.items.clone().map(|items| Arc::new(Items::from_encoded(items)));
        SourceSnapshot {
            encoded,
            defaults,
            resources,
            templates,
            prompts,
            known: [true; CatalogKind::ALL.len()],
            failure: None,
            kept: Arc::default(),
        }
    }

    /// The snapshot of a source that has not been read or asked yet.
    pub(crate) fn unknown(names: NameStyle, defaults: SourceDefaults) -> SourceSnapshot {
        SourceSnapshot {
            known: [false; CatalogKind::ALL.len()],
            ..SourceSnapshot::new(EncodedList::empty(names), defaults)
        }
    }

    /// The same snapshot of a source that has nothing of these kinds, so that there is nothing to be asked for.
    pub(crate) fn without(mut self, kinds: impl Iterator<Item = CatalogKind>) -> SourceSnapshot {
        kinds.for_each(|kind| self.known[kind as usize] = true);
        self
    }

    /// Tools as `tools/list` of MCP describes them, `{"tools":[…]}`, each with a member `omni` for what is no matter of
    /// clients. All are run by `executor`. `source` says in findings where the list is from.
    ///
    /// # Errors
    ///
    /// When `list` is no such list. A description that is of no use is a finding, and costs its own tool only.
    pub fn of_remote_list(
        source: &str,
        list: &[u8],
        executor: ExecutorKind,
    ) -> Result<SourceSnapshot, NotAToolList> {
        let encoded = remote_tools(source, list, executor, NameStyle::default())?;
        Ok(SourceSnapshot::new(encoded, SourceDefaults::without_folder(executor)))
    }

    /// The same snapshot, in which edits of these skills, by folder, are kept back.
    pub(crate) fn keeping_back(self, kept: BTreeMap<String, FaultsOfKept>) -> SourceSnapshot {
        SourceSnapshot { kept: Arc::new(kept), ..self }
    }

    /// The same snapshot with other tools.
    pub(crate) fn with_tools(&self, encoded: EncodedList) -> SourceSnapshot {
        let snapshot = SourceSnapshot { encoded, failure: None, ..self.clone() };
        snapshot.without([CatalogKind::Tools, CatalogKind::Skills].into_iter())
    }

    /// The same snapshot with other items of a kind; tools and skills have none.
    pub(crate) fn with_items(&self, kind: CatalogKind, items: Items) -> SourceSnapshot {
        let mut snapshot = self.clone();
        match kind {
            CatalogKind::Resources => snapshot.resources = Arc::new(items),
            CatalogKind::Templates => snapshot.templates = Arc::new(items),
            CatalogKind::Prompts => snapshot.prompts = Arc::new(items),
            CatalogKind::Tools | CatalogKind::Skills => return snapshot,
        }
        snapshot.known[kind as usize] = true;
        snapshot
    }

    /// The same snapshot of a source that can no longer be read. `why` is a sentence fragment.
    pub(crate) fn failed(&self, source: &str, why: &str) -> SourceSnapshot {
        let kept = if self.is_known() { "what it had before is served" } else { "nothing of it is served" };
        let failure = Diagnostic {
            severity: Severity::Error,
            skill: String::new(),
            file: source.to_owned(),
            line: 0,
            column: 0,
            code: "source-failed".to_owned(),
            message: format!("{}; {kept}", shown_line(why)),
            help: Some("it is asked again at the next refresh; nothing else waits for it".to_owned()),
        };
        SourceSnapshot { failure: Some(failure), ..self.clone() }
    }

    pub(crate) fn without_failure(&self) -> SourceSnapshot {
        SourceSnapshot { failure: None, ..self.clone() }
    }

    /// Why the source gives nothing newer, if that is so.
    pub fn failure(&self) -> Option<&Diagnostic> {
        self.failure.as_ref()
    }

    /// Whether the source has been asked for its tools, now or by whoever wrote the cache.
    pub fn is_known(&self) -> bool {
        self.knows(CatalogKind::Tools)
    }

    /// Whether the source has been asked for this kind, now or by whoever wrote the cache.
    pub fn knows(&self, kind: CatalogKind) -> bool {
        self.known[kind as usize]
    }

    /// All skills, sorted by folder name. Parses them.
    pub(crate) fn skills(&self) -> Vec<Skill> {
        let mut skills: Vec<Skill> = serde_json::from_slice(self.encoded.skills()).unwrap_or_default();
        if self.defaults.is_folder() {
            for skill in &mut skills {
                skill.path = self.defaults.dir.join(&skill.folder);
            }
        }
        skills
    }

    /// Bytes of text that say which skills there are.
    pub(crate) fn skill_bytes(&self) -> usize {
        let resources = self.resources.encoded();
        let listed =
            if self.defaults.is_folder() { 0 } else { resources.pages().map(|page| page.len()).sum() };
        self.encoded.skills().len() + listed
    }

    /// What was found wrong when it was read, and that it can no longer be read. Parses them.
    pub(crate) fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut all: Vec<Diagnostic> = serde_json::from_slice(self.encoded.diagnostics()).unwrap_or_default();
        for items in [&self.resources, &self.templates, &self.prompts] {
            all.extend(items.findings().iter().cloned());
        }
        all.extend(self.failure.clone());
        all
    }

    /// Whether the finding is of an edit that is kept back: what is offered has not got the error.
    pub(crate) fn keeps_back(&self, finding: &Diagnostic) -> bool {
        self.kept.get(&finding.skill).is_some_and(|kept| kept.new.contains(&finding.fault()))
    }

    /// The skills, by folder, of which an edit is kept back.
    pub(crate) fn kept(&self) -> &BTreeMap<String, FaultsOfKept> {
        &self.kept
    }

    pub(crate) fn encoded(&self) -> &EncodedList {
        &self.encoded
    }

    /// Whether an argument of any of its prompts and templates can be completed, as its own lists say.
    pub(crate) fn completes(&self) -> bool {
        [&self.templates, &self.prompts].iter().any(|items| items.encoded().completes)
    }

    pub(crate) fn defaults(&self) -> &SourceDefaults {
        &self.defaults
    }

    /// The resources, templates or prompts; nothing for tools and skills.
    pub(crate) fn items(&self, kind: CatalogKind) -> Option<&Arc<Items>> {
        match kind {
            CatalogKind::Resources => Some(&self.resources),
            CatalogKind::Templates => Some(&self.templates),
            CatalogKind::Prompts => Some(&self.prompts),
            CatalogKind::Tools | CatalogKind::Skills => None,
        }
    }

    /// Whether a list of tools made from `other` is one made from this.
    pub(crate) fn has_tools_of(&self, other: &SourceSnapshot) -> bool {
        let (one, other_served) = (&self.encoded, &other.encoded);
        one.content == other_served.content
            && one.list_hash == other_served.list_hash
            && one.style == other_served.style
            && self.defaults == other.defaults
    }
}

/// The encoded list of tools that somebody describes.
pub(crate) fn remote_tools(
    source: &str,
    list: &[u8],
    executor: ExecutorKind,
    names: NameStyle,
) -> Result<EncodedList, NotAToolList> {
    remote_file(source, list, executor, names).map(|(encoded, _)| encoded)
}

/// The same, and the bytes that decode to it.
pub(crate) fn remote_file(
    source: &str,
    list: &[u8],
    executor: ExecutorKind,
    names: NameStyle,
) -> Result<(EncodedList, Bytes), NotAToolList> {
    let read = remote_list::read(source, list, executor)?;
    let tools: Vec<EncodedTool<'_>> = read
        .tools
        .iter()
        .map(|(name, texts)| EncodedTool { name, listing: &texts.listing, detail: &texts.detail })
        .collect();
    let meta = ListMeta {
        content: *blake3::hash(list).as_bytes(),
        style: names,
        optional_members: optional_members(tools.iter().map(|tool| tool.listing)),
        skills: &serde_json::to_string(&read.skills).unwrap_or_else(|_| "[]".to_owned()),
        diagnostics: &serde_json::to_string(&read.findings).unwrap_or_else(|_| "[]".to_owned()),
        items: [&[]; 3],
    };
    let file = Bytes::from(encoded_list::encode(&tools, meta).map_err(|_| NotAToolList::TooLarge)?);
    let encoded = EncodedList::decode(file.clone(), names).ok_or(NotAToolList::TooLarge)?;
    Ok((encoded, file))
}

impl EncodedList {
    /// The encoded list of no tools.
    pub(crate) fn empty(style: NameStyle) -> EncodedList {
        let meta = ListMeta {
            content: [0; 32],
            style,
            optional_members: OptionalMembers::default(),
            skills: "[]",
            diagnostics: "[]",
            items: [&[]; 3],
        };
        let file = encoded_list::encode(&[], meta).unwrap_or_default();
        EncodedList::decode(file.into(), style).expect("what was encoded a line above decodes")
    }
}

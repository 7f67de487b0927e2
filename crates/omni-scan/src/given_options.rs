//! What did an author set of a tool, resource, prompt or completion?

use omni_call::{CallOptions, ExecutorKind, FunctionKind};
use serde_json::{Map, Value as Json};

use crate::package::FileId;
use crate::resource::CacheHint;
use crate::schema::title_case;

/// The options of one tool, resource, prompt or completion, checked.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    /// The name is given but only known to Python.
    pub(crate) name_unknown: bool,
    /// Python refuses the options, and with them the whole file.
    pub(crate) file_fails: bool,
    pub(crate) description: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) annotations: Map<String, Json>,
    pub(crate) executor: Option<ExecutorKind>,
    /// What is acted on when a call is made.
    pub(crate) call: CallOptions,
    pub(crate) input_schema: Option<Json>,
    /// The inner `None` is `output_schema=None`: no schema, whatever the annotation says.
    pub(crate) output_schema: Option<Option<Json>>,
    pub(crate) meta: Option<Map<String, Json>>,
    pub(crate) icons: Option<Json>,
    /// For `_meta.ui`, where it ends up.
    pub(crate) app: Option<Map<String, Json>>,
    pub(crate) tags: Vec<String>,
    pub(crate) version: Option<String>,
    /// As it is written, and where.
    pub(crate) uri: Option<(String, u32)>,
    /// A URI is given but only known to Python.
    pub(crate) uri_unknown: bool,
    pub(crate) mime_type: Option<String>,
    pub(crate) size: Option<u64>,
    pub(crate) cache: CacheHint,
    /// Whose argument a function completes, and where that is said.
    pub(crate) completes: Vec<(FunctionKind, Reference, u32)>,
    /// The argument, and where it is said.
    pub(crate) argument: Option<(String, u32)>,
    /// What a completion is for is given but not understood.
    pub(crate) target_unknown: bool,
}

impl Options {
    /// The title that is given, or else one made from the name: some clients drop what has none.
    pub(crate) fn title_of(&self, name: &str) -> String {
        self.title.clone().unwrap_or_else(|| title_case(&name.replace(['_', '-'], " ")))
    }
}

/// What a completion says of whose argument it completes.
pub(crate) enum Reference {
    Name(String),
    /// The function of this name in the file.
    Function(FileId, String),
}

/// A value is none that its option takes.
pub(crate) enum Wanted {
    /// What would be one is what the option says of itself.
    AsSaid,
    /// What would be one: `must be …`.
    Instead(String),
}

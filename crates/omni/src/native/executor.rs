//! The executor of omni's own tools.

use std::sync::Arc;

use omni_exec::{Native, NativeTool};

use super::doctor::DoctorTool;
use super::names::{NativeTools, OwnTool};
use crate::settings::{Places, RunSettings};

/// What a part of a result may have.
const RESULT_BYTES_MAX: usize = 8 << 20;

/// The executor of those that are switched on.
pub(crate) fn executor(tools: &NativeTools, places: &Arc<Places>, settings: &RunSettings) -> Native {
    let table = tools.chosen().map(|own| {
        let name = own.description()["name"].as_str().unwrap_or_default().to_owned();
        let tool: Arc<dyn NativeTool> = match own {
            OwnTool::Doctor => DoctorTool::make(places, settings),
        };
        (name, tool)
    });
    Native::new(table.collect(), RESULT_BYTES_MAX)
}

//! Whether the runner answers, if one is set, and whether it has the tools that are listed here.

use super::finding::{Finding, Level, Section};
use crate::process_setup;
use crate::runner::Health;
use crate::settings::{Places, Sources};

/// What to do about a runner that does not fit what is listed here.
const SAME_FOLDER: &str = "let it serve this folder of skills, start it again after a change, or list its own tools \
                           with `--tools runner`";

/// Asks it. Where its own list is in use, the catalogue is brought up to date.
pub(super) fn examine(places: &Places, sources: &Sources) -> Section {
    let asked = places.runner.as_ref().map(|settings| {
        let asked =
            process_setup::runtime().and_then(|runtime| runtime.block_on(Health::ask(settings, sources)));
        (settings.address.to_string(), asked.map_err(|error| format!("{error:#}")))
    });
    let findings = asked.as_ref().map(|(address, asked)| findings(address, asked)).unwrap_or_default();
    let asked = asked.map(|(_, asked)| asked);
    Section::of(findings)
        .with("runner", asked.as_ref().and_then(|asked| asked.as_ref().ok()))
        .with("runner_error", asked.as_ref().and_then(|asked| asked.as_ref().err()))
}

fn findings(address: &str, asked: &Result<Health, String>) -> Vec<Finding> {
    let health = match asked {
        Ok(health) => health,
        Err(why) => {
            let hint = "tools are listed as they were last known; the runner's can not run";
            return vec![Finding::new(Level::Error, "runner", why).hint(hint)];
        }
    };
    let lacks = health.lacks.iter().map(|tool| {
        let text = format!("the runner at `{address}` has no tool `{tool}`");
        Finding::new(Level::Error, "runner", text).hint(SAME_FOLDER)
    });
    let differs = health.differs.iter().map(|tool| {
        let text = format!("the runner at `{address}` describes the arguments of `{tool}` in another way");
        Finding::new(Level::Warning, "runner", text).hint(SAME_FOLDER)
    });
    let says = Finding::fact("runner", format!("{address} says: {}", health.reply["status"]));
    lacks.chain(differs).chain([says]).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_that_a_runner_lacks_is_an_error_and_one_that_differs_a_warning() {
        let health = Health {
            reply: json!({"status": "ok"}),
            lacks: ["a.b".to_owned()].into(),
            differs: ["c.d".to_owned()].into(),
        };
        let levels: Vec<_> =
            findings("unix:/r", &Ok(health)).into_iter().map(|found| (found.level, found.text)).collect();
        assert_eq!(
            levels,
            [
                (Level::Error, "the runner at `unix:/r` has no tool `a.b`".to_owned()),
                (
                    Level::Warning,
                    "the runner at `unix:/r` describes the arguments of `c.d` in another way".to_owned()
                ),
                (Level::Fact, "unix:/r says: \"ok\"".to_owned()),
            ]
        );
        let gone = findings("unix:/r", &Err("nobody listens".into()));
        assert_eq!((gone.len(), gone[0].level), (1, Level::Error));
    }
}

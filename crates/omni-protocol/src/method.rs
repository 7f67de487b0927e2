//! The methods of MCP that clients call, and which era has them.
//!
//! A new one begins here, and with an [`Action`](crate::Action): what does not compile then leads to the rest.

/// A method, without its parameters: those are an [`Action`](crate::Action)'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    Initialize,
    Discover,
    Ping,
    ListTools,
    CallTool,
    SetLogLevel,
    ListResources,
    ListResourceTemplates,
    ReadResource,
    Subscribe,
    Unsubscribe,
    ListPrompts,
    GetPrompt,
    Complete,
    Listen,
    /// Of the extension for skills, as are the two after it.
    ListSkills,
    GetSkill,
    ReadDirectory,
    /// Of the extension for tasks, as are the two after it.
    GetTask,
    UpdateTask,
    CancelTask,
}

impl Method {
    /// The most common one first: a name is looked for in this order.
    const ALL: [Method; 21] = {
        use Method::{
            CallTool, CancelTask, Complete, Discover, GetPrompt, GetSkill, GetTask, Initialize, ListPrompts,
            ListResourceTemplates, ListResources, ListSkills, ListTools, Listen, Ping, ReadDirectory,
            ReadResource, SetLogLevel, Subscribe, Unsubscribe, UpdateTask,
        };
        // Does not compile while one is missing, so that none is forgotten below.
        match CallTool {
            CallTool
            | ListTools
            | Initialize
            | Discover
            | Ping
            | SetLogLevel
            | ListResources
            | ListResourceTemplates
            | ReadResource
            | Subscribe
            | Unsubscribe
            | ListPrompts
            | GetPrompt
            | Complete
            | Listen
            | ListSkills
            | GetSkill
            | ReadDirectory
            | GetTask
            | UpdateTask
            | CancelTask => {}
        }
        [
            CallTool,
            ListTools,
            Initialize,
            Discover,
            Ping,
            SetLogLevel,
            ListResources,
            ListResourceTemplates,
            ReadResource,
            Subscribe,
            Unsubscribe,
            ListPrompts,
            GetPrompt,
            Complete,
            Listen,
            ListSkills,
            GetSkill,
            ReadDirectory,
            GetTask,
            UpdateTask,
            CancelTask,
        ]
    };

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Method::Initialize => "initialize",
            Method::Discover => "server/discover",
            Method::Ping => "ping",
            Method::ListTools => "tools/list",
            Method::CallTool => "tools/call",
            Method::SetLogLevel => "logging/setLevel",
            Method::ListResources => "resources/list",
            Method::ListResourceTemplates => "resources/templates/list",
            Method::ReadResource => "resources/read",
            Method::Subscribe => "resources/subscribe",
            Method::Unsubscribe => "resources/unsubscribe",
            Method::ListPrompts => "prompts/list",
            Method::GetPrompt => "prompts/get",
            Method::Complete => "completion/complete",
            Method::Listen => "subscriptions/listen",
            Method::ListSkills => "skills/list",
            Method::GetSkill => "skills/get",
            Method::ReadDirectory => "resources/directory/read",
            Method::GetTask => "tasks/get",
            Method::UpdateTask => "tasks/update",
            Method::CancelTask => "tasks/cancel",
        }
    }

    /// The method of that name.
    pub(crate) fn from_name(name: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.name() == name)
    }

    /// Whether it is of the extension for skills (`io.modelcontextprotocol/skills`), which a revision has or has not.
    pub(crate) fn is_of_skills(self) -> bool {
        matches!(self, Method::ListSkills | Method::GetSkill | Method::ReadDirectory)
    }

    /// Whether the revisions that open with `initialize` have it.
    pub(crate) fn in_legacy(self) -> bool {
        match self {
            Method::Discover | Method::Listen | Method::GetTask | Method::UpdateTask | Method::CancelTask => {
                false
            }
            Method::Initialize
            | Method::Ping
            | Method::ListTools
            | Method::CallTool
            | Method::SetLogLevel
            | Method::ListResources
            | Method::ListResourceTemplates
            | Method::ReadResource
            | Method::Subscribe
            | Method::Unsubscribe
            | Method::ListPrompts
            | Method::GetPrompt
            | Method::Complete
            | Method::ListSkills
            | Method::GetSkill
            | Method::ReadDirectory => true,
        }
    }

    /// Whether the revisions have it whose requests stand for themselves.
    pub(crate) fn in_modern(self) -> bool {
        match self {
            Method::Initialize
            | Method::Ping
            | Method::SetLogLevel
            | Method::Subscribe
            | Method::Unsubscribe => false,
            Method::Discover
            | Method::ListTools
            | Method::CallTool
            | Method::ListResources
            | Method::ListResourceTemplates
            | Method::ReadResource
            | Method::ListPrompts
            | Method::GetPrompt
            | Method::Complete
            | Method::Listen
            | Method::ListSkills
            | Method::GetSkill
            | Method::ReadDirectory
            | Method::GetTask
            | Method::UpdateTask
            | Method::CancelTask => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_found_by_the_name_it_has() {
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(method));
        }
        assert_eq!(Method::from_name("tools/call "), None);
    }
}

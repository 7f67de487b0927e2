//! How far a task is, by the names of MCP's extension for tasks.

/// How far a task is (`TaskStatus` in the extension `io.modelcontextprotocol/tasks`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskStatus {
    /// It runs.
    Working,
    /// It waits for answers of its client.
    InputRequired,
    /// It has a result.
    Completed,
    /// It has an error.
    Failed,
    /// Its client has cancelled it.
    Cancelled,
}

impl TaskStatus {
    pub const ALL: [TaskStatus; 5] = [
        TaskStatus::Working,
        TaskStatus::InputRequired,
        TaskStatus::Completed,
        TaskStatus::Failed,
        TaskStatus::Cancelled,
    ];

    /// The name in MCP, and where tasks are stored.
    pub fn name(self) -> &'static str {
        match self {
            TaskStatus::Working => "working",
            TaskStatus::InputRequired => "input_required",
            TaskStatus::Completed => "completed",
            TaskStatus::Failed => "failed",
            TaskStatus::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        TaskStatus::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether it stays like that for good.
    pub fn is_final(self) -> bool {
        match self {
            TaskStatus::Working | TaskStatus::InputRequired => false,
            TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_found_by_its_name_and_three_are_for_good() {
        for status in TaskStatus::ALL {
            assert_eq!(TaskStatus::from_name(status.name()), Some(status));
        }
        let last: Vec<_> = TaskStatus::ALL.into_iter().filter(|status| status.is_final()).collect();
        assert_eq!(last, [TaskStatus::Completed, TaskStatus::Failed, TaskStatus::Cancelled]);
        assert_eq!(TaskStatus::from_name("done"), None);
    }
}

//! Tasks: work that outlives the request that began it, as the extension for them has it.

use std::time::Duration;

use bytes::Bytes;
use omni_call::TaskStatus;

/// The extension by which a request says that it takes a task for its answer, and a server that it gives some.
pub(crate) const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// One task, as its client is told of it (`DetailedTask` in the extension).
#[derive(Clone, Debug)]
pub struct Task {
    /// Names it, and nobody can guess it.
    pub id: String,
    pub state: TaskState,
    /// A line for people: how far it has come, or why it ended as it did.
    pub message: Option<String>,
    /// When it was created and last changed, since 1970.
    pub created: Duration,
    pub updated: Duration,
    /// How long after its creation it can be asked for at least; `None` for as long as there is no end to it.
    pub ttl: Option<Duration>,
    /// How long a client is to wait between two looks at it.
    pub poll_interval: Duration,
}

/// How far a task is, with what its client gets then.
#[derive(Clone, Debug)]
pub enum TaskState {
    Working,
    /// It cannot go on without the answers to these: all questions that are open, in a JSON object by the keys that they are
    /// answered under ([`Encoder::input_requests`](crate::Encoder::input_requests)).
    InputRequired(Bytes),
    /// The request has this result: a JSON object, as it would have been answered.
    Completed(Bytes),
    /// The request has this JSON-RPC error: a JSON object.
    Failed(Bytes),
    Cancelled,
}

impl TaskState {
    /// The state without what belongs to it.
    pub fn status(&self) -> TaskStatus {
        match self {
            TaskState::Working => TaskStatus::Working,
            TaskState::InputRequired(_) => TaskStatus::InputRequired,
            TaskState::Completed(_) => TaskStatus::Completed,
            TaskState::Failed(_) => TaskStatus::Failed,
            TaskState::Cancelled => TaskStatus::Cancelled,
        }
    }
}

const SECONDS_OF_DAY: u64 = 24 * 60 * 60;
/// Days of 400 years, after which the calendar repeats itself.
const DAYS_OF_ERA: u64 = 146_097;
/// From the 1st of March of year 0 to 1970.
const DAYS_BEFORE_1970: u64 = 719_468;

/// A time since 1970 as ISO 8601 has it, in UTC and milliseconds.
pub(crate) fn iso_8601(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (days, second) = (seconds / SECONDS_OF_DAY, seconds % SECONDS_OF_DAY);
    // Years are counted from March on, so that the day that is added in some is the last of its year.
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_OF_ERA, days % DAYS_OF_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (DAYS_OF_ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    let year = era * 400 + year_of_era + next_year;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since_1970.subsec_millis()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for (milliseconds, written) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
            (1_796_036_353_000, "2026-11-30T10:59:13.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(iso_8601(Duration::from_millis(milliseconds)), written);
        }
    }
}

//! Tasks as one server keeps them.

#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::time::Duration;

use omni_call::TaskStatus;
use omni_store::{
    Changed, Ending, NewTask, Quota, RemovedTask, Requested, Store, StoreConfig, StoreError, TaskChange,
    TaskRequest,
};
use support::Lab;

const HOUR: Duration = Duration::from_secs(3600);

fn quota(error: StoreError) -> Quota {
    match error {
        StoreError::Quota(quota) => quota,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_task_is_found_as_it_was_created_also_by_a_store_that_is_opened_later() {
    let lab = Lab::new();
    let store = lab.store();
    store.create(lab.task("a")).wait().unwrap();
    let task = lab.seen(&store, "a").unwrap();
    assert_eq!(
        (task.status, task.created, task.ttl, task.poll_interval, task.is_mine),
        (TaskStatus::Working, lab.now, Some(HOUR), Some(Duration::from_millis(500)), true)
    );
    assert_eq!((&*task.method, &*task.name, &*task.owner), ("tools/call", "maths_slow", "ada"));
    store.close();
    assert!(matches!(store.task("a", "ada", lab.now).wait(), Err(StoreError::Closed)));
    let later = lab.seen(&lab.store(), "a").unwrap();
    assert_eq!(later, omni_store::Task { is_mine: false, ..task });
}

#[test]
fn a_task_goes_through_questions_to_its_result_and_never_changes_again() {
    let lab = Lab::new();
    let store = lab.store();
    store.create(lab.task("a")).wait().unwrap();
    let asks = TaskChange {
        input_requests: Some(b"{\"q\":1}".to_vec()),
        status_message: Some("which one?".to_owned()),
        poll_interval: Some(Duration::from_secs(2)),
    };
    let later = lab.now + Duration::from_millis(7);
    assert_eq!(store.change("a", asks, later).wait().unwrap(), Changed::Done);
    let task = lab.seen(&store, "a").unwrap();
    assert_eq!(
        (task.status, task.input_requests.as_deref()),
        (TaskStatus::InputRequired, Some(&b"{\"q\":1}"[..]))
    );
    assert_eq!((task.updated, task.poll_interval), (later, Some(Duration::from_secs(2))));
    assert_eq!(store.change("a", TaskChange::default(), lab.now).wait().unwrap(), Changed::Done);
    let task = lab.seen(&store, "a").unwrap();
    assert_eq!(
        (task.status, task.input_requests, task.status_message.as_deref()),
        (TaskStatus::Working, None, Some("which one?"))
    );
    assert_eq!(task.updated, later, "a clock that was set back does not make a task younger");

    let ending = Ending::Completed(b"{\"content\":[]}".to_vec());
    assert_eq!(store.finish("a", ending, later).wait().unwrap(), Changed::Done);
    let ended = lab.seen(&store, "a").unwrap();
    assert_eq!(
        (ended.status, ended.result.as_deref()),
        (TaskStatus::Completed, Some(&b"{\"content\":[]}"[..]))
    );
    let had_ended = Changed::HadEnded(TaskStatus::Completed);
    assert_eq!(store.finish("a", Ending::Cancelled, later).wait().unwrap(), had_ended);
    assert_eq!(store.change("a", TaskChange::default(), later).wait().unwrap(), had_ended);
    let cancelled = store.request("a", "ada", TaskRequest::Cancel, later).wait().unwrap();
    assert_eq!(cancelled, Requested::HadEnded(TaskStatus::Completed));
    assert_eq!(lab.seen(&store, "a").unwrap(), ended);
}

#[test]
fn to_everybody_but_its_owner_a_task_does_not_exist() {
    let lab = Lab::new();
    let store = lab.store();
    store.create(lab.task("a")).wait().unwrap();
    for (id, owner) in [("a", "bob"), ("a", ""), ("a", "ADA"), ("A", "ada"), ("b", "ada"), ("%", "ada")] {
        assert_eq!(store.task(id, owner, lab.now).wait().unwrap(), None, "{id} of {owner}");
        for request in [TaskRequest::Cancel, TaskRequest::Answer(Vec::new())] {
            let asked = store.request(id, owner, request, lab.now).wait().unwrap();
            assert_eq!(asked, Requested::Unknown, "{id} of {owner}");
        }
    }
    assert_eq!(lab.seen(&store, "a").unwrap().status, TaskStatus::Working);
    assert_eq!(store.change("b", TaskChange::default(), lab.now).wait().unwrap(), Changed::Unknown);
}

#[test]
fn an_id_stands_for_one_task() {
    let lab = Lab::new();
    let store = lab.store();
    store.create(lab.task("a")).wait().unwrap();
    let again = NewTask { owner: "bob".to_owned(), ..lab.task("a") };
    assert!(matches!(store.create(again).wait(), Err(StoreError::Exists { id }) if id == "a"));
    assert_eq!(lab.seen(&store, "a").unwrap().owner, "ada");
}

#[test]
fn a_cancelled_task_says_so_at_once_and_its_result_comes_too_late() {
    let lab = Lab::new();
    let store = lab.store();
    store.create(lab.task("a")).wait().unwrap();
    let asked = store.request("a", "ada", TaskRequest::Cancel, lab.now).wait().unwrap();
    assert_eq!(asked, Requested::Mine);
    assert_eq!(lab.seen(&store, "a").unwrap().status, TaskStatus::Cancelled);
    let late = store.finish("a", Ending::Completed(Vec::new()), lab.now).wait().unwrap();
    assert_eq!(late, Changed::HadEnded(TaskStatus::Cancelled));
    assert_eq!(store.take_requests().wait().unwrap(), [], "nobody else needs to be told");
}

#[test]
fn a_task_is_gone_when_its_time_is_over_and_removed_when_somebody_asks_for_it() {
    let lab = Lab::new();
    let store = lab.store();
    store.create(lab.task("ended")).wait().unwrap();
    store.create(lab.task("running")).wait().unwrap();
    store.create(NewTask { ttl: None, ..lab.task("for ever") }).wait().unwrap();
    let _ = store.finish("ended", Ending::Completed(Vec::new()), lab.now).wait().unwrap();
    let last_moment = lab.now + HOUR - Duration::from_millis(1);
    assert!(store.task("ended", "ada", last_moment).wait().unwrap().is_some());
    assert_eq!(store.remove_expired(last_moment).wait().unwrap(), []);
    let over = lab.now + HOUR;
    assert!(store.task("ended", "ada", over).wait().unwrap().is_none());
    let mut removed = store.remove_expired(over).wait().unwrap();
    removed.sort_by(|a, b| a.id.cmp(&b.id));
    let one = |id: &str, status| RemovedTask { id: id.to_owned(), status, is_mine: true };
    assert_eq!(removed, [one("ended", TaskStatus::Completed), one("running", TaskStatus::Working)]);
    assert!(store.task("ended", "ada", lab.now).wait().unwrap().is_none());
    let much_later = lab.now + HOUR * 24 * 365 * 100;
    assert!(store.task("for ever", "ada", much_later).wait().unwrap().is_some());
}

#[test]
fn the_number_of_tasks_is_bounded_for_each_owner_and_in_all_and_what_is_over_makes_room() {
    let lab = Lab::new();
    let store = lab.store_with(|config| {
        config.tasks_max = 3;
        config.tasks_per_owner_max = 2;
    });
    let of = |id: &str, owner: &str| NewTask { owner: owner.to_owned(), ..lab.task(id) };
    store.create(of("a", "ada")).wait().unwrap();
    store.create(of("b", "ada")).wait().unwrap();
    assert_eq!(quota(store.create(of("c", "ada")).wait().unwrap_err()), Quota::TasksOfOwner(2));
    store.create(of("c", "bob")).wait().unwrap();
    assert_eq!(quota(store.create(of("d", "bob")).wait().unwrap_err()), Quota::Tasks(3));
    let over = lab.now + HOUR;
    let later = |id: &str| NewTask { created: over, ..of(id, "bob") };
    assert_eq!(
        quota(store.create(later("d")).wait().unwrap_err()),
        Quota::Tasks(3),
        "a running task makes no room"
    );
    let _ = store.finish("a", Ending::Cancelled, lab.now).wait().unwrap();
    store.create(later("d")).wait().unwrap();
    assert!(lab.seen(&store, "a").is_none());
}

#[test]
fn the_bytes_of_all_tasks_are_bounded_and_a_small_ending_always_fits() {
    let lab = Lab::new();
    let store = lab.store_with(|config| config.bytes_max = 20_000);
    let large = || Ending::Completed(vec![b'x'; 15_000]);
    for id in ["a", "b", "c"] {
        store.create(lab.task(id)).wait().unwrap();
    }
    assert_eq!(quota(store.finish("a", large(), lab.now).wait().unwrap_err()), Quota::Bytes(20_000));
    let questions = TaskChange { input_requests: Some(vec![b'x'; 15_000]), ..TaskChange::default() };
    assert_eq!(quota(store.change("a", questions, lab.now).wait().unwrap_err()), Quota::Bytes(20_000));
    assert_eq!(
        lab.seen(&store, "a").unwrap().status,
        TaskStatus::Working,
        "what does not fit changes nothing"
    );
    store.create(lab.task("d")).wait().unwrap();
    assert_eq!(quota(store.create(lab.task("e")).wait().unwrap_err()), Quota::Bytes(20_000));
    let too_large = Ending::Failed { message: "too large".to_owned(), error: vec![b'x'; 3000] };
    assert_eq!(store.finish("a", too_large, lab.now).wait().unwrap(), Changed::Done);
    let _ = store.remove_expired(lab.now + HOUR).wait().unwrap();
    store.create(lab.task("f")).wait().unwrap();
    assert_eq!(
        store.finish("f", large(), lab.now).wait().unwrap(),
        Changed::Done,
        "removed tasks free their bytes"
    );
}

#[test]
fn a_nonce_is_used_once_also_by_a_store_that_is_opened_later() {
    let lab = Lab::new();
    let store = lab.store_with(|config| config.nonces_max = 2);
    let expires = lab.now + HOUR;
    assert!(store.use_once(b"one", expires, lab.now).wait().unwrap());
    assert!(!store.use_once(b"one", expires, lab.now).wait().unwrap());
    assert!(store.use_once(b"two", expires, lab.now).wait().unwrap());
    assert_eq!(quota(store.use_once(b"three", expires, lab.now).wait().unwrap_err()), Quota::Nonces(2));
    assert!(
        !store.use_once(b"two", expires, lab.now).wait().unwrap(),
        "what is known is refused in a full store too"
    );
    store.close();
    let store = lab.store();
    assert!(!store.use_once(b"one", expires, lab.now).wait().unwrap());
    assert!(!store.use_once(b"one", expires, expires).wait().unwrap(), "what has expired is refused");
    assert!(store.use_once(b"three", expires + HOUR, expires).wait().unwrap(), "expired ones make room");
}

#[test]
fn nothing_is_made_before_the_first_use_and_then_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new();
    let store = Store::on_first_use(lab.folder(), StoreConfig::default());
    assert!(!lab.folder().exists());
    store.create(lab.task("a")).wait().unwrap();
    let mut files = 0;
    for folder in [lab.folder(), lab.folder().join("servers")] {
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700, "{folder:?}");
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                assert_eq!(mode(&path), 0o600, "{path:?}");
                files += 1;
            }
        }
    }
    assert_eq!(files, 5, "the database, its log and index, a lock for opening, and the server's");
    store.close();
    assert_eq!(
        std::fs::read_dir(lab.folder().join("servers")).unwrap().count(),
        0,
        "an orderly end leaves no lock"
    );
    assert_eq!(std::fs::metadata(lab.folder().join("omni.db-wal")).unwrap().len(), 0, "nor a log");
}

#[tokio::test]
async fn a_reply_can_be_awaited_and_dropping_it_takes_nothing_back() {
    let lab = Lab::new();
    let store = Store::on_first_use(lab.folder(), StoreConfig::default());
    drop(store.create(lab.task("a")));
    assert!(store.task("a", "ada", lab.now).await.unwrap().is_some());
    drop(store);
}

#[test]
fn what_is_too_much_to_wait_for_the_disk_is_refused() {
    let lab = Lab::new();
    let store = lab.store();
    store.create(lab.task("a")).wait().unwrap();
    // Another connection writes, so the store waits for it.
    let other = rusqlite::Connection::open(lab.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let large = || Ending::Completed(vec![b'x'; 10 << 20]);
    let replies: Vec<_> = (0..7).map(|_| store.finish("a", large(), lab.now)).collect();
    other.execute_batch("COMMIT").unwrap();
    let results: Vec<_> = replies.into_iter().map(omni_store::Reply::wait).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 6, "64 MiB may wait");
    assert!(matches!(results.last().unwrap(), Err(StoreError::Busy)), "{results:?}");
    assert!(store.use_once(b"n", lab.now + HOUR, lab.now).wait().unwrap(), "later there is room again");
}

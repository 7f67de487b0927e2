//! Several servers with one store, and what becomes of the tasks of one that ends.

#![expect(clippy::unwrap_used, reason = "a panic here is the report of a failure")]

mod support;

use std::fs;
use std::thread;
use std::time::Duration;

use omni_call::TaskStatus;
use omni_store::{LostTask, NewTask, OpenError, Quota, Requested, StoreError, TaskRequest};
use support::Lab;

fn locks(lab: &Lab) -> usize {
    fs::read_dir(lab.folder().join("servers")).unwrap().count()
}

#[test]
fn servers_that_write_at_a_time_lose_nothing_and_share_the_quota() {
    const EACH: usize = 150;
    let lab = Lab::new();
    let stores: Vec<_> =
        (0..3).map(|_| lab.store_with(|config| config.tasks_max = 3 * EACH as u64)).collect();
    thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            let lab = &lab;
            scope.spawn(move || {
                for one in 0..EACH {
                    store.create(lab.task(&format!("{number}-{one}"))).wait().unwrap();
                }
            });
        }
    });
    for number in 0..3 {
        for one in 0..EACH {
            let task = lab.seen(&stores[0], &format!("{number}-{one}")).unwrap();
            assert_eq!(task.is_mine, number == 0);
        }
    }
    let full = stores[1].create(lab.task("one more")).wait().unwrap_err();
    assert!(matches!(full, StoreError::Quota(Quota::TasksOfOwner(_) | Quota::Tasks(450))), "{full:?}");
    assert!(stores[0].use_once(b"n", lab.now + Duration::from_secs(1), lab.now).wait().unwrap());
    assert!(!stores[2].use_once(b"n", lab.now + Duration::from_secs(1), lab.now).wait().unwrap());
}

#[test]
fn only_tasks_whose_server_has_ended_are_lost() {
    let lab = Lab::new();
    let (ends, lives) = (lab.store(), lab.store());
    for id in ["working", "asking", "finished"] {
        ends.create(lab.task(id)).wait().unwrap();
    }
    let asks = omni_store::TaskChange { input_requests: Some(b"{}".to_vec()), ..Default::default() };
    let _ = ends.change("asking", asks, lab.now).wait().unwrap();
    let _ = ends.finish("finished", omni_store::Ending::Completed(b"1".to_vec()), lab.now).wait().unwrap();
    lives.create(lab.task("of another")).wait().unwrap();
    let watcher = lab.store();
    let lost = |store: &omni_store::Store| {
        let mut lost = store.declare_lost("the server was killed", b"{\"code\":1}", lab.now).wait().unwrap();
        lost.sort_by(|a, b| a.id.cmp(&b.id));
        lost
    };
    for store in [&ends, &lives, &watcher] {
        assert_eq!(lost(store), [], "while their servers live none is lost");
    }
    assert_eq!(locks(&lab), 2, "a store that creates no task has no lock");
    ends.close();
    let of_ada = |id: &str| LostTask { id: id.to_owned(), owner: "ada".to_owned() };
    assert_eq!(lost(&watcher), [of_ada("asking"), of_ada("working")]);
    assert_eq!(lost(&lives), []);
    let task = lab.seen(&watcher, "asking").unwrap();
    assert_eq!(
        (task.status, task.status_message.as_deref(), task.result.as_deref(), task.input_requests),
        (TaskStatus::Failed, Some("the server was killed"), Some(&b"{\"code\":1}"[..]), None)
    );
    assert_eq!(lab.seen(&watcher, "finished").unwrap().status, TaskStatus::Completed);
    assert_eq!(lab.seen(&watcher, "of another").unwrap().status, TaskStatus::Working);
    assert_eq!(locks(&lab), 1);
}

#[test]
fn what_a_client_asks_another_server_reaches_the_one_that_runs_the_task() {
    let lab = Lab::new();
    let (runs, asked) = (lab.store(), lab.store());
    for id in ["a", "b"] {
        runs.create(lab.task(id)).wait().unwrap();
    }
    let request = |id: &str, request| asked.request(id, "ada", request, lab.now).wait().unwrap();
    let answer = || TaskRequest::Answer(b"{\"q\":2}".to_vec());
    assert_eq!(request("b", answer()), Requested::Forwarded);
    assert_eq!(request("a", TaskRequest::Cancel), Requested::Forwarded);
    assert_eq!(request("a", answer()), Requested::HadEnded(TaskStatus::Cancelled));
    assert_eq!(lab.seen(&asked, "a").unwrap().status, TaskStatus::Cancelled);
    assert_eq!(asked.take_requests().wait().unwrap(), [], "they are not for the one that was asked");
    let taken = runs.take_requests().wait().unwrap();
    assert_eq!(taken, [("b".to_owned(), answer()), ("a".to_owned(), TaskRequest::Cancel)]);
    assert_eq!(runs.take_requests().wait().unwrap(), [], "each is taken once");
}

#[test]
fn answers_that_nobody_takes_count_towards_the_quota_and_go_with_their_task() {
    let lab = Lab::new();
    let (runs, asked) = (lab.store(), lab.store_with(|config| config.bytes_max = 20_000));
    runs.create(lab.task("a")).wait().unwrap();
    let answer = || asked.request("a", "ada", TaskRequest::Answer(vec![b'x'; 5000]), lab.now).wait();
    assert_eq!(answer().unwrap(), Requested::Forwarded);
    assert_eq!(answer().unwrap(), Requested::Forwarded);
    assert!(matches!(answer().unwrap_err(), StoreError::Quota(Quota::Bytes(20_000))));
    let _ = asked.remove_expired(lab.now + Duration::from_secs(3600)).wait().unwrap();
    assert_eq!(runs.take_requests().wait().unwrap(), []);
    runs.create(lab.task("b")).wait().unwrap();
    let again = asked.request("b", "ada", TaskRequest::Answer(vec![b'x'; 15_000]), lab.now).wait().unwrap();
    assert_eq!(again, Requested::Forwarded);
}

#[test]
fn a_lock_that_somebody_has_removed_is_made_again() {
    let lab = Lab::new();
    let (store, other) = (lab.store(), lab.store());
    store.create(lab.task("a")).wait().unwrap();
    fs::remove_dir_all(lab.folder().join("servers")).unwrap();
    fs::create_dir(lab.folder().join("servers")).unwrap();
    store.create(lab.task("b")).wait().unwrap();
    assert_eq!(other.declare_lost("", b"", lab.now).wait().unwrap(), []);
    store.close();
    assert_eq!(other.declare_lost("", b"", lab.now).wait().unwrap().len(), 2);
}

#[test]
fn a_store_in_use_for_too_long_is_an_error_and_serves_again_afterwards() {
    let lab = Lab::new();
    let store = lab.store_with(|config| config.lock_timeout = Duration::from_millis(50));
    store.create(lab.task("a")).wait().unwrap();
    let other = rusqlite::Connection::open(lab.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = store.create(lab.task("b")).wait().unwrap_err();
    assert!(matches!(locked, StoreError::Locked { .. }), "{locked:?}");
    assert_eq!(locked.to_string(), "the store has been in use by another process for 50 ms");
    assert!(lab.seen(&store, "a").is_some(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    store.create(lab.task("b")).wait().unwrap();

    let opening = fs::File::open(lab.folder().join("lock")).unwrap();
    opening.lock().unwrap();
    let config = omni_store::StoreConfig { lock_timeout: Duration::from_millis(50), ..Default::default() };
    let second = omni_store::Store::on_first_use(lab.folder(), config);
    let locked = second.ready().wait().unwrap_err();
    assert!(matches!(locked, StoreError::Open(OpenError::Locked { .. })), "{locked:?}");
    opening.unlock().unwrap();
    second.create(NewTask { owner: "bob".to_owned(), ..lab.task("c") }).wait().unwrap();
}

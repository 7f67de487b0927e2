//! A call whose process, place or server is gone when its client comes back with the answers.

use std::time::Duration;

use omni_call::AskMethod;
use omni_server::{AskingLimits, KeySource};
use omni_store::{Store, StoreConfig};
use omni_testkit::{
    OpenQuestion, RunningCall, ScriptedExecutor, SkillFolder, StartedCalls, TestServer, call_tool,
    modern_able, request, retry,
};
use serde_json::{Value, json};

use super::{
    Wire, able, accepted, all_accepted, call, call_again, elicit, parked, questions, repeatable,
    repeatable_skill, text,
};

/// Servers that are started one after the other, with the same skills and key.
struct Restarts {
    folder: SkillFolder,
    key: KeySource,
}

impl Restarts {
    fn new() -> Self {
        Restarts { folder: repeatable_skill(), key: KeySource::random() }
    }

    fn start(&self) -> (TestServer, StartedCalls) {
        let (executor, calls) = ScriptedExecutor::new();
        let key = self.key.clone();
        let server = TestServer::builder(&self.folder, executor).config(|config| config.seal_key = key);
        (server.start(), calls)
    }
}

fn wire(server: &TestServer, stdio: bool) -> Wire<'_> {
    if stdio { Wire::Stdio(server.stdio()) } else { Wire::http(server, Some(7)) }
}

/// A question by its words.
fn ask(running: &RunningCall, message: &str) -> OpenQuestion {
    let form =
        json!({"mode": "form", "message": message, "requestedSchema": {"type": "object", "properties": {}}});
    running.ask(AskMethod::Elicit, &form)
}

fn failed(answer: &Value) -> &str {
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert_eq!(answer["result"]["_meta"]["omni/failure"]["kind"], "lost", "{answer}");
    text(answer).as_str().unwrap()
}

fn refused(answer: &Value) -> &str {
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    answer["error"]["message"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_started_anew_runs_the_call_again_with_all_its_answers() {
    let restarts = Restarts::new();
    for stdio in [true, false] {
        let first = call_again(1, json!({"a": 1}));
        let (server, mut calls) = restarts.start();
        let mut client = wire(&server, stdio);
        client.send(&first).await;
        let running = calls.next().await;
        let one = ask(&running, "one");
        let asked = client.answer(1).await;
        client.send(&retry(&first, 2, &asked, all_accepted(&asked))).await;
        one.result().await;
        let _two = ask(&running, "two");
        let asked = client.answer(2).await;
        drop(client);
        drop((server, calls));

        let (server, mut calls) = restarts.start();
        let mut client = wire(&server, stdio);
        let [(key, _)] = &questions(&asked)[..] else { panic!("{asked}") };
        client.send(&retry(&first, 3, &asked, json!({key: accepted("second")}))).await;
        let running = calls.next().await;
        assert_eq!(running.arguments(), json!({"a": 1}));
        assert_eq!(ask(&running, "one").result().await, accepted("q1"));
        assert_eq!(ask(&running, "two").result().await, accepted("second"));
        // What it asks now is new, and a third server knows all three answers.
        let _three = ask(&running, "three");
        let asked = client.answer(3).await;
        assert_eq!(questions(&asked)[0].1["params"]["message"], "three");
        drop(client);
        drop((server, calls));

        let (server, mut calls) = restarts.start();
        let mut client = wire(&server, stdio);
        client.send(&retry(&first, 4, &asked, all_accepted(&asked))).await;
        let running = calls.next().await;
        for message in ["one", "two", "three"] {
            assert_eq!(ask(&running, message).result().await["action"], "accept");
        }
        running.finish("done");
        assert_eq!(text(&client.answer(4).await), "done");
        let used = client.request(&retry(&first, 5, &asked, all_accepted(&asked))).await;
        assert!(refused(&used).contains("has been used"), "{used}");
        assert!(calls.try_next().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn what_stayed_unanswered_is_asked_again_under_its_key() {
    let restarts = Restarts::new();
    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    let first = call_again(1, json!({}));
    client.send(&first).await;
    let running = calls.next().await;
    let (_one, _two) = (ask(&running, "one"), ask(&running, "two"));
    let asked = client.answer(1).await;
    let all = questions(&asked);
    drop(client);
    drop((server, calls));

    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    client.send(&retry(&first, 2, &asked, json!({&all[1].0: accepted("two")}))).await;
    let running = calls.next().await;
    // In another order, too: they were open at the same time.
    assert_eq!(ask(&running, "two").result().await, accepted("two"));
    let one = ask(&running, "one");
    let again = client.answer(2).await;
    assert_eq!(questions(&again), all[..1]);
    client.send(&retry(&first, 3, &again, all_accepted(&again))).await;
    one.result().await;
    running.finish("done");
    assert_eq!(text(&client.answer(3).await), "done");
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_may_not_be_repeated_is_not_and_the_client_is_told_why() {
    let restarts = Restarts::new();
    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    let first = call(1, json!({}));
    let (_running, _question, asked) = parked(&mut client, &mut calls, &first).await;
    drop(client);
    drop((server, calls));
    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    let answer = client.request(&retry(&first, 2, &asked, all_accepted(&asked))).await;
    let said = failed(&answer);
    assert!(said.contains("not declared it `read_only` or `idempotent`"), "{said}");
    assert!(calls.try_next().is_none());
    assert!(refused(&client.request(&retry(&first, 3, &asked, json!({}))).await).contains("has been used"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_something_else_when_it_is_run_again_fails_and_says_so() {
    let restarts = Restarts::new();
    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    let first = call_again(1, json!({}));
    client.send(&first).await;
    let running = calls.next().await;
    let _question = ask(&running, "delete 4 files?");
    let asked = client.answer(1).await;
    drop(client);
    drop((server, calls));
    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    client.send(&retry(&first, 2, &asked, all_accepted(&asked))).await;
    let mut running = calls.next().await;
    let _question = ask(&running, "delete 5 files?");
    running.dropped().await;
    let answer = client.answer(2).await;
    assert!(failed(&answer).contains("asked something else than before"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_process_dies_while_it_is_parked_is_run_again_when_its_client_comes_back() {
    let (server, mut calls) = repeatable();
    for mut client in Wire::both(&server) {
        let first = call_again(1, json!({}));
        let (running, _question, asked) = parked(&mut client, &mut calls, &first).await;
        running.crash();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(calls.try_next().is_none(), "nobody waits for it");
        client.send(&retry(&first, 2, &asked, all_accepted(&asked))).await;
        let running = calls.next().await;
        elicit(&running).result().await;
        running.finish("done");
        assert_eq!(text(&client.answer(2).await), "done");

        // One that dies with its client waiting is not run again by this.
        let (running, question, asked) = parked(&mut client, &mut calls, &call_again(3, json!({}))).await;
        client.send(&retry(&call_again(3, json!({})), 4, &asked, all_accepted(&asked))).await;
        question.result().await;
        running.crash();
        assert!(text(&client.answer(4).await).as_str().unwrap().contains("signal 11"));

        let first = call(5, json!({}));
        let (running, _question, asked) = parked(&mut client, &mut calls, &first).await;
        running.crash();
        let answer = client.request(&retry(&first, 6, &asked, all_accepted(&asked))).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert!(text(&answer).as_str().unwrap().contains("ended by signal 11"), "{answer}");
        assert!(calls.try_next().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn another_process_of_a_parked_call_asks_under_the_same_key_and_knows_what_was_answered() {
    let (server, mut calls) = repeatable();
    for mut client in Wire::both(&server) {
        let first = call_again(1, json!({}));
        client.send(&first).await;
        let running = calls.next().await;
        running.begun();
        let one = ask(&running, "one");
        let asked = client.answer(1).await;
        client.send(&retry(&first, 2, &asked, all_accepted(&asked))).await;
        one.result().await;
        let _two = ask(&running, "two");
        let asked = client.answer(2).await;
        // As after a crash, when a policy has the call tried again at once.
        running.begun();
        assert_eq!(ask(&running, "one").result().await, accepted("q1"));
        let two = ask(&running, "two");
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.send(&retry(&first, 3, &asked, all_accepted(&asked))).await;
        assert_eq!(two.result().await, accepted("q2"));

        // The answers may be there before the new process has come so far.
        let _three = ask(&running, "three");
        let asked = client.answer(3).await;
        running.begun();
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.send(&retry(&first, 4, &asked, all_accepted(&asked))).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        for message in ["one", "two", "three"] {
            assert_eq!(ask(&running, message).result().await["action"], "accept", "{message}");
        }
        running.finish("done");
        assert_eq!(text(&client.answer(4).await), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_too_large_for_a_state_are_lost_with_the_server_and_the_client_is_told() {
    let restarts = Restarts::new();
    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    let first = call_again(1, json!({}));
    let (running, question, asked) = parked(&mut client, &mut calls, &first).await;
    let [(key, _)] = &questions(&asked)[..] else { panic!("{asked}") };
    let large = json!({"action": "accept", "content": {"text": "x".repeat(64 << 10)}});
    client.send(&retry(&first, 2, &asked, json!({key: large}))).await;
    assert_eq!(question.result().await, large);
    let _second = ask(&running, "second");
    let asked = client.answer(2).await;
    assert!(asked["result"]["requestState"].as_str().unwrap().len() < 1000);
    drop(client);
    drop((server, calls));
    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    let answer = client.request(&retry(&first, 3, &asked, all_accepted(&asked))).await;
    assert!(failed(&answer).contains("too much to run it again with"), "{answer}");
    assert!(calls.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_state_expires_whatever_server_it_is_brought_to() {
    let restarts = Restarts::new();
    let (server, mut calls) = restarts.start();
    let mut client = Wire::http(&server, Some(7));
    let first = call_again(1, json!({}));
    let (_running, _question, asked) = parked(&mut client, &mut calls, &first).await;
    drop(client);
    drop((server, calls));
    let (server, mut calls) = restarts.start();
    tokio::time::sleep(Duration::from_secs(11 * 60)).await;
    let late = Wire::http(&server, Some(7)).request(&retry(&first, 2, &asked, all_accepted(&asked))).await;
    assert!(refused(&late).contains("has expired: its call was given up after 10 minutes"), "{late}");
    assert!(calls.try_next().is_none());
}

/// On the clock of the world: the store has a thread of its own.
#[tokio::test]
async fn a_state_is_good_once_for_all_servers_that_share_a_store() {
    let restarts = Restarts::new();
    let place = SkillFolder::new();
    let start = || {
        let (executor, calls) = ScriptedExecutor::new();
        let (key, store) = (restarts.key.clone(), Store::on_first_use(place.path(), StoreConfig::default()));
        let server = TestServer::builder(&restarts.folder, executor).config(|config| {
            config.seal_key = key;
            config.store = Some(store);
        });
        (server.start(), calls)
    };
    let (server, mut calls) = start();
    let mut client = Wire::http(&server, Some(7));
    let (first, second) = (call_again(1, json!({})), call_again(11, json!({})));
    let (running, question, asked) = parked(&mut client, &mut calls, &first).await;
    let (mut other, _question, other_asked) = parked(&mut client, &mut calls, &second).await;
    client.send(&retry(&first, 2, &asked, all_accepted(&asked))).await;
    question.result().await;
    running.finish("done");
    assert_eq!(text(&client.answer(2).await), "done");

    // Another server, of the time after or beside it.
    let (beside, mut calls_beside) = start();
    let mut client_beside = Wire::http(&beside, Some(7));
    let used = client_beside.request(&retry(&first, 3, &asked, all_accepted(&asked))).await;
    assert!(refused(&used).contains("has been used"), "{used}");
    assert!(calls_beside.try_next().is_none());
    client_beside.send(&retry(&second, 12, &other_asked, all_accepted(&other_asked))).await;
    let running = calls_beside.next().await;
    elicit(&running).result().await;
    running.finish("beside");
    assert_eq!(text(&client_beside.answer(12).await), "beside");
    let used = client.request(&retry(&second, 13, &other_asked, all_accepted(&other_asked))).await;
    assert!(refused(&used).contains("has been used"), "{used}");
    other.dropped().await;
}

#[tokio::test]
async fn without_a_store_that_works_a_call_goes_on_and_is_not_run_again() {
    let restarts = Restarts::new();
    let place = SkillFolder::new().file("store", "no folder");
    let start = || {
        let (executor, calls) = ScriptedExecutor::new();
        let store = Store::on_first_use(place.path().join("store"), StoreConfig::default());
        let key = restarts.key.clone();
        let server = TestServer::builder(&restarts.folder, executor).config(|config| {
            config.seal_key = key;
            config.store = Some(store);
        });
        (server.start(), calls)
    };
    let (server, mut calls) = start();
    let mut client = Wire::http(&server, Some(7));
    let (first, second) = (call_again(1, json!({})), call_again(11, json!({})));
    let (running, question, asked) = parked(&mut client, &mut calls, &first).await;
    let (_other, _question, other_asked) = parked(&mut client, &mut calls, &second).await;
    client.send(&retry(&first, 2, &asked, all_accepted(&asked))).await;
    question.result().await;
    running.finish("done");
    assert_eq!(text(&client.answer(2).await), "done");
    let (beside, mut calls_beside) = start();
    let mut client = Wire::http(&beside, Some(7));
    let answer = client.request(&retry(&second, 12, &other_asked, all_accepted(&other_asked))).await;
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("cannot be noted"), "{answer}");
    assert!(calls_beside.try_next().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_prompt_of_a_function_is_run_again_too() {
    let source = "from omni import prompt\n\n@prompt\ndef greet(name: str) -> str:\n    \"\"\"Greets.\"\"\"\n    return name\n";
    let folder = SkillFolder::new().python("p", source);
    let key = KeySource::random();
    let start = || {
        let (executor, calls) = ScriptedExecutor::new();
        let key = key.clone();
        (TestServer::builder(&folder, executor).config(|config| config.seal_key = key).start(), calls)
    };
    let (server, mut calls) = start();
    let params = json!({"name": "p.greet", "arguments": {"name": "Ada"}});
    let first = modern_able(request(1, "prompts/get", params), able());
    let mut client = Wire::http(&server, Some(7));
    let (_running, _question, asked) = parked(&mut client, &mut calls, &first).await;
    drop(client);
    drop((server, calls));
    let (server, mut calls) = start();
    let mut client = Wire::http(&server, Some(7));
    client.send(&retry(&first, 2, &asked, all_accepted(&asked))).await;
    let running = calls.next().await;
    elicit(&running).result().await;
    running.crash();
    assert_eq!(client.answer(2).await["error"]["code"], -32603);
}

#[tokio::test(start_paused = true)]
async fn three_hundred_calls_wait_at_once_beside_ordinary_ones_and_each_gets_its_answers() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&repeatable_skill(), executor.clone())
        .config(|config| config.asking = AskingLimits { per_principal: 300, total: 256, ..config.asking })
        .start();
    let mut client = Wire::Stdio(server.stdio());
    let mut waiting = Vec::new();
    for id in 0..300 {
        let first = call_again(id, json!({"id": id}));
        client.send(&first).await;
        let running = calls.next().await;
        let question = ask(&running, &format!("{id}?"));
        let asked = client.answer(id).await;
        waiting.push((first, running, question, asked));
    }
    assert_eq!(executor.running(), 256);
    for id in 1000..1045 {
        client.send(&modern_able(call_tool(id, "t.run", json!({})), able())).await;
        calls.next().await.finish("ordinary");
        assert_eq!(text(&client.answer(id).await), "ordinary");
    }
    let mut run_again = 0;
    for (id, (first, mut running, mut question, asked)) in waiting.into_iter().enumerate() {
        let id = 2000 + id as u64;
        client.send(&retry(&first, id, &asked, all_accepted(&asked))).await;
        if !question.is_open() {
            running = calls.next().await;
            assert_eq!(running.arguments(), first["params"]["arguments"]);
            question = ask(&running, &format!("{}?", id - 2000));
            run_again += 1;
        }
        question.result().await;
        running.finish("done");
        assert_eq!(text(&client.answer(id).await), "done");
    }
    assert_eq!((run_again, executor.running()), (44, 0));
}

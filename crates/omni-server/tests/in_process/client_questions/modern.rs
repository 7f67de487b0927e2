//! The modern era: a call that asks is parked, and the same request goes on with it.

use std::time::Duration;

use omni_call::{AskMethod, AskRefusal, LogLevel, OutcomeKind, Question};
use omni_server::AskingLimits;
use omni_testkit::{ScriptedExecutor, TestServer, call_tool, cancelled, modern, request, retry};
use serde_json::{Value, json};

use super::{Wire, able, accepted, all_accepted, call, elicit, form, parked, questions, refusal, text};
use crate::{one_skill, scripted};

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_ends_its_request_with_the_question_and_goes_on_with_the_answer() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        let first = call(1, json!({"a": 1}));
        let (running, question, asked) = parked(&mut client, &mut calls, &first).await;
        let [(key, asks)] = &questions(&asked)[..] else { panic!("{asked}") };
        assert_eq!(*asks, json!({"method": "elicitation/create", "params": form()}));
        client.send(&retry(&first, 2, &asked, json!({key: accepted("Ada")}))).await;
        assert_eq!(question.result().await, accepted("Ada"));
        assert!(running.finish("hello Ada"));
        let answer = client.answer(2).await;
        assert_eq!(
            (text(&answer), &answer["result"]["resultType"]),
            (&json!("hello Ada"), &json!("complete"))
        );
    }
    assert!(calls.try_next().is_none(), "the repeated request is not a call of its own");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_at_once_is_told_together_and_what_stays_unanswered_again() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        let first = call(1, json!({}));
        client.send(&first).await;
        let running = calls.next().await;
        let mut one = elicit(&running);
        let two = running.ask(AskMethod::ListRoots, &json!({}));
        let three = running.ask(AskMethod::Sample, &json!({"messages": [], "maxTokens": 1}));
        let asked = client.answer(1).await;
        let all = questions(&asked);
        let methods: Vec<_> = all.iter().map(|(_, asks)| asks["method"].as_str().unwrap()).collect();
        assert_eq!(methods, ["elicitation/create", "roots/list", "sampling/createMessage"]);

        // Nothing is answered: everything is asked again. A key that stands for nothing means nothing.
        let again = client.request(&retry(&first, 2, &asked, json!({"nobody": {"x": 1}}))).await;
        assert_eq!(questions(&again), all);
        assert_ne!(again["result"]["requestState"], asked["result"]["requestState"]);
        assert!(one.is_open());

        let sampled = json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "t"}});
        let some = json!({&all[1].0: {"roots": []}, &all[2].0: sampled});
        let rest = client.request(&retry(&first, 3, &again, some)).await;
        assert_eq!(two.result().await, json!({"roots": []}));
        assert_eq!(three.result().await, sampled);
        assert_eq!(questions(&rest), all[..1]);

        client.send(&retry(&first, 4, &rest, json!({&all[0].0: {"action": "decline"}}))).await;
        assert_eq!(one.result().await, json!({"action": "decline"}), "that a person declines is an answer");
        let fourth = elicit(&running);
        let last = client.answer(4).await;
        let [(key, _)] = &questions(&last)[..] else { panic!("{last}") };
        assert!(all.iter().all(|(used, _)| used != key), "a key stands for one question of a call");
        client.send(&retry(&first, 5, &last, all_accepted(&last))).await;
        assert_eq!(fourth.result().await, accepted(key));
        running.finish("done");
        assert_eq!(text(&client.answer(5).await), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_has_the_key_that_its_tool_gives_it_and_no_open_one_has_the_same() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        let first = call(1, json!({}));
        client.send(&first).await;
        let running = calls.next().await;
        let form = form();
        let named = running.ask_as(Some("user_name"), AskMethod::Elicit, &form);
        let second = running.ask_as(Some("q1"), AskMethod::ListRoots, &json!({}));
        let third = running.ask(AskMethod::ListRoots, &json!({}));
        let same = running.ask_as(Some("user_name"), AskMethod::Elicit, &form);
        let (why, message) = refusal(same).await;
        assert_eq!(why, AskRefusal::Failed);
        assert!(message.contains("under the key `user_name`"), "{message}");
        let asked = client.answer(1).await;
        let keys: Vec<_> = questions(&asked).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["user_name", "q1", "q2"]);
        let answers = json!({"user_name": accepted("Ada"), "q1": {"roots": []}, "q2": {"roots": [{"uri": "file:///a"}]}});
        client.send(&retry(&first, 2, &asked, answers)).await;
        assert_eq!(named.result().await, accepted("Ada"));
        assert_eq!(second.result().await, json!({"roots": []}));
        assert_eq!(third.result().await, json!({"roots": [{"uri": "file:///a"}]}));

        // It has its answer, so another one may have its key.
        let again = running.ask_as(Some("user_name"), AskMethod::Elicit, &form);
        let asked = client.answer(2).await;
        client.send(&retry(&first, 3, &asked, json!({"user_name": accepted("Bob")}))).await;
        assert_eq!(again.result().await, accepted("Bob"));
        running.finish("done");
        assert_eq!(text(&client.answer(3).await), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_with_the_first_request_is_the_answer_to_the_question_of_its_key() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        let mut first = call(1, json!({}));
        first["params"]["inputResponses"] = json!({"user_name": accepted("Ada"), "nobody": {"x": 1}});
        client.send(&first).await;
        let running = calls.next().await;
        let named = running.ask_as(Some("user_name"), AskMethod::Elicit, &form());
        assert_eq!(named.result().await, accepted("Ada"));
        // It has answered one question, and none that its tool has given no key.
        let again = running.ask_as(Some("user_name"), AskMethod::Elicit, &form());
        let unnamed = running.ask(AskMethod::ListRoots, &json!({}));
        let asked = client.answer(1).await;
        assert_eq!(questions(&asked).len(), 2, "{asked}");
        let answers = json!({"user_name": accepted("Bob"), "q1": {"roots": []}});
        first["params"].as_object_mut().unwrap().remove("inputResponses");
        client.send(&retry(&first, 2, &asked, answers)).await;
        assert_eq!(again.result().await, accepted("Bob"));
        assert_eq!(unnamed.result().await, json!({"roots": []}));
        running.finish("done");
        assert_eq!(text(&client.answer(2).await), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_for_want_of_a_capability_is_answered_with_what_is_missing() {
    let (server, mut calls) = scripted();
    let failed = || OutcomeKind::ToolError {
        kind: "AskRefused".into(),
        bases: Box::default(),
        message: "the client cannot be asked that".into(),
        location: None,
        intended: true,
        traceback: None,
        undeclared: Some(Question::Sample),
    };
    for mut client in Wire::both(&server) {
        client.send(&omni_testkit::modern_able(call_tool(1, "t.run", json!({})), json!({}))).await;
        calls.next().await.end(failed());
        let answer = client.answer(1).await;
        assert_eq!(answer["error"]["code"], -32021, "{answer}");
        assert_eq!(answer["error"]["data"], json!({"requiredCapabilities": {"sampling": {}}}));
    }
    let (server, mut calls) = scripted();
    let mut client = server.http().await;
    let request = omni_testkit::modern_able(call_tool(1, "t.run", json!({})), json!({}));
    let posting = tokio::spawn(async move { client.post(&request).await });
    calls.next().await.end(failed());
    let reply = posting.await.unwrap();
    assert_eq!(reply.status, 400, "{reply:?}");
    // The era before has no such error: there the tool's words are its result.
    let mut client = server.stdio();
    client.initialize("2025-11-25").await;
    client.send(&call_tool(2, "t.run", json!({}))).await;
    calls.next().await.end(failed());
    let answer = client.answer(&json!(2)).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn sixteen_calls_behind_one_that_asks_are_not_held_up() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        let first = call(1, json!({}));
        client.send(&first).await;
        for id in 2..18 {
            client.send(&call(id, json!({}))).await;
        }
        let asking = calls.next().await;
        let _question = elicit(&asking);
        let mut others = Vec::new();
        for _ in 2..18 {
            others.push(calls.next().await);
        }
        for other in others.into_iter().rev() {
            other.finish("other");
        }
        for id in 2..18 {
            assert_eq!(text(&client.answer(id).await), "other", "{id}");
        }
        let asked = client.answer(1).await;
        client.send(&retry(&first, 18, &asked, all_accepted(&asked))).await;
        asking.finish("first");
        assert_eq!(text(&client.answer(18).await), "first");
    }
}

#[tokio::test(start_paused = true)]
async fn events_go_to_the_request_that_waits_and_under_its_token() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        let mut first = call(1, json!({}));
        first["params"]["_meta"]["progressToken"] = json!("one");
        first["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!("info");
        client.send(&first).await;
        let running = calls.next().await;
        running.progress(1.0, None);
        let question = elicit(&running);
        let said = client.messages(1).await;
        assert_eq!(said[0]["params"]["progressToken"], "one", "it goes out before the question");
        let asked = &said[1];
        assert_eq!(said.len(), 2);

        // Nobody waits: this is for nobody.
        running.progress(2.0, None);
        running.log(LogLevel::Info, &json!("unheard"));
        let mut again = retry(&first, 2, asked, all_accepted(asked));
        again["params"]["_meta"]["progressToken"] = json!("two");
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.send(&again).await;
        question.result().await;
        running.progress(3.0, None);
        running.log(LogLevel::Info, &json!("heard"));
        running.finish("done");
        let said = client.messages(2).await;
        assert_eq!(said.len(), 3, "{said:?}");
        assert_eq!(said[0]["params"]["progressToken"], "two");
        assert_eq!(said[1]["params"]["data"], "heard");
        assert_eq!(text(&said[2]), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_call_may_ask_more_or_end_by_itself_and_whoever_comes_back_is_told() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        let first = call(1, json!({}));
        let (running, question, asked) = parked(&mut client, &mut calls, &first).await;
        let second = elicit(&running);
        drop(question);
        tokio::time::sleep(Duration::from_secs(1)).await;
        // What was taken back is asked no more, and its answer is of no use.
        let again = client.request(&retry(&first, 2, &asked, all_accepted(&asked))).await;
        assert_eq!(questions(&again).len(), 1);
        assert_ne!(questions(&again)[0].0, questions(&asked)[0].0);
        drop(second);
        running.finish("I guessed");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(text(&client.request(&retry(&first, 3, &again, json!({}))).await), "I guessed");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answered_request_can_be_cancelled_no_more_but_the_one_that_goes_on_can() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.stdio();
    let first = call(1, json!({}));
    client.send(&first).await;
    let mut running = calls.next().await;
    let question = elicit(&running);
    let asked = client.answer(&json!(1)).await;
    client.send(&cancelled(1)).await;
    // Its id is free, too, though a client should take another.
    client.send(&retry(&first, 1, &asked, all_accepted(&asked))).await;
    question.result().await;
    client.send(&cancelled(1)).await;
    running.dropped().await;
    let used = client.request(&retry(&first, 2, &asked, json!({}))).await;
    assert_eq!(used["error"]["code"], -32602, "{used}");
    let (rest, ended) = client.close().await;
    ended.unwrap();
    assert_eq!(rest, Vec::<Value>::new());
    assert_eq!(executor.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_closes_the_connection_of_the_repeated_request_cancels_the_call() {
    let (server, mut calls) = scripted();
    let mut client = server.http().await;
    let first = call(1, json!({}));
    let mut asking = server.http().await;
    let sent = first.clone();
    let asked = tokio::spawn(async move { asking.post(&sent).await.json() });
    let mut running = calls.next().await;
    let question = elicit(&running);
    let asked = asked.await.unwrap();
    // The connection of the first request is closed by now, which ends nothing.
    let again = retry(&first, 2, &asked, all_accepted(&asked));
    let repeated = tokio::spawn(async move { client.post(&again).await });
    question.result().await;
    repeated.abort();
    running.dropped().await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_call_ends_with_its_connection_or_with_the_server() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.stdio();
    client.send(&call(1, json!({}))).await;
    client.send(&call(2, json!({}))).await;
    let (mut running, other) = (calls.next().await, calls.next().await);
    let _question = elicit(&running);
    client.answer(&json!(1)).await;
    let closing = tokio::spawn(client.close());
    running.dropped().await;
    // Nobody can be asked any more, and what is asked is told so.
    let (why, message) = refusal(elicit(&other)).await;
    assert_eq!(why, AskRefusal::Gone, "{message}");
    other.finish("alone");
    let (rest, ended) = closing.await.unwrap();
    ended.unwrap();
    assert_eq!(text(&rest[0]), "alone");

    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.http().await;
    let asked = tokio::spawn(async move { client.post(&call(1, json!({}))).await });
    let mut running = calls.next().await;
    let _question = elicit(&running);
    assert_eq!(asked.await.unwrap().json()["result"]["resultType"], "input_required");
    server.stop();
    drop(server);
    running.dropped().await;
    assert_eq!(executor.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_parked_call_that_nobody_comes_back_to_is_given_up() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    for mut client in Wire::both(&server) {
        let first = call(1, json!({}));
        let (mut running, _question, asked) = parked(&mut client, &mut calls, &first).await;
        tokio::time::sleep(Duration::from_secs(9 * 60)).await;
        // Whoever comes back has as long again.
        let asked = client.request(&retry(&first, 2, &asked, json!({}))).await;
        tokio::time::sleep(Duration::from_secs(9 * 60)).await;
        assert_eq!(executor.running(), 1);
        tokio::time::sleep(Duration::from_secs(61)).await;
        running.dropped().await;
        let late = client.request(&retry(&first, 3, &asked, all_accepted(&asked))).await;
        assert_eq!(late["error"]["code"], -32602);
        assert!(late["error"]["message"].as_str().unwrap().contains("has expired"), "{late}");
        assert_eq!(executor.running(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn of_more_calls_than_may_be_parked_the_oldest_is_cancelled_of_one_client_and_of_all() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&one_skill(), executor.clone())
        .config(|config| config.asking = AskingLimits { per_principal: 3, total: 5, ..config.asking })
        .start();
    let mut clients =
        [Wire::http(&server, Some(7)), Wire::http(&server, Some(8)), Wire::http(&server, Some(9))];
    let mut waiting = Vec::new();
    for (id, client) in [0, 0, 0, 0, 1, 1, 2].into_iter().enumerate() {
        let first = call(id as u64, json!({}));
        let (running, question, _) = parked(&mut clients[client], &mut calls, &first).await;
        waiting.push((running, question));
    }
    // The fourth of the first client pushed its first out, and the seventh of all the oldest that was left.
    for (at, (running, question)) in waiting.iter_mut().enumerate() {
        if at < 2 {
            running.dropped().await;
        } else {
            assert!(question.is_open(), "{at}");
        }
    }
    assert_eq!(executor.running(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_never_asked_what_it_did_not_declare_and_the_tool_learns_what_is_missing() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        for (n, (declared, method, params, capability)) in [
            (json!({}), AskMethod::Elicit, form(), "elicitation.form"),
            (json!({"sampling": {}}), AskMethod::Elicit, form(), "elicitation.form"),
            (json!({"elicitation": {}}), AskMethod::Elicit, json!({"mode": "url"}), "elicitation.url"),
            (json!({"sampling": {}}), AskMethod::Sample, json!({"tools": []}), "sampling.tools"),
            (json!({"elicitation": {}}), AskMethod::ListRoots, json!({}), "roots"),
        ]
        .into_iter()
        .enumerate()
        {
            let id = n as u64;
            client.send(&omni_testkit::modern_able(call_tool(id, "t.run", json!({})), declared)).await;
            let running = calls.next().await;
            let (why, message) = refusal(running.ask(method, &params)).await;
            assert_eq!(why, AskRefusal::Unsupported);
            assert!(message.contains(&format!("`{capability}`")), "{message}");
            running.finish("did without");
            assert_eq!(text(&client.answer(id).await), "did without");
        }
        // One that can be asked no more when it comes back is not asked again.
        let first = call(90, json!({}));
        client.send(&first).await;
        let running = calls.next().await;
        let question = elicit(&running);
        let asked = client.answer(90).await;
        let mut again = retry(&first, 91, &asked, json!({}));
        again["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({"roots": {}});
        client.send(&again).await;
        assert_eq!(refusal(question).await.0, AskRefusal::Unsupported);
        running.finish("did without");
        assert_eq!(text(&client.answer(91).await), "did without");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_brings_answers_to_nothing_is_an_ordinary_one() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let mut client = server.stdio();
    let mut stray = modern(call_tool(1, "t.run", json!({"a": 1})));
    stray["params"]["inputResponses"] = json!({"q1": accepted("Ada")});
    assert_eq!(text(&client.request(&stray).await), "{\"a\":1}");
    // A list is never answered with a question, so a state means nothing to it.
    let mut list = omni_testkit::modern_able(request(2, "tools/list", json!({})), able());
    list["params"]["requestState"] = json!("x");
    assert!(client.request(&list).await["result"]["tools"].is_array());
}

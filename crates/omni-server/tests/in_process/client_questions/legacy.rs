//! The legacy era: a question is a request of ours on the session.

use std::time::Duration;

use omni_call::{AskMethod, AskRefusal};
use omni_server::AskingLimits;
use omni_testkit::{ScriptedExecutor, TestServer, call_tool, cancelled, reply, reply_error, request};
use serde_json::{Value, json};

use super::{able, accepted, asking, asking_over_http, elicit, form, refusal, text};
use crate::{LEGACY, one_skill, scripted};

#[tokio::test(start_paused = true)]
async fn on_stdio_a_question_is_a_request_and_its_reply_the_answer() {
    for revision in ["2025-06-18", "2025-11-25"] {
        let (server, mut calls) = scripted();
        let mut client = server.stdio();
        client.initialize_able(revision, able()).await;
        let (running, question, asked) = asking(&mut client, &mut calls, 1).await;
        // Forms were all there was at first, so there was no word for them.
        let mut params = form();
        if revision == "2025-06-18" {
            params.as_object_mut().unwrap().remove("mode");
        }
        assert_eq!(asked["params"], params, "{revision}");
        client.send(&reply(&asked, accepted("Ada"))).await;
        assert_eq!(question.result().await, accepted("Ada"));
        running.finish("hello Ada");
        let answer = client.answer(&json!(1)).await;
        assert_eq!((text(&answer), answer["result"].get("resultType")), (&json!("hello Ada"), None));
    }
}

#[tokio::test(start_paused = true)]
async fn over_http_a_question_goes_out_on_the_stream_of_its_call_and_the_reply_is_a_post() {
    let (server, mut calls) = scripted();
    let (mut client, mut other) = (server.http().await, server.http().await);
    client.initialize_able("2025-11-25", able()).await;
    other.session = client.session.clone();
    let (running, question, asked, mut stream, _client) = asking_over_http(client, &mut calls).await;
    assert_eq!((&asked["method"], &asked["params"]), (&json!("elicitation/create"), &form()));
    assert_eq!(other.post(&reply(&asked, accepted("Ada"))).await.status, 202);
    assert_eq!(question.result().await, accepted("Ada"));
    running.finish("hello Ada");
    assert_eq!(text(&stream.next().await.unwrap()), "hello Ada");
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn several_questions_are_open_at_once_and_their_replies_find_them() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize_able("2025-11-25", able()).await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    client.send(&call_tool(2, "t.run", json!({}))).await;
    let (one, two) = (calls.next().await, calls.next().await);
    let questions = [elicit(&one), one.ask(AskMethod::ListRoots, &json!({})), elicit(&two)];
    let mut asked = Vec::new();
    for _ in &questions {
        asked.push(client.next().await);
    }
    let ids: std::collections::BTreeSet<String> = asked.iter().map(|asked| asked["id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
    for (n, asked) in asked.iter().enumerate().rev() {
        client.send(&reply(asked, json!({"action": "decline", "roots": [], "n": n}))).await;
    }
    for (n, question) in questions.into_iter().enumerate() {
        assert_eq!(question.result().await["n"], n);
    }
    // In turn as well.
    let next = elicit(&one);
    let asked = client.asked("elicitation/create").await;
    assert!(!ids.contains(&asked["id"].to_string()));
    client.send(&reply(&asked, json!({"action": "cancel"}))).await;
    next.result().await;
    for (id, call) in [(1, one), (2, two)] {
        call.finish("done");
        assert_eq!(text(&client.answer(&json!(id)).await), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn sixteen_calls_behind_one_that_asks_are_not_held_up() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize_able("2025-06-18", able()).await;
    for id in 0..17 {
        client.send(&call_tool(id, "t.run", json!({}))).await;
    }
    let asking = calls.next().await;
    let question = elicit(&asking);
    let asked = client.asked("elicitation/create").await;
    for _ in 1..17 {
        calls.next().await.finish("other");
    }
    for id in 1..17 {
        assert_eq!(text(&client.answer(&json!(id)).await), "other");
    }
    client.send(&reply(&asked, accepted("Ada"))).await;
    question.result().await;
    asking.finish("first");
    assert_eq!(text(&client.answer(&json!(0)).await), "first");
}

#[tokio::test(start_paused = true)]
async fn an_error_and_a_result_that_is_no_object_are_told_to_the_tool() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize_able("2025-11-25", able()).await;
    let (running, question, asked) = asking(&mut client, &mut calls, 1).await;
    client.send(&reply_error(&asked, -1, "the person has left")).await;
    let (why, message) = refusal(question).await;
    assert_eq!(why, AskRefusal::Failed);
    assert_eq!(message, "the client answered with error -1: the person has left");
    for wrong in [json!(null), json!([]), json!("accept"), json!(1)] {
        let question = elicit(&running);
        let asked = client.asked("elicitation/create").await;
        client.send(&reply(&asked, wrong.clone())).await;
        let (why, message) = refusal(question).await;
        assert_eq!(
            (why, &*message),
            (AskRefusal::Failed, "the client's answer is not a JSON object"),
            "{wrong}"
        );
    }
    for (method, params, wrong, why) in [
        (AskMethod::Elicit, form(), json!({}), "`action` must be `accept`, `decline` or `cancel`"),
        (AskMethod::ListRoots, json!({}), json!({"roots": [{}]}), "`roots[0].uri` must be a string"),
    ] {
        let question = running.ask(method, &params);
        let asked = client.asked(method.name()).await;
        client.send(&reply(&asked, wrong)).await;
        let name = method.name();
        let expected = format!("the client's answer to `{name}` cannot be used: {why}");
        assert_eq!(refusal(question).await, (AskRefusal::Failed, expected));
    }
    running.finish("done");
    assert_eq!(text(&client.answer(&json!(1)).await), "done");
}

#[tokio::test(start_paused = true)]
async fn replies_to_nothing_and_late_ones_and_those_of_other_clients_change_nothing() {
    let (server, mut calls) = scripted();
    let (mut client, mut other) = (server.stdio(), server.stdio());
    client.initialize_able("2025-11-25", able()).await;
    other.initialize_able("2025-11-25", able()).await;
    let (running, mut question, asked) = asking(&mut client, &mut calls, 1).await;
    for id in [json!("unheard of"), json!(4711), json!(asked["id"].to_string())] {
        client.send(&json!({"jsonrpc": "2.0", "id": id, "result": {}})).await;
    }
    client.send(&json!({"jsonrpc": "2.0", "error": {"code": -32700, "message": "what?"}})).await;
    other.send(&reply(&asked, accepted("Eve"))).await;
    other.request(&request(9, "ping", json!({}))).await;
    client.request(&request(9, "ping", json!({}))).await;
    assert!(question.is_open());
    client.send(&reply(&asked, accepted("Ada"))).await;
    client.send(&reply(&asked, accepted("Bob"))).await;
    assert_eq!(question.result().await, accepted("Ada"), "the first reply counts");
    running.finish("done");
    client.answer(&json!(1)).await;
    client.send(&reply(&asked, accepted("Eve"))).await;
    assert!(client.request(&request(2, "ping", json!({}))).await.get("result").is_some());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_takes_its_question_back() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.stdio();
    client.initialize_able("2025-11-25", able()).await;
    let (mut running, _question, asked) = asking(&mut client, &mut calls, 1).await;
    client.send(&cancelled(1)).await;
    running.dropped().await;
    let taken_back = client.next().await;
    assert_eq!(taken_back["method"], "notifications/cancelled");
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    client.send(&reply(&asked, accepted("too late"))).await;
    assert!(client.request(&request(2, "ping", json!({}))).await.get("result").is_some());
    let (rest, ended) = client.close().await;
    ended.unwrap();
    assert_eq!((rest, executor.running()), (Vec::<Value>::new(), 0));
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_waits_no_longer_takes_its_question_back_and_goes_on() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize_able("2025-11-25", able()).await;
    let (running, question, asked) = asking(&mut client, &mut calls, 1).await;
    drop(question);
    let taken_back = client.next().await;
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    running.finish("I guessed");
    assert_eq!(text(&client.answer(&json!(1)).await), "I guessed");

    // A call that ends with its question open does so too, before its answer.
    let (running, _question, asked) = asking(&mut client, &mut calls, 2).await;
    running.finish("no matter");
    let said = [client.next().await, client.next().await];
    let taken_back = said.iter().find(|message| message["method"] == "notifications/cancelled").unwrap();
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    assert!(said.iter().any(|message| message["id"] == 2));
}

#[tokio::test(start_paused = true)]
async fn over_http_a_cancelled_call_takes_its_question_back_on_the_stream_of_the_session() {
    let (server, mut calls) = scripted();
    let (mut client, mut other, mut listener) =
        (server.http().await, server.http().await, server.http().await);
    client.initialize_able("2025-11-25", able()).await;
    (other.session, listener.session) = (client.session.clone(), client.session.clone());
    let mut session_stream = listener.listen().await;
    let (mut running, _question, asked, mut stream, _client) = asking_over_http(client, &mut calls).await;
    assert_eq!(other.post(&cancelled(1)).await.status, 202);
    running.dropped().await;
    let taken_back = session_stream.next().await.unwrap();
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    assert_eq!(stream.next().await, None, "nothing more is said of a cancelled call");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_leaves_its_question_unanswered() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.stdio();
    client.initialize_able("2025-11-25", able()).await;
    client.send(&call_tool(1, "t.run", json!({}))).await;
    let running = calls.next().await;
    let question = elicit(&running);
    client.asked("elicitation/create").await;
    let closing = tokio::spawn(client.close());
    assert_eq!(refusal(question).await.0, AskRefusal::Gone);
    assert_eq!(refusal(elicit(&running)).await.0, AskRefusal::Gone, "nor can it be asked anything else");
    running.finish("alone");
    let (rest, ended) = closing.await.unwrap();
    ended.unwrap();
    assert_eq!(text(&rest[0]), "alone", "what it had asked for is still answered");

    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.http().await;
    client.initialize_able("2025-11-25", able()).await;
    let opening =
        tokio::spawn(async move { (client.open_events(&call_tool(1, "t.run", json!({}))).await, client) });
    let mut running = calls.next().await;
    let _question = elicit(&running);
    drop(opening.await.unwrap());
    running.dropped().await;
    assert_eq!(executor.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_ends_its_call() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.stdio();
    client.initialize_able("2025-11-25", able()).await;
    let (mut running, mut question, asked) = asking(&mut client, &mut calls, 1).await;
    tokio::time::sleep(Duration::from_secs(9 * 60)).await;
    assert!(question.is_open());
    running.dropped().await;
    assert_eq!(executor.running(), 0);
    let said = [client.next().await, client.next().await];
    let taken_back = said.iter().find(|message| message["method"] == "notifications/cancelled").unwrap();
    assert_eq!(taken_back["params"]["requestId"], asked["id"]);
    let answer = said.iter().find(|message| message["id"] == 1).unwrap();
    assert_eq!(answer["result"]["isError"], true);
    assert!(
        text(answer).as_str().unwrap().contains("has not answered what it was asked for 10 minutes"),
        "{answer}"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_wait_for_replies_than_may_and_one_that_may_not_is_told() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&one_skill(), executor)
        .config(|config| config.asking = AskingLimits { per_principal: 2, total: 3, ..config.asking })
        .start();
    let (mut client, mut other) = (server.stdio(), server.http_as(Some(7)).await);
    client.initialize_able("2025-11-25", able()).await;
    let (one, _question, first) = asking(&mut client, &mut calls, 1).await;
    // A call has one place, however much it asks at once.
    let _again = elicit(&one);
    client.asked("elicitation/create").await;
    let (_two, _question_of_two, _) = asking(&mut client, &mut calls, 2).await;
    client.send(&call_tool(3, "t.run", json!({}))).await;
    let three = calls.next().await;
    let (why, message) = refusal(elicit(&three)).await;
    assert_eq!(why, AskRefusal::Failed);
    assert_eq!(message, "2 calls wait for answers of their clients already, 2 of them of this one");

    // Another client has room of its own, as far as there is any for all.
    other.initialize_able("2025-11-25", able()).await;
    let (four, _question_of_four, ..) = asking_over_http(other, &mut calls).await;
    drop(four);
    drop(one);
    assert_eq!(client.answer(&json!(1)).await["result"]["isError"], true, "{first}");
    let question = elicit(&three);
    let asked = client.asked("elicitation/create").await;
    client.send(&reply(&asked, accepted("Ada"))).await;
    question.result().await;
    three.finish("done");
    assert_eq!(text(&client.answer(&json!(3)).await), "done");
}

#[tokio::test(start_paused = true)]
async fn no_revision_is_asked_what_it_does_not_know() {
    for revision in LEGACY {
        let (server, mut calls) = scripted();
        let mut client = server.stdio();
        client.initialize_able(revision, able()).await;
        client.send(&call_tool(1, "t.run", json!({}))).await;
        let running = calls.next().await;
        for (method, params, since) in [
            (AskMethod::Elicit, form(), "2025-06-18"),
            (AskMethod::Elicit, json!({"mode": "url", "url": "https://a", "message": "m"}), "2025-11-25"),
            (AskMethod::Sample, json!({"messages": [], "maxTokens": 9}), "2024-11-05"),
            (AskMethod::Sample, json!({"messages": [], "maxTokens": 9, "tools": []}), "2025-11-25"),
            (AskMethod::ListRoots, json!({}), "2024-11-05"),
        ] {
            let question = running.ask(method, &params);
            if revision >= since {
                let asked = client.asked(method.name()).await;
                let answer = match method {
                    AskMethod::Elicit => json!({"action": "decline"}),
                    AskMethod::Sample => {
                        json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "t"}})
                    }
                    AskMethod::ListRoots => json!({"roots": []}),
                };
                client.send(&reply(&asked, answer)).await;
                question.result().await;
            } else {
                let (why, message) = refusal(question).await;
                assert_eq!(why, AskRefusal::Unsupported);
                assert!(message.contains(revision), "{message}");
            }
        }
        running.finish("done");
        client.answer(&json!(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_nothing_can_be_said_before_the_answer_nothing_can_be_asked() {
    let (server, mut calls) = scripted();
    // A batch has an array of answers, and nothing before it.
    let mut batching = server.stdio();
    let client = &mut batching;
    client.initialize_able("2025-03-26", able()).await;
    client.send(&json!([call_tool(1, "t.run", json!({}))])).await;
    let running = calls.next().await;
    let (why, message) = refusal(running.ask(AskMethod::ListRoots, &json!({}))).await;
    assert_eq!(why, AskRefusal::Unsupported);
    assert!(message.contains("in a batch"), "{message}");
    running.finish("done");
    assert_eq!(client.next().await[0]["id"], 1);

    let mut client = server.http().await;
    client.initialize_able("2025-11-25", able()).await;
    let calling = tokio::spawn(async move {
        let call = call_tool(1, "t.run", json!({})).to_string();
        client.post_bytes(&[("accept", "application/json")], call).await
    });
    let running = calls.next().await;
    assert_eq!(refusal(elicit(&running)).await.0, AskRefusal::Unsupported);
    running.finish("done");
    assert_eq!(text(&calling.await.unwrap().json()), "done");
}

#[tokio::test(start_paused = true)]
async fn what_a_session_declared_outlives_its_place_in_the_table() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server =
        TestServer::builder(&one_skill(), executor).config(|config| config.limits.sessions_max = 1).start();
    let (mut client, mut other, mut pushing) =
        (server.http().await, server.http().await, server.http().await);
    client.initialize_able("2025-11-25", able()).await;
    pushing.initialize("2025-11-25").await;
    other.session = client.session.clone();
    let (_running, question, asked, _stream, _client) = asking_over_http(client, &mut calls).await;
    other.post(&reply(&asked, accepted("Ada"))).await;
    assert_eq!(question.result().await, accepted("Ada"));
}

#[tokio::test(start_paused = true)]
async fn a_choice_of_several_values_is_asked_in_words_of_the_revision_and_answered_as_a_choice() {
    let form = json!({"mode": "form", "message": "m", "requestedSchema": {"type": "object", "required": ["sizes"],
        "properties": {"sizes": {"type": "array", "items": {"type": "string", "enum": ["S", "M"]}, "default": ["M"]}}}});
    for (revision, content) in
        [("2025-06-18", json!({"sizes.S": true, "sizes.M": false})), ("2025-11-25", json!({"sizes": ["S"]}))]
    {
        let (server, mut calls) = scripted();
        let mut client = server.stdio();
        client.initialize_able(revision, able()).await;
        client.send(&call_tool(1, "t.run", json!({}))).await;
        let running = calls.next().await;
        let mut question = running.ask(AskMethod::Elicit, &form);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let early = question.answer_now();
        assert!(early.is_none(), "{revision}: {early:?}");
        // That the revision has it so is what the client holds everything to.
        let asked = client.asked("elicitation/create").await;
        client.send(&reply(&asked, json!({"action": "accept", "content": content}))).await;
        let answer = json!({"action": "accept", "content": {"sizes": ["S"]}});
        assert_eq!(question.result().await, answer, "{revision}");
        running.finish("done");
        assert_eq!(text(&client.answer(&json!(1)).await), "done");
    }
}

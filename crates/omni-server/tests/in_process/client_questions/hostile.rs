//! A state is attacker input: forged, somebody else's, used twice, or brought for another request.

use omni_testkit::{ScriptedExecutor, TestServer, call_tool, modern_able, request, retry};
use serde_json::{Value, json};

use super::{
    Wire, able, accepted, all_accepted, call, call_again, elicit, parked, questions, repeatable, text,
};
use crate::{one_skill, scripted};

fn refused(answer: &Value) -> &str {
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    answer["error"]["message"].as_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_state_with_any_digit_changed_is_refused_and_the_call_goes_on_waiting() {
    let (server, mut calls) = scripted();
    let mut client = Wire::Stdio(server.stdio());
    let first = call(1, json!({}));
    let (running, mut question, asked) = parked(&mut client, &mut calls, &first).await;
    let state = asked["result"]["requestState"].as_str().unwrap().to_owned();
    let mut id = 1;
    let mut forged: Vec<String> = (0..state.len())
        .map(|at| {
            let mut forged = state.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            String::from_utf8(forged).unwrap()
        })
        .collect();
    forged.extend([
        String::new(),
        "é".repeat(40),
        format!("{state}0"),
        state.to_uppercase(),
        "x".repeat(100_000),
    ]);
    for forged in forged {
        id += 1;
        let mut again = retry(&first, id, &asked, all_accepted(&asked));
        again["params"]["requestState"] = json!(forged);
        let answer = client.request(&again).await;
        assert!(refused(&answer).contains("not one that this server gave out"), "{answer}");
    }
    assert!(question.is_open());
    client.send(&retry(&first, 1000, &asked, all_accepted(&asked))).await;
    question.result().await;
    running.finish("done");
    assert_eq!(text(&client.answer(1000).await), "done");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tampered_states_reach_no_call_and_begin_none() {
    let (server, mut calls) = repeatable();
    let mut client = Wire::Stdio(server.stdio());
    let (first, second) = (call_again(1, json!({"a": 1})), call_again(2, json!({"a": 1})));
    let (running, mut question, asked) = parked(&mut client, &mut calls, &first).await;
    let (_other_running, mut other_question, other) = parked(&mut client, &mut calls, &second).await;
    let state = |asked: &Value| asked["result"]["requestState"].as_str().unwrap().as_bytes().to_vec();
    let (state, other) = (state(&asked), state(&other));
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut seed = 21_u64;
    let mut below = |end: usize| {
        // Xorshift: the same states in every run.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % end as u64).unwrap()
    };
    for id in 10..1010 {
        let mut forged = state.clone();
        loop {
            let at = below(forged.len());
            match below(5) {
                // One digit, some more of them, one too many, one too few, and the end of another state.
                0 => forged[at] = alphabet[below(alphabet.len())],
                1 => forged.iter_mut().skip(at).take(8).for_each(|digit| *digit = alphabet[below(64)]),
                2 => forged.insert(at, alphabet[below(alphabet.len())]),
                3 => drop(forged.remove(at)),
                _ => forged.splice(at.., other[at.min(other.len())..].iter().copied()).for_each(drop),
            }
            if forged != state && forged != other {
                break;
            }
        }
        let mut again = retry(&first, id, &asked, all_accepted(&asked));
        again["params"]["requestState"] = json!(String::from_utf8(forged).unwrap());
        let answer = client.request(&again).await;
        assert!(refused(&answer).contains("not one that this server gave out"), "{answer}");
    }
    assert!(question.is_open() && other_question.is_open());
    assert!(calls.try_next().is_none(), "a forged state has begun a call");
    client.send(&retry(&first, 2000, &asked, all_accepted(&asked))).await;
    question.result().await;
    running.finish("done");
    assert_eq!(text(&client.answer(2000).await), "done");
}

#[tokio::test(start_paused = true)]
async fn a_state_is_good_for_the_same_request_of_the_same_principal_only() {
    let (server, mut calls) = scripted();
    let mut client = Wire::http(&server, Some(7));
    let first = call(1, json!({"a": 1, "b": {"c": [1, 2]}}));
    let (running, mut question, asked) = parked(&mut client, &mut calls, &first).await;
    let again = |id: u64| retry(&first, id, &asked, all_accepted(&asked));

    let mut others = [Wire::http(&server, Some(8)), Wire::http(&server, None), Wire::Stdio(server.stdio())];
    for other in &mut others {
        assert!(refused(&other.request(&again(2)).await).contains("not one that this server gave out"));
    }
    let mut other_tool = again(3);
    other_tool["params"]["name"] = json!("t.other");
    assert!(refused(&client.request(&other_tool).await).contains("for this request"));
    let mut other_arguments = again(4);
    other_arguments["params"]["arguments"]["b"]["c"] = json!([2, 1]);
    assert!(refused(&client.request(&other_arguments).await).contains("other `params.arguments`"));
    let mut malformed = again(5);
    malformed["params"]["inputResponses"] = json!({&questions(&asked)[0].0: "accept"});
    assert!(refused(&client.request(&malformed).await).contains("must be an object"));
    assert!(question.is_open());

    // The same arguments in another order are the same.
    let mut same = again(6);
    same["params"]["arguments"] = json!({"b": {"c": [1, 2]}, "a": 1});
    client.send(&same).await;
    question.result().await;
    running.finish("done");
    assert_eq!(text(&client.answer(6).await), "done");
    assert!(refused(&client.request(&again(7)).await).contains("has been used"));
}

#[tokio::test(start_paused = true)]
async fn of_two_requests_with_one_state_exactly_one_goes_on() {
    let (server, mut calls) = scripted();
    for mut client in Wire::both(&server) {
        let first = call(1, json!({}));
        let (running, question, asked) = parked(&mut client, &mut calls, &first).await;
        for id in 2..10 {
            client.send(&retry(&first, id, &asked, all_accepted(&asked))).await;
        }
        question.result().await;
        running.finish("once");
        let mut done = 0;
        for id in 2..10 {
            let answer = client.answer(id).await;
            match answer.get("result") {
                Some(_) => {
                    assert_eq!(text(&answer), "once");
                    done += 1;
                }
                None => assert!(refused(&answer).contains("has been used")),
            }
        }
        assert_eq!(done, 1);
        assert!(calls.try_next().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_of_one_method_is_none_of_another_and_none_of_another_server() {
    let (server, mut calls) = scripted();
    let mut client = Wire::Stdio(server.stdio());
    let first = call(1, json!({}));
    let (_running, _question, asked) = parked(&mut client, &mut calls, &first).await;
    let other_server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let mut other = Wire::Stdio(other_server.stdio());
    assert!(refused(&other.request(&retry(&first, 2, &asked, json!({}))).await).contains("another key"));
    // Of a prompt it is no state at all.
    let mut prompt = modern_able(request(3, "prompts/get", json!({"name": "t.run"})), able());
    prompt["params"]["requestState"] = asked["result"]["requestState"].clone();
    assert_eq!(client.request(&prompt).await["error"]["code"], -32602);
}

#[tokio::test(start_paused = true)]
async fn a_legacy_client_has_no_states_and_a_modern_one_no_replies() {
    let (server, mut calls) = scripted();
    let mut client = server.stdio();
    client.initialize_able("2025-11-25", able()).await;
    let mut legacy = call_tool(1, "t.run", json!({}));
    legacy["params"]["requestState"] = json!("x");
    client.send(&legacy).await;
    calls.next().await.finish("an ordinary call");
    assert_eq!(text(&client.answer(&json!(1)).await), "an ordinary call");

    let first = call(2, json!({}));
    client.send(&first).await;
    let running = calls.next().await;
    let mut question = elicit(&running);
    let asked = client.answer(&json!(2)).await;
    for id in [json!("q1"), json!(1), json!(2), asked["result"]["requestState"].clone()] {
        client.send(&json!({"jsonrpc": "2.0", "id": id, "result": accepted("Eve")})).await;
    }
    client.request(&request(3, "ping", json!({}))).await;
    assert!(question.is_open());
}

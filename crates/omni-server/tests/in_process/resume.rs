//! Streams whose connection breaks, and that their clients resume.

use std::time::Duration;

use omni_protocol::ListKind::Tools;
use omni_testkit::{
    EventStream, HttpClient, RunningCall, ScriptedExecutor, ServerEvent, StartedCalls, TestServer, call_tool,
    cancelled, request,
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::changes::World;
use crate::{LEGACY, one_skill, scripted};

const RESUMABLE: &str = "2025-11-25";

fn with_progress(id: Value) -> Value {
    let mut call = call_tool(id, "t.run", json!({}));
    call["params"]["_meta"] = json!({"progressToken": "p"});
    call
}

/// A client with a call whose reply is a stream already.
async fn calling(
    server: &TestServer,
    calls: &mut StartedCalls,
    id: Value,
) -> (HttpClient, EventStream, RunningCall) {
    let mut client = server.http().await;
    client.initialize(RESUMABLE).await;
    let (stream, call) = open(&mut client, calls, id).await;
    (client, stream, call)
}

async fn open(client: &mut HttpClient, calls: &mut StartedCalls, id: Value) -> (EventStream, RunningCall) {
    let message = with_progress(id);
    tokio::join!(client.open_events(&message), calls.next())
}

/// Another connection of the same client.
async fn again(server: &TestServer, client: &HttpClient) -> HttpClient {
    let mut other = server.http().await;
    other.session.clone_from(&client.session);
    other
}

/// The id of the first event, which carries nothing.
async fn primed(stream: &mut EventStream) -> String {
    let first = stream.next_event().await.expect("a first event");
    assert_eq!(first.message, None, "{first:?}");
    first.id.expect("an id")
}

fn progress_of(event: &ServerEvent) -> Option<u64> {
    event.message.as_ref()?["params"]["progress"].as_f64().map(|value| value as u64)
}

fn text_of(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_a_hundred_times_gives_each_event_once_and_in_order() {
    for seed in 1..=5u64 {
        let mut random = seed;
        let mut below = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % bound
        };
        let (server, mut calls) = scripted();
        let (mut client, mut stream, call) = calling(&server, &mut calls, json!("a call")).await;
        let mut last = primed(&mut stream).await;
        let (mut said, mut seen) = (0, Vec::new());
        for _ in 0..100 {
            for _ in 0..below(20) {
                said += 1;
                assert!(call.progress(said as f64, None));
            }
            let waiting = said - seen.len() as u64;
            for _ in 0..below(waiting + 1) {
                let event = stream.next_event().await.expect("more to come");
                last.clone_from(event.id.as_ref().expect("an id"));
                seen.extend(progress_of(&event));
            }
            // What has been sent and not read, the middle of an event too, is lost with the connection.
            let session = client.session.clone();
            drop((stream, client));
            if below(3) == 0 {
                sleep(Duration::from_secs(below(59))).await;
            }
            client = server.http().await;
            client.session = session;
            stream = client.resume(&last).await;
            assert_eq!(primed(&mut stream).await, last, "a client is told where it is");
        }
        assert!(call.finish("the end"));
        let answer = loop {
            let event = stream.next_event().await.expect("an answer");
            match progress_of(&event) {
                Some(value) => seen.push(value),
                None => break event.message.unwrap(),
            }
        };
        assert_eq!(seen, (1..=said).collect::<Vec<_>>(), "seed {seed}");
        assert!(said > 500, "{said}");
        assert_eq!((answer["id"].as_str(), text_of(&answer)), (Some("a call"), "the end"));
        assert_eq!(stream.next_event().await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_waits_for_a_client_that_is_away_and_can_be_had_again_until_its_time_is_over() {
    let (server, mut calls) = scripted();
    let (client, mut stream, call) = calling(&server, &mut calls, json!(7)).await;
    let last = primed(&mut stream).await;
    drop(stream);
    assert!(call.progress(1.0, None));
    assert!(call.finish("meanwhile"));
    sleep(Duration::from_secs(59)).await;
    // Each of these breaks off, too.
    for _ in 0..3 {
        let mut back = again(&server, &client).await;
        let mut stream = back.resume(&last).await;
        assert_eq!(stream.next().await.unwrap()["params"]["progress"], 1.0);
        assert_eq!(text_of(&stream.next().await.unwrap()), "meanwhile");
        drop((stream, back));
        sleep(Duration::from_secs(59)).await;
    }
    sleep(Duration::from_secs(2)).await;
    let answer = again(&server, &client).await.resume(&last).await.next().await.unwrap();
    assert_eq!(answer["id"], 7);
    assert_eq!(answer["error"]["code"], -32603, "its request is answered all the same: {answer}");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_reader_goes_on_for_a_minute_and_one_without_ids_not_at_all() {
    for revision in LEGACY {
        let (server, mut calls) = scripted();
        let mut client = server.http().await;
        client.initialize(revision).await;
        let (mut stream, mut call) = open(&mut client, &mut calls, json!(1)).await;
        assert!(call.progress(1.0, None));
        let first = stream.next_event().await.unwrap();
        let left = Instant::now();
        drop((stream, client));
        call.dropped().await;
        let went_on = left.elapsed().as_secs();
        if revision == RESUMABLE {
            assert_eq!((first.message, first.retry, went_on), (None, Some(1000), 60));
        } else {
            assert_eq!((first.id, first.retry, went_on), (None, None, 0), "{revision}");
            assert!(first.message.is_some(), "an event without data breaks clients of {revision}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_ends_the_connection_that_the_server_still_thinks_good() {
    let (server, mut calls) = scripted();
    let (client, mut old, call) = calling(&server, &mut calls, json!(1)).await;
    let last = primed(&mut old).await;
    call.progress(1.0, None);
    assert_eq!(old.next().await.unwrap()["params"]["progress"], 1.0);
    let mut client = again(&server, &client).await;
    let mut new = client.resume(&last).await;
    call.progress(2.0, None);
    assert_eq!(old.next_event().await, None);
    assert_eq!(new.next().await.unwrap()["params"]["progress"], 1.0);
    assert_eq!(new.next().await.unwrap()["params"]["progress"], 2.0);
    call.finish("done");
    assert_eq!(text_of(&new.next().await.unwrap()), "done");
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_its_sessions_alone_and_ids_that_are_none_are_refused() {
    let (server, mut calls) = scripted();
    let (client, mut stream, call) = calling(&server, &mut calls, json!(1)).await;
    let last = primed(&mut stream).await;
    let mut other = server.http().await;
    other.initialize(RESUMABLE).await;
    let answer = other.resume(&last).await.next().await.unwrap();
    assert!(answer["error"]["message"].as_str().unwrap().contains("cannot be had"), "{answer}");
    // Of another user, the session is none at all.
    let mut foreign = server.http_as(Some(4242)).await;
    foreign.session.clone_from(&client.session);
    let refused = foreign.send("GET", &[("last-event-id", &last)], "").await.unwrap();
    assert_eq!(refused.status(), 404);
    let mut mine = again(&server, &client).await;
    let beyond = last.replace("-0-", "-1-");
    for wrong in ["", "7", "x-y", &format!("{last} "), &format!("{last}x"), &beyond] {
        // White space around a header's value is none of it.
        if wrong.trim() == last {
            continue;
        }
        let refused = mine.send("GET", &[("last-event-id", wrong)], "").await.unwrap();
        assert_eq!(refused.status(), 400, "{wrong:?}");
        mine = again(&server, &client).await;
    }
    // The same number, and the id of a request that is open: no answer is made up for it.
    let unknown = format!("{:016x}{}", 1, &last[16..]);
    assert_eq!(mine.send("GET", &[("last-event-id", &unknown)], "").await.unwrap().status(), 400);
    call.finish("untouched");
    assert_eq!(text_of(&stream.next().await.unwrap()), "untouched");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_reads_is_cancelled_as_any_other() {
    let (server, mut calls) = scripted();
    let (client, mut stream, mut call) = calling(&server, &mut calls, json!(1)).await;
    let last = primed(&mut stream).await;
    let left = Instant::now();
    drop(stream);
    let mut client = again(&server, &client).await;
    assert_eq!(client.post_bytes(&[], cancelled(1).to_string()).await.status, 202);
    call.dropped().await;
    let mut stream = client.resume(&last).await;
    primed(&mut stream).await;
    assert_eq!(stream.next_event().await, None, "nothing is said of what was taken back");
    // A session that is ended takes its calls with it.
    let mut client = again(&server, &client).await;
    let (stream, mut call) = open(&mut client, &mut calls, json!(2)).await;
    drop(stream);
    let mut client = again(&server, &client).await;
    assert_eq!(client.send("DELETE", &[], "").await.unwrap().status(), 200);
    call.dropped().await;
    assert!(left.elapsed() < Duration::from_secs(30), "they ended by themselves");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_away_gets_all_that_its_tool_says_however_much_that_is() {
    let (server, mut calls) = scripted();
    let (client, mut stream, call) = calling(&server, &mut calls, json!(1)).await;
    let last = primed(&mut stream).await;
    drop(stream);
    let mut client = again(&server, &client).await;
    // More than is kept of a stream. The executor is not read from then on, as if its client read too slowly.
    for n in 1..=4_000 {
        call.progress(f64::from(n), None);
        if n % 500 == 0 {
            sleep(Duration::from_millis(1)).await;
        }
    }
    call.finish("all of it");
    sleep(Duration::from_secs(10)).await;
    let mut stream = client.resume(&last).await;
    for n in 1..=4_000 {
        assert_eq!(stream.next().await.unwrap()["params"]["progress"], f64::from(n));
    }
    assert_eq!(text_of(&stream.next().await.unwrap()), "all of it");
}

#[tokio::test(start_paused = true)]
async fn streams_that_nobody_comes_back_to_have_a_bound() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::new(&one_skill(), executor.clone());
    let mut client = server.http().await;
    client.initialize(RESUMABLE).await;
    let mut running = Vec::new();
    for n in 0..1000 {
        let (stream, call) = open(&mut client, &mut calls, json!(n)).await;
        running.push(call);
        drop(stream);
        client = again(&server, &client).await;
        if n % 4 == 0 {
            // One that has ended makes room before one that runs.
            running.pop().unwrap().finish("done");
        }
    }
    assert!(executor.running() <= 256, "{} calls run for nobody", executor.running());
    running[running.len() - 1].progress(1.0, None);
    running[0].dropped().await;
    sleep(Duration::from_secs(61)).await;
    assert_eq!(executor.running(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_is_not_kept_for_who_is_away_and_its_request_is_answered() {
    for (bytes, is_kept) in [(500_000, true), (2_000_000, false)] {
        let (server, mut calls) = scripted();
        let (client, mut stream, call) = calling(&server, &mut calls, json!(1)).await;
        let last = primed(&mut stream).await;
        drop(stream);
        call.finish(&"x".repeat(bytes));
        sleep(Duration::from_secs(1)).await;
        let answer = again(&server, &client).await.resume(&last).await.next().await.unwrap();
        match is_kept {
            true => assert_eq!(text_of(&answer).len(), bytes),
            false => {
                assert!(answer["error"]["message"].as_str().unwrap().contains("did not read"), "{answer}")
            }
        }
        assert_eq!(answer["id"], 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_may_close_a_long_stream_and_its_client_polls() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&one_skill(), executor)
        .config(|config| config.streams.closed_after = Some(Duration::from_secs(20)))
        .start();
    let (mut client, mut stream, call) = calling(&server, &mut calls, json!(1)).await;
    let began = Instant::now();
    let mut last = primed(&mut stream).await;
    for n in 1..=3 {
        call.progress(f64::from(n), None);
        let event = stream.next_event().await.unwrap();
        last.clone_from(event.id.as_ref().unwrap());
        assert_eq!(stream.next_event().await, None, "it is closed");
        assert_eq!(began.elapsed().as_secs(), 20 * u64::try_from(n).unwrap());
        // The same connection does, since the reply is at its end.
        stream = client.resume(&last).await;
        assert_eq!(primed(&mut stream).await, last);
    }
    call.finish("polled");
    assert_eq!(text_of(&stream.next().await.unwrap()), "polled");
}

#[tokio::test(start_paused = true)]
async fn no_stream_has_ids_where_none_is_kept() {
    let (executor, mut calls) = ScriptedExecutor::new();
    let server = TestServer::builder(&one_skill(), executor)
        .config(|config| config.streams.kept_for = Duration::ZERO)
        .start();
    let (client, mut stream, mut call) = calling(&server, &mut calls, json!(1)).await;
    call.progress(1.0, None);
    let event = stream.next_event().await.unwrap();
    assert_eq!((event.id.as_deref(), event.message.is_some()), (None, true));
    drop((stream, client));
    call.dropped().await;
}

#[tokio::test(start_paused = true)]
async fn a_sessions_stream_goes_on_where_it_was_and_a_new_one_where_the_old_one_is_forgotten() {
    let mut world = World::new();
    let mut client = world.server.http().await;
    client.initialize(RESUMABLE).await;
    client.post(&request(1, "tools/list", json!({}))).await;
    let mut stream = client.listen().await;
    let first = primed(&mut stream).await;
    world.change(&[Tools]).await;
    let told = stream.next_event().await.unwrap();
    assert_eq!(told.message.unwrap()["method"], "notifications/tools/list_changed");
    let told = told.id.unwrap();
    drop(stream);
    client = again(&world.server, &client).await;
    world.change(&[Tools]).await;
    // As if the last event had never arrived: it comes again, and what came meanwhile.
    let mut stream = client.resume(&first).await;
    primed(&mut stream).await;
    assert_eq!(stream.next_event().await.unwrap().id.unwrap(), told);
    let news = stream.next_event().await.unwrap();
    assert_ne!(news.id.as_ref(), Some(&told));
    drop(stream);
    // Its time is over. A client is told of all lists, since it may have missed any.
    sleep(Duration::from_secs(61)).await;
    client = again(&world.server, &client).await;
    let mut stream = client.resume(&news.id.unwrap()).await;
    let first = primed(&mut stream).await;
    assert!(first.ends_with("-0"), "{first}: a new stream");
    assert_eq!(stream.next().await.unwrap()["method"], "notifications/tools/list_changed");
}

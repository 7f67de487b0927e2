//! `GET /health`: what it says, and to whom.

use std::time::Duration;

use omni_testkit::{ScriptedExecutor, TestServer};
use serde_json::json;

use crate::one_skill;

#[tokio::test(start_paused = true)]
async fn the_health_of_a_server_is_said_to_whoever_may_call_it() {
    let server = TestServer::new(&one_skill(), ScriptedExecutor::echoing());
    let mut client = server.http().await;
    for target in ["/health", "/health/", "/health?x=1"] {
        let reply = client.ask(target, "GET", &[], "").await;
        assert_eq!(reply.status, 200, "{target}");
        assert_eq!(reply.headers["content-type"], "application/json");
        assert_eq!(reply.headers["cache-control"], "no-store");
        let mut health = reply.json();
        let uptime = health.as_object_mut().unwrap().remove("uptime_seconds");
        assert!(uptime.is_some_and(|uptime| uptime.is_u64()));
        let expected = json!({
            "name": "omni", "status": "ok", "version": "1", "pid": std::process::id(), "tools": 2,
        });
        assert_eq!(health, expected);
    }
    assert_eq!(client.ask("/health", "HEAD", &[], "").await.body.len(), 0);
    let posted = client.ask("/health", "POST", &[], "{}").await;
    assert_eq!((posted.status.as_u16(), &posted.headers["allow"]), (405, &"GET, HEAD".parse().unwrap()));
    let foreign = client.ask("/health", "GET", &[("host", "evil.example")], "").await;
    assert_eq!(foreign.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_not_read_its_skills_says_so_and_answers() {
    let server = TestServer::builder_at_start(&one_skill(), ScriptedExecutor::echoing()).start();
    let mut client = server.http().await;
    let health = client.ask("/health", "GET", &[], "").await.json();
    assert_eq!((&health["status"], &health["tools"]), (&json!("starting"), &json!(null)), "{health}");
    server.refresh().await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let health = client.ask("/health", "GET", &[], "").await.json();
    assert_eq!((&health["status"], &health["tools"]), (&json!("ok"), &json!(2)), "{health}");
}

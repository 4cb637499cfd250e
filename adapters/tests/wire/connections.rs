//! Connections that are kept: used again, shared out, given up in time, and never trusted blindly.

use std::time::Duration;

use isthmus_inference::failure::Kind;

use crate::upstream::{Step, Upstream, chat, failure, json};

const ANSWER: &str = r#"{"choices":[]}"#;

/// Lets the reactor see what the other side has done.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_call_after_another_takes_one_connection() {
    let server = Upstream::start(|_| json(200, ANSWER)).await;
    let account = server.account("vllm");
    for _ in 0..5 {
        account.call(chat(false)).await.unwrap();
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn calls_at_once_take_a_connection_each_and_all_are_used_again() {
    let server = Upstream::start(|_| json(200, ANSWER)).await;
    let account = server.account("vllm");
    for _ in 0..3 {
        let both = tokio::join!(account.call(chat(false)), account.call(chat(false)));
        assert!(both.0.is_ok() && both.1.is_ok());
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_call_that_a_closed_connection_never_took_is_sent_over_a_new_one() {
    let server = Upstream::start(|_| {
        let mut steps = json(200, ANSWER);
        steps.push(Step::Close);
        steps
    })
    .await;
    let account = server.account("vllm");
    for calls in 1..4 {
        account.call(chat(false)).await.unwrap();
        settle().await;
        assert_eq!(server.connections(), calls);
    }
}

#[tokio::test]
async fn a_call_that_was_taken_and_not_answered_is_not_sent_again() {
    let mut server = Upstream::start(|seen| match seen.header("x-last") {
        Some(_) => vec![Step::Close],
        None => json(200, ANSWER),
    })
    .await;
    server.account("vllm").call(chat(false)).await.unwrap();
    server.next_seen().await;
    let last = server.try_account("vllm", &[("x-last", "yes, this one")]).unwrap();
    let failure = failure(last.call(chat(false)).await).await;
    assert_eq!(failure.kind, Kind::Unreachable);
    server.next_seen().await;
    settle().await;
    assert_eq!(server.connections(), 1, "it went over the kept one and nowhere else");
}

#[tokio::test]
async fn a_connection_whose_server_will_close_it_is_not_kept() {
    let closing = "HTTP/1.1 200 OK\r\ncontent-length: 14\r\nconnection: close\r\n\r\n";
    let server =
        Upstream::start(move |_| vec![Step::Send([closing, ANSWER].concat().into())]).await;
    let account = server.account("vllm");
    for calls in 1..3 {
        account.call(chat(false)).await.unwrap();
        assert_eq!(server.connections(), calls);
    }
}

#[tokio::test]
async fn an_idle_connection_is_given_up_before_common_servers_do() {
    let server = Upstream::start(|_| json(200, ANSWER)).await;
    let account = server.account("vllm");
    for (idle, connections) in [(0, 1), (40, 1), (40, 1), (55, 2)] {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(idle)).await;
        tokio::time::resume();
        account.call(chat(false)).await.unwrap();
        assert_eq!(server.connections(), connections, "after {idle} s");
    }
}

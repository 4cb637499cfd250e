//! The mock and the generator against each other, without a proxy: under two seconds each.

use std::net::SocketAddr;
use std::time::Duration;

use isthmus_loadtests::idle;
use isthmus_loadtests::load::{self, Expectation, Job, Plan};
use isthmus_loadtests::mock::Mock;
use isthmus_loadtests::mock::script::Script;
use isthmus_loadtests::request::{ChatRequest, Destination, Language};
use isthmus_loadtests::schedule::Pace;
use isthmus_loadtests::tally::Tally;

async fn mock(script: Script) -> Mock {
    Mock::start(SocketAddr::from(([127, 0, 0, 1], 0)), script).await.expect("a free port")
}

fn job(mock: &Mock, stream: bool, expects: Expectation) -> Job {
    let path = "/v1/chat/completions".to_owned();
    let destination = Destination { address: mock.address(), path, key: None };
    let request = ChatRequest {
        model: "chat".to_owned(),
        prompt_bytes: 100_000,
        stream,
        language: Language::Openai,
    };
    Job { address: mock.address(), request: request.to_http(&destination), expects }
}

async fn drive(mock: &Mock, stream: bool, expects: Expectation, pace: Pace) -> Tally {
    let plan = Plan {
        connections: 4,
        pace,
        warm_up: Duration::from_millis(100),
        measured: Duration::from_millis(400),
    };
    load::run(job(mock, stream, expects), plan, || ()).await.tally
}

#[tokio::test]
async fn whole_answers_come_back_at_the_rate_asked_for() {
    let script = Script { first_token_ms: 5, ..Script::default() };
    let answer_bytes = script.answer_bytes as u64;
    let mock = mock(script).await;
    let pace = Pace::Open { per_second: 200.0 };
    let tally = drive(&mock, false, Expectation::Body(answer_bytes), pace).await;
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures);
    assert!((60..=90).contains(&tally.requests), "{}", tally.requests);
    assert!(tally.latency.percentile_us(0.0) >= 5000.0);
}

#[tokio::test]
async fn streams_bring_each_token_after_its_interval() {
    let mock = mock(Script { tokens: 8, token_interval_ms: 10, ..Script::default() }).await;
    let tally = drive(&mock, true, Expectation::Stream(9), Pace::Closed).await;
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures);
    assert!(tally.requests >= 4 && tally.chunks >= tally.requests * 9, "{tally:?}");
    // The token before the last event and the last event itself arrive together or nearly so.
    assert!(tally.gap.percentile_us(50.0) >= 5000.0);
}

#[tokio::test]
async fn a_stream_in_the_other_language_is_whole_too() {
    let mock = mock(Script { tokens: 4, token_interval_ms: 5, ..Script::default() }).await;
    let language = Language::Anthropic;
    let request =
        ChatRequest { model: "chat".to_owned(), prompt_bytes: 200, stream: true, language };
    let path = language.path().to_owned();
    let destination = Destination { address: mock.address(), path, key: None };
    let (address, request) = (mock.address(), request.to_http(&destination));
    let job = Job { address, request, expects: Expectation::Stream(5) };
    let plan = Plan {
        connections: 2,
        pace: Pace::Open { per_second: 100.0 },
        warm_up: Duration::from_millis(50),
        measured: Duration::from_millis(300),
    };
    let tally = load::run(job, plan, || ()).await.tally;
    assert_eq!(tally.failed(), 0, "{:?}", tally.failures);
    assert!(tally.requests >= 10, "{tally:?}");
}

#[tokio::test]
async fn failures_and_cut_streams_are_told_apart() {
    let failing = mock(Script { failure_rate: 1.0, ..Script::default() }).await;
    let tally = drive(&failing, false, Expectation::Body(1), Pace::Closed).await;
    assert_eq!(tally.requests, 0);
    assert_eq!(tally.failures.keys().collect::<Vec<_>>(), ["status 500"]);

    let script = Script { cut_rate: 1.0, token_interval_ms: 1, tokens: 4, ..Script::default() };
    let cutting = mock(script).await;
    let tally = drive(&cutting, true, Expectation::Stream(5), Pace::Closed).await;
    assert_eq!(tally.requests, 0);
    assert!(tally.failures.keys().all(|words| words.contains("closed before")), "{tally:?}");
    assert!(tally.failed() > 0);
}

#[tokio::test]
async fn less_than_expected_is_a_failure() {
    let mock = mock(Script { answer_bytes: 500, ..Script::default() }).await;
    let tally = drive(&mock, false, Expectation::Body(501), Pace::Closed).await;
    assert!(tally.failed() > 0 && tally.requests == 0, "{tally:?}");
}

#[tokio::test]
async fn idle_streams_stay_open_until_the_upstream_ends_them() {
    let script = Script { tokens: 2, token_interval_ms: 3_600_000, ..Script::default() };
    let silent = mock(script).await;
    let held = idle::hold(&job(&silent, true, Expectation::Stream(1)), 32).await.unwrap();
    assert_eq!(held.ended(), 0);
}

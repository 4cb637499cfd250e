//! The plan carried out against scripted endpoints, in paused time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod caller;
mod hedges;
mod memory;
mod places;
mod scripted;
mod stalls;
mod tokens;

use std::time::Duration;

use isthmus_inference::capability::{Capabilities, Capability};
use isthmus_inference::failure::{Failure, Kind};
use scripted::{House, Rules, Step};

#[tokio::test(start_paused = true)]
async fn a_healthy_endpoint_answers_at_once() {
    let house = House::new(&[("a", vec![Step::Answer])]);
    let told = house.ask().await.unwrap();
    assert_eq!((told.endpoint.as_str(), told.attempts), ("a", 1));
}

#[tokio::test(start_paused = true)]
async fn a_sick_endpoint_is_tried_again_then_the_next_has_its_turn() {
    let sick = || Step::Fail(Failure::new(Kind::ProviderError, "500"));
    let house = House::new(&[("a", vec![sick(), sick(), sick()]), ("b", vec![Step::Answer])]);
    let told = house.ask().await.unwrap();
    assert_eq!((told.endpoint.as_str(), told.attempts), ("b", 4));
    assert_eq!(house.calls(), ["a", "a", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_when_nobody_else_can_answer() {
    let wait = Duration::from_secs(3);
    let busy = Step::Fail(Failure::new(Kind::RateLimited, "429").with_retry_after(wait));
    let house = House::new(&[("a", vec![busy, Step::Answer])]);
    let began = tokio::time::Instant::now();
    assert_eq!(house.ask().await.unwrap().attempts, 2);
    assert!(began.elapsed() >= wait && began.elapsed() < wait * 2);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_not_waited_for_when_another_can_answer() {
    let wait = Duration::from_secs(3);
    let busy = Step::Fail(Failure::new(Kind::RateLimited, "429").with_retry_after(wait));
    let house = House::new(&[("a", vec![busy]), ("b", vec![Step::Answer])]);
    let began = tokio::time::Instant::now();
    assert_eq!(house.ask().await.unwrap().endpoint, "b");
    assert!(began.elapsed() < Duration::from_millis(10));
}

#[tokio::test(start_paused = true)]
async fn the_callers_own_mistake_goes_nowhere_else() {
    let wrong = Step::Fail(Failure::invalid("messages", "wrong"));
    let house = House::new(&[("a", vec![wrong]), ("b", vec![Step::Answer])]);
    assert_eq!(house.ask().await.unwrap_err().kind, Kind::InvalidRequest);
    assert_eq!(house.calls(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_before_its_first_piece_goes_elsewhere() {
    let broken = || Step::StreamThatBreaks(Failure::new(Kind::Malformed, "cut"));
    let house = House::new(&[("a", vec![broken()]), ("b", vec![Step::Stream])]);
    assert_eq!(house.ask().await.unwrap().endpoint, "b");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_never_answers_is_given_up_at_its_limit() {
    let house = House::new(&[("a", vec![Step::Stall]), ("b", vec![Step::Answer])]);
    let began = tokio::time::Instant::now();
    assert_eq!(house.ask().await.unwrap().endpoint, "b");
    assert_eq!(began.elapsed().as_secs(), scripted::ATTEMPT_LIMIT.as_secs());
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_ends_everything() {
    let stall = || vec![Step::Stall];
    let house = House::new(&[("a", stall()), ("b", stall()), ("c", vec![Step::Answer])]);
    let began = tokio::time::Instant::now();
    let failure = house.ask_within(Duration::from_secs(7)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Timeout);
    assert_eq!(began.elapsed().as_secs(), 7);
    assert_eq!(house.calls(), ["a", "b"], "nobody is called when time is up");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_nobody_serves_is_a_failure_that_names_it() {
    let house = House::new(&[("a", vec![])]);
    let failure = house.ask_for("nothing").await.unwrap_err();
    assert_eq!(failure.kind, Kind::NotFound);
    assert!(failure.message.contains("`nothing`"));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_lacks_a_capability_is_passed_over() {
    let able = |name: &str| match name {
        "plain" => Some(Capabilities::default().with(Capability::Chat)),
        _ => None,
    };
    let limited = || Rules { capabilities: Some(able), ..Rules::default() };
    let endpoints = [("plain", vec![Step::Answer; 2]), ("tools", vec![Step::Answer])];
    let house = House::under(&limited(), &endpoints);
    let tools = r#""tools":[{"type":"function","function":{"name":"f"}}]"#;
    assert_eq!(house.ask().await.unwrap().endpoint, "plain");
    assert_eq!(house.ask_with(tools).await.unwrap().endpoint, "tools");

    let house = House::under(&limited(), &endpoints[..1]);
    let failure = house.ask_with(tools).await.unwrap_err();
    assert_eq!((failure.kind, house.calls().len()), (Kind::Unsupported, 0));
    assert!(failure.message.contains("`plain` lacks `tools`"), "{}", failure.message);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_is_settled_by_the_reaper() {
    let mut house = House::new(&[("a", vec![Step::Stall])]);
    let left = tokio::time::timeout(Duration::from_secs(1), house.ask()).await;
    assert!(left.is_err());
    house.reap().await;
    let metrics = house.metrics();
    assert!(metrics.contains("status=\"499\"} 1"), "{metrics}");
    assert!(metrics.contains("isthmus_requests_in_flight 0"), "{metrics}");
}

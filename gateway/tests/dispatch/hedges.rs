//! A second copy of a request beside a slow first one, in paused time.

use std::time::Duration;

use isthmus_gateway::pipeline::settle::attempts::{Fate, Reason};
use isthmus_inference::failure::{Failure, Kind};
use tokio::time::Instant;

use crate::scripted::{House, Rules, Step};

const AFTER: Duration = Duration::from_secs(1);

/// A house that sends second copies.
fn hedged(endpoints: &[(&'static str, Vec<Step>)]) -> House {
    House::under(&Rules { hedge: Some(AFTER), ..Rules::default() }, endpoints)
}

fn sick() -> Failure {
    Failure::new(Kind::Malformed, "cut")
}

fn line(endpoint: &str, reason: Reason, fate: Fate) -> (String, Reason, Fate) {
    (endpoint.to_owned(), reason, fate)
}

/// What an answer of one endpoint costs, estimated, in pico-dollars.
async fn cost_of_one() -> i128 {
    House::new(&[("a", vec![Step::Answer])]).ask().await.unwrap().cost.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_first_choice_that_is_fast_enough_has_no_rival() {
    let fast = Step::AnswerAfter(AFTER - Duration::from_millis(1));
    let house = hedged(&[("a", vec![fast]), ("b", vec![Step::Answer])]);
    let told = house.ask().await.unwrap();
    assert_eq!((told.endpoint.as_str(), told.attempts), ("a", 1));
    assert_eq!(house.calls(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn the_faster_one_wins_and_the_other_is_cancelled_and_paid() {
    let house = hedged(&[("a", vec![Step::Stall]), ("b", vec![Step::Answer])]);
    let began = Instant::now();
    let told = house.ask().await.unwrap();
    assert_eq!((told.endpoint.as_str(), began.elapsed()), ("b", AFTER));
    assert_eq!(house.cancelled(), ["a"], "dropping it ends it upstream");
    let lines = [line("a", Reason::First, Fate::Lost), line("b", Reason::Hedge, Fate::Answered)];
    assert_eq!(told.lines, lines);
    assert_eq!(told.cost.unwrap(), 2 * cost_of_one().await, "the loser read the prompt");

    let slow = Step::AnswerAfter(AFTER + Duration::from_millis(10));
    let slower = Step::AnswerAfter(AFTER);
    let house = hedged(&[("a", vec![slow]), ("b", vec![slower])]);
    let told = house.ask().await.unwrap();
    assert_eq!(told.endpoint, "a");
    let lines = [line("a", Reason::First, Fate::Answered), line("b", Reason::Hedge, Fate::Lost)];
    assert_eq!(told.lines, lines);
}

#[tokio::test(start_paused = true)]
async fn where_one_fails_the_other_is_awaited() {
    let failing = |after| Step::FailAfter(after, sick());
    let cases = [
        (failing(AFTER * 2), Step::AnswerAfter(AFTER * 2), "b"),
        (Step::AnswerAfter(AFTER * 3), failing(AFTER), "a"),
    ];
    for (first, second, winner) in cases {
        let house = hedged(&[("a", vec![first]), ("b", vec![second])]);
        let told = house.ask().await.unwrap();
        assert_eq!((told.endpoint.as_str(), told.attempts), (winner, 2));
        let failed = told.lines.iter().filter(|line| line.2 == Fate::Failed(Kind::Malformed));
        assert_eq!(failed.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn where_both_fail_the_plan_goes_on() {
    let failing = |after| Step::FailAfter(after, sick());
    let endpoints = [
        ("a", vec![failing(AFTER * 2)]),
        ("b", vec![failing(AFTER), Step::Answer]),
        ("c", vec![Step::Answer]),
    ];
    let house = hedged(&endpoints);
    let told = house.ask().await.unwrap();
    assert_eq!(told.endpoint, "c");
    assert_eq!(house.calls(), ["a", "b", "c"], "each had its turn");
}

#[tokio::test(start_paused = true)]
async fn a_failure_before_its_time_is_a_matter_of_retries() {
    let busy = Failure::new(Kind::ProviderError, "500");
    let endpoints = [("a", vec![Step::Fail(busy), Step::Answer]), ("b", vec![Step::Answer])];
    let house = hedged(&endpoints);
    let told = house.ask().await.unwrap();
    assert_eq!((told.endpoint.as_str(), house.calls()), ("a", vec!["a", "a"]));
    assert_eq!(told.lines[1], line("a", Reason::Again, Fate::Answered));
    assert_eq!(told.cost.unwrap(), cost_of_one().await, "a failed attempt is free");
}

//! Endpoints that fall silent for longer than they ever were.

use std::time::Duration;

use tokio::time::Instant;

use crate::caller::ask;
use crate::scripted::{ATTEMPT_LIMIT, House, Rules, Step};

const STREAM: &str = r#","stream":true,"stream_options":{"include_usage":true}"#;
const BEGINNING: &[&str] = &[
    "data: {\"id\":\"x\",\"created\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Once upon\"}}]}\n\n",
];
const WHOLE: &[&str] = &[
    BEGINNING[0],
    "data: {\"id\":\"x\",\"created\":1,\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
];
/// So many answers tell what is usual.
const USUAL: usize = 150;

/// A house whose first endpoint has always answered at once, and then stalls like this.
async fn house(stall: Step, second: Step) -> House {
    let mut steps = vec![Step::StreamOf(WHOLE); USUAL];
    steps.push(stall);
    let rules = Rules { splice: true, ..Rules::default() };
    let house = House::under(&rules, &[("a", steps), ("b", vec![second])]);
    for _ in 0..USUAL {
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(ask(&house, STREAM).await.header("x-isthmus-endpoint"), "a");
    }
    house
}

#[tokio::test(start_paused = true)]
async fn before_its_first_piece_another_is_asked_before_time() {
    let house = house(Step::Stall, Step::StreamOf(WHOLE)).await;
    let asked = Instant::now();
    assert_eq!(ask(&house, STREAM).await.header("x-isthmus-endpoint"), "b");
    assert!(asked.elapsed() < ATTEMPT_LIMIT / 2, "{:?}", asked.elapsed());
    assert_eq!(house.cancelled(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn between_two_pieces_another_goes_on_before_time() {
    let house = house(Step::StreamThatStalls(BEGINNING), Step::GoOn(" a time")).await;
    let asked = Instant::now();
    let heard = ask(&house, STREAM).await;
    assert!(asked.elapsed() < ATTEMPT_LIMIT, "{:?}", asked.elapsed());
    let told = |text: &str| heard.body.contains(text);
    assert!(told(r#""content":"Once upon""#) && told(r#""content":" a time""#), "{}", heard.body);
    assert!(told(r#""spliced":true"#) && !told("error"), "{}", heard.body);
    assert!(heard.body.ends_with("data: [DONE]\n\n"), "{}", heard.body);
    assert_eq!(house.calls().split_off(USUAL), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_goes_on_it_is_waited_for() {
    let rules = Rules { splice: true, ..Rules::default() };
    let mut steps = vec![Step::StreamOf(WHOLE); USUAL];
    steps.push(Step::StreamThatStalls(BEGINNING));
    let house = House::under(&rules, &[("a", steps)]);
    for _ in 0..USUAL {
        assert_eq!(ask(&house, STREAM).await.status, 200);
    }
    let asked = Instant::now();
    let heard = ask(&house, STREAM).await;
    // The scripted endpoint keeps no limits of its own: the caller's time ends it.
    assert_eq!(asked.elapsed().as_secs(), 60);
    assert!(heard.body.contains("error") && !heard.body.contains("[DONE]"), "{}", heard.body);
}

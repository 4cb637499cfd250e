//! How many requests an endpoint takes at once.

use std::time::Duration;

use isthmus_inference::failure::Kind;

use crate::scripted::{House, Rules, Step};

fn one_place() -> Rules {
    Rules { places: Some(1), ..Rules::default() }
}

#[tokio::test(start_paused = true)]
async fn a_place_is_taken_until_the_stream_is_over() {
    let house =
        House::under(&one_place(), &[("a", vec![Step::Stream; 3]), ("b", vec![Step::Stream; 3])]);
    let first = house.begin().await;
    let second = house.begin().await;
    assert_eq!((first.endpoint.as_str(), second.endpoint.as_str()), ("a", "b"));
    assert_eq!(house.calls(), ["a", "b"], "whoever is full is not asked");
    drop(first.answer);
    assert_eq!(house.begin().await.endpoint, "a");
}

#[tokio::test(start_paused = true)]
async fn where_nobody_else_is_a_place_is_waited_for() {
    let house = House::under(&one_place(), &[("a", vec![Step::Stream, Step::Answer])]);
    let first = house.begin().await;
    let failure = house.ask_within(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Overloaded);
    assert_eq!(house.calls(), ["a"]);
    let (told, ()) = tokio::join!(house.ask(), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drop(first.answer);
    });
    assert_eq!(told.unwrap().endpoint, "a");
}

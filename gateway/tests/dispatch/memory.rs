//! Answers that were given before, in paused time; and with a real Redis, which the test starts.

mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use isthmus_config::settings::Settings;
use isthmus_config::settings::cache::{Cache, PoolCache};
use isthmus_config::settings::keeper::Keeper;
use isthmus_inference::failure::Failure;
use tokio::time::{Instant, timeout};

use crate::caller::{Heard, ask, ask_with};
use crate::scripted::{House, Rules, Step};
use server::Server;

const SECOND: Duration = Duration::from_secs(1);
const ANSWER: &str = r#"{"id":"old","created":1,"choices":[{"finish_reason":"stop"}]}"#;
const EVENTS: &[&str] = &[
    "data: {\"id\":\"old\",\"created\":1,\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n",
    "data: {\"id\":\"old\",\"created\":1,\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
];

fn say() -> Step {
    Step::SayAfter(Duration::ZERO, ANSWER)
}

fn house(steps: Vec<Step>) -> House {
    changed(&[("a", steps)], |_| {})
}

fn changed(endpoints: &[(&'static str, Vec<Step>)], more: impl FnOnce(&mut Settings)) -> House {
    House::changed(&Rules::default(), endpoints, |settings| {
        settings.models.get_mut("chat").unwrap().cache = Some(PoolCache::default());
        more(settings);
    })
}

/// Asks for something else, so that later calls need not wait for policy and go in their order.
async fn policy_has_spoken(house: &House) {
    assert_eq!(ask(house, r#","seed":0"#).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_same_request_is_given_the_same_answer_for_nothing() {
    let house = house(vec![say(), say()]);
    let first = ask(&house, r#","seed":1,"user":"u""#).await;
    assert_eq!((first.cache(), first.header("x-isthmus-attempts")), ("miss", "1"));
    assert_eq!((first.id(), first.header("x-isthmus-cost-usd")), ("old", "0.00001"));

    let again = ask(&house, r#", "user":"v", "seed" : 1 "#).await;
    assert_eq!((again.status, again.cache()), (200, "hit"));
    assert_eq!(again.header("x-isthmus-cost-usd"), "0.00");
    assert_eq!(
        (again.header("x-isthmus-endpoint"), again.header("x-isthmus-attempts")),
        ("a", "0")
    );
    assert_eq!(again.header("x-isthmus-dropped-params"), "seed", "as it was told the first time");
    assert!(again.id().starts_with("chatcmpl-"), "{}", again.body);
    assert!(again.body.ends_with(r#""choices":[{"finish_reason":"stop"}]}"#), "{}", again.body);
    assert_eq!(house.calls(), ["a"]);

    assert_eq!(ask(&house, r#","seed":2"#).await.cache(), "miss");
    let metrics = house.metrics();
    for line in [
        "isthmus_cache_requests_total{outcome=\"hit\"} 1",
        "isthmus_cache_requests_total{outcome=\"miss\"} 2",
        "isthmus_cache_avoided_usd_total 0.00001",
    ] {
        assert!(metrics.contains(line), "{line} is missing from\n{metrics}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_unasked_or_against_the_callers_will() {
    let house = House::new(&[("a", vec![say(), say()])]);
    for _ in 0..2 {
        assert_eq!(ask(&house, "").await.cache(), "off");
    }
    let other_app = changed(&[("a", vec![say(), say()])], |settings| {
        let apps = Some(["faq".to_owned()].into());
        settings.models.get_mut("chat").unwrap().cache =
            Some(PoolCache { apps, ..PoolCache::default() });
    });
    for _ in 0..2 {
        assert_eq!(ask(&other_app, "").await.cache(), "off");
    }
    let house = self::house(vec![say(); 3]);
    let declining = async |word| {
        ask_with(&house, "", &[("cache-control", word)], SECOND).await.cache().to_owned()
    };
    assert_eq!(declining("no-store").await, "off");
    assert_eq!(declining("no-cache").await, "miss", "not kept before");
    assert_eq!(declining("no-cache").await, "miss", "nor read");
    assert_eq!(ask(&house, "").await.cache(), "hit", "but kept");
    assert_eq!(house.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn of_many_at_once_one_asks() {
    let house = house(vec![Step::SayAfter(SECOND, ANSWER)]);
    let heard = join_all((0..50).map(|_| ask(&house, ""))).await;
    assert_eq!(house.calls(), ["a"]);
    assert_eq!(heard.iter().filter(|heard| heard.cache() == "hit").count(), 49);
    assert!(heard.iter().all(|heard| heard.status == 200));
    let mut ids: Vec<_> = heard.iter().map(Heard::id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 50, "each has an id of its own");
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_its_callers_own_and_the_next_one_asks() {
    let wrong = Failure::invalid("seed", "no");
    let house = house(vec![Step::FailAfter(SECOND, wrong), Step::SayAfter(SECOND, ANSWER)]);
    let began = Instant::now();
    let heard = join_all((0..5).map(|_| ask(&house, ""))).await;
    let mut statuses: Vec<_> = heard.iter().map(|heard| heard.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 400]);
    assert_eq!((house.calls().len(), began.elapsed()), (2, SECOND * 2));
}

#[tokio::test(start_paused = true)]
async fn when_who_asks_leaves_the_next_one_asks() {
    let house = house(vec![say(), Step::Stall, Step::SayAfter(SECOND, ANSWER)]);
    policy_has_spoken(&house).await;
    let leaves = timeout(SECOND / 2, ask(&house, ""));
    let (left, heard) = join(leaves, ask(&house, "")).await;
    assert!(left.is_err());
    assert_eq!((heard.status, house.calls().len(), house.cancelled()), (200, 3, vec!["a"]));
    assert!(house.app.memory.as_ref().unwrap().flights.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_half_of_his_time() {
    let house = house(vec![say(), Step::SayAfter(SECOND * 4, ANSWER), say()]);
    policy_has_spoken(&house).await;
    let impatient = async {
        let began = Instant::now();
        let heard = ask_with(&house, "", &[], SECOND * 2).await;
        assert_eq!((heard.status, heard.cache(), began.elapsed()), (200, "miss", SECOND));
    };
    let (first, ()) = join(ask(&house, ""), impatient).await;
    assert_eq!((first.status, house.calls().len()), (200, 3));
}

#[tokio::test(start_paused = true)]
async fn what_will_not_be_kept_keeps_nobody_waiting() {
    const CUT: &str = r#"{"id":"old","choices":[{"finish_reason":"content_filter"}]}"#;
    let house = house(vec![Step::SayAfter(SECOND, CUT); 8]);
    let began = Instant::now();
    let heard = join_all((0..4).map(|_| ask(&house, ""))).await;
    assert!(heard.iter().all(|heard| heard.cache() == "miss"));
    assert_eq!(began.elapsed(), SECOND * 2, "one alone, then all together");
    let large = changed(&[("a", vec![say(), say()])], |settings| {
        settings.cache = Cache { max_answer_bytes: 10, ..Cache::default() };
    });
    for _ in 0..2 {
        assert_eq!(ask(&large, "").await.cache(), "miss");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_given_again_as_it_was() {
    let house = house(vec![Step::StreamOf(EVENTS)]);
    let first = ask(&house, r#","stream":true"#).await;
    assert!(first.body.ends_with("data: [DONE]\n\n") && !first.body.contains("usage"));
    let again = ask(&house, r#","stream":true"#).await;
    assert_eq!((again.cache(), again.header("content-type")), ("hit", "text/event-stream"));
    let renewed = again.body.replace(again.id(), "old");
    let dates = renewed.split("\"created\":").skip(1).map(|rest| rest.split(',').next().unwrap());
    let date = dates.last().unwrap().to_owned();
    assert_eq!(renewed.replace(&format!("\"created\":{date}"), "\"created\":1"), first.body);

    let usage = r#","stream":true,"stream_options":{"include_usage":true}"#;
    let told = ask(&house, usage).await;
    assert_eq!(told.cache(), "hit");
    assert!(told.body.contains(r#""usage":{"total_tokens":10}"#), "{}", told.body);
    assert!(told.body.contains(r#""cost_usd":"0.00""#) && told.body.contains(r#""cache":"hit""#));
    assert_eq!(house.calls(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_broke_is_not_kept() {
    let house = house(vec![Step::Stream, Step::StreamOf(EVENTS)]);
    let stream = r#","stream":true"#;
    assert!(!ask(&house, stream).await.body.contains("[DONE]"));
    let heard = ask(&house, stream).await;
    assert_eq!((heard.cache(), heard.body.contains("[DONE]")), ("miss", true));
    assert_eq!(ask(&house, stream).await.cache(), "hit");
}

/// Under these policies.
fn governed(policies: &str, folder: &Path, steps: Vec<Step>) -> House {
    std::fs::write(folder.join("all.cedar"), policies).unwrap();
    changed(&[("a", steps)], |settings| settings.policies.dir = Some(folder.to_owned()))
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_an_answer_asks() {
    let folder = tempfile::tempdir().unwrap();
    let policies = r#"
        @id("all") permit (principal, action, resource);
        @id("no-reading") forbid (principal, action == Action::"cache_read", resource);
    "#;
    let house = governed(policies, folder.path(), vec![say(), say()]);
    for _ in 0..2 {
        let heard = ask(&house, "").await;
        assert_eq!((heard.status, heard.cache()), (200, "miss"));
    }
    assert_eq!(house.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_one_may_read_depends_on_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let policies = r#"
        @id("all") permit (principal, action, resource);
        @id("not-of-patients") forbid (principal, action == Action::"cache_read", resource)
        when { context.labels.contains(DataClass::"phi") };
    "#;
    let house = governed(policies, folder.path(), vec![say(); 4]);
    let of = async |class| {
        let heard = ask_with(&house, "", &[("x-isthmus-data-class", class)], SECOND).await;
        assert_eq!(heard.status, 200, "{}", heard.body);
        heard.cache().to_owned()
    };
    assert_eq!(of("internal").await, "miss");
    assert_eq!(of("internal").await, "hit");
    assert_eq!(of("phi").await, "miss");
    assert_eq!(
        [of("secret").await, of("secret").await],
        ["off", "off"],
        "never, whatever policy says"
    );
}

fn shared(server: &Server) -> House {
    changed(&[("a", vec![say(); 8])], |settings| {
        settings.cache.keeper = Keeper::Redis { url: server.url().into() };
    })
}

#[tokio::test]
async fn gateways_share_a_redis_and_go_on_without_it() {
    let mut server = Server::start().await;
    let (one, other) = (shared(&server), shared(&server));
    assert_eq!(ask(&one, "").await.cache(), "miss");
    server.holds(1).await;
    let heard = ask(&other, "").await;
    assert_eq!((heard.cache(), other.calls().len()), ("hit", 0));
    assert!(heard.id().starts_with("chatcmpl-"));

    server.kill();
    let began = std::time::Instant::now();
    for _ in 0..5 {
        let heard = ask(&other, "").await;
        assert_eq!((heard.status, heard.cache()), (200, "miss"));
    }
    assert!(began.elapsed() < SECOND, "five calls waited {:?}", began.elapsed());
    assert_eq!(other.calls().len(), 5);
}

#[tokio::test]
async fn a_redis_that_says_something_else_is_a_miss() {
    let server = Server::start().await;
    let house = Arc::new(shared(&server));
    assert_eq!(ask(&house, "").await.cache(), "miss");
    server.holds(1).await;
    server.spoil();
    assert_eq!(ask(&house, "").await.cache(), "miss");
}

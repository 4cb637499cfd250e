//! The model keeps to its formulas.

use std::path::Path;

use super::*;
use crate::lab::market::MARKET;

const MS: u64 = 1_000_000;

fn quiet() -> Market {
    let mut market = Market::read(Path::new(MARKET)).unwrap().with_noise(0.0);
    for offer in &mut market.endpoints {
        offer.drift = Drift::default();
        offer.busy.swing = 0.0;
        offer.failure_rate = 0.0;
        offer.break_rate = 0.0;
    }
    market.shocks.clear();
    market
}

fn asking(input: u64, output: u64) -> Arrival {
    Arrival { at: 0, input, output, blocks: vec![] }
}

fn attempt(request: u64, arrival: &Arrival) -> Try<'_> {
    Try { request, earlier: 0, arrival }
}

fn shocked(shock: &str) -> Market {
    let mut market = quiet();
    market.shocks = serde_saphyr::from_str(shock).unwrap();
    market
}

#[test]
fn without_noise_the_first_token_is_base_and_slope_and_the_rest_is_pace() {
    let market = quiet();
    let fast = market.number("vendor-fast").unwrap();
    let mut world = World::new(&market, 1, 0);
    let (fate, _) = world.make(fast, attempt(0, &asking(2000, 260)), 0);
    assert_eq!(fate.first_token.unwrap() / MS, 140 + 2 * 14);
    assert_eq!((fate.end - fate.first_token.unwrap()) / MS, 1000);
    assert_eq!(fate.ending, Ending::Whole);
    assert_eq!((fate.usage.uncached_input, fate.usage.text_output), (2000, 260));
}

#[test]
fn who_would_wait_too_long_for_a_place_is_refused() {
    let market = quiet();
    let (fast, lease) = (market.number("vendor-fast").unwrap(), market.number("lease-two-gpus"));
    let arrival = asking(100, 260);
    let mut world = World::new(&market, 1, 0);
    for request in 0..30 {
        assert_eq!(world.make(fast, attempt(request, &arrival), 0).0.ending, Ending::Whole);
    }
    assert_eq!(world.law(fast, &arrival, 0).refusal, 1.0);
    assert_eq!(world.make(fast, attempt(30, &arrival), 0).0.ending, Ending::Limited(None));
    // A machine of one's own lets them wait, and reads one prompt after the other.
    let lease = lease.unwrap();
    let (first, _) = world.make(lease, attempt(31, &arrival), 0);
    let (second, _) = world.make(lease, attempt(32, &arrival), 0);
    assert_eq!(Some(second.start), first.first_token);
    assert_eq!(Some(world.law(lease, &arrival, 0).wait), second.first_token);
}

#[test]
fn who_leaves_frees_the_place() {
    let mut market = quiet();
    market.endpoints[0].places.at_once = 1;
    let arrival = asking(100, 100);
    let mut world = World::new(&market, 1, 0);
    let (fate, place) = world.make(0, attempt(0, &arrival), 0);
    assert_eq!(world.look(0, attempt(1, &arrival), MS).ending, Ending::Limited(None));
    world.leave(0, place, &fate, MS);
    assert_eq!(world.look(0, attempt(1, &arrival), MS).ending, Ending::Whole);
    assert_eq!(fate.left_at(MS).uncached_input, 100, "the input was being read");
}

#[test]
fn a_cached_beginning_is_neither_read_nor_paid_in_full() {
    let market = quiet();
    let arrival = Arrival { blocks: vec![1, 2, 3, 4], ..asking(2048, 10) };
    let mut world = World::new(&market, 1, 0);
    let (first, _) = world.make(0, attempt(0, &arrival), 0);
    let again = world.look(0, attempt(1, &arrival), first.end);
    assert_eq!((again.usage.uncached_input, again.usage.cache_read), (1, 2047));
    assert!(again.first_token.unwrap() - again.start < first.first_token.unwrap());
    let late = world.look(0, attempt(1, &arrival), first.end + 6 * MINUTE as u64);
    assert_eq!(late.usage.cache_read, 0);
}

#[test]
fn a_vanished_host_breaks_what_runs_and_refuses_what_comes() {
    let market = shocked(
        "[{ what: vanish, endpoint: hyperscaler-region, from: [1, 1], minutes: 2, after_ms: 250 }]",
    );
    let minute = MINUTE as u64;
    let world = World::new(&market, 1, 10 * minute);
    let long = asking(100, 650);
    let running = world.look(0, attempt(0, &long), minute - 2_000 * MS);
    assert_eq!((running.ending, running.end), (Ending::Broken, minute));
    assert!((100..120).contains(&running.usage.text_output), "{:?}", running.usage);
    let fresh = world.look(0, attempt(1, &long), minute);
    assert_eq!((fresh.ending, fresh.end), (Ending::Unreachable, minute + 250 * MS));
    assert_eq!(world.look(0, attempt(2, &long), 3 * minute).ending, Ending::Whole);
}

#[test]
fn storms_brown_outs_and_prices_begin_and_end() {
    let market = shocked(
        "- { what: storm, endpoint: hyperscaler-region, from: [1, 1], minutes: 1, share: 1.0, retry_after_s: 5 }
- { what: brown_out, endpoint: hyperscaler-region, from: [3, 3], minutes: 1, slower: 3.0 }
- { what: price, endpoint: hyperscaler-region, from: [5, 5], minutes: 99, price: { input: \"9\", output: \"9\" }, noticed_minutes: 2 }",
    );
    let minute = MINUTE as u64;
    let world = World::new(&market, 1, 10 * minute);
    let arrival = asking(1000, 10);
    let ttft = |now| {
        world.look(0, attempt(0, &arrival), now).first_token.unwrap().saturating_sub(now) / MS
    };
    let stormy = world.look(0, attempt(0, &arrival), minute);
    assert_eq!(stormy.ending, Ending::Limited(Some(5_000 * MS)));
    assert_eq!((ttft(2 * minute), ttft(3 * minute)), (350, 1050));
    let input = |price: Price| price.input.pico_dollars_per_token();
    assert_eq!(input(world.price(0, 5 * minute)), 9_000_000);
    assert_eq!(input(world.listed_price(0, 5 * minute)), 720_000);
    assert_eq!(input(world.listed_price(0, 7 * minute)), 9_000_000);
}

#[test]
fn seeds_draw_different_weather_and_each_its_own_again() {
    let market = Market::read(Path::new(MARKET)).unwrap();
    let arrival = asking(1000, 100);
    let first_token = |seed| {
        World::new(&market, seed, 3_600 * 1_000 * MS).look(0, attempt(5, &arrival), 0).first_token
    };
    assert_eq!(first_token(1), first_token(1));
    assert_ne!(first_token(1), first_token(2));
}

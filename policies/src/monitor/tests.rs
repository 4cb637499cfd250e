//! What a monitor admits, learns and puts up.

use isthmus_inference::failure::{Failure, Kind};
use proptest::prelude::*;

use super::*;
use crate::facts::Network;
use crate::live::Gate;

const WORK: Work = Work { prompt: Prompt::new(1000), output_tokens: 100 };
const SERVED: Served = Served { input_tokens: 1000, cached_tokens: None, output_tokens: 100 };

fn at(milliseconds: u64) -> Moment {
    Moment::after_start(Duration::from_secs(1000) + Duration::from_millis(milliseconds))
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

fn limited(limits: Limits) -> Monitor {
    Monitor::new(Prior::of(Some(Network::Vendor)), limits, None)
}

fn monitor() -> Monitor {
    limited(Limits::default())
}

/// One attempt from beginning to end.
fn attempt(monitor: &Monitor, from: u64, ttft: Option<u64>, to: u64, outcome: Outcome) {
    let mut started = monitor.start(at(from), WORK).unwrap();
    if let Some(ttft) = ttft {
        monitor.first_token(&mut started, at(from + ttft));
    }
    monitor.finish(started, at(to), outcome);
}

#[test]
fn a_stranger_is_seen_as_assumed() {
    let view = monitor().view(at(0), Prompt::new(1000));
    assert_eq!((view.gate, view.samples, view.pending), (Gate::Clear, 0, 0));
    assert!((view.failure - 0.01).abs() < 1e-6);
    assert!((view.tokens_per_second - 60.0).abs() < 1e-3);
    assert!(view.ttft.p95 > view.ttft.p50 * 2.5);
}

#[test]
fn what_was_seen_is_put_up() {
    let monitor = monitor();
    for round in 0..200 {
        let from = round * 1000;
        attempt(&monitor, from, Some(100), from + 600, Outcome::Answered(SERVED));
    }
    let view = monitor.view(at(200_000), Prompt::new(1000));
    assert!((view.ttft.p95 - 0.1).abs() < 0.02, "{view:?}");
    // 100 tokens in half a second.
    assert!((view.tokens_per_second - 200.0).abs() < 8.0, "{view:?}");
    assert!(view.failure < 0.002 && view.pending == 0);
    let longer = monitor.view(at(200_000), Prompt::new(100_000));
    assert!(longer.ttft.p50 > view.ttft.p50, "what is known of one size tells of all");
}

#[test]
fn an_answer_that_comes_whole_tells_of_the_pace_alone() {
    let monitor = monitor();
    let usual_first = (monitor.view(at(0), Prompt::new(1000)).ttft.p50 * 1000.0) as u64;
    for round in 0..200 {
        let from = round * 10_000;
        // 100 tokens in five seconds, once the first one is there.
        attempt(&monitor, from, None, from + usual_first + 5000, Outcome::Answered(SERVED));
    }
    let view = monitor.view(at(2_000_000), Prompt::new(1000));
    assert_eq!(view.samples, 0);
    assert!((view.tokens_per_second - 20.0).abs() < 4.0, "{view:?}");
}

#[test]
fn a_prompt_that_was_read_before_is_worth_what_reports_say() {
    let monitor = monitor();
    let read_before = Prompt { tokens: 4000, read: 0.5 };
    let cached = |monitor: &Monitor, now| monitor.view(at(now), read_before).cached_tokens;
    assert_eq!(cached(&monitor, 0), 1600, "as is usual: four fifths of what was read");
    for round in 0..40 {
        let work = Work { prompt: read_before, output_tokens: 100 };
        let mut started = monitor.start(at(round * 1000), work).unwrap();
        monitor.first_token(&mut started, at(round * 1000 + 300));
        let served = Served { input_tokens: 4000, cached_tokens: Some(0), output_tokens: 100 };
        monitor.finish(started, at(round * 1000 + 900), Outcome::Answered(served));
    }
    assert!(cached(&monitor, 40_000) < 200, "this one caches nothing");
    let (whole, read) = (Prompt::new(4000), read_before);
    let ttft = |prompt| monitor.view(at(40_000), prompt).ttft.p50;
    assert!(ttft(read) > ttft(whole) * 0.9, "and so is no quicker with what it has read");
}

#[test]
fn pending_attempts_are_counted_until_they_end() {
    let monitor = limited(Limits { concurrency: NonZeroU32::new(2), ..Limits::default() });
    let one = monitor.start(at(0), WORK).unwrap();
    let other = monitor.start(at(0), WORK).unwrap();
    assert_eq!(monitor.view(at(0), Prompt::new(1)).gate, Gate::Full);
    assert_eq!(monitor.start(at(0), WORK).unwrap_err(), Gate::Full);
    monitor.finish(one, at(1), Outcome::Abandoned);
    assert_eq!(monitor.view(at(1), Prompt::new(1)).gate, Gate::Clear);
    monitor.finish(other, at(1), Outcome::Answered(SERVED));
    assert_eq!(monitor.view(at(1), Prompt::new(1)).pending, 0);
}

#[test]
fn failures_in_a_row_close_the_door_and_one_probe_opens_it() {
    let monitor = monitor();
    (0..5).for_each(|_| attempt(&monitor, 0, None, 1, Outcome::Failed));
    let until = at(1) + Duration::from_secs(5);
    assert_eq!(monitor.view(at(2), Prompt::new(1)).gate, Gate::Sick { until });
    assert_eq!(monitor.breaker(at(2)), BreakerState::Open);
    assert!(monitor.start(at(2), WORK).is_err());

    let probe = monitor.start(at(5001), WORK).unwrap();
    assert!(probe.is_probe());
    assert!(matches!(monitor.start(at(5001), WORK), Err(Gate::Sick { .. })), "one at a time");
    monitor.finish(probe, at(5100), Outcome::Answered(SERVED));
    assert_eq!(monitor.view(at(5100), Prompt::new(1)).gate, Gate::Clear);
}

#[test]
fn a_probe_that_shows_nothing_makes_way_for_the_next() {
    let monitor = monitor();
    (0..5).for_each(|_| attempt(&monitor, 0, None, 1, Outcome::Failed));
    attempt(&monitor, 5001, None, 5002, Outcome::Abandoned);
    assert!(monitor.start(at(5003), WORK).unwrap().is_probe());
}

#[test]
fn a_429_is_quota_and_no_sickness() {
    let monitor = monitor();
    let healthy = monitor.view(at(0), Prompt::new(1)).failure;
    attempt(&monitor, 0, None, 1, Outcome::Limited { retry_after: seconds(7) });
    let view = monitor.view(at(1), Prompt::new(1));
    assert_eq!(view.gate, Gate::Cooling { until: at(7001) });
    assert_eq!(view.failure, healthy);
    assert_eq!(monitor.breaker(at(1)), BreakerState::Closed);
    assert_eq!(monitor.view(at(7001), Prompt::new(1)).gate, Gate::Clear);
}

#[test]
fn the_wait_doubles_where_none_is_named_and_a_crowd_counts_once() {
    let monitor = monitor();
    let unnamed = Outcome::Limited { retry_after: None };
    let crowd: Vec<_> = (0..10).map(|_| monitor.start(at(0), WORK).unwrap()).collect();
    crowd.into_iter().for_each(|started| monitor.finish(started, at(10), unnamed));
    assert_eq!(monitor.view(at(11), Prompt::new(1)).gate.opens_in(at(10)), seconds(1));
    attempt(&monitor, 3000, None, 3000, unnamed);
    assert_eq!(monitor.view(at(3001), Prompt::new(1)).gate.opens_in(at(3000)), seconds(2));
    attempt(&monitor, 8000, Some(1), 8000, Outcome::Answered(SERVED));
    attempt(&monitor, 8000, None, 8000, unnamed);
    assert_eq!(monitor.view(at(8001), Prompt::new(1)).gate.opens_in(at(8000)), seconds(1));
}

#[test]
fn a_day_of_retry_after_is_not_believed() {
    let monitor = monitor();
    attempt(&monitor, 0, None, 0, Outcome::Limited { retry_after: seconds(86_400) });
    assert_eq!(monitor.view(at(0), Prompt::new(1)).gate.opens_in(at(0)), seconds(600));
}

#[test]
fn fast_failures_are_not_fast() {
    let monitor = monitor();
    let before = monitor.view(at(0), Prompt::new(1000)).ttft;
    for round in 0..4 {
        attempt(&monitor, round * 10, None, round * 10 + 1, Outcome::Failed);
        attempt(&monitor, round * 10, None, round * 10 + 1, Outcome::Abandoned);
    }
    assert_eq!(monitor.view(at(100), Prompt::new(1000)).ttft, before);
    assert!(monitor.view(at(100), Prompt::new(1000)).failure > 0.2);
}

#[test]
fn silence_is_slow() {
    let monitor = monitor();
    let before = monitor.view(at(0), Prompt::new(1000)).ttft.p95;
    attempt(&monitor, 0, None, 30_000, Outcome::Stalled);
    assert!(monitor.view(at(30_000), Prompt::new(1000)).ttft.p95 > before * 3.0);
    assert!(monitor.concurrency() < 64);
}

#[test]
fn what_the_caller_did_wrong_shows_that_the_endpoint_is_well() {
    let monitor = monitor();
    let before = monitor.view(at(0), Prompt::new(1)).failure;
    for _ in 0..20 {
        attempt(&monitor, 0, None, 1, Outcome::of(&Failure::invalid("messages", "wrong")));
    }
    assert!(monitor.view(at(1), Prompt::new(1)).failure < before);
}

#[test]
fn the_operators_quota_is_kept_and_corrected() {
    let tpm = NonZeroU64::new(66_000);
    let monitor = limited(Limits { tpm, ..Limits::default() });
    for _ in 0..3 {
        attempt(&monitor, 0, None, 1, Outcome::Failed);
    }
    assert_eq!(monitor.view(at(1), Prompt::new(1)).gate, Gate::Clear, "failures used up nothing");
    // 1100 tokens are a second's worth; three may be taken ahead.
    let held: Vec<_> = (0..4).map(|_| monitor.start(at(1), WORK).unwrap()).collect();
    assert!(matches!(monitor.view(at(1), Prompt::new(1)).gate, Gate::Spent { .. }));
    let half = Served { input_tokens: 500, cached_tokens: None, output_tokens: 50 };
    held.into_iter().for_each(|started| monitor.finish(started, at(2), Outcome::Answered(half)));
    assert_eq!(monitor.view(at(2), Prompt::new(1)).gate, Gate::Clear);

    let rpm = NonZeroU64::new(60);
    let monitor = limited(Limits { rpm, ..Limits::default() });
    (0..4).for_each(|_| attempt(&monitor, 0, None, 1, Outcome::Failed));
    let until = at(0) + Duration::from_secs(1);
    assert_eq!(monitor.view(at(1), Prompt::new(1)).gate, Gate::Spent { until });
}

#[test]
fn a_lease_has_a_queue() {
    let lease = Lease {
        per_hour: isthmus_inference::money::Money::ZERO,
        tokens_per_second: NonZeroU32::new(100).unwrap(),
    };
    let monitor = Monitor::new(Prior::of(Some(Network::Local)), Limits::default(), Some(lease));
    // 100 tokens of output and 1000 of input, which count a tenth: two seconds.
    let one = monitor.start(at(0), WORK).unwrap();
    let other = monitor.start(at(0), WORK).unwrap();
    assert!((monitor.view(at(0), Prompt::new(1)).queue - 4.0).abs() < 1e-9);
    monitor.finish(one, at(1000), Outcome::Failed);
    assert!((monitor.view(at(1000), Prompt::new(1)).queue - 1.0).abs() < 1e-9);
    monitor.finish(other, at(2000), Outcome::Answered(SERVED));
    assert!(monitor.view(at(2000), Prompt::new(1)).queue < 1e-9);
}

#[test]
fn failures_are_sorted_by_what_they_say_of_the_endpoint() {
    let of = |kind| Outcome::of(&Failure::new(kind, "said"));
    assert_eq!(of(Kind::ProviderError), Outcome::Failed);
    assert_eq!(of(Kind::UpstreamAuth), Outcome::Failed);
    assert_eq!(of(Kind::Timeout), Outcome::Stalled);
    assert_eq!(of(Kind::RateLimited), Outcome::Limited { retry_after: None });
    assert_eq!(of(Kind::QuotaExhausted), Outcome::Limited { retry_after: seconds(60) });
    assert_eq!(of(Kind::Overloaded), Outcome::Overloaded { retry_after: None });
    assert_eq!(of(Kind::ContentFilter), Outcome::Declined);
    assert_eq!(of(Kind::Internal), Outcome::Abandoned);
}

proptest! {
    /// Whatever happens in whatever order, nobody passes a closed door and every place is given back.
    #[test]
    fn doors_are_kept(steps in proptest::collection::vec((0u64..3000, 0usize..9, any::<bool>()), 1..300)) {
        let limits = Limits { concurrency: NonZeroU32::new(3), rpm: NonZeroU64::new(600), tpm: None };
        let monitor = limited(limits);
        let outcomes = [
            Outcome::Answered(SERVED),
            Outcome::Failed,
            Outcome::Stalled,
            Outcome::Overloaded { retry_after: None },
            Outcome::Overloaded { retry_after: seconds(2) },
            Outcome::Limited { retry_after: None },
            Outcome::Limited { retry_after: seconds(3) },
            Outcome::Declined,
            Outcome::Abandoned,
        ];
        let (mut now, mut held) = (0, vec![]);
        for (pause, outcome, begin) in steps {
            now += pause;
            let view = monitor.view(at(now), Prompt::new(1000));
            prop_assert_eq!(view.pending as usize, held.len());
            prop_assert!(view.failure > 0.0 && view.failure <= 1.0);
            prop_assert!(view.ttft.p50 > 0.0 && view.ttft.p50 <= view.ttft.p99);
            if begin {
                let started = monitor.start(at(now), WORK);
                prop_assert_eq!(started.is_ok(), view.gate.is_clear());
                held.extend(started);
                prop_assert!(held.len() <= 3);
            } else if let Some(started) = held.pop() {
                monitor.finish(started, at(now), outcomes[outcome]);
            }
        }
    }
}

//! What holds of sums in one process, however calls come and go.

use std::sync::Arc;
use std::time::Instant;

use isthmus_gateway::quota::keeper::{Claim, MOST_MEMBERS, OTHERS, Opening, Part, Refused};
use isthmus_gateway::quota::local::Local;
use isthmus_inference::money::Money;
use isthmus_policies::budget::{Amounts, Budget, Limits, Measure, Sort, Window};
use proptest::prelude::*;

use super::{budget, claim, costs, dollars, month};

const NOW: i64 = 1_795_000_000_000;

/// What a caller does next.
#[derive(Debug, Clone)]
enum Step {
    /// Asks for so many pico-dollars.
    Reserve(u32),
    /// Settles one of those under way at a part of what it held, in percent.
    Settle(usize, u8),
    /// Gives one of them up.
    Release(usize),
    /// Waits so many milliseconds.
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u32..400).prop_map(Step::Reserve),
        3 => (any::<usize>(), 0u8..=100).prop_map(|(which, part)| Step::Settle(which, part)),
        1 => any::<usize>().prop_map(Step::Release),
        1 => (0u32..5_000).prop_map(Step::Wait),
    ]
}

fn pico(amount: u32) -> Amounts {
    Amounts { money: Money::from_pico_dollars(amount.into()), tokens: 1, requests: 1 }
}

fn used(local: &Local, now: i64) -> Money {
    local.shown(now).iter().map(|sum| sum.settled.money + sum.held.money).sum()
}

proptest! {
    /// Whatever is reserved, settled and given up in whatever order: settled and held together never
    /// pass the limit, and what is refused would have passed it.
    #[test]
    fn settled_and_held_never_pass_the_limit(
        steps in prop::collection::vec(step(), 1..200),
        slides in any::<bool>(),
    ) {
        let limit = Money::from_pico_dollars(1000);
        let window = if slides { Window::Rolling(10_000) } else { month() };
        let limits = Limits { money: Some(limit), ..Limits::default() };
        let budgets: Arc<[Budget]> = [Budget { window, limits, ..budget("all", "0") }].into();
        let local = Local::new(budgets);
        let (mut now, mut under_way) = (NOW, Vec::<Part>::new());
        for step in steps {
            match step {
                Step::Reserve(amount) => match local.reserve(vec![claim(0, pico(amount))], now) {
                    Ok(granted) => under_way.extend(granted.parts),
                    Err(Refused::Exhausted { standing, measure }) => {
                        prop_assert_eq!(measure, Measure::Money);
                        prop_assert!(standing.before.money + standing.claim.money > limit);
                    }
                    Err(other) => prop_assert!(false, "{other:?}"),
                },
                Step::Settle(which, percent) if !under_way.is_empty() => {
                    let part = under_way.swap_remove(which % under_way.len());
                    let held = part.claim.amounts.money.pico_dollars();
                    let took = held * i128::from(percent) / 100;
                    let took = Amounts { money: Money::from_pico_dollars(took), ..part.claim.amounts };
                    local.settle(&part, took);
                }
                Step::Release(which) if !under_way.is_empty() => {
                    let part = under_way.swap_remove(which % under_way.len());
                    local.settle(&part, Amounts::default());
                }
                Step::Wait(milliseconds) => now += i64::from(milliseconds),
                Step::Settle(..) | Step::Release(_) => {}
            }
            prop_assert!(used(&local, now) <= limit);
        }
        let before = used(&local, now);
        for part in under_way.drain(..) {
            local.settle(&part, part.claim.amounts);
        }
        prop_assert_eq!(used(&local, now), before, "settled at what was held, nothing changes");
    }
}

#[test]
fn what_does_not_fit_one_budget_is_held_in_none() {
    let local = Local::new([budget("wide", "10"), budget("narrow", "0.05")].into());
    let ask = || local.reserve(vec![claim(0, costs("0.03")), claim(1, costs("0.03"))], NOW);
    assert!(ask().is_ok());
    let Err(Refused::Exhausted { standing, .. }) = ask() else { panic!("it does not fit") };
    assert_eq!(standing.budget, 1);
    assert_eq!(used(&local, NOW), dollars("0.06"), "nothing more in the wide one either");
}

#[test]
fn what_was_spent_before_a_start_counts_in_its_window() {
    let local = Local::new([budget("all", "1.00")].into());
    let opening = |at| Opening { budget: 0, member: "".into(), at, amounts: costs("0.60") };
    const TWO_MONTHS: i64 = 62 * 86_400_000;
    local.open(&[opening(NOW), opening(NOW - TWO_MONTHS)], NOW);
    assert_eq!(used(&local, NOW), dollars("0.60"));
    assert!(local.reserve(vec![claim(0, costs("0.41"))], NOW).is_err());
    assert!(local.reserve(vec![claim(0, costs("0.40"))], NOW).is_ok(), "a limit may be reached");
}

#[test]
fn members_that_callers_invent_are_bounded_and_make_room_in_the_next_window() {
    let local = Local::new([budget("all", "1.00")].into());
    let ask = |name: &str, now| {
        let claim = Claim { member: name.into(), ..claim(0, costs("0.60")) };
        local.reserve(vec![claim], now)
    };
    (0..MOST_MEMBERS).for_each(|number| drop(ask(&number.to_string(), NOW).unwrap()));
    let granted = ask("one more", NOW).unwrap();
    assert_eq!(&*granted.parts[0].claim.member, OTHERS);
    assert!(ask("and another", NOW).is_err(), "they share one sum");
    local.settle(&granted.parts[0], costs("0.10"));
    assert!(ask("and another", NOW).is_ok());
    assert!(ask("1", NOW).is_err(), "who was there before has its own");
    let next = ask("one more", NOW + 32 * 86_400_000).unwrap();
    assert_eq!(&*next.parts[0].claim.member, "one more");
}

#[test]
fn places_come_back_when_a_call_is_over() {
    let limits = Limits { requests: Some(1), ..Limits::default() };
    let places = Budget { window: Window::Always, limits, sort: Sort::Places, ..budget("p", "0") };
    let local = Local::new([places.clone()].into());
    let ask = || local.reserve(vec![claim(0, costs("0"))], NOW);
    let granted = ask().unwrap();
    assert!(ask().is_err());
    local.settle(&granted.parts[0], places.remains(costs("0")));
    assert!(ask().is_ok());
}

#[test]
fn many_threads_spend_a_dollar_and_no_more() {
    let local = Arc::new(Local::new([budget("all", "1.00")].into()));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let local = Arc::clone(&local);
            std::thread::spawn(move || {
                let granted = |_: &i32| local.reserve(vec![claim(0, costs("0.001"))], NOW).is_ok();
                (0..500).filter(granted).count()
            })
        })
        .collect();
    let granted: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!((granted, used(&local, NOW)), (1000, dollars("1.00")));
}

/// A figure, printed and loosely bounded: machines under test are busy.
#[test]
fn a_reservation_costs_about_a_microsecond() {
    const CALLS: u32 = 200_000;
    let local = Local::new(["a", "b", "c"].map(|name| budget(name, "900000")).into());
    let began = Instant::now();
    for _ in 0..CALLS {
        let claims = (0..3).map(|number| claim(number, costs("0.001"))).collect();
        let granted = local.reserve(claims, NOW).unwrap();
        granted.parts.iter().for_each(|part| local.settle(part, costs("0.0005")));
    }
    let each = began.elapsed() / CALLS;
    println!("reserve and settle with three budgets: {each:?}");
    assert!(each.as_micros() < 20, "{each:?}");
}

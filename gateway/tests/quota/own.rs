//! Limits that keys bring along: each sum keeps to its key's own, here and in Redis.

use std::time::Instant;

use isthmus_gateway::quota;
use isthmus_gateway::quota::keeper::{Claim, Refused};
use isthmus_gateway::quota::local::Local;
use isthmus_policies::budget::{Budget, Limits, Own};

use super::server::Server;
use super::shared::{Gateway, PATIENCE, rules};
use super::{budget, costs, dollars};

fn budgets() -> Vec<Budget> {
    quota::budgets(&[budget("all", "100.00")])
}

/// A claim of so much by a key that may have `usd` in a day.
fn claim(key: &str, amount: &str, usd: &str) -> Claim {
    let budgets = budgets();
    let day = budgets.iter().position(|budget| budget.own == Some(Own::Day)).unwrap();
    let own = Some(Limits { money: Some(dollars(usd)), ..Limits::default() });
    Claim { member: key.into(), own, ..super::claim(day, costs(amount)) }
}

#[test]
fn each_key_keeps_to_its_own_limit() {
    const NOW: i64 = 1_795_882_800_000;
    let local = Local::new(budgets().into());
    let ask = |key, amount, usd| local.reserve(vec![claim(key, amount, usd)], NOW);
    assert!(ask("isk-a", "0.10", "0.10").is_ok());
    let Err(Refused::Exhausted { standing, .. }) = ask("isk-a", "0.01", "0.10") else {
        panic!("it does not fit")
    };
    assert_eq!(standing.limits.money, Some(dollars("0.10")));
    assert!(ask("isk-b", "0.10", "0.50").is_ok(), "another key, another sum");
    assert!(ask("isk-a", "0.10", "0.20").is_ok(), "the limit was raised");
}

#[tokio::test]
async fn gateways_share_the_sum_of_a_key_and_keep_to_its_limit() {
    let server = Server::start(false);
    let budgets = budgets();
    let (a, b) =
        (Gateway::new(&server, &budgets, rules("a")), Gateway::new(&server, &budgets, rules("b")));
    let began = Instant::now();
    while let Err(refused) = a.shared.reserve(vec![claim("isk-a", "0.06", "0.10")]).await {
        assert!(began.elapsed() < PATIENCE, "{refused:?}");
    }
    while let Err(refused) = b.shared.reserve(vec![claim("isk-a", "0.04", "0.10")]).await {
        assert!(began.elapsed() < PATIENCE, "{refused:?}");
    }
    let more = b.shared.reserve(vec![claim("isk-a", "0.01", "0.10")]).await;
    let Err(Refused::Exhausted { standing, .. }) = more else {
        panic!("it does not fit: {more:?}")
    };
    assert_eq!(
        (standing.before.money, standing.limits.money),
        (dollars("0.10"), Some(dollars("0.10")))
    );
    assert!(b.shared.reserve(vec![claim("isk-b", "0.50", "0.50")]).await.is_ok());
}

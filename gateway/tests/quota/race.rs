//! Four gateways race for one dollar: whoever looks, whenever, never sees more than a dollar settled and
//! held; and in the end nearly all of it is spent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use isthmus_inference::money::Money;

use super::server::Server;
use super::shared::{Gateway, rules};
use super::{budget, claim, costs, dollars};
use isthmus_gateway::quota::keeper::Refused;

const GATEWAYS: usize = 4;
const CALLERS: usize = 200;
/// What a call holds, and what it takes in the end.
const HELD: &str = "0.004";
const TAKEN: &str = "0.001";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_gateways_never_spend_more_than_a_dollar() {
    let server = Server::start(false);
    let budgets = [budget("dollar", "1.00")];
    let gateways: Vec<_> = (0..GATEWAYS)
        .map(|number| Gateway::new(&server, &budgets, rules(&format!("g{number}"))))
        .collect();
    for gateway in &gateways {
        // Ready, and nothing of it stays.
        let granted = gateway.granted(costs("0")).await;
        gateway.shared.settle(granted.parts.into_iter().map(|part| (part, costs("0"))).collect());
    }
    let (over, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watching = tokio::spawn(watch(server.url(), Arc::clone(&over), Arc::clone(&looks)));
    let began = Instant::now();
    let spent = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let shared = Arc::clone(&gateways[number % GATEWAYS].shared);
            tokio::spawn(call(shared, Arc::clone(&spent)))
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let took = began.elapsed();
    over.store(true, Relaxed);
    let most = watching.await.unwrap();
    let (spent, looks) = (spent.load(Relaxed), looks.load(Relaxed));
    println!(
        "{spent} calls of {TAKEN} in {took:?}; {looks} looks; at most {most} settled and held"
    );
    assert!(most <= dollars("1.00"), "{most} were settled and held");
    assert!(looks >= 20, "only {looks} looks");
    assert!((970..=1000).contains(&spent), "{spent} thousandths were spent");
}

/// Calls until the dollar is used up: refused while nothing is under way any more.
async fn call(shared: Arc<isthmus_gateway::quota::redis::Shared>, spent: Arc<AtomicU64>) {
    let mut refusals = 0;
    while refusals < 20 {
        match shared.reserve(vec![claim(0, costs(HELD))]).await {
            Ok(granted) => {
                refusals = 0;
                tokio::time::sleep(Duration::from_millis(2)).await;
                spent.fetch_add(1, Relaxed);
                let parts = granted.parts.into_iter().map(|part| (part, costs(TAKEN)));
                shared.settle(parts.collect());
            }
            Err(Refused::Exhausted { .. }) => {
                refusals += 1;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// Looks into Redis without a pause, as an outsider: the most that is settled and held at any time.
async fn watch(url: String, over: Arc<AtomicBool>, looks: Arc<AtomicU64>) -> Money {
    let client = redis::Client::open(url).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut most = Money::ZERO;
    while !over.load(Relaxed) {
        let mut values = redis::cmd("HVALS");
        values.arg("{isthmus}:spent:dollar:");
        let values: Vec<String> = values.query_async(&mut connection).await.unwrap();
        let sum = values.iter().map(|value| {
            let mut numbers = value.split(' ').map(|word| word.parse::<i128>().unwrap());
            let (whole, fine) = (numbers.next().unwrap(), numbers.next().unwrap());
            Money::from_pico_dollars(whole * 1_000_000 + fine)
        });
        most = most.max(sum.sum());
        looks.fetch_add(1, Relaxed);
    }
    most
}

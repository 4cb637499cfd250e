//! What a warm decision costs: looking up the permits, reading how thirty endpoints fare, and making
//! the plan.
//!
//! ```sh
//! cargo run --release -p isthmus-policies --example decide
//! ```
//!
//! Fails if a decision takes longer than the bars of `docs/routing.md`.
#![allow(clippy::unwrap_used, reason = "an example that cannot go on should panic")]
#![allow(clippy::print_stdout, reason = "it is here to print")]

use std::collections::HashMap;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use isthmus_inference::date::Date;
use isthmus_inference::money::Price;
use isthmus_policies::affinity::{PrefixMap, Prefixes, Prompt};
use isthmus_policies::bounds::Bounds;
use isthmus_policies::chance::Chance;
use isthmus_policies::class::{Class, DataClass};
use isthmus_policies::endpoint_set::EndpointSet;
use isthmus_policies::facts::{Facts, Network};
use isthmus_policies::hedge::{HedgeAfter, HedgeRules};
use isthmus_policies::live::Quantile;
use isthmus_policies::moment::Moment;
use isthmus_policies::monitor::{Limits, Monitor, Outcome, Served, Work};
use isthmus_policies::narrow::Narrowing;
use isthmus_policies::objective::{Aim, Objective};
use isthmus_policies::offer::{Offer, Pricing};
use isthmus_policies::plan::{Candidate, Permits, Situation, Strategy};
use isthmus_policies::prior::Prior;
use isthmus_policies::terms::Demand;

const ENDPOINTS: usize = 30;
const ROUNDS: usize = 200_000;
const P50_BAR: Duration = Duration::from_micros(2);
const P99_BAR: Duration = Duration::from_micros(10);

/// What a decision on permits is kept under: versions of policy and catalogue, caller, class.
type Key = (u64, u64, u64, u8);

/// What policy permits.
struct Permitted {
    route: EndpointSet,
    fallback: EndpointSet,
    hedge: EndpointSet,
}

/// A gateway's memory.
struct House {
    offers: Vec<Offer>,
    monitors: Vec<Monitor>,
    permits: HashMap<Key, Permitted>,
    now: Moment,
    today: Date,
}

fn main() -> ExitCode {
    let house = House::new();
    let objective = |word| Objective::only(Aim::of(word).unwrap());
    let bounded = Objective::cheapest_within(Bounds { p95_ttft: Some(0.8), ..Bounds::default() });
    let cases = [
        ("ordered", objective("ordered"), None),
        ("cheapest", objective("cheapest"), None),
        ("fastest", objective("fastest"), None),
        ("balanced", objective("balanced"), None),
        ("cost under 800 ms p95", bounded.clone(), None),
        ("the same, narrowed", bounded, Some(narrowing())),
    ];
    println!("{ENDPOINTS} endpoints, {ROUNDS} decisions each, in nanoseconds");
    println!("{:24} {:>8} {:>8} {:>8}", "objective", "p50", "p99", "p99.9");
    let mut kept = true;
    for (name, objective, narrowing) in cases {
        let hedge =
            HedgeRules { after: HedgeAfter::Quantile(Quantile::P95), max_extra_cost_percent: 2.0 };
        let strategy = Strategy { objective, hedge: Some(hedge), ..Strategy::default() };
        let times = house.measure(&strategy, narrowing.as_ref());
        let at = |share: f64| times[(share * (ROUNDS - 1) as f64) as usize];
        let (p50, p99, last) = (at(0.5), at(0.99), at(0.999));
        println!("{name:24} {:>8} {:>8} {:>8}", p50.as_nanos(), p99.as_nanos(), last.as_nanos());
        kept &= p50 <= P50_BAR && p99 <= P99_BAR;
    }
    println!("bars: p50 {P50_BAR:?}, p99 {P99_BAR:?}: {}", if kept { "kept" } else { "NOT kept" });
    if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn narrowing() -> Narrowing {
    let object =
        br#"{"order": ["endpoint-7"], "ignore": ["endpoint-3"], "max_price": {"prompt": 9}}"#;
    Narrowing::of_provider_object(object).unwrap()
}

impl House {
    fn new() -> Self {
        let now = Moment::after_start(Duration::from_secs(3600));
        let offers = (0..ENDPOINTS).map(offer).collect();
        let monitors: Vec<_> = (0..ENDPOINTS)
            .map(|_| Monitor::new(Prior::of(Some(Network::Vendor)), Limits::default(), None))
            .collect();
        for (number, monitor) in monitors.iter().enumerate() {
            warm_up(monitor, number as u64, now);
        }
        let permits = (0..1000).map(|caller| (key(caller), Permitted::most())).collect();
        Self { offers, monitors, permits, now, today: "2026-11-28".parse().unwrap() }
    }

    /// The times of all rounds, sorted.
    fn measure(&self, strategy: &Strategy, narrowing: Option<&Narrowing>) -> Vec<Duration> {
        let mut prefixes = PrefixMap::new(1000);
        let prompt = Prefixes::of(0, &[b'x'; 8192]);
        prefixes.saw(self.now, &prompt, 4);
        let warm = prefixes.warm(self.now, &prompt);
        let demand = Demand { input_tokens: 2000, output_tokens: 250, warm, ..Demand::default() };
        let mut times: Vec<_> = (0..ROUNDS as u64)
            .map(|round| {
                let begin = Instant::now();
                black_box(self.decide(strategy, narrowing, black_box(&demand), round));
                begin.elapsed()
            })
            .collect();
        times.sort_unstable();
        times
    }

    fn decide(
        &self,
        strategy: &Strategy,
        narrowing: Option<&Narrowing>,
        demand: &Demand,
        round: u64,
    ) -> usize {
        let permitted = &self.permits[&key(round % 1000)];
        let mut candidates = smallvec::SmallVec::<[Candidate<'_>; 32]>::new();
        for (number, offer) in self.offers.iter().enumerate() {
            let live = self.monitors[number].view(self.now, demand.prompt(number));
            candidates.push(Candidate { number, offer, live });
        }
        let situation = Situation {
            now: self.now,
            today: self.today,
            time_left: Duration::from_secs(60),
            demand,
            candidates: &candidates,
            permits: Permits {
                route: &permitted.route,
                fallback: &permitted.fallback,
                hedge: &permitted.hedge,
            },
            narrowing,
            incumbent: Some(5),
            chance: Chance::new(round),
        };
        strategy.plan(&situation).unwrap().first()
    }
}

impl Permitted {
    /// All endpoints but a few.
    fn most() -> Self {
        let but = |number| (0..ENDPOINTS).filter(|it| it % number != 0).collect();
        Self { route: but(7), fallback: but(11), hedge: but(5) }
    }
}

fn key(caller: u64) -> Key {
    (1, 1, caller, Class::only(DataClass::Internal).bits())
}

fn offer(number: usize) -> Offer {
    let rate = |base: usize| format!("{base}.{number:02}").parse().unwrap();
    Offer {
        name: format!("endpoint-{number}").into(),
        provider: format!("account-{}", number % 6).into(),
        kind: Arc::from("openai"),
        pricing: Pricing::Tokens(Price { input: rate(1), output: rate(4), ..Price::default() }),
        facts: Arc::new(Facts::default()),
    }
}

/// Some hundred answers, the later endpoints slower than the earlier ones.
fn warm_up(monitor: &Monitor, number: u64, now: Moment) {
    let work = Work { prompt: Prompt::new(2000), output_tokens: 250 };
    let served = Served { input_tokens: 2000, cached_tokens: None, output_tokens: 250 };
    for round in 0..300 {
        let ttft = Duration::from_millis(200 + 40 * number + round);
        let mut started = monitor.start(now, work).unwrap();
        monitor.first_token(&mut started, now + ttft);
        monitor.finish(started, now + ttft * 5, Outcome::Answered(served));
    }
    monitor.refresh(now);
}

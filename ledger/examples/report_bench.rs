//! How long a report takes over the hours of ten million exchanges: a month of 24 hours, each with some
//! hundred sets of dimensions, in SQLite, or in the empty database at `LEDGER_URL`. With a file's name, the
//! month's page is written there too.
//!
//!     cargo run --release --package isthmus-ledger --example report_bench [page.html]
//!
//! An entry stands for all exchanges of its hour and dimensions, so that the books fill in a minute; the
//! hourly sums, which are all that reports read, are as many and as long as those of single exchanges.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench that cannot go on panics")]

use std::collections::BTreeMap;
use std::time::Instant;

use isthmus_inference::money::Money;
use isthmus_inference::usage::{Source, Usage};
use isthmus_ledger::books::{Books, Bucket, Hours};
use isthmus_ledger::entry::{
    About, CacheUse, Chain, Entry, ExchangeId, Head, Line, NodeId, Options, Outcome, Settled,
};
use isthmus_ledger::report::anomaly::{Sensitivity, anomalies};
use isthmus_ledger::report::budget::{Plan, budgets};
use isthmus_ledger::report::calendar::Zone;
use isthmus_ledger::report::page::Page;
use isthmus_ledger::report::showback::showback;
use isthmus_ledger::report::tier::Discounts;
use isthmus_ledger::sheet::json;
use isthmus_ledger::stores::{Ledger, Place};

const FIRST: i64 = 498_264;
const HOURS: i64 = 30 * 24;
/// Teams × features × endpoints, as a company of some hundred people has them.
const SETS: u64 = 400;
const EXCHANGES: u64 = 10_000_000;
const TEAMS: [&str; 9] = [
    "support",
    "search",
    "sales",
    "legal",
    "platform",
    "research",
    "marketing",
    "finance",
    "people",
];
const PERIOD: Hours = Hours { from: FIRST, to: FIRST + HOURS };

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");
    let buckets = runtime.block_on(async {
        let place = std::env::var("LEDGER_URL").map(|url| Place::Postgres(url.into()));
        let store = Ledger::open(&place.unwrap_or_default(), &path).await.unwrap();
        fill(&store).await;
        let began = Instant::now();
        let buckets = store.buckets(PERIOD).await.unwrap();
        println!("{} buckets are read in {:.2?}", buckets.len(), began.elapsed());
        let keys = ["team", "day"].map(|key| key.parse().unwrap());
        let sheet = showback(&buckets, &keys, &Zone::named("Europe/Berlin").unwrap());
        println!("the report by team and day takes {:.2?} with that", began.elapsed());
        println!("{} rows, in all {}", sheet.rows.len(), json::value(&sheet)["total"]);
        buckets
    });
    if let Some(file) = std::env::args().nth(1) {
        std::fs::write(file, page(&buckets)).unwrap();
    }
}

async fn fill(store: &impl Books) {
    let began = Instant::now();
    let mut chain = Chain::behind(NodeId::new("bench"), Head::START);
    for hour in FIRST..FIRST + HOURS {
        let links: Vec<_> =
            (0..SETS).map(|set| chain.link(Entry::Settled(Box::new(settled(hour, set))))).collect();
        store.post(&links).await.unwrap();
    }
    println!("filled in {:.1?}", began.elapsed());
}

/// What people do in an hour: more on weekdays and by day, and one team a lot on one day.
fn weight(hour: i64, set: u64) -> u64 {
    let (day, clock) = ((hour / 24 + 3) % 7, hour % 24);
    let busy = if day >= 5 { 3 } else { 10 } * if (8..18).contains(&clock) { 8 } else { 2 };
    let odd = if (hour - FIRST) / 24 == 17 && set % 9 == 2 { 6 } else { 1 };
    busy * odd * (1 + 60 / (3 + set % 9))
}

fn settled(hour: i64, set: u64) -> Settled {
    let exchanges = EXCHANGES / (HOURS as u64 * SETS);
    let tokens = exchanges * weight(hour, set);
    let rate = [150_000, 600_000, 2_500_000, 400_000][(set % 4) as usize];
    let source = if set.is_multiple_of(29) { Source::Estimated } else { Source::Reported };
    let usage = Usage {
        uncached_input: tokens * 6,
        cache_read: tokens * 3,
        text_output: tokens * 2,
        source,
        ..Usage::default()
    };
    let cost =
        |rate: u64| Some(Money::from_pico_dollars(i128::from(tokens) * i128::from(rate * 14)));
    let at = hour * 3_600_000 + 1000;
    let line = Line {
        number: 1,
        endpoint: format!("endpoint-{}", set % 12).into(),
        provider: ["openai", "bedrock", "anthropic", "akash"][(set % 4) as usize].into(),
        upstream_model: format!("model-{}", set % 8).into(),
        reason: "first".into(),
        fate: "answered".into(),
        counts: true,
        usage,
        price: Some(format!("{:016x}", set % 12).into()),
        cost: cost(rate),
        began: at,
        first_output_ms: Some(300),
        took_ms: 1800 * exchanges,
    };
    Settled {
        exchange: ExchangeId::new(at, u128::from(set)),
        at,
        request_id: format!("req-{hour}-{set}").into(),
        about: About {
            organisation: "Acme".into(),
            team: TEAMS[(set % 9) as usize].into(),
            app: format!("app-{}", set % 40),
            model: "chat".into(),
            tags: BTreeMap::from([("feature".into(), format!("feature-{}", set / 25))]),
            data_class: "internal".into(),
            policy: "0123456789abcdef".into(),
            ..About::default()
        }
        .into(),
        outcome: Outcome::Answered,
        lines: vec![line],
        options: Options {
            cheapest_allowed: cost(rate),
            cheapest: cost(rate * 9 / 10),
            baseline: cost(rate * 2),
        },
        cache: CacheUse::Miss,
    }
}

/// As `isthmus report --format html` makes it, with two budgets.
fn page(buckets: &[Bucket]) -> String {
    let zone = Zone::utc();
    let plan = |name: &str, team: &str, limit: &str| Plan {
        name: name.into(),
        scope: vec![("team".parse().unwrap(), team.into())],
        limit: limit.parse().unwrap(),
        window: PERIOD,
    };
    let plans =
        [plan("Support, November", "support", "80"), plan("Sales, November", "sales", "30")];
    let today = FIRST + 27 * 24 + 15;
    let until: Vec<_> = buckets.iter().filter(|bucket| bucket.hour < today).cloned().collect();
    let budgets = budgets(&plans, &until, today, &zone);
    let sensitivity = Sensitivity { deviations: 3.5, least: "1".parse().unwrap() };
    let unusual = anomalies(&until, PERIOD, &|_| None, sensitivity, &zone);
    Page {
        organisation: "Acme",
        period: Hours { from: FIRST, to: today },
        buckets: &until,
        keys: &["team".parse().unwrap()],
        budgets: Some(&budgets),
        more: &[unusual],
        discounts: &Discounts::default(),
        zone: &zone,
        zone_name: "UTC",
        made_at: today * 3600,
    }
    .html()
}

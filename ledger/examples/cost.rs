//! What the ledger costs, in CPU time: `cargo run --release -p isthmus-ledger --example cost`.
//!
//! Plays what a gateway does at a steady rate, faster than time: holds and settlements are handed over
//! in turns, commits take what has come in a window of 8 ms, and posts what has come in a second.
//! User and system time of all threads, from the kernel, over the exchanges.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on should panic")]
#![expect(clippy::print_stdout, reason = "it prints its figures")]

use std::sync::Arc;
use std::time::Duration;

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_ledger::books::Books;
use isthmus_ledger::entry::{
    About, CacheUse, Chain, Chained, Entry, ExchangeId, Hold, Line, Options, Outcome, Settled,
};
use isthmus_ledger::journal::Segments;
use isthmus_ledger::stores::sqlite::Sqlite;

const RATE: u64 = 2000;
const SECONDS: u64 = 10;
const TEAMS: u64 = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.db");
    let books = Sqlite::open(&path).await.unwrap();
    let mut segments = Segments::open_beside(&path).unwrap();
    let mut chain = Chain::behind(segments.node().clone(), segments.head());
    let mut gathered: Vec<Chained> = vec![];
    let window = RATE * 8 / 1000;
    let before = cpu();
    for first in (0..RATE * SECONDS).step_by(usize::try_from(window).unwrap()) {
        let numbers = first..first + window;
        let holds = numbers.clone().map(|number| Entry::Hold(Box::new(hold(number))));
        let settlements = numbers.map(|number| Entry::Settled(Box::new(settled(number))));
        let links: Vec<_> = holds.chain(settlements).map(|entry| chain.link(entry)).collect();
        segments.append(&links, true).unwrap();
        gathered.extend(links);
        if gathered.len() as u64 >= 2 * RATE {
            books.post(&gathered).await.unwrap();
            gathered.clear();
        }
    }
    let each = (cpu() - before).as_secs_f64() * 1e6 / (RATE * SECONDS) as f64;
    println!("at {RATE} exchanges a second, CPU µs for each: {each:.1}");
    drop(books);
    let bytes = std::fs::metadata(&path).unwrap().len();
    println!("bytes in the books for each: {}", bytes / (RATE * SECONDS));
}

/// User and system time of this process.
fn cpu() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn about(number: u64) -> Arc<About> {
    Arc::new(About {
        organisation: "acme".into(),
        team: format!("team-{}", number % TEAMS),
        app: "helpdesk".into(),
        key: "isk-1a2b3c4d".into(),
        model: "chat".into(),
        tags: [("feature".to_owned(), "summary".to_owned())].into(),
        data_class: "internal".into(),
        policy: "8f476b1cba1e".into(),
    })
}

fn hold(number: u64) -> Hold {
    let at = 1_800_000_000_000 + i64::try_from(number / 2).unwrap();
    Hold {
        exchange: ExchangeId::new(at, u128::from(number) * 0x9E37_79B9_7F4A_7C15_F39C),
        at,
        request_id: format!("req_{:032x}", u128::from(number) * 0x9E37_79B9_7F4A_7C15_F39C_0C0D)
            .into(),
        about: about(number),
        amount: Money::from_pico_dollars(8_210_000_000),
        expected: Usage { uncached_input: 1000, text_output: 4096, ..Usage::default() },
        endpoint: "gpt-mini-us".into(),
        provider: "openai".into(),
        upstream_model: "gpt-5-mini".into(),
        price: Some("0123456789abcdef".into()),
    }
}

fn settled(number: u64) -> Settled {
    let hold = hold(number);
    let usage =
        Usage { uncached_input: 950 + number % 100, text_output: number % 700, ..Usage::default() };
    Settled {
        exchange: hold.exchange,
        at: hold.at + 900,
        request_id: hold.request_id,
        about: hold.about,
        outcome: Outcome::Answered,
        lines: vec![Line {
            number: 1,
            endpoint: hold.endpoint,
            provider: hold.provider,
            upstream_model: hold.upstream_model,
            reason: "first".into(),
            fate: "answered".into(),
            counts: true,
            usage,
            price: hold.price,
            cost: Some(Money::from_pico_dollars(i128::from(usage.total()) * 1_000_000)),
            began: hold.at,
            first_output_ms: Some(300),
            took_ms: 900,
        }],
        options: Options {
            cheapest_allowed: Some(hold.amount),
            cheapest: Some(hold.amount),
            baseline: None,
        },
        cache: CacheUse::Off,
    }
}

//! One suite for the books of all stores, and for the journal before them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod made;
#[path = "../servers/postgres.rs"]
#[expect(dead_code, reason = "others kill their servers")]
mod postgres;

use std::path::Path;

use isthmus_ledger::books::{Books, Hours, Sums};
use isthmus_ledger::entry::{Chain, Chained, Entry, Head, NodeId, Outcome};
use isthmus_ledger::journal::{Durability, Journal, Promises, Segments, post_left_behind, recover};
use isthmus_ledger::store::StoreError;
use isthmus_ledger::stores::postgres::Postgres;
use isthmus_ledger::stores::sqlite::Sqlite;
use made::{hold, settled};
use tokio_util::sync::CancellationToken;

const RELAXED: Promises = Promises { durability: Durability::Relaxed, most_unposted: Some(1000) };
const EVER: Hours = Hours { from: 0, to: i64::MAX };

/// Links of a journal: exchanges by number, some of them settled.
fn chain(node: &str, holds: &[u64], settlements: &[u64]) -> Vec<Chained> {
    let mut chain = Chain::behind(NodeId::new(node), Head::START);
    let holds = holds.iter().map(|number| Entry::Hold(Box::new(hold(*number))));
    let settlements = settlements.iter().map(|number| Entry::Settled(Box::new(settled(*number))));
    holds.chain(settlements).map(|entry| chain.link(entry)).collect()
}

async fn total(books: &impl Books) -> Sums {
    let buckets = books.buckets(EVER).await.unwrap();
    buckets.into_iter().fold(Sums::default(), |mut sum, bucket| {
        sum += bucket.sums;
        sum
    })
}

async fn what_is_told_twice_is_kept_once(books: &impl Books) {
    let links = chain("twice", &[1, 2, 3], &[1, 2]);
    let before = total(books).await;
    let head = books.post(&links[..4]).await.unwrap();
    assert_eq!(head, links[3].head());
    assert_eq!(books.post(&links).await.unwrap(), links[4].head());
    assert_eq!(books.post(&links).await.unwrap(), links[4].head());
    let after = total(books).await;
    assert_eq!(after.requests - before.requests, 2);
    assert_eq!(after.cost - before.cost, made::COST + made::COST);
    assert_eq!(books.links(&NodeId::new("twice"), 0, 10).await.unwrap(), links);
    assert_eq!(books.links(&NodeId::new("twice"), 3, 1).await.unwrap(), links[3..4]);
}

async fn a_hold_stays_until_it_is_settled(books: &impl Books) {
    let links = chain("holds", &[11, 12], &[11]);
    let node = NodeId::new("holds");
    books.post(&links[..2]).await.unwrap();
    assert_eq!(books.open_holds(Some(&node)).await.unwrap().len(), 2);
    books.post(&links).await.unwrap();
    let open = books.open_holds(Some(&node)).await.unwrap();
    assert_eq!(open, [(node, hold(12))]);
    let of_it = books.of_request("req-11").await.unwrap();
    assert_eq!(of_it, [links[0].clone(), links[2].clone()]);
}

/// As many as a gateway under load has, over several posts and pages.
async fn thousands_of_holds_are_open_and_each_is_found(books: &impl Books) {
    let numbers: Vec<u64> = (3000..6000).collect();
    let settled: Vec<u64> = numbers.iter().copied().filter(|number| number % 3 > 0).collect();
    let (links, node) = (chain("many", &numbers, &settled), NodeId::new("many"));
    for some in links.chunks(700) {
        books.post(some).await.unwrap();
    }
    let open = books.open_holds(Some(&node)).await.unwrap();
    let left = numbers.iter().filter(|number| *number % 3 == 0);
    assert!(open.into_iter().eq(left.map(|number| (node.clone(), hold(*number)))));
}

async fn a_gap_or_a_change_is_refused_and_nothing_of_it_kept(books: &impl Books) {
    let links = chain("broken", &[21, 22, 23], &[]);
    let gap = books.post(&links[1..]).await.unwrap_err();
    assert!(matches!(gap, StoreError::Broken { sequence: 2, .. }), "{gap}");
    let mut changed = links.clone();
    let Chained { node, sequence, body, hash, .. } = changed[1].clone();
    changed[1] = Chained::new(node, sequence, body.as_str().replace("req-22", "req-99"), hash);
    let refused = books.post(&changed).await.unwrap_err();
    assert!(matches!(refused, StoreError::Broken { sequence: 2, .. }), "{refused}");
    assert_eq!(books.head(&NodeId::new("broken")).await.unwrap(), Head::START);
    books.post(&links).await.unwrap();
    let heads = books.heads().await.unwrap();
    assert!(heads.contains(&(NodeId::new("broken"), links[2].head())));
}

async fn prices_are_kept_once(books: &impl Books) {
    books.keep_price("v1", "{\"a\":1}").await.unwrap();
    books.keep_price("v1", "{\"a\":2}").await.unwrap();
    assert!(books.prices().await.unwrap().contains(&("v1".into(), "{\"a\":1}".into())));
}

async fn hours_begin_and_end(books: &impl Books) {
    let hour = made::HOUR;
    let of = async |from, to| books.buckets(Hours { from, to }).await.unwrap().len();
    assert_eq!((of(hour, hour + 1).await > 0, of(hour + 1, hour + 9).await), (true, 0));
}

async fn suite(books: &impl Books) {
    what_is_told_twice_is_kept_once(books).await;
    a_hold_stays_until_it_is_settled(books).await;
    thousands_of_holds_are_open_and_each_is_found(books).await;
    a_gap_or_a_change_is_refused_and_nothing_of_it_kept(books).await;
    prices_are_kept_once(books).await;
    hours_begin_and_end(books).await;
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    suite(&Sqlite::open(&folder.path().join("isthmus.db")).await.unwrap()).await;
}

#[tokio::test]
async fn postgres() {
    let server = postgres::Server::start();
    suite(&Postgres::open(&server.url()).await.unwrap()).await;
}

/// Eight gateways post to the same buckets at the same time, and one journal is posted by two at once.
#[tokio::test]
async fn postgres_counts_everything_of_gateways_that_post_at_once() {
    const EXCHANGES: u64 = 40;
    const ROUNDS: usize = 10;
    let server = postgres::Server::start();
    let mut posting = vec![];
    for gateway in 0..8_u64 {
        let url = server.url();
        // Two of each: whoever comes second finds everything there.
        let first = gateway / 2 * EXCHANGES;
        let numbers: Vec<_> = (first..first + EXCHANGES).collect();
        let links = chain(&format!("node-{}", gateway / 2), &numbers, &numbers);
        posting.push(tokio::spawn(async move {
            let books = Postgres::open(&url).await.unwrap();
            for some in links.chunks(links.len() / ROUNDS) {
                books.post(some).await.unwrap();
            }
        }));
    }
    for posting in posting {
        posting.await.unwrap();
    }
    let books = Postgres::open(&server.url()).await.unwrap();
    let sums = total(&books).await;
    assert_eq!((sums.requests, sums.attempts), (4 * EXCHANGES, 4 * EXCHANGES));
    assert_eq!(sums.cost, made::COST * (4 * EXCHANGES));
    assert_eq!(books.open_holds(None).await.unwrap(), []);
}

/// Writes these entries, waits until they are on the disk, and ends as a crash does: nothing is posted.
async fn write_and_crash(ledger: &Path, entries: Vec<Entry>) {
    let segments = Segments::open_beside(ledger).unwrap();
    let (journal, writer, _posting) = Journal::over(segments, Promises::default());
    let running = std::thread::spawn(|| writer.run(|error| panic!("{error}")));
    for entry in entries {
        journal.write(entry).await.unwrap();
    }
    journal.finish();
    running.join().unwrap();
}

#[tokio::test]
async fn what_was_written_before_a_crash_is_posted_and_what_was_open_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.db");
    let entries = vec![
        Entry::Hold(Box::new(hold(1))),
        Entry::Hold(Box::new(hold(2))),
        Entry::Settled(Box::new(settled(1))),
    ];
    write_and_crash(&path, entries).await;

    let books = Sqlite::open(&path).await.unwrap();
    assert_eq!(post_left_behind(&path, &books, made::NOW).await.unwrap(), 1);
    assert_eq!(post_left_behind(&path, &books, made::NOW).await.unwrap(), 0, "once is enough");
    assert!(books.open_holds(None).await.unwrap().is_empty());
    let last = books.of_request("req-2").await.unwrap().pop().unwrap();
    let Entry::Settled(interrupted) = last.entry().unwrap().into_owned() else {
        panic!("{last:?}")
    };
    let cost = interrupted.lines[0].cost;
    assert_eq!((interrupted.outcome, cost), (Outcome::Interrupted, Some(hold(2).amount)));

    // The next one goes on where the chain ended.
    write_and_crash(&path, vec![Entry::Hold(Box::new(hold(3)))]).await;
    let mut segments = Segments::open_beside(&path).unwrap();
    assert_eq!(recover(&mut segments, &books, made::NOW).await.unwrap(), 1);
    assert_eq!(books.heads().await.unwrap(), [(segments.node().clone(), segments.head())]);
    assert_eq!(segments.head().sequence, 6);
}

#[tokio::test]
async fn files_older_than_the_books_go_on_behind_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.db");
    write_and_crash(&path, vec![Entry::Hold(Box::new(hold(1)))]).await;
    let books = Sqlite::open(&path).await.unwrap();
    let mut older = Segments::open_beside(&path).unwrap();
    let mut chain = Chain::behind(older.node().clone(), Head::START);
    let links = [hold(1), hold(2)].map(|hold| chain.link(Entry::Hold(Box::new(hold))));
    books.post(&links).await.unwrap();
    assert_eq!(recover(&mut older, &books, made::NOW).await.unwrap(), 2);
    assert_eq!((older.head().sequence, books.open_holds(None).await.unwrap().len()), (4, 0));
}

#[test]
fn two_processes_have_a_journal_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.db");
    let open = || Segments::open_beside(&path).unwrap();
    let (one, mut two) = (open(), open());
    assert_ne!(one.node(), two.node());
    let mut chain = Chain::behind(two.node().clone(), Head::START);
    two.append(&[chain.link(Entry::Hold(Box::new(hold(1))))], true).unwrap();
    let name = two.node().clone();
    drop(two);
    assert_eq!(*open().node(), name, "its place is free again");
}

#[tokio::test]
async fn what_is_handed_over_is_posted_at_the_end_at_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.db");
    let books = Sqlite::open(&path).await.unwrap();
    let segments = Segments::open_beside(&path).unwrap();
    let (journal, writer, posting) = Journal::over(segments, RELAXED);
    let running = std::thread::spawn(|| writer.run(|error| panic!("{error}")));
    // More than is kept in memory for the books, so that some of it is read from the disk.
    for number in 0..20_000 {
        journal.write(Entry::Hold(Box::new(hold(number)))).await.unwrap();
        journal.write(Entry::Settled(Box::new(settled(number)))).await.unwrap();
    }
    journal.finish();
    running.join().unwrap();
    assert_eq!(journal.unposted(), 40_000);
    assert!(!journal.is_open(), "the books are too far behind");
    let finish = CancellationToken::new();
    finish.cancel();
    posting.run(&books, finish, |error| panic!("{error}")).await;
    assert!(journal.is_open());
    assert_eq!((journal.unposted(), total(&books).await.requests), (0, 20_000));
    let node = books.heads().await.unwrap()[0].0.clone();
    let (mut head, mut after) = (Head::START, 0);
    loop {
        let links = books.links(&node, after, 3000).await.unwrap();
        let Some(last) = links.last() else { break };
        after = last.sequence;
        for link in &links {
            assert!(head.continues(link), "{}", link.sequence);
            head = link.head();
        }
    }
    assert_eq!(after, 40_000);
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_nothing_is_lost_when_it_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.db");
    let segments = Segments::open_beside(&path).unwrap();
    let (journal, writer, posting) = Journal::over(segments, Promises::default());
    let place = folder.path().join("isthmus.journal-0");
    std::fs::remove_dir(&place).unwrap();
    let (told, failures) = std::sync::mpsc::channel();
    let running = std::thread::spawn(move || {
        writer.run(|error| {
            assert!(error.to_string().contains("isthmus.journal-0"), "{error}");
            told.send(()).unwrap();
        });
    });
    assert!(journal.write(Entry::Hold(Box::new(hold(1)))).await.is_err());
    failures.recv().unwrap();
    assert!(!journal.is_open());
    std::fs::create_dir(&place).unwrap();
    journal.write(Entry::Hold(Box::new(hold(2)))).await.unwrap();
    assert!(journal.is_open());
    journal.finish();
    running.join().unwrap();
    let (books, finish) = (Sqlite::open(&path).await.unwrap(), CancellationToken::new());
    finish.cancel();
    posting.run(&books, finish, |error| panic!("{error}")).await;
    assert_eq!(books.open_holds(None).await.unwrap().len(), 2);
}

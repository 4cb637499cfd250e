//! The fault matrix: upstreams that fail in every way that upstreams do, behind the running program.
//!
//! In each cell the caller gets a complete, correct answer or a truthful error in his own language; a
//! stream that broke never ends like one that did not; and whoever policy forbids is never contacted,
//! though every model names him first.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod caller;
mod cells;
mod house;
mod speech;
mod upstream;

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

use cells::Cell;
use house::House;

/// How long all cells together may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many callers ask at once: as many as this process may have sockets for.
const AT_ONCE: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_every_cell_the_caller_gets_an_answer_or_the_truth() {
    let cells = cells::all();
    let house = House::start(&cells).await;
    let began = Instant::now();
    let told = stream::iter(&cells).map(|cell| judged(&house, cell)).buffer_unordered(AT_ONCE);
    let complaints: Vec<String> = told.filter_map(std::future::ready).collect().await;
    let took = began.elapsed();
    assert!(
        complaints.is_empty(),
        "{} of {} cells:\n{}\n\nthe program's log:\n{}",
        complaints.len(),
        cells.len(),
        complaints.join("\n"),
        house.log()
    );
    assert_eq!(house.stranger.connections(), 0, "an endpoint that policy forbids was contacted");
    assert!(took < PATIENCE, "{} cells took {took:?}", cells.len());
}

/// What is wrong with what the caller was told in this cell, if anything is.
async fn judged(house: &House, cell: &Cell) -> Option<String> {
    let told = caller::ask(house.address, cell).await;
    let wrong = caller::judge(cell, &told).err().or_else(|| house.overused(cell))?;
    Some(format!("{}: {wrong}\n    {}", cell.name, told.to_string().replace('\n', "\n    ")))
}

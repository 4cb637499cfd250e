//! The holds of a journal that nobody settled: for each its exchange and its number in the journal, all in
//! one value, 24 bytes each. Under load thousands are open at any moment and none for long: a row for each
//! would be written and removed again a second later, and cost more than all else that the books do.

use std::collections::BTreeMap;

use sqlx::{Row, SqliteConnection, SqlitePool};

use super::super::fresh::Fresh;
use super::super::row::{json, to_json};
use super::page;
use crate::entry::{Entry, ExchangeId, Hold, NodeId};

/// By exchange, the number of its hold.
type Open = BTreeMap<ExchangeId, u64>;

/// Notes the holds that are open after these entries of one journal, and forgets those that are settled.
pub(super) async fn follow(
    connection: &mut SqliteConnection,
    node: &NodeId,
    fresh: &[Fresh<'_>],
) -> Result<(), sqlx::Error> {
    let query = sqlx::query("SELECT holds FROM open WHERE node = ?").bind(node.as_str());
    let row = query.fetch_optional(&mut *connection).await?;
    let mut open = row.map_or(Ok(Open::new()), |row| row.try_get("holds").map(read))?;
    let mut elsewhere = vec![];
    for (link, entry) in fresh {
        match &**entry {
            Entry::Hold(hold) => {
                open.insert(hold.exchange, link.sequence);
            }
            Entry::Settled(settled) if open.remove(&settled.exchange).is_none() => {
                elsewhere.push(settled.exchange);
            }
            Entry::Settled(_) | Entry::Correction(_) => {}
        }
    }
    let written = written(&open);
    sqlx::query("INSERT OR REPLACE INTO open (node, holds) VALUES (?, ?)")
        .bind(node.as_str())
        .bind(written)
        .execute(&mut *connection)
        .await?;
    forget_rows(connection, &elsewhere).await
}

/// Holds that are rows: earlier versions kept them so, and a crash may have left some.
async fn forget_rows(
    connection: &mut SqliteConnection,
    settled: &[ExchangeId],
) -> Result<(), sqlx::Error> {
    if settled.is_empty() {
        return Ok(());
    }
    let query = "DELETE FROM open_holds WHERE exchange IN (SELECT value FROM json_each(?))";
    sqlx::query(query).bind(to_json(&settled)).execute(connection).await.map(drop)
}

/// The holds that are open, of one journal or of all, the earliest exchange first.
pub(super) async fn holds(
    pool: &SqlitePool,
    node: Option<&NodeId>,
) -> Result<Vec<(NodeId, Hold)>, sqlx::Error> {
    let node = node.map(NodeId::as_str);
    let query = "SELECT node, body FROM open_holds WHERE ?1 IS NULL OR node = ?1";
    let rows = sqlx::query(query).bind(node).fetch_all(pool).await?;
    let mut found = Vec::new();
    for row in rows {
        found.push((NodeId::new(row.try_get::<String, _>("node")?), json(&row, "body")?));
    }
    let query = "SELECT node, holds FROM open WHERE ?1 IS NULL OR node = ?1";
    for row in sqlx::query(query).bind(node).fetch_all(pool).await? {
        let node = NodeId::new(row.try_get::<String, _>("node")?);
        let open = read(row.try_get("holds")?);
        found.extend(of_journal(pool, &node, &open).await?);
    }
    found.sort_by_key(|(_, hold): &(NodeId, Hold)| hold.exchange);
    Ok(found)
}

/// Reads the holds off the pages in which they are.
async fn of_journal(
    pool: &SqlitePool,
    node: &NodeId,
    open: &Open,
) -> Result<Vec<(NodeId, Hold)>, sqlx::Error> {
    let mut numbers: Vec<u64> = open.values().copied().collect();
    numbers.sort_unstable();
    let mut found = Vec::with_capacity(numbers.len());
    let mut numbers = &*numbers;
    while let Some(first) = numbers.first() {
        let Some(page) = page::behind(pool, node, first.saturating_sub(1)).await? else { break };
        let last = page.last().map_or(*first, |link| link.sequence);
        let (here, behind) = numbers.split_at(numbers.partition_point(|number| *number <= last));
        for link in page.iter().filter(|link| here.binary_search(&link.sequence).is_ok()) {
            let entry = link.entry().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            if let Entry::Hold(hold) = entry.into_owned() {
                found.push((node.clone(), *hold));
            }
        }
        if here.is_empty() {
            break;
        }
        numbers = behind;
    }
    Ok(found)
}

fn written(open: &Open) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24 * open.len());
    for (exchange, sequence) in open {
        bytes.extend_from_slice(&exchange.to_bytes());
        bytes.extend_from_slice(&sequence.to_be_bytes());
    }
    bytes
}

fn read(bytes: &[u8]) -> Open {
    let one = |bytes: &[u8; 24]| {
        let (exchange, sequence) = bytes.split_at(16);
        let exchange = ExchangeId::from_bytes(exchange.try_into().unwrap_or_default());
        (exchange, u64::from_be_bytes(sequence.try_into().unwrap_or_default()))
    };
    bytes.as_chunks::<24>().0.iter().map(one).collect()
}

//! Entries in SQLite, many to a row. A page is a series of frames, one for each time that something was
//! added to it:
//!
//! ```text
//! length of the rest u32 · number of the first entry u64 · hash before it 32 · hash of the last 32 ·
//! bodies, each with a line feed behind it, compressed (Snappy)
//! ```
//!
//! Numbers are little-endian. The hashes between are not kept, since they follow from the bodies; that
//! the last one does shows that none was changed.

use sha2::{Digest, Sha256};
use sqlx::{Row, SqliteConnection, SqlitePool};

use super::super::fresh::Fresh;
use super::super::row::number;
use crate::entry::{Chained, Hash, Head, NodeId};

/// A page with as many entries gets no more.
const FULL: i64 = 1000;
/// Bytes before the bodies of a frame, without the length.
const FRAME_HEAD: usize = 8 + 32 + 32;

/// Adds entries behind `start` to the last page of their journal, or to a new one.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    start: Head,
    fresh: &[Fresh<'_>],
) -> Result<(), sqlx::Error> {
    let (Some((first, _)), Some((last, _))) = (fresh.first(), fresh.last()) else { return Ok(()) };
    let moments = || fresh.iter().map(|(_, entry)| entry.at());
    let (earliest, latest) = (moments().min().unwrap_or(0), moments().max().unwrap_or(0));
    let (requests, frame) = (requests(fresh), frame(start, fresh)?);
    let added = sqlx::query(
        "UPDATE pages SET last = ?3, earliest = min(earliest, ?4), latest = max(latest, ?5),
                          requests = CAST(requests || ?6 AS BLOB), frames = CAST(frames || ?7 AS BLOB)
         WHERE node = ?1 AND last = ?2 AND last - first < ?8",
    )
    .bind(first.node.as_str())
    .bind(number(start.sequence))
    .bind(number(last.sequence))
    .bind(earliest)
    .bind(latest)
    .bind(&requests)
    .bind(&frame)
    .bind(FULL);
    if added.execute(&mut *connection).await?.rows_affected() > 0 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO pages (node, first, last, earliest, latest, requests, frames)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(first.node.as_str())
    .bind(number(first.sequence))
    .bind(number(last.sequence))
    .bind(earliest)
    .bind(latest)
    .bind(&requests)
    .bind(&frame)
    .execute(connection)
    .await
    .map(drop)
}

/// The page in which the entry behind this one is.
pub(super) async fn behind(
    pool: &SqlitePool,
    node: &NodeId,
    after: u64,
) -> Result<Option<Vec<Chained>>, sqlx::Error> {
    let query = "SELECT frames FROM pages WHERE node = ? AND last > ? ORDER BY first LIMIT 1";
    let row = sqlx::query(query).bind(node.as_str()).bind(number(after)).fetch_optional(pool);
    row.await?.map(|row| links(node, row.try_get("frames")?)).transpose()
}

/// The entries of all exchanges with this request id.
pub(super) async fn of_request(
    pool: &SqlitePool,
    request_id: &str,
) -> Result<Vec<Chained>, sqlx::Error> {
    let mark = mark(request_id);
    let rows =
        sqlx::query("SELECT rowid, requests FROM pages ORDER BY rowid").fetch_all(pool).await?;
    let mut pages = Vec::new();
    for row in rows {
        let requests: &[u8] = row.try_get("requests")?;
        if requests.chunks_exact(8).any(|one| one == mark) {
            pages.push(row.try_get::<i64, _>("rowid")?);
        }
    }
    let mut found = Vec::new();
    for page in pages {
        let query = sqlx::query("SELECT node, frames FROM pages WHERE rowid = ?").bind(page);
        let row = query.fetch_one(pool).await?;
        let node = NodeId::new(row.try_get::<String, _>("node")?);
        let links = links(&node, row.try_get("frames")?)?;
        found.extend(
            links
                .into_iter()
                .filter(|link| link.entry().is_ok_and(|entry| entry.request_id() == request_id)),
        );
    }
    Ok(found)
}

fn frame(start: Head, fresh: &[Fresh<'_>]) -> Result<Vec<u8>, sqlx::Error> {
    let mut bodies =
        Vec::with_capacity(fresh.iter().map(|(link, _)| link.body.as_bytes().len() + 1).sum());
    for (link, _) in fresh {
        bodies.extend_from_slice(link.body.as_bytes());
        bodies.push(b'\n');
    }
    let packed = snap::raw::Encoder::new().compress_vec(&bodies).map_err(decode)?;
    let end = fresh.last().map_or(start.hash, |(link, _)| link.hash);
    let mut frame = Vec::with_capacity(4 + FRAME_HEAD + packed.len());
    let length = u32::try_from(FRAME_HEAD + packed.len()).map_err(decode)?;
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&(start.sequence + 1).to_le_bytes());
    frame.extend_from_slice(start.hash.as_bytes());
    frame.extend_from_slice(end.as_bytes());
    frame.extend_from_slice(&packed);
    Ok(frame)
}

/// The links of all frames.
fn links(node: &NodeId, frames: &[u8]) -> Result<Vec<Chained>, sqlx::Error> {
    let (mut rest, mut links) = (frames, Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let (frame, others) = behind.split_at_checked(length).ok_or_else(cut)?;
        unpack(node, frame, &mut links)?;
        rest = others;
    }
    if rest.is_empty() { Ok(links) } else { Err(cut()) }
}

fn unpack(node: &NodeId, frame: &[u8], links: &mut Vec<Chained>) -> Result<(), sqlx::Error> {
    let (first, rest) = frame.split_first_chunk::<8>().ok_or_else(cut)?;
    let (start, rest) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
    let (end, packed) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
    let bodies = snap::raw::Decoder::new().decompress_vec(packed).map_err(decode)?;
    let bodies = String::from_utf8(bodies).map_err(decode)?;
    let (mut sequence, mut hash) = (u64::from_le_bytes(*first), Hash::from_bytes(*start));
    for body in bodies.lines() {
        hash = hash.link(sequence, body.as_bytes());
        links.push(Chained::new(node.clone(), sequence, body.to_owned(), hash));
        sequence += 1;
    }
    if let Some(last) = links.last_mut() {
        // As it was kept: if it does not follow, something before it was changed.
        last.hash = Hash::from_bytes(*end);
    }
    Ok(())
}

/// What tells the page of a request.
fn mark(request_id: &str) -> [u8; 8] {
    let hash: [u8; 32] = Sha256::digest(request_id.as_bytes()).into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// The marks of all requests, each once for entries that stand together.
fn requests(fresh: &[Fresh<'_>]) -> Vec<u8> {
    let mut marks: Vec<_> = fresh.iter().map(|(_, entry)| mark(entry.request_id())).collect();
    marks.sort_unstable();
    marks.dedup();
    marks.concat()
}

fn cut() -> sqlx::Error {
    sqlx::Error::Decode("a page of the ledger is cut".into())
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

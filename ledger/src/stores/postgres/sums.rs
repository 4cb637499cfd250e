//! Hourly sums in PostgreSQL. The database adds, so that gateways which post at the same time count
//! everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use super::super::fresh::{self, Fresh};
use super::super::row::{json, number, to_json};
use crate::books::{Bucket, Dimensions, Hours, Sums};

/// What tells a set of dimensions: SHA-256 of it as JSON.
type Key = [u8; 32];

/// Adds the entries to the sums of their hours.
pub(super) async fn add_up(
    connection: &mut PgConnection,
    fresh: &[Fresh<'_>],
) -> Result<(), sqlx::Error> {
    let added = fresh::sums(fresh);
    if added.is_empty() {
        return Ok(());
    }
    let keyed: Vec<(i64, Key, Sums)> =
        added.iter().map(|((hour, of), sums)| (*hour, key(&to_json(of)), sums.clone())).collect();
    let bodies = added.keys().map(|(_, of)| to_json(of)).map(|body| (key(&body), body)).collect();
    let numbers = numbers(connection, &bodies).await?;
    let mut rows: Vec<(i64, i64, Sums)> = keyed
        .into_iter()
        .filter_map(|(hour, key, sums)| Some((hour, *numbers.get(&key)?, sums)))
        .collect();
    // Every gateway takes the rows in this order, so no two wait for each other.
    rows.sort_unstable_by_key(|(hour, dimension, _)| (*hour, *dimension));
    upsert(connection, &rows).await
}

/// The numbers of these sets of dimensions; new ones for new sets.
async fn numbers(
    connection: &mut PgConnection,
    bodies: &BTreeMap<Key, String>,
) -> Result<HashMap<Key, i64>, sqlx::Error> {
    let mut known = known(connection, bodies).await?;
    let unknown = || bodies.iter().filter(|(key, _)| !known.contains_key(*key));
    if unknown().next().is_none() {
        return Ok(known);
    }
    sqlx::query(
        "INSERT INTO dimensions (digest, body)
         SELECT * FROM UNNEST($1::bytea[], $2::text[]) AS new (digest, body) ORDER BY digest
         ON CONFLICT DO NOTHING",
    )
    .bind(unknown().map(|(key, _)| key.as_slice()).collect::<Vec<_>>())
    .bind(unknown().map(|(_, body)| body.as_str()).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await?;
    known = self::known(connection, bodies).await?;
    Ok(known)
}

async fn known(
    connection: &mut PgConnection,
    bodies: &BTreeMap<Key, String>,
) -> Result<HashMap<Key, i64>, sqlx::Error> {
    let digests: Vec<_> = bodies.keys().map(Key::as_slice).collect();
    let query = sqlx::query("SELECT digest, id FROM dimensions WHERE digest = ANY($1)");
    let rows = query.bind(digests).fetch_all(connection).await?;
    let read = |row: &PgRow| {
        let digest: &[u8] = row.try_get("digest")?;
        let key = digest.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        Ok((key, row.try_get("id")?))
    };
    rows.iter().map(read).collect()
}

/// Adds rows to those that are there, in their order.
async fn upsert(
    connection: &mut PgConnection,
    rows: &[(i64, i64, Sums)],
) -> Result<(), sqlx::Error> {
    let counts =
        |of: fn(&Sums) -> u64| rows.iter().map(|(_, _, sums)| number(of(sums))).collect::<Vec<_>>();
    let dollars = |of: fn(&Sums) -> Money| {
        rows.iter().map(|(_, _, sums)| of(sums).to_string()).collect::<Vec<_>>()
    };
    sqlx::query(UPSERT)
        .bind(rows.iter().map(|(hour, _, _)| *hour).collect::<Vec<_>>())
        .bind(rows.iter().map(|(_, dimension, _)| *dimension).collect::<Vec<_>>())
        .bind(counts(|sums| sums.requests))
        .bind(counts(|sums| sums.attempts))
        .bind(counts(|sums| sums.usage.uncached_input))
        .bind(counts(|sums| sums.usage.cache_read))
        .bind(counts(|sums| sums.usage.cache_write_5m))
        .bind(counts(|sums| sums.usage.cache_write_1h))
        .bind(counts(|sums| sums.usage.audio_input))
        .bind(counts(|sums| sums.usage.image_input))
        .bind(counts(|sums| sums.usage.text_output))
        .bind(counts(|sums| sums.usage.reasoning_output))
        .bind(counts(|sums| sums.usage.audio_output))
        .bind(counts(|sums| sums.usage.unexplained))
        .bind(counts(|sums| sums.unpriced))
        .bind(counts(|sums| sums.took_ms))
        .bind(counts(|sums| sums.compared))
        .bind(dollars(|sums| sums.cost))
        .bind(dollars(|sums| sums.compared_cost))
        .bind(dollars(|sums| sums.cheapest_allowed))
        .bind(dollars(|sums| sums.cheapest))
        .bind(dollars(|sums| sums.based_cost))
        .bind(dollars(|sums| sums.baseline))
        .bind(dollars(|sums| sums.cache_avoided))
        .execute(connection)
        .await
        .map(drop)
}

/// In the order of the columns, as `upsert` binds them.
const UPSERT: &str = "
    INSERT INTO buckets (hour, dimension, requests, attempts, uncached_input, cache_read,
        cache_write_5m, cache_write_1h, audio_input, image_input, text_output, reasoning_output,
        audio_output, unexplained, unpriced, took_ms, compared, cost, compared_cost,
        cheapest_allowed, cheapest, based_cost, baseline, cache_avoided)
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
        $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
        $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[],
        $18::text[]::numeric[], $19::text[]::numeric[], $20::text[]::numeric[],
        $21::text[]::numeric[], $22::text[]::numeric[], $23::text[]::numeric[],
        $24::text[]::numeric[]) AS added (hour, dimension)
    ORDER BY hour, dimension
    ON CONFLICT (hour, dimension) DO UPDATE SET
        requests = buckets.requests + excluded.requests,
        attempts = buckets.attempts + excluded.attempts,
        uncached_input = buckets.uncached_input + excluded.uncached_input,
        cache_read = buckets.cache_read + excluded.cache_read,
        cache_write_5m = buckets.cache_write_5m + excluded.cache_write_5m,
        cache_write_1h = buckets.cache_write_1h + excluded.cache_write_1h,
        audio_input = buckets.audio_input + excluded.audio_input,
        image_input = buckets.image_input + excluded.image_input,
        text_output = buckets.text_output + excluded.text_output,
        reasoning_output = buckets.reasoning_output + excluded.reasoning_output,
        audio_output = buckets.audio_output + excluded.audio_output,
        unexplained = buckets.unexplained + excluded.unexplained,
        unpriced = buckets.unpriced + excluded.unpriced,
        took_ms = buckets.took_ms + excluded.took_ms,
        compared = buckets.compared + excluded.compared,
        cost = buckets.cost + excluded.cost,
        compared_cost = buckets.compared_cost + excluded.compared_cost,
        cheapest_allowed = buckets.cheapest_allowed + excluded.cheapest_allowed,
        cheapest = buckets.cheapest + excluded.cheapest,
        based_cost = buckets.based_cost + excluded.based_cost,
        baseline = buckets.baseline + excluded.baseline,
        cache_avoided = buckets.cache_avoided + excluded.cache_avoided";

/// The sums of a period, in the order of time, as of one moment.
pub(super) async fn buckets(pool: &PgPool, period: Hours) -> Result<Vec<Bucket>, sqlx::Error> {
    // In the order in which `read` takes them: by name would cost more than all the rest.
    let query = "
        SELECT hour, dimension, requests, attempts, uncached_input, cache_read, cache_write_5m,
            cache_write_1h, audio_input, image_input, text_output, reasoning_output, audio_output,
            unexplained, unpriced, took_ms, compared, cost::text, compared_cost::text,
            cheapest_allowed::text, cheapest::text, based_cost::text, baseline::text,
            cache_avoided::text
        FROM buckets WHERE hour >= $1 AND hour < $2 ORDER BY hour, dimension";
    let rows = sqlx::query(query).bind(period.from).bind(period.to).fetch_all(pool).await?;
    let numbers = rows.iter().map(|row| row.try_get("dimension"));
    let of = dimensions(pool, &numbers.collect::<Result<_, _>>()?).await?;
    rows.iter().map(|row| read(row, &of)).collect()
}

/// Sets of dimensions, by their numbers. Each is read once, as a month has a thousand times as many sums;
/// none ever goes away.
async fn dimensions(
    pool: &PgPool,
    numbers: &BTreeSet<i64>,
) -> Result<HashMap<i64, Dimensions>, sqlx::Error> {
    let query = sqlx::query("SELECT id, body FROM dimensions WHERE id = ANY($1)");
    let rows = query.bind(numbers.iter().copied().collect::<Vec<_>>()).fetch_all(pool).await?;
    rows.iter().map(|row| Ok((row.try_get("id")?, json(row, "body")?))).collect()
}

fn read(row: &PgRow, dimensions: &HashMap<i64, Dimensions>) -> Result<Bucket, sqlx::Error> {
    let mut columns = Columns { row, next: 0 };
    let (hour, dimension) = (columns.number()?, columns.number()?);
    let sums = Sums {
        requests: columns.count()?,
        attempts: columns.count()?,
        usage: Usage {
            uncached_input: columns.count()?,
            cache_read: columns.count()?,
            cache_write_5m: columns.count()?,
            cache_write_1h: columns.count()?,
            audio_input: columns.count()?,
            image_input: columns.count()?,
            text_output: columns.count()?,
            reasoning_output: columns.count()?,
            audio_output: columns.count()?,
            unexplained: columns.count()?,
            ..Usage::default()
        },
        unpriced: columns.count()?,
        took_ms: columns.count()?,
        compared: columns.count()?,
        cost: columns.dollars()?,
        compared_cost: columns.dollars()?,
        cheapest_allowed: columns.dollars()?,
        cheapest: columns.dollars()?,
        based_cost: columns.dollars()?,
        baseline: columns.dollars()?,
        cache_avoided: columns.dollars()?,
    };
    let of = dimensions.get(&dimension).ok_or(sqlx::Error::RowNotFound)?;
    Ok(Bucket { hour, of: of.clone(), sums })
}

/// The columns of a row, one after the other.
struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl Columns<'_> {
    fn number(&mut self) -> Result<i64, sqlx::Error> {
        self.next += 1;
        self.row.try_get(self.next - 1)
    }

    fn count(&mut self) -> Result<u64, sqlx::Error> {
        self.number().map(i64::unsigned_abs)
    }

    fn dollars(&mut self) -> Result<Money, sqlx::Error> {
        self.next += 1;
        let text: &str = self.row.try_get(self.next - 1)?;
        text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
    }
}

fn key(body: &str) -> Key {
    Sha256::digest(body.as_bytes()).into()
}

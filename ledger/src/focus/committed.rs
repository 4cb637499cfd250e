//! From a lease to its rows: for each hour one that buys it, one for each share of its use, and one for
//! what stood idle. What is bought is billed and costs nothing in effect; what is used costs in effect and
//! is not billed; so both add up to the same.

use std::sync::Arc;

use isthmus_inference::money::Money;
use serde_json::json;

use super::Surroundings;
use super::charges::{base, counted_once, seller};
use super::row::{Category, Commitment, Row, Sku};
use crate::books::{Bucket, Hours};
use crate::lease::{Lease, Share, SharedHour};
use crate::sheet::Number;

const METER: &str = "Machine Hours";
const UNIT: &str = "Hours";

/// The price of what a lease's machine makes: its hours are paid.
pub const LEASE: &str = "lease";

/// The rows of a lease's hours within a period. The organisation is the one that the lease is of.
pub fn rows(
    lease: &Lease,
    buckets: &[Bucket],
    period: Hours,
    organisation: &str,
    around: &Surroundings<'_>,
) -> Vec<Row> {
    let hours = lease.shared(buckets, period);
    hours.iter().flat_map(|hour| of_hour(lease, hour, organisation, around)).collect()
}

/// Whether a bucket's cost is that of a lease among these.
pub fn is_leased(bucket: &Bucket, leases: &[Lease]) -> bool {
    let mine = |lease: &Lease| {
        *lease.endpoint == *bucket.of.endpoint
            && (lease.hours.from..lease.hours.to).contains(&bucket.hour)
    };
    bucket.of.price == LEASE && leases.iter().any(mine)
}

fn of_hour(
    lease: &Lease,
    shared: &SharedHour<'_>,
    organisation: &str,
    around: &Surroundings<'_>,
) -> Vec<Row> {
    let whole = Share { hours: Number::whole(1), cost: lease.per_hour() };
    let endpoint = &lease.endpoint;
    let mut nobody = Bucket { hour: shared.hour, of: Default::default(), sums: Default::default() };
    Arc::make_mut(&mut nobody.of.about).organisation = organisation.to_owned();
    nobody.of.endpoint = endpoint.as_str().into();
    nobody.of.provider = endpoint.as_str().into();
    let nobody = Row { seller: seller(&nobody, around), ..base(&nobody, "", around) };
    let purchase = Row {
        category: Category::Purchase,
        consumed: None,
        description: format!("{endpoint}: an hour of the machine"),
        billed: whole.cost,
        effective: Money::ZERO,
        ..row(nobody.clone(), lease, whole, None)
    };
    let used = shared.shares.iter().map(|(bucket, share)| {
        let model = &bucket.of.upstream_model;
        let usage = &bucket.sums.usage;
        let mut row = Row {
            description: format!("{model}: a share of an hour of {endpoint}"),
            ..row(base(bucket, "", around), lease, *share, Some(true))
        };
        row.extra.tokens = Some((usage.input(), usage.output()));
        counted_once(bucket, &mut row.extra);
        row
    });
    let idle = (shared.idle.hours != Number::ZERO).then(|| Row {
        description: format!("{endpoint}: stood idle"),
        // What nobody used was paid for, and not consumed.
        consumed: None,
        ..row(nobody, lease, shared.idle, Some(false))
    });
    [purchase].into_iter().chain(used).chain(idle).collect()
}

fn row(base: Row, lease: &Lease, share: Share, used: Option<bool>) -> Row {
    let id = format!("{}/machine_hours", lease.endpoint);
    let per_hour = Number::from_units(lease.per_hour().pico_dollars());
    let mut row = Row {
        sku: Sku {
            price_id: id.clone(),
            id,
            meter: METER.to_owned(),
            details: json!({ "x_Lease": lease.endpoint }).to_string(),
        },
        consumed: Some((share.hours, UNIT)),
        priced: Some((share.hours, UNIT, per_hour)),
        contracted: share.cost,
        billed: Money::ZERO,
        effective: share.cost,
        commitment: Some(Commitment { id: lease.endpoint.clone(), used, hours: share.hours }),
        ..base
    };
    // A machine's hours are another service than tokens, and a service has one category.
    row.seller.service = format!("{} lease", lease.endpoint);
    row.extra.price_known = true;
    row
}

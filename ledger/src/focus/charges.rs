//! From a bucket to its rows: one for each meter that ran, and one for what no meter explains. The rows
//! cost together exactly what the bucket does.

use isthmus_inference::meter::{Charge, Meter};
use isthmus_inference::money::{Money, Price};
use isthmus_inference::tariff::Written;
use serde_json::json;

use super::Surroundings;
use super::row::{Category, Extra, Native, Row, Seller, Sku};
use crate::books::Bucket;
use crate::sheet::Number;

/// A million tokens' price has this many times the units of a token's.
const ONE: i128 = 1_000_000_000_000;

/// The rows of a bucket; of a request, if the bucket is of one.
pub fn rows(bucket: &Bucket, request_id: &str, around: &Surroundings<'_>) -> Vec<Row> {
    let written = (around.price_of)(&bucket.of.price);
    let base = base(bucket, request_id, around);
    let mut rows: Vec<_> = match &written {
        Some(written) => metered(bucket, &base, written),
        // Whoever knows no price knows the tokens all the same.
        None => metered(bucket, &base, &Written { price: Price::default(), ..unknown() }),
    };
    let rest = bucket.sums.cost - rows.iter().map(|row| row.contracted).sum();
    if rest != Money::ZERO {
        rows.push(unexplained(bucket, &base, rest, written.as_ref()));
    }
    for row in &mut rows {
        row.extra.price_known = written.is_some();
    }
    if let Some(first) = rows.first_mut() {
        counted_once(bucket, &mut first.extra);
    }
    rows
}

/// Who sells an endpoint's answers.
pub(super) fn seller(bucket: &Bucket, around: &Surroundings<'_>) -> Seller {
    let unknown = || {
        let name = &bucket.of.provider;
        Seller {
            service_provider: name.to_string(),
            host: name.to_string(),
            invoice_issuer: name.to_string(),
            service: format!("{name} API"),
            region: None,
            dynamic: false,
        }
    };
    around.sellers.get(&*bucket.of.endpoint).cloned().unwrap_or_else(unknown)
}

/// What all rows of a bucket have in common.
pub(super) fn base(bucket: &Bucket, request_id: &str, around: &Surroundings<'_>) -> Row {
    let of = &bucket.of;
    Row {
        organisation: of.about.organisation.clone(),
        team: of.about.team.clone(),
        hour: bucket.hour,
        correction: of.correction,
        seller: seller(bucket, around),
        endpoint: of.endpoint.to_string(),
        tags: json!(of.about.tags).to_string(),
        extra: Extra {
            model: of.about.model.clone(),
            app: of.about.app.clone(),
            key: of.about.key.clone(),
            data_class: of.about.data_class.clone(),
            policy: of.about.policy.clone(),
            price: of.price.to_string(),
            estimated: of.estimated,
            outcome: of.outcome.to_string(),
            request_id: request_id.to_owned(),
            ..Extra::default()
        },
        ..Row::default()
    }
}

/// Requests and options belong to the exchange and not to its meters.
pub(super) fn counted_once(bucket: &Bucket, extra: &mut Extra) {
    let sums = &bucket.sums;
    extra.requests = sums.requests;
    extra.baseline = (sums.baseline != Money::ZERO).then_some(sums.baseline);
    extra.cheapest_allowed = (sums.compared > 0).then_some(sums.cheapest_allowed);
    extra.cheapest = (sums.compared > 0).then_some(sums.cheapest);
}

fn metered(bucket: &Bucket, base: &Row, written: &Written) -> Vec<Row> {
    // Sums do not say how many requests paid the fee; what is left of the cost does.
    let tokens = |charge: &Charge| charge.meter != Meter::Request;
    let charges: Vec<_> = written.price.charges(&bucket.sums.usage).filter(tokens).collect();
    let mut rows: Vec<_> =
        charges.iter().map(|charge| row(bucket, base, written, charge)).collect();
    let fee = written.price.request;
    let rest = bucket.sums.cost - charges.iter().map(|charge| charge.cost).sum();
    let (rest, each) = (rest.pico_dollars(), fee.pico_dollars());
    if each > 0 && rest > 0 && rest % each == 0 && !bucket.of.correction {
        let charge = Charge {
            meter: Meter::Request,
            quantity: u64::try_from(rest / each).unwrap_or(u64::MAX),
            each: fee,
            cost: Money::from_pico_dollars(rest),
            unexplained: false,
        };
        rows.push(row(bucket, base, written, &charge));
    }
    rows
}

fn row(bucket: &Bucket, base: &Row, written: &Written, charge: &Charge) -> Row {
    let unit = charge.meter.unit();
    let quantity = Number::from_units(i128::from(charge.quantity) * (ONE / i128::from(unit.each)));
    let unit_price = |each: Money| Number::from_units(each.pico_dollars() * i128::from(unit.each));
    let native = written.converted.as_ref().map(|converted| {
        let each = converted.price.each(charge.meter);
        Native {
            currency: converted.currency.clone(),
            unit_price: unit_price(each),
            cost: each * charge.quantity,
            observation: converted.observation.clone(),
        }
    });
    let model = &bucket.of.upstream_model;
    let kind =
        if charge.unexplained { "tokens that nobody explains" } else { charge.meter.title() };
    Row {
        description: format!("{model}: {kind}"),
        sku: sku(bucket, written, charge.meter),
        consumed: Some((Number::whole(charge.quantity), unit.consumed)),
        priced: Some((quantity, unit.priced, unit_price(charge.each))),
        native,
        contracted: charge.cost,
        billed: charge.cost,
        effective: charge.cost,
        ..base.clone()
    }
}

/// What the meters of a bucket do not come to: a correction, or a charge that somebody else computed.
fn unexplained(bucket: &Bucket, base: &Row, rest: Money, written: Option<&Written>) -> Row {
    let model = &bucket.of.upstream_model;
    let (category, what) = match bucket.of.correction {
        true => (Category::Usage, "correction"),
        false => (Category::Adjustment, "adjustment"),
    };
    let id = format!("{}/{model}/{what}", bucket.of.endpoint);
    Row {
        category,
        description: format!("{model}: {what}"),
        sku: Sku {
            price_id: written
                .map_or_else(|| id.clone(), |written| format!("{id}{}", tier(written))),
            id,
            meter: "Correction".to_owned(),
            details: json!({ "x_ModelId": model }).to_string(),
        },
        contracted: rest,
        billed: rest,
        effective: rest,
        ..base.clone()
    }
}

fn sku(bucket: &Bucket, written: &Written, meter: Meter) -> Sku {
    let model = &bucket.of.upstream_model;
    let id = format!("{}/{model}/{}", bucket.of.endpoint, meter.as_str());
    let mut details = json!({ "x_ModelId": model });
    if let Some(input) = meter.is_input() {
        details["x_TokenDirection"] = json!(if input { "Input" } else { "Output" });
    }
    let cache = match meter {
        Meter::Input => Some("Uncached"),
        Meter::CacheRead => Some("Read"),
        Meter::CacheWrite5m | Meter::CacheWrite1h => Some("Write"),
        _ => None,
    };
    if let Some(cache) = cache {
        details["x_TokenCacheAction"] = json!(cache);
    }
    Sku {
        price_id: format!("{id}{}", tier(written)),
        id,
        meter: meter.title().to_owned(),
        details: details.to_string(),
    }
}

/// What tells prices of one SKU apart; the version does not, as it changes.
fn tier(written: &Written) -> String {
    let tier = written.tier.map_or_else(String::new, |tier| format!("-{}", tier.as_str()));
    match written.above_tokens {
        0 => tier,
        above => format!("{tier}-gt{above}"),
    }
}

fn unknown() -> Written {
    Written {
        price: Price::default(),
        currency: isthmus_inference::tariff::Usd::Usd,
        tier: None,
        above_tokens: 0,
        source: String::new(),
        converted: None,
    }
}

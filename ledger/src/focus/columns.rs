//! The columns: for each its name, what stands in it, which versions have it, and where it comes from.

use super::Version;
use super::row::{Category, Row};
use crate::report::calendar::Zone;
use crate::sheet::{Cell, Column, Kind};

/// One column of FOCUS.
pub struct Focus {
    /// Its name.
    pub name: &'static str,
    kind: Kind,
    since: Version,
    until: Version,
    of: fn(&Row, Version) -> Cell,
}

const fn both(name: &'static str, kind: Kind, of: fn(&Row, Version) -> Cell) -> Focus {
    Focus { name, kind, since: Version::V1_2, until: Version::V1_4, of }
}

const fn only(
    version: Version,
    name: &'static str,
    kind: Kind,
    of: fn(&Row, Version) -> Cell,
) -> Focus {
    Focus { name, kind, since: version, until: version, of }
}

const NUMBER: Kind = Kind::Number(6);
const SECONDS_AN_HOUR: i64 = 3600;

/// Every column, in the order of the format's own text.
pub const COLUMNS: &[Focus] = &[
    // Who pays.
    both("BillingAccountId", Kind::Text, |row, _| account(row)),
    both("BillingAccountName", Kind::Text, |row, _| account(row)),
    both("BillingAccountType", Kind::Text, |_, _| "Organisation".into()),
    both("SubAccountId", Kind::Text, |row, _| row.team.as_str().into()),
    both("SubAccountName", Kind::Text, |row, _| row.team.as_str().into()),
    both("SubAccountType", Kind::Text, |row, _| {
        if row.team.is_empty() { Cell::Empty } else { "Team".into() }
    }),
    both("BillingCurrency", Kind::Text, |_, _| "USD".into()),
    both("InvoiceIssuerName", Kind::Text, |row, _| row.seller.invoice_issuer.as_str().into()),
    both("InvoiceId", Kind::Text, |_, _| Cell::Empty),
    only(Version::V1_4, "InvoiceDetailId", Kind::Text, |_, _| Cell::Empty),
    // When.
    both("BillingPeriodStart", Kind::Moment, |row, _| month(row, false)),
    both("BillingPeriodEnd", Kind::Moment, |row, _| month(row, true)),
    both("ChargePeriodStart", Kind::Moment, |row, _| Cell::Moment(row.hour * SECONDS_AN_HOUR)),
    both("ChargePeriodEnd", Kind::Moment, |row, _| Cell::Moment((row.hour + 1) * SECONDS_AN_HOUR)),
    // What.
    both("ChargeCategory", Kind::Text, |row, _| row.category.as_str().into()),
    both("ChargeClass", Kind::Text, |row, _| when(row.correction, "Correction")),
    both("ChargeDescription", Kind::Text, |row, _| row.description.as_str().into()),
    both("ChargeFrequency", Kind::Text, |row, _| match row.category {
        Category::Usage => "Usage-Based".into(),
        Category::Purchase => "Recurring".into(),
        Category::Adjustment => "One-Time".into(),
    }),
    // The service.
    both("ServiceCategory", Kind::Text, |row, _| match row.commitment {
        Some(_) => "Compute".into(),
        None => "AI and Machine Learning".into(),
    }),
    both("ServiceSubcategory", Kind::Text, |row, _| match row.commitment {
        Some(_) => "Other (Compute)".into(),
        None => "Generative AI".into(),
    }),
    both("ServiceName", Kind::Text, |row, _| row.seller.service.as_str().into()),
    only(Version::V1_2, "ProviderName", Kind::Text, |row, _| service_provider(row)),
    only(Version::V1_2, "PublisherName", Kind::Text, |row, _| row.seller.host.as_str().into()),
    only(Version::V1_4, "ServiceProviderName", Kind::Text, |row, _| service_provider(row)),
    only(Version::V1_4, "HostProviderName", Kind::Text, |row, _| row.seller.host.as_str().into()),
    // The price.
    both("SkuId", Kind::Text, |row, _| row.sku.id.as_str().into()),
    both("SkuMeter", Kind::Text, |row, _| row.sku.meter.as_str().into()),
    both("SkuPriceId", Kind::Text, |row, _| row.sku.price_id.as_str().into()),
    both("SkuPriceDetails", Kind::Text, |row, _| row.sku.details.as_str().into()),
    both("PricingCategory", Kind::Text, |row, _| pricing_category(row)),
    both("PricingQuantity", NUMBER, |row, _| Cell::number(row.priced.map(|priced| priced.0))),
    both("PricingUnit", Kind::Text, |row, _| row.priced.map_or(Cell::Empty, |it| it.1.into())),
    both("ListUnitPrice", NUMBER, |row, _| Cell::number(row.priced.map(|priced| priced.2))),
    both("ContractedUnitPrice", NUMBER, |row, _| Cell::number(row.priced.map(|priced| priced.2))),
    both("PricingCurrency", Kind::Text, pricing_currency),
    both("PricingCurrencyListUnitPrice", NUMBER, native_unit_price),
    both("PricingCurrencyContractedUnitPrice", NUMBER, native_unit_price),
    both("PricingCurrencyEffectiveCost", Kind::Money, native_cost),
    // The cost.
    both("ListCost", Kind::Money, |row, _| row.contracted.into()),
    both("ContractedCost", Kind::Money, |row, _| row.contracted.into()),
    both("BilledCost", Kind::Money, |row, _| row.billed.into()),
    both("EffectiveCost", Kind::Money, |row, _| row.effective.into()),
    // The usage.
    both("ConsumedQuantity", NUMBER, |row, _| Cell::number(row.consumed.map(|it| it.0))),
    both("ConsumedUnit", Kind::Text, |row, _| row.consumed.map_or(Cell::Empty, |it| it.1.into())),
    // What was paid beforehand.
    both("CommitmentDiscountId", Kind::Text, |row, _| commitment_id(row)),
    both("CommitmentDiscountName", Kind::Text, |row, _| commitment_id(row)),
    both("CommitmentDiscountType", Kind::Text, |row, _| when(row.commitment.is_some(), "Lease")),
    both("CommitmentDiscountCategory", Kind::Text, |row, _| {
        when(row.commitment.is_some(), "Usage")
    }),
    both("CommitmentDiscountStatus", Kind::Text, |row, _| {
        match row.commitment.as_ref().and_then(|commitment| commitment.used) {
            Some(true) => "Used".into(),
            Some(false) => "Unused".into(),
            None => Cell::Empty,
        }
    }),
    both("CommitmentDiscountQuantity", NUMBER, |row, _| {
        Cell::number(row.commitment.as_ref().map(|commitment| commitment.hours))
    }),
    both("CommitmentDiscountUnit", Kind::Text, |row, _| when(row.commitment.is_some(), "Hours")),
    // The place and the thing.
    both("RegionId", Kind::Text, |row, _| row.seller.region.clone().unwrap_or_default().into()),
    both("RegionName", Kind::Text, |row, _| row.seller.region.clone().unwrap_or_default().into()),
    both("ResourceId", Kind::Text, |row, _| row.endpoint.as_str().into()),
    both("ResourceName", Kind::Text, |row, _| row.endpoint.as_str().into()),
    both("ResourceType", Kind::Text, |row, _| when(!row.endpoint.is_empty(), "Model Endpoint")),
    both("Tags", Kind::Text, |row, _| row.tags.as_str().into()),
    // What the format has no column for.
    both("x_Requests", Kind::Count, |row, _| row.extra.requests.into()),
    both("x_Model", Kind::Text, |row, _| row.extra.model.as_str().into()),
    both("x_App", Kind::Text, |row, _| row.extra.app.as_str().into()),
    both("x_KeyId", Kind::Text, |row, _| row.extra.key.as_str().into()),
    both("x_DataClass", Kind::Text, |row, _| row.extra.data_class.as_str().into()),
    both("x_PolicyVersion", Kind::Text, |row, _| row.extra.policy.as_str().into()),
    both("x_PriceVersion", Kind::Text, |row, _| row.extra.price.as_str().into()),
    both("x_PriceKnown", Kind::Text, |row, _| row.extra.price_known.to_string().into()),
    both("x_UsageSource", Kind::Text, |row, _| {
        if row.extra.estimated { "estimated".into() } else { "provider".into() }
    }),
    both("x_Outcome", Kind::Text, |row, _| row.extra.outcome.as_str().into()),
    both("x_InputTokens", Kind::Count, |row, _| {
        row.extra.tokens.map_or(Cell::Empty, |it| it.0.into())
    }),
    both("x_OutputTokens", Kind::Count, |row, _| {
        row.extra.tokens.map_or(Cell::Empty, |it| it.1.into())
    }),
    both("x_BaselineCost", Kind::Money, |row, _| Cell::money(row.extra.baseline)),
    both("x_CheapestAllowedCost", Kind::Money, |row, _| Cell::money(row.extra.cheapest_allowed)),
    both("x_CheapestAnyCost", Kind::Money, |row, _| Cell::money(row.extra.cheapest)),
    both("x_PricingToken", Kind::Text, |row, _| {
        row.native.as_ref().map_or(Cell::Empty, |native| native.currency.as_str().into())
    }),
    both("x_PricingTokenUnitPrice", NUMBER, |row, _| {
        Cell::number(row.native.as_ref().map(|native| native.unit_price))
    }),
    both("x_PricingTokenCost", Kind::Money, |row, _| {
        Cell::money(row.native.as_ref().map(|native| native.cost))
    }),
    both("x_FxRateId", Kind::Text, |row, _| {
        row.native.as_ref().map_or(Cell::Empty, |native| native.observation.as_str().into())
    }),
    both("x_RequestId", Kind::Text, |row, _| row.extra.request_id.as_str().into()),
];

/// The columns of a version.
pub fn columns(version: Version) -> Vec<Column> {
    of(version).map(|focus| Column::new(focus.name, focus.name, focus.kind)).collect()
}

/// A row in a version.
pub fn cells(row: &Row, version: Version) -> Vec<Cell> {
    of(version).map(|focus| (focus.of)(row, version)).collect()
}

fn of(version: Version) -> impl Iterator<Item = &'static Focus> {
    COLUMNS.iter().filter(move |focus| focus.since <= version && version <= focus.until)
}

/// An organisation has a name, and this is what it is without one.
fn account(row: &Row) -> Cell {
    if row.organisation.is_empty() { "default".into() } else { row.organisation.as_str().into() }
}

fn service_provider(row: &Row) -> Cell {
    row.seller.service_provider.as_str().into()
}

fn month(row: &Row, end: bool) -> Cell {
    let utc = Zone::utc();
    let hours = utc.hours_of_month(&utc.month(row.hour));
    let hour = hours.map_or(row.hour, |hours| if end { hours.to } else { hours.from });
    Cell::Moment(hour * SECONDS_AN_HOUR)
}

fn when(holds: bool, word: &str) -> Cell {
    if holds { word.into() } else { Cell::Empty }
}

fn pricing_category(row: &Row) -> Cell {
    match (&row.commitment, row.priced) {
        (Some(_), _) => "Committed".into(),
        (None, None) => Cell::Empty,
        (None, Some(_)) if row.seller.dynamic => "Dynamic".into(),
        (None, Some(_)) => "Standard".into(),
    }
}

/// 1.2 knows virtual currencies, and 1.4 none but those of ISO 4217: there it is dollars, and what was
/// listed stands under `x_PricingToken`.
fn pricing_currency(row: &Row, version: Version) -> Cell {
    match (&row.native, version) {
        (Some(native), Version::V1_2) => native.currency.as_str().into(),
        _ => "USD".into(),
    }
}

fn native_unit_price(row: &Row, version: Version) -> Cell {
    match (&row.native, version) {
        (Some(native), Version::V1_2) => native.unit_price.into(),
        _ => Cell::number(row.priced.map(|priced| priced.2)),
    }
}

fn native_cost(row: &Row, version: Version) -> Cell {
    match (&row.native, version) {
        (Some(native), Version::V1_2) => native.cost.into(),
        _ => row.effective.into(),
    }
}

fn commitment_id(row: &Row) -> Cell {
    row.commitment.as_ref().map_or(Cell::Empty, |commitment| commitment.id.as_str().into())
}

//! Invoices against the books: by provider, month, SKU and meter, what the provider wants and what the
//! ledger counted, and of what kind the difference is.
//!
//! A difference is taken apart exactly: other quantities at our price, and another price of the invoiced
//! quantity. It is *timing* if what was charged close to the month's ends would explain it, since
//! providers close their months at other hours.

pub mod invoice;

use std::collections::BTreeMap;

use isthmus_inference::meter::Meter;
use isthmus_inference::money::{Money, Price};

use crate::books::{Bucket, Hours};
use crate::report::calendar::Zone;
use crate::sheet::number::divide;
use crate::sheet::{Cell, Column, Kind, Number, Sheet};
use invoice::Line;

/// What differences do not matter, and how far a month's end may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// Of the invoiced amount, in percent.
    pub percent: Number,
    /// Less than this never matters.
    pub least: Money,
    /// Hours around a month's ends that may count to either month.
    pub edge_hours: i64,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// Line by line.
    pub sheet: Sheet,
    /// How many lines differ by more than is tolerated.
    pub beyond: usize,
}

/// Provider, month, SKU and meter; the meter is empty where an invoice has one line for all of a model.
type Place = (String, String, String, String);

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    quantity: Number,
    amount: Money,
    /// Of the amount, what lies in the first and last hours of the month,
    edge: Money,
    /// and in the hours around it.
    around: Money,
}

/// How a line came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Fits,
    Tokens,
    Price,
    Timing,
    NotInvoiced,
    NotInBooks,
}

/// Compares an invoice with the books. `price_of` tells the price of a version. The buckets reach
/// [`Tolerance::edge_hours`] beyond the months on both sides.
pub fn reconcile(
    invoice: &[Line],
    buckets: &[Bucket],
    price_of: &dyn Fn(&str) -> Option<Price>,
    tolerance: Tolerance,
    zone: &Zone,
) -> Reconciled {
    let mut theirs: BTreeMap<Place, (Option<Number>, Money)> = BTreeMap::new();
    for line in invoice {
        let (quantity, amount) = theirs.entry(line.place()).or_default();
        *amount += line.amount;
        *quantity = line
            .quantity
            .map(|more| Number::from_units(quantity.unwrap_or_default().units() + more.units()));
    }
    let ours = counted(&theirs, buckets, price_of, tolerance, zone);
    let mut places: Vec<&Place> = theirs.keys().chain(ours.keys()).collect();
    places.sort();
    places.dedup();
    let (mut beyond, mut rows) = (0, Vec::new());
    let (mut our_total, mut their_total) = (Money::ZERO, Money::ZERO);
    for place in places {
        let (ours, theirs) = (ours.get(place), theirs.get(place));
        let (verdict, row) = compared(place, ours, theirs, tolerance);
        our_total += ours.map_or(Money::ZERO, |ours| ours.amount);
        their_total += theirs.map_or(Money::ZERO, |(_, amount)| *amount);
        beyond += usize::from(verdict != Verdict::Fits);
        rows.push(row);
    }
    let mut total = vec![Cell::Empty; 12];
    total[6..9]
        .clone_from_slice(&[our_total, their_total, their_total - our_total].map(Cell::Money));
    let percent = crate::sheet::number::grouped(tolerance.percent.units(), 2);
    let note = format!(
        "Differences are invoice less books. Up to {percent} % of the invoiced amount, or ${}, fits; `timing` is what the {} hours around the month's ends explain.",
        tolerance.least, tolerance.edge_hours
    );
    let title = "Invoices against the books".to_owned();
    let sheet = Sheet { title, columns: columns(), rows, total: Some(total), notes: vec![note] };
    Reconciled { sheet, beyond }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("provider", "Provider", Kind::Text),
        Column::new("month", "Month", Kind::Text),
        Column::new("sku", "SKU", Kind::Text),
        Column::new("meter", "Meter", Kind::Text),
        Column::hidden("our_quantity", Kind::Number(0)),
        Column::hidden("invoice_quantity", Kind::Number(0)),
        Column::new("our_usd", "Books $", Kind::Money),
        Column::new("invoice_usd", "Invoice $", Kind::Money),
        Column::new("difference_usd", "Diff. $", Kind::Money),
        Column::new("tokens_usd", "Quantity $", Kind::Money),
        Column::new("price_usd", "Price $", Kind::Money),
        Column::new("verdict", "Verdict", Kind::Text),
    ]
}

/// What the books have of the providers and months that were invoiced.
fn counted(
    theirs: &BTreeMap<Place, (Option<Number>, Money)>,
    buckets: &[Bucket],
    price_of: &dyn Fn(&str) -> Option<Price>,
    tolerance: Tolerance,
    zone: &Zone,
) -> BTreeMap<Place, Counted> {
    let mut months: Vec<_> = theirs.keys().map(|(provider, month, ..)| (provider, month)).collect();
    months.dedup();
    let mut ours = BTreeMap::<Place, Counted>::new();
    for (provider, month) in months {
        let Some(hours) = zone.hours_of_month(month) else { continue };
        for bucket in buckets.iter().filter(|it| it.of.provider.eq_ignore_ascii_case(provider)) {
            let edge = tolerance.edge_hours;
            let Some(position) = Position::of(bucket.hour, hours, edge) else { continue };
            let sku = bucket.of.upstream_model.to_lowercase();
            let whole = (provider.clone(), month.clone(), sku.clone(), String::new());
            for (meter, quantity, amount) in metered(bucket, price_of) {
                let meter = if theirs.contains_key(&whole) { "" } else { meter };
                let place = (provider.clone(), month.clone(), sku.clone(), meter.to_owned());
                ours.entry(place).or_default().add(position, quantity, amount);
            }
        }
    }
    ours.retain(|_, it| it.amount != Money::ZERO || it.quantity != Number::ZERO);
    ours
}

/// The meters of a bucket. What they do not explain — corrections, tokens without a price — stands under
/// no meter's name.
fn metered(
    bucket: &Bucket,
    price_of: &dyn Fn(&str) -> Option<Price>,
) -> Vec<(&'static str, u64, Money)> {
    let sums = &bucket.sums;
    let Some(price) = price_of(&bucket.of.price) else {
        let tokens = Meter::ALL.into_iter().filter(|meter| *meter != Meter::Request);
        let counted =
            tokens.map(|meter| (meter.as_str(), meter.quantity(&sums.usage), Money::ZERO));
        return counted.filter(|it| it.1 > 0).chain([("other", 0, sums.cost)]).collect();
    };
    let charges = price.charges(&sums.usage).filter(|charge| charge.meter != Meter::Request);
    let mut lines: Vec<_> =
        charges.map(|charge| (charge.meter.as_str(), charge.quantity, charge.cost)).collect();
    let rest = sums.cost - lines.iter().map(|line| line.2).sum();
    // What is left is the fee for each request, or a correction.
    let is_fee = price.request != Money::ZERO && !bucket.of.correction;
    lines.push(if is_fee {
        (Meter::Request.as_str(), sums.attempts, rest)
    } else {
        ("other", 0, rest)
    });
    lines
}

fn compared(
    place: &Place,
    ours: Option<&Counted>,
    theirs: Option<&(Option<Number>, Money)>,
    tolerance: Tolerance,
) -> (Verdict, Vec<Cell>) {
    let our_amount = ours.map_or(Money::ZERO, |ours| ours.amount);
    let their_amount = theirs.map_or(Money::ZERO, |(_, amount)| *amount);
    let difference = their_amount - our_amount;
    let our_quantity = ours.map(|ours| ours.quantity);
    let their_quantity = theirs.and_then(|(quantity, _)| *quantity);
    let by_quantity = match (our_quantity, their_quantity) {
        (Some(ours), Some(theirs)) if ours != Number::ZERO => {
            let at_our_price = scaled(our_amount, theirs.units(), ours.units());
            at_our_price - our_amount
        }
        _ => Money::ZERO,
    };
    let by_price = difference - by_quantity;
    let verdict = match (ours, theirs) {
        _ if tolerance.tolerates(difference, their_amount) => Verdict::Fits,
        (Some(_), None) => Verdict::NotInvoiced,
        (None, _) => Verdict::NotInBooks,
        (Some(ours), Some(_))
            if ours.explains(difference)
                && by_price.pico_dollars().abs() <= by_quantity.pico_dollars().abs() =>
        {
            Verdict::Timing
        }
        _ if by_quantity.pico_dollars().abs() > by_price.pico_dollars().abs() => Verdict::Tokens,
        _ => Verdict::Price,
    };
    let (provider, month, sku, meter) = place;
    let row = vec![
        provider.as_str().into(),
        month.as_str().into(),
        sku.as_str().into(),
        Cell::Text(meter.clone()),
        Cell::number(our_quantity),
        Cell::number(their_quantity),
        Cell::money(ours.map(|ours| ours.amount)),
        Cell::money(theirs.map(|(_, amount)| *amount)),
        Cell::Money(difference),
        Cell::Money(by_quantity),
        Cell::Money(by_price),
        verdict.as_str().into(),
    ];
    (verdict, row)
}

fn scaled(amount: Money, times: i128, by: i128) -> Money {
    // Quantities have twelve decimals that are nearly always nothing; six are enough to compare by.
    let (times, by) = (times / 1_000_000, (by / 1_000_000).max(1));
    let product = amount.pico_dollars().checked_mul(times);
    Money::from_pico_dollars(product.map_or_else(
        || (amount.pico_dollars() / by).saturating_mul(times),
        |product| divide(product, by),
    ))
}

/// Where an hour lies in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Inside,
    Edge,
    Around,
}

// === impl Position ===

impl Position {
    fn of(hour: i64, month: Hours, edge: i64) -> Option<Self> {
        let within = |from, to| (from..to).contains(&hour);
        if within(month.from, month.to) {
            let inside = within(month.from + edge, month.to - edge);
            return Some(if inside { Self::Inside } else { Self::Edge });
        }
        within(month.from - edge, month.to + edge).then_some(Self::Around)
    }
}

// === impl Counted ===

impl Counted {
    fn add(&mut self, position: Position, quantity: u64, amount: Money) {
        if position == Position::Around {
            self.around += amount;
            return;
        }
        let units = self.quantity.units() + Number::whole(quantity).units();
        self.quantity = Number::from_units(units);
        self.amount += amount;
        if position == Position::Edge {
            self.edge += amount;
        }
    }

    /// Whether other ends of the month could make the difference.
    fn explains(&self, difference: Money) -> bool {
        difference <= self.around && -difference <= self.edge
    }
}

// === impl Tolerance ===

impl Tolerance {
    fn tolerates(&self, difference: Money, invoiced: Money) -> bool {
        let difference = difference.pico_dollars().abs();
        let part = invoiced.pico_dollars().abs().saturating_mul(self.percent.units() / 1_000_000)
            / 100_000_000;
        difference <= part.max(self.least.pico_dollars())
    }
}

// === impl Verdict ===

impl Verdict {
    fn as_str(self) -> &'static str {
        match self {
            Self::Fits => "fits",
            Self::Tokens => "quantity",
            Self::Price => "price",
            Self::Timing => "timing",
            Self::NotInvoiced => "not invoiced",
            Self::NotInBooks => "not in books",
        }
    }
}

#[cfg(test)]
mod tests;

//! Budgets as bars: what is spent of the limit, and where it is forecast to end.

use std::fmt::Write;

use isthmus_inference::money::Money;

use super::scale::amount;
use crate::sheet::html::escape;
use crate::sheet::{Cell, Sheet};

/// The drawing of [`crate::report::budget::budgets`].
pub(super) fn gauges(budgets: &Sheet) -> String {
    let mut html = String::from("<div class=\"bars gauges\">");
    for row in &budgets.rows {
        let (limit, spent) = (money(&row[1]), money(&row[2]));
        let forecast = money(&row[5]);
        // The bar reaches as far as the larger of limit and forecast.
        let whole = limit.max(forecast).pico_dollars().max(1) as f64;
        let part = |money: Money| money.pico_dollars() as f64 / whole * 100.0;
        let over = if forecast > limit { " class=minus" } else { "" };
        // A string takes whatever is written to it.
        let _ = write!(
            html,
            "<div><span>{}</span><span class=track><u style=\"width:{:.2}%\"></u><i{over} style=\"width:{:.2}%\"></i><em style=\"left:{:.2}%\"></em></span><b>{} of {}</b></div>",
            escape(&row[0].to_string()),
            part(forecast),
            part(spent),
            part(limit),
            amount(spent),
            amount(limit)
        );
    }
    html.push_str("</div><p class=note>Dark: spent. Light: forecast until the end of the window. The mark is the limit.</p>");
    html
}

fn money(cell: &Cell) -> Money {
    match cell {
        Cell::Money(money) => *money,
        _ => Money::ZERO,
    }
}

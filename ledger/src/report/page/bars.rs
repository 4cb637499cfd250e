//! Amounts as bars, one under the other, with their figures.

use std::fmt::Write;

use isthmus_inference::money::Money;

use super::scale::{Scale, amount};
use crate::sheet::html::escape;

/// Parts of a hundred that the longest bar takes.
const LONGEST: f64 = 100.0;

/// The drawing. A negative amount has a bar of another colour.
pub(super) fn bars(rows: &[(String, Money)]) -> String {
    let size = |money: Money| if money < Money::ZERO { -money } else { money };
    let largest = rows.iter().map(|(_, cost)| size(*cost)).max().unwrap_or(Money::ZERO);
    let scale = Scale::over(largest, LONGEST);
    let mut html = String::from("<div class=bars>");
    for (name, cost) in rows {
        let name = if name.is_empty() { "no attempt" } else { name };
        let class = if *cost < Money::ZERO { " class=minus" } else { "" };
        // A string takes whatever is written to it.
        let _ = write!(
            html,
            "<div><span>{}</span><span class=track><i{class} style=\"width:{:.2}%\"></i></span><b>{}</b></div>",
            escape(name),
            scale.length(size(*cost)),
            amount(*cost)
        );
    }
    if rows.is_empty() {
        html.push_str("<p class=none>Nothing in this period</p>");
    }
    html.push_str("</div>");
    html
}

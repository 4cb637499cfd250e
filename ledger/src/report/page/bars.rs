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
        let long = scale.length(size(*cost));
        // Nothing has no bar, and the least of something has one that is seen.
        let bar = match *cost == Money::ZERO {
            true => String::new(),
            false => format!("<i{class} style=\"width:{long:.2}%\"></i>"),
        };
        // A string takes whatever is written to it.
        let _ = write!(
            html,
            "<div><span>{}</span><span class=track>{bar}</span><b>{}</b></div>",
            escape(name),
            amount(*cost)
        );
    }
    if rows.is_empty() {
        html.push_str("<p class=none>Nothing in this period</p>");
    }
    html.push_str("</div>");
    html
}

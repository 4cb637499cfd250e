//! All of it on one page for a browser, or for paper: one file, drawn in SVG, without scripts and without
//! anything to be fetched.

mod bars;
mod gauge;
mod scale;
mod stacked;

use std::fmt::Write;

use isthmus_inference::money::Money;

use super::calendar::Zone;
use super::key::Key;
use super::showback::{Figures, grouped_by, showback, total};
use super::tier::Discounts;
use super::{saved, unit};
use crate::books::{Bucket, Hours};
use crate::sheet::html::{escape, table};
use crate::sheet::number::{grouped, moment};
use crate::sheet::{Number, Sheet};

/// What a page is made from.
pub struct Page<'p> {
    /// Whose it is.
    pub organisation: &'p str,
    /// The hours that it tells of,
    pub period: Hours,
    /// and all buckets of them.
    pub buckets: &'p [Bucket],
    /// By what its first table is grouped.
    pub keys: &'p [Key],
    /// Budgets, if there are any ([`super::budget::budgets`]).
    pub budgets: Option<&'p Sheet>,
    /// What else is to be shown, each as a table.
    pub more: &'p [Sheet],
    /// What cheaper tiers are compared with.
    pub discounts: &'p Discounts,
    /// Where days begin,
    pub zone: &'p Zone,
    /// and its name.
    pub zone_name: &'p str,
    /// When it was made: Unix seconds.
    pub made_at: i64,
}

/// How pages look, on screens and on paper.
pub const STYLE: &str = include_str!("page/style.css");

impl Page<'_> {
    /// The whole file.
    pub fn html(&self) -> String {
        let all = total(self.buckets);
        let (from, to) = (self.zone.day(self.period.from), self.zone.day(self.period.to - 1));
        let organisation = escape(self.organisation);
        let mut html = format!(
            "<!doctype html><html lang=en><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width, initial-scale=1\">\
             <meta name=color-scheme content=\"light dark\">\
             <title>AI spend of {organisation}, {from} to {to}</title><style>{STYLE}</style><main>\
             <header><p class=over>{organisation}</p><h1>AI spend</h1>\
             <p class=period>{from} to {to} <span>· days in {}</span></p></header>",
            escape(self.zone_name)
        );
        html.push_str(&headline(&all));
        self.spend(&mut html);
        self.worth(&mut html, &all);
        if let Some(budgets) = self.budgets {
            section(
                &mut html,
                "Budgets",
                "Spent and forecast, in dollars",
                &gauge::gauges(budgets),
            );
            html.push_str(&table(budgets));
        }
        let by = self.keys.iter().map(Key::title).collect::<Vec<_>>().join(", ").to_lowercase();
        let figures = table(&showback(self.buckets, self.keys, self.zone));
        section(
            &mut html,
            &format!("Spend by {by}"),
            "Tokens are counted as providers report them",
            &figures,
        );
        let team: Option<Key> = "team".parse().ok();
        let teams: Vec<_> = team.into_iter().collect();
        let units = unit::economics(self.buckets, &teams, self.zone);
        section(
            &mut html,
            &units.title,
            "What a thousand requests and a million tokens come to",
            &table(&units),
        );
        for sheet in self.more {
            section(&mut html, &sheet.title, "", &table(sheet));
        }
        let _ = writeln!(
            html,
            "<footer><p>From the hourly sums of Isthmus' ledger, in US dollars, exact to 10⁻¹² before \
             rounding for display. Made at {}.</p></footer></main></html>",
            moment(self.made_at)
        );
        html
    }

    fn spend(&self, html: &mut String) {
        let key = |name: &str| name.parse::<Key>().ok();
        let long = self.period.to - self.period.from > 24 * 62;
        let (unit, title) = if long { ("week", "Spend by week") } else { ("day", "Spend by day") };
        let keys: Vec<_> = [key(unit), key("team")].into_iter().flatten().collect();
        let costs = grouped_by(self.buckets, &keys, self.zone);
        let mut columns = Vec::new();
        for hour in self.period.from..self.period.to {
            let word = if long { self.zone.week(hour) } else { self.zone.day(hour) };
            if columns.last() != Some(&word) {
                columns.push(word);
            }
        }
        let drawn = stacked::stacked(&columns, &costs);
        section(html, title, "By team, in dollars", &drawn);
        let providers: Vec<_> = key("provider").into_iter().collect();
        let mut rows: Vec<_> = grouped_by(self.buckets, &providers, self.zone)
            .into_iter()
            .filter(|(_, figures)| figures.sums.attempts > 0 || figures.sums.cost != Money::ZERO)
            .map(|(mut words, figures)| (words.swap_remove(0), figures.sums.cost))
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.1));
        section(html, "Spend by provider", "In dollars", &bars::bars(&rows));
    }

    fn worth(&self, html: &mut String, all: &Figures) {
        let sums = &all.sums;
        let rows = [
            (
                "Routing saved, against the declared baseline".to_owned(),
                sums.baseline - sums.based_cost,
            ),
            ("Memory of answers avoided".to_owned(), sums.cache_avoided),
            (
                "Cheaper tiers saved, against the usual one".to_owned(),
                self.buckets.iter().map(|bucket| self.discounts.saved(bucket)).sum(),
            ),
            (
                "Compliance cost, over the cheapest of all".to_owned(),
                sums.cheapest_allowed - sums.cheapest,
            ),
        ];
        section(html, "Savings, and the cost of compliance", "In dollars", &bars::bars(&rows));
        let teams: Vec<_> = "team".parse::<Key>().into_iter().collect();
        html.push_str(&table(&saved::savings(self.buckets, &teams, self.discounts, self.zone)));
    }
}

/// The four figures that everybody asks for first.
fn headline(all: &Figures) -> String {
    let sums = &all.sums;
    let count = |count: u64| grouped(Number::whole(count).units(), 0);
    let estimated = Number::percent(all.estimated, sums.cost).unwrap_or_default();
    let per_million =
        Number::ratio(sums.cost.pico_dollars(), i128::from(sums.usage.total().max(1)) * 1_000_000);
    let figures = [
        (format!("${}", grouped(sums.cost.pico_dollars(), 2)), "spent"),
        (count(sums.requests), "requests"),
        (count(sums.usage.total()), "tokens"),
        (format!("${}", grouped(per_million.unwrap_or_default().units(), 2)), "per million tokens"),
        (format!("{} %", grouped(estimated.units(), 1)), "of it on estimated tokens"),
    ];
    let mut html = String::from("<dl class=headline>");
    for (figure, what) in figures {
        let _ = write!(html, "<div><dd>{figure}</dd><dt>{what}</dt></div>");
    }
    html.push_str("</dl>");
    if sums.unpriced > 0 {
        let _ = write!(
            html,
            "<p class=warn>{} attempts used endpoints for which nobody knows a price; their cost is not in here.</p>",
            count(sums.unpriced)
        );
    }
    html
}

fn section(html: &mut String, title: &str, subtitle: &str, body: &str) {
    let _ = write!(html, "<h2>{}</h2>", escape(title));
    if !subtitle.is_empty() {
        let _ = write!(html, "<p class=sub>{}</p>", escape(subtitle));
    }
    html.push_str(body);
}

#[cfg(test)]
mod tests;

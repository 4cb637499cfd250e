//! Days as columns, each stacked of what its teams spent.

use std::collections::BTreeMap;
use std::fmt::Write;

use isthmus_inference::money::Money;

use super::scale::{Scale, amount};
use crate::report::showback::Groups;
use crate::sheet::html::escape;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 240.0;
/// Room for the figures of the axis, and for the days under it.
const LEFT: f64 = 64.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 10.0;
/// Room for half of the last day's label, which is wider than a narrow column.
const RIGHT: f64 = 12.0;
/// Teams with a colour of their own; the others share one.
const COLOURS: usize = 6;
const LABELS: usize = 10;
const OTHERS: &str = "others";

/// The drawing. Groups are of a day and a team.
pub(super) fn stacked(days: &[String], groups: &Groups) -> String {
    let teams = teams(groups);
    let place = |team: &str| teams.iter().position(|(name, _)| name == team).unwrap_or(COLOURS);
    let mut stacks = vec![[Money::ZERO; COLOURS + 1]; days.len()];
    for (words, figures) in groups {
        if let Some(at) = days.iter().position(|day| *day == words[0]) {
            stacks[at][place(&words[1])] += figures.sums.cost;
        }
    }
    let largest = stacks.iter().map(|stack| stack.iter().copied().sum()).max();
    let scale = Scale::over(largest.unwrap_or(Money::ZERO), HEIGHT - BELOW - ABOVE);
    let mut svg = legend(&teams, groups);
    // A string takes whatever is written to it.
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=img aria-label=\"Spend by day and team\">"
    );
    axis(&mut svg, &scale);
    let wide = (WIDTH - LEFT - RIGHT) / days.len().max(1) as f64;
    let every = days.len().div_ceil(LABELS).max(1);
    for (at, (day, stack)) in days.iter().zip(&stacks).enumerate() {
        let x = LEFT + wide * at as f64;
        column(&mut svg, day, stack, x, wide, &scale, &teams);
        if at % every == 0 {
            let middle = x + wide / 2.0;
            let _ = write!(
                svg,
                "<text class=tick x={middle:.1} y={} text-anchor=middle>{}</text>",
                HEIGHT - 7.0,
                escape(day.get(5..).unwrap_or(day))
            );
        }
    }
    svg.push_str("</svg>");
    svg
}

/// The teams with colours, those that spent most first; others share the last.
fn teams(groups: &Groups) -> Vec<(String, Money)> {
    let mut all: BTreeMap<&str, Money> = BTreeMap::new();
    for (words, figures) in groups {
        *all.entry(&words[1]).or_default() += figures.sums.cost;
    }
    let mut all: Vec<_> = all.into_iter().map(|(team, cost)| (team.to_owned(), cost)).collect();
    all.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
    all.truncate(COLOURS);
    all
}

fn legend(teams: &[(String, Money)], groups: &Groups) -> String {
    let all: Money = groups.values().map(|figures| figures.sums.cost).sum();
    let named: Money = teams.iter().map(|(_, cost)| *cost).sum();
    let others = (all - named != Money::ZERO).then(|| (OTHERS.to_owned(), all - named));
    let mut html = String::from("<ul class=legend>");
    for (at, (team, cost)) in teams.iter().chain(&others).enumerate() {
        let team = if team.is_empty() { "no team" } else { team };
        let _ =
            write!(html, "<li><i class=c{at}></i>{} <b>{}</b></li>", escape(team), amount(*cost));
    }
    html.push_str("</ul>");
    html
}

fn axis(svg: &mut String, scale: &Scale) {
    for (above, label) in scale.lines() {
        let y = HEIGHT - BELOW - above;
        let _ = write!(
            svg,
            "<line class=grid x1={LEFT} x2={WIDTH} y1={y:.1} y2={y:.1} /><text class=tick x={} y={:.1} text-anchor=end>{label}</text>",
            LEFT - 8.0,
            y + 3.5
        );
    }
}

fn column(
    svg: &mut String,
    day: &str,
    stack: &[Money; COLOURS + 1],
    x: f64,
    wide: f64,
    scale: &Scale,
    teams: &[(String, Money)],
) {
    let (gap, mut below) = ((wide * 0.22).min(8.0), 0.0);
    for (at, cost) in stack.iter().enumerate().filter(|(_, cost)| **cost > Money::ZERO) {
        let high = scale.length(*cost);
        let team = teams.get(at).map_or(OTHERS, |(team, _)| team);
        let _ = write!(
            svg,
            "<rect class=c{at} x={:.1} y={:.2} width={:.1} height={high:.2}><title>{}, {}: {}</title></rect>",
            x + gap / 2.0,
            HEIGHT - BELOW - below - high,
            wide - gap,
            escape(day),
            escape(team),
            amount(*cost)
        );
        below += high;
    }
}

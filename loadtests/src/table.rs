//! A comparison as a Markdown table, for a terminal and for `RESULTS.md` alike.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::compare::{Comparison, TargetResult, Verdict};
use crate::figures::{Figure, Spread};
use crate::target::Target;

/// The comparison as text: a heading, a table, and the limits.
pub fn render(comparison: &Comparison) -> String {
    let [before, after] = comparison.load_average;
    let mut text = format!(
        "### {}\n\n`{}`, medians of {} rounds, load average {before} before, {after} after.\n\n",
        comparison.title, comparison.case, comparison.rounds
    );
    text.push_str(&aligned(&rows(comparison)));
    for result in &comparison.results {
        for (words, count) in &result.failures {
            let _ = writeln!(text, "\n{} failed {count} times: {words}", result.target.name());
        }
    }
    for verdict in &comparison.verdicts {
        let _ = writeln!(text, "\n{}", sentence(verdict));
    }
    text
}

fn rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let figures: BTreeSet<Figure> =
        comparison.results.iter().flat_map(|result| result.figures.keys().copied()).collect();
    let nginx = comparison.results.iter().find(|result| result.target == Target::Nginx);
    let mut heading = vec!["target".to_owned()];
    for figure in &figures {
        heading.push(figure.heading().to_owned());
        if figure.is_compared() {
            heading.push("× nginx".to_owned());
        }
    }
    let row = |result: &TargetResult| {
        let mut row = vec![result.target.name().to_owned()];
        for figure in &figures {
            let spread = result.figures.get(figure);
            row.push(spread.map_or("–".to_owned(), cell));
            if figure.is_compared() {
                let base = nginx.and_then(|nginx| nginx.figures.get(figure));
                row.push(spread.zip(base).map_or("–".to_owned(), |(spread, base)| {
                    format!("{:.2}", spread.median / base.median)
                }));
            }
        }
        row
    };
    std::iter::once(heading).chain(comparison.results.iter().map(row)).collect()
}

/// The median, with the lowest and highest round where they are more than a tenth apart.
fn cell(spread: &Spread) -> String {
    let Spread { median, low, high } = *spread;
    match high - low > 0.1 * median.abs() {
        true => format!("{} ({}–{})", number(median), number(low), number(high)),
        false => number(median),
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Rows as an aligned Markdown table; the first is the heading.
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if index == 0 {
            for width in &widths {
                let _ = write!(text, "| {:-<width$} ", "");
            }
            text.push_str("|\n");
        }
    }
    text
}

fn sentence(verdict: &Verdict) -> String {
    let heading = verdict.figure.heading();
    let (limit, kept) = (&verdict.limit, if verdict.kept { "kept" } else { "NOT kept" });
    match verdict.seen {
        Some(seen) => format!("{heading}, {limit}: {seen:.2}, {kept}."),
        None => format!("{heading}, {limit}: not measured."),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_table_has_a_ratio_beside_each_cost() {
        let spread = |median: f64| Spread { median, low: median, high: median };
        let result = |target, cost| TargetResult {
            target,
            figures: BTreeMap::from([(Figure::CpuUsPerRequest, spread(cost))]),
            failures: BTreeMap::new(),
        };
        let comparison = Comparison {
            case: "small".into(),
            title: "Small".into(),
            rounds: 5,
            load_average: [0.1, 0.9],
            results: vec![result(Target::Nginx, 20.0), result(Target::Isthmus, 30.0)],
            verdicts: vec![],
        };
        let text = render(&comparison);
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(lines[0], "| target  | CPU µs/request | × nginx |");
        assert_eq!(lines[3], "| isthmus | 30.0           | 1.50    |");
    }

    #[test]
    fn a_wide_spread_is_shown_and_a_narrow_one_is_not() {
        assert_eq!(cell(&Spread { median: 100.0, low: 80.0, high: 120.0 }), "100 (80.0–120)");
        assert_eq!(cell(&Spread { median: 100.0, low: 99.0, high: 101.0 }), "100");
    }
}

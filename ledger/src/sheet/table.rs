//! A sheet for people at a terminal of 100 columns: words to the left, figures to the right, totals
//! below a line, and the notes under it.

use std::fmt::Write;

use super::{Cell, Column, Kind, Sheet, number};

/// The columns of a terminal that a report can count on.
const WIDTH: usize = 100;
const GAP: &str = "  ";
/// Words are cut no shorter than this.
const SHORTEST_WORD: usize = 8;

/// The whole sheet.
pub fn text(sheet: &Sheet) -> String {
    let (all, brief) = (sheet.visible(), brief(sheet.visible()));
    // Where all of it does not fit, what goes first are figures that say nothing.
    let fits = shown(&all).2.iter().sum::<usize>() + GAP.len() * all.columns.len() <= WIDTH;
    let sheet = if fits { &all } else { &brief };
    let (rows, total, widths) = shown(sheet);
    let mut text = String::new();
    if !sheet.title.is_empty() {
        text.push_str(&sheet.title);
        text.push_str("\n\n");
    }
    let titles: Vec<_> = sheet.columns.iter().map(|column| column.title.clone()).collect();
    line(&mut text, &titles, sheet, &widths);
    rule(&mut text, &widths);
    rows.iter().for_each(|row| line(&mut text, row, sheet, &widths));
    if rows.is_empty() {
        text.push_str("nothing in this period\n");
    }
    if let Some(mut total) = total {
        rule(&mut text, &widths);
        if sheet.columns.first().is_some_and(|first| first.kind == Kind::Text) {
            total[0] = "total".to_owned();
        }
        line(&mut text, &total, sheet, &widths);
    }
    if !sheet.notes.is_empty() {
        text.push('\n');
    }
    for note in &sheet.notes {
        wrapped(&mut text, note);
    }
    text
}

/// The cells as people read them, those of the totals, and how wide each column is.
fn shown(sheet: &Sheet) -> (Vec<Vec<String>>, Option<Vec<String>>, Vec<usize>) {
    let decimals = decimals(sheet);
    let shown = |row: &Vec<Cell>| -> Vec<String> {
        row.iter().zip(&decimals).map(|(cell, decimals)| show(cell, *decimals)).collect()
    };
    let rows: Vec<_> = sheet.rows.iter().map(shown).collect();
    let total = sheet.total.as_ref().map(shown);
    let widths = widths(sheet, &rows, total.as_ref());
    (rows, total, widths)
}

/// The sheet without counts that are all nothing, or all the same as in the column before.
fn brief(mut sheet: Sheet) -> Sheet {
    let says_nothing = |at: usize| {
        let is_count = sheet.columns[at].kind == Kind::Count;
        let nothing = sheet.rows.iter().all(|row| row[at] == Cell::Count(0));
        let again = at > 0 && sheet.rows.iter().all(|row| row[at] == row[at - 1]);
        is_count && !sheet.rows.is_empty() && (nothing || again)
    };
    let silent: Vec<_> = (0..sheet.columns.len()).filter(|at| says_nothing(*at)).collect();
    for at in silent.into_iter().rev() {
        sheet.columns.remove(at);
        sheet.rows.iter_mut().chain(&mut sheet.total).for_each(|row| {
            row.remove(at);
        });
    }
    sheet
}

/// How many decimals each column is shown with. Those of money follow from its smallest figure: cents
/// where all are dollars, more where a cent would hide them.
pub(super) fn decimals(sheet: &Sheet) -> Vec<usize> {
    let of = |(at, column): (usize, &Column)| match column.kind {
        Kind::Number(decimals) => decimals,
        Kind::Money => money_decimals(sheet.rows.iter().map(|row| &row[at])),
        Kind::Text | Kind::Count | Kind::Moment => 0,
    };
    sheet.columns.iter().enumerate().map(of).collect()
}

fn money_decimals<'c>(cells: impl Iterator<Item = &'c Cell>) -> usize {
    const CENT: u128 = 10_000_000_000;
    let amount = |cell: &Cell| match cell {
        Cell::Money(money) => money.pico_dollars().unsigned_abs(),
        _ => 0,
    };
    match cells.map(amount).filter(|amount| *amount > 0).min() {
        None => 2,
        Some(least) if least >= CENT => 2,
        Some(least) if least >= CENT / 100 => 6,
        Some(_) => 12,
    }
}

/// A cell as people read it.
pub(super) fn show(cell: &Cell, decimals: usize) -> String {
    match cell {
        Cell::Empty => "–".to_owned(),
        Cell::Count(count) => number::grouped(super::Number::whole(*count).units(), 0),
        Cell::Money(money) => number::grouped(money.pico_dollars(), decimals),
        Cell::Number(number) => number::grouped(number.units(), decimals),
        Cell::Text(text) if text.is_empty() => "–".to_owned(),
        Cell::Text(_) | Cell::Moment(_) => cell.to_string(),
    }
}

/// As wide as what stands in each; where that is too much, words give way, the longest first.
fn widths(sheet: &Sheet, rows: &[Vec<String>], total: Option<&Vec<String>>) -> Vec<usize> {
    let wide = |at: usize, column: &Column| {
        let cells = rows.iter().chain(total).map(|row| row[at].chars().count());
        cells.chain([column.title.chars().count()]).max().unwrap_or(0)
    };
    let mut widths: Vec<_> =
        sheet.columns.iter().enumerate().map(|(at, it)| wide(at, it)).collect();
    let words: Vec<_> =
        (0..widths.len()).filter(|at| sheet.columns[*at].kind == Kind::Text).collect();
    while widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1) > WIDTH {
        let longest = words.iter().copied().max_by_key(|at| widths[*at]);
        match longest.filter(|at| widths[*at] > SHORTEST_WORD) {
            Some(longest) => widths[longest] -= 1,
            None => break,
        }
    }
    widths
}

fn line(text: &mut String, cells: &[String], sheet: &Sheet, widths: &[usize]) {
    let start = text.len();
    for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if at > 0 {
            text.push_str(GAP);
        }
        let cell = cut(cell, *width);
        // A string takes whatever is written to it.
        let _ = match sheet.columns[at].kind {
            Kind::Text | Kind::Moment => write!(text, "{cell:<width$}"),
            Kind::Count | Kind::Money | Kind::Number(_) => write!(text, "{cell:>width$}"),
        };
    }
    text.truncate(start.max(text.trim_end().len()));
    text.push('\n');
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn rule(text: &mut String, widths: &[usize]) {
    let lines: Vec<_> = widths.iter().map(|width| "─".repeat(*width)).collect();
    text.push_str(&lines.join(GAP));
    text.push('\n');
}

fn wrapped(text: &mut String, note: &str) {
    let mut used = 0;
    for word in note.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > WIDTH {
            text.push('\n');
            used = 0;
        } else if used > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += length;
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use isthmus_inference::money::Money;

    use super::*;

    fn sheet() -> Sheet {
        let columns = vec![
            Column::new("team", "Team", Kind::Text),
            Column::new("requests", "Requests", Kind::Count),
            Column::new("cost_usd", "Cost $", Kind::Money),
        ];
        let row = |team: &str, requests: u64, cost: &str| {
            vec![team.into(), requests.into(), cost.parse::<Money>().unwrap().into()]
        };
        Sheet {
            title: "Spend".into(),
            columns,
            rows: vec![row("support", 12_345, "1234.5"), row("", 1, "0.01")],
            total: Some(row("", 12_346, "1234.51")),
            notes: vec!["All of it is reported.".into()],
        }
    }

    #[test]
    fn figures_stand_under_each_other() {
        let expected = "\
Spend

Team     Requests    Cost $
───────  ────────  ────────
support    12,345  1,234.50
–               1      0.01
───────  ────────  ────────
total      12,346  1,234.51

All of it is reported.
";
        assert_eq!(text(&sheet()), expected);
    }

    #[test]
    fn words_give_way_before_figures() {
        let mut sheet = sheet();
        sheet.rows[0][0] = "x".repeat(300).into();
        sheet.notes = vec!["word ".repeat(60)];
        let text = text(&sheet);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("x…  ") && text.contains("12,345  1,234.50"), "{text}");
    }

    #[test]
    fn small_amounts_are_not_hidden() {
        let mut sheet = sheet();
        sheet.rows[1][2] = Money::from_pico_dollars(1_250_000).into();
        assert!(text(&sheet).contains("0.000001250000"));
    }
}

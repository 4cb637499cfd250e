//! A sheet as a table of HTML: words to the left, figures to the right in digits of one width.

use std::fmt::Write;

use super::table::{decimals, show};
use super::{Cell, Kind, Sheet};

/// The table and the notes under it, without a title.
pub fn table(sheet: &Sheet) -> String {
    let sheet = &sheet.visible();
    let decimals = decimals(sheet);
    let mut html = String::from("<table><thead><tr>");
    for column in &sheet.columns {
        // A unit stays with what it measures.
        let title = column.title.replace(" $", "\u{a0}$").replace(" %", "\u{a0}%");
        tag(&mut html, "th", column.kind, &title);
    }
    html.push_str("</tr></thead><tbody>");
    for row in &sheet.rows {
        html.push_str("<tr>");
        for (at, cell) in row.iter().enumerate() {
            tag(&mut html, "td", sheet.columns[at].kind, &show(cell, decimals[at]));
        }
        html.push_str("</tr>");
    }
    if sheet.rows.is_empty() {
        let columns = sheet.columns.len();
        // A string takes whatever is written to it.
        let _ =
            write!(html, "<tr><td colspan={columns} class=none>Nothing in this period</td></tr>");
    }
    html.push_str("</tbody>");
    if let Some(total) = &sheet.total {
        html.push_str("<tfoot><tr>");
        for (at, cell) in total.iter().enumerate() {
            let text = match cell {
                Cell::Empty if at == 0 => "Total".to_owned(),
                Cell::Empty => String::new(),
                cell => show(cell, decimals[at]),
            };
            tag(&mut html, "td", sheet.columns[at].kind, &text);
        }
        html.push_str("</tr></tfoot>");
    }
    html.push_str("</table>");
    for note in &sheet.notes {
        let _ = write!(html, "<p class=note>{}</p>", escape(note));
    }
    html
}

fn tag(html: &mut String, tag: &str, kind: Kind, text: &str) {
    let class = match kind {
        Kind::Text | Kind::Moment => "",
        Kind::Count | Kind::Money | Kind::Number(_) => " class=n",
    };
    let _ = write!(html, "<{tag}{class}>{}</{tag}>", escape(text));
}

/// A text that is shown as it is, in attributes too.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sheet::Column;

    #[test]
    fn what_callers_wrote_is_shown_and_not_run() {
        let sheet = Sheet {
            columns: vec![Column::new("team", "Team", Kind::Text)],
            rows: vec![vec!["<script>alert('x')</script>".into()]],
            ..Sheet::default()
        };
        let html = table(&sheet);
        assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
    }
}

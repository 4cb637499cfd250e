//! Plots as SVG, written by hand: axes, marks, lines, bands and bars are all that is needed.

use std::fmt::Write;

/// A picture with one pair of axes.
#[derive(Debug)]
pub struct Plot {
    body: String,
    /// Where the names of marks stand, so that none stands on another.
    names: Vec<(f64, f64)>,
    x: Axis,
    y: Axis,
}

/// What an axis shows.
#[derive(Debug, Clone)]
pub struct Axis {
    /// What is told, with its unit.
    pub label: String,
    /// The value at the near end.
    pub from: f64,
    /// The value at the far end.
    pub to: f64,
    /// Where numbers stand, and which.
    pub ticks: Vec<(f64, String)>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 440.0;
/// The edges of the axes' field.
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 150.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = HEIGHT - 56.0;

/// Colours that are told apart by people of every eyesight (Okabe and Ito, 2008), and some greys.
pub const COLOURS: [&str; 10] = [
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#555555",
    "#999999", "#bbbbbb",
];

// === impl Axis ===

impl Axis {
    /// From `from` to just beyond `to`, with about five round numbers.
    pub fn round(label: &str, from: f64, to: f64) -> Self {
        let rough = ((to - from) / 5.0).max(1e-9);
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power);
        let (from, to) = ((from / step).floor() * step, (to / step).ceil() * step);
        let count = ((to - from) / step).round() as usize;
        let tick = |index| from + step * index as f64;
        let ticks = (0..=count).map(|index| (tick(index), number(tick(index)))).collect();
        Self { label: label.to_owned(), from, to, ticks }
    }

    fn share(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

// === impl Plot ===

impl Plot {
    /// An empty field with its axes.
    pub fn new(title: &str, x: Axis, y: Axis) -> Self {
        let mut plot = Self { body: String::new(), names: vec![], x, y };
        plot.words(LEFT - 40.0, 20.0, "start", "title", title);
        for (tick, number) in plot.y.ticks.clone() {
            let at = plot.down(tick);
            plot.path(&format!("M{LEFT:.1} {at:.1}H{RIGHT:.1}"), "grid", "");
            plot.words(LEFT - 8.0, at + 4.0, "end", "tick", &number);
        }
        for (tick, number) in plot.x.ticks.clone() {
            let at = plot.along(tick);
            plot.words(at, BOTTOM + 18.0, "middle", "tick", &number);
        }
        plot.path(&format!("M{LEFT:.1} {TOP:.1}V{BOTTOM:.1}H{RIGHT:.1}"), "axis", "");
        let (x_label, y_label) = (plot.x.label.clone(), plot.y.label.clone());
        plot.words(f64::midpoint(LEFT, RIGHT), HEIGHT - 14.0, "middle", "label", &x_label);
        plot.words(LEFT - 40.0, TOP - 6.0, "start", "label", &y_label);
        plot
    }

    /// A mark with its intervals and its name.
    pub fn mark(&mut self, x: [f64; 3], y: [f64; 3], colour: &str, name: &str) {
        let ([x_low, x_mean, x_high], [y_low, y_mean, y_high]) =
            (x.map(|x| self.along(x)), y.map(|y| self.down(y)));
        let cross =
            format!("M{x_low:.1} {y_mean:.1}H{x_high:.1}M{x_mean:.1} {y_low:.1}V{y_high:.1}");
        self.path(&cross, "error", colour);
        let _ = writeln!(
            self.body,
            r#"<circle cx="{x_mean:.1}" cy="{y_mean:.1}" r="4.5" fill="{colour}"/>"#
        );
        let (x, mut y) = (x_mean + 9.0, (y_mean - 6.0).max(TOP + 12.0));
        let near = |(other_x, other_y): &(f64, f64), y: f64| {
            (other_x - x).abs() < 110.0 && (other_y - y).abs() < 12.0
        };
        while self.names.iter().any(|other| near(other, y)) {
            y += 4.0;
        }
        self.names.push((x, y));
        self.words(x, y, "start", "name", name);
    }

    /// A line through points.
    pub fn line(&mut self, points: &[(f64, f64)], colour: &str) {
        let path = self.points(points, "M");
        self.path(&path, "line", colour);
    }

    /// The field between two lines over the same abscissae.
    pub fn band(&mut self, points: &[(f64, f64, f64)], colour: &str) {
        let low: Vec<_> = points.iter().map(|(x, low, _)| (*x, *low)).collect();
        let high: Vec<_> = points.iter().rev().map(|(x, _, high)| (*x, *high)).collect();
        let path = format!("{}{}Z", self.points(&low, "M"), self.points(&high, "L"));
        let _ = writeln!(self.body, r#"<path d="{path}" fill="{colour}"/>"#);
    }

    /// A stretch of the abscissa, with a word at its top.
    pub fn stretch(&mut self, from: f64, to: f64, row: usize, word: &str) {
        let (from, to) = (self.along(from), self.along(to));
        let _ = writeln!(
            self.body,
            r##"<rect x="{from:.1}" y="{TOP:.1}" width="{:.1}" height="{:.1}" fill="#000" opacity="0.10"/>"##,
            (to - from).max(1.0),
            BOTTOM - TOP
        );
        let (x, anchor) = match from > RIGHT - 130.0 {
            true => (to - 3.0, "end"),
            false => (from + 3.0, "start"),
        };
        self.words(x, TOP + 13.0 + 13.0 * row as f64, anchor, "shock", word);
    }

    /// A straight line across at this height, with a word.
    pub fn level(&mut self, y: f64, word: &str) {
        let at = self.down(y);
        self.path(&format!("M{LEFT:.1} {at:.1}H{RIGHT:.1}"), "level", "");
        self.words(RIGHT, at - 5.0, "end", "shock", word);
    }

    /// Colours and what they stand for, beside the field.
    pub fn legend(&mut self, entries: &[(&str, &str)]) {
        for (row, (colour, name)) in entries.iter().enumerate() {
            let y = TOP + 10.0 + 16.0 * row as f64;
            let (x, top) = (RIGHT + 10.0, y - 7.5);
            let _ = writeln!(
                self.body,
                r#"<rect x="{x:.1}" y="{top:.1}" width="11" height="11" fill="{colour}"/>"#
            );
            self.words(RIGHT + 26.0, y + 2.0, "start", "tick", name);
        }
    }

    /// The whole picture.
    pub fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\">\n<style>\ntext {{ font-family: sans-serif; fill: #222; }}\n\
             .title {{ font-size: 15px; font-weight: bold; }}\n.label {{ font-size: 12px; }}\n\
             .tick {{ font-size: 11px; fill: #444; }}\n.name {{ font-size: 11px; }}\n\
             .shock {{ font-size: 10px; fill: #333; }}\n.grid {{ stroke: #ddd; fill: none; }}\n\
             .axis {{ stroke: #444; fill: none; }}\n.error {{ stroke-width: 1.2; fill: none; }}\n\
             .line {{ stroke-width: 1.8; fill: none; }}\n\
             .level {{ stroke: #a00; stroke-dasharray: 5 4; fill: none; }}\n</style>\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n{}</svg>\n",
            self.body
        )
    }

    fn along(&self, x: f64) -> f64 {
        LEFT + self.x.share(x) * (RIGHT - LEFT)
    }

    fn down(&self, y: f64) -> f64 {
        BOTTOM - self.y.share(y) * (BOTTOM - TOP)
    }

    fn points(&self, points: &[(f64, f64)], first: &str) -> String {
        let mut path = String::new();
        for (index, (x, y)) in points.iter().enumerate() {
            let verb = if index == 0 { first } else { "L" };
            let _ = write!(path, "{verb}{:.1} {:.1}", self.along(*x), self.down(*y));
        }
        path
    }

    fn path(&mut self, path: &str, class: &str, colour: &str) {
        let stroke =
            if colour.is_empty() { String::new() } else { format!(" stroke=\"{colour}\"") };
        let _ = writeln!(self.body, r#"<path d="{path}" class="{class}"{stroke}/>"#);
    }

    fn words(&mut self, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
        let words = words.replace('&', "&amp;").replace('<', "&lt;");
        let _ = writeln!(
            self.body,
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{words}</text>"#
        );
    }
}

/// Without decimals that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers_around_its_values() {
        let axis = Axis::round("x", 0.0, 9.3);
        assert_eq!((axis.from, axis.to), (0.0, 10.0));
        let numbers: Vec<_> = axis.ticks.iter().map(|(_, number)| number.as_str()).collect();
        assert_eq!(numbers, ["0", "2", "4", "6", "8", "10"]);
        assert_eq!(number(0.30), "0.3");
        assert_eq!(number(800.0), "800");
    }

    #[test]
    fn what_is_drawn_lies_where_it_should_and_words_are_escaped() {
        let axis = || Axis::round("x", 0.0, 10.0);
        let mut plot = Plot::new("a < b", axis(), axis());
        plot.line(&[(0.0, 0.0), (10.0, 10.0)], "#000");
        let text = plot.finish();
        assert!(text.contains("M70.0 384.0L710.0 44.0"), "{text}");
        assert!(text.contains("a &lt; b"));
    }
}

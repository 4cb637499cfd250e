//! From dollars to places on paper. Here alone money becomes a float: nobody reads a figure off it.

use isthmus_inference::money::Money;

use crate::sheet::number::grouped;

/// An axis from nothing to a round number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Dollars between two lines,
    step: f64,
    /// and how many lines there are above the first.
    steps: u32,
    length: f64,
}

/// Lines that an axis should have, about.
const LINES: f64 = 4.0;

impl Scale {
    /// An axis of this length that reaches over the largest amount.
    pub(super) fn over(largest: Money, length: f64) -> Self {
        let largest = dollars(largest).max(1e-9);
        let rough = largest / LINES;
        let magnitude = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * magnitude)
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * magnitude);
        Self { step, steps: (largest / step).ceil().max(1.0) as u32, length }
    }

    /// How long an amount is.
    pub(super) fn length(&self, amount: Money) -> f64 {
        dollars(amount).max(0.0) / (self.step * f64::from(self.steps)) * self.length
    }

    /// The lines of the axis: where they are, and what they say.
    pub(super) fn lines(&self) -> Vec<(f64, String)> {
        let line = |number: u32| {
            let dollars = self.step * f64::from(number);
            let decimals = if self.step >= 1.0 && self.step.fract() == 0.0 {
                0
            } else {
                ((-self.step.log10()).ceil().max(0.0) as usize + 1).clamp(2, 9)
            };
            let units = (dollars * 1e12).round() as i128;
            let place = f64::from(number) / f64::from(self.steps) * self.length;
            (place, format!("${}", grouped(units, decimals)))
        };
        (0..=self.steps).map(line).collect()
    }
}

/// An amount for people: cents, or more where there are none.
pub(super) fn amount(money: Money) -> String {
    let pico = money.pico_dollars();
    let decimals = if pico != 0 && pico.abs() < 10_000_000_000 { 6 } else { 2 };
    let text = grouped(pico, decimals);
    text.strip_prefix('-').map_or_else(|| format!("${text}"), |rest| format!("−${rest}"))
}

fn dollars(money: Money) -> f64 {
    money.pico_dollars() as f64 / 1e12
}

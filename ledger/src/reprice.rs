//! What was charged by a wrong price, put right: corrections from settled exchanges and the right
//! tariffs. Nothing is rewritten: a correction is an entry of its own, and carries the difference.

use std::collections::HashMap;
use std::sync::Arc;

use isthmus_inference::tariff::Tariff;

use crate::entry::{Correction, ExchangeId, Line, Settled};

/// Lines as they stand since they were corrected. Whoever corrects again starts from these, or the
/// same difference would be charged twice.
#[derive(Debug, Default)]
pub struct Standing(HashMap<(ExchangeId, u32), (i64, Line)>);

/// The corrections that an exchange needs: `right` says by which tariff a line should have been
/// charged, and says nothing of lines that are to stay as they are.
///
/// Lines that were corrected before are handed in as they stand since then.
pub fn corrections(
    settled: &Settled,
    mut right: impl FnMut(&Line) -> Option<Arc<Tariff>>,
    now: i64,
    reason: &str,
) -> Vec<Correction> {
    let correct = |line: &Line| correction(settled, line, right(line)?.as_ref(), now, reason);
    settled.lines.iter().filter_map(correct).collect()
}

/// The correction of one line; `None` if it costs the same, or used nothing that costs.
pub fn correction(
    settled: &Settled,
    line: &Line,
    right: &Tariff,
    now: i64,
    reason: &str,
) -> Option<Correction> {
    if line.usage.total() == 0 {
        return None;
    }
    let priced = right.price(line.usage.tier, line.usage.input());
    let cost = priced.written.price.cost(&line.usage);
    if line.cost == Some(cost) {
        return None;
    }
    Some(Correction {
        exchange: settled.exchange,
        of: settled.at,
        at: now,
        about: Arc::clone(&settled.about),
        line: Line { price: Some(priced.id.clone()), cost: Some(cost), ..line.clone() },
        was: line.cost,
        reason: reason.to_owned(),
    })
}

// === impl Standing ===

impl Standing {
    /// A correction was made before; the last of a line counts.
    pub fn was_corrected(&mut self, correction: Correction) {
        let Correction { exchange, at, line, .. } = correction;
        let place = self.0.entry((exchange, line.number));
        let stands = place.or_insert_with(|| (at, line.clone()));
        if at >= stands.0 {
            *stands = (at, line);
        }
    }

    /// An exchange as it stands now.
    pub fn of(&self, mut settled: Settled) -> Settled {
        for line in &mut settled.lines {
            if let Some((_, stands)) = self.0.get(&(settled.exchange, line.number)) {
                line.clone_from(stands);
            }
        }
        settled
    }
}

#[cfg(test)]
mod tests {
    use isthmus_inference::money::{Money, Price};
    use isthmus_inference::usage::Usage;

    use super::*;
    use crate::entry::{CacheUse, Entry, ExchangeId, Options, Outcome};
    use crate::fold::buckets;

    fn tariff(input: &str) -> Arc<Tariff> {
        let price = Price {
            input: input.parse().unwrap(),
            output: "8".parse().unwrap(),
            ..Price::default()
        };
        Arc::new(Tariff::flat(price, "https://example.org/prices"))
    }

    fn line(endpoint: &str, charged: Option<&Tariff>, input: u64) -> Line {
        let usage = Usage { uncached_input: input, ..Usage::default() };
        let priced = charged.map(|tariff| tariff.price(None, input));
        Line {
            number: 1,
            endpoint: endpoint.into(),
            provider: "p".into(),
            upstream_model: "m".into(),
            reason: "first".into(),
            fate: "answered".into(),
            counts: true,
            usage,
            price: priced.map(|priced| priced.id.clone()),
            cost: priced.map(|priced| priced.written.price.cost(&usage)),
            began: 0,
            first_output_ms: None,
            took_ms: 0,
        }
    }

    fn settled(lines: Vec<Line>) -> Settled {
        Settled {
            exchange: ExchangeId::new(1_000, 7),
            at: 1_000,
            request_id: "r".into(),
            about: Arc::default(),
            outcome: Outcome::Answered,
            lines,
            options: Options::default(),
            cache: CacheUse::Off,
        }
    }

    #[test]
    fn the_difference_falls_into_the_period_of_what_was_wrong() {
        let (wrong, right) = (tariff("2"), tariff("3"));
        let settled = settled(vec![
            line("dear", Some(&wrong), 1_000_000),
            line("other", Some(&wrong), 1_000_000),
            line("idle", Some(&wrong), 0),
        ]);
        let tariff = |line: &Line| (line.endpoint != "other").then(|| right.clone());
        let corrections = corrections(&settled, tariff, 9_000, "the list was read wrongly");
        assert_eq!(corrections.len(), 1);
        let correction = &corrections[0];
        assert_eq!((correction.of, correction.at), (1_000, 9_000));
        assert_eq!(correction.was, Some("2".parse().unwrap()));
        assert_eq!(correction.line.cost, Some("3".parse().unwrap()));
        assert_eq!(correction.line.price.as_deref(), Some(right.standard().id.as_str()));
        let buckets = buckets(&Entry::Correction(Box::new(correction.clone())));
        let sum: Money = buckets.iter().map(|bucket| bucket.sums.cost).sum();
        assert_eq!(sum, "1".parse().unwrap());
    }

    #[test]
    fn what_had_no_price_is_charged_in_full_and_what_is_right_stays() {
        let right = tariff("3");
        let exchange = settled(vec![line("e", None, 1_000_000), line("e", Some(&right), 5)]);
        let corrections = corrections(&exchange, |_| Some(right.clone()), 9_000, "priced late");
        assert_eq!(corrections.len(), 1);
        assert_eq!((corrections[0].was, corrections[0].line.cost), (None, "3".parse().ok()));
        let mut standing = Standing::default();
        corrections.into_iter().for_each(|correction| standing.was_corrected(correction));
        let again = standing.of(exchange);
        assert!(super::corrections(&again, |_| Some(right.clone()), 9_001, "again").is_empty());
    }

    #[test]
    fn the_last_correction_counts_in_whatever_order_they_are_read() {
        let wrong = tariff("2");
        let exchange = settled(vec![line("e", Some(&wrong), 1_000_000)]);
        let correct = |from: &Settled, input, at| {
            corrections(from, |_| Some(tariff(input)), at, "wrong").remove(0)
        };
        let first = correct(&exchange, "3", 1);
        let mut standing = Standing::default();
        standing.was_corrected(first.clone());
        let second = correct(&standing.of(exchange.clone()), "4", 2);
        assert_eq!(second.was, first.line.cost);
        let mut backwards = Standing::default();
        [second.clone(), first].into_iter().for_each(|it| backwards.was_corrected(it));
        assert_eq!(backwards.of(exchange).lines, [second.line]);
    }
}

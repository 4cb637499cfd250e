//! How much of what an endpoint has read lately its prompt cache still has, as its reports say.
//!
//! Caches are evicted, another machine of the provider answers, a provider caches only what is marked:
//! what an endpoint keeps differs from one to the next, and each report on a prompt that it had read
//! before tells.

/// The share that is kept, as a mean of reports that leans on what is usual.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caching {
    /// Sum of the shares, and how many there are; older ones count less.
    kept: f64,
    reports: f64,
}

/// What is assumed of a stranger,
const USUAL: f64 = 0.8;
/// as if so many reports had said so.
const PRIOR: f64 = 4.0;
/// More reports than this do not make it surer, so that a change is seen.
const MOST: f64 = 50.0;

impl Caching {
    /// Of a prompt of which the endpoint had read `known` tokens before, so many were in its cache.
    pub fn observe(&mut self, known: f64, cached_tokens: u64) {
        if known < 1.0 {
            return;
        }
        self.kept += (cached_tokens as f64 / known).min(1.0);
        self.reports += 1.0;
        let factor = (MOST / self.reports).min(1.0);
        self.kept *= factor;
        self.reports *= factor;
    }

    /// The share that it is expected to have, `0.0..=1.0`.
    pub fn kept(&self) -> f64 {
        (self.kept + USUAL * PRIOR) / (self.reports + PRIOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reports: &[(u64, usize)]) -> f64 {
        let mut caching = Caching::default();
        for (cached, times) in reports {
            (0..*times).for_each(|_| caching.observe(1000.0, *cached));
        }
        caching.kept()
    }

    #[test]
    fn reports_outweigh_what_is_usual_and_newer_ones_the_older() {
        assert!((after(&[]) - 0.8).abs() < 1e-9);
        assert!(after(&[(0, 20)]) < 0.15, "whoever caches nothing is known soon");
        assert!(after(&[(1000, 20)]) > 0.95);
        let changed = after(&[(0, 500), (1000, 100)]);
        assert!(changed > 0.8, "{changed}");
    }

    #[test]
    fn no_report_makes_more_of_it_than_all() {
        assert!(after(&[(9000, 500)]) <= 1.0);
        let mut nothing_known = Caching::default();
        nothing_known.observe(0.0, 0);
        assert!((nothing_known.kept() - 0.8).abs() < 1e-9);
    }
}

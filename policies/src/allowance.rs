//! So many extra attempts for so many requests: keeps retries and second copies from becoming the
//! load that they are meant to bear.

use std::time::Duration;

use crate::moment::Moment;

/// How many extra attempts there may be within ten seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// For each request,
    pub of_requests: f64,
    /// and in any case.
    pub at_least: u32,
}

/// Counts requests and extra attempts of the last ten seconds.
#[derive(Debug, Clone)]
pub struct Allowance {
    share: Share,
    /// For each second: which one, its requests and its extra attempts.
    seconds: [(u64, u32, u32); SECONDS],
}

const SECONDS: usize = 10;

impl Allowance {
    /// Nothing has happened yet.
    pub const fn new(share: Share) -> Self {
        Self { share, seconds: [(0, 0, 0); SECONDS] }
    }

    /// A request has come.
    pub fn request(&mut self, now: Moment) {
        let requests = &mut self.second(now).1;
        *requests = requests.saturating_add(1);
    }

    /// Whether there may be an extra attempt; if so, it is counted.
    pub fn take(&mut self, now: Moment) -> bool {
        let second = now.since(Moment::START).as_secs();
        let recent = |of: &u64| *of <= second && second - of < SECONDS as u64;
        let (requests, extra) = (self.seconds.iter())
            .filter(|(of, _, _)| recent(of))
            .fold((0.0, 0.0), |sum, (_, requests, extra)| {
                (sum.0 + f64::from(*requests), sum.1 + f64::from(*extra))
            });
        let most = requests * self.share.of_requests + f64::from(self.share.at_least);
        let allowed = extra + 1.0 <= most;
        if allowed {
            self.second(now).2 += 1;
        }
        allowed
    }

    fn second(&mut self, now: Moment) -> &mut (u64, u32, u32) {
        let second = now.since(Moment::START).as_secs();
        let slot = &mut self.seconds[(second % SECONDS as u64) as usize];
        if slot.0 != second {
            *slot = (second, 0, 0);
        }
        slot
    }
}

/// The default of retries: one for five requests, and one a second.
pub const RETRIES: Share = Share { of_requests: 0.2, at_least: SECONDS as u32 };

/// How long a request or an attempt counts.
pub const WINDOW: Duration = Duration::from_secs(SECONDS as u64);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn without_requests_only_the_floor_is_there_and_it_comes_back() {
        let mut retries = Allowance::new(RETRIES);
        let taken =
            |retries: &mut Allowance, second| (0..100).filter(|_| retries.take(at(second))).count();
        assert_eq!(taken(&mut retries, 5), 10);
        assert_eq!(taken(&mut retries, 14), 0);
        assert_eq!(taken(&mut retries, 15), 10);
    }

    proptest! {
        #[test]
        fn extra_attempts_stay_within_their_share(events in proptest::collection::vec((0u64..3, any::<bool>()), 1..500)) {
            let mut retries = Allowance::new(RETRIES);
            let mut history = vec![];
            let mut second = 0;
            for (pause, is_request) in events {
                second += pause;
                if is_request {
                    retries.request(at(second));
                    history.push((second, true));
                } else if retries.take(at(second)) {
                    history.push((second, false));
                } else {
                    continue;
                }
                let recent = |of_requests| {
                    let within = history.iter().filter(|(of, _)| second - of < 10);
                    within.filter(|(_, is_request)| *is_request == of_requests).count() as f64
                };
                // Requests may grow old before the attempts that they allowed.
                let within_share = recent(false) <= recent(true) * 0.2 + 10.0;
                prop_assert!(is_request || within_share);
            }
        }
    }
}

//! What can happen to budgets.

use isthmus_adapters::notice::Undelivered;
use isthmus_policies::budget::window;
use tracing::{info, warn};

use crate::quota::notices::Notice;
use crate::quota::redis::LinkError;

/// So many percent of a budget are used; told once for each threshold in a window.
pub struct ThresholdPassed<'a> {
    /// Which, and how it stands.
    pub notice: &'a Notice,
}

/// Nobody took notice of it.
pub struct NoticeUndelivered<'a> {
    /// The budget.
    pub budget: &'a str,
    /// Why.
    pub error: &'a Undelivered,
}

/// The sums that gateways share cannot be asked for.
pub struct RedisUnreachable<'a> {
    /// Why.
    pub error: &'a LinkError,
}

/// The sums that gateways share can be asked for again.
pub struct RedisReachable;

/// This machine's clock is not that of Redis, which counts.
pub struct ClockDiffers {
    /// By how much Redis' is ahead.
    pub milliseconds: i64,
}

/// Redis may throw sums away when its memory is full.
pub struct SumsMayBeEvicted;

// === impl ThresholdPassed ===

impl ThresholdPassed<'_> {
    /// Tells.
    pub fn emit(self) {
        let Notice { budget, member, threshold, percent, window_ends, .. } = self.notice;
        let window_ends = window_ends.map(window::shown).unwrap_or_default();
        warn!(budget, of = &**member, threshold, percent, window_ends, "a budget is being used up");
    }
}

// === impl NoticeUndelivered ===

impl NoticeUndelivered<'_> {
    /// Tells.
    pub fn emit(self) {
        warn!(budget = self.budget, error = %self.error, "limits.webhook did not take a notice");
    }
}

// === impl RedisUnreachable ===

impl RedisUnreachable<'_> {
    /// Tells.
    pub fn emit(self) {
        warn!(
            error = %self.error,
            "Redis cannot be asked for the sums of budgets; limits.when_unreachable says what becomes of calls under hard budgets"
        );
    }
}

// === impl RedisReachable ===

impl RedisReachable {
    /// Tells.
    pub fn emit(self) {
        info!("Redis can be asked for the sums of budgets again");
    }
}

// === impl ClockDiffers ===

impl ClockDiffers {
    /// Tells.
    pub fn emit(self) {
        warn!(
            milliseconds = self.milliseconds,
            "this machine's clock differs from Redis', by which the windows of budgets are counted"
        );
    }
}

// === impl SumsMayBeEvicted ===

impl SumsMayBeEvicted {
    /// Tells.
    pub fn emit(self) {
        warn!(
            "Redis may evict the sums of budgets when its memory is full; set maxmemory-policy noeviction"
        );
    }
}

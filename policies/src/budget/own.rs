//! Limits that a key brings along. They are budgets like others, with a sum for every key, but how much
//! is allowed is for each key to say.

use std::time::Duration;

use super::window::{Calendar, Unit, Zone};
use super::{Budget, Dimension, Limits, Mode, OnExhaust, Scope, Sort, Window};

/// What a key may take by its own limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnLimits {
    /// Requests and tokens within any sixty seconds.
    pub rate: Limits,
    /// Requests under way.
    pub concurrency: Limits,
    /// In a day of UTC.
    pub day: Limits,
    /// In a calendar month of UTC.
    pub month: Limits,
}

/// Which of a key's own limits a budget keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// [`OwnLimits::rate`].
    Rate,
    /// [`OwnLimits::concurrency`].
    Concurrency,
    /// [`OwnLimits::day`].
    Day,
    /// [`OwnLimits::month`].
    Month,
}

impl Own {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Rate, Self::Concurrency, Self::Day, Self::Month];

    /// The budget that keeps to it, in which every key has a sum. No budget that an operator writes has
    /// such a name, as theirs have no slash.
    pub fn budget(self) -> Budget {
        let calendar = |unit| Window::Calendar(Calendar { unit, zone: Zone::UTC, first_month: 1 });
        let (name, window, sort) = match self {
            Self::Rate => ("key/rate", Window::rolling(Duration::from_mins(1)), Sort::Rate),
            Self::Concurrency => ("key/concurrency", Window::Always, Sort::Places),
            Self::Day => ("key/day", calendar(Unit::Day), Sort::Spending),
            Self::Month => ("key/month", calendar(Unit::Month), Sort::Spending),
        };
        Budget {
            name: name.into(),
            scope: Scope { of: vec![], each: Some(Dimension::Key) },
            window,
            limits: Limits::default(),
            own: Some(self),
            mode: Mode::Hard,
            warn_at: if sort == Sort::Spending { vec![80, 100] } else { vec![] },
            on_exhaust: OnExhaust::Refuse,
            sort,
        }
    }

    /// What a key allows of it; `None` if it does not say.
    pub fn of(self, limits: &OwnLimits) -> Option<Limits> {
        let limits = match self {
            Self::Rate => limits.rate,
            Self::Concurrency => limits.concurrency,
            Self::Day => limits.day,
            Self::Month => limits.month,
        };
        (limits != Limits::default()).then_some(limits)
    }
}

impl OwnLimits {
    /// No limits.
    pub const NONE: Self = {
        const NONE: Limits = Limits { money: None, tokens: None, requests: None };
        Self { rate: NONE, concurrency: NONE, day: NONE, month: NONE }
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::budget::{Amounts, Measure, Subject};

    #[test]
    fn a_key_without_limits_is_in_no_sum_and_one_with_them_keeps_to_its_own() {
        let tags = BTreeMap::new();
        let subject = |own| Subject {
            organisation: "acme",
            team: "support",
            app: "web",
            key: "isk-12345678",
            model: "chat",
            label: "chat",
            tags: &tags,
            own,
        };
        let budget = Own::Day.budget();
        let none = OwnLimits::default();
        assert_eq!(budget.limits_for(&subject(&none)), None);
        let money = Some("0.10".parse().unwrap());
        let own = OwnLimits { day: Limits { money, ..Limits::default() }, ..none };
        let limits = budget.limits_for(&subject(&own)).unwrap();
        let claim = Amounts { money: "0.11".parse().unwrap(), ..Amounts::default() };
        assert_eq!(budget.refuses(&limits, Amounts::default(), claim), Some(Measure::Money));
        assert_eq!(Own::Month.budget().limits_for(&subject(&own)), None);
        assert_eq!(budget.scope.member(&subject(&own), "openai"), Some("isk-12345678"));
    }
}

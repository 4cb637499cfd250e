//! Plans against what was spent: how much of a budget is used, how fast, and where it will end.

use isthmus_inference::money::Money;

use super::calendar::Zone;
use super::forecast::{BackTest, forecast, hourly, when_spent};
use super::key::Key;
use crate::books::{Bucket, Hours};
use crate::sheet::{Cell, Column, Kind, Number, Sheet};

/// A budget as a report sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// By which people know it.
    pub name: String,
    /// Whose spending counts: all words must be these.
    pub scope: Vec<(Key, String)>,
    /// How much may be spent
    pub limit: Money,
    /// in these hours.
    pub window: Hours,
}

/// The report, as it stands at the beginning of the hour `now`. `buckets` reach back as far as forecasts
/// look ([`super::forecast::REACH`]).
pub fn budgets(plans: &[Plan], buckets: &[Bucket], now: i64, zone: &Zone) -> Sheet {
    let mut worst = BackTest::default();
    let rows = plans.iter().map(|plan| {
        let (row, tested) = plan.row(buckets, now, zone);
        if tested.off_by >= worst.off_by {
            worst = tested;
        }
        row
    });
    let rows = rows.collect::<Vec<_>>();
    let mut notes = vec![worst.note()];
    notes.push(
        "Pace is the share that is used by the share of time that is over: above 1, the budget will not last."
            .to_owned(),
    );
    Sheet { title: "Budgets".into(), columns: columns(), rows, total: None, notes }
}

fn columns() -> Vec<Column> {
    vec![
        Column::new("budget", "Budget", Kind::Text),
        Column::new("limit_usd", "Limit $", Kind::Money),
        Column::new("spent_usd", "Spent $", Kind::Money),
        Column::new("used_percent", "Used %", Kind::Number(1)),
        Column::new("pace", "Pace", Kind::Number(2)),
        Column::new("forecast_usd", "At the end $", Kind::Money),
        Column::new("forecast_low_usd", "at least $", Kind::Money),
        Column::new("forecast_high_usd", "at most $", Kind::Money),
        Column::new("runs_out", "Runs out", Kind::Text),
    ]
}

// === impl Plan ===

impl Plan {
    fn counts(&self, bucket: &Bucket, zone: &Zone) -> bool {
        self.scope.iter().all(|(key, word)| key.word(bucket, zone) == *word)
    }

    fn row(&self, buckets: &[Bucket], now: i64, zone: &Zone) -> (Vec<Cell>, BackTest) {
        let hourly = hourly(buckets.iter().filter(|bucket| self.counts(bucket, zone)));
        let Hours { from, to } = self.window;
        // The hour that runs belongs to what is spent, and is not over: it is no past to learn from.
        let here = now.clamp(from, to);
        let spent: Money = hourly.range(from..to).map(|(_, cost)| *cost).sum();
        let past = Hours { from: i64::MIN / 2, to: now };
        let ahead = Hours { from: (here + 1).min(to), to };
        let told = forecast(&hourly, past, ahead, zone);
        let left = self.limit - spent;
        let runs_out = match left < Money::ZERO {
            true => "is used up".to_owned(),
            false => when_spent(&hourly, past, ahead, left, zone)
                .map_or_else(|| "lasts".to_owned(), |hour| zone.day(hour)),
        };
        let used = Number::percent(spent, self.limit);
        let elapsed = Number::ratio(i128::from(here - from) * 100, (to - from).into());
        let pace = used
            .zip(elapsed)
            .and_then(|(used, elapsed)| Number::ratio(used.units(), elapsed.units()));
        let (low, high) = told.between.unzip();
        let row = vec![
            self.name.as_str().into(),
            Cell::Money(self.limit),
            Cell::Money(spent),
            Cell::number(used),
            Cell::number(pace),
            Cell::Money(spent + told.expected),
            Cell::money(low.map(|low| spent + low)),
            Cell::money(high.map(|high| spent + high)),
            runs_out.into(),
        ];
        (row, told.back_test)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::books::{Dimensions, Sums};
    use crate::sheet::json;

    const START: i64 = 498_264;

    fn buckets(hours: i64) -> Vec<Bucket> {
        let of = |team: &str| {
            let mut of = Dimensions::default();
            Arc::make_mut(&mut of.about).team = team.into();
            of
        };
        let bucket = |hour, team| Bucket {
            hour,
            of: of(team),
            sums: Sums { cost: "1".parse().unwrap(), ..Sums::default() },
        };
        (START..START + hours).flat_map(|hour| [bucket(hour, "a"), bucket(hour, "b")]).collect()
    }

    #[test]
    fn a_budget_is_told_with_its_pace_and_its_end() {
        let plan = |limit: &str| Plan {
            name: "team a".into(),
            scope: vec![("team".parse().unwrap(), "a".into())],
            limit: limit.parse().unwrap(),
            window: Hours { from: START + 336, to: START + 336 + 100 },
        };
        let sheet = budgets(&[plan("80"), plan("200")], &buckets(386), START + 386, &Zone::utc());
        let rows = &json::value(&sheet)["rows"];
        assert_eq!(
            (&rows[0]["spent_usd"], &rows[0]["used_percent"]),
            (&"50.00".into(), &"62.5".into())
        );
        assert_eq!(rows[0]["pace"], "1.25");
        assert_eq!(rows[0]["forecast_usd"], "99.00");
        assert_ne!(rows[0]["runs_out"], "lasts");
        assert_eq!(rows[1]["runs_out"], "lasts");
        assert!(sheet.notes[0].contains("off by 0.0 %"), "{:?}", sheet.notes);
    }
}

//! `isthmus replay`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use isthmus_inference::date::Date;
use isthmus_ledger::decision::{DecisionLog, Period};

use super::{CommandError, ConfigFile, block_on, say, say_error};
use crate::app::open_ledger;
use crate::calendar::unix_milliseconds;
use crate::policy_files;
use crate::replay::{Replay, Report};

/// Makes logged decisions anew under other policies, and reports what would change: who would be
/// denied or allowed, by team; who would answer; the cost, exact on the recorded tokens; the latency,
/// modelled. Nothing is sent anywhere.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  isthmus replay --from 7d --candidate policies-next/
  isthmus replay --from 2026-11-01 --to 2026-11-15 --candidate policies/ --candidate-config next.yaml --json

Decisions are logged where `policies.decision_log` is on, as it is wherever `policies.dir` is set.")]
pub(super) struct ReplayArguments {
    #[command(flatten)]
    config: ConfigFile,
    /// The first moment: a day such as 2026-11-01 (UTC), or how long ago: 90m, 24h, 7d.
    #[arg(long, value_name = "DAY | AGE")]
    from: String,
    /// The first moment that is left out, in the same words [default: now].
    #[arg(long, value_name = "DAY | AGE")]
    to: Option<String>,
    /// The folder with the policies to try.
    #[arg(long, value_name = "DIR")]
    candidate: PathBuf,
    /// A configuration whose endpoints and objectives to try [default: those of --config].
    #[arg(long, value_name = "FILE")]
    candidate_config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Rows that are read at once.
const PAGE: u32 = 1000;

impl ReplayArguments {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let settings = self.config.load()?.settings;
        let candidate = match &self.candidate_config {
            Some(file) => ConfigFile { config: Some(file.clone()) }.load()?.settings,
            None => settings.clone(),
        };
        let bundle = policy_files::bundle(Some(&self.candidate)).map_err(CommandError::of)?;
        let replay = Replay::new(&candidate, Arc::new(bundle));
        let now = unix_milliseconds();
        let to = self.to.as_deref().map_or(Ok(now), |text| moment(text, now))?;
        let period = Period { from: moment(&self.from, now)?, to };
        let report = block_on(async {
            let ledger = open_ledger(&settings).await.map_err(CommandError::of)?;
            replayed(&ledger, period, replay).await
        })?;
        if self.json {
            say(&serde_json::to_string_pretty(&report).map_err(CommandError::of)?);
        } else {
            say(report.to_string().trim_end());
        }
        Ok(())
    }
}

async fn replayed(
    log: &impl DecisionLog,
    period: Period,
    mut replay: Replay<'_>,
) -> Result<Report, CommandError> {
    let all = log.count(period).await.map_err(CommandError::of)?;
    let (mut after, mut done, mut told) = (0, 0_u64, 0);
    loop {
        let rows = log.decisions(period, after, PAGE).await.map_err(CommandError::of)?;
        let Some(last) = rows.last() else { return Ok(replay.report()) };
        after = last.number;
        rows.iter().for_each(|row| replay.take(&row.decided));
        done += rows.len() as u64;
        // A line for each twentieth, so that long work shows how far it is.
        if done * 20 / all.max(1) > told && all > u64::from(PAGE) {
            told = done * 20 / all.max(1);
            say_error(&format!("{done} of {all} decisions"));
        }
    }
}

/// A day, or how long ago.
fn moment(text: &str, now: i64) -> Result<i64, CommandError> {
    if let Ok(day) = text.parse::<Date>() {
        return Ok(day.unix_seconds() * 1000);
    }
    let wrong = || {
        CommandError(format!(
            "`{text}` is neither a day such as 2026-11-01 nor an age such as 90m, 24h or 7d"
        ))
    };
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        _ => return Err(wrong()),
    };
    let number: i64 = number.parse().map_err(|_| wrong())?;
    let age = number.checked_mul(minutes * 60_000).filter(|age| *age >= 0).ok_or_else(wrong)?;
    Ok(now - age)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_days_or_ages() {
        let now = 1_800_000_000_000;
        assert_eq!(moment("1970-01-02", now).unwrap(), 86_400_000);
        assert_eq!(moment("90m", now).unwrap(), now - 5_400_000);
        assert_eq!(moment("7d", now).unwrap(), now - 604_800_000);
        for wrong in ["", "d", "soon", "-1d", "7w", "2026-13-01", "99999999999999999d", "7ä"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}

//! The referee: each case through every target, round after round.
//!
//! Targets take turns (A B C A B C …), so that a noisy neighbour disturbs all of them alike, and a
//! figure is the median of its rounds. A round with a single failed request does not count.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::case::{Bar, Case, Shape};
use crate::fault::Fault;
use crate::figures::{Figure, Figures, Spread, over_rounds};
use crate::idle;
use crate::load::{self, Job, Outcome, Plan};
use crate::mock::Mock;
use crate::process::{Footprint, ProcessTree};
use crate::request::Destination;
use crate::tally::Tally;
use crate::target::{Running, Target};

/// How to compare.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The targets, in the order of their turns.
    pub targets: Vec<Target>,
    /// The gateway's binary.
    pub isthmus: PathBuf,
    /// Rounds, where the case's own number is not wanted.
    pub rounds: Option<usize>,
}

/// What came of one case.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The case's name.
    pub case: String,
    /// What was measured.
    pub title: String,
    /// How many rounds.
    pub rounds: usize,
    /// The machine's load average (one minute) before and after.
    pub load_average: [f64; 2],
    /// Each target's result.
    pub results: Vec<TargetResult>,
    /// The limits of the case, and whether they were kept.
    pub verdicts: Vec<Verdict>,
}

/// One target's figures over all rounds.
#[derive(Debug, Serialize)]
pub struct TargetResult {
    /// The target.
    pub target: Target,
    /// Its figures; empty where something failed.
    pub figures: BTreeMap<Figure, Spread>,
    /// What failed, and how often.
    pub failures: BTreeMap<String, u64>,
}

/// Whether a limit was kept.
#[derive(Debug, Serialize)]
pub struct Verdict {
    /// The figure that is limited.
    pub figure: Figure,
    /// The limit in words.
    pub limit: String,
    /// What was seen, in the limit's unit; none where it could not be measured.
    pub seen: Option<f64>,
    /// Whether it was measured and kept.
    pub kept: bool,
}

/// What two meters show: the proxy's processes and this one.
#[derive(Debug, Clone, Copy)]
struct Reading {
    at: Instant,
    proxy: Option<Footprint>,
    harness: Footprint,
}

const MIB: f64 = 1024.0 * 1024.0;
const KIB: f64 = 1024.0;

/// Runs one case through all targets.
pub async fn compare(case: &Case, settings: &Settings) -> Result<Comparison, Fault> {
    let mock = Mock::start(SocketAddr::from(([127, 0, 0, 1], 0)), case.mock.clone()).await?;
    let mut contestants = Vec::new();
    for target in &settings.targets {
        contestants.push(target.start(mock.address(), &settings.isthmus).await?);
    }
    let load_before = load_average();
    let rounds = settings.rounds.unwrap_or(case.rounds);
    let mut figures: Vec<Vec<Figures>> = vec![Vec::new(); contestants.len()];
    let mut failures = vec![BTreeMap::new(); contestants.len()];
    for _ in 0..rounds {
        let mut round = Vec::new();
        for (running, failures) in contestants.iter().zip(&mut failures) {
            round.push(take_turn(case, running, failures).await?);
        }
        // In a closed loop latency is mostly waiting in line, so none of it is called added.
        if matches!(case.shape, Shape::Open { .. }) {
            add_latency_over_direct(&contestants, &mut round);
        }
        for (all, this) in figures.iter_mut().zip(round) {
            all.push(this);
        }
    }
    let results: Vec<TargetResult> = contestants
        .iter()
        .zip(figures.iter().zip(failures))
        .map(|(running, (figures, failures))| TargetResult::new(running.target, figures, failures))
        .collect();
    Ok(Comparison {
        case: case.name.clone(),
        title: case.title.clone(),
        rounds,
        load_average: [load_before, load_average()],
        verdicts: case.bars.iter().map(|bar| judge(bar, &results)).collect(),
        results,
    })
}

/// One target's turn in one round.
async fn take_turn(
    case: &Case,
    running: &Running,
    failures: &mut BTreeMap<String, u64>,
) -> Result<Figures, Fault> {
    let path = case.request.language.path().to_owned();
    let destination = Destination { path, ..running.destination.clone() };
    let job = Job {
        address: destination.address,
        request: case.request.to_http(&destination),
        expects: case.expectation(),
    };
    match (case.shape, case.shape.plan()) {
        (Shape::Idle { streams, settle_seconds }, _) => {
            hold_streams(&job, running, streams, Duration::from_secs_f64(settle_seconds)).await
        }
        (Shape::Closed { .. } | Shape::Open { .. }, Some(plan)) => {
            drive(case, job, running, plan, failures).await
        }
        (Shape::Closed { .. } | Shape::Open { .. }, None) => Ok(Figures::new()),
    }
}

async fn drive(
    case: &Case,
    job: Job,
    running: &Running,
    plan: Plan,
    failures: &mut BTreeMap<String, u64>,
) -> Result<Figures, Fault> {
    let processes = running.processes();
    let before = processes.map(|processes| processes.footprint()).transpose()?;
    let outcome = load::run(job, plan, || Reading::take(processes)).await;
    for (words, count) in &outcome.tally.failures {
        *failures.entry(words.clone()).or_default() += count;
    }
    let outcome =
        Outcome { tally: outcome.tally, opened: outcome.opened?, closed: outcome.closed? };
    let mut figures = cost_figures(&outcome, case.request.stream);
    figures.extend(time_figures(case, &outcome.tally));
    if let (Some(before), Some(after)) = (before, outcome.closed.proxy) {
        figures.insert(Figure::RssIdleMib, before.resident_bytes as f64 / MIB);
        figures.insert(Figure::RssLoadedMib, after.resident_bytes as f64 / MIB);
    }
    Ok(figures)
}

/// CPU over work, and the rate of work.
fn cost_figures(outcome: &Outcome<Reading>, streamed: bool) -> Figures {
    let Outcome { tally, opened, closed } = outcome;
    let seconds = (closed.at - opened.at).as_secs_f64();
    let (work, cost, rate) = match streamed {
        true => (tally.chunks, Figure::CpuUsPerChunk, Figure::ChunksPerSecond),
        false => (tally.requests, Figure::CpuUsPerRequest, Figure::RequestsPerSecond),
    };
    let busy = |cpu: Duration| 100.0 * cpu.as_secs_f64() / seconds;
    let mut figures = Figures::from([
        (rate, work as f64 / seconds),
        (Figure::HarnessBusyPercent, busy((closed.harness - opened.harness).cpu)),
    ]);
    if let (Some(opened), Some(closed)) = (opened.proxy, closed.proxy) {
        let cpu = (closed - opened).cpu;
        figures.insert(cost, cpu.as_secs_f64() * 1e6 / work.max(1) as f64);
        figures.insert(Figure::ProxyBusyPercent, busy(cpu));
    }
    figures
}

fn time_figures(case: &Case, tally: &Tally) -> Figures {
    if case.request.stream {
        return Figures::from([
            (Figure::FirstChunkP50Us, tally.first_chunk.percentile_us(50.0)),
            (Figure::FirstChunkP99Us, tally.first_chunk.percentile_us(99.0)),
            (Figure::GapP99Us, tally.gap.percentile_us(99.0)),
            (Figure::ChunksPerRead, tally.chunks_per_read()),
        ]);
    }
    Figures::from([
        (Figure::P50Us, tally.latency.percentile_us(50.0)),
        (Figure::P99Us, tally.latency.percentile_us(99.0)),
    ])
}

async fn hold_streams(
    job: &Job,
    running: &Running,
    streams: usize,
    settle: Duration,
) -> Result<Figures, Fault> {
    let Some(processes) = running.processes() else {
        return Ok(Figures::new());
    };
    // A first stream, so that what is allocated once is not charged to the two thousand.
    drop(idle::hold(job, 1).await?);
    let before = processes.footprint()?;
    let held = idle::hold(job, streams).await?;
    tokio::time::sleep(settle).await;
    let during = processes.footprint()?;
    match held.ended() {
        0 => Ok(Figures::from([
            (Figure::RssIdleMib, before.resident_bytes as f64 / MIB),
            (Figure::RssLoadedMib, during.resident_bytes as f64 / MIB),
            (Figure::KibPerStream, (during - before).resident_bytes as f64 / KIB / streams as f64),
        ])),
        ended => Err(Fault::Target(format!(
            "{} ended {ended} of {streams} idle streams; its last words:\n{}",
            running.target.name(),
            running.log()
        ))),
    }
}

/// What each proxy added to the latency seen without one, in the same round.
fn add_latency_over_direct(contestants: &[Running], round: &mut [Figures]) {
    let direct = contestants.iter().position(|running| running.target == Target::Direct);
    let Some(direct) = direct.map(|index| round[index].clone()) else {
        return;
    };
    for (running, figures) in contestants.iter().zip(round) {
        if running.target == Target::Direct {
            continue;
        }
        for (whole, added) in [
            (Figure::P50Us, Figure::AddedP50Us),
            (Figure::P99Us, Figure::AddedP99Us),
            (Figure::FirstChunkP50Us, Figure::AddedFirstChunkP50Us),
            (Figure::FirstChunkP99Us, Figure::AddedFirstChunkP99Us),
        ] {
            if let (Some(through), Some(without)) = (figures.get(&whole), direct.get(&whole)) {
                figures.insert(added, through - without);
            }
        }
    }
}

fn judge(bar: &Bar, results: &[TargetResult]) -> Verdict {
    let seen_by = |target| {
        let result = results.iter().find(|result| result.target == target)?;
        result.figures.get(&bar.figure).map(|spread| spread.median)
    };
    let isthmus = seen_by(Target::Isthmus);
    let (limit, most, seen) = match (bar.times_nginx, bar.at_most) {
        (Some(times), _) => {
            let seen = isthmus.zip(seen_by(Target::Nginx)).map(|(isthmus, nginx)| isthmus / nginx);
            (format!("at most {times} × nginx"), times, seen)
        }
        (None, most) => {
            let most = most.unwrap_or(f64::INFINITY);
            (format!("at most {most}"), most, isthmus)
        }
    };
    Verdict { figure: bar.figure, limit, seen, kept: seen.is_some_and(|seen| seen <= most) }
}

fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(f64::NAN)
}

// === impl Reading ===

impl Reading {
    fn take(proxy: Option<ProcessTree>) -> Result<Self, Fault> {
        Ok(Self {
            at: Instant::now(),
            proxy: proxy.map(|processes| processes.footprint()).transpose()?,
            harness: Footprint::own()?,
        })
    }
}

// === impl TargetResult ===

impl TargetResult {
    fn new(target: Target, rounds: &[Figures], failures: BTreeMap<String, u64>) -> Self {
        let figures = match failures.is_empty() {
            true => over_rounds(rounds),
            false => BTreeMap::new(),
        };
        Self { target, figures, failures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(target: Target, median: f64) -> TargetResult {
        let rounds = [Figures::from([(Figure::CpuUsPerRequest, median)])];
        TargetResult::new(target, &rounds, BTreeMap::new())
    }

    fn bar(times_nginx: Option<f64>, at_most: Option<f64>) -> Bar {
        Bar { figure: Figure::CpuUsPerRequest, times_nginx, at_most }
    }

    #[test]
    fn a_ratio_is_judged_against_nginx_of_the_same_run() {
        let results = [result(Target::Nginx, 20.0), result(Target::Isthmus, 30.0)];
        let verdict = judge(&bar(Some(1.6), None), &results);
        assert_eq!((verdict.seen, verdict.kept), (Some(1.5), true));
        assert!(!judge(&bar(Some(1.4), None), &results).kept);
        assert!(!judge(&bar(None, Some(29.0)), &results).kept);
    }

    #[test]
    fn what_was_not_measured_was_not_kept() {
        let verdict = judge(&bar(Some(2.0), None), &[result(Target::Nginx, 20.0)]);
        assert_eq!((verdict.seen, verdict.kept), (None, false));
    }

    #[test]
    fn a_single_failure_takes_the_figures_away() {
        let rounds = [Figures::from([(Figure::P50Us, 1.0)])];
        let failures = BTreeMap::from([("status 500".to_owned(), 1)]);
        assert!(TargetResult::new(Target::Nginx, &rounds, failures).figures.is_empty());
    }
}

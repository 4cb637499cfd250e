//! Every contender on one trace, seed by seed, and the verdict.

use serde::Serialize;

use super::baselines::{BASELINES, Fixed};
use super::fair::{Fair, RENTS};
use super::figures::{Interval, Run};
use super::isthmus::{self, Variant};
use super::market::Market;
use super::oracle::Oracle;
use super::simulation::{self, Contender, Record};
use super::trace::Trace;
use super::world::{Spell, World};

/// What is run.
#[derive(Debug, Clone)]
pub struct Suite {
    /// The requests.
    pub trace: Trace,
    /// The market as written.
    pub market: Market,
    /// Seeds 1 to this.
    pub seeds: u64,
    /// The bound on the 95th percentile of the first token, in milliseconds.
    pub slo_ms: u64,
}

/// Which sort of contender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Knows what nobody can know.
    Oracle,
    /// The real `policies` crate.
    Isthmus,
    /// A well-known way to choose.
    Baseline,
    /// The real `policies` crate without one of its parts.
    Ablation,
}

/// One contender over all seeds.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Its sort.
    pub sort: Sort,
    /// One run for each seed.
    pub runs: Vec<Run>,
}

/// Everything that was seen on one trace.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The trace's name.
    pub trace: String,
    /// How many requests it has.
    pub requests: usize,
    /// The bound on the first token in milliseconds.
    pub slo_ms: u64,
    /// The endpoints' names, in the order of `shares`.
    pub endpoints: Vec<String>,
    /// What the leases cost over the trace, in dollars: the same for all, and in no run's cost.
    pub lease_usd: f64,
    /// The contenders.
    pub standings: Vec<Standing>,
    /// What became of each request under the default objective and under the strict oracle, with
    /// the first seed: what the plots over time are drawn from.
    #[serde(skip)]
    pub first_seed: FirstSeed,
}

/// The first seed's records.
#[derive(Debug, Clone, Default)]
pub struct FirstSeed {
    /// When each request came, in nanoseconds.
    pub arrivals: Vec<u64>,
    /// Under the default objective.
    pub isthmus: Vec<Record>,
    /// Under the strict oracle.
    pub oracle: Vec<Record>,
    /// What went wrong when.
    pub shocks: Vec<Spell>,
}

/// Whether the bar is kept.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Mean cost above the strict oracle's in percent: at most 5.
    pub regret_percent: f64,
    /// Mean misses above the strict oracle's in points: at most 1.
    pub miss_points: f64,
    /// The 95th percentile of the first token, mean over seeds, in milliseconds.
    pub ttft_p95_ms: f64,
    /// Baselines that keep the bound and cost no more.
    pub beaten_by: Vec<String>,
    /// All of it.
    pub kept: bool,
}

/// Cost within so many percent of the oracle's,
pub const REGRET_BAR: f64 = 5.0;
/// and misses within so many points.
pub const MISS_BAR: f64 = 1.0;
/// One request in twenty may miss a bound on the 95th percentile.
const ALLOWED_MISSES: f64 = 5.0;
/// Steps of the search for the sparing oracle's fine; each halves the interval of its logarithm.
const SEARCH: usize = 12;

/// The name of the real thing with its default objective.
pub const ISTHMUS: &str = "isthmus";
/// The name of the strict oracle.
pub const ORACLE: &str = "oracle";

// === impl Suite ===

impl Suite {
    /// Runs everything; `progress` is told each seed as it begins.
    pub fn run(&self, mut progress: impl FnMut(u64)) -> Comparison {
        let mut standings: Vec<Standing> = vec![];
        let mut first_seed = FirstSeed::default();
        for seed in 1..=self.seeds {
            progress(seed);
            let oracle = self.records(seed, &mut Contender::Seer(Oracle::strict(self.slo())));
            let strict = self.figures(&oracle);
            let sparing = self.sparing(seed);
            let mut add = |name: &str, sort: Sort, run: Run| {
                let run = run.against(&strict, &sparing);
                match standings.iter_mut().find(|standing| standing.name == name) {
                    Some(standing) => standing.runs.push(run),
                    None => standings.push(Standing { name: name.into(), sort, runs: vec![run] }),
                }
            };
            add(ORACLE, Sort::Oracle, strict.clone());
            add("oracle-sparing", Sort::Oracle, sparing.clone());
            let mut informed = Contender::Seer(Oracle::informed(self.slo()));
            add("oracle-informed", Sort::Oracle, self.figures(&self.records(seed, &mut informed)));
            let fair = self.fair(seed, strict.miss_percent + MISS_BAR);
            add("oracle-fair", Sort::Oracle, fair);
            for variant in isthmus::VARIANTS {
                let records = self.records(seed, &mut self.isthmus(variant));
                add(variant.name, variant.sort(), self.figures(&records));
                if seed == 1 && variant.name == ISTHMUS {
                    first_seed = self.first_seed(records, oracle.clone());
                }
            }
            for (name, make) in BASELINES {
                let mut contender = Contender::Blind(make(self.market.endpoints.len()));
                let records = self.records(seed, &mut contender);
                add(name, Sort::Baseline, self.figures(&records));
            }
            let (name, run) = self.best_fixed(seed);
            add(name, Sort::Baseline, run);
        }
        self.comparison(standings, first_seed)
    }

    /// The real thing.
    pub fn isthmus(&self, variant: &Variant) -> Contender {
        Contender::Blind(Box::new(isthmus::Isthmus::new(&self.market, variant, self.slo_ms)))
    }

    /// Runs one contender with one seed.
    pub fn records(&self, seed: u64, contender: &mut Contender) -> Vec<Record> {
        let world = World::new(&self.market, seed, self.trace.span());
        simulation::run(&self.trace, world, contender, seed)
    }

    /// The figures of a run.
    pub fn figures(&self, records: &[Record]) -> Run {
        Run::of(records, self.slo(), self.market.endpoints.len())
    }

    fn slo(&self) -> u64 {
        self.slo_ms * 1_000_000
    }

    /// The oracle that misses just as many as a bound on the 95th percentile allows: the greatest
    /// fine, by bisection, that still makes it miss no more.
    fn sparing(&self, seed: u64) -> Run {
        let run = |fine: f64| {
            let mut contender = Contender::Seer(Oracle::sparing(self.slo(), fine));
            self.figures(&self.records(seed, &mut contender))
        };
        // Fines between a millionth and a hundredth of a dollar.
        least(
            6.0,
            10.0,
            SEARCH,
            |fine| run(10_f64.powf(fine)),
            |run| run.miss_percent <= ALLOWED_MISSES,
        )
    }

    /// The fair bound: for each rent the least fine, by bisection, with which it misses no more than is
    /// allowed; the cheaper of them.
    fn fair(&self, seed: u64, allowed: f64) -> Run {
        let requests = self.trace.arrivals.len().max(1) as u64;
        let output =
            self.trace.arrivals.iter().map(|arrival| arrival.output).sum::<u64>() / requests;
        let cheapest = |rent: f64| {
            let run = |fine: f64| {
                let fair = Fair { slo: self.slo(), fine, rent, output };
                self.figures(&self.records(seed, &mut Contender::Fair(fair)))
            };
            least(
                8.0,
                11.0,
                SEARCH / 2,
                |fine| run(10_f64.powf(fine)),
                |run| run.miss_percent <= allowed,
            )
        };
        let runs = RENTS.map(cheapest);
        runs.into_iter()
            .min_by(|one, other| one.cost_usd.total_cmp(&other.cost_usd))
            .unwrap_or_default()
    }

    /// The endpoint that, always asked first, keeps the bound at the lowest cost, as hindsight
    /// tells; if none keeps it, the one that misses least.
    fn best_fixed(&self, seed: u64) -> (&'static str, Run) {
        let runs = (0..self.market.endpoints.len()).map(|endpoint| {
            let mut contender = Contender::Blind(Box::new(Fixed(endpoint)));
            self.figures(&self.records(seed, &mut contender))
        });
        let merit = |run: &Run| match run.miss_percent <= ALLOWED_MISSES {
            true => (0.0, run.cost_usd),
            false => (run.miss_percent, run.cost_usd),
        };
        let best = runs.min_by(|one, other| {
            let (one, other) = (merit(one), merit(other));
            one.0.total_cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
        ("best-fixed", best.unwrap_or_default())
    }

    fn first_seed(&self, isthmus: Vec<Record>, oracle: Vec<Record>) -> FirstSeed {
        let world = World::new(&self.market, 1, self.trace.span());
        FirstSeed {
            arrivals: self.trace.arrivals.iter().map(|arrival| arrival.at).collect(),
            isthmus,
            oracle,
            shocks: world.shocks().collect(),
        }
    }

    fn comparison(&self, standings: Vec<Standing>, first_seed: FirstSeed) -> Comparison {
        let hours = self.trace.span() as f64 / 3.6e12;
        let leases = self.market.endpoints.iter().filter_map(|offer| offer.lease);
        let hourly: i128 = leases.map(|lease| lease.usd_per_hour.pico_dollars()).sum();
        Comparison {
            trace: self.trace.name.clone(),
            requests: self.trace.arrivals.len(),
            slo_ms: self.slo_ms,
            endpoints: self.market.endpoints.iter().map(|offer| offer.name.clone()).collect(),
            lease_usd: hourly as f64 / 1e12 * hours,
            standings,
            first_seed,
        }
    }
}

/// The run of the least value between two that is still good, by bisection; that of the greatest, where
/// none is.
fn least(
    mut low: f64,
    mut high: f64,
    steps: usize,
    run: impl Fn(f64) -> Run,
    is_good: impl Fn(&Run) -> bool,
) -> Run {
    let mut best = run(high);
    for _ in 0..steps {
        let middle = f64::midpoint(low, high);
        let candidate = run(middle);
        if is_good(&candidate) {
            (high, best) = (middle, candidate);
        } else {
            low = middle;
        }
    }
    best
}

// === impl Standing ===

impl Standing {
    /// A figure over the seeds.
    pub fn figure(&self, of: impl Fn(&Run) -> f64) -> Interval {
        Interval::of(self.runs.iter().map(of))
    }

    /// Whether the 95th percentile keeps the bound: at most one request in twenty misses.
    pub fn keeps_the_bound(&self) -> bool {
        self.figure(|run| run.miss_percent).mean <= ALLOWED_MISSES
    }
}

// === impl Comparison ===

impl Comparison {
    /// The contender with this name.
    pub fn standing(&self, name: &str) -> Option<&Standing> {
        self.standings.iter().find(|standing| standing.name == name)
    }

    /// Whether the default objective keeps the bar on this trace.
    pub fn verdict(&self) -> Option<Verdict> {
        let isthmus = self.standing(ISTHMUS)?;
        let cost = |standing: &Standing| standing.figure(|run| run.cost_usd).mean;
        let beaten_by: Vec<String> = self
            .standings
            .iter()
            .filter(|other| other.sort == Sort::Baseline && other.keeps_the_bound())
            .filter(|other| cost(other) <= cost(isthmus))
            .map(|other| other.name.clone())
            .collect();
        let regret_percent = isthmus.figure(|run| run.regret_percent).mean;
        let miss_points = isthmus.figure(|run| run.miss_points).mean;
        let kept = regret_percent <= REGRET_BAR && miss_points <= MISS_BAR && beaten_by.is_empty();
        let ttft_p95_ms = isthmus.figure(|run| run.ttft_p95_ms).mean;
        Some(Verdict { regret_percent, miss_points, ttft_p95_ms, beaten_by, kept })
    }
}

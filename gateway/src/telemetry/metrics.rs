//! The numbers under `/metrics`.
//!
//! Names follow the OpenTelemetry GenAI semantic conventions where they have one (`gen_ai_*`); ours
//! are `isthmus_*`. A label never takes a value that callers can invent: models are pools or
//! `provider/*`.

use std::sync::OnceLock;

use isthmus_inference::money::Money;
use isthmus_policies::budget::Budget;
use isthmus_policies::live::Gate;
use isthmus_policies::rollout::Tally;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::pipeline::recall::Cache;
use crate::quota;
use crate::quota::keeper::Shown;

/// All of them.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    attempts: IntCounterVec,
    tokens: HistogramVec,
    first_token: HistogramVec,
    duration: HistogramVec,
    cost: prometheus::CounterVec,
    /// Time spent in this house per call.
    pub overhead: Histogram,
    /// Calls being answered.
    pub in_flight: IntGauge,
    connections: IntGaugeVec,
    /// Requests that policy was asked about, by whether it permits any endpoint.
    policy_allowed: IntCounter,
    policy_denied: IntCounter,
    /// What editions on trial and in the shadow would do differently.
    policy_compared: IntGaugeVec,
    /// Whether an endpoint may be asked: 0 clear, 1 cooling, spent or full, 2 sick.
    breakers: IntGaugeVec,
    /// Whether it is known what an endpoint costs.
    priced: IntGaugeVec,
    /// Decisions that were not logged.
    pub decisions_lost: IntCounter,
    /// Budgets in dollars: spent, held, and the limit.
    budgets: [GaugeVec; 3],
    /// Requests that memory was asked about.
    cache: IntCounterVec,
    cache_avoided: prometheus::Counter,
    /// Bytes of answers that are remembered.
    pub cache_bytes: IntGauge,
    unposted: IntGauge,
    /// Says how many entries the books do not have yet.
    behind: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// The engine's slots that are busy.
    pub engine_slots_busy: Gauge,
    /// Requests waiting for a slot of the engine.
    pub engine_queue: Gauge,
}

/// The numbers of one endpoint, looked up once.
#[derive(Clone)]
pub struct EndpointMetrics {
    answered: IntCounter,
    failed: IntCounter,
    /// Input tokens per call.
    pub input_tokens: Histogram,
    /// Output tokens per call.
    pub output_tokens: Histogram,
    /// Seconds from the call's arrival to the first piece of the answer.
    pub first_token: Histogram,
    /// Seconds from the call's arrival to the last byte of the answer.
    pub duration: Histogram,
    /// US dollars.
    pub cost: prometheus::Counter,
}

/// Bucket bounds of the conventions for `gen_ai.client.token.usage`.
const TOKEN_BUCKETS: &[f64] =
    &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0];
/// Bucket bounds of the conventions for `gen_ai.server.request.duration`.
const DURATION_BUCKETS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// From ten microseconds to a fifth of a second.
const OVERHEAD_BUCKETS: &[f64] =
    &[0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.2];

impl Metrics {
    /// Registers every metric.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let endpoint = ["isthmus_endpoint", "gen_ai_provider_name"];
        let policy = counter(
            &registry,
            "isthmus_policy_decisions_total",
            "Requests that policy was asked about, by whether it permits any endpoint",
            &["decision"],
        )?;
        let metrics = Self {
            requests: counter(
                &registry,
                "isthmus_requests_total",
                "Calls answered, by model and HTTP status",
                &["model", "operation", "status"],
            )?,
            attempts: counter(
                &registry,
                "isthmus_attempts_total",
                "Tries at endpoints, by outcome",
                &[endpoint[0], endpoint[1], "outcome"],
            )?,
            tokens: histogram(
                &registry,
                "gen_ai_client_token_usage",
                "Tokens per call",
                TOKEN_BUCKETS,
                &[endpoint[0], endpoint[1], "gen_ai_token_type"],
            )?,
            first_token: histogram(
                &registry,
                "gen_ai_server_time_to_first_token_seconds",
                "From a call's arrival to the first piece of its answer",
                DURATION_BUCKETS,
                &endpoint,
            )?,
            duration: histogram(
                &registry,
                "gen_ai_server_request_duration_seconds",
                "From a call's arrival to the last byte of its answer",
                DURATION_BUCKETS,
                &endpoint,
            )?,
            cost: prometheus::CounterVec::new(
                Opts::new(
                    "isthmus_cost_usd_total",
                    "Cost of answered calls at the configured prices; the ledger is exact, this is not",
                ),
                &endpoint,
            )?,
            overhead: Histogram::with_opts(
                HistogramOpts::new(
                    "isthmus_overhead_seconds",
                    "Time a call spent in the gateway, without waiting for endpoints",
                )
                .buckets(OVERHEAD_BUCKETS.to_vec()),
            )?,
            in_flight: IntGauge::new("isthmus_requests_in_flight", "Calls being answered")?,
            connections: IntGaugeVec::new(
                Opts::new("isthmus_connections", "Open connections, by door"),
                &["door"],
            )?,
            policy_allowed: policy.with_label_values(&["allowed"]),
            policy_denied: policy.with_label_values(&["denied"]),
            policy_compared: gauge(
                &registry,
                "isthmus_policy_compared",
                "Requests that an edition on trial or in the shadow judged beside the one in force",
                &["edition", "what"],
            )?,
            breakers: gauge(
                &registry,
                "isthmus_breaker_state",
                "Whether an endpoint may be asked: 0 yes; 1 no, it has no room or asked for a pause; 2 no, it is sick",
                &["isthmus_endpoint"],
            )?,
            priced: gauge(
                &registry,
                "isthmus_endpoint_priced",
                "Whether it is known what an endpoint costs: 1 yes; 0 no, and it comes last by cost",
                &["isthmus_endpoint"],
            )?,
            decisions_lost: IntCounter::new(
                "isthmus_decisions_lost_total",
                "Decisions that could not be logged; the calls themselves went on",
            )?,
            budgets: [
                dollars(
                    &registry,
                    "isthmus_budget_spent_usd",
                    "What was spent of a budget in its window, by all gateways that share it",
                )?,
                dollars(
                    &registry,
                    "isthmus_budget_held_usd",
                    "What calls under way may still spend of a budget",
                )?,
                dollars(
                    &registry,
                    "isthmus_budget_limit_usd",
                    "The most that a budget allows to be spent and held",
                )?,
            ],
            cache: counter(
                &registry,
                "isthmus_cache_requests_total",
                "Requests that the memory of answers was asked about, by whether it knew",
                &["outcome"],
            )?,
            cache_avoided: prometheus::Counter::new(
                "isthmus_cache_avoided_usd_total",
                "What the answers that were given again had cost; the ledger is exact, this is not",
            )?,
            cache_bytes: IntGauge::new(
                "isthmus_cache_bytes",
                "Answers that this process remembers; those in a Redis are not among them",
            )?,
            unposted: IntGauge::new(
                "isthmus_ledger_unposted_entries",
                "Entries that are safe in the journal and not in the books yet",
            )?,
            behind: OnceLock::new(),
            engine_slots_busy: Gauge::new(
                "isthmus_engine_slots_busy",
                "Slots of the embedded engine that are generating",
            )?,
            engine_queue: Gauge::new(
                "isthmus_engine_queue",
                "Requests waiting for a slot of the embedded engine",
            )?,
            registry,
        };
        metrics.register_singles()?;
        Ok(metrics)
    }

    /// Where to ask how many entries the books do not have yet.
    pub fn follow_unposted(&self, behind: impl Fn() -> u64 + Send + Sync + 'static) {
        // There is one journal to a process.
        let _first = self.behind.set(Box::new(behind));
    }

    /// The numbers of one endpoint.
    pub fn endpoint(&self, endpoint: &str, provider: &str) -> EndpointMetrics {
        let labels = [endpoint, provider];
        EndpointMetrics {
            answered: self.attempts.with_label_values(&[endpoint, provider, "answered"]),
            failed: self.attempts.with_label_values(&[endpoint, provider, "failed"]),
            input_tokens: self.tokens.with_label_values(&[endpoint, provider, "input"]),
            output_tokens: self.tokens.with_label_values(&[endpoint, provider, "output"]),
            first_token: self.first_token.with_label_values(&labels),
            duration: self.duration.with_label_values(&labels),
            cost: self.cost.with_label_values(&labels),
        }
    }

    /// The open connections of the street door and of the admin door.
    pub fn doors(&self) -> [IntGauge; 2] {
        ["api", "admin"].map(|door| self.connections.with_label_values(&[door]))
    }

    /// Counts an answered call.
    pub fn request(&self, model: &str, operation: &str, status: &str) {
        self.requests.with_label_values(&[model, operation, status]).inc();
    }

    /// Counts what memory did.
    pub fn cached(&self, cache: &Cache) {
        match cache {
            Cache::Off => {}
            Cache::Miss => self.cache.with_label_values(&["miss"]).inc(),
            Cache::Hit(hit) => {
                self.cache.with_label_values(&["hit"]).inc();
                let avoided = hit.avoided.map_or(0, Money::pico_dollars);
                self.cache_avoided.inc_by(avoided as f64 / 1e12);
            }
        }
    }

    /// Counts what policy said.
    pub fn judged(&self, permits: bool) {
        if permits { self.policy_allowed.inc() } else { self.policy_denied.inc() }
    }

    /// Puts up what an edition that is compared has seen.
    pub fn compared(&self, edition: &str, tally: &Tally) {
        let Tally { judged, newly_denied, newly_allowed, changed } = *tally;
        for (what, count) in [
            ("judged", judged),
            ("newly_denied", newly_denied),
            ("newly_allowed", newly_allowed),
            ("changed", changed),
        ] {
            let gauge = self.policy_compared.with_label_values(&[edition, what]);
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// Puts up whether an endpoint may be asked.
    pub fn gate(&self, endpoint: &str, gate: Gate) {
        let state = match gate {
            Gate::Clear => 0,
            Gate::Cooling { .. } | Gate::Spent { .. } | Gate::Full => 1,
            Gate::Sick { .. } => 2,
        };
        self.breakers.with_label_values(&[endpoint]).set(state);
    }

    /// Puts up how budgets stand. The ledger is exact; these are for graphs.
    pub fn budgets(&self, shown: &[(&Budget, Shown)]) {
        const PICO: f64 = 1e12;
        let usd = |money: Money| money.pico_dollars() as f64 / PICO;
        let [spent, held, limit] = &self.budgets;
        for (budget, sum) in shown.iter().filter(|(budget, _)| quota::is_shown(budget)) {
            let labels = [&*budget.name, &*sum.member];
            spent.with_label_values(&labels).set(usd(sum.settled.money));
            held.with_label_values(&labels).set(usd(sum.held.money));
            if let Some(money) = budget.limits.money {
                limit.with_label_values(&labels).set(usd(money));
            }
        }
    }

    /// Puts up whether it is known what an endpoint costs.
    pub fn priced(&self, endpoint: &str, is_known: bool) {
        self.priced.with_label_values(&[endpoint]).set(i64::from(is_known));
    }

    /// All numbers in Prometheus' text format.
    pub fn render(&self) -> prometheus::Result<Vec<u8>> {
        if let Some(behind) = self.behind.get() {
            self.unposted.set(i64::try_from(behind()).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    fn register_singles(&self) -> prometheus::Result<()> {
        self.registry.register(Box::new(self.cost.clone()))?;
        self.registry.register(Box::new(self.overhead.clone()))?;
        self.registry.register(Box::new(self.in_flight.clone()))?;
        self.registry.register(Box::new(self.connections.clone()))?;
        self.registry.register(Box::new(self.decisions_lost.clone()))?;
        self.registry.register(Box::new(self.cache_avoided.clone()))?;
        self.registry.register(Box::new(self.cache_bytes.clone()))?;
        self.registry.register(Box::new(self.unposted.clone()))?;
        self.registry.register(Box::new(self.engine_slots_busy.clone()))?;
        self.registry.register(Box::new(self.engine_queue.clone()))
    }
}

impl EndpointMetrics {
    /// Counts a try.
    pub fn attempted(&self, answered: bool) {
        if answered { self.answered.inc() } else { self.failed.inc() }
    }
}

fn counter(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let counter = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counter.clone()))?;
    Ok(counter)
}

fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    let gauge = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn dollars(registry: &Registry, name: &str, help: &str) -> prometheus::Result<GaugeVec> {
    let gauge = GaugeVec::new(Opts::new(name, help), &["budget", "of"])?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn histogram(
    registry: &Registry,
    name: &str,
    help: &str,
    buckets: &[f64],
    labels: &[&str],
) -> prometheus::Result<HistogramVec> {
    let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let histogram = HistogramVec::new(options, labels)?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_registered_once_and_rendered() {
        let metrics = Metrics::new().unwrap();
        metrics.endpoint("e", "p").attempted(true);
        metrics.request("chat", "chat", "200");
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        for line in [
            "isthmus_requests_total{model=\"chat\",operation=\"chat\",status=\"200\"} 1",
            "isthmus_attempts_total{gen_ai_provider_name=\"p\",isthmus_endpoint=\"e\",outcome=\"answered\"} 1",
            "isthmus_requests_in_flight 0",
            "isthmus_engine_slots_busy 0",
        ] {
            assert!(text.contains(line), "{line} is missing from\n{text}");
        }
    }
}

//! What the calls of one pool have taught: how large requests are, who has seen the beginnings of
//! which prompts, who was preferred last, and what may still be spent on second tries.
//!
//! Every lock here is held for well under a microsecond and never across a wait.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use isthmus_inference::request::Request;
use isthmus_policies::affinity::{PrefixMap, Prefixes};
use isthmus_policies::allowance::{Allowance, RETRIES};
use isthmus_policies::estimate::{Calibrations, Size};
use isthmus_policies::hedge::{HedgeBudget, HedgeRules};
use isthmus_policies::moment::Moment;
use isthmus_policies::plan::RoutePlan;
use isthmus_policies::terms::Demand;
use isthmus_policies::usual::Usual;

/// What was learnt.
pub struct Learnt {
    /// The endpoint that the last plan was measured by; [`NOBODY`] before the first.
    incumbent: AtomicU32,
    calibrations: Mutex<Calibrations>,
    /// Whether anybody has counted the tokens of a text, or does.
    counted: AtomicBool,
    prefixes: Mutex<PrefixMap>,
    usual: Mutex<Usual>,
    retries: Mutex<Allowance>,
    hedges: Mutex<HedgeBudget>,
}

/// What could be told of a request before anyone answered it.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// What it is expected to be.
    pub demand: Demand,
    size: Size,
    /// The most tokens that the answer may have, if the caller set a bound.
    pub output_bound: Option<u64>,
    /// `None` for a prompt too short for any provider's cache.
    prefixes: Option<Prefixes>,
    sort: u64,
}

const NOBODY: u32 = u32::MAX;
/// Sorts of request that are told apart in one pool: one for each app.
const MOST_SORTS: usize = 1024;
/// Beginnings of prompts that are remembered: a conversation of usual length has two or three.
const MOST_PREFIXES: usize = 16_384;
/// Bytes of a prompt below which no provider caches it.
const SHORTEST_PREFIX: usize = 4096;
/// The sort of whatever is asked of this pool.
const ANY_SORT: u64 = 0;

/// How callers bound the length of an answer, in the words of each dialect.
const BOUNDS: [&str; 3] = ["max_completion_tokens", "max_output_tokens", "max_tokens"];
/// What holds the prompt, in the words of each dialect.
const PROMPTS: [&str; 3] = ["messages", "input", "prompt"];

// === impl Learnt ===

impl Learnt {
    /// What is expected of a request; `app` tells sorts of request apart. `alone`: there is only one
    /// endpoint, so nobody asks who has seen the prompt.
    pub fn read(&self, now: Moment, request: &Request, app: u64, alone: bool) -> Reading {
        let max_output = BOUNDS.iter().find_map(|name| number(request, name));
        let calibration = lock(&self.calibrations).of(app, ANY_SORT);
        let size = size_of(request);
        let expected = calibration.expect(size, max_output);
        let mut demand = Demand {
            input_tokens: expected.input_tokens,
            output_tokens: expected.output_tokens,
            usual: *lock(&self.usual),
            ..Demand::default()
        };
        let prompt = || PROMPTS.iter().find_map(|name| member(request, name));
        let prompt = if alone { None } else { prompt() };
        let prefixes = prompt.filter(|prompt| prompt.len() >= SHORTEST_PREFIX);
        let prefixes = prefixes.map(|prompt| Prefixes::of(0, prompt));
        if let Some(prefixes) = &prefixes {
            demand.warm = lock(&self.prefixes).warm(now, prefixes);
        }
        Reading { demand, size, output_bound: max_output, prefixes, sort: app }
    }

    /// A plan was made: it earns what second tries may cost.
    pub fn planned(&self, now: Moment, hedging: Option<&HedgeRules>, plan: &RoutePlan) {
        lock(&self.retries).request(now);
        if let Some(rules) = hedging {
            lock(&self.hedges).earn(now, rules, plan.expected_cost);
        }
    }

    /// An endpoint has begun to answer.
    pub fn began(&self, now: Moment, reading: &Reading, number: usize) {
        if let Some(prefixes) = &reading.prefixes {
            lock(&self.prefixes).saw(now, prefixes, number);
        }
    }

    /// An endpoint reported what a request was.
    pub fn reported(&self, reading: &Reading, input: u64, output: u64) {
        lock(&self.calibrations).observe(reading.sort, ANY_SORT, reading.size, input, output);
        lock(&self.usual).exchanged(input, output);
        if reading.size.file_tokens == 0 {
            self.counted.store(true, Relaxed);
        }
    }

    /// A caller had the first piece of a stream, in time for the bound on it or late.
    pub fn had_first_token(&self, late: bool) {
        lock(&self.usual).had_first_token(late);
    }

    /// Whether this request is the one whose tokens are counted by a tokenizer: the first of text alone,
    /// if no endpoint has reported.
    pub fn counts_first(&self, request: &Request) -> bool {
        let may = !self.counted.load(Relaxed) && request.outline.encoded.bytes == 0;
        may && !self.counted.swap(true, Relaxed)
    }

    /// A tokenizer made so many tokens of the text of a request.
    pub fn counted(&self, request: &Request, tokens: u64) {
        lock(&self.calibrations).counted(ANY_SORT, request.text_bytes(), tokens);
    }

    /// The endpoint that the last plan was measured by.
    pub fn incumbent(&self) -> Option<usize> {
        Some(self.incumbent.load(Relaxed)).filter(|number| *number != NOBODY).map(|it| it as usize)
    }

    /// The endpoint that this plan was measured by.
    pub fn keep_incumbent(&self, number: usize) {
        self.incumbent.store(u32::try_from(number).unwrap_or(NOBODY), Relaxed);
    }

    /// What may still be spent on retries.
    pub fn retries(&self) -> MutexGuard<'_, Allowance> {
        lock(&self.retries)
    }

    /// What may still be spent on second copies.
    pub fn hedges(&self) -> MutexGuard<'_, HedgeBudget> {
        lock(&self.hedges)
    }
}

impl Default for Learnt {
    fn default() -> Self {
        Self {
            incumbent: AtomicU32::new(NOBODY),
            calibrations: Mutex::new(Calibrations::new(MOST_SORTS)),
            counted: AtomicBool::new(false),
            prefixes: Mutex::new(PrefixMap::new(MOST_PREFIXES)),
            usual: Mutex::default(),
            retries: Mutex::new(Allowance::new(RETRIES)),
            hedges: Mutex::default(),
        }
    }
}

/// A panic of another thread leaves figures behind that are as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn size_of(request: &Request) -> Size {
    Size { text_bytes: request.text_bytes(), file_tokens: request.outline.encoded.tokens }
}

/// The bytes of a member of the body.
fn member<'r>(request: &'r Request, name: &str) -> Option<&'r [u8]> {
    let member = request.outline.named(&request.body, name).next()?;
    Some(&request.body[member.value.clone()])
}

/// A member of the body that is a whole number.
fn number(request: &Request, name: &str) -> Option<u64> {
    std::str::from_utf8(member(request, name)?).ok()?.parse().ok()
}

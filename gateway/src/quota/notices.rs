//! Who is told that a budget is being used up: the log, and the operator's webhook. Once for each
//! threshold in a window, however often the sum goes up and down around it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use isthmus_adapters::notice;
use isthmus_inference::secret::Secret;
use isthmus_policies::budget::{Amounts, Budget, Limits, window};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::keeper::Standing;
use crate::telemetry::events::budgets::{NoticeUndelivered, ThresholdPassed};

/// So many percent of a budget are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The budget.
    pub budget: Box<str>,
    /// Whose sum; empty where there is only one.
    pub member: Arc<str>,
    /// The threshold that was passed, in percent.
    pub threshold: u32,
    /// What is used, in percent.
    pub percent: u64,
    /// What is settled and held.
    pub used: Amounts,
    /// Of how much.
    pub limits: Limits,
    /// When the sums begin anew: Unix milliseconds.
    pub window_ends: Option<i64>,
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub struct Notices {
    told: Mutex<HashMap<(usize, Arc<str>), Told>>,
    webhook: Option<mpsc::Sender<Notice>>,
}

/// Posts notices.
#[derive(Debug)]
pub struct Webhook {
    queue: mpsc::Receiver<Notice>,
    address: Secret,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    threshold: u32,
    until: i64,
}

/// Notices that wait to be posted. What finds no room stands in the log.
const ROOM: usize = 256;
/// How often a notice is posted, and how long the pause is before the second time; then it doubles.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

impl Notices {
    /// Tells the log, and this address if there is one.
    pub fn new(webhook: Option<Secret>) -> (Self, Option<Webhook>) {
        let Some(address) = webhook else { return (Self::default(), None) };
        let (sender, queue) = mpsc::channel(ROOM);
        let notices = Self { told: Mutex::default(), webhook: Some(sender) };
        (notices, Some(Webhook { queue, address }))
    }

    /// Tells whoever should know, if a claim that was granted took a sum past a threshold.
    pub fn granted(&self, budget: &Budget, standing: &Standing, now: i64) {
        let used = standing.before + standing.claim;
        let percent = standing.percent();
        let before = standing.limits.percent(standing.before);
        let Some(threshold) = budget.crossed(before, percent) else { return };
        let until = budget.window.empties_in(now).map(|left| now.saturating_add(left));
        let name = (standing.budget, Arc::clone(&standing.member));
        if !self.is_news(name, Told { threshold, until: until.unwrap_or(i64::MAX) }, now) {
            return;
        }
        let notice = Notice {
            budget: budget.name.clone(),
            member: Arc::clone(&standing.member),
            threshold,
            percent,
            used,
            limits: standing.limits,
            window_ends: budget.window.frame(now).ends,
        };
        ThresholdPassed { notice: &notice }.emit();
        if let Some(webhook) = &self.webhook {
            let _full = webhook.try_send(notice);
        }
    }

    fn is_news(&self, name: (usize, Arc<str>), news: Told, now: i64) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = told.get(&name);
        if before.is_some_and(|told| now < told.until && news.threshold <= told.threshold) {
            return false;
        }
        if told.len() > ROOM {
            told.retain(|_, told| now < told.until);
        }
        told.insert(name, news);
        true
    }
}

impl Webhook {
    /// Posts what comes until the order to finish.
    pub async fn run(mut self, finish: CancellationToken) {
        loop {
            tokio::select! {
                Some(notice) = self.queue.recv() => self.post(&notice, &finish).await,
                () = finish.cancelled() => return,
            }
        }
    }

    async fn post(&self, notice: &Notice, finish: &CancellationToken) {
        let mut pause = PAUSE;
        for attempt in 1..=TRIES {
            let Err(error) = notice::post(&self.address, notice.to_json()).await else { return };
            if attempt == TRIES {
                NoticeUndelivered { budget: &notice.budget, error: &error }.emit();
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause *= 2,
                () = finish.cancelled() => return,
            }
        }
    }
}

impl Notice {
    fn to_json(&self) -> String {
        let Amounts { money, tokens, requests } = self.used;
        json!({
            "event": "budget_threshold_passed",
            "budget": self.budget,
            "of": &*self.member,
            "threshold_percent": self.threshold,
            "used_percent": self.percent,
            "used": { "usd": money.to_string(), "tokens": tokens, "requests": requests },
            "limit": {
                "usd": self.limits.money.map(|money| money.to_string()),
                "tokens": self.limits.tokens,
                "requests": self.limits.requests,
            },
            "window_ends": self.window_ends.map(window::shown),
        })
        .to_string()
    }
}

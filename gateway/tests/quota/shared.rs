//! Sums in Redis: which way each fault falls. Hard budgets fall closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use isthmus_config::settings::limits::WhenUnreachable;
use isthmus_gateway::calendar::unix_milliseconds;
use isthmus_gateway::quota::Clock;
use isthmus_gateway::quota::keeper::{Claim, Granted, Opening, Part, Refused};
use isthmus_gateway::quota::redis::{Rules, Shared};
use isthmus_policies::budget::{Amounts, Budget, Limits, Mode, Sort, Window};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::server::Server;
use super::{budget, claim, costs, dollars, each_team};

/// One gateway's part.
pub(crate) struct Gateway {
    pub(crate) shared: Arc<Shared>,
    finish: CancellationToken,
    work: JoinHandle<()>,
}

/// Longer than a warm-up; shorter than anybody would wait.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Of these tests, so that they need not take seconds. Heartbeats are shorter still.
const WARM_UP: Duration = Duration::from_millis(600);

pub(crate) fn rules(node: &str) -> Rules {
    Rules {
        warm_up: WARM_UP,
        heartbeat: Duration::from_millis(100),
        ..Rules::new(node, WhenUnreachable::Refuse)
    }
}

fn clock() -> Clock {
    Arc::new(unix_milliseconds)
}

impl Gateway {
    pub(crate) fn new(server: &Server, budgets: &[Budget], rules: Rules) -> Self {
        Self::with(server, budgets, rules, &clock(), vec![])
    }

    fn with(
        server: &Server,
        budgets: &[Budget],
        rules: Rules,
        clock: &Clock,
        openings: Vec<Opening>,
    ) -> Self {
        let (address, budgets) = (server.url().into(), budgets.into());
        let (shared, keeper) = Shared::new(budgets, address, rules, clock, openings);
        let finish = CancellationToken::new();
        let work = tokio::spawn(keeper.run(finish.clone()));
        Self { shared: Arc::new(shared), finish, work }
    }

    async fn ask(&self, amounts: Amounts) -> Result<Granted, Refused> {
        self.shared.reserve(vec![claim(0, amounts)]).await
    }

    /// Asks until something is granted.
    pub(crate) async fn granted(&self, amounts: Amounts) -> Granted {
        let began = Instant::now();
        loop {
            match self.ask(amounts).await {
                Ok(granted) => return granted,
                Err(refused) => assert!(began.elapsed() < PATIENCE, "{refused:?}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Asks until somebody knows the sum, and then hopes for a refusal because it is used up.
    async fn exhausted(&self, amounts: Amounts) {
        let began = Instant::now();
        loop {
            match self.ask(amounts).await {
                Err(Refused::Exhausted { .. }) => return,
                Err(Refused::Unknown { .. }) => assert!(began.elapsed() < PATIENCE),
                Ok(granted) => panic!("granted: {:?}", granted.standings),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn settle(&self, granted: Granted, actual: Amounts) {
        let parts = granted.parts.into_iter().map(|part: Part| (part, actual));
        self.shared.settle(parts.collect());
    }

    /// Ends as a gateway ends that is told to.
    async fn finish(self) {
        self.finish.cancel();
        self.work.await.unwrap();
    }

    /// Ends as one that crashes.
    fn crash(self) {
        self.work.abort();
    }
}

#[tokio::test]
async fn gateways_share_a_sum_and_meet_its_limit_exactly() {
    let server = Server::start(false);
    let budgets = [budget("all", "1.00")];
    let (a, b) =
        (Gateway::new(&server, &budgets, rules("a")), Gateway::new(&server, &budgets, rules("b")));
    let first = a.granted(costs("0.60")).await;
    b.exhausted(costs("0.400000000001")).await;
    let second = b.granted(costs("0.40")).await;
    assert_eq!(second.standings[0].before.money, dollars("0.60"));
    a.settle(first, costs("0.000000000001"));
    let third = b.granted(costs("0.599999999999")).await;
    assert_eq!(third.standings[0].before.money, dollars("0.400000000001"));
}

#[tokio::test]
async fn what_does_not_fit_one_sum_is_held_in_none() {
    let server = Server::start(false);
    let budgets = [each_team("teams", "10"), budget("all", "0.05")];
    let gateway = Gateway::new(&server, &budgets, rules("a"));
    let ask = || {
        let team = Claim { member: "support".into(), ..claim(0, costs("0.03")) };
        gateway.shared.reserve(vec![team, claim(1, costs("0.03"))])
    };
    let began = Instant::now();
    while ask().await.is_err() {
        assert!(began.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let Err(Refused::Exhausted { standing, .. }) = ask().await else { panic!("it does not fit") };
    assert_eq!(standing.budget, 1);
    let held = || -> Vec<_> { gateway.shared.shown().iter().map(|sum| sum.held.money).collect() };
    while held() != [dollars("0.03"); 2] {
        assert!(began.elapsed() < PATIENCE, "{:?}", held());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_that_lost_everything_is_told_again() {
    let mut server = Server::start(false);
    let budgets = [budget("all", "1.00")];
    let (a, b) =
        (Gateway::new(&server, &budgets, rules("a")), Gateway::new(&server, &budgets, rules("b")));
    a.granted(costs("0.50")).await;
    b.granted(costs("0.50")).await;
    server.kill();
    assert!(matches!(a.ask(costs("0.01")).await, Err(Refused::Unknown { .. })), "it falls closed");
    server.begin();
    a.exhausted(costs("0.01")).await;
    b.exhausted(costs("0.01")).await;
}

#[tokio::test]
async fn a_server_that_kept_everything_goes_on_where_it_was() {
    let mut server = Server::start(true);
    let budgets = [budget("all", "1.00")];
    let gateway = Gateway::new(&server, &budgets, rules("a"));
    let granted = gateway.granted(costs("0.70")).await;
    server.kill();
    // What is settled meanwhile is told later.
    gateway.settle(granted, costs("0.20"));
    server.begin();
    let next = gateway.granted(costs("0.80")).await;
    assert_eq!(next.standings[0].before.money, dollars("0.20"));
    gateway.exhausted(costs("0.01")).await;
}

#[tokio::test]
async fn a_gateway_that_starts_anew_finds_what_it_held() {
    let server = Server::start(false);
    let budgets = [budget("all", "1.00")];
    let crashed = Gateway::new(&server, &budgets, rules("a"));
    crashed.granted(costs("0.90")).await;
    crashed.crash();
    // Who else is there sees it, and so does the gateway itself, by its own name.
    Gateway::new(&server, &budgets, rules("b")).exhausted(costs("0.11")).await;
    let again = Gateway::new(&server, &budgets, rules("a"));
    again.exhausted(costs("0.11")).await;
    again.granted(costs("0.10")).await;
    again.finish().await;
}

#[tokio::test]
async fn places_of_calls_that_ended_with_their_gateway_come_back() {
    let server = Server::start(false);
    let limits = Limits { requests: Some(1), ..Limits::default() };
    let (window, sort) = (Window::Always, Sort::Places);
    let budgets = [Budget { window, limits, sort, ..budget("places", "0") }];
    let crashed = Gateway::new(&server, &budgets, rules("a"));
    crashed.granted(costs("0")).await;
    crashed.crash();
    Gateway::new(&server, &budgets, rules("b")).exhausted(costs("0")).await;
    Gateway::new(&server, &budgets, rules("a")).granted(costs("0")).await;
}

#[tokio::test]
async fn what_the_books_know_counts_where_redis_knows_nothing() {
    let server = Server::start(false);
    let at = unix_milliseconds();
    let openings = [Opening { budget: 0, member: "".into(), at, amounts: costs("0.95") }];
    let budgets = [budget("all", "1.00")];
    let gateway = Gateway::with(&server, &budgets, rules("a"), &clock(), openings.to_vec());
    gateway.exhausted(costs("0.06")).await;
    gateway.granted(costs("0.05")).await;
}

#[tokio::test]
async fn a_new_epoch_grants_nothing_hard_at_first() {
    let server = Server::start(false);
    let soft = Budget { mode: Mode::Soft, ..budget("soft", "0.01") };
    let gateway = Gateway::new(&server, &[budget("hard", "1.00"), soft], rules("a"));
    let began = Instant::now();
    let granted = loop {
        // As soon as Redis is there, the soft one goes on.
        match gateway.shared.reserve(vec![claim(1, costs("5.00"))]).await {
            Ok(granted) => break granted,
            Err(refused) => assert!(began.elapsed() < PATIENCE, "{refused:?}"),
        }
    };
    gateway.settle(granted, costs("0.00"));
    gateway.granted(costs("0.01")).await;
    assert!(began.elapsed() >= WARM_UP, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_put_right_by_that_of_redis() {
    const AN_HOUR: i64 = 3_600_000;
    let server = Server::start(false);
    let window = Window::rolling(Duration::from_secs(60));
    let budgets = [Budget { window, ..budget("minute", "1.00") }];
    let off = Arc::new(AtomicI64::new(AN_HOUR));
    let clock = |off: &Arc<AtomicI64>| -> Clock {
        let off = Arc::clone(off);
        Arc::new(move || unix_milliseconds() + off.load(Relaxed))
    };
    let right = Gateway::new(&server, &budgets, rules("right"));
    let wrong = Gateway::with(&server, &budgets, rules("wrong"), &clock(&off), vec![]);
    right.granted(costs("0.60")).await;
    wrong.exhausted(costs("0.41")).await;
    wrong.granted(costs("0.40")).await;
    // A clock that is set while it runs ends no window.
    for jump in [2 * AN_HOUR, -AN_HOUR] {
        off.store(jump, Relaxed);
        wrong.exhausted(costs("0.01")).await;
    }
    let late = Gateway::with(&server, &budgets, rules("late"), &clock(&off), vec![]);
    late.exhausted(costs("0.01")).await;
}

#[tokio::test]
async fn without_redis_soft_budgets_and_rates_go_on_and_hard_ones_do_not() {
    let mut server = Server::start(false);
    server.kill();
    let rate = Budget {
        window: Window::rolling(Duration::from_secs(60)),
        limits: Limits { requests: Some(2), ..Limits::default() },
        sort: Sort::Rate,
        ..budget("rate", "0")
    };
    let soft = Budget { mode: Mode::Soft, ..budget("soft", "0.01") };
    let gateway = Gateway::new(&server, &[budget("hard", "1.00"), soft, rate], rules("a"));
    let ask = |number| gateway.shared.reserve(vec![claim(number, costs("0.02"))]);
    assert!(matches!(ask(0).await, Err(Refused::Unknown { budget: 0, .. })));
    assert!(ask(1).await.is_ok());
    assert!(ask(2).await.is_ok() && ask(2).await.is_ok());
    assert!(matches!(ask(2).await, Err(Refused::Exhausted { .. })), "an equal part of the rate");
}

#[tokio::test]
async fn a_gateway_may_go_on_with_its_part_of_what_was_left() {
    let mut server = Server::start(false);
    let budgets = [budget("all", "1.00")];
    let going_on = |node| Rules { when_unreachable: WhenUnreachable::Local, ..rules(node) };
    let (a, b) = (
        Gateway::new(&server, &budgets, going_on("a")),
        Gateway::new(&server, &budgets, going_on("b")),
    );
    a.granted(costs("0.20")).await;
    b.granted(costs("0.20")).await;
    // Both know by their heartbeats that they are two, and what the other holds.
    a.granted(costs("0.10")).await;
    b.granted(costs("0.10")).await;
    server.kill();
    // 0.40 are left, so each may have 0.20; of what a call finds out, the first is lost.
    for gateway in [&a, &b] {
        let mut granted = 0;
        for _ in 0..40 {
            granted += usize::from(gateway.ask(costs("0.01")).await.is_ok());
        }
        assert!((15..=25).contains(&granted), "{granted}");
    }
    server.begin();
    a.exhausted(costs("0.50")).await;
}

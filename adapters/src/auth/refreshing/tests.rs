//! All in paused time: `advance` is the only clock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::advance;

use super::*;

/// Gives the numbers 1, 2, 3 …, each when the test says so.
struct Counter {
    lasts: Option<Duration>,
    begun: Arc<AtomicUsize>,
    /// One permit lets one number out.
    gate: Arc<Semaphore>,
    fails: Arc<AtomicBool>,
    panics: bool,
}

/// Panics before there is anything to wait for.
struct Broken;

struct Stage {
    held: Refreshing<Counter>,
    begun: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
    fails: Arc<AtomicBool>,
}

impl Obtain for Counter {
    type Credential = usize;

    fn obtain(&self) -> BoxFuture<'_, Result<Fresh<usize>, Unobtained>> {
        async {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(!self.panics, "as the test wants it");
            self.gate.acquire().await.unwrap().forget();
            if self.fails.load(Ordering::SeqCst) {
                return Err(Unobtained(format!("no number {number}")));
            }
            Ok(Fresh { credential: number, lasts: self.lasts })
        }
        .boxed()
    }
}

impl Obtain for Broken {
    type Credential = usize;

    fn obtain(&self) -> BoxFuture<'_, Result<Fresh<usize>, Unobtained>> {
        panic!("as the test wants it")
    }
}

impl Stage {
    fn new(lasts: Option<u64>) -> Self {
        let (begun, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
        let fails = Arc::new(AtomicBool::new(false));
        let source = Counter {
            lasts: lasts.map(Duration::from_secs),
            begun: begun.clone(),
            gate: gate.clone(),
            fails: fails.clone(),
            panics: false,
        };
        Self { held: Refreshing::new("test", source), begun, gate, fails }
    }

    /// Lets `count` renewals end.
    fn open(&self, count: usize) {
        self.gate.add_permits(count);
    }

    fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// What `get` gives without waiting for anything.
    fn at_once(&self) -> Option<Result<usize, Failure>> {
        self.held.get().now_or_never().map(|got| got.map(|number| *number))
    }

    fn number(&self) -> usize {
        self.at_once().expect("nobody waits while one is good").unwrap()
    }
}

/// Lets tasks run until they wait.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

async fn pass(seconds: u64) {
    advance(Duration::from_secs(seconds)).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn callers_wait_for_one_renewal_and_then_nobody_waits() {
    let stage = Stage::new(Some(3600));
    let callers = (0..50).map(|_| {
        tokio::spawn({
            let held = stage.held.clone();
            async move { *held.get().await.unwrap() }
        })
    });
    let callers: Vec<_> = callers.collect();
    settle().await;
    assert_eq!(stage.begun(), 1);
    stage.open(1);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), 1);
    }
    assert_eq!((stage.number(), stage.begun()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_ahead_of_its_end_while_the_old_one_is_shown() {
    let stage = Stage::new(Some(3600));
    stage.open(1);
    stage.held.get().await.unwrap();
    pass(3600 - 226).await;
    assert_eq!(stage.number(), 1);
    settle().await;
    assert_eq!(stage.begun(), 1, "too early");
    pass(1).await;
    for _ in 0..3 {
        assert_eq!(stage.number(), 1);
        settle().await;
        assert_eq!(stage.begun(), 2, "one renewal, in the background");
    }
    stage.open(1);
    settle().await;
    assert_eq!(stage.number(), 2);
    assert_eq!(stage.held.known().iter().map(|known| **known).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn the_margin_fits_a_short_life() {
    let stage = Stage::new(Some(40));
    stage.open(2);
    stage.held.get().await.unwrap();
    pass(29).await;
    stage.number();
    settle().await;
    assert_eq!(stage.begun(), 1);
    pass(1).await;
    assert_eq!(stage.number(), 1);
    settle().await;
    assert_eq!(stage.number(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_has_nearly_ended_is_not_shown() {
    let stage = Stage::new(Some(3600));
    stage.open(1);
    stage.held.get().await.unwrap();
    pass(3590).await;
    assert!(stage.at_once().is_none(), "it waits for the next one");
    stage.open(1);
    assert_eq!(*stage.held.get().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_leaves_does_not_stop_the_renewal() {
    let stage = Stage::new(None);
    assert!(stage.at_once().is_none());
    settle().await;
    let other = tokio::spawn({
        let held = stage.held.clone();
        async move { *held.get().await.unwrap() }
    });
    settle().await;
    stage.open(1);
    assert_eq!(other.await.unwrap(), 1);
    assert_eq!(stage.begun(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_harms_nobody_while_the_old_one_is_good() {
    let stage = Stage::new(Some(3600));
    stage.open(1);
    stage.held.get().await.unwrap();
    stage.fail(true);
    stage.open(1000);
    pass(3600 - 225).await;
    let mut begun = Vec::new();
    for second in 0..200 {
        assert_eq!(stage.number(), 1);
        settle().await;
        if stage.begun() > begun.len() + 1 {
            begun.push(second);
        }
        pass(1).await;
    }
    assert_eq!(begun, [0, 1, 3, 7, 15, 31, 63, 95, 127, 159, 191]);
    stage.fail(false);
    pass(20).await;
    assert_eq!(*stage.held.get().await.unwrap(), begun.len() + 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_good_one_a_failure_is_told_at_once_and_tried_again_soon() {
    let stage = Stage::new(None);
    stage.fail(true);
    stage.open(1);
    let failure = stage.held.get().await.unwrap_err();
    assert_eq!(
        (failure.kind, failure.detail.as_deref()),
        (Kind::UpstreamAuth, Some("no number 1"))
    );
    assert!(!failure.message.contains("number"));
    assert_eq!(stage.at_once().unwrap().unwrap_err().detail, failure.detail);
    assert_eq!(stage.begun(), 1);
    pass(1).await;
    stage.fail(false);
    stage.open(1);
    assert_eq!(*stage.held.get().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_credential_is_renewed_unless_it_is_young() {
    let stage = Stage::new(None);
    stage.open(2);
    stage.held.get().await.unwrap();
    for (wait, expected) in [(30, 1), (31, 2)] {
        pass(wait).await;
        stage.held.refused();
        assert_eq!(stage.number(), 1);
        settle().await;
        assert_eq!(stage.begun(), expected);
    }
    assert_eq!(stage.number(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_hangs_or_panics_is_given_up() {
    let stage = Stage::new(None);
    let failure = stage.held.get().await.unwrap_err();
    assert!(failure.detail.unwrap().contains("within 30s"));

    let broken = |lasts, panics| Counter {
        lasts,
        begun: Arc::default(),
        gate: Arc::new(Semaphore::new(1)),
        fails: Arc::default(),
        panics,
    };
    for (source, reason) in
        [(broken(None, true), "panicked"), (broken(Some(Duration::ZERO), false), "has expired")]
    {
        let failure = Refreshing::new("test", source).get().await.unwrap_err();
        assert!(failure.detail.unwrap().contains(reason));
    }
    let broken = Refreshing::new("test", Broken);
    for _ in 0..2 {
        let failure = broken.get().await.unwrap_err();
        assert!(failure.detail.unwrap().contains("panicked"));
        pass(1).await;
    }
}

#[test]
fn it_prints_its_account_only() {
    let stage = Stage::new(None);
    assert_eq!(format!("{:?}", stage.held), "Refreshing(\"test\")");
}

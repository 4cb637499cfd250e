//! One suite for every log of decisions.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[path = "servers/postgres.rs"]
#[expect(dead_code, reason = "others kill their servers")]
mod postgres;

use isthmus_inference::money::Money;
use isthmus_inference::usage::Usage;
use isthmus_ledger::decision::{Decided, DecisionLog, Period};
use isthmus_ledger::key::NewKey;
use isthmus_ledger::store::Store;
use isthmus_ledger::stores::postgres::Postgres;
use isthmus_ledger::stores::sqlite::Sqlite;

const ALWAYS: Period = Period { from: i64::MIN, to: i64::MAX };

fn decided(request_id: &str, at: i64) -> Decided {
    Decided {
        at,
        request_id: request_id.into(),
        organisation: "acme".into(),
        team: "support".into(),
        app: "helpdesk".into(),
        model: "chat".into(),
        policy: "0123456789ab".into(),
        endpoint: Some("gpt-mini-us".into()),
        outcome: "answered".into(),
        usage: Some(Usage { cache_read: 1200, text_output: 80, ..Usage::default() }),
        cost: Some(Money::from_pico_dollars(i128::from(i64::MAX) * 3)),
        features: r#"{"class":"pii"}"#.into(),
    }
}

async fn a_decision_comes_back_as_it_was_written(log: &impl DecisionLog) {
    let denied = Decided {
        endpoint: None,
        outcome: "policy_denied".into(),
        usage: None,
        cost: None,
        ..decided("denied", 2)
    };
    log.append(&[decided("one", 1), denied.clone()]).await.unwrap();
    assert_eq!(log.decision("one").await.unwrap(), Some(decided("one", 1)));
    assert_eq!(log.decision("denied").await.unwrap(), Some(denied));
    assert_eq!(log.decision("never").await.unwrap(), None);
}

async fn of_two_requests_with_one_id_the_newer_is_meant(log: &impl DecisionLog) {
    log.append(&[decided("twice", 1), decided("twice", 5)]).await.unwrap();
    assert_eq!(log.decision("twice").await.unwrap().unwrap().at, 5);
}

async fn a_period_is_read_page_by_page(log: &impl DecisionLog) {
    let rows: Vec<_> = (100..110).map(|at| decided("page", at)).collect();
    log.append(&rows).await.unwrap();
    let period = Period { from: 101, to: 109 };
    assert_eq!(log.count(period).await.unwrap(), 8);
    let (mut seen, mut after) = (vec![], 0);
    loop {
        let page = log.decisions(period, after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.number;
        seen.extend(page.iter().map(|row| row.decided.at));
    }
    assert_eq!(seen, (101..109).collect::<Vec<_>>());
}

async fn what_is_old_is_forgotten(log: &impl DecisionLog) {
    let all = log.count(ALWAYS).await.unwrap();
    let old = log.count(Period { from: i64::MIN, to: 105 }).await.unwrap();
    assert_eq!(log.forget_before(105).await.unwrap(), old);
    assert_eq!(log.count(ALWAYS).await.unwrap(), all - old);
}

async fn suite(log: &impl DecisionLog) {
    a_decision_comes_back_as_it_was_written(log).await;
    of_two_requests_with_one_id_the_newer_is_meant(log).await;
    a_period_is_read_page_by_page(log).await;
    what_is_old_is_forgotten(log).await;
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    suite(&Sqlite::open(&folder.path().join("isthmus.db")).await.unwrap()).await;
}

#[tokio::test]
async fn postgres() {
    let server = postgres::Server::start();
    suite(&Postgres::open(&server.url()).await.unwrap()).await;
}

#[tokio::test]
async fn a_name_with_a_zero_in_it_loses_no_batch_in_postgres() {
    let server = postgres::Server::start();
    let log = Postgres::open(&server.url()).await.unwrap();
    let odd = Decided { model: "a\0b".into(), ..decided("odd", 1) };
    log.append(&[odd, decided("even", 2)]).await.unwrap();
    assert_eq!(log.decision("odd").await.unwrap().unwrap().model, "a\u{fffd}b");
    assert_eq!(log.count(ALWAYS).await.unwrap(), 2);
}

#[tokio::test]
async fn sqlite_keeps_decisions_and_changes_of_keys_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&folder.path().join("isthmus.db")).await.unwrap();
    let before = store.version().await.unwrap();
    store.append(&[decided("one", 1)]).await.unwrap();
    assert_eq!(store.version().await.unwrap(), before);
    store.create_key(&NewKey { name: "web".into(), ..NewKey::default() }, 1).await.unwrap();
    let made = store.version().await.unwrap();
    assert_ne!(made, before);
    store.revoke_key("web", 2).await.unwrap();
    assert_ne!(store.version().await.unwrap(), made);
}

//! One suite for all stores.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[path = "servers/postgres.rs"]
mod postgres;

use std::time::{Duration, Instant};

use isthmus_ledger::key::{Holder, KeyHash, KeyLimits, NewKey, Terms};
use isthmus_ledger::store::{Store, StoreError};
use isthmus_ledger::stores::postgres::Postgres;
use isthmus_ledger::stores::sqlite::Sqlite;

fn named(name: &str) -> NewKey {
    NewKey { name: name.into(), ..NewKey::default() }
}

fn terms() -> Terms {
    Terms {
        models: vec!["chat".into(), "openai/gpt-5".into()],
        expires_at: Some(99),
        holder: Holder {
            organisation: Some("acme".into()),
            team: Some("support".into()),
            app: None,
            data_class: Some("pii".into()),
            may_declassify: true,
            tags: [("cost_center".to_owned(), "4711".to_owned())].into(),
        },
        limits: KeyLimits {
            rpm: Some(60),
            usd_per_day: Some("0.10".parse().unwrap()),
            ..KeyLimits::default()
        },
    }
}

async fn keys_come_back_as_they_were_made(store: &impl Store) {
    let new = NewKey { name: "web".into(), terms: terms() };
    let (key, minted) = store.create_key(&new, 7).await.unwrap();
    assert_eq!((&key.terms, key.created_at), (&new.terms, 7));
    let kept = store.keys().await.unwrap();
    assert!(kept.contains(&(KeyHash::of(minted.secret.expose()), key)));
}

async fn the_terms_of_a_key_change_and_it_stays(store: &impl Store) {
    let (key, minted) = store.create_key(&named("changing"), 1).await.unwrap();
    let version = store.version().await.unwrap();
    let changed = store.change_key("changing", &terms()).await.unwrap();
    assert_eq!((&changed.id, changed.terms.clone()), (&key.id, terms()));
    assert_ne!(store.version().await.unwrap(), version, "running gateways notice");
    let kept = store.keys().await.unwrap();
    assert!(kept.contains(&(minted.hash, changed)));
    let careless = Terms { models: vec![" ".into()], ..terms() };
    let refused = store.change_key(&key.id, &careless).await;
    assert!(matches!(refused, Err(StoreError::EmptyModel)));
    store.revoke_key(&key.id, 5).await.unwrap();
    let refused = store.change_key(&key.id, &Terms::default()).await;
    assert!(matches!(refused, Err(StoreError::Revoked(name)) if name == "changing"));
    let nobody = store.change_key("nobody", &terms()).await;
    assert!(matches!(nobody, Err(StoreError::NoSuchKey(_))));
}

async fn a_name_is_given_once(store: &impl Store) {
    store.create_key(&named("twice"), 1).await.unwrap();
    let again = store.create_key(&named("twice"), 2).await.unwrap_err();
    assert!(matches!(again, StoreError::NameTaken(name) if name == "twice"));
}

async fn a_revoked_key_stays_listed_and_dead(store: &impl Store) {
    let (key, _) = store.create_key(&named("leaving"), 1).await.unwrap();
    assert_eq!(store.revoke_key(&key.id, 5).await.unwrap().revoked_at, Some(5));
    let again = store.revoke_key("leaving", 9).await.unwrap();
    assert_eq!(again.revoked_at, Some(5), "the first time counts");
    assert!(matches!(store.revoke_key("nobody", 1).await, Err(StoreError::NoSuchKey(_))));
}

async fn a_list_that_restricts_never_becomes_one_that_does_not(store: &impl Store) {
    let terms = Terms { models: vec![String::new()], ..Terms::default() };
    let new = NewKey { terms, ..named("careless") };
    assert!(matches!(store.create_key(&new, 1).await, Err(StoreError::EmptyModel)));
}

async fn a_rotated_key_has_a_successor_and_an_end(store: &impl Store) {
    let limits = KeyLimits { tpm: Some(5), ..KeyLimits::default() };
    let terms =
        Terms { models: vec!["chat".into()], expires_at: Some(900), limits, ..Terms::default() };
    let new = NewKey { terms, ..named("turning") };
    let (old, old_text) = store.create_key(&new, 1).await.unwrap();
    let (key, minted) = store.rotate_key("turning", 100, 10).await.unwrap();
    assert_eq!((&*key.name, &key.terms), ("turning", &new.terms));
    assert!(key.id != old.id && minted.hash != old_text.hash);
    let kept = store.keys().await.unwrap();
    let (_, former) = kept.iter().find(|(hash, _)| *hash == old_text.hash).unwrap();
    assert_eq!((former.terms.expires_at, former.name.clone()), (Some(100), old.former_name()));
    let again = store.rotate_key(&old.id, 100, 20).await.unwrap_err();
    assert!(matches!(again, StoreError::NotLive(_)), "it has a successor");
    store.revoke_key("turning", 30).await.unwrap();
    let revoked = store.rotate_key("turning", 100, 40).await.unwrap_err();
    assert!(matches!(revoked, StoreError::NotLive(_)));
    let nobody = store.rotate_key("nobody", 100, 40).await.unwrap_err();
    assert!(matches!(nobody, StoreError::NoSuchKey(_)));
}

async fn suite(store: &impl Store) {
    a_rotated_key_has_a_successor_and_an_end(store).await;
    a_list_that_restricts_never_becomes_one_that_does_not(store).await;
    keys_come_back_as_they_were_made(store).await;
    the_terms_of_a_key_change_and_it_stays(store).await;
    a_name_is_given_once(store).await;
    a_revoked_key_stays_listed_and_dead(store).await;
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    Box::pin(suite(&Sqlite::open(&folder.path().join("isthmus.db")).await.unwrap())).await;
}

#[tokio::test]
async fn sqlite_tells_when_another_process_wrote_and_keeps_no_key_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("isthmus.db");
    let (here, there) = (Sqlite::open(&path).await.unwrap(), Sqlite::open(&path).await.unwrap());
    let before = here.version().await.unwrap();
    let (_, minted) = there.create_key(&named("late"), 1).await.unwrap();
    assert_ne!(here.version().await.unwrap(), before);
    assert_eq!(here.keys().await.unwrap().len(), 1);

    let text = &minted.secret.expose()[minted.id.len()..];
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    }
}

#[tokio::test]
async fn an_unusable_place_is_named() {
    let error = Sqlite::open("/nonexistent/folder/isthmus.db".as_ref()).await.unwrap_err();
    assert!(error.to_string().contains("/nonexistent/folder/isthmus.db"), "{error}");
}

#[tokio::test]
async fn postgres() {
    let server = postgres::Server::start();
    Box::pin(suite(&Postgres::open(&server.url()).await.unwrap())).await;
}

#[tokio::test]
async fn eight_gateways_that_start_at_once_find_one_ledger_and_tell_each_other() {
    let server = postgres::Server::start();
    let opening: Vec<_> = (0..8)
        .map(|_| {
            let url = server.url();
            tokio::spawn(async move { Postgres::open(&url).await })
        })
        .collect();
    let mut stores = vec![];
    for store in opening {
        stores.push(store.await.unwrap().unwrap());
    }
    let before = stores[7].version().await.unwrap();
    stores[0].create_key(&named("shared"), 1).await.unwrap();
    let made = stores[7].version().await.unwrap();
    assert_ne!(made, before);
    assert_eq!(stores[7].keys().await.unwrap().len(), 1);
    stores[3].revoke_key("shared", 2).await.unwrap();
    assert_ne!(stores[7].version().await.unwrap(), made);
}

#[tokio::test]
async fn a_database_that_comes_back_is_used_again_and_errors_keep_the_password() {
    let mut server = postgres::Server::start();
    let store = Postgres::open(&server.url()).await.unwrap();
    store.create_key(&named("steady"), 1).await.unwrap();
    server.kill();
    let error = store.keys().await.unwrap_err().to_string();
    assert!(error.contains("postgres") && !error.contains("hunter2"), "{error}");
    server.restart();
    let until = Instant::now() + Duration::from_secs(30);
    while store.keys().await.is_err() {
        assert!(Instant::now() < until, "it does not recover");
    }
    assert_eq!(store.keys().await.unwrap().len(), 1);
}

//! OpenAI's language behind Epistula: every request is signed as it is sent.

use isthmus_adapters::bittensor::hotkey::Address;
use isthmus_adapters::registry::find;
use isthmus_adapters::settings::AccountSettings;
use sha2::{Digest, Sha256};

use crate::upstream::{Seen, Upstream, chat, json};

/// The development keys `//Alice`, who asks, and `//Bob`.
const SEED: &str = "e5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

fn settings(options: &[(&'static str, &str)]) -> AccountSettings {
    let options = options.iter().map(|(name, value)| (*name, (*value).into())).collect();
    AccountSettings { options, ..AccountSettings::new(find("bittensor-epistula").unwrap()) }
}

/// The signed message of a request, made again from what arrived.
fn message(seen: &Seen) -> String {
    let digest = Sha256::digest(&seen.body);
    let hash: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let header = |name: &str| seen.header(name).unwrap();
    let (uuid, time) = (header("epistula-uuid"), header("epistula-timestamp"));
    format!("{hash}.{uuid}.{time}.{BOB}")
}

#[tokio::test]
async fn the_bytes_that_arrive_are_the_ones_that_were_signed() {
    let mut server = Upstream::start(|_| json(200, r#"{"choices":[]}"#)).await;
    let base_url = Some(format!("http://{}/v1", server.address));
    let account = settings(&[("hotkey_seed", SEED), ("signed_for", BOB)]);
    let account = AccountSettings { base_url, ..account };
    let account = (account.kind.build)(&account).unwrap();
    let mut uuids = Vec::new();
    for _ in 0..2 {
        account.call(chat(false)).await.unwrap();
        let seen = server.next_seen().await;
        assert_eq!(seen.line, "POST /v1/chat/completions");
        assert_eq!(seen.json()["model"], "upstream-model");
        assert_eq!(seen.header("epistula-signed-by"), Some(ALICE));
        assert_eq!(seen.header("authorization"), None);
        let signature = seen.header("epistula-request-signature").unwrap();
        assert!(Address::parse(ALICE).unwrap().signed(&message(&seen), signature));
        uuids.push(seen.header("epistula-uuid").unwrap().to_owned());
    }
    assert_ne!(uuids[0], uuids[1]);
}

#[test]
fn an_account_without_a_good_key_is_refused_without_showing_it() {
    let other = SEED.replace('e', "g");
    for (options, complaint) in [
        (&[][..], "`hotkey_seed` is missing"),
        (&[("hotkey_seed", other.as_str())], "`hotkey_seed` is not a seed"),
        (&[("hotkey_seed", SEED), ("signed_for", "5F")], "`signed_for` is not an SS58 address"),
    ] {
        let base_url = Some("http://127.0.0.1:1/v1".to_owned());
        let account = AccountSettings { base_url, ..settings(options) };
        let error = (account.kind.build)(&account).err().unwrap().to_string();
        assert!(error.contains(complaint), "{error}");
        assert!(!error.contains(&other[2..]), "{error}");
        assert!(!format!("{account:?}").contains(&SEED[2..]));
    }
}

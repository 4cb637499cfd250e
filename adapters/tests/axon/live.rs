//! Calls of a real axon.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use isthmus_adapters::adapter::{Answer, Content};
use isthmus_inference::failure::{Blame, Failure, Kind, Retry};
use isthmus_inference::usage::Source;
use serde_json::{Value, json};

use crate::server::{ALICE, Axon, PATIENCE, attempt, question, text};

/// A synapse that takes the conversation and hashes nothing.
fn simple(name: &str) -> Value {
    json!({
        "name": name,
        "fields": { "messages": { "from": "messages" } },
        "required": ["messages"],
        "answer": { "text": "answer" },
    })
}

fn hashed() -> Value {
    json!({
        "name": "Hashed",
        "fields": {
            "roles": { "from": "roles" },
            "contents": { "from": "contents" },
            "model": { "from": "model" },
            "temperature": { "from": "temperature", "value": 0.7 },
            "seed": { "from": "seed", "value": null },
            "flag": { "value": true },
            "extra": { "value": { "it's": [1, 1.5, 1e-7, 1e22, null, { "x": "\u{200b}\n" }] } },
        },
        "required": ["roles", "contents", "model"],
        "hashed": ["roles", "contents", "model", "temperature", "seed", "flag", "extra"],
        "answer": { "text": "answer", "input_tokens": "tokens", "output_tokens": "tokens" },
    })
}

fn streamed() -> Value {
    json!({
        "name": "Streamed",
        "fields": { "messages": { "from": "messages" } },
        "required": ["messages"],
        "hashed": ["messages"],
        "streams": true,
    })
}

/// The failure of one question.
async fn failure(answer: Result<Answer, Failure>) -> Failure {
    text(answer).await.expect_err("the call must fail")
}

/// The miner's own words, kept with a failure.
fn words(failure: &Failure) -> String {
    let body = &failure.upstream.as_ref().expect("the miner spoke").body;
    serde_json::from_slice::<Value>(body).unwrap()["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs a Python with bittensor: make test-axon"]
async fn a_plain_synapse_is_answered_whole_or_as_a_stream() {
    let axon = Axon::start();
    let account = axon.account(&simple("Plain"));
    for stream in [false, true] {
        let (said, pieces) = text(account.call(question("hi é", stream)).await).await.unwrap();
        assert_eq!(pieces, 1);
        let seen: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(seen["messages"], json!([{ "role": "user", "content": "hi é" }]));
        assert_eq!(seen["caller"], ALICE);
        assert_eq!(seen["timeout"], PATIENCE.as_secs_f64());
    }
}

#[tokio::test]
#[ignore = "needs a Python with bittensor: make test-axon"]
async fn hashed_fields_hash_as_the_axon_hashes_them() {
    let axon = Axon::start();
    let account = axon.account(&hashed());
    let texts = [
        "it's",
        "both ' and \"",
        "back\\slash \t\r\n \u{0}\u{7f}\u{85}\u{a0}\u{ad}",
        "\u{300}\u{301}a\u{301} \u{200b}\u{200d}\u{202e}\u{2028}\u{2029}\u{3000}\u{feff}",
        "😀 👩\u{200d}👧 \u{e0001}\u{e000}\u{fffd}\u{10ffff} 漢字 العربية",
        "",
    ];
    let messages = texts.map(|text| json!({ "role": "user", "content": text }));
    for (extra, temperature, seed) in [
        (json!({}), json!(0.7), Value::Null),
        (json!({ "temperature": 1, "seed": i64::MIN }), json!(1.0), json!(i64::MIN)),
        (json!({ "temperature": 0.00001, "seed": 0 }), json!(0.00001), json!(0)),
    ] {
        let mut body = json!({ "model": "m", "messages": messages });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let answer = account.call(attempt(&body)).await.unwrap();
        let Answer::Whole(whole) = answer else { panic!("not a whole answer") };
        let Content::Chat(chat) = whole.content else { panic!("not a chat") };
        let seen: Value = serde_json::from_str(&chat.choices[0].text()).unwrap();
        assert_eq!(seen["contents"], json!(texts));
        assert_eq!((&seen["temperature"], &seen["seed"]), (&temperature, &seed));
        assert_eq!((&seen["model"], &seen["flag"]), (&json!("up"), &json!(true)));
        assert_eq!((whole.usage.source, whole.usage.input()), (Source::Reported, 7));
    }
}

#[tokio::test]
#[ignore = "needs a Python with bittensor: make test-axon"]
async fn a_stream_comes_in_pieces_or_gathered() {
    let axon = Axon::start();
    let account = axon.account(&streamed());
    for stream in [true, false] {
        let (said, _) = text(account.call(question("hi", stream)).await).await.unwrap();
        assert_eq!(said, "Hello wörld");
    }
}

/// Not as it should be, but as it is: the axon closes the stream properly.
#[tokio::test]
#[ignore = "needs a Python with bittensor: make test-axon"]
async fn a_handler_that_breaks_off_ends_like_one_that_is_done() {
    let axon = Axon::start();
    let answer = axon.account(&streamed()).call(question("break", true)).await;
    assert_eq!(text(answer).await.unwrap().0, "Hel");
}

#[tokio::test]
#[ignore = "needs a Python with bittensor: make test-axon"]
async fn many_calls_at_once_are_all_in_order_for_the_axon() {
    let axon = Axon::start();
    let account = axon.account(&streamed());
    for _ in 0..3 {
        let calls = (0..20).map(|_| async { text(account.call(question("hi", true)).await).await });
        for answer in join_all(calls).await {
            assert_eq!(answer.unwrap().0, "Hello wörld");
        }
    }
}

#[tokio::test]
#[ignore = "needs a Python with bittensor: make test-axon"]
async fn a_refused_signature_is_the_houses_affair() {
    const SLOW: fn() -> SystemTime = || SystemTime::now() - Duration::from_secs(600);
    let axon = Axon::start();
    for (account, hint, said) in [
        (axon.account_with(&simple("Plain"), ALICE, SystemTime::now), "axon_hotkey", "Signature"),
        (
            axon.account_with(&simple("Plain"), crate::server::BOB, SLOW),
            "clock",
            "Nonce is too old",
        ),
        (axon.account(&simple("Blocked")), "registered", "not a registered hotkey"),
    ] {
        let failure = failure(account.call(question("hi", false)).await).await;
        assert_eq!((failure.kind, failure.blame), (Kind::UpstreamAuth, Blame::House));
        assert_eq!(failure.retry, Retry::Elsewhere);
        assert!(failure.detail.as_ref().unwrap().contains(hint), "{failure:?}");
        assert!(words(&failure).contains(said), "{failure:?}");
        assert!(!failure.message.contains(said), "{failure:?}");
    }
}

#[tokio::test]
#[ignore = "needs a Python with bittensor: make test-axon"]
async fn what_the_miner_says_went_wrong_is_passed_on() {
    let axon = Axon::start();
    let unknown = failure(axon.account(&simple("NoSuch")).call(question("hi", true)).await).await;
    assert_eq!((unknown.kind, unknown.blame), (Kind::NotFound, Blame::House));
    assert_eq!(unknown.retry, Retry::Elsewhere);
    assert!(unknown.message.contains("'NoSuch' not found"), "{unknown:?}");

    let mut unhashed = hashed();
    unhashed["hashed"] = json!(["contents"]);
    let mut undeclared = simple("Plain");
    undeclared["required"] = json!([]);
    for synapse in [simple("Boom"), unhashed, undeclared] {
        let failure = failure(axon.account(&synapse).call(question("hi", false)).await).await;
        assert_eq!((failure.kind, failure.blame), (Kind::ProviderError, Blame::Provider));
        assert!(failure.message.contains("Internal Server Error #"), "{failure:?}");
        assert_eq!(words(&failure), failure.message);
    }
}

#[tokio::test]
#[ignore = "needs a Python with bittensor: make test-axon"]
async fn an_answer_of_another_form_is_no_answer() {
    let axon = Axon::start();
    let mut not_streamed = streamed();
    not_streamed["streams"] = json!(false);
    not_streamed["answer"] = json!({ "text": "answer" });
    let mut not_whole = simple("Plain");
    not_whole["streams"] = json!(true);
    not_whole["answer"] = Value::Null;
    let mut elsewhere = simple("Plain");
    elsewhere["answer"] = json!({ "text": "completion" });
    for synapse in [not_streamed, not_whole, elsewhere] {
        let failure = failure(axon.account(&synapse).call(question("hi", true)).await).await;
        assert_eq!(failure.kind, Kind::Malformed, "{failure:?}");
    }
}

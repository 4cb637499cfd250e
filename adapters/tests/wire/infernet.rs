//! Infernet against what a real node said: `../data/infernet-capture.txt`, recorded from infernet-node
//! 1.4.0 with a container that repeats its input, or streams three words.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use isthmus_adapters::adapter::{Adapter, Answer, Content, Piece};
use isthmus_adapters::registry::{BuildError, find};
use isthmus_adapters::settings::AccountSettings;
use isthmus_inference::failure::{Blame, Kind, Retry};
use isthmus_inference::stream::Event;
use isthmus_inference::usage::Source;
use serde_json::json;

use crate::upstream::{self, Seen, Step, Upstream, chat, chunk, head, last_chunk, pieces, whole};

const CAPTURE: &str = include_str!("../data/infernet-capture.txt");

/// What follows a heading of the capture, to the line's end.
fn recorded(heading: &str) -> &'static str {
    CAPTURE.lines().find_map(|line| line.strip_prefix(heading)).unwrap()
}

/// The answer to a raw request, as Python wrote it down: `… -> 405 {headers} b'body'`.
fn raw(request: &str) -> (u16, String) {
    let (_, answer) = recorded(&format!("RAW {request}")).split_once("-> ").unwrap();
    let (status, rest) = answer.split_once(' ').unwrap();
    let (_, body) = rest.split_once(" b'").unwrap();
    let body = body.strip_suffix('\'').unwrap().replace("\\n", "\n").replace("\\\\", "\\");
    (status.parse().unwrap(), body)
}

/// A node's whole answer.
fn answer((status, body): (u16, String)) -> Vec<Step> {
    whole(status, "content-type: application/json\r\nratelimit-reset: 1\r\n", &body)
}

/// The answer to the submission of the recorded job.
fn submitted() -> Vec<Step> {
    answer((200, json!({ "id": recorded("job ") }).to_string()))
}

/// A node's stream; its words come in pieces of their own.
fn streamed() -> Vec<Step> {
    let (_, body) = raw("POST /api/jobs/stream");
    let (id, words) = body.split_once('\n').unwrap();
    let mut steps = vec![head("text/html; charset=utf-8"), chunk(format!("{id}\n").as_bytes())];
    steps.extend(words.split_inclusive(' ').map(|word| chunk(word.as_bytes())));
    steps.push(last_chunk());
    steps
}

fn try_account(
    server: &Upstream,
    options: &[(&'static str, &str)],
) -> Result<Arc<dyn Adapter>, BuildError> {
    let settings = AccountSettings {
        base_url: Some(format!("http://{}", server.address)),
        options: options.iter().map(|(name, value)| (*name, (*value).into())).collect(),
        ..AccountSettings::new(find("infernet").unwrap())
    };
    (settings.kind.build)(&settings)
}

const POLLED: [(&str, &str); 3] = [
    ("containers", r#"["llm"]"#),
    ("data", r#"{"prompt":{"from":"prompt"}}"#),
    ("answer", r#"{"text":"output"}"#),
];
const STREAMED: [(&str, &str); 3] = [POLLED[0], POLLED[1], ("streams", "true")];

#[tokio::test]
async fn a_job_is_submitted_and_polled_until_it_is_done() {
    let polls = AtomicUsize::new(0);
    let mut server = Upstream::start(move |seen: &Seen| {
        let running = format!(r#"[{{"id":"{}","status":"running"}}]"#, recorded("job "));
        match seen.line.starts_with("POST") {
            true => submitted(),
            false if polls.fetch_add(1, Ordering::SeqCst) % 3 < 2 => answer((200, running)),
            false => answer((200, format!("[{}]", recorded("result ")))),
        }
    })
    .await;
    let account = try_account(&server, &POLLED).unwrap();
    let Answer::Whole(whole) = account.call(chat(false)).await.unwrap() else {
        panic!("not a whole answer")
    };
    let Content::Chat(answer) = whole.content else { panic!("not a chat") };
    assert_eq!(answer.choices[0].text(), r#"echo:{"prompt": "hi"}"#);
    assert_eq!(whole.usage.source, Source::Estimated);
    assert_eq!(whole.upstream_request_id.as_deref(), Some(recorded("job ")));

    let seen = server.next_seen().await;
    assert_eq!(seen.line, "POST /api/jobs");
    assert_eq!(seen.json(), json!({ "containers": ["llm"], "data": { "prompt": "hi" } }));
    for _ in 0..3 {
        let line = format!("GET /api/jobs?id={}", recorded("job "));
        assert_eq!(server.next_seen().await.line, line);
    }
    // A caller who wants a stream gets it in one piece.
    let (pieces, failure) = pieces(account.call(chat(true)).await).await;
    assert!(failure.is_none() && pieces.len() == 4, "{pieces:?} {failure:?}");
}

#[tokio::test]
async fn a_stream_is_passed_on_word_by_word_or_gathered() {
    let server = Upstream::start(|_| streamed()).await;
    let account = try_account(&server, &STREAMED).unwrap();
    let (pieces, failure) = pieces(account.call(chat(true)).await).await;
    assert!(failure.is_none(), "{failure:?}");
    let texts: Vec<_> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Event(Event::Text { text, .. }) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts.concat(), "one two three");
    assert_eq!(pieces.last(), Some(&Piece::Done { event: None }));

    let Answer::Whole(whole) = account.call(chat(false)).await.unwrap() else {
        panic!("not a whole answer")
    };
    let Content::Chat(answer) = whole.content else { panic!("not a chat") };
    assert_eq!(answer.choices[0].text(), "one two three");
}

#[tokio::test]
async fn with_both_ways_each_caller_gets_his_own() {
    let mut server = Upstream::start(|seen: &Seen| match seen.line.as_str() {
        "POST /api/jobs/stream" => streamed(),
        "POST /api/jobs" => submitted(),
        _ => answer((200, format!("[{}]", recorded("result ")))),
    })
    .await;
    let account = try_account(&server, &[&POLLED[..], &[("streams", "true")]].concat()).unwrap();
    for (stream, line) in [(true, "POST /api/jobs/stream"), (false, "POST /api/jobs")] {
        account.call(chat(stream)).await.unwrap();
        assert_eq!(server.next_seen().await.line, line);
    }
}

#[tokio::test]
async fn what_the_node_refuses_is_told() {
    let guardian = (Kind::NotFound, Blame::House, Retry::Elsewhere);
    let own = (Kind::ProviderError, Blame::Provider, Retry::Later);
    for (request, expected, words) in [
        (r#"POST /api/jobs {"json": {"containers": ["private"]"#, guardian, "must be external"),
        (r#"POST /api/jobs {"json": {"containers": ["nope"]"#, guardian, r#"{"container":"nope"}"#),
        (r#"POST /api/jobs {"json": {"bad": 1}}"#, own, "can not match type"),
    ] {
        let server = Upstream::start(move |_| answer(raw(request))).await;
        for options in [POLLED, STREAMED] {
            let account = try_account(&server, &options).unwrap();
            let failure = upstream::failure(account.call(chat(true)).await).await;
            assert_eq!((failure.kind, failure.blame, failure.retry), expected, "{failure:?}");
            assert!(failure.message.contains(words), "{failure:?}");
        }
    }
    let server = Upstream::start(|_| answer((429, r#"{"error":"slow down"}"#.into()))).await;
    let account = try_account(&server, &POLLED).unwrap();
    let failure = upstream::failure(account.call(chat(false)).await).await;
    assert_eq!(failure.kind, Kind::RateLimited);
    assert_eq!(failure.retry_after, Some(std::time::Duration::from_secs(1)));
}

#[tokio::test]
async fn a_forgotten_job_and_a_broken_stream_are_no_answers() {
    let server = Upstream::start(|seen: &Seen| match seen.line.starts_with("POST") {
        true => submitted(),
        false => answer(raw("GET /api/jobs?id=unknown")),
    })
    .await;
    let account = try_account(&server, &POLLED).unwrap();
    let failure = upstream::failure(account.call(chat(false)).await).await;
    assert_eq!((failure.kind, failure.retry), (Kind::ProviderError, Retry::Elsewhere));

    // The container failed before its first word: the node says nothing more than the id.
    let server =
        Upstream::start(|_| vec![head("text/html"), chunk(b"some-id\n"), last_chunk()]).await;
    let account = try_account(&server, &STREAMED).unwrap();
    let failure = upstream::failure(account.call(chat(true)).await).await;
    assert_eq!(failure.kind, Kind::Malformed);
}

#[tokio::test]
async fn the_containers_that_take_jobs_are_listed() {
    let mut server = Upstream::start(|_| answer((200, recorded("info ").to_owned()))).await;
    let account = try_account(&server, &POLLED).unwrap();
    assert_eq!(account.models().await.unwrap(), ["llm", "upper"]);
    assert_eq!(server.next_seen().await.line, "GET /info");
}

#[tokio::test]
async fn an_account_must_say_what_it_needs() {
    let server = Upstream::start(|_| vec![Step::Close]).await;
    let two = ("containers", r#"["a","b"]"#);
    for (options, complaint) in [
        (&POLLED[1..], "`containers` is missing"),
        (&[POLLED[0], POLLED[2]], "`data` is missing"),
        (&POLLED[..2], "give `answer`, `streams: true` or both"),
        (&[two, POLLED[1], STREAMED[2]], "a single container"),
        (&[POLLED[0], POLLED[2], ("data", r#"{"x":{"from":"seed"}}"#)], "`data`: no field takes"),
        (&[POLLED[0], POLLED[1], ("answer", "[")], "`answer`: "),
    ] {
        let error = try_account(&server, options).err().unwrap().to_string();
        assert!(error.contains(complaint), "{error}");
    }
}

//! Upstreams that misbehave, and callers who leave.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use isthmus_adapters::adapter::{Answer, Piece, Timeouts};
use isthmus_adapters::registry;
use isthmus_adapters::settings::AccountSettings;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Operation;
use tokio::net::TcpSocket;
use tokio::sync::Notify;

use crate::upstream::{
    KEY, LIMITS, Step, Upstream, attempt_within, chat, chunk, failure, head, json, last_chunk,
    pieces, stream, whole,
};

const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const EVENTS: &str = "text/event-stream; charset=utf-8";

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let mut server =
        Upstream::start(|_| vec![head(EVENTS), chunk(TEXT.as_bytes()), Step::Stall]).await;
    let answer = server.account("vllm").call(chat(true)).await.unwrap();
    let Answer::Stream(mut stream) = answer else { panic!("not a stream") };
    stream.pieces.next().await.unwrap().unwrap();
    drop(stream);
    server.client_left().await;
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let mut server = Upstream::start(|_| vec![Step::Stall]).await;
    let account = server.account("vllm");
    let call = tokio::spawn(async move { account.call(chat(false)).await.map(|_| ()) });
    server.next_seen().await;
    call.abort();
    server.client_left().await;
}

#[tokio::test]
async fn an_upstream_that_says_nothing_is_given_up() {
    for streamed in [false, true] {
        let mut server = Upstream::start(|_| vec![Step::Stall]).await;
        let account = server.account("vllm");
        let call = tokio::spawn(async move { failure(account.call(chat(streamed)).await).await });
        server.next_seen().await;
        tokio::time::pause();
        let failure = call.await.unwrap();
        assert_eq!(failure.kind, Kind::Timeout);
        assert!(failure.message.contains("begin its answer"), "{}", failure.message);
        tokio::time::resume();
        server.client_left().await;
    }
}

#[tokio::test]
async fn headers_and_then_silence_are_no_first_byte() {
    let mut server = Upstream::start(|_| vec![head(EVENTS), Step::Stall]).await;
    let answer = server.account("vllm").call(chat(true)).await;
    tokio::time::pause();
    let failure = failure(answer).await;
    assert!(failure.message.contains("begin its answer"), "{}", failure.message);
    tokio::time::resume();
    server.client_left().await;
}

#[tokio::test]
async fn an_upstream_that_stalls_in_the_middle_is_given_up() {
    let server = Upstream::start(|_| vec![head(EVENTS), chunk(TEXT.as_bytes()), Step::Stall]).await;
    let answer = server.account("vllm").call(chat(true)).await.unwrap();
    let Answer::Stream(mut stream) = answer else { panic!("not a stream") };
    assert_eq!(stream.pieces.next().await.unwrap().unwrap(), Piece::Relay(TEXT.into()));
    tokio::time::pause();
    let failure = stream.pieces.next().await.unwrap().unwrap_err();
    assert_eq!(failure.kind, Kind::Timeout);
    assert!(failure.message.contains("middle"), "{}", failure.message);
    assert!(stream.pieces.next().await.is_none(), "nothing follows a failure");
}

#[tokio::test]
async fn a_server_that_accepts_no_connection_is_given_up() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // A full queue makes the system drop further attempts in silence, as a dead host would.
    let fill =
        || tokio::time::timeout(Duration::from_millis(20), tokio::net::TcpStream::connect(address));
    let mut waiting = Vec::new();
    while let Ok(connected) = fill().await {
        waiting.push(connected.unwrap());
    }
    let kind = registry::find("vllm").unwrap();
    let base_url = Some(format!("http://{address}/v1"));
    let settings = AccountSettings { base_url, ..AccountSettings::new(kind) };
    let account = (kind.build)(&settings).unwrap();

    tokio::time::pause();
    let failure = failure(account.call(chat(false)).await).await;
    assert_eq!(failure.kind, Kind::Timeout);
    assert!(failure.message.contains("accept a connection"), "{}", failure.message);
}

#[tokio::test]
async fn nobody_at_the_address_is_unreachable() {
    let server = Upstream::start(|_| vec![Step::Close]).await;
    let closed = failure(server.account("vllm").call(chat(false)).await).await;
    assert_eq!(closed.kind, Kind::Unreachable);

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let kind = registry::find("vllm").unwrap();
    let base_url = Some(format!("http://{free}/v1"));
    let settings = AccountSettings { base_url, ..AccountSettings::new(kind) };
    let refused = failure((kind.build)(&settings).unwrap().call(chat(true)).await).await;
    assert_eq!(refused.kind, Kind::Unreachable);
    assert!(refused.message.contains("no connection"), "{}", refused.message);
    assert!(!refused.message.contains("127.0.0.1"), "an address is not for callers");
}

#[tokio::test]
async fn a_stream_that_is_cut_never_ends_cleanly() {
    let scripts: [fn() -> Vec<Step>; 4] = [
        // A clean end of the body without a finished answer.
        || stream(&[TEXT]),
        || stream(&[]),
        // The end in the middle of an event.
        || stream(&[STOP, &TEXT[..20]]),
        // The connection breaks.
        || vec![head(EVENTS), chunk(TEXT.as_bytes()), Step::Close],
    ];
    for (number, script) in scripts.into_iter().enumerate() {
        let server = Upstream::start(move |_| script()).await;
        let failure = failure(server.account("vllm").call(chat(true)).await).await;
        assert_eq!(failure.kind, Kind::Malformed, "script {number}: {failure:?}");
    }
}

#[tokio::test]
async fn a_stream_that_lacks_one_of_two_choices_is_cut() {
    let other = STOP.replace("[{", r#"[{"index":1,"#);
    for (events, whole) in [(vec![STOP], false), (vec![STOP, other.as_str()], true)] {
        let script = events.concat();
        let server = Upstream::start(move |_| stream(&[&script])).await;
        let body = r#"{"model":"m","stream":true,"n":2,"messages":[{}]}"#;
        let account = server.account("vllm");
        let answer = account.call(attempt_within(Operation::Chat, body, LIMITS));
        let (_, failure) = pieces(answer.await).await;
        assert_eq!(failure.is_none(), whole, "{failure:?}");
    }
}

#[tokio::test]
async fn an_error_behind_comments_comes_before_any_piece() {
    let error = "data: {\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"}}\n\n";
    let server = Upstream::start(|_| stream(&[": PROCESSING\n\n", ": ping\n\n", error])).await;
    let (pieces, failure) = pieces(server.account("openrouter").call(chat(true)).await).await;
    assert_eq!(pieces, []);
    assert_eq!(failure.unwrap().kind, Kind::Overloaded);
}

#[tokio::test]
async fn a_whole_answer_that_is_cut_is_no_answer() {
    let server = Upstream::start(|_| {
        let text = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"choices\":[";
        vec![Step::Send(text.into()), Step::Close]
    })
    .await;
    let failure = failure(server.account("vllm").call(chat(false)).await).await;
    assert_eq!(failure.kind, Kind::Malformed);
}

#[tokio::test]
async fn garbage_is_malformed_whatever_it_claims_to_be() {
    let cases: [(bool, &str, &str); 6] = [
        (false, "application/json", "<html>busy</html>"),
        (false, "application/json", "{\"choices\":"),
        (true, "text/html", "<html>busy</html>"),
        (true, "text/event-stream", "<html>busy</html>\n\n"),
        (true, "application/json", "{\"choices\":[]}"),
        (true, "text/event-stream", "\u{0}\u{1}\n\n"),
    ];
    for (streamed, kind, body) in cases {
        let headers = format!("content-type: {kind}\r\n");
        let server = Upstream::start(move |_| whole(200, &headers, body)).await;
        let failure = failure(server.account("vllm").call(chat(streamed)).await).await;
        assert_eq!(failure.kind, Kind::Malformed, "{kind} {body}");
        let shown = format!("{failure:?}");
        assert!(!shown.contains("busy"), "an answer is for nobody else: {shown}");
    }
}

#[tokio::test]
async fn an_error_object_in_place_of_a_stream_is_that_error() {
    let body = r#"{"error":{"message":"slow down","code":429}}"#;
    let server = Upstream::start(move |_| json(200, body)).await;
    let failure = failure(server.account("openrouter").call(chat(true)).await).await;
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::RateLimited, "slow down"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut server =
        Upstream::start(|_| whole(307, "location: http://127.0.0.1:1/elsewhere\r\n", "")).await;
    let failure = failure(server.account("vllm").call(chat(false)).await).await;
    assert_eq!(failure.kind, Kind::ProviderError);
    server.next_seen().await;
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn the_credential_is_struck_out_of_what_the_provider_repeats() {
    let body = format!(r#"{{"error":{{"message":"Incorrect API key: {KEY}"}}}}"#);
    let shows = |failure: &Failure| format!("{failure:?} {failure}").contains(KEY);
    for (status, streamed) in [(401, false), (400, false), (400, true), (200, false), (200, true)] {
        let text = body.clone();
        let server = Upstream::start(move |_| json(status, &text)).await;
        let failure = failure(server.account("openai").call(chat(streamed)).await).await;
        assert!(!shows(&failure), "{status}: {failure:?}");
        let upstream = failure.upstream.expect("its words are kept");
        assert!(!String::from_utf8_lossy(&upstream.body).contains(KEY), "{status}");
    }
    let event = format!("data: {body}\n\n");
    let server = Upstream::start(move |_| stream(&[TEXT, &event])).await;
    assert!(!shows(&failure(server.account("openai").call(chat(true)).await).await));
}

#[tokio::test]
async fn an_endless_error_is_read_to_a_limit() {
    let server = Upstream::start(|_| {
        let mut steps =
            vec![Step::Send("HTTP/1.1 500 X\r\ntransfer-encoding: chunked\r\n\r\n".into())];
        steps.extend((0..64).map(|_| chunk(&[b'x'; 16 << 10])));
        steps.push(Step::Stall);
        steps
    })
    .await;
    let failure = failure(server.account("vllm").call(chat(false)).await).await;
    assert_eq!(failure.kind, Kind::ProviderError);
    assert!(failure.upstream.unwrap().body.len() <= 64 << 10);
    assert!(failure.message.len() <= 2048);
}

#[tokio::test]
async fn a_connection_is_used_again_even_if_its_last_bytes_come_late() {
    let late = Arc::new(Notify::new());
    let word = late.clone();
    let mut server = Upstream::start(move |_| {
        let body = [TEXT, STOP, DONE].concat();
        vec![head(EVENTS), chunk(body.as_bytes()), Step::Await(word.clone()), last_chunk()]
    })
    .await;
    let account = server.account("vllm");
    for _ in 0..3 {
        let (pieces, failure) = pieces(account.call(chat(true)).await).await;
        assert!(failure.is_none(), "{failure:?}");
        assert_eq!(pieces.last(), Some(&Piece::Done { event: Some(DONE.into()) }));
        server.next_seen().await;
        late.notify_one();
        // The pool hears of the end only when the reactor has run.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_stream_takes_no_longer_than_all_of_its_time() {
    let server = Upstream::start(|_| vec![head(EVENTS), chunk(TEXT.as_bytes()), Step::Stall]).await;
    let limits = Timeouts { total: Duration::from_secs(3), ..LIMITS };
    let body = r#"{"model":"m","stream":true,"messages":[{}]}"#;
    let answer =
        server.account("vllm").call(attempt_within(Operation::Chat, body, limits)).await.unwrap();
    let Answer::Stream(mut stream) = answer else { panic!("not a stream") };
    stream.pieces.next().await.unwrap().unwrap();
    tokio::time::pause();
    let failure = stream.pieces.next().await.unwrap().unwrap_err();
    assert!(failure.message.contains("finish its answer"), "{}", failure.message);
}

#[tokio::test]
async fn a_whole_answer_may_take_long_to_begin() {
    let ready = Arc::new(Notify::new());
    let word = ready.clone();
    let mut server = Upstream::start(move |_| {
        let mut steps = vec![Step::Await(word.clone())];
        steps.extend(json(200, r#"{"choices":[]}"#));
        steps
    })
    .await;
    let account = server.account("vllm");
    let call = tokio::spawn(async move { account.call(chat(false)).await.map(|_| ()) });
    server.next_seen().await;
    tokio::time::pause();
    tokio::time::advance(LIMITS.first_byte + Duration::from_secs(5)).await;
    tokio::time::resume();
    ready.notify_one();
    call.await.unwrap().expect("only the total counts");
}

#[tokio::test]
async fn an_error_whose_body_stalls_is_told_soon_with_what_came() {
    let server = Upstream::start(|_| {
        let head = "HTTP/1.1 503 X\r\ntransfer-encoding: chunked\r\n\r\n";
        vec![Step::Send(head.into()), chunk(b"no room"), Step::Stall]
    })
    .await;
    let limits = Timeouts { first_byte: Duration::from_secs(3600), ..LIMITS };
    let body = r#"{"model":"m","stream":true,"messages":[{}]}"#;
    let account = server.account("vllm");
    let began = std::time::Instant::now();
    let answer = account.call(attempt_within(Operation::Chat, body, limits)).await;
    let failure = failure(answer).await;
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::Overloaded, "no room"));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn short_values_of_headers_change_no_error() {
    let server =
        Upstream::start(|_| json(400, r#"{"error":{"message":"1 is odd","code":401}}"#)).await;
    let account = server.try_account("vllm", &[("x-tier", "1"), ("x-name", "odd")]).unwrap();
    let failure = failure(account.call(chat(false)).await).await;
    assert_eq!(failure.message, "1 is odd");
}

#[tokio::test]
async fn vectors_without_usage_cost_no_output() {
    let server = Upstream::start(|_| json(200, r#"{"data":[{"embedding":[0.5,0.25]}]}"#)).await;
    let body = r#"{"model":"m","input":"some words"}"#;
    let attempt = attempt_within(Operation::Embedding, body, LIMITS);
    let answer = server.account("vllm").call(attempt).await.unwrap();
    let Answer::Whole(whole) = answer else { panic!("not whole") };
    assert_eq!(whole.usage.output(), 0);
    assert!(whole.usage.input() > 0);
}

//! Files at addresses: fetched for providers that do not fetch, from the public internet alone.

use std::net::SocketAddr;
use std::sync::Arc;

use isthmus_adapters::adapter::{Adapter, Attempt};
use isthmus_inference::failure::{Failure, Kind, Retry};
use isthmus_inference::request::Operation;
use serde_json::{Value, json as value};

use crate::upstream::{self, Seen, Step, Upstream, attempt, json, whole};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0123";
const ANSWER: &str =
    r#"{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}"#;
/// A question about the pictures at these addresses.
fn asking(urls: &[String]) -> Attempt {
    let pictures = urls.iter().map(|url| value!({"type": "image_url", "image_url": {"url": url}}));
    let content: Vec<_> = pictures.collect();
    let body = value!({"model": "m", "messages": [{"role": "user", "content": content}]});
    attempt(Operation::Chat, &body.to_string())
}

fn file(content_type: &str, bytes: &[u8]) -> Vec<Step> {
    let length = bytes.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\ncontent-type: {content_type}\r\n\r\n"
    );
    vec![Step::Send([head.as_bytes(), bytes].concat().into())]
}

fn redirect(to: &str) -> Vec<Step> {
    whole(302, &format!("location: {to}\r\n"), "")
}

/// A server of files, and of answers.
fn serve(seen: &Seen) -> Vec<Step> {
    match seen.line.as_str() {
        "GET /a.png" => file("image/png", PNG),
        "GET /moved" => redirect("/a.png"),
        "GET /round" => redirect("/round"),
        "GET /inside" => redirect("http://169.254.169.254/latest/meta-data"),
        "GET /page" => file("text/html", b"<html>"),
        "GET /liar" => file("image/png", b"<html>"),
        "GET /large" => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 21 << 20);
            vec![Step::Send(head.into()), Step::Stall]
        }
        "GET /endless" => {
            let mut steps = vec![upstream::head("image/png")];
            steps.extend((0..21).map(|_| upstream::chunk(&[b'x'; 1 << 20])));
            steps.push(Step::Stall);
            steps
        }
        "GET /gone" => whole(404, "", ""),
        _ => json(200, ANSWER),
    }
}

/// An account that may fetch from its own server, which is not public.
fn account(server: &Upstream) -> Arc<dyn Adapter> {
    let address = server.address.to_string();
    server.account_with("gemini", &[("media_hosts", &address)])
}

async fn refused(account: &Arc<dyn Adapter>, url: String) -> Failure {
    upstream::failure(account.call(asking(&[url])).await).await
}

fn local(address: SocketAddr, path: &str) -> String {
    format!("http://{address}{path}")
}

/// The first request that is a call, after those for files.
async fn called(server: &mut Upstream) -> Value {
    loop {
        let seen = server.next_seen().await;
        if seen.line.starts_with("POST") {
            return seen.json();
        }
    }
}

#[tokio::test]
async fn pictures_are_fetched_and_sent_as_bytes() {
    let mut server = Upstream::start(serve).await;
    let urls = ["/a.png", "/moved"].map(|path| local(server.address, path));
    account(&server).call(asking(&urls)).await.unwrap();
    let picture = value!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgowMTIz"}});
    let sent = called(&mut server).await;
    assert_eq!(sent["contents"][0]["parts"], value!([picture, picture]));
}

#[tokio::test]
async fn what_the_provider_fetches_is_left_to_it() {
    let mut server = Upstream::start(serve).await;
    let account = server.account_with("gemini", &[]);
    account.call(asking(&["gs://bucket/a.png".to_owned()])).await.unwrap();
    let sent = called(&mut server).await;
    let file = value!({"fileUri": "gs://bucket/a.png", "mimeType": "image/png"});
    assert_eq!(sent["contents"][0]["parts"][0]["fileData"], file);
}

#[tokio::test]
async fn nothing_private_is_fetched() {
    let server = Upstream::start(serve).await;
    let port = server.address.port();
    for url in [
        local(server.address, "/a.png"),
        format!("http://localhost:{port}/a.png"),
        format!("http://2130706433:{port}/a.png"),
        format!("http://0x7f.1:{port}/a.png"),
        format!("http://[::ffff:127.0.0.1]:{port}/a.png"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data".to_owned(),
        "http://10.0.0.1/".to_owned(),
        "http://0.0.0.0/".to_owned(),
    ] {
        let failure = refused(&server.account_with("gemini", &[]), url.clone()).await;
        assert_eq!(failure.kind, Kind::InvalidRequest, "{url}");
        assert_eq!(failure.retry, Retry::Elsewhere, "an endpoint that fetches may serve {url}");
        assert!(failure.message.contains("does not fetch from"), "{url}: {}", failure.message);
        assert_eq!(failure.param.as_deref(), Some("messages[0].content"));
    }
    assert_eq!(server.connections(), 0, "not even a connection was made");
}

#[tokio::test]
async fn a_redirect_is_checked_like_any_address() {
    let other = Upstream::start(serve).await;
    let elsewhere = local(other.address, "/a.png");
    let server = Upstream::start(move |seen| match seen.line.as_str() {
        "GET /elsewhere" => redirect(&elsewhere),
        _ => serve(seen),
    })
    .await;
    let account = account(&server);
    for (path, words) in [
        ("/inside", "does not fetch from"),
        ("/elsewhere", "does not fetch from"),
        ("/round", "leads to too many others"),
    ] {
        let failure = refused(&account, local(server.address, path)).await;
        assert!(failure.message.contains(words), "{path}: {}", failure.message);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn what_is_no_picture_or_too_large_is_refused() {
    let server = Upstream::start(serve).await;
    let account = account(&server);
    for (path, words) in [
        ("/page", "is not an image"),
        ("/liar", "is not an image"),
        ("/large", "is too large"),
        ("/endless", "is too large"),
        ("/gone", "HTTP 404"),
    ] {
        let failure = refused(&account, local(server.address, path)).await;
        assert_eq!(failure.kind, Kind::InvalidRequest, "{path}");
        assert!(failure.message.contains(words), "{path}: {}", failure.message);
    }
    let odd = refused(&account, "ftp://host/a.png".to_owned()).await;
    assert!(odd.message.contains("no http:// or https:// address"), "{}", odd.message);
    let many = vec![local(server.address, "/a.png"); 9];
    let failure = upstream::failure(account.call(asking(&many)).await).await;
    assert!(failure.message.contains("at most 8"), "{}", failure.message);
}

//! Pictures and files at addresses that a provider does not fetch: the house fetches them, within
//! limits, and from nowhere but the public internet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use isthmus_inference::chat::{ChatRequest, Message, Prompt};
use isthmus_inference::failure::{Blame, Failure, Kind, Retry};
use isthmus_inference::part::{Media, Part};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::dialect::ChatDialect;
use crate::http_client::{self, Incoming, Reach, Target};
use crate::media_type;
use crate::registry::{ProviderOption, Shape};
use crate::settings::AccountSettings;

/// Machines outside the public internet that media may be fetched from all the same.
pub(crate) const HOSTS: ProviderOption = ProviderOption {
    name: "media_hosts",
    variables: &[],
    shape: Shape::Text,
    help: "machines of the gateway's own network (`host:port`, separated by commas) from which \
           callers may make it fetch pictures; none unless said",
};

/// How an account's media are fetched.
pub(super) struct Fetcher {
    /// Like `host:port`.
    hosts: Vec<String>,
}

/// The most files of one request.
const MOST_FILES: usize = 8;
/// The largest file.
const LARGEST_FILE: usize = 20 << 20;
/// All files of one request together: they lie in memory at once.
const LARGEST_SUM: usize = 32 << 20;
/// How often an address may point to another.
const MOST_REDIRECTS: usize = 3;
/// How long all of it may take.
const LIMIT: Duration = Duration::from_secs(15);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A unit of the memory that fetched files take.
const UNIT: usize = 64 << 10;
/// How much memory all fetched files may take together, in units: half a gibibyte. A short request can
/// name large files.
static ROOM: Semaphore = Semaphore::const_new((512 << 20) / UNIT);

/// The room that a request's fetched files take, given back when it is dropped.
#[derive(Default)]
pub(super) struct Room(Mutex<Taken>);

/// What a request has of the room, and what of that it does not use.
#[derive(Default)]
struct Taken {
    permit: Option<SemaphorePermit<'static>>,
    unused: usize,
}

/// A file that is to be fetched.
struct Wanted<'a> {
    media: &'a mut Media,
    kind: Class,
    param: String,
}

/// What a file is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Image,
    Document,
    Audio,
    Video,
}

// === impl Fetcher ===

impl Fetcher {
    pub(super) fn new(settings: &AccountSettings) -> Self {
        let hosts = settings.option(HOSTS.name).unwrap_or_default().split(',');
        Self { hosts: hosts.map(|host| host.trim().to_ascii_lowercase()).collect() }
    }

    fn reach(&self, target: &Target) -> Reach {
        let known = self.hosts.contains(&target.host_and_port());
        if known { Reach::Anywhere } else { Reach::Public }
    }

    /// Puts the bytes in place of each address that the provider does not fetch by itself. The room
    /// is to be held as long as the request is.
    pub(super) async fn inline(
        &self,
        chat: &mut ChatRequest,
        dialect: &dyn ChatDialect,
        limit: Duration,
    ) -> Result<Room, Failure> {
        let room = Room::default();
        let Prompt::Messages(messages) = &mut chat.prompt else { return Ok(room) };
        let mut wanted = wanted(messages, dialect);
        if wanted.is_empty() {
            return Ok(room);
        }
        if wanted.len() > MOST_FILES {
            let message = format!(
                "the provider does not fetch files from addresses, and the gateway fetches at most \
                 {MOST_FILES} for a request; send them as `data:` URLs"
            );
            return Err(Failure::invalid("messages", message));
        }
        let left = AtomicUsize::new(LARGEST_SUM);
        let limit = limit.min(LIMIT);
        let fetching = try_join_all(wanted.iter_mut().map(|file| self.fill(file, &left, &room)));
        let fetched = tokio::time::timeout(limit, fetching).await;
        let late = |_| {
            refusal("messages", "took too long to fetch").with_detail(format!("limit {limit:?}"))
        };
        fetched.map_err(late)??;
        Ok(room)
    }

    async fn fill(
        &self,
        file: &mut Wanted<'_>,
        left: &AtomicUsize,
        room: &Room,
    ) -> Result<(), Failure> {
        let Media::Url { url, .. } = &*file.media else { return Ok(()) };
        let Incoming { headers, body, .. } = self.get(url, &file.param).await?;
        let too_large = || {
            let (file, sum) = (LARGEST_FILE >> 20, LARGEST_SUM >> 20);
            format!("is too large: a file may have {file} MiB, all of a request {sum} MiB")
        };
        let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
        if announced.and_then(|length| length.parse().ok()).is_some_and(|all| LARGEST_FILE < all) {
            return Err(file.refused(too_large()));
        }
        let mut body = body;
        let mut bytes = BytesMut::new();
        while let Some(read) = body.next().await {
            let read = read.map_err(|broken| {
                file.refused("could not be fetched in full").with_detail(broken)
            })?;
            let fits = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(read.len())
            });
            if fits.is_err() || bytes.len() + read.len() > LARGEST_FILE {
                return Err(file.refused(too_large()));
            }
            room.take(encoded(read.len()))?;
            bytes.extend_from_slice(&read);
        }
        let media_type = file.kind.check(said(&headers), &bytes).ok_or_else(|| {
            file.refused(format!("is not {}", file.kind.what())).with_detail(said(&headers))
        })?;
        *file.media = Media::Inline { media_type, base64: STANDARD.encode(&bytes) };
        Ok(())
    }

    /// Asks an address, and those that it points to.
    async fn get(&self, url: &str, param: &str) -> Result<Incoming, Failure> {
        let mut url = url.to_owned();
        for _ in 0..=MOST_REDIRECTS {
            let target = Target::exactly(&url).map_err(|_| {
                refusal(param, "is at no http:// or https:// address that could be fetched")
            })?;
            let asked =
                http_client::get(&target, HeaderMap::new(), self.reach(&target), CONNECT).await;
            let incoming = asked.map_err(|failure| not_fetched(param, &failure))?;
            let status = incoming.status;
            if status.is_success() {
                return Ok(incoming);
            }
            let location = incoming.headers.get(LOCATION).and_then(|to| to.to_str().ok());
            match location.map(|location| target.redirected(location)) {
                Some(Ok(next)) if status.is_redirection() => url = next,
                _ => {
                    let words = format!("could not be fetched: HTTP {}", status.as_u16());
                    return Err(refusal(param, words));
                }
            }
        }
        Err(refusal(param, "could not be fetched: its address leads to too many others"))
    }
}

/// The files that the provider does not fetch by itself.
fn wanted<'a>(messages: &'a mut [Message], dialect: &dyn ChatDialect) -> Vec<Wanted<'a>> {
    let mut wanted = vec![];
    for (at, message) in messages.iter_mut().enumerate() {
        let param = format!("messages[{at}].content");
        for part in &mut message.content {
            match part {
                Part::ToolResult(result) => {
                    let inner = result.content.iter_mut();
                    wanted.extend(inner.filter_map(|part| file(part, dialect, &param)));
                }
                part => wanted.extend(file(part, dialect, &param)),
            }
        }
    }
    wanted
}

fn file<'a>(part: &'a mut Part, dialect: &dyn ChatDialect, param: &str) -> Option<Wanted<'a>> {
    let (media, kind) = match part {
        Part::Image { media, .. } => (media, Class::Image),
        Part::Document { media, .. } => (media, Class::Document),
        Part::Audio(media) => (media, Class::Audio),
        Part::Video(media) => (media, Class::Video),
        _ => return None,
    };
    match media {
        Media::Url { url, .. } if !dialect.fetches(url) => {
            Some(Wanted { media, kind, param: param.to_owned() })
        }
        _ => None,
    }
}

/// The type that the server names, without its parameters.
fn said(headers: &HeaderMap) -> String {
    let said = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

// === impl Room ===

impl Room {
    /// Takes room for so many bytes more.
    fn take(&self, bytes: usize) -> Result<(), Failure> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.unused < bytes {
            let units = (bytes - taken.unused).div_ceil(UNIT);
            let more = ROOM.try_acquire_many(u32::try_from(units).unwrap_or(u32::MAX));
            let more = more.map_err(|_| {
                let message = "the files that others have asked for take all the room there is for \
                               fetched files; try again in a moment";
                Failure::new(Kind::Overloaded, message).blamed_on(Blame::House)
            })?;
            match &mut taken.permit {
                Some(permit) => permit.merge(more),
                permit => *permit = Some(more),
            }
            taken.unused += units * UNIT;
        }
        taken.unused -= bytes;
        Ok(())
    }
}

/// The bytes that so many take in base64, as which they are kept.
fn encoded(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

// === impl Class ===

impl Class {
    /// The type of these bytes, if both they and the server's word for them fit.
    fn check(self, said: String, bytes: &[u8]) -> Option<String> {
        let found = media_type::of_bytes(bytes);
        let vague = said.is_empty()
            || ["application/octet-stream", "binary/octet-stream"].contains(&&*said);
        let class = |kind: &str| kind.split('/').next().unwrap_or_default().to_owned();
        let fits = |kind: &str| match self {
            Self::Image => class(kind) == "image",
            Self::Document => kind == "application/pdf" || class(kind) == "text",
            // One container holds either; what is asked for decides.
            Self::Audio | Self::Video => {
                matches!(&*class(kind), "audio" | "video") || kind == "application/ogg"
            }
        };
        match found {
            Some(found) => (fits(found) && (vague || fits(&said))).then(|| found.to_owned()),
            // Neither text nor all of sound and film can be told by their beginnings.
            None if vague || !fits(&said) || self == Self::Image => None,
            None if self == Self::Document => {
                let text = class(&said) == "text" && simdutf8::basic::from_utf8(bytes).is_ok();
                text.then_some(said)
            }
            None => Some(said),
        }
    }

    const fn what(self) -> &'static str {
        match self {
            Self::Image => "an image of a kind that is known here",
            Self::Document => "a PDF or plain text",
            Self::Audio => "sound",
            Self::Video => "a film",
        }
    }
}

// === failures ===

impl Wanted<'_> {
    fn refused(&self, words: impl AsRef<str>) -> Failure {
        refusal(&self.param, words)
    }
}

/// An endpoint that fetches by itself may do better.
fn refusal(param: &str, words: impl AsRef<str>) -> Failure {
    let message = format!("the file at an address in `{param}` {}", words.as_ref());
    Failure::invalid(param, message).retried(Retry::Elsewhere)
}

fn not_fetched(param: &str, failure: &Failure) -> Failure {
    let words = match failure.kind {
        Kind::Forbidden => "is at an address that the gateway does not fetch from",
        Kind::Timeout => "could not be fetched: its server took too long",
        _ => "could not be fetched: no connection to its server could be made",
    };
    refusal(param, words).with_detail(failure.detail.as_deref().unwrap_or(&failure.message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_the_bytes_and_the_servers_word_must_fit() {
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n....";
        let cases = [
            (Class::Image, "image/png", PNG, Some("image/png")),
            (Class::Image, "image/jpeg", PNG, Some("image/png")),
            (Class::Image, "", PNG, Some("image/png")),
            (Class::Image, "application/octet-stream", PNG, Some("image/png")),
            (Class::Image, "text/html", PNG, None),
            (Class::Image, "image/png", b"<html>", None),
            (Class::Image, "image/svg+xml", b"<svg/>", None),
            (Class::Document, "application/pdf", b"%PDF-1.7", Some("application/pdf")),
            (Class::Document, "application/pdf", b"<html>", None),
            (Class::Document, "text/plain", "é".as_bytes(), Some("text/plain")),
            (Class::Document, "text/plain", b"\xff\xfe", None),
            (Class::Document, "image/png", PNG, None),
            (Class::Audio, "audio/aac", b"\xff\xf1", Some("audio/aac")),
            (Class::Audio, "text/plain", b"abc", None),
            (Class::Video, "video/mp4", b"....ftypisom", Some("video/mp4")),
        ];
        for (class, said, bytes, expected) in cases {
            let found = class.check(said.to_owned(), bytes);
            assert_eq!(found.as_deref(), expected, "{class:?} {said} {bytes:?}");
        }
    }

    #[test]
    fn room_is_taken_by_the_byte_and_given_back() {
        let before = ROOM.available_permits();
        let room = Room::default();
        room.take(1).unwrap();
        room.take(UNIT - 1).unwrap();
        assert_eq!(before - ROOM.available_permits(), 1);
        room.take(3 * UNIT + 1).unwrap();
        assert_eq!(before - ROOM.available_permits(), 5);
        let failure = room.take(512 << 20).unwrap_err();
        assert_eq!((failure.kind, failure.blame), (Kind::Overloaded, Blame::House));
        drop(room);
        assert_eq!(ROOM.available_permits(), before);
    }
}

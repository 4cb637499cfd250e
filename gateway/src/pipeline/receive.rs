//! Stage 2: take in the body, within bounds, and read as much of it as routing needs.

use std::pin::pin;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName};
use http_body::Body;
use http_body_util::BodyExt;
use isthmus_adapters::dialects::caller;
use isthmus_inference::failure::{Blame, Failure, Kind};
use isthmus_inference::request::Request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::identify::Identified;
use super::settle::Ticket;
use super::{BodyLimits, Call};
use crate::keyring::Tenant;

/// A call that has been read.
#[derive(Debug)]
pub struct Received {
    /// The call.
    pub call: Box<Call>,
    /// Who is calling.
    pub tenant: Tenant,
    /// What is asked.
    pub request: Arc<Request>,
    /// The room that its body takes; given back when the call is answered.
    pub room: OwnedSemaphorePermit,
}

/// Reads the body.
pub async fn receive<B>(
    limits: BodyLimits,
    room: &Arc<Semaphore>,
    identified: Identified,
    body: B,
    ticket: &mut Ticket,
) -> Result<Received, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let Identified { mut call, tenant } = identified;
    let room = room_for(room, &body, limits)?;
    let bytes = ticket.waiting(collect(limits, body)).await?;
    let mut request = caller(call.dialect).read(call.operation, bytes)?;
    request.forwarded = forwarded(&call.headers);
    request.query = call.query.take();
    ticket.received(&request);
    Ok(Received { call, tenant, request: Arc::new(request), room })
}

/// The headers that belong to the caller's dialect and change what an endpoint of it does.
fn forwarded(headers: &HeaderMap) -> Vec<(String, String)> {
    static NAMES: [HeaderName; 2] =
        [HeaderName::from_static("anthropic-beta"), HeaderName::from_static("openai-beta")];
    let named = headers.iter().filter(|(name, _)| NAMES.contains(name));
    named
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.into())))
        .collect()
}

/// Takes room for a body before it is read. One that does not say its size takes the most.
fn room_for(
    all: &Arc<Semaphore>,
    body: &impl Body,
    limits: BodyLimits,
) -> Result<OwnedSemaphorePermit, Failure> {
    let size = body.size_hint().exact().unwrap_or(limits.size as u64).min(limits.size as u64);
    let kibibytes = u32::try_from(size / 1024 + 1).unwrap_or(u32::MAX);
    Arc::clone(all).try_acquire_many_owned(kibibytes).map_err(|_| {
        let message = "too many large requests are being read; try again in a moment";
        Failure::new(Kind::Overloaded, message).blamed_on(Blame::House)
    })
}

async fn collect<B>(limits: BodyLimits, body: B) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // What announces itself as too large is refused before a byte of it is read.
    if body.size_hint().lower() > limits.size as u64 {
        return Err(too_large(limits.size));
    }
    tokio::time::timeout(limits.time, gather(limits.size, body)).await.unwrap_or_else(|_| {
        let message = format!(
            "the request body did not arrive within {} s (server.body_timeout)",
            limits.time.as_secs()
        );
        Err(Failure::new(Kind::Timeout, message).blamed_on(Blame::Caller))
    })
}

/// All pieces of a body in one. Most come in one piece, which stays as it is.
async fn gather<B>(most: usize, body: B) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let (mut first, mut all) = (Bytes::new(), BytesMut::new());
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let frame = frame.map_err(|error| {
            Failure::invalid("", "the request body broke off").with_detail(error.into())
        })?;
        // Trailers say nothing that anybody here reads.
        let Ok(piece) = frame.into_data() else { continue };
        let length = first.len() + all.len() + piece.len();
        if length > most {
            return Err(too_large(most));
        }
        if length == piece.len() {
            first = piece;
            continue;
        }
        if all.is_empty() {
            let rest = body.size_hint().exact().unwrap_or_default();
            all.reserve(length + usize::try_from(rest).unwrap_or_default().min(most));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&piece);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

fn too_large(limit: usize) -> Failure {
    let message = format!(
        "the request body is larger than {} MiB, the most that this gateway takes in (server.max_body_mb)",
        limit >> 20
    );
    Failure::new(Kind::TooLarge, message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::{Full, StreamBody};

    use super::*;

    const LIMITS: BodyLimits = BodyLimits { size: 8, time: Duration::from_secs(5) };

    #[tokio::test]
    async fn a_body_is_bounded_whether_or_not_it_says_its_size() {
        assert_eq!(collect(LIMITS, Full::from("12345678")).await.unwrap(), "12345678");
        let announced = collect(LIMITS, Full::from("123456789")).await.unwrap_err();
        let pieces = ["12345", "6789"].map(|piece| {
            Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(piece.as_bytes())))
        });
        let chunked = StreamBody::new(futures_util::stream::iter(pieces));
        let unannounced = collect(LIMITS, chunked).await.unwrap_err();
        assert_eq!([announced.kind, unannounced.kind], [Kind::TooLarge; 2]);
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together() {
        for pieces in [&[][..], &["", "a"], &["a", "", "bc", "d"]] {
            let frames = pieces.iter().map(|piece| {
                let piece = Bytes::from_static(piece.as_bytes());
                Ok::<_, std::io::Error>(http_body::Frame::data(piece))
            });
            let body = StreamBody::new(futures_util::stream::iter(frames));
            assert_eq!(collect(LIMITS, body).await.unwrap(), pieces.concat());
        }
    }

    #[test]
    fn all_bodies_together_are_bounded() {
        let all = Arc::new(Semaphore::new(2));
        let limits = BodyLimits { size: 4096, ..LIMITS };
        let small = || Full::new(Bytes::from_static(b"small"));
        let held = room_for(&all, &small(), limits).unwrap();
        let _also = room_for(&all, &small(), limits).unwrap();
        let refused = room_for(&all, &small(), limits).unwrap_err();
        assert_eq!(refused.kind, Kind::Overloaded);
        drop(held);
        assert!(room_for(&all, &small(), limits).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_comes_ends_at_its_time_limit() {
        let never = StreamBody::new(futures_util::stream::pending::<
            Result<http_body::Frame<Bytes>, std::io::Error>,
        >());
        let started = tokio::time::Instant::now();
        let failure = collect(LIMITS, never).await.unwrap_err();
        assert_eq!((failure.kind, failure.blame), (Kind::Timeout, Blame::Caller));
        assert_eq!(started.elapsed(), LIMITS.time);
    }
}

//! A streamed answer on its way from the network to the caller.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use isthmus_inference::failure::Failure;

use super::secrets::Secrets;
use crate::adapter::Piece;
use crate::dialect::Watch;
use crate::http_client::Body;
use crate::timeouts::Paced;

/// How long the rest of a finished stream is awaited, so that its connection can be used again.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// A streamed answer on its way from the network to the caller.
pub(super) struct Pieces {
    /// `None` once nothing more is wanted.
    chunks: Option<Paced<Body>>,
    watch: Box<dyn Watch>,
    /// What ends the stream after the pieces that came before it.
    failure: Option<Failure>,
    secrets: Secrets,
}

impl Pieces {
    pub(super) fn new(chunks: Paced<Body>, watch: Box<dyn Watch>, secrets: Secrets) -> Self {
        Self { chunks: Some(chunks), watch, failure: None, secrets }
    }
}

impl Stream for Pieces {
    type Item = Result<Piece, Failure>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(piece) = self.watch.next_piece() {
                return Poll::Ready(Some(Ok(piece)));
            }
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Some(Err(self.secrets.strike_failure(failure))));
            }
            let Some(chunks) = &mut self.chunks else { return Poll::Ready(None) };
            let outcome = match ready!(chunks.poll_next_unpin(context)) {
                Some(chunk) => chunk.and_then(|chunk| self.watch.push(chunk)),
                None => self.watch.end(),
            };
            self.failure = outcome.err();
            if self.failure.is_some() {
                self.chunks = None;
            } else if self.watch.is_over() {
                finish(self.chunks.take(), context);
            }
        }
    }
}

/// Lets the last bytes of a finished answer come in. Without them (the end mark of a chunked body)
/// HTTP/1 has to close the connection instead of using it again.
fn finish(chunks: Option<Paced<Body>>, context: &mut Context<'_>) {
    let Some(mut chunks) = chunks else { return };
    if chunks.poll_next_unpin(context).is_ready() {
        return;
    }
    let rest = async move { while let Some(Ok(_)) = chunks.next().await {} };
    tokio::spawn(tokio::time::timeout(LAST_BYTES, rest));
}

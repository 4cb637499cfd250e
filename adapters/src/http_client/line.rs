//! One HTTP/1 connection. It has no task of its own: whoever waits for its answer drives it, so that
//! a request wakes one task where it would wake two, and what has come in is there at once.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming as Arriving;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1;

use super::bell::Bell;
use super::connect::Stream;
use crate::pieces::Pieces;

/// A connection that takes one request at a time. It is closed when this is dropped.
pub(super) struct Line {
    sender: http1::SendRequest<Full<Pieces>>,
    /// `None` once it has ended.
    driver: Option<Box<http1::Connection<Stream, Full<Pieces>>>>,
    bell: Arc<Bell>,
    /// Rings the bell; made once.
    rope: Waker,
    /// A proxy reads the requests, which must then name their host in full.
    pub(super) read_by_proxy: bool,
}

/// How often one poll may go round before the others of the thread have their turn.
const ROUNDS: usize = 4;

impl Line {
    /// Speaks HTTP/1 on a stream that has just been opened.
    pub(super) async fn on(stream: Stream, read_by_proxy: bool) -> Result<Self, hyper::Error> {
        let (sender, driver) = http1::handshake(stream).await?;
        let bell = Arc::new(Bell::default());
        let rope = Waker::from(Arc::clone(&bell));
        Ok(Self { sender, driver: Some(Box::new(driver)), bell, rope, read_by_proxy })
    }

    /// Sends a request and waits for the head of its answer. A request that the connection had not
    /// begun to send comes back in the error.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Pieces>>,
    ) -> Result<Response<Arriving>, TrySendError<Request<Full<Pieces>>>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|context| self.poll_with(context, |quiet| answer.as_mut().poll(quiet))).await
    }

    /// Drives the connection until `part` has what it waits for, which nothing but the connection
    /// brings: `part` itself need wake nobody.
    pub(super) fn poll_with<T>(
        &mut self,
        context: &mut Context<'_>,
        mut part: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let mut quiet = Context::from_waker(Waker::noop());
        for _ in 0..ROUNDS {
            if let Poll::Ready(done) = part(&mut quiet) {
                return Poll::Ready(done);
            }
            self.bell.mute();
            self.drive();
            if let Poll::Ready(done) = part(&mut quiet) {
                return Poll::Ready(done);
            }
            if self.bell.listen(context.waker()) {
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn drive(&mut self) {
        let Some(driver) = &mut self.driver else { return };
        let driven = Pin::new(&mut **driver).poll(&mut Context::from_waker(&self.rope));
        if driven.is_ready() {
            // Only its end tells those who wait for an answer that none will come.
            self.driver = None;
        }
    }

    /// Whether it can take the next request.
    pub(super) fn is_idle(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Whether the other side has kept it open while nobody used it.
    pub(super) fn is_still_idle(&mut self) -> bool {
        if self.bell.has_rung() {
            self.bell.mute();
            self.drive();
        }
        self.is_idle()
    }
}

//! The body of an answer at the street door. A call's own answer is not boxed as a page is.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

use super::body::StreamedAnswer;

/// The body of an answer.
pub enum Reply {
    /// All of it at once.
    Whole(Full<Bytes>),
    /// Piece by piece.
    Streamed(Box<StreamedAnswer>),
    /// What the router answered.
    Page(axum::body::Body),
}

impl From<Bytes> for Reply {
    fn from(whole: Bytes) -> Self {
        Self::Whole(whole.into())
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Streamed(body) => {
                Pin::new(body).poll_frame(context).map_err(|never| match never {})
            }
            Self::Page(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Streamed(body) => body.is_end_stream(),
            Self::Page(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Streamed(body) => body.size_hint(),
            Self::Page(body) => body.size_hint(),
        }
    }
}

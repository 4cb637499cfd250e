//! One connection's bytes, and what the client must know of the way that they take.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Hop = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection to a provider, or to the proxy before it.
pub(in crate::http_client) struct Wire {
    hop: Hop,
    /// A proxy at the other end reads the requests, which must then name their host in full.
    read_by_proxy: bool,
}

impl Wire {
    pub(in crate::http_client) fn straight(tcp: TokioIo<TcpStream>) -> Self {
        Self { hop: tcp.into(), read_by_proxy: false }
    }

    /// Through a proxy that passes bytes on unread.
    pub(super) fn tunnel(hop: Hop) -> Self {
        Self { hop, read_by_proxy: false }
    }

    pub(super) fn to_proxy(hop: Hop) -> Self {
        Self { hop, read_by_proxy: true }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        self.hop.connected().proxy(self.read_by_proxy)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.hop).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.hop).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.hop).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.hop).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.hop.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.hop).poll_write_vectored(context, slices)
    }
}

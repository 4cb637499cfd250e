//! Many streams that are open and silent, to see what each costs a proxy in memory.

use std::io::ErrorKind;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::net::TcpStream;

use crate::fault::Fault;
use crate::load::{Broken, Connection, Job, Progress};

/// How many connections are opened at the same time: fewer than nginx's backlog of 511.
const AT_ONCE: usize = 64;

/// Streams that have begun and not ended.
#[derive(Debug)]
pub struct HeldStreams {
    sockets: Vec<TcpStream>,
}

/// Opens streams and waits until each has brought its first event.
pub async fn hold(job: &Job, count: usize) -> Result<HeldStreams, Fault> {
    let sockets = stream::iter(0..count)
        .map(|_| begin(job))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
        .map_err(|broken| Fault::Target(format!("a stream could not be opened: {broken}")))?;
    Ok(HeldStreams { sockets })
}

async fn begin(job: &Job) -> Result<TcpStream, Broken> {
    let mut connection = Connection::open(job.address).await?;
    connection.send(&job.request).await?;
    let mut progress = Progress::default();
    while connection.read(&mut progress).await? == 0 {
        progress.check_status()?;
    }
    progress.check_status()?;
    Ok(connection.into_socket())
}

// === impl HeldStreams ===

impl HeldStreams {
    /// How many of the streams the other side has ended meanwhile.
    pub fn ended(&self) -> usize {
        self.sockets.iter().filter(|socket| has_ended(socket)).count()
    }
}

fn has_ended(socket: &TcpStream) -> bool {
    let mut buffer = [0; 512];
    loop {
        match socket.try_read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

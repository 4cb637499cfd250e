//! Where log lines go: standard error, through a bounded queue, so that a slow terminal never
//! holds up a request. Lines that do not fit are dropped and counted.

use std::io::IsTerminal;

use isthmus_config::settings::{LogFormat, Telemetry};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;
use tracing_subscriber::fmt::format::FmtSpan;

/// Starts logging. Lines still queued are written when the guard goes.
///
/// `filter` is in `tracing`'s own words and wins over the configured level.
pub fn start(settings: Telemetry, filter: Option<&str>) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default().lossy(true).finish(std::io::stderr());
    let level: Directive =
        settings.log_level.as_str().parse().unwrap_or_else(|_| tracing::Level::INFO.into());
    let filter =
        EnvFilter::builder().with_default_directive(level).parse_lossy(filter.unwrap_or_default());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_target(false)
        .with_span_events(FmtSpan::NONE);
    // A second start (a test in the same process) keeps the first subscriber.
    let _ = match settings.log_format {
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
        LogFormat::Text => subscriber.with_ansi(std::io::stderr().is_terminal()).try_init(),
    };
    guard
}

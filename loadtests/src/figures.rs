//! The figures that a comparison reports, and how rounds become one number.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One kind of figure. The order is that of the table's columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// CPU time of the proxy's processes over the requests served.
    CpuUsPerRequest,
    /// Whole answers per second.
    RequestsPerSecond,
    /// CPU time of the proxy's processes over the events relayed.
    CpuUsPerChunk,
    /// Events per second.
    ChunksPerSecond,
    /// Median latency from the intended start.
    P50Us,
    /// 99th percentile of the same.
    P99Us,
    /// Median latency, less that without a proxy in the same round.
    AddedP50Us,
    /// The same for the 99th percentile.
    AddedP99Us,
    /// Median time to the first event of a stream.
    FirstChunkP50Us,
    /// 99th percentile of the same.
    FirstChunkP99Us,
    /// Median time to the first event, less that without a proxy in the same round.
    AddedFirstChunkP50Us,
    /// The same for the 99th percentile.
    AddedFirstChunkP99Us,
    /// 99th percentile of the time between two reads of one stream.
    GapP99Us,
    /// Events per read of the client's socket.
    ChunksPerRead,
    /// Resident memory before the load.
    RssIdleMib,
    /// Resident memory under or after the load.
    RssLoadedMib,
    /// Growth of resident memory over the streams held.
    KibPerStream,
    /// How busy the proxy's core was with the proxy.
    ProxyBusyPercent,
    /// How busy the other core was with mock and generator.
    HarnessBusyPercent,
}

/// The figures of one target in one round.
pub type Figures = BTreeMap<Figure, f64>;

/// A figure over all rounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle of the rounds.
    pub median: f64,
    /// The lowest round.
    pub low: f64,
    /// The highest round.
    pub high: f64,
}

// === impl Figure ===

impl Figure {
    /// The heading of its column.
    pub fn heading(self) -> &'static str {
        match self {
            Self::CpuUsPerRequest => "CPU µs/request",
            Self::RequestsPerSecond => "requests/s",
            Self::CpuUsPerChunk => "CPU µs/chunk",
            Self::ChunksPerSecond => "chunks/s",
            Self::P50Us => "p50 µs",
            Self::P99Us => "p99 µs",
            Self::AddedP50Us => "added p50 µs",
            Self::AddedP99Us => "added p99 µs",
            Self::FirstChunkP50Us => "first chunk p50 µs",
            Self::FirstChunkP99Us => "first chunk p99 µs",
            Self::AddedFirstChunkP50Us => "added first p50 µs",
            Self::AddedFirstChunkP99Us => "added first p99 µs",
            Self::GapP99Us => "gap p99 µs",
            Self::ChunksPerRead => "chunks/read",
            Self::RssIdleMib => "RSS idle MiB",
            Self::RssLoadedMib => "RSS loaded MiB",
            Self::KibPerStream => "KiB/stream",
            Self::ProxyBusyPercent => "proxy core %",
            Self::HarnessBusyPercent => "harness core %",
        }
    }

    /// Whether the figure is a cost of the proxy, which makes sense as a multiple of nginx's.
    pub fn is_compared(self) -> bool {
        matches!(
            self,
            Self::CpuUsPerRequest
                | Self::CpuUsPerChunk
                | Self::AddedP50Us
                | Self::AddedP99Us
                | Self::AddedFirstChunkP50Us
                | Self::AddedFirstChunkP99Us
                | Self::KibPerStream
        )
    }
}

/// The rounds of one target, each figure by its median. A figure that a round lacks is left out
/// of that round only.
pub fn over_rounds(rounds: &[Figures]) -> BTreeMap<Figure, Spread> {
    let mut values: BTreeMap<Figure, Vec<f64>> = BTreeMap::new();
    for (figure, value) in rounds.iter().flatten() {
        values.entry(*figure).or_default().push(*value);
    }
    values.into_iter().filter_map(|(figure, values)| Some((figure, spread(values)?))).collect()
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    };
    Some(Spread { median, low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_odd_and_even_counts() {
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), Some(Spread { median: 2.0, low: 1.0, high: 3.0 }));
        assert_eq!(spread(vec![4.0, 1.0]), Some(Spread { median: 2.5, low: 1.0, high: 4.0 }));
        assert_eq!(spread(vec![]), None);
    }

    #[test]
    fn rounds_are_taken_figure_by_figure() {
        let rounds = [
            Figures::from([(Figure::P50Us, 10.0)]),
            Figures::from([(Figure::P50Us, 30.0), (Figure::P99Us, 7.0)]),
            Figures::from([(Figure::P50Us, 20.0)]),
        ];
        let spreads = over_rounds(&rounds);
        assert_eq!(spreads[&Figure::P50Us].median, 20.0);
        assert_eq!(spreads[&Figure::P99Us].median, 7.0);
    }
}

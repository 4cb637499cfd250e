//! A case: what the mock does, what is asked of it, how hard, and what would be too much.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::fault::{Doing, Fault};
use crate::figures::Figure;
use crate::load::{Expectation, Plan};
use crate::mock::script::Script;
use crate::request::ChatRequest;
use crate::schedule::Pace;

/// One case, as written in `cases/NAME/case.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// What is measured, in one line.
    pub title: String,
    /// How the upstream behaves.
    pub mock: Script,
    /// What is sent.
    pub request: ChatRequest,
    /// How it is sent.
    pub shape: Shape,
    /// Rounds through all targets; the figures are medians of them.
    #[serde(default = "default_rounds")]
    pub rounds: usize,
    /// What the measured gateway should not exceed.
    #[serde(default)]
    pub bars: Vec<Bar>,
}

/// How requests are sent.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Shape {
    /// As fast as the connections allow.
    Closed {
        /// Connections, each with one request on its way.
        connections: usize,
        /// Seconds before anything counts.
        warm_up_seconds: f64,
        /// Seconds that count.
        seconds: f64,
    },
    /// At a fixed rate.
    Open {
        /// Starts per second.
        per_second: f64,
        /// Connections: more than are ever busy at once.
        connections: usize,
        /// Seconds before anything counts.
        warm_up_seconds: f64,
        /// Seconds that count.
        seconds: f64,
    },
    /// Streams that are held open and silent.
    Idle {
        /// Streams.
        streams: usize,
        /// Seconds between the last opening and the look at the memory.
        settle_seconds: f64,
    },
}

/// A limit for one figure of the gateway. It is kept when each bound that is given is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// The figure.
    pub figure: Figure,
    /// At most so many times nginx's figure in the same run.
    pub times_nginx: Option<f64>,
    /// At most this.
    pub at_most: Option<f64>,
}

fn default_rounds() -> usize {
    5
}

// === impl Case ===

impl Case {
    /// Reads one case of a folder of cases.
    pub fn read(cases: &Path, name: &str) -> Result<Self, Fault> {
        let path = cases.join(name).join("case.json");
        let text = fs::read_to_string(&path).doing(|| format!("read `{}`", path.display()))?;
        Self::parse(name, &text)
            .map_err(|problem| Fault::Unusable(format!("`{}`: {problem}", path.display())))
    }

    /// The names of all cases in a folder, sorted.
    pub fn names(cases: &Path) -> Result<Vec<String>, Fault> {
        let entries = fs::read_dir(cases).doing(|| format!("read `{}`", cases.display()))?;
        let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let is_case = |folder: &PathBuf| folder.join("case.json").is_file();
        let name = |folder: PathBuf| Some(folder.file_name()?.to_str()?.to_owned());
        let mut names: Vec<String> = folders.filter(is_case).filter_map(name).collect();
        names.sort();
        Ok(names)
    }

    fn parse(name: &str, text: &str) -> Result<Self, String> {
        let case: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        case.check()?;
        Ok(Self { name: name.to_owned(), ..case })
    }

    fn check(&self) -> Result<(), String> {
        let (count, seconds) = match self.shape {
            Shape::Closed { connections, seconds, .. } => (connections, seconds),
            Shape::Open { connections, seconds, per_second, .. } => {
                (connections, seconds.min(per_second))
            }
            Shape::Idle { streams, settle_seconds } => (streams, settle_seconds),
        };
        if count == 0 || seconds.is_nan() || seconds <= 0.0 || self.rounds == 0 {
            return Err("connections, streams, rates, seconds and rounds must be above zero".into());
        }
        if matches!(self.shape, Shape::Idle { .. }) && !self.request.stream {
            return Err("an idle case holds streams: set `request.stream` to true".into());
        }
        Ok(())
    }

    /// What a whole answer holds: each token, and the finish reason.
    pub fn expectation(&self) -> Expectation {
        match self.request.stream {
            true => Expectation::Stream(self.mock.tokens as u64 + 1),
            false => Expectation::Body(self.mock.answer_bytes as u64),
        }
    }
}

// === impl Shape ===

impl Shape {
    /// The generator's plan; none for streams that are only held.
    pub fn plan(self) -> Option<Plan> {
        let (connections, pace, warm_up_seconds, seconds) = match self {
            Self::Closed { connections, warm_up_seconds, seconds } => {
                (connections, Pace::Closed, warm_up_seconds, seconds)
            }
            Self::Open { per_second, connections, warm_up_seconds, seconds } => {
                (connections, Pace::Open { per_second }, warm_up_seconds, seconds)
            }
            Self::Idle { .. } => return None,
        };
        Some(Plan {
            connections,
            pace,
            warm_up: Duration::from_secs_f64(warm_up_seconds),
            measured: Duration::from_secs_f64(seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cases() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
    }

    #[test]
    fn every_case_in_the_repository_can_be_read() {
        let names = Case::names(&cases()).unwrap();
        assert!(names.contains(&"small".to_owned()), "{names:?}");
        for name in names {
            let case = Case::read(&cases(), &name).unwrap();
            assert!(
                case.bars.iter().all(|bar| bar.times_nginx.or(bar.at_most).is_some()),
                "{name}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let case = |shape: &str, rest: &str| {
            let text = format!(
                r#"{{"title":"t","mock":{{}},"request":{{"prompt_bytes":1}},"shape":{shape}{rest}}}"#
            );
            Case::parse("x", &text).map(|case| case.name)
        };
        let idle = r#"{"idle":{"streams":3,"settle_seconds":1}}"#;
        let closed = |connections| {
            format!(
                r#"{{"closed":{{"connections":{connections},"warm_up_seconds":0,"seconds":1}}}}"#
            )
        };
        assert_eq!(case(&closed(1), ""), Ok("x".to_owned()));
        assert!(case(&closed(0), "").unwrap_err().contains("above zero"));
        assert!(case(idle, "").unwrap_err().contains("request.stream"));
        assert!(case(&closed(1), r#","speed":1"#).unwrap_err().contains("`speed`"));
    }
}

//! `isthmus-load lab`: runs traces, prints tables, writes figures and plots.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::market::{MARKET, Market};
use super::plots;
use super::report;
use super::suite::{Comparison, Suite};
use super::trace::{self, SYNTHETIC, TRACES, Trace};
use crate::fault::{Doing, Fault};

/// Which traces, how often, and where the results go.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// `azure-conv`, `azure-code`, `mooncake`, `synthetic`, or `all` that are here.
    #[arg(required = true)]
    traces: Vec<String>,
    /// Runs of each trace, each with its own luck.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Only so many requests from the beginning of each trace.
    #[arg(long)]
    requests: Option<usize>,
    /// The bound on the 95th percentile of the first token, instead of each trace's own.
    #[arg(long, value_name = "MS")]
    slo_ms: Option<u64>,
    /// The modelled market.
    #[arg(long, value_name = "FILE", default_value = MARKET)]
    market: PathBuf,
    /// Scales the noise of every first token and answer: 0 for none, 1 as written.
    #[arg(long, default_value_t = 1.0)]
    noise: f64,
    /// The folder of the public traces; also ISTHMUS_TRACES.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Also write every figure to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw the plots into this folder.
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    /// Fail if the bar is missed on an Azure trace.
    #[arg(long)]
    enforce: bool,
}

impl Arguments {
    /// Runs it all; tables go to `print`, progress to `note`. Returns whether it is as it should
    /// be.
    pub fn run(self, print: impl Fn(&str), note: impl Fn(&str)) -> Result<bool, Fault> {
        if !(0.0..=10.0).contains(&self.noise) {
            return Err(Fault::Unusable(format!(
                "`--noise {}` is not within 0 and 10",
                self.noise
            )));
        }
        // Before minutes are spent on what could not be written down.
        let beside = self.json.as_ref().and_then(|path| path.parent());
        for folder in self.figures.iter().map(PathBuf::as_path).chain(beside) {
            let doing = || format!("make the folder `{}`", folder.display());
            fs::create_dir_all(folder).doing(doing)?;
        }
        let market = Market::read(&self.market)?.with_noise(self.noise);
        let mut comparisons = vec![];
        for trace in self.traces(&note)? {
            let slo_ms = self.slo_ms.unwrap_or(trace.slo_ms());
            let suite = Suite { trace, market: market.clone(), seeds: self.seeds, slo_ms };
            let name = suite.trace.name.clone();
            let comparison = suite.run(|seed| note(&format!("{name}, seed {seed} …")));
            print(&report::render(&comparison));
            if let Some(folder) = &self.figures {
                for (name, text) in plots::draw(&comparison) {
                    write(&folder.join(name), &text)?;
                }
            }
            comparisons.push(comparison);
        }
        if let Some(path) = &self.json {
            let all: Vec<Value> = comparisons.iter().map(report::to_json).collect();
            write(path, &format!("{:#}\n", json!({ "noise": self.noise, "traces": all })))?;
        }
        Ok(!self.enforce || comparisons.iter().all(is_kept))
    }

    fn traces(&self, note: &impl Fn(&str)) -> Result<Vec<Trace>, Fault> {
        let folder = self.folder.clone().unwrap_or_else(trace::folder);
        let short = |trace: Trace| match self.requests {
            Some(requests) => trace.first(requests),
            None => trace,
        };
        if !self.traces.iter().any(|name| name == "all") {
            let read = |name: &String| Trace::named(name, &folder).map(&short);
            return self.traces.iter().map(read).collect();
        }
        let here = |(_, file, _): &&(&str, &str, u64)| folder.join(file).exists();
        let names: Vec<&str> = TRACES.iter().filter(here).map(|(name, ..)| *name).collect();
        if names.is_empty() {
            note(&format!(
                "no public trace in `{}` (ISTHMUS_TRACES says where); the invented one instead",
                folder.display()
            ));
            return Ok(vec![short(Trace::named(SYNTHETIC, &folder)?)]);
        }
        names.into_iter().map(|name| Trace::named(name, &folder).map(&short)).collect()
    }
}

fn is_kept(comparison: &Comparison) -> bool {
    let is_judged = comparison.trace.starts_with("azure");
    !is_judged || comparison.verdict().is_some_and(|verdict| verdict.kept)
}

fn write(path: &Path, text: &str) -> Result<(), Fault> {
    fs::write(path, text).doing(|| format!("write `{}`", path.display()))
}

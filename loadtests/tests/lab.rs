//! The routing laboratory in small: a few seconds, one seed, one trace.

use std::path::Path;

use isthmus_loadtests::lab::figures::Run;
use isthmus_loadtests::lab::market::{MARKET, Market};
use isthmus_loadtests::lab::plots;
use isthmus_loadtests::lab::suite::{Comparison, ISTHMUS, ORACLE, Sort, Standing, Suite};
use isthmus_loadtests::lab::trace::Trace;

fn comparison() -> Comparison {
    let market = Market::read(Path::new(MARKET)).expect("the market is sound");
    let trace = Trace::synthetic(6_000, 1);
    Suite { trace, market, seeds: 1, slo_ms: 800 }.run(|_| ())
}

fn mean(standing: &Standing, of: impl Fn(&Run) -> f64) -> f64 {
    standing.figure(of).mean
}

#[test]
fn the_default_objective_keeps_its_bound_and_beats_whoever_keeps_it_too() {
    let comparison = comparison();
    let isthmus = comparison.standing(ISTHMUS).expect("it ran");
    let oracle = comparison.standing(ORACLE).expect("it ran");
    assert!(isthmus.keeps_the_bound(), "{:?}", isthmus.runs);
    let cost = mean(isthmus, |run| run.cost_usd);
    assert!(cost > mean(oracle, |run| run.cost_usd), "nobody is luckier than who knows");
    for other in &comparison.standings {
        if other.sort == Sort::Baseline && other.name != "best-fixed" && other.keeps_the_bound() {
            let theirs = mean(other, |run| run.cost_usd);
            assert!(cost < theirs, "{} costs {theirs}, isthmus {cost}", other.name);
        }
    }
    assert!(mean(isthmus, |run| run.failed_percent) < 0.2, "{:?}", isthmus.runs);
}

#[test]
fn the_same_seed_gives_the_same_figures_and_every_plot_is_drawn() {
    let (one, other) = (comparison(), comparison());
    assert_eq!(format!("{:?}", one.standings), format!("{:?}", other.standings));
    let plots = plots::draw(&one);
    assert_eq!(plots.len(), 4);
    for (name, text) in plots {
        assert!(name.starts_with("synthetic-") && text.ends_with("</svg>\n"), "{name}");
        assert!(!text.contains("NaN"), "{name}");
    }
}

#[test]
fn figures_are_written_into_folders_that_were_not_there() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let (plots, json) = (folder.path().join("plots/new"), folder.path().join("new/figures.json"));
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_isthmus-load"))
        .args(["lab", "synthetic", "--seeds", "1", "--requests", "300", "--figures"])
        .arg(&plots)
        .arg("--json")
        .arg(&json)
        .output()
        .expect("the program runs");
    let told = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{told}");
    let drawn = std::fs::read_dir(&plots).expect("the plots are there").count();
    assert!(drawn > 0 && json.exists(), "{told}");
}

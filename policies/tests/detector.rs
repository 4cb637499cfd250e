//! How well the detector finds what is there, and how often it sees what is not: precision and
//! recall by kind on two labelled sets, with floors, and the page that tells them.
//!
//! Each line of `detector/*.jsonl` is a text and the kinds that are in it; all of it is invented.
//! `tuning.jsonl` may be looked at while the patterns are worked on; `held_out.jsonl` was written
//! before, in other surroundings, and is only measured. With `ISTHMUS_BLESS=1` the table in
//! `docs/classification.md` is written anew; with `ISTHMUS_MISSES=1` each mistake is printed.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of a test panic and print like the test itself"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use isthmus_policies::class::DataClass;
use isthmus_policies::detector::{Detector, KINDS, Patterns};
use serde::Deserialize;

/// A text, and the kinds of findings in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    text: String,
    finds: BTreeSet<String>,
}

/// How often a kind was found where it is, where it is not, and not found where it is.
#[derive(Default, Clone, Copy)]
struct Score {
    right: u32,
    wrong: u32,
    missed: u32,
}

/// Of a hundred findings of a kind so many at least are right, and of a hundred that are there so
/// many are found.
const FLOORS: [(&str, u32, u32); 2] = [("tuning", 95, 95), ("held_out", 90, 85)];

#[test]
fn each_kind_is_found_and_little_else() {
    let mut low = vec![];
    for (set, precision, recall) in FLOORS {
        for (kind, score) in scores(set) {
            if score.right + score.missed < 3 {
                low.push(format!("{set}: {kind} has too few cases"));
            }
            if score.precision() < precision || score.recall() < recall {
                low.push(format!("{set}: {kind} {}", score.row()));
            }
        }
    }
    assert!(low.is_empty(), "{low:#?}");
}

#[test]
fn the_page_says_how_well() {
    const BEGIN: &str = "<!-- figures: written by the test `detector` -->\n";
    const END: &str = "<!-- end of figures -->";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/classification.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let told = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("ISTHMUS_BLESS").is_some() {
        std::fs::write(&path, &told).unwrap();
    } else {
        assert!(
            page == told,
            "docs/classification.md is stale: run this test with ISTHMUS_BLESS=1"
        );
    }
}

fn table() -> String {
    let mut table = "\n| kind | class | what is looked for | tuning: precision | recall | held out: precision | recall |\n| --- | --- | --- | --- | --- | --- | --- |\n".to_owned();
    let [tuning, held_out] = FLOORS.map(|(set, ..)| scores(set));
    for kind in KINDS {
        let cells = [&tuning, &held_out].map(|scores| scores[kind.name].row());
        writeln!(
            table,
            "| `{}` | {} | {} | {} | {} |",
            kind.name, kind.class, kind.about, cells[0], cells[1]
        )
        .unwrap();
    }
    let cells = [&tuning, &held_out].map(|scores| Score::sum(scores.values()).row());
    writeln!(table, "| all | | | {} | {} |\n", cells[0], cells[1]).unwrap();
    let counts = FLOORS.map(|(set, ..)| cases(set)).map(|cases| {
        let empty = cases.iter().filter(|case| case.finds.is_empty()).count();
        format!("{} texts, {empty} of them with nothing in them", cases.len())
    });
    writeln!(table, "Tuning: {}. Held out: {}.\n", counts[0], counts[1]).unwrap();
    table
}

/// What each kind scores on a set. A text goes in as a caller would send it. A key behind `token:`
/// is a credential and a password at once, so another kind of secret than the labelled one is no
/// mistake.
fn scores(set: &str) -> BTreeMap<&'static str, Score> {
    let mut scores: BTreeMap<_, Score> =
        KINDS.iter().map(|kind| (kind.name, Score::default())).collect();
    for case in cases(set) {
        let messages = serde_json::json!([{ "role": "user", "content": case.text }]);
        let body = serde_json::json!({ "model": "chat", "messages": messages }).to_string();
        let findings = Patterns.scan(body.as_bytes());
        let secret = KINDS
            .iter()
            .any(|kind| kind.class == DataClass::Secret && case.finds.contains(kind.name));
        for kind in KINDS {
            let score = scores.get_mut(kind.name).unwrap();
            match (case.finds.contains(kind.name), findings.of(kind.name) > 0) {
                (true, true) => score.right += 1,
                (false, true) if secret && kind.class == DataClass::Secret => continue,
                (false, true) => score.wrong += 1,
                (true, false) => score.missed += 1,
                (false, false) => continue,
            }
            let right = case.finds.contains(kind.name) && findings.of(kind.name) > 0;
            if !right && std::env::var_os("ISTHMUS_MISSES").is_some() {
                println!("{set}: {} wants {:?}: {:?}", kind.name, case.finds, case.text);
            }
        }
    }
    scores
}

fn cases(set: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/detector/{set}.jsonl"));
    let lines = std::fs::read_to_string(path).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// === impl Score ===

impl Score {
    fn sum<'s>(scores: impl Iterator<Item = &'s Self>) -> Self {
        scores.fold(Self::default(), |sum, score| Self {
            right: sum.right + score.right,
            wrong: sum.wrong + score.wrong,
            missed: sum.missed + score.missed,
        })
    }

    /// In hundredths.
    fn precision(self) -> u32 {
        (self.right * 100).checked_div(self.right + self.wrong).unwrap_or(100)
    }

    /// In hundredths.
    fn recall(self) -> u32 {
        (self.right * 100).checked_div(self.right + self.missed).unwrap_or(100)
    }

    /// Both, with what they were counted from.
    fn row(self) -> String {
        let Self { right, wrong, missed } = self;
        let (found, there) = (right + wrong, right + missed);
        format!("{} % ({right}/{found}) | {} % ({right}/{there})", self.precision(), self.recall())
    }
}

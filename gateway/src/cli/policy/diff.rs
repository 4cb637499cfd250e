//! `isthmus policy diff`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use isthmus_inference::date::Date;
use isthmus_policies::permit::Bundle;
use serde_json::{Value as Json, json};

use super::access::{Listing, listings};
use super::progress::Teller;
use super::{Patience, Refusal, block_on, folder};
use crate::calendar::today;
use crate::cli::say;
use crate::proofs::comparison::{Change, Relation, RuleChange, compare, failing, rules};
use crate::proofs::example::Example;
use crate::proofs::solver::Solver;

/// Says whether new policies allow more or less than old ones, for each action, by proof.
///
/// `same`: both allow the same. `tightens`: the new ones allow less, and nothing more. `loosens`:
/// they allow more, and nothing less. `both`: some of each. Whatever is gained or lost is shown by
/// an example, and, for the endpoints of the tests or of a configuration, in a table. Exits with 2
/// if the solver cvc5 is missing.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  isthmus policy diff policies.live policies --config isthmus.yaml
  isthmus policy diff policies.live policies --refuse-loosening   # exits with 1 if more is allowed")]
pub(super) struct Diff {
    /// The folder of the old policies.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The folder of the new policies.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// Show what becomes of the endpoints of this configuration [default: those of the tests beside
    /// the new policies]. Credentials need not be set.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The day for which the configuration's facts are read [default: today].
    #[arg(long, value_name = "DATE", requires = "config")]
    today: Option<Date>,
    /// Exit with 1 if the new policies allow anything that the old ones did not.
    #[arg(long)]
    refuse_loosening: bool,
    /// Print the difference as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    patience: Patience,
}

/// Everything that is found.
struct Difference {
    versions: [String; 2],
    changes: Vec<Change>,
    failing: BTreeSet<String>,
    rules: Vec<RuleChange>,
    access: Vec<Listing>,
}

// === impl Diff ===

impl Diff {
    pub(super) fn run(&self) -> Result<(), Refusal> {
        let (old, new) = (folder::policies(&self.old)?, folder::policies(&self.new)?);
        let mut access = vec![];
        let suites = match &self.config {
            Some(file) => vec![folder::catalogue(file, self.today.unwrap_or_else(today))?],
            None => folder::suites(&self.new)?,
        };
        for suite in &suites {
            access.push(listings(&old, &new, suite)?);
        }
        let (changes, failing) = block_on(self.compare(&old, &new))?;
        let difference = Difference {
            versions: [&old, &new].map(|bundle| bundle.version().to_owned()),
            rules: rules(&old, &new),
            changes,
            failing,
            access,
        };
        if self.json {
            say(&difference.as_json().to_string());
        } else {
            say(difference.as_text().trim_end());
        }
        match difference.relation() {
            Relation::Loosens | Relation::Both if self.refuse_loosening => {
                Err(Refusal::of("the new policies allow what the old ones did not"))
            }
            _ => Ok(()),
        }
    }

    /// What changes, and which policies can fail.
    async fn compare(
        &self,
        old: &Bundle,
        new: &Bundle,
    ) -> Result<(Vec<Change>, BTreeSet<String>), Refusal> {
        let solver = Solver::find(self.patience.each()).await?;
        let teller = Teller::new();
        let changes = compare(old, new, &solver, &|progress| teller.tell(progress)).await?;
        Ok((changes, failing(old, new, &solver).await?))
    }
}

// === impl Difference ===

impl Difference {
    fn relation(&self) -> Relation {
        Relation::of_all(&self.changes)
    }

    fn as_text(&self) -> String {
        let [old, new] = &self.versions;
        let mut text = format!("{}: policies {old} -> {new}\n", self.relation().as_str());
        for relation in [Relation::Loosens, Relation::Both, Relation::Tightens, Relation::Same] {
            let actions: Vec<_> = (self.changes.iter())
                .filter(|change| change.relation() == relation)
                .map(|change| change.action.as_str())
                .collect();
            if !actions.is_empty() {
                text.push_str(&format!("  {:<9} {}\n", relation.as_str(), actions.join(", ")));
            }
        }
        for id in &self.failing {
            text.push_str(&format!("  caution   {id} {CAN_FAIL}\n"));
        }
        if !self.rules.is_empty() {
            text.push_str("\nrules\n");
        }
        for rule in &self.rules {
            let (word, id) = in_words(rule);
            text.push_str(&format!("  {word:<9} {id}\n"));
        }
        for (title, example) in [
            ("allowed now, and not before", self.first(|change| change.gained.as_ref())),
            ("allowed before, and not now", self.first(|change| change.lost.as_ref())),
        ] {
            if let Some(example) = example {
                let action = example.situation.action();
                let example = example.to_string().replace('\n', "\n  ");
                text.push_str(&format!(
                    "\n{title}, for example\n  action    {action}\n  {example}\n"
                ));
            }
        }
        for listing in &self.access {
            text.push_str(&format!("\n{listing}"));
        }
        text
    }

    fn first<'a>(&'a self, of: impl Fn(&'a Change) -> Option<&'a Example>) -> Option<&'a Example> {
        self.changes.iter().find_map(of)
    }

    fn as_json(&self) -> Json {
        let [old, new] = &self.versions;
        let actions = self.changes.iter().map(|change| {
            json!({
                "action": change.action,
                "relation": change.relation().as_str(),
                "gained": change.gained.as_ref().map(Example::to_json),
                "lost": change.lost.as_ref().map(Example::to_json),
            })
        });
        let rules = self.rules.iter().map(|rule| {
            let (word, id) = in_words(rule);
            json!({ "id": id, "change": word })
        });
        json!({
            "old": old,
            "new": new,
            "relation": self.relation().as_str(),
            "actions": actions.collect::<Json>(),
            "rules": rules.collect::<Json>(),
            "can_fail": self.failing,
            "access": self.access.iter().map(Listing::as_json).collect::<Json>(),
        })
    }
}

/// What follows from it for the comparison.
const CAN_FAIL: &str = "can fail; the gateway denies then, which is not compared here";

fn in_words(change: &RuleChange) -> (&'static str, &str) {
    match change {
        RuleChange::Added(id) => ("added", id),
        RuleChange::Removed(id) => ("removed", id),
        RuleChange::Changed(id) => ("changed", id),
        RuleChange::Reworded(id) => ("reworded", id),
    }
}

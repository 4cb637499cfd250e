//! What becomes of the endpoints of a catalogue between two sets of policies, as a table of data
//! classes and for the questions of the tests.

use std::fmt;
use std::sync::Arc;

use isthmus_policies::access::{Access, Answers, COLUMNS, table};
use isthmus_policies::permit::{Bundle, Permit};
use isthmus_policies::policytest::Suite;
use isthmus_policies::question::Action;
use serde_json::{Map, Value as Json, json};

use super::Refusal;

/// What becomes of one catalogue.
pub(super) struct Listing {
    /// The file that it comes from.
    title: String,
    /// The endpoints' names.
    endpoints: Vec<String>,
    /// A table for all actions that have the same, where anything differs.
    tables: Vec<(Vec<&'static str>, Vec<Vec<Access>>)>,
    /// The cases with another answer, and what becomes of each endpoint.
    cases: Vec<(String, Vec<Access>)>,
}

/// Asks both sets of policies all that there is to ask about a catalogue.
pub(super) fn listings(
    old: &Arc<Bundle>,
    new: &Arc<Bundle>,
    suite: &Suite,
) -> Result<Listing, Refusal> {
    let permit = |bundle: &Arc<Bundle>| {
        Permit::new(Arc::clone(bundle), &suite.catalogue, suite.today).map_err(Refusal::of)
    };
    let (old, new) = (permit(old)?, permit(new)?);
    let count = suite.catalogue.len();
    let mut tables: Vec<(Vec<&'static str>, Vec<Vec<Access>>)> = vec![];
    for (word, action) in Action::WORDS {
        let rows = table(&old, &new, count, *action);
        if !rows.iter().flatten().any(|access| access.differs()) {
            continue;
        }
        match tables.iter_mut().find(|(_, known)| *known == rows) {
            Some((actions, _)) => actions.push(word),
            None => tables.push((vec![word], rows)),
        }
    }
    let cases = suite.cases.iter().filter_map(|case| {
        let answers = Answers::of(&old, &new, &case.principal, case.action, &case.context);
        let access: Vec<_> = (0..count).map(|number| answers.of_endpoint(number)).collect();
        access.iter().any(|one| one.differs()).then(|| (case.name.clone(), access))
    });
    Ok(Listing {
        title: suite.file.clone(),
        endpoints: suite.catalogue.iter().map(|endpoint| endpoint.name.to_string()).collect(),
        cases: cases.collect(),
        tables,
    })
}

// === impl Listing ===

impl Listing {
    /// For programs.
    pub(super) fn as_json(&self) -> Json {
        let tables: Vec<_> = self
            .tables
            .iter()
            .map(|(actions, rows)| {
                let endpoints: Map<_, _> = self
                    .endpoints
                    .iter()
                    .zip(rows)
                    .map(|(endpoint, row)| {
                        let of_class: Map<_, _> = (COLUMNS.iter().zip(row))
                            .map(|(column, access)| ((*column).to_owned(), json!(word(*access))))
                            .collect();
                        (endpoint.clone(), Json::Object(of_class))
                    })
                    .collect();
                json!({ "actions": actions, "endpoints": endpoints })
            })
            .collect();
        let cases: Vec<_> = self
            .cases
            .iter()
            .map(|(name, access)| {
                json!({
                    "name": name,
                    "gained": self.with(access, Access::Gained),
                    "lost": self.with(access, Access::Lost),
                })
            })
            .collect();
        json!({ "catalogue": self.title, "tables": tables, "cases": cases })
    }

    /// The endpoints of which this has become.
    fn with(&self, access: &[Access], wanted: Access) -> Vec<&str> {
        let each = self.endpoints.iter().zip(access);
        each.filter(|(_, access)| **access == wanted).map(|(name, _)| name.as_str()).collect()
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tables.is_empty() && self.cases.is_empty() {
            return writeln!(f, "the endpoints of {}: nothing changes", self.title);
        }
        writeln!(f, "the endpoints of {}: + gained, - lost, = allowed, . denied", self.title)?;
        let width = self.endpoints.iter().map(String::len).max().unwrap_or_default();
        for (actions, rows) in &self.tables {
            writeln!(f, "  for {}", actions.join(", "))?;
            writeln!(f, "    {:width$}  {}", "", COLUMNS.join("  "))?;
            for (endpoint, row) in self.endpoints.iter().zip(rows) {
                if row.iter().any(|access| access.differs()) {
                    let signs = COLUMNS
                        .iter()
                        .zip(row)
                        .map(|(column, access)| format!("  {:<1$}", sign(*access), column.len()));
                    let signs = signs.collect::<String>();
                    writeln!(f, "    {endpoint:width$}{}", signs.trim_end())?;
                }
            }
        }
        for (name, access) in &self.cases {
            let list = |sign: &str, wanted| {
                let names = self.with(access, wanted);
                if names.is_empty() {
                    String::new()
                } else {
                    format!(" {sign} {}", names.join(", "))
                }
            };
            let (gained, lost) = (list("+", Access::Gained), list("-", Access::Lost));
            writeln!(f, "  case {name:?}:{gained}{lost}")?;
        }
        Ok(())
    }
}

fn sign(access: Access) -> char {
    match access {
        Access::Denied => '.',
        Access::Allowed => '=',
        Access::Gained => '+',
        Access::Lost => '-',
    }
}

fn word(access: Access) -> &'static str {
    match access {
        Access::Denied => "denied",
        Access::Allowed => "allowed",
        Access::Gained => "gained",
        Access::Lost => "lost",
    }
}

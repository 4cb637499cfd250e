//! `isthmus catalogue`

use std::fs;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use isthmus_inference::date::Date;
use isthmus_ledger::catalogue::{Catalogue, Mistake, Row, read};

use super::{CommandError, import, reprice, say};
use crate::calendar::today;

/// List prices: those that ship, and files of more; and what was charged by a wrong one.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  isthmus catalogue list --kind bedrock --model claude-sonnet --at 2026-12-01\n  isthmus catalogue check config/catalogue/bedrock.csv"
)]
pub(super) struct CatalogueCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List prices with their sources.
    List(List),
    /// Check files of prices: every mistake with its line.
    Check {
        /// The files; they are one catalogue.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Read another list of prices and tell what it says otherwise.
    Import(import::Import),
    /// Correct what was charged by a wrong price.
    Reprice(reprice::Reprice),
}

#[derive(Debug, Args)]
struct List {
    /// Of this kind of provider, such as `bedrock`.
    #[arg(long)]
    kind: Option<String>,
    /// Of models with this in their names.
    #[arg(long)]
    model: Option<String>,
    /// As they hold on this day [default: today, in UTC].
    #[arg(long, value_name = "DAY")]
    at: Option<Date>,
}

impl CatalogueCommand {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        match &self.action {
            Action::List(list) => list.run(),
            Action::Check { files } => check(files),
            Action::Import(import) => import.run(),
            Action::Reprice(reprice) => reprice.run(),
        }
    }
}

impl List {
    fn run(&self) -> Result<(), CommandError> {
        let day = self.at.unwrap_or_else(today);
        let wanted = |row: &&Row| {
            self.kind.as_ref().is_none_or(|kind| row.kind == *kind)
                && self.model.as_ref().is_none_or(|part| row.model.contains(part.as_str()))
        };
        let mut found = false;
        for row in Catalogue::shipped().on(day).into_iter().filter(wanted) {
            found = true;
            let (title, rates) = (row.title(), row.rates());
            let since = row.effective_from.map_or_else(String::new, |day| format!(" since {day}"));
            say(&format!(
                "{title}: {rates} {}{since} ({}, retrieved {})",
                row.currency, row.source, row.retrieved
            ));
        }
        if found { Ok(()) } else { Err(CommandError(format!("there is no such price on {day}"))) }
    }
}

fn check(files: &[PathBuf]) -> Result<(), CommandError> {
    let (mut rows, mut mistakes) = (vec![], vec![]);
    for file in files {
        let name = file.display().to_string();
        let text = fs::read_to_string(file)
            .map_err(|error| CommandError(format!("{name}: error: cannot be read: {error}")))?;
        match read(&name, &text) {
            Ok(read) => rows.extend(read),
            Err(wrong) => mistakes.extend(wrong),
        }
    }
    if mistakes.is_empty()
        && let Err(wrong) = Catalogue::new(rows.iter().cloned())
    {
        mistakes = wrong;
    }
    if mistakes.is_empty() {
        say(&format!("ok: {} prices", rows.len()));
        return Ok(());
    }
    Err(CommandError(mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n")))
}

//! `isthmus import`

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use isthmus_inference::date::Date;
use isthmus_ledger::catalogue::{Catalogue, Change, Difference, litellm, write};

use super::{CommandError, say, say_error};
use crate::calendar::today;

/// Reads another list of prices and tells what it says otherwise than the catalogue.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  isthmus import litellm model_prices_and_context_window.json --kind openai --output new.csv"
)]
pub(super) struct Import {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// LiteLLM's `model_prices_and_context_window.json`. Nothing of it comes into force by itself: review
    /// the difference, write it with `--output`, and add what is right to `config/catalogue`.
    Litellm(Litellm),
}

#[derive(Debug, Args)]
struct Litellm {
    /// The list.
    file: PathBuf,
    /// Only of these kinds of providers, such as `openai` [default: all that are known].
    #[arg(long, value_delimiter = ',', value_name = "KIND,…")]
    kind: Vec<String>,
    /// Write what is new or changed to this file, as rows for the catalogue. It must not exist.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The day from which changed prices hold [default: today, in UTC].
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
}

impl Import {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let From::Litellm(litellm) = &self.from;
        litellm.run()
    }
}

impl Litellm {
    fn run(&self) -> Result<(), CommandError> {
        let name = self.file.display().to_string();
        let wrong = |error: &dyn std::fmt::Display| CommandError(format!("{name}: error: {error}"));
        let text = fs::read_to_string(&self.file).map_err(|error| wrong(&error))?;
        let day = today();
        let reading = litellm::Reading { file: &name, day, kinds: &self.kind };
        let imported = litellm::read(&text, &reading).map_err(|error| wrong(&error))?;
        let difference = Difference::between(Catalogue::shipped(), &imported.rows, day);
        difference.changes.iter().for_each(|change| say(&change.to_string()));
        imported.refused.iter().for_each(|refused| say_error(&format!("refused: {refused}")));
        say(&summary(&difference, &imported));
        if let Some(output) = &self.output {
            let rows = difference.rows(self.from.unwrap_or(day));
            save(output, &write(&rows))?;
            say(&format!("wrote {} rows to {}", rows.len(), output.display()));
        }
        Ok(())
    }
}

fn summary(difference: &Difference, imported: &litellm::Imported) -> String {
    let count = |is: fn(&Change) -> bool| difference.changes.iter().filter(|one| is(one)).count();
    format!(
        "{} added, {} changed, {} gone, {} the same; {} entries refused, {} passed over",
        count(|change| matches!(change, Change::Added(_))),
        count(|change| matches!(change, Change::Changed { .. })),
        count(|change| matches!(change, Change::Gone(_))),
        difference.same,
        imported.refused.len(),
        imported.passed_over
    )
}

/// Writes a new file: a list that somebody reviewed must not be lost to a second run.
fn save(path: &Path, text: &str) -> Result<(), CommandError> {
    File::create_new(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| CommandError(format!("{}: error: {error}", path.display())))
}

//! `isthmus keys hash`: what stands for a key in a configuration that everybody may read.

use std::io::{self, BufRead, IsTerminal};

use clap::Args;
use isthmus_ledger::key::Minted;

use super::super::{CommandError, say, say_error};

/// Reads a key from standard input, or makes one, and tells its visible head and its hash.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  isthmus keys hash --new\n  echo \"$ISTHMUS_KEY\" | isthmus keys hash"
)]
pub(super) struct Hash {
    /// Make a new key, and show it this once.
    #[arg(long)]
    new: bool,
}

impl Hash {
    pub(super) fn run(&self) -> Result<(), CommandError> {
        let minted = if self.new { Minted::new().map_err(CommandError::of)? } else { given()? };
        if self.new {
            say_error("keep this key: it is not shown again");
            say_error(minted.secret.expose());
        }
        say(&format!("id: {}\nhash: {}", minted.id, minted.hash.to_text()));
        Ok(())
    }
}

fn given() -> Result<Minted, CommandError> {
    if io::stdin().is_terminal() {
        say_error("the key, please; or `isthmus keys hash --new` to make one:");
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(CommandError::of)?;
    // What was typed is not repeated: it may be a key after all.
    Minted::elsewhere(line.trim()).ok_or_else(|| {
        CommandError::of(
            "this is no key: `isk-` and 43 letters and digits of chance are expected; `isthmus keys hash --new` makes one",
        )
    })
}

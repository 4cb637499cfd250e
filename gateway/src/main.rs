//! The program `isthmus`.

use std::process::ExitCode;

fn main() -> ExitCode {
    isthmus_gateway::cli::run()
}

//! The `wgvision` program. Exit status: 0, 1 for a failure, 2 for a command line that does not parse.

use std::process::ExitCode;

fn main() -> ExitCode {
    wgvision::cli::main()
}

//! The `wgvision` program. Exit status: 0, 1 for a failure, 2 for bad usage.

use std::process::ExitCode;

fn main() -> ExitCode {
    wgvision::cli::main()
}

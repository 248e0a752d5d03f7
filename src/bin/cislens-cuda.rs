//! The `cislens` program with CUDA, which `cislens` goes on as where it is asked for a GPU and this one starts.

use std::process::ExitCode;

fn main() -> ExitCode {
    cislens::cli::run()
}

//! The `regie` command.

use std::process::ExitCode;

/// Events are many small pieces of memory, made on one thread and freed on another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    regie::cli::main(regie::builder())
}

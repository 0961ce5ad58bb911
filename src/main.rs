//! The `causeway` binary: everything is in the library.

// Many threads free what other threads allocated (bodies, pages): mimalloc keeps that fast and returns
// memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    causeway::cli::run()
}

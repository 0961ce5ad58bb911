//! The `causeway` binary: everything is in the library.

// Many threads allocate what others free (bodies, pages): mimalloc keeps that fast and gives memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    causeway::cli::run()
}

//! Runs the fake of Google Cloud Storage that the tests use as a process of its own, for `conformance/run
//! backends`.
//!
//! It prints its address, and serves until its standard input ends.

#[path = "../tests/support/gcs/mod.rs"]
mod gcs;

fn main() -> std::io::Result<()> {
    let fake = gcs::FakeGcs::start();
    println!("listening on {}", fake.endpoint());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

//! The tests' fake of Google Cloud Storage as a process, for `conformance/run backends`.
//!
//! Prints its address, and serves until its standard input ends.

#[path = "../tests/support/gcs/mod.rs"]
mod gcs;

fn main() -> std::io::Result<()> {
    let fake = gcs::FakeGcs::start();
    println!("listening on {}", fake.endpoint());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

//! Runs the fake of Google Drive that the tests use as a process of its own, for `conformance/run backends`.
//!
//! It prints its address, and serves until its standard input ends.

#[path = "../tests/support/gdrive/mod.rs"]
mod gdrive;

fn main() -> std::io::Result<()> {
    let fake = gdrive::FakeDrive::start();
    println!("listening on {}", fake.endpoint());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

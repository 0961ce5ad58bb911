//! Runs the fake of OneDrive that the tests use as a process of its own, for `conformance/run backends`.
//!
//! It prints its address, and serves until its standard input ends.

#[path = "../tests/support/onedrive/mod.rs"]
mod onedrive;

fn main() -> std::io::Result<()> {
    let fake = onedrive::FakeOnedrive::start();
    println!("listening on {}", fake.endpoint());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

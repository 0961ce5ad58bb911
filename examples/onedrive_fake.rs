//! The tests' fake of OneDrive as a process, for `conformance/run backends`.
//!
//! Prints its address, and serves until its standard input ends.

#[path = "../tests/support/onedrive/mod.rs"]
mod onedrive;

fn main() -> std::io::Result<()> {
    let fake = onedrive::FakeOnedrive::start();
    println!("listening on {}", fake.endpoint());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

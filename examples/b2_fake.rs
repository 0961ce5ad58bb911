//! Runs the fake of Backblaze B2 that the tests use as a process of its own, for `conformance/run backends`.
//!
//! It prints its address, and serves until its standard input ends.

#[path = "../tests/support/clouds/mod.rs"]
mod clouds;

fn main() -> std::io::Result<()> {
    let fake = clouds::b2::B2::start();
    println!("listening on {}", fake.endpoint());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

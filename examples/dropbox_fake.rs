//! Runs the fake of Dropbox that the tests use as a process of its own, for `conformance/run backends`.
//!
//! It prints its address, and serves until its standard input ends.

#[path = "../tests/support/dropbox/mod.rs"]
mod dropbox;

fn main() -> std::io::Result<()> {
    let fake = dropbox::FakeDropbox::start();
    println!("listening on {}", fake.endpoint());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

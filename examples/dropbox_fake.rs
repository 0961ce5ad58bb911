//! The tests' fake of Dropbox as a process, for `conformance/run backends`.
//!
//! Prints its address, and serves until its standard input ends.

#[path = "../tests/support/dropbox/mod.rs"]
mod dropbox;

fn main() -> std::io::Result<()> {
    let fake = dropbox::FakeDropbox::start();
    println!("listening on {}", fake.endpoint());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

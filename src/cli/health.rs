//! `causeway health`: for containers and supervisors that can only run a program.

use super::{FAILED, fail, say};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Ask the server with this admin address.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9001")]
    address: SocketAddr,
}

const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    match ask(arguments.address) {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => {
            say("ready\n");
            ExitCode::SUCCESS
        }
        Ok(answer) => {
            fail(FAILED, format_args!("not ready: {}", answer.lines().last().unwrap_or("no answer")))
        }
        Err(error) => fail(FAILED, format_args!("no answer from {}: {error}", arguments.address)),
    }
}

fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /-/health/ready HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    // Longer than any answer of Causeway: another program sent it.
    stream.take(64 << 10).read_to_string(&mut answer)?;
    Ok(answer)
}

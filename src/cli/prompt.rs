//! Asks a person at a terminal: for a line, or for a secret, which is not shown.

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, BufRead, IsTerminal, Write};

pub(super) fn is_at_terminal() -> bool {
    io::stdin().is_terminal()
}

/// A line without blanks around it. The end of the input is an error: nobody answers any more.
pub(super) fn line(question: &str) -> io::Result<String> {
    eprint!("{question}");
    io::stderr().flush()?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim().to_owned())
}

/// `None` means that there is no terminal to ask at.
pub(super) fn secret(what: &str) -> io::Result<Option<String>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(None);
    }
    // Before the question: what is typed in between would be shown, and then thrown away.
    let silence = Silence::begin()?;
    eprint!("{what}: ");
    io::stderr().flush()?;
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    drop(silence);
    eprintln!();
    read?;
    Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Turns off the echo of a terminal while this exists.
struct Silence(Termios);

impl Silence {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

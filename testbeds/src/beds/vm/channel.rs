//! The way commands take into a guest: scripts and input go in, status and output come back (recipes/agent.sh).

use std::{
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::{Duration, Instant},
};

use crate::{
    error::{Error, Result},
    process::Finished,
};

/// What a guest may be slower than the time limit it was given: to kill, and to send the output.
const GRACE: Duration = Duration::from_secs(30);
/// How long one write or read may stand still while a whole message is on its way.
const STILL: Duration = Duration::from_secs(60);
/// How often a listener that must not block is looked at.
const POLL: Duration = Duration::from_millis(5);

/// Accepts one connection, in time.
pub(super) fn accept(listener: &UnixListener, deadline: Instant) -> io::Result<Option<UnixStream>> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(Some(stream));
            }
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => {}
            Err(err) => return Err(err),
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// Makes a socket to listen on.
pub(super) fn listen(path: &Path) -> Result<UnixListener> {
    crate::files::remove(path)?;
    Ok(UnixListener::bind(path)?)
}

/// An open way into a guest.
#[derive(Debug)]
pub(super) struct Channel {
    stream: UnixStream,
    received: Vec<u8>,
}

impl Channel {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_write_timeout(Some(STILL))?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Waits until the agent says that it is there; returns the id of this boot.
    ///
    /// What an agent of an earlier boot left unsaid is passed over, and so is `last`, the id of that boot.
    pub(super) fn wait_ready(&mut self, last: &str, seconds: u64) -> Result<String> {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        loop {
            let line = self.line(deadline, "the agent's first word")?;
            // After a cut in the middle of an answer the word may stand at the end of a line.
            if let Some((_, boot)) = line.split_once("READY ")
                && boot != last
            {
                return Ok(boot.to_owned());
            }
        }
    }

    /// Runs a script of the guest's shell; a status of 124 means that it took longer than `seconds`.
    pub(super) fn run(&mut self, script: &str, input: &[u8], seconds: u64) -> Result<Finished> {
        let deadline = Instant::now() + Duration::from_secs(seconds) + GRACE;
        let head = format!("RUN {seconds} {} {}\n", script.len(), input.len());
        for part in [head.as_bytes(), script.as_bytes(), input] {
            self.stream.write_all(part)?;
        }
        let what = || format!("the answer to `{}`", script.lines().next().unwrap_or_default());
        loop {
            let line = self.line(deadline, &what())?;
            let Some(rest) = line.strip_prefix("DONE ") else { continue };
            let numbers: Vec<usize> = rest.split(' ').filter_map(|it| it.parse().ok()).collect();
            let [status, stdout, stderr] = numbers[..] else {
                return Err(Error::Unexpected {
                    what: what(),
                    expected: "DONE STATUS BYTES BYTES".into(),
                    found: line,
                });
            };
            let stdout = self.bytes(stdout, deadline, &what())?;
            let stderr = self.bytes(stderr, deadline, &what())?;
            return Ok(Finished {
                status: i32::try_from(status).unwrap_or(i32::MAX),
                stdout: String::from_utf8_lossy(&stdout).into_owned(),
                stderr: String::from_utf8_lossy(&stderr).into_owned(),
            });
        }
    }

    fn line(&mut self, deadline: Instant, what: &str) -> Result<String> {
        loop {
            if let Some(end) = self.received.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            self.receive(deadline, what)?;
        }
    }

    fn bytes(&mut self, count: usize, deadline: Instant, what: &str) -> Result<Vec<u8>> {
        while self.received.len() < count {
            self.receive(deadline, what)?;
        }
        Ok(self.received.drain(..count).collect())
    }

    fn receive(&mut self, deadline: Instant, what: &str) -> Result<()> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Silent { what: what.into() });
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(Error::Unexpected {
                what: what.into(),
                expected: "words".into(),
                found: "a closed channel: the virtual machine ended".into(),
            }),
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                Ok(())
            }
            Err(err) if matches!(err.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Err(Error::Silent { what: what.into() })
            }
            Err(err) => Err(err.into()),
        }
    }
}

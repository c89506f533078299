//! The transcript of a scenario: every call with its output, as a person at a terminal would have seen it.

use std::{io::Write, path::Path};

use crate::{error::Result, files, process::Finished};

/// A file that grows with every step.
pub(crate) struct Transcript {
    file: fs_err::File,
}

impl Transcript {
    /// Starts the file.
    pub(crate) fn start(path: &Path) -> Result<Self> {
        Ok(Self { file: files::create(path)? })
    }

    /// Writes a remark.
    pub(crate) fn note(&mut self, text: &str) {
        self.write(&format!("# {}\n", text.trim().replace('\n', "\n# ")));
    }

    /// Writes a command with what it printed.
    pub(crate) fn call(&mut self, command: &str, finished: &Finished) {
        let mut text = format!("$ {}\n{}", command.trim(), finished.stdout);
        for part in [&finished.stderr, &format!("[{}]\n", finished.status)] {
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(part);
        }
        self.write(&text);
    }

    fn write(&mut self, text: &str) {
        match self.file.write_all(text.as_bytes()) {
            // What it is for is told by the steps themselves; a full disk shows there.
            Ok(()) | Err(_) => {}
        }
    }
}

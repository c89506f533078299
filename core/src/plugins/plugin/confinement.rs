//! What keeps plugins apart that this kernel or container does not permit: said once in a run.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use hoststate_abi::host_view::HostView;
use rustix::process::{Pid, Signal};

/// How the child says it, at the beginning of its standard error.
pub const MARK: &str = "plugin-host: without";

/// What the allocator of hoststate's command reserves at once, in KiB, in its environment: its usual GiB would use up
/// the memory that a plugin may have which is loaded into that process.
pub const RESERVE: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "32768");

/// What is not possible here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// A user, or a namespace of users, for each plugin.
    User,
    /// A namespace of processes, which end with the plugin.
    Processes,
    /// A namespace of mounts: a read-only host without the files of others.
    Mounts,
    /// A `/proc` without the processes of others.
    Proc,
}

/// Every lack, with the word between parent and child, and what it means.
const ALL: [(Lack, &str, &str); 4] = [
    (Lack::User, "user", "plugins share one user with each other or with you, and could disturb each other"),
    (
        Lack::Processes,
        "processes",
        "what a plugin leaves running is searched for and ended, not kept in a namespace",
    ),
    (Lack::Mounts, "mounts", "plugins see /tmp, /var/tmp, /dev/shm and /run/user of this machine"),
    (Lack::Proc, "proc", "plugins see in /proc what else runs on this machine"),
];

/// What starts processes faster than they are ended is given up after that many rounds; it dies with the next boot.
const ROUNDS: usize = 100;

static SEEN: Mutex<BTreeSet<Lack>> = Mutex::new(BTreeSet::new());

/// Returns the line that says what is not possible; nothing when all is.
pub fn line(lacks: &[Lack]) -> String {
    let words = ALL.iter().filter(|it| lacks.contains(&it.0)).map(|it| it.1);
    let words: Vec<&str> = words.collect();
    if words.is_empty() { String::new() } else { format!("{MARK} {}\n", words.join(" ")) }
}

/// Takes that line from the beginning of what a child wrote to standard error, and keeps what it says.
pub(super) fn take(stderr: &mut Vec<u8>) -> Vec<Lack> {
    let Some(rest) = stderr.strip_prefix(MARK.as_bytes()) else { return Vec::new() };
    let Some(end) = rest.iter().position(|it| *it == b'\n') else { return Vec::new() };
    let said = String::from_utf8_lossy(&rest[..end]).into_owned();
    let found: Vec<Lack> =
        ALL.iter().filter(|it| said.split(' ').any(|word| word == it.1)).map(|it| it.0).collect();
    stderr.drain(..MARK.len() + end + 1);
    if let Ok(mut seen) = SEEN.lock() {
        seen.extend(&found);
    }
    found
}

/// Ends every process below `of`, which takes in those that lose their parent, until there is none.
pub(super) fn end_descendants(of: Pid) {
    let host = HostView::new("/");
    for _ in 0..ROUNDS {
        let mut found = Vec::new();
        descendants(&host, of, &mut found);
        if found.is_empty() {
            return;
        }
        for process in found {
            // It is gone already, or is about to go.
            rustix::process::kill_process(process, Signal::KILL).unwrap_or_default();
        }
    }
}

fn descendants(host: &HostView, of: Pid, found: &mut Vec<Pid>) {
    let tasks = format!("/proc/{}/task", of.as_raw_nonzero());
    for task in host.list(Path::new(&tasks)).unwrap_or_default() {
        let children = host.attribute(Path::new(&format!("{tasks}/{task}/children"))).ok().flatten();
        for child in children.unwrap_or_default().split_whitespace().filter_map(|it| it.parse().ok()) {
            if let Some(child) = Pid::from_raw(child).filter(|it| !found.contains(it)) {
                found.push(child);
                descendants(host, child, found);
            }
        }
    }
}

/// Returns what the plugins of this run had to do without, in words for people.
pub fn lacking() -> Vec<&'static str> {
    let seen = SEEN.lock().map(|it| it.clone()).unwrap_or_default();
    ALL.iter().filter(|it| seen.contains(&it.0)).map(|it| it.2).collect()
}

#[cfg(test)]
mod tests {
    use super::{Lack, line, take};

    #[test]
    fn a_child_says_what_is_not_possible_and_the_rest_of_its_words_stays() {
        let said = [line(&[Lack::Mounts, Lack::User]).as_bytes(), b"hello\n"].concat();
        let mut stderr = said;
        assert_eq!(take(&mut stderr), [Lack::User, Lack::Mounts]);
        assert_eq!(stderr, b"hello\n");
        assert_eq!(take(&mut stderr), []);
        assert_eq!(line(&[]), "");
    }
}

//! Several files of a host, parsed at the same time.

use std::any::{Any, TypeId};
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::thread;

use super::HostView;

/// How many files are in memory at once: images of an initramfs have tens of megabytes each.
const AT_ONCE: usize = 4;

impl HostView {
    /// Makes ready what [`Self::parsed_bytes`] gives for files, by `parse` on every processor and then `finish`.
    ///
    /// # Errors
    /// When a file exists and cannot be read.
    pub fn parse_at_once<P: Send, T: 'static>(
        &self,
        paths: &[PathBuf],
        parse: impl Fn(&[u8]) -> P + Sync,
        finish: impl Fn(P) -> T,
    ) -> io::Result<()> {
        let mut unknown = Vec::new();
        for path in paths {
            let path = self.resolve(path)?;
            if !unknown.contains(&path) && !self.has_parsed::<T>(&path) {
                unknown.push(path);
            }
        }
        let processors = match unknown.len() {
            0 | 1 => 1,
            _ => thread::available_parallelism().map_or(1, |it| it.get().min(AT_ONCE)),
        };
        for some in unknown.chunks(processors) {
            let read = some.iter().map(|it| self.read_bytes(it)).collect::<io::Result<Vec<_>>>()?;
            let parse = |bytes: Option<Vec<u8>>| bytes.map(|it| parse(&it));
            let parsed: Vec<Option<P>> = thread::scope(|scope| {
                let parse = &parse;
                let threads: Vec<_> = read.into_iter().map(|it| scope.spawn(move || parse(it))).collect();
                threads.into_iter().map(|it| it.join().unwrap_or_else(|why| resume_unwind(why))).collect()
            });
            for (path, value) in some.iter().zip(parsed) {
                let value = value.map(|it| Rc::new(finish(it)) as Rc<dyn Any>);
                let mut known = self.known.parsed.borrow_mut();
                known.entry(path.clone().into_os_string()).or_default().push((TypeId::of::<T>(), value));
            }
        }
        Ok(())
    }

    fn has_parsed<T: 'static>(&self, resolved: &Path) -> bool {
        let known = self.known.parsed.borrow();
        known.get(resolved.as_os_str()).is_some_and(|it| it.iter().any(|it| it.0 == TypeId::of::<T>()))
    }
}

//! Large files of a host, parsed piece by piece and at the same time.

use std::any::{Any, TypeId};
use std::io::{self, Read};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::pieces::Pieces;
use super::{HostView, MOST_BYTES};

/// How many files are parsed at once: whoever unpacks an image of an initramfs may need many megabytes for it.
const AT_ONCE: usize = 4;

impl HostView {
    /// Returns `parse` of what a file holds, computed once per view and content; `None` when there is no such file.
    ///
    /// # Errors
    /// When the file is no plain file, is larger than 512 MiB, or cannot be read.
    pub fn parsed_pieces<P: Send, T: 'static>(
        &self,
        path: &Path,
        parse: impl Fn(&mut dyn Read) -> P + Sync,
        finish: impl Fn(P) -> T,
    ) -> io::Result<Option<Rc<T>>> {
        self.parse_at_once(&[path.to_owned()], parse, finish)?;
        let known = self.known.parsed.borrow();
        let values = known.get(self.resolve(path)?.as_os_str());
        let value = values.and_then(|it| it.iter().find(|it| it.0 == TypeId::of::<T>()));
        Ok(value.and_then(|it| it.1.clone()).and_then(|it| it.downcast().ok()))
    }

    /// Makes ready what [`Self::parsed_pieces`] gives for files, by `parse` on several threads and then `finish`.
    ///
    /// # Errors
    /// Those of [`Self::parsed_pieces`].
    pub fn parse_at_once<P: Send, T: 'static>(
        &self,
        paths: &[PathBuf],
        parse: impl Fn(&mut dyn Read) -> P + Sync,
        finish: impl Fn(P) -> T,
    ) -> io::Result<()> {
        let mut unknown: Vec<(PathBuf, Option<Pieces>)> = Vec::new();
        for path in paths {
            let path = self.resolve(path)?;
            if !unknown.iter().any(|it| it.0 == path) && !self.has_parsed::<T>(&path) {
                let pieces = self.pieces(&path)?;
                unknown.push((path, pieces));
            }
        }
        let parsed = at_once(unknown, |(path, pieces)| {
            let value = pieces.map(|mut it| {
                let value = parse(&mut it);
                it.close().map(|()| value)
            });
            (path, value.transpose())
        });
        for (path, value) in parsed {
            let value = value?.map(|it| Rc::new(finish(it)) as Rc<dyn Any>);
            let mut known = self.known.parsed.borrow_mut();
            known.entry(path.into_os_string()).or_default().push((TypeId::of::<T>(), value));
        }
        Ok(())
    }

    /// Returns a file to be read piece by piece, as it will be.
    fn pieces(&self, resolved: &Path) -> io::Result<Option<Pieces>> {
        match self.predicted.get(resolved.as_os_str()) {
            Some(lines) => Ok(lines.as_ref().map(|it| Pieces::of_bytes(it.to_string().into_bytes()))),
            None => self.files.pieces(resolved, MOST_BYTES),
        }
    }

    fn has_parsed<T: 'static>(&self, resolved: &Path) -> bool {
        let known = self.known.parsed.borrow();
        known.get(resolved.as_os_str()).is_some_and(|it| it.iter().any(|it| it.0 == TypeId::of::<T>()))
    }
}

/// Returns what `work` makes of each input, in their order; threads take one after the other.
fn at_once<I: Send, O: Send>(inputs: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    // More threads than processors: what is left to the last one would otherwise have the machine for itself.
    let threads = inputs.len().min(AT_ONCE);
    if threads < 2 || thread::available_parallelism().is_ok_and(|it| it.get() == 1) {
        return inputs.into_iter().map(work).collect();
    }
    let (inputs, outputs) = (Mutex::new(inputs.into_iter().enumerate()), Mutex::new(Vec::new()));
    let take = || inputs.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || {
        while let Some((at, input)) = take() {
            let output = work(input);
            outputs.lock().unwrap_or_else(PoisonError::into_inner).push((at, output));
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        threads.into_iter().for_each(|it| it.join().unwrap_or_else(|why| resume_unwind(why)));
    });
    let mut outputs = outputs.into_inner().unwrap_or_else(PoisonError::into_inner);
    outputs.sort_by_key(|it| it.0);
    outputs.into_iter().map(|it| it.1).collect()
}

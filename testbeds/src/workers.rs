//! Numbered work, done by several workers until one fails.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use crate::error::Result;

/// Does `one` for every number below `count`, with the number of the worker that does it; returns the first failure.
pub(crate) fn each(jobs: usize, count: u64, one: impl Fn(usize, u64) -> Result<()> + Sync) -> Result<()> {
    let (next, failure) = (AtomicU64::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for worker in 0..jobs.max(1) {
            let (one, next, failure) = (&one, &next, &failure);
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || lock(failure).is_some() {
                        break;
                    }
                    if let Err(err) = one(worker, number) {
                        lock(failure).get_or_insert(err);
                    }
                }
            });
        }
    });
    lock(&failure).take().map_or(Ok(()), Err)
}

/// Takes what workers share, also after one of them panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Whose the open stores are. SQLite keeps its locks in the memory of its process. A fork copies them and not the threads
//! that hold them: a store that a child opened beside them would wait for ever, or lose what it has committed.

use std::sync::atomic::{AtomicU64, Ordering};

/// The process, and how many stores it has open: one number, so that both change at once.
static OPEN: AtomicU64 = AtomicU64::new(0);

fn parts(open: u64) -> (u64, u64) {
    (open >> 32, open & u64::from(u32::MAX))
}

fn own() -> u64 {
    u64::from(std::process::id())
}

/// A store that this process has open.
pub(crate) struct Opened(());

impl Opened {
    /// Counts one; `None` where a store was open when this process was forked.
    pub(crate) fn new() -> Option<Self> {
        let added = OPEN.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
            let (process, count) = parts(open);
            (count == 0 || process == own()).then(|| own() << 32 | count.saturating_add(1))
        });
        added.is_ok().then_some(Self(()))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // What a parent has open stays counted in its child.
        let _ = OPEN.fetch_update(Ordering::AcqRel, Ordering::Acquire, |open| {
            let (process, count) = parts(open);
            (process == own()).then(|| process << 32 | count.saturating_sub(1))
        });
    }
}

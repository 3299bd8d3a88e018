//! Loads and scans: a few connections that only read, and a few threads that use them for futures.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;
use mfacore::store::{Loaded, Version};
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{CallError, OpenError};
use crate::open::open_reader;
use crate::writer::{QUEUE_MAX, join_unless_current};

/// Threads that load for futures.
const THREADS: usize = 2;

type Answer = Result<Option<Loaded>, CallError>;

struct Request {
    key: Vec<u8>,
    answer: oneshot::Sender<Answer>,
}

/// The readers as their callers see them.
pub(crate) struct Readers {
    pool: Arc<Pool>,
    queue: SyncSender<Request>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(path: &Path) -> Result<Self, OpenError> {
        let connections = thread::available_parallelism().map_or(THREADS, usize::from).clamp(THREADS, 8);
        let connections =
            (0..connections).map(|_| open_reader(path).map(Mutex::new)).collect::<Result<Vec<_>, _>>()?;
        let pool = Arc::new(Pool { connections, turn: AtomicUsize::new(0) });
        let (queue, waiting) = mpsc::sync_channel(QUEUE_MAX);
        let mut readers = Self { pool, queue, threads: Vec::with_capacity(THREADS) };
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..THREADS {
            let (pool, waiting) = (Arc::clone(&readers.pool), Arc::clone(&waiting));
            let thread = thread::Builder::new()
                .name("mfacore-sqlite-read".to_owned())
                .spawn(move || read_until_closed(&pool, &waiting))
                .map_err(|error| OpenError::Failed { path: path.to_owned(), reason: error.to_string() })?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    pub(crate) fn load(&self, key: &[u8]) -> Answer {
        self.pool.load(key)
    }

    /// Queues the load before it returns.
    pub(crate) fn load_later(&self, key: &[u8]) -> Result<oneshot::Receiver<Answer>, CallError> {
        let (sender, answer) = oneshot::channel();
        match self.queue.try_send(Request { key: key.to_vec(), answer: sender }) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(CallError::QueueFull),
            Err(TrySendError::Disconnected(_)) => Err(CallError::Stopped),
        }
    }

    pub(crate) fn scan(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, CallError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let page = match after {
            Some(_) => "SELECT key FROM record WHERE key > ?1 ORDER BY key LIMIT ?2",
            None => "SELECT key FROM record WHERE key >= ?1 ORDER BY key LIMIT ?2",
        };
        let connection = self.pool.connection();
        let mut statement = connection.prepare_cached(page)?;
        let keys = statement.query_map(params![after.unwrap_or_default(), limit], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    pub(crate) fn close(self) {
        drop(self.queue);
        self.threads.into_iter().for_each(join_unless_current);
    }
}

fn read_until_closed(pool: &Pool, waiting: &Mutex<Receiver<Request>>) {
    while let Some(request) = next(waiting) {
        drop(request.answer.send(pool.load(&request.key)));
    }
}

fn next(waiting: &Mutex<Receiver<Request>>) -> Option<Request> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

struct Pool {
    connections: Vec<Mutex<Connection>>,
    turn: AtomicUsize,
}

impl Pool {
    /// A free connection, else the wait for one of them, each in turn.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        let free = self.connections.iter().find_map(|connection| match connection.try_lock() {
            Ok(free) => Some(free),
            Err(TryLockError::Poisoned(free)) => Some(free.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        });
        free.unwrap_or_else(|| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.connections.len();
            self.connections[turn].lock().unwrap_or_else(PoisonError::into_inner)
        })
    }

    /// Each load is a read transaction of its own, which starts from the last commit.
    fn load(&self, key: &[u8]) -> Answer {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT version, bytes FROM record WHERE key = ?1")?;
        let loaded = statement
            .query_row([key], |row| Ok(Loaded { version: Version(row.get(0)?), bytes: row.get(1)? }))
            .optional()?;
        Ok(loaded)
    }
}

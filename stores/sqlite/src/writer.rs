//! The one thread that writes: what waits for it goes into one transaction, and into one sync of the disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;
use mfacore::store::{New, Swapped, Version, Write};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::error::CallError;

/// Swaps that one transaction takes.
pub const BATCH_SWAPS_MAX: usize = 64;
/// Swaps, and for futures loads, that wait at once.
pub const QUEUE_MAX: usize = 1024;

type Answer = Result<Swapped, CallError>;

enum NewRecord {
    Record { version: Version, bytes: Vec<u8> },
    Delete,
}

/// Who gets the answer; nobody there any more is fine.
enum Caller {
    Thread(SyncSender<Answer>),
    Future(oneshot::Sender<Answer>),
}

impl Caller {
    fn answer(self, answer: Answer) {
        match self {
            Self::Thread(sender) => drop(sender.send(answer)),
            Self::Future(sender) => drop(sender.send(answer)),
        }
    }
}

struct Request {
    key: Vec<u8>,
    expected: Option<Version>,
    new: NewRecord,
    caller: Caller,
}

impl Request {
    fn new(key: &[u8], write: Write<'_>, caller: Caller) -> Self {
        let new = match write.new {
            New::Record { version, bytes } => NewRecord::Record { version, bytes: bytes.to_vec() },
            New::Delete => NewRecord::Delete,
        };
        Self { key: key.to_vec(), expected: write.expected, new, caller }
    }
}

enum Message {
    Swap(Request),
    #[cfg(test)]
    Panic,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) swaps: AtomicU64,
    pub(crate) commits: AtomicU64,
}

/// The writer as its callers see it.
pub(crate) struct Writer {
    queue: SyncSender<Message>,
    thread: JoinHandle<()>,
    pub(crate) counts: Arc<Counts>,
}

impl Writer {
    pub(crate) fn start(connection: Connection) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::sync_channel(QUEUE_MAX);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let thread = thread::Builder::new()
            .name("mfacore-sqlite-write".to_owned())
            .spawn(move || write_until_closed(&connection, &waiting, &shared))?;
        Ok(Self { queue, thread, counts })
    }

    /// Waits for its turn and for the commit.
    pub(crate) fn swap(&self, key: &[u8], write: Write<'_>) -> Answer {
        let (sender, answer) = mpsc::sync_channel(1);
        let request = Request::new(key, write, Caller::Thread(sender));
        self.queue.send(Message::Swap(request)).map_err(|_| CallError::Stopped)?;
        answer.recv().unwrap_or(Err(CallError::Stopped))
    }

    /// Queues the swap before it returns.
    pub(crate) fn swap_later(
        &self,
        key: &[u8],
        write: Write<'_>,
    ) -> Result<oneshot::Receiver<Answer>, CallError> {
        let (sender, answer) = oneshot::channel();
        let request = Request::new(key, write, Caller::Future(sender));
        match self.queue.try_send(Message::Swap(request)) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(CallError::QueueFull),
            Err(TrySendError::Disconnected(_)) => Err(CallError::Stopped),
        }
    }

    pub(crate) fn has_stopped(&self) -> bool {
        self.thread.is_finished()
    }

    /// Writes what still waits, then closes the connection.
    pub(crate) fn close(self) {
        drop(self.queue);
        join_unless_current(self.thread);
    }

    #[cfg(test)]
    pub(crate) fn panic(&self) {
        self.queue.send(Message::Panic).expect("the writer runs");
    }
}

/// A waker may drop the last handle on the very thread that wakes, which cannot wait for itself.
pub(crate) fn join_unless_current(thread: JoinHandle<()>) {
    if thread.thread().id() != thread::current().id() {
        drop(thread.join());
    }
}

fn write_until_closed(connection: &Connection, waiting: &Receiver<Message>, counts: &Counts) {
    let mut batch = Vec::with_capacity(BATCH_SWAPS_MAX);
    let mut answers = Vec::with_capacity(BATCH_SWAPS_MAX);
    while let Ok(message) = waiting.recv() {
        batch.push(swap_of(message));
        let outcome = write_batch(connection, waiting, &mut batch, &mut answers);
        counts.swaps.fetch_add(batch.len() as u64, Ordering::Relaxed);
        match outcome {
            Ok(()) => {
                counts.commits.fetch_add(1, Ordering::Relaxed);
                for (request, swapped) in batch.drain(..).zip(answers.drain(..)) {
                    request.caller.answer(Ok(swapped));
                }
            }
            Err(error) => {
                let error = CallError::from(error);
                answers.clear();
                batch.drain(..).for_each(|request| request.caller.answer(Err(error.clone())));
            }
        }
    }
}

fn swap_of(message: Message) -> Request {
    match message {
        Message::Swap(request) => request,
        #[cfg(test)]
        Message::Panic => panic!("asked for by a test"),
    }
}

/// The rest of the batch is taken once the lock is held: whoever came while it was waited for comes along.
fn write_batch(
    connection: &Connection,
    waiting: &Receiver<Message>,
    batch: &mut Vec<Request>,
    answers: &mut Vec<Swapped>,
) -> rusqlite::Result<()> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    batch.extend(waiting.try_iter().take(BATCH_SWAPS_MAX - batch.len()).map(swap_of));
    for request in batch.iter() {
        answers.push(compare_and_swap(&transaction, request)?);
    }
    transaction.commit()
}

fn compare_and_swap(transaction: &Transaction<'_>, request: &Request) -> rusqlite::Result<Swapped> {
    let key = request.key.as_slice();
    let matched = match (request.expected, &request.new) {
        (None, NewRecord::Record { version, bytes }) => transaction
            .prepare_cached(
                "INSERT INTO record (key, version, bytes) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO NOTHING",
            )?
            .execute(params![key, version.0, bytes])?,
        (Some(expected), NewRecord::Record { version, bytes }) => transaction
            .prepare_cached("UPDATE record SET version = ?3, bytes = ?4 WHERE key = ?1 AND version = ?2")?
            .execute(params![key, expected.0, version.0, bytes])?,
        (Some(expected), NewRecord::Delete) => transaction
            .prepare_cached("DELETE FROM record WHERE key = ?1 AND version = ?2")?
            .execute(params![key, expected.0])?,
        (None, NewRecord::Delete) => {
            let absent = !transaction.prepare_cached("SELECT 1 FROM record WHERE key = ?1")?.exists([key])?;
            usize::from(absent)
        }
    };
    Ok(if matched == 0 { Swapped::Conflict } else { Swapped::Committed })
}

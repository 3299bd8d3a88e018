//! Whole verifications on a durable SQLite file, beside the bare read and swap of as many bytes, and by 64
//! clients at once:
//! `cargo bench -p mfacore-benches --bench sqlite`. The folder for temporary files must lie on a disk.

use std::cell::Cell;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use mfacore::store::{New, Store, Version, Write};
use mfacore_benches::world::{Typed, World};
use mfacore_benches::{Comparison, Effort};
use mfacore_sqlite::Sqlite;

const CLIENTS: u64 = 64;

fn main() {
    let effort = Effort::from_arguments();
    let folder = tempfile::tempdir().expect("a folder");
    let open = |name: &str| Sqlite::open_path(&folder.path().join(name)).expect("a new file");
    one_client(effort, open("one.db"), open("bare.db"));
    many_clients(effort, &open("many.db"));
}

fn one_client(effort: Effort, store: Sqlite, bare: Sqlite) {
    let world = World::new(store, 1, 0);
    let bytes = vec![7; world.record_bytes()];
    let writes = Cell::new(0);
    let measured = Comparison::new()
        .add("bare read and swap", || read_and_swap(&bare, b"bare", &writes, &bytes))
        .add_prepared("wrong code", || world.prepare(Typed::Wrong), |call| world.verify(call))
        .run(effort);
    println!("\non SQLite, one client (must: at most 1.05; aim: 1.00 x the bare read and swap)");
    for name in ["bare read and swap", "wrong code"] {
        let ratio = measured.ratio(name, "bare read and swap");
        println!("{name:>24} {:>9.1} us {ratio:>6.3} x", measured.ns(name) / 1_000.0);
    }
}

fn read_and_swap(store: &Sqlite, key: &[u8], writes: &Cell<u64>, bytes: &[u8]) {
    let expected = Store::load(store, key).expect("loaded").map(|found| found.version);
    writes.set(writes.get() + 1);
    let mut version = [0; 16];
    version[..8].copy_from_slice(&writes.get().to_be_bytes());
    let new = New::Record { version: Version(version), bytes };
    assert_eq!(
        Store::swap(store, key, Write { expected, new }).expect("swapped"),
        mfacore::store::Swapped::Committed
    );
}

/// Each client verifies a user of its own.
fn many_clients(effort: Effort, store: &Sqlite) {
    let length = effort.repetition * effort.repetitions as u32 * 20;
    let one = per_second(store, 1, length);
    let many = per_second(store, CLIENTS, length);
    println!("\non SQLite, verifications a second (must: 4 x; aim: 6 x one client)");
    println!("{:>24} {one:>9.0}", "1 client");
    println!("{:>24} {many:>9.0} {:>6.2} x", format!("{CLIENTS} clients"), many / one);
}

fn per_second(store: &Sqlite, clients: u64, length: Duration) -> f64 {
    let barrier = Barrier::new(clients as usize);
    let counts: Vec<f64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|client| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let world = World::of(store, &format!("{clients}/{client}"), client + 1, 1, 0);
                    barrier.wait();
                    let start = Instant::now();
                    let mut count = 0.0;
                    while start.elapsed() < length {
                        let call = world.prepare(Typed::Wrong);
                        let _ = world.verify(call);
                        count += 1.0;
                    }
                    count / start.elapsed().as_secs_f64()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    counts.iter().sum()
}

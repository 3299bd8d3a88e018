//! Whole verifications in memory, through the blocking driver, beside the bare checks of liboath (`--features
//! liboath`) and totp-rs: `cargo bench -p mfacore-benches --bench verification --features liboath`.
//!
//! Every check computes three steps. All in one build, totp-rs gets the engine's hash crates, which wipe
//! their state; built alone it is about a tenth faster.

use std::hint::black_box;

use mfacore::otp::Totp;
use mfacore::store::Memory;
#[cfg(feature = "liboath")]
use mfacore_benches::liboath;
use mfacore_benches::world::{SECRET, START_MS, Typed, World, seed, wrong_code};
use mfacore_benches::{Comparison, Effort, Measured, allocations};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

/// Allocations are counted over so many calls.
const COUNTED_CALLS: u64 = 64;

fn main() {
    let effort = Effort::from_arguments();
    let [wrong, right, required] = std::array::from_fn(|_| World::new(Memory::new(), 1, 0));
    let [five, one_of_five] = std::array::from_fn(|_| World::new(Memory::new(), 5, 0));
    let full = World::new(Memory::new(), 5, 32);

    let comparison = bare_checks()
        .add_prepared("wrong code", || wrong.prepare(Typed::Wrong), |call| wrong.verify(call))
        .add_prepared("right code", || right.prepare(Typed::Right), |call| right.verify(call))
        .add("require", || required.require())
        .add_prepared("wrong, 5 authenticators", || five.prepare(Typed::Wrong), |call| five.verify(call))
        .add_prepared(
            "wrong, 1 named of 5",
            || one_of_five.prepare(Typed::WrongNamed),
            |call| one_of_five.verify(call),
        )
        .add_prepared("wrong, 1 named, full", || full.prepare(Typed::WrongNamed), |call| full.verify(call));
    let measured = comparison.run(effort);

    println!(
        "\nwhole verification in memory, SHA-1, three steps (must: at most 2.00 x liboath; aim: below both)"
    );
    for name in measured.names() {
        row(&measured, name);
    }
    println!("\nheap allocations of a call (must: at most 30; aim: 0), and bytes of the sealed record");
    println!(
        "{:>24} {:>5.1} {:>7}",
        "wrong code",
        allocations_of(&wrong, Typed::Wrong),
        wrong.record_bytes()
    );
    println!(
        "{:>24} {:>5.1} {:>7}",
        "right code",
        allocations_of(&right, Typed::Right),
        right.record_bytes()
    );
    for (name, world) in [("wrong, 1 named of 5", &one_of_five), ("wrong, 1 named, full", &full)] {
        println!("{name:>24} {:>5.1} {:>7}", allocations_of(world, Typed::WrongNamed), world.record_bytes());
    }
}

fn bare_checks<'a>() -> Comparison<'a> {
    let totp = Totp::default();
    let code = wrong_code(&[seed(0)], totp.step(START_MS));
    let comparison = Comparison::new();
    #[cfg(feature = "liboath")]
    let comparison = {
        let code = std::ffi::CString::new(code.expose()).expect("no zero within");
        comparison.add("liboath", move || liboath::check(SECRET, black_box(START_MS / 1_000), &code))
    };
    let secret = totp_rs::Secret::from(SECRET.to_vec());
    let peer = totp_rs::Builder::new().with_secret(secret).build().expect("the defaults");
    comparison.add("totp-rs", move || peer.check(black_box(code.expose()), black_box(START_MS / 1_000)))
}

fn row(measured: &Measured, name: &str) {
    print!("{name:>24} {:>9.0} ns", measured.ns(name));
    for peer in ["liboath", "totp-rs"] {
        if name != peer && measured.names().any(|other| other == peer) {
            print!(" {:>7.2} x {peer}", measured.ratio(name, peer));
        }
    }
    if name.ends_with(" code") && measured.names().any(|other| other == "liboath") {
        print!("  {}", verdict(measured.ratio(name, "liboath"), measured.ratio(name, "totp-rs")));
    }
    println!();
}

fn verdict(of_liboath: f64, of_totp_rs: f64) -> &'static str {
    if of_liboath > 2.0 {
        "MISSED"
    } else if of_liboath >= 1.0 {
        "must"
    } else if of_totp_rs >= 1.0 {
        "aim"
    } else {
        "aim, below totp-rs too"
    }
}

/// Heap allocations of one verification, in the mean.
fn allocations_of(world: &World<Memory>, typed: Typed) -> f64 {
    let mut counted = 0;
    for _ in 0..COUNTED_CALLS {
        let call = world.prepare(typed);
        let before = allocations::count();
        let _ = black_box(world.verify(call));
        counted += allocations::count() - before;
    }
    counted as f64 / COUNTED_CALLS as f64
}

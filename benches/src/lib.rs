//! Measures several closures in one interleaved run, so that a drift of the machine meets them all.
#![deny(missing_docs, unsafe_code)]

pub mod allocations;
#[cfg(feature = "liboath")]
pub mod liboath;
pub mod world;

use std::hint::black_box;
use std::time::{Duration, Instant};

/// How long a measurement takes.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Repetitions of each closure; the median of them counts.
    pub repetitions: usize,
    /// The length of one repetition of one closure.
    pub repetition: Duration,
}

impl Effort {
    /// 101 repetitions of 1 ms under `cargo bench`, most of which fit between two interruptions on a busy
    /// machine; else, in a test run, just enough to show that it works.
    pub fn from_arguments() -> Self {
        if std::env::args().any(|argument| argument == "--bench") {
            Self { repetitions: 101, repetition: Duration::from_millis(1) }
        } else {
            Self { repetitions: 1, repetition: Duration::from_micros(50) }
        }
    }
}

/// Closures to be compared, by name.
#[derive(Default)]
pub struct Comparison<'a> {
    contenders: Vec<Contender<'a>>,
}

struct Contender<'a> {
    name: String,
    /// Calls the closure so many times, and tells how long that took.
    batch: Box<dyn FnMut(u64) -> Duration + 'a>,
}

impl<'a> Comparison<'a> {
    /// Starts without a closure.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a closure; what it returns is computed and dropped.
    pub fn add<T>(mut self, name: impl Into<String>, mut call: impl FnMut() -> T + 'a) -> Self {
        let batch = move |count| {
            let start = Instant::now();
            for _ in 0..count {
                black_box(call());
            }
            start.elapsed()
        };
        self.contenders.push(Contender { name: name.into(), batch: Box::new(batch) });
        self
    }

    /// Adds a closure whose inputs are made by `prepare`, one before each call, outside of the time that is
    /// taken. Reading the clock at each call adds some 30 ns.
    pub fn add_prepared<I, T>(
        mut self,
        name: impl Into<String>,
        mut prepare: impl FnMut() -> I + 'a,
        mut call: impl FnMut(I) -> T + 'a,
    ) -> Self {
        let batch = move |count| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..count {
                let input = prepare();
                let start = Instant::now();
                black_box(call(input));
                elapsed += start.elapsed();
            }
            elapsed
        };
        self.contenders.push(Contender { name: name.into(), batch: Box::new(batch) });
        self
    }

    /// Measures: every repetition runs each closure for a while, in turning order.
    pub fn run(mut self, effort: Effort) -> Measured {
        let counts: Vec<u64> =
            self.contenders.iter_mut().map(|c| calibrate(&mut c.batch, effort.repetition)).collect();
        let mut times = vec![Vec::with_capacity(effort.repetitions); self.contenders.len()];
        for repetition in 0..effort.repetitions {
            for place in 0..self.contenders.len() {
                let index = (repetition + place) % self.contenders.len();
                let elapsed = (self.contenders[index].batch)(counts[index]);
                times[index].push(elapsed.as_nanos() as f64 / counts[index] as f64);
            }
        }
        let names = self.contenders.into_iter().map(|c| c.name);
        Measured { rows: names.zip(times).collect() }
    }
}

/// The count of calls that fills `repetition`.
fn calibrate(batch: &mut dyn FnMut(u64) -> Duration, repetition: Duration) -> u64 {
    let mut count = 1;
    loop {
        let elapsed = batch(count);
        if elapsed >= repetition / 4 {
            let whole = count as f64 * repetition.as_secs_f64() / elapsed.as_secs_f64();
            return (whole as u64).max(1);
        }
        count *= 2;
    }
}

/// Nanoseconds a call of every repetition, by name.
#[derive(Debug)]
pub struct Measured {
    rows: Vec<(String, Vec<f64>)>,
}

impl Measured {
    /// The names, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|(name, _)| name.as_str())
    }

    /// The median of one closure, nanoseconds a call.
    ///
    /// # Panics
    /// Where no closure has that name.
    pub fn ns(&self, name: &str) -> f64 {
        median(self.times(name).to_vec())
    }

    /// How many times the time of `divisor` that of `name` is: the median of the ratios within each
    /// repetition.
    ///
    /// # Panics
    /// Where no closure has one of the names.
    pub fn ratio(&self, name: &str, divisor: &str) -> f64 {
        let pairs = self.times(name).iter().zip(self.times(divisor));
        median(pairs.map(|(time, other)| time / other).collect())
    }

    fn times(&self, name: &str) -> &[f64] {
        let row = self.rows.iter().find(|(other, _)| other == name);
        &row.unwrap_or_else(|| panic!("nothing named {name} was measured")).1
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(vec![9.0, 1.0, 5.0, 3.0]), 4.0);
    }

    #[test]
    fn every_contender_is_measured_and_named() {
        let effort = Effort { repetitions: 3, repetition: Duration::from_micros(50) };
        let (mut one, mut two) = (0_u64, 0_u64);
        let measured = Comparison::new().add("one", || one += 1).add("two", || two += 1).run(effort);
        assert_eq!(measured.names().collect::<Vec<_>>(), ["one", "two"]);
        assert!(one > 0 && two > 0);
    }
}

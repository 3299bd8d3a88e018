//! What a process holds in memory.

/// From `/proc`, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident now: `VmRSS`.
    pub resident_kib: u64,
    /// The most that was ever resident: `VmHWM`.
    pub resident_max_kib: u64,
}

impl Memory {
    /// Of a process; `None` where there is none, or no `/proc`.
    pub fn of(process_id: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process_id}/status")).ok()?;
        Self::parse(&status)
    }

    fn parse(status: &str) -> Option<Self> {
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.trim().strip_suffix(" kB")?.parse().ok()
        };
        Some(Self { resident_kib: kib("VmRSS")?, resident_max_kib: kib("VmHWM")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let status = "Name:\tserver\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t4\n";
        assert_eq!(Memory::parse(status), Some(Memory { resident_kib: 10_240, resident_max_kib: 20_480 }));
        assert_eq!(Memory::parse("Name:\tserver\n"), None);
    }
}

//! Whose the machine's processors were while a run was trained, as the system tells it.

use serde::{Deserialize, Serialize};

/// Processor time, in the system's ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessorTime {
    /// Of all processors, idle or not.
    pub all: u64,
    /// In which they were not idle, or were lent to other machines.
    pub busy: u64,
    /// Of this process.
    pub own: u64,
}

impl ProcessorTime {
    /// Since the machine, and the process, began; `None` where the system does not tell (Linux does).
    pub fn now() -> Option<Self> {
        let read = |file| std::fs::read_to_string(file).ok();
        Self::parse(&read("/proc/stat")?, &read("/proc/self/stat")?)
    }

    fn parse(machine: &str, process: &str) -> Option<Self> {
        // user nice system idle iowait irq softirq steal; what follows is counted in these.
        let times: Vec<u64> =
            machine.lines().next()?.split_whitespace().skip(1).take(8).map_while(|time| time.parse().ok()).collect();
        let idle: u64 = times.get(3..5)?.iter().sum();
        let all: u64 = times.iter().sum();
        // Behind the name of the program, in parentheses: state, 10 numbers, time in the program and in the system.
        let behind = process.rsplit_once(')')?.1;
        let own = behind.split_whitespace().skip(11).take(2).map_while(|time| time.parse::<u64>().ok()).sum();
        Some(Self { all, busy: all - idle, own })
    }

    /// What has passed since an earlier time.
    pub fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            busy: self.busy.saturating_sub(before.busy),
            own: self.own.saturating_sub(before.own),
        }
    }

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self { all: self.all + other.all, busy: self.busy + other.busy, own: self.own + other.own }
    }

    /// The part of the machine's processor time that went to others, from 0 to 1, where `jobs` runs of this process went on side
    /// by side; `None` of less than half a second on two processors, which ticks are too coarse for.
    pub fn of_others(self, jobs: usize) -> Option<f64> {
        const LEAST: u64 = 100;
        if self.all < LEAST {
            return None;
        }
        let own = self.own as f64 / jobs.max(1) as f64;
        Some(((self.busy as f64 - own) / self.all as f64).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read() {
        let machine = "cpu  100 10 40 800 50 1 2 3 7 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        let process = "42 (a name) with) S 1 42 42 0 -1 4194560 500 0 0 0 30 12 0 0 20 0 3 0 1 2 3";
        let time = ProcessorTime::parse(machine, process).unwrap();
        assert_eq!(time, ProcessorTime { all: 1006, busy: 156, own: 42 });
        assert_eq!(ProcessorTime::parse("", process), None);
        assert_eq!(ProcessorTime::parse(machine, ""), None);
    }

    #[test]
    fn the_part_of_others_is_what_is_left() {
        let time = ProcessorTime { all: 1000, busy: 700, own: 400 };
        assert_eq!((time.of_others(1), time.of_others(2)), (Some(0.3), Some(0.5)));
        // Clocks of the machine and of the process are read one after the other.
        assert_eq!(ProcessorTime { own: 701, ..time }.of_others(1), Some(0.0));
        assert_eq!(ProcessorTime { all: 99, busy: 50, own: 0 }.of_others(1), None);
    }

    #[test]
    fn a_process_that_works_owns_what_it_uses() {
        let Some(before) = ProcessorTime::now() else { return };
        let began = std::time::Instant::now();
        let mut sum = 0_u64;
        while began.elapsed().as_millis() < 300 {
            sum = std::hint::black_box(sum.wrapping_mul(3) + 1);
        }
        let passed = ProcessorTime::now().unwrap().since(before);
        assert!(passed.all > 0 && passed.own > 0 && passed.own <= passed.busy + 2, "{passed:?}");
    }
}

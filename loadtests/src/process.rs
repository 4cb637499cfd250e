//! What a program has cost so far, read from `/proc` (proc(5)): it and its children, summed.

use std::collections::HashMap;
use std::fs;
use std::ops::Sub;
use std::time::Duration;

use crate::fault::{Doing, Fault};

/// A program by its first process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessTree {
    root: u32,
}

/// CPU time and memory at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Footprint {
    /// CPU time of all living processes, user and system, since each began.
    pub cpu: Duration,
    /// Resident memory; pages that processes share count once for each.
    pub resident_bytes: u64,
}

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Debug, PartialEq)]
struct Stat {
    parent: u32,
    cpu: Duration,
    resident_pages: u64,
}

/// Ticks per second in `/proc/PID/stat`: `USER_HZ`, fixed at 100 for x86 and ARM. The kernel scales
/// the sum of user and system ticks to the run time that its scheduler measured.
const TICKS_PER_SECOND: u64 = 100;

// === impl ProcessTree ===

impl ProcessTree {
    /// The program whose first process has this id.
    pub fn of(root: u32) -> Self {
        Self { root }
    }

    /// Reads the present cost of the program and its descendants.
    pub fn footprint(&self) -> Result<Footprint, Fault> {
        let processes = all_processes()?;
        if !processes.contains_key(&self.root) {
            return Err(Fault::Target(format!("process {} has ended", self.root)));
        }
        let mut sum = Footprint::default();
        for (id, stat) in &processes {
            if descends_from(*id, self.root, &processes) {
                let Footprint { cpu, resident_bytes } = stat.footprint();
                sum.cpu += cpu;
                sum.resident_bytes += resident_bytes;
            }
        }
        Ok(sum)
    }
}

impl Footprint {
    /// The present cost of this process alone, without the programs that it started.
    pub fn own() -> Result<Self, Fault> {
        let path = "/proc/self/stat";
        let text = fs::read_to_string(path).doing(|| format!("read `{path}` (Linux only)"))?;
        let stat = parse_stat(&text)
            .ok_or_else(|| Fault::Unusable(format!("`{path}` is not as proc(5) describes it")))?;
        Ok(stat.footprint())
    }
}

impl Sub for Footprint {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            resident_bytes: self.resident_bytes.saturating_sub(earlier.resident_bytes),
        }
    }
}

impl Stat {
    fn footprint(&self) -> Footprint {
        let resident_bytes = self.resident_pages * page_bytes();
        Footprint { cpu: self.cpu, resident_bytes }
    }
}

fn all_processes() -> Result<HashMap<u32, Stat>, Fault> {
    let entries = fs::read_dir("/proc").doing(|| "read `/proc` (Linux only)".to_owned())?;
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // A process may end between the listing and the reading; it is then no longer there to count.
    let read =
        |id: u32| Some((id, parse_stat(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?));
    Ok(ids.filter_map(read).collect())
}

/// Parses `/proc/PID/stat`. The name in brackets may itself hold blanks and brackets, so fields are
/// counted from the last closing one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    // The first field here is the third of proc(5).
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let ticks = number(14)? + number(15)?;
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
        resident_pages: number(24)?,
    })
}

fn descends_from(mut id: u32, root: u32, processes: &HashMap<u32, Stat>) -> bool {
    while id != root {
        match processes.get(&id) {
            Some(stat) if stat.parent != id => id = stat.parent,
            _ => return false,
        }
    }
    true
}

/// The page size in bytes, as the kernel tells it of this process's own memory.
fn page_bytes() -> u64 {
    static PAGE: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *PAGE.get_or_init(|| {
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
        parse_kilobytes(&smaps, "KernelPageSize:").unwrap_or(4) * 1024
    })
}

fn parse_kilobytes(text: &str, label: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let text = "7 (a) (b c) S 3 7 7 0 -1 4194304 103 0 0 0 120 35 0 0 20 0 1 0 134642 3133440 390 18446744073709551615 1 1";
        let expected = Stat { parent: 3, cpu: Duration::from_millis(1550), resident_pages: 390 };
        assert_eq!(parse_stat(text), Some(expected));
        assert_eq!(parse_stat("7 (short) S 3 7"), None);
    }

    #[test]
    fn the_page_size_is_read_from_smaps() {
        assert_eq!(
            parse_kilobytes("Size: 8 kB\nKernelPageSize:        4 kB\n", "KernelPageSize:"),
            Some(4)
        );
    }

    #[test]
    fn descent_follows_parents_and_ends() {
        let stat = |parent| Stat { parent, cpu: Duration::ZERO, resident_pages: 0 };
        let processes =
            HashMap::from([(1, stat(0)), (10, stat(1)), (11, stat(10)), (12, stat(11))]);
        assert!(descends_from(12, 10, &processes));
        assert!(descends_from(10, 10, &processes));
        assert!(!descends_from(1, 10, &processes));
    }

    #[test]
    fn this_process_has_memory_and_its_cpu_time_grows() {
        let before = Footprint::own().unwrap();
        assert!(before.resident_bytes > 100 * 1024);
        let tree = ProcessTree::of(std::process::id()).footprint().unwrap();
        assert!(tree.resident_bytes > 100 * 1024);
        // Reading takes time of its own, so this ends within a few ticks.
        while (Footprint::own().unwrap() - before).cpu.is_zero() {}
    }
}

//! Watching how much memory a process has resident.

#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;

/// Looks at the resident set of one process. The file stays open, so that a process id that is used
/// again can never be mistaken for the worker's.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    #[cfg(target_os = "linux")]
    statm: Option<File>,
    peak: u64,
}

impl MemoryWatch {
    /// Elsewhere than on Linux nothing is seen: the worker's own limit has to do.
    #[cfg(target_os = "linux")]
    pub(crate) fn of(process: u32) -> Self {
        Self {
            statm: File::open(format!("/proc/{process}/statm")).ok(),
            peak: 0,
        }
    }

    /// Elsewhere than on Linux nothing is seen: the worker's own limit has to do.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn of(_process: u32) -> Self {
        Self { peak: 0 }
    }

    /// Looks, and returns the largest resident set seen so far, in bytes.
    pub(crate) fn look(&mut self) -> u64 {
        self.peak = self.peak.max(self.resident().unwrap_or(0));
        self.peak
    }

    /// The largest resident set seen so far, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak
    }

    #[cfg(target_os = "linux")]
    fn resident(&self) -> Option<u64> {
        let mut text = [0_u8; 128];
        let read = self.statm.as_ref()?.read_at(&mut text, 0).ok()?;
        parse_statm(text.get(..read)?).map(|pages| pages * rustix::param::page_size() as u64)
    }

    #[cfg(not(target_os = "linux"))]
    fn resident(&self) -> Option<u64> {
        None
    }
}

/// The second field of `/proc/PID/statm`: pages resident.
#[cfg(target_os = "linux")]
fn parse_statm(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text)
        .ok()?
        .split_ascii_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_second_field_is_the_resident_set() {
        assert_eq!(parse_statm(b"1000 123 4 5 0 6 0\n"), Some(123));
        assert_eq!(parse_statm(b"1000"), None);
        assert_eq!(parse_statm(b"a b"), None);
    }

    #[test]
    fn growth_is_seen_and_the_peak_kept() {
        const GROWTH: usize = 32 * 1024 * 1024;
        let mut watch = MemoryWatch::of(std::process::id());
        let before = watch.look();
        let held = vec![1_u8; GROWTH];
        let after = watch.look();
        assert!(std::hint::black_box(&held).len() == GROWTH);
        assert!(
            before > 0 && after >= before + GROWTH as u64 / 2,
            "{before} {after}"
        );
        drop(held);
        assert!(watch.look() >= after);
    }
}

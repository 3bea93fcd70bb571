//! Header reading: no panic, no more reads and bytes than allowed, and an end, whatever the bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use safelight_validate::{MAX_BYTES, MAX_READS, Policy, Prober, Step, policy};

fuzz_target!(|file: &[u8]| {
    let policy = Policy::default();
    let mut prober = Prober::new(file.len() as u64, policy.max_frames);
    loop {
        match prober.step() {
            Step::Read { offset, length } => {
                let start = offset as usize;
                prober.feed(&file[start..start + length as usize]);
                assert!(prober.cost().reads <= MAX_READS && prober.cost().bytes <= MAX_BYTES);
            }
            Step::Done(facts) => {
                assert!(facts.width > 0 && facts.height > 0 && facts.frames > 0);
                let _ = policy::check(&facts, "fuzz.jpg", &policy);
                break;
            }
            Step::Failed(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
});

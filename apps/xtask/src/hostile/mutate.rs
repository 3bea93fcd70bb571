//! Files that are nearly right.

use std::path::{Path, PathBuf};

/// Files above this are left alone: their damage is no other, and takes longer.
const LARGEST: u64 = 400_000;

/// `count` mutations of each file, written into a folder. The same seed gives the same files.
pub fn all(
    files: &[PathBuf],
    folder: &Path,
    count: u32,
    seed: u64,
) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let mut made = Vec::new();
    for (index, file) in files.iter().enumerate() {
        if file.metadata()?.len() > LARGEST {
            continue;
        }
        let bytes = std::fs::read(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for number in 0..count {
            let path = folder.join(format!("{index}-{number}-{name}"));
            std::fs::write(&path, mutated(bytes.clone(), &mut chance))?;
            made.push(path);
        }
    }
    Ok(made)
}

/// Xorshift: the same numbers everywhere.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

/// One to four damages; half of them in the first 512 bytes, where headers are.
fn mutated(mut bytes: Vec<u8>, chance: &mut Chance) -> Vec<u8> {
    for _ in 0..=chance.below(4) {
        if bytes.is_empty() {
            break;
        }
        let reach = if chance.below(2) == 0 {
            512
        } else {
            usize::MAX
        };
        let at = chance.below(bytes.len().min(reach));
        let length = (1 + chance.below(64)).min(bytes.len() - at);
        match chance.below(8) {
            0 => bytes[at] ^= 1 << chance.below(8),
            1 => bytes[at] = chance.below(256) as u8,
            2 => bytes[at] = [0, 1, 0x7F, 0x80, 0xFE, 0xFF][chance.below(6)],
            3 => bytes.truncate(at),
            4 => bytes[at..at + length].fill(0),
            5 => bytes[at..at + length].fill(0xFF),
            6 => drop(bytes.drain(at..at + length)),
            _ => {
                let piece = bytes[at..at + length].to_vec();
                let place = chance.below(bytes.len());
                bytes.splice(place..place, piece);
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_damage() {
        let of = |seed| {
            let mut chance = Chance(seed);
            (0..50)
                .map(|_| mutated(vec![7; 300], &mut chance))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(5), of(5));
        assert_ne!(of(5), of(6));
        assert!(of(5).iter().filter(|bytes| **bytes != [7; 300]).count() > 40);
    }
}

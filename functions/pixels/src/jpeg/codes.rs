//! Huffman codes made for an image (ITU-T T.81, annex K.2).

/// Longest code.
const MAX_LENGTH: usize = 16;

/// A table as a DHT segment lists it: codes of each length, and symbols in order.
pub(super) struct Listed {
    pub(super) class_and_id: u8,
    pub(super) counts: [u8; MAX_LENGTH],
    pub(super) symbols: Vec<u8>,
}

/// Code lengths for these counts, at most sixteen bits, none of them all ones.
pub(super) fn optimal(counts: &[u32; 256], class_and_id: u8) -> Listed {
    // One more symbol reserves the code of all ones.
    let mut weights: Vec<u64> = counts.iter().map(|&count| u64::from(count)).collect();
    weights.push(1);
    let mut sizes = [0usize; 257];
    let mut next: Vec<Option<usize>> = vec![None; 257];
    loop {
        // The least weight, and the next least; of equals the later symbol.
        let least = |skip: Option<usize>| {
            weights
                .iter()
                .enumerate()
                .filter(|&(at, &weight)| weight > 0 && Some(at) != skip)
                .min_by_key(|&(at, &weight)| (weight, std::cmp::Reverse(at)))
                .map(|(at, _)| at)
        };
        let Some(first) = least(None) else { break };
        let Some(second) = least(Some(first)) else {
            break;
        };
        weights[first] += weights[second];
        weights[second] = 0;
        // Every symbol under the two gets one bit longer, and the two lists become one.
        let mut at = first;
        sizes[at] += 1;
        while let Some(following) = next[at] {
            at = following;
            sizes[at] += 1;
        }
        next[at] = Some(second);
        at = second;
        sizes[at] += 1;
        while let Some(following) = next[at] {
            at = following;
            sizes[at] += 1;
        }
    }
    let mut of_length = vec![0usize; 258];
    for &size in &sizes {
        of_length[size] += 1;
    }
    // Codes longer than sixteen bits are paired up and moved (figure K.3).
    for length in (MAX_LENGTH + 1..of_length.len()).rev() {
        while of_length[length] > 0 {
            let Some(shorter) = (1..length - 1).rev().find(|&at| of_length[at] > 0) else {
                break;
            };
            of_length[length] -= 2;
            of_length[length - 1] += 1;
            of_length[shorter + 1] += 2;
            of_length[shorter] -= 1;
        }
    }
    // The reserved symbol has one of the longest codes.
    if let Some(longest) = (1..=MAX_LENGTH).rev().find(|&at| of_length[at] > 0) {
        of_length[longest] -= 1;
    }
    let mut symbols: Vec<u8> = Vec::new();
    let longest = sizes.iter().copied().max().unwrap_or(0);
    for length in 1..=longest {
        for symbol in 0..=255u8 {
            if sizes[usize::from(symbol)] == length {
                symbols.push(symbol);
            }
        }
    }
    let mut listed = Listed {
        class_and_id,
        counts: [0; MAX_LENGTH],
        symbols,
    };
    for (index, count) in listed.counts.iter_mut().enumerate() {
        *count = of_length[index + 1] as u8;
    }
    listed
}

/// Code and length of each symbol.
pub(super) fn codes(listed: &Listed) -> [(u32, u32); 256] {
    let mut codes = [(0, 0); 256];
    let (mut code, mut at) = (0u32, 0);
    for (index, &count) in listed.counts.iter().enumerate() {
        for _ in 0..count {
            if let Some(&symbol) = listed.symbols.get(at) {
                codes[usize::from(symbol)] = (code, index as u32 + 1);
            }
            code += 1;
            at += 1;
        }
        code <<= 1;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skewed_counts_stay_within_sixteen_bits() {
        // Fibonacci weights make the longest codes that there are.
        let mut counts = [0u32; 256];
        let (mut a, mut b) = (1u32, 1u32);
        for count in counts.iter_mut().take(40) {
            *count = a;
            (a, b) = (b, a + b);
        }
        let listed = optimal(&counts, 0);
        let total: usize = listed.counts.iter().map(|&count| usize::from(count)).sum();
        assert_eq!(total, 40);
        assert_eq!(listed.symbols.len(), 40);
        // Kraft: the codes fit, and the code of all ones is free.
        let space: u32 = listed
            .counts
            .iter()
            .enumerate()
            .map(|(index, &count)| u32::from(count) << (15 - index))
            .sum();
        assert!(space < 1 << 16, "{space}");
    }
}

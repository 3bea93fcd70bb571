//! Planes to planes of another size, row by row as they come.

use super::wide::{Wide, wide};

/// The kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// Sharp.
    Lanczos3,
    /// The mean.
    Box,
}

impl Kernel {
    fn support(self) -> f64 {
        match self {
            Self::Lanczos3 => 3.0,
            Self::Box => 0.5,
        }
    }

    fn at(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Self::Box => f64::from(u8::from(x <= 0.5)),
            Self::Lanczos3 if x < 1e-9 => 1.0,
            Self::Lanczos3 if x < 3.0 => {
                let a = std::f64::consts::PI * x;
                3.0 * a.sin() * (a / 3.0).sin() / (a * a)
            }
            Self::Lanczos3 => 0.0,
        }
    }
}

/// One side: how target positions lie in the source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Axis {
    /// Samples of the source.
    pub(crate) source: usize,
    /// Samples of the target.
    pub(crate) target: usize,
    /// Where the target begins, in samples of the source.
    pub(crate) offset: f64,
    /// Samples of the source a sample of the target.
    pub(crate) scale: f64,
}

impl Axis {
    /// Whether target and source are the same samples.
    #[expect(clippy::float_cmp, reason = "nearly the same samples are others")]
    pub(crate) fn is_identity(&self) -> bool {
        self.source == self.target && self.offset == 0.0 && self.scale == 1.0
    }

    /// For each target position the first source sample, and weights that add up to `one`, padded
    /// with zeros to `taps`, a multiple of `unit`.
    fn weights(&self, kernel: Kernel, one: i32, unit: usize) -> Weights {
        let stretch = self.scale.max(1.0);
        let support = kernel.support() * stretch;
        let most = ((support * 2.0).ceil() as usize + 1).min(self.source);
        let taps = most.div_ceil(unit) * unit;
        let mut starts = Vec::with_capacity(self.target);
        let mut counts = Vec::with_capacity(self.target);
        let mut weights = vec![0i16; self.target * taps];
        for (position, row) in weights.chunks_exact_mut(taps).enumerate() {
            let centre = self.offset + (position as f64 + 0.5) * self.scale;
            let first = ((centre - support).round().max(0.0) as usize).min(self.source - 1);
            let end = ((centre + support).round() as usize).clamp(first + 1, self.source);
            let end = end.min(first + most);
            let exact: Vec<f64> = (first..end)
                .map(|at| kernel.at((at as f64 + 0.5 - centre) / stretch))
                .collect();
            let total: f64 = exact.iter().sum();
            let mut left = one;
            let mut largest = 0;
            for (at, (&value, weight)) in exact.iter().zip(row.iter_mut()).enumerate() {
                let whole = (value / total * f64::from(one)).round() as i32;
                left -= whole;
                *weight = whole.clamp(-32_768, 32_767) as i16;
                if value > exact[largest] {
                    largest = at;
                }
            }
            // What rounding left over goes where it is seen least.
            row[largest] = (i32::from(row[largest]) + left).clamp(-32_768, 32_767) as i16;
            starts.push(first);
            counts.push(end - first);
        }
        Weights {
            taps,
            starts,
            counts,
            values: weights,
        }
    }
}

struct Push<'a> {
    resampler: &'a mut Resampler,
    rows: &'a [u8],
    stride: usize,
    count: usize,
}

impl Wide for Push<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.resampler.take(self.rows, self.stride, self.count);
    }
}

struct Weights {
    taps: usize,
    starts: Vec<usize>,
    counts: Vec<usize>,
    values: Vec<i16>,
}

/// Resamples one plane.
pub(crate) struct Resampler {
    width: usize,
    columns: Weights,
    rows: Weights,
    /// Source rows that are still needed, the first of them `first`.
    kept: Vec<u8>,
    first: usize,
    /// A row after the vertical pass, in steps of 1/32.
    line: Vec<i16>,
    target_width: usize,
    out: Vec<u8>,
    done: usize,
}

const COLUMN_ONE: i32 = 1 << 14;
// Weights above 1 are needed at edges, so that a row keeps five bits behind the point.
const ROW_ONE: i32 = 1 << 14;

impl Resampler {
    pub(crate) fn new(columns: Axis, rows: Axis, kernel: Kernel) -> Self {
        let weights = columns.weights(kernel, COLUMN_ONE, 8);
        Self {
            width: columns.source,
            line: vec![0; columns.source + weights.taps],
            columns: weights,
            rows: rows.weights(kernel, ROW_ONE, 1),
            kept: Vec::new(),
            first: 0,
            target_width: columns.target,
            out: Vec::with_capacity(columns.target * rows.target),
            done: 0,
        }
    }

    /// Takes more rows.
    pub(crate) fn push(&mut self, rows: &[u8], stride: usize, count: usize) {
        wide(Push {
            resampler: self,
            rows,
            stride,
            count,
        });
    }

    #[inline(always)]
    fn take(&mut self, rows: &[u8], stride: usize, count: usize) {
        for row in rows.chunks(stride).take(count) {
            self.kept.extend_from_slice(&row[..self.width]);
        }
        let there = self.first + self.kept.len() / self.width;
        while let (Some(&start), Some(&count)) = (
            self.rows.starts.get(self.done),
            self.rows.counts.get(self.done),
        ) {
            if start + count > there {
                break;
            }
            let weights = &self.rows.values[self.done * self.rows.taps..][..count];
            let from = (start - self.first) * self.width;
            let source = &self.kept[from..from + count * self.width];
            vertical(source, weights, &mut self.line[..self.width]);
            horizontal(&self.line, &self.columns, &mut self.out);
            self.done += 1;
        }
        let needed = self.rows.starts.get(self.done).copied().unwrap_or(there);
        if needed > self.first {
            self.kept
                .drain(..(needed.min(there) - self.first) * self.width);
            self.first = needed.min(there);
        }
    }

    /// The plane, when every row was pushed.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        (self.done == self.rows.starts.len() && self.out.len() == self.done * self.target_width)
            .then_some(self.out)
    }
}

#[inline(always)]
fn mulhi(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

/// Combines rows; the result is in steps of 1/32.
#[inline(always)]
fn vertical(source: &[u8], weights: &[i16], line: &mut [i16]) {
    let width = line.len();
    // Each product is rounded down: by half a step on average.
    line.fill((weights.len() / 2) as i16);
    let mut rows = source.chunks_exact(width);
    let mut pairs = weights.chunks_exact(4);
    for four in &mut pairs {
        let (Some(a), Some(b), Some(c), Some(d)) =
            (rows.next(), rows.next(), rows.next(), rows.next())
        else {
            return;
        };
        let &[wa, wb, wc, wd] = four else { return };
        for ((((out, &a), &b), &c), &d) in line.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let sum = mulhi(i16::from(a) << 7, wa)
                .wrapping_add(mulhi(i16::from(b) << 7, wb))
                .wrapping_add(mulhi(i16::from(c) << 7, wc))
                .wrapping_add(mulhi(i16::from(d) << 7, wd));
            *out = out.wrapping_add(sum);
        }
    }
    for (&weight, row) in pairs.remainder().iter().zip(rows) {
        for (out, &sample) in line.iter_mut().zip(row) {
            *out = out.wrapping_add(mulhi(i16::from(sample) << 7, weight));
        }
    }
}

#[inline(always)]
fn horizontal(line: &[i16], columns: &Weights, out: &mut Vec<u8>) {
    let begun = out.len();
    // Not `extend`, which is not inlined.
    out.resize(begun + columns.starts.len(), 0);
    let out = &mut out[begun..];
    match columns.taps {
        8 => combined::<8>(line, columns, out),
        16 => combined::<16>(line, columns, out),
        taps => {
            let weights = columns.values.chunks_exact(taps);
            for ((out, &start), weights) in out.iter_mut().zip(&columns.starts).zip(weights) {
                let mut sum = 0i32;
                for (sample, weight) in line[start..].iter().zip(weights) {
                    sum += i32::from(*sample) * i32::from(*weight);
                }
                *out = rounded(sum);
            }
        }
    }
}

/// The same for a number of taps that the compiler knows.
#[inline(always)]
fn combined<const TAPS: usize>(line: &[i16], columns: &Weights, out: &mut [u8]) {
    let (weights, _) = columns.values.as_chunks::<TAPS>();
    for ((out, &start), weights) in out.iter_mut().zip(&columns.starts).zip(weights) {
        let samples = line.get(start..).and_then(<[i16]>::first_chunk::<TAPS>);
        let mut sum = 0i32;
        if let Some(samples) = samples {
            for i in 0..TAPS {
                sum += i32::from(samples[i]) * i32::from(weights[i]);
            }
        }
        *out = rounded(sum);
    }
}

#[inline(always)]
fn rounded(sum: i32) -> u8 {
    ((sum + (1 << 18)) >> 19).clamp(0, 255) as u8
}

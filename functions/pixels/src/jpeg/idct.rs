//! Coefficients to samples.

use std::f32::consts::SQRT_2;

use super::{COLUMNWISE, SCALES};

type Row = [f32; 8];

#[inline(always)]
fn add(a: Row, b: Row) -> Row {
    let mut out = [0.0; 8];
    for i in 0..8 {
        out[i] = a[i] + b[i];
    }
    out
}

#[inline(always)]
fn sub(a: Row, b: Row) -> Row {
    let mut out = [0.0; 8];
    for i in 0..8 {
        out[i] = a[i] - b[i];
    }
    out
}

#[inline(always)]
fn times(a: Row, factor: f32) -> Row {
    let mut out = [0.0; 8];
    for i in 0..8 {
        out[i] = a[i] * factor;
    }
    out
}

/// A quantisation table with the transform's factors in it, stored by columns.
pub(crate) struct Dequantiser(pub [Row; 8]);

impl Dequantiser {
    /// `table` is in zigzag order.
    pub(crate) fn new(table: &[u16; 64]) -> Self {
        let mut rows = [[0.0; 8]; 8];
        for (at, &value) in table.iter().enumerate() {
            let place = usize::from(COLUMNWISE[at]);
            let (u, v) = (place / 8, place % 8);
            rows[u][v] = (f64::from(value) * SCALES[u] * SCALES[v] / 8.0) as f32;
        }
        Self(rows)
    }
}

/// Eight inverse transforms of eight at once (the floating-point variant of Arai, Agui and
/// Nakajima): combines rows.
#[inline(always)]
fn inverse(rows: [Row; 8]) -> [Row; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let t10 = add(r0, r4);
    let t11 = sub(r0, r4);
    let t13 = add(r2, r6);
    let t12 = sub(times(sub(r2, r6), SQRT_2), t13);
    let t0 = add(t10, t13);
    let t3 = sub(t10, t13);
    let t1 = add(t11, t12);
    let t2 = sub(t11, t12);

    let z13 = add(r5, r3);
    let z10 = sub(r5, r3);
    let z11 = add(r1, r7);
    let z12 = sub(r1, r7);
    let t7 = add(z11, z13);
    let t11 = times(sub(z11, z13), SQRT_2);
    let z5 = times(add(z10, z12), 1.847_759_1);
    let t10 = sub(z5, times(z12, 1.082_392_2));
    let t12 = sub(z5, times(z10, 2.613_125_9));
    let t6 = sub(t12, t7);
    let t5 = sub(t11, t6);
    let t4 = sub(t10, t5);
    [
        add(t0, t7),
        add(t1, t6),
        add(t2, t5),
        add(t3, t4),
        sub(t3, t4),
        sub(t2, t5),
        sub(t1, t6),
        sub(t0, t7),
    ]
}

#[inline(always)]
pub(crate) fn transposed(rows: [Row; 8]) -> [Row; 8] {
    let mut out = [[0.0; 8]; 8];
    for y in 0..8 {
        for x in 0..8 {
            out[y][x] = rows[x][y];
        }
    }
    out
}

/// 1.5 × 2^23: a sum with it has the rounded integer in its low bits.
pub(crate) const ROUND: f32 = 12_582_912.0;

#[inline(always)]
fn byte_of(row: Row) -> [u8; 8] {
    let mut wide = [0i16; 8];
    for i in 0..8 {
        wide[i] = ((row[i] + (ROUND + 128.0)).to_bits() as i32 - ROUND.to_bits() as i32) as i16;
    }
    let mut out = [0; 8];
    for i in 0..8 {
        out[i] = wide[i].clamp(0, 255) as u8;
    }
    out
}

/// Samples of a block, written into `out` at rows of `stride`.
#[inline(always)]
pub(crate) fn block(
    coefficients: &[i16; 64],
    factors: &Dequantiser,
    out: &mut [u8],
    stride: usize,
) {
    let mut rows = [[0.0; 8]; 8];
    for u in 0..8 {
        for v in 0..8 {
            rows[u][v] = f32::from(coefficients[u * 8 + v]) * factors.0[u][v];
        }
    }
    let rows = inverse(transposed(inverse(rows)));
    for (row, line) in rows.into_iter().zip(out.chunks_mut(stride)) {
        if let Some(target) = line.first_chunk_mut::<8>() {
            *target = byte_of(row);
        }
    }
}

/// The sample of a block that has nothing but its mean.
#[inline(always)]
pub(crate) fn flat(dc: i16, factors: &Dequantiser) -> u8 {
    (f32::from(dc) * factors.0[0][0] + 128.0)
        .round_ties_even()
        .clamp(0.0, 255.0) as u8
}

/// The means of a block's four quadrants, from the coefficients that matter most to them.
#[inline(always)]
pub(crate) fn quadrants(
    coefficients: &[i16; 64],
    factors: &Dequantiser,
    out: &mut [u8],
    stride: usize,
) {
    // The mean of the first cosine over half a block, beside the scale that is in the factors.
    const HALF: f32 = 0.906_127_5 / 1.387_039_8;
    let at = |u: usize, v: usize| f32::from(coefficients[u * 8 + v]) * factors.0[u][v];
    let mean = at(0, 0) + 128.0;
    let (across, down) = (at(1, 0) * HALF, at(0, 1) * HALF);
    let both = at(1, 1) * (HALF * HALF);
    let byte = |value: f32| value.round_ties_even().clamp(0.0, 255.0) as u8;
    if let Some(row) = out.first_chunk_mut::<2>() {
        *row = [
            byte(mean + across + down + both),
            byte(mean - across + down - both),
        ];
    }
    if let Some(row) = out.get_mut(stride..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *row = [
            byte(mean + across - down - both),
            byte(mean - across - down + both),
        ];
    }
}

/// The same for a block of one value.
#[inline(always)]
pub(crate) fn flat_block(dc: i16, factors: &Dequantiser, out: &mut [u8], stride: usize) {
    let value = byte_of([f32::from(dc) * factors.0[0][0]; 8]);
    for line in out.chunks_mut(stride).take(8) {
        if let Some(target) = line.first_chunk_mut::<8>() {
            *target = value;
        }
    }
}

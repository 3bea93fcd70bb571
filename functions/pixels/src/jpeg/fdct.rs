//! Samples to quantised coefficients.

use super::idct::{ROUND, transposed};
use super::{COLUMNWISE, SCALES};

type Row = [f32; 8];

#[inline(always)]
fn add(a: Row, b: Row) -> Row {
    std::array::from_fn(|i| a[i] + b[i])
}

#[inline(always)]
fn sub(a: Row, b: Row) -> Row {
    std::array::from_fn(|i| a[i] - b[i])
}

#[inline(always)]
fn times(a: Row, factor: f32) -> Row {
    a.map(|value| value * factor)
}

/// Reciprocals of a quantisation table and the transform's factors, stored by columns.
pub(crate) struct Quantiser(pub [Row; 8]);

impl Quantiser {
    /// `table` is in zigzag order.
    pub(crate) fn new(table: &[u16; 64]) -> Self {
        let mut rows = [[0.0; 8]; 8];
        for (at, &value) in table.iter().enumerate() {
            let place = usize::from(COLUMNWISE[at]);
            let (u, v) = (place / 8, place % 8);
            rows[u][v] = (1.0 / (f64::from(value) * SCALES[u] * SCALES[v] * 8.0)) as f32;
        }
        Self(rows)
    }
}

#[inline(always)]
fn forward(rows: [Row; 8]) -> [Row; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    let (t0, t7) = (add(r0, r7), sub(r0, r7));
    let (t1, t6) = (add(r1, r6), sub(r1, r6));
    let (t2, t5) = (add(r2, r5), sub(r2, r5));
    let (t3, t4) = (add(r3, r4), sub(r3, r4));

    let (t10, t13) = (add(t0, t3), sub(t0, t3));
    let (t11, t12) = (add(t1, t2), sub(t1, t2));
    let (o0, o4) = (add(t10, t11), sub(t10, t11));
    let z1 = times(add(t12, t13), 0.707_106_77);
    let (o2, o6) = (add(t13, z1), sub(t13, z1));

    let t10 = add(t4, t5);
    let t11 = add(t5, t6);
    let t12 = add(t6, t7);
    let z5 = times(sub(t10, t12), 0.382_683_43);
    let z2 = add(times(t10, 0.541_196_1), z5);
    let z4 = add(times(t12, 1.306_563), z5);
    let z3 = times(t11, 0.707_106_77);
    let (z11, z13) = (add(t7, z3), sub(t7, z3));
    [
        o0,
        add(z11, z4),
        o2,
        sub(z13, z2),
        o4,
        add(z13, z2),
        o6,
        sub(z11, z4),
    ]
}

/// Quantised coefficients of a block, stored by columns.
#[inline(always)]
pub(crate) fn block(samples: &[u8], stride: usize, quantiser: &Quantiser) -> [i16; 64] {
    let mut rows = [[0.0; 8]; 8];
    for (row, line) in rows.iter_mut().zip(samples.chunks(stride)) {
        if let Some(eight) = line.first_chunk::<8>() {
            *row = eight.map(|sample| f32::from(sample) - 128.0);
        }
    }
    let rows = forward(transposed(forward(rows)));
    let mut out = [0i16; 64];
    for u in 0..8 {
        for v in 0..8 {
            let scaled = rows[u][v] * quantiser.0[u][v] + ROUND;
            out[u * 8 + v] = (scaled.to_bits() as i32 - ROUND.to_bits() as i32) as i16;
        }
    }
    out
}

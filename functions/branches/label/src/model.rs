//! From features to scores, 0 to 1.

use crate::features::{COUNT, Features};

/// The four kinds of picture, which exclude each other.
pub const KINDS: [&str; 4] = ["Photograph", "Graphic", "Line Art", "Document"];

/// Weights of the multinomial logistic regression: for each kind, one for each feature, and a bias.
/// Made by `holdout -- tune` (see `docs/labels.md`), never by hand.
pub const WEIGHTS: [[f64; COUNT + 1]; 4] = [
    [
        -1.170, 7.560, -1.357, -3.277, -3.065, 1.938, -2.338, -3.218, 0.016, -0.785, 4.140,
    ],
    [
        2.247, -3.398, 0.536, 4.810, -2.123, -0.750, 1.776, -2.802, -2.581, 1.624, 0.433,
    ],
    [
        2.361, -3.144, -2.901, -1.176, 5.678, -0.546, 0.247, 3.039, -3.255, -0.448, -4.559,
    ],
    [
        -3.438, -1.018, 3.722, -0.357, -0.489, -0.641, 0.315, 2.982, 5.819, -0.391, -0.014,
    ],
];

/// Probabilities of the four kinds under these weights; they add up to 1.
pub fn kinds_with(weights: &[[f64; COUNT + 1]; 4], features: &[f64; COUNT]) -> [f64; 4] {
    let logits = weights.map(|weights| {
        weights[COUNT]
            + weights
                .iter()
                .zip(features)
                .map(|(weight, feature)| weight * feature)
                .sum::<f64>()
    });
    let highest = logits.iter().copied().fold(f64::MIN, f64::max);
    let powers = logits.map(|logit| (logit - highest).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| power / sum)
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

/// Each label and its score. `blur` is the measure of [`crate::quality::Detail::blur`].
pub fn scores(features: &Features, blur: f64) -> [(&'static str, f64); 8] {
    let kinds = kinds_with(&WEIGHTS, &features.model);
    // Flat drawings lose nothing when blurred either: only a photograph can be called blurred.
    let blurred = logistic((blur - 0.56) / 0.02).min(kinds[0]);
    let dark = logistic((42.0 - features.luma_median) / 5.0)
        .min(logistic((150.0 - features.luma_p90) / 12.0));
    let black_and_white = logistic((12.0 - features.chroma_p99) / 2.5);
    // Half a percent of the pixels is an edge that was smoothed, and more than chance.
    let transparent = if features.transparent > 0.0 {
        logistic((features.transparent - 0.005) / 0.001)
    } else {
        0.0
    };
    [
        (KINDS[0], kinds[0]),
        (KINDS[1], kinds[1]),
        (KINDS[2], kinds[2]),
        (KINDS[3], kinds[3]),
        ("Black And White", black_and_white),
        ("Blurred", blurred),
        ("Dark", dark),
        ("Transparent", transparent),
    ]
}

//! Multinomial logistic regression by plain gradient descent.

use safelight_branch_label::features::COUNT;
use safelight_branch_label::model;

/// Weights and bias of each kind.
pub type Weights = [[f64; COUNT + 1]; 4];

const STEPS: u32 = 20_000;
const RATE: f64 = 0.5;
/// Keeps weights small, so that scores stay honest between the classes.
const DECAY: f64 = 2e-4;

/// Fits weights; each kind counts the same, however many pictures it has.
pub fn fit(rows: &[([f64; COUNT], usize)]) -> Weights {
    let mut sizes = [0.0f64; 4];
    for (_, kind) in rows {
        sizes[*kind] += 1.0;
    }
    let mut weights = [[0.0; COUNT + 1]; 4];
    for _ in 0..STEPS {
        let mut gradient = [[0.0; COUNT + 1]; 4];
        for (features, kind) in rows {
            let scores = model::kinds_with(&weights, features);
            let share = 1.0 / (4.0 * sizes[*kind]);
            for other in 0..4 {
                let wanted = f64::from(u8::from(other == *kind));
                let error = (scores[other] - wanted) * share;
                for (sum, feature) in gradient[other].iter_mut().zip(features) {
                    *sum += error * feature;
                }
                gradient[other][COUNT] += error;
            }
        }
        for (row, gradient) in weights.iter_mut().zip(&gradient) {
            for (weight, slope) in row.iter_mut().zip(gradient) {
                *weight -= RATE * (slope + DECAY * *weight);
            }
        }
    }
    weights
}

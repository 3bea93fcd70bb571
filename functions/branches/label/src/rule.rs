//! What Rekognition takes: the rule that narrows the branch when it is the provider.
//!
//! `branch.json` holds the rule of the provider `properties`, which takes every format that is decoded.
//! A manifest cannot know the settings, so whoever configures `rekognition` gives this rule to `route`
//! (its setting `narrow`): an image that Rekognition would refuse is skipped with a reason then,
//! before it starts.

use safelight_schema::Format;
use safelight_schema::manifest::When;

/// Largest image by S3 reference, bytes: 15 MB.
/// <https://docs.aws.amazon.com/rekognition/latest/dg/limits.html>
pub const MAX_S3_BYTES: u64 = 15_000_000;

/// Largest image given as bytes: 5 MB (the same page).
pub const MAX_INLINE_BYTES: u64 = 5_000_000;

/// Shortest side, pixels (the same page).
pub const MIN_SIDE: u32 = 80;

/// What Rekognition takes, of objects in S3 or of bytes.
pub fn rekognition(in_s3: bool) -> When {
    When {
        formats: Some(vec![Format::Jpeg, Format::Png]),
        max_bytes: Some(if in_s3 {
            MAX_S3_BYTES
        } else {
            MAX_INLINE_BYTES
        }),
        min_side: Some(MIN_SIDE),
        ..When::default()
    }
}

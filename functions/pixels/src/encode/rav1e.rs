//! AVIF by rav1e.
//!
//! 8 bits a sample, colour at full resolution, one thread, since a worker has one core. The pixels go
//! into the encoder's own planes one by one and are let go before it begins: it needs several times
//! their memory.

use ravif::{BitDepth, Encoder, MatrixCoefficients, PixelRange};

use super::AvifEffort;
use crate::error::guarded;
use crate::jpeg::ycbcr;
use crate::{Format, Metadata, PixelError, Pixels, Samples};

/// Writes an AVIF of one frame at a quality of 1 to 100. The pixels have to be in sRGB: what is
/// written has no place for a profile. Of the metadata EXIF is written, as it is.
pub fn avif(
    pixels: Pixels,
    metadata: &Metadata,
    quality: u8,
    effort: AvifEffort,
) -> Result<Vec<u8>, PixelError> {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let opaque = pixels.is_opaque();
    let pixels = pixels.into_eight();
    let channels = pixels.channels();
    let Samples::Eight(samples) = pixels.into_samples() else {
        return Err(fail("the samples are not of 8 bits"));
    };
    let count = channels.count();
    let alpha: Option<Vec<u8>> = (!opaque).then(|| {
        samples
            .chunks_exact(count)
            .map(|pixel| pixel[count - 1])
            .collect()
    });
    // Owned, so that it is let go with the iterator.
    let planes = (0..width * height).map(move |index| {
        let pixel = &samples[index * count..];
        if channels.is_grey() {
            [pixel[0], 128, 128]
        } else {
            ycbcr([pixel[0], pixel[1], pixel[2]])
        }
    });
    let quality = f32::from(quality.clamp(1, 100));
    let mut encoder = Encoder::new()
        .with_quality(quality)
        .with_alpha_quality(quality)
        .with_speed(effort.speed())
        .with_bit_depth(BitDepth::Eight)
        .with_num_threads(Some(1));
    if let Some(exif) = &metadata.exif {
        encoder = encoder.with_exif(exif.as_slice());
    }
    guarded(Format::Avif, "encoder", move || {
        encoder
            .encode_raw_planes_8_bit(
                width,
                height,
                planes,
                alpha,
                PixelRange::Full,
                MatrixCoefficients::BT601,
            )
            .map(|encoded| encoded.avif_file)
            .map_err(fail)
    })
    .map_err(|error| match error {
        PixelError::DecodeFailed { cause, .. } => fail(cause),
        error => error,
    })
}

fn fail(cause: impl std::fmt::Display) -> PixelError {
    PixelError::encode(Format::Avif, cause)
}

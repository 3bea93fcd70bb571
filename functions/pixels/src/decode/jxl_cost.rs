//! What a JPEG XL picture takes besides its samples, found out before it is drawn: what is drawn over it, and palettes
//! (ISO/IEC 18181-1, annexes C, H and K).
//!
//! The decoder lists each sample that a palette may say as a difference, in 16 bytes that it does not count: eight times
//! the samples that it counts. A palette may stand in the header of every group, and be of a palette, which may be large
//! in a small picture. So all that has such a header is read once before, with little memory to count.

use jxl_frame::data::{LfGlobal, PassGroupParams, PassGroupParamsVardct, decode_pass_group};
use jxl_oxide::frame::Encoding;
use jxl_oxide::{AlignedGrid, AllocTracker, Frame, JxlImage, JxlThreadPool};

use super::jxl::{FORMAT, Foreign, cut_off, fail, is_memory};
use crate::{Limits, PixelError};

/// How often the picture's pixels all patches may have, and how many in any case.
const MAX_PATCHED: (u64, u64) = (4, 1 << 22);

/// Bytes in the list of differences for a sample.
const BYTES_PER_DIFFERENCE: u64 = 16;

/// The part of the limit of memory that what is read at once may take besides the samples: 64 MiB usually, and a list of
/// 256 MiB. What encoders write takes some 3 MiB.
const SPARE_PART: usize = 12;

/// Refuses what is drawn over the picture for free, as often as a few bytes say (patches beyond a measure, and splines,
/// which no encoder writes by itself), and palettes whose differences would take more than the limit of memory.
pub(super) fn check(
    image: &JxlImage,
    tracker: &AllocTracker,
    limits: &Limits,
) -> Result<(), PixelError> {
    let size = (u64::from(image.width()), u64::from(image.height()));
    let (times, always) = MAX_PATCHED;
    let mut room = (size.0 * size.1 * times).max(always);
    let spare = limits.max_bytes_usize() / SPARE_PART;
    let Some(shown) = image.frame_by_keyframe(0) else {
        return Ok(());
    };
    for frame in (0..=shown.index()).filter_map(|number| image.frame(number)) {
        if frame.header().flags.splines() {
            return Err(PixelError::unsupported(FORMAT, "splines"));
        }
        let before = left(tracker);
        let mut global = frame
            .try_parse_lf_global::<i32>()
            .ok_or_else(|| cut_off("frame"))?
            .map_err(|error| fail("frame", &error.into(), size))?;
        let besides = (before - left(tracker)).saturating_sub(samples(&global));
        for patch in global.patches.iter().flat_map(|patches| &patches.patches) {
            let pixels = u64::from(patch.width)
                .saturating_mul(u64::from(patch.height))
                .saturating_mul(patch.patch_targets.len() as u64);
            room = room.checked_sub(pixels).ok_or_else(|| {
                PixelError::unsupported(FORMAT, "patches of more pixels than a picture needs")
            })?;
        }
        let (width, height) = sides(frame);
        let too_much = |what: &str| PixelError::TooManyMegapixels {
            format: FORMAT,
            width,
            height,
            cause: format!("{what} could exceed the memory limit"),
        };
        if besides > spare {
            return Err(too_much("what a frame needs besides its samples"));
        }
        if global.gmodular.modular.has_palette() && !differences_fit(width * height, limits) {
            return Err(too_much("a list of what a frame's palette changes"));
        }
        let held = hold(tracker, spare);
        check_groups(frame, &mut global, tracker).map_err(|error| fail("frame", &error, size))?;
        tracker.expand_limit(held);
    }
    Ok(())
}

/// Width and height of a frame's samples.
fn sides(frame: &Frame) -> (u64, u64) {
    let header = frame.header();
    (
        u64::from(header.color_sample_width()),
        u64::from(header.color_sample_height()),
    )
}

/// Takes all memory but so many bytes; returns how many.
fn hold(tracker: &AllocTracker, but: usize) -> usize {
    let mut held = 0;
    for bit in (0..usize::BITS - 1).rev() {
        if tracker.shrink_limit(1 << bit).is_ok() {
            held += 1 << bit;
        }
    }
    let kept = held.min(but);
    tracker.expand_limit(kept);
    held - kept
}

/// Memory that may still be taken.
fn left(tracker: &AllocTracker) -> usize {
    let left = hold(tracker, 0);
    tracker.expand_limit(left);
    left
}

/// Bytes of the samples of a frame's channels, as they are read here.
fn samples(global: &LfGlobal<i32>) -> usize {
    let channels = global.gmodular.modular.image();
    let channels = channels.map_or(&[][..], |image| image.image_channels());
    let samples = |grid: &AlignedGrid<i32>| grid.width() * grid.height();
    channels.iter().map(samples).sum::<usize>() * size_of::<i32>()
}

/// Whether the list of all pixels does, for which it takes memory for a power of two as it grows.
fn differences_fit(pixels: u64, limits: &Limits) -> bool {
    pixels
        .checked_next_power_of_two()
        .is_some_and(|listed| listed <= limits.max_bytes / BYTES_PER_DIFFERENCE)
}

/// Reads what has a header of its own below the frame's: tables of quantisers, groups of low frequencies, and groups of
/// each pass; of the latter only the header, where no coefficients stand before it.
fn check_groups(
    frame: &Frame,
    global: &mut LfGlobal<i32>,
    tracker: &AllocTracker,
) -> Result<(), Foreign> {
    let header = frame.header();
    let pool = &JxlThreadPool::none();
    let is_vardct = header.encoding == Encoding::VarDct;
    let tables = is_vardct.then(|| frame.try_parse_hf_global(Some(global)));
    let tables = only_memory(tables.flatten().transpose())?.flatten();
    let vardct = global.vardct.as_ref();
    let config = global.gmodular.ma_config.as_ref();
    let channels = global.gmodular.modular.image_mut();
    let groups = channels.map(|image| image.prepare_groups(frame.pass_shifts()));
    let (low, passes) = only_memory(groups.transpose())?
        .flatten()
        .map(|groups| (groups.lf_groups, groups.pass_groups))
        .unwrap_or_default();
    let mut low = low.into_iter();
    let mut passes: Vec<Vec<_>> = passes
        .into_iter()
        .map(|groups| groups.into_iter().map(Some).collect())
        .collect();
    for number in 0..header.num_lf_groups() {
        let group = frame.try_parse_lf_group(vardct, config, low.next(), number);
        let Some(Some(lf_group)) = only_memory(group.transpose())? else {
            continue;
        };
        for (groups, pass_idx) in passes.iter_mut().zip(0..) {
            for (modular, group_idx) in groups.iter_mut().zip(0..) {
                if header.lf_group_idx_from_group_idx(group_idx) != number {
                    continue;
                }
                let modular = modular.take().filter(|modular| !modular.is_empty());
                let place = frame.pass_group_bitstream(pass_idx, group_idx).transpose();
                let (Some(modular), Some(Some(place))) = (modular, only_memory(place)?) else {
                    continue;
                };
                let mut bits = place.bitstream;
                let (Some(lf_vardct), Some(hf_global)) = (vardct, &tables) else {
                    only_memory(modular.recursive(&mut bits, config, Some(tracker)))?;
                    continue;
                };
                let side = header.group_dim() as usize;
                let grid = || AlignedGrid::with_alloc_tracker(side, side, Some(tracker));
                let mut coefficients = [grid()?, grid()?, grid()?];
                let mut coefficients = coefficients.each_mut().map(AlignedGrid::as_subgrid_mut);
                let params = PassGroupParams {
                    frame_header: header,
                    lf_group: &lf_group,
                    pass_idx,
                    group_idx,
                    global_ma_config: config,
                    modular: Some(modular),
                    vardct: Some(PassGroupParamsVardct {
                        lf_vardct,
                        hf_global,
                        hf_coeff_output: &mut coefficients,
                    }),
                    allow_partial: place.partial,
                    tracker: Some(tracker),
                    pool,
                };
                only_memory(decode_pass_group(&mut bits, params))?;
            }
        }
    }
    Ok(())
}

/// Keeps an error of memory; what is wrong otherwise, the decoder says when it draws.
fn only_memory<T>(result: Result<T, impl Into<Foreign>>) -> Result<Option<T>, Foreign> {
    match result.map_err(Into::into) {
        Ok(read) => Ok(Some(read)),
        Err(error) if is_memory(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

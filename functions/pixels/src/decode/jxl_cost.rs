//! What a JPEG XL picture takes besides its samples, found out before it is drawn (ISO/IEC 18181-1, annexes C and H).
//!
//! The decoder lists each sample that a palette may say as a difference, in 16 bytes that it does not count. A palette may
//! stand in the header of every group, and be of a palette, which may be large in a small picture. So all that has such
//! a header is read once before, as the decoder will read it, with little memory to count.

use jxl_frame::data::{LfGlobal, PassGroupParams, PassGroupParamsVardct, decode_pass_group};
use jxl_modular::Sample;
use jxl_oxide::frame::Encoding;
use jxl_oxide::{AlignedGrid, AllocTracker, Frame, JxlImage, JxlThreadPool};

use super::jxl::{FORMAT, Foreign, cut_off, fail};
use super::jxl_patches::{Room, first_section};
use crate::{Limits, PixelError};

/// Bytes in the list of differences for a sample.
const BYTES_PER_DIFFERENCE: u64 = 16;

/// What is read at once may take so much besides the samples, and a list of 128 MiB at most. It is a matter of 3 MiB in
/// what encoders write.
const SPARE: usize = 16 << 20;

/// What is read of all frames together, in limits of memory.
const MAX_LIMITS: usize = 4;

/// Bytes that the decoder keeps of a step by which channels are halved, of which each takes nine bits.
const BYTES_PER_STEP: usize = 12;
const BITS_PER_STEP: usize = 9;

/// Refuses splines, which no encoder writes by itself and which cost as much as a few bytes say; patches beyond a
/// measure; and what would take more than the limit of memory without the decoder counting it.
pub(super) fn check(
    image: &JxlImage,
    tracker: &AllocTracker,
    limits: &Limits,
) -> Result<(), PixelError> {
    let Some(shown) = image.frame_by_keyframe(0) else {
        return Ok(());
    };
    let frames = (0..=shown.index()).filter_map(|number| image.frame(number));
    let frames: Vec<&Frame> = frames.map(|frame| &**frame).collect();
    if frames.iter().any(|frame| frame.header().flags.splines()) {
        return Err(PixelError::unsupported(FORMAT, "splines"));
    }
    let mut room = Room::of((u64::from(image.width()), u64::from(image.height())));
    for frame in &frames {
        room.take(frame)?;
    }
    // As the decoder chooses.
    if image.image_header().metadata.modular_16bit_buffers {
        check_frames::<i16>(&frames, tracker, limits)
    } else {
        check_frames::<i32>(&frames, tracker, limits)
    }
}

fn check_frames<S: Sample>(
    frames: &[&Frame],
    tracker: &AllocTracker,
    limits: &Limits,
) -> Result<(), PixelError> {
    let spare = SPARE.min(limits.max_bytes_usize() / 8 + (1 << 20));
    let mut room = limits.max_bytes_usize().saturating_mul(MAX_LIMITS);
    for frame in frames {
        let header = frame.header();
        let size = (u64::from(header.width), u64::from(header.height));
        let broken = |error: &Foreign| fail("frame", error, size);
        let too_much = |what: &str| PixelError::TooManyMegapixels {
            format: FORMAT,
            width: size.0,
            height: size.1,
            cause: format!("{what} could exceed the memory limit"),
        };
        let before = left(tracker);
        let mut global = frame
            .try_parse_lf_global::<S>()
            .ok_or_else(|| cut_off("frame"))?
            .map_err(|error| broken(&error.into()))?;
        let taken = before - left(tracker);
        room = room
            .checked_sub(taken)
            .ok_or_else(|| too_much("what its frames need"))?;
        let channels: Vec<usize> = channels(&global).collect();
        let samples = channels.iter().sum::<usize>() * size_of::<S>();
        if taken.saturating_sub(samples) > spare {
            return Err(too_much("what a frame needs besides its samples"));
        }
        let largest = channels.into_iter().max().unwrap_or_default() as u64;
        if global.gmodular.modular.has_palette() && !differences_fit(largest, limits) {
            return Err(too_much("a list of what a frame's palette changes"));
        }
        if copies(frame, &global) > limits.max_bytes_usize() {
            return Err(too_much(
                "a copy of a frame's header for each of its groups",
            ));
        }
        let held = hold(tracker, spare);
        check_groups(frame, &mut global, tracker).map_err(|error| broken(&error))?;
        tracker.expand_limit(held);
    }
    Ok(())
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

/// How many samples each channel of a frame has.
fn channels<S: Sample>(global: &LfGlobal<S>) -> impl Iterator<Item = usize> {
    let image = global.gmodular.modular.image();
    let channels = image.map_or(&[][..], |image| image.image_channels());
    channels.iter().map(|grid| grid.width() * grid.height())
}

/// Whether a list of so many samples fits. It takes memory for a power of two as it grows.
fn differences_fit(samples: u64, limits: &Limits) -> bool {
    samples
        .checked_next_power_of_two()
        .is_some_and(|listed| listed <= limits.max_bytes / BYTES_PER_DIFFERENCE)
}

/// Bytes of what the decoder copies for each group of each pass: a byte for a leaf of the tree, and the steps by which
/// channels are halved, which cannot be seen but take their bits of the section.
fn copies<S: Sample>(frame: &Frame, global: &LfGlobal<S>) -> usize {
    let header = frame.header();
    let groups = header.num_groups() as usize * header.passes.num_passes as usize;
    let config = global.gmodular.ma_config.as_ref();
    let leaves = config.map_or(0, |config| config.num_tree_nodes() / 2);
    let section = first_section(frame).unwrap_or_default();
    let steps = if global.gmodular.modular.has_squeeze() {
        section.len() * 8 / BITS_PER_STEP * BYTES_PER_STEP
    } else {
        0
    };
    groups.saturating_mul(leaves + steps)
}

/// Reads what has a header of its own below the frame's: tables of quantisers, groups of low frequencies, and groups of
/// each pass; of the latter only the header, where no coefficients stand before it.
fn check_groups<S: Sample>(
    frame: &Frame,
    global: &mut LfGlobal<S>,
    tracker: &AllocTracker,
) -> Result<(), Foreign> {
    let header = frame.header();
    let hf_global = match header.encoding {
        Encoding::VarDct => frame.try_parse_hf_global(Some(global)).transpose()?,
        Encoding::Modular => None,
    };
    let lf_vardct = global.vardct.as_ref();
    let config = global.gmodular.ma_config.as_ref();
    let mut low = Vec::new();
    // Of each group of low frequencies, the groups in it.
    let mut inner: Vec<Vec<_>> = Vec::new();
    inner.resize_with(header.num_lf_groups() as usize, Vec::new);
    if let Some(channels) = global.gmodular.modular.image_mut() {
        let groups = channels.prepare_groups(frame.pass_shifts())?;
        low = groups.lf_groups;
        for (groups, pass) in groups.pass_groups.into_iter().zip(0..) {
            for (modular, group) in groups.into_iter().zip(0..) {
                let outer = header.lf_group_idx_from_group_idx(group) as usize;
                if let Some(inner) = inner.get_mut(outer).filter(|_| !modular.is_empty()) {
                    inner.push((pass, group, modular));
                }
            }
        }
    }
    let mut low = low.into_iter();
    for (groups, number) in inner.into_iter().zip(0..) {
        let lf_group = frame.try_parse_lf_group(lf_vardct, config, low.next(), number);
        let Some(lf_group) = lf_group.transpose()? else {
            continue;
        };
        for (pass_idx, group_idx, modular) in groups {
            let place = frame.pass_group_bitstream(pass_idx, group_idx);
            let Some(place) = place.transpose()? else {
                continue;
            };
            let mut bits = place.bitstream;
            let Some((lf_vardct, hf_global)) = lf_vardct.zip(hf_global.as_ref()) else {
                modular.recursive(&mut bits, config, Some(tracker))?;
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
                pool: &JxlThreadPool::none(),
            };
            decode_pass_group(&mut bits, params)?;
        }
    }
    Ok(())
}

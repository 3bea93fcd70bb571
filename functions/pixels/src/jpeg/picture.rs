//! From a file to planes of the sizes that are wanted.

use super::decode::{self, Detail, Strip};
use super::header::{Frame, Reader, Scan};
use super::planes::{Planes, chroma_size};
use super::resample::{Axis, Kernel, Resampler};
use super::{Give, Refused};
use crate::colour::{self, Colour};
use crate::encode::Chroma;
use crate::error::guarded;
use crate::{Area, Channels, Format, Limits, Metadata, Orientation, exif};

/// An opened file whose header this code understands.
pub struct Jpeg<'a> {
    bytes: &'a [u8],
    reader: Reader<'a>,
    first: Scan,
    frame: Frame,
    orientation: Orientation,
    metadata: Metadata,
    colour: Colour,
}

/// One picture that is wanted, in terms of the picture as stored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Which part.
    pub area: Area,
    /// Its width when it is resized, before it is turned.
    pub width: u32,
    /// Its height, likewise.
    pub height: u32,
    /// Resolution of colour, of the picture when it is turned.
    pub chroma: Chroma,
    /// How it is resized.
    pub kernel: Kernel,
}

impl Wanted {
    /// Pixels across and down, before it is turned, that a sample of a component stands for.
    fn factors(&self, component: usize, orientation: Orientation) -> (u32, u32) {
        match component {
            0 => (1, 1),
            _ => orientation.sides(self.chroma.factors()),
        }
    }

    /// By how much a component's samples, each of so many pixels across and down, may be reduced, so
    /// that the picture is left at least a halving by its own kernel, which decides how it looks;
    /// means are as good as the whole for a picture of means. `factors`: see [`Wanted::factors`].
    fn reduction(&self, (h, v): (u32, u32), pixels: (usize, usize)) -> f64 {
        let x = self.area.width / f64::from(self.width) * f64::from(h) / pixels.0 as f64;
        let y = self.area.height / f64::from(self.height) * f64::from(v) / pixels.1 as f64;
        match self.kernel {
            Kernel::Lanczos3 => x.min(y) / 2.0,
            Kernel::Box => x.min(y),
        }
    }
}

impl<'a> Jpeg<'a> {
    /// Reads the header; `None` where the general decoder has to judge.
    pub fn open(bytes: &'a [u8], limits: &Limits) -> Option<Self> {
        let mut reader = Reader::new(bytes).ok()?;
        let first = reader.next_scan().ok()??;
        let frame = reader.frame.clone()?;
        // Invariant 1; what the general decoder asks for, so that both agree.
        let per_pixel = if frame.progressive { 9 } else { 3 };
        let (width, height) = (frame.width as u64, frame.height as u64);
        limits.check(Format::Jpeg, width, height, per_pixel).ok()?;
        let channels = if frame.components.len() == 1 {
            Channels::Grey
        } else {
            Channels::Rgb
        };
        let (icc, colour) = colour::keep(reader.icc_profile(), channels);
        let exif = reader.exif.take();
        Some(Self {
            bytes,
            first,
            orientation: exif
                .as_deref()
                .map_or(Orientation::Normal, exif::orientation),
            metadata: Metadata {
                icc,
                exif: exif.as_deref().map(exif::with_normal_orientation),
                png_colour: Vec::new(),
            },
            colour,
            frame,
            reader,
        })
    }

    /// Width in pixels, as stored.
    pub const fn width(&self) -> u32 {
        self.frame.width as u32
    }

    /// Height in pixels, as stored.
    pub const fn height(&self) -> u32 {
        self.frame.height as u32
    }

    /// How the picture has to be turned; [`Jpeg::pictures`] does.
    pub const fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// What travels with the pixels, as it is right for upright pictures.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// What happened to the colours.
    pub const fn colour(&self) -> Colour {
        self.colour
    }

    /// The whole picture.
    pub fn whole(&self) -> Area {
        Area::whole(self.width(), self.height())
    }

    /// `chroma`, or what is stored where that is less, both of the picture when it is turned: colour
    /// that was never stored is not made up.
    pub fn at_most(&self, chroma: Chroma) -> Chroma {
        let stored = self.frame.components.get(1).map_or((1, 1), |colour| {
            (self.frame.h_max / colour.h, self.frame.v_max / colour.v)
        });
        match (chroma, self.orientation.sides(stored)) {
            (Chroma::Quarter, _) | (_, (_, 2..)) => Chroma::Quarter,
            (Chroma::Half, _) | (_, (2.., _)) => Chroma::Half,
            (Chroma::Full, _) => Chroma::Full,
        }
    }

    /// The pictures that are wanted, upright, from one decode; `None` where the general decoder has
    /// to judge.
    pub fn pictures(mut self, wanted: &[Wanted]) -> Option<Vec<Planes>> {
        guarded(Format::Jpeg, "planes", || Ok(self.make(wanted).ok()))
            .ok()
            .flatten()
    }

    pub(super) fn make(&mut self, wanted: &[Wanted]) -> Give<Vec<Planes>> {
        let (h_max, v_max) = (self.frame.h_max, self.frame.v_max);
        let details: Vec<Detail> = self
            .frame
            .components
            .iter()
            .enumerate()
            .map(|(index, component)| {
                let pixels = (h_max / component.h, v_max / component.v);
                let least = wanted
                    .iter()
                    .map(|picture| {
                        picture.reduction(picture.factors(index, self.orientation), pixels)
                    })
                    .fold(f64::INFINITY, f64::min);
                Detail::for_reduction(least)
            })
            .collect();
        let mut targets = Vec::new();
        for picture in wanted {
            for (index, component) in self.frame.components.iter().enumerate() {
                targets.push(Target::new(
                    picture,
                    index,
                    &Layout {
                        sides: (component.width, component.height),
                        shrink: details[index].shrink(),
                        factors: (h_max / component.h, v_max / component.v),
                        orientation: self.orientation,
                    },
                ));
            }
        }
        decode::decode(
            &mut self.reader,
            self.bytes,
            self.first.clone(),
            &details,
            &mut |strip| {
                for target in &mut targets {
                    if target.component == strip.component {
                        target.push(&strip);
                    }
                }
            },
        )?;
        let mut finished = targets.into_iter().map(Target::finish);
        wanted
            .iter()
            .map(|picture| {
                let planes = finished
                    .by_ref()
                    .take(self.frame.components.len())
                    .collect::<Option<Vec<_>>>()
                    .ok_or(Refused("rows are missing"))?;
                let planes = Planes {
                    width: picture.width,
                    height: picture.height,
                    chroma: picture.chroma,
                    samples: planes,
                };
                Ok(planes.turned(self.orientation))
            })
            .collect()
    }
}

/// How a component's samples lie.
struct Layout {
    /// Width and height of the component.
    sides: (usize, usize),
    /// Its samples that the decoder makes one of.
    shrink: usize,
    /// Pixels a sample, across and down.
    factors: (usize, usize),
    orientation: Orientation,
}

/// A plane that is being made.
struct Target {
    component: usize,
    stage: Stage,
}

enum Stage {
    /// The samples as they are: rows that were taken, and how many there have to be.
    Copy(Vec<u8>, usize),
    Resample(Box<Resampler>),
}

impl Target {
    fn new(picture: &Wanted, component: usize, layout: &Layout) -> Self {
        let (h, v) = picture.factors(component, layout.orientation);
        let (width, height) = chroma_size(picture.width, picture.height, (h, v));
        let (mirrored_x, mirrored_y) = mirrors(layout.orientation);
        let area = &picture.area;
        let columns = axis(
            (area.left, area.width, picture.width),
            (
                layout.sides.0,
                layout.factors.0 * layout.shrink,
                layout.shrink,
            ),
            (width, h),
            mirrored_x,
        );
        let rows = axis(
            (area.top, area.height, picture.height),
            (
                layout.sides.1,
                layout.factors.1 * layout.shrink,
                layout.shrink,
            ),
            (height, v),
            mirrored_y,
        );
        let stage = if columns.is_identity() && rows.is_identity() {
            Stage::Copy(
                Vec::with_capacity(columns.target * rows.target),
                rows.target,
            )
        } else {
            Stage::Resample(Box::new(Resampler::new(columns, rows, picture.kernel)))
        };
        Self { component, stage }
    }

    fn push(&mut self, strip: &Strip<'_>) {
        match &mut self.stage {
            Stage::Copy(plane, _) => {
                for row in strip.rows.chunks(strip.stride).take(strip.height) {
                    plane.extend_from_slice(row.get(..strip.width).unwrap_or_default());
                }
            }
            Stage::Resample(resampler) => resampler.push(strip.rows, strip.stride, strip.height),
        }
    }

    fn finish(self) -> Option<Vec<u8>> {
        match self.stage {
            Stage::Copy(plane, rows) => {
                (rows > 0 && plane.len().is_multiple_of(rows) && !plane.is_empty()).then_some(plane)
            }
            Stage::Resample(resampler) => resampler.finish(),
        }
    }
}

/// Whether the stored picture's columns and rows run backwards beside the upright picture's, before
/// sides change places.
fn mirrors(orientation: Orientation) -> (bool, bool) {
    match orientation {
        Orientation::Normal | Orientation::Transpose => (false, false),
        Orientation::FlipHorizontal | Orientation::Rotate270 => (true, false),
        Orientation::Rotate180 | Orientation::Transverse => (true, true),
        Orientation::FlipVertical | Orientation::Rotate90 => (false, true),
    }
}

/// One side of a component's plane. `area`: begin, length and target length, in pixels.
/// `component`: samples, pixels that one is made of, samples that one is made of. `target`: samples,
/// pixels of the target a sample.
fn axis(
    (begin, length, pixels): (f64, f64, u32),
    (samples, per_sample, shrink): (usize, usize, usize),
    (target, factor): (u32, u32),
    mirrored: bool,
) -> Axis {
    let scale = length / f64::from(pixels);
    // Samples of colour are counted from the upright picture's edge: where that is the far edge of
    // the stored one and the last sample hangs over, it hangs over at the near edge here.
    let over = if mirrored {
        f64::from(target * factor - pixels)
    } else {
        0.0
    };
    let per_sample = per_sample as f64;
    Axis {
        source: samples.div_ceil(shrink),
        target: target as usize,
        offset: (begin - over * scale) / per_sample,
        scale: scale * f64::from(factor) / per_sample,
    }
}

//! What the items of a HEIF file (ISO/IEC 23008-12) may ask for together: the decoder takes memory and time by their
//! configurations and references without a limit of its own.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

use heic::Unstoppable;
use heic::heif::{self, FourCC, HeifContainer, HevcDecoderConfig, Item, ItemType};

use super::{hevc, isobmff};
use crate::{Format, Limits, PixelError};

/// Items of a file, of which the decoder looks for each among all; a grid of 100 megapixels has 400 tiles of 512 × 512.
const MAX_ITEMS: usize = 4_096;

/// Bytes of all HEVC configurations, which are some hundred each: the decoder keeps an empty unit of two bytes in 24.
const MAX_CONFIGURATIONS: usize = 4 << 20;

/// Boxes in boxes, down to a track's sample description.
const MAX_DEPTH: usize = 8;

/// Data of all items, and of all that one refers to, in files: they may lie over each other.
const MAX_FILES: u64 = 4;

/// Pictures of the allowed size that the slices of all items may pass over, and those of all that one refers to.
const MAX_PICTURES: u64 = 10;

/// How often an item may be derived from one that is derived itself: three times for the decoder.
const MAX_DERIVED: usize = 3;

/// Checks the items, and what is coded as HEVC in them.
pub(super) fn check(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
    bytes_per_pixel: u64,
) -> Result<(), PixelError> {
    let too_much = |what: String| Err(PixelError::unsupported(format, what));
    if configurations(bytes, MAX_DEPTH) > MAX_CONFIGURATIONS {
        return too_much(format!(
            "HEVC configurations of more than {} MiB",
            MAX_CONFIGURATIONS >> 20
        ));
    }
    let Ok(container) = heif::parse(bytes, &Unstoppable) else {
        // The decoder says what is wrong with it.
        return Ok(());
    };
    if container.item_infos.len() > MAX_ITEMS {
        return too_much(format!("more than {MAX_ITEMS} items"));
    }
    let hevc = hevc::Check {
        format,
        limits,
        bytes_per_pixel,
    };
    let file = Costs {
        bytes: bytes.len() as u64,
        pixels: limits.max_pixels,
    };
    let parts = parts(&container);
    let mut costs = HashMap::new();
    let mut configs = HashMap::new();
    let mut grids = Vec::new();
    let state = RandomState::new();
    for item in container.items() {
        let data = container.get_item_data(item.id).unwrap_or_default();
        costs.insert(
            item.id,
            Costs {
                bytes: data.len() as u64,
                pixels: pixels(&hevc, &item, &data)?,
            },
        );
        let same = |config: &HevcDecoderConfig| {
            state.hash_one((config.length_size_minus_one, &config.nal_units))
        };
        configs.insert(item.id, item.hevc_config.as_ref().map(same));
        if item.item_type == ItemType::Grid {
            grids.push(item.id);
        }
    }
    // The decoder reads all tiles by the first one's configuration, which they must share (ISO/IEC 23000-22, 7.3.11.4).
    for tiles in grids.iter().filter_map(|id| parts.get(id)) {
        let config = |tile: &u32| configs.get(tile).copied().flatten();
        let first = tiles.first().and_then(config);
        if first.is_some() && tiles.iter().any(|tile| config(tile) != first) {
            return too_much("tiles of a grid with different configurations".to_owned());
        }
    }
    if !fits(costs.values(), file) {
        return too_much("items that ask for more than a picture".to_owned());
    }
    for _ in 0..=MAX_DERIVED {
        for (item, parts) in &parts {
            let asked: Vec<Costs> = parts
                .iter()
                .filter_map(|id| costs.get(id).copied())
                .collect();
            if !fits(asked.iter(), file) {
                return too_much("an item that is made of others too often".to_owned());
            }
            let sum = asked.into_iter().fold(Costs::default(), Costs::and);
            costs.insert(*item, sum);
        }
    }
    Ok(())
}

/// What decoding an item takes.
#[derive(Clone, Copy, Default)]
struct Costs {
    bytes: u64,
    pixels: u64,
}

impl Costs {
    fn and(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            pixels: self.pixels.saturating_add(other.pixels),
        }
    }
}

fn fits<'a>(costs: impl Iterator<Item = &'a Costs>, file: Costs) -> bool {
    let sum = costs.copied().fold(Costs::default(), Costs::and);
    sum.bytes <= file.bytes.saturating_mul(MAX_FILES)
        && sum.pixels <= file.pixels.saturating_mul(MAX_PICTURES)
}

/// What each item is derived from.
fn parts(container: &HeifContainer) -> HashMap<u32, Vec<u32>> {
    let mut parts: HashMap<u32, Vec<u32>> = HashMap::new();
    let references = container.item_references.iter();
    for reference in references.filter(|reference| reference.reference_type == FourCC::DIMG) {
        let of = parts.entry(reference.from_item_id).or_default();
        of.extend(&reference.to_item_ids);
    }
    parts
}

/// Pixels that decoding an item passes over.
fn pixels(hevc: &hevc::Check, item: &Item, data: &[u8]) -> Result<u64, PixelError> {
    let is_hevc = item.item_type == ItemType::Hvc1;
    match (&item.hevc_config, item.dimensions) {
        (Some(config), _) => hevc.item(config, data, is_hevc),
        (None, _) if is_hevc => Err(hevc.broken("an HEVC item has none")),
        (None, sides) => {
            Ok(sides.map_or(0, |(width, height)| u64::from(width) * u64::from(height)))
        }
    }
}

/// Bytes of the HEVC configurations in a file's boxes.
fn configurations(bytes: &[u8], depth: usize) -> usize {
    if depth == 0 {
        return 0;
    }
    let sizes = isobmff::boxes(bytes).map(|part| {
        // Fields that stand before the boxes in a box.
        let fields = match &part.name {
            b"hvcC" => return part.data.len(),
            b"iprp" | b"ipco" | b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" => 0,
            b"meta" => 4,
            b"stsd" => 8,
            b"hvc1" | b"hev1" => 78,
            _ => return 0,
        };
        configurations(part.data.get(fields..).unwrap_or_default(), depth - 1)
    });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// 1,080 by 720 pixels.
    const SAMPLE: &[u8] = include_bytes!("../../../../samples/photos/alpine-valley.heic");
    const SAMPLE_PIXELS: u64 = 1_080 * 720;

    fn boxed(name: [u8; 4], content: &[u8]) -> Vec<u8> {
        [
            &(content.len() as u32 + 8).to_be_bytes()[..],
            &name,
            content,
        ]
        .concat()
    }

    /// The sample's configuration: 22 bytes, the last of which says how long a unit's length is, then units.
    fn config() -> Vec<u8> {
        let name = memchr::memmem::find(SAMPLE, b"hvcC").unwrap();
        let size = u32::from_be_bytes(SAMPLE[name - 4..name].try_into().unwrap());
        SAMPLE[name + 4..name - 4 + size as usize].to_vec()
    }

    /// A type, the number of a configuration (from one), and data.
    type Coded<'a> = (&'a [u8; 4], u8, &'a [u8]);

    /// A file of these items, numbered from one, some of which are derived from others.
    fn file(configs: &[Vec<u8>], items: &[Coded], derived: &[(u16, Vec<u16>)]) -> Vec<u8> {
        let mut infos = (items.len() as u16).to_be_bytes().to_vec();
        let mut places = [&[0x44, 0][..], &(items.len() as u16).to_be_bytes()].concat();
        let mut properties = (items.len() as u32).to_be_bytes().to_vec();
        let mut all = Vec::new();
        for ((kind, config, data), id) in items.iter().zip(1u16..) {
            let id = id.to_be_bytes();
            let info = [&[2, 0, 0, 0][..], &id, &[0, 0], *kind, &[0]].concat();
            infos.extend(boxed(*b"infe", &info));
            let (from, size) = (all.len() as u32, data.len() as u32);
            // In `idat`, one extent.
            places.extend([&id[..], &[0, 1, 0, 0, 0, 1]].concat());
            places.extend([from.to_be_bytes(), size.to_be_bytes()].concat());
            properties.extend([&id[..], &[u8::from(*config > 0)]].concat());
            properties.extend((*config > 0).then_some(config));
            all.extend_from_slice(data);
        }
        let references = derived.iter().flat_map(|(from, parts)| {
            let parts = [&[*from, parts.len() as u16], &parts[..]].concat();
            let parts: Vec<u8> = parts.iter().flat_map(|id| id.to_be_bytes()).collect();
            boxed(*b"dimg", &parts)
        });
        let full = |content: Vec<u8>| [vec![0; 4], content].concat();
        let configs: Vec<u8> = configs
            .iter()
            .flat_map(|config| boxed(*b"hvcC", config))
            .collect();
        let meta = [
            boxed(*b"pitm", &[0, 0, 0, 0, 0, 1]),
            boxed(*b"iinf", &full(infos)),
            boxed(*b"iloc", &[vec![1, 0, 0, 0], places].concat()),
            boxed(
                *b"iprp",
                &[
                    boxed(*b"ipco", &configs),
                    boxed(*b"ipma", &full(properties)),
                ]
                .concat(),
            ),
            boxed(*b"iref", &full(references.collect())),
            boxed(*b"idat", &all),
        ];
        [
            boxed(*b"ftyp", b"heic\0\0\0\0heic"),
            boxed(*b"meta", &full(meta.concat())),
        ]
        .concat()
    }

    fn checked(file: &[u8], max_pixels: u64) -> Result<(), String> {
        let limits = Limits {
            max_pixels,
            ..Limits::default()
        };
        check(file, Format::Heic, &limits, 16).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(file: &[u8], cause: &str) {
        let error = checked(file, SAMPLE_PIXELS).unwrap_err();
        assert!(error.contains(cause), "{error}");
    }

    #[test]
    fn every_set_of_a_file_is_checked() {
        checked(SAMPLE, SAMPLE_PIXELS).unwrap();
        let error = checked(SAMPLE, SAMPLE_PIXELS - 1).unwrap_err();
        assert!(error.contains("1080 × 720"), "{error}");

        // Two columns of tiles, the first of which is as wide as there are bits.
        let mut tiled = SAMPLE.to_vec();
        let head = [0, 7, 0x44, 0x01];
        let set = memchr::memmem::find(SAMPLE, &head).unwrap() + head.len();
        tiled[set..set + 5].copy_from_slice(&[0xC0, 0x71, 0x84, 0xA0, 0]);
        refused(&tiled, "the tiles are cut off");
    }

    #[test]
    fn an_item_of_another_type_may_have_a_configuration_too() {
        for kind in [b"av01", b"hvc1", b"mime"] {
            let file = file(&[config()], &[(kind, 1, &[])], &[]);
            checked(&file, SAMPLE_PIXELS).unwrap();
            let error = checked(&file, SAMPLE_PIXELS - 1).unwrap_err();
            assert!(error.contains("1080 × 720"), "{error}");
        }
        refused(&file(&[], &[(b"hvc1", 0, &[])], &[]), "has none");
        // No units.
        let empty = [&config()[..22], &[0]].concat();
        refused(&file(&[empty], &[(b"hvc1", 1, &[])], &[]), "has none");
    }

    #[test]
    fn tiles_share_a_configuration() {
        let mut other = config();
        other[21] ^= 3;
        let tiles = |config| {
            let tile: Coded = (b"hvc1", 1, &[]);
            let items = [(b"grid", 0, &[][..]), tile, (b"hvc1", config, &[])];
            file(&[self::config(), other.clone()], &items, &[(1, vec![2, 3])])
        };
        checked(&tiles(1), SAMPLE_PIXELS).unwrap();
        refused(&tiles(2), "different configurations");
    }

    #[test]
    fn an_item_is_made_of_others_as_often_as_a_picture_needs() {
        let items: [Coded; 3] = [(b"iovl", 0, &[]), (b"iovl", 0, &[]), (b"hvc1", 1, &[])];
        let of = |outer, inner| {
            let derived = [(1, vec![2; outer]), (2, vec![3; inner])];
            file(&[config()], &items, &derived)
        };
        checked(&of(1, 10), SAMPLE_PIXELS).unwrap();
        refused(&of(1, 11), "made of others too often");
        checked(&of(2, 5), SAMPLE_PIXELS).unwrap();
        refused(&of(3, 4), "made of others too often");
        // In a circle.
        let circle = file(&[config()], &items, &[(1, vec![2, 3]), (2, vec![1, 3])]);
        assert!(checked(&circle, SAMPLE_PIXELS).is_ok());
    }

    #[test]
    fn data_may_lie_over_each_other_a_few_times() {
        let data = [0; 4_000];
        let items: [Coded; 2] = [(b"iovl", 0, &[]), (b"hvc1", 1, &data)];
        let of = |count| file(&[config()], &items, &[(1, vec![2; count])]);
        checked(&of(4), SAMPLE_PIXELS).unwrap();
        refused(&of(6), "made of others too often");
    }

    #[test]
    fn slices_pass_over_a_picture_as_often_as_it_needs() {
        // First of a picture, in units of a length of four bytes.
        let slices = |count| [0, 0, 0, 3, 1 << 1, 1, 0x80].repeat(count);
        let of = |count| file(&[config()], &[(b"hvc1", 1, &slices(count))], &[]);
        checked(&of(10), SAMPLE_PIXELS).unwrap();
        refused(&of(11), "more than a picture");
    }

    #[test]
    fn what_the_decoder_keeps_is_counted_before_it_reads() {
        let mut long = config();
        long.resize(MAX_CONFIGURATIONS, 0);
        let item: Coded = (b"mime", 0, &[]);
        checked(&file(&[long.clone()], &[item], &[]), SAMPLE_PIXELS).unwrap();
        refused(&file(&[long, vec![0; 9]], &[item], &[]), "more than 4 MiB");
        refused(&file(&[], &vec![item; 4_097], &[]), "more than 4096 items");
        // Start codes, between which there are no units.
        let starts = [0, 0, 1].repeat(4_097);
        let of = |data| file(&[config()], &[(b"hvc1", 1, data)], &[]);
        checked(&of(&starts[3..]), SAMPLE_PIXELS).unwrap();
        refused(&of(&starts), "more than 4096 NAL units");
    }
}

//! What decoding a JPEG 2000 codestream will take, from its marker segments alone: a few bytes can
//! ask for a code block a pixel, or for thousands of tiles of thousands of components.

use std::collections::{BTreeMap, BTreeSet};

use super::jp2::FORMAT;
use crate::{Limits, PixelError};

const COD: u8 = 0x52;
const COC: u8 = 0x53;
const SIZ: u8 = 0x51;
const POC: u8 = 0x5F;
const SOT: u8 = 0x90;
const SOD: u8 = 0x93;
const EOC: u8 = 0xD9;

/// Changes of the order of a tile's packets: the decoder lists all packets for each. OpenJPEG takes as many.
const MAX_ORDERS: usize = 32;
/// Bytes of such a change, where there are less than 257 components.
const AN_ORDER: usize = 7;
/// Colours and transparency are five components at most.
const MAX_COMPONENTS: u64 = 5;
/// A decoder's book-keeping for one code block or precinct, bytes, with room.
const A_BLOCK: u64 = 320;
/// The same for each quality layer of a code block: a list that grows by doubling.
const A_LAYER: u64 = 48;
/// The decoder takes no more layers.
const MAX_LAYERS: u64 = 32;
/// The same for one component of one tile.
const A_TILE: u64 = 640;

/// What the markers say.
pub(super) struct Cost {
    pub(super) width: u64,
    pub(super) height: u64,
    /// The irreversible transform is used.
    pub(super) lossy: bool,
    components: u64,
    tiles: u64,
    /// Width and height of a tile, cut to the image.
    tile: (u64, u64),
    /// Code blocks and precincts of one component of a tile.
    blocks: u64,
    /// Quality layers.
    layers: u64,
}

impl Cost {
    /// Memory a pixel: planes of 32 bits for every component, coefficients and two of the
    /// transform's buffers for one at a time, the samples, and the book-keeping.
    pub(super) fn bytes_per_pixel(&self, limits: &Limits) -> u64 {
        let pixels = self.width.saturating_mul(self.height).max(1);
        if pixels > limits.max_pixels {
            return 1;
        }
        let a_block = A_BLOCK + self.layers * A_LAYER;
        let blocks = self
            .blocks
            .saturating_mul(self.components)
            .saturating_mul(a_block);
        let tiles = self.tiles.saturating_mul(self.components) * A_TILE;
        let tile = (self.tile.0 * self.tile.1 * 16).div_ceil(pixels);
        self.components * 6 + tile + blocks.saturating_add(tiles).div_ceil(pixels)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn byte(&self, at: usize) -> Option<u64> {
        self.bytes.get(at).map(|&byte| u64::from(byte))
    }

    fn short(&self, at: usize) -> Option<u64> {
        Some(self.byte(at)? << 8 | self.byte(at + 1)?)
    }

    fn long(&self, at: usize) -> Option<u64> {
        Some(self.short(at)? << 16 | self.short(at + 2)?)
    }
}

/// Walks the markers. A codestream that ends before its last tile does is `Image.Truncated`.
pub(super) fn of(bytes: &[u8]) -> Result<Cost, PixelError> {
    let broken = |cause: &str| PixelError::decode(FORMAT, "header", cause);
    let cut = || PixelError::truncated(FORMAT, "image data", "the codestream is not whole");
    let reader = Reader { bytes };
    if bytes.get(..4) != Some(&[0xFF, 0x4F, 0xFF, SIZ]) {
        return Err(broken("the codestream does not begin with SOC and SIZ"));
    }
    let mut cost = size(&reader).ok_or_else(|| broken("SIZ is not sound"))?;
    if cost.components > MAX_COMPONENTS {
        let what = format!("{} components", cost.components);
        return Err(PixelError::unsupported(FORMAT, what));
    }
    let mut at = 2;
    // Where the tile-part that is being read ends, and the tiles that were seen.
    let mut part_end = None;
    let mut seen = BTreeSet::new();
    // The tile whose header is read, if it is one's, and how often each changes the order.
    let mut tile = None;
    let mut orders = BTreeMap::new();
    loop {
        let whole = seen.len() as u64 >= cost.tiles;
        let (Some(0xFF), Some(marker)) = (reader.byte(at), reader.byte(at + 1)) else {
            // What follows the last tile does not matter.
            return match at + 2 > bytes.len() {
                _ if whole => Ok(cost),
                true => Err(cut()),
                false => Err(broken("no marker where one has to be")),
            };
        };
        match marker as u8 {
            EOC if whole => return Ok(cost),
            EOC => return Err(cut()),
            SOD => match part_end.take() {
                Some(end) => at = end,
                // A last tile-part of unknown length: the rest.
                None if whole => return Ok(cost),
                None => return Err(cut()),
            },
            marker => {
                let length = reader.short(at + 2).ok_or_else(cut)? as usize;
                if length < 2 {
                    return Err(broken("a marker segment has no length"));
                }
                match marker {
                    COD => {
                        let layers = reader.short(at + 6).unwrap_or(0).min(MAX_LAYERS);
                        cost.layers = cost.layers.max(layers);
                        coding(&reader, at + 4, at + 9, &mut cost)
                            .ok_or_else(|| broken("COD is not sound"))?;
                    }
                    COC => {
                        // One byte says which component, since there are less than 257.
                        let style = at + 5;
                        coding(&reader, style, style + 1, &mut cost)
                            .ok_or_else(|| broken("COC is not sound"))?;
                    }
                    POC => {
                        let count: &mut usize = orders.entry(tile).or_default();
                        *count += (length - 2).div_ceil(AN_ORDER);
                        if *count > MAX_ORDERS {
                            let what =
                                format!("more than {MAX_ORDERS} changes of the packets' order");
                            return Err(PixelError::unsupported(FORMAT, what));
                        }
                    }
                    SOT => {
                        let number = reader.short(at + 4).ok_or_else(cut)?;
                        tile = Some(number);
                        seen.insert(number);
                        let size = reader.long(at + 6).ok_or_else(cut)? as usize;
                        part_end = match size {
                            0 => None,
                            size if size < 14 => {
                                return Err(broken("a tile-part is shorter than its header"));
                            }
                            size if at + size > bytes.len() => return Err(cut()),
                            size => Some(at + size),
                        };
                    }
                    _ => {}
                }
                at += 2 + length;
            }
        }
    }
}

fn size(reader: &Reader<'_>) -> Option<Cost> {
    let at = 8;
    let (right, bottom) = (reader.long(at)?, reader.long(at + 4)?);
    let (left, top) = (reader.long(at + 8)?, reader.long(at + 12)?);
    let (tile_width, tile_height) = (reader.long(at + 16)?, reader.long(at + 20)?);
    let (tile_left, tile_top) = (reader.long(at + 24)?, reader.long(at + 28)?);
    let components = reader.short(at + 32)?;
    let (width, height) = (right.checked_sub(left)?, bottom.checked_sub(top)?);
    if components == 0 || tile_width == 0 || tile_height == 0 {
        return None;
    }
    let across = right.checked_sub(tile_left)?.div_ceil(tile_width);
    let down = bottom.checked_sub(tile_top)?.div_ceil(tile_height);
    Some(Cost {
        width,
        height,
        lossy: false,
        components,
        tiles: across * down,
        tile: (tile_width.min(width), tile_height.min(height)),
        blocks: 0,
        layers: 0,
    })
}

/// Takes in a coding style: `style` is where its flags are, `levels` where its parameters begin.
fn coding(reader: &Reader<'_>, style: usize, levels: usize, cost: &mut Cost) -> Option<()> {
    let has_precincts = reader.byte(style)? & 1 == 1;
    let count = reader.byte(levels)?;
    let block = (reader.byte(levels + 1)? + 2, reader.byte(levels + 2)? + 2);
    cost.lossy |= reader.byte(levels + 4)? == 0;
    let mut blocks = 0u64;
    for level in 0..=count.min(32) {
        let (across, down) = if has_precincts {
            let byte = reader.byte(levels + 5 + level as usize)?;
            (byte & 15, byte >> 4)
        } else {
            (15, 15)
        };
        // Each level but the lowest has three bands of half the resolution's sides.
        let halvings = (count - level).min(32);
        let sides = (
            cost.tile.0.div_ceil(1 << halvings),
            cost.tile.1.div_ceil(1 << halvings),
        );
        let inner = if level == 0 {
            (block.0.min(across), block.1.min(down))
        } else {
            (
                block.0.min(across.saturating_sub(1)),
                block.1.min(down.saturating_sub(1)),
            )
        };
        let cells = |(x, y): (u64, u64)| {
            sides
                .0
                .div_ceil(1 << x.min(31))
                .saturating_mul(sides.1.div_ceil(1 << y.min(31)))
        };
        blocks = blocks
            .saturating_add(cells(inner))
            .saturating_add(cells((across, down)).saturating_mul(3));
    }
    cost.blocks = cost.blocks.max(blocks);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_of_each_block_counts() {
        // Found by fuzz/pixels/fuzz_targets/jp2.rs: 381 MB for a file of 1,512 bytes.
        let file = include_bytes!("../../tests/fixtures/small-blocks.jp2");
        let begin = file
            .windows(4)
            .position(|four| four == [0xFF, 0x4F, 0xFF, SIZ]);
        let mut codestream = file[begin.unwrap()..].to_vec();
        let style = codestream
            .windows(2)
            .position(|two| two == [0xFF, COD])
            .unwrap();
        let mut bytes = |layers: u16| {
            codestream[style + 6..style + 8].copy_from_slice(&layers.to_be_bytes());
            of(&codestream).unwrap().bytes_per_pixel(&Limits::default())
        };
        let (one, most) = (bytes(1), bytes(32));
        assert!(most > one * 2, "{one} and {most} bytes a pixel");
        assert_eq!(most, bytes(33), "which the decoder refuses");
    }

    #[test]
    fn the_order_of_packets_may_not_change_without_end() {
        let file = include_bytes!("../../tests/fixtures/small-blocks.jp2");
        let begin = file
            .windows(4)
            .position(|four| four == [0xFF, 0x4F, 0xFF, SIZ])
            .unwrap();
        let style = file.windows(2).position(|two| two == [0xFF, COD]).unwrap();
        let with = |orders: u16| {
            let length = (2 + orders * AN_ORDER as u16).to_be_bytes();
            let segment = [
                &[0xFF, POC],
                &length[..],
                &vec![0; usize::from(orders) * AN_ORDER],
            ];
            of(&[&file[begin..style], &segment.concat(), &file[style..]].concat())
        };
        assert!(with(32).is_ok());
        assert_eq!(with(33).err().unwrap().name(), "Image.Unsupported");
    }
}

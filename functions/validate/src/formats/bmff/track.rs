//! A sequence's track: how many pictures it has, and their size.

use safelight_schema::image::{ColourModel, Format};

use super::boxes::{Boxes, Found};
use super::{Codec, Header};
use crate::source::{Parsed, Source, Stop};

/// The first track of pictures.
pub(super) struct Track {
    pub(super) frames: u32,
    width: u32,
    height: u32,
    codec: Option<Codec>,
}

impl Track {
    /// The header of a file that has no item.
    pub(super) fn header(&self, format: Format) -> Header {
        let format = self.codec.map_or(format, |codec| codec.format);
        let mut header = Header::new(format, self.width, self.height);
        header.colour_model = ColourModel::Unknown;
        if let Some(codec) = self.codec {
            header.bit_depth = codec.bit_depth;
            header.colour_model = codec.colour_model;
        }
        header
    }
}

pub(super) fn parse(source: &Source, moov: &Found) -> Parsed<Track> {
    let mut boxes = Boxes::new(source, moov.body, moov.end);
    while let Some(trak) = boxes.find(*b"trak")? {
        if let Some(track) = pictures(source, &trak)? {
            return Ok(track);
        }
    }
    Err(Stop::invalid(moov.body, "moov has no track of pictures"))
}

/// The track, if its samples are pictures (handler `pict` or `vide`).
fn pictures(source: &Source, outer: &Found) -> Parsed<Option<Track>> {
    let inside = |outer: &Found, name| Boxes::new(source, outer.body, outer.end).find(name);
    let Some(mdia) = inside(outer, *b"mdia")? else {
        return Ok(None);
    };
    let Some(handler) = inside(&mdia, *b"hdlr")? else {
        return Ok(None);
    };
    if !matches!(&source.array(handler.body + 8)?, b"pict" | b"vide") {
        return Ok(None);
    }
    let Some(minf) = inside(&mdia, *b"minf")? else {
        return Ok(None);
    };
    let Some(stbl) = inside(&minf, *b"stbl")? else {
        return Ok(None);
    };
    let mut track = Track {
        frames: 0,
        width: 0,
        height: 0,
        codec: None,
    };
    let mut boxes = Boxes::new(source, stbl.body, stbl.end);
    while let Some(found) = boxes.next()? {
        match &found.name {
            // Both have four bytes in front of the count of samples.
            b"stsz" | b"stz2" => track.frames = source.u32_be(found.body + 8)?,
            b"stsd" => {
                // The first sample entry: 8 bytes of box, 24, then two bytes a side; 78 in all.
                let entry = found.body + 8;
                let end = entry + u64::from(source.u32_be(entry)?);
                track.width = source.u16_be(entry + 32)?.into();
                track.height = source.u16_be(entry + 34)?.into();
                let mut inner = Boxes::new(source, entry + 86, end.min(found.end));
                while let Some(property) = inner.next()? {
                    match &property.name {
                        b"av1C" => track.codec = Some(Codec::av1(source, property.body)?),
                        b"hvcC" => track.codec = Some(Codec::hevc(source, property.body)?),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(Some(track))
}

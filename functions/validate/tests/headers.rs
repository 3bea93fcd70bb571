//! Every format and variant, from headers built by hand.
#![allow(clippy::unwrap_used)]

mod made;

use made::*;
use safelight_schema::image::{ColourModel, Format, ImageFacts};
use safelight_validate::{HeaderError, MAX_BYTES, probe_slice, probe_with};

fn facts(file: &[u8]) -> ImageFacts {
    probe_slice(file, 1_000).unwrap().0
}

fn error(file: &[u8]) -> HeaderError {
    probe_slice(file, 1_000).unwrap_err()
}

fn size(file: &[u8]) -> (Format, u32, u32) {
    let facts = facts(file);
    (facts.format, facts.width, facts.height)
}

#[test]
fn jpeg_says_depth_colours_profile_and_orientation() {
    let grey = facts(&jpeg(8, 3, 2, &[1], &[]));
    assert_eq!((grey.width, grey.height, grey.bit_depth), (3, 2, 8));
    assert_eq!(grey.colour_model, ColourModel::Grey);
    assert_eq!((grey.frames, grey.animated, grey.icc), (1, false, false));

    let turned = facts(&jpeg(
        8,
        30,
        20,
        &[1, 2, 3],
        &[exif_segment(6), icc_segment()],
    ));
    assert_eq!(
        (turned.width, turned.height, turned.orientation),
        (20, 30, 6)
    );
    assert!(turned.icc);
    assert_eq!(turned.colour_model, ColourModel::Ycbcr);

    let model =
        |ids: &[u8], segments: &[Vec<u8>]| facts(&jpeg(12, 3, 2, ids, segments)).colour_model;
    assert_eq!(model(&[1, 2, 3], &[adobe_segment(0)]), ColourModel::Rgb);
    assert_eq!(model(b"RGB", &[]), ColourModel::Rgb);
    assert_eq!(model(&[1, 2, 3, 4], &[]), ColourModel::Cmyk);
    assert_eq!(model(&[1, 2, 3, 4], &[adobe_segment(2)]), ColourModel::Ycck);
}

#[test]
fn jpeg_tolerates_fill_bytes_rubbish_and_damaged_exif() {
    let odd = vec![0x55, 0xff, 0x00, 0xff, 0xff, 0xff, 0x01];
    let file = jpeg(8, 3, 2, &[1], &[icc_segment(), odd]);
    assert_eq!(size(&file), (Format::Jpeg, 3, 2));
    for orientation in [0, 9, 255] {
        assert_eq!(
            facts(&jpeg(8, 3, 2, &[1], &[exif_segment(orientation)])).orientation,
            1
        );
    }
    let cut = segment(0xe1, b"Exif\0\0II*\0\xff\xff\xff\x7f");
    assert_eq!(facts(&jpeg(8, 3, 2, &[1], &[cut])).orientation, 1);
}

#[test]
fn jpeg_without_a_frame_header_is_invalid() {
    for file in [
        &b"\xff\xd8\xff\xd9"[..],
        b"\xff\xd8\xff\xda\0\x02\0\0",
        b"\xff\xd8\xff\xe0\0\x01\0\0",
    ] {
        assert!(
            matches!(error(file), HeaderError::Invalid { .. }),
            "{file:?}"
        );
    }
    let dnl = jpeg(8, 3, 0, &[1], &[]);
    assert!(error(&dnl).to_string().contains("DNL"));
}

#[test]
fn jpeg_skips_segments_by_jumping() {
    let segments = vec![segment(0xe5, &vec![0; 65_000]); 20];
    let file = jpeg(8, 3, 2, &[1], &segments);
    let (facts, cost) = probe_slice(&file, 1).unwrap();
    assert_eq!((facts.width, facts.height), (3, 2));
    assert!(cost.reads <= 22 && cost.bytes < 100_000, "{cost:?}");
}

#[test]
fn a_header_behind_too_much_metadata_is_too_far() {
    let segments = vec![segment(0xe5, &vec![0; 65_000]); 40];
    let file = jpeg(8, 3, 2, &[1], &segments);
    let error = error(&file);
    assert!(matches!(error, HeaderError::TooFar { .. }), "{error:?}");
    assert_eq!(error.name().name, "Image.HeaderTooFar");
    assert!(error.to_string().contains("32 reads"), "{error}");
}

#[test]
fn png_says_depth_colours_alpha_profile_frames_and_orientation() {
    let plain = facts(&png(4, 3, 16, 2, &[]));
    assert_eq!((plain.width, plain.height, plain.bit_depth), (4, 3, 16));
    assert_eq!((plain.colour_model, plain.alpha), (ColourModel::Rgb, false));

    let palette = facts(&png(
        4,
        3,
        2,
        3,
        &[chunk(b"PLTE", &[0; 12]), chunk(b"tRNS", &[0])],
    ));
    assert_eq!(
        (palette.colour_model, palette.alpha),
        (ColourModel::Palette, true)
    );
    assert_eq!(palette.bit_depth, 2);

    let grey = facts(&png(4, 3, 8, 4, &[chunk(b"iCCP", b"name\0\0data")]));
    assert_eq!(
        (grey.colour_model, grey.alpha, grey.icc),
        (ColourModel::Grey, true, true)
    );

    let moving = facts(&png(
        4,
        3,
        8,
        6,
        &[chunk(b"acTL", &[0, 0, 0, 7, 0, 0, 0, 0])],
    ));
    assert_eq!((moving.frames, moving.animated), (7, true));

    let turned = facts(&png(4, 3, 8, 2, &[chunk(b"eXIf", &tiff_orientation(8))]));
    assert_eq!((turned.width, turned.height, turned.orientation), (3, 4, 8));
}

#[test]
fn png_that_contradicts_itself_is_invalid() {
    for file in [
        png(0, 3, 8, 2, &[]),
        png(4, u32::MAX, 8, 2, &[]),
        png(4, 3, 3, 2, &[]),
        png(4, 3, 8, 5, &[]),
        png(4, 3, 8, 2, &[chunk(b"acTL", &[0; 8])]),
        png(4, 3, 8, 2, &[chunk(b"IEND", b"")]),
        png(4, 3, 8, 2, &[chunk(b"1234", b"")]),
        b"\x89PNG\r\n\x1a\n\0\0\0\x04CgBI\x50\0\x20\x02".to_vec(),
    ] {
        assert!(matches!(
            error(&file),
            HeaderError::Invalid { format: "PNG", .. }
        ));
    }
}

#[test]
fn gif_frames_are_counted_up_to_the_limit_and_one_more() {
    let one = facts(&gif(9, 8, 1));
    assert_eq!(
        (one.width, one.height, one.frames, one.animated),
        (9, 8, 1, false)
    );
    assert_eq!(
        (one.colour_model, one.bit_depth, one.alpha),
        (ColourModel::Palette, 3, true)
    );

    let three = probe_slice(&gif(9, 8, 3), 3).unwrap().0;
    assert_eq!(
        (three.frames, three.frames_exact, three.animated),
        (3, true, true)
    );
    let five = probe_slice(&gif(9, 8, 5), 3).unwrap().0;
    assert_eq!((five.frames, five.frames_exact), (4, false));
}

#[test]
fn gif_without_a_screen_takes_the_first_frame() {
    let mut file = gif(9, 8, 1);
    file[6..10].fill(0);
    assert_eq!(size(&file), (Format::Gif, 9, 8));
}

#[test]
fn gif_without_an_image_is_invalid_and_one_that_is_cut_is_counted_so_far() {
    assert!(matches!(error(&gif(9, 8, 0)), HeaderError::Invalid { .. }));
    let file = gif(9, 8, 3);
    let cut = facts(&file[..file.len() - 4]);
    assert_eq!((cut.frames, cut.frames_exact), (3, false));
}

#[test]
fn gif_of_many_megabytes_is_counted_as_far_as_the_limits_reach() {
    let mut file = gif(9, 8, 1);
    file.truncate(file.len() - 4);
    for _ in 0..10_000 {
        file.push(255);
        file.extend([0x55; 255]);
    }
    file.extend([0, 0x3b]);
    let (facts, cost) = probe_slice(&file, 1_000).unwrap();
    assert_eq!((facts.frames, facts.frames_exact), (1, false));
    assert!(cost.bytes <= MAX_BYTES);
    // A walk through small blocks reads ever longer ranges.
    assert!(cost.reads <= 12, "{cost:?}");
}

#[test]
fn webp_simple_and_extended() {
    let lossy = facts(&webp(&[vp8(0x4014, 10)]));
    assert_eq!((lossy.width, lossy.height), (20, 10));
    assert_eq!(
        (lossy.colour_model, lossy.alpha),
        (ColourModel::Ycbcr, false)
    );

    let lossless = facts(&webp(&[vp8l(16_384, 1, true)]));
    assert_eq!(
        (lossless.width, lossless.height, lossless.alpha),
        (16_384, 1, true)
    );
    assert_eq!(lossless.colour_model, ColourModel::Rgb);

    let moving = facts(&webp(&animated_webp(4)));
    assert_eq!(
        (moving.frames, moving.animated, moving.alpha),
        (4, true, true)
    );
    assert!(moving.frames_exact);

    let turned = facts(&webp(&[
        vp8x(0x28, 20, 10),
        riff_chunk(b"ICCP", b"odd"),
        vp8(20, 10),
        riff_chunk(b"EXIF", &[b"Exif\0\0", &tiff_orientation(5)[..]].concat()),
    ]));
    assert_eq!(
        (turned.width, turned.height, turned.orientation),
        (10, 20, 5)
    );
    assert_eq!(
        (turned.icc, turned.frames, turned.frames_exact),
        (true, 1, true)
    );
}

#[test]
fn webp_frames_beyond_the_limits_are_at_least_so_many() {
    let frame = riff_chunk(
        b"ANMF",
        &[vec![0; 16], vp8(20, 10), vec![0; 20_000]].concat(),
    );
    let mut chunks = vec![vp8x(0x02, 20, 10)];
    chunks.extend(vec![frame; 100]);
    let (facts, cost) = probe_slice(&webp(&chunks), 1_000).unwrap();
    assert!(facts.frames >= 30 && facts.frames < 100 && !facts.frames_exact);
    assert_eq!(cost.reads, 32);
    assert_eq!(facts.colour_model, ColourModel::Ycbcr);
}

#[test]
fn bmp_headers_of_every_size() {
    for header in [12, 16, 40, 52, 56, 64, 108, 124] {
        let facts = facts(&bmp(header, 7, 5, 24, 0));
        assert_eq!((facts.width, facts.height), (7, 5), "{header}");
        assert_eq!((facts.colour_model, facts.alpha), (ColourModel::Rgb, false));
    }
    let flipped = facts(&bmp(40, 7, -5, 4, 0));
    assert_eq!((flipped.height, flipped.bit_depth), (5, 4));
    assert_eq!(flipped.colour_model, ColourModel::Palette);
    let v5 = facts(&bmp(124, 7, 5, 32, 3));
    assert!(v5.alpha && v5.icc);
    assert!(matches!(
        error(&bmp(40, -7, 5, 24, 0)),
        HeaderError::Invalid { .. }
    ));
    assert!(matches!(
        error(&bmp(40, 7, 5, 23, 0)),
        HeaderError::Invalid { .. }
    ));
    assert!(matches!(
        error(&bmp(40, 7, 0, 24, 0)),
        HeaderError::Invalid { .. }
    ));
}

#[test]
fn tiff_in_both_byte_orders_and_bigtiff() {
    for little in [true, false] {
        let mut first = page(5, 4);
        first.push((274, 3, 1, 6));
        first.push((338, 3, 1, 2));
        first.push((34_675, 7, 100, 9_999));
        let thumbnail = [vec![(254, 4, 1, 1)], page(1, 1)].concat();
        let facts = facts(&tiff(little, &[first, thumbnail, page(9, 9)]));
        assert_eq!((facts.width, facts.height, facts.orientation), (4, 5, 6));
        assert_eq!(
            (facts.frames, facts.animated, facts.alpha, facts.icc),
            (2, false, true, true)
        );
        assert_eq!(
            (facts.colour_model, facts.bit_depth),
            (ColourModel::Grey, 8)
        );
    }
    assert_eq!(size(&bigtiff(5, 4)), (Format::Tiff, 5, 4));
    assert!(matches!(
        error(&bigtiff(5_000_000_000, 4)),
        HeaderError::Invalid { .. }
    ));
}

#[test]
fn tiff_reads_bits_that_lie_elsewhere() {
    let mut entries = page(5, 4);
    // Three samples of BitsPerSample do not fit the entry: they are behind the directory.
    entries[2] = (258, 3, 3, 8 + 2 + 48 + 4);
    entries[3] = (262, 3, 1, 2);
    let mut file = tiff(true, &[entries]);
    file.extend([16, 0, 16, 0, 16, 0]);
    let facts = facts(&file);
    assert_eq!(
        (facts.bit_depth, facts.colour_model),
        (16, ColourModel::Rgb)
    );
}

#[test]
fn tiff_rings_and_camera_raw() {
    let mut ring = tiff(true, &[page(5, 4)]);
    let end = ring.len();
    ring[end - 4..].copy_from_slice(&8_u32.to_le_bytes());
    let facts = facts(&ring);
    assert_eq!((facts.frames, facts.frames_exact), (1, false));

    let mut dng = page(5, 4);
    dng.push((50_706, 1, 4, 1));
    assert!(error(&tiff(true, &[dng])).to_string().contains("DNG"));
    assert!(matches!(
        error(&tiff(true, &[vec![(256, 3, 1, 5)]])),
        HeaderError::Invalid { .. }
    ));
}

#[test]
fn ico_takes_the_largest_and_counts_all() {
    let old = facts(&ico(&[ico_dib(16), ico_dib(32)]));
    assert_eq!((old.width, old.height, old.frames), (32, 32, 2));
    assert_eq!(
        (old.format, old.animated, old.alpha),
        (Format::Ico, false, true)
    );
    let new = facts(&ico(&[ico_dib(16), png(256, 200, 8, 6, &[])]));
    assert_eq!((new.width, new.height, new.format), (256, 200, Format::Ico));
    assert!(matches!(
        error(b"\0\0\x01\0\0\0"),
        HeaderError::Invalid { .. }
    ));
}

#[test]
fn jpeg_xl_bare_and_in_a_container() {
    assert_eq!(size(&jxl_codestream(40, 24)), (Format::Jxl, 40, 24));
    // Ratio 5 is 16:9.
    let ratio = Bits::default()
        .put(1, 1)
        .put(8, 5)
        .put(5, 3)
        .put(1, 1)
        .bytes();
    assert_eq!(
        size(&[vec![0xff, 0x0a], ratio].concat()),
        (Format::Jxl, 128, 72)
    );

    for file in [jxl_full(50, 40), jxl_container(&jxl_full(50, 40))] {
        let facts = facts(&file);
        assert_eq!((facts.width, facts.height, facts.orientation), (40, 50, 6));
        assert_eq!(
            (facts.animated, facts.frames, facts.frames_exact),
            (true, 1, false)
        );
        assert_eq!((facts.bit_depth, facts.alpha, facts.icc), (16, true, true));
        assert_eq!(facts.colour_model, ColourModel::Grey);
    }
}

#[test]
fn jpeg_2000_codestream_and_jp2() {
    let bare = facts(&j2k(11, 6, 4));
    assert_eq!(
        (bare.width, bare.height, bare.bit_depth, bare.alpha),
        (11, 6, 12, true)
    );
    let boxed = facts(&jp2(11, 6, 4));
    assert_eq!(
        (boxed.width, boxed.height, boxed.bit_depth, boxed.alpha),
        (11, 6, 16, true)
    );
    assert_eq!(boxed.colour_model, ColourModel::Ycbcr);
    let backwards = {
        let mut file = j2k(11, 6, 3);
        file[16..20].fill(0xff);
        file
    };
    assert!(matches!(error(&backwards), HeaderError::Invalid { .. }));
}

#[test]
fn svg_sizes_come_from_lengths_or_the_view_box() {
    assert_eq!(size(SVG.as_bytes()), (Format::Svg, 192, 64));
    let of = |attributes: &str| {
        let file = format!("<svg xmlns='http://www.w3.org/2000/svg' {attributes}/>");
        let facts = facts(file.as_bytes());
        (facts.width, facts.height)
    };
    assert_eq!(of(""), (300, 150));
    assert_eq!(of("viewBox='0 0 40 20'"), (40, 20));
    assert_eq!(
        of("viewBox='-5,-5 , 40 20' width='100%' height='100%'"),
        (40, 20)
    );
    assert_eq!(of("viewBox='0 0 40 20' width='100'"), (100, 50));
    assert_eq!(of("viewBox='0 0 40 20' height='1e1'"), (20, 10));
    assert_eq!(of("width='25.4mm' height='10.2px'"), (96, 11));
    assert_eq!(of("width='wide' height='7'"), (300, 7));
    let prefixed = b"\xef\xbb\xbf <!-- <svg width='1'> --><s:svg width=\"5\" height=\"6\"></s:svg>";
    assert_eq!(size(prefixed), (Format::Svg, 5, 6));
}

#[test]
fn svg_that_needs_entities_or_is_none_at_all() {
    assert!(matches!(
        error(b"<svg width='&w;'/>"),
        HeaderError::Invalid { .. }
    ));
    assert!(matches!(
        error(b"<svg width='-5'/>"),
        HeaderError::Invalid { .. }
    ));
    assert!(matches!(
        error(b"<svg width=5 />"),
        HeaderError::Invalid { .. }
    ));
    let looks = |file: &[u8]| error(file).to_string();
    assert!(looks(b"<!DOCTYPE html>\n<html lang=en>").contains("HTML"));
    assert!(looks(b"<note>hello</note>").contains("<note>"));
}

#[test]
fn heic_and_avif_items() {
    let heic = facts(&heif(b"heic", &Item::default()));
    assert_eq!(
        (heic.format, heic.width, heic.height),
        (Format::Heic, 64, 48)
    );
    assert_eq!((heic.bit_depth, heic.alpha, heic.icc), (8, false, false));
    let avif = facts(&heif(
        b"avif",
        &Item {
            alpha: true,
            icc: true,
            crop: Some((60, 40)),
            ..Item::default()
        },
    ));
    assert_eq!(
        (avif.format, avif.width, avif.height),
        (Format::Avif, 60, 40)
    );
    assert_eq!((avif.bit_depth, avif.alpha, avif.icc), (10, true, true));
    assert_eq!(avif.colour_model, ColourModel::Ycbcr);
}

#[test]
fn heif_turns_and_mirrors_are_told_as_exif_does() {
    // Quarter turns to the left, then a mirror: 0 top and bottom, 1 left and right.
    let cases = [
        (None, None, 1),
        (None, Some(1), 2),
        (Some(2), None, 3),
        (None, Some(0), 4),
        (Some(1), Some(0), 5),
        (Some(3), None, 6),
        (Some(3), Some(0), 7),
        (Some(1), None, 8),
    ];
    for (rotate, mirror, orientation) in cases {
        let item = Item {
            rotate,
            mirror,
            ..Item::default()
        };
        let facts = facts(&heif(b"heic", &item));
        assert_eq!(facts.orientation, orientation, "{rotate:?} {mirror:?}");
        let shown = if orientation >= 5 { (48, 64) } else { (64, 48) };
        assert_eq!((facts.width, facts.height), shown);
    }
}

#[test]
fn sequences_have_as_many_frames_as_samples() {
    let facts = facts(&avis(10, 7, 12));
    assert_eq!(
        (facts.format, facts.width, facts.height),
        (Format::Avif, 10, 7)
    );
    assert_eq!(
        (facts.frames, facts.animated, facts.bit_depth),
        (12, true, 10)
    );
    let many = probe_slice(&avis(10, 7, u32::MAX), 100).unwrap().0;
    assert_eq!((many.frames, many.frames_exact), (101, false));
}

#[test]
fn what_is_no_image_is_named_for_what_it_looks_like() {
    for (file, looks) in [
        (&b"%PDF-1.7\n"[..], "PDF"),
        (b"PK\x03\x04rest", "ZIP"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "film"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "QuickTime"),
        (b"RIFF\0\0\0\0WAVEfmt ", "AVI or WAV"),
        (
            b"This is a shopping list.\nMilk\n",
            "plain text (\"This is a shopping list.…\")",
        ),
        ("한국어 텍스트".as_bytes(), "plain text (\"한국어 텍스트\")"),
        (b"BMW is not a bitmap", "plain text"),
        (b"\0\0\0\0\0\0", "zeros"),
        (b"\x01\x02\x03\x04", "01 02 03 04"),
    ] {
        let error = error(file);
        assert_eq!(error.name().name, "Image.Unsupported");
        assert!(error.to_string().contains(looks), "{error}");
    }
    assert_eq!(error(b""), HeaderError::Empty);
}

#[test]
fn a_read_that_comes_back_short_means_that_the_file_is_shorter() {
    let file = gif(9, 8, 3);
    let read = |offset: u64, length: u32| -> Result<Vec<u8>, HeaderError> {
        let end = (offset as usize + length as usize).min(file.len());
        Ok(file.get(offset as usize..end).unwrap_or_default().to_vec())
    };
    let (facts, _) = probe_with(1 << 40, 10, read).unwrap();
    assert_eq!((facts.frames, facts.bytes), (3, 1 << 40));
    let gone = probe_with(100, 10, |_, _| Ok::<_, HeaderError>(Vec::new()));
    assert_eq!(gone.unwrap_err(), HeaderError::Empty);
}

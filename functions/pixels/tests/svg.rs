//! Short SVG documents that ask for a great deal. Found by fuzz/pixels/fuzz_targets/svg.rs, or on the way.

#![allow(clippy::unwrap_used)]

use safelight_pixels::{Decoded, Format, Limits, PixelError, decode};

fn drawn(body: &str) -> Result<Decoded, PixelError> {
    let text =
        format!("<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'>{body}</svg>");
    decode(text.as_bytes(), Format::Svg, &Limits::default())
}

fn refused(body: &str, why: &str) {
    let error = drawn(body).unwrap_err();
    assert_eq!(error.name(), "Image.Unsupported", "{error}");
    assert!(error.to_string().contains(why), "{error}");
}

#[test]
fn an_arc_of_endless_curves_is_refused() {
    refused(
        "<path d='M0 0A1e60 1e60 0 1 1 1e60 1e60'/>",
        "lines and curves",
    );
    refused(
        "<path d='M0 0a1e300 1e300 0 1 1 1e300 1e300'/>",
        "lines and curves",
    );
    assert!(drawn("<path d='M0 0A1e6 1e6 0 0 1 90 90'/>").is_ok());
}

#[test]
fn a_shape_that_is_too_far_for_the_renderer_is_refused() {
    refused("<path d='M5 5A4e8 4e8 0 1 1 4e8 0'/>", "ten million");
    refused(
        "<g transform='scale(1e6)'><circle r='99'/></g>",
        "ten million",
    );
    assert!(drawn("<path d='M-1e6 50H1e6' stroke='red'/>").is_ok());
}

#[test]
fn lines_of_too_many_dashes_are_refused() {
    let line = "<path d='M0 9H900000' stroke='red' stroke-dasharray='.5 .5'/>";
    assert!(drawn(line).is_ok());
    refused(&line.repeat(100), "too long to draw");
}

#[test]
fn a_long_path_is_not_used_without_end() {
    let path = "L1 1".repeat(25_000);
    let uses = "<use href='#p'/>".repeat(2_000);
    refused(
        &format!("<path id='p' d='M0 0{path}'/>{uses}"),
        "lines and curves",
    );
}

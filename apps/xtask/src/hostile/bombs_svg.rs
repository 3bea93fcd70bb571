//! Small SVGs that ask for much.

use std::fmt::Write as _;

pub fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("laughs.svg", svg_laughs()),
        ("deep.svg", format!("<svg xmlns='http://www.w3.org/2000/svg'>{}{}</svg>", "<g>".repeat(50_000), "</g>".repeat(50_000)).into_bytes()),
        ("nested.svg", format!("{}{}", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>".repeat(3_000), "</svg>".repeat(3_000)).into_bytes()),
        ("entities.svg", b"<!DOCTYPE svg [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><svg xmlns='http://www.w3.org/2000/svg'><text>&b;</text></svg>".to_vec()),
        ("huge.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'><rect width='1e9' height='1e9'/></svg>".to_vec()),
        ("blur.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9000' height='9000'><filter id='f'><feGaussianBlur stdDeviation='4000'/></filter><rect width='9000' height='9000' filter='url(#f)'/></svg>".to_vec()),
        ("arcs.svg", svg(&"<path d='M0 0A1e60 1e60 0 1 1 1e60 1e60' stroke='red'/>".repeat(9))),
        ("arcs-many.svg", svg(&format!("<path stroke='red' d='M0 0{}'/>", "A3e6 3e6 0 1 1 1 1".repeat(100_000)))),
        ("circles.svg", svg(&"<circle r='1e37' stroke='red'/>".repeat(300))),
        ("clips-in-clips.svg", svg_clips()),
        ("clips-inherited.svg", svg(&format!(
            "<clipPath id='c' clipPathUnits='objectBoundingBox'><path d='M0 0{}'/></clipPath><g clip-path='url(#c)'>{}</g>",
            "L1 1".repeat(50_000), "<path clip-path='inherit' d='M0 0H9V9'/>".repeat(2_000)
        ))),
        ("dashes.svg", svg(&"<path d='M0 9H900000' stroke='red' stroke-dasharray='.5 .5'/>".repeat(2_000))),
        ("dashes-allowed.svg", svg(&"<path d='M0 9H900000' stroke='red' stroke-dasharray='.5 .5'/>".repeat(50))),
        ("path-used.svg", svg(&format!("<path id='p' d='M0 0{}'/>{}", "L1 1".repeat(25_000), "<use href='#p'/>".repeat(9_000)))),
        ("far.svg", svg("<path d='M5 5A4e8 4e8 0 1 1 4e8 0' stroke='red'/>")),
        // Properties of three elements that name each other; of two, and of one, in ways that are easily missed.
        ("circle-of-clips.svg", svg_circle("clipPath", "clip-path", 3)),
        ("circle-of-masks.svg", svg_circle("mask", "mask", 3)),
        ("circle-of-patterns.svg", svg_circle("pattern width='1' height='1'", "fill", 3)),
        ("circle-of-fill-and-stroke.svg", svg(
            "<pattern id='a' width='1' height='1'><path stroke='url(#b)' d='M0 0H1V1'/></pattern>\
             <pattern id='b' width='1' height='1'><path fill='url(#a)' d='M0 0H1V1'/></pattern><path fill='url(#a)' d='M0 0H9V9'/>",
        )),
        ("circle-inherited.svg", svg(
            "<g fill='url(#a)'><pattern id='a' width='1' height='1'><path d='M0 0H1V1'/></pattern></g><path fill='url(#a)' d='M0 0H9V9'/>",
        )),
        ("circle-of-pictures.svg", svg(
            "<filter id='a'><feImage href='#b'/></filter><filter id='c'><feImage href='#d'/></filter>\
             <path id='b' filter='url(#c)' d='M0 0H9V9'/><path id='d' filter='url(#a)' d='M0 0H9V9'/>",
        )),
        ("rules-descend.svg", svg(&format!("<style>q{}{{fill:red}}</style>{}", " *".repeat(9), "<g>".repeat(100) + &"</g>".repeat(100)))),
        ("rules-follow.svg", svg(&format!("<style>{}*{{fill:red}}</style>{}", "*+".repeat(90_000), "<g/>".repeat(90_000)))),
        ("rules-many.svg", svg(&format!("<style>{}</style>{}", ".a{fill:red}".repeat(20_000), "<g/>".repeat(90_000)))),
        ("rules-many-allowed.svg", svg(&format!("<style>{}</style>{}", ".a{fill:red}".repeat(10_000), "<g class='a'/>".repeat(900)))),
        ("rules-multiplied.svg", svg(&format!("<style>{}a{{{}}}</style>", "a,".repeat(90_000), "b:c;".repeat(90_000)))),
        ("rules-multiplied-allowed.svg", svg(&format!("<style>{}a{{{}}}</style>", "a,".repeat(2_800), "b:c;".repeat(2_800)))),
        ("rules-of-clips.svg", svg(&svg_rules())),
        ("rules-of-long-values.svg", svg(&format!("<style>*{{font-family:{}}}</style>{}", "a".repeat(1_000_000), "<g/>".repeat(90_000)))),
        ("classes.svg", svg(&format!("<style>{}</style><g class='{}'/>", ".a{fill:red}".repeat(20_000), "b ".repeat(900_000)))),
        ("attributes.svg", svg(&format!("<g{}/>", each(900_000, |number| format!(" a{number}=''"))))),
        ("attributes-allowed.svg", svg(&format!("<g{}/>", each(490, |number| format!(" a{number}=''"))).repeat(2_000))),
        ("namespaces.svg", svg(&each(60_000, |number| format!("<g xmlns:a{number}=''>")))),
        ("stops.svg", svg(&format!("<linearGradient id='p'>{}</linearGradient><g fill='url(#p)'>{}</g>", svg_stops(20_000), "<path d='M0 0H9V9'/>".repeat(20_000)))),
        ("stops-allowed.svg", svg(&format!("<linearGradient id='p'>{}</linearGradient><g fill='url(#p)'>{}</g>", svg_stops(4_000), "<path d='M0 0H9V9'/>".repeat(3_000)))),
        ("dashes-inherited.svg", svg(&format!("<g stroke='red' stroke-dasharray='{}'>{}</g>", "1 ".repeat(500_000), "<path d='M0 0H9V9'/>".repeat(90_000)))),
        ("dashes-inherited-allowed.svg", svg(&format!("<g stroke='red' stroke-dasharray='{}'>{}</g>", "1 ".repeat(10_000), "<path d='M0 0H9V9'/>".repeat(3_000)))),
        ("filters-in-a-list.svg", svg(&format!("<g filter='{}'/>", "blur(1)".repeat(1_000_000)))),
        ("parts-of-a-filter.svg", svg(&format!("<filter id='f'>{}</filter><path filter='url(#f)' d='M0 0H9V9'/>", "<feOffset in='x'/>".repeat(200_000)))),
        ("texts-referred.svg", svg(&format!("<g id='t'>{}</g><text>{}</text>", "a".repeat(1_000_000), "<tref href='#t'/>".repeat(9_000)))),
        // Found by a review of the guards against the library.
        ("circle-in-another-namespace.svg", svg(&format!(
            "<g xmlns:q='urn:q'>{}</g>",
            each(3, |number| format!(
                "<pattern id='p{number}' width='9' height='9'><use href='#x{}'/></pattern>\
                 <path q:id='x{number}' fill='url(#p{number})' d='M0 0H9V9'/>",
                (number + 1) % 3
            ))
        ))),
        ("circle-of-importance.svg", svg(&format!(
            "{}<path fill='url(#p0)' d='M0 0H9V9'/>",
            each(3, |number| format!(
                "<g style='fill:url(#p{})!important'><pattern id='p{number}' width='9' height='9'>\
                 <path fill='inherit' style='fill:red' d='M0 0H9V9'/></pattern></g>",
                (number + 1) % 3
            ))
        ))),
        ("circle-of-filters.svg", svg(&each(3, |number| format!(
            "<filter id='f{number}'><feImage href='#g{number}'/></filter>\
             <g id='g{number}' filter='url (#f{})'><path d='M0 0H9V9'/></g>",
            (number + 1) % 3
        )))),
        ("infinite-turbulence.svg", svg("<filter id='f'><feTurbulence baseFrequency='1e39'/></filter><path filter='url(#f)' d='M0 0H9V9'/>")),
        ("infinite-radius.svg", svg("<filter id='f'><feMorphology radius='1e39'/></filter><path filter='url(#f)' d='M0 0H9V9'/>")),
        ("declarations.svg", svg(&format!("<style>a{{{}}}</style>", "a:b;".repeat(100_000)))),
        ("declarations-of-an-element.svg", svg(&format!("<g style='{}'/>", "a:b;".repeat(100_000)))),
        ("styles.svg", svg(&format!("<style>{}a{{{}}}</style>", "a,".repeat(1_900), "b:c;".repeat(1_900)).repeat(50))),
        ("names-in-common.svg", svg(&format!("{}<g style='marker:url(#x)'>{}</g>", "<g id='x'/>".repeat(90_000), "<path d='M0 0H9'/>".repeat(90_000)))),
        ("markers-in-markers.svg", svg(&each(20, |number| format!(
            "<marker id='m{number}'>{}</marker>",
            each(20, |other| format!("<path marker-start='url(#m{other})' d='M0 0H9'/>"))
        )))),
        ("picture-in-a-filter.svg", svg(&format!(
            "<defs><g id='g'>{}</g></defs><filter id='f'><feImage href='#g'/></filter><path filter='url(#f)' d='M0 0H99V99H0'/>",
            "<g opacity='.5'><path d='M0 0H2000V2000H0'/></g>".repeat(90_000)
        ))),
        ("pattern-in-a-filter.svg", svg(
            "<defs><pattern id='p' width='30000' height='30000' patternUnits='userSpaceOnUse'><path d='M0 0H30000V30000H0'/></pattern>\
             <path id='g' fill='url(#p)' d='M0 0H9V9'/></defs><filter id='f'><feImage href='#g'/></filter><path filter='url(#f)' d='M0 0H9V9'/>",
        )),
        ("merge.svg", large(&format!(
            "<filter id='f'><feMerge>{}</feMerge></filter><path filter='url(#f)' d='M0 0H2000V2000H0'/>",
            "<feMergeNode in='SourceGraphic'/>".repeat(10_000)
        ))),
        ("layers-of-clips.svg", large(&format!(
            "{}<clipPath id='c60'><path d='M0 0H1V1'/></clipPath><path clip-path='url(#c0)' d='M0 0H2000V2000H0'/>",
            each(60, |number| {
                let side = if number == 0 { 2_000 } else { 1 };
                format!("<clipPath id='c{number}'><path clip-path='url(#c{})' d='M0 0H{side}V{side}H0'/></clipPath>", number + 1)
            })
        ))),
        ("lines-that-cross.svg", large(&format!("<path d='{}'/>", each(90_000, |number| {
            let x = f64::from(number) / 45.0;
            format!("M{x:.2} 0L{:.2} 2000", 2_000.0 - x)
        })))),
        ("gradients-over-all.svg", large(&format!(
            "<radialGradient id='p'><stop/><stop offset='1' stop-color='red'/></radialGradient><g fill='url(#p)'>{}</g>",
            "<path d='M0 0H2000V2000H0'/>".repeat(9_000)
        ))),
        ("dashes-of-bends.svg", svg(&format!("<path stroke='red' stroke-dasharray='1e9' d='M0 0{}'/>", "C9e6 0 0 9e6 9 9".repeat(90_000)))),
        ("long-value-inherited.svg", svg(&format!("<g stroke-width='{}'>{}</g>", "a".repeat(1_000_000), "<path d='M0 0H9V9'/>".repeat(90_000)))),
        ("texts.svg", svg(&format!("<text><tspan xml:space='preserve'>{}x</tspan>{}</text>", " ".repeat(1_000_000), " <tspan> </tspan>".repeat(90_000)))),
        ("gradients-copied.svg", svg(&format!(
            "<linearGradient id='p'><stop/><stop offset='1' stop-color='red'/></linearGradient><g fill='url(#p)'>{}</g>",
            "<path d='M0 0H9V9'/>".repeat(200_000)
        ))),
        ("gradients-copied-allowed.svg", svg(&format!(
            "<linearGradient id='p'><stop/><stop offset='1' stop-color='red'/></linearGradient><g fill='url(#p)'>{}</g>",
            "<path d='M0 0H9V9'/>".repeat(49_000)
        ))),
        ("pattern-borrowed.svg", svg(&format!(
            "<pattern id='p' width='9' height='9'>{0}</pattern><defs><g id='g'>{1}</g></defs><use href='#g' fill='url(#p)'/>",
            "<path d='M0 0H9V9'/>".repeat(9_000), "<path fill='context-fill' d='M0 0H9V9'/>".repeat(9_000)
        ))),
    ]
}

fn svg(body: &str) -> Vec<u8> {
    format!("<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'>{body}</svg>")
        .into_bytes()
}

fn svg_laughs() -> Vec<u8> {
    let mut text = "<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'><rect id='a0' width='1' height='1'/>".to_owned();
    for level in 1..30 {
        let uses = format!("<use href='#a{}'/>", level - 1).repeat(10);
        // Writing to a String does not fail.
        let _ = write!(text, "<g id='a{level}'>{uses}</g>");
    }
    text.push_str("<use href='#a29'/></svg>");
    text.into_bytes()
}

/// So many elements of a kind, each with a shape whose property names the next one; the last, the first.
fn svg_circle(kind: &str, property: &str, count: u32) -> Vec<u8> {
    let name = kind.split(' ').next().unwrap_or_default();
    let links = each(count, |number| {
        let next = (number + 1) % count;
        format!("<{kind} id='c{number}'><path {property}='url(#c{next})' d='M0 0H1V1'/></{name}>")
    });
    svg(&format!(
        "{links}<path {property}='url(#c0)' d='M0 0H9V9'/>"
    ))
}

/// Clips of ten shapes, each clipped by the next, eight deep, by rules.
fn svg_rules() -> String {
    let rules = each(8, |level| format!(".a{level}{{clip-path:url(#c{level})}}"));
    let clips = each(8, |level| {
        let shapes = format!("<path class='a{}' d='M0 0H1V1'/>", level + 1).repeat(10);
        format!("<clipPath id='c{level}' clipPathUnits='objectBoundingBox'>{shapes}</clipPath>")
    });
    format!("<style>{rules}</style>{clips}<path class='a0' d='M0 0H9V9'/>")
}

fn svg_stops(count: u32) -> String {
    each(count, |number| {
        format!("<stop offset='{}'/>", f64::from(number) / f64::from(count))
    })
}

/// So many pieces of text, one after the other.
fn each(count: u32, write: impl Fn(u32) -> String) -> String {
    (0..count).map(write).collect::<Vec<_>>().concat()
}

/// Clips of ten shapes, each clipped by the next, seven deep.
fn svg_clips() -> Vec<u8> {
    let clip = |level: usize| {
        let shape = format!("<path clip-path='url(#c{})' d='M0 0H1V1'/>", level + 1);
        let shapes = shape.repeat(10);
        format!("<clipPath id='c{level}' clipPathUnits='objectBoundingBox'>{shapes}</clipPath>")
    };
    let clips = (0..7).map(clip).collect::<Vec<_>>().concat();
    svg(&format!("{clips}<path clip-path='url(#c0)' d='M0 0H9V9'/>"))
}

fn large(body: &str) -> Vec<u8> {
    format!("<svg xmlns='http://www.w3.org/2000/svg' width='2000' height='2000'>{body}</svg>")
        .into_bytes()
}

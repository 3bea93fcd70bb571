//! What documents are refused for, and that what is not refused has an end.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

pub(in crate::decode) fn checked(body: &str) -> Result<(), PixelError> {
    let text = format!("<svg xmlns='http://www.w3.org/2000/svg'>{body}</svg>");
    check(&Document::parse(&text).unwrap(), &Limits::default())
}

#[test]
fn a_path_counts_as_often_as_it_is_used() {
    let path = "L1 1".repeat(25_000);
    let used = |times| {
        let uses = "<use href='#p'/>".repeat(times);
        checked(&format!("<path id='p' d='M0 0{path}'/>{uses}"))
    };
    assert!(used(10).is_ok());
    let error = used(2_000).unwrap_err();
    assert_eq!(error.name(), "Image.Unsupported");
    assert!(error.to_string().contains("5000000"), "{error}");
}

#[test]
fn a_clip_counts_where_it_clips() {
    let outline = "L1 1".repeat(50_000);
    let clip = format!("<clipPath id='c'><path d='M0 0{outline}'/></clipPath>");
    let shapes = "<path d='M0 0H9'/>".repeat(2_000);
    let group = format!("{clip}<g clip-path='url(#c)'>{shapes}</g>");
    assert!(checked(&group).is_ok(), "once, though of many shapes");
    let each = format!("{clip}{}", shapes.replace("d=", "clip-path='url(#c)' d="));
    assert!(checked(&each).is_err());
    for rule in ["clip-path: url(#c)", "mask : url( '#c' )"] {
        let rules = format!("<style>path {{ {rule} }}</style>{clip}{shapes}");
        assert!(checked(&rules).is_err(), "{rule}");
    }
    let inherits = format!("<style>path {{ clip-path: inherit }}</style>{group}");
    assert!(checked(&inherits).is_err());
    for rule in ["fill: url(#none)", "fill: inherit"] {
        let rules = format!("<style>path {{ {rule} }}</style>{clip}{shapes}");
        assert!(checked(&rules).is_ok(), "{rule}");
    }
    for stated in ["clip-path='inherit'", "style='fill:none;clip-path:inherit'"] {
        let each = group.replace("path d='M0 0H9'", &format!("path {stated} d='M0 0H9'"));
        assert!(checked(&each).is_err(), "{stated}");
    }
}

#[test]
fn what_is_named_by_what_is_named_counts_each_time() {
    let nested = |levels: usize| {
        let clips = (0..levels).map(|level| {
            let clipped = format!("<path clip-path='url(#c{})' d='M0 0H9'/>", level + 1);
            format!("<clipPath id='c{level}'>{}</clipPath>", clipped.repeat(10))
        });
        let clips = clips.collect::<Vec<_>>().concat();
        checked(&format!("{clips}<path clip-path='url(#c0)' d='M0 0H9'/>"))
    };
    assert!(nested(3).is_ok());
    assert!(nested(7).is_err());
    let corners = "L1 1".repeat(200);
    let markers = (0..4).map(|level| {
        format!(
            "<marker id='m{level}'><path marker-mid='url(#m{})' d='M0 0{corners}'/></marker>",
            level + 1
        )
    });
    assert!(checked(&markers.collect::<Vec<_>>().concat()).is_err());
    // Each of a shape's markers by its own corners, not by those of the others.
    let three = "<marker id='m'><path d='M0 0{corners}'/></marker><path marker-start='url(#m)' \
        marker-mid='url(#m)' marker-end='url(#m)' d='M0 0{corners}'/>";
    assert!(checked(&three.replace("{corners}", &corners)).is_ok());
}

#[test]
fn a_marker_counts_at_each_corner_of_what_is_used() {
    let marked = |times| {
        let uses = "<use href='#p'/>".repeat(times);
        let marker = "<marker id='m'><rect width='9' height='9'/></marker>";
        let path = "L1 1".repeat(1_000);
        checked(&format!(
            "{marker}<path id='p' marker-mid='url(#m)' d='M0 0{path}'/>{uses}"
        ))
    };
    assert!(marked(10).is_ok());
    let error = marked(1_000).unwrap_err();
    assert!(error.to_string().contains("markers"), "{error}");
}

#[test]
fn a_circle_is_refused_however_it_closes() {
    let shape = |stated: &str| format!("<path {stated} d='M0 0H9V9'/>");
    // Two links of a chain, by name, that refer to each other; and what refers to the first.
    let circle = |link: fn(&str, &str) -> String, from: &str| {
        format!("{}{}{from}", link("a", "b"), link("b", "a"))
    };
    let clip = |id: &str, to: &str| {
        format!("<clipPath id='{id}'><path clip-path='url(#{to})' d='M0 0H9V9'/></clipPath>")
    };
    let clipped = |id: &str, to: &str| {
        format!("<clipPath id='{id}' clip-path='url(#{to})'><path d='M0 0H9V9'/></clipPath>")
    };
    let mask = |id: &str, to: &str| {
        format!("<mask id='{id}'><path style='mask:url(\"#{to}\")' d='M0 0H9V9'/></mask>")
    };
    let pattern = |id: &str, to: &str| {
        format!("<pattern id='{id}'><use href='#s' fill='url(#{to}) red'/></pattern>")
    };
    let image = |id: &str, to: &str| {
        format!(
            "<filter id='{id}'><feImage href='#i{id}'/></filter><g id='i{id}' filter='blur(1) url(#{to})'/>"
        )
    };
    for circle in [
        circle(clip, &shape("clip-path='url(#a)'")),
        circle(clipped, &shape("clip-path='url(#a)'")),
        circle(mask, &shape("mask='url(#a)'")),
        circle(pattern, &shape("id='s'")),
        circle(image, ""),
        format!("<style>.c{{mask:url(#a)}}</style><mask id='a'>{}</mask>", shape("class='c'")),
        format!("<g fill='url(#a)'><pattern id='a'>{}</pattern></g>{0}", shape("fill='url(#a)'")),
        format!("<g fill='url(#a)'><g><pattern id='a'>{}</pattern></g>{0}</g>", shape("fill='inherit'")),
        // The library's `use` takes names of any namespace, its filters a space before the bracket.
        "<g xmlns:q='urn:q'><pattern id='p'><use href='#x'/></pattern><path q:id='x' fill='url(#p)' d='M0 0H9V9'/></g>".to_owned(),
        "<filter id='f'><feImage href='#g'/></filter><g id='g' filter='url (#f)'/>".to_owned(),
        // What is inherited is as important as it was.
        format!("<g style='fill:url(#p)!important'><pattern id='p'>{}</pattern></g>", shape("fill='inherit' style='fill:red'")),
        "<g id='a'><use href='#b'/></g><g id='b'><use href='#c'/></g><g id='c'><use href='#a'/></g>".to_owned(),
    ] {
        let error = checked(&circle).expect_err(&circle);
        assert!(error.to_string().contains("circle"), "{circle}: {error}");
    }
    for harmless in [
        // A rule for all paths is one for those of the marker too.
        format!("<style>path{{marker-start:url(#a);marker-end:url(#b)}}</style><marker id='a'>{0}</marker><marker id='b'>{0}</marker>{0}", shape("")),
        format!("<g fill='url(#a)'><pattern id='a'>{}</pattern></g>", shape("fill='red'")),
        "<linearGradient id='a' href='#b'/><linearGradient id='b' href='#a'/><path fill='url(#a)' d='M0 0H9'/>".to_owned(),
        "<g xmlns='http://www.w3.org/2000/svg' id='a'><use href='#a'/></g>".to_owned(),
    ] {
        assert!(checked(&harmless).is_ok(), "{harmless}: {:?}", checked(&harmless));
    }
}

#[test]
fn what_is_inherited_counts_where_it_is_painted() {
    let paths = |count| "<path d='M0 0H9V9'/>".repeat(count);
    let pattern = format!("<pattern id='p'>{}</pattern>", paths(1_000));
    let painted =
        |stated: &str, count| checked(&format!("{pattern}<g {stated}>{}</g>", paths(count)));
    painted("fill='url(#p)'", 400).unwrap();
    for stated in [
        "fill='url(#p)'",
        "stroke='url( \"#p\" )'",
        "style='fill:url(#p)!important;fill:red'",
    ] {
        assert!(painted(stated, 1_100).is_err(), "{stated}");
    }
    assert!(painted("fill='url(#p)' style='fill:red'", 1_100).is_ok());
    let stops = format!(
        "<linearGradient id='p'>{}</linearGradient>",
        "<stop/>".repeat(1_000)
    );
    let shaded = |count| checked(&format!("{stops}<g fill='url(#p)'>{}</g>", paths(count)));
    assert!(shaded(10_000).is_ok());
    assert!(shaded(20_000).is_err());
    let dashes = "1 ".repeat(10_000);
    let broken = |count| {
        checked(&format!(
            "<g stroke-dasharray='{dashes}'>{}</g>",
            paths(count)
        ))
    };
    assert!(broken(2_000).is_ok());
    assert!(broken(4_000).is_err());
}

#[test]
fn rules_may_not_be_matched_without_end() {
    let groups = |deep| format!("{}{}", "<g>".repeat(deep), "</g>".repeat(deep));
    let ruled = |rules: &str, body: &str| checked(&format!("<style>{rules}</style>{body}"));
    let descends = format!("q {}{{fill:red}}", "* ".repeat(8));
    assert!(ruled(&descends, &groups(9)).is_ok());
    assert!(ruled(&descends, &groups(100)).is_err());
    let many = ".a{fill:red}".repeat(20_000);
    assert!(ruled(&many, &"<g/>".repeat(1_000)).is_ok());
    assert!(ruled(&many, &"<g/>".repeat(20_000)).is_err());
    assert!(
        ruled(
            &format!("{}*{{fill:red}}", "*+".repeat(9_000)),
            &"<g/>".repeat(9_000)
        )
        .is_err()
    );
    // Each selector has a copy of the declarations, whatever a brace in a string looks like.
    let product = |brace| format!("{}a{{{brace}{}}}", "a,".repeat(9_000), "b:c;".repeat(9_000));
    assert!(ruled(&product(""), "").is_err());
    assert!(ruled(&product("b:'}{';"), "").is_err());
    let long = format!("*{{font-family:{}}}", "a".repeat(100_000));
    assert!(ruled(&long, &"<g/>".repeat(100)).is_ok());
    assert!(ruled(&long, &"<g/>".repeat(3_000)).is_err());
    // The parser counts lines at the end of each declaration.
    assert!(ruled(&format!("a{{{}}}", "a:b;".repeat(5_000)), "").is_ok());
    assert!(ruled(&format!("a{{{}}}", "a:b;".repeat(50_000)), "").is_err());
    let styled = |count| checked(&format!("<g style='{}'/>", "a:b;".repeat(count)));
    assert!(styled(1_000).is_ok());
    assert!(styled(50_000).is_err());
}

#[test]
fn a_filter_may_not_look_for_its_parts_without_end() {
    let filter = |parts| format!("<filter>{}</filter>", "<feOffset in='x'/>".repeat(parts));
    assert!(checked(&filter(10_000)).is_ok());
    assert!(checked(&filter(20_000)).is_err());
}

#[test]
fn a_long_value_counts_for_each_that_reads_it() {
    let value = "a".repeat(1_000_000);
    let inherited = |paths| {
        checked(&format!(
            "<g stroke-width='{value}'>{}</g>",
            "<path d='M0 0H9'/>".repeat(paths)
        ))
    };
    assert!(inherited(100).is_ok());
    assert!(inherited(5_000).is_err());
    let texts = |count| {
        let empty = " <tspan> </tspan>".repeat(count);
        checked(&format!("<text><tspan>{value}</tspan>{empty}</text>"))
    };
    assert!(texts(10).is_ok());
    assert!(texts(10_000).is_err());
}

#[test]
fn a_number_that_is_infinite_to_the_library_is_refused() {
    for name in ["baseFrequency", "radius"] {
        for (value, whole) in [
            ("1e8", true),
            ("1 2", true),
            ("1 1e39", false),
            ("-1e39", false),
        ] {
            let checked = checked(&format!("<feMorphology {name}='{value}'/>"));
            assert_eq!(checked.is_ok(), whole, "{name} {value}");
        }
    }
}

#[test]
fn the_bends_of_dashed_curves_are_measured_in_little_memory() {
    let curves = |stated: &str, count| {
        let curves = "C9e6 0 0 9e6 9 9".repeat(count);
        checked(&format!("<path {stated} d='M0 0{curves}'/>"))
    };
    assert!(curves("stroke-dasharray='9'", 10).is_ok());
    assert!(curves("stroke-dasharray='9'", 9_000).is_err());
    assert!(curves("", 9_000).is_ok());
}

#[test]
fn a_pattern_counts_for_each_that_borrows_it() {
    let pattern = format!(
        "<pattern id='p'>{}</pattern>",
        "<path d='M0 0H9'/>".repeat(1_000)
    );
    let borrowed = |count| {
        let paths = "<path fill='context-fill' d='M0 0H9'/>".repeat(count);
        checked(&format!(
            "{pattern}<g id='g'>{paths}</g><use href='#g' fill='url(#p)'/>"
        ))
    };
    assert!(borrowed(100).is_ok());
    assert!(borrowed(1_000).is_err());
}

#[test]
fn of_elements_with_one_name_each_counts() {
    let clip = |count| {
        format!(
            "<clipPath id='c'>{}</clipPath>",
            "<path d='M0 0H9'/>".repeat(count)
        )
    };
    let clipped = "<path clip-path='url(#c)' d='M0 0H9'/>".repeat(3_000);
    for clips in [[1, 1_000], [1_000, 1]] {
        let clips = clips.map(clip).concat();
        assert!(checked(&format!("{clips}{clipped}")).is_err());
    }
}

/// An element of a random document: its kind, its parent among those before it, what it refers to, and how.
type Part = (usize, usize, u8, u8, usize);

/// A document of random elements that refer to each other.
fn random(parts: &[Part], rules: &[(usize, usize, usize)]) -> String {
    const KINDS: [&str; 12] = [
        "clipPath", "mask", "pattern", "marker", "filter", "path", "path", "path", "path", "g",
        "use", "feImage",
    ];
    let mut children = vec![Vec::new(); parts.len() + 1];
    for (number, part) in parts.iter().enumerate() {
        children[part.1 % (number + 1)].push(number);
    }
    let write = |number: usize, inner: String| {
        let (kind, _, to, other, how) = parts[number];
        let kind = KINDS[kind % KINDS.len()];
        // Some names are of nothing, and some of two elements.
        let target = |number: u8| format!("i{}", number % 6);
        let (to, other) = (target(to), target(other));
        let property = Property::ALL[how % 8].name();
        let value = match how / 8 % 5 {
            0 => "inherit".to_owned(),
            1 => format!("url('#{to}')"),
            2 => "none".to_owned(),
            3 => format!("url (#{to})"),
            _ => format!("url(#{to})"),
        };
        let important = if how % 7 == 0 { "!important" } else { "" };
        let stated = match how / 40 % 4 {
            0 => format!(
                "{property}='inherit' style='{property}:{}{important}'",
                value.replace('\'', "\"")
            ),
            1 => format!("{property}=\"{value}\""),
            2 => format!("class='c{}'", number % 4),
            _ => String::new(),
        };
        let href = match kind {
            "use" | "feImage" => format!("href='#{other}'"),
            "pattern" | "filter" if how % 9 == 0 => {
                format!("href='#{other}'")
            }
            _ => String::new(),
        };
        format!(
            "<{kind} {}id='i{}' {stated} {href} width='9' height='9' d='M0 0H5V5L9 9'>{inner}</{kind}>",
            if number % 4 == 3 { "q:" } else { "" },
            number % 5
        )
    };
    let mut written = vec![String::new(); parts.len()];
    for number in (0..parts.len()).rev() {
        let inner = children[number + 1]
            .iter()
            .map(|child| written[*child].as_str());
        written[number] = write(number, inner.collect());
    }
    let rules = rules.iter().map(|(class, property, to)| {
        let property = Property::ALL[property % 8].name();
        format!(".c{} {{ {property}: url(#i{}) }}", class % 4, to % 6)
    });
    let rules = rules.collect::<Vec<_>>().concat();
    let root = children[0].iter().map(|child| written[*child].as_str());
    format!(
        "<svg xmlns='http://www.w3.org/2000/svg' xmlns:q='urn:q' width='9' height='9'><style>{rules}</style>{}</svg>",
        root.collect::<String>()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// A circle that the library follows without end would end the process.
    #[test]
    fn what_is_not_refused_has_an_end(
        parts in vec((0..12usize, 0..12usize, 0..9u8, 0..9u8, 0..160usize), 1..14),
        rules in vec((0..4usize, 0..8usize, 0..9usize), 0..3),
    ) {
        let _ = crate::decode(random(&parts, &rules).as_bytes(), FORMAT, &Limits::default());
    }
}

//! Which part of a picture becomes how large.

use safelight_pixels::Area;

use crate::settings::{Fit, Settings, Size};

/// What is to be made of an upright picture.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// Name of the file, without its extension.
    pub(crate) name: String,
    /// Which part, in pixels of the upright picture.
    pub(crate) area: Area,
    /// Its width afterwards.
    pub(crate) width: u32,
    /// Its height afterwards.
    pub(crate) height: u32,
    /// Size of the ground that it lies on, where there is one.
    pub(crate) ground: Option<(u32, u32)>,
}

impl Plan {
    /// Whether the result may have more pixels than the picture: it is enlarged, or lies on a ground.
    pub(crate) fn grows(&self) -> bool {
        let enlarged =
            f64::from(self.width) > self.area.width || f64::from(self.height) > self.area.height;
        enlarged || self.ground.is_some()
    }

    /// Size of the file's picture.
    pub(crate) fn size(&self) -> (u32, u32) {
        self.ground.unwrap_or((self.width, self.height))
    }
}

/// Every picture that the settings ask for, of an upright picture of this size.
pub(crate) fn plans(source: (u32, u32), settings: &Settings) -> Vec<Plan> {
    if settings.sizes.is_empty() {
        let side = |side: u32| rounded(f64::from(side) * settings.scale);
        return vec![Plan {
            name: "thumbnail".to_owned(),
            area: Area::whole(source.0, source.1),
            width: side(source.0),
            height: side(source.1),
            ground: None,
        }];
    }
    let of = |size: &Size| {
        plan(
            source,
            size,
            size.fit.unwrap_or(settings.fit),
            settings.enlarge,
        )
    };
    settings.sizes.iter().map(of).collect()
}

/// Rounded half up, at least one pixel.
fn rounded(side: f64) -> u32 {
    ((side + 0.5).floor() as u32).max(1)
}

fn plan((width, height): (u32, u32), size: &Size, fit: Fit, enlarge: bool) -> Plan {
    let (w, h) = (f64::from(width), f64::from(height));
    let across = size.width.map(|wanted| f64::from(wanted) / w);
    let down = size.height.map(|wanted| f64::from(wanted) / h);
    let held = |scale: f64| if enlarge { scale } else { scale.min(1.0) };
    let both = across.zip(down);
    let mut area = Area::whole(width, height);
    let scale = match (fit, both) {
        (Fit::Cover, Some((across, down))) => {
            let fills = across.max(down);
            area.width = (f64::from(size.width.unwrap_or(width)) / fills).min(w);
            area.height = (f64::from(size.height.unwrap_or(height)) / fills).min(h);
            area.left = (w - area.width) / 2.0;
            area.top = (h - area.height) / 2.0;
            held(fills)
        }
        _ => held(both.map_or_else(
            || across.or(down).unwrap_or(1.0),
            |(across, down)| across.min(down),
        )),
    };
    Plan {
        name: size.name.clone(),
        width: rounded(area.width * scale),
        height: rounded(area.height * scale),
        area,
        ground: size.width.zip(size.height).filter(|_| fit == Fit::Pad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_round_half_up() {
        // Invariant 1.
        let of = |side: u32, scale: f64| {
            let settings = Settings {
                scale,
                ..Settings::default()
            };
            plans((side, side), &settings)[0].width
        };
        assert_eq!(
            [1, 2, 3, 4, 5, 101].map(|side| of(side, 0.5)),
            [1, 1, 2, 2, 3, 51]
        );
        assert_eq!((of(7, 1.0), of(1, 0.01)), (7, 1));
    }

    fn fitted(source: (u32, u32), fit: Fit, enlarge: bool) -> Plan {
        let size = Size {
            name: "a".to_owned(),
            width: Some(100),
            height: Some(100),
            fit: None,
        };
        plan(source, &size, fit, enlarge)
    }

    #[test]
    fn boxes_are_filled_as_asked() {
        let sizes = |plan: &Plan| (plan.width, plan.height);
        assert_eq!(sizes(&fitted((400, 200), Fit::Contain, false)), (100, 50));
        assert_eq!(sizes(&fitted((40, 20), Fit::Contain, false)), (40, 20));
        assert_eq!(sizes(&fitted((40, 20), Fit::Contain, true)), (100, 50));
        let padded = fitted((400, 200), Fit::Pad, false);
        assert_eq!((sizes(&padded), padded.size()), ((100, 50), (100, 100)));
        let cover = fitted((400, 200), Fit::Cover, false);
        assert_eq!(sizes(&cover), (100, 100));
        assert_eq!((cover.area.left, cover.area.width), (100.0, 200.0));
        // The box has another shape than the picture: what is cut out keeps the box's.
        assert_eq!(sizes(&fitted((40, 20), Fit::Cover, false)), (20, 20));
        assert_eq!(sizes(&fitted((40, 20), Fit::Cover, true)), (100, 100));
    }

    #[test]
    fn one_side_is_enough() {
        let size = Size {
            name: "a".to_owned(),
            width: None,
            height: Some(30),
            fit: None,
        };
        let plan = plan((400, 300), &size, Fit::Contain, false);
        assert_eq!((plan.width, plan.height, plan.grows()), (40, 30, false));
    }
}

//! Markers of the timeline: each has a shape of its own beside its colour.

use maud::{Markup, html};

use super::super::marks::Mark;

impl Mark {
    /// Class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Cause => "m-cause",
            Self::Failure => "m-failure",
            Self::Teardown => "m-teardown",
            Self::Progress => "m-progress",
            Self::Success => "m-success",
            Self::Warning => "m-warning",
        }
    }

    /// The marker around a point, within `r` of it: cross, triangle, square, bar, disc, diamond.
    pub(super) fn draw(self, x: f64, y: f64, r: f64) -> Markup {
        let class = self.class();
        let points = |list: &[(f64, f64)]| {
            list.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx * r, y + dy * r)).collect::<Vec<_>>().join(" ")
        };
        let at = |number: f64| format!("{number:.1}");
        html! {
            @match self {
                Self::Cause => path class=(class) d=(format!("M{:.1} {:.1}L{:.1} {:.1}M{:.1} {:.1}L{:.1} {:.1}",
                    x - r, y - r, x + r, y + r, x + r, y - r, x - r, y + r)) {},
                Self::Failure => polygon class=(class) points=(points(&[(0.0, -1.0), (1.0, 0.8), (-1.0, 0.8)])) {},
                Self::Teardown => rect class=(class) x=(at(x - 0.8 * r)) y=(at(y - 0.8 * r)) width=(at(1.6 * r)) height=(at(1.6 * r)) {},
                Self::Progress => rect class=(class) x=(at(x - 0.3 * r)) y=(at(y - r)) width=(at(0.6 * r)) height=(at(2.0 * r)) {},
                Self::Success => circle class=(class) cx=(at(x)) cy=(at(y)) r=(at(0.9 * r)) {},
                Self::Warning => polygon class=(class) points=(points(&[(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)])) {},
            }
        }
    }
}

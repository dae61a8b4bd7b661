//! Colours and markers that stay apart, for the colour-blind too, on light and on dark.

use plotters::style::RGBColor;

use super::canvas::Shape;

/// A colour on light ground, and the one that takes its place on dark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ink {
    light: (u8, u8, u8),
    dark: (u8, u8, u8),
}

const fn ink(light: u32, dark: u32) -> Ink {
    const fn parts(hex: u32) -> (u8, u8, u8) {
        ((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
    }
    Ink { light: parts(light), dark: parts(dark) }
}

/// The five strong colours of Okabe and Ito, and seven found by search so that no two come nearer to each other than those
/// do to any eye; the dark ones likewise. See the test.
pub(super) const INKS: [Ink; 12] = [
    ink(0x0072B2, 0x4787BB),
    ink(0xD55E00, 0xDE906F),
    ink(0x009E73, 0x75E38E),
    ink(0xCC79A7, 0x95668C),
    ink(0xE69F00, 0xA9862B),
    ink(0x8C48F5, 0x7B5BF0),
    ink(0x2C2239, 0xACA2BE),
    ink(0xB44B33, 0xDD6C84),
    ink(0x0C039D, 0x8C9BEC),
    ink(0x655A81, 0xE7DCEF),
    ink(0x571B6B, 0xE1B9D7),
    ink(0x40489A, 0xBAB2FC),
];

impl Ink {
    /// On light ground.
    pub(super) fn color(self) -> RGBColor {
        RGBColor(self.light.0, self.light.1, self.light.2)
    }

    /// The style rule that puts the dark colour in the place of the light one.
    pub(super) fn dark_rule(self) -> String {
        let hex = |(r, g, b): (u8, u8, u8)| format!("#{r:02X}{g:02X}{b:02X}");
        let (light, dark) = (hex(self.light), hex(self.dark));
        format!("[fill=\"{light}\"] {{ fill: {dark} }} [stroke=\"{light}\"] {{ stroke: {dark} }}\n")
    }
}

const SQUARE: &[(i32, i32)] = &[(-4, -4), (4, -4), (4, 4), (-4, 4)];
const DIAMOND: &[(i32, i32)] = &[(0, -5), (5, 0), (0, 5), (-5, 0)];
const UP: &[(i32, i32)] = &[(-5, 4), (5, 4), (0, -5)];
const DOWN: &[(i32, i32)] = &[(-5, -4), (5, -4), (0, 5)];

/// Markers on lines.
pub(super) const ON_LINES: [Shape; 10] = [
    Shape::Dot,
    Shape::Polygon(SQUARE),
    Shape::Polygon(DIAMOND),
    Shape::Polygon(UP),
    Shape::Polygon(DOWN),
    Shape::Circle,
    Shape::Outline(SQUARE),
    Shape::Outline(DIAMOND),
    Shape::Outline(UP),
    Shape::Outline(DOWN),
];

const BIG_SQUARE: &[(i32, i32)] = &[(-5, -5), (5, -5), (5, 5), (-5, 5)];
const BIG_DIAMOND: &[(i32, i32)] = &[(0, -7), (7, 0), (0, 7), (-7, 0)];
const BIG_UP: &[(i32, i32)] = &[(-7, 5), (7, 5), (0, -7)];
const BIG_DOWN: &[(i32, i32)] = &[(-7, -5), (7, -5), (0, 7)];
const OCTAGON: &[(i32, i32)] = &[(-6, -3), (-3, -6), (3, -6), (6, -3), (6, 3), (3, 6), (-3, 6), (-6, 3)];

/// Markers of what stands in the attention, in the MLP, in both; and their outlines.
pub(super) const PLACED: [[Shape; 2]; 3] = [
    [Shape::Polygon(BIG_UP), Shape::Outline(BIG_UP)],
    [Shape::Polygon(BIG_SQUARE), Shape::Outline(BIG_SQUARE)],
    [Shape::Polygon(BIG_DIAMOND), Shape::Outline(BIG_DIAMOND)],
];

/// Markers of points that stand alone.
pub(super) const ALONE: [Shape; 10] = [
    Shape::Disc,
    Shape::Polygon(BIG_SQUARE),
    Shape::Polygon(BIG_DIAMOND),
    Shape::Polygon(BIG_UP),
    Shape::Polygon(BIG_DOWN),
    Shape::Outline(OCTAGON),
    Shape::Outline(BIG_SQUARE),
    Shape::Outline(BIG_DIAMOND),
    Shape::Outline(BIG_UP),
    Shape::Outline(BIG_DOWN),
];

#[cfg(test)]
mod tests {
    use super::*;

    type Vector = [f64; 3];
    type Matrix = [Vector; 3];

    fn times(matrix: &Matrix, v: Vector) -> Vector {
        matrix.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }

    /// Linear light of an sRGB colour.
    fn linear((r, g, b): (u8, u8, u8)) -> Vector {
        [r, g, b].map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// Oklab of Ottosson (2020), in which distances are those that an eye sees.
    fn oklab(light: Vector) -> Vector {
        const LMS: Matrix = [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ];
        const LAB: Matrix = [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ];
        times(&LAB, times(&LMS, light.map(|part| part.clamp(0.0, 1.0))).map(f64::cbrt))
    }

    /// Severity 1 of Machado, Oliveira & Fernandes (2009): no red, no green, no blue cones; and all of them.
    const EYES: [(&str, Matrix); 4] = [
        ("all", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        ),
        (
            "deuteranopia",
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
        ),
        (
            "tritanopia",
            [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
        ),
    ];

    #[test]
    fn every_eye_can_tell_the_colours_apart() {
        for (ground, colour) in [("light", (|ink: &Ink| ink.light) as fn(&Ink) -> _), ("dark", |ink: &Ink| ink.dark)] {
            for (eye, matrix) in &EYES {
                let seen: Vec<Vector> = INKS.iter().map(|ink| oklab(times(matrix, linear(colour(ink))))).collect();
                for (i, a) in seen.iter().enumerate() {
                    for (j, b) in seen.iter().enumerate().skip(i + 1) {
                        let distance = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                        // The nearest two of Okabe and Ito's five: 0.067, to tritanopes.
                        assert!(distance > 0.06, "{ground}, {eye}: {i} and {j} are {distance:.3} apart");
                    }
                }
            }
        }
    }

    #[test]
    fn colours_stand_out_from_their_ground() {
        let luminance = |colour| {
            let [r, g, b] = linear(colour);
            0.2126729 * r + 0.7151522 * g + 0.0721750 * b
        };
        let contrast = |a: f64, b: f64| (a.max(b) + 0.05) / (a.min(b) + 0.05);
        for ink in INKS {
            assert!(contrast(luminance(ink.light), 1.0) > 2.2, "{ink:?}");
            assert!(contrast(luminance(ink.dark), luminance((0x0d, 0x11, 0x17))) > 4.0, "{ink:?}");
        }
    }

    #[test]
    fn a_dozen_series_differ_in_colour_or_marker() {
        let mut seen: Vec<_> = (0..60).map(|i| (i % INKS.len(), i % ON_LINES.len())).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 60);
    }
}

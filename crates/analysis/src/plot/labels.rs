//! Places for the labels of points, so that nothing covers anything.
//!
//! Greedy and deterministic: one label after the other takes the cheapest free place on rings around its point, then a few
//! rounds let each choose again among the others; of several orders in which they may choose, the one with the cheapest
//! outcome counts. A place is free if it lies inside the plot and covers no other label, no marker and no error bar; it
//! should also be near, and the line from its point clear of other labels and lines.

/// An upright rectangle in pixels, y downwards.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

impl Rect {
    /// The rectangle with this middle.
    pub(super) fn around((x, y): (f64, f64), width: f64, height: f64) -> Self {
        Self { left: x - width / 2.0, top: y - height / 2.0, right: x + width / 2.0, bottom: y + height / 2.0 }
    }

    pub(super) fn middle(&self) -> (f64, f64) {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    fn holds(&self, other: &Self) -> bool {
        self.left <= other.left && other.right <= self.right && self.top <= other.top && other.bottom <= self.bottom
    }

    /// The point of the rectangle that is nearest to another.
    pub(super) fn nearest(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.clamp(self.left, self.right), y.clamp(self.top, self.bottom))
    }

    /// Whether a segment passes through: Liang and Barsky's clipping.
    fn crossed_by(&self, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> bool {
        let (dx, dy) = (x1 - x0, y1 - y0);
        let (mut from, mut to) = (0.0_f64, 1.0_f64);
        let edges = [(-dx, x0 - self.left), (dx, self.right - x0), (-dy, y0 - self.top), (dy, self.bottom - y0)];
        for (step, room) in edges {
            if step == 0.0 {
                if room <= 0.0 {
                    return false;
                }
            } else if step < 0.0 {
                from = from.max(room / step);
            } else {
                to = to.min(room / step);
            }
        }
        from < to
    }
}

/// A point that wants a label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anchor {
    /// The point, in pixels.
    pub(super) at: (f64, f64),
    /// Width and height of its label.
    pub(super) size: (f64, f64),
    /// Room between the marker's middle and its label, in pixels.
    pub(super) gap: f64,
}

/// From one point to another, in pixels.
pub(super) type Segment = ((f64, f64), (f64, f64));

const RINGS: usize = 14;
const RING_STEP: f64 = 13.0;
const DIRECTIONS: usize = 24;
const ROUNDS: usize = 4;
const ORDERS: usize = 24;

/// What a label without a place costs: more than any place.
const MISSING: f64 = 10_000.0;

fn neighbours(anchors: &[Anchor], i: usize) -> usize {
    let near = |other: &Anchor| {
        let (dx, dy) = (other.at.0 - anchors[i].at.0, other.at.1 - anchors[i].at.1);
        dx.abs() < anchors[i].size.0 && dy.abs() < 4.0 * anchors[i].size.1
    };
    anchors.iter().filter(|other| near(other)).count()
}

/// Places on rings around the point; on each, the label's near side touches the ring.
fn candidates(anchor: &Anchor) -> impl Iterator<Item = Rect> {
    let Anchor { at: (x, y), size: (width, height), gap } = *anchor;
    (0..RINGS).flat_map(move |ring| {
        (0..DIRECTIONS).map(move |direction| {
            let angle = direction as f64 / DIRECTIONS as f64 * std::f64::consts::TAU;
            let radius = gap + ring as f64 * RING_STEP;
            let middle =
                |radius: f64| (x + angle.cos() * (radius + width / 2.0), y + angle.sin() * (radius + height / 2.0));
            Rect::around(middle(radius), width, height)
        })
    })
}

/// From the point to the label, or nothing if they are next to each other.
pub(super) fn leader(anchor: &Anchor, label: &Rect) -> Option<Segment> {
    let (at, end) = (anchor.at, label.nearest(anchor.at));
    let distance = (end.0 - at.0).hypot(end.1 - at.1);
    (distance > anchor.gap + 1.0).then_some((at, end))
}

/// The points that want labels, and what these have to live with.
pub(super) struct Scene<'a> {
    pub(super) anchors: &'a [Anchor],
    /// What no label may cover: markers and bars.
    pub(super) obstacles: &'a [Rect],
    /// What a label had better not cover.
    pub(super) lines: &'a [Segment],
    /// What holds all labels.
    pub(super) bounds: Rect,
}

/// A place that a label may take, as far as other labels leave it.
struct Candidate {
    /// Its number on the rings, from inside.
    number: usize,
    rect: Rect,
    /// From the point to it.
    leader: Option<Segment>,
    /// What it costs, whatever the other labels do.
    cost: f64,
    /// What the line to it costs.
    leader_cost: f64,
}

impl Scene<'_> {
    /// The place of each label, or `None` where there is none free.
    pub(super) fn place(&self) -> Vec<Option<Rect>> {
        // First the order in which those with the most neighbours choose first, then the same one from other beginnings.
        let number = self.anchors.len();
        let mut order: Vec<usize> = (0..number).collect();
        order.sort_by_key(|&i| std::cmp::Reverse(neighbours(self.anchors, i)));
        let orders = (0..number.min(ORDERS)).map(|first| {
            let mut order = order.clone();
            order.rotate_left(first * number / number.min(ORDERS));
            order
        });
        // Looked at once: what a label may cover does not depend on the order.
        let free: Vec<Vec<Candidate>> = (0..number).map(|i| self.free(i)).collect();
        let outcomes = orders.map(|order| {
            let places = place_in_order(&free, &order);
            (total_cost(&places), places)
        });
        let best = outcomes.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, places)| places).unwrap_or_default();
        best.into_iter().map(|place| place.map(|candidate| candidate.rect)).collect()
    }

    /// The places of a label that are clear of obstacles, the cheapest first.
    fn free(&self, i: usize) -> Vec<Candidate> {
        let is_free =
            |rect: &Rect| self.bounds.holds(rect) && !self.obstacles.iter().any(|obstacle| obstacle.overlaps(rect));
        let free = candidates(&self.anchors[i]).enumerate().filter(|(_, rect)| is_free(rect));
        let mut free: Vec<_> = free.map(|(number, rect)| self.candidate(i, number, rect)).collect();
        free.sort_by(|a, b| a.least().total_cmp(&b.least()));
        free
    }

    /// The distance, dearer if the label covers a line, if its own line crosses markers, or if another point is nearer to the
    /// label than its own.
    fn candidate(&self, i: usize, number: usize, rect: Rect) -> Candidate {
        let at = self.anchors[i].at;
        let distance = |from: (f64, f64)| {
            let near = rect.nearest(from);
            (near.0 - from.0).hypot(near.1 - from.1)
        };
        let (middle, own) = (rect.middle(), distance(at));
        // Beside the point reads best, and to the right rather than to the left.
        let level = if (middle.1 - at.1).abs() < 4.0 { 0.0 } else { 3.0 };
        let left = if middle.0 < at.0 { 1.0 } else { 0.0 };
        let covered = self.lines.iter().filter(|(a, b)| rect.crossed_by(*a, *b)).count();
        let mut cost = own + level + left + 15.0 * covered as f64;
        let leader = leader(&self.anchors[i], &rect);
        // Without a line to its point a label must be nearest to it.
        let rival = |(j, other): &(usize, &Anchor)| *j != i && distance(other.at) < own + 3.0;
        cost +=
            if leader.is_none() { 14.0 } else { 4.0 } * self.anchors.iter().enumerate().filter(rival).count() as f64;
        let leader_cost = leader.map_or(0.0, |(a, b)| {
            let markers = self.obstacles.iter().filter(|obstacle| obstacle.nearest(at) != at);
            8.0 + 40.0 * markers.filter(|obstacle| obstacle.crossed_by(a, b)).count() as f64
        });
        Candidate { number, rect, leader, cost, leader_cost }
    }
}

impl Candidate {
    /// What it costs at least.
    fn least(&self) -> f64 {
        self.cost + self.leader_cost
    }

    /// What it costs beside the other labels: more if its line crosses labels or other lines, or the line of another label
    /// crosses it.
    fn beside<'c>(&self, others: impl Iterator<Item = &'c Self>) -> f64 {
        let mut cost = self.cost;
        for other in others {
            let over_label = self.leader.is_some_and(|(a, b)| other.rect.crossed_by(a, b));
            let under_line = other.leader.is_some_and(|(a, b)| self.rect.crossed_by(a, b));
            let lines_cross = self.leader.zip(other.leader).is_some_and(|((a, b), (c, d))| segments_cross(a, b, c, d));
            cost +=
                400.0 * f64::from(u8::from(over_label) + u8::from(under_line)) + if lines_cross { 80.0 } else { 0.0 };
        }
        cost + self.leader_cost
    }
}

/// A label's place, if it has one.
type Place<'c> = Option<&'c Candidate>;

fn place_in_order<'c>(free: &'c [Vec<Candidate>], order: &[usize]) -> Vec<Place<'c>> {
    let mut places: Vec<Place<'c>> = vec![None; free.len()];
    for _ in 0..ROUNDS {
        let before: Vec<Option<Rect>> = places.iter().map(|place| place.map(|candidate| candidate.rect)).collect();
        for &i in order {
            places[i] = None;
            places[i] = cheapest(&free[i], &places);
        }
        if places.iter().map(|place| place.map(|candidate| candidate.rect)).eq(before) {
            break;
        }
    }
    places
}

/// The cheapest of `free` that covers no other label; of equals the first on the rings.
fn cheapest<'c>(free: &'c [Candidate], places: &[Place<'c>]) -> Place<'c> {
    let mut best: Option<(f64, &Candidate)> = None;
    for candidate in free {
        // All that come now cost more.
        if best.is_some_and(|(cost, _)| candidate.least() > cost) {
            break;
        }
        if places.iter().flatten().any(|other| other.rect.overlaps(&candidate.rect)) {
            continue;
        }
        let cost = candidate.beside(places.iter().flatten().copied());
        if best.is_none_or(|(least, other)| cost < least || cost == least && candidate.number < other.number) {
            best = Some((cost, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

fn total_cost(places: &[Place<'_>]) -> f64 {
    let others = |i: usize| places.iter().enumerate().filter(move |(j, _)| *j != i).filter_map(|(_, place)| *place);
    let cost = |(i, place): (usize, &Place<'_>)| place.map_or(MISSING, |candidate| candidate.beside(others(i)));
    places.iter().enumerate().map(cost).sum()
}

fn segments_cross(a: (f64, f64), b: (f64, f64), c: (f64, f64), d: (f64, f64)) -> bool {
    let side = |p: (f64, f64), q: (f64, f64), r: (f64, f64)| (q.0 - p.0) * (r.1 - p.1) - (q.1 - p.1) * (r.0 - p.0);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Rect = Rect { left: 70.0, top: 34.0, right: 890.0, bottom: 480.0 };

    fn check(points: &[(f64, f64)]) -> usize {
        let anchors: Vec<_> = points.iter().map(|&at| Anchor { at, size: (130.0, 15.0), gap: 11.0 }).collect();
        let markers: Vec<_> = points.iter().map(|&at| Rect::around(at, 14.0, 14.0)).collect();
        let scene = Scene { anchors: &anchors, obstacles: &markers, lines: &[], bounds: BOUNDS };
        let places = scene.place();
        let labels: Vec<_> = places.iter().flatten().collect();
        for (i, label) in labels.iter().enumerate() {
            assert!(BOUNDS.holds(label));
            assert!(!markers.iter().any(|marker| marker.overlaps(label)));
            assert!(!labels[i + 1..].iter().any(|other| other.overlaps(label)));
        }
        assert_eq!(places, scene.place(), "the same input gives the same places");
        labels.len()
    }

    #[test]
    fn a_lone_label_stands_to_the_right_of_its_point() {
        let anchor = Anchor { at: (300.0, 200.0), size: (100.0, 15.0), gap: 11.0 };
        let marker = Rect::around(anchor.at, 14.0, 14.0);
        let mut scene = Scene { anchors: &[anchor], obstacles: &[marker], lines: &[], bounds: BOUNDS };
        let label = scene.place()[0].unwrap();
        assert!(label.left > 300.0 && label.left < 315.0 && label.middle().1 == 200.0);
        assert_eq!(leader(&anchor, &label), None);
        scene.lines = &[((320.0, 100.0), (320.0, 300.0))];
        assert!(scene.place()[0].unwrap().right < 300.0, "it gives way to a line");
    }

    #[test]
    fn scattered_points_all_get_a_label() {
        // A linear congruential sequence: thirty points anywhere.
        let mut state = 1_u64;
        let mut next = |range: f64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / (1_u64 << 24) as f64 * range
        };
        let points: Vec<_> = (0..30).map(|_| (80.0 + next(800.0), 44.0 + next(426.0))).collect();
        assert_eq!(check(&points), 30);
    }

    #[test]
    fn points_in_one_place_fan_out() {
        assert_eq!(check(&[(400.0, 250.0); 15]), 15);
        assert_eq!(check(&[(880.0, 470.0); 8]), 8);
    }

    #[test]
    fn a_segment_crosses_what_it_passes_through() {
        let rect = Rect { left: 0.0, top: 0.0, right: 10.0, bottom: 10.0 };
        assert!(rect.crossed_by((-5.0, 5.0), (15.0, 5.0)));
        assert!(rect.crossed_by((5.0, 5.0), (50.0, 50.0)));
        assert!(!rect.crossed_by((-5.0, 5.0), (-1.0, 5.0)));
        assert!(!rect.crossed_by((-5.0, 0.0), (5.0, -10.0)));
        assert!(!rect.crossed_by((-1.0, 0.0), (-1.0, 10.0)));
    }
}

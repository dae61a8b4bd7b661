//! The frontier: what loss each way of changing a model's size reaches at which size, and how models with substituted
//! layers stand beside dense ones of as many parameters.

use std::collections::HashMap;
use std::fmt;

use lrx_records::RunRecord;

use crate::scaling::{Curve, Sized};
use crate::settings::{same_training, training_key};
use crate::stats::{CONFIDENCE, Contrast, Interval};
use crate::tuning::withheld;
use crate::{Configuration, ErrorModel, Judged, Verdict, Withheld};

/// In what a configuration differs from the baseline, where it is one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Kind or rank of the attention.
    Attention,
    /// Kind or rank of the MLP.
    Mlp,
    /// Kinds or ranks of both.
    Both,
    /// The hidden size.
    Hidden,
    /// The inner size of the MLP: nothing else that `runs.csv` tells differs, but the number of parameters does.
    Width,
    /// The number of layers.
    Depth,
}

impl Way {
    /// All ways, in the order in which legends name them.
    pub const ALL: [Self; 6] = [Self::Attention, Self::Mlp, Self::Both, Self::Hidden, Self::Width, Self::Depth];

    /// What it is called: `rank of the attention`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Attention => "rank of the attention",
            Self::Mlp => "rank of the MLP",
            Self::Both => "rank of both",
            Self::Hidden => "hidden size",
            Self::Width => "MLP width",
            Self::Depth => "depth",
        }
    }

    /// The way from `baseline` to `other`; `None` where it is more than one, or none, or they were trained differently.
    fn between(baseline: &Configuration, other: &Configuration) -> Option<Self> {
        let (a, b) = (baseline.first(), other.first());
        if !same_training(a, b) {
            return None;
        }
        let attention = (&a.attention, &a.attention_ranks) != (&b.attention, &b.attention_ranks);
        let mlp = (&a.mlp, &a.mlp_ranks) != (&b.mlp, &b.mlp_ranks);
        match (attention, mlp, a.hidden != b.hidden, a.layers != b.layers) {
            (true, false, false, false) => Some(Self::Attention),
            (false, true, false, false) => Some(Self::Mlp),
            (true, true, false, false) => Some(Self::Both),
            (false, false, true, false) => Some(Self::Hidden),
            (false, false, false, true) => Some(Self::Depth),
            (false, false, false, false) if a.params_body != b.params_body => Some(Self::Width),
            _ => None,
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How dense models are made smaller, and what they are to have as many of as the substituted one.
pub(crate) const TWINS: [(Way, Size); 7] = [
    (Way::Hidden, Size::Body),
    (Way::Hidden, Size::Total),
    (Way::Hidden, Size::Flops),
    (Way::Hidden, Size::AllFlops),
    (Way::Width, Size::Body),
    (Way::Width, Size::Flops),
    (Way::Width, Size::AllFlops),
];

/// What two models have as many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Parameters outside the embeddings.
    Body,
    /// Parameters in all, as far as training reaches them.
    Total,
    /// Forward operations a token in the products with matrices.
    Flops,
    /// The same, with attention's own products.
    AllFlops,
}

impl Size {
    /// What it is called: `body parameters`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Body => "body parameters",
            Self::Total => "parameters in all",
            Self::Flops => "FLOPs a token",
            Self::AllFlops => "FLOPs a token with attention's own",
        }
    }

    fn of(self, configuration: &Configuration) -> Option<f64> {
        let run = configuration.first();
        match self {
            Self::Body => run.params_body.map(|count| count as f64),
            Self::Total => run.params_trained().map(|count| count as f64),
            Self::Flops => run.flops_per_token.map(|count| count as f64),
            Self::AllFlops => run.flops_with_attention().map(|count| count as f64),
        }
    }
}

/// One configuration of the frontier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<'a> {
    /// The configuration.
    pub configuration: &'a Configuration,
    /// How it differs from `origin`; `None` for the baseline, and where it differs in several things.
    pub way: Option<Way>,
    /// What it differs from: the baseline, or the substituted configuration that is the same in another depth.
    pub origin: &'a Configuration,
    /// Parameters outside the embeddings.
    pub body: f64,
    /// Forward FLOPs a token, if known.
    pub flops: Option<f64>,
    /// Mean evaluation loss.
    pub loss: f64,
}

/// A substituted configuration beside the dense model of the same size, which lies between two that were trained. Its loss is read
/// off the [`Curve`] through all dense sizes, where four or more are known and it fits them; else interpolated between
/// the two, linearly in the logarithm of the size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Twin<'a> {
    /// The substituted configuration.
    pub configuration: &'a Configuration,
    /// How the dense models were made smaller: [`Way::Hidden`] or [`Way::Width`].
    pub way: Way,
    /// What is equal. A smaller hidden size makes the embeddings smaller, too, so both are told; where only the width
    /// differs they are the same, and only [`Size::Body`] is.
    pub size: Size,
    /// The next smaller and the next larger dense configuration.
    pub between: [&'a Configuration; 2],
    /// Whether the dense model's loss is read off a [`Curve`] through all sizes; else off the straight line between two.
    pub by_curve: bool,
    /// The loss of the dense model.
    pub loss: f64,
    /// Its 95 % interval, under the same conditions as `interval`.
    pub loss_interval: Option<Interval>,
    /// The substituted configuration's loss less the dense model's.
    pub difference: f64,
    /// Its 95 % interval, by itself, with the error of the curve, to first order, or of the line; `None` where no spread is
    /// known. That the curve, or line, has the right form is taken for granted.
    pub interval: Option<Interval>,
    /// What that and its p follow from.
    contrast: Option<Contrast>,
    /// Its p-values, adjusted for all twins (Holm); `None` where there is no verdict.
    pub judged: Option<Judged>,
    /// Why there is no verdict, though there is an interval.
    pub withheld: Option<Withheld>,
}

impl Twin<'_> {
    /// The p of no difference, adjusted for all twins (Holm); `None` where there is no verdict.
    pub fn p(&self) -> Option<f64> {
        self.judged.map(|judged| judged.p)
    }

    /// Whether the substituted one is better or worse; `None` without an interval, or where one is withheld.
    pub fn verdict(&self) -> Option<Verdict> {
        self.judged.map(|judged| judged.verdict(self.difference))
    }
}

/// The configurations of an experiment by size.
#[derive(Debug, Clone, PartialEq)]
pub struct Frontier<'a> {
    /// What the others differ from.
    pub baseline: &'a Configuration,
    /// The configurations whose body parameters are known, by these.
    pub points: Vec<Point<'a>>,
    /// Where a dense model of the same size lies between two that were trained.
    pub twins: Vec<Twin<'a>>,
    /// How the loss of dense models falls with each size, by the way in which they were made smaller; where it is known of four.
    pub curves: Vec<(Way, Size, Curve)>,
}

impl<'a> Frontier<'a> {
    /// The frontier around `baseline`; `None` where fewer than three sizes are known.
    ///
    /// A configuration that differs from the baseline in nothing that `runs.csv` tells, such as its learning rate, is
    /// left out. Twins whose differences are up to `margin` nats per target token are as good.
    pub fn new(
        configurations: &'a [Configuration],
        baseline: &'a Configuration,
        errors: &ErrorModel,
        margin: Option<f64>,
    ) -> Option<Self> {
        let point = |configuration: &'a Configuration| {
            let way = Way::between(baseline, configuration);
            let is_baseline = std::ptr::eq(baseline, configuration);
            let same = |value: fn(&RunRecord) -> Option<u64>| value(baseline.first()) == value(configuration.first());
            let nothing_told = way.is_none() && configuration.is_dense() && same(|run| run.params);
            let body = configuration.first().params_body? as f64;
            let flops = configuration.first().flops_per_token.map(|flops| flops as f64);
            let loss = configuration.mean_loss();
            let point = Point { configuration, way, origin: baseline, body, flops, loss };
            (is_baseline || !nothing_told).then_some(point)
        };
        let mut points: Vec<Point<'a>> = configurations.iter().filter_map(point).collect();
        let mut one_step: HashMap<_, Vec<&Configuration>> = HashMap::new();
        for point in points.iter().filter(|point| point.way.is_some()) {
            one_step.entry(beside_depth(point.configuration)).or_default().push(point.configuration);
        }
        let is_open = |point: &&mut Point| point.way.is_none() && !std::ptr::eq(point.configuration, baseline);
        for point in points.iter_mut().filter(is_open) {
            let (own, mut others) =
                (point.configuration, one_step.get(&beside_depth(point.configuration)).into_iter().flatten());
            if let Some(origin) = others.find(|other| differ_in_depth(own, other)) {
                (point.way, point.origin) = (Some(Way::Depth), origin);
            }
        }
        points.sort_by(|a, b| a.body.total_cmp(&b.body).then(b.loss.total_cmp(&a.loss)));
        let mut sizes: Vec<f64> = points.iter().map(|point| point.body).collect();
        sizes.dedup();
        if sizes.len() < 3 {
            return None;
        }
        let substituted = points.iter().filter(|point| !point.configuration.is_dense());
        // The dense models that most sizes are known of.
        let longest = |way| {
            let of_baseline = |line: &Line<'_, '_>| std::ptr::eq(line.origin, baseline);
            let lines = lines(&points, way, baseline).into_iter().filter(of_baseline).map(|line| line.points);
            lines.rev().max_by_key(Vec::len).unwrap_or_default()
        };
        let dense = TWINS.map(|(way, size)| {
            let points = longest(way);
            let curve = curve(&points, size, errors);
            (way, size, points, curve)
        });
        let mut twins: Vec<Twin<'a>> =
            substituted.flat_map(|point| dense.iter().filter_map(|dense| twin(point, dense, errors))).collect();
        let is_judged = |twin: &Twin| twin.withheld.is_none() && twin.contrast.is_some();
        let contrasts: Vec<Contrast> =
            twins.iter().filter(|twin| is_judged(twin)).filter_map(|twin| twin.contrast).collect();
        for (twin, judged) in twins.iter_mut().filter(|twin| is_judged(twin)).zip(Judged::all(&contrasts, margin)) {
            twin.judged = Some(judged);
        }
        let curves = dense.into_iter().filter_map(|(way, size, _, curve)| Some((way, size, curve?))).collect();
        Some(Self { baseline, points, twins, curves })
    }

    /// The points of one way, by size, with what they differ from among them; of several of one size the one with the most runs. A line
    /// for each origin, that of the baseline first, and for each series: points that differ from each other in size alone.
    pub fn lines(&self, way: Way) -> Vec<Vec<&Point<'a>>> {
        lines(&self.points, way, self.baseline).into_iter().map(|line| line.points).collect()
    }
}

/// What two configurations have in common that are the same but for the number of layers, as far as their labels tell.
fn beside_depth(one: &Configuration) -> (String, Option<u64>, &str, &str, Vec<String>) {
    let run = one.first();
    let label = run.label.replace(&format!("-{}L", run.layers.unwrap_or_default()), "");
    (label, run.hidden, &run.attention, &run.mlp, training_key(run))
}

/// Whether both differ in the number of layers, given that they are the same beside it.
fn differ_in_depth(one: &Configuration, other: &Configuration) -> bool {
    let (a, b) = (one.first(), other.first());
    a.layers != b.layers && same_training(a, b)
}

/// Points that differ from `origin` and from each other in size alone.
struct Line<'p, 'a> {
    origin: &'a Configuration,
    points: Vec<&'p Point<'a>>,
}

/// The lines of one way, of two points at least: for each origin, the baseline first, one for each series that occurs.
fn lines<'p, 'a>(points: &'p [Point<'a>], way: Way, baseline: &'a Configuration) -> Vec<Line<'p, 'a>> {
    let numbered = points.iter().enumerate();
    let places: HashMap<_, _> = numbered.map(|(place, one)| (std::ptr::from_ref(one.configuration), place)).collect();
    // Places of points, in their order.
    let mut origins: Vec<(&'a Configuration, Vec<Vec<usize>>)> = vec![(baseline, Vec::new())];
    let mut known_origins = HashMap::from([(std::ptr::from_ref(baseline), 0)]);
    let mut known_series = HashMap::new();
    for (place, point) in points.iter().enumerate().filter(|(_, point)| point.way == Some(way)) {
        let origin = *known_origins.entry(std::ptr::from_ref(point.origin)).or_insert_with(|| {
            origins.push((point.origin, Vec::new()));
            origins.len() - 1
        });
        let (one, series_of_it) = &mut origins[origin];
        let series = *known_series.entry((origin, series(point.configuration.first()))).or_insert_with(|| {
            series_of_it.push(places.get(&std::ptr::from_ref(*one)).copied().into_iter().collect());
            series_of_it.len() - 1
        });
        series_of_it[series].push(place);
    }
    let each = origins.into_iter().flat_map(|(origin, series)| series.into_iter().map(move |line| (origin, line)));
    let line = |(origin, mut line): (&'a Configuration, Vec<usize>)| {
        line.sort_unstable();
        line.dedup();
        let mut points: Vec<&Point<'_>> = line.into_iter().map(|place| &points[place]).collect();
        // Of equal size, the one with the most runs, not the luckiest: that would be better than what one more run would have.
        points.dedup_by(|later, kept| {
            let same = later.body == kept.body;
            if same && later.configuration.runs.len() > kept.configuration.runs.len() {
                *kept = *later;
            }
            same
        });
        Line { origin, points }
    };
    each.map(line).filter(|line| line.points.len() > 1).collect()
}

/// What the configurations on a line have in common beside the way they differ in: which slots are substituted, how ranks go
/// from layer to layer, and the rules. Where a row of an earlier lrx does not tell, its label does, without the words for sizes: that of a model with
/// low rank in `v` and `out` alone names them.
fn series(run: &RunRecord) -> String {
    let shapes = [&run.attention_ranks, &run.mlp_ranks].map(|ranks| shape(ranks)).join(" ");
    format!("{} {shapes}", slots_and_rules(run))
}

/// Ranks as shares of the largest, where they are not all the same: those of another course over the layers differ in more than
/// their size.
fn shape(ranks: &str) -> String {
    let parts: Vec<&str> = ranks.split([' ', '/']).collect();
    let numbers: Vec<Option<f64>> = parts.iter().map(|part| part.parse().ok()).collect();
    let largest = numbers.iter().flatten().copied().fold(0.0, f64::max);
    if numbers.iter().flatten().all(|rank| *rank == largest) {
        return String::new();
    }
    let share = |(part, number): (&&str, &Option<f64>)| {
        number.map_or((*part).to_owned(), |rank| format!("{:.1}", rank / largest))
    };
    parts.iter().zip(&numbers).map(share).collect::<Vec<_>>().join(" ")
}

fn slots_and_rules(run: &RunRecord) -> String {
    if !run.slots.is_empty() {
        let pattern: String = run.slots.chars().filter(|c| !c.is_ascii_digit()).collect();
        return [&pattern, &run.init, &run.lr_rule, &run.decay_rule].map(String::as_str).join(" ");
    }
    let is_size = |word: &str| ["hidden", "width", "inner", "rank", "layers"].contains(&word);
    let (mut kept, mut after_size) = (Vec::new(), false);
    for (index, word) in run.label.split([' ', '=']).enumerate() {
        let notation = index == 0 && word.contains("SA-") && word.contains("MLP");
        let number = after_size && word.starts_with(|c: char| c.is_ascii_digit());
        if !number && !is_size(word) && (!notation || word.contains("Mixed")) {
            let depth = |c: char| notation && (c.is_ascii_digit() || c == 'L');
            kept.push(word.trim_end_matches(depth));
        }
        after_size = is_size(word) || number;
    }
    kept.join(" ")
}

/// The curve through dense models of several sizes.
fn curve(dense: &[&Point<'_>], size: Size, errors: &ErrorModel) -> Option<Curve> {
    let sized = |point: &&Point<'_>| {
        let (loss, runs) = (point.loss, point.configuration.runs.len());
        Some(Sized { size: size.of(point.configuration)?, loss, runs })
    };
    Curve::new(dense.iter().map(sized).collect::<Option<_>>()?, errors.pooled?)
}

/// Dense models made smaller in one way, by size, and what they are to be as large in.
type Dense<'p, 'a> = (Way, Size, Vec<&'p Point<'a>>, Option<Curve>);

fn twin<'a>(point: &Point<'a>, dense: &Dense<'_, 'a>, errors: &ErrorModel) -> Option<Twin<'a>> {
    let (way, size, dense, curve) = (dense.0, dense.1, &dense.2, &dense.3);
    let own = size.of(point.configuration)?;
    let mut sizes =
        dense.windows(2).map(|pair| Some((pair, size.of(pair[0].configuration)?, size.of(pair[1].configuration)?)));
    let (pair, low, high) =
        sizes.find_map(|pair| pair.filter(|(_, low, high)| low < high && (*low..=*high).contains(&own)))?;
    let (smaller, larger) = (pair[0], pair[1]);
    let part = (own / low).ln() / (high / low).ln();
    if !part.is_finite() {
        return None;
    }
    let of_curve = curve.as_ref().filter(|curve| curve.fits()).and_then(|curve| {
        let by_size = |(place, weight): (usize, f64)| {
            let at = curve.sizes[place].size;
            Some((weight, dense.iter().find(|point| size.of(point.configuration) == Some(at))?.configuration))
        };
        let parts = curve.weights(own)?.into_iter().enumerate().map(by_size).collect::<Option<Vec<_>>>()?;
        Some((curve.law.at(own), parts))
    });
    let by_curve = of_curve.is_some();
    let (loss, parts) = of_curve.unwrap_or_else(|| {
        let loss = (1.0 - part) * smaller.loss + part * larger.loss;
        (loss, vec![(1.0 - part, smaller.configuration), (part, larger.configuration)])
    });
    // The curve lies beside the weighted sum of means; its error is that of the sum.
    let around = |estimate: f64, parts: &[(f64, &Configuration)]| {
        errors.contrast(parts).0.and_then(|one| Contrast::new(estimate, one.error, one.freedom, CONFIDENCE))
    };
    let loss_interval = around(loss, &parts).map(|contrast| contrast.interval);
    let against: Vec<(f64, &Configuration)> =
        std::iter::once((1.0, point.configuration)).chain(parts.iter().map(|(weight, one)| (-weight, *one))).collect();
    let contrast = around(point.loss - loss, &against);
    let between = [smaller.configuration, larger.configuration];
    let withheld = withheld([point.configuration, between[0], between[1]]).filter(|_| contrast.is_some());
    let (difference, interval) = (point.loss - loss, contrast.map(|one| one.interval));
    let configuration = point.configuration;
    let judged = None;
    Some(Twin {
        configuration,
        way,
        size,
        between,
        by_curve,
        loss,
        loss_interval,
        difference,
        interval,
        contrast,
        judged,
        withheld,
    })
}

/// Which of the points (size, loss) no other beats: none is as small and better, or smaller and as good.
pub fn pareto_front(points: &[(f64, f64)]) -> Vec<bool> {
    let beats = |a: &(f64, f64), b: &(f64, f64)| a.0 <= b.0 && a.1 <= b.1 && a != b;
    points.iter().map(|point| !points.iter().any(|other| beats(other, point))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_what_nothing_beats() {
        let points = [(1.0, 4.0), (2.0, 3.0), (2.0, 3.5), (3.0, 3.0), (4.0, 2.0)];
        assert_eq!(pareto_front(&points), [true, true, false, false, true]);
        assert_eq!(pareto_front(&[]), [false; 0]);
    }
}

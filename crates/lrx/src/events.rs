//! A run's curve and sample texts as TensorBoard has them.
//!
//! An event file is a function of the curve: the rows that it has are those of `curve.csv`, so that it is written anew whenever
//! the curve is cut back, and holds no step twice and none that is not there. Its times are those of the curve, counted from when
//! the run began.

use lrx_records::{CurveRow, SampleRow, Split, visible};
use lrx_tensorboard::{Ended, Event, Hyperparameter, record};
use toml::{Table, Value};

/// What does not change while a run goes on.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// When it began, in seconds since 1970; interruptions are left out of what follows.
    pub(crate) began: f64,
    /// What its seeds share: TensorBoard takes runs of one group for repetitions.
    pub(crate) group: String,
    pub(crate) hyperparameters: Vec<(String, Hyperparameter)>,
}

impl Head {
    /// What a file begins with.
    pub(crate) fn encoded(&self) -> Vec<u8> {
        let began = self.began;
        let hyperparameters = Event::hyperparameters(began, &self.group, &self.hyperparameters);
        encoded([Event::version(began), Event::start(began, 0), hyperparameters])
    }

    /// The whole file.
    pub(crate) fn file(&self, curve: &[CurveRow], samples: &[SampleRow], ended: Option<Ended>) -> Vec<u8> {
        let mut file = self.encoded();
        let (mut before, mut elapsed) = (None, 0.0);
        let mut texts = placed(samples).peekable();
        for row in curve {
            // A text comes before what is measured after the same step; it has no time of its own.
            while let Some((place, text)) = texts.next_if(|(_, text)| text.step <= row.step) {
                file.extend(self.sample(text, place, elapsed));
            }
            file.extend(self.row(row, before));
            (before, elapsed) = (Some(row.step), row.elapsed_seconds.unwrap_or(elapsed));
        }
        texts.for_each(|(place, text)| file.extend(self.sample(text, place, elapsed)));
        let last = curve.last().and_then(|row| row.elapsed_seconds).unwrap_or(0.0);
        file.extend(ended.map(|ended| self.end(ended, last)).unwrap_or_default());
        file
    }

    /// A row of the curve: its loss under its split, and what the two splits share, which is written once a step; `before` is the step
    /// of the row before it.
    pub(crate) fn row(&self, row: &CurveRow, before: Option<u64>) -> Vec<u8> {
        let mut values = vec![(loss_tag(row.split), row.loss)];
        if before != Some(row.step) {
            let shared = [
                ("learning_rate", row.learning_rate),
                ("grad_norm", row.grad_norm),
                ("tokens", row.tokens.map(|tokens| tokens as f64)),
                ("elapsed_seconds", row.elapsed_seconds),
            ];
            values.extend(shared.into_iter().filter_map(|(tag, value)| Some((tag, value?))));
        }
        encoded([Event::scalars(self.began + row.elapsed_seconds.unwrap_or(0.0), row.step, &values)])
    }

    /// A sample text: the one of the prompt at this place.
    pub(crate) fn sample(&self, row: &SampleRow, place: usize, elapsed: f64) -> Vec<u8> {
        // As it reads back from its cell, with line breaks in the place of their pictures.
        let text = visible(row.text.trim()).replace('␊', "\n");
        encoded([Event::text(self.began + elapsed, row.step, &format!("samples/{place}"), &text)])
    }

    pub(crate) fn end(&self, ended: Ended, elapsed: f64) -> Vec<u8> {
        encoded([Event::end(self.began + elapsed, ended)])
    }
}

/// What the loss of a split is called.
fn loss_tag(split: Split) -> &'static str {
    match split {
        Split::Train => "train/loss",
        Split::Eval => "eval/loss",
    }
}

/// Samples, each with the place of its prompt among those of its step.
fn placed(samples: &[SampleRow]) -> impl Iterator<Item = (usize, &SampleRow)> {
    let (mut step, mut place) = (None, 0);
    samples.iter().map(move |row| {
        place = if step == Some(row.step) { place + 1 } else { 0 };
        step = Some(row.step);
        (place, row)
    })
}

fn encoded(events: impl IntoIterator<Item = Event>) -> Vec<u8> {
    events.into_iter().flat_map(|event| record(&event.encode())).collect()
}

/// The hyperparameters of a run: what its resolved config says of data, model and training, by dotted keys. Names and hashes of
/// files, and the seed, which tells repetitions apart, are none.
pub(crate) fn hyperparameters(resolved: &Table) -> Vec<(String, Hyperparameter)> {
    let mut all = Vec::new();
    for section in ["data", "model", "train"] {
        if let Some(Value::Table(table)) = resolved.get(section) {
            collect(section, table, &mut all);
        }
    }
    all
}

fn collect(prefix: &str, table: &Table, all: &mut Vec<(String, Hyperparameter)>) {
    for (key, value) in table {
        let name = format!("{prefix}.{key}");
        let value = match value {
            Value::Table(inner) => {
                collect(&name, inner, all);
                continue;
            }
            _ if key == "blake3" => continue,
            Value::Integer(number) => Hyperparameter::Number(*number as f64),
            Value::Float(number) => Hyperparameter::Number(*number),
            Value::Boolean(truth) => Hyperparameter::Truth(*truth),
            Value::String(text) => Hyperparameter::Text(text.clone()),
            // A list: the plugin has none.
            other => Hyperparameter::Text(other.to_string()),
        };
        all.push((name, value));
    }
}

/// When the run of an event file began; none where it is no such file.
pub(crate) fn began(file: &[u8]) -> Option<f64> {
    Event::wall_time(lrx_tensorboard::records(file).next()?)
}

#[cfg(test)]
mod tests {
    use lrx_tensorboard::records;

    use super::*;

    fn row(step: u64, split: Split, loss: f64) -> CurveRow {
        let (tokens, learning_rate, grad_norm) = (Some(step * 10), Some(1e-3), Some(0.5));
        let elapsed_seconds = Some(step as f64);
        CurveRow { run_id: "r".into(), step, split, loss, tokens, learning_rate, grad_norm, elapsed_seconds }
    }

    fn head() -> Head {
        let resolved = "seed = 3\n[model]\nhidden = 64\n[model.attention]\nkind = 'low-rank'\nrank = [4, 8]\n[train]\nlearning_rate = 1e-3\n\
            [data]\nshuffle = true\n[data.train]\nfile = 'a.txt'\nblake3 = 'x'\n";
        Head { began: 1000.0, group: "g".into(), hyperparameters: hyperparameters(&resolved.parse().unwrap()) }
    }

    #[test]
    fn hyperparameters_are_what_the_config_says() {
        let text = |text: &str| Hyperparameter::Text(text.into());
        let mut found = head().hyperparameters;
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            ("data.shuffle", Hyperparameter::Truth(true)),
            ("data.train.file", text("a.txt")),
            ("model.attention.kind", text("low-rank")),
            ("model.attention.rank", text("[4, 8]")),
            ("model.hidden", Hyperparameter::Number(64.0)),
            ("train.learning_rate", Hyperparameter::Number(1e-3)),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_string(), value)));
    }

    /// Row by row, as it is written while a run goes on, a file is what it is when it is written at once.
    #[test]
    fn a_file_is_the_same_live_and_afterwards() {
        let head = head();
        let curve =
            [row(5, Split::Train, 4.0), row(5, Split::Eval, 3.0), row(7, Split::Eval, 2.5), row(10, Split::Train, 2.0)];
        let whole = head.file(&curve, &[], Some(Ended::Success));
        let mut live = head.encoded();
        let mut before = None;
        for row in &curve {
            live.extend(head.row(row, before));
            before = Some(row.step);
        }
        live.extend(head.end(Ended::Success, 10.0));
        assert_eq!(live, whole);
        assert_eq!(began(&whole), Some(1000.0));
        // Version, start, hyperparameters, a row each, the end.
        assert_eq!(records(&whole).count(), 3 + 4 + 1);
        let times: Vec<_> = records(&whole).filter_map(Event::wall_time).collect();
        assert_eq!(times, [1000.0, 1000.0, 1000.0, 1005.0, 1005.0, 1007.0, 1010.0, 1010.0]);
        // What both splits share comes once a step: the first row of it is longer.
        let lengths: Vec<usize> = records(&whole).map(<[u8]>::len).collect();
        assert!(lengths[3] > lengths[4] && lengths[5] > lengths[4], "{lengths:?}");
    }
}

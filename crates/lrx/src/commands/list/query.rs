//! Which runs are listed, and in what order.

use std::cmp::Ordering;
use std::collections::HashMap;

use lrx_layers::known_names;
use lrx_records::{Row, RunRecord, Status};

use super::BestOf;
use crate::listed::{Listed, MORE};

/// The columns that can be asked for.
pub(in crate::commands) fn columns_known() -> Vec<&'static str> {
    RunRecord::COLUMNS.iter().chain(&MORE).copied().collect()
}

fn column(name: &str, option: &str, known: &[&'static str]) -> Result<&'static str, String> {
    let found = known.iter().find(|known| **known == name);
    found.copied().ok_or_else(|| format!("{option}: there is no column `{name}`{}", known_names(name, known)))
}

/// What has to hold of a column.
#[derive(Debug, PartialEq)]
pub(in crate::commands) struct Condition {
    pub(super) column: &'static str,
    test: Test,
    value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    Above,
    Below,
    Holds,
}

/// The longer before the shorter that they begin with.
const TESTS: [(&str, Test); 7] = [
    (">=", Test::AtLeast),
    ("<=", Test::AtMost),
    ("!=", Test::NotEqual),
    ("=", Test::Equal),
    (">", Test::Above),
    ("<", Test::Below),
    ("~", Test::Holds),
];

impl Condition {
    /// `hidden>=256`
    ///
    /// # Errors
    /// When it is no condition, or of a column that is not there.
    pub(in crate::commands) fn parse(text: &str, known: &[&'static str]) -> Result<Self, String> {
        let option = format!("--where {text}");
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let (name, rest) =
            text.trim_start().split_at(text.trim_start().find(|c| !is_name(c)).unwrap_or(text.trim_start().len()));
        let rest = rest.trim_start();
        let test = TESTS.iter().find_map(|(sign, test)| Some((*test, rest.strip_prefix(sign)?)));
        let Some((test, value)) = test.filter(|_| !name.is_empty()) else {
            return Err(format!(
                "{option}: expected COLUMN, one of = != > >= < <= ~, and a value, such as 'hidden>=256'"
            ));
        };
        // As one writes it elsewhere, `==` is `=`.
        let value = if test == Test::Equal { value.strip_prefix('=').unwrap_or(value) } else { value };
        let condition = Self { column: column(name, &option, known)?, test, value: value.trim().to_owned() };
        if matches!(test, Test::AtLeast | Test::AtMost | Test::Above | Test::Below) && condition.value.is_empty() {
            return Err(format!("{option}: the value is missing"));
        }
        Ok(condition)
    }

    pub(in crate::commands) fn holds(&self, run: &Listed) -> bool {
        let cell = run.cell(self.column).unwrap_or_default();
        let is = |wanted: fn(Ordering) -> bool| !cell.is_empty() && compare(&cell, &self.value).is_some_and(wanted);
        let equal = cell == self.value || is(Ordering::is_eq);
        match self.test {
            Test::Equal => equal,
            Test::NotEqual => !equal,
            Test::AtLeast => is(Ordering::is_ge),
            Test::AtMost => is(Ordering::is_le),
            Test::Above => is(Ordering::is_gt),
            Test::Below => is(Ordering::is_lt),
            Test::Holds => cell.contains(&self.value),
        }
    }
}

/// Two cells: as numbers where both are, as texts where neither is; what is a number and what is not are not compared.
fn compare(a: &str, b: &str) -> Option<Ordering> {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.partial_cmp(&b),
        (Err(_), Err(_)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// The order that was asked for.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) column: &'static str,
    falls: bool,
}

impl Order {
    /// `eval_loss`, or `-eval_loss`.
    ///
    /// # Errors
    /// When there is no such column.
    pub(super) fn parse(text: &str, known: &[&'static str]) -> Result<Self, String> {
        let name = text.strip_prefix('-');
        Ok(Self { column: column(name.unwrap_or(text), &format!("--sort {text}"), known)?, falls: name.is_some() })
    }

    /// Sorts runs; equals stay as they are, those without a value come last either way.
    pub(super) fn sort(&self, runs: &mut [Listed]) {
        runs.sort_by_cached_key(|run| Key::of(&run.cell(self.column).unwrap_or_default(), self.falls));
    }
}

/// What a run is sorted by: numbers before texts, nothing last.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Number(i64),
    Rising(String),
    Falling(std::cmp::Reverse<String>),
    Nothing,
}

impl Key {
    fn of(cell: &str, falls: bool) -> Self {
        match cell.parse::<f64>() {
            _ if cell.is_empty() => Self::Nothing,
            Ok(number) if number.is_nan() => Self::Nothing,
            // Bits in an order that is that of the numbers; zero has one sign.
            Ok(number) => {
                let bits = (number + 0.0).to_bits() as i64;
                let ordered = bits ^ (((bits >> 63) as u64) >> 1) as i64;
                Self::Number(if falls { !ordered } else { ordered })
            }
            Err(_) if falls => Self::Falling(std::cmp::Reverse(cell.to_owned())),
            Err(_) => Self::Rising(cell.to_owned()),
        }
    }
}

/// Of each configuration of an experiment, or of each experiment, the finished run of the lowest evaluation loss, in the order in
/// which they come first. Runs whose losses cannot be compared are held against each other nowhere.
pub(in crate::commands) fn best(runs: Vec<Listed>, of: BestOf) -> Vec<Listed> {
    let mut places: HashMap<[String; 4], usize> = HashMap::new();
    let mut kept: Vec<Listed> = Vec::new();
    for run in runs.into_iter().filter(|run| run.record.status == Status::Finished) {
        let Some(loss) = run.record.final_loss() else { continue };
        let record = &run.record;
        let configuration = match of {
            BestOf::Experiment => String::new(),
            // Rows of an earlier lrx, or of other origin, have no hash.
            BestOf::Configuration if record.configuration.is_empty() => record.label.clone(),
            BestOf::Configuration => record.configuration.clone(),
        };
        let key = [run.experiment.clone(), configuration, record.eval_data.clone(), record.vocabulary.clone()];
        match places.get(&key) {
            None => {
                places.insert(key, kept.len());
                kept.push(run);
            }
            Some(&place) => {
                if kept[place].record.final_loss().is_some_and(|known| loss < known) {
                    kept[place] = run;
                }
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::Condition as Standing;

    fn run(experiment: &str, configuration: &str, loss: f64, hidden: u64, note: &str) -> Listed {
        let record = RunRecord {
            run_id: format!("{configuration}-{loss}"),
            label: configuration.to_uppercase(),
            status: Status::Finished,
            configuration: configuration.into(),
            eval_loss: Some(loss),
            hidden: Some(hidden),
            note: note.into(),
            ..RunRecord::default()
        };
        Listed { experiment: experiment.into(), folder: None, record, condition: Standing::Finished }
    }

    fn runs() -> Vec<Listed> {
        vec![
            run("e", "a", 4.5, 64, ""),
            run("e", "a", 4.25, 64, "x >= 1"),
            run("e", "b", 10.0, 256, ""),
            run("f", "a", -0.0, 1024, "x"),
        ]
    }

    fn that(condition: &str) -> Vec<usize> {
        let condition = Condition::parse(condition, &columns_known()).unwrap();
        runs().iter().enumerate().filter(|(_, run)| condition.holds(run)).map(|(i, _)| i).collect()
    }

    #[test]
    fn conditions_take_numbers_for_numbers() {
        for (condition, expected) in [
            ("hidden>=256", &[2, 3][..]),
            ("hidden > 64", &[2, 3]),
            ("hidden=64.0", &[0, 1]),
            ("hidden==64", &[0, 1]),
            ("hidden!=64", &[2, 3]),
            ("eval_loss<10", &[0, 1, 3]),
            ("eval_loss<=1e1", &[0, 1, 2, 3]),
            ("eval_loss>-1", &[0, 1, 2, 3]),
            ("label=A", &[0, 1, 3]),
            ("label>A", &[2]),
            ("hidden>abc", &[]),
            ("note=", &[0, 2]),
            ("note!=", &[1, 3]),
            ("note~>= 1", &[1]),
            ("state=finished", &[0, 1, 2, 3]),
            ("experiment=f", &[3]),
            // Nothing is neither more nor less than a number.
            ("warmup_steps<1", &[]),
            ("warmup_steps!=1", &[0, 1, 2, 3]),
        ] {
            assert_eq!(that(condition), expected, "{condition}");
        }
    }

    #[test]
    fn wrong_conditions_are_told() {
        let error = |text: &str| Condition::parse(text, &columns_known()).unwrap_err();
        assert!(
            error("hiden=3").contains("there is no column `hiden`; did you mean `hidden`?"),
            "{}",
            error("hiden=3")
        );
        for text in ["hidden", "=3", "", "hidden 3"] {
            assert!(error(text).contains("expected COLUMN, one of"), "{text}");
        }
        assert!(error("hidden>").contains("the value is missing"));
        assert!(Order::parse("-eval_los", &columns_known()).unwrap_err().contains("did you mean `eval_loss`?"));
    }

    #[test]
    fn order_is_that_of_the_numbers_and_nothing_comes_last() {
        let sorted = |by: &str| {
            let mut runs = runs();
            runs.push(Listed { record: RunRecord { run_id: "new".into(), ..RunRecord::default() }, ..runs[0].clone() });
            Order::parse(by, &columns_known()).unwrap().sort(&mut runs);
            runs.into_iter().map(|run| run.record.run_id).collect::<Vec<_>>()
        };
        assert_eq!(sorted("eval_loss"), ["a--0", "a-4.25", "a-4.5", "b-10", "new"]);
        assert_eq!(sorted("-eval_loss"), ["b-10", "a-4.5", "a-4.25", "a--0", "new"]);
        assert_eq!(sorted("note"), ["a--0", "a-4.25", "a-4.5", "b-10", "new"], "texts, then what has none as it was");
    }

    #[test]
    fn the_best_are_of_each_configuration_or_experiment() {
        let of = |of| best(runs(), of).into_iter().map(|run| run.record.run_id).collect::<Vec<_>>();
        assert_eq!(of(BestOf::Configuration), ["a-4.25", "b-10", "a--0"]);
        assert_eq!(of(BestOf::Experiment), ["a-4.25", "a--0"]);
        let mut other = runs();
        other[1].record.eval_data = "other stories".into();
        assert_eq!(best(other, BestOf::Experiment).len(), 3, "losses on other stories are not compared");
    }
}

//! Reading `runs.csv` and `curves.csv`, by the names of their columns.
//!
//! Order does not matter, unknown columns are skipped, and a missing column that is not needed leaves its values out.
//! `runs.csv` needs `label` and `eval_loss`, `curves.csv` needs `run_id`, `step`, `split` and `loss`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use csv::StringRecord;

use crate::{CurveRow, Error, Moment, RankRow, RunRow, Split, Status};

/// Reads a `runs.csv`.
///
/// # Errors
/// When the file cannot be read or is not CSV, lacks a needed column, holds a value of the wrong type, or holds the
/// same `run_id` twice.
pub fn read_runs(path: &Path) -> Result<Vec<RunRow>, Error> {
    let sheet = Sheet::read(path, &["label", "eval_loss"])?;
    let mut seen = HashMap::new();
    let mut rows = Vec::with_capacity(sheet.records.len());
    for record in &sheet.records {
        let cell = Cells { sheet: &sheet, record };
        let row = run_row(&cell)?;
        if !row.run_id.is_empty()
            && let Some(first) = seen.insert(row.run_id.clone(), cell.line())
        {
            let (path, line) = (path.to_owned(), cell.line());
            return Err(Error::DuplicateRun { path, line, first, run_id: row.run_id });
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Reads a `curves.csv`. A last line that is still being written is left out.
///
/// # Errors
/// As [`read_runs`], but a `run_id` has many rows here.
pub fn read_curves(path: &Path) -> Result<Vec<CurveRow>, Error> {
    let sheet = Sheet::read(path, &["run_id", "step", "split", "loss"])?;
    sheet.records.iter().map(|record| curve_row(&Cells { sheet: &sheet, record })).collect()
}

/// Reads a `ranks.csv`.
///
/// # Errors
/// As [`read_curves`].
pub fn read_ranks(path: &Path) -> Result<Vec<RankRow>, Error> {
    let sheet = Sheet::read(path, &["run_id", "moment", "layer", "slot", "max_rank", "entropy_rank", "stable_rank"])?;
    sheet.records.iter().map(|record| rank_row(&Cells { sheet: &sheet, record })).collect()
}

fn rank_row(cell: &Cells) -> Result<RankRow, Error> {
    let moment = match cell.text("moment") {
        "initial" => Moment::Initial,
        "final" => Moment::Final,
        _ => return Err(cell.bad("moment", "`initial` or `final`")),
    };
    let number = |column| cell.number(column)?.ok_or_else(|| cell.bad(column, "a number"));
    Ok(RankRow {
        run_id: cell.text("run_id").to_owned(),
        moment,
        layer: cell.count("layer")?.ok_or_else(|| cell.bad("layer", "a whole number"))?,
        slot: cell.text("slot").to_owned(),
        max_rank: number("max_rank")?,
        entropy_rank: number("entropy_rank")?,
        stable_rank: number("stable_rank")?,
    })
}

fn run_row(cell: &Cells) -> Result<RunRow, Error> {
    let eval_loss = cell.number("eval_loss")?;
    let status = match cell.text("status") {
        "" if eval_loss.is_some() => Status::Finished,
        "" => Status::Other("without a loss".to_owned()),
        word => Status::from_field(word),
    };
    Ok(RunRow {
        run_id: cell.text("run_id").to_owned(),
        label: cell.text("label").to_owned(),
        seed: cell.count("seed")?,
        status,
        layers: cell.count("layers")?,
        hidden: cell.count("hidden")?,
        attention: cell.text("attention").to_owned(),
        attention_ranks: cell.ranks("attention_ranks"),
        mlp: cell.text("mlp").to_owned(),
        mlp_ranks: cell.ranks("mlp_ranks"),
        params: cell.count("params")?,
        params_embedding: cell.count("params_embedding")?,
        params_body: cell.count("params_body")?,
        flops_per_token: cell.number("flops_per_token")?,
        stories: cell.count("stories")?,
        tokens: cell.count("tokens")?,
        steps: cell.count("steps")?,
        train_loss: cell.number("train_loss")?,
        eval_loss,
        tokens_per_second: cell.number("tokens_per_second")?,
        wall_seconds: cell.number("wall_seconds")?,
        peak_rss_mb: cell.number("peak_rss_mb")?,
        configuration: cell.text("configuration").to_owned(),
    })
}

fn curve_row(cell: &Cells) -> Result<CurveRow, Error> {
    let split = match cell.text("split") {
        "train" => Split::Train,
        "eval" => Split::Eval,
        _ => return Err(cell.bad("split", "`train` or `eval`")),
    };
    Ok(CurveRow {
        run_id: cell.text("run_id").to_owned(),
        step: cell.count("step")?.ok_or_else(|| cell.bad("step", "a whole number"))?,
        split,
        loss: cell.number("loss")?.ok_or_else(|| cell.bad("loss", "a number"))?,
        tokens: cell.count("tokens")?,
        learning_rate: cell.number("learning_rate")?,
        grad_norm: cell.number("grad_norm")?,
        elapsed_seconds: cell.number("elapsed_seconds")?,
    })
}

/// A CSV file with its header resolved.
struct Sheet<'a> {
    path: &'a Path,
    columns: HashMap<String, usize>,
    records: Vec<StringRecord>,
}

impl<'a> Sheet<'a> {
    fn read(path: &'a Path, needed: &[&'static str]) -> Result<Self, Error> {
        let text = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let csv_error = |source| Error::Csv { path: path.to_owned(), source };
        // Flexible, to check the number of fields here: the last line may be one that a run is just writing.
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_slice());
        let header = reader.headers().map_err(csv_error)?.clone();
        let mut columns = HashMap::new();
        for (index, name) in header.iter().enumerate() {
            if columns.insert(name.to_owned(), index).is_some() {
                return Err(Error::DuplicateColumn { path: path.to_owned(), column: name.to_owned() });
            }
        }
        if let Some(&column) = needed.iter().find(|&&name| !columns.contains_key(name)) {
            let found = header.iter().collect::<Vec<_>>().join(", ");
            return Err(Error::MissingColumn { path: path.to_owned(), column, found });
        }
        let mut records = reader.into_records().collect::<Result<Vec<_>, _>>().map_err(csv_error)?;
        if !text.ends_with(b"\n") && records.last().is_some_and(|last| last.len() < header.len()) {
            records.pop();
        }
        let sheet = Self { path, columns, records };
        for record in &sheet.records {
            if record.len() != header.len() {
                let line = Cells { sheet: &sheet, record }.line();
                let (expected, found) = (header.len(), record.len());
                return Err(Error::FieldCount { path: path.to_owned(), line, expected, found });
            }
        }
        Ok(sheet)
    }
}

/// The fields of one record by column name.
struct Cells<'a> {
    sheet: &'a Sheet<'a>,
    record: &'a StringRecord,
}

impl Cells<'_> {
    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }

    /// The field, without surrounding white space; empty when there is no such column.
    fn text(&self, column: &str) -> &str {
        self.sheet.columns.get(column).and_then(|&index| self.record.get(index)).unwrap_or("")
    }

    /// Ranks with single spaces between them.
    fn ranks(&self, column: &str) -> String {
        self.text(column).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn number(&self, column: &'static str) -> Result<Option<f64>, Error> {
        match self.text(column) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| self.bad(column, "a number")),
        }
    }

    /// A whole number; also as `384.0`, which is how pandas writes a whole-number column with gaps.
    fn count(&self, column: &'static str) -> Result<Option<u64>, Error> {
        const EXACT: f64 = 9_007_199_254_740_992.0; // 2⁵³: all whole floats below are exact
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        if let Ok(whole) = text.parse::<u64>() {
            return Ok(Some(whole));
        }
        match text.parse::<f64>() {
            Ok(float) if float.fract() == 0.0 && (0.0..EXACT).contains(&float) => Ok(Some(float as u64)),
            _ => Err(self.bad(column, "a whole number from 0")),
        }
    }

    fn bad(&self, column: &'static str, expected: &'static str) -> Error {
        Error::BadValue {
            path: self.sheet.path.to_owned(),
            line: self.line(),
            column,
            value: self.text(column).to_owned(),
            expected,
        }
    }
}

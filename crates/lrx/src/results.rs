//! The files in folders of results: `<out>/<name>/<run_id>/`.

use std::io;
use std::path::Path;

use lrx_files::{write_unflushed, write_whole};
use lrx_model::EffectiveRank;
use lrx_records::{Moment, RankRow, Row, csv_text};

/// A run's row, in its folder.
pub(crate) const RECORD_FILE: &str = "run.csv";
/// A run's config with every default filled in.
pub(crate) const RESOLVED_FILE: &str = "resolved.toml";
/// A run's vocabulary: what generating text needs beside the weights.
pub(crate) const VOCABULARY_FILE: &str = "vocabulary.json";

/// Texts from a run's model while it was trained.
pub(crate) const SAMPLES_FILE: &str = "samples.csv";
/// A run's curve as TensorBoard has it. Who reads such files knows them by what stands between the points, and some by a number
/// behind it; theirs is the time at which a file was begun, of which there is one here.
pub(crate) const EVENTS_FILE: &str = "events.out.tfevents.0000000000.lrx";

/// The effective ranks of a run's matrices; of all runs in an experiment's folder.
pub(crate) const RANKS_FILE: &str = "ranks.csv";

/// What a sweep has set out to train, in an experiment's folder.
pub(crate) const PLANNED_FILE: &str = "planned.csv";

/// The runs of `lrx tune`, in an experiment's folder, and what they have shown.
pub(crate) const TUNE_FOLDER: &str = "tune";
pub(crate) const TUNE_FILE: &str = "tune.csv";

/// A row of `ranks.csv`.
pub(crate) fn rank_row(run_id: &str, moment: Moment, rank: EffectiveRank) -> RankRow {
    let EffectiveRank { matrix, layer, slot, rows, columns, max_rank, entropy_rank, stable_rank } = rank;
    RankRow {
        run_id: run_id.to_owned(),
        moment,
        matrix,
        layer: layer as u64,
        slot: slot.to_owned(),
        rows: Some(rows as u64),
        columns: Some(columns as u64),
        max_rank: max_rank as u64,
        entropy_rank,
        stable_rank,
    }
}

/// An error about a file, with the file.
pub(crate) fn about(path: &Path) -> impl Fn(io::Error) -> String + '_ {
    move |error| format!("{}: {error}", path.display())
}

/// Writes rows as CSV, whole or not at all.
pub(crate) fn write_csv_text<R: Row>(path: &Path, rows: &[R]) -> Result<(), String> {
    write_text(path, &csv_text(rows))
}

/// Writes `text` to `path`, whole or not at all.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), String> {
    write_whole(path, text.as_bytes()).map_err(about(path))
}

/// As [`write_text`], for what is flushed to the disk with others, or may be lost with the machine.
pub(crate) fn write_text_unflushed(path: &Path, text: &str) -> Result<(), String> {
    write_unflushed(path, text.as_bytes()).map_err(about(path))
}

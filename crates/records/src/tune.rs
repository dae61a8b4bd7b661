//! `tune.csv`: how the value of a key was chosen for each configuration.

use crate::row::row;

row! {
    /// One value of the key at one rung: trained that far and evaluated on the stories for tuning. Losses and differences are
    /// nats per target.
    pub struct TuneRecord, needs ["configuration", "key", "value", "rung", "verdict"], {
        /// Hash of all that the configuration's numbers depend on but the seed and the key.
        configuration: String,
        /// Its label.
        label: String,
        /// Dotted.
        key: String,
        /// Its value.
        value: f64,
        /// How many times was chosen among the values so far, this time with it.
        rung: u64,
        /// Updates done.
        step: u64,
        /// Updates of a whole run.
        steps: u64,
        /// Of the runs, separated by spaces.
        seeds: String,
        /// Mean over the seeds.
        loss: Option<f64>,
        /// Sample standard deviation over them.
        loss_sd: Option<f64>,
        /// The loss less that of the best value of this rung.
        difference: Option<f64>,
        /// Lower end of its 95 % interval.
        difference_low: Option<f64>,
        /// Upper end.
        difference_high: Option<f64>,
        /// `kept`, `dropped`, `parted`, `diverged`, `chosen`.
        verdict: String,
        /// At which end of the grid the chosen value lies: `lowest`, `highest`.
        edge: String,
        /// Updates that this rung took for this value, of all seeds.
        cost: u64,
        /// Where the value comes from: `given`, `default`, `extended`.
        grid: String,
        /// Hash of the stories that were evaluated on, as in `runs.csv`.
        eval_data: String,
        /// The runs, separated by spaces: those of the `runs.csv` in `tune/`.
        run_ids: String,
    }
}

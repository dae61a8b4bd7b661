//! Which runs of a sweep are one task's of a scheduler's array.
//!
//! Tasks count from 1 to M; task N takes the runs N, N + M, N + 2 M, … of the sweep, so that neighbours, which mostly take
//! as long as each other, go to different tasks.

use std::str::FromStr;

/// What `--task` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// `N/M`
    Task(Share),
    /// `auto`, or `auto/M`: what the scheduler says this task's number is.
    Auto(Option<usize>),
}

/// Task `number` of `of`, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) number: usize,
    pub(crate) of: usize,
}

impl Share {
    /// Whether the run at `index`, from 0, is this task's.
    pub(crate) fn has(self, index: usize) -> bool {
        index % self.of == self.number - 1
    }

    fn new(number: usize, of: usize) -> Option<Self> {
        (1..=of).contains(&number).then_some(Self { number, of })
    }
}

impl FromStr for Asked {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected N/M with N from 1 to M, `auto`, or `auto/M`".to_string();
        let count = |text: &str| text.parse::<usize>().ok().filter(|&count| count > 0).ok_or_else(expected);
        match text.split_once('/') {
            None if text == "auto" => Ok(Self::Auto(None)),
            None => Err(expected()),
            Some(("auto", of)) => Ok(Self::Auto(Some(count(of)?))),
            Some((number, of)) => {
                let (number, of) = (number.parse().map_err(|_| expected())?, count(of)?);
                let share = Share::new(number, of);
                share.map(Self::Task).ok_or_else(|| format!("tasks count from 1 to {of}; expected 1/{of} to {of}/{of}"))
            }
        }
    }
}

/// A scheduler: how it is called, the variable that numbers the tasks of an array, where `lrx submit` lets these begin, and the
/// variables that name the job, the first that is set.
struct Scheduler {
    name: &'static str,
    variable: &'static str,
    begins: usize,
    jobs: &'static [&'static str],
}

/// The innermost first: workers of HyperQueue and pods may themselves be jobs of another's.
const SCHEDULERS: [Scheduler; 4] = [
    Scheduler { name: "HyperQueue", variable: "HQ_TASK_ID", begins: 0, jobs: &["HQ_JOB_ID"] },
    Scheduler { name: "Kubernetes", variable: "JOB_COMPLETION_INDEX", begins: 0, jobs: &[] },
    Scheduler {
        name: "Slurm",
        variable: "SLURM_ARRAY_TASK_ID",
        begins: 0,
        jobs: &["SLURM_ARRAY_JOB_ID", "SLURM_JOB_ID"],
    },
    // Its `JOB_ID` may be anybody's.
    Scheduler { name: "Grid Engine", variable: "SGE_TASK_ID", begins: 1, jobs: &[] },
];

/// The value of a variable. Of a job that is no array, Grid Engine says `undefined`.
fn set(variable: &impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty() && value != "undefined")
}

/// What a scheduler calls the job that this process is, if it is one: `Slurm job 12_3`.
pub(crate) fn job(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    SCHEDULERS.iter().find_map(|scheduler| {
        let job = scheduler.jobs.iter().find_map(|name| set(&variable, name));
        let said = match (job, set(&variable, scheduler.variable)) {
            (Some(job), Some(task)) => format!("job {job}_{task}"),
            (Some(job), None) => format!("job {job}"),
            (None, Some(task)) => format!("task {task}"),
            (None, None) => return None,
        };
        Some(format!("{} {said}", scheduler.name))
    })
}

impl Asked {
    /// The task's share of `runs` runs; variables of the environment are asked of `variable`.
    ///
    /// # Errors
    /// When no scheduler says which task this is, or what it says fits no share.
    pub(crate) fn share(self, runs: usize, variable: impl Fn(&str) -> Option<String>) -> Result<Share, String> {
        let of = match self {
            Self::Task(share) => return Ok(share),
            Self::Auto(of) => of,
        };
        let set = |name: &str| set(&variable, name);
        let found = SCHEDULERS.iter().find_map(|scheduler| Some((scheduler, set(scheduler.variable)?)));
        let Some((scheduler, id)) = found else {
            let variables = SCHEDULERS.map(|scheduler| scheduler.variable).join(", ");
            return Err(format!("--task auto: none of {variables} is set; expected a task of an array, or --task N/M"));
        };
        let number = |name: &str, text: String| {
            let wrong = |_| format!("--task auto: {name} is {text:?}; expected a number");
            text.trim().parse::<usize>().map_err(wrong)
        };
        let id = number(scheduler.variable, id)?;
        let told = |name: &str| set(name).map(|text| number(name, text)).transpose();
        let (begins, step, count) = match (of, scheduler.name) {
            (None, "Slurm") => {
                let of = |what| told(&format!("SLURM_ARRAY_TASK_{what}"));
                (of("MIN")?.unwrap_or(0), of("STEP")?.unwrap_or(1), of("COUNT")?)
            }
            (None, "Grid Engine") => {
                let (first, step) = (told("SGE_TASK_FIRST")?.unwrap_or(1), told("SGE_TASK_STEPSIZE")?.unwrap_or(1));
                let last = told("SGE_TASK_LAST")?;
                (first, step, last.map(|last| last.saturating_sub(first) / step.max(1) + 1))
            }
            _ => (scheduler.begins, 1, of),
        };
        // Where nobody says how many tasks there are, each has one run.
        let (step, of) = (step.max(1), count.unwrap_or(runs));
        let number = id.checked_sub(begins).filter(|offset| offset % step == 0).map(|offset| offset / step + 1);
        number.and_then(|number| Share::new(number, of)).ok_or_else(|| {
            let by = if step == 1 { String::new() } else { format!(" in steps of {step}") };
            let last = begins + step * of.saturating_sub(1);
            let (name, variable) = (scheduler.name, scheduler.variable);
            format!(
                "--task auto: {name} says {variable}={id}; expected {begins} to {last}{by}, one for each of {of} tasks"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(asked: &str, runs: usize, variables: &[(&str, &str)]) -> Result<(usize, usize), String> {
        let value = |name: &str| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_string());
        asked.parse::<Asked>().unwrap().share(runs, value).map(|share| (share.number, share.of))
    }

    #[test]
    fn tasks_count_from_one_and_share_all_runs() {
        assert_eq!("2/4".parse(), Ok(Asked::Task(Share { number: 2, of: 4 })));
        for wrong in ["", "0/4", "5/4", "4", "1/0", "a/4", "-1/4", "1/4/5", "auto/0", "auto/x", "Auto"] {
            assert!(wrong.parse::<Asked>().is_err(), "{wrong}");
        }
        let share = |number| Share { number, of: 4 };
        let of: Vec<usize> = (0..10).filter(|&i| share(2).has(i)).collect();
        assert_eq!(of, [1, 5, 9]);
        assert!((0..10).all(|i| (1..=4).filter(|&number| share(number).has(i)).count() == 1), "each run is one task's");
        assert_eq!((0..3).filter(|&i| share(4).has(i)).count(), 0, "more tasks than runs");
    }

    #[test]
    fn jobs_are_called_as_their_scheduler_calls_them() {
        let job = |variables: &[(&str, &str)]| {
            super::job(|name| Some(variables.iter().find(|(known, _)| *known == name)?.1.to_string()))
        };
        assert_eq!(job(&[("JOB_ID", "8")]), None, "anybody's");
        for (variables, expected) in [
            (&[("SLURM_JOB_ID", "8")][..], "Slurm job 8"),
            (&[("SLURM_JOB_ID", "8"), ("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", "3")], "Slurm job 7_3"),
            (&[("HQ_JOB_ID", "2"), ("HQ_TASK_ID", "5"), ("SLURM_JOB_ID", "8")], "HyperQueue job 2_5"),
            (&[("JOB_COMPLETION_INDEX", "4")], "Kubernetes task 4"),
            (&[("JOB_ID", "8"), ("SGE_TASK_ID", "1")], "Grid Engine task 1"),
        ] {
            assert_eq!(job(variables).as_deref(), Some(expected));
        }
    }

    /// What each scheduler sets: `sbatch --array`, an indexed Job, `hq submit --array`, `qsub -t`.
    #[test]
    fn schedulers_say_which_task_this_is() {
        let slurm = |id, count, min, step| {
            let (name, all) =
                ("SLURM_ARRAY_TASK_ID", [("SLURM_ARRAY_TASK_COUNT", count), ("SLURM_ARRAY_TASK_MIN", min)]);
            [(name, id), all[0], all[1], ("SLURM_ARRAY_TASK_STEP", step)]
        };
        // --array=0-3, 1-4, 10-30:10
        assert_eq!(auto("auto", 99, &slurm("0", "4", "0", "1")), Ok((1, 4)));
        assert_eq!(auto("auto", 99, &slurm("4", "4", "1", "1")), Ok((4, 4)));
        assert_eq!(auto("auto", 99, &slurm("30", "3", "10", "10")), Ok((3, 3)));
        // --array=1,2,7: no share fits; with M said, the number is the scheduler's own, whichever tasks are submitted again.
        assert!(auto("auto", 99, &slurm("7", "3", "1", "1")).unwrap_err().contains("expected 1 to 3"));
        assert_eq!(auto("auto/8", 99, &slurm("7", "1", "7", "1")), Ok((8, 8)));
        assert!(auto("auto/7", 99, &slurm("7", "1", "7", "1")).unwrap_err().contains("SLURM_ARRAY_TASK_ID=7"));

        assert_eq!(auto("auto", 12, &[("JOB_COMPLETION_INDEX", "0")]), Ok((1, 12)));
        assert_eq!(auto("auto/5", 12, &[("JOB_COMPLETION_INDEX", "4")]), Ok((5, 5)));
        assert!(auto("auto", 12, &[("JOB_COMPLETION_INDEX", "12")]).is_err());
        assert_eq!(auto("auto", 12, &[("HQ_TASK_ID", "11"), ("SLURM_ARRAY_TASK_ID", "3")]), Ok((12, 12)));

        let sge = [("SGE_TASK_ID", "5"), ("SGE_TASK_FIRST", "1"), ("SGE_TASK_LAST", "9"), ("SGE_TASK_STEPSIZE", "2")];
        assert_eq!(auto("auto", 99, &sge), Ok((3, 5)));
        assert_eq!(auto("auto/9", 99, &sge), Ok((5, 9)));
        assert!(auto("auto", 9, &[("SGE_TASK_ID", "undefined")]).unwrap_err().contains("none of HQ_TASK_ID"));
        assert!(auto("auto", 9, &[("HQ_TASK_ID", "x")]).unwrap_err().contains("HQ_TASK_ID is \"x\""));
        assert!(auto("auto", 0, &[("HQ_TASK_ID", "0")]).is_err());
    }
}

//! `lrx submit`: a sweep as the job of a scheduler, by a template that a site may replace.

mod template;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread::available_parallelism;

use clap::{ArgGroup, Args, ValueEnum};
use lrx_layers::Registry;
use lrx_spec::{Experiment, hint};

use self::template::{Values, filled};
use super::common::Common;
use super::plan::needs::{Needs, needs};
use crate::failure::Failure;
use crate::manifest::Manifest;
use crate::shell::{line, quoted};
use crate::terminal::{tell, write_data};
use crate::threads::use_threads;

/// Tasks beyond which Slurm takes no array unless it is told to, one a run below that.
const MOST_TASKS: usize = 1000;
/// Threads of a task unless `--threads` says otherwise: more are of little use to small models.
const THREADS: usize = 8;

/// `lrx submit`
#[derive(Args)]
#[command(group(ArgGroup::new("sweep").args(["configs", "manifest"]).required(true)))]
#[command(after_help = "\
The sweep is frozen in a manifest, DIR/<name>.manifest.json, unless --manifest names one; each task trains its share of it
(lrx run --manifest FILE --task auto/M), goes on from its checkpoints when it is begun again, and the report is drawn after
the last. Tasks get twice the time that `lrx plan` estimates and ten minutes, half as much memory again, and --threads cores.

  lrx submit sweep.toml --engine slurm --dry-run                print what sbatch would be given
  lrx submit sweep.toml --engine slurm --tasks 20 --value minutes=240
  lrx submit sweep.toml --engine kubernetes --value image=lrx:1 --value claim=work --dry-run
  lrx submit sweep.toml --engine ssh --hosts node1,node2
  lrx submit sweep.toml --engine slurm --template site.sh --value partition=long

A template is a text with placeholders {{like_this}}: name, object (the name as Kubernetes allows it), runs, tasks, last (tasks - 1),
cores, memory (MB), minutes, folder (this one), manifest, out, logs, hosts, image, claim, run and report (the command lines);
folder_yaml, image_yaml and claim_yaml, as YAML takes them.
--value gives any of them another value, or a new one to a template of your own; what a template names and nobody gives is
an error.")]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    common: Common,
    /// The sweep of FILE, which `lrx plan CONFIG.toml --manifest FILE` has written
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// What runs it
    #[arg(long, value_enum)]
    engine: Engine,
    /// Print what would be submitted, and write and submit nothing
    #[arg(long)]
    dry_run: bool,
    /// Tasks that the runs are divided among [default: one a run, 1000 at most; with ssh, one a host]
    #[arg(long, value_name = "M")]
    tasks: Option<usize>,
    /// The machines of --engine ssh
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', required_if_eq("engine", "ssh"))]
    hosts: Vec<String>,
    /// A template in the place of the engine's own, which --dry-run shows filled in
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// A value of a placeholder (repeatable): --value minutes=240
    #[arg(long, value_name = "NAME=TEXT")]
    value: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Slurm,
    Kubernetes,
    Hyperqueue,
    Ssh,
}

impl Engine {
    /// What its template is called and says.
    fn template(self) -> (&'static str, &'static str) {
        match self {
            Self::Slurm => ("slurm.sh", include_str!("slurm.sh")),
            Self::Kubernetes => ("kubernetes.yaml", include_str!("kubernetes.yaml")),
            Self::Hyperqueue => ("hyperqueue.sh", include_str!("hyperqueue.sh")),
            Self::Ssh => ("ssh.sh", include_str!("ssh.sh")),
        }
    }

    /// The program that has to be there.
    fn program(self) -> &'static str {
        match self {
            Self::Slurm => "sbatch",
            Self::Kubernetes => "kubectl",
            Self::Hyperqueue => "hq",
            Self::Ssh => "ssh",
        }
    }
}

pub(crate) fn submit(args: &SubmitArgs, registry: &Registry) -> Result<ExitCode, Failure> {
    let cores = args.common.threads.unwrap_or_else(|| THREADS.min(available_parallelism().map_or(1, usize::from)));
    use_threads(Some(cores))?;
    let (source, text) = template(args)?;
    let experiments = args.common.sweep(args.manifest.as_deref(), registry)?;
    let runs: usize = experiments.iter().map(|experiment| experiment.runs.len()).sum();
    let tasks = match (args.tasks, args.engine) {
        (Some(0), _) => return Err(Failure::Usage("--tasks 0: expected at least 1".into())),
        (Some(tasks), _) => tasks,
        (None, Engine::Ssh) => args.hosts.len(),
        (None, _) => runs.clamp(1, MOST_TASKS),
    };
    if args.engine == Engine::Ssh && tasks != args.hosts.len() {
        let message =
            format!("--tasks {tasks}: expected one for each of the {} hosts of --engine ssh", args.hosts.len());
        return Err(Failure::Usage(message));
    }
    let is_host = |host: &&String| !host.is_empty() && !host.starts_with('-') && !host.contains(char::is_whitespace);
    if let Some(wrong) = args.hosts.iter().find(|host| !is_host(host)) {
        return Err(Failure::Usage(format!(
            "--hosts: {wrong:?} is no machine; expected names with commas between them"
        )));
    }
    let needs = needs(&experiments, &args.common.out, tasks)?;
    let manifest =
        args.manifest.clone().unwrap_or_else(|| args.common.out.join(format!("{}.manifest.json", experiments[0].name)));
    let values = values(args, &experiments, &manifest, [runs, tasks, cores], &needs)?;
    let text = filled(&source, &text, &values).map_err(Failure::Usage)?;
    if args.dry_run {
        write_data(&text);
        return Ok(ExitCode::SUCCESS);
    }
    check_program(args.engine)?;
    if args.manifest.is_none() {
        freeze(&manifest, args, &experiments)?;
    }
    send(args.engine, &text)
}

/// What the template is called, and its text.
fn template(args: &SubmitArgs) -> Result<(String, String), Failure> {
    let Some(path) = &args.template else {
        let (name, text) = args.engine.template();
        return Ok((name.into(), text.into()));
    };
    let text = lrx_files::read_to_string(path).map_err(|error| {
        Failure::Usage(format!("cannot read the template {}: {error}{}", path.display(), hint(path)))
    })?;
    Ok((path.display().to_string(), text))
}

fn values(
    args: &SubmitArgs,
    experiments: &[Experiment],
    manifest: &Path,
    [runs, tasks, cores]: [usize; 3],
    needs: &Needs,
) -> Result<Values, Failure> {
    let folder =
        std::env::current_dir().map_err(|error| Failure::Failed(format!("cannot tell the current folder: {error}")))?;
    let folder = in_script(&folder)?;
    let (out, name) = (&args.common.out, &experiments[0].name);
    let program = std::env::current_exe().map_or("lrx".into(), |path| path.display().to_string());
    // What the image calls it.
    let program = if args.engine == Engine::Kubernetes { "lrx".into() } else { program };
    let (out_text, manifest) = (in_script(out)?, in_script(manifest)?);
    let run =
        [&program, "run", "--manifest", &manifest, "--out", &out_text, "--threads", &cores.to_string()].map(quoted);
    let folders = experiments.iter().map(|experiment| out.join(&experiment.name).display().to_string());
    let report = line([program.clone(), "report".into()].into_iter().chain(folders));
    let known = [
        ("name", name.clone()),
        ("object", object(name)),
        ("runs", runs.to_string()),
        ("tasks", tasks.to_string()),
        ("last", (tasks - 1).to_string()),
        ("cores", cores.to_string()),
        ("memory", megabytes(needs.bytes).to_string()),
        ("folder", quoted(&folder)),
        ("manifest", quoted(&manifest)),
        ("out", quoted(&out_text)),
        ("logs", quoted(&out.join(".logs").display().to_string())),
        ("run", run.join(" ")),
        ("report", report),
        ("hosts", line(&args.hosts)),
        ("image", format!("lrx:{}", env!("CARGO_PKG_VERSION"))),
        ("claim", "lrx".into()),
    ];
    let mut values: Values = known.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    // Where it cannot be told, somebody has to: a template that asks for it is an error then.
    values.extend(needs.seconds.map(|seconds| ("minutes".to_string(), minutes(seconds).to_string())));
    for argument in &args.value {
        let Some((name, value)) = argument.split_once('=').filter(|(name, _)| !name.trim().is_empty()) else {
            return Err(Failure::Usage(format!("--value {argument}: expected NAME=TEXT, such as minutes=240")));
        };
        values.insert(name.trim().to_string(), value.to_string());
    }
    // As YAML takes them: the folder's own value is a shell's word.
    let is_given =
        |name: &str| args.value.iter().any(|value| value.split_once('=').is_some_and(|(n, _)| n.trim() == name));
    for name in ["folder", "image", "claim"] {
        let value = if name == "folder" && !is_given(name) { &folder } else { &values[name] };
        values.insert(format!("{name}_yaml"), format!("'{}'", value.replace('\'', "''")));
    }
    match values.iter().find(|(_, value)| value.contains(['\n', '\r'])) {
        None => Ok(values),
        Some((name, value)) => Err(Failure::Usage(format!(
            "{{{{{name}}}}} is {value:?}; expected no line break, as in scripts it would end a line"
        ))),
    }
}

/// A path as a text, for a script.
fn in_script(path: &Path) -> Result<String, Failure> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Failure::Usage(format!("{}: expected a path in UTF-8, since scripts are texts", path.display())))
}

/// The name as one of Kubernetes' objects may have it: lower-case letters, digits and hyphens.
fn object(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    format!("lrx-{}", name.chars().map(allowed).take(40).collect::<String>().trim_matches('-'))
}

/// Twice the estimate, since other machines are slower and shared, and ten minutes to begin.
fn minutes(seconds: f64) -> u64 {
    (2.0 * seconds / 60.0).ceil() as u64 + 10
}

/// Half as much again, and what every process takes, in steps of 256.
fn megabytes(bytes: f64) -> u64 {
    256 * ((1.5 * bytes / 1e6 + 256.0) / 256.0).ceil() as u64
}

fn check_program(engine: Engine) -> Result<(), Failure> {
    let program = engine.program();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(program).is_file()) {
        return Ok(());
    }
    Err(Failure::Usage(format!("there is no `{program}` on this machine; --dry-run prints what it would be given")))
}

fn freeze(path: &Path, args: &SubmitArgs, experiments: &[Experiment]) -> Result<(), Failure> {
    let out = &args.common.out;
    std::fs::create_dir_all(out).map_err(|error| Failure::Failed(format!("{}: {error}", out.display())))?;
    let manifest = Manifest::of(path, &args.common.configs, &args.common.set, experiments).map_err(Failure::Usage)?;
    manifest.write(path).map_err(Failure::Failed)?;
    tell!("{}: {} runs", path.display(), manifest.len());
    Ok(())
}

/// Gives the text to what takes it.
fn send(engine: Engine, text: &str) -> Result<ExitCode, Failure> {
    let (name, mut command) = match engine {
        Engine::Kubernetes => ("kubectl", Command::new("kubectl")),
        _ => ("sh", Command::new("sh")),
    };
    let failed = |error: std::io::Error| Failure::Failed(format!("{name}: {error}"));
    let status = if engine == Engine::Kubernetes {
        // `create`, as the name is made up there: a sweep may be submitted again.
        let mut child = command.args(["create", "-f", "-"]).stdin(Stdio::piped()).spawn().map_err(failed)?;
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).map_err(failed)?;
        child.wait()
    } else {
        command.args(["-c", text]).status()
    };
    let status = status.map_err(failed)?;
    if status.success() {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::Failed(format!("{name} has ended with {status}; --dry-run prints what it was given")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_rounded_up() {
        assert_eq!((minutes(0.0), minutes(31.0), minutes(3600.0)), (10, 12, 130));
        assert_eq!((megabytes(0.0), megabytes(1e6), megabytes(1e9)), (256, 512, 1792));
        assert_eq!(object("My_sweep.2"), "lrx-my-sweep-2");
    }
}

//! Sweeps as the tasks of a scheduler's array: frozen, shared, prepared once, and given to the scheduler.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};

use common::{Lab, current, numbers, wait_until};

const LRX: &str = env!("CARGO_BIN_EXE_lrx");
const SEEDS: &str = "seeds = [0, 1, 2, 3, 4]";

/// Runs lrx with variables of the environment; its exit code, and what it says.
fn with(lab: &Lab, variables: &[(&str, &str)], arguments: &str) -> (Option<i32>, String) {
    let mut command = Command::new(LRX);
    command.args(arguments.split_whitespace()).current_dir(lab.path("")).envs(variables.iter().copied());
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// Starts lrx; what it says goes to `said-NAME`.
fn start(lab: &Lab, name: &str, arguments: &str) -> Child {
    let said = fs::File::create(lab.path(&format!("said-{name}"))).unwrap();
    let mut command = Command::new(LRX);
    command.args(arguments.split_whitespace()).current_dir(lab.path("")).env("LRX_CLAIM_SECONDS", "3");
    command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

fn has_progress(lab: &Lab, out: &str) -> bool {
    lab.runs(&format!("{out}/tiny")).iter().any(|run| current(run).join("checkpoint.safetensors").exists())
}

#[test]
fn a_manifest_freezes_order_configs_and_data() {
    let lab = Lab::new();
    lab.write("configs/base.toml", format!("{}\n# a comment\n", common::TINY.replace("\"synthetic\"", "\"../a.txt\"")));
    lab.write("configs/sweep.toml", "extends = \"base.toml\"\nseeds = [0, 1]\n[sweep]\n\"model.hidden\" = [8, 16]\n");
    let stories = |last: &str| format!("{}{last}", "once upon a time<|endoftext|>a cat sat<|endoftext|>".repeat(50));
    lab.write("a.txt", stories("the end"));
    fs::create_dir(lab.path("frozen")).unwrap();
    let ids = lab.expect(0, "plan configs/sweep.toml --set train.steps=3 --ids --manifest frozen/sweep.json").stdout;
    assert_eq!(ids.lines().count(), 4);
    let frozen: serde_json::Value = serde_json::from_str(&lab.read("frozen/sweep.json")).unwrap();
    let runs = frozen["runs"].as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap());
    assert_eq!(runs.collect::<Vec<_>>(), ids.lines().collect::<Vec<_>>());
    assert_eq!(frozen["configs"][0], "../configs/sweep.toml");
    let same = |lab: &Lab| lab.expect(0, "plan --manifest frozen/sweep.json --ids").stdout;
    assert_eq!(same(&lab), ids, "--set stands in it, too");

    let refused = |message: &str| {
        let done = lab.expect(2, "run --manifest frozen/sweep.json --out out");
        assert!(done.stderr.starts_with("error: the sweep is not what frozen/sweep.json holds: "), "{}", done.stderr);
        assert!(done.stderr.contains(message), "{message}: {}", done.stderr);
        let again = "lrx plan configs/sweep.toml --set train.steps=3 --manifest frozen/sweep.json";
        assert!(done.stderr.trim_end().ends_with(again), "{}", done.stderr);
        assert!(common::files(&lab.path("out")).iter().all(|file| file.starts_with(".cache")));
    };
    let changed = |file: &str, from: &str, to: &str, message: &str| {
        let before = lab.read(file);
        assert!(before.contains(from));
        lab.write(file, before.replacen(from, to, 1));
        refused(message);
        lab.write(file, before);
    };
    let line = lab.read("configs/base.toml").lines().position(|line| line == "learning_rate = 1e-3").unwrap() + 1;
    let said = format!("configs/base.toml:{line} says `learning_rate = 2e-3` and said `learning_rate = 1e-3`");
    changed("configs/base.toml", "learning_rate = 1e-3", "learning_rate = 2e-3", &said);
    changed("configs/sweep.toml", "seeds = [0, 1]", "seeds = [1, 0]", "configs/sweep.toml:2 says `seeds = [1, 0]`");
    changed("a.txt", "the end", "the End", "`data.train` = \"../a.txt\": the BLAKE3 of its content is ");
    fs::rename(lab.path("configs/base.toml"), lab.path("configs/bas.toml")).unwrap();
    refused("configs/base.toml: No such file");
    fs::rename(lab.path("configs/bas.toml"), lab.path("configs/base.toml")).unwrap();
    // What changes no number may change.
    lab.write("configs/base.toml", lab.read("configs/base.toml").replace("# a comment", "# another"));
    assert_eq!(same(&lab), ids);

    // Another lrx may call the same runs otherwise.
    let text = lab.read("frozen/sweep.json");
    let (first, second) = (ids.lines().next().unwrap(), ids.lines().nth(1).unwrap());
    lab.write(
        "frozen/sweep.json",
        text.replace(first, "x").replace(second, first).replace("\"x\"", &format!("{second:?}")),
    );
    refused(&format!("run 1 is {first}"));
    lab.write("frozen/sweep.json", "{}");
    assert!(
        lab.expect(2, "run --manifest frozen/sweep.json").stderr.contains("not a manifest that `lrx plan --manifest`")
    );
    lab.write("frozen/sweep.json", text);
    let misspelt = lab.expect(2, "run --manifest frozen/swep.json").stderr;
    assert!(misspelt.contains("frozen/swep.json: No such file") && misspelt.contains("sweep.json"), "{misspelt}");
    assert!(lab.expect(2, "run --manifest frozen/sweep.json --set seeds=[3]").stderr.contains("--set seeds=[3]: "));
    assert!(
        lab.expect(2, "run configs/sweep.toml --manifest frozen/sweep.json").stderr.contains("cannot be used with")
    );
    assert!(lab.expect(2, "plan configs/sweep.toml --manifest nowhere/s.json").stderr.contains("no folder nowhere"));
    lab.expect(0, "run --manifest frozen/sweep.json --out out");
    assert_eq!(lab.runs("out/sweep").len(), 4);
}

#[test]
fn tasks_share_the_runs_and_come_to_the_same_numbers() {
    let lab = Lab::tiny(SEEDS);
    lab.expect(0, "run tiny.toml --out alone");
    let ids = lab.expect(0, "plan tiny.toml --ids --manifest sweep.json").stdout;
    let ids: Vec<&str> = ids.lines().collect();
    let finished = || -> Vec<String> {
        let names = lab.runs("out/tiny").into_iter().map(|run| run.file_name().unwrap().to_string_lossy().into_owned());
        names.collect()
    };
    let done = lab.expect(0, "run tiny.toml --task 2/3 --out out");
    assert!(done.stderr.contains("task 2 of 3: 2 of 5 runs"), "{}", done.stderr);
    let mut expected = vec![ids[1], ids[4]];
    expected.sort_unstable();
    assert_eq!(finished(), expected, "configs are shared as a manifest is");
    let (code, said) = with(&lab, &[("SLURM_ARRAY_TASK_ID", "2")], "run --manifest sweep.json --task auto/3 --out out");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("task 3 of 3: 1 of 5 runs"), "{said}");
    let (code, said) =
        with(&lab, &[("JOB_COMPLETION_INDEX", "0")], "run --manifest sweep.json --task auto/3 --out out");
    assert_eq!(code, Some(0), "{said}");
    assert!(numbers(&lab, "out") == numbers(&lab, "alone"));
    assert!(lab.expect(0, "run tiny.toml --task 7/7 --out other").stderr.contains("task 7 of 7: 0 of 5 runs"));
    assert!(lab.expect(2, "run tiny.toml --task 0/3").stderr.contains("tasks count from 1 to 3; expected 1/3 to 3/3"));
    let (code, said) = with(&lab, &[], "run tiny.toml --task auto");
    assert!(code == Some(2) && said.contains("none of HQ_TASK_ID, JOB_COMPLETION_INDEX"), "{said}");
}

#[test]
fn a_thief_takes_what_nobody_has_begun_or_somebody_has_left_and_nothing_else() {
    let lab = Lab::tiny("seeds = [0, 1, 2]");
    let long = "--set train.steps=3000 --set train.eval_every=1000 --set train.log_every=500 --checkpoint-steps 50 --threads 1";
    lab.expect(0, &format!("run tiny.toml {long} --out alone"));
    let mut owner = start(&lab, "owner", &format!("run tiny.toml {long} --out out --task 2/3"));
    wait_until(&mut owner, "a checkpoint", || has_progress(&lab, "out"));
    // Stopped, it stays the owner for as long as its claim holds; the thief leaves it alone while it is seen to live.
    let thief = format!("run tiny.toml {long} --out out --task 1/3 --steal");
    let mut first = start(&lab, "thief", &thief);
    assert_eq!(first.wait().unwrap().code(), Some(0), "{}", lab.read("said-thief"));
    let attempts = |lab: &Lab| common::files(&lab.path("out/tiny")).iter().any(|file| file.contains("/attempt.0/"));
    let lives = owner.try_wait().unwrap().is_none();
    assert!(!lives || attempts(&lab), "taken from a live owner: {}", lab.read("said-thief"));
    owner.kill().unwrap();
    owner.wait().unwrap();
    let mut second = start(&lab, "thief", &thief);
    assert_eq!(second.wait().unwrap().code(), Some(0), "{}", lab.read("said-thief"));
    assert!(numbers(&lab, "out") == numbers(&lab, "alone"), "{}", lab.read("said-thief"));
}

#[test]
fn what_starts_together_prepares_once() {
    let lab = Lab::new();
    lab.write("tiny.toml", common::TINY.replace("stories = 40", "stories = 8000").replace("= 300", "= 2000"));
    let mut processes: Vec<Child> =
        (0..3).map(|i| start(&lab, &i.to_string(), "prepare tiny.toml --out out --threads 1")).collect();
    for process in &mut processes {
        assert_eq!(process.wait().unwrap().code(), Some(0));
    }
    let said = (0..3).map(|i| lab.read(&format!("said-{i}"))).collect::<String>();
    for what in ["train the tokenizer", "tokenize synthetic stories", "measure synthetic stories"] {
        assert_eq!(said.lines().filter(|line| *line == what).count(), 1, "{what}: {said}");
    }
    assert!((2..=3).contains(&said.matches("waits for ").count()), "whoever waits says so once: {said}");
    let left: Vec<String> = fs::read_dir(lab.path("out/.cache"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".turn") || name.starts_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let run = lab.expect(0, "run tiny.toml --out out");
    assert!(!run.stderr.contains("the tokenizer") && !run.stderr.contains("tokenize"), "{}", run.stderr);
    let again = lab.expect(0, "prepare tiny.toml --out out");
    assert!(again.stdout.contains("7,200 stories to train on"), "{}", again.stdout);
}

/// A folder of programs that stand for a scheduler's, first in the path.
fn scheduler(lab: &Lab, programs: &[(&str, &str)]) -> String {
    for (name, script) in programs {
        lab.write(&format!("bin/{name}"), format!("#!/bin/sh\n{script}"));
        assert!(Command::new("chmod").arg("+x").arg(lab.path(&format!("bin/{name}"))).status().unwrap().success());
    }
    format!("{}:{}", lab.path("bin").display(), std::env::var("PATH").unwrap())
}

fn submitted(lab: &Lab, path: &str, arguments: &str) -> String {
    let (code, said) = with(lab, &[("PATH", path)], arguments);
    assert_eq!(code, Some(0), "{said}");
    said
}

#[test]
fn a_slurm_array_is_given_to_sbatch_and_the_report_after_it() {
    let lab = Lab::tiny(SEEDS);
    let sbatch = "n=$(ls given* 2> /dev/null | wc -l); { echo \"$*\"; cat; } > given$n; echo $((40 + n))\n";
    // A controller that refuses at first; having agreed, it ends the task.
    let scontrol = "echo \"$*\" >> asked; [ $(wc -l < asked) = 2 ] || exit 1; kill $PPID\n";
    let path = scheduler(&lab, &[("sbatch", sbatch), ("srun", "shift; exec \"$@\"\n"), ("scontrol", scontrol)]);
    let arguments = "submit tiny.toml --engine slurm --tasks 2 --threads 2 --value memory=700 --out out";
    let dry = lab.expect(0, &format!("{arguments} --dry-run"));
    assert!(
        !dry.stdout.contains("{{") && dry.stdout.starts_with("#!/bin/sh\n# tiny: 5 runs in 2 tasks"),
        "{}",
        dry.stdout
    );
    assert!(!lab.path("out/tiny.manifest.json").exists(), "nothing is written");
    submitted(&lab, &path, arguments);
    let array = lab.read("given0");
    for line in ["--array=0-1", "--cpus-per-task=2", "--mem=700M", "--requeue", "--signal=USR1@120"] {
        assert!(array.contains(&format!("\n#SBATCH {line}\n")), "{line}: {array}");
    }
    // The estimate is of seconds: ten minutes, and what they are rounded up to.
    assert!(array.contains("\n#SBATCH --time=11\n"), "{array}");
    assert!(lab.read("given1").starts_with("--parsable --dependency=afterany:40\n"), "{}", lab.read("given1"));
    // As Slurm runs the tasks.
    let script = |id: &str| {
        let variables = [("PATH", path.as_str()), ("SLURM_ARRAY_TASK_ID", id), ("SLURM_JOB_ID", "77")];
        let task = array.split_once('\n').unwrap().1;
        Command::new("sh").args(["-c", task]).current_dir(lab.path("")).envs(variables).output().unwrap()
    };
    for id in ["0", "1"] {
        let output = script(id);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(!lab.path("asked").exists());
    lab.expect(0, "run tiny.toml --out alone");
    assert!(numbers(&lab, "out") == numbers(&lab, "alone"));
    // Stopped with work left, the task asks to be run again.
    lab.write("bin/srun", "#!/bin/sh\nexit 75\n");
    assert_eq!(script("0").status.code(), None, "ended from outside");
    assert_eq!(lab.read("asked"), "requeue 77\n".repeat(2));
}

#[test]
fn machines_that_ssh_reaches_train_all_runs_and_draw_the_report() {
    let lab = Lab::tiny(SEEDS);
    let path = scheduler(&lab, &[("ssh", "echo \"$1\" >> hosts; exec sh -c \"$2\"\n")]);
    submitted(&lab, &path, "submit tiny.toml --engine ssh --hosts one,two --threads 1 --out out");
    let mut hosts: Vec<String> = lab.read("hosts").lines().map(str::to_string).collect();
    hosts.sort();
    assert_eq!(hosts, ["one", "two"]);
    lab.expect(0, "run tiny.toml --out alone");
    assert!(numbers(&lab, "out") == numbers(&lab, "alone"));
    assert!(lab.path("out/tiny/report.html").exists());
    assert!(lab.expect(2, "submit tiny.toml --engine ssh --dry-run").stderr.contains("--hosts"));
}

#[test]
fn hyperqueue_and_kubernetes_begin_tasks_by_their_numbers() {
    let lab = Lab::tiny(SEEDS);
    // `hq submit … -- COMMAND` for each number of the array; `hq job wait`.
    let hq = "[ $1 = submit ] || exit 0
while [ \"$1\" != -- ]; do case $1 in --array=0-*) last=${1#--array=0-};; esac; shift; done
shift; i=0; while [ $i -le $last ]; do HQ_TASK_ID=$i \"$@\" > /dev/null || exit 1; i=$((i + 1)); done; echo 1\n";
    let path = scheduler(&lab, &[("hq", hq)]);
    submitted(&lab, &path, "submit tiny.toml --engine hyperqueue --threads 1 --out out");
    lab.expect(0, "run tiny.toml --out alone");
    assert!(numbers(&lab, "out") == numbers(&lab, "alone") && lab.path("out/tiny/report.html").exists());

    let path =
        scheduler(&lab, &[("kubectl", "echo \"$*\" > asked; cat > given\n"), ("lrx", &format!("exec {LRX} \"$@\"\n"))]);
    submitted(&lab, &path, "submit tiny.toml --engine kubernetes --tasks 2 --threads 1 --out pods --value image=lrx:x");
    assert_eq!(lab.read("asked"), "create -f -\n");
    let job = lab.read("given");
    for line in
        ["completions: 2", "completionMode: Indexed", "image: 'lrx:x'", "backoffLimitPerIndex: 3", "values: [75]"]
    {
        assert!(job.contains(line), "{line}: {job}");
    }
    let pod = job.lines().find(|line| line.contains("exec lrx")).unwrap();
    for index in ["0", "1"] {
        let variables = [("PATH", path.as_str()), ("JOB_COMPLETION_INDEX", index)];
        let status = Command::new("sh").args(["-c", pod]).current_dir(lab.path("")).envs(variables).output().unwrap();
        assert!(status.status.success(), "{status:?}");
    }
    assert!(numbers(&lab, "pods") == numbers(&lab, "alone"));
}

/// Names are data: nothing in them is run.
#[test]
fn names_are_no_commands_and_no_hosts() {
    let lab = Lab::tiny(SEEDS);
    let path = scheduler(&lab, &[("sbatch", "cat > /dev/null; echo 40\n"), ("hq", "echo 1\n")]);
    for engine in ["slurm", "hyperqueue"] {
        // That nothing was trained, and so there is nothing to report, is no matter here.
        with(
            &lab,
            &[("PATH", &path)],
            &format!("submit tiny.toml --engine {engine} --threads 1 --out x$(>RUN)'`>RUN`\"y"),
        );
        assert!(!lab.path("RUN").exists(), "{engine}");
    }
    for hosts in ["a,,b", "-oProxyCommand=x", ","] {
        let refused = lab.expect(2, &format!("submit tiny.toml --engine ssh --hosts={hosts} --dry-run"));
        assert!(refused.stderr.contains("--hosts: "), "{hosts}: {}", refused.stderr);
    }
    let dry =
        lab.expect(0, "submit tiny.toml --engine kubernetes --value image=a'b --value folder=/x,y --dry-run").stdout;
    for line in ["image: 'a''b'\n", "workingDir: '/x,y'\n", "mountPath: '/x,y'\n", "claimName: 'lrx'"] {
        assert!(dry.contains(line), "{line}: {dry}");
    }
}

/// What is no manifest is not lost to one.
#[test]
fn a_manifest_takes_no_other_files_place() {
    let lab = Lab::tiny(SEEDS);
    let config = lab.read("tiny.toml");
    let refused = lab.expect(2, "plan tiny.toml --manifest tiny.toml --out out");
    assert!(refused.stderr.contains("a file that is no manifest lies there"), "{}", refused.stderr);
    assert_eq!(lab.read("tiny.toml"), config);
    assert!(lab.expect(2, "plan tiny.toml --manifest . --out out").stderr.contains("it is a folder"));
    for _ in 0..2 {
        lab.expect(0, "plan tiny.toml --manifest sweep.json --out out");
    }
}

#[test]
fn a_template_of_ones_own_is_filled_in_and_its_mistakes_are_told() {
    let lab = Lab::tiny("");
    lab.write("site.sh", "#!/bin/sh\necho {{name}} {{site}} > said; {{run}} --task auto/{{tasks}}\n");
    let arguments = "submit tiny.toml --engine hyperqueue --template site.sh --dry-run";
    let error = lab.expect(2, arguments).stderr;
    assert!(error.contains("error: site.sh:2: unknown placeholder {{site}}"), "{error}");
    let text = lab.expect(0, &format!("{arguments} --value site=here")).stdout;
    assert!(
        text.contains("echo tiny here > said; ") && text.contains(" run --manifest results/tiny.manifest.json "),
        "{text}"
    );
    assert!(lab.expect(2, &format!("{arguments} --value site")).stderr.contains("expected NAME=TEXT"));
    assert!(lab.expect(2, "submit tiny.toml --engine hyperqueue --template sit.sh").stderr.contains("site.sh"));
    assert!(lab.expect(2, "submit tiny.toml --engine hyperqueue").stderr.contains("there is no `hq` on this machine"));
    assert!(
        lab.expect(2, "submit tiny.toml --engine slurm --tasks 0").stderr.contains("--tasks 0: expected at least 1")
    );
    assert!(!lab.path("results/tiny.manifest.json").exists());
}

/// Of tasks that end together one reads all runs for the others; none leaves before its own are in the tables.
#[test]
fn tasks_that_end_together_leave_whole_tables() {
    let lab = Lab::tiny("seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]");
    lab.expect(0, "run tiny.toml --out alone");
    lab.expect(0, "prepare tiny.toml --out out");
    let mut tasks: Vec<_> = (1..=6)
        .map(|i| start(&lab, &format!("task{i}"), &format!("run tiny.toml --out out --threads 1 --task {i}/6")))
        .collect();
    for (i, task) in tasks.iter_mut().enumerate() {
        assert_eq!(task.wait().unwrap().code(), Some(0), "{}", lab.read(&format!("said-task{}", i + 1)));
        // What this task has finished is there as soon as it ends.
        let rows = common::rows(&lab.read("out/tiny/runs.csv"));
        let ids = lab.expect(0, "plan tiny.toml --ids").stdout;
        for id in ids.lines().skip(i).step_by(6) {
            let row = rows.iter().find(|row| row["run_id"] == id).unwrap_or_else(|| panic!("{id} of task {}", i + 1));
            assert_eq!(row["status"], "finished");
        }
    }
    assert!(numbers(&lab, "out") == numbers(&lab, "alone"));
    assert!(!lab.path("out/tiny/runs.csv.turn").exists());
}

//! Processes that were frozen, killed, hidden from each other or whose clocks differ, on one folder of results: a late owner
//! writes nothing, a live one is not taken for dead, and the numbers are those of an undisturbed run.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Lab, Numbers, current, numbers, wait_until};

const LRX: &str = env!("CARGO_BIN_EXE_lrx");
const STEPS: &str = "--set train.steps=400 --set train.eval_every=100 --set train.log_every=2";

/// Starts lrx where a claim expires after `seconds`; what it says goes to `said-NAME`.
fn start(lab: &Lab, name: &str, seconds: u64, arguments: &str) -> Child {
    let said = fs::File::create(lab.path(&format!("said-{name}"))).unwrap();
    let mut command = Command::new(LRX);
    command.args(arguments.split_whitespace()).current_dir(lab.path("")).env("LRX_CLAIM_SECONDS", seconds.to_string());
    command.stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

fn signal(process: &Child, signal: &str) {
    let id = process.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
}

fn undisturbed(lab: &Lab) -> Numbers {
    lab.expect(0, &format!("run tiny.toml {STEPS} --out right"));
    numbers(lab, "right")
}

/// All files of an experiment with their contents, but temporary ones: whoever has made such a one may clear it away.
fn content(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = common::files(folder).into_iter().filter(|file| !file.contains("/.tmp"));
    files.map(|file| (file.clone(), fs::read(folder.join(&file)).unwrap())).collect()
}

/// Frozen at many moments of its run, with checkpoints after every step, and woken when another process has trained the run to
/// its end: not one byte changes, the late one says what happened and ends well.
#[test]
fn an_owner_that_was_frozen_and_woken_after_a_takeover_writes_nothing() {
    let lab = Lab::tiny("");
    let right = undisturbed(&lab);
    for i in 0..6_u64 {
        let out = format!("out{i}");
        let arguments = format!("run tiny.toml {STEPS} --out {out} --checkpoint-every 0 --threads 1");
        let mut late = start(&lab, "late", 1, &arguments);
        let experiment = lab.path(&format!("{out}/tiny"));
        wait_until(&mut late, "a run's folder", || fs::read_dir(&experiment).is_ok_and(|runs| runs.count() > 0));
        std::thread::sleep(Duration::from_millis(37 * i));
        signal(&late, "-STOP");
        let next = start(&lab, "next", 1, &arguments).wait().unwrap();
        let said = lab.read("said-next");
        assert_eq!(next.code(), Some(0), "{i}: {said}");
        assert!(numbers(&lab, &out) == right, "{i}: {said}");
        let before = content(&experiment);
        signal(&late, "-CONT");
        let code = late.wait().unwrap().code();
        let said = lab.read("said-late");
        assert_eq!(code, Some(0), "{i}: the run is finished, whoever did it: {said}");
        assert!(!said.contains("panicked") && !said.contains("failed"), "{i}: {said}");
        let after = content(&experiment);
        let differ: Vec<_> = before.iter().filter(|file| !after.contains(file)).map(|(file, _)| file).collect();
        assert!(after == before, "{i}: {differ:?} changed or went: {said}");
        let temporary: Vec<_> = common::files(&experiment).into_iter().filter(|file| file.contains("/.tmp")).collect();
        assert!(temporary.is_empty(), "{i}: {temporary:?}");
        let left: Vec<&String> = before.iter().map(|(file, _)| file).filter(|file| file.contains("attempt")).collect();
        assert!(left.is_empty(), "{i}: {left:?}");
    }
}

/// Woken while its successor still trains: the one goes on, the other waits for it.
#[test]
fn an_owner_that_is_woken_while_its_successor_trains_leaves_the_run_to_it() {
    let lab = Lab::tiny("");
    let long = STEPS.replace("400", "1500");
    lab.expect(0, &format!("run tiny.toml {long} --out right"));
    let right = numbers(&lab, "right");
    let arguments = format!("run tiny.toml {long} --out out --checkpoint-steps 20 --threads 1");
    let mut late = start(&lab, "late", 1, &arguments);
    wait_until(&mut late, "a checkpoint", || {
        lab.runs("out/tiny").iter().any(|run| current(run).join("checkpoint.safetensors").exists())
    });
    signal(&late, "-STOP");
    let mut next = start(&lab, "next", 1, &arguments);
    wait_until(&mut next, "a takeover", || !current(&lab.only_run("out/tiny")).ends_with("attempt.0"));
    signal(&late, "-CONT");
    assert_eq!((late.wait().unwrap().code(), next.wait().unwrap().code()), (Some(0), Some(0)));
    let said = lab.read("said-late");
    assert!(said.contains("another process has taken this run over"), "{said}");
    assert!(numbers(&lab, "out") == right, "{said}{}", lab.read("said-next"));
}

/// Waits, but no longer than `patience`, for the process to end.
fn ends_within(process: &mut Child, patience: Duration) -> bool {
    let began = Instant::now();
    while began.elapsed() < patience {
        if process.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}

/// A process that was killed is not waited for: its lock is gone with it. With `/proc` of its own or none, as in containers.
#[test]
fn a_killed_owner_is_known_to_be_dead_without_any_list_of_processes() {
    let lab = Lab::tiny("");
    let right = undisturbed(&lab);
    let arguments = format!("run tiny.toml {STEPS} --out out --checkpoint-steps 5 --threads 1");
    let mut killed = start(&lab, "killed", 600, &arguments);
    wait_until(&mut killed, "a checkpoint", || {
        lab.runs("out/tiny").iter().any(|run| current(run).join("checkpoint.safetensors").exists())
    });
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut next = start(&lab, "next", 600, &arguments);
    assert!(ends_within(&mut next, Duration::from_secs(100)), "it waits for the dead: {}", lab.read("said-next"));
    assert!(numbers(&lab, "out") == right);
}

/// Starts a run, freezes it, and lets another process look for a while by `how`: with locks and looks alone, it must find the
/// frozen process alive for as long as its claim holds.
fn is_not_taken_for_dead(how: &[&str]) {
    let lab = Lab::tiny("");
    let right = undisturbed(&lab);
    let arguments = format!("run tiny.toml {STEPS} --out out --checkpoint-steps 5 --threads 1");
    // What others write has to be writable for whoever looks.
    let chmod = |lab: &Lab| Command::new("chmod").args(["-R", "a+rwX"]).arg(lab.path("")).status().unwrap();
    chmod(&lab);
    let mut owner = start(&lab, "owner", 600, &arguments);
    wait_until(&mut owner, "a checkpoint", || {
        lab.runs("out/tiny").iter().any(|run| current(run).join("checkpoint.safetensors").exists())
    });
    signal(&owner, "-STOP");
    chmod(&lab);
    // A file that it was just writing.
    let temporary = lrx_files::temporary_in(&lab.path("out/tiny")).unwrap();
    let (program, arguments_of_how) = how.split_first().unwrap();
    let looked = Command::new(program)
        .args(arguments_of_how)
        .args(["timeout", "-s", "INT", "6", LRX])
        .args(arguments.split_whitespace())
        .current_dir(lab.path(""))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&looked.stderr).into_owned();
    assert!(said.contains("is being trained by process"), "{how:?}: {said}");
    assert!(!said.contains("panicked"), "{how:?}: {said}");
    assert!(temporary.path().exists(), "{how:?}: the file of a live process is deleted");
    assert!(current(&lab.only_run("out/tiny")).ends_with("attempt.0"), "{how:?}: taken from a live owner: {said}");
    drop(temporary);
    signal(&owner, "-CONT");
    assert_eq!(owner.wait().unwrap().code(), Some(0), "{}", lab.read("said-owner"));
    assert!(numbers(&lab, "out") == right, "{how:?}");
}

/// Whether this system lets a process do that.
fn allowed(how: &[&str]) -> bool {
    let (program, arguments) = how.split_first().unwrap();
    let worked = Command::new(program).args(arguments).arg("true").output().is_ok_and(|done| done.status.success());
    if !worked {
        eprintln!("not tested: this system does not allow {how:?}");
    }
    worked
}

#[test]
fn a_live_owner_of_another_user_whose_processes_are_hidden_is_not_taken_for_dead() {
    let hidden = "mount -t proc -o hidepid=2 none /proc && exec setpriv --reuid 64997 --clear-groups \"$@\"";
    let how = ["unshare", "--mount", "sh", "-c", hidden, "sh"];
    // The binary has to be readable for that user, too.
    let readable = [&how[..], &["test", "-r", LRX, "-a", "-x"]].concat();
    if allowed(&how) && allowed(&[&readable[..], &[LRX, "-a"]].concat()) {
        is_not_taken_for_dead(&how);
    }
}

#[test]
fn a_live_owner_in_other_name_spaces_is_not_taken_for_dead() {
    for how in [
        // Other numbers of processes; another time since the machine began; both, with the processes there are.
        &["unshare", "--pid", "--fork", "--mount-proc"][..],
        &["unshare", "--time", "--boottime", "100000", "--monotonic", "100000", "--fork"],
        &["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"],
    ] {
        if allowed(how) {
            is_not_taken_for_dead(how);
        }
    }
}

#[test]
fn a_live_owner_is_not_taken_for_dead_without_a_proc() {
    let how = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"];
    if allowed(&how) {
        is_not_taken_for_dead(&how);
    }
}

/// Without `/proc`, everything is done that can be: no panic, and the same numbers.
#[test]
fn without_a_proc_runs_are_trained_and_planned_all_the_same() {
    let how = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"];
    if !allowed(&how) {
        return;
    }
    let lab = Lab::tiny("");
    let right = undisturbed(&lab);
    for arguments in [
        format!("plan tiny.toml {STEPS}"),
        format!("run tiny.toml {STEPS} --out out"),
        "report out/tiny --format text".to_string(),
        "generate fullsa --out out --prompt Once --tokens 3".to_string(),
    ] {
        let (program, arguments_of_how) = how.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(arguments_of_how).arg(LRX).args(arguments.split_whitespace()).current_dir(lab.path(""));
        let done = command.output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(0), "{arguments}: {said}");
        assert!(!said.contains("panicked"), "{arguments}: {said}");
    }
    let without_memory = |(texts, weights): Numbers| (texts, weights);
    assert!(without_memory(numbers(&lab, "out")) == without_memory(right));
}

/// A clock that runs ahead is nobody's business: files by their age, tables by the time of the last look.
#[test]
fn a_file_of_a_live_process_stays_whatever_the_clocks_say() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    let live = lrx_files::temporary_in(&lab.path("out/tiny")).unwrap();
    let foreign = lab.path("out/tiny/.tmp-00000000-foreign");
    fs::write(&foreign, "").unwrap();
    // Two minutes old by its own clock, as one would be that was written by a machine whose clock is behind.
    for path in [live.path(), &foreign] {
        let then = std::time::SystemTime::now() - Duration::from_secs(120);
        fs::File::options().write(true).open(path).unwrap().set_modified(then).unwrap();
    }
    let dead = lrx_files::temporary_in(&lab.path("out/tiny")).unwrap().keep().unwrap().1;
    lab.expect(0, "run tiny.toml --out out");
    assert!(live.path().exists() && foreign.exists() && !dead.exists());
}

/// Stopped while the stories are being prepared, before there is anything to keep: at once.
#[test]
fn a_signal_while_stories_are_prepared_is_answered_at_once() {
    let lab = Lab::new();
    lab.write("large.toml", common::TINY.replace("stories = 40", "stories = 60000").replace("= 300", "= 4000"));
    for (name, code) in [("-TERM", 143), ("-INT", 130)] {
        let mut process = start(&lab, "prepares", 60, "run large.toml --threads 1");
        wait_until(&mut process, "preparing", || lab.read("said-prepares").contains("tokenizer"));
        signal(&process, name);
        let began = Instant::now();
        assert_eq!(process.wait().unwrap().code(), Some(code));
        assert!(began.elapsed() < Duration::from_secs(3), "{name}: after {:?}", began.elapsed());
    }
}

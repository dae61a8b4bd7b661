//! A disk that fills up, and one that cannot be written: told, nothing corrupted, and right once there is room again.
//! Runs where the system lets a process mount a file system of its own, and says so where it does not.
#![cfg(target_os = "linux")]

mod common;

use std::process::{Command, Stdio};

use common::{Lab, numbers};

/// A model whose checkpoints take about 2 MB.
const LARGER: &str =
    "--set model.hidden=96 --set train.steps=30 --set train.eval_every=10 --checkpoint-steps 6 --threads 2";

/// Runs a script as `sh -c` in a name space where it may mount; `$LRX` is the program. `None` where that is not allowed.
fn with_mounts(lab: &Lab, script: &str) -> Option<String> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).current_dir(lab.path(""));
        command.env("LRX", env!("CARGO_BIN_EXE_lrx")).stdin(Stdio::null());
        command.output()
    };
    lab.write("mounted/.keep", "");
    let allowed = unshare("mount -t tmpfs none mounted").is_ok_and(|output| output.status.success());
    if !allowed {
        eprintln!("not tested: this system lets no process mount a file system of its own");
        return None;
    }
    let output = unshare(script).unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "{text}");
    Some(text)
}

#[test]
fn a_disk_that_fills_up_costs_no_number() {
    let lab = Lab::tiny("seeds = [0, 1, 2]");
    lab.expect(0, &format!("run tiny.toml --out right {LARGER}"));
    let right = numbers(&lab, "right");
    // From one that holds next to nothing to one that holds all but the last checkpoint.
    for size in ["16k", "100k", "400k", "900k", "2m", "4m", "5m", "6m", "8m"] {
        let script = format!(
            "mount -t tmpfs -o size={size} none mounted || exit 1
             $LRX run tiny.toml --out mounted/out {LARGER}; echo first: $?
             df -k mounted
             mount -o remount,size=64m mounted || exit 1
             $LRX run tiny.toml --out mounted/out {LARGER}; echo second: $?
             rm -rf after && cp -r mounted/out after"
        );
        let Some(text) = with_mounts(&lab, &script) else { return };
        assert!(!text.contains("panicked"), "{size}: {text}");
        let full = text.contains("first: 1\n");
        assert!(full || text.contains("first: 0\n"), "{size}: {text}");
        assert!(text.contains("No space left on device") || !full, "{size}: {text}");
        assert!(full || size != "400k", "a disk of {size} was not full: {text}");
        assert!(text.contains("second: 0\n"), "{size}: {text}");
        assert!(numbers(&lab, "after") == right, "{size}: {text}");
        let left: Vec<String> =
            common::files(&lab.path("after/tiny")).into_iter().filter(|name| name.contains("checkpoint")).collect();
        assert!(left.is_empty(), "{size}: {left:?}");
    }
}

#[test]
fn results_that_cannot_be_written_are_told_and_left_as_they_are() {
    let lab = Lab::tiny("seeds = [0, 1]");
    let script = "
        mount -t tmpfs none mounted || exit 1
        $LRX run tiny.toml --out mounted/out --set seeds=[0] || exit 1
        (cd mounted/out && find . -type f | sort | xargs cksum) > before
        mount -o remount,ro mounted || exit 1
        $LRX run tiny.toml --out mounted/out --set seeds=[0]; echo finished run: $?
        $LRX run tiny.toml --out mounted/out; echo new run: $?
        $LRX run tiny.toml --out mounted/out --set name='\"other\"'; echo new experiment: $?
        $LRX plan tiny.toml --out mounted/out; echo plan: $?
        $LRX report mounted/out/tiny; echo report: $?
        $LRX report mounted/out/tiny --out elsewhere; echo report elsewhere: $?
        (cd mounted/out && find . -type f | sort | xargs cksum) > after
        cmp before after && echo untouched";
    let Some(text) = with_mounts(&lab, script) else { return };
    assert!(!text.contains("panicked"), "{text}");
    for said in ["finished run: 0", "new run: 1", "new experiment: 1", "plan: 0", "report elsewhere: 0", "untouched"] {
        assert!(text.contains(&format!("{said}\n")), "{said}: {text}");
    }
    assert!(text.contains("report: 1\n") && text.contains("Read-only file system"), "{text}");
}

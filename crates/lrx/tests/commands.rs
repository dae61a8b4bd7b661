//! What every command owes its user whatever stands around it: help, threads, readers that go away, odd texts and names.
#![cfg(unix)]

mod common;

use std::process::Command;

use common::Lab;

const LRX: &str = env!("CARGO_BIN_EXE_lrx");

/// Runs a script as `bash -c` in the lab's folder; `$LRX` is the program. Standard output and error together.
fn bash(lab: &Lab, script: &str) -> String {
    let output = Command::new("bash").args(["-c", script]).env("LRX", LRX).current_dir(lab.path("")).output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
}

#[test]
fn help_has_help_and_names_what_it_does_not_know() {
    let lab = Lab::new();
    for arguments in ["help", "--help", "help --help", "help help", "help run", "run --help", "help completions"] {
        assert!(lab.expect(0, arguments).stdout.contains("Usage: lrx"), "{arguments}");
    }
    assert!(lab.expect(0, "help run").stdout.contains("--checkpoint-every"));
    let error = lab.expect(2, "help layer").stderr;
    assert!(error.starts_with("error: there is no command `layer`; did you mean `layers`?"), "{error}");
}

#[test]
fn every_command_has_a_manual_page() {
    let lab = Lab::new();
    lab.expect(0, "man pages/man1");
    let help = lab.expect(0, "help").stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.contains(&"run") && names.contains(&"man") && names.len() > 10, "{names:?}");
    for name in names {
        let page = std::fs::read_to_string(lab.path(&format!("pages/man1/lrx-{name}.1"))).unwrap();
        assert!(page.contains(&format!(".TH lrx-{name} 1")) && page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    assert!(std::fs::read_to_string(lab.path("pages/man1/lrx.1")).unwrap().contains(".TH lrx 1"));
    // Where no folder can be made.
    assert!(lab.expect(1, "man pages/man1/lrx.1").stderr.starts_with("error: pages/man1/lrx.1: "));
}

/// A reader that goes away ends nothing with a panic or an error: 0, or the shell's 141 for SIGPIPE.
#[test]
fn a_reader_that_goes_away_is_no_error_of_any_command() {
    let lab = Lab::tiny("seeds = [0, 1, 2, 3]");
    lab.expect(0, "run tiny.toml --out out --set seeds=[0]");
    let commands = [
        "completions bash",
        "completions zsh",
        "schema",
        "layers",
        "layers low-rank",
        "help",
        "--help",
        "plan tiny.toml",
        "plan tiny.toml --ids",
        "plan tiny.toml --format csv",
        "report out/tiny --format text",
        "generate fullsa --out out --prompt Once --tokens 30",
    ];
    for command in commands {
        // The reader is gone before anything is written.
        let text =
            bash(&lab, &format!("{{ sleep 0.3; $LRX {command} 2> said; echo code $? >> said; }} | true; cat said"));
        assert!(!text.contains("panicked"), "{command}: {text}");
        assert!(text.contains("code 0\n") || text.contains("code 141\n"), "{command}: {text}");
    }
}

#[test]
fn more_threads_than_can_be_of_use_are_not_started() {
    let lab = Lab::tiny("");
    for (set, arguments, source) in
        [("", "--threads 100000000", "--threads"), ("RAYON_NUM_THREADS=100000000", "", "RAYON_NUM_THREADS")]
    {
        let text = bash(&lab, &format!("{set} timeout 60 $LRX plan tiny.toml {arguments}; echo code $?"));
        assert!(text.contains(&format!("warning: {source} 100000000: this process may use ")), "{text}");
        assert!(text.contains("code 0\n"), "{text}");
    }
    let text = bash(&lab, "timeout 60 $LRX run tiny.toml --jobs 100000000; echo code $?");
    assert!(text.contains("code 0\n"), "{text}");
}

/// Where the system lets a user have a few threads only.
#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_cannot_be_started_is_one_clear_error() {
    let lab = Lab::tiny("seeds = [0, 1, 2]");
    // A user that runs nothing else: limits of root are none.
    let as_nobody = "setpriv --reuid 64998 --clear-groups --inh-caps=-all --bounding-set=-all";
    if !bash(&lab, &format!("chmod -R a+rwX . && {as_nobody} $LRX layers; echo code $?")).contains("code 0\n") {
        eprintln!("not tested: this needs root, to become a user who runs nothing else");
        return;
    }
    for (most, arguments) in [(3, "--threads 8"), (2, "--threads 2"), (1, "--threads 1"), (4, "--threads 2 --jobs 3")] {
        let script = format!(
            "chmod -R a+rwX .; {as_nobody} bash -c 'ulimit -u {most}; exec $LRX run tiny.toml {arguments}'; echo code $?"
        );
        let text = bash(&lab, &script);
        assert!(!text.contains("panicked"), "{most} {arguments}: {text}");
        assert!(text.contains("code 0\n") || text.contains("code 1\n"), "{most} {arguments}: {text}");
        assert!(text.contains("code 0\n") || text.contains("cannot start "), "{most} {arguments}: {text}");
    }
}

#[test]
fn a_prompt_may_begin_with_a_dash() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    let done = lab.lrx(["generate", "fullsa", "--out", "out", "--prompt", "- Hello", "--tokens", "2"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.starts_with("- Hello"), "{}", done.stdout);
}

#[test]
fn a_label_commands_no_terminal() {
    let lab = Lab::new();
    lab.write("odd.toml", format!("label = \"a\\u001b[2J\\u0000\\u009bz\"\n{}", common::TINY));
    let odd = lab.expect(2, "run odd.toml").stderr;
    assert!(odd.contains("`label` holds the control character U+001B"), "{odd}");
    // Nor one of results that another program, or an earlier lrx, has written.
    lab.write("tiny.toml", format!("label = \"plain\"\n{}", common::TINY));
    lab.expect(0, "run tiny.toml");
    let table = lab.read("results/tiny/runs.csv").replace("plain", "a\u{1b}[2J\u{9b}z");
    lab.write("results/tiny/runs.csv", table);
    let done = lab.expect(0, "report results/tiny --format text");
    for text in [&odd, &done.stdout, &done.stderr] {
        assert!(!text.contains(['\u{1b}', '\0', '\u{9b}']), "{text:?}");
    }
    assert!(done.stdout.contains("a␛[2J"), "{}", done.stdout);
}

#[test]
fn a_config_writes_into_its_folder_of_results_whatever_it_is_called() {
    let lab = Lab::new();
    for name in ["...toml", "....toml", ".hidden.toml", "a b.toml", "x\n.toml"] {
        lab.write(&format!("in/{name}"), common::TINY);
        let done = lab.lrx(["run", "--out", "in/out", &format!("in/{name}")]);
        assert_eq!(done.code, Some(2), "{name}: {}", done.stderr);
        assert!(done.stderr.contains("set `name`, or rename the file"), "{name}: {}", done.stderr);
        assert!(!lab.path("in/runs.csv").exists() && !lab.path("in/out").exists(), "{name}");
        let named = lab.lrx(["plan", "--out", "out", "--set", "name='fine'", &format!("in/{name}")]);
        assert_eq!(named.code, Some(0), "{name}: {}", named.stderr);
    }
}

/// A file that may not grow: an error of that write with its cause, not the end of the process without a word.
#[test]
fn a_limit_of_file_sizes_is_told() {
    let lab = Lab::tiny("");
    // 1024-byte blocks: enough for the small files, too little for the weights.
    let text = bash(&lab, "ulimit -f 8; $LRX run tiny.toml --set model.hidden=64; echo code $?");
    assert!(text.contains("code 1\n") && text.contains("File too large"), "{text}");
}

//! What is written of a run beside its curve, sample texts and TensorBoard's events: they change nothing, and hold each step once,
//! also of a run that was killed.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[cfg(unix)]
use common::wait_until;
use common::{Lab, Row, column, copy, current, numbers, rows};

const SAMPLES: &str =
    "--set train.sample_every=5 --set train.prompts=[\"Once\",\"Ann\\u0020had\"] --set train.sample_tokens=12";
const EVENTS: &str = "events.out.tfevents.0000000000.lrx";

/// What an event file has: the value of each tag at each step, texts and what plugins keep as theirs; read by a reader of its own.
type Scalars = BTreeMap<(String, u64), Vec<f32>>;

#[derive(Debug, Default, PartialEq)]
struct Read {
    scalars: Scalars,
    /// Tags of texts and of plugins, by step.
    others: BTreeMap<(String, u64), Vec<Vec<u8>>>,
    times: Vec<f64>,
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return value;
        }
    }
}

/// The fields of a message: number, and the bytes of its value.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                fields.push((key >> 3, varint(&mut bytes).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            5 => 4,
            2 => varint(&mut bytes) as usize,
            kind => panic!("a field of kind {kind}"),
        };
        fields.push((key >> 3, bytes[..length].to_vec()));
        bytes = &bytes[length..];
    }
    fields
}

fn one(fields: &[(u64, Vec<u8>)], number: u64) -> Option<&Vec<u8>> {
    fields.iter().find(|(field, _)| *field == number).map(|(_, value)| value)
}

fn read(path: &Path) -> Read {
    let file = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut read, mut rest) = (Read::default(), file.as_slice());
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        let event = fields(&rest[12..12 + length]);
        rest = &rest[16 + length..];
        read.times.push(f64::from_le_bytes(one(&event, 1).unwrap()[..].try_into().unwrap()));
        let step = one(&event, 2).map_or(0, |step| u64::from_le_bytes(step[..].try_into().unwrap()));
        for (_, value) in one(&event, 5).map(|summary| fields(summary)).unwrap_or_default() {
            let value = fields(&value);
            let tag = String::from_utf8(one(&value, 1).unwrap().clone()).unwrap();
            match one(&value, 2) {
                Some(scalar) => {
                    let scalar = f32::from_le_bytes(scalar[..].try_into().unwrap());
                    read.scalars.entry((tag, step)).or_default().push(scalar);
                }
                None => read.others.entry((tag, step)).or_default().push(one(&value, 8).unwrap().clone()),
            }
        }
    }
    assert!(read.times.is_sorted(), "{:?}", read.times);
    read
}

/// What the events of a curve have to be: its losses under their splits, and what these share, once a step.
fn scalars_of(curve: &[Row]) -> Scalars {
    let mut scalars = Scalars::new();
    for row in curve {
        let step = row["step"].parse().unwrap();
        // The curve has double precision, events have single.
        let single = |column: &str| row[column].parse::<f64>().unwrap() as f32;
        scalars.insert((format!("{}/loss", row["split"]), step), vec![single("loss")]);
        for tag in ["learning_rate", "grad_norm", "tokens", "elapsed_seconds"] {
            scalars.entry((tag.to_string(), step)).or_insert_with(|| vec![single(tag)]);
        }
    }
    scalars
}

/// Without the times, which are never the same.
fn timeless(mut scalars: Scalars) -> Scalars {
    scalars.retain(|(tag, _), _| tag != "elapsed_seconds");
    scalars
}

fn run_id(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn sample_texts_change_nothing_and_are_what_the_model_would_say() {
    let lab = Lab::tiny("seeds = [7]");
    lab.expect(0, "run tiny.toml --out plain");
    lab.expect(0, &format!("run tiny.toml --out out {SAMPLES}"));
    lab.expect(0, &format!("run tiny.toml --out threads --threads 3 {SAMPLES} --set log.tensorboard=true"));
    assert!(numbers(&lab, "plain") == numbers(&lab, "out") && numbers(&lab, "plain") == numbers(&lab, "threads"));
    let (plain, run) = (lab.only_run("plain/tiny"), lab.only_run("out/tiny"));
    assert_eq!(run_id(&plain), run_id(&run), "no part of the run's id");
    let of = |folder: &Path| fs::read_to_string(folder.join("samples.csv")).unwrap();
    assert!(!plain.join("samples.csv").exists() && !run.join(EVENTS).exists());
    assert_eq!(of(&run), of(&lab.only_run("threads/tiny")));
    assert_eq!(fs::read(plain.join("resolved.toml")).unwrap(), fs::read(run.join("resolved.toml")).unwrap());

    let samples = rows(&of(&run));
    assert_eq!(column(&samples, "step"), ["5", "5", "10", "10", "12", "12"], "every so often, and at the end");
    assert_eq!(column(&samples, "prompt"), ["Once", "Ann had", "Once", "Ann had", "Once", "Ann had"]);
    assert!(samples.iter().all(|row| row["text"].starts_with(&row["prompt"]) && row["run_id"] == run_id(&run)));
    for row in &samples[4..] {
        let arguments =
            ["generate", &run_id(&run), "--out", "out", "--tokens", "12", "--seed", "7", "--prompt", &row["prompt"]];
        let said = lab.lrx(arguments).stdout;
        // As cells have it: without white space around it, and with pictures of line breaks.
        let cell = said.trim().replace('\n', "␊");
        assert_eq!(cell, row["text"].trim_end_matches('\u{fffd}').trim(), "the finished model");
    }
    assert_ne!(samples[0]["text"], samples[4]["text"], "it has learned something");
    let shown = lab.expect(0, &format!("show {} --out out", run_id(&run))).stdout;
    assert!(shown.contains("sample texts after 12 steps (samples.csv has those of 3 times)"), "{shown}");
    assert!(shown.contains(samples[5]["text"].split('␊').next().unwrap()), "{shown}");
}

#[test]
fn events_have_every_row_of_the_curve_live_and_afterwards() {
    let lab = Lab::tiny("seeds = [0, 1]\nlog.tensorboard = true");
    lab.expect(0, &format!("run tiny.toml --out out --set train.log_every=2 {SAMPLES}"));
    lab.expect(0, "export --tensorboard events --out out");
    lab.expect(0, "run tiny.toml --out plain --set train.log_every=2 --set log.tensorboard=false");
    lab.expect(0, "export --tensorboard of-plain --out plain");
    let curves = rows(&lab.read("out/tiny/curves.csv"));
    for run in lab.runs("out/tiny") {
        let id = run_id(&run);
        let own: Vec<Row> = curves.iter().filter(|row| row["run_id"] == id).cloned().collect();
        let live = read(&run.join(EVENTS));
        assert_eq!(live.scalars, scalars_of(&own));
        let texts = |read: &Read| {
            read.others.keys().filter(|(tag, _)| tag.starts_with("samples/")).cloned().collect::<Vec<_>>()
        };
        let expected =
            ["samples/0", "samples/1"].iter().flat_map(|tag| [5, 10, 12].map(|step| (tag.to_string(), step)));
        assert_eq!(texts(&live), expected.collect::<Vec<_>>());
        let plugin: Vec<&(String, u64)> = live.others.keys().filter(|(tag, _)| tag.starts_with("_hparams_")).collect();
        assert_eq!(
            plugin,
            [&("_hparams_/session_end_info".to_string(), 0), &("_hparams_/session_start_info".to_string(), 0)]
        );
        let exported = read(&lab.path(&format!("events/tiny/{id}/{EVENTS}")));
        assert_eq!((&exported.scalars, &exported.others), (&live.scalars, &live.others));
        assert_eq!(exported.times[0], live.times[0], "it began when it did");
        // Of a run that wrote none, the same afterwards, but for texts and times.
        let plain = read(&lab.path(&format!("of-plain/tiny/{id}/{EVENTS}")));
        assert_eq!(
            (timeless(plain.scalars), texts(&Read { others: plain.others, ..Read::default() })),
            (timeless(live.scalars), vec![])
        );
        assert!(!lab.path(&format!("plain/tiny/{id}/{EVENTS}")).exists());
        // Event files may be deleted.
        fs::remove_file(run.join(EVENTS)).unwrap();
    }
    let report = lab.expect(0, "report out --format text");
    assert!(!report.stderr.contains("left out"), "{}", report.stderr);
    let one = run_id(&lab.runs("out/tiny")[0]);
    lab.expect(0, &format!("export --tensorboard one {one} --out out"));
    assert_eq!(fs::read_dir(lab.path("one/tiny")).unwrap().count(), 1);
    assert!(lab.expect(2, "export --tensorboard one nothing --out out").stderr.contains("no run \"nothing\""));
}

/// Killed twice, with checkpoints and rows beyond them, and begun anew without one: what is there in the end is what an
/// undisturbed run has.
#[cfg(unix)]
#[test]
fn nothing_comes_twice_or_is_lost_when_a_run_is_killed() {
    let long = format!(
        "--set train.steps=400 --set train.eval_every=7 --set train.log_every=3 --set log.tensorboard=true {SAMPLES}"
    );
    let undisturbed = Lab::tiny("");
    undisturbed.expect(0, &format!("run tiny.toml --out out {long}"));
    let expected = read(&undisturbed.only_run("out/tiny").join(EVENTS));
    let samples =
        |lab: &Lab, out: &str| fs::read_to_string(lab.only_run(&format!("{out}/tiny")).join("samples.csv")).unwrap();
    let lab = Lab::tiny("");
    for (out, checkpoints, kills) in [("killed", "--checkpoint-steps 10", 2), ("anew", "--checkpoint-every 9999", 1)] {
        for _ in 0..kills {
            let lines = || {
                let curve =
                    |run: &std::path::PathBuf| fs::read_to_string(current(run).join("curve.csv")).unwrap_or_default();
                lab.runs(&format!("{out}/tiny")).iter().map(|run| curve(run).matches('\n').count()).sum::<usize>()
            };
            let before = lines();
            let mut process = lab.start(&format!("run tiny.toml --out {out} {checkpoints} {long}"));
            wait_until(&mut process, "some progress", || lines() >= before + 12);
            process.kill().unwrap();
            process.wait().unwrap();
            // A row, and a record, that were being written when the power went.
            let run = current(&lab.only_run(&format!("{out}/tiny")));
            for (file, half) in [("samples.csv", &b"half,a"[..]), (EVENTS, &[9_u8, 0, 0][..])] {
                let content = fs::read(run.join(file)).unwrap();
                fs::write(run.join(file), [&content, half].concat()).unwrap();
            }
        }
        let done = lab.expect(0, &format!("run tiny.toml --out {out} {checkpoints} {long}"));
        assert_eq!(done.stderr.contains("continues after step"), out == "killed", "{}", done.stderr);
        let run = lab.only_run(&format!("{out}/tiny"));
        let events = read(&run.join(EVENTS));
        assert_eq!(events.scalars, scalars_of(&rows(&lab.read(&format!("{out}/tiny/curves.csv")))), "{out}");
        assert_eq!(timeless(events.scalars), timeless(expected.scalars.clone()), "{out}");
        assert_eq!(events.others.keys().collect::<Vec<_>>(), expected.others.keys().collect::<Vec<_>>(), "{out}");
        assert!(events.others.values().all(|values| values.len() == 1), "{out}");
        assert_eq!(samples(&lab, out), samples(&undisturbed, "out"), "{out}");
    }
}

/// What is asked for may be asked for later, or no more: the run is the same.
#[test]
fn what_is_written_beside_the_curve_may_change_on_the_way() {
    let lab = Lab::tiny("");
    lab.expect(0, "run tiny.toml --out out");
    // Another experiment takes the finished run over, with what it has.
    lab.expect(0, &format!("run tiny.toml --out out --set name=\"two\" {SAMPLES}"));
    assert!(!lab.only_run("out/two").join("samples.csv").exists(), "nothing was trained");
    let sampled = Lab::tiny("");
    sampled.expect(0, &format!("run tiny.toml --out out --set log.tensorboard=true {SAMPLES}"));
    sampled.expect(0, "run tiny.toml --out out --set name=\"two\"");
    let [one, two] = ["tiny", "two"].map(|name| sampled.only_run(&format!("out/{name}")));
    for file in ["samples.csv", EVENTS] {
        assert_eq!(fs::read(one.join(file)).unwrap(), fs::read(two.join(file)).unwrap(), "{file}");
    }
    copy(&one, &sampled.path("copy"));
    fs::write(one.join("samples.csv"), "changed").unwrap();
    let done = sampled.expect(1, "run tiny.toml --out out");
    assert!(done.stderr.contains("samples.csv has changed since it was written"), "{}", done.stderr);
}

#[test]
fn wrong_settings_are_told_where_they_stand() {
    let lab = Lab::tiny("");
    for (set, part) in [
        ("train.sample_every=0", "`sample_every` is 0; expected at least 1"),
        ("train.prompts=[\"a\"]", "`prompts` is of no use without `sample_every`"),
        ("log.tensorbord=true", "unknown key `tensorbord`; did you mean `tensorboard`?"),
        ("log.tensorboard=1", "`tensorboard` is 1; expected true or false"),
        ("sweep.log.tensorboard=[true]", "`log` cannot be swept"),
    ] {
        let done = lab.expect(2, &format!("run tiny.toml --out out --set {set}"));
        assert!(done.stderr.contains(part), "{set}: {}", done.stderr);
    }
    let long = format!("train.prompts=[\"{}\"]", "once,upon,a,time,".repeat(20));
    for command in ["run", "plan"] {
        let done = lab.expect(2, &format!("{command} tiny.toml --out out --set train.sample_every=5 --set {long}"));
        assert!(done.stderr.contains("tokens; the context of the model is 64"), "{}", done.stderr);
    }
}

//! Files that are no configs, or odd ones: understood, or refused in words, in a moment and in little memory.

mod common;

use std::time::{Duration, Instant};

use common::Folder;
use lrx_layers::Registry;
use lrx_spec::{ErrorKind, load_builtin};

/// Beyond what any machine takes for what is refused at once, and far below what quadratic work takes.
const MOMENT: Duration = Duration::from_secs(20);

const CONFIG: &str = "seeds = [3]\n[model]\nhidden = 64\nheads = 4\n[train]\nsteps = 5\n";

#[test]
fn a_byte_order_mark_and_lines_of_windows_change_nothing() {
    let folder = Folder::new();
    folder.write("plain.toml", CONFIG);
    folder.write("mark.toml", format!("\u{feff}{CONFIG}"));
    folder.write("windows.toml", CONFIG.replace('\n', "\r\n"));
    folder.write("both.toml", format!("\u{feff}{}", CONFIG.replace('\n', "\r\n")));
    let experiments = folder.load(&["plain.toml", "mark.toml", "windows.toml", "both.toml"]).unwrap();
    for experiment in &experiments[1..] {
        assert_eq!(experiment.runs[0].run_id, experiments[0].runs[0].run_id, "{}", experiment.name);
    }
    // Places in them are those that an editor shows.
    let errors = folder.errors(format!("\u{feff}{}", CONFIG.replace('\n', "\r\n").replace("heads", "haeds")));
    let error = errors.iter().next().unwrap();
    let place = error.place().unwrap();
    assert_eq!((place.line(), place.column()), (4, 1));
    assert!(error.to_string().ends_with("4 | haeds = 4\n  | ^^^^^\n"), "{error}");
    assert_eq!(error.kind(), ErrorKind::UnknownKey);
}

#[test]
fn text_in_another_encoding_is_refused_in_words() {
    let folder = Folder::new();
    for little in [true, false] {
        let bytes = |unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() };
        let text: Vec<u8> = format!("\u{feff}{CONFIG}").encode_utf16().flat_map(bytes).collect();
        let errors = folder.errors(text);
        assert!(errors.to_string().contains("is UTF-16 text; save it as UTF-8"), "{errors}");
    }
    let errors = folder.errors(b"name = 'a'\n# \xe9\n");
    assert!(errors.to_string().contains("not UTF-8 text: the byte 0xe9 here"), "{errors}");
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Syntax));
}

#[cfg(unix)]
#[test]
fn what_is_no_file_of_a_config_s_size_is_not_read() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("folder.toml")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(folder.path("pipe.toml")).status().unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", folder.path("zero.toml")).unwrap();
    let began = Instant::now();
    for name in ["folder.toml", "pipe.toml", "zero.toml"] {
        for named in [name, "extends.toml"] {
            folder.write("extends.toml", format!("extends = '{name}'\n"));
            let errors = folder.load(&[named]).err().unwrap();
            assert!(errors.to_string().contains(&format!("{name}: not a file but")), "{errors}");
            assert!(errors.iter().all(|error| error.kind() == ErrorKind::Unreadable));
        }
    }
    folder.write("large.toml", "#".repeat((4 << 20) + 1));
    let errors = folder.load(&["large.toml"]).err().unwrap();
    assert!(errors.to_string().contains("expected at most 4194304"), "{errors}");
    assert!(began.elapsed() < MOMENT);
}

#[test]
fn keys_of_many_parts_are_refused_in_a_moment() {
    let folder = Folder::new();
    let key = vec!["a"; 100_000].join(".");
    let began = Instant::now();
    for config in [
        format!("[sweep]\n\"{key}\" = [1, 2]\n"),
        format!("[sweep]\n\"model.{key}\" = [1, 2]\n"),
        format!("[[sweep.case]]\n\"model.{key}\" = 1\n"),
        format!("\"{key}\" = 1\n"),
        format!("[model]\n\"{key}\" = 1\n"),
        format!("[model.attention]\n\"{key}\" = [1, 2]\n"),
        format!("[model]\n{key} = 1\n"),
        format!("[sweep]\n\"model.{}\" = [1]\n", ".".repeat(100_000)),
        format!("[model]\n\"{key}\" = [{}]\n", "1,".repeat(100_000)),
        format!("[model]\nhidden = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000)),
        format!("[model]\nhidden = \"{key}\"\n"),
    ] {
        let told = folder.errors(&config).to_string();
        assert!(told.len() < 6000, "{} bytes for {:.60}", told.len(), config);
    }
    let set = load_builtin("a", "", &[format!("{key}=1")], &Registry::builtin()).err().unwrap();
    assert!(set.to_string().len() < 6000, "{set}");
    assert_eq!(set.iter().next().unwrap().kind(), ErrorKind::Set);
    assert!(began.elapsed() < MOMENT, "{:?}", began.elapsed());
}

#[test]
fn a_sweep_s_keys_are_keys() {
    let folder = Folder::new();
    for key in ["", ".", "model.", ".model", "model..hidden", "model. .hidden"] {
        let errors = folder.errors(format!("[sweep]\n\"{key}\" = [1]\n"));
        assert!(errors.to_string().contains("is no key: a part of it is empty"), "{key}: {errors}");
        assert!(errors.iter().all(|error| error.kind() == ErrorKind::Sweep));
    }
}

#[test]
fn files_whose_names_name_no_folder_need_a_name() {
    let folder = Folder::new();
    for stem in ["..", ".hidden", "a b", "-x", "a\u{1b}b"] {
        let file = format!("{stem}.toml");
        folder.write(&file, "");
        let errors = folder.load(&[&file]).err().unwrap_or_else(|| panic!("{stem:?}"));
        assert!(errors.to_string().contains("set `name`, or rename the file"), "{errors}");
        folder.write(&file, "name = 'good'");
        assert_eq!(folder.load(&[&file]).unwrap()[0].name, "good");
    }
}

#[test]
fn names_and_labels_cannot_move_a_terminal_s_cursor() {
    let folder = Folder::new();
    for (config, said) in [
        ("label = \"a\\u001b[2J\"", "`label` holds the control character U+001B"),
        ("label = \"a\\u0000\"", "`label` holds the control character U+0000"),
        ("label = \"a\\nb\"", "`label` holds the control character U+000A"),
        ("label = \"\u{202e}a\"", "`label` holds the control character U+202E"),
        ("label = '=1+1'", "spreadsheets take what begins with = + - @ for a formula"),
        ("name = \"a\\u0007\"", "`name` is \"a\\u{7}\"; expected letters, digits"),
        ("name = '..'", "`name` is \"..\"; expected letters, digits"),
        ("[sweep]\nlabel = [\"a\", \"b\\u001b\"]", "`label` holds the control character U+001B"),
    ] {
        let errors = folder.errors(config);
        assert!(errors.to_string().contains(said), "{config}: {errors}");
    }
    // Nor does what is told of a config that holds such characters itself.
    let errors = folder.errors("name = 'a' # \u{9b}2J\u{202e}\nlabel = '\u{9b}2J'\n[modle]\n");
    assert!(!errors.to_string().contains(|c: char| c != '\n' && c.is_control()), "{errors:?}");
    // Values that a sweep gives become part of labels.
    let experiment = common::experiment("[sweep]\n\"data.train\" = [\"synthetic\", \"a\\u001b.txt\"]");
    assert!(experiment.runs.iter().all(|run| !run.label.contains('\u{1b}')));
}

#[test]
fn of_a_long_line_what_is_wrong_is_shown() {
    let folder = Folder::new();
    let config = format!("seeds = [{} 'x', {}]\n", "1, ".repeat(5000), "2, ".repeat(5000));
    let told = folder.errors(config).to_string();
    assert!(told.len() < 1000 && told.contains("--> ") && told.contains(":1:15011\n"), "{told}");
    let (line, mark) = (told.lines().nth(3).unwrap(), told.lines().nth(4).unwrap());
    let at = mark.find('^').unwrap();
    assert_eq!((&line[at..at + 3], mark.matches('^').count()), ("'x'", 3), "{told}");
}

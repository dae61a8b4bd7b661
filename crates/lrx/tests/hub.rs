//! Data sets by name, from a server on loopback that answers as the Hugging Face Hub does.
#![cfg(feature = "hub")]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use common::{Done, Lab, rows};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What a data set holds.
const FILES: [(&str, &str); 5] = [
    ("README.md", "Not a story."),
    ("data/train-1.jsonl", "{\"text\": \"A story about a dog.\"}\n{\"text\": \"And one about a cat.\"}\n"),
    ("data/train-0.txt", "The first of all stories.<|endoftext|>The second."),
    ("valid.csv", "text\nA story to evaluate on.\n"),
    ("../outside.txt", "A story that has no business here."),
];

/// A server that answers as the Hub does, and what it was asked for.
struct Hub {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (base, log) = (endpoint.clone(), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (base, log) = (base.clone(), log.clone());
                thread::spawn(move || answer(stream.unwrap(), &base, &log));
            }
        });
        Self { endpoint, asked }
    }

    /// What was asked for since this was last looked at.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

/// Answers one request and closes the connection.
fn answer(mut stream: TcpStream, base: &str, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let request = lines.next().unwrap_or_default();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    let path = request.split(' ').nth(1).unwrap_or_default();
    log.lock().unwrap().push(path.to_owned());
    let header =
        |name: &str| headers.iter().find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
    let file = |name: &str| FILES.iter().find(|(file, _)| *file == name).map(|(_, content)| *content);
    let (status, more, body) = if path == "/api/datasets/owner/tales/revision/main" {
        let siblings: Vec<_> = FILES.iter().map(|(name, _)| serde_json::json!({"rfilename": name})).collect();
        ("200 OK", String::new(), serde_json::json!({"sha": COMMIT, "siblings": siblings, "id": "x"}).to_string())
    } else if path.starts_with("/api/datasets/owner/secret/")
        && header("authorization").as_deref() != Some("bearer hf_token")
    {
        ("401 Unauthorized", String::new(), String::new())
    } else if path.starts_with("/api/datasets/owner/secret/") {
        ("200 OK", String::new(), serde_json::json!({"sha": COMMIT, "siblings": []}).to_string())
    } else if let Some(name) = path.strip_prefix(&format!("/datasets/owner/tales/resolve/{COMMIT}/")) {
        // A large file lies on another server, which knows no commit.
        let etag = name.replace('/', "-");
        let more =
            format!("X-Repo-Commit: {COMMIT}\r\nX-Linked-Etag: \"{etag}\"\r\nLocation: {base}/elsewhere/{name}\r\n");
        ("302 Found", more, String::new())
    } else if let Some(content) = path.strip_prefix("/elsewhere/").and_then(file) {
        let range = header("range").unwrap_or_default();
        let (from, to) = range.trim_start_matches("bytes=").split_once('-').unwrap();
        let (from, last) = (from.parse().unwrap(), to.parse().unwrap_or(content.len() - 1));
        let more = format!("ETag: \"x\"\r\nContent-Range: bytes {from}-{last}/{}\r\n", content.len());
        ("206 Partial Content", more, content[from..=last].to_owned())
    } else {
        ("404 Not Found", String::new(), String::new())
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
}

fn lrx(lab: &Lab, endpoint: &str, more: &[(&str, &str)], arguments: &str) -> Done {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_lrx"));
    for name in [
        "HF_TOKEN",
        "HF_HUB_OFFLINE",
        "HF_HUB_CACHE",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ] {
        command.env_remove(name);
    }
    command.env("HF_ENDPOINT", endpoint).env("HF_HOME", lab.path("home")).envs(more.iter().copied());
    let output = command.args(arguments.split_whitespace()).current_dir(lab.path("")).output().unwrap();
    Done {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn config(train: &str) -> String {
    format!(
        "[data]\ntrain = {train}\nvalid = \"hf://datasets/owner/tales/valid.csv\"\ntokenizer = {{ train_bpe = 257 }}\n\
         [model]\nhidden = 16\nlayers = 1\nheads = 2\ncontext = 16\n[train]\nsteps = 1\n"
    )
}

#[test]
fn a_data_set_is_fetched_once_and_known_by_its_commit() {
    let (lab, hub) = (Lab::new(), Hub::new());
    lab.write("c.toml", config("\"hf://datasets/owner/tales/data\""));
    let done = lrx(&lab, &hub.endpoint, &[], "run c.toml");
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let fetched = hub.asked();
    let elsewhere = |asked: &[String]| asked.iter().filter(|path| path.starts_with("/elsewhere/")).count();
    // Each is asked for its size, then fetched.
    assert_eq!(elsewhere(&fetched), 6, "{fetched:?}");
    assert!(!fetched.iter().any(|path| path.contains("outside") || path.contains("README")), "{fetched:?}");
    let row = rows(&lab.read("results/c/runs.csv")).remove(0);
    assert_eq!(row["stories"], "4");
    let resolved = fs::read_to_string(lab.path("results/c").join(&row["run_id"]).join("resolved.toml")).unwrap();
    for file in ["data/train-0.txt", "data/train-1.jsonl", "valid.csv"] {
        assert!(resolved.contains(&format!("file = \"hf://datasets/owner/tales@{COMMIT}/{file}\"")), "{resolved}");
    }
    // Where Hugging Face's own programs keep it.
    let folder = lab.path("home/hub/datasets--owner--tales");
    assert_eq!(fs::read_to_string(folder.join("refs/main")).unwrap(), COMMIT);
    let kept = folder.join("snapshots").join(COMMIT);
    assert_eq!(fs::read_to_string(kept.join("data/train-0.txt")).unwrap(), FILES[2].1);

    // A second time, only the revision is asked for; offline, nothing; and it is the same run as of the files themselves.
    let ids = |done: Done| {
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        done.stdout
    };
    let online = ids(lrx(&lab, &hub.endpoint, &[], "plan --ids c.toml"));
    assert_eq!(elsewhere(&hub.asked()), 0);
    let offline = [("HF_HUB_OFFLINE", "1")];
    assert_eq!(ids(lrx(&lab, "http://127.0.0.1:9", &offline, "plan --ids c.toml")), online);
    assert_eq!(hub.asked(), [""; 0]);
    let pattern = config(&format!("[\"hf://datasets/owner/tales@{COMMIT}/data/*\"]"));
    lab.write("c.toml", pattern);
    assert_eq!(ids(lrx(&lab, "http://127.0.0.1:9", &offline, "plan --ids c.toml")), online);
    lab.write("c.toml", config(&format!("\"{}\"", kept.join("data").display())));
    assert_eq!(ids(lrx(&lab, "http://127.0.0.1:9", &offline, "plan --ids c.toml")), online);
    assert_eq!(online.trim(), row["run_id"]);
}

#[test]
fn what_the_hub_does_not_give_is_told() {
    let (lab, hub) = (Lab::new(), Hub::new());
    let nowhere = "http://127.0.0.1:9";
    for (train, endpoint, environment, said) in [
        (
            "hf://datasets/owner/tales/dat/x.txt",
            &*hub.endpoint,
            None,
            "has no file of stories of that name; the nearest of its 4 is \"data/train-0.txt\"",
        ),
        ("hf://datasets/owner/other/x.txt", &hub.endpoint, None, "not the data set owner/other at main at all"),
        ("hf://datasets/owner/secret/x.txt", &hub.endpoint, None, "may be fetched with a token only: HF_TOKEN"),
        ("hf://datasets/owner/secret/x.txt", &hub.endpoint, Some(("HF_TOKEN", "hf_token")), "has no file of stories"),
        ("hf://datasets/owner/tales/../outside.txt", &hub.endpoint, None, "has no file of stories of that name"),
        ("hf://models/owner/tales/x.txt", &hub.endpoint, None, "expected hf://datasets/OWNER/NAME/PATH"),
        ("hf://datasets/owner/tales/data", nowhere, None, "HF_HUB_OFFLINE=1 takes what was fetched before"),
        (
            "hf://datasets/owner/tales/data",
            nowhere,
            Some(("HF_HUB_OFFLINE", "1")),
            "owner/tales at main was not fetched before",
        ),
    ] {
        lab.write(
            "c.toml",
            config(&format!("\"{train}\"")).replace("valid = \"hf://datasets/owner/tales/valid.csv\"\n", ""),
        );
        let done = lrx(&lab, endpoint, environment.as_slice(), "plan c.toml");
        assert_eq!(done.code, Some(2), "{train}: {}{}", done.stdout, done.stderr);
        assert!(done.stderr.contains(said) && done.stderr.contains("--> c.toml:2:9"), "{train}: {}", done.stderr);
    }
    assert!(!lab.path("home/hub/datasets--owner--tales/snapshots").exists());
}

//! A sweep of ten thousand points fits into little memory. Alone in its process: it measures what that took.
#![cfg(target_os = "linux")]

mod common;

use common::Folder;

/// The most memory that this process has had, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

#[test]
fn ten_thousand_points_take_little_memory() {
    let folder = Folder::new();
    let list = |values: std::ops::Range<usize>| values.map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
    let low_rank = "[model.attention]\nkind = 'low-rank'\nrank = 1\n[model.mlp]\nkind = 'low-rank'\nrank = 1\n";
    for (name, runs, config) in [
        ("one key", 9_999, format!("[sweep]\n'train.log_every' = [{}]\n", list(1..10_000))),
        (
            "of the model",
            10_000,
            format!(
                "{low_rank}[sweep]\n'model.attention.rank' = [{}]\n'model.mlp.rank' = [{}]\n",
                list(1..101),
                list(1..101)
            ),
        ),
        ("seeds", 100_000, format!("seeds = [{}]\n[sweep]\n'train.log_every' = [{}]\n", list(0..100), list(1..1001))),
        ("cases", 4_000, (1..4001).map(|i| format!("[[sweep.case]]\ntrain.log_every = {i}\n")).collect()),
    ] {
        folder.write("large.toml", config);
        let began = std::time::Instant::now();
        let experiments = folder.load(&["large.toml"]).unwrap();
        assert_eq!(experiments[0].runs.len(), runs, "{name}");
        println!("{name}: {:.2} s, at most {} MiB so far", began.elapsed().as_secs_f64(), peak());
        assert!(peak() < 300, "{name}: {} MiB", peak());
    }
    // As many mistakes are told, and not each with every other.
    let began = std::time::Instant::now();
    let errors = folder.errors(format!("[sweep]\n'train.steps' = [{}]\n", "-1, ".repeat(9_999)));
    println!("mistakes: {:.2} s", began.elapsed().as_secs_f64());
    assert_eq!(errors.iter().count(), 9_999);
    assert!(errors.to_string().contains("and 9979 more"), "{errors}");
}

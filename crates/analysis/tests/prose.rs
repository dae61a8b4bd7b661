//! The numbers in the sentences of `docs/findings.md`, and of what the README says came out: each decimal one is, to its digits, a
//! number of a table there, which `findings.rs` makes anew, or is computed here from the files under `results/`, or a setting.

use std::path::{Path, PathBuf};

use lrx_analysis::{Configuration, Experiment, read_results, stats};

/// What was set, not measured: spreads that factors begin from, and trials that others made.
const SETTINGS: [(&str, f64); 2] = [("N(0, 0.02)", 0.02), ("found Med/Med 0.01 behind", 0.01)];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(folder: &str) -> Experiment {
    let mut all = read_results(&root().join("results").join(folder)).unwrap();
    assert_eq!(all.len(), 1, "{folder}");
    all.remove(0)
}

/// A number with a decimal point as it is written.
struct Written<'a> {
    digits: &'a str,
    /// Where it begins in the line.
    at: usize,
}

impl Written<'_> {
    fn places(&self) -> i32 {
        self.digits.split_once('.').unwrap().1.len() as i32
    }

    /// Whether it is what `value` comes to, to so many digits, whatever the sign.
    fn is(&self, value: f64) -> bool {
        let written: f64 = self.digits.parse().unwrap();
        // Halves may be rounded either way: tables have three digits themselves.
        (value.abs() - written).abs() <= 0.5 * 10_f64.powi(-self.places()) + 1e-9
    }
}

/// The decimal numbers of a line; not versions, nor those with an exponent, which are rates.
fn decimals(line: &str) -> Vec<Written<'_>> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(start) = line[rest..].find(|c: char| c.is_ascii_digit()).map(|at| rest + at) {
        let end = line[start..].find(|c| !is_part(c)).map_or(line.len(), |len| start + len);
        let digits = line[start..end].trim_end_matches('.');
        let before = line[..start].chars().next_back();
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '/';
        if digits.matches('.').count() == 1 && !before.is_some_and(is_word) && !line[end..].starts_with(is_word) {
            found.push(Written { digits, at: start });
        }
        rest = end;
    }
    found
}

fn is_row(line: &str) -> bool {
    line.starts_with('|')
}

/// The sections of a document with their titles; what comes before the first has none.
fn sections(document: &str) -> Vec<(&str, &str)> {
    let mut parts = document.split("\n## ");
    let first = ("", parts.next().unwrap());
    std::iter::once(first).chain(parts.map(|part| part.split_once('\n').unwrap())).collect()
}

fn of_tables(text: &str) -> Vec<f64> {
    let rows = text.lines().filter(|line| is_row(line));
    rows.flat_map(decimals).map(|number| number.digits.parse().unwrap()).collect()
}

fn find<'e>(experiment: &'e Experiment, name: &str) -> &'e Configuration {
    experiment.configurations.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no {name}"))
}

/// Numbers that sentences have and no table has, from the files, by the start of the title of their section.
fn computed() -> Vec<(&'static str, Vec<f64>)> {
    let dense = read("zoo-dense").configurations;
    let dense = dense.iter().flat_map(|one| [one.mean_loss(), stats::sample_sd(&one.losses()).unwrap()]);

    // What another start gains at the same rank.
    let is_it_rank = read("is-it-rank-128");
    let gains = ["R4SA-FullMLP-4L", "R16SA-FullMLP-4L", "LgSA-FullMLP-4L", "R128SA-FullMLP-4L"].map(|name| {
        let normal = find(&is_it_rank, name).mean_loss();
        ["spectral", "variance-matched"]
            .map(|init| normal - find(&is_it_rank, &format!("{name}, attention init {init}")).mean_loss())
    });

    // The best loss of a rank, under each rule, and how far seeds lie apart under the flat one at 0.002.
    let [flat, aware] = ["rate-transfer-flat", "rate-transfer-structure-aware"].map(read);
    let of_rank = |experiment: &Experiment, rank: u32| -> Vec<Configuration> {
        let ranks = format!("{rank} {rank}");
        experiment.configurations.iter().filter(|one| *one.first().mlp_ranks == ranks).cloned().collect()
    };
    let best = |experiment: &Experiment, rank: u32| {
        of_rank(experiment, rank).iter().map(Configuration::mean_loss).fold(f64::INFINITY, f64::min)
    };
    let behind = [2, 8, 32, 128].map(|rank| best(&aware, rank) - best(&flat, rank));
    let apart = [32, 128].map(|rank| {
        let at = of_rank(&flat, rank).into_iter().find(|one| one.first().learning_rate == Some(0.002)).unwrap();
        let losses = at.losses();
        losses[0] - losses[1]
    });
    let apart = apart.iter().fold(0.0, |most: f64, apart| most.max(apart.abs()));

    let rates = read("learning-rate").configurations;
    vec![
        ("Is the lead", gains.as_flattened().to_vec()),
        ("The zoo", dense.collect()),
        ("Does the best rate", behind.into_iter().chain([apart, 0.002]).collect()),
        ("At one learning rate", rates.iter().map(Configuration::mean_loss).collect()),
    ]
}

/// The numbers of a text's sentences that are none of `known`, nor settings, each with what stands around it.
fn unknown(text: &str, known: &[f64]) -> Vec<String> {
    let mut unknown = Vec::new();
    for line in text.lines() {
        for number in decimals(line) {
            let is_setting = SETTINGS.iter().any(|&(says, value)| {
                let near = line.match_indices(says).any(|(at, _)| (at..at + says.len()).contains(&number.at));
                near && number.is(value)
            });
            if !is_setting && !known.iter().any(|&value| number.is(value)) {
                let from = line[..number.at].char_indices().rev().nth(60).map_or(0, |(at, _)| at);
                let to = line[number.at..].char_indices().nth(30).map_or(line.len(), |(at, _)| number.at + at);
                unknown.push(line[from..to].to_owned());
            }
        }
    }
    unknown
}

fn sentences(text: &str) -> String {
    text.lines().filter(|line| !is_row(line) && !line.starts_with("![")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_decimal_number_of_the_findings_is_one_of_a_table_or_of_the_files() {
    let document = std::fs::read_to_string(root().join("docs/findings.md")).unwrap();
    let computed = computed();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (title, text) in sections(&document) {
        let mut known: Vec<f64> =
            computed.iter().filter(|(of, _)| title.starts_with(of)).flat_map(|(_, all)| all.clone()).collect();
        let text = if title.is_empty() {
            // The answers in brief: their rows are sentences too, about all sections.
            known.extend(sections(&document)[1..].iter().flat_map(|(_, text)| of_tables(text)));
            text.to_owned()
        } else {
            known.extend(of_tables(text));
            sentences(text)
        };
        checked += text.lines().flat_map(decimals).count();
        wrong.extend(unknown(&text, &known).into_iter().map(|around| format!("{title}: … {around} …")));
    }
    assert!(wrong.is_empty(), "nothing under results/ comes to these:\n{}", wrong.join("\n"));
    assert!(checked > 100, "only {checked} numbers");
}

#[test]
fn what_the_readme_says_came_out_is_in_the_findings() {
    let [readme, findings] =
        ["README.md", "docs/findings.md"].map(|file| std::fs::read_to_string(root().join(file)).unwrap());
    let known = of_tables(&findings);
    let text = sections(&readme).into_iter().find(|(title, _)| *title == "What came out").unwrap().1;
    let wrong = unknown(&sentences(text), &known);
    assert!(wrong.is_empty(), "docs/findings.md has none of these:\n{}", wrong.join("\n"));
}

#[test]
fn numbers_are_found_and_compared_to_their_digits() {
    let line = "−0.076 (lrx 1.2.3, x0.5) rate 2.5e-4: 0.07 and 12.5.";
    let found = decimals(line);
    let digits: Vec<&str> = found.iter().map(|number| number.digits).collect();
    assert_eq!(digits, ["0.076", "0.07", "12.5"]);
    assert!(found[1].is(-0.0749) && found[1].is(0.065) && !found[1].is(0.0752) && !found[0].is(0.0766));
    assert_eq!(unknown("a lead of 0.071 and 0.2", &[0.0711, 0.26]), ["a lead of 0.071 and 0.2"]);
}

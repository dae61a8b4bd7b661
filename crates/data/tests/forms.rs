//! The same stories in every form, as programs that are not lrx write it: each has the tokens of the plain text. How the
//! files were made is in `fixtures/make.py`.

mod common;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{corpus, ids, resolve};

/// What holds the same stories under which key, whole and packed.
fn forms() -> Vec<(String, Option<&'static str>)> {
    let mut forms = vec![("windows.txt".to_owned(), None)];
    let packed = |name: String, key| ["", ".gz", ".zst"].map(|packing| (format!("{name}{packing}"), key));
    forms.extend(packed("plain.txt".to_owned(), None));
    forms.extend(packed("strings.json".to_owned(), None));
    for key in ["text", "content", "meta.body"] {
        let given = (key != "text").then_some(key);
        for extension in ["jsonl", "json", "csv"] {
            forms.extend(packed(format!("{key}.{extension}"), given));
        }
        for packing in ["none", "snappy", "gzip", "zstd"] {
            forms.push((format!("{key}-{packing}.parquet"), given));
        }
    }
    for name in ["pages-2", "delta", "groups", "large", "polars"] {
        forms.push((format!("{name}.parquet"), None));
    }
    forms.push(("polars.csv".to_owned(), None));
    forms
}

#[test]
fn every_form_has_the_tokens_of_the_plain_text() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/forms");
    let mut unread: Vec<String> =
        fs::read_dir(&fixtures).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for file in &unread {
        fs::copy(fixtures.join(file), dir.path().join(file)).unwrap();
    }
    let read = |name: &str, key: Option<&str>| {
        let key = key.map(|key| format!("text_key = '{key}'\n")).unwrap_or_default();
        let config = format!("train = '{name}'\nvalid = 'plain.txt'\n{key}tokenizer = {{ train_bpe = 300 }}");
        let corpus = corpus(dir.path(), &config).unwrap();
        let rows = corpus.empty_rows;
        (ids(&corpus.train), corpus.data_hash(), rows)
    };
    let (tokens, hash, _) = read("plain.txt", None);
    assert_eq!(tokens.len(), 4);
    for (name, key) in forms() {
        let (other, other_hash, empty_rows) = read(&name, key);
        assert_eq!((&other, &other_hash), (&tokens, &hash), "{name}");
        let no_rows = name.contains(".txt");
        assert_eq!(empty_rows, if no_rows { 0 } else { 3 }, "{name}");
        unread.retain(|file| *file != name);
    }
    assert_eq!(unread, [""; 0], "fixtures that are not read");
}

/// The beginning of each form, and each form with a byte changed, is read or refused; never half of it in silence.
#[test]
fn a_form_that_is_cut_short_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/forms");
    for (name, part) in [
        ("plain.txt.gz", "the gzip data ends too early"),
        ("text.json.zst", "the zstd data ends too early"),
        ("text.json", "the array that the file begins with is not closed"),
        ("text-snappy.parquet", "as a Parquet file it is damaged or cut short"),
    ] {
        let whole = fs::read(fixtures.join(name)).unwrap();
        let path = dir.path().join(name);
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        let config = format!("train = '{name}'\ntokenizer = {{ train_bpe = 300 }}");
        let error = corpus(dir.path(), &config).unwrap_err();
        assert_eq!(error.key(), Some("train"));
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_name_that_lies_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/forms");
    for (from, name, part) in [
        ("plain.txt", "a.txt.gz", "a.txt.gz is no gzip file, though its name says so: it seems to be plain text"),
        ("plain.txt.gz", "a.zst", "a.zst is no zstd file, though its name says so: it is packed with gzip"),
        ("plain.txt.zst", "a.txt", "a.txt: it is packed with zstd, which its name does not say; call it a.txt.zst"),
        (
            "text.jsonl.gz",
            "a.jsonl",
            "a.jsonl: it is packed with gzip, which its name does not say; call it a.jsonl.gz",
        ),
        ("text-zstd.parquet", "a.json", "a.json: it is a Parquet file, which its name does not say; call it a.parquet"),
        ("text.csv", "a.parquet", "a.parquet is no Parquet file, though its name says so: it seems to be plain text"),
    ] {
        fs::copy(fixtures.join(from), dir.path().join(name)).unwrap();
        let error = corpus(dir.path(), &format!("train = '{name}'\ntokenizer = {{ train_bpe = 300 }}")).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
    let error = resolve(dir.path(), "train = 'a.parquet.gz'").unwrap_err().to_string();
    assert!(error.contains("a.parquet.gz: Parquet files are packed inside"), "{error}");
}

#[test]
fn columns_that_hold_no_text_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/forms");
    fs::copy(fixtures.join("text-none.parquet"), dir.path().join("a.parquet")).unwrap();
    for (key, part) in [
        ("id", "column \"id\" holds INT64; expected a string in each row"),
        ("unused.list.element", "column \"unused.list.element\" holds lists"),
        ("Text", "no column is called \"Text\"; text_key = \"text\"?"),
        (
            "body",
            "no column is called \"body\"; text_key names another (there: \"id\", \"text\", \"unused.list.element\")",
        ),
    ] {
        let config = format!("train = 'a.parquet'\ntext_key = '{key}'\ntokenizer = {{ train_bpe = 300 }}");
        let error = corpus(dir.path(), &config).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// A file of a few kilobytes that would fill memory or days is refused once it is known for what it is, in one message.
#[test]
fn what_grows_beyond_measure_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let letters = "a".repeat(1000);
    let many = |row: &str| row.repeat(20 << 10);
    let text = many(&format!("{letters}<|endoftext|>"));
    let lines = many(&format!("{{\"text\": \"{letters}\"}}\n"));
    let table = format!("text\n{}", many(&format!("{letters}\n")));
    let gzip = |text: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(text.as_bytes()).unwrap();
        packed.finish().unwrap()
    };
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 3).unwrap();
    let bombs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bombs");
    for (name, bytes) in [
        ("a.txt.gz", gzip(&text)),
        ("a.txt.zst", zstd(&text)),
        ("a.jsonl.gz", gzip(&lines)),
        ("a.json.zst", zstd(&lines)),
        ("a.csv.gz", gzip(&table)),
        ("pages.parquet", fs::read(bombs.join("pages.parquet")).unwrap()),
        ("dictionary.parquet", fs::read(bombs.join("dictionary.parquet")).unwrap()),
    ] {
        assert!(bytes.len() < 100_000, "{name}: {}", bytes.len());
        fs::write(dir.path().join(name), bytes).unwrap();
        let began = Instant::now();
        let error = corpus(dir.path(), &format!("train = '{name}'\ntokenizer = {{ train_bpe = 300 }}")).unwrap_err();
        let told = error.to_string();
        assert!(told.contains(name) && told.contains("when it is unpacked") && !told.contains('\n'), "{told}");
        assert!(began.elapsed() < Duration::from_secs(20), "{name}: {:?}", began.elapsed());
    }
}

/// What the fuzz targets read from memory is what is read from files.
#[test]
fn bytes_are_read_as_files_are() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/forms");
    let read = |name: &str, key| lrx_data::fuzz::stories(name, &fs::read(fixtures.join(name)).unwrap(), key).unwrap();
    let plain = read("plain.txt", None);
    assert_eq!(plain.len(), 4);
    for (name, key) in forms() {
        assert_eq!(read(&name, key), plain, "{name}");
    }
}

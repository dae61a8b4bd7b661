//! Data sets of the Hugging Face Hub by name: `hf://datasets/OWNER/NAME[@REVISION]/PATH`.
//!
//! Files are kept where Hugging Face's own programs keep them and look for them. The revision is asked for once a command and
//! stands for its commit from then on, so that what is recorded names the commit.

use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::{env, fs};

use glob::{MatchOptions, Pattern};
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};

use crate::files::SCHEME;
use crate::guard::guarded;
use crate::source::Form;

/// The form of a name, for messages.
const EXPECTED: &str = "expected hf://datasets/OWNER/NAME/PATH, with @REVISION behind NAME where it is not main";
/// The revision of a data set unless its name says another.
const MAIN: &str = "main";

/// A name taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name<'a> {
    repository: String,
    revision: String,
    /// A file, a folder, or a pattern; empty for the top folder.
    path: &'a str,
}

impl<'a> Name<'a> {
    fn parse(written: &'a str) -> Result<Self, String> {
        let wrong = || format!(" is no name of a data set: {EXPECTED}");
        let rest = written.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix("datasets/")).ok_or_else(wrong)?;
        let (owner, rest) = rest.split_once('/').ok_or_else(wrong)?;
        let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (name, revision) = name.split_once('@').unwrap_or((name, MAIN));
        let plain = |part: &str| {
            let known = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
            !part.is_empty() && part.chars().all(known) && !part.starts_with('.') && !part.contains("..")
        };
        // As a revision of several parts has to be written here, too.
        let revision = revision.replace("%2F", "/");
        if !plain(owner) || !plain(name) || !revision.split('/').all(plain) {
            return Err(wrong());
        }
        Ok(Self { repository: format!("{owner}/{name}"), revision, path: path.trim_end_matches('/') })
    }

    /// Which of the files of the data set are meant, by name.
    fn select<'f>(&self, files: &'f [String]) -> Result<Vec<&'f str>, String> {
        let files = files.iter().map(String::as_str).filter(|file| is_inside(file));
        let mut files: Vec<&str> = files.collect();
        files.sort_unstable();
        if let Some(one) = files.iter().find(|file| **file == self.path) {
            return Ok(vec![one]);
        }
        let folder = if self.path.is_empty() { String::new() } else { format!("{}/", self.path) };
        let within: Vec<&str> = files.iter().copied().filter(|file| file.starts_with(&folder)).collect();
        let is_story = |file: &&str| {
            let name = &file[folder.len()..];
            !name.contains('/') && !name.starts_with('.') && Form::is_told_by(Path::new(name))
        };
        let found: Vec<&str> = if within.is_empty() && self.path.contains(['*', '?', '[']) {
            let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
            let pattern = Pattern::new(self.path).map_err(|error| format!(" is no pattern: {}", error.msg))?;
            files.iter().copied().filter(|file| pattern.matches_with(file, options)).collect()
        } else {
            within.into_iter().filter(is_story).collect()
        };
        if !found.is_empty() {
            return Ok(found);
        }
        let likeness = |file: &&str| strsim::jaro_winkler(file, self.path);
        let nearest = files.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let hint = nearest.map(|file| format!("; the nearest of its {} is {file:?}", files.len())).unwrap_or_default();
        Err(format!(": the data set {} has no file of stories of that name{hint}", self.repository))
    }

    fn repository(&self, revision: &str) -> Repo {
        Repo::with_revision(self.repository.clone(), RepoType::Dataset, revision.to_owned())
    }
}

/// Whether a name that a server gave stays within a folder.
fn is_inside(file: &str) -> bool {
    !file.is_empty() && !file.contains('\\') && file.split('/').all(|part| !["", ".", ".."].contains(&part))
}

/// The files that `written` means, each as it would be written with the commit, and where it lies: fetched, unless it is there.
///
/// # Errors
/// A message to stand behind `written`.
pub(crate) fn files(written: &str) -> Result<Vec<(String, PathBuf)>, String> {
    let name = Name::parse(written)?;
    let cache = cache();
    let is_offline =
        env::var("HF_HUB_OFFLINE").is_ok_and(|it| !["", "0", "false", "no", "off"].contains(&&*it.to_lowercase()));
    let (commit, paths) = match is_offline {
        true => kept(&name, &cache)?,
        false => fetched(&name, &cache)?,
    };
    let named = |file: &str| format!("{SCHEME}datasets/{}@{commit}/{file}", name.repository);
    Ok(paths.into_iter().map(|(file, path)| (named(&file), path)).collect())
}

/// Where files are kept: as Hugging Face's own programs have it.
fn cache() -> Cache {
    match env::var("HF_HUB_CACHE") {
        Ok(folder) => Cache::new(folder.into()),
        Err(_) => Cache::from_env(),
    }
}

/// A commit, and files of it by their names.
type Files = (String, Vec<(String, PathBuf)>);

/// What was fetched before.
fn kept(name: &Name, cache: &Cache) -> Result<Files, String> {
    let repository = cache.repo(name.repository(&name.revision));
    let folder = cache.path().join(name.repository(MAIN).folder_name());
    let commit = match fs::read_to_string(folder.join("refs").join(&name.revision)) {
        Ok(commit) => commit.trim().to_owned(),
        Err(_) => name.revision.clone(),
    };
    let snapshot = repository.pointer_path(&commit);
    let mut files = Vec::new();
    list(&snapshot, "", &mut files);
    if files.is_empty() {
        let what = format!("{} at {} was not fetched before", name.repository, name.revision);
        return Err(format!(": {what}, and HF_HUB_OFFLINE forbids to ask for it ({})", folder.display()));
    }
    let paths = name.select(&files)?.into_iter().map(|file| (file.to_owned(), snapshot.join(file))).collect();
    Ok((commit, paths))
}

/// The files in a folder and those within it, by their paths from it.
fn list(folder: &Path, before: &str, files: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        match entry.path().is_dir() {
            true => list(&entry.path(), &format!("{before}{name}/"), files),
            false => files.push(format!("{before}{name}")),
        }
    }
}

/// What the Hub has.
fn fetched(name: &Name, cache: &Cache) -> Result<Files, String> {
    let mut builder = ApiBuilder::from_env().with_progress(stderr().is_terminal()).with_cache_dir(cache.path().clone());
    if let Ok(token) = env::var("HF_TOKEN") {
        builder = builder.with_token(Some(token.trim().to_owned()).filter(|token| !token.is_empty()));
    }
    let hub = |work: &dyn Fn() -> Result<Files, Wrong>| {
        guarded("hf-hub", || Ok(work())).map_err(|why| format!(": {why}"))?.map_err(|wrong| wrong.told(name))
    };
    let api = builder.build().map_err(|error| Wrong::Hub(error).told(name))?;
    hub(&|| {
        let info = api.repo(name.repository(&name.revision)).info()?;
        if info.sha.is_empty() || !info.sha.chars().all(|char| char.is_ascii_hexdigit()) {
            return Err(Wrong::Name(format!(": {:?} is no commit, though the Hub says so", info.sha)));
        }
        let names: Vec<String> = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
        let commit = api.repo(name.repository(&info.sha));
        let mut paths = Vec::new();
        for file in name.select(&names).map_err(Wrong::Name)? {
            paths.push((file.to_owned(), commit.get(file)?));
        }
        // Where nothing may be asked for, this is what the revision was.
        cache.repo(name.repository(&name.revision)).create_ref(&info.sha).map_err(ApiError::from)?;
        Ok((info.sha, paths))
    })
}

/// What went wrong with the Hub.
enum Wrong {
    Hub(ApiError),
    Name(String),
}

impl From<ApiError> for Wrong {
    fn from(error: ApiError) -> Self {
        Self::Hub(error)
    }
}

impl Wrong {
    fn told(self, name: &Name) -> String {
        let error = match self {
            Self::Name(message) => return message,
            Self::Hub(error) => error.to_string(),
        };
        let what = format!("the data set {} at {}", name.repository, name.revision);
        let is = |status: &str| error.ends_with(&format!("http status: {status}"));
        if is("404") {
            return format!(": the Hub has no file or revision of that name, or not {what} at all");
        }
        if is("401") || is("403") {
            return format!(": {what} may be fetched with a token only: HF_TOKEN, or `hf auth login`");
        }
        format!(": {what} cannot be fetched: {error}; HF_HUB_OFFLINE=1 takes what was fetched before")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        let name = |written| Name::parse(written).map(|name| (name.repository, name.revision, name.path));
        let apart = |a: &str, b: &str, c| Ok((a.to_owned(), b.to_owned(), c));
        assert_eq!(name("hf://datasets/a/b/c.txt"), apart("a/b", "main", "c.txt"));
        assert_eq!(name("hf://datasets/a/b"), apart("a/b", "main", ""));
        assert_eq!(name("hf://datasets/a/b@v1.0/d/*.txt"), apart("a/b", "v1.0", "d/*.txt"));
        assert_eq!(name("hf://datasets/a/b@refs%2Fconvert%2Fparquet/d/"), apart("a/b", "refs/convert/parquet", "d"));
        for wrong in [
            "hf://a/b/c.txt",
            "hf://datasets/a",
            "hf://datasets/../b/c",
            "hf://datasets/a/b@/c",
            "hf://datasets/a/b@../c",
        ] {
            assert!(name(wrong).unwrap_err().contains("expected hf://datasets/OWNER/NAME/PATH"), "{wrong}");
        }
    }

    #[test]
    fn files_are_selected_by_path_folder_and_pattern() {
        let files =
            ["README.md", "b.txt", "a.jsonl", "d/2.parquet", "d/1.parquet", "d/x/3.parquet", "../../e.txt", "/f.txt"];
        let files = files.map(str::to_owned);
        let select = |path| {
            let written = format!("hf://datasets/o/n/{path}");
            Name::parse(&written).unwrap().select(&files).map(|files| files.join(" "))
        };
        assert_eq!(select("b.txt").unwrap(), "b.txt");
        assert_eq!(select("README.md").unwrap(), "README.md");
        assert_eq!(select("").unwrap(), "a.jsonl b.txt", "never what lies outside");
        assert_eq!(select("d").unwrap(), "d/1.parquet d/2.parquet");
        assert_eq!(select("d/*.parquet").unwrap(), "d/1.parquet d/2.parquet");
        assert_eq!(select("**/*.parquet").unwrap(), "d/1.parquet d/2.parquet d/x/3.parquet");
        for (path, part) in [
            ("d/1.parket", "has no file of stories of that name; the nearest of its 6 is \"d/1.parquet\""),
            ("../../e.txt", "has no file of stories"),
            ("*.csv", "has no file of stories"),
        ] {
            assert!(select(path).unwrap_err().contains(part), "{}", select(path).unwrap_err());
        }
    }
}

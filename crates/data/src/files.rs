//! Which files are meant by what a config names.

use std::collections::HashSet;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};

use crate::error::DataError;
use crate::guard::guarded;
use crate::paths::Paths;
use crate::source::{EXTENSIONS, Form};
use crate::spec::{FileSpec, StoriesFile};
use crate::synthetic;

/// What the name of a data set of the Hugging Face Hub begins with.
pub(crate) const SCHEME: &str = "hf://";
/// More files than this are a mistake.
const MOST_FILES: usize = 1 << 20;

/// The place of a file, from the key that names it and the path as written.
pub(crate) type Locate<'l> = &'l dyn Fn(&str, &str) -> PathBuf;

/// The files of stories that `key` names, each read once for its hash: in the order of `paths`, of a folder and a pattern by
/// name.
///
/// # Errors
/// Where one is named twice, cannot be read, or there is none.
pub(crate) fn stories(key: &'static str, paths: &Paths, locate: Locate) -> Result<Vec<StoriesFile>, DataError> {
    let (mut files, mut named) = (Vec::new(), HashSet::new());
    for written in &paths.0 {
        let wrong = |what: &str| DataError::at(key, format!("{key} = \"{written}\"{what}"));
        if written == synthetic::NAME {
            return Err(wrong(" stands for generated stories by itself, not in a list"));
        }
        let found = match written.starts_with(SCHEME) {
            true => on_hub(written),
            false => found(written, &locate(key, ""), locate(key, written)),
        };
        for (written, path) in found.map_err(|what| wrong(&what))? {
            // However it is written, through links and all.
            if !named.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                return Err(wrong(&format!(" names {} a second time", path.display())));
            }
            let form = Form::of(&path).map_err(|what| DataError::at(key, format!("{}{what}", path.display())))?;
            // The cache knows contents, not names: whether a name lies must not depend on it.
            form.check_file(&path).map_err(|what| DataError::at(key, format!("{}{what}", path.display())))?;
            files.push(StoriesFile { file: FileSpec::read(key, path, written)?, form });
        }
    }
    match files.is_empty() {
        true => Err(DataError::at(key, format!("{key} = [] names no file"))),
        false => Ok(files),
    }
}

#[cfg(feature = "hub")]
fn on_hub(written: &str) -> Result<Vec<(String, PathBuf)>, String> {
    crate::hub::files(written)
}

#[cfg(not(feature = "hub"))]
fn on_hub(_: &str) -> Result<Vec<(String, PathBuf)>, String> {
    Err(" names a data set of the Hugging Face Hub; this lrx was built without the feature `hub`".to_owned())
}

/// The files that `written` means, each as it would be written by itself, and where it lies. `path` is where `written` lies
/// in the folder `base`.
fn found(written: &str, base: &Path, path: PathBuf) -> Result<Vec<(String, PathBuf)>, String> {
    if path.is_dir() {
        return in_folder(written, &path);
    }
    if !is_pattern(written, &path) {
        return Ok(vec![(written.to_owned(), path)]);
    }
    let mut paths = matches(written, base, MOST_FILES + 1)?;
    if paths.len() > MOST_FILES {
        return Err(format!(" matches more than {MOST_FILES} files"));
    }
    if paths.is_empty() {
        return Err(" matches no file".to_owned());
    }
    paths.sort();
    let written = |path: PathBuf| (path.strip_prefix(base).unwrap_or(&path).to_string_lossy().into_owned(), path);
    Ok(paths.into_iter().map(written).collect())
}

/// The files of stories in a folder, not in those within it.
fn in_folder(written: &str, folder: &Path) -> Result<Vec<(String, PathBuf)>, String> {
    let cannot = |error: std::io::Error| format!(" cannot be read: {}: {error}", folder.display());
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !hidden && Form::is_told_by(&path) && path.is_file() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let known = EXTENSIONS.map(|extension| format!(".{extension}")).join(", ");
        return Err(format!(
            " is a folder that holds no file of stories: their names end in {known}, packed ones in .gz or .zst behind that"
        ));
    }
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let written = written.trim_end_matches(['/', MAIN_SEPARATOR]);
    Ok(paths.into_iter().map(|path| (format!("{written}/{}", name(&path)), path)).collect())
}

/// Whether `written`, which lies at `path`, stands for the files that match it. A file that is there means itself.
fn is_pattern(written: &str, path: &Path) -> bool {
    written.contains(['*', '?', '[']) && !path.exists()
}

/// The files that match, at most so many of them.
fn matches(written: &str, base: &Path, most: usize) -> Result<Vec<PathBuf>, String> {
    let pattern = match Path::new(written).is_absolute() {
        true => written.to_owned(),
        false => format!("{}", Path::new(&Pattern::escape(&base.to_string_lossy())).join(written).display()),
    };
    let options =
        MatchOptions { require_literal_separator: true, require_literal_leading_dot: true, ..MatchOptions::new() };
    let paths = glob_with(&pattern, options).map_err(|error| format!(" is no pattern: {}", error.msg))?;
    // The library panics at names that are no UTF-8.
    let files = guarded("glob", || {
        let mut files = Vec::new();
        for path in paths {
            let path = path?;
            if path.is_file() {
                files.push(path);
            }
            if files.len() == most {
                break;
            }
        }
        Ok(files)
    });
    files.map_err(|error| {
        format!(" cannot be looked through: {error} (a name that is no UTF-8 stops a pattern; a folder is read by its name alone)")
    })
}

/// The path of the file that `written` names in the folder `base`, if there is none; data sets by name are elsewhere.
pub fn missing(base: &Path, written: &str) -> Option<PathBuf> {
    if written.starts_with(SCHEME) {
        return None;
    }
    let path = base.join(written);
    // What is wrong with a pattern is told where its files are read.
    let matched = || is_pattern(written, &path) && matches(written, base, 1).is_ok_and(|files| !files.is_empty());
    (!path.exists() && !matched()).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn names(dir: &Path, paths: &[&str]) -> Result<Vec<String>, String> {
        let paths = Paths(paths.iter().map(|&path| path.to_owned()).collect());
        let files = stories("train", &paths, &|_, written| dir.join(written)).map_err(|error| error.to_string())?;
        assert!(files.iter().all(|file| file.file.path.is_file()));
        Ok(files.into_iter().map(|file| file.file.written).collect())
    }

    #[test]
    fn folders_and_patterns_are_their_files_by_name() {
        let outer = tempfile::tempdir().unwrap();
        // What stands around the config is no pattern.
        let dir = outer.path().join("[a]*");
        fs::create_dir_all(dir.join("d/inner.txt")).unwrap();
        for name in ["d/b.txt", "d/a.jsonl.gz", "d/10.txt", "d/.c.txt", "d/README.md", "d/inner.txt/x.csv", "[x].txt"] {
            // What a name says of its packing is looked at.
            let first: &[u8] = if name.ends_with(".gz") { b"\x1f\x8b" } else { b"" };
            fs::write(dir.join(name), [first, name.as_bytes()].concat()).unwrap();
        }
        let names = |paths: &[&str]| names(&dir, paths);
        assert_eq!(names(&["d"]).unwrap(), ["d/10.txt", "d/a.jsonl.gz", "d/b.txt"]);
        assert_eq!(names(&["d/"]).unwrap(), names(&["d"]).unwrap());
        assert_eq!(names(&["d/*.txt"]).unwrap(), ["d/10.txt", "d/b.txt"]);
        assert_eq!(names(&["d/[ab].*"]).unwrap(), ["d/a.jsonl.gz", "d/b.txt"]);
        assert_eq!(names(&["d/b.*", "d/a*"]).unwrap(), ["d/b.txt", "d/a.jsonl.gz"]);
        assert_eq!(names(&["**/*.csv"]).unwrap(), ["d/inner.txt/x.csv"]);
        assert_eq!(names(&["[x].txt"]).unwrap(), ["[x].txt"]);
        let absolute = dir.join("d/b.txt").to_string_lossy().into_owned();
        assert_eq!(names(&[&absolute]).unwrap()[..], [&*absolute]);
        for (paths, part) in [
            (&["d/*.text"][..], "train = \"d/*.text\" matches no file"),
            (&["d/b.txt", "d/*.txt"], "train = \"d/*.txt\" names"),
            (&["d/**b"], "is no pattern: recursive wildcards"),
            (&["d/inner.txt", "synthetic"], "stands for generated stories by itself"),
            (&[], "train = [] names no file"),
            (&["."], "is a folder that holds no file of stories: their names end in .txt, .jsonl"),
            (&["none.txt"], "train = \"none.txt\" cannot be read"),
        ] {
            if paths == ["."] {
                fs::remove_file(dir.join("[x].txt")).unwrap();
            }
            let error = names(paths).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_missing_is_known() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.txt"), "").unwrap();
        for (written, is_missing) in
            [("a.txt", false), ("b.txt", true), ("*.txt", false), ("*.csv", true), (".", false)]
        {
            assert_eq!(missing(dir.path(), written), is_missing.then(|| dir.path().join(written)), "{written}");
        }
    }
}

//! The checksums of a folder's files.
//!
//! `checksums.txt` lists the BLAKE3 of files, a line each, as `b3sum --check` reads it; its last line is the checksum of
//! those before it.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{open_regular, read};

/// The list of checksums in a folder.
pub const CHECKSUMS_FILE: &str = "checksums.txt";

/// BLAKE3 of a content, in hexadecimal.
pub type Hash = String;

/// The checksum of bytes.
pub fn hash(content: &[u8]) -> Hash {
    blake3::hash(content).to_hex().to_string()
}

/// The checksum of a file, read piece by piece.
///
/// # Errors
/// Those of reading.
pub fn hash_file(path: &Path) -> io::Result<Hash> {
    let mut file = open_regular(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().to_hex().to_string()),
            Ok(count) => drop(hasher.update(&buffer[..count])),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Why files cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One is not what was written, or is gone: which, and how.
    Changed(String),
    /// One cannot be read now: which, and why.
    Unreadable(String),
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Changed(what) | Self::Unreadable(what)) = self;
        f.write_str(what)
    }
}

impl Damage {
    /// What an error of reading `file` says.
    pub fn of(file: &str, error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Changed(format!("{file} is gone")),
            _ => Self::Unreadable(format!("{file} cannot be read: {error}")),
        }
    }
}

/// A list of checksums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums(Vec<(String, Hash)>);

impl Checksums {
    /// Adds a file.
    pub fn add(&mut self, file: &str, hash: Hash) {
        self.0.push((file.into(), hash));
    }

    /// The content of [`CHECKSUMS_FILE`].
    pub fn text(&self) -> String {
        let body: String = self.0.iter().map(|(file, hash)| format!("{hash}  {file}\n")).collect();
        format!("{body}# {}  {CHECKSUMS_FILE} above\n", hash(body.as_bytes()))
    }

    /// Those of `folder`; `None` where it has none.
    ///
    /// # Errors
    /// When the list cannot be read, or is not what was written.
    pub fn read(folder: &Path) -> Result<Option<Self>, Damage> {
        match read(&folder.join(CHECKSUMS_FILE)) {
            Ok(content) => {
                let list = std::str::from_utf8(&content).ok().and_then(Self::parse);
                list.map(Some).ok_or_else(|| Damage::Changed(changed(CHECKSUMS_FILE)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Damage::of(CHECKSUMS_FILE, &error)),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let body = text.strip_suffix('\n')?.rfind('\n').map_or("", |end| &text[..=end]);
        let own = text[body.len()..].strip_suffix(&format!("  {CHECKSUMS_FILE} above\n"))?;
        let lines = body.lines().map(|line| line.split_once("  ").map(|(hash, file)| (file.into(), hash.into())));
        let list = lines.collect::<Option<Vec<_>>>()?;
        (own.strip_prefix("# ") == Some(&hash(body.as_bytes()))).then_some(Self(list))
    }

    /// The files that are listed.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(file, _)| file.as_str())
    }

    /// Whether `content` is what `file` was.
    ///
    /// # Errors
    /// When it is not. A file that is not listed was not there.
    pub fn check(&self, file: &str, content: &[u8]) -> Result<(), Damage> {
        self.compare(file, &hash(content))
    }

    /// Whether `file` in `folder` is what it was.
    ///
    /// # Errors
    /// When it is not, or cannot be read.
    pub fn check_file(&self, folder: &Path, file: &str) -> Result<(), Damage> {
        let hash = hash_file(&folder.join(file)).map_err(|error| Damage::of(file, &error))?;
        self.compare(file, &hash)
    }

    fn compare(&self, file: &str, hash: &str) -> Result<(), Damage> {
        let listed = self.0.iter().find(|(listed, _)| listed == file);
        match listed {
            Some((_, listed)) if listed == hash => Ok(()),
            _ => Err(Damage::Changed(changed(file))),
        }
    }
}

fn changed(file: &str) -> String {
    format!("{file} has changed since it was written")
}

/// How long files may stand as a writer between two of them leaves them.
const SETTLES: Duration = Duration::from_secs(1);

/// Whether all files that `folder` lists, if it lists any, are what they were. Who reads while others write finds some
/// files new and some old for a moment: only what stays so is damage.
///
/// # Errors
/// The first file that is not what it was, or cannot be read.
pub fn settled(folder: &Path) -> Result<(), Damage> {
    let look = || match Checksums::read(folder)? {
        Some(list) => list.files().try_for_each(|file| list.check_file(folder, file)),
        None => Ok(()),
    };
    let stamp = || {
        let files = [CHECKSUMS_FILE, "runs.csv", "curves.csv", "ranks.csv"];
        files.map(|file| fs::metadata(folder.join(file)).and_then(|file| file.modified()).ok())
    };
    let (mut seen, mut since) = (stamp(), Instant::now());
    let began = since;
    loop {
        let result = look();
        // While it goes on changing, somebody writes; not for ever.
        if result.is_ok() || since.elapsed() > SETTLES || began.elapsed() > 10 * SETTLES {
            return result;
        }
        sleep(SETTLES / 50);
        let now = stamp();
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut list = Checksums::default();
        for (file, content) in [("runs.csv", "a,b\n"), ("two", "")] {
            fs::write(folder.path().join(file), content).unwrap();
            list.add(file, hash(content.as_bytes()));
        }
        fs::write(folder.path().join(CHECKSUMS_FILE), list.text()).unwrap();
        folder
    }

    /// `printf 'a,b\n' | b3sum` and `b3sum < /dev/null`, of BLAKE3's own tool.
    #[test]
    fn the_list_is_what_b3sum_reads() {
        let text = fs::read_to_string(folder().path().join(CHECKSUMS_FILE)).unwrap();
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262  two";
        assert_eq!(text.lines().nth(1), Some(empty));
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("# ")));
    }

    #[test]
    fn what_has_changed_or_is_gone_is_told() {
        let change = |change: &dyn Fn(&Path)| {
            let folder = folder();
            change(folder.path());
            settled(folder.path())
        };
        let changed = |file: &str| Err(Damage::Changed(format!("{file} has changed since it was written")));
        assert_eq!(change(&|_| ()), Ok(()));
        assert_eq!(change(&|at| fs::write(at.join("runs.csv"), "a,b\n\n").unwrap()), changed("runs.csv"));
        assert_eq!(change(&|at| fs::write(at.join("two"), "x").unwrap()), changed("two"));
        assert_eq!(change(&|at| fs::write(at.join(CHECKSUMS_FILE), "").unwrap()), changed(CHECKSUMS_FILE));
        assert_eq!(change(&|at| fs::remove_file(at.join("two")).unwrap()), Err(Damage::Changed("two is gone".into())));
        assert_eq!(change(&|at| fs::remove_file(at.join(CHECKSUMS_FILE)).unwrap()), Ok(()));
        let unreadable = change(&|at| {
            fs::remove_file(at.join("two")).unwrap();
            fs::create_dir(at.join("two")).unwrap();
        });
        assert!(matches!(unreadable, Err(Damage::Unreadable(what)) if what.starts_with("two cannot be read: ")));
    }

    /// A writer that has written its files but not yet their checksums is no damage.
    #[test]
    fn a_writer_between_two_files_is_waited_for() {
        let folder = folder();
        fs::write(folder.path().join("two"), "new").unwrap();
        let mut list = Checksums::read(folder.path()).unwrap().unwrap();
        list.0[1].1 = hash(b"new");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                sleep(SETTLES / 4);
                fs::write(folder.path().join(CHECKSUMS_FILE), list.text()).unwrap();
            });
            assert_eq!(settled(folder.path()), Ok(()));
        });
    }
}

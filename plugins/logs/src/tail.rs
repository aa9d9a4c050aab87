//! Follows the files of a folder: what is written to them from now on, whatever rotates them.

use crate::folder::{self, BLOCK_BYTES, LogFile};
use crate::lines::{Piece, Splitter};
use crate::severity::Said;
use cofferdam_plugin::Filters;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

/// The lines of one look, so that they fit into what one `next` may return.
pub(crate) const LINES_MAX: usize = 256;
/// Their texts together.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Of a larger file, the lines before the end are not counted when it is met: its lines have no numbers.
const COUNTED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Of a file that appears, no more than this is told; it may have been put there whole.
const NEW_BYTES_MAX: u64 = 1024 * 1024;
/// Bytes before the place up to which a file was read, by which it is known again.
const PRINT_BYTES: usize = 128;
/// How many files are compared with a new one in one look, roughly: each costs calls to the host. What is left waits for the next look.
const CHECKS_MAX: usize = 256;
/// Files that went away, in case they come back under another name.
const GONE_MAX: usize = 32;

/// A line, of which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The file's name.
    pub(crate) file: String,
    /// The line.
    pub(crate) piece: Piece,
    /// What it says about itself.
    pub(crate) said: Said,
}

/// The files that are followed.
#[derive(Debug)]
pub(crate) struct Tail {
    folder: PathBuf,
    /// Files are those that its `source` takes.
    filters: Filters,
    followed: BTreeMap<String, Follow>,
    gone: VecDeque<Follow>,
    /// Where the last look ended, so that one busy file does not keep the others waiting.
    last: String,
    /// Entries of the folder at the last look.
    entries: usize,
}

/// How far one file was read.
#[derive(Clone, Debug)]
struct Follow {
    splitter: Splitter,
    /// The last bytes that were read, up to `PRINT_BYTES`.
    print: Vec<u8>,
    said: Said,
}

/// What became of a file that was followed.
enum Found {
    Same,
    Other,
}

impl Tail {
    /// Begins at the end of every file that is there and wanted.
    pub(crate) fn open(folder: &Path, filters: Filters) -> io::Result<Self> {
        let mut listing = folder::list(folder)?;
        listing.files.retain(|file| filters.takes("source", &file.name));
        let mut followed = BTreeMap::new();
        for file in listing.files {
            // It may be gone by now.
            if let Ok(follow) = Follow::from_end(folder, &file) {
                followed.insert(file.name, follow);
            }
        }
        Ok(Self { folder: folder.into(), filters, followed, gone: VecDeque::new(), last: String::new(), entries: listing.entries })
    }

    /// How many entries the folder had at the last look: how much a look costs.
    pub(crate) const fn entries(&self) -> usize {
        self.entries
    }

    /// The lines that were written since the last look.
    pub(crate) fn look(&mut self) -> io::Result<Vec<Line>> {
        let mut listing = folder::list(&self.folder)?;
        listing.files.retain(|file| self.filters.takes("source", &file.name));
        self.entries = listing.entries;
        let there = |name: &str| listing.files.binary_search_by(|file| file.name.as_str().cmp(name)).is_ok();
        let lost: Vec<_> = self.followed.keys().filter(|name| !there(name)).cloned().collect();
        for name in lost {
            let follow = self.followed.remove(&name);
            self.forget(follow);
        }
        let mut lines = Lines::default();
        let mut unknown = Vec::new();
        let turn = listing.files.partition_point(|file| file.name <= self.last);
        for file in listing.files.iter().cycle().skip(turn).take(listing.files.len()) {
            if let Some(follow) = self.followed.get_mut(&file.name) {
                if lines.full() {
                    continue;
                }
                self.last.clone_from(&file.name);
                match follow.read(&self.folder, file, &mut lines) {
                    Ok(Found::Same) => continue,
                    Ok(Found::Other) => {
                        let follow = self.followed.remove(&file.name);
                        self.forget(follow);
                    }
                    // Gone just now: the next look sees that.
                    Err(_) => continue,
                }
            }
            unknown.push(file);
        }
        let mut checks = 0;
        for file in unknown {
            if lines.full() || checks >= CHECKS_MAX {
                break;
            }
            let mut follow = self.known_as(file, &mut checks).unwrap_or_else(|| Follow::from_start(file));
            if follow.read(&self.folder, file, &mut lines).is_ok() {
                self.followed.insert(file.name.clone(), follow);
            }
        }
        Ok(lines.0)
    }

    fn forget(&mut self, follow: Option<Follow>) {
        self.gone.extend(follow.filter(|follow| !follow.print.is_empty()));
        while self.gone.len() > GONE_MAX {
            self.gone.pop_front();
        }
    }

    /// A file that was renamed, or copied so that the other can be emptied: it goes on where that one was read.
    fn known_as(&mut self, file: &LogFile, checks: &mut usize) -> Option<Follow> {
        let mut fits = |follow: &Follow| {
            *checks += 1;
            follow.fits(&self.folder, file)
        };
        if let Some(at) = self.gone.iter().position(&mut fits) {
            return self.gone.remove(at);
        }
        self.followed.values().find(|follow| fits(follow)).cloned()
    }
}

impl Follow {
    const fn new(splitter: Splitter) -> Self {
        Self { splitter, print: Vec::new(), said: Said { severity: None, time_ms: None } }
    }

    /// A file that is new here.
    fn from_start(file: &LogFile) -> Self {
        match file.bytes.checked_sub(NEW_BYTES_MAX) {
            Some(from @ 1..) => Self::new(Splitter::new(from, None, true)),
            _ => Self::new(Splitter::new(0, Some(1), false)),
        }
    }

    /// A file that was there before: from the beginning of its last line, if that has not ended.
    fn from_end(folder: &Path, file: &LogFile) -> io::Result<Self> {
        let counted = file.bytes <= COUNTED_BYTES_MAX;
        let from = if counted { 0 } else { file.bytes - BLOCK_BYTES as u64 };
        let (mut at, mut end, mut number, mut print) = (from, None, 1, Vec::new());
        folder::read(&folder.join(&file.name), from, file.bytes - from, |block| {
            number += block.iter().filter(|&&byte| byte == b'\n').count() as u64;
            if let Some(last) = block.iter().rposition(|&byte| byte == b'\n') {
                end = Some(at + last as u64 + 1);
                print.clear();
                remember(&mut print, block.get(..=last).unwrap_or_default());
            }
            at += block.len() as u64;
            true
        })?;
        // Without the end of a line there is nothing to know the file by, but its whole text.
        let splitter = match end {
            Some(end) => Splitter::new(end, counted.then_some(number), false),
            None if counted => Splitter::new(0, Some(1), false),
            None => Splitter::new(at, None, true),
        };
        Ok(Self { print, ..Self::new(splitter) })
    }

    /// Whether this is the file, by what stands before the place up to which it was read.
    fn fits(&self, folder: &Path, file: &LogFile) -> bool {
        let at = self.splitter.at();
        if self.print.is_empty() || file.bytes < at {
            return false;
        }
        let (from, mut there) = (at - self.print.len() as u64, Vec::new());
        let read = folder::read(&folder.join(&file.name), from, self.print.len() as u64, |block| {
            there.extend_from_slice(block);
            true
        });
        read.is_ok() && there == self.print
    }

    /// Reads on, if it is still the same file.
    fn read(&mut self, folder: &Path, file: &LogFile, lines: &mut Lines) -> io::Result<Found> {
        let at = self.splitter.at();
        if file.bytes == at {
            return Ok(Found::Same);
        }
        if file.bytes < at || (!self.print.is_empty() && !self.fits(folder, file)) {
            return Ok(Found::Other);
        }
        let Self { splitter, print, said } = self;
        folder::read(&folder.join(&file.name), at, file.bytes - at, |block| {
            let taken = splitter.push(block, |piece| {
                *said = Said::read(&piece.text).after(&piece.text, *said);
                lines.push(Line { file: file.name.clone(), piece, said: *said })
            });
            remember(print, block.get(..taken).unwrap_or_default());
            taken == block.len() && !lines.full()
        })?;
        Ok(Found::Same)
    }
}

/// The last bytes of all that was read.
fn remember(print: &mut Vec<u8>, read: &[u8]) {
    print.extend_from_slice(read.get(read.len().saturating_sub(PRINT_BYTES)..).unwrap_or_default());
    print.drain(..print.len().saturating_sub(PRINT_BYTES));
}

/// Lines of one look.
#[derive(Default)]
struct Lines(Vec<Line>, usize);

impl Lines {
    fn push(&mut self, line: Line) -> bool {
        self.1 += line.piece.text.len();
        self.0.push(line);
        !self.full()
    }

    fn full(&self) -> bool {
        self.0.len() >= LINES_MAX || self.1 >= TEXT_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use cofferdam_plugin::{prelude::json, serde_json::from_value};

    fn open(logs: &Scratch) -> io::Result<Tail> {
        Tail::open(logs.path(), Filters::default())
    }

    fn texts(tail: &mut Tail) -> Vec<String> {
        tail.look().unwrap().into_iter().map(|line| format!("{} {}", line.file, line.piece.text)).collect()
    }

    #[test]
    fn it_begins_at_the_end_and_follows() {
        let logs = Scratch::new("follow");
        logs.write("a.log", "old 1\nold 2\nbegun");
        let mut tail = open(&logs).unwrap();
        assert!(texts(&mut tail).is_empty());
        logs.append("a.log", " before\nnew ERROR\nhalf");
        let lines = tail.look().unwrap();
        let [begun, new] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((begun.piece.text.as_str(), begun.piece.number, begun.piece.offset), ("begun before", Some(3), 12));
        assert_eq!((new.piece.number, new.said.severity), (Some(4), Some("error")));
        assert!(texts(&mut tail).is_empty());
        logs.append("a.log", " a line\n");
        assert_eq!(texts(&mut tail), ["a.log half a line"]);
    }

    #[test]
    fn new_files_are_read_from_their_start_and_others_not_at_all() {
        let logs = Scratch::new("new");
        let mut tail = open(&logs).unwrap();
        logs.write("b.log", "one\ntwo\n");
        logs.write("c.log.gz", "packed\n");
        logs.write(".hidden", "hidden\n");
        assert_eq!(texts(&mut tail), ["b.log one", "b.log two"]);
        assert!(texts(&mut tail).is_empty());
        logs.write("huge.log", &"0123456789abcde\n".repeat(200_000));
        let mut told = 0;
        loop {
            match texts(&mut tail).len() {
                0 => break,
                lines => told += lines,
            }
        }
        assert!((65_000..=65_536).contains(&told), "{told}");
    }

    #[test]
    fn an_emptied_file_is_read_from_its_start() {
        let logs = Scratch::new("emptied");
        logs.write("a.log", "a long line of old\n");
        let mut tail = open(&logs).unwrap();
        logs.write("a.log", "short\n");
        assert_eq!(texts(&mut tail), ["a.log short"]);
        // Larger than before already when it is looked at.
        logs.write("a.log", "something else that is longer\nand more\n");
        assert_eq!(texts(&mut tail), ["a.log something else that is longer", "a.log and more"]);
        logs.write("a.log", "");
        assert!(texts(&mut tail).is_empty());
        logs.write("a.log", "again\n");
        assert_eq!(texts(&mut tail), ["a.log again"]);
    }

    #[test]
    fn rotation_by_renaming_loses_and_repeats_nothing() {
        let logs = Scratch::new("renamed");
        logs.write("a.log", "old\n");
        logs.write("a.log.1", "older and longer\n");
        let mut tail = open(&logs).unwrap();
        logs.append("a.log", "seen\n");
        assert_eq!(texts(&mut tail), ["a.log seen"]);
        logs.append("a.log", "last words\n");
        logs.rename("a.log.1", "a.log.2");
        logs.rename("a.log", "a.log.1");
        logs.write("a.log", "fresh\n");
        let mut told = texts(&mut tail);
        told.extend(texts(&mut tail));
        told.sort();
        assert_eq!(told, ["a.log fresh", "a.log.1 last words"]);
        // One look between the two steps of it.
        logs.rename("a.log", "a.log.0");
        assert!(texts(&mut tail).is_empty());
        logs.write("a.log", "fresher than ever\n");
        assert_eq!(texts(&mut tail), ["a.log fresher than ever"]);
    }

    #[test]
    fn rotation_by_copying_repeats_nothing() {
        let logs = Scratch::new("copied");
        logs.write("a.log", "old\n");
        let mut tail = open(&logs).unwrap();
        logs.append("a.log", "seen\n");
        assert_eq!(texts(&mut tail), ["a.log seen"]);
        logs.write("a.log.1", "old\nseen\n");
        assert!(texts(&mut tail).is_empty());
        logs.write("a.log", "new\n");
        assert_eq!(texts(&mut tail), ["a.log new"]);
    }

    #[test]
    fn a_flood_comes_in_bounded_portions_and_in_turn() {
        let logs = Scratch::new("flood");
        logs.write("a.log", "x\n");
        logs.write("b.log", "x\n");
        let mut tail = open(&logs).unwrap();
        logs.append("a.log", &"flood\n".repeat(1000));
        logs.append("b.log", "quiet\n");
        let (mut sizes, mut quiet_at) = (Vec::new(), 0);
        loop {
            let told = texts(&mut tail);
            if told.is_empty() {
                break;
            }
            sizes.push(told.len());
            if told.iter().any(|line| line == "b.log quiet") {
                quiet_at = sizes.len();
            }
        }
        assert_eq!(sizes.iter().sum::<usize>(), 1001);
        assert!(sizes.iter().all(|&size| size <= LINES_MAX) && quiet_at <= 2, "{sizes:?} {quiet_at}");
        logs.append("b.log", &format!("{}\n", "y".repeat(10_000)).repeat(100));
        assert!(tail.look().unwrap().len() <= TEXT_BYTES_MAX / 8192 + 1);
    }

    #[test]
    fn large_files_are_not_counted_and_files_can_be_chosen() {
        let logs = Scratch::new("large");
        logs.write("large.log", &"0123456789abcde\n".repeat(300_000));
        logs.write("small.log", "x\n");
        let filters = from_value(json!({"source": ["large.log", "none.log"]})).unwrap();
        let mut tail = Tail::open(logs.path(), filters).unwrap();
        logs.append("large.log", "more\n");
        logs.append("small.log", "more\n");
        let lines = tail.look().unwrap();
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((line.piece.number, line.piece.offset, line.file.as_str()), (None, 4_800_000, "large.log"));
        assert!(tail.look().unwrap().is_empty());
    }

    #[test]
    fn a_file_may_go_away_and_the_folder_too() {
        let logs = Scratch::new("gone");
        logs.write("a.log", "x\n");
        let mut tail = open(&logs).unwrap();
        logs.remove("a.log");
        assert!(texts(&mut tail).is_empty());
        assert!(Tail::open(&logs.path().join("nowhere"), Filters::default()).is_err());
    }
}

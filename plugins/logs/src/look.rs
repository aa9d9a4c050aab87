//! Looks into files that are there: their last lines, and those around a place. However large a file is, little of it is read.

use crate::folder::{self, BLOCK_BYTES, LogFile};
use crate::lines::{Piece, Splitter};
use crate::severity::Said;
use crate::tail::Line;
use std::collections::VecDeque;
use std::io;
use std::path::Path;

/// How far from its end a file is looked at: these, until there are enough lines.
const SPANS: [u64; 3] = [64 * 1024, 512 * 1024, 4 * 1024 * 1024];
/// Lines of a file up to this size have numbers.
const COUNTED_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How far from its beginning a file is searched for a line by its number.
const SEARCHED_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How much is read before a place, and after it.
const AROUND_BYTES_MAX: u64 = 256 * 1024;

/// The last lines of a file that `takes` wants, in their order.
pub(crate) fn last(
    folder: &Path,
    file: &LogFile,
    limit: usize,
    spans_max: usize,
    takes: impl Fn(&Piece, Said) -> bool,
) -> io::Result<Vec<Line>> {
    let path = folder.join(&file.name);
    let mut found = VecDeque::new();
    for span in SPANS.into_iter().take(spans_max) {
        let from = file.bytes.saturating_sub(span);
        let (number, inside) = start(&path, from, file.bytes <= COUNTED_BYTES_MAX)?;
        found.clear();
        each(&path, file, Splitter::new(from, number, inside), file.bytes - from, |line| {
            if takes(&line.piece, line.said) {
                found.push_back(line);
                if found.len() > limit {
                    found.pop_front();
                }
            }
            true
        })?;
        if found.len() >= limit || from == 0 {
            break;
        }
    }
    Ok(found.into())
}

/// The line of this number, as the place where it begins; none when the file has fewer, or when that is too far to search.
pub(crate) fn offset_of(folder: &Path, file: &LogFile, number: u64) -> io::Result<Option<u64>> {
    let (mut wanted, mut at, mut found) = (number.saturating_sub(1), 0, (number <= 1).then_some(0));
    folder::read(&folder.join(&file.name), 0, SEARCHED_BYTES_MAX, |block| {
        for (index, _) in block.iter().enumerate().filter(|&(_, &byte)| byte == b'\n') {
            if wanted == 1 {
                found = Some(at + index as u64 + 1);
            }
            wanted = wanted.saturating_sub(1);
        }
        at += block.len() as u64;
        found.is_none()
    })?;
    Ok(found.filter(|&found| found < file.bytes))
}

/// The line at a place, or the one that begins after it, with those before and after it.
pub(crate) fn around(folder: &Path, file: &LogFile, offset: u64, (before, after): (usize, usize)) -> io::Result<Vec<Line>> {
    let path = folder.join(&file.name);
    let from = offset.saturating_sub(AROUND_BYTES_MAX);
    let (number, inside) = start(&path, from, file.bytes <= COUNTED_BYTES_MAX)?;
    let (mut found, mut rest) = (VecDeque::new(), None::<usize>);
    each(&path, file, Splitter::new(from, number, inside), offset - from + AROUND_BYTES_MAX, |line| {
        rest = match rest {
            None if line.piece.offset < offset => None,
            None => Some(after),
            Some(rest) => Some(rest - 1),
        };
        found.push_back(line);
        if rest.is_none() && found.len() > before {
            found.pop_front();
        }
        rest != Some(0)
    })?;
    Ok(found.into())
}

/// The number of the line that begins at `from`, and whether one goes on there.
fn start(path: &Path, from: u64, counted: bool) -> io::Result<(Option<u64>, bool)> {
    let (mut number, mut last) = (1, b'\n');
    let counted_from = if counted { 0 } else { from.saturating_sub(1) };
    folder::read(path, counted_from, from - counted_from, |block| {
        number += block.iter().filter(|&&byte| byte == b'\n').count() as u64;
        last = block.last().copied().unwrap_or(last);
        true
    })?;
    Ok((counted.then_some(number), last != b'\n'))
}

/// Calls `take` with each line, until it returns false.
fn each(path: &Path, file: &LogFile, mut splitter: Splitter, bytes: u64, mut take: impl FnMut(Line) -> bool) -> io::Result<()> {
    let (mut before, mut more, end) = (Said::default(), true, splitter.at() + bytes);
    let mut line = |piece: Piece| {
        let said = Said::read(&piece.text).after(&piece.text, before);
        before = said;
        take(Line { file: file.name.clone(), piece, said })
    };
    folder::read(path, splitter.at(), bytes, |block| {
        splitter.push(block, |piece| {
            more = line(piece);
            more
        });
        more
    })?;
    // The last line of a file may be without an end.
    if more
        && end >= file.bytes
        && let Some(piece) = splitter.rest()
    {
        line(piece);
    }
    Ok(())
}

const _: () = assert!(SPANS[0] >= BLOCK_BYTES as u64, "a span is at least one block");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn file(logs: &Scratch, name: &str) -> LogFile {
        folder::stat(logs.path(), name.into()).unwrap()
    }

    fn texts(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.piece.text.as_str()).collect()
    }

    #[test]
    fn the_last_lines_come_in_their_order_and_with_numbers() {
        let logs = Scratch::new("last");
        logs.write("a.log", "1 INFO\n2 ERROR\n  trace\n3 INFO\n4 ERROR");
        let all = |limit| last(logs.path(), &file(&logs, "a.log"), limit, 3, |_, _| true).unwrap();
        assert_eq!(texts(&all(2)), ["3 INFO", "4 ERROR"]);
        assert_eq!(all(2)[1].piece.number, Some(5));
        let errors = last(logs.path(), &file(&logs, "a.log"), 9, 3, |_, said| said.severity == Some("error")).unwrap();
        assert_eq!(texts(&errors), ["2 ERROR", "  trace", "4 ERROR"]);
        logs.write("empty.log", "");
        assert!(last(logs.path(), &file(&logs, "empty.log"), 5, 3, |_, _| true).unwrap().is_empty());
    }

    #[test]
    fn a_rare_line_is_found_farther_from_the_end_but_not_anywhere() {
        let logs = Scratch::new("rare");
        let filler = "0123456789abcde\n".repeat(20_000); // 320 kB
        logs.write("a.log", &format!("{filler}needle\n{filler}"));
        let found = |spans| last(logs.path(), &file(&logs, "a.log"), 1, spans, |piece, _| piece.text == "needle").unwrap();
        assert!(found(1).is_empty());
        assert_eq!(found(2)[0].piece.number, Some(20_001));
        logs.write("a.log", &format!("needle\n{}", filler.repeat(15)));
        assert!(found(3).is_empty());
    }

    #[test]
    fn lines_around_a_place() {
        let logs = Scratch::new("around");
        logs.write("a.log", &(1..=1000).map(|n| format!("line {n}\n")).collect::<String>());
        let a = file(&logs, "a.log");
        let at = offset_of(logs.path(), &a, 500).unwrap().unwrap();
        let lines = around(logs.path(), &a, at, (2, 1)).unwrap();
        assert_eq!(texts(&lines), ["line 498", "line 499", "line 500", "line 501"]);
        assert_eq!(lines[2].piece, Piece { number: Some(500), offset: at, text: "line 500".into(), cut: false });
        assert_eq!(texts(&around(logs.path(), &a, 0, (5, 0)).unwrap()), ["line 1"]);
        assert_eq!(texts(&around(logs.path(), &a, a.bytes - 10, (0, 5)).unwrap()), ["line 1000"]);
        for (number, found) in [(0, true), (1, true), (1000, true), (1001, false), (u64::MAX, false)] {
            assert_eq!(offset_of(logs.path(), &a, number).unwrap().is_some(), found, "{number}");
        }
    }
}

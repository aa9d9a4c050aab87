//! Bytes of a file to lines, with little memory.

/// A line is cut after so many bytes; what is left out of a line is only counted.
pub(crate) const LINE_BYTES_MAX: usize = 8 * 1024;

/// One line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Its number, from 1, when the lines before it were counted.
    pub(crate) number: Option<u64>,
    /// Where it begins in the file, in bytes.
    pub(crate) offset: u64,
    /// Its text, without colours and without what was cut.
    pub(crate) text: String,
    /// Whether it was longer.
    pub(crate) cut: bool,
}

/// Takes bytes as they are read, and gives out lines as they end.
#[derive(Clone, Debug)]
pub(crate) struct Splitter {
    /// Where the next byte stands in the file.
    at: u64,
    /// The line that has not ended yet.
    partial: Vec<u8>,
    start: u64,
    number: Option<u64>,
    cut: bool,
    /// The line that has not ended began before the first byte: it is none.
    skip: bool,
}

impl Splitter {
    /// Reads from `at`. With `inside`, what comes before the first line break is the rest of a line and is left out.
    pub(crate) const fn new(at: u64, number: Option<u64>, inside: bool) -> Self {
        Self { at, partial: Vec::new(), start: at, number, cut: false, skip: inside }
    }

    /// Where the next byte stands in the file.
    pub(crate) const fn at(&self) -> u64 {
        self.at
    }

    /// Takes bytes until `take` says that it is enough, and returns how many it took.
    pub(crate) fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Piece) -> bool) -> usize {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            let end = rest.iter().position(|&byte| byte == b'\n');
            let (part, read) = match end {
                Some(end) => (rest.get(..end).unwrap_or_default(), end + 1),
                None => (rest, rest.len()),
            };
            let room = LINE_BYTES_MAX - self.partial.len();
            self.partial.extend_from_slice(part.get(..room).unwrap_or(part));
            self.cut |= part.len() > room;
            taken += read;
            self.at += read as u64;
            if end.is_some()
                && let Some(piece) = self.end()
                && !take(piece)
            {
                break;
            }
        }
        taken
    }

    /// The line that has not ended, as it is; for the end of a file.
    pub(crate) fn rest(mut self) -> Option<Piece> {
        self.end()
    }

    /// Lines without anything in them are left out.
    fn end(&mut self) -> Option<Piece> {
        let text = shown(&self.partial);
        let piece = Piece { number: self.number, offset: self.start, text, cut: self.cut };
        self.partial.clear();
        (self.start, self.cut, self.number) = (self.at, false, self.number.map(|number| number + 1));
        (!std::mem::take(&mut self.skip) && !piece.text.trim().is_empty()).then_some(piece)
    }
}

/// Text without the escape sequences that colour it, and without what ends a line.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches(['\r', '\0']);
    if !text.contains('\u{1b}') {
        return text.to_owned();
    }
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let sequence = part.strip_prefix('[').and_then(|rest| Some(rest.split_at(rest.find(|c: char| c.is_ascii_alphabetic())? + 1).1));
        plain.push_str(sequence.unwrap_or(part));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(bytes: &[u8], chunk: usize, mut splitter: Splitter) -> Vec<(Option<u64>, u64, String, bool)> {
        let mut lines = Vec::new();
        let add = |piece: Piece, lines: &mut Vec<_>| lines.push((piece.number, piece.offset, piece.text, piece.cut));
        for chunk in bytes.chunks(chunk) {
            assert_eq!(
                splitter.push(chunk, |piece| {
                    add(piece, &mut lines);
                    true
                }),
                chunk.len()
            );
        }
        assert_eq!(splitter.at(), bytes.len() as u64);
        splitter.rest().into_iter().for_each(|piece| add(piece, &mut lines));
        lines
    }

    #[test]
    fn lines_are_the_same_however_bytes_arrive() {
        let text = b"one\r\n\ntw\xffo\n  \nthree";
        let expected =
            [(Some(1), 0, "one".to_owned(), false), (Some(3), 6, "tw\u{fffd}o".into(), false), (Some(5), 14, "three".into(), false)];
        for chunk in 1..text.len() + 1 {
            assert_eq!(split(text, chunk, Splitter::new(0, Some(1), false)), expected, "{chunk}");
        }
        let inside = split(text, 4, Splitter::new(0, None, true));
        assert_eq!(inside.iter().map(|line| (line.0, line.1)).collect::<Vec<_>>(), [(None, 6), (None, 14)]);
    }

    #[test]
    fn long_lines_are_cut_and_take_no_memory() {
        let long = "x".repeat(5 * LINE_BYTES_MAX);
        let lines = split(format!("{long}\nshort\n{long}").as_bytes(), 1000, Splitter::new(0, Some(1), false));
        let lengths: Vec<_> = lines.iter().map(|line| (line.0, line.2.len(), line.3)).collect();
        assert_eq!(lengths, [(Some(1), LINE_BYTES_MAX, true), (Some(2), 5, false), (Some(3), LINE_BYTES_MAX, true)]);
    }

    #[test]
    fn taking_stops_after_a_line() {
        let mut splitter = Splitter::new(0, Some(1), false);
        let mut lines = Vec::new();
        let taken = splitter.push(b"one\ntwo\nthree\n", |piece| {
            lines.push(piece.text);
            lines.len() < 2
        });
        assert_eq!((taken, splitter.at(), lines.len()), (8, 8, 2));
    }

    #[test]
    fn colours_are_left_out() {
        for (text, expected) in [
            ("\u{1b}[31mERROR\u{1b}[0m x", "ERROR x"),
            ("\u{1b}[1;38;5;196mred", "red"),
            ("a\u{1b}b", "ab"),
            ("a\u{1b}[", "a["),
            ("ä\0", "ä"),
        ] {
            assert_eq!(shown(text.as_bytes()), expected);
        }
    }
}

//! Everything that is wrong in a document, not only the first of it. The readers stop at the first error, and stay as simple as that; here
//! a document is read again and again, each time without what was refused the time before. What has to be there, or was wrong and has to
//! be there, is taken to be the example that the table of keys has for it. Bounded, since a document may be wrong a thousand times.

use std::borrow::Cow;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::{Document, dotted};
use super::error::{DocumentError, Place};
use super::sections::Kind;

/// More findings than these are not looked for: nobody reads them.
pub(crate) const FINDINGS_MAX: usize = 50;

/// Sections whose errors come from another key that was refused: when the first is left out, what is said about the second is not true.
pub(crate) type Consequences = &'static [(&'static str, &'static str)];

/// What a document that is read again and again is like now.
struct Mending<'d> {
    document: Document<'d>,
    /// The keys that were left out or replaced, dotted.
    mended: Vec<String>,
}

/// Every error of a document, in the order of its text. A document without one is what `read` makes of it.
pub(crate) fn all<T>(
    document: Document<'_>,
    consequences: Consequences,
    read: impl Fn(&Document<'_>) -> Result<T, DocumentError>,
) -> Result<T, Vec<DocumentError>> {
    let mut mending = Mending { document, mended: Vec::new() };
    let mut findings: Vec<DocumentError> = Vec::new();
    // Some errors are not findings of their own, but each leaves something out: twice as many rounds are enough.
    for _ in 0..FINDINGS_MAX * 2 {
        let error = match read(&mending.document) {
            Ok(value) if findings.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(error) => error,
        };
        let follows = mending.follows(&error, consequences);
        let mended = mending.mend(&error);
        // Of a key that was mended before, only what is said about another value of its list is new.
        let again = mending.was_mended(&error) && mended != Mended::Value;
        let new = !(follows || again || findings.iter().any(|finding| means(finding, &error)));
        mending.mended.extend(error.key.clone());
        if new || findings.is_empty() {
            findings.push(error);
        }
        if matches!(mended, Mended::No | Mended::Section) || findings.len() >= FINDINGS_MAX {
            break;
        }
    }
    findings.sort_by_key(|finding| (finding.line, finding.column));
    Err(findings)
}

/// Whether the key that is missing is there, and only misspelt.
fn means(finding: &DocumentError, missing: &DocumentError) -> bool {
    let parts = |error: &DocumentError| {
        error.key.as_deref().map(|key| key.rsplit_once('.').unwrap_or(("", key))).map(|(section, key)| (section.to_owned(), key.to_owned()))
    };
    let (Some((section, _)), Some((same, key))) = (parts(finding), parts(missing)) else { return false };
    section == same && finding.help.as_ref().is_some_and(|help| *help == format!("did you mean \"{key}\"?"))
}

impl<'d> Mending<'d> {
    /// Whether the error is only there because of something that was left out before.
    fn follows(&self, error: &DocumentError, consequences: Consequences) -> bool {
        let key = error.key.as_deref().unwrap_or_default();
        let within = |key: &str, section: &str| key == section || key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'));
        consequences.iter().any(|(cause, effect)| within(key, effect) && self.mended.iter().any(|mended| within(mended, cause)))
    }

    fn was_mended(&self, error: &DocumentError) -> bool {
        error.key.as_ref().is_some_and(|key| self.mended.contains(key))
    }

    /// Takes out of the document what the error is about.
    fn mend(&mut self, error: &DocumentError) -> Mended {
        let Some(key) = error.key.as_deref().filter(|_| error.line > 0) else { return Mended::No };
        let offset = offset_of(self.document.text(), Place { line: error.line, column: error.column });
        // An example that is refused as well takes its section along.
        let again = self.was_mended(error);
        let mut root = std::mem::take(self.document.entries_mut());
        let mended = self.mend_in(&mut root, &Path::default(), key, offset, again);
        *self.document.entries_mut() = root;
        mended
    }

    fn mend_in(&self, table: &mut DeTable<'d>, path: &Path, key: &str, offset: usize, again: bool) -> Mended {
        let found = table.keys().find(|name| dotted(&path.shown, name.get_ref()) == key).cloned();
        if let Some(name) = found {
            return self.mend_entry(table, path, &name, offset, again);
        }
        if let Some((name, example)) = self.missing(path, key)
            && !again
        {
            table.insert(Spanned::new(0..0, Cow::Borrowed(name)), example);
            return Mended::Yes;
        }
        let below = table.keys().find(|name| key.starts_with(&format!("{}.", dotted(&path.shown, name.get_ref())))).cloned();
        let Some(below) = below else { return Mended::Section };
        let inner = self.below(path, below.get_ref());
        let mended = match table.get_mut(&below).map(Spanned::get_mut) {
            Some(DeValue::Table(entries)) => self.mend_in(entries, &inner, key, offset, again),
            _ => Mended::No,
        };
        if mended == Mended::Section {
            table.remove(&below);
            return Mended::Yes;
        }
        mended
    }

    fn mend_entry(&self, table: &mut DeTable<'d>, path: &Path, name: &Spanned<Cow<'d, str>>, offset: usize, again: bool) -> Mended {
        // One value of a list is left out, so that the others are looked at.
        if let Some(DeValue::Array(values)) = table.get_mut(name).map(Spanned::get_mut)
            && let Some(at) = values.iter().position(|value| value.span().start == offset)
        {
            *values = values.iter().enumerate().filter(|(index, _)| *index != at).map(|(_, value)| value.clone()).collect();
            return Mended::Value;
        }
        let is_table = matches!(table.get(name).map(Spanned::get_ref), Some(DeValue::Table(_)));
        match self.missing(path, &dotted(&path.shown, name.get_ref())) {
            Some(_) if again => Mended::Section,
            Some((_, example)) if !is_table => {
                table.insert(name.clone(), example);
                Mended::Yes
            }
            _ => {
                table.remove(name);
                Mended::Yes
            }
        }
    }

    /// The example of a key that has to be there.
    fn missing(&self, path: &Path, key: &str) -> Option<(&'static str, Spanned<DeValue<'d>>)> {
        let section = self.document.section(path.section)?;
        let known = section.keys.iter().find(|known| dotted(&path.shown, known.name) == key)?;
        let required = known.default.is_empty() && known.kind != Kind::Section;
        required.then(|| DeValue::parse(known.example).ok()).flatten().map(|example| (known.name, example))
    }

    fn below(&self, path: &Path, key: &str) -> Path {
        let named = dotted(path.section, key);
        let section = self.document.section(&named).map(|section| section.name).or_else(|| self.document.below(path.section));
        // No section has this name, so nothing is known of it.
        Path { shown: dotted(&path.shown, key), section: section.unwrap_or("<>") }
    }
}

/// Where a table is: as the document writes it, and as the shape does.
#[derive(Default)]
struct Path {
    shown: String,
    section: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mended {
    /// A key was left out or replaced.
    Yes,
    /// One value of a list was left out.
    Value,
    /// There is nothing to mend.
    No,
    /// The section around it has to go.
    Section,
}

fn offset_of(text: &str, place: Place) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(place.line.saturating_sub(1)).map(str::len).sum();
    let line = text.get(line_start..).unwrap_or_default();
    let mark = if place.line == 1 && line.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let within = line.get(mark..).unwrap_or_default().chars().take(place.column.saturating_sub(1)).map(char::len_utf8);
    line_start + mark + within.sum::<usize>()
}

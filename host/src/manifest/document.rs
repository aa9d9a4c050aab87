//! Reads a TOML document key by key, and makes every refusal name its line, its key and what to write instead. `plugin.toml` and
//! `cofferdam.toml` are both read with it. Pure: it gets text.

use std::num::IntErrorKind;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{DocumentError, Place};
use super::nesting::too_deep;
use super::sections::{Section, Shape};
use super::suggest::{closest, listed};
use super::values::{duration, duration_text, hidden, quoted, size, size_text};
use crate::limits::Limits;

/// Brackets within brackets. The deepest document that means something needs four.
const NESTING_MAX: usize = 8;

/// A document, parsed but not yet understood.
pub(crate) struct Document<'d> {
    file: &'d str,
    text: &'d str,
    shape: &'static Shape,
    root: Spanned<DeTable<'d>>,
}

/// One section of a document. It has no unknown keys.
pub(crate) struct Table<'d> {
    document: &'d Document<'d>,
    path: String,
    section: &'static str,
    offset: usize,
    entries: &'d DeTable<'d>,
}

/// One key with its value.
pub(crate) struct Field<'d> {
    document: &'d Document<'d>,
    path: String,
    key: &'d str,
    key_offset: usize,
    in_list: bool,
    value: &'d Spanned<DeValue<'d>>,
}

impl<'d> Document<'d> {
    /// Parses a document. `file` is what messages call it.
    pub(crate) fn parse(text: &'d str, file: &'d str, shape: &'static Shape) -> Result<Self, DocumentError> {
        let bytes_max = Limits::default().manifest_bytes_max;
        if text.len() > bytes_max {
            return Err(DocumentError::too_large(file, bytes_max));
        }
        if let Some(offset) = too_deep(text, NESTING_MAX) {
            let message = format!("more than {NESTING_MAX} brackets within brackets");
            return Err(DocumentError::at(file, Place::of(text, offset), message).with_help("nothing here needs so many"));
        }
        match DeTable::parse(text) {
            Ok(root) => Ok(Self { file, text, shape, root }),
            Err(error) => Err(not_toml(&error, text, file)),
        }
    }

    /// The keys above the first section.
    pub(crate) fn root(&'d self) -> Result<Table<'d>, DocumentError> {
        let table = Table { document: self, path: String::new(), section: "", offset: 0, entries: self.root.get_ref() };
        table.without_unknown_keys()
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> DocumentError {
        DocumentError::at(self.file, Place::of(self.text, offset), message)
    }

    pub(super) fn text(&self) -> &'d str {
        self.text
    }

    pub(super) fn entries_mut(&mut self) -> &mut DeTable<'d> {
        self.root.get_mut()
    }

    pub(super) fn section(&self, name: &str) -> Option<&'static Section> {
        self.shape.sections.iter().find(|section| section.name == name)
    }

    fn is_section(&self, name: &str) -> bool {
        self.section(name).is_some()
    }

    /// The sections below `section` that have names of their own.
    pub(super) fn below(&self, section: &str) -> Option<&'static str> {
        let mut names = self.shape.sections.iter().map(|section| section.name);
        names.find(|name| name.strip_prefix(section).is_some_and(|rest| rest.starts_with(".<")))
    }

    fn keys(&self, section: &str) -> Vec<&'static str> {
        self.section(section).map_or(Vec::new(), |section| section.keys.iter().map(|key| key.name).collect())
    }
}

impl<'d> Table<'d> {
    /// The key, if it is there.
    pub(crate) fn get(&self, key: &str) -> Option<Field<'d>> {
        let (key, value) = self.entries.get_key_value(key)?;
        Some(self.field(key, value))
    }

    /// The key, or an error that says how to write it.
    pub(crate) fn require(&self, key: &str, example: &str) -> Result<Field<'d>, DocumentError> {
        self.get(key).ok_or_else(|| {
            let message = format!("{} is missing", place(&self.path, key));
            self.document.error(self.offset, message).about(dotted(&self.path, key)).with_help(format!("write {example}"))
        })
    }

    /// The section of this name below this one, if it is there.
    pub(crate) fn section(&self, key: &'static str) -> Result<Option<Table<'d>>, DocumentError> {
        self.get(key).map(|field| field.table(self.section_below(key))?.without_unknown_keys()).transpose()
    }

    /// Everything in a section whose keys are names that the writer chooses, in the order of the text.
    pub(crate) fn fields(&self) -> Vec<Field<'d>> {
        let mut fields: Vec<_> = self.entries.iter().map(|(key, value)| self.field(key, value)).collect();
        fields.sort_unstable_by_key(|field| field.key_offset);
        fields
    }

    /// The sections below this one, which have names of their own.
    pub(crate) fn named_sections(&self) -> Result<Vec<(Field<'d>, Table<'d>)>, DocumentError> {
        let pattern = self.document.below(self.section).unwrap_or_default();
        let keys = self.document.keys(pattern);
        let open = self.document.section(pattern).is_some_and(|section| section.open);
        let named = |field: Field<'d>| {
            // A key of the section below is here because that section's name was forgotten.
            if (keys.contains(&field.key) || open) && !field.is_table() {
                let what = pattern.rsplit('.').next().unwrap_or_default().replace(['<', '>'], "");
                let message = format!("{} does not say of which {what}", place(&self.path, field.key));
                return Err(field.at_key(message).with_help(format!("write it under [{pattern}], with the {what}'s name")));
            }
            let table = field.table(pattern)?.without_unknown_keys()?;
            Ok((field, table))
        };
        self.fields().into_iter().map(named).collect()
    }

    /// The name of the shape's section for `key` below this one.
    fn section_below(&self, key: &str) -> &'static str {
        self.document.section(&dotted(self.section, key)).map_or("", |section| section.name)
    }

    fn field(&self, key: &'d Spanned<std::borrow::Cow<'d, str>>, value: &'d Spanned<DeValue<'d>>) -> Field<'d> {
        let (document, path) = (self.document, self.path.clone());
        Field { document, path, key: key.get_ref(), key_offset: key.span().start, in_list: false, value }
    }

    /// Refuses the first key that the shape does not know.
    fn without_unknown_keys(self) -> Result<Self, DocumentError> {
        let keys = self.document.keys(self.section);
        let unknown = self.entries.iter().filter(|(key, _)| !keys.contains(&key.get_ref().as_ref()));
        match unknown.min_by_key(|(key, _)| key.span().start) {
            // A section of named sections, or of names that the writer chooses.
            _ if keys.is_empty() && self.document.below(self.section).is_some() => Ok(self),
            _ if self.document.section(self.section).is_some_and(|section| section.open) => Ok(self),
            None => Ok(self),
            Some((key, value)) => Err(self.unknown(&self.field(key, value), &keys)),
        }
    }

    fn unknown(&self, field: &Field<'d>, keys: &[&'static str]) -> DocumentError {
        let key = field.key;
        let message = match field.is_table() {
            true => format!("unknown section [{}]", dotted(&self.path, key)),
            false => format!("unknown key {}", place(&self.path, key)),
        };
        let shape = self.document.shape;
        let near = closest(key, keys.iter().copied());
        // A section that is misspelt is not meant as a key of another one.
        let misspelt = field.is_table() && near.is_some_and(|near| self.document.is_section(&dotted(self.section, near)));
        let fits = |section: &&Section| section.has(key) && (!misspelt || self.document.is_section(&dotted(section.name, key)));
        let mut elsewhere = shape.sections.iter().filter(|section| section.name != self.section).filter(fits);
        let (other, at_its_top) = shape.other;
        let help = match (elsewhere.next().map(|section| section.name), near) {
            _ if self.section.is_empty() && field.is_table() && at_its_top.contains(&key) => format!("it belongs in {other}"),
            (Some(name), _) if self.document.is_section(&dotted(name, key)) => {
                format!("did you mean [{}]?", dotted(name, key))
            }
            (Some(""), _) => "it belongs at the top of the file, above the first [section]".to_owned(),
            (Some(name), _) => format!("it is a key of [{name}]"),
            (None, _) if self.section.is_empty() && at_its_top.contains(&key) => format!("it belongs in {other}"),
            (None, Some(near)) if self.document.is_section(&dotted(self.section, near)) => {
                format!("did you mean [{}]?", dotted(&self.path, near))
            }
            (None, Some(near)) => format!("did you mean \"{near}\"?"),
            (None, None) => self.known(keys, field.is_table()),
        };
        field.at_key(message).with_help(help)
    }

    /// What can stand here: the sections, or the keys.
    fn known(&self, keys: &[&'static str], sections: bool) -> String {
        let document = self.document;
        let path = |key: &&str| dotted(self.section, key);
        let names: Vec<_> = keys.iter().filter(|key| document.is_section(&path(key)) == sections).collect();
        let shown: Vec<_> = match sections {
            true => names.iter().map(|key| format!("[{}]", document.below(&path(key)).unwrap_or(&path(key)))).collect(),
            false => names.iter().map(|key| format!("\"{key}\"")).collect(),
        };
        let what = if sections { "section" } else { "key" };
        match shown.as_slice() {
            [] if sections && !keys.is_empty() => format!("there are no sections here, only keys: {}", keys.join(", ")),
            [] => format!("there are no {what}s here"),
            [one] => format!("the only {what} here is {one}"),
            _ => format!("the {what}s here are {}", listed(&shown, "and")),
        }
    }
}

impl<'d> Field<'d> {
    /// The key itself.
    pub(crate) fn key(&self) -> &'d str {
        self.key
    }

    /// Where the key stands.
    pub(crate) fn place(&self) -> Place {
        Place::of(self.document.text, self.key_offset)
    }

    /// Where the value stands.
    pub(crate) fn value_place(&self) -> Place {
        Place::of(self.document.text, self.value.span().start)
    }

    /// An error about the key.
    pub(crate) fn at_key(&self, message: impl Into<String>) -> DocumentError {
        self.document.error(self.key_offset, message).about(dotted(&self.path, self.key))
    }

    /// An error about the value. `message` follows the key: `must be ...`.
    pub(crate) fn error(&self, message: &str) -> DocumentError {
        let message = format!("{} {message}", place(&self.path, self.key));
        self.document.error(self.value.span().start, message).about(dotted(&self.path, self.key))
    }

    /// The value is not what `expected` says.
    pub(crate) fn wrong(&self, expected: &str) -> DocumentError {
        let must = if self.in_list { "must hold" } else { "must be" };
        self.error(&format!("{must} {expected}, not {}", self.shown()))
    }

    /// Any text, as it is written.
    pub(crate) fn raw_text(&self, expected: &str) -> Result<&'d str, DocumentError> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.wrong(expected)),
        }
    }

    /// A text that is not empty and has no character that a person does not see.
    pub(crate) fn text(&self, expected: &str) -> Result<&'d str, DocumentError> {
        let text = self.raw_text(expected)?;
        match hidden(text) {
            Some(c) => Err(self.wrong(expected).with_help(format!("take out the invisible character {}", c.escape_unicode()))),
            None if text.is_empty() => Err(self.wrong(expected)),
            None => Ok(text),
        }
    }

    /// A size within bounds.
    pub(crate) fn size(&self, bounds: RangeInclusive<usize>) -> Result<usize, DocumentError> {
        let expected = "a size such as \"64MiB\"";
        let bytes = self.raw_text(expected).ok().and_then(size);
        let bytes = bytes.ok_or_else(|| self.wrong(expected).with_help_if(self.units(&["B", "KiB", "MiB"])))?;
        self.within(bytes, bounds, size_text)
    }

    /// A duration within bounds.
    pub(crate) fn duration(&self, bounds: RangeInclusive<Duration>) -> Result<Duration, DocumentError> {
        let expected = "a duration such as \"10s\"";
        let time = self.raw_text(expected).ok().and_then(duration);
        let time = time.ok_or_else(|| self.wrong(expected).with_help_if(self.units(&["ms", "s", "m"])))?;
        self.within(time, bounds, duration_text)
    }

    /// Yes or no.
    pub(crate) fn flag(&self) -> Result<bool, DocumentError> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            DeValue::String(text) if matches!(text.as_ref(), "true" | "false") => {
                Err(self.wrong("true or false").with_help(format!("write {text} without quotes")))
            }
            _ => Err(self.wrong("true or false")),
        }
    }

    /// A whole number from 1 on.
    pub(crate) fn count(&self) -> Result<u32, DocumentError> {
        let expected = "a whole number such as 100";
        let DeValue::Integer(integer) = self.value.get_ref() else {
            let number = self.raw_text(expected).ok().and_then(|text| text.parse::<u32>().ok());
            return Err(self.wrong(expected).with_help_if(number.map(|number| format!("write {number} without quotes"))));
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix()).or_else(|error| match error.kind() {
            // A number of more than 64 bits is out of bounds on its own side.
            IntErrorKind::PosOverflow => Ok(i64::MAX),
            IntErrorKind::NegOverflow => Ok(i64::MIN),
            _ => Err(self.wrong(expected)),
        })?;
        let number = self.within(number, 1..=i64::from(u32::MAX), |number| number.to_string())?;
        u32::try_from(number).map_err(|_| self.wrong(expected))
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(&self, words: &[(&'static str, T)]) -> Result<T, DocumentError> {
        let names = || words.iter().map(|(name, _)| *name);
        let quotes: Vec<_> = names().map(quoted).collect();
        let expected = listed(&quotes, "or");
        let text = self.raw_text(&expected)?;
        let found = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let near = closest(text, names()).map(|near| format!("did you mean \"{near}\"?"));
            self.wrong(&expected).with_help_if(near)
        })
    }

    /// The values of a list, each as a field of the same key. What is expected of them follows `must hold`.
    pub(crate) fn list(&self, expected: &str) -> Result<Vec<Field<'d>>, DocumentError> {
        let DeValue::Array(values) = self.value.get_ref() else {
            let text = self.raw_text(expected).ok().map(|text| format!("write [{}]", quoted(text)));
            return Err(self.wrong(expected).with_help_if(text));
        };
        let (document, key, key_offset) = (self.document, self.key, self.key_offset);
        let field = |value| Field { document, path: self.path.clone(), key, key_offset, in_list: true, value };
        Ok(values.iter().map(field).collect())
    }

    /// The value as a section.
    fn table(&self, section: &'static str) -> Result<Table<'d>, DocumentError> {
        let (document, path) = (self.document, dotted(&self.path, self.key));
        match self.value.get_ref() {
            DeValue::Table(entries) => Ok(Table { document, path, section, offset: self.key_offset, entries }),
            value => {
                let keys = document.keys(section).first().map(|key| format!(" with keys such as \"{key}\""));
                let error = self.wrong(&format!("a section [{path}]{}", keys.unwrap_or_default()));
                let list = matches!(value, DeValue::Array(_)).then(|| format!("write [{path}] once, in single brackets"));
                Err(error.with_help_if(list))
            }
        }
    }

    /// Whether the value is a section.
    pub(crate) fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    fn within<T: PartialOrd + Copy>(&self, value: T, bounds: RangeInclusive<T>, show: fn(T) -> String) -> Result<T, DocumentError> {
        if value < *bounds.start() {
            Err(self.error(&format!("must be at least {}, not {}", show(*bounds.start()), self.shown())))
        } else if value > *bounds.end() {
            Err(self.error(&format!("can be at most {}, not {}", show(*bounds.end()), self.shown())))
        } else {
            Ok(value)
        }
    }

    /// How to write a bare number with each of these units.
    fn units(&self, units: &[&str]) -> Option<String> {
        let number = match self.value.get_ref() {
            DeValue::Integer(integer) => integer.to_string(),
            DeValue::String(text) => text.to_string(),
            _ => return None,
        };
        let bare = (1..=20).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit());
        let with_unit: Vec<_> = units.iter().map(|unit| quoted(&format!("{number}{unit}"))).collect();
        bare.then(|| format!("say which unit: {}", listed(&with_unit, "or")))
    }

    /// The value, for a message.
    pub(crate) fn shown(&self) -> String {
        match self.value.get_ref() {
            DeValue::String(text) => quoted(text),
            DeValue::Integer(number) => number.to_string().chars().take(64).collect(),
            DeValue::Float(number) => number.to_string().chars().take(64).collect(),
            DeValue::Boolean(value) => value.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a section".to_owned(),
        }
    }
}

/// The parser's own error, with the words that it stumbled over.
fn not_toml(error: &toml::de::Error, text: &str, file: &str) -> DocumentError {
    let Some(span) = error.span() else {
        return DocumentError::whole(file, format!("not valid TOML: {}", error.message()));
    };
    let refused = |offset, message: String| DocumentError::at(file, Place::of(text, offset), message);
    let no_text = ["string values must be quoted", "invalid boolean", "invalid float", "invalid date", "invalid mantissa"];
    let (start, word) = word_at(text, &span);
    if error.message() == "duplicate key" {
        let key = word.trim_matches(['"', '\'']);
        refused(span.start, format!("{} is written twice", quoted(key))).about(dotted("", key)).with_help("keep one")
    } else if !no_text.iter().any(|begin| error.message().starts_with(begin)) {
        refused(span.start, format!("not valid TOML: {}", error.message())).with_help(toml_help(text, error.message()))
    } else if word.is_empty() {
        about_line(refused(start, "a value is missing".to_owned()), text, start)
            .with_help("write it behind the =, such as \"a text\" or 100")
    } else {
        about_line(refused(start, "a text needs quotes".to_owned()), text, start).with_help(format!("write {}", quoted(word)))
    }
}

/// Says which key it is that the line of `offset` sets, as far as that can be told of a text that is not TOML.
fn about_line(error: DocumentError, text: &str, offset: usize) -> DocumentError {
    let line = text.get(..offset).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
    match line.split_once('=').map(|(key, _)| key.trim()) {
        Some(key) if !key.is_empty() => error.about(dotted("", key)),
        _ => error,
    }
}

/// What TOML looks like, where a text does not.
fn toml_help(text: &str, message: &str) -> &'static str {
    if text.trim_start().starts_with('{') {
        "this looks like JSON: write key = value, one on a line"
    } else if message.contains("expected `=`") {
        "write key = value, with an ="
    } else if message.contains("expected `]`") {
        "close the name of the section with ]"
    } else if message.contains("expected `\"`") || message.contains("expected `'`") {
        "close the text on its own line, with the quote that it begins with"
    } else {
        "write key = value, one on a line, below the [section] that it belongs to"
    }
}

/// The span, and the rest of the words at both of its ends.
fn word_at<'t>(text: &'t str, span: &Range<usize>) -> (usize, &'t str) {
    let ends = |c: char| c.is_whitespace() || matches!(c, '=' | ',' | '[' | ']' | '{' | '}' | '#' | '"' | '\'');
    let before = text.get(..span.start).unwrap_or_default();
    let start = before.rfind(ends).map_or(0, |at| at + before.get(at..).and_then(|c| c.chars().next()).map_or(0, char::len_utf8));
    let after = text.get(span.end..).unwrap_or_default();
    let end = span.end + after.find(ends).unwrap_or(after.len());
    (start, text.get(start..end).unwrap_or_default())
}

/// `"access" in [grants.sql.main]`.
fn place(path: &str, key: &str) -> String {
    if path.is_empty() { quoted(key) } else { format!("{} in [{path}]", quoted(key)) }
}

/// `grants.sql.main`, with quotes where TOML wants them.
pub(super) fn dotted(path: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let key = if !key.is_empty() && key.len() <= 64 && key.chars().all(bare) { key.to_owned() } else { quoted(key) };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

//! The tables, the page, the schemas and the readers say the same.

use super::{Document, reference, schema, section};
use crate::config::Config;
use crate::manifest::{Key, Kind, Manifest, Section};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(document: Document, text: &str) -> Result<(), String> {
    match document {
        Document::Plugin => Manifest::parse(text, "plugin.toml").map(drop),
        Document::Cofferdam => Config::parse(text, Path::new("cofferdam.toml")).map(drop),
    }
    .map_err(|error| error.to_string())
}

fn folder(document: Document) -> PathBuf {
    root().join("tests/cases").join(if document == Document::Plugin { "manifest" } else { "config" })
}

#[test]
fn the_page_and_the_schemas_are_up_to_date() {
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let schemas =
        Document::ALL.map(|document| (format!("docs/schema/{}", document.file().replace(".toml", ".schema.json")), schema(document)));
    let mut stale = Vec::new();
    for (name, text) in [("docs/reference.md".to_owned(), reference())].into_iter().chain(schemas) {
        let file = root().join(&name);
        if update {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &text).unwrap();
        } else if fs::read_to_string(&file).unwrap_or_default() != text {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "{stale:?} are not what the tables say (UPDATE=1 writes them)");
}

#[test]
fn every_key_says_what_it_means() {
    for document in Document::ALL {
        for section in document.shape().sections {
            assert!(section.about.ends_with('.'), "[{}]: {:?}", section.name, section.about);
            for key in section.keys {
                let place = format!("{:?} in [{}] of {}", key.name, section.name, document.file());
                let is_section = key.kind == Kind::Section;
                assert_eq!(key.about.is_empty(), is_section, "{place}");
                assert!(is_section || (key.about.ends_with('.') && !key.example.is_empty()), "{place}");
            }
        }
    }
}

/// `key = value`, with its example for a value.
fn line(key: &Key) -> String {
    format!("{} = {}\n", key.name, key.example)
}

/// The same for a key that has to be there; of a choice another word in every variant.
fn required_line(key: &Key, variant: usize) -> String {
    match key.kind {
        Kind::Choice(words) => format!("{} = \"{}\"\n", key.name, words[variant % words.len()]),
        _ => line(key),
    }
}

/// What one engine of databases needs and the other has not.
fn needed_by_engine(key: &Key, variant: usize) -> bool {
    key.about.starts_with(["SQLite: ", "PostgreSQL: "][variant % 2]) && key.about.ends_with("Needed there.")
}

fn is_in(keys: &[&Key], key: &Key) -> bool {
    keys.iter().any(|other| other.name == key.name)
}

/// A document that has `key` in it, everything that has to be there, and `more` keys of its section.
fn document_with(document: Document, of: &Section, key: &Key, more: &[&Key], variant: usize) -> String {
    let mut text = String::new();
    let parts: Vec<_> = of.name.split('.').filter(|part| !part.is_empty()).collect();
    for depth in 0..=parts.len() {
        let name = parts[..depth].join(".");
        let header = parts[..depth].iter().map(|part| match *part {
            "<host>" => "\"api.example.com\"",
            part if part.starts_with('<') => "main",
            part => part,
        });
        let header = header.collect::<Vec<_>>().join(".");
        if !header.is_empty() {
            let _ = writeln!(text, "[{header}]");
        }
        let Some(known) = section(document.shape(), &name) else { continue };
        let here = depth == parts.len();
        let needed = |other: &Key| other.default.is_empty() || needed_by_engine(other, variant);
        let required = known.keys.iter().filter(|other| needed(other) && !(here && other.name == key.name) && !is_in(more, other));
        required.for_each(|key| text.push_str(&required_line(key, variant)));
        if here {
            text.push_str(&line(key));
            more.iter().for_each(|key| text.push_str(&line(key)));
            // In the second half of the variants with the sections below.
            for below in of.keys.iter().filter(|key| key.kind == Kind::Section && variant >= VARIANTS / 2 && !name.is_empty()) {
                let Some(known) = section(document.shape(), &format!("{name}.{}", below.name)) else { continue };
                let _ = writeln!(text, "[{header}.{}]", below.name);
                known.keys.iter().filter(|key| key.default.is_empty()).for_each(|key| text.push_str(&required_line(key, variant)));
            }
        }
    }
    text
}

/// Ways to write what a key needs beside it: two words of a choice, with and without the sections below.
const VARIANTS: usize = 4;

#[test]
fn every_example_is_read() {
    for document in Document::ALL {
        for section in document.shape().sections {
            for key in section.keys.iter().filter(|key| key.kind != Kind::Section) {
                let alone = read(document, &document_with(document, section, key, &[], 0));
                // Some keys mean nothing without another one of their section.
                let others =
                    section.keys.iter().filter(|other| other.kind != Kind::Section && !other.default.is_empty() && other.name != key.name);
                let others: Vec<_> = others.collect();
                let pairs = others.iter().flat_map(|one| others.iter().map(move |other| [*one, *other]));
                let with = |more: &[&Key]| {
                    (0..VARIANTS).any(|variant| read(document, &document_with(document, section, key, more, variant)).is_ok())
                };
                let good = with(&[]) || others.iter().any(|other| with(&[other])) || pairs.into_iter().any(|pair| with(&pair));
                assert!(good, "{}: {} = {} in [{}]: {alone:?}", document.file(), key.name, key.example, section.name);
            }
        }
    }
}

#[test]
fn the_schemas_and_the_readers_agree() {
    for document in Document::ALL {
        let schema: Value = serde_json::from_str(&schema(document)).unwrap();
        assert!(jsonschema::meta::is_valid(&schema), "{}", document.file());
        let validator = jsonschema::validator_for(&schema).unwrap();
        let (mut taken, mut refused) = (0, 0);
        for file in fs::read_dir(folder(document)).unwrap().map(|entry| entry.unwrap().path()) {
            if file.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let Ok(table) = toml::from_str::<toml::Table>(text.trim_start_matches('\u{feff}')) else { continue };
            let errors: Vec<_> = validator.iter_errors(&serde_json::to_value(table).unwrap()).map(|error| error.to_string()).collect();
            match read(document, &text) {
                Ok(()) => {
                    assert!(errors.is_empty(), "{}: {errors:?}", file.display());
                    taken += 1;
                }
                // What one engine of databases needs and the other has not is known to the reader only.
                Err(error) if error.contains("\"path\" in [databases.") || error.contains("\"url\" in [databases.") => {}
                Err(error) if error.contains(": unknown key") || error.contains(": unknown section") || error.contains(" is missing") => {
                    assert!(!errors.is_empty(), "{}: the schema takes it: {error}", file.display());
                    refused += 1;
                }
                // Only the reader knows the rules of some values.
                Err(_) => {}
            }
        }
        assert!(taken >= 4 && refused >= 8, "{}: {taken} taken, {refused} refused", document.file());
    }
}

//! Parameters of a statement, from JSON text. Numbers stay exact, and nothing is guessed: what does not fit is an error.

use super::model::{SqlError, SqlLimits};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

/// Names that an error lists.
const NAMES_LISTED_MAX: usize = 5;
/// Characters of a name that an error shows.
const NAME_CHARACTERS_MAX: usize = 64;

/// Parsed parameters.
#[derive(Debug, PartialEq)]
pub(super) enum Parameters<'a> {
    /// None were given.
    None,
    /// By position.
    List(Vec<Value<'a>>),
    /// By name.
    Named(BTreeMap<String, Value<'a>>),
}

/// One parameter.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// `null`
    Null,
    /// `true` and `false`.
    Flag(bool),
    /// Numbers without a fraction.
    Integer(i64),
    /// Other numbers, also as they are written.
    Real(f64, &'a str),
    /// Text.
    Text(String),
    /// An array or an object: its JSON text.
    Json(&'a str),
}

impl<'a> Parameters<'a> {
    /// Parses JSON text: an array, an object, or nothing.
    pub(super) fn parse(json: &'a str, limits: &SqlLimits) -> Result<Self, SqlError> {
        if matches!(json.trim_ascii(), "" | "null") {
            return Ok(Self::None);
        }
        let too_many = Cell::new(false);
        let mut parser = serde_json::Deserializer::from_str(json);
        let document = Document { parameters_max: limits.parameters_max, too_many: &too_many };
        let parsed = document.deserialize(&mut parser).and_then(|document| parser.end().map(|()| document));
        match parsed {
            Ok(Raw::List(values)) => values.into_iter().map(|value| Value::parse(value, limits)).collect::<Result<_, _>>().map(Self::List),
            Ok(Raw::Named(values)) => {
                let parse = |(name, value)| Value::parse(value, limits).map(|value| (name, value));
                values.into_iter().map(parse).collect::<Result<_, _>>().map(Self::Named)
            }
            Err(_) if too_many.get() => Err(SqlError::TooLarge(format!("there are more than {} parameters", limits.parameters_max))),
            Err(error) => Err(SqlError::Invalid(format!("the parameters are not what they should be: {error}"))),
        }
    }
}

/// Some names, for an error.
pub(super) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let mut names = names.map(|name| name.chars().take(NAME_CHARACTERS_MAX).collect::<String>());
    let listed: Vec<_> = names.by_ref().take(NAMES_LISTED_MAX).collect();
    let more = names.count();
    if more == 0 { listed.join(", ") } else { format!("{} and {more} more", listed.join(", ")) }
}

impl<'a> Value<'a> {
    fn parse(raw: &'a RawValue, limits: &SqlLimits) -> Result<Self, SqlError> {
        let text = raw.get();
        let value = match text.bytes().next() {
            Some(b'n') => Self::Null,
            Some(b't') => Self::Flag(true),
            Some(b'f') => Self::Flag(false),
            Some(b'"') => Self::Text(parse_text(text)?),
            Some(b'[' | b'{') => Self::Json(text),
            _ => Self::parse_number(text)?,
        };
        let length = match &value {
            Self::Text(text) => text.len(),
            Self::Json(text) => text.len(),
            Self::Null | Self::Flag(_) | Self::Integer(_) | Self::Real(..) => 0,
        };
        if length > limits.value_bytes_max {
            return Err(SqlError::TooLarge(format!("a parameter has more than {} bytes", limits.value_bytes_max)));
        }
        Ok(value)
    }

    fn parse_number(text: &'a str) -> Result<Self, SqlError> {
        let shown = || text.chars().take(NAME_CHARACTERS_MAX).collect::<String>();
        if text.contains(['.', 'e', 'E']) {
            let real = text.parse::<f64>().ok().filter(|real| real.is_finite());
            return real
                .map(|real| Self::Real(real, text))
                .ok_or_else(|| SqlError::Invalid(format!("the number {} is out of range", shown())));
        }
        let integer = text.parse::<i64>();
        integer.map(Self::Integer).map_err(|_| SqlError::Invalid(format!("the integer {} does not fit into 64 bits", shown())))
    }
}

/// SQLite stores a text with NUL, but cuts it in half of its functions; PostgreSQL has no such text.
fn parse_text(json: &str) -> Result<String, SqlError> {
    let text = serde_json::from_str::<String>(json);
    let text = text.map_err(|error| SqlError::Invalid(format!("a text among the parameters cannot be read: {error}")))?;
    if text.contains('\0') {
        return Err(SqlError::Invalid("a text among the parameters contains a NUL character".to_owned()));
    }
    Ok(text)
}

/// The outer array or object; its values are looked at later.
enum Raw<'a> {
    List(Vec<&'a RawValue>),
    Named(BTreeMap<String, &'a RawValue>),
}

/// Reads no more than the allowed number of parameters.
struct Document<'c> {
    parameters_max: usize,
    too_many: &'c Cell<bool>,
}

impl Document<'_> {
    fn admit<E: serde::de::Error>(&self, count: usize) -> Result<(), E> {
        if count < self.parameters_max {
            return Ok(());
        }
        self.too_many.set(true);
        Err(E::custom("too many parameters"))
    }
}

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = Raw<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array or object of parameters")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Raw<'de>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = entries.next_element::<&RawValue>()? {
            self.admit::<A::Error>(values.len())?;
            values.push(value);
        }
        Ok(Raw::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw<'de>, A::Error> {
        let mut values = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry::<String, &RawValue>()? {
            self.admit::<A::Error>(values.len())?;
            if values.insert(name, value).is_some() {
                return Err(A::Error::custom("a name occurs twice"));
            }
        }
        Ok(Raw::Named(values))
    }
}

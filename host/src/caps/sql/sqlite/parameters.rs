//! Parameters of a statement, from JSON text. Numbers stay exact, and nothing is guessed: what does not fit is an error.

use super::failure::Failure;
use crate::caps::sql::model::{SqlError, SqlLimits};
use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef};
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
    /// `true`, `false` and numbers without a fraction.
    Integer(i64),
    /// Other numbers.
    Real(f64),
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

    /// Binds them to a statement. Each has to have its place, and each place its parameter.
    pub(super) fn bind(&self, statement: &mut Statement<'_>) -> Result<(), Failure> {
        match self {
            Self::None => bind_list(&[], statement),
            Self::List(values) => bind_list(values, statement),
            Self::Named(values) => bind_named(values, statement),
        }
    }
}

fn bind_list(values: &[Value<'_>], statement: &mut Statement<'_>) -> Result<(), Failure> {
    let mut needed = 0;
    let mut named = Vec::new();
    for place in 1..=statement.parameter_count() {
        let position = match statement.parameter_name(place) {
            None => Some(place),
            Some(name) => position_of(name),
        };
        let Some(position) = position else {
            named.push(statement.parameter_name(place).unwrap_or_default().to_owned());
            continue;
        };
        needed = needed.max(position);
        if let Some(value) = position.checked_sub(1).and_then(|index| values.get(index)) {
            statement.raw_bind_parameter(place, value.to_sql())?;
        }
    }
    if !named.is_empty() {
        let list = list(named.iter().map(String::as_str));
        return Err(SqlError::Invalid(format!("the parameters {list} have names, so they have to be given as an object")).into());
    }
    if needed != values.len() {
        let given = values.len();
        return Err(SqlError::Invalid(format!("the statement has {needed} parameters, but {given} were given")).into());
    }
    Ok(())
}

fn bind_named(values: &BTreeMap<String, Value<'_>>, statement: &mut Statement<'_>) -> Result<(), Failure> {
    let mut unused: Vec<&str> = values.keys().map(String::as_str).collect();
    let mut missing = Vec::new();
    for place in 1..=statement.parameter_count() {
        let name = statement.parameter_name(place).filter(|name| !name.starts_with('?'));
        let Some(name) = name.and_then(|name| name.get(1..)).map(str::to_owned) else {
            let text = "the statement has parameters without a name, so they have to be given as an array";
            return Err(SqlError::Invalid(text.to_owned()).into());
        };
        match values.get(&name) {
            Some(value) => {
                statement.raw_bind_parameter(place, value.to_sql())?;
                unused.retain(|key| *key != name);
            }
            None => missing.push(name),
        }
    }
    if !missing.is_empty() {
        let list = list(missing.iter().map(String::as_str));
        return Err(SqlError::Invalid(format!("the parameters {list} were not given")).into());
    }
    if !unused.is_empty() {
        let list = list(unused.into_iter());
        return Err(SqlError::Invalid(format!("the statement has no parameters {list}")).into());
    }
    Ok(())
}

/// `?12`, and `$12` as PostgreSQL writes it; to SQLite itself the latter is a name.
fn position_of(name: &str) -> Option<usize> {
    let digits = name.strip_prefix(['?', '$'])?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten().filter(|position| *position > 0)
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
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
            Some(b't') => Self::Integer(1),
            Some(b'f') => Self::Integer(0),
            Some(b'"') => Self::Text(parse_text(text)?),
            Some(b'[' | b'{') => Self::Json(text),
            _ => Self::parse_number(text)?,
        };
        let length = match &value {
            Self::Text(text) => text.len(),
            Self::Json(text) => text.len(),
            Self::Null | Self::Integer(_) | Self::Real(_) => 0,
        };
        if length > limits.value_bytes_max {
            return Err(SqlError::TooLarge(format!("a parameter has more than {} bytes", limits.value_bytes_max)));
        }
        Ok(value)
    }

    fn parse_number(text: &str) -> Result<Self, SqlError> {
        let shown = || text.chars().take(NAME_CHARACTERS_MAX).collect::<String>();
        if text.contains(['.', 'e', 'E']) {
            let real = text.parse::<f64>().ok().filter(|real| real.is_finite());
            return real.map(Self::Real).ok_or_else(|| SqlError::Invalid(format!("the number {} is out of range", shown())));
        }
        let integer = text.parse::<i64>();
        integer.map(Self::Integer).map_err(|_| SqlError::Invalid(format!("the integer {} does not fit into 64 bits", shown())))
    }

    fn to_sql(&self) -> ToSqlOutput<'_> {
        ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(integer) => ValueRef::Integer(*integer),
            Self::Real(real) => ValueRef::Real(*real),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Json(text) => ValueRef::Text(text.as_bytes()),
        })
    }
}

/// SQLite stores a text with NUL, but cuts it in half of its functions.
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

//! Parameters in their places in a statement. Each has to have its place, and each place its parameter.

use super::failure::Failure;
use crate::caps::sql::model::SqlError;
use crate::caps::sql::parameters::{Parameters, Value, list};
use rusqlite::Statement;
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::collections::BTreeMap;

/// Binds them to a statement.
pub(super) fn bind(parameters: &Parameters<'_>, statement: &mut Statement<'_>) -> Result<(), Failure> {
    match parameters {
        Parameters::None => bind_list(&[], statement),
        Parameters::List(values) => bind_list(values, statement),
        Parameters::Named(values) => bind_named(values, statement),
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
            statement.raw_bind_parameter(place, to_sql(value))?;
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
                statement.raw_bind_parameter(place, to_sql(value))?;
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

fn to_sql<'v>(value: &'v Value<'_>) -> ToSqlOutput<'v> {
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Flag(flag) => ValueRef::Integer(i64::from(*flag)),
        Value::Integer(integer) => ValueRef::Integer(*integer),
        Value::Real(real, _) => ValueRef::Real(*real),
        Value::Text(text) => ValueRef::Text(text.as_bytes()),
        Value::Json(text) => ValueRef::Text(text.as_bytes()),
    })
}

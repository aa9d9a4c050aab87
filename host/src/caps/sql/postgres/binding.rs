//! Parameters as PostgreSQL takes them: as text, which the server reads by the type that the statement has in that place. Numbers stay
//! exact, and what does not fit is an error.

use crate::caps::sql::model::SqlError;
use crate::caps::sql::parameters::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use serde_json::value::RawValue;
use std::error::Error;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

/// One parameter, ready to be sent.
#[derive(Debug)]
pub(super) enum Encoded {
    Null,
    Text(String),
    Bytes(Vec<u8>),
}

impl ToSql for Encoded {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => return Ok(IsNull::Yes),
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(kind, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        match self {
            Self::Null | Self::Text(_) => Format::Text,
            Self::Bytes(_) => Format::Binary,
        }
    }
}

/// The parameters of a statement that has places of these types.
pub(super) fn encode_all(values: &[&Value<'_>], types: &[Type]) -> Result<Vec<Encoded>, SqlError> {
    if values.len() != types.len() {
        let (needed, given) = (types.len(), values.len());
        return Err(SqlError::Invalid(format!("the statement has {needed} parameters, but {given} were given")));
    }
    values.iter().zip(types).enumerate().map(|(index, (value, kind))| encode(value, kind, index + 1)).collect()
}

fn encode(value: &Value<'_>, kind: &Type, place: usize) -> Result<Encoded, SqlError> {
    let base = base_of(kind);
    let unfit = |what: &str| {
        let cast = if what == "a number" { "int8" } else { "text" };
        SqlError::Invalid(format!(
            "parameter ${place} is {what}, and the statement takes {} there; write it as ${place}::{cast}, or pass another value",
            super::types::name_of(kind)
        ))
    };
    let is_json = *base == Type::JSON || *base == Type::JSONB;
    Ok(match value {
        Value::Null => Encoded::Null,
        Value::Flag(flag) if *base == Type::BOOL || is_json => Encoded::Text(flag.to_string()),
        Value::Flag(_) => return Err(unfit("true or false")),
        Value::Integer(integer) if is_number(base) || is_json => Encoded::Text(integer.to_string()),
        Value::Real(_, text) if is_number(base) || is_json => Encoded::Text((*text).to_owned()),
        Value::Integer(_) | Value::Real(..) => return Err(unfit("a number")),
        Value::Text(text) if *base == Type::BYTEA => match STANDARD.decode(text) {
            Ok(bytes) => Encoded::Bytes(bytes),
            Err(_) => return Err(SqlError::Invalid(format!("parameter ${place} has to be base64, since the statement takes bytes there"))),
        },
        Value::Text(text) => Encoded::Text(text.clone()),
        Value::Json(text) if is_json || is_text(base) => Encoded::Text((*text).to_owned()),
        Value::Json(text) if matches!(base.kind(), Kind::Array(_)) && text.starts_with('[') => {
            let mut literal = String::new();
            write_array(text, &mut literal).map_err(|error| SqlError::Invalid(format!("parameter ${place} is no array: {error}")))?;
            Encoded::Text(literal)
        }
        Value::Json(_) => return Err(unfit("an array or an object")),
    })
}

/// The type under all domains.
pub(super) fn base_of(kind: &Type) -> &Type {
    let mut base = kind;
    while let Kind::Domain(inner) = base.kind() {
        base = inner;
    }
    base
}

fn is_number(kind: &Type) -> bool {
    [Type::INT2, Type::INT4, Type::INT8, Type::FLOAT4, Type::FLOAT8, Type::NUMERIC, Type::OID].contains(kind)
}

fn is_text(kind: &Type) -> bool {
    [Type::TEXT, Type::VARCHAR, Type::BPCHAR, Type::NAME, Type::UNKNOWN, Type::CHAR].contains(kind)
}

/// `[1,"a",null,[2]]` as `{1,"a",NULL,{2}}`.
fn write_array(json: &str, out: &mut String) -> serde_json::Result<()> {
    let values: Vec<&RawValue> = serde_json::from_str(json)?;
    out.push('{');
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let text = value.get();
        match text.bytes().next() {
            Some(b'n') => out.push_str("NULL"),
            Some(b'[') => write_array(text, out)?,
            Some(b'"') => write_quoted(&serde_json::from_str::<String>(text)?, out),
            Some(b'{') => write_quoted(text, out),
            _ => out.push_str(text),
        }
    }
    out.push('}');
    Ok(())
}

fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_by_the_types_of_their_places() {
        let text = |value: Value<'_>, kind: Type| match encode(&value, &kind, 1) {
            Ok(Encoded::Text(text)) => text,
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(text(Value::Integer(5), Type::NUMERIC), "5");
        assert_eq!(text(Value::Real(0.1, "0.10000000000000000001"), Type::NUMERIC), "0.10000000000000000001");
        assert_eq!(text(Value::Flag(true), Type::BOOL), "true");
        assert_eq!(text(Value::Text("2026-01-01".into()), Type::DATE), "2026-01-01");
        assert_eq!(text(Value::Json(r#"[1,"a\"b",null,[true]]"#), Type::TEXT_ARRAY), r#"{1,"a\"b",NULL,{true}}"#);
        assert_eq!(text(Value::Json(r#"{"a":1}"#), Type::JSONB), r#"{"a":1}"#);
        assert_eq!(text(Value::Text("aGk=".into()), Type::BYTEA), "Bytes([104, 105])");
        assert_eq!(text(Value::Null, Type::INT4), "Null");
        assert!(text(Value::Integer(5), Type::TEXT).contains("parameter $1 is a number, and the statement takes TEXT there"));
        assert!(text(Value::Flag(true), Type::INT4).contains("true or false"));
        assert!(text(Value::Text("?".into()), Type::BYTEA).contains("has to be base64"));
        assert!(text(Value::Json("{}"), Type::INT4).contains("an array or an object"));
    }
}

//! Values of rows as JSON, from PostgreSQL's binary format.
//!
//! Integers and `numeric` are numbers with all of their digits, bytes are base64, timestamps and the like are text as RFC 3339 and ISO
//! 8601 write them, JSON is JSON, arrays are arrays and composite values objects. A type that is not here is an error that says to cast
//! it to text: there is no guessing.

use super::binding::base_of;
use super::types::name_of;
use crate::caps::sql::model::SqlError;
use crate::caps::sql::writer::{Cell, not_finite};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Time};
use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;
use tokio_postgres::types::{Field, FromSql, Kind, Type};

/// A value as it came.
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// Why a value has no JSON form.
enum Trouble {
    /// Nobody wrote one for its type.
    Unknown(String),
    /// It is not what its type says, or it is out of range.
    Odd,
    /// Its JSON is longer than a value may be.
    TooLarge,
}

type Decoded<T> = Result<T, Trouble>;

/// A value of a row. A few bytes can stand for many digits, so its JSON is measured while it grows.
pub(super) fn cell<'a>(raw: &'a [u8], kind: &Type, column: &str, bytes_max: usize) -> Result<Cell<'a>, SqlError> {
    decode(raw, kind, bytes_max).map_err(|trouble| match trouble {
        Trouble::Unknown(kind) => SqlError::Invalid(format!(
            "the column {column:?} is of the type {kind}, which has no form in JSON: cast it, as in {column}::text"
        )),
        Trouble::Odd => SqlError::Invalid(format!("a value of the column {column:?} has no form in JSON: cast it, as in {column}::text")),
        Trouble::TooLarge => SqlError::TooLarge(format!("a value is larger than {bytes_max} bytes")),
    })
}

fn decode<'a>(raw: &'a [u8], kind: &Type, bytes_max: usize) -> Decoded<Cell<'a>> {
    let base = base_of(kind);
    Ok(match *base {
        Type::BOOL => json(if fixed::<1>(raw)? == [0] { "false" } else { "true" }.to_owned()),
        Type::INT2 => Cell::Integer(i16::from_be_bytes(fixed(raw)?).into()),
        Type::INT4 => Cell::Integer(i32::from_be_bytes(fixed(raw)?).into()),
        Type::INT8 => Cell::Integer(i64::from_be_bytes(fixed(raw)?)),
        Type::OID => Cell::Integer(u32::from_be_bytes(fixed(raw)?).into()),
        // Through its shortest text: 0.1 is not 0.10000000149011612.
        Type::FLOAT4 => match f32::from_be_bytes(fixed(raw)?) {
            real if real.is_finite() => json(serde_json::to_string(&real).map_err(|_| Trouble::Odd)?),
            real => Cell::Real(real.into()),
        },
        Type::FLOAT8 => Cell::Real(f64::from_be_bytes(fixed(raw)?)),
        Type::NUMERIC => json(numeric(raw, bytes_max)?),
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN | Type::CHAR | Type::XML => Cell::Text(raw),
        Type::BYTEA => Cell::Blob(raw),
        Type::JSON => Cell::Json(Cow::Borrowed(str::from_utf8(raw).map_err(|_| Trouble::Odd)?)),
        Type::JSONB => match raw.split_first() {
            Some((1, text)) => Cell::Json(Cow::Borrowed(str::from_utf8(text).map_err(|_| Trouble::Odd)?)),
            _ => return Err(Trouble::Odd),
        },
        Type::VOID => Cell::Null,
        Type::UUID => json(quoted(&uuid(raw)?)),
        Type::DATE => json(quoted(&date(i32::from_be_bytes(fixed(raw)?))?)),
        Type::TIME => json(quoted(&time(i64::from_be_bytes(fixed(raw)?))?)),
        Type::TIMESTAMP => json(quoted(&timestamp(i64::from_be_bytes(fixed(raw)?), "")?)),
        Type::TIMESTAMPTZ => json(quoted(&timestamp(i64::from_be_bytes(fixed(raw)?), "Z")?)),
        Type::INTERVAL => json(quoted(&interval(raw)?)),
        _ => match base.kind() {
            Kind::Enum(_) => Cell::Text(raw),
            Kind::Array(element) => json(array(raw, element, bytes_max)?),
            Kind::Composite(fields) => json(composite(raw, fields, bytes_max)?),
            _ if base.name() == "citext" => Cell::Text(raw),
            _ => return Err(Trouble::Unknown(name_of(base))),
        },
    })
}

fn json<'a>(text: String) -> Cell<'a> {
    Cell::Json(Cow::Owned(text))
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn fixed<const N: usize>(raw: &[u8]) -> Decoded<[u8; N]> {
    raw.try_into().map_err(|_| Trouble::Odd)
}

/// Takes so many bytes off the beginning.
fn take<const N: usize>(raw: &mut &[u8]) -> Decoded<[u8; N]> {
    let (head, rest) = raw.split_first_chunk::<N>().ok_or(Trouble::Odd)?;
    *raw = rest;
    Ok(*head)
}

/// Takes a length and the value behind it; none for a null.
fn take_value<'a>(raw: &mut &'a [u8]) -> Decoded<Option<&'a [u8]>> {
    let Ok(length) = usize::try_from(i32::from_be_bytes(take(raw)?)) else { return Ok(None) };
    let (value, rest) = raw.split_at_checked(length).ok_or(Trouble::Odd)?;
    *raw = rest;
    Ok(Some(value))
}

/// Fails when so many bytes are more than there may be.
fn bounded(length: usize, bytes_max: usize) -> Decoded<()> {
    if length > bytes_max { Err(Trouble::TooLarge) } else { Ok(()) }
}

/// A value inside another one, as JSON text.
fn write_inner(raw: Option<&[u8]>, kind: &Type, bytes_max: usize, out: &mut String) -> Decoded<()> {
    let Some(raw) = raw else {
        out.push_str("null");
        return bounded(out.len(), bytes_max);
    };
    let left = bytes_max.saturating_sub(out.len());
    let cell = decode(raw, kind, left)?;
    // Their JSON is never shorter than they are.
    if let Cell::Text(bytes) | Cell::Blob(bytes) = &cell {
        bounded(bytes.len(), left)?;
    }
    match cell {
        Cell::Null => out.push_str("null"),
        Cell::Integer(integer) => out.push_str(&integer.to_string()),
        Cell::Real(real) if real.is_finite() => out.push_str(&serde_json::to_string(&real).map_err(|_| Trouble::Odd)?),
        Cell::Real(real) => out.push_str(not_finite(real)),
        Cell::Text(text) => out.push_str(&serde_json::to_string(&String::from_utf8_lossy(text)).map_err(|_| Trouble::Odd)?),
        Cell::Blob(bytes) => out.push_str(&quoted(&STANDARD.encode(bytes))),
        Cell::Json(text) => {
            bounded(text.len(), left)?;
            out.push_str(&text);
        }
    }
    bounded(out.len(), bytes_max)
}

/// Digits in groups of four, a weight, a sign and how many stand behind the point.
fn numeric(mut raw: &[u8], bytes_max: usize) -> Decoded<String> {
    let count = u16::from_be_bytes(take(&mut raw)?);
    let weight = i16::from_be_bytes(take(&mut raw)?);
    let sign = u16::from_be_bytes(take(&mut raw)?);
    let scale = u16::from_be_bytes(take(&mut raw)?);
    match sign {
        0xC000 => return Ok("\"NaN\"".to_owned()),
        0xD000 => return Ok("\"Infinity\"".to_owned()),
        0xF000 => return Ok("\"-Infinity\"".to_owned()),
        _ => {}
    }
    // At least so many digits, before any of them is written.
    let whole = usize::try_from(weight).unwrap_or(0).saturating_mul(4);
    bounded(whole.saturating_add(scale.into()), bytes_max)?;
    let mut groups = Vec::with_capacity(count.into());
    for _ in 0..count {
        groups.push(u16::from_be_bytes(take(&mut raw)?));
    }
    let group = |index: i32| usize::try_from(index).ok().and_then(|index| groups.get(index)).copied().unwrap_or(0);
    let mut text = String::new();
    if sign == 0x4000 {
        text.push('-');
    }
    let weight = i32::from(weight);
    if weight < 0 {
        text.push('0');
    }
    for index in 0..=weight {
        let _written = if index == 0 { write!(text, "{}", group(index)) } else { write!(text, "{:04}", group(index)) };
    }
    if scale > 0 {
        let mut behind = String::new();
        let mut index = weight + 1;
        while behind.len() < usize::from(scale) {
            let _written = write!(behind, "{:04}", if index < 0 { 0 } else { group(index) });
            index += 1;
        }
        behind.truncate(scale.into());
        text.push('.');
        text.push_str(&behind);
    }
    Ok(text)
}

fn uuid(raw: &[u8]) -> Decoded<String> {
    let value = u128::from_be_bytes(fixed(raw)?);
    let digits = format!("{value:032x}");
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)].map(|(from, to)| digits.get(from..to).unwrap_or_default());
    Ok(parts.join("-"))
}

/// PostgreSQL counts from here.
const EPOCH: DateTime = jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0);

fn date(days: i32) -> Decoded<String> {
    match days {
        i32::MAX => return Ok("infinity".to_owned()),
        i32::MIN => return Ok("-infinity".to_owned()),
        _ => {}
    }
    let moved = EPOCH.date().checked_add(SignedDuration::from_hours(i64::from(days) * 24));
    let date: Date = moved.map_err(|_| Trouble::Odd)?;
    if date.year() < 1 { Err(Trouble::Odd) } else { Ok(date.to_string()) }
}

fn time(microseconds: i64) -> Decoded<String> {
    if microseconds == 86_400_000_000 {
        return Ok("24:00:00".to_owned());
    }
    let moved = Time::midnight().checked_add(SignedDuration::from_micros(microseconds));
    Ok(moved.map_err(|_| Trouble::Odd)?.to_string())
}

fn timestamp(microseconds: i64, zone: &str) -> Decoded<String> {
    match microseconds {
        i64::MAX => return Ok("infinity".to_owned()),
        i64::MIN => return Ok("-infinity".to_owned()),
        _ => {}
    }
    let moved = EPOCH.checked_add(SignedDuration::from_micros(microseconds)).map_err(|_| Trouble::Odd)?;
    if moved.year() < 1 { Err(Trouble::Odd) } else { Ok(format!("{moved}{zone}")) }
}

/// `P1Y2M3DT4H5M6.7S`
fn interval(mut raw: &[u8]) -> Decoded<String> {
    let microseconds = i64::from_be_bytes(take(&mut raw)?);
    let days = i32::from_be_bytes(take(&mut raw)?);
    let months = i32::from_be_bytes(take(&mut raw)?);
    let mut text = String::from("P");
    for (amount, unit) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')].into_iter().filter(|(amount, _)| *amount != 0) {
        let _written = write!(text, "{amount}{unit}");
    }
    if microseconds != 0 {
        text.push('T');
        let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
        for (amount, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')].into_iter().filter(|(amount, _)| *amount != 0) {
            let _written = write!(text, "{amount}{unit}");
        }
        let seconds = seconds % 60;
        if rest != 0 {
            let sign = if microseconds < 0 { "-" } else { "" };
            let fraction = format!("{:06}", rest.abs());
            let _written = write!(text, "{sign}{}.{}S", seconds.abs(), fraction.trim_end_matches('0'));
        } else if seconds != 0 {
            let _written = write!(text, "{seconds}S");
        }
    }
    Ok(if text == "P" { "PT0S".to_owned() } else { text })
}

fn array(mut raw: &[u8], element: &Type, bytes_max: usize) -> Decoded<String> {
    let dimensions = i32::from_be_bytes(take(&mut raw)?);
    let [_has_nulls, _element] = [take::<4>(&mut raw)?, take::<4>(&mut raw)?];
    let mut lengths = Vec::new();
    for _ in 0..dimensions {
        lengths.push(i32::from_be_bytes(take(&mut raw)?));
        let _lower_bound: [u8; 4] = take(&mut raw)?;
    }
    let mut out = String::new();
    if lengths.is_empty() {
        out.push_str("[]");
    } else {
        write_dimension(&mut raw, element, &lengths, bytes_max, &mut out)?;
    }
    Ok(out)
}

fn write_dimension(raw: &mut &[u8], element: &Type, lengths: &[i32], bytes_max: usize, out: &mut String) -> Decoded<()> {
    let Some((length, inner)) = lengths.split_first() else { return write_inner(take_value(raw)?, element, bytes_max, out) };
    out.push('[');
    for index in 0..*length {
        if index > 0 {
            out.push(',');
        }
        write_dimension(raw, element, inner, bytes_max, out)?;
    }
    out.push(']');
    bounded(out.len(), bytes_max)
}

fn composite(mut raw: &[u8], fields: &[Field], bytes_max: usize) -> Decoded<String> {
    let _count: [u8; 4] = take(&mut raw)?;
    let mut out = String::from("{");
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let _type: [u8; 4] = take(&mut raw)?;
        out.push_str(&serde_json::to_string(field.name()).map_err(|_| Trouble::Odd)?);
        out.push(':');
        write_inner(take_value(&mut raw)?, field.type_(), bytes_max, &mut out)?;
    }
    out.push('}');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<T>(decoded: Decoded<T>) -> T {
        decoded.unwrap_or_else(|_| panic!("not decoded"))
    }

    #[test]
    fn numbers_keep_their_digits() {
        let number = |count: i16, weight: i16, sign: u16, scale: u16, groups: &[u16]| {
            let mut raw = Vec::new();
            raw.extend(count.to_be_bytes());
            raw.extend(weight.to_be_bytes());
            raw.extend(sign.to_be_bytes());
            raw.extend(scale.to_be_bytes());
            groups.iter().for_each(|group| raw.extend(group.to_be_bytes()));
            text(numeric(&raw, usize::MAX))
        };
        assert_eq!(number(0, 0, 0, 0, &[]), "0");
        assert_eq!(number(0, 0, 0, 2, &[]), "0.00");
        assert_eq!(number(2, 0, 0, 2, &[19, 9900]), "19.99");
        assert_eq!(number(1, -1, 0x4000, 4, &[12]), "-0.0012");
        assert_eq!(number(1, -2, 0, 8, &[1]), "0.00000001");
        assert_eq!(number(1, 2, 0, 0, &[1]), "100000000");
        assert_eq!(number(3, 2, 0, 0, &[1, 2, 3]), "100020003");
        assert_eq!(number(0, 0, 0xC000, 0, &[]), "\"NaN\"");
    }

    #[test]
    fn what_is_too_large_is_not_written() {
        // 1e131068, in ten bytes.
        let huge = [&1_u16.to_be_bytes()[..], &32_767_u16.to_be_bytes(), &[0; 4], &1_u16.to_be_bytes()].concat();
        assert!(matches!(numeric(&huge, 131_067), Err(Trouble::TooLarge)));
        assert_eq!(text(numeric(&huge, 131_069)).len(), 131_069);
        let value = [&10_u32.to_be_bytes()[..], &huge].concat();
        let header = [1_u32, 0, 1700, 1_000, 1].map(u32::to_be_bytes).concat();
        let many = [header, value.repeat(1_000)].concat();
        assert!(matches!(array(&many, &Type::NUMERIC, 1 << 20), Err(Trouble::TooLarge)));
        // Nothing in it, very often.
        let hollow = [2_u32, 0, 25, 2_000_000_000, 1, 0, 1].map(u32::to_be_bytes).concat();
        assert!(matches!(array(&hollow, &Type::TEXT, 1_000), Err(Trouble::TooLarge)));
        let nulls = [&[1_u32, 0, 25, 3, 1].map(u32::to_be_bytes).concat()[..], &[0xFF; 12]].concat();
        assert!(matches!(array(&nulls, &Type::TEXT, 15), Err(Trouble::TooLarge)));
        assert_eq!(text(array(&nulls, &Type::TEXT, 16)), "[null,null,null]");
    }

    #[test]
    fn times_are_written_as_standards_do() {
        assert_eq!(text(date(0)), "2000-01-01");
        assert_eq!(text(date(-1)), "1999-12-31");
        assert_eq!(text(timestamp(1_500_000, "Z")), "2000-01-01T00:00:01.5Z");
        assert_eq!(text(timestamp(-1_000_000, "")), "1999-12-31T23:59:59");
        assert_eq!(text(timestamp(i64::MAX, "Z")), "infinity");
        assert_eq!(text(time(86_399_000_000)), "23:59:59");
        let span = |microseconds: i64, days: i32, months: i32| {
            let raw: Vec<u8> = [&microseconds.to_be_bytes()[..], &days.to_be_bytes(), &months.to_be_bytes()].concat();
            text(interval(&raw))
        };
        assert_eq!(span(0, 0, 0), "PT0S");
        assert_eq!(span(3_723_500_000, 3, 14), "P1Y2M3DT1H2M3.5S");
        assert_eq!(span(-500_000, 0, 0), "PT-0.5S");
        assert_eq!(text(uuid(&[0x12; 16])), "12121212-1212-1212-1212-121212121212");
    }
}

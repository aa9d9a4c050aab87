//! Rows as types. The host writes rows as arrays, which is shorter; this module gives the columns' names back to those who ask.

use super::{Error, Result, RowFormat, wit};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::slice;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

pub(super) fn read<T: DeserializeOwned>(set: &wit::ResultSet, format: RowFormat) -> Result<Vec<T>> {
    let rows = match format {
        RowFormat::Objects => serde_json::from_str(&set.rows),
        RowFormat::Arrays => {
            let rows = Rows { columns: &set.columns, capacity: set.row_count, of: PhantomData };
            serde_json::Deserializer::from_str(&set.rows).deserialize_seq(rows)
        }
    };
    rows.map_err(|e| explain(set, &e))
}

pub(super) fn first<T: DeserializeOwned>(set: &wit::ResultSet, format: RowFormat) -> Result<Option<T>> {
    let mut rows = serde_json::Deserializer::from_str(&set.rows);
    let row = match format {
        RowFormat::Objects => rows.deserialize_seq(First(PhantomData)),
        RowFormat::Arrays => rows.deserialize_seq(First(Row { columns: &set.columns, of: PhantomData })),
    };
    row.map_err(|e| explain(set, &e))
}

fn explain(set: &wit::ResultSet, error: &serde_json::Error) -> Error {
    Error::Decode(crate::schema::explain(&set.rows, error))
}

/// Reads all rows.
struct Rows<'a, T> {
    columns: &'a [wit::Column],
    capacity: u32,
    of: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> Visitor<'de> for Rows<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Vec<T>, A::Error> {
        let mut read = Vec::with_capacity(self.capacity.min(1024) as usize);
        while let Some(row) = rows.next_element_seed(Row { columns: self.columns, of: PhantomData })? {
            read.push(row);
        }
        Ok(read)
    }
}

/// Reads the first row and skips the others.
struct First<S>(S);

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for First<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Self::Value, A::Error> {
        let first = rows.next_element_seed(self.0)?;
        while rows.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}

/// Reads one row that is written as an array.
struct Row<'a, T> {
    columns: &'a [wit::Column],
    of: PhantomData<T>,
}

impl<'de, T: DeserializeOwned> DeserializeSeed<'de> for Row<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, cells: D) -> Result<T, D::Error> {
        T::deserialize(RowDeserializer { columns: self.columns, cells })
    }
}

/// A row is a map of its columns, a list of its cells, or its only cell: whichever the type asks for.
struct RowDeserializer<'a, D> {
    columns: &'a [wit::Column],
    cells: D,
}

impl<'de, D: Deserializer<'de>> RowDeserializer<'_, D> {
    fn only_cell<V: Visitor<'de>>(self, asked: Asked, visitor: V) -> Result<V::Value, D::Error> {
        match self.columns.len() {
            1 => self.cells.deserialize_seq(OnlyCell { asked, visitor }),
            columns => Err(D::Error::custom(format_args!("a single value is wanted, and the row has {columns} columns"))),
        }
    }
}

macro_rules! only_cell {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.only_cell(Asked::Any, visitor)
        })*
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for RowDeserializer<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.cells.deserialize_seq(AsMap { columns: self.columns, visitor })
    }

    forward_to_deserialize_any! { map struct ignored_any unit_struct }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.cells.deserialize_seq(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.cells.deserialize_tuple(len, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, name: &'static str, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.cells.deserialize_tuple_struct(name, len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.only_cell(Asked::Option, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.only_cell(Asked::Enum(name, variants), visitor)
    }

    only_cell! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_identifier
    }
}

/// Hands the cells out under the columns' names.
struct AsMap<'a, V> {
    columns: &'a [wit::Column],
    visitor: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for AsMap<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, cells: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Named { columns: self.columns.iter(), cells })
    }
}

struct Named<'a, A> {
    columns: slice::Iter<'a, wit::Column>,
    cells: A,
}

impl<'de, A: SeqAccess<'de>> MapAccess<'de> for Named<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.columns.next().map(|column| seed.deserialize(StrDeserializer::new(&column.name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.cells.next_element_seed(seed)?.ok_or_else(|| A::Error::custom("the row has fewer cells than columns"))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.columns.len())
    }
}

/// Reads a row of one column as that column's value.
struct OnlyCell<V> {
    asked: Asked,
    visitor: V,
}

/// What the type asked for, as far as JSON does not tell it by itself.
#[derive(Clone, Copy)]
enum Asked {
    Any,
    Option,
    Enum(&'static str, &'static [&'static str]),
}

impl<'de, V: Visitor<'de>> Visitor<'de> for OnlyCell<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut cells: A) -> Result<V::Value, A::Error> {
        cells.next_element_seed(self)?.ok_or_else(|| A::Error::custom("the row is empty"))
    }
}

impl<'de, V: Visitor<'de>> DeserializeSeed<'de> for OnlyCell<V> {
    type Value = V::Value;

    fn deserialize<D: Deserializer<'de>>(self, cell: D) -> Result<V::Value, D::Error> {
        match self.asked {
            Asked::Any => cell.deserialize_any(self.visitor),
            Asked::Option => cell.deserialize_option(self.visitor),
            Asked::Enum(name, variants) => cell.deserialize_enum(name, variants, self.visitor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RawJson;
    use alloc::collections::BTreeMap;
    use alloc::string::{String, ToString};
    use serde::Deserialize;
    use serde_json::{Value, json};

    fn set(columns: &[&str], rows: &str) -> wit::ResultSet {
        let columns = columns.iter().map(|name| wit::Column { name: (*name).into(), declared_type: String::new() }).collect();
        wit::ResultSet { columns, rows: rows.into(), row_count: 2, cut: None }
    }

    fn arrays<T: DeserializeOwned>(columns: &[&str], rows: &str) -> Result<Vec<T>> {
        read(&set(columns, rows), RowFormat::Arrays)
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum State {
        Open,
        Closed,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Ticket {
        id: i64,
        title: Option<String>,
        #[serde(default)]
        state: Option<State>,
        #[serde(default)]
        weight: f64,
    }

    const TWO: &str = r#"[[1,"a",null,2],[2,null,"open",0.5]]"#;

    #[test]
    fn a_struct_takes_columns_by_name_in_any_order() {
        let expected = [
            Ticket { id: 1, title: Some("a".into()), state: None, weight: 2.0 },
            Ticket { id: 2, title: None, state: Some(State::Open), weight: 0.5 },
        ];
        assert_eq!(arrays::<Ticket>(&["id", "title", "state", "weight"], TWO).unwrap(), expected);
        let [first, _] = &expected;
        let swapped = arrays::<Ticket>(&["more", "title", "id"], r#"[[{"x":[1]},"a",1]]"#).unwrap();
        assert_eq!(swapped, [Ticket { id: first.id, title: first.title.clone(), state: None, weight: 0.0 }]);
    }

    #[test]
    fn a_tuple_takes_columns_by_order() {
        type Row = (i64, Option<String>, Option<State>, f64);
        let rows = arrays::<Row>(&["id", "title", "state", "weight"], TWO).unwrap();
        assert_eq!(rows, [(1, Some("a".into()), None, 2.0), (2, None, Some(State::Open), 0.5)]);
        assert!(arrays::<(i64,)>(&["a", "b"], "[[1,2]]").is_err());
    }

    #[test]
    fn a_single_value_takes_the_only_column() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Id(i64);
        assert_eq!(arrays::<i64>(&["n"], "[[1],[-2]]").unwrap(), [1, -2]);
        assert_eq!(arrays::<Id>(&["n"], "[[1]]").unwrap(), [Id(1)]);
        assert_eq!(arrays::<f64>(&["n"], "[[1],[0.5]]").unwrap(), [1.0, 0.5]);
        assert_eq!(arrays::<bool>(&["n"], "[[true]]").unwrap(), [true]);
        assert_eq!(arrays::<String>(&["n"], r#"[["\u00e4"]]"#).unwrap(), ["ä"]);
        assert_eq!(arrays::<Option<String>>(&["n"], r#"[[null],["x"]]"#).unwrap(), [None, Some("x".into())]);
        assert_eq!(arrays::<State>(&["n"], r#"[["open"],["closed"]]"#).unwrap(), [State::Open, State::Closed]);
        let error = arrays::<i64>(&["a", "b"], "[[1,2]]").unwrap_err();
        assert!(error.to_string().contains("the row has 2 columns"), "{error}");
    }

    #[test]
    fn open_types_take_rows_as_maps_or_lists() {
        assert_eq!(arrays::<Value>(&["id", "x"], r#"[[1,"a"]]"#).unwrap(), [json!({"id": 1, "x": "a"})]);
        let maps = arrays::<BTreeMap<String, i64>>(&["a", "b"], "[[1,2]]").unwrap();
        assert_eq!(maps, [BTreeMap::from([("a".into(), 1), ("b".into(), 2)])]);
        assert_eq!(arrays::<Vec<i64>>(&["a", "b"], "[[1,2],[3,4]]").unwrap(), [[1, 2], [3, 4]]);
    }

    #[test]
    fn a_cell_may_stay_json() {
        #[derive(Deserialize)]
        struct Row {
            raw: RawJson,
        }
        let rows = arrays::<Row>(&["raw"], r#"[[ {"a": 1.0} ]]"#).unwrap();
        assert_eq!(rows.iter().map(|row| row.raw.get()).collect::<Vec<_>>(), [r#"{"a": 1.0}"#]);
    }

    #[test]
    fn objects_are_read_as_well() {
        let set = set(&["id", "title"], r#"[{"id":1,"title":"a"},{"id":2,"title":null}]"#);
        assert_eq!(read::<Ticket>(&set, RowFormat::Objects).unwrap().len(), 2);
        assert_eq!(first::<Ticket>(&set, RowFormat::Objects).unwrap().map(|row| row.id), Some(1));
    }

    #[test]
    fn the_first_row_is_enough_for_one() {
        let first_of = |rows| first::<i64>(&set(&["n"], rows), RowFormat::Arrays).unwrap();
        assert_eq!(first_of("[]"), None);
        assert_eq!(first_of("[[1]]"), Some(1));
        assert_eq!(first_of("[[1],[2],[\"x\"]]"), Some(1));
    }

    #[test]
    fn an_error_says_which_row_and_column() {
        let error = arrays::<Ticket>(&["id", "title"], r#"[[1,"a"],["two","b"]]"#).unwrap_err();
        assert_eq!(error, Error::Decode("[1][0]: invalid type: string \"two\", expected i64".into()));
    }
}

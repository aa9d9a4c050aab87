//! Structs from texts by name: the arguments of prompts, and the variables of URI templates.

use crate::bindings::imports::types::Argument;
use crate::catalog::PromptArgument;
use crate::schema;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::de::value::{Error, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// Reads a struct. Its fields are texts, or what a text can be read as: numbers, booleans, enums without fields, and `Option`s of these.
pub(crate) fn read<T: DeserializeOwned>(given: &[Argument]) -> Result<T, Error> {
    T::deserialize(MapDeserializer::new(given.iter().map(|Argument { name, value }| (name.as_str(), Field { name, text: value }))))
}

/// One text, and whose it is.
#[derive(Clone, Copy)]
struct Field<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'de> IntoDeserializer<'de, Error> for Field<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident $what:literal;)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.text.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(Error::custom(format_args!("{}: {:?} is not {}", self.name, self.text, $what))),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Field<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text).map_err(|e: Error| Error::custom(format_args!("{}: {e}", self.name)))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(self, _: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let variant = IntoDeserializer::<Error>::into_deserializer(self.text);
        visitor.visit_enum(variant).map_err(|e| Error::custom(format_args!("{}: {e}", self.name)))
    }

    parsed! {
        deserialize_bool visit_bool "true or false";
        deserialize_i8 visit_i8 "a whole number";
        deserialize_i16 visit_i16 "a whole number";
        deserialize_i32 visit_i32 "a whole number";
        deserialize_i64 visit_i64 "a whole number";
        deserialize_u8 visit_u8 "a whole number";
        deserialize_u16 visit_u16 "a whole number";
        deserialize_u32 visit_u32 "a whole number";
        deserialize_u64 visit_u64 "a whole number";
        deserialize_f32 visit_f32 "a number";
        deserialize_f64 visit_f64 "a number";
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The names of a struct's fields, as they are written and in their order; empty when the type does not tell (`serde(flatten)`).
pub(crate) fn names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &[&str] = &[];
    // It stops with an error as soon as the type has told its fields.
    drop(T::deserialize(Names(&mut names)));
    names
}

struct Names<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom(""))
    }

    fn deserialize_struct<V: Visitor<'de>>(self, _: &'static str, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}

/// The properties of a schema: first those that are named, in that order, then the others. A JSON object forgets its order.
pub(crate) fn in_order(mut properties: Map<String, Value>, order: &[&str]) -> Vec<(String, Value)> {
    let mut ordered: Vec<_> = order.iter().filter_map(|&name| Some((name.to_owned(), properties.remove(name)?))).collect();
    ordered.extend(properties);
    ordered
}

/// What a prompt's struct says about its arguments.
///
/// # Panics
/// When the type is not a struct of texts: the host then refuses to load the plugin, and says why.
#[must_use]
pub fn prompt_arguments<T: DeserializeOwned + JsonSchema>() -> Vec<PromptArgument> {
    let mut schema = schema::of_input::<T>();
    let is_struct = schema.get("type").is_some_and(|of| of == "object");
    let required = schema.remove("required").unwrap_or_default();
    let required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|one| one == name));
    let Some(Value::Object(properties)) = schema.remove("properties").or(is_struct.then(|| Value::Object(Map::new()))) else {
        no_arguments(core::any::type_name::<T>())
    };
    let argument = |(name, schema): (String, Value)| {
        if schema.get("type").is_some_and(|of| of == "object" || of == "array") {
            no_arguments(core::any::type_name::<T>());
        }
        let text = |key| schema.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        PromptArgument { required: required(&name), title: text("title"), description: text("description"), name }
    };
    in_order(properties, names::<T>()).into_iter().map(argument).collect()
}

#[cold]
#[expect(clippy::panic, reason = "a mistake in the plugin's code; there is no call that could fail")]
fn no_arguments(of_type: &str) -> ! {
    panic!("the arguments of a prompt are a struct whose fields can be written as texts, which `{of_type}` is not")
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "camelCase")]
    struct Review {
        /// Which file
        the_path: String,
        #[schemars(title = "How many lines")]
        line_count: Option<u32>,
        style: Option<Style>,
    }

    #[derive(Debug, PartialEq, Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Style {
        Kind,
        Strict,
    }

    fn given(fields: &[(&str, &str)]) -> Result<Review, String> {
        let fields: Vec<_> = fields.iter().map(|&(name, text)| Argument { name: name.into(), value: text.into() }).collect();
        read(&fields).map_err(|e| e.to_string())
    }

    #[test]
    fn texts_become_what_they_can_be_read_as() {
        let review = given(&[("thePath", "a/b"), ("lineCount", "7"), ("style", "strict"), ("more", "")]).unwrap();
        assert_eq!(review, Review { the_path: "a/b".into(), line_count: Some(7), style: Some(Style::Strict) });
        assert_eq!(given(&[("thePath", "")]).unwrap().line_count, None);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(given(&[]).unwrap_err(), "missing field `thePath`");
        assert_eq!(given(&[("thePath", ""), ("lineCount", "-1")]).unwrap_err(), "lineCount: \"-1\" is not a whole number");
        assert!(given(&[("thePath", ""), ("style", "odd")]).unwrap_err().starts_with("style: unknown variant `odd`"));
    }

    #[test]
    fn arguments_keep_their_order() {
        let arguments = prompt_arguments::<Review>();
        let said: Vec<_> = arguments.iter().map(|a| (a.name.as_str(), a.required, a.title.as_deref(), a.description.as_deref())).collect();
        assert_eq!(
            said,
            [("thePath", true, None, Some("Which file")), ("lineCount", false, Some("How many lines"), None), ("style", false, None, None)]
        );
    }
}

//! Values of a component from JSON and as JSON, as `schema.rs` describes them.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use wasmtime::component::{Type, Val};

/// Base64 as people send it: with its padding or without.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&base64::alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Raised when a result's JSON is longer than a result may be.
#[derive(Debug, thiserror::Error)]
#[error("the result is longer than {0} bytes as JSON")]
pub(crate) struct TooLong(usize);

/// Makes values of arguments.
pub(super) struct Reader {
    /// Where we are, for messages.
    path: String,
    /// What values may still take of the host's memory.
    bytes_left: usize,
}

impl Reader {
    /// `bytes_max` bounds the memory of all values together.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { path: String::new(), bytes_left: bytes_max }
    }

    /// The parameters of a function from its arguments. Errors say where and what was expected.
    pub(super) fn parameters(&mut self, params: &[(String, Type)], arguments: &Map<String, Value>) -> Result<Vec<Val>, String> {
        self.no_strangers(arguments, |key| params.iter().any(|(name, _)| name == key))?;
        params.iter().map(|(name, ty)| self.member(arguments, name, ty)).collect()
    }

    fn no_strangers(&self, object: &Map<String, Value>, known: impl Fn(&str) -> bool) -> Result<(), String> {
        match object.keys().find(|key| !known(key)) {
            Some(key) => self.refuse(&format!("nothing named {key:?}")),
            None => Ok(()),
        }
    }

    fn refuse<T>(&self, expected: &str) -> Result<T, String> {
        let path = if self.path.is_empty() { "arguments" } else { &self.path };
        Err(format!("{path}: expected {expected}"))
    }

    fn charge(&mut self, bytes: usize) -> Result<(), String> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => self.refuse("less: the arguments take more memory than they may (hostcall_bytes_max)"),
        }
    }

    /// Takes a step, reads there, and comes back. After an error nobody asks where we are.
    fn below<T>(&mut self, step: &str, read: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        let length = self.path.len();
        self.path.push_str(step);
        let read = read(self)?;
        self.path.truncate(length);
        Ok(read)
    }

    fn member(&mut self, object: &Map<String, Value>, name: &str, ty: &Type) -> Result<Val, String> {
        let step = if self.path.is_empty() { name.to_owned() } else { format!(".{name}") };
        self.below(&step, |reader| match (object.get(name), ty) {
            (Some(value), _) => reader.value(value, ty),
            (None, Type::Option(_)) => Ok(Val::Option(None)),
            (None, _) => reader.refuse("a value; it is missing"),
        })
    }

    fn value(&mut self, value: &Value, ty: &Type) -> Result<Val, String> {
        self.charge(size_of::<Val>())?;
        match ty {
            Type::Bool => value.as_bool().map_or_else(|| self.refuse("true or false"), |value| Ok(Val::Bool(value))),
            Type::S8 => self.integer(value, i8::MIN, i8::MAX).map(Val::S8),
            Type::U8 => self.integer(value, u8::MIN, u8::MAX).map(Val::U8),
            Type::S16 => self.integer(value, i16::MIN, i16::MAX).map(Val::S16),
            Type::U16 => self.integer(value, u16::MIN, u16::MAX).map(Val::U16),
            Type::S32 => self.integer(value, i32::MIN, i32::MAX).map(Val::S32),
            Type::U32 => self.integer(value, u32::MIN, u32::MAX).map(Val::U32),
            Type::S64 => self.wide(value, i64::MIN, i64::MAX).map(Val::S64),
            Type::U64 => self.wide(value, u64::MIN, u64::MAX).map(Val::U64),
            Type::Float32 => self.float32(value),
            Type::Float64 => value.as_f64().map_or_else(|| self.refuse("a number"), |value| Ok(Val::Float64(value))),
            Type::Char => self.one_char(value),
            Type::String => {
                let text = self.text(value, "a string")?;
                self.charge(text.len())?;
                Ok(Val::String(text.to_owned()))
            }
            Type::List(list) => self.list(value, &list.ty()),
            Type::Record(record) => {
                let object = self.object(value)?;
                self.no_strangers(object, |key| record.fields().any(|field| field.name == key))?;
                let fields = record.fields().map(|field| Ok((field.name.to_owned(), self.member(object, field.name, &field.ty)?)));
                fields.collect::<Result<_, String>>().map(Val::Record)
            }
            Type::Tuple(tuple) => self.tuple(value, tuple.types()),
            Type::Variant(variant) => {
                let (name, payload) = self.case(value)?;
                let Some(case) = variant.cases().find(|case| case.name == name) else {
                    return self.refuse_name(name, variant.cases().map(|case| case.name));
                };
                let payload = self.payload(name, payload, case.ty.as_ref())?;
                Ok(Val::Variant(name.to_owned(), payload))
            }
            Type::Enum(names) => {
                let name = self.text(value, "a string")?;
                self.known(name, || names.names()).map(Val::Enum)
            }
            Type::Option(option) => self.option(value, &option.ty()),
            Type::Result(result) => match self.case(value)? {
                ("ok", payload) => Ok(Val::Result(Ok(self.payload("ok", payload, result.ok().as_ref())?))),
                ("err", payload) => Ok(Val::Result(Err(self.payload("err", payload, result.err().as_ref())?))),
                (name, _) => self.refuse_name(name, ["ok", "err"].into_iter()),
            },
            Type::Flags(flags) => {
                let Some(items) = value.as_array() else { return self.refuse("an array of strings") };
                let names = items.iter().map(|item| {
                    self.charge(size_of::<Val>())?;
                    let name = self.text(item, "an array of strings")?;
                    self.known(name, || flags.names())
                });
                names.collect::<Result<_, _>>().map(Val::Flags)
            }
            _ => self.refuse("nothing: a value of this type has no form in JSON"),
        }
    }

    fn text<'v>(&self, value: &'v Value, expected: &str) -> Result<&'v str, String> {
        value.as_str().map_or_else(|| self.refuse(expected), Ok)
    }

    fn object<'v>(&self, value: &'v Value) -> Result<&'v Map<String, Value>, String> {
        value.as_object().map_or_else(|| self.refuse("an object"), Ok)
    }

    fn refuse_name<'n, T>(&self, name: &str, names: impl Iterator<Item = &'n str>) -> Result<T, String> {
        let shown: String = name.chars().take(64).collect();
        self.refuse(&format!("one of {}, not {shown:?}", names.take(32).collect::<Vec<_>>().join(", ")))
    }

    fn known<'n, I: Iterator<Item = &'n str>>(&self, name: &str, names: impl Fn() -> I) -> Result<String, String> {
        if names().any(|known| known == name) { Ok(name.to_owned()) } else { self.refuse_name(name, names()) }
    }

    fn integer<T: Copy + TryFrom<i128> + std::fmt::Display>(&self, value: &Value, minimum: T, maximum: T) -> Result<T, String> {
        let read = whole(value).and_then(|number| T::try_from(number).ok());
        read.map_or_else(|| self.refuse(&format!("an integer from {minimum} to {maximum}")), Ok)
    }

    /// Integers beyond 2^53 may come as decimal digits.
    fn wide<T: Copy + TryFrom<i128> + std::fmt::Display>(&self, value: &Value, minimum: T, maximum: T) -> Result<T, String> {
        let digits = |text: &&str| text.strip_prefix('-').unwrap_or(text).bytes().all(|byte| byte.is_ascii_digit());
        match value.as_str() {
            Some(text) => {
                let read = Some(text).filter(digits).and_then(|text| text.parse::<i128>().ok()).and_then(|number| T::try_from(number).ok());
                read.map_or_else(|| self.refuse(&format!("an integer from {minimum} to {maximum}, as a number or in digits")), Ok)
            }
            None => self.integer(value, minimum, maximum),
        }
    }

    #[allow(clippy::cast_possible_truncation, reason = "rounding to the nearest is what is wanted; what becomes infinite is refused")]
    fn float32(&self, value: &Value) -> Result<Val, String> {
        let read = value.as_f64().map(|value| value as f32).filter(|value| value.is_finite());
        read.map_or_else(|| self.refuse("a number that 32 bits can hold"), |value| Ok(Val::Float32(value)))
    }

    fn one_char(&self, value: &Value) -> Result<Val, String> {
        let mut chars = value.as_str().unwrap_or_default().chars();
        match (chars.next(), chars.next()) {
            (Some(one), None) => Ok(Val::Char(one)),
            _ => self.refuse("a string of one character"),
        }
    }

    fn list(&mut self, value: &Value, ty: &Type) -> Result<Val, String> {
        if let (Type::U8, Some(text)) = (ty, value.as_str()) {
            // Four characters are three bytes.
            self.charge((text.len() / 4 + 1).saturating_mul(3 * size_of::<Val>()))?;
            let bytes = BASE64.decode(text).or_else(|_| self.refuse("base64"))?;
            return Ok(Val::List(bytes.into_iter().map(Val::U8).collect()));
        }
        let expected = if *ty == Type::U8 { "base64, or an array of integers" } else { "an array" };
        let Some(items) = value.as_array() else { return self.refuse(expected) };
        let items = items.iter().enumerate().map(|(at, item)| self.below(&format!("[{at}]"), |reader| reader.value(item, ty)));
        items.collect::<Result<_, _>>().map(Val::List)
    }

    fn tuple(&mut self, value: &Value, types: impl ExactSizeIterator<Item = Type>) -> Result<Val, String> {
        let expected = format!("an array of {}", types.len());
        let Some(items) = value.as_array().filter(|items| items.len() == types.len()) else { return self.refuse(&expected) };
        let items = items.iter().zip(types).enumerate();
        let items = items.map(|(at, (item, ty))| self.below(&format!("[{at}]"), |reader| reader.value(item, &ty)));
        items.collect::<Result<_, _>>().map(Val::Tuple)
    }

    /// The name of a case, and its value if it has one.
    fn case<'v>(&self, value: &'v Value) -> Result<(&'v str, Option<&'v Value>), String> {
        match value {
            Value::String(name) => Ok((name, None)),
            Value::Object(object) if object.len() == 1 => {
                object.iter().next().map_or_else(|| self.refuse("a case"), |(name, value)| Ok((name.as_str(), Some(value))))
            }
            _ => self.refuse("the name of a case, or an object with one member named like a case"),
        }
    }

    fn payload(&mut self, case: &str, value: Option<&Value>, ty: Option<&Type>) -> Result<Option<Box<Val>>, String> {
        match (value, ty) {
            (None, None) => Ok(None),
            (Some(value), Some(ty)) => self.below(&format!(".{case}"), |reader| reader.value(value, ty)).map(Box::new).map(Some),
            (None, Some(_)) => self.refuse(&format!("an object: {case:?} has a value")),
            (Some(_), None) => self.refuse(&format!("the string {case:?}: it has no value")),
        }
    }

    fn option(&mut self, value: &Value, ty: &Type) -> Result<Val, String> {
        if value.is_null() {
            return Ok(Val::Option(None));
        }
        if !matches!(ty, Type::Option(_)) {
            return Ok(Val::Option(Some(Box::new(self.value(value, ty)?))));
        }
        match value.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("some")) {
            Some(value) => Ok(Val::Option(Some(Box::new(self.below(".some", |reader| reader.value(value, ty))?)))),
            None => self.refuse("null, or an object with the one member \"some\""),
        }
    }
}

/// A whole number, however it is written: 3, 3.0 or 3e0.
fn whole(value: &Value) -> Option<i128> {
    let number = value.as_number()?;
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    integer.or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e20)?;
        format!("{float:.0}").parse().ok()
    })
}

/// Writes values as JSON text.
pub(super) struct Writer {
    text: Vec<u8>,
    bytes_max: usize,
}

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.text.len() + bytes.len() > self.bytes_max {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Writer {
    /// `bytes_max` bounds the text.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { text: Vec::new(), bytes_max }
    }

    /// What was written.
    pub(super) fn finish(self) -> String {
        // Only text was written, so nothing is lost.
        String::from_utf8(self.text).unwrap_or_default()
    }

    /// Writes text that is JSON, or a part of it.
    fn raw(&mut self, text: &str) -> Result<(), TooLong> {
        std::io::Write::write_all(self, text.as_bytes()).map_err(|_| TooLong(self.bytes_max))
    }

    /// Piece by piece, since escapes can make a text six times as long.
    fn string(&mut self, text: &str) -> Result<(), TooLong> {
        serde_json::to_writer(&mut *self, text).map_err(|_| TooLong(self.bytes_max))
    }

    /// Writes a value. The type tells what the value alone does not: an empty list of bytes is a string.
    pub(super) fn value(&mut self, val: &Val, ty: &Type) -> Result<(), TooLong> {
        match (val, ty) {
            (Val::Bool(value), _) => self.raw(if *value { "true" } else { "false" }),
            (Val::S8(value), _) => self.raw(&value.to_string()),
            (Val::U8(value), _) => self.raw(&value.to_string()),
            (Val::S16(value), _) => self.raw(&value.to_string()),
            (Val::U16(value), _) => self.raw(&value.to_string()),
            (Val::S32(value), _) => self.raw(&value.to_string()),
            (Val::U32(value), _) => self.raw(&value.to_string()),
            (Val::S64(value), _) => self.raw(&value.to_string()),
            (Val::U64(value), _) => self.raw(&value.to_string()),
            (Val::Float32(value), _) => self.float(f64::from(*value), serde_json::to_string(value).ok()),
            (Val::Float64(value), _) => self.float(*value, serde_json::to_string(value).ok()),
            (Val::Char(value), _) => self.string(value.encode_utf8(&mut [0; 4])),
            (Val::String(value) | Val::Enum(value), _) => self.string(value),
            (Val::List(items), Type::List(list)) => self.list(items, &list.ty()),
            (Val::Record(values), Type::Record(record)) => {
                let fields = record.fields().zip(values);
                // An option that is none is left out.
                let present = fields.filter(|(_, (_, value))| !matches!(value, Val::Option(None)));
                self.joined('{', '}', present, |writer, (field, (_, value))| {
                    writer.string(field.name)?;
                    writer.raw(":")?;
                    writer.value(value, &field.ty)
                })
            }
            (Val::Tuple(items), Type::Tuple(tuple)) => {
                self.joined('[', ']', items.iter().zip(tuple.types()), |writer, (item, ty)| writer.value(item, &ty))
            }
            (Val::Variant(name, payload), Type::Variant(variant)) => {
                let ty = variant.cases().find(|case| case.name == name).and_then(|case| case.ty);
                self.case(name, payload.as_deref(), ty.as_ref())
            }
            (Val::Option(None), _) => self.raw("null"),
            (Val::Option(Some(value)), Type::Option(option)) => match option.ty() {
                ty @ Type::Option(_) => self.case("some", Some(value), Some(&ty)),
                ty => self.value(value, &ty),
            },
            (Val::Result(Ok(value)), Type::Result(result)) => self.case("ok", value.as_deref(), result.ok().as_ref()),
            (Val::Result(Err(value)), Type::Result(result)) => self.case("err", value.as_deref(), result.err().as_ref()),
            (Val::Flags(names), _) => self.joined('[', ']', names.iter(), |writer, name| writer.string(name)),
            // Functions with other types were not loaded, and wasmtime gives values of the function's own types.
            _ => self.raw("null"),
        }
    }

    fn float(&mut self, value: f64, text: Option<String>) -> Result<(), TooLong> {
        match text.filter(|_| value.is_finite()) {
            Some(text) => self.raw(&text),
            None if value.is_nan() => self.raw("\"NaN\""),
            None => self.raw(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }),
        }
    }

    fn list(&mut self, items: &[Val], ty: &Type) -> Result<(), TooLong> {
        if *ty == Type::U8 {
            let byte = |item: &Val| if let Val::U8(byte) = item { *byte } else { 0 };
            let bytes: Vec<u8> = items.iter().map(byte).collect();
            return self.string(&BASE64.encode(bytes));
        }
        self.joined('[', ']', items.iter(), |writer, item| writer.value(item, ty))
    }

    fn case(&mut self, name: &str, value: Option<&Val>, ty: Option<&Type>) -> Result<(), TooLong> {
        let (Some(value), Some(ty)) = (value, ty) else { return self.string(name) };
        self.raw("{")?;
        self.string(name)?;
        self.raw(":")?;
        self.value(value, ty)?;
        self.raw("}")
    }

    fn joined<T>(
        &mut self,
        open: char,
        close: char,
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        self.raw(open.encode_utf8(&mut [0; 4]))?;
        for (at, item) in items.enumerate() {
            if at > 0 {
                self.raw(",")?;
            }
            write(self, item)?;
        }
        self.raw(close.encode_utf8(&mut [0; 4]))
    }
}

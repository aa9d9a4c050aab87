//! Types of a component as JSON Schema (2020-12). `values.rs` writes and reads what these schemas describe; the table of both is in
//! [`super`].

use super::docs::{Documented, Wit};
use serde_json::{Map, Value, json};
use wasmtime::component::types::{Flags, Record, ResourceType, ResultType, Tuple, Variant};
use wasmtime::component::{Type, types::Enum};

/// What a node of a schema costs beside its texts, as bytes of JSON.
const NODE_BYTES: usize = 24;

/// Which way values go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To the guest.
    In,
    /// From the guest.
    Out,
}

/// What a schema may have.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Bytes of one schema's text.
    pub(super) bytes_max: usize,
    /// Levels of types.
    pub(super) depth_max: usize,
}

/// Schema of a function's arguments: an object with its parameters. The error says which parameter, and what is wrong with it.
pub(super) fn input(
    params: &[(String, Type)],
    docs: Option<Documented<'_>>,
    resources: &[(String, ResourceType)],
    bounds: Bounds,
) -> Result<Value, String> {
    let mut builder = Builder::new(Way::In, resources, bounds);
    let mut fields = Fields::default();
    for (name, ty) in params {
        builder.path = format!("its parameter {name}");
        let wit = docs.map_or(Wit::NONE, |docs| docs.parameter(name));
        builder.charge(name.len())?;
        fields.add(name, builder.field(ty, wit, None)?, matches!(ty, Type::Option(_)));
    }
    Ok(fields.finish())
}

/// Schema of a function's structured result: an object with the one member `result`, since clients of older revisions take nothing else.
pub(super) fn output(
    ty: &Type,
    docs: Option<Documented<'_>>,
    in_ok: bool,
    resources: &[(String, ResourceType)],
    bounds: Bounds,
) -> Result<Value, String> {
    let mut builder = Builder::new(Way::Out, resources, bounds);
    "its result".clone_into(&mut builder.path);
    let wit = docs.map_or(Wit::NONE, Documented::result);
    let mut fields = Fields::default();
    fields.add("result", builder.schema(ty, if in_ok { wit.part(0) } else { wit })?, false);
    Ok(fields.finish())
}

/// Checks a type that has no schema of its own: the error of a function's result, which becomes text.
pub(super) fn check(ty: &Type, resources: &[(String, ResourceType)], bounds: Bounds) -> Result<(), String> {
    let mut builder = Builder::new(Way::Out, resources, bounds);
    "its error".clone_into(&mut builder.path);
    builder.schema(ty, Wit::NONE).map(drop)
}

/// An object in the making.
#[derive(Default)]
struct Fields {
    properties: Map<String, Value>,
    required: Vec<Value>,
}

impl Fields {
    fn add(&mut self, name: &str, schema: Value, optional: bool) {
        self.properties.insert(name.to_owned(), schema);
        if !optional {
            self.required.push(json!(name));
        }
    }

    fn finish(self) -> Value {
        let mut object = json!({"type": "object", "properties": self.properties, "additionalProperties": false});
        if !self.required.is_empty() {
            insert(&mut object, "required", Value::Array(self.required));
        }
        object
    }
}

struct Builder<'a> {
    way: Way,
    resources: &'a [(String, ResourceType)],
    bounds: Bounds,
    bytes: usize,
    depth: usize,
    /// Where we are, for messages.
    path: String,
}

impl<'a> Builder<'a> {
    fn new(way: Way, resources: &'a [(String, ResourceType)], bounds: Bounds) -> Self {
        Self { way, resources, bounds, bytes: 0, depth: 0, path: String::new() }
    }

    /// A small component can declare types that are huge when written out, so the size is counted while they are.
    fn charge(&mut self, bytes: usize) -> Result<(), String> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bounds.bytes_max {
            return Err(format!("{}: its JSON Schema would have more than {} bytes (schema_bytes_max)", self.path, self.bounds.bytes_max));
        }
        Ok(())
    }

    fn refuse<T>(&self, what: &str) -> Result<T, String> {
        Err(format!("{} is {what}, which has no form in JSON", self.path))
    }

    /// The schema of what a step leads to; `step` is how messages call it.
    fn below(&mut self, step: &str, ty: &Type, wit: Wit<'_>) -> Result<Value, String> {
        let length = self.path.len();
        self.path.push_str(step);
        let schema = self.schema(ty, wit)?;
        self.path.truncate(length);
        Ok(schema)
    }

    /// The schema of a parameter or a record's field: an option there may be left out, and says so only by that and by allowing null.
    fn field(&mut self, ty: &Type, wit: Wit<'_>, docs: Option<String>) -> Result<Value, String> {
        let mut schema = match ty {
            Type::Option(option) => {
                let schema = self.option(&option.ty(), wit.part(0))?;
                self.described(schema, wit.text())?
            }
            _ => self.schema(ty, wit)?,
        };
        // What is said of the field is closer to it than what is said of its type.
        if let Some(docs) = docs {
            self.charge(docs.len() + NODE_BYTES)?;
            insert(&mut schema, "description", json!(docs));
        }
        Ok(schema)
    }

    fn described(&mut self, mut schema: Value, docs: Option<String>) -> Result<Value, String> {
        if let Some(docs) = docs {
            self.charge(docs.len() + NODE_BYTES)?;
            insert(&mut schema, "description", json!(docs));
        }
        Ok(schema)
    }

    fn schema(&mut self, ty: &Type, wit: Wit<'_>) -> Result<Value, String> {
        self.charge(NODE_BYTES)?;
        self.depth += 1;
        if self.depth > self.bounds.depth_max {
            return Err(format!("{} nests deeper than {} types (type_depth_max)", self.path, self.bounds.depth_max));
        }
        let schema = match ty {
            Type::Bool => json!({"type": "boolean"}),
            Type::S8 => integer(i8::MIN, i8::MAX),
            Type::U8 => integer(u8::MIN, u8::MAX),
            Type::S16 => integer(i16::MIN, i16::MAX),
            Type::U16 => integer(u16::MIN, u16::MAX),
            Type::S32 => integer(i32::MIN, i32::MAX),
            Type::U32 => integer(u32::MIN, u32::MAX),
            Type::S64 => self.wide(integer(i64::MIN, i64::MAX), "^-?[0-9]{1,19}$"),
            Type::U64 => self.wide(integer(u64::MIN, u64::MAX), "^[0-9]{1,20}$"),
            Type::Float32 | Type::Float64 => self.float(),
            Type::Char => json!({"type": "string", "minLength": 1, "maxLength": 1}),
            Type::String => json!({"type": "string"}),
            Type::List(list) if list.ty() == Type::U8 => self.bytes(),
            Type::List(list) => json!({"type": "array", "items": self.below("[]", &list.ty(), wit.part(0))?}),
            Type::Record(record) => self.record(record, wit)?,
            Type::Tuple(tuple) => self.tuple(tuple, wit)?,
            Type::Variant(variant) => self.variant(variant, wit)?,
            Type::Enum(names) => self.names(names, wit)?,
            Type::Option(option) => self.option(&option.ty(), wit.part(0))?,
            Type::Result(result) => self.result(result, wit)?,
            Type::Flags(flags) => self.flags(flags, wit)?,
            Type::Own(resource) | Type::Borrow(resource) => return self.refuse_handle(resource),
            Type::Map(_) => return self.refuse("a map"),
            Type::Future(_) => return self.refuse("a future"),
            Type::Stream(_) => return self.refuse("a stream"),
            Type::ErrorContext => return self.refuse("an error-context"),
            Type::FixedLengthList(_) => return self.refuse("a list of fixed length"),
        };
        self.depth -= 1;
        // Names of cases and flags come with their own docs, below those of the type.
        let own = schema.get("description").and_then(Value::as_str).map(str::to_owned);
        let docs = [wit.text(), own].into_iter().flatten().collect::<Vec<_>>().join("\n");
        self.described(schema, Some(docs).filter(|docs| !docs.is_empty()))
    }

    fn refuse_handle<T>(&self, resource: &ResourceType) -> Result<T, String> {
        let name = self.resources.iter().find(|(_, known)| known == resource).map(|(name, _)| format!(" {name:?}"));
        self.refuse(&format!("a handle of the resource{}", name.unwrap_or_default()))
    }

    /// Integers that not every JSON parser holds: to be given as decimal digits too.
    fn wide(&self, mut schema: Value, pattern: &str) -> Value {
        if self.way == Way::In {
            insert(&mut schema, "type", json!(["integer", "string"]));
            insert(&mut schema, "pattern", json!(pattern));
        }
        schema
    }

    /// JSON has no NaN and no infinities: what a guest returns becomes one of these texts.
    fn float(&self) -> Value {
        match self.way {
            Way::In => json!({"type": "number"}),
            Way::Out => json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}),
        }
    }

    fn bytes(&self) -> Value {
        match self.way {
            Way::In => json!({"type": ["string", "array"], "contentEncoding": "base64", "items": integer(u8::MIN, u8::MAX)}),
            Way::Out => json!({"type": "string", "contentEncoding": "base64"}),
        }
    }

    fn record(&mut self, record: &Record, wit: Wit<'_>) -> Result<Value, String> {
        let mut fields = Fields::default();
        for field in record.fields() {
            let (docs, wit) = wit.member(field.name);
            self.charge(field.name.len() * 2)?;
            let length = self.path.len();
            self.path.push('.');
            self.path.push_str(field.name);
            fields.add(field.name, self.field(&field.ty, wit, docs)?, matches!(field.ty, Type::Option(_)));
            self.path.truncate(length);
        }
        Ok(fields.finish())
    }

    fn tuple(&mut self, tuple: &Tuple, wit: Wit<'_>) -> Result<Value, String> {
        let items = tuple.types().enumerate().map(|(at, ty)| self.below(&format!("[{at}]"), &ty, wit.part(at)));
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let count = items.len();
        Ok(json!({"type": "array", "prefixItems": items, "items": false, "minItems": count, "maxItems": count}))
    }

    fn variant(&mut self, variant: &Variant, wit: Wit<'_>) -> Result<Value, String> {
        let mut cases = Vec::new();
        for case in variant.cases() {
            let (docs, wit) = wit.member(case.name);
            let schema = self.case(case.name, case.ty.as_ref(), wit)?;
            cases.push(self.described(schema, docs)?);
        }
        Ok(json!({"oneOf": cases}))
    }

    fn result(&mut self, result: &ResultType, wit: Wit<'_>) -> Result<Value, String> {
        let ok = self.case("ok", result.ok().as_ref(), wit.part(0))?;
        let err = self.case("err", result.err().as_ref(), wit.part(1))?;
        Ok(json!({"oneOf": [ok, err]}))
    }

    /// A case with a value is an object with that one member, one without is its name.
    fn case(&mut self, name: &str, ty: Option<&Type>, wit: Wit<'_>) -> Result<Value, String> {
        self.charge(name.len() * 2 + NODE_BYTES)?;
        let Some(ty) = ty else { return Ok(json!({"const": name})) };
        let mut fields = Fields::default();
        fields.add(name, self.below(&format!(".{name}"), ty, wit)?, false);
        Ok(fields.finish())
    }

    fn names(&mut self, names: &Enum, wit: Wit<'_>) -> Result<Value, String> {
        let (names, docs) = self.list_names(names.names(), wit)?;
        self.described(json!({"type": "string", "enum": names}), docs)
    }

    fn flags(&mut self, flags: &Flags, wit: Wit<'_>) -> Result<Value, String> {
        let (names, docs) = self.list_names(flags.names(), wit)?;
        self.described(json!({"type": "array", "items": {"type": "string", "enum": names}, "uniqueItems": true}), docs)
    }

    /// Names, and their documentation as one text, since an `enum` has no place for it.
    fn list_names<'n>(&mut self, names: impl Iterator<Item = &'n str>, wit: Wit<'_>) -> Result<(Vec<Value>, Option<String>), String> {
        let (mut list, mut docs) = (Vec::new(), Vec::new());
        for name in names {
            self.charge(name.len() + 3)?;
            list.push(json!(name));
            docs.extend(wit.member(name).0.map(|text| format!("{name}: {text}")));
        }
        Ok((list, Some(docs.join("\n")).filter(|docs| !docs.is_empty())))
    }

    /// Null, or the value. An option within an option stands in an object, or its null could not be told from the outer one's.
    fn option(&mut self, inner: &Type, wit: Wit<'_>) -> Result<Value, String> {
        if matches!(inner, Type::Option(_)) {
            let mut fields = Fields::default();
            fields.add("some", self.below("", inner, wit)?, false);
            return Ok(nullable(fields.finish()));
        }
        Ok(nullable(self.below("", inner, wit)?))
    }
}

fn integer<T: Into<serde_json::Number>>(minimum: T, maximum: T) -> Value {
    let (minimum, maximum): (serde_json::Number, serde_json::Number) = (minimum.into(), maximum.into());
    json!({"type": "integer", "minimum": minimum, "maximum": maximum})
}

/// The same schema, which null fits too.
fn nullable(mut schema: Value) -> Value {
    let kind = schema.get("type").cloned();
    match kind {
        Some(Value::String(kind)) if schema.get("enum").is_none() => insert(&mut schema, "type", json!([kind, "null"])),
        Some(Value::Array(mut kinds)) => {
            kinds.push(json!("null"));
            insert(&mut schema, "type", Value::Array(kinds));
        }
        _ => schema = json!({"anyOf": [schema, {"type": "null"}]}),
    }
    schema
}

fn insert(schema: &mut Value, key: &str, value: Value) {
    if let Some(object) = schema.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

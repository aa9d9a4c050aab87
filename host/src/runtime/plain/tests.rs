//! Types are written as WIT, and become those of a component that does nothing.
#![allow(clippy::needless_pass_by_value, reason = "tests write their expectations in place")]

use super::schema::{self, Bounds};
use super::values::{Reader, Writer};
use super::{Docs, Plain, Sources};
use crate::limits::Limits;
use serde_json::{Value, json};
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, Type};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{ManglingAndAbi, PackageMetadata, Resolve};

const BOUNDS: Bounds = Bounds { bytes_max: 1 << 16, depth_max: 24 };
/// Names that the tests' types use.
const TYPES: &str = "
    record point { x: u8, y: option<s8> }
    variant shape { circle(f32), line(tuple<point, point>), nothing }
    enum colour { red, green }
    flags axes { left, right }
";

/// A component that exports what a world does. Its functions are never run.
fn encode(wit: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("world.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wit_component::dummy_module(&resolve, world, ManglingAndAbi::Standard32);
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn compile(bytes: &[u8]) -> Component {
    Component::from_binary(&wasmtime::Engine::default(), bytes).unwrap()
}

/// The function `f` of a world.
fn function(signature: &str) -> ComponentFunc {
    let component = compile(&encode(&format!("package t:t;\nworld w {{ {TYPES} export f: func{signature}; }}")));
    match component.get_export(None, "f").unwrap().0 {
        ComponentItem::ComponentFunc(function) => function,
        other => panic!("{other:?}"),
    }
}

fn params(function: &ComponentFunc) -> Vec<(String, Type)> {
    function.params().map(|(name, ty)| (name.to_owned(), ty)).collect()
}

#[track_caller]
fn check_schema(ty: &str, input: Value, output: Value) {
    let function = function(&format!("(a: {ty}) -> {ty}"));
    let params = params(&function);
    let found = schema::input(&params, None, &[], BOUNDS).unwrap();
    assert_eq!(found["properties"]["a"], input, "{ty} as an argument");
    let found = schema::output(&params[0].1, None, false, &[], BOUNDS).unwrap();
    assert_eq!(found["properties"]["result"], output, "{ty} as a result");
    assert_eq!(found["required"], json!(["result"]));
}

#[track_caller]
fn check_same(ty: &str, both: Value) {
    check_schema(ty, both.clone(), both);
}

#[test]
fn schemas_of_simple_types() {
    let number = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    check_same("bool", json!({"type": "boolean"}));
    check_same("s8", json!({"type": "integer", "minimum": -128, "maximum": 127}));
    check_same("u32", json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}));
    check_schema(
        "u64",
        number(r#"{"type": ["integer", "string"], "minimum": 0, "maximum": 18446744073709551615, "pattern": "^[0-9]{1,20}$"}"#),
        number(r#"{"type": "integer", "minimum": 0, "maximum": 18446744073709551615}"#),
    );
    check_schema("f64", json!({"type": "number"}), json!({"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]}));
    check_same("char", json!({"type": "string", "minLength": 1, "maxLength": 1}));
    check_same("string", json!({"type": "string"}));
}

#[test]
fn schemas_of_compound_types() {
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    let point = json!({
        "type": "object",
        "properties": {"x": byte, "y": {"type": ["integer", "null"], "minimum": -128, "maximum": 127}},
        "required": ["x"],
        "additionalProperties": false,
    });
    check_schema(
        "list<u8>",
        json!({"type": ["string", "array"], "contentEncoding": "base64", "items": byte}),
        json!({"type": "string", "contentEncoding": "base64"}),
    );
    check_same("list<bool>", json!({"type": "array", "items": {"type": "boolean"}}));
    check_same("point", point.clone());
    let pair = json!({"type": "array", "prefixItems": [point, {"type": "boolean"}], "items": false, "minItems": 2, "maxItems": 2});
    check_same("tuple<point, bool>", pair);
    check_same("colour", json!({"type": "string", "enum": ["red", "green"]}));
    check_same("axes", json!({"type": "array", "items": {"type": "string", "enum": ["left", "right"]}, "uniqueItems": true}));
    check_same("option<string>", json!({"type": ["string", "null"]}));
    check_same("option<colour>", json!({"anyOf": [{"type": "string", "enum": ["red", "green"]}, {"type": "null"}]}));
    let some = json!({
        "type": ["object", "null"],
        "properties": {"some": {"type": ["boolean", "null"]}},
        "required": ["some"],
        "additionalProperties": false,
    });
    check_same("option<option<bool>>", some);
}

#[test]
fn schemas_of_cases() {
    let line = json!({"type": "array", "prefixItems": [{"type": "boolean"}], "items": false, "minItems": 1, "maxItems": 1});
    let member = |name: &str, schema: &Value| json!({"type": "object", "properties": {name: schema}, "required": [name], "additionalProperties": false});
    check_same("result<tuple<bool>>", json!({"oneOf": [member("ok", &line), {"const": "err"}]}));
    check_same("result<_, string>", json!({"oneOf": [{"const": "ok"}, member("err", &json!({"type": "string"}))]}));
    let function = function("(a: shape)");
    let schema = schema::input(&params(&function), None, &[], BOUNDS).unwrap();
    let cases = &schema["properties"]["a"]["oneOf"];
    assert_eq!((&cases[0], &cases[2]), (&member("circle", &json!({"type": "number"})), &json!({"const": "nothing"})));
}

/// Reads an argument and writes it again as a result.
fn round(ty: &str, argument: Value) -> Result<Value, String> {
    let function = function(&format!("(a: {ty})"));
    let params = params(&function);
    let arguments = json!({"a": argument});
    let problems = {
        let schema = schema::input(&params, None, &[], BOUNDS).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        validator.iter_errors(&arguments).map(|error| error.to_string()).collect::<Vec<_>>()
    };
    let vals = Reader::new(1 << 16).parameters(&params, arguments.as_object().unwrap())?;
    assert!(problems.is_empty(), "{ty}: read, but not by its schema: {argument}: {problems:?}");
    let mut writer = Writer::new(1 << 16);
    writer.value(&vals[0], &params[0].1).unwrap();
    let text = writer.finish();
    let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let schema = schema::output(&params[0].1, None, false, &[], BOUNDS).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&json!({"result": value})), "{ty}: {value} is not by the schema {schema}");
    Ok(value)
}

#[track_caller]
fn check_round(ty: &str, argument: Value, result: Value) {
    assert_eq!(round(ty, argument.clone()), Ok(result), "{ty} {argument}");
}

#[track_caller]
fn check_refused(ty: &str, argument: Value, expected: &str) {
    assert_eq!(round(ty, argument.clone()), Err(expected.to_owned()), "{ty} {argument}");
}

#[test]
fn values_there_and_back() {
    for (ty, value) in [
        ("bool", json!(true)),
        ("s8", json!(-128)),
        ("u64", json!(u64::MAX)),
        ("s64", json!(i64::MIN)),
        ("f32", json!(0.1)),
        ("f64", json!(1e300)),
        ("char", json!("é")),
        ("string", json!("a\"\n\u{1}😀")),
        ("list<u8>", json!("AAH/")),
        ("list<u8>", json!("")),
        ("list<bool>", json!([])),
        ("list<list<u8>>", json!(["", "AA=="])),
        ("point", json!({"x": 1, "y": -1})),
        ("point", json!({"x": 1})),
        ("tuple<point, bool>", json!([{"x": 1}, false])),
        ("shape", json!({"circle": 1.5})),
        ("shape", json!({"line": [{"x": 0}, {"x": 255, "y": 3}]})),
        ("shape", json!("nothing")),
        ("colour", json!("green")),
        ("axes", json!(["left", "right"])),
        ("axes", json!([])),
        ("option<string>", json!(null)),
        ("option<string>", json!("x")),
        ("option<option<string>>", json!(null)),
        ("option<option<string>>", json!({"some": null})),
        ("option<option<string>>", json!({"some": "x"})),
        ("list<option<point>>", json!([null, {"x": 1}])),
        ("result<u8, string>", json!({"ok": 1})),
        ("result<u8, string>", json!({"err": "no"})),
        ("result", json!("ok")),
        ("result<option<u8>>", json!({"ok": null})),
        ("result<result<_, bool>>", json!({"ok": {"err": false}})),
    ] {
        check_round(ty, value.clone(), value);
    }
}

#[test]
fn values_in_other_forms() {
    check_round("u8", json!(3.0), json!(3));
    check_round("s64", json!("-9223372036854775808"), json!(i64::MIN));
    check_round("u64", json!("18446744073709551615"), json!(u64::MAX));
    check_round("u64", json!(1e19), json!(10_000_000_000_000_000_000_u64));
    check_round("list<u8>", json!([0, 1, 255]), json!("AAH/"));
    check_round("list<u8>", json!("AA"), json!("AA=="));
    check_round("point", json!({"x": 1, "y": null}), json!({"x": 1}));
    check_round("f64", json!(3), json!(3.0));
}

#[test]
fn refusals_say_where_and_what() {
    check_refused("u8", json!(256), "a: expected an integer from 0 to 255");
    check_refused("u8", json!(1.5), "a: expected an integer from 0 to 255");
    check_refused("u8", json!("1"), "a: expected an integer from 0 to 255");
    check_refused("u64", json!(-1), "a: expected an integer from 0 to 18446744073709551615");
    check_refused("u64", json!(1e20), "a: expected an integer from 0 to 18446744073709551615");
    let digits = "a: expected an integer from -9223372036854775808 to 9223372036854775807, as a number or in digits";
    for text in ["9223372036854775808", "0x10", "1.0", "+1", "", "--1"] {
        check_refused("s64", json!(text), digits);
    }
    check_refused("f32", json!(1e39), "a: expected a number that 32 bits can hold");
    check_refused("char", json!("ab"), "a: expected a string of one character");
    check_refused("list<u8>", json!("A*"), "a: expected base64");
    check_refused("list<u8>", json!([1, 256]), "a[1]: expected an integer from 0 to 255");
    check_refused("point", json!({"x": 300}), "a.x: expected an integer from 0 to 255");
    check_refused("point", json!({"y": 1}), "a.x: expected a value; it is missing");
    check_refused("point", json!({"x": 1, "z": 1}), "a: expected nothing named \"z\"");
    check_refused("list<tuple<point, bool>>", json!([[{"x": 1}, 0]]), "a[0][1]: expected true or false");
    check_refused("tuple<bool, bool>", json!([true]), "a: expected an array of 2");
    check_refused("shape", json!({"circle": "x"}), "a.circle: expected a number that 32 bits can hold");
    check_refused("shape", json!("circle"), "a: expected an object: \"circle\" has a value");
    check_refused("shape", json!({"nothing": null}), "a: expected the string \"nothing\": it has no value");
    check_refused("shape", json!("square"), "a: expected one of circle, line, nothing, not \"square\"");
    check_refused("shape", json!({}), "a: expected the name of a case, or an object with one member named like a case");
    check_refused("colour", json!("blue"), "a: expected one of red, green, not \"blue\"");
    check_refused("axes", json!(["up"]), "a: expected one of left, right, not \"up\"");
    check_refused("option<option<u8>>", json!(1), "a: expected null, or an object with the one member \"some\"");
    check_refused("string", json!(null), "a: expected a string");
}

#[test]
fn arguments_are_bounded_as_a_whole() {
    let function = function("(a: list<u8>, b: string)");
    let read = |a: Value, b: &str| {
        let arguments = json!({"a": a, "b": b});
        Reader::new(10_000).parameters(&params(&function), arguments.as_object().unwrap()).map(drop)
    };
    // Some 200,000 values fit into what is allowed by default: ARCHITECTURE.md says so.
    assert_eq!(size_of::<wasmtime::component::Val>(), 40);
    assert_eq!(read(json!("AAAA"), "b"), Ok(()));
    let expected = Err("a: expected less: the arguments take more memory than they may (hostcall_bytes_max)".to_owned());
    assert_eq!(read(json!("AAAA".repeat(100)), ""), expected);
    assert!(read(json!(vec![0; 300]), "").unwrap_err().contains("hostcall_bytes_max"));
    assert!(read(json!(""), &"b".repeat(10_000)).unwrap_err().starts_with("b: expected less"));
}

#[test]
fn results_are_bounded_while_they_are_written() {
    let function = function("(a: list<string>)");
    let params = params(&function);
    let arguments = json!({"a": ["\u{1}".repeat(10), "x"]});
    let vals = Reader::new(10_000).parameters(&params, arguments.as_object().unwrap()).unwrap();
    let write = |bytes_max| Writer::new(bytes_max).value(&vals[0], &params[0].1).is_ok();
    // Sixty characters of escapes.
    assert!(write(68) && !write(67) && !write(0));
}

#[test]
fn not_a_number_is_said_in_words() {
    let ty = &params(&function("(a: list<f64>)"))[0].1;
    let val =
        wasmtime::component::Val::List([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0].map(wasmtime::component::Val::Float64).to_vec());
    let mut writer = Writer::new(100);
    writer.value(&val, ty).unwrap();
    assert_eq!(writer.finish(), r#"["NaN","Infinity","-Infinity",-0.0]"#);
}

#[test]
fn types_are_bounded() {
    let refusal = |types: &str, ty: &str| {
        let component = compile(&encode(&format!("package t:t;\nworld w {{ {types} export f: func(a: {ty}); }}")));
        let ComponentItem::ComponentFunc(function) = component.get_export(None, "f").unwrap().0 else { panic!("no function") };
        schema::input(&params(&function), None, &[], BOUNDS).unwrap_err()
    };
    let deep = format!("{}bool{}", "list<".repeat(30), ">".repeat(30));
    let expected = format!("its parameter a{} nests deeper than 24 types (type_depth_max)", "[]".repeat(24));
    assert_eq!(refusal("", &deep), expected);
    // Sixteen types, each two of the one before: 65,536 when written out.
    let doubled: String = (1..=16).map(|n| format!("type t{n} = tuple<t{0}, t{0}>;\n", n - 1)).collect();
    let wide = refusal(&format!("type t0 = bool;\n{doubled}"), "t16");
    assert!(wide.ends_with("its JSON Schema would have more than 65536 bytes (schema_bytes_max)"), "{wide}");
}

fn find(wit: &str, sources: Sources) -> Result<Plain, String> {
    Plain::find(&compile(&encode(wit)), sources, &Limits::default())
}

const FILES: &str = "
    package t:files@1.0.0;
    interface files {
        resource file { read: func() -> string; }
        open: func(path: string) -> result<file, string>;
        close-all: func(files: list<borrow<file>>);
        count: func() -> u32;
    }
    interface more { count: func() -> u32; size: func(of: string) -> u64; }
    world w { export files; export more; export count: func() -> u32; }
";

#[test]
fn functions_are_named_and_those_with_resources_left_out() {
    let plain = find(FILES, Sources::default()).unwrap();
    let names: Vec<_> = plain.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["count", "files_count", "more_count", "size"]);
    assert_eq!(
        plain.skipped(),
        [
            "function \"[method]file.read\" of t:files/files@1.0.0: it belongs to a resource, which has no form in JSON",
            "function \"open\" of t:files/files@1.0.0: its result is a handle of the resource \"file\", which has no form in JSON",
            "function \"close-all\" of t:files/files@1.0.0: its parameter files[] is a handle of the resource \"file\", which has no form in JSON",
        ]
    );
}

#[test]
fn components_without_a_tool_are_refused() {
    for (world, expected) in [
        ("", "nor a function that can be a tool"),
        ("export i: interface { resource r; f: func() -> r; }", "\nfunction \"f\" of i: its result is a handle of the resource \"r\""),
    ] {
        let error = find(&format!("package t:t;\nworld w {{ {world} }}"), Sources::default()).err().unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let clash = "package t:t;\nworld w { export files: interface { count: func(); } export more: interface { count: func(); } export files-count: func(); }";
    assert!(find(clash, Sources::default()).is_ok());
    let ours = "package cofferdam:mcp@0.1.0;\ninterface query { handle: func(); }\nworld w { export query; }";
    assert!(find(ours, Sources::default()).err().unwrap().contains("does not export cofferdam:mcp/catalog@0.1.0"));
    let two =
        "package a:a { interface i { f: func(); } }\npackage b:b { interface i { f: func(); } }\nworld w { export a:a/i; export b:b/i; }";
    let error = find(&format!("package t:t;\n{two}"), Sources::default()).err().unwrap();
    assert_eq!(error, "function \"f\" of a:a/i and function \"f\" of b:b/i would both be the tool \"i_f\"");
}

const DOCUMENTED: &str = "
    /// Everything about points.
    package t:points@1.0.0;
    /// Colours, in other words.
    interface colours {
        /// What colour.
        enum colour {
            /// like blood
            red,
            green,
        }
    }
    /// Points.
    interface points {
        use colours.{colour};
        /// A point.
        record point {
            /// To the right.
            x: u8,
            of: option<colour>,
        }
        type place = point;
        /// Moves a point.
        move: func(start: place, by: list<point>) -> result<point, string>;
    }
    /// Moves points.
    world w {
        export points;
        /// Does nothing.
        export nothing: func();
    }
";

#[test]
fn docs_of_the_text_are_descriptions() {
    let sources = Sources::new(vec![("world.wit".to_owned(), DOCUMENTED.to_owned())], &[]);
    let plain = find(DOCUMENTED, sources).unwrap();
    assert_eq!(plain.catalog().instructions.as_deref(), Some("Everything about points.\nMoves points."));
    let named = |name: &str| plain.functions.iter().find(|function| function.name == name).unwrap();
    let (moves, nothing) = (named("move"), named("nothing"));
    assert_eq!(moves.description.as_deref(), Some("Moves a point."));
    assert_eq!((nothing.description.as_deref(), nothing.output.as_deref()), (Some("Does nothing."), None));
    let point = json!({
        "type": "object",
        "description": "A point.",
        "properties": {
            "x": {"type": "integer", "minimum": 0, "maximum": 255, "description": "To the right."},
            "of": {"anyOf": [
                {"type": "string", "enum": ["red", "green"], "description": "What colour.\nred: like blood"},
                {"type": "null"},
            ]},
        },
        "required": ["x"],
        "additionalProperties": false,
    });
    let input: Value = serde_json::from_str(&moves.input).unwrap();
    assert_eq!(input["properties"], json!({"start": point, "by": {"type": "array", "items": point}}));
    let output: Value = serde_json::from_str(moves.output.as_deref().unwrap()).unwrap();
    assert_eq!(output["properties"]["result"], point);
}

#[test]
fn docs_in_the_component_are_descriptions() {
    let world = "package t:t;\nworld w { export f: func(); }";
    let mut bytes = encode(world);
    // As `wit-parser` writes it for what it decodes.
    let wit_component::DecodedWasm::Component(mut resolve, id) = wit_component::decode(&bytes).unwrap() else { panic!("no component") };
    let Some(wit_parser::WorldItem::Function(function)) = resolve.worlds[id].exports.values_mut().next() else { panic!("no function") };
    function.docs.contents = Some("Does it.".to_owned());
    let section = PackageMetadata::extract(&resolve, resolve.worlds[id].package.unwrap()).encode().unwrap();
    let name = PackageMetadata::SECTION_NAME;
    bytes.extend([0, u8::try_from(1 + name.len() + section.len()).unwrap(), u8::try_from(name.len()).unwrap()]);
    bytes.extend(name.as_bytes());
    let described = |section: &[u8]| {
        let component = [&bytes[..], section].concat();
        let plain = Plain::find(&compile(&component), Sources::new(Vec::new(), &component), &Limits::default()).unwrap();
        (plain.functions[0].description.clone(), plain.skipped().join("\n"))
    };
    assert_eq!(described(&section), (Some("Does it.".to_owned()), String::new()));
    let (none, problem) = described(&vec![b' '; section.len()]);
    assert!(none.is_none() && problem.starts_with("its section package-docs is not used: "), "{problem}");
}

#[test]
fn docs_that_do_not_fit_are_not_used() {
    let files = |text: &str| Sources::new(vec![("a.wit".to_owned(), text.to_owned())], &[]);
    let (docs, problem) = Docs::read(files("package t:t; interface {"));
    assert!(docs.function("t:t/i", "f").is_none() && problem.unwrap().starts_with("its WIT text is not used: "));
    // The same names with other types: what fits is used.
    let other = DOCUMENTED.replace("x: u8", "z: u8").replace("by: list<point>", "by: colour");
    let plain = find(DOCUMENTED, files(&other)).unwrap();
    let moves = plain.functions.iter().find(|function| function.name == "move").unwrap();
    assert!(!moves.input.contains("To the right") && moves.input.contains("A point."), "{}", moves.input);
}

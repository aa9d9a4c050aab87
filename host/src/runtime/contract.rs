//! How a component's functions differ from the contract's, as WIT: for the people who built it against something else. Whether it fits at
//! all is wasmtime's to say; this only finds words for it.

use super::engine::Engine;
use super::imports::OURS;
use std::fmt::Write as _;
use std::sync::LazyLock;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wit_parser::{Handle, Resolve, TypeDefKind};

/// The interfaces of the contract, without its worlds.
const FILES: [(&str, &str); 4] = [
    ("catalog.wit", include_str!("../../../wit/catalog.wit")),
    ("handlers.wit", include_str!("../../../wit/handlers.wit")),
    ("imports.wit", include_str!("../../../wit/imports.wit")),
    ("types.wit", include_str!("../../../wit/types.wit")),
];

static CONTRACT: LazyLock<Option<Resolve>> = LazyLock::new(|| {
    let mut map = wit_parser::SourceMap::new();
    FILES.iter().for_each(|(name, text)| map.push_str(name, *text));
    let mut resolve = Resolve::default();
    resolve.push_group(map.parse().ok()?).ok()?;
    Some(resolve)
});

/// Types within types that are written out; the ones below are only named by their kind.
const DEPTH_MAX: usize = 2;

/// A line for every function of the contract that the component imports or exports with another type; empty when none can be told apart.
pub(super) fn differences(engine: &Engine, component: &Component) -> String {
    let ty = component.component_type();
    let imports = ty.imports(engine.inner()).map(|(name, item)| ("imports", name.to_owned(), item.ty));
    let exports = ty.exports(engine.inner()).map(|(name, item)| ("exports", name.to_owned(), item.ty));
    let mut out = String::new();
    for (verb, name, item) in imports.chain(exports).collect::<Vec<_>>() {
        let path = name.split_once('@').map_or(name.as_str(), |(path, _)| path);
        let (Some(interface), ComponentItem::ComponentInstance(instance)) = (path.strip_prefix(OURS), item) else { continue };
        for (function, item) in instance.exports(engine.inner()) {
            let ComponentItem::ComponentFunc(found) = item.ty else { continue };
            let (found, expected) = (found_text(&found), expected_text(interface, function));
            match expected {
                Some(expected) if expected == found => {}
                Some(expected) => {
                    let _ = write!(out, "\nit {verb} {name} with  {function}: {found}\nthe contract has  {function}: {expected}");
                }
                None => {
                    let _ = write!(out, "\nit {verb} {name} with  {function}, which the contract does not have");
                }
            }
        }
    }
    out
}

fn expected_text(interface: &str, function: &str) -> Option<String> {
    let resolve = CONTRACT.as_ref()?;
    let (_, interface) = resolve.interfaces.iter().find(|(_, known)| known.name.as_deref() == Some(interface))?;
    let function = interface.functions.get(function)?;
    let params: Vec<_> = function.params.iter().map(|param| format!("{}: {}", param.name, expected_type(resolve, &param.ty, 0))).collect();
    let result = function.result.as_ref().map(|ty| format!(" -> {}", expected_type(resolve, ty, 0)));
    Some(format!("func({}){}", params.join(", "), result.unwrap_or_default()))
}

fn found_text(function: &ComponentFunc) -> String {
    let params: Vec<_> = function.params().map(|(name, ty)| format!("{name}: {}", found_type(&ty, 0))).collect();
    let result = function.results().next().map(|ty| format!(" -> {}", found_type(&ty, 0)));
    format!("func({}){}", params.join(", "), result.unwrap_or_default())
}

/// `record { name: string }`, or the kind alone when it is too deep inside.
fn block(kind: &str, depth: usize, members: impl Iterator<Item = String>) -> String {
    if depth >= DEPTH_MAX { kind.to_owned() } else { format!("{kind} {{ {} }}", members.collect::<Vec<_>>().join(", ")) }
}

fn with<T>(name: &str, ty: Option<T>, text: impl Fn(T) -> String) -> String {
    ty.map_or_else(|| name.to_owned(), |ty| format!("{name}: {}", text(ty)))
}

fn result(ok: Option<String>, error: Option<String>) -> String {
    format!("result<{}, {}>", ok.unwrap_or_else(|| "_".to_owned()), error.unwrap_or_else(|| "_".to_owned()))
}

fn found_type(ty: &Type, depth: usize) -> String {
    let below = |ty: Type| found_type(&ty, depth + 1);
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::Float32 => "f32".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::List(list) => format!("list<{}>", below(list.ty())),
        Type::Option(option) => format!("option<{}>", below(option.ty())),
        Type::Record(record) => block("record", depth, record.fields().map(|field| with(field.name, Some(field.ty), below))),
        Type::Variant(variant) => block("variant", depth, variant.cases().map(|case| with(case.name, case.ty, below))),
        Type::Enum(names) => block("enum", depth, names.names().map(str::to_owned)),
        Type::Flags(names) => block("flags", depth, names.names().map(str::to_owned)),
        Type::Tuple(tuple) => block("tuple", depth, tuple.types().map(below)),
        Type::Result(ty) => result(ty.ok().map(below), ty.err().map(below)),
        Type::Own(_) | Type::Borrow(_) => "resource".to_owned(),
        _ => "another type".to_owned(),
    }
}

fn expected_type(resolve: &Resolve, ty: &wit_parser::Type, depth: usize) -> String {
    let below = |ty: &wit_parser::Type| expected_type(resolve, ty, depth + 1);
    let wit_parser::Type::Id(id) = ty else {
        return match ty {
            wit_parser::Type::Bool => "bool".to_owned(),
            wit_parser::Type::String => "string".to_owned(),
            wit_parser::Type::Char => "char".to_owned(),
            number => format!("{number:?}").to_lowercase(),
        };
    };
    match resolve.types.get(*id).map(|ty| &ty.kind) {
        Some(TypeDefKind::Type(ty)) => expected_type(resolve, ty, depth),
        Some(TypeDefKind::List(ty)) => format!("list<{}>", below(ty)),
        Some(TypeDefKind::Option(ty)) => format!("option<{}>", below(ty)),
        Some(TypeDefKind::Record(record)) => {
            block("record", depth, record.fields.iter().map(|field| with(&field.name, Some(&field.ty), below)))
        }
        Some(TypeDefKind::Variant(variant)) => {
            block("variant", depth, variant.cases.iter().map(|case| with(&case.name, case.ty.as_ref(), below)))
        }
        Some(TypeDefKind::Enum(names)) => block("enum", depth, names.cases.iter().map(|case| case.name.clone())),
        Some(TypeDefKind::Flags(names)) => block("flags", depth, names.flags.iter().map(|flag| flag.name.clone())),
        Some(TypeDefKind::Tuple(tuple)) => block("tuple", depth, tuple.types.iter().map(below)),
        Some(TypeDefKind::Result(ty)) => result(ty.ok.as_ref().map(below), ty.err.as_ref().map(below)),
        Some(TypeDefKind::Resource | TypeDefKind::Handle(Handle::Own(_) | Handle::Borrow(_))) => "resource".to_owned(),
        _ => "another type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_is_written_as_wit() {
        assert_eq!(expected_text("host", "now-ms").unwrap(), "func() -> f64");
        let handle = expected_text("query", "handle").unwrap();
        assert!(
            handle.starts_with("func(context: record { caller: record {") && handle.contains("name: string, parameters: string"),
            "{handle}"
        );
        assert_eq!(expected_text("host", "nothing"), None);
    }
}

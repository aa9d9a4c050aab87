//! What the WIT of a component says about its functions and types.
//!
//! The binary format has no place for it. There are two sources: WIT text beside the component, and the custom section `package-docs`, as
//! `wit-parser` defines it for the component's own world. The toolchains of today leave the section out of finished components, so the
//! text is the usual one. Neither is trusted with more than descriptions: what a function takes and returns is what its component says.

use crate::caps::host::escape;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use wit_parser::{Function, PackageMetadata, Resolve, SourceMap, Type, TypeDefKind, UnresolvedPackage, WorldItem, WorldKey};

/// The documentation that came with a component, not yet read.
#[derive(Debug, Default)]
pub struct Sources {
    /// WIT files: their names and texts, all of one package.
    pub wit: Vec<(String, String)>,
    /// The component, if it has the section.
    component: Option<Vec<u8>>,
}

impl Sources {
    /// Keeps what will be needed, if the component turns out to be a plain one.
    #[must_use]
    pub fn new(wit: Vec<(String, String)>, component: &[u8]) -> Self {
        let carried = has_section(component, PackageMetadata::SECTION_NAME);
        Self { wit, component: carried.then(|| component.to_vec()) }
    }
}

/// The documentation of a component. Empty when there is none.
#[derive(Default)]
pub(super) struct Docs {
    packages: Vec<Package>,
    /// How to use the component as a whole.
    pub(super) instructions: Option<String>,
}

#[derive(Default)]
struct Package {
    // Only its types are used.
    resolve: Resolve,
    /// By the name of the exported interface, empty for the world itself, and by their own.
    functions: HashMap<(String, String), Function>,
}

impl Docs {
    /// Reads the documentation. What cannot be read costs descriptions, not the plugin: the second value says what was wrong.
    pub(super) fn read(sources: Sources) -> (Self, Option<String>) {
        if !sources.wit.is_empty() {
            return match read_text(sources.wit) {
                Ok(docs) => (docs, None),
                Err(error) => (Self::default(), Some(format!("its WIT text is not used: {error}"))),
            };
        }
        match sources.component.as_deref().map(read_component) {
            Some(Ok(docs)) => (docs, None),
            Some(Err(error)) => (Self::default(), Some(format!("its section package-docs is not used: {error}"))),
            None => (Self::default(), None),
        }
    }

    /// What is known of a function. `interface` is empty for functions of the world itself.
    pub(super) fn function(&self, interface: &str, name: &str) -> Option<Documented<'_>> {
        let key = (interface.to_owned(), name.to_owned());
        self.packages.iter().find_map(|package| Some(Documented { resolve: &package.resolve, function: package.functions.get(&key)? }))
    }
}

fn read_text(files: Vec<(String, String)>) -> Result<Docs, String> {
    let mut map = SourceMap::default();
    for (name, text) in files {
        map.push_str(&name, text);
    }
    let group = map.parse().map_err(|(map, error)| error.render(&map))?;
    let mut instructions = vec![group.main.docs.contents.clone()];
    let mut worlds = group.main.worlds.iter();
    if let (Some((_, world)), None) = (worlds.next(), worlds.next()) {
        instructions.push(world.docs.contents.clone());
    }
    let packages = std::iter::once(group.main).chain(group.nested).map(Package::from).collect();
    Ok(Docs { packages, instructions: joined(instructions) })
}

impl From<UnresolvedPackage> for Package {
    fn from(unresolved: UnresolvedPackage) -> Self {
        let mut package = Self::default();
        for (_, interface) in unresolved.interfaces.iter() {
            // One without a name is written in a world; one without a package is another package's, of which only names are known.
            let Some(name) = &interface.name else { continue };
            package.add(&unresolved.name.interface_id(name), interface.functions.values());
        }
        for (_, world) in unresolved.worlds.iter() {
            for (key, item) in &world.exports {
                match (key, item) {
                    (WorldKey::Name(name), WorldItem::Interface { id, .. }) => {
                        let functions = unresolved.interfaces.get(*id).map(|interface| interface.functions.values());
                        package.add(name, functions.into_iter().flatten());
                    }
                    (_, WorldItem::Function(function)) => package.add("", [function]),
                    _ => {}
                }
            }
        }
        package.resolve.types = unresolved.types;
        package
    }
}

impl Package {
    fn add<'a>(&mut self, interface: &str, functions: impl IntoIterator<Item = &'a Function>) {
        for function in functions {
            self.functions.entry((interface.to_owned(), function.name.clone())).or_insert_with(|| function.clone());
        }
    }
}

fn read_component(component: &[u8]) -> Result<Docs, String> {
    // The decoder is made for components of friends; one that makes it panic costs its own descriptions.
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| wit_component::decode(component)));
    let decoded = decoded.map_err(|_| "it does not fit the component".to_owned())?.map_err(|error| format!("{error:#}"))?;
    let wit_component::DecodedWasm::Component(resolve, world) = decoded else { return Err("it is a package's".to_owned()) };
    let mut package = Package::default();
    let mut instructions = None;
    if let Some(world) = resolve.worlds.get(world) {
        instructions = joined([world.docs.contents.clone()]);
        for (key, item) in &world.exports {
            match item {
                WorldItem::Interface { id, .. } => {
                    let functions = resolve.interfaces.get(*id).map(|interface| interface.functions.values());
                    package.add(&resolve.name_world_key(key), functions.into_iter().flatten());
                }
                WorldItem::Function(function) => package.add("", [function]),
                WorldItem::Type { .. } => {}
            }
        }
    }
    package.resolve = resolve;
    Ok(Docs { packages: vec![package], instructions })
}

/// Whether a component has a custom section of this name at its top. Sections are an id, a length and that many bytes.
fn has_section(component: &[u8], name: &str) -> bool {
    let mut rest = component.get(8..).unwrap_or_default();
    while let [id, after @ ..] = rest {
        let Some((length, content)) = leb128(after) else { return false };
        if *id == 0 && leb128(content).is_some_and(|(length, text)| text.get(..length) == Some(name.as_bytes())) {
            return true;
        }
        rest = content.get(length..).unwrap_or_default();
    }
    false
}

/// A number of at most 32 bits, and what follows it.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().enumerate().take(5) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

fn joined(texts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let texts: Vec<String> = texts.into_iter().flatten().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect();
    Some(texts.join("\n")).filter(|text| !text.is_empty())
}

/// Text for people and models, without characters that hide or reorder what is said.
fn prose(text: Option<&String>) -> Option<String> {
    let text = text?.trim();
    Some(text.lines().map(escape).collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty())
}

/// A function with its documentation.
#[derive(Clone, Copy)]
pub(super) struct Documented<'a> {
    resolve: &'a Resolve,
    function: &'a Function,
}

impl<'a> Documented<'a> {
    /// What it does.
    pub(super) fn text(self) -> Option<String> {
        self.function.docs.contents.clone()
    }

    /// The type of a parameter.
    pub(super) fn parameter(self, name: &str) -> Wit<'a> {
        let parameter = self.function.params.iter().find(|parameter| parameter.name == name);
        parameter.map_or(Wit::NONE, |parameter| Wit::known(self.resolve, parameter.ty))
    }

    /// The type of the result.
    pub(super) fn result(self) -> Wit<'a> {
        self.function.result.map_or(Wit::NONE, |ty| Wit::known(self.resolve, ty))
    }
}

/// A type as the WIT has it, beside the component's own; nothing when the WIT does not know it, or has something else there.
#[derive(Clone, Copy)]
pub(super) struct Wit<'a>(Option<(&'a Resolve, Type)>);

impl<'a> Wit<'a> {
    /// A type that is not documented.
    pub(super) const NONE: Wit<'static> = Wit(None);

    fn known(resolve: &'a Resolve, ty: Type) -> Self {
        Self(Some((resolve, ty)))
    }

    /// The documentation of the type itself: that of the name it is used by, or of the name behind that.
    pub(super) fn text(self) -> Option<String> {
        let (resolve, mut ty) = self.0?;
        while let Type::Id(id) = ty {
            let def = resolve.types.get(id)?;
            if let Some(text) = prose(def.docs.contents.as_ref()) {
                return Some(text);
            }
            let TypeDefKind::Type(behind) = &def.kind else { return None };
            ty = *behind;
        }
        None
    }

    /// What the type is, behind its names.
    fn kind(self) -> Option<(&'a Resolve, &'a TypeDefKind)> {
        let (resolve, mut ty) = self.0?;
        while let Type::Id(id) = ty {
            match &resolve.types.get(id)?.kind {
                TypeDefKind::Type(behind) => ty = *behind,
                kind => return Some((resolve, kind)),
            }
        }
        None
    }

    /// A field of a record, a case of a variant or an enum, or a flag: its documentation and its type.
    pub(super) fn member(self, name: &str) -> (Option<String>, Self) {
        let found = self.kind().and_then(|(resolve, kind)| {
            let (docs, ty) = match kind {
                TypeDefKind::Record(record) => {
                    record.fields.iter().find(|field| field.name == name).map(|field| (&field.docs, Some(field.ty)))
                }
                TypeDefKind::Variant(variant) => variant.cases.iter().find(|case| case.name == name).map(|case| (&case.docs, case.ty)),
                TypeDefKind::Enum(names) => names.cases.iter().find(|case| case.name == name).map(|case| (&case.docs, None)),
                TypeDefKind::Flags(flags) => flags.flags.iter().find(|flag| flag.name == name).map(|flag| (&flag.docs, None)),
                _ => None,
            }?;
            Some((prose(docs.contents.as_ref()), ty.map_or(Wit(None), |ty| Wit::known(resolve, ty))))
        });
        found.unwrap_or((None, Wit(None)))
    }

    /// The type at a place: of a tuple's item, of a list's elements or an option's value (0), of a result's value (0) and error (1).
    pub(super) fn part(self, at: usize) -> Self {
        let found = self.kind().and_then(|(resolve, kind)| {
            let ty = match kind {
                TypeDefKind::Tuple(tuple) => tuple.types.get(at).copied(),
                TypeDefKind::List(ty) | TypeDefKind::Option(ty) => Some(*ty),
                TypeDefKind::Result(result) => [result.ok, result.err].get(at).copied().flatten(),
                _ => None,
            }?;
            Some(Wit::known(resolve, ty))
        });
        found.unwrap_or(Wit(None))
    }
}

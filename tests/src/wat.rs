//! Fixtures written by hand: components that no compiler would make. Each is a file `guests/wat/<name>.wat`, and its first line says
//! what it attacks. It is one of these:
//!
//! * `(component ...)`: taken as it is.
//! * `(module ...)` and a line `;; world: <world>`: a core module that follows the canonical ABI's names for a world of `wit/`. It is made
//!   a component.
//! * `(module ...)` and lines `;; wit: <text>`: the same for a world of its own, for imports and exports that none of our worlds has. The
//!   text has one world, and may have packages in braces.
//! * `(module ...)` and a line `;; beside: <name>`, or `;; beside: <name> x <count>`: the plugin of that name, in which this module is
//!   instantiated as well, so often. The plugin is good; whatever is wrong is wrong with the module.
//! * `(module ...)` with none of these lines: a core module, for [`core_module`] only.
//!
//! A line `;; include: <part>` stands for the text of `guests/wat/parts/<part>.wat`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// The component that `guests/wat/<name>.wat` describes.
///
/// # Panics
/// When there is no such file, or it cannot be made a component; the message says why.
#[must_use]
pub fn component(name: &str) -> Vec<u8> {
    encode(name).unwrap_or_else(|error| fail(name, &error))
}

/// The component of a source that is not in a file, as one of them would be.
///
/// # Panics
/// When it cannot be made a component; the message says why.
#[must_use]
pub fn component_of(name: &str, source: &str) -> Vec<u8> {
    Fixture::from_source(name, source).and_then(|fixture| encode_fixture(&fixture)).unwrap_or_else(|error| fail(name, &error))
}

/// The component of a source for a world of ours, built against a contract with other text in one of its files.
///
/// # Panics
/// When it cannot be made a component; the message says why.
#[must_use]
pub fn component_against(source: &str, file: &str, from: &str, to: &str) -> Vec<u8> {
    let build = || -> Result<Vec<u8>> {
        let folder = tempfile::tempdir()?;
        copy_wit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit"), folder.path())?;
        let changed = folder.path().join(file);
        std::fs::write(&changed, read(&changed)?.replacen(from, to, 1))?;
        let fixture = Fixture::from_source("against", source)?;
        let Kind::World(world) = &fixture.kind else { bail!("it names no world of ours") };
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(folder.path())?;
        let world = resolve.select_world(&[package], Some(world))?;
        from_module(fixture.module()?, &resolve, world)
    };
    build().unwrap_or_else(|error| fail("against", &error))
}

/// WIT files, with those of other packages that they name.
fn copy_wit(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in from.read_dir()?.flatten() {
        let copy = to.join(entry.file_name());
        if entry.path().is_dir() { copy_wit(&entry.path(), &copy)? } else { std::fs::write(copy, read(&entry.path())?)? }
    }
    Ok(())
}

/// A plugin with one query, `echo`, that says this about itself.
#[must_use]
pub fn describing(schema: &str, description: &str) -> Vec<u8> {
    let bytes = |text: &str| text.bytes().fold(String::new(), |text, byte| text + &format!("\\{byte:02x}"));
    let source = format!(
        r#";; world: query-plugin
(module
  ;; include: base
  ;; include: handle
  (data $schema "{}")
  (data $description "{}")
  (func (export "cofferdam:mcp/catalog@0.1.0#describe") (result i32)
    (local $at i32)
    (local.set $at (call $alloc (i32.const 1) (i32.const {schema_bytes})))
    (memory.init $schema (local.get $at) (i32.const 0) (i32.const {schema_bytes}))
    (call $operation (i32.const 0) (local.get $at) (i32.const {schema_bytes}))
    (local.set $at (call $alloc (i32.const 1) (i32.const {description_bytes})))
    (memory.init $description (local.get $at) (i32.const 0) (i32.const {description_bytes}))
    ;; Some description: it is at 20 in the operation.
    (i32.store8 (i32.const 0x74) (i32.const 1))
    (i32.store (i32.const 0x78) (local.get $at))
    (i32.store (i32.const 0x7c) (i32.const {description_bytes}))
    (call $catalog (i32.const 1)))
)"#,
        bytes(schema),
        bytes(description),
        schema_bytes = schema.len(),
        description_bytes = description.len(),
    );
    component_of("describing", &source)
}

/// The core module in `guests/wat/<name>.wat`, not made a component.
///
/// # Panics
/// When there is no such file, or it is not a core module; the message says why.
#[must_use]
pub fn core_module(name: &str) -> Vec<u8> {
    Fixture::read(name).and_then(|fixture| fixture.module()).unwrap_or_else(|error| fail(name, &error))
}

/// The names of all fixtures, sorted.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
pub fn names() -> Vec<String> {
    let list = || -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in folder().read_dir()? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "wat") {
                names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
        }
        names.sort();
        Ok(names)
    };
    list().unwrap_or_else(|error| fail("*", &error))
}

fn fail(name: &str, error: &anyhow::Error) -> ! {
    panic!("fixture {name}.wat: {error:#}")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guests/wat")
}

/// How a fixture becomes a component.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// It is one.
    Component,
    /// By a world of `wit/`.
    World(String),
    /// By the world in this text.
    Wit(String),
    /// As instances beside a good plugin.
    Beside { plugin: String, count: u32 },
    /// It stays a core module.
    Module,
}

struct Fixture {
    name: String,
    text: String,
    kind: Kind,
}

impl Fixture {
    fn read(name: &str) -> Result<Self> {
        Self::from_source(name, &read(&folder().join(format!("{name}.wat")))?)
    }

    fn from_source(name: &str, source: &str) -> Result<Self> {
        Ok(Self { name: name.to_owned(), text: with_parts(source)?, kind: kind(source)? })
    }

    fn parse(&self) -> Result<Vec<u8>> {
        wat::parse_str(&self.text).context("with its parts put in, it does not parse")
    }

    fn module(&self) -> Result<Vec<u8>> {
        ensure!(self.kind != Kind::Component, "it is a component already: take `component`");
        self.parse()
    }
}

fn encode(name: &str) -> Result<Vec<u8>> {
    encode_fixture(&Fixture::read(name)?)
}

fn encode_fixture(fixture: &Fixture) -> Result<Vec<u8>> {
    let name = fixture.name.as_str();
    match &fixture.kind {
        Kind::Component => fixture.parse(),
        Kind::World(world) => {
            let mut resolve = Resolve::default();
            let package = push_contract(&mut resolve)?;
            let world = resolve.select_world(&[package], Some(world))?;
            from_module(fixture.module()?, &resolve, world)
        }
        Kind::Wit(text) => {
            let mut resolve = Resolve::default();
            push_contract(&mut resolve)?;
            let text = format!("package fixture:{};\n{text}", fixture.name);
            let package = resolve.push_str(format!("{name}.wat"), &text).context("its `;; wit:` lines are wrong")?;
            let world = resolve.select_world(&[package], None)?;
            from_module(fixture.module()?, &resolve, world)
        }
        Kind::Beside { plugin, count } => {
            ensure!(plugin != name, "it cannot stand beside itself");
            let plugin = encode(plugin).with_context(|| format!("in {plugin}.wat, beside which it stands"))?;
            instantiate_beside(plugin, &fixture.module()?, *count)
        }
        Kind::Module => bail!("it has no line `;; world:`, `;; wit:` or `;; beside:`, so it is a core module: take `core_module`"),
    }
}

/// Reads the lines of comment in front of the first parenthesis.
fn kind(source: &str) -> Result<Kind> {
    let mut kinds = Vec::new();
    let mut wit = String::new();
    let mut lines = source.lines().map(str::trim).peekable();
    while let Some(line) = lines.next_if(|line| line.is_empty() || line.starts_with(";;")) {
        let comment = line.trim_start_matches(';');
        if let Some(world) = comment.strip_prefix(" world:") {
            kinds.push(Kind::World(world.trim().to_owned()));
        } else if let Some(text) = comment.strip_prefix(" wit:") {
            writeln!(wit, "{text}")?;
        } else if let Some(plugin) = comment.strip_prefix(" beside:") {
            let (plugin, count) = plugin.split_once(" x ").unwrap_or((plugin, "1"));
            let count = count.trim().parse().context("what follows `x` is not a count")?;
            kinds.push(Kind::Beside { plugin: plugin.trim().to_owned(), count });
        }
    }
    if !wit.is_empty() {
        kinds.push(Kind::Wit(wit));
    }
    let first = lines.next().unwrap_or_default();
    if first.starts_with("(component") {
        kinds.push(Kind::Component);
    } else if !first.starts_with("(module") {
        bail!("neither `(module` nor `(component` follows its first comment");
    }
    ensure!(kinds.len() <= 1, "it says more than once what it is: {kinds:?}");
    Ok(kinds.pop().unwrap_or(Kind::Module))
}

/// Puts in what the `;; include:` lines name.
fn with_parts(source: &str) -> Result<String> {
    let mut text = String::new();
    for line in source.lines() {
        match line.trim().strip_prefix(";; include:") {
            Some(part) => text.push_str(&read(&folder().join("parts").join(format!("{}.wat", part.trim())))?),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    Ok(text)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn push_contract(resolve: &mut Resolve) -> Result<wit_parser::PackageId> {
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    let (package, _) = resolve.push_dir(&wit).with_context(|| format!("the contract in {} is wrong", wit.display()))?;
    Ok(package)
}

fn from_module(mut module: Vec<u8>, resolve: &Resolve, world: WorldId) -> Result<Vec<u8>> {
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8)?;
    ComponentEncoder::default().module(&module).and_then(|encoder| encoder.validate(true).encode()).context("it does not fit its world")
}

/// Appends to a component a module and `count` instances of it.
fn instantiate_beside(mut component: Vec<u8>, module: &[u8], count: u32) -> Result<Vec<u8>> {
    const CORE_MODULE: u8 = 1;
    const CORE_INSTANCE: u8 = 2;
    let index = count_sections(&component, CORE_MODULE)?;
    push_section(&mut component, CORE_MODULE, module)?;
    let mut instances = leb128(count);
    for _ in 0..count {
        instances.push(0); // instantiate
        instances.extend(leb128(index));
        instances.push(0); // without arguments
    }
    push_section(&mut component, CORE_INSTANCE, &instances)?;
    Ok(component)
}

/// How many sections of a component have this id. Every core module is a section of its own.
fn count_sections(component: &[u8], id: u8) -> Result<u32> {
    let mut count = 0;
    let mut rest = component.get(8..).context("a component has a header of 8 bytes")?;
    while let [section, after @ ..] = rest {
        count += u32::from(*section == id);
        let mut size = 0_usize;
        let mut shift = 0;
        let mut bytes = after;
        while let [byte, after @ ..] = bytes {
            size |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            bytes = after;
            if byte & 0x80 == 0 {
                break;
            }
        }
        rest = bytes.get(size..).context("a section of the component is cut off")?;
    }
    Ok(count)
}

fn push_section(component: &mut Vec<u8>, id: u8, content: &[u8]) -> Result<()> {
    component.push(id);
    component.extend(leb128(u32::try_from(content.len())?));
    component.extend_from_slice(content);
    Ok(())
}

fn leb128(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = value.to_le_bytes()[0] & 0x7f;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use wit_parser::{SizeAlign, Type, TypeDefKind};

    use super::*;

    #[test]
    fn every_fixture_encodes_and_says_what_it_attacks() {
        for name in names() {
            let source = read(&folder().join(format!("{name}.wat"))).unwrap();
            assert!(source.starts_with(";; Attacks "), "{name} does not say what it attacks");
            if kind(&source).unwrap() == Kind::Module {
                assert_eq!(core_module(&name).get(4..8), Some(&[1, 0, 0, 0][..]), "{name} is not a core module");
            } else {
                assert_eq!(component(&name).get(4..8), Some(&[0x0d, 0, 1, 0][..]), "{name} is not a component");
            }
        }
    }

    /// The numbers in `parts/base.wat` and `echo-bare.wat`.
    #[test]
    fn the_contract_has_the_layout_that_the_fixtures_write() {
        let mut resolve = Resolve::default();
        push_contract(&mut resolve).unwrap();
        let mut sizes = SizeAlign::default();
        sizes.fill(&resolve);

        let named = |interface: &str, name: &str| {
            let (_, interface) = resolve.interfaces.iter().find(|(_, i)| i.name.as_deref() == Some(interface)).unwrap();
            interface.types[name]
        };
        let size = |interface, name| sizes.size(&Type::Id(named(interface, name))).size_wasm32();
        let offsets = |interface, name| {
            let TypeDefKind::Record(record) = &resolve.types[named(interface, name)].kind else { panic!("{name} is no record") };
            let offsets = sizes.field_offsets(record.fields.iter().map(|field| &field.ty));
            let names = record.fields.iter().map(|field| field.name.as_str());
            names.zip(offsets.iter().map(|(offset, _)| offset.size_wasm32())).collect::<Vec<_>>()
        };
        let has = |interface, name, wanted: &[(&str, usize)]| {
            let offsets = offsets(interface, name);
            for field in wanted {
                assert!(offsets.contains(field), "{field:?} is not so in {name}: {offsets:?}");
            }
        };

        has("catalog", "catalog", &[("queries", 24), ("updates", 32)]);
        assert_eq!(size("catalog", "catalog"), 72);
        has("catalog", "operation", &[("name", 0), ("description", 20), ("input-schema", 32)]);
        assert_eq!(size("catalog", "operation"), 104);
        has("types", "reply", &[("content", 0), ("structured", 8)]);
        assert_eq!((size("types", "outcome"), size("types", "failure")), (40, 12)); // so a result has 44, and its reply is at 8
        assert_eq!((size("types", "content"), size("types", "text-content")), (144, 72)); // so a block's payload is at 8
        has("types", "resource", &[("uri", 0), ("name", 8), ("icons", 112)]);
        has("types", "icon", &[("src", 0), ("sizes", 20)]);
        assert_eq!(size("types", "context"), 64); // so the name of a query is at 64, and its parameters are at 72
    }
}

//! One annotated function: what its attribute and its signature say.

use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprArray, ExprLit, FnArg, Ident, ItemFn, Lit, LitBool, LitInt, LitStr, Meta, Path, Result, ReturnType, Type,
};

/// Which handler interface of the contract a function belongs to. Prompts, resources and feeds will be further kinds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Update,
}

impl Kind {
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Update => "update",
        }
    }

    fn keys(self) -> &'static str {
        match self {
            Self::Query => "name, title, description, open_world, cache_ms, cache_shared, task, meta",
            Self::Update => "name, title, description, destructive, idempotent, open_world, publishes, task, meta",
        }
    }

    fn of(path: &Path) -> Option<Self> {
        let ours = path.segments.len() == 1 || path.segments.first()?.ident == "cofferdam_plugin";
        let last = &path.segments.last()?.ident;
        [Self::Query, Self::Update].into_iter().find(|kind| ours && last == kind.attribute())
    }
}

/// An operation to be.
pub(crate) struct Handler {
    pub(crate) kind: Kind,
    pub(crate) function: Ident,
    pub(crate) name: LitStr,
    pub(crate) description: Option<String>,
    pub(crate) options: Options,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) returns: Option<Type>,
    /// `#[cfg]`s of the function, which hold for its entries in the catalog and in the dispatcher as well.
    pub(crate) cfgs: Vec<Attribute>,
}

pub(crate) enum Parameter {
    Context,
    Input(Box<Type>),
}

#[derive(Default)]
pub(crate) struct Options {
    name: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    description: Option<LitStr>,
    pub(crate) destructive: Option<LitBool>,
    pub(crate) idempotent: Option<LitBool>,
    pub(crate) open_world: Option<LitBool>,
    pub(crate) publishes: Option<TextList>,
    pub(crate) cache_ms: Option<LitInt>,
    pub(crate) cache_shared: Option<LitBool>,
    pub(crate) task: Option<LitStr>,
    pub(crate) meta: Option<LitStr>,
}

impl Handler {
    /// Takes the marking attribute off a function and reads it; none when the function has no such attribute.
    pub(crate) fn take_from(function: &mut ItemFn) -> Result<Option<Self>> {
        let Some((at, kind)) = function.attrs.iter().enumerate().find_map(|(at, a)| Some((at, Kind::of(a.path())?))) else {
            return Ok(None);
        };
        let attribute = function.attrs.remove(at);
        if let Some(second) = function.attrs.iter().find(|a| Kind::of(a.path()).is_some()) {
            return Err(Error::new(second.span(), "a function is one operation: it cannot be marked twice"));
        }
        let options = Options::read(kind, &attribute)?;
        let identifier = function.sig.ident.to_string();
        let name = match &options.name {
            Some(name) => name.clone(),
            None => LitStr::new(identifier.trim_start_matches("r#"), function.sig.ident.span()),
        };
        check_name(&name)?;
        let (parameters, returns) = signature(function)?;
        Ok(Some(Self {
            kind,
            function: function.sig.ident.clone(),
            name,
            description: options.description.as_ref().map(LitStr::value).or_else(|| documentation(&function.attrs)),
            options,
            parameters,
            returns,
            cfgs: function.attrs.iter().filter(|a| a.path().is_ident("cfg")).cloned().collect(),
        }))
    }

    pub(crate) fn input(&self) -> Option<&Type> {
        self.parameters.iter().find_map(|parameter| match parameter {
            Parameter::Input(of_type) => Some(&**of_type),
            Parameter::Context => None,
        })
    }
}

impl Options {
    fn read(kind: Kind, attribute: &Attribute) -> Result<Self> {
        let mut options = Self::default();
        match &attribute.meta {
            Meta::Path(_) => return Ok(options),
            Meta::List(_) => {}
            Meta::NameValue(_) => {
                let marker = kind.attribute();
                return Err(Error::new(attribute.span(), format!("write `#[{marker}]` or `#[{marker}(key = value, ...)]`")));
            }
        }
        attribute.parse_nested_meta(|meta| {
            let key = key(&meta)?;
            match (key.as_str(), kind) {
                ("name", _) => set(&mut options.name, &meta),
                ("title", _) => set(&mut options.title, &meta),
                ("description", _) => set(&mut options.description, &meta),
                ("open_world", _) => set(&mut options.open_world, &meta),
                ("meta", _) => set(&mut options.meta, &meta),
                ("task", _) => {
                    set(&mut options.task, &meta)?;
                    one_of(options.task.as_ref(), &["never", "optional", "required"])
                }
                ("cache_ms", Kind::Query) => set(&mut options.cache_ms, &meta),
                ("cache_shared", Kind::Query) => set(&mut options.cache_shared, &meta),
                ("destructive", Kind::Update) => set(&mut options.destructive, &meta),
                ("idempotent", Kind::Update) => set(&mut options.idempotent, &meta),
                ("publishes", Kind::Update) => set(&mut options.publishes, &meta),
                ("cache_ms" | "cache_shared", _) => Err(meta.error(format!("`{key}` is for queries: an update is never cached"))),
                ("destructive" | "idempotent" | "publishes", _) => {
                    Err(meta.error(format!("`{key}` is for updates: a query changes nothing")))
                }
                _ => Err(meta.error(format!("unknown key `{key}`; a {} knows: {}", kind.attribute(), kind.keys()))),
            }
        })?;
        if let (None, Some(shared)) = (&options.cache_ms, &options.cache_shared) {
            return Err(Error::new(shared.span(), "`cache_shared` needs `cache_ms`"));
        }
        if let Some(ms) = &options.cache_ms {
            ms.base10_parse::<u32>()?;
        }
        Ok(options)
    }
}

/// The parameters in order, and the return type unless it is `()`.
fn signature(function: &ItemFn) -> Result<(Vec<Parameter>, Option<Type>)> {
    let signature = &function.sig;
    if let Some(keyword) = &signature.asyncness {
        return Err(Error::new(
            keyword.span(),
            "a handler is not async: calls to the host simply wait, and the host does other things meanwhile",
        ));
    }
    if let Some(keyword) = &signature.unsafety {
        return Err(Error::new(keyword.span(), "a handler is not unsafe: the dispatcher calls it with whatever the client sends"));
    }
    if !signature.generics.params.is_empty() {
        return Err(Error::new(signature.generics.span(), "a handler is not generic: its schemas are fixed"));
    }
    let mut parameters = Vec::new();
    for argument in &signature.inputs {
        let typed = match argument {
            FnArg::Typed(typed) => typed,
            FnArg::Receiver(receiver) => return Err(Error::new(receiver.span(), "a handler is a function, without `self`")),
        };
        let parameter = match &*typed.ty {
            Type::Reference(reference) if is_context(&reference.elem) => match &reference.mutability {
                Some(keyword) => return Err(Error::new(keyword.span(), "take the context as `&Context`")),
                None => Parameter::Context,
            },
            Type::Reference(_) => return Err(Error::new(typed.ty.span(), "take the input by value: it is made for this call")),
            of_type if is_context(of_type) => return Err(Error::new(of_type.span(), "take the context as `&Context`")),
            of_type => Parameter::Input(Box::new(of_type.clone())),
        };
        let same = |other: &Parameter| core::mem::discriminant(other) == core::mem::discriminant(&parameter);
        if parameters.iter().any(same) {
            return Err(Error::new(
                argument.span(),
                match parameter {
                    Parameter::Context => "a handler takes one context",
                    Parameter::Input(_) => {
                        "a handler takes one input: put the arguments into one struct, its fields are what the client sends"
                    }
                },
            ));
        }
        parameters.push(parameter);
    }
    let returns = match &signature.output {
        ReturnType::Default => None,
        ReturnType::Type(_, of_type) => Some((**of_type).clone()),
    };
    Ok((parameters, returns))
}

fn is_context(of_type: &Type) -> bool {
    matches!(of_type, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "Context"))
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::new(name.span(), format!("{text:?} is no name for an operation: use 1 to 64 of A-Z a-z 0-9 _ - .")))
}

/// The text of `///` comments. Lines that were wrapped are joined again; paragraphs, lists and code keep theirs.
pub(crate) fn documentation(attributes: &[Attribute]) -> Option<String> {
    let mut text = String::new();
    let mut code = false;
    for attribute in attributes {
        let Meta::NameValue(pair) = &attribute.meta else { continue };
        let Expr::Lit(ExprLit { lit: Lit::Str(comment), .. }) = &pair.value else { continue };
        if !pair.path.is_ident("doc") {
            continue;
        }
        for line in comment.value().split('\n') {
            let line = line.strip_prefix(' ').unwrap_or(line).trim_end();
            let fence = line.trim_start().starts_with("```");
            let wrapped = !code && !fence && line.starts_with(|first: char| first.is_alphanumeric() || "`\"'([{<_".contains(first));
            let numbered = line.trim_start_matches(|digit: char| digit.is_ascii_digit()).starts_with(". ");
            if !text.is_empty() {
                text.push(if wrapped && !numbered && !text.ends_with('\n') && !text.ends_with("```") { ' ' } else { '\n' });
            }
            text.push_str(line);
            code ^= fence;
        }
    }
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

// === reading `key = value` ===

pub(crate) fn key(meta: &ParseNestedMeta<'_>) -> Result<String> {
    Ok(meta.path.require_ident()?.to_string())
}

/// Reads the value of a key that may be given once.
pub(crate) fn set<T: Parse>(slot: &mut Option<T>, meta: &ParseNestedMeta<'_>) -> Result<()> {
    if slot.is_some() {
        return Err(meta.error("this key is given twice"));
    }
    *slot = Some(meta.value()?.parse()?);
    Ok(())
}

pub(crate) fn one_of(value: Option<&LitStr>, allowed: &[&str]) -> Result<()> {
    match value {
        Some(value) if !allowed.contains(&value.value().as_str()) => {
            let allowed: Vec<_> = allowed.iter().map(|text| format!("{text:?}")).collect();
            Err(Error::new(value.span(), format!("this is one of {}", allowed.join(", "))))
        }
        _ => Ok(()),
    }
}

/// `["a", "b"]`
pub(crate) struct TextList(pub(crate) Vec<LitStr>);

impl Parse for TextList {
    fn parse(input: syn::parse::ParseStream<'_>) -> Result<Self> {
        let array: ExprArray = input.parse()?;
        let texts = array.elems.into_iter().map(|element| match element {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Ok(text),
            other => Err(Error::new(other.span(), "this is text in quotes")),
        });
        Ok(Self(texts.collect::<Result<_>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn documentation_is_unwrapped() {
        let function: ItemFn = parse_quote! {
            /// Finds tickets
            /// by their text.
            ///
            /// Knows:
            /// - words
            /// - "phrases"
            ///   of words
            /// 1. one
            /// ```
            /// a
            /// b
            /// ```
            #[doc = "last"]
            #[other]
            fn find() {}
        };
        let expected = "Finds tickets by their text.\n\nKnows:\n- words\n- \"phrases\"\n  of words\n1. one\n```\na\nb\n```\nlast";
        assert_eq!(documentation(&function.attrs).as_deref(), Some(expected));
        assert_eq!(documentation(&[]), None);
    }
}

//! One annotated function: what its attribute and its signature say.

use crate::keys::{Icon, TextList, documentation, key, one_of, set};
use crate::template;
use syn::meta::ParseNestedMeta;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, FnArg, Ident, ItemFn, LitBool, LitFloat, LitInt, LitStr, Meta, Path, Result, ReturnType, Type};

/// Which interface of the contract a function belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Query,
    Update,
    Prompt,
    Resource,
    Complete,
    Feed,
    Webhook,
}

impl Kind {
    const ALL: [Self; 7] = [Self::Query, Self::Update, Self::Prompt, Self::Resource, Self::Complete, Self::Feed, Self::Webhook];

    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Update => "update",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Complete => "complete",
            Self::Feed => "feed",
            Self::Webhook => "webhook",
        }
    }

    /// In the order in which errors list them.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Query => &[
                "name",
                "title",
                "description",
                "open_world",
                "cache_ms",
                "cache_shared",
                "batch",
                "task",
                "input_schema",
                "output_schema",
                "icon",
                "meta",
            ],
            Self::Update => &[
                "name",
                "title",
                "description",
                "destructive",
                "idempotent",
                "open_world",
                "publishes",
                "task",
                "input_schema",
                "output_schema",
                "icon",
                "meta",
            ],
            Self::Prompt => &["name", "title", "description", "icon", "meta"],
            Self::Resource => &[
                "uri",
                "template",
                "name",
                "title",
                "description",
                "mime",
                "size_bytes",
                "audience",
                "priority",
                "last_modified",
                "cache_ms",
                "cache_shared",
                "icon",
                "meta",
            ],
            Self::Complete => &["prompt", "template", "argument"],
            Self::Feed | Self::Webhook => &["topic", "description"],
        }
    }

    fn of(path: &Path) -> Option<Self> {
        let ours = path.segments.len() == 1 || path.segments.first()?.ident == "cofferdam_plugin";
        let last = &path.segments.last()?.ident;
        Self::ALL.into_iter().find(|kind| ours && last == kind.attribute())
    }
}

/// A function that the plugin offers.
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
    /// What the client sends: a type of the plugin's.
    Input(Box<Type>),
    /// The URI that is read, or what was typed so far.
    Text,
    /// The arguments beside the one that is completed.
    Others,
    /// The request of a webhook.
    Webhook,
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
    /// The key, which has no value.
    pub(crate) batch: Option<Ident>,
    pub(crate) topic: Option<LitStr>,
    pub(crate) task: Option<LitStr>,
    pub(crate) input_schema: Option<Expr>,
    pub(crate) output_schema: Option<Expr>,
    pub(crate) uri: Option<LitStr>,
    pub(crate) template: Option<LitStr>,
    pub(crate) mime: Option<LitStr>,
    pub(crate) size_bytes: Option<LitInt>,
    pub(crate) audience: Option<TextList>,
    pub(crate) priority: Option<LitFloat>,
    pub(crate) last_modified: Option<LitStr>,
    pub(crate) prompt: Option<LitStr>,
    pub(crate) argument: Option<LitStr>,
    pub(crate) icons: Vec<Icon>,
    pub(crate) meta: Option<Expr>,
}

impl Handler {
    /// Takes the marking attribute off a function and reads it; none when the function has no such attribute.
    pub(crate) fn take_from(function: &mut ItemFn) -> Result<Option<Self>> {
        let Some((at, kind)) = function.attrs.iter().enumerate().find_map(|(at, a)| Some((at, Kind::of(a.path())?))) else {
            return Ok(None);
        };
        let attribute = function.attrs.remove(at);
        if let Some(second) = function.attrs.iter().find(|a| Kind::of(a.path()).is_some()) {
            return Err(Error::new(second.span(), "a function does one thing: it cannot be marked twice"));
        }
        let options = Options::read(kind, &attribute)?;
        options.check(kind, &attribute)?;
        let identifier = function.sig.ident.to_string();
        let name = match &options.name {
            Some(name) => name.clone(),
            None => LitStr::new(identifier.trim_start_matches("r#"), function.sig.ident.span()),
        };
        if matches!(kind, Kind::Query | Kind::Update | Kind::Prompt) {
            check_name(&name)?;
        }
        let parameters = parameters(function, kind, &options)?;
        check_whole(function, kind, &options, &parameters)?;
        let returns = match &function.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, of_type) => Some((**of_type).clone()),
        };
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
            Parameter::Context | Parameter::Text | Parameter::Others | Parameter::Webhook => None,
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
            if kind.keys().contains(&key.as_str()) {
                return options.set(&key, &meta);
            }
            Err(meta.error(match (key.as_str(), kind) {
                ("cache_ms" | "cache_shared", Kind::Update) => format!("`{key}` is for queries: an update is never cached"),
                ("batch", Kind::Update) => "`batch` is for queries: each update is a call of its own".to_owned(),
                ("destructive" | "idempotent" | "publishes", Kind::Query) => format!("`{key}` is for updates: a query changes nothing"),
                _ => format!("unknown key `{key}`; a {} knows: {}", kind.attribute(), kind.keys().join(", ")),
            }))
        })?;
        Ok(options)
    }

    fn set(&mut self, key: &str, meta: &ParseNestedMeta<'_>) -> Result<()> {
        match key {
            "name" => set(&mut self.name, meta),
            "title" => set(&mut self.title, meta),
            "description" => set(&mut self.description, meta),
            "open_world" => set(&mut self.open_world, meta),
            "destructive" => set(&mut self.destructive, meta),
            "idempotent" => set(&mut self.idempotent, meta),
            "publishes" => set(&mut self.publishes, meta),
            "cache_ms" => set(&mut self.cache_ms, meta),
            "cache_shared" => set(&mut self.cache_shared, meta),
            "batch" => {
                self.batch = meta.path.get_ident().cloned();
                Ok(())
            }
            "topic" => set(&mut self.topic, meta),
            "task" => set(&mut self.task, meta),
            "input_schema" => set(&mut self.input_schema, meta),
            "output_schema" => set(&mut self.output_schema, meta),
            "uri" => set(&mut self.uri, meta),
            "template" => set(&mut self.template, meta),
            "mime" => set(&mut self.mime, meta),
            "size_bytes" => set(&mut self.size_bytes, meta),
            "audience" => set(&mut self.audience, meta),
            "priority" => set(&mut self.priority, meta),
            "last_modified" => set(&mut self.last_modified, meta),
            "prompt" => set(&mut self.prompt, meta),
            "argument" => set(&mut self.argument, meta),
            "icon" => {
                self.icons.push(Icon::read(meta)?);
                Ok(())
            }
            _ => set(&mut self.meta, meta),
        }
    }

    fn check(&self, kind: Kind, attribute: &Attribute) -> Result<()> {
        one_of(self.task.as_ref(), &["never", "optional", "required"])?;
        for role in self.audience.iter().flat_map(|list| &list.0) {
            one_of(Some(role), &["user", "assistant"])?;
        }
        if let (None, Some(shared)) = (&self.cache_ms, &self.cache_shared) {
            return Err(Error::new(shared.span(), "`cache_shared` needs `cache_ms`"));
        }
        for number in self.cache_ms.iter().chain(&self.size_bytes) {
            number.base10_parse::<u32>()?;
        }
        if let Some(template) = &self.template {
            template::check(template)?;
        }
        if let (Some(_), Some(size)) = (&self.template, &self.size_bytes) {
            return Err(Error::new(size.span(), "`size_bytes` is for a resource with `uri`: those of a template have sizes of their own"));
        }
        let one = match kind {
            Kind::Query | Kind::Update | Kind::Prompt => return Ok(()),
            Kind::Resource if self.uri.is_some() != self.template.is_some() => return Ok(()),
            Kind::Resource => "a resource has either `uri = \"...\"` or `template = \"...\"`",
            Kind::Complete if self.argument.is_none() => "a completion says of which `argument` it is",
            Kind::Complete if self.prompt.is_some() != self.template.is_some() => return Ok(()),
            Kind::Complete => "a completion has either `prompt = \"...\"` or `template = \"...\"`",
            Kind::Feed | Kind::Webhook if self.topic.is_some() => return Ok(()),
            Kind::Feed => "a feed says of which topic it is: `topic = \"...\"`",
            Kind::Webhook => "a webhook says of which topic it is: `topic = \"...\"`",
        };
        Err(Error::new(attribute.span(), one))
    }
}

/// The parameters in order.
fn parameters(function: &ItemFn, kind: Kind, options: &Options) -> Result<Vec<Parameter>> {
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
        let parameter = parameter(&typed.ty, kind)?;
        parameter.check(kind, options, &typed.ty)?;
        let same = |other: &Parameter| core::mem::discriminant(other) == core::mem::discriminant(&parameter);
        if parameters.iter().any(same) {
            return Err(Error::new(argument.span(), parameter.twice()));
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

/// What the signature and the attribute only say together.
fn check_whole(function: &ItemFn, kind: Kind, options: &Options, parameters: &[Parameter]) -> Result<()> {
    let input = parameters.iter().any(|parameter| matches!(parameter, Parameter::Input(_)));
    if let (Some(batch), false) = (&options.batch, input) {
        return Err(Error::new(batch.span(), "a query with `batch` takes a `Vec` of inputs"));
    }
    if !matches!(kind, Kind::Feed | Kind::Webhook) {
        return Ok(());
    }
    if let Some(cfg) = function.attrs.iter().find(|a| a.path().is_ident("cfg")) {
        return Err(Error::new(cfg.span(), "a topic is there or not: put the condition into the function"));
    }
    let what = if kind == Kind::Feed { "a feed returns a type that implements `Feed`" } else { "a webhook returns events" };
    match &function.sig.output {
        ReturnType::Default => Err(Error::new(function.sig.span(), what)),
        ReturnType::Type(_, of_type) if mentions_impl(of_type) => {
            Err(Error::new(of_type.span(), "name the type that is returned, or box it: `Box<dyn Feed<Event = T>>`"))
        }
        ReturnType::Type(..) => Ok(()),
    }
}

/// `impl Trait` anywhere in a type.
fn mentions_impl(of_type: &Type) -> bool {
    fn any(tokens: proc_macro2::TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Group(group) => any(group.stream()),
            token => token.to_string() == "impl",
        })
    }
    any(quote::ToTokens::to_token_stream(of_type))
}

fn parameter(of_type: &Type, kind: Kind) -> Result<Parameter> {
    let texts = matches!(kind, Kind::Resource | Kind::Complete | Kind::Feed);
    Ok(match of_type {
        Type::Reference(reference) if is(&reference.elem, "Context") => match &reference.mutability {
            Some(keyword) => return Err(Error::new(keyword.span(), "take the context as `&Context`")),
            None => Parameter::Context,
        },
        Type::Reference(reference) if texts && is(&reference.elem, "str") => Parameter::Text,
        Type::Reference(reference) if texts && is(&reference.elem, "Others") => Parameter::Others,
        Type::Reference(reference) if kind == Kind::Webhook && is(&reference.elem, "Webhook") => Parameter::Webhook,
        of_type if kind == Kind::Webhook && !is(of_type, "Context") => {
            return Err(Error::new(of_type.span(), "a webhook takes its request as `&Webhook`, and `&Context`"));
        }
        Type::Reference(_) => return Err(Error::new(of_type.span(), "take the input by value: it is made for this call")),
        of_type if is(of_type, "Context") => return Err(Error::new(of_type.span(), "take the context as `&Context`")),
        of_type => Parameter::Input(Box::new(of_type.clone())),
    })
}

impl Parameter {
    fn check(&self, kind: Kind, options: &Options, of_type: &Type) -> Result<()> {
        let mistake = match (self, kind) {
            (Self::Input(_), Kind::Resource) if options.uri.is_some() => {
                "a resource with `uri` has no variables: it takes `&Context` or `&str`"
            }
            (Self::Input(_), Kind::Complete) => "a completion takes `&Context`, `&str` (what was typed so far) and `&Others`",
            (Self::Others, Kind::Resource) => "a resource takes `&Context`, `&str` (the URI), and if it is a template its variables",
            (Self::Others, Kind::Feed) => "a feed takes `&Context`, `&str` (the topic), and what subscribers filter by",
            _ => return Ok(()),
        };
        Err(Error::new(of_type.span(), mistake))
    }

    fn twice(&self) -> &'static str {
        match self {
            Self::Context => "a handler takes one context",
            Self::Input(_) => "a handler takes one input: put the arguments into one struct, its fields are what the client sends",
            Self::Text => "a handler takes one text",
            Self::Others => "a handler takes the other arguments once",
            Self::Webhook => "a webhook takes its request once",
        }
    }
}

fn is(of_type: &Type, name: &str) -> bool {
    matches!(of_type, Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

fn check_name(name: &LitStr) -> Result<()> {
    let text = name.value();
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if (1..=64).contains(&text.len()) && text.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::new(name.span(), format!("{text:?} is no name for an operation: use 1 to 64 of A-Z a-z 0-9 _ - .")))
}

//! The module: its attribute, its handlers, and what may go wrong between them.

use crate::expand;
use crate::handler::{Handler, Kind};
use crate::keys::{key, set};
use crate::template;
use crate::topics::{self, Topic};
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::Parser;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Ident, Item, ItemMod, LitStr, Meta, Result, Token, parse_quote};

/// The arguments of `#[plugin(...)]`.
#[derive(Default)]
pub(crate) struct Plugin {
    pub(crate) title: Option<LitStr>,
    pub(crate) instructions: Option<LitStr>,
    /// The crate has `#![no_std]`, and so needs a panic handler.
    pub(crate) no_std: Option<Ident>,
    pub(crate) topics: Vec<Topic>,
    pub(crate) handlers: Vec<Handler>,
}

pub(crate) fn plugin(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut plugin = Plugin::read(arguments)?;
    let mut module: ItemMod = syn::parse2(item)
        .map_err(|e| Error::new(e.span(), "a plugin is a module with its body: `#[cofferdam_plugin::plugin] mod name { ... }`"))?;
    let Some((_, items)) = &mut module.content else {
        return Err(Error::new(module.span(), "a plugin's module stands here with its body: `mod name { ... }`"));
    };
    // All mistakes at once, not one per build.
    let mut mistakes: Option<Error> = None;
    for item in items.iter_mut() {
        if let Item::Fn(function) = item {
            match Handler::take_from(function) {
                Ok(handler) => plugin.handlers.extend(handler),
                Err(mistake) => add(&mut mistakes, mistake),
            }
        }
    }
    plugin.check(&mut mistakes, module.ident.span());
    if let Some(mistakes) = mistakes {
        return Err(mistakes);
    }
    derive_through_us(items);
    let glue: syn::File = syn::parse2(expand::glue(&plugin))?;
    items.extend(glue.items);
    Ok(quote!(#module))
}

/// `#[query]` or the like where no plugin has taken it off.
pub(crate) fn misplaced(marker: &str, item: &TokenStream) -> TokenStream {
    let message = format!("`#[{marker}]` marks a function that stands directly in a module with `#[cofferdam_plugin::plugin]`");
    let mistake = Error::new(Span::call_site(), message).into_compile_error();
    quote!(#mistake #item)
}

fn add(mistakes: &mut Option<Error>, mistake: Error) {
    match mistakes {
        Some(mistakes) => mistakes.combine(mistake),
        None => *mistakes = Some(mistake),
    }
}

impl Plugin {
    fn read(arguments: TokenStream) -> Result<Self> {
        let mut plugin = Self::default();
        let parser = syn::meta::parser(|meta| match key(&meta)?.as_str() {
            "title" => set(&mut plugin.title, &meta),
            "instructions" => set(&mut plugin.instructions, &meta),
            "no_std" => {
                plugin.no_std = meta.path.get_ident().cloned();
                Ok(())
            }
            "topic" => {
                plugin.topics.push(Topic::read(&meta)?);
                Ok(())
            }
            other => Err(meta.error(format!("unknown key `{other}`; a plugin knows: title, instructions, no_std, topic(...)"))),
        });
        parser.parse2(arguments)?;
        Ok(plugin)
    }

    fn check(&mut self, mistakes: &mut Option<Error>, module: Span) {
        if self.handlers.is_empty() && mistakes.is_none() {
            add(mistakes, Error::new(module, "this plugin offers nothing: mark a function with `#[query]` or `#[update]`"));
        }
        for (at, handler) in self.handlers.iter().enumerate() {
            // Two functions of which only one is compiled may share a name.
            let mut earlier = self.handlers.iter().take(at).filter(|other| other.cfgs.is_empty() && handler.cfgs.is_empty());
            let (id, mistake) = handler.id();
            if earlier.any(|other| other.id().0 == id) {
                add(mistakes, Error::new(handler.name.span(), mistake));
            }
            if handler.kind == Kind::Complete
                && let Err(mistake) = self.check_completion(handler)
            {
                add(mistakes, mistake);
            }
        }
        for mistake in topics::complete(&mut self.topics, &self.handlers) {
            add(mistakes, mistake);
        }
    }
}

impl Plugin {
    /// What is completed is there.
    fn check_completion(&self, completion: &Handler) -> Result<()> {
        let mut others = self.handlers.iter();
        if let Some(prompt) = &completion.options.prompt
            && !others.any(|other| other.kind == Kind::Prompt && other.name.value() == prompt.value())
        {
            return Err(Error::new(prompt.span(), format!("this plugin has no prompt `{}`", prompt.value())));
        }
        if let Some(template) = &completion.options.template {
            let text = template.value();
            if !others.any(|other| other.kind == Kind::Resource && other.options.template.as_ref().is_some_and(|own| own.value() == text)) {
                return Err(Error::new(template.span(), format!("this plugin has no template `{text}`")));
            }
            if let Some(argument) = &completion.options.argument
                && !template::variables(&text).contains(&argument.value().as_str())
            {
                return Err(Error::new(argument.span(), format!("the template has no variable `{}`", argument.value())));
            }
        }
        Ok(())
    }
}

impl Handler {
    /// What has to be unique among the plugin's functions, and what to say when it is not.
    fn id(&self) -> (String, String) {
        let name = self.name.value();
        let text = |value: &Option<LitStr>| value.as_ref().map(LitStr::value).unwrap_or_default();
        match self.kind {
            Kind::Query | Kind::Update => {
                (format!("operation {name}"), format!("there is an operation `{name}` already; queries and updates share their names"))
            }
            Kind::Prompt => (format!("prompt {name}"), format!("there is a prompt `{name}` already")),
            Kind::Resource => {
                let uri = text(&self.options.uri) + &text(&self.options.template);
                (format!("resource {uri}"), format!("there is a resource `{uri}` already"))
            }
            Kind::Complete => {
                let (prompt, template, argument) = (&self.options.prompt, &self.options.template, text(&self.options.argument));
                let id = format!("completion {} {} {argument}", text(prompt), text(template));
                (id, format!("there is a completion of `{argument}` already"))
            }
            Kind::Feed | Kind::Webhook => {
                let (what, topic) = (self.kind.attribute(), text(&self.options.topic));
                (format!("{what} {topic}"), format!("there is a {what} of `{topic}` already"))
            }
        }
    }
}

/// Lets the module's types derive through the SDK's own dependencies, so that the plugin's crate needs no others.
fn derive_through_us(items: &mut [Item]) {
    for item in items {
        let attributes = match item {
            Item::Struct(item) => &mut item.attrs,
            Item::Enum(item) => &mut item.attrs,
            Item::Mod(ItemMod { content: Some((_, items)), .. }) => {
                derive_through_us(items);
                continue;
            }
            _ => continue,
        };
        let (mut serde, mut schemars) = (false, false);
        for attribute in attributes.iter().filter(|a| a.path().is_ident("derive")) {
            let Meta::List(list) = &attribute.meta else { continue };
            let derives = list.parse_args_with(syn::punctuated::Punctuated::<syn::Path, Token![,]>::parse_terminated);
            for path in derives.into_iter().flatten() {
                let Some(last) = path.segments.last() else { continue };
                serde |= last.ident == "Serialize" || last.ident == "Deserialize";
                schemars |= last.ident == "JsonSchema";
            }
        }
        for (wanted, name) in [(serde, "serde"), (schemars, "schemars")] {
            if wanted && !attributes.iter().any(|a| names_a_crate(a, name)) {
                let attribute = format_ident!("{name}");
                let path = format!("::cofferdam_plugin::{name}");
                attributes.push(parse_quote!(#[#attribute(crate = #path)]));
            }
        }
    }
}

/// Whether this is `#[serde(crate = "...")]` or the like already.
fn names_a_crate(attribute: &Attribute, name: &str) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    attribute.path().is_ident(name) && list.tokens.clone().into_iter().any(|token| token.to_string() == "crate")
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn mistakes(arguments: TokenStream, body: &TokenStream) -> Vec<String> {
        match plugin(arguments, quote!(mod tools { #body })) {
            Ok(_) => Vec::new(),
            Err(mistakes) => mistakes.into_iter().map(|e| e.to_string()).collect(),
        }
    }

    #[track_caller]
    fn check(body: &TokenStream, expected: &[&str]) {
        let got = mistakes(quote!(), body);
        assert_eq!(got.len(), expected.len(), "{got:#?}");
        for (got, expected) in got.iter().zip(expected) {
            assert!(got.contains(expected), "{got:?} does not contain {expected:?}");
        }
    }

    #[test]
    fn a_plugin_exports_only_what_it_has() {
        let glue = |body: TokenStream| plugin(quote!(), quote!(mod tools { #body })).unwrap().to_string();
        let only_query = glue(quote!(
            #[query]
            fn a() {}
            fn helper(_: u8, _: u8) {}
        ));
        assert!(only_query.contains("export_query") && !only_query.contains("export_update") && !only_query.contains("Updates"));
        let only_update = glue(quote!(
            #[update]
            fn a() {}
        ));
        assert!(only_update.contains("export_update") && !only_update.contains("export_query") && !only_update.contains("Queries"));
        let both = glue(quote!(
            #[cofferdam_plugin::query]
            fn a() {}
            #[update]
            fn b() {}
        ));
        assert!(both.contains("export_update") && both.contains("export_query") && both.contains("export_catalog"));
    }

    #[test]
    fn only_a_plugin_without_std_has_a_panic_handler() {
        let glue = |arguments: TokenStream| {
            plugin(
                arguments,
                quote!(
                    mod tools {
                        #[query]
                        fn a() {}
                    }
                ),
            )
            .unwrap()
            .to_string()
        };
        assert!(glue(quote!(no_std, title = "x")).contains("panic_handler"));
        assert!(!glue(quote!(title = "x")).contains("panic_handler"));
    }

    #[test]
    fn parameters_come_in_any_order() {
        check(
            &quote! {
                #[query] fn a(cx: &Context, Find { text }: Find) -> String {}
                #[query] fn b(input: Find, cx: &cofferdam_plugin::Context) -> String {}
                #[query] fn c() {}
                #[query] fn d(_: &Context) {}
            },
            &[],
        );
    }

    #[test]
    fn mistakes_in_signatures_are_explained_all_at_once() {
        check(
            &quote! {
                #[query] fn a(x: Find, y: Find) {}
                #[query] async fn b() {}
                #[query] fn c<T>(x: T) {}
                #[query] fn d(x: &Find) {}
                #[query] fn e(cx: Context) {}
                #[query] fn f(cx: &mut Context) {}
                #[query] fn g(self) {}
                #[query] unsafe fn h() {}
                #[query] fn i(a: &Context, b: &Context) {}
                #[query] #[update] fn j() {}
            },
            &[
                "takes one input",
                "not async",
                "not generic",
                "by value",
                "`&Context`",
                "`&Context`",
                "without `self`",
                "not unsafe",
                "one context",
                "marked twice",
            ],
        );
    }

    #[test]
    fn unknown_and_misplaced_keys_are_explained() {
        for (attribute, expected) in [
            (r#"#[query(nmae = "x")]"#, "unknown key `nmae`; a query knows: name, title"),
            ("#[query(destructive = true)]", "`destructive` is for updates"),
            ("#[update(cache_ms = 5)]", "`cache_ms` is for queries"),
            ("#[query(cache_shared = true)]", "needs `cache_ms`"),
            (r#"#[query(title = "a", title = "b")]"#, "given twice"),
            ("#[query(title = 1)]", "expected string literal"),
            (r#"#[query(task = "sometimes")]"#, r#"one of "never", "optional", "required""#),
            ("#[update(publishes = [a])]", "text in quotes"),
            (r#"#[query = "a"]"#, "write `#[query]`"),
        ] {
            let handler: proc_macro2::TokenStream = format!("{attribute} fn a() {{}}").parse().expect("tokens");
            check(&handler, &[expected]);
        }
        let handler = quote!(
            #[query]
            fn a() {}
        );
        assert_eq!(mistakes(quote!(titel = "x"), &handler).len(), 1);
        assert_eq!(mistakes(quote!(topic(title = "x")), &handler).len(), 1);
    }

    #[test]
    fn names_are_unique_and_well_formed() {
        check(
            &quote!(
                #[query]
                fn a() {}
                #[update(name = "a")]
                fn b() {}
            ),
            &["an operation `a` already"],
        );
        check(
            &quote!(
                #[query(name = "a b")]
                fn a() {}
            ),
            &["no name for an operation"],
        );
        check(
            &quote!(
                #[query]
                fn r#type() {}
                #[query]
                fn größe() {}
            ),
            &["no name for an operation"],
        );
        check(
            &quote!(
                #[cfg(a)]
                #[query]
                fn a() {}
                #[cfg(not(a))]
                #[query]
                fn a() {}
            ),
            &[],
        );
        check(&quote!(), &["offers nothing"]);
    }

    #[test]
    fn prompts_resources_and_completions_are_exported_when_there_are_any() {
        let module = quote!(
            mod tools {
                #[prompt]
                fn p(cx: &Context, input: Fields) -> String {}
                #[resource(uri = "a:b")]
                fn r(cx: &Context, uri: &str) -> String {}
                #[resource(template = "a:{b}/{+c}")]
                fn t(of: Fields) -> String {}
                #[complete(prompt = "p", argument = "x")]
                fn c(cx: &Context, typed: &str, others: &Others) -> Vec<String> {}
                #[complete(template = "a:{b}/{+c}", argument = "c")]
                fn d(typed: &str) -> Vec<String> {}
            }
        );
        let glue = plugin(quote!(), module).unwrap().to_string();
        for export in ["export_prompts", "export_resources", "export_completion"] {
            assert!(glue.contains(export), "{export}");
        }
        assert!(!glue.contains("export_query"));
    }

    #[test]
    fn mistakes_in_prompts_resources_and_completions_are_explained() {
        check(
            &quote! {
                #[resource] fn a() {}
                #[resource(uri = "a:b", template = "a:{b}")] fn b() {}
                #[resource(uri = "a:b")] fn c(of: Fields) {}
                #[resource(template = "a:b")] fn d() {}
                #[resource(template = "a:{?b}")] fn e() {}
                #[resource(template = "a:{b}/{b}")] fn f() {}
                #[resource(template = "a:{b")] fn g() {}
                #[resource(template = "a:{b}", size_bytes = 1)] fn h() {}
                #[resource(uri = "a:c", audience = ["everybody"])] fn i() {}
                #[resource(uri = "a:d", icon(mime = "image/png"))] fn j() {}
                #[prompt(cache_ms = 1)] fn k() {}
                #[prompt] fn l(uri: &str) {}
                #[complete(prompt = "p")] fn m() {}
                #[complete(argument = "x")] fn n() {}
                #[complete(prompt = "nobody", argument = "x")] fn o(_: &str) {}
                #[complete(template = "a:{x}", argument = "x")] fn p(_: &str) {}
                #[complete(prompt = "k", argument = "x")] fn q(input: Fields) {}
            },
            &[
                "either `uri",
                "either `uri",
                "has no variables",
                "write `uri",
                "not supported",
                "each variable once",
                "has a `}`",
                "sizes of their own",
                r#"one of "user", "assistant""#,
                "an icon needs `src`",
                "a prompt knows: name",
                "by value",
                "of which `argument`",
                "either `prompt",
                "a completion takes",
                "no prompt `nobody`",
                "no template `a:{x}`",
            ],
        );
        check(
            &quote! {
                #[resource(uri = "a:b")] fn a() {}
                #[resource(uri = "a:b")] fn b() {}
                #[resource(template = "a:{b}")] fn c() {}
                #[complete(template = "a:{b}", argument = "c")] fn d(_: &str) {}
                #[complete(template = "a:{b}", argument = "b")] fn e(_: &str) {}
                #[complete(template = "a:{b}", argument = "b")] fn f(_: &str) {}
                #[prompt] fn g() {}
                #[prompt(name = "g")] fn h() {}
                #[query] fn i() {}
                #[query(name = "g")] fn j() {}
            },
            &["a resource `a:b` already", "no variable `c`", "a completion of `b` already", "a prompt `g` already"],
        );
    }

    #[test]
    fn feeds_webhooks_and_batches_are_exported_when_there_are_any() {
        let glue = |body: TokenStream| plugin(quote!(), quote!(mod tools { #body })).unwrap().to_string();
        let all = glue(quote!(
            #[feed(topic = "a/{b}")]
            fn a(cx: &Context, topic: &str, filters: Filters) -> Result<A> {}
            #[webhook(topic = "b")]
            fn b(cx: &Context, webhook: &Webhook) -> Event<B> {}
            #[query(batch)]
            fn c(inputs: Vec<C>, cx: &Context) -> Vec<String> {}
        ));
        for export in ["export_subscribe", "export_webhook", "export_query_batch", "export_query", "\"a/{b}\"", "feed : true"] {
            assert!(all.contains(export), "{export}");
        }
        let none = glue(quote!(
            #[query]
            fn c(input: C) {}
        ));
        for export in ["export_subscribe", "export_webhook", "export_query_batch"] {
            assert!(!none.contains(export), "{export}");
        }
    }

    #[test]
    fn mistakes_in_feeds_webhooks_and_batches_are_explained() {
        check(
            &quote! {
                #[feed] fn a() -> A {}
                #[webhook] fn b(_: &Webhook) -> B {}
                #[feed(topic = "c")] fn c() {}
                #[feed(topic = "d")] fn d() -> Result<impl Feed> {}
                #[feed(topic = "e")] fn e(others: &Others) -> E {}
                #[webhook(topic = "f")] fn f(body: Push) -> F {}
                #[webhook(topic = "g")] fn g(body: &str) -> G {}
                #[cfg(unix)] #[feed(topic = "h")] fn h() -> H {}
                #[query(batch)] fn i() -> Vec<String> {}
                #[update(batch)] fn j(inputs: Vec<J>) -> Vec<String> {}
                #[feed(topic = "k", retained = 5)] fn k() -> K {}
            },
            &[
                "of which topic",
                "of which topic",
                "implements `Feed`",
                "name the type",
                "a feed takes",
                "as `&Webhook`",
                "as `&Webhook`",
                "into the function",
                "takes a `Vec` of inputs",
                "each update is a call of its own",
                "a feed knows: topic, description",
            ],
        );
        check(
            &quote! {
                #[feed(topic = "a")] fn a() -> A {}
                #[feed(topic = "a")] fn b() -> A {}
                #[webhook(topic = "a")] fn c(_: &Webhook) -> A {}
                #[update(publishes = ["a", "b"])] fn d() {}
                #[webhook(topic = "b")] fn e(_: &Webhook) -> A {}
            },
            &["a feed of `a` already", "the topic `a` has a feed", "the topic `a` has a feed"],
        );
    }

    #[test]
    fn a_plugin_is_a_module_with_a_body() {
        assert!(
            plugin(
                quote!(),
                quote!(
                    mod tools;
                )
            )
            .is_err()
        );
        assert!(
            plugin(
                quote!(),
                quote!(
                    fn tools() {}
                )
            )
            .is_err()
        );
    }

    #[test]
    fn types_derive_through_the_sdk_unless_they_say_otherwise() {
        let mut file: syn::File = parse_quote! {
            #[derive(Debug, serde::Deserialize, JsonSchema)] struct A;
            #[derive(Serialize)] #[serde(rename_all = "lowercase", crate = "mine")] enum B {}
            mod inner { #[derive(Serialize)] struct C; }
            #[derive(Debug)] struct D;
        };
        derive_through_us(&mut file.items);
        let text = quote!(#file).to_string();
        assert_eq!(text.matches(":: cofferdam_plugin :: serde").count() + text.matches("::cofferdam_plugin::serde").count(), 2);
        assert_eq!(text.matches("::cofferdam_plugin::schemars").count(), 1);
    }
}

//! What the attribute adds to the module.

use crate::handler::{Handler, Kind, Parameter};
use crate::keys::{Icon, TextList};
use crate::plugin::Plugin;
use crate::topics::Topic;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, LitStr, Type};

pub(crate) fn glue(plugin: &Plugin) -> TokenStream {
    let catalog = catalog(plugin);
    let query = interface(plugin, Kind::Query);
    let update = interface(plugin, Kind::Update);
    let prompts = interface(plugin, Kind::Prompt);
    let resources = interface(plugin, Kind::Resource);
    let completion = interface(plugin, Kind::Complete);
    let feeds = interface(plugin, Kind::Feed);
    let webhooks = interface(plugin, Kind::Webhook);
    let batches = batches(plugin);
    let panic_handler = plugin.no_std.as_ref().map(|key| {
        quote_spanned! {key.span()=>
            #[cfg(target_family = "wasm")]
            __cofferdam::panic_handler!();
        }
    });
    quote! {
        /// The plugin of this module, for `cofferdam_plugin::testing`.
        #[derive(Clone, Copy, Debug)]
        #[allow(dead_code, unreachable_pub, reason = "only tests name it")]
        pub struct Plugin;

        const _: () = {
            use ::cofferdam_plugin::__private as __cofferdam;
            #catalog
            #query
            #update
            #prompts
            #resources
            #completion
            #feeds
            #webhooks
            #batches
            #panic_handler
        };
    }
}

fn of_kind(plugin: &Plugin, kind: Kind) -> impl Iterator<Item = &Handler> {
    plugin.handlers.iter().filter(move |handler| handler.kind == kind)
}

// === the exports ===

/// One interface of the contract, if the plugin has anything for it.
fn interface(plugin: &Plugin, kind: Kind) -> TokenStream {
    let mut handlers = of_kind(plugin, kind).peekable();
    if handlers.peek().is_none() {
        return TokenStream::new();
    }
    let (of_trait, module, export) = match kind {
        Kind::Query => (quote!(Queries), quote!(query), quote!(export_query)),
        Kind::Update => (quote!(Updates), quote!(update), quote!(export_update)),
        Kind::Prompt => (quote!(Prompts), quote!(prompts), quote!(export_prompts)),
        Kind::Resource => (quote!(Resources), quote!(resources), quote!(export_resources)),
        Kind::Complete => (quote!(Completions), quote!(completion), quote!(export_completion)),
        Kind::Feed => (quote!(Feeds), quote!(subscribe), quote!(export_subscribe)),
        Kind::Webhook => (quote!(Webhooks), quote!(webhook), quote!(export_webhook)),
    };
    let method = match kind {
        Kind::Query | Kind::Update => operations(&module, handlers),
        Kind::Prompt => prompts(handlers),
        Kind::Resource => resources(handlers),
        Kind::Complete => completions(handlers),
        Kind::Feed => feeds(handlers),
        Kind::Webhook => webhooks(handlers),
    };
    quote! {
        #[automatically_derived]
        impl __cofferdam::#of_trait for Plugin {
            #method
        }
        #[cfg(target_family = "wasm")]
        __cofferdam::#export!(Plugin with_types_in __cofferdam::#module);
    }
}

fn operations<'a>(method: &TokenStream, handlers: impl Iterator<Item = &'a Handler>) -> TokenStream {
    let arms = handlers.map(|handler| {
        let Handler { name, cfgs, .. } = handler;
        if let Some((of_type, call)) = batch(handler) {
            return quote_spanned!(of_type.span()=> #(#cfgs)* #name => __cofferdam::single(__arguments, |__inputs: #of_type| #call),);
        }
        let call = call(
            handler,
            (quote!(IntoReply), quote!(into_reply)),
            |of_type| quote_spanned!(of_type.span()=> __cofferdam::arguments::<#of_type>(__arguments)?),
        );
        quote!(#(#cfgs)* #name => #call,)
    });
    quote! {
        fn #method(__context: &__cofferdam::Context, __name: &str, __arguments: &str) -> __cofferdam::Result<__cofferdam::Reply> {
            let _ = (__context, __arguments);
            match __name {
                #(#arms)*
                __unknown => __cofferdam::Err(__cofferdam::no_such_operation(__unknown)),
            }
        }
    }
}

/// The type of the inputs, and the call, of a function that answers several queries at once.
fn batch(handler: &Handler) -> Option<(&Type, TokenStream)> {
    let of_type = handler.options.batch.as_ref().and(handler.input())?;
    Some((of_type, bare_call(handler, |_| quote!(__inputs))))
}

/// Queries without `batch` are answered one by one.
fn batches(plugin: &Plugin) -> TokenStream {
    let arms: Vec<_> = of_kind(plugin, Kind::Query)
        .filter_map(|handler| {
            let Handler { name, cfgs, .. } = handler;
            let (of_type, call) = batch(handler)?;
            Some(quote_spanned!(of_type.span()=> #(#cfgs)* #name => __cofferdam::batch(__arguments, |__inputs: #of_type| #call),))
        })
        .collect();
    if arms.is_empty() {
        return TokenStream::new();
    }
    quote! {
        #[automatically_derived]
        impl __cofferdam::Batches for Plugin {
            fn batch(
                __context: &__cofferdam::Context,
                __name: &str,
                __arguments: &[__cofferdam::String],
            ) -> __cofferdam::Result<__cofferdam::Vec<__cofferdam::Result<__cofferdam::Reply>>> {
                match __name {
                    #(#arms)*
                    __other => {
                        let __one = |__one: &__cofferdam::String| <Self as __cofferdam::Queries>::query(__context, __other, __one);
                        __cofferdam::Ok(__arguments.iter().map(__one).collect())
                    }
                }
            }
        }
        #[cfg(target_family = "wasm")]
        __cofferdam::export_query_batch!(Plugin with_types_in __cofferdam::query_batch);
    }
}

fn feeds<'a>(handlers: impl Iterator<Item = &'a Handler>) -> TokenStream {
    let tries = handlers.map(|handler| {
        let topic = &handler.options.topic;
        let call = bare_call(handler, |of_type| quote_spanned!(of_type.span()=> __cofferdam::arguments::<#of_type>(__filters)?));
        quote!(if __cofferdam::fits(#topic, __text) { return __cofferdam::open(#call); })
    });
    quote! {
        fn open(__context: &__cofferdam::Context, __text: &str, __filters: &str) -> __cofferdam::Result<__cofferdam::OpenFeed> {
            let _ = (__context, __filters);
            #(#tries)*
            __cofferdam::Err(__cofferdam::no_such_feed(__text))
        }
    }
}

/// A topic without a function has the body as its data.
fn webhooks<'a>(handlers: impl Iterator<Item = &'a Handler>) -> TokenStream {
    let tries = handlers.map(|handler| {
        let (topic, call) = (&handler.options.topic, bare_call(handler, |_| quote!()));
        quote!(if __cofferdam::fits(#topic, __webhook.topic()) { return __cofferdam::IntoEvents::into_events(#call); })
    });
    quote! {
        fn transform(
            __context: &__cofferdam::Context,
            __webhook: &__cofferdam::Webhook,
        ) -> __cofferdam::Result<__cofferdam::Vec<__cofferdam::imports::types::Event>> {
            let _ = __context;
            #(#tries)*
            __cofferdam::IntoEvents::into_events(__webhook.as_event())
        }
    }
}

fn prompts<'a>(handlers: impl Iterator<Item = &'a Handler>) -> TokenStream {
    let arms = handlers.map(|handler| {
        let Handler { name, cfgs, .. } = handler;
        let call = call(
            handler,
            (quote!(IntoPrompt), quote!(into_prompt)),
            |of_type| quote_spanned!(of_type.span()=> __cofferdam::prompt_arguments::<#of_type>(__arguments)?),
        );
        quote!(#(#cfgs)* #name => #call,)
    });
    quote! {
        fn prompt(
            __context: &__cofferdam::Context,
            __name: &str,
            __arguments: &[__cofferdam::Argument],
        ) -> __cofferdam::Result<__cofferdam::Prompt> {
            let _ = (__context, __arguments);
            match __name {
                #(#arms)*
                __unknown => __cofferdam::Err(__cofferdam::no_such_operation(__unknown)),
            }
        }
    }
}

/// Fixed resources first, then templates in their order.
fn resources<'a>(handlers: impl Iterator<Item = &'a Handler>) -> TokenStream {
    let (fixed, templates): (Vec<_>, Vec<_>) = handlers.partition(|handler| handler.options.uri.is_some());
    let call = |handler: &Handler| {
        let call = call(handler, (quote!(IntoContents), quote!(into_contents)), |_| quote!(__variables));
        let mime = option(handler.options.mime.as_ref());
        let cache = cache(handler);
        quote!(return __cofferdam::contents(#call, __text, #mime, #cache))
    };
    let fixed = fixed.into_iter().map(|handler| {
        let (cfgs, uri, call) = (&handler.cfgs, &handler.options.uri, call(handler));
        quote!(#(#cfgs)* if __text == #uri { #call; })
    });
    let templates = templates.into_iter().map(|handler| {
        let (cfgs, template, call) = (&handler.cfgs, &handler.options.template, call(handler));
        match handler.input() {
            Some(of_type) => {
                let variables = quote_spanned!(of_type.span()=> __cofferdam::variables::<#of_type>(#template, __text));
                quote!(#(#cfgs)* if let __cofferdam::Some(__variables) = #variables { #call; })
            }
            None => quote!(#(#cfgs)* if __cofferdam::fits(#template, __text) { #call; }),
        }
    });
    quote! {
        fn read(__context: &__cofferdam::Context, __text: &str) -> __cofferdam::Result<__cofferdam::Contents> {
            let _ = __context;
            #(#fixed)*
            #(#templates)*
            __cofferdam::Err(__cofferdam::no_such_resource(__text))
        }
    }
}

fn completions<'a>(handlers: impl Iterator<Item = &'a Handler>) -> TokenStream {
    let arms = handlers.map(|handler| {
        let (cfgs, argument) = (&handler.cfgs, &handler.options.argument);
        let of = match (&handler.options.prompt, &handler.options.template) {
            (Some(prompt), _) => quote!(__cofferdam::Of::Prompt(#prompt)),
            (None, template) => quote!(__cofferdam::Of::Template(#template)),
        };
        let call = call(handler, (quote!(IntoSuggestions), quote!(into_suggestions)), |_| quote!());
        quote!(#(#cfgs)* (#of, #argument) => #call,)
    });
    quote! {
        fn complete(
            __context: &__cofferdam::Context,
            __of: __cofferdam::Of<'_>,
            __argument: &str,
            __text: &str,
            __others: &__cofferdam::Others,
        ) -> __cofferdam::Result<__cofferdam::Suggestions> {
            let _ = (__context, __text, __others);
            match (__of, __argument) {
                #(#arms)*
                _ => __cofferdam::Ok(__cofferdam::Default::default()),
            }
        }
    }
}

/// Calls the function.
fn bare_call(handler: &Handler, input: impl Fn(&Type) -> TokenStream) -> TokenStream {
    let function = &handler.function;
    let arguments = handler.parameters.iter().map(|parameter| match parameter {
        Parameter::Context => quote!(__context),
        Parameter::Input(of_type) => input(of_type),
        Parameter::Text => quote!(__text),
        Parameter::Others => quote!(__others),
        Parameter::Webhook => quote!(__webhook),
    });
    quote_spanned!(function.span()=> #function(#(#arguments),*))
}

/// Calls the function and makes of what it returns what the contract wants.
fn call(handler: &Handler, (of_trait, method): (TokenStream, TokenStream), input: impl Fn(&Type) -> TokenStream) -> TokenStream {
    let call = bare_call(handler, input);
    match &handler.returns {
        Some(of_type) => quote_spanned!(of_type.span()=> <#of_type as __cofferdam::#of_trait>::#method(#call)),
        None => quote!(<() as __cofferdam::#of_trait>::#method(#call)),
    }
}

// === the catalog ===

fn catalog(plugin: &Plugin) -> TokenStream {
    let (title, instructions) = (option(plugin.title.as_ref()), option(plugin.instructions.as_ref()));
    let queries = of_kind(plugin, Kind::Query).map(operation);
    let updates = of_kind(plugin, Kind::Update).map(operation);
    let topics = plugin.topics.iter().map(topic);
    let prompts = of_kind(plugin, Kind::Prompt).map(prompt);
    let resources = of_kind(plugin, Kind::Resource).filter_map(|handler| Some(resource(handler, handler.options.uri.as_ref()?)));
    let templates = of_kind(plugin, Kind::Resource).filter_map(|handler| Some(resource(handler, handler.options.template.as_ref()?)));
    quote! {
        #[automatically_derived]
        impl __cofferdam::Describe for Plugin {
            fn describe() -> __cofferdam::catalog::Catalog {
                __cofferdam::describe(&__cofferdam::PluginSpec {
                    title: #title,
                    instructions: #instructions,
                    queries: &[#(#queries),*],
                    updates: &[#(#updates),*],
                    topics: &[#(#topics),*],
                    prompts: &[#(#prompts),*],
                    resources: &[#(#resources),*],
                    templates: &[#(#templates),*],
                })
            }
        }
        #[cfg(target_family = "wasm")]
        __cofferdam::export_catalog!(Plugin with_types_in __cofferdam::catalog);
    }
}

fn operation(handler: &Handler) -> TokenStream {
    let Handler { name, cfgs, options, .. } = handler;
    let title = option(options.title.as_ref());
    let description = option(handler.description.as_ref());
    let input = match (&options.input_schema, handler.input()) {
        (Some(text), _) => quote_spanned!(text.span()=> || __cofferdam::String::from(#text)),
        (None, Some(of_type)) if options.batch.is_some() => {
            quote_spanned!(of_type.span()=> __cofferdam::schema::input::<<#of_type as __cofferdam::Many>::One>)
        }
        (None, Some(of_type)) => quote_spanned!(of_type.span()=> __cofferdam::schema::input::<#of_type>),
        (None, None) => quote!(__cofferdam::schema::no_arguments),
    };
    let output = match (&options.output_schema, &handler.returns) {
        (Some(text), _) => quote_spanned!(text.span()=> || __cofferdam::Some(__cofferdam::String::from(#text))),
        (None, Some(of_type)) if options.batch.is_some() => {
            quote_spanned!(of_type.span()=> <<#of_type as __cofferdam::IntoReplies>::Reply as __cofferdam::IntoReply>::output_schema)
        }
        (None, Some(of_type)) => quote_spanned!(of_type.span()=> <#of_type as __cofferdam::IntoReply>::output_schema),
        (None, None) => quote!(<() as __cofferdam::IntoReply>::output_schema),
    };
    let destructive = option(options.destructive.as_ref());
    let idempotent = option(options.idempotent.as_ref());
    let open_world = option(options.open_world.as_ref());
    let publishes = texts(options.publishes.as_ref());
    let task = match options.task.as_ref().map(LitStr::value).as_deref() {
        Some("optional") => quote!(Optional),
        Some("required") => quote!(Required),
        _ => quote!(Never),
    };
    let cache = cache(handler);
    let icons = icons(&options.icons);
    let meta = meta(options.meta.as_ref());
    quote! {
        #(#cfgs)*
        __cofferdam::OperationSpec {
            name: #name,
            title: #title,
            description: #description,
            input: #input,
            output: #output,
            destructive: #destructive,
            idempotent: #idempotent,
            open_world: #open_world,
            publishes: #publishes,
            task: __cofferdam::catalog::TaskSupport::#task,
            cache: #cache,
            icons: #icons,
            meta: #meta,
        }
    }
}

fn prompt(handler: &Handler) -> TokenStream {
    let Handler { name, cfgs, options, .. } = handler;
    let title = option(options.title.as_ref());
    let description = option(handler.description.as_ref());
    let arguments = match handler.input() {
        Some(of_type) => quote_spanned!(of_type.span()=> __cofferdam::Some(__cofferdam::schema::prompt_arguments::<#of_type>)),
        None => quote!(__cofferdam::None),
    };
    let icons = icons(&options.icons);
    let meta = meta(options.meta.as_ref());
    quote! {
        #(#cfgs)*
        __cofferdam::PromptSpec {
            name: #name,
            title: #title,
            description: #description,
            arguments: #arguments,
            icons: #icons,
            meta: #meta,
        }
    }
}

fn resource(handler: &Handler, uri: &LitStr) -> TokenStream {
    let Handler { name, cfgs, options, .. } = handler;
    let title = option(options.title.as_ref());
    let description = option(handler.description.as_ref());
    let mime = option(options.mime.as_ref());
    let size_bytes = option(options.size_bytes.as_ref());
    let audience = texts(options.audience.as_ref());
    let priority = option(options.priority.as_ref());
    let last_modified = option(options.last_modified.as_ref());
    let icons = icons(&options.icons);
    let meta = meta(options.meta.as_ref());
    quote! {
        #(#cfgs)*
        __cofferdam::ResourceSpec {
            uri: #uri,
            name: #name,
            title: #title,
            description: #description,
            mime: #mime,
            size_bytes: #size_bytes,
            audience: #audience,
            priority: #priority,
            last_modified: #last_modified,
            icons: #icons,
            meta: #meta,
        }
    }
}

fn cache(handler: &Handler) -> TokenStream {
    match (&handler.options.cache_ms, &handler.options.cache_shared) {
        (None, _) => quote!(__cofferdam::None),
        (Some(ms), None) => quote!(__cofferdam::Some((#ms, false))),
        (Some(ms), Some(shared)) => quote!(__cofferdam::Some((#ms, #shared))),
    }
}

fn icons(icons: &[Icon]) -> TokenStream {
    let icons = icons.iter().map(|icon| {
        let (src, mime, theme) = (&icon.src, option(icon.mime.as_ref()), option(icon.theme.as_ref()));
        let sizes = texts(icon.sizes.as_ref());
        quote!(__cofferdam::IconSpec { src: #src, mime: #mime, sizes: #sizes, theme: #theme })
    });
    quote!(&[#(#icons),*])
}

fn meta(text: Option<&Expr>) -> TokenStream {
    match text {
        Some(text) => quote_spanned!(text.span()=> __cofferdam::Some(#text)),
        None => quote!(__cofferdam::None),
    }
}

fn texts(list: Option<&TextList>) -> TokenStream {
    let texts = list.into_iter().flat_map(|list| &list.0);
    quote!(&[#(#texts),*])
}

fn topic(topic: &Topic) -> TokenStream {
    let name = &topic.name;
    let title = option(topic.title.as_ref());
    let description = option(topic.description.as_ref());
    let retained = topic.retained.iter();
    let coalesce = topic.overflow.as_ref().is_some_and(|overflow| overflow.value() == "coalesce");
    let event = match (&topic.event, &topic.feed) {
        (Some(of_type), _) => quote_spanned!(of_type.span()=> __cofferdam::Some(__cofferdam::schema::event::<#of_type>)),
        (None, Some(of_type)) => {
            let feed = quote_spanned!(of_type.span()=> <#of_type as __cofferdam::IntoFeed>::Feed);
            quote!(__cofferdam::Some(__cofferdam::schema::event::<<#feed as __cofferdam::Feed>::Event>))
        }
        (None, None) => quote!(__cofferdam::None),
    };
    let feed = topic.feed.is_some();
    quote! {
        __cofferdam::TopicSpec {
            name: #name,
            title: #title,
            description: #description,
            event: #event,
            retained: 0 #(+ #retained)*,
            coalesce: #coalesce,
            feed: #feed,
        }
    }
}

fn option<T: quote::ToTokens>(value: Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(__cofferdam::Some(#value)),
        None => quote!(__cofferdam::None),
    }
}

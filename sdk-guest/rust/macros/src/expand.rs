//! What the attribute adds to the module.

use crate::handler::{Handler, Kind, Parameter};
use crate::plugin::{Plugin, Topic};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::LitStr;
use syn::spanned::Spanned;

pub(crate) fn glue(plugin: &Plugin) -> TokenStream {
    let of = |kind| plugin.handlers.iter().filter(|handler| handler.kind == kind).collect::<Vec<_>>();
    let (queries, updates) = (of(Kind::Query), of(Kind::Update));
    let catalog = catalog(plugin, &queries, &updates);
    let query = interface(&queries, &quote!(Queries), &quote!(query), &quote!(export_query));
    let update = interface(&updates, &quote!(Updates), &quote!(update), &quote!(export_update));
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
            #panic_handler
        };
    }
}

fn catalog(plugin: &Plugin, queries: &[&Handler], updates: &[&Handler]) -> TokenStream {
    let (title, instructions) = (option(plugin.title.as_ref()), option(plugin.instructions.as_ref()));
    let queries = queries.iter().map(|handler| operation(handler));
    let updates = updates.iter().map(|handler| operation(handler));
    let topics = plugin.topics.iter().map(topic);
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
                })
            }
        }
        #[cfg(target_family = "wasm")]
        __cofferdam::export_catalog!(Plugin with_types_in __cofferdam::catalog);
    }
}

fn interface(handlers: &[&Handler], of_trait: &TokenStream, method: &TokenStream, export: &TokenStream) -> TokenStream {
    if handlers.is_empty() {
        return TokenStream::new();
    }
    let arms = handlers.iter().map(|handler| arm(handler));
    quote! {
        #[automatically_derived]
        impl __cofferdam::#of_trait for Plugin {
            fn #method(__context: &__cofferdam::Context, __name: &str, __arguments: &str) -> __cofferdam::Result<__cofferdam::Reply> {
                let _ = (__context, __arguments);
                match __name {
                    #(#arms)*
                    __unknown => __cofferdam::Err(__cofferdam::no_such_operation(__unknown)),
                }
            }
        }
        #[cfg(target_family = "wasm")]
        __cofferdam::#export!(Plugin with_types_in __cofferdam::#method);
    }
}

fn arm(handler: &Handler) -> TokenStream {
    let Handler { name, function, cfgs, .. } = handler;
    let arguments = handler.parameters.iter().map(|parameter| match parameter {
        Parameter::Context => quote!(__context),
        Parameter::Input(of_type) => quote_spanned!(of_type.span()=> __cofferdam::arguments::<#of_type>(__arguments)?),
    });
    let call = quote_spanned!(function.span()=> #function(#(#arguments),*));
    let reply = match &handler.returns {
        Some(of_type) => quote_spanned!(of_type.span()=> <#of_type as __cofferdam::IntoReply>::into_reply),
        None => quote!(__cofferdam::IntoReply::into_reply),
    };
    quote!(#(#cfgs)* #name => #reply(#call),)
}

fn operation(handler: &Handler) -> TokenStream {
    let Handler { name, cfgs, options, .. } = handler;
    let title = option(options.title.as_ref());
    let description = option(handler.description.as_ref());
    let input = match handler.input() {
        Some(of_type) => quote_spanned!(of_type.span()=> __cofferdam::schema::input::<#of_type>),
        None => quote!(__cofferdam::schema::no_arguments),
    };
    let output = match &handler.returns {
        Some(of_type) => quote_spanned!(of_type.span()=> <#of_type as __cofferdam::IntoReply>::output_schema),
        None => quote!(<() as __cofferdam::IntoReply>::output_schema),
    };
    let destructive = option(options.destructive.as_ref());
    let idempotent = option(options.idempotent.as_ref());
    let open_world = option(options.open_world.as_ref());
    let publishes = options.publishes.iter().flat_map(|list| &list.0);
    let task = match options.task.as_ref().map(LitStr::value).as_deref() {
        Some("optional") => quote!(Optional),
        Some("required") => quote!(Required),
        _ => quote!(Never),
    };
    let cache = match (&options.cache_ms, &options.cache_shared) {
        (None, _) => quote!(__cofferdam::None),
        (Some(ms), None) => quote!(__cofferdam::Some((#ms, false))),
        (Some(ms), Some(shared)) => quote!(__cofferdam::Some((#ms, #shared))),
    };
    let meta = option(options.meta.as_ref());
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
            publishes: &[#(#publishes),*],
            task: __cofferdam::catalog::TaskSupport::#task,
            cache: #cache,
            meta: #meta,
        }
    }
}

fn topic(topic: &Topic) -> TokenStream {
    let name = &topic.name;
    let title = option(topic.title.as_ref());
    let description = option(topic.description.as_ref());
    let retained = topic.retained.iter();
    let coalesce = topic.overflow.as_ref().is_some_and(|overflow| overflow.value() == "coalesce");
    let event = match &topic.event {
        Some(of_type) => quote_spanned!(of_type.span()=> __cofferdam::Some(__cofferdam::schema::event::<#of_type>)),
        None => quote!(__cofferdam::None),
    };
    quote! {
        __cofferdam::TopicSpec {
            name: #name,
            title: #title,
            description: #description,
            event: #event,
            retained: 0 #(+ #retained)*,
            coalesce: #coalesce,
        }
    }
}

fn option<T: quote::ToTokens>(value: Option<T>) -> TokenStream {
    match value {
        Some(value) => quote!(__cofferdam::Some(#value)),
        None => quote!(__cofferdam::None),
    }
}

//! Reading attributes: `key = value`, lists, icons, and documentation.

use syn::meta::ParseNestedMeta;
use syn::parse::Parse;
use syn::spanned::Spanned;
use syn::{Attribute, Error, Expr, ExprArray, ExprLit, Lit, LitStr, Meta, Result};

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

/// `icon(src = "...", mime = "image/png", sizes = ["48x48"], theme = "dark")`
#[derive(Default)]
pub(crate) struct Icon {
    pub(crate) src: Option<LitStr>,
    pub(crate) mime: Option<LitStr>,
    pub(crate) sizes: Option<TextList>,
    pub(crate) theme: Option<LitStr>,
}

impl Icon {
    pub(crate) fn read(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let mut icon = Self::default();
        meta.parse_nested_meta(|meta| match key(&meta)?.as_str() {
            "src" => set(&mut icon.src, &meta),
            "mime" => set(&mut icon.mime, &meta),
            "sizes" => set(&mut icon.sizes, &meta),
            "theme" => {
                set(&mut icon.theme, &meta)?;
                one_of(icon.theme.as_ref(), &["light", "dark"])
            }
            other => Err(meta.error(format!("unknown key `{other}`; an icon knows: src, mime, sizes, theme"))),
        })?;
        match icon.src {
            Some(_) => Ok(icon),
            None => Err(meta.error("an icon needs `src`: an `https:` or `data:` URI")),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use syn::{ItemFn, parse_quote};

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

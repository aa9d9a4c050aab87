//! From HTML to what a person would read. Not a browser: it only looks for tags, and whatever a page does, it ends.

use alloc::string::String;
use alloc::vec::Vec;
use cofferdam_plugin::schemars::JsonSchema;
use cofferdam_plugin::serde::Serialize;

/// A page without its markup.
#[derive(Default)]
pub struct Readable {
    pub title: String,
    pub text: String,
    pub links: Vec<Link>,
}

/// Where a page leads.
#[derive(Serialize, JsonSchema)]
#[serde(crate = "cofferdam_plugin::serde")]
#[schemars(crate = "cofferdam_plugin::schemars")]
pub struct Link {
    /// The words that lead there
    pub text: String,
    /// As the page writes it
    pub href: String,
}

/// More links than these help nobody.
const LINKS_MAX: usize = 200;

/// Elements whose contents nobody reads.
const HIDDEN: [&str; 7] = ["script", "style", "noscript", "template", "svg", "iframe", "textarea"];

/// Elements that begin a line of their own.
const BLOCKS: [&str; 27] = [
    "p", "div", "br", "li", "ul", "ol", "tr", "table", "h1", "h2", "h3", "h4", "h5", "h6", "section", "article", "header", "footer", "nav",
    "main", "blockquote", "pre", "hr", "dt", "dd", "figure", "title",
];

/// Text that is no HTML.
pub fn plain(text: &str) -> Readable {
    Readable { text: text.trim().into(), ..Readable::default() }
}

/// Reads a page.
pub fn read(html: &str) -> Readable {
    let (mut page, mut rest, mut in_title, mut link) = (Readable::default(), html, false, None);
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        write(if in_title { &mut page.title } else { &mut page.text }, before);
        if let Some(comment) = tag.strip_prefix("<!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let begins = tag.get(1..).is_some_and(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?')));
        if !begins {
            write(&mut page.text, "<");
            rest = tag.get(1..).unwrap_or_default();
            continue;
        }
        let (inside, after) = tag.get(1..).unwrap_or_default().split_once('>').unwrap_or((tag, ""));
        let (closing, inside) = inside.strip_prefix('/').map_or((false, inside), |inside| (true, inside));
        let name = inside.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_ascii_lowercase();
        rest = after;
        if HIDDEN.contains(&name.as_str()) && !closing && !inside.ends_with('/') {
            rest = skip(after, &name);
        } else if name == "title" {
            in_title = !closing && page.title.is_empty();
        } else if name == "a" {
            end_link(&mut page, link.take());
            link = attribute(inside, "href").filter(|_| !closing).map(|href| (href, page.text.len()));
        }
        if BLOCKS.contains(&name.as_str()) && !page.text.is_empty() && !page.text.ends_with('\n') {
            page.text.truncate(page.text.trim_end_matches(' ').len());
            page.text.push('\n');
        }
    }
    write(&mut page.text, rest);
    end_link(&mut page, link);
    page.text.truncate(page.text.trim_end().len());
    page.title = page.title.trim().into();
    page
}

/// What stands behind the end of an element.
fn skip<'h>(html: &'h str, name: &str) -> &'h str {
    let mut rest = html;
    while let Some((_, tag)) = rest.split_once("</") {
        if tag.get(..name.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(name)) {
            return tag.split_once('>').map_or("", |(_, after)| after);
        }
        rest = tag;
    }
    ""
}

fn end_link(page: &mut Readable, link: Option<(String, usize)>) {
    let Some((href, begin)) = link.filter(|_| page.links.len() < LINKS_MAX) else { return };
    let text = page.text.get(begin..).unwrap_or_default().trim().into();
    if !href.is_empty() && !href.starts_with('#') && !href.starts_with("javascript:") {
        page.links.push(Link { text, href });
    }
}

/// The value of an attribute, with quotes or without.
fn attribute(inside: &str, name: &str) -> Option<String> {
    let mut rest = inside;
    while let Some((before, after)) = rest.split_once('=') {
        let key = before.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
        let value = after.trim_start();
        let (value, next) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value.get(1..)?.split_once(quote)?,
            _ => value.split_once(char::is_whitespace).unwrap_or((value, "")),
        };
        if key.eq_ignore_ascii_case(name) {
            let mut text = String::new();
            write(&mut text, value.trim());
            return Some(text);
        }
        rest = next;
    }
    None
}

/// Adds text: spaces joined, references to characters undone.
fn write(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '&' {
            // Names have at most 10 letters: what is no reference is not searched to its end.
            let end = rest.bytes().take(12).position(|byte| byte == b';');
            let reference = end.and_then(|end| Some((rest.get(1..end)?, rest.get(end + 1..)?)));
            if let Some((c, after)) = reference.and_then(|(name, after)| Some((character(name)?, after))) {
                push(out, c);
                rest = after;
                continue;
            }
        }
        push(out, c);
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
}

fn push(out: &mut String, c: char) {
    if !c.is_whitespace() {
        out.push(c);
    } else if !out.is_empty() && !out.ends_with([' ', '\n']) {
        out.push(' ');
    }
}

fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => ' ',
        "copy" => '©',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number).filter(|c| !c.is_control())?
        }
    })
}

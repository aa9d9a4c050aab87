//! Lets a model read the web pages and APIs that the manifest grants. Retries, redirects and the cache are the host's.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod readable;

#[cofferdam_plugin::plugin(
    no_std,
    title = "Web",
    instructions = "Read a page with `fetch_page`, an API with `fetch_json`. Only addresses that the operator allows can be read; an error says when one is not."
)]
mod web {
    use crate::readable::{self, Link};
    use cofferdam_plugin::http::{Response, Source};
    use cofferdam_plugin::prelude::*;
    use cofferdam_plugin::serde_json::{Value, from_slice};

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Page {
        /// The whole URL, such as `https://example.com/`
        url: String,
        /// No more than this many characters of text; 20000 unless told otherwise
        #[schemars(range(min = 1, max = 200_000))]
        max_chars: Option<usize>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Read {
        /// The title of the page; empty when it has none
        title: String,
        /// What a person would read, line by line
        text: String,
        /// Whether the text was cut off
        truncated: bool,
        /// Where the page leads
        links: Vec<Link>,
        /// Where it comes from: `upstream`, `cache`, or `stale` when the upstream failed and an older copy was there
        source: &'static str,
        timestamp: String,
    }

    /// Fetches a web page and returns its title, its text without markup, and its links.
    #[query(title = "Read a web page", open_world = true)]
    fn fetch_page(input: Page) -> Result<Json<Read>> {
        let response = http::get(&input.url).header("accept", "text/html, text/plain;q=0.8").send()?.error_for_status()?;
        let kind = response.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let text = response.text();
        let page = if kind.contains("html") || text.trim_start().starts_with('<') {
            readable::read(&text)
        } else if kind.starts_with("text/") || kind.is_empty() {
            readable::plain(&text)
        } else {
            return Err(Failure::other(format!("this is not a page of text: {kind}")));
        };
        let max_chars = input.max_chars.unwrap_or(20_000);
        let cut = page.text.char_indices().nth(max_chars).map(|(at, _)| at);
        let text = page.text.get(..cut.unwrap_or(page.text.len())).unwrap_or_default().to_owned();
        let (title, links, source) = (page.title, page.links, source(&response));
        Ok(Json(Read { title, text, truncated: cut.is_some(), links, source, timestamp: now_rfc3339() }))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Api {
        /// The whole URL, such as `https://api.example.com/v1/items`
        url: String,
        /// Only this part of the answer, as a JSON Pointer (RFC 6901) such as `/items/0/name`
        pointer: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Fetched {
        /// The JSON that was found
        value: Value,
        /// Where it comes from: `upstream`, `cache`, or `stale` when the upstream failed and an older copy was there
        source: &'static str,
        timestamp: String,
    }

    /// Fetches JSON from an API, all of it or the part that a JSON Pointer names.
    #[query(title = "Read an API", open_world = true)]
    fn fetch_json(input: Api) -> Result<Json<Fetched>> {
        let response = http::get(&input.url).header("accept", "application/json").send()?.error_for_status()?;
        let mut whole: Value = from_slice(response.bytes()).map_err(|error| Failure::other(format!("this is not JSON: {error}")))?;
        let value = match &input.pointer {
            Some(pointer) => {
                let part = whole.pointer_mut(pointer).map(Value::take);
                part.ok_or_else(|| Failure::not_found(format!("there is nothing at {pointer:?}; a pointer looks like \"/items/0/name\"")))?
            }
            None => whole,
        };
        Ok(Json(Fetched { value, source: source(&response), timestamp: now_rfc3339() }))
    }

    fn source(response: &Response) -> &'static str {
        match response.source() {
            Source::Upstream => "upstream",
            Source::Cache => "cache",
            Source::Stale => "stale",
        }
    }
}

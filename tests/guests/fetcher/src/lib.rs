//! Makes the requests that it is told to make, by our own interface and by the standard one.

#[cfg(target_family = "wasm")]
mod standard;

#[cofferdam_plugin::plugin]
mod fetcher {
    use cofferdam_plugin::http::{Error, Request, Source};
    use cofferdam_plugin::prelude::*;
    use core::time::Duration;

    #[derive(Deserialize, JsonSchema)]
    pub struct Ask {
        pub method: Option<String>,
        pub url: String,
        #[serde(default)]
        pub headers: Vec<(String, String)>,
        pub body: Option<String>,
        pub timeout_ms: Option<u64>,
        /// How often at the same time; the standard interface only
        pub times: Option<u32>,
    }

    #[derive(Serialize, JsonSchema, Default)]
    pub struct Answer {
        pub status: u16,
        pub headers: Vec<(String, String)>,
        pub body: String,
        pub source: String,
        pub error: String,
    }

    /// Makes a request by our own interface.
    #[query]
    fn fetch(ask: Ask) -> Json<Answer> {
        let mut request = Request::new(ask.method.as_deref().unwrap_or("GET"), ask.url);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        if let Some(body) = ask.body {
            request = request.body(body);
        }
        if let Some(ms) = ask.timeout_ms {
            request = request.timeout(Duration::from_millis(ms));
        }
        Json(match request.send() {
            Ok(response) => Answer {
                status: response.status(),
                headers: response.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
                body: response.text().into_owned(),
                source: match response.source() {
                    Source::Upstream => "upstream",
                    Source::Cache => "cache",
                    Source::Stale => "stale",
                }
                .to_owned(),
                error: String::new(),
            },
            Err(error) => {
                let kind = match &error {
                    Error::Denied(_) => "denied",
                    Error::Invalid(_) => "invalid",
                    Error::Unavailable(_) => "unavailable",
                    Error::Timeout(_) => "timeout",
                    Error::TooLarge(_) => "too-large",
                    _ => "other",
                };
                Answer { error: format!("{kind}: {error}"), ..Answer::default() }
            }
        })
    }

    /// Makes a request again and again, and counts what becomes of it.
    #[query]
    fn flood(ask: Ask) -> Json<Vec<String>> {
        let one = |_| match Request::new("GET", ask.url.as_str()).send() {
            Ok(response) => response.status().to_string(),
            Err(error) => error.to_string(),
        };
        Json((0..ask.times.unwrap_or(1)).map(one).collect())
    }

    /// Makes requests by the standard interface, all at the same time.
    #[query]
    fn standard(ask: Ask) -> Json<Vec<Answer>> {
        #[cfg(target_family = "wasm")]
        return Json(crate::standard::fetch(&ask).into_iter().map(|result| result.unwrap_or_else(failed)).collect());
        #[cfg(not(target_family = "wasm"))]
        Json(vec![failed(ask.url)])
    }

    fn failed(error: String) -> Answer {
        Answer { error, ..Answer::default() }
    }
}

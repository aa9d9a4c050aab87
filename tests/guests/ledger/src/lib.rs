//! Does with its key-value store what a test tells it to, and says what came of it.

#[cofferdam_plugin::plugin]
mod ledger {
    use cofferdam_plugin::keyvalue::Error;
    use cofferdam_plugin::prelude::*;
    use core::time::Duration;

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "do", rename_all = "kebab-case")]
    enum Step {
        Get {
            key: String,
        },
        GetMany {
            keys: Vec<String>,
        },
        Set {
            key: String,
            value: String,
            ttl_ms: Option<u64>,
        },
        /// A value of so many bytes, under so many keys that begin like this
        Fill {
            key: String,
            bytes: usize,
            keys: usize,
        },
        /// The same for a key that is this long
        LongKey {
            bytes: usize,
        },
        Delete {
            key: String,
        },
        List {
            prefix: String,
            cursor: Option<String>,
        },
        Increment {
            key: String,
            by: i32,
            times: Option<u32>,
        },
        Swap {
            key: String,
            expected: Option<String>,
            value: String,
        },
    }

    #[derive(Deserialize, JsonSchema)]
    struct Script {
        steps: Vec<Step>,
    }

    /// Runs the steps in their order.
    #[update]
    fn run(script: Script) -> Result<Reply> {
        let said: Vec<_> = script.steps.into_iter().map(|step| one(step).unwrap_or_else(error)).collect();
        Reply::new().structured(&json!({ "said": said }))
    }

    fn text(value: Option<Vec<u8>>) -> Option<String> {
        value.map(|value| String::from_utf8_lossy(&value).into_owned())
    }

    fn one(step: Step) -> Result<cofferdam_plugin::serde_json::Value, Error> {
        Ok(match step {
            Step::Get { key } => json!(text(keyvalue::get(&key)?)),
            Step::GetMany { keys } => json!(keyvalue::get_many(&keys)?.into_iter().map(text).collect::<Vec<_>>()),
            Step::Set { key, value, ttl_ms: None } => json!(keyvalue::set(&key, value.as_bytes()).map(|()| true)?),
            Step::Set { key, value, ttl_ms: Some(ms) } => {
                json!(keyvalue::set_for(&key, value.as_bytes(), Duration::from_millis(ms)).map(|()| true)?)
            }
            Step::Fill { key, bytes, keys } => {
                let value = vec![b'x'; bytes];
                for n in 0..keys {
                    keyvalue::set(&format!("{key}{n}"), &value)?;
                }
                json!(true)
            }
            Step::LongKey { bytes } => json!(keyvalue::set(&"k".repeat(bytes), b"").map(|()| true)?),
            Step::Delete { key } => json!(keyvalue::delete(&key)?),
            Step::List { prefix, cursor } => {
                let page = keyvalue::page(&prefix, cursor.as_deref())?;
                json!({"keys": page.keys, "cursor": page.cursor})
            }
            Step::Increment { key, by, times } => {
                let mut sum = 0;
                for _ in 0..times.unwrap_or(1) {
                    sum = keyvalue::increment(&key, by)?;
                }
                json!(sum)
            }
            Step::Swap { key, expected, value } => json!(keyvalue::swap(&key, expected.as_deref().map(str::as_bytes), value.as_bytes())?),
        })
    }

    fn error(error: Error) -> cofferdam_plugin::serde_json::Value {
        let (kind, text) = match &error {
            Error::Denied(text) => ("denied", text),
            Error::Invalid(text) => ("invalid", text),
            Error::Quota(text) => ("quota", text),
            Error::Unavailable(text) => ("unavailable", text),
            _ => ("other", &error.to_string()),
        };
        json!({"error": kind, "text": text})
    }
}

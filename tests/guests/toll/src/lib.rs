//! Calls a capability as often as it is told to: the benchmark of what such a call costs.
#![cfg_attr(target_family = "wasm", no_std)]

#[cofferdam_plugin::plugin(no_std)]
mod toll {
    use cofferdam_plugin::prelude::*;
    use cofferdam_plugin::{http, keyvalue, sql};

    #[derive(Deserialize, JsonSchema)]
    struct Times {
        /// How often
        times: u32,
    }

    /// Reads one row by its key.
    #[query]
    fn sql(input: Times) -> Result<String> {
        let database = sql::database("main");
        for _ in 0..input.times {
            let found = database.query_raw("SELECT name FROM t WHERE id = ?1", "[500]", ROWS)?;
            if found.rows_json().len() < 4 {
                return Err(Failure::other("no such row"));
            }
        }
        Ok(String::new())
    }

    /// Reads a value, which it writes first where there is none.
    #[query]
    fn keyvalue(input: Times) -> Result<String> {
        if input.times == 0 && keyvalue::get("key")?.is_none() {
            keyvalue::set("key", b"a value of some bytes")?;
        }
        for _ in 0..input.times {
            if keyvalue::get("key")?.is_none() {
                return Err(Failure::other("no such key"));
            }
        }
        Ok(String::new())
    }

    #[derive(Deserialize, JsonSchema)]
    struct Requests {
        /// How often
        times: u32,
        /// What
        url: String,
    }

    /// Fetches something.
    #[query]
    fn http(input: Requests) -> Result<String> {
        for _ in 0..input.times {
            if http::get(input.url.as_str()).send()?.status() != 200 {
                return Err(Failure::other("not there"));
            }
        }
        Ok(String::new())
    }

    const ROWS: sql::QueryOptions = sql::QueryOptions { format: sql::RowFormat::Arrays, rows_max: None };
}

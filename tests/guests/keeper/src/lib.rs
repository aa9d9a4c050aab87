//! Reads its secrets and its configuration, and writes to the log in every way that there is.

/// `wasi:config` under its other name, and `wasi:logging` under both, as components import them that were not made for this host.
#[cfg(target_family = "wasm")]
mod wasi {
    wit_bindgen::generate!({
        inline: "
            package test:keeper;
            world keeper {
                import wasi:config/store@0.2.0-draft;
                import wasi:logging/logging@0.1.0-draft;
            }
            package wasi:config@0.2.0-draft {
                interface store {
                    variant error { upstream(string), io(string) }
                    get: func(key: string) -> result<option<string>, error>;
                }
            }
            package wasi:logging@0.1.0-draft {
                interface logging {
                    enum level { trace, debug, info, warn, error, critical }
                    log: func(level: level, context: string, message: string);
                }
            }
        ",
        world: "test:keeper/keeper",
        generate_all,
        disable_run_ctors_once_workaround: true,
    });
}

#[cofferdam_plugin::plugin]
mod keeper {
    use cofferdam_plugin::prelude::*;

    #[derive(Deserialize, JsonSchema)]
    struct Name {
        name: String,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Text {
        text: String,
        /// How many times; once unless told otherwise
        times: Option<u32>,
    }

    /// Tells a secret
    #[query]
    fn reveal(input: Name) -> Result<String> {
        Ok(secrets::reveal(&input.name)?)
    }

    /// Asks for a secret many times
    #[query]
    fn reveal_often(input: Name) -> String {
        (0..1_000).filter(|_| secrets::reveal(&input.name).is_ok()).count().to_string()
    }

    /// Does with a secret what it should not: logs it, prints it and panics with it
    #[query]
    fn spill(input: Name) -> Result<String> {
        let secret = secrets::reveal(&input.name)?;
        log::info!("the secret is {secret}");
        println!("{secret}");
        eprintln!("{}{secret}{secret}", "x".repeat(8_180));
        panic!("{secret} is no secret any more");
    }

    /// Uses a secret without telling it
    #[query]
    fn count(input: Name) -> Result<String> {
        Ok(secrets::reveal(&input.name)?.len().to_string())
    }

    /// Tells one of its configuration values
    #[query]
    fn told(input: Name) -> String {
        config::get(&input.name).unwrap_or_else(|| "nothing".into())
    }

    /// Tells all of its configuration values
    #[query]
    fn told_all() -> String {
        config::all().into_iter().map(|(name, value)| format!("{name}={value};")).collect()
    }

    /// Tells one of its configuration values by the older interface
    #[query]
    fn told_by_draft(input: Name) -> String {
        #[cfg(target_family = "wasm")]
        return super::wasi::wasi::config::store::get(&input.name).unwrap().unwrap_or_else(|| "nothing".into());
        #[cfg(not(target_family = "wasm"))]
        input.name
    }

    /// Writes to the log by `wasi:logging`
    #[query]
    fn note(input: Text) {
        for at in 0..input.times.unwrap_or(1) {
            #[cfg(target_family = "wasm")]
            {
                use super::wasi::wasi::logging::logging::{Level, log};
                log(Level::Critical, "keeper", &format!("{} {at}", input.text));
            }
            #[cfg(not(target_family = "wasm"))]
            log::error!("{} {at}", input.text);
        }
    }

    /// Writes to its standard streams, and to the log
    #[query]
    fn print(input: Text) {
        println!("{}", input.text);
        eprintln!("{}", input.text);
        log::warn!("{}", input.text);
    }
}

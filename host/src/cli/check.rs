//! `cofferdam check`: everything that is wrong, without serving anything.

use super::findings::Findings;
use super::scratch::Scratch;
use super::start::Host;
use super::{Options, USAGE, print, print_json, say};
use crate::config::{self, Config, Database, TaskStore};
use crate::registry::{Finding, Severity};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A configuration, a plugins folder, one plugin's folder or plugin.toml, or a component; without it the configuration and its plugins
    path: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let of_path = arguments.path.as_deref().and_then(configuration);
    if let (Some(path), Some(named)) = (&of_path, &arguments.options.config) {
        let _ = say(&format!("cofferdam: {} and {} are both configurations: name one\n", path.display(), named.display()));
        return Ok(ExitCode::from(USAGE));
    }
    let findings = findings(arguments, of_path.as_deref())?;
    if arguments.json {
        print_json(&findings.json());
    } else {
        print(&findings.text());
    }
    Ok(if findings.count(Severity::Error) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn findings(arguments: &Arguments, of_path: Option<&Path>) -> anyhow::Result<Findings> {
    let Options { config: named, plugins } = &arguments.options;
    let path = arguments.path.as_deref();
    let config = match Config::examine(of_path.or(named.as_deref())) {
        Ok(config) => config,
        Err(errors) => return Ok(Findings { about_all: errors.into_iter().map(Finding::from).collect(), ..Findings::default() }),
    };
    let plugins = path.filter(|_| of_path.is_none()).or(plugins.as_deref()).unwrap_or(&config.plugins).to_owned();
    let scratch = Scratch::new()?;
    let host = match host(config, &scratch) {
        Ok(host) => host,
        Err(error) => return Ok(Findings { about_all: vec![Finding::new(Severity::Error, format!("{error:#}"))], ..Findings::default() }),
    };
    let checked = host.block_on(host.loader.check(&plugins)).with_context(|| plugins.display().to_string());
    host.shut_down();
    let (plugins, about_all) = checked?;
    Ok(Findings { about_all, plugins })
}

/// The configuration that a path names: the file itself, or the one in the folder.
fn configuration(path: &Path) -> Option<PathBuf> {
    let in_folder = path.join(config::FILE);
    let is_document =
        path.extension().is_some_and(|extension| extension == "toml") && path.file_name().is_some_and(|name| name != "plugin.toml");
    if is_document { Some(path.to_owned()) } else { in_folder.is_file().then_some(in_folder) }
}

/// A host like the one that would serve, which leaves nothing behind but compiled code: what does not exist yet is made in a folder
/// that goes away.
fn host(mut config: Config, scratch: &Scratch) -> anyhow::Result<Host> {
    let code = std::mem::replace(&mut config.state, scratch.path().join("state"));
    config.tasks.store = TaskStore::Memory;
    for (name, database) in &mut config.databases {
        // What would be created or changed is left as it is: `check` looks at a database of its own.
        if let Database::Sqlite(file) = database
            && (file.migrations.is_some() || file.init.is_some() && !file.path.exists())
        {
            file.path = scratch.path().join(format!("{name}.db"));
        }
    }
    Host::with_code_in(&config, &code)
}

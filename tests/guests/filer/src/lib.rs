//! Does with its files what a test tells it to, by the standard library alone, and says what came of it.

#[cofferdam_plugin::plugin]
mod filer {
    use cofferdam_plugin::prelude::*;
    use std::fs::{self, File, OpenOptions};
    use std::io::{self, Read, Seek, SeekFrom, Write};
    use std::time::SystemTime;

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "do", rename_all = "kebab-case")]
    enum Step {
        Read {
            path: String,
        },
        /// Opens and reads it so many times, and returns every text that was not the expected one
        ReadAgain {
            path: String,
            times: u32,
            expected: String,
        },
        /// A path of this many parts of this many letters
        ReadLong {
            parts: usize,
            letters: usize,
        },
        Write {
            path: String,
            text: String,
        },
        Append {
            path: String,
            text: String,
        },
        /// Writes so many bytes, 64 KiB at a time, and returns how many were written
        Fill {
            path: String,
            bytes: usize,
        },
        /// Writes one byte behind a hole
        Sparse {
            path: String,
            at: u64,
        },
        SetLen {
            path: String,
            bytes: u64,
        },
        Truncate {
            path: String,
        },
        Times {
            path: String,
        },
        CreateDir {
            path: String,
        },
        RemoveDir {
            path: String,
        },
        Remove {
            path: String,
        },
        /// Removes a file while it is open, and writes on
        RemoveOpen {
            path: String,
            bytes: usize,
        },
        Rename {
            path: String,
            to: String,
        },
        HardLink {
            path: String,
            to: String,
        },
        Symlink {
            path: String,
            to: String,
        },
        ReadLink {
            path: String,
        },
        List {
            path: String,
        },
        Stat {
            path: String,
        },
        /// Makes empty files until one is refused, and returns how many there are then
        Tiny {
            path: String,
            most: usize,
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

    type Said = cofferdam_plugin::serde_json::Value;

    fn one(step: Step) -> io::Result<Said> {
        Ok(match step {
            Step::Read { path } => json!(fs::read_to_string(path)?),
            Step::ReadAgain { path, times, expected } => {
                let others = (0..times).filter_map(|_| fs::read_to_string(&path).ok().filter(|text| *text != expected));
                json!(others.collect::<Vec<_>>())
            }
            Step::ReadLong { parts, letters } => {
                json!(fs::read_to_string(format!("/docs{}", format!("/{}", "x".repeat(letters)).repeat(parts)))?)
            }
            Step::Write { path, text } => json!(fs::write(path, text).map(|()| true)?),
            Step::Append { path, text } => {
                let mut file = OpenOptions::new().append(true).create(true).open(path)?;
                json!(file.write_all(text.as_bytes()).map(|()| true)?)
            }
            Step::Fill { path, bytes } => fill(&path, bytes)?,
            Step::Sparse { path, at } => {
                let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
                file.seek(SeekFrom::Start(at))?;
                json!(file.write_all(b"x").map(|()| true)?)
            }
            Step::SetLen { path, bytes } => json!(OpenOptions::new().write(true).open(path)?.set_len(bytes).map(|()| true)?),
            Step::Truncate { path } => json!(OpenOptions::new().write(true).truncate(true).open(path).map(|_| true)?),
            Step::Times { path } => json!(File::open(path)?.set_modified(SystemTime::UNIX_EPOCH).map(|()| true)?),
            Step::CreateDir { path } => json!(fs::create_dir(path).map(|()| true)?),
            Step::RemoveDir { path } => json!(fs::remove_dir(path).map(|()| true)?),
            Step::Remove { path } => json!(fs::remove_file(path).map(|()| true)?),
            Step::RemoveOpen { path, bytes } => {
                let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
                fs::remove_file(&path)?;
                json!(file.write_all(&vec![b'y'; bytes]).map(|()| true)?)
            }
            Step::Rename { path, to } => json!(fs::rename(path, to).map(|()| true)?),
            Step::HardLink { path, to } => json!(fs::hard_link(path, to).map(|()| true)?),
            #[cfg(target_os = "wasi")]
            #[allow(deprecated, reason = "the only one that is there without unstable features")]
            Step::Symlink { path, to } => json!(fs::soft_link(path, to).map(|()| true)?),
            #[cfg(not(target_os = "wasi"))]
            Step::Symlink { .. } => json!(false),
            Step::ReadLink { path } => json!(fs::read_link(path)?.to_string_lossy()),
            Step::List { path } => {
                let mut names = fs::read_dir(path)?
                    .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                    .collect::<io::Result<Vec<_>>>()?;
                names.sort();
                json!(names)
            }
            Step::Stat { path } => json!(fs::metadata(path)?.len()),
            Step::Tiny { path, most } => {
                let made = (0..most).take_while(|n| File::create_new(format!("{path}/{n}")).is_ok()).count();
                json!([made, File::create_new(format!("{path}/last")).err().map(error)])
            }
        })
    }

    fn fill(path: &str, bytes: usize) -> io::Result<Said> {
        let (mut file, chunk, mut written) = (File::create(path)?, vec![b'x'; 64 << 10], 0);
        while written < bytes {
            let piece = &chunk[..chunk.len().min(bytes - written)];
            if let Err(failed) = file.write_all(piece) {
                return Ok(json!([written, error(failed)]));
            }
            written += piece.len();
        }
        let mut back = Vec::new();
        File::open(path)?.read_to_end(&mut back)?;
        Ok(json!([back.len(), Said::Null]))
    }

    fn error(error: io::Error) -> Said {
        json!({"error": format!("{:?}", error.kind()), "text": error.to_string()})
    }
}

//! Runs documents against what they are expected to give: `<case>.toml` beside `<case>.ok` or `<case>.err`. `UPDATE=1` writes what they
//! give now; read it before it is committed.

use super::DocumentError;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What an error does not say.
fn lacking(error: &DocumentError) -> Option<&'static str> {
    // Where the text is not TOML there are no keys.
    let keyless = error.message.starts_with("not valid TOML") || error.message.contains("brackets within brackets");
    let expected = ["must be ", "must hold ", "can be at most "].iter().any(|words| error.message.contains(words));
    if error.line == 0 || error.column == 0 {
        Some("has no place")
    } else if error.key.is_none() && !keyless {
        Some("names no key")
    } else if error.help.is_none() && !expected {
        Some("does not say what to write instead")
    } else {
        None
    }
}

/// Every case of a folder. `read` gives the text for `.ok`, or for `.err`.
///
/// An error that is worth its case says where, about which key, and what to write instead.
pub(crate) fn check(folder: &str, good_min: usize, bad_min: usize, read: impl Fn(&str) -> Result<String, DocumentError>) {
    let update = std::env::var_os("UPDATE").is_some_and(|value| value == "1");
    let folder = Path::new(folder);
    let mut files: BTreeSet<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let (mut good, mut bad, mut wrong) = (0, 0, Vec::new());
    for case in files.clone().iter().filter_map(|file| file.strip_suffix(".toml")) {
        files.remove(&format!("{case}.toml"));
        let (ending, given) = match read(&fs::read_to_string(folder.join(format!("{case}.toml"))).unwrap()) {
            Ok(given) => (".ok", given),
            Err(error) => {
                wrong.extend(lacking(&error).map(|lacks| format!("{case}.err {lacks}: {error}")));
                (".err", format!("{error}\n"))
            }
        };
        *(if ending == ".ok" { &mut good } else { &mut bad }) += 1;
        let golden = format!("{case}{ending}");
        if update {
            fs::write(folder.join(&golden), &given).unwrap();
        }
        match fs::read_to_string(folder.join(&golden)) {
            Ok(expected) if expected == given => {}
            Ok(expected) => wrong.push(format!("{golden}\n  expected: {expected}  given:    {given}")),
            Err(_) => wrong.push(format!("{golden} is missing; the case gives: {given}")),
        }
        files.remove(&golden);
    }
    if update {
        files.retain(|stray| fs::remove_file(folder.join(stray)).is_err());
    }
    wrong.extend(files.iter().map(|stray| format!("{stray} belongs to no case")));
    assert!(wrong.is_empty(), "{}\n(UPDATE=1 rewrites them)", wrong.join("\n"));
    assert!(good >= good_min && bad >= bad_min, "only {good} good and {bad} bad cases");
}

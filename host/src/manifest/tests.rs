//! Manifests as their authors write them, good and bad: the cases are in `tests/cases/manifest`.

use super::{Access, Manifest, golden};
use crate::ids::PluginName;

const FILE: &str = "plugins/tickets/plugin.toml";

fn refused(text: &str) -> String {
    Manifest::parse(text, FILE).unwrap_err().to_string()
}

#[test]
fn every_case_gives_what_it_is_expected_to_give() {
    golden::check(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases/manifest"), 5, 30, |text| {
        Manifest::parse(text, FILE).map(|manifest| format!("{manifest:#?}\n"))
    });
}

#[test]
fn an_error_has_its_parts_apart() {
    let error = Manifest::parse("name = \"tickets\"\n[grants.sql.main]\n  acess = \"read\"\n", FILE).unwrap_err();
    assert_eq!((error.line, error.column), (3, 3));
    assert_eq!(error.key.as_deref(), Some("grants.sql.main.acess"));
    assert_eq!(error.message, "unknown key \"acess\" in [grants.sql.main]");
    assert_eq!(error.help.as_deref(), Some("did you mean \"access\"?"));
}

#[test]
fn a_bare_manifest_is_one_that_says_only_its_name() {
    let bare = Manifest::bare(PluginName::parse("my-tickets").unwrap());
    let read = Manifest::parse("name = \"my-tickets\"", "").unwrap();
    assert_eq!(bare, read);
    assert_eq!((bare.component.to_str(), bare.prefix.as_str()), (Some("my-tickets.wasm"), "my-tickets_"));
    assert!(bare.grants.sql.is_empty());
}

#[test]
fn a_huge_manifest_is_refused_before_it_is_parsed() {
    let most = 256 << 10;
    let fits = format!("name = \"tickets\"\n#{}", "x".repeat(most - 18));
    assert_eq!(fits.len(), most);
    assert!(Manifest::parse(&fits, FILE).is_ok());
    for bytes in [most + 1, 10 << 20] {
        assert_eq!(refused(&"[".repeat(bytes)), "plugins/tickets/plugin.toml: the file is larger than 256KiB");
    }
}

#[test]
fn a_deep_manifest_is_refused_without_deep_recursion() {
    let dotted = ["a"; 79].join(".");
    let deep = "plugins/tickets/plugin.toml:1:13: more than 8 brackets within brackets; nothing here needs so many";
    assert_eq!(refused(&format!("a = {}", "[".repeat(10_000))), deep);
    assert_eq!(refused(&format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000))), deep);
    let tables = format!("{dotted} = {{").repeat(78) + "b = 1" + &"}".repeat(78);
    assert!(refused(&tables).contains("more than 8 brackets within brackets"));
    // As deep as the count of brackets lets through, and the parser's own bound on dotted keys.
    let tables = format!("[{dotted}]\n") + &format!("{dotted} = {{").repeat(8) + "b = 1" + &"}".repeat(8);
    assert!(refused(&tables).contains("unknown section [a]"), "{}", refused(&tables));
    for long in [format!("{dotted}.a.a = 1"), format!("[{}a]", "a.".repeat(100_000))] {
        assert!(refused(&long).contains("not valid TOML: recursion limit"), "{}", refused(&long));
    }
    // Brackets in strings and comments are text.
    let text = format!("name = \"tickets\" # {0}\ndescription = '''\n{0}'''\nversion = \"{0}\"", "[{".repeat(16));
    assert!(Manifest::parse(&text, FILE).is_ok(), "{}", refused(&text));
}

#[test]
fn text_with_a_reference_in_it_stays_text() {
    let text = "name = \"tickets\"\ndescription = \"${AWS_SECRET} $HOME %PATH%\"\ncomponent = \"${HOME}.wasm\"";
    let manifest = Manifest::parse(text, FILE).unwrap();
    assert_eq!(manifest.description.as_deref(), Some("${AWS_SECRET} $HOME %PATH%"));
    assert_eq!(manifest.component.to_str(), Some("${HOME}.wasm"));
}

#[test]
fn a_message_repeats_nothing_that_a_terminal_would_act_upon() {
    for text in
        ["name = \"\\u001b[31m\\u202e\"", "\"\\u001b[31m\\u202e\" = 1", "name=\"a\"\n[grants.sql.\"\\u001b[31m\\u202e\"]\naccess=\"read\""]
    {
        let error = refused(text);
        assert!(error.contains("\\u{1b}[31m\\u{202e}") && !error.contains(['\u{1b}', '\u{202e}']), "{error}");
    }
    let long = refused(&format!("name = \"{}\"", "x".repeat(100_000)));
    assert!(long.len() < 300, "{long}");
    let long = refused(&format!("\"{}\" = 1", "x".repeat(100_000)));
    assert!(long.len() < 400, "{long}");
}

#[test]
fn any_cut_of_a_manifest_is_read_or_refused() {
    let whole = "name = \"tickets\"\n[limits]\nmemory = \"64MiB\"\n[grants.sql.main]\naccess = \"write\"\n[build]\ncommand = 'é'\nwatch = [\"src\"]\n";
    assert_eq!(Manifest::parse(whole, FILE).unwrap().grants.sql["main"].access, Access::Write);
    for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
        if let Err(error) = Manifest::parse(&whole[..end], FILE) {
            assert!(error.line >= 1 && error.column >= 1, "{end}: {error}");
        }
    }
}

fn all_of(text: &str) -> Vec<String> {
    let found = Manifest::examine(text, "p", |_| Ok(())).unwrap_err();
    found.iter().map(|error| format!("{}:{} {}", error.line, error.column, error.key.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn everything_that_is_wrong_is_found() {
    for (text, expected) in [
        ("name = \"a\"\nx = 1\n[limits]\ny = 1\nmemory = 3\n[z]\n", &["2:1 x", "4:1 limits.y", "5:10 limits.memory", "6:2 z"][..]),
        // What has to be there and is not is said once, and nothing that follows from it.
        ("", &["1:1 name"]),
        ("x = 1", &["1:1 x", "1:1 name"]),
        ("name = 1\n[build]\n[grants.sql.main]\n", &["1:8 name", "2:2 build.command", "3:13 grants.sql.main.access"]),
        (
            "name = \"a\"\n[grants.sql.main]\naccess = \"rw\"\nrows_max = -1",
            &["3:10 grants.sql.main.access", "4:12 grants.sql.main.rows_max"],
        ),
        // Every value of a list.
        (
            "name = \"a\"\n[build]\ncommand = \"c\"\nwatch = [1, \"a\", \"\", 2]",
            &["4:10 build.watch", "4:18 build.watch", "4:22 build.watch"],
        ),
        // Sections that are none, and names with dots and quotes.
        ("name = \"a\"\nlimits = 3\n[grants]\nsql = []\n\"q.x\" = 1", &["2:10 limits", "4:7 grants.sql", "5:1 grants.\"q.x\""]),
        ("\u{feff}name = \"a\"\nx = 1", &["2:1 x"]),
        ("name = a", &["1:8 name"]),
    ] {
        let mut found = all_of(text);
        found.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn what_is_refused_later_is_found_with_the_rest() {
    let text = "name = \"a\"\nx = 1\n[grants.sql.one]\naccess = \"read\"\n[grants.sql.two]\naccess = \"read\"\n[grants.sql.three]\naccess = \"read\"";
    let refuse = |manifest: &Manifest| match manifest.grants.sql.iter().find(|(name, _)| *name != "two") {
        Some((name, wanted)) => Err(super::DocumentError::at("p", wanted.place, "not offered").about(format!("grants.sql.{name}"))),
        None => Ok(()),
    };
    let found = Manifest::examine(text, "p", refuse).unwrap_err();
    assert_eq!(found.iter().map(|error| error.line).collect::<Vec<_>>(), [2, 3, 7]);
    let good = Manifest::examine("name = \"a\"", "p", refuse).unwrap();
    assert_eq!(good, Manifest::parse("name = \"a\"", "p").unwrap());
}

#[test]
fn what_is_wrong_a_thousand_times_is_not_all_said() {
    let text: String = (0..1_000).map(|at| format!("key{at} = 1\n")).collect();
    assert_eq!(all_of(&text).len(), super::findings::FINDINGS_MAX);
}

#[test]
fn the_first_finding_is_what_the_reader_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/cases/manifest");
    for entry in std::fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().extension().is_some_and(|e| e == "toml")) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        match (Manifest::parse(&text, FILE), Manifest::examine(&text, FILE, |_| Ok(()))) {
            (Ok(read), Ok(examined)) => assert_eq!(read, examined),
            (Err(first), Err(all)) => assert!(all.contains(&first), "{first}: {all:?}"),
            (read, examined) => panic!("{:?}: {read:?} and {examined:?}", entry.path()),
        }
    }
}

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

//! Topics that a plugin publishes under itself. They are its own, so the operator has no names for them; its catalog has.

use super::GrantError;
use crate::manifest::{DocumentError, Manifest, WantedTopic, closest, listed, quoted};
use crate::topics::TopicPattern;

pub(super) fn topics(manifest: &Manifest) -> Result<Vec<TopicPattern>, GrantError> {
    let topic = |wanted: &WantedTopic| {
        TopicPattern::parse(&wanted.name).map_err(|error| {
            let message = format!("\"topics\" in [grants.events] names {}: {}", quoted(&wanted.name), error.why);
            let help = "write a name of the plugin's catalog, such as \"edits\" or \"collaboration/{id}\"";
            refused(manifest, wanted, message).with_help(help)
        })
    };
    manifest.grants.events.iter().map(topic).collect()
}

/// Refuses a manifest that asks for a topic which the plugin's catalog does not have; `offered` are the names of those that it has.
pub fn check_offered(manifest: &Manifest, offered: &[&str]) -> Result<(), GrantError> {
    let missing = |wanted: &&WantedTopic| !offered.contains(&wanted.name.as_str());
    let Some(wanted) = manifest.grants.events.iter().find(missing) else { return Ok(()) };
    let names: Vec<_> = offered.iter().map(|name| quoted(name)).collect();
    let known = if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", listed(&names, "and")) };
    let concrete = || offered.iter().copied().find(|name| TopicPattern::parse(name).is_ok_and(|pattern| pattern.matches(&wanted.name)));
    let near = concrete().or_else(|| closest(&wanted.name, offered.iter().copied()));
    let help = near.map_or("take it out".to_owned(), |near| format!("write {}", quoted(near)));
    let message = format!("\"topics\" in [grants.events] names {}, which is not among the catalog's topics: {known}", quoted(&wanted.name));
    Err(refused(manifest, wanted, message).with_help(help))
}

fn refused(manifest: &Manifest, wanted: &WantedTopic, message: String) -> GrantError {
    DocumentError::at(&manifest.file, wanted.place, message).about("grants.events.topics".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grants::{Grants, Offered, over_granted};

    fn manifest(topics: &str) -> Manifest {
        Manifest::parse(&format!("name = \"rooms\"\n[grants.events]\ntopics = {topics}"), "plugins/rooms/plugin.toml").unwrap()
    }

    #[test]
    fn topics_are_granted_by_the_names_of_the_catalog() {
        let manifest = manifest("[\"edits\", \"rooms/{id}\"]");
        let grants = Grants::resolve(&manifest, &Offered::default()).unwrap();
        assert_eq!(grants.summary(), ["events (edits, rooms/{id})"]);
        assert_eq!(over_granted(&grants, &["cofferdam:mcp/events@0.1.0".to_owned()]), Vec::<String>::new());
        assert_eq!(over_granted(&grants, &[]).len(), 1);
        assert_eq!(check_offered(&manifest, &["more", "edits", "rooms/{id}"]), Ok(()));
    }

    #[test]
    fn a_topic_that_is_not_in_the_catalog_is_refused_with_what_to_write() {
        let check = |topics: &str, offered: &[&str], expected: &str| {
            let error = check_offered(&manifest(topics), offered).unwrap_err().to_string();
            let begin = "plugins/rooms/plugin.toml:3:";
            assert!(error.starts_with(begin) && error.ends_with(expected), "{error}");
        };
        check(
            "[\"edit\"]",
            &["edits", "x"],
            "names \"edit\", which is not among the catalog's topics: it has \"edits\" and \"x\"; write \"edits\"",
        );
        check("[\"rooms/7\"]", &["rooms/{id}"], "it has \"rooms/{id}\"; write \"rooms/{id}\"");
        check("[\"edits\"]", &[], "it has none; take it out");
    }
}

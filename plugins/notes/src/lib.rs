//! Keeps short notes in the plugin's own store: one key for each note, and one that counts them.
#![cfg_attr(target_family = "wasm", no_std)]

#[cofferdam_plugin::plugin(
    no_std,
    title = "Notes",
    instructions = "Keeps short notes between conversations. Look with `search` before you `add`, so that nothing is noted twice; change a note with `edit`."
)]
mod notes {
    use cofferdam_plugin::prelude::*;

    /// Where the notes are. Their ids have a fixed width, so that keys are in the order of creation.
    const PREFIX: &str = "note/";
    const LAST_ID: &str = "last-id";
    const ID_DIGITS: usize = 8;
    /// Notes of one answer: a model reads no more of them at once.
    const LIMIT_MAX: usize = 100;
    /// How often an edit begins anew because somebody else was faster.
    const TRIES_MAX: usize = 20;

    /// One note
    #[derive(Clone, Serialize, Deserialize, JsonSchema)]
    struct Note {
        id: String,
        text: String,
        tags: Vec<String>,
        created: String,
        changed: String,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct New {
        /// What to remember, in a few sentences
        #[schemars(length(min = 1, max = 20_000))]
        text: String,
        /// Words to find it by, such as a project's name
        #[serde(default)]
        #[schemars(length(max = 20))]
        tags: Vec<String>,
    }

    /// Keeps a new note and returns it with its id.
    #[update(title = "Add a note", destructive = false, idempotent = false, open_world = false)]
    fn add_note(new: New) -> Result<Json<Note>> {
        let id = format!("{:0ID_DIGITS$}", keyvalue::increment(LAST_ID, 1)?);
        let now = now_rfc3339();
        let note = Note { id, text: checked(new.text)?, tags: tidy(new.tags), created: now.clone(), changed: now };
        keyvalue::set_json(&key(&note.id)?, &note)?;
        Ok(Json(note))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Edit {
        /// The note's id
        id: String,
        /// What it says from now on; left out, the text stays
        #[schemars(length(min = 1, max = 20_000))]
        text: Option<String>,
        /// Its tags from now on; left out, they stay
        #[schemars(length(max = 20))]
        tags: Option<Vec<String>>,
    }

    /// Changes the text or the tags of a note.
    #[update(title = "Edit a note", destructive = true, idempotent = true, open_world = false)]
    fn edit(edit: Edit) -> Result<Json<Note>> {
        let (key, text) = (key(&edit.id)?, edit.text.map(checked).transpose()?);
        for _ in 0..TRIES_MAX {
            let Some(old) = keyvalue::get(&key)? else { return Err(missing(&edit.id)) };
            let mut note = read(&old)?;
            note.text = text.clone().unwrap_or(note.text);
            note.tags = edit.tags.clone().map_or(note.tags, tidy);
            note.changed = now_rfc3339();
            let new = cofferdam_plugin::serde_json::to_vec(&note)?;
            if keyvalue::swap(&key, Some(&old), &new)? {
                return Ok(Json(note));
            }
        }
        Err(Failure::unavailable("others are editing this note; try again"))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Which {
        /// The note's id
        id: String,
    }

    /// Deletes a note for good.
    #[update(title = "Delete a note", destructive = true, idempotent = true, open_world = false)]
    fn delete(which: Which) -> Result<String> {
        match keyvalue::delete(&key(&which.id)?)? {
            true => Ok(format!("note {} is gone", which.id)),
            false => Err(missing(&which.id)),
        }
    }

    /// Returns one note.
    #[query(title = "Read a note", open_world = false)]
    fn get(which: Which) -> Result<Json<Note>> {
        let value = keyvalue::get(&key(&which.id)?)?.ok_or_else(|| missing(&which.id))?;
        Ok(Json(read(&value)?))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Search {
        /// Words that all have to be in the text or the tags, in either case; left out, all notes are found
        text: Option<String>,
        /// Only notes with this tag
        tag: Option<String>,
        /// No more than this many, up to 100; 20 unless told otherwise
        limit: Option<usize>,
        /// Where the answer before ended
        cursor: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Found {
        notes: Vec<Note>,
        /// Pass it as `cursor` for more; null when these were the last
        cursor: Option<String>,
    }

    /// Lists notes in the order of their creation, or those with certain words or a tag.
    #[query(title = "Search notes", open_world = false)]
    fn search(search: Search) -> Result<Json<Found>> {
        let words = search.text.as_deref().unwrap_or_default().to_lowercase();
        let words: Vec<_> = words.split_whitespace().collect();
        let tag = search.tag.map(|tag| tag.trim().to_lowercase());
        let limit = search.limit.unwrap_or(20).clamp(1, LIMIT_MAX);
        let mut cursor = search.cursor.map(|id| key(&id)).transpose()?;
        let mut found = Vec::new();
        loop {
            let page = keyvalue::page(PREFIX, cursor.as_deref())?;
            // A few at a time, so that an answer of large notes fits.
            for keys in page.keys.chunks(20) {
                for value in keyvalue::get_many(keys)?.into_iter().flatten() {
                    let note = read(&value)?;
                    if found.len() < limit && fits(&note, &words, tag.as_deref()) {
                        found.push(note);
                    }
                    if found.len() == limit {
                        let last = found.last().map(|note| note.id.clone());
                        return Ok(Json(Found { notes: found, cursor: last }));
                    }
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                return Ok(Json(Found { notes: found, cursor: None }));
            }
        }
    }

    fn fits(note: &Note, words: &[&str], tag: Option<&str>) -> bool {
        let text = note.text.to_lowercase();
        let has = |word: &&str| text.contains(word) || note.tags.iter().any(|tag| tag.contains(word));
        tag.is_none_or(|tag| note.tags.iter().any(|own| own == tag)) && words.iter().all(has)
    }

    fn read(value: &[u8]) -> Result<Note> {
        Ok(cofferdam_plugin::serde_json::from_slice(value)?)
    }

    fn key(id: &str) -> Result<String> {
        // Longer ones are none of ours, and would only be refused later.
        let good = (1..=20).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
        if good { Ok(format!("{PREFIX}{id}")) } else { Err(Failure::invalid("an id is a number such as \"00000042\"; `search` has them")) }
    }

    fn checked(text: String) -> Result<String> {
        if text.trim().is_empty() { Err(Failure::invalid("a note has a text")) } else { Ok(text) }
    }

    fn tidy(tags: Vec<String>) -> Vec<String> {
        let mut tags: Vec<_> = tags.iter().map(|tag| tag.trim().to_lowercase()).filter(|tag| !tag.is_empty()).collect();
        tags.sort();
        tags.dedup();
        tags
    }

    fn missing(id: &str) -> Failure {
        Failure::not_found(format!("there is no note {id:?}; `search` has their ids"))
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_plugin::{prelude::*, serde_json::Value, testing::Client};

    fn told(reply: &Reply) -> Value {
        cofferdam_plugin::serde_json::from_str(reply.structured_json().unwrap()).unwrap()
    }

    #[test]
    fn notes_are_added_found_edited_and_deleted() {
        let notes = Client::<crate::notes::Plugin>::new();
        for (text, tag) in [("Buy milk", "Home"), ("Call Ann about the milk", "work"), ("Ship it", "work")] {
            notes.update("add_note", json!({"text": text, "tags": [tag, tag]})).unwrap();
        }
        let found = |arguments| told(&notes.query("search", arguments).unwrap());
        assert_eq!(found(json!({"text": "MILK", "tag": "work"}))["notes"][0]["id"], "00000002");
        let first = found(json!({"limit": 2}));
        assert_eq!((first["notes"].as_array().unwrap().len(), &first["cursor"]), (2, &json!("00000002")));
        let rest = found(json!({"cursor": first["cursor"]}));
        assert_eq!((&rest["notes"][0]["text"], &rest["cursor"]), (&json!("Ship it"), &Value::Null));
        let edited = told(&notes.update("edit", json!({"id": "00000001", "tags": []})).unwrap());
        assert_eq!((&edited["text"], &edited["tags"]), (&json!("Buy milk"), &json!([])));
        notes.update("delete", json!({"id": "00000001"})).unwrap();
        assert!(notes.query("get", json!({"id": "00000001"})).is_err());
        assert!(notes.update("add_note", json!({"text": " "})).is_err() && notes.query("get", json!({"id": "../last-id"})).is_err());
    }
}

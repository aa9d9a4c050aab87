//! Rooms in which several people and models work on one document. A room is a key with the document, and one for each who is there.
#![cfg_attr(target_family = "wasm", no_std)]

extern crate alloc;

mod text;

#[cofferdam_plugin::plugin(
    no_std,
    title = "Rooms",
    instructions = "Rooms in which several people and models work on one document. `join` a room, read it with `room`, and change it with \
                    `code_change` on its newest revision. Subscribe to `collaboration/{id}` to be told what the others do.",
    topic(
        name = "collaboration/{id}",
        title = "What happens in a room",
        description = "Who joins and leaves, changes of the document with their revisions, cursors and selections. The event's type is the \
                       name of the update: join, leave, code_change, cursor_move, selection or close_room.",
        retained = 100
    )
)]
mod rooms {
    use crate::text::{Misplaced, replaced, units};
    use cofferdam_plugin::prelude::*;
    use cofferdam_plugin::serde_json::{from_slice, to_vec};
    use core::time::Duration;

    /// A document, in bytes of UTF-8.
    const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
    /// The changes that a room remembers, so that those who come late can catch up.
    const CHANGES_MAX: usize = 50;
    /// The texts of these together.
    const CHANGES_BYTES_MAX: usize = 64 * 1024;
    /// Who can be in a room at the same time.
    const MEMBERS_MAX: usize = 100;
    /// Whoever does nothing for so long is no longer there.
    const MEMBER_TIME: Duration = Duration::from_secs(60 * 60);
    /// A room in which nothing is changed for so long is gone.
    const ROOM_TIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
    /// How often an update begins anew because somebody else was faster.
    const TRIES_MAX: usize = 20;

    /// What is kept of a room.
    #[derive(Default, Serialize, Deserialize)]
    struct Room {
        text: String,
        revision: u32,
        changes: Vec<Change>,
    }

    /// One change of the document
    #[derive(Clone, Serialize, Deserialize, JsonSchema)]
    struct Change {
        /// The revision that it made
        revision: u32,
        /// Who made it
        user: String,
        /// Where what was replaced began, in UTF-16 code units
        from: usize,
        /// Where it ended
        to: usize,
        /// What stands there now
        text: String,
    }

    /// Somebody who is there
    #[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
    struct Member {
        user: String,
        /// Where the cursor is, in UTF-16 code units
        #[serde(skip_serializing_if = "Option::is_none")]
        cursor: Option<usize>,
        /// What is selected: from and to
        #[serde(skip_serializing_if = "Option::is_none")]
        selection: Option<[usize; 2]>,
    }

    // === joining and leaving ===

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Join {
        /// The room's id, of letters, digits and _ - . : ; a room that is not there is made
        #[schemars(regex(pattern = r"^[A-Za-z0-9_.:-]{1,64}$"))]
        id: String,
        /// Who joins; may be left out by who is signed in
        #[schemars(length(min = 1, max = 64))]
        user: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Joined {
        id: String,
        user: String,
        /// The revision of the document
        revision: u32,
        /// Who is there
        members: Vec<String>,
    }

    /// Joins a room, and makes it if it is not there yet.
    #[update(title = "Join a room", destructive = false, idempotent = true, open_world = false, publishes = ["collaboration/{id}"])]
    fn join(cx: &Context, join: Join) -> Result<Json<Joined>> {
        let (key, user) = (document_key(&join.id)?, user(cx, join.user)?);
        let mut others = members(&join.id)?;
        others.retain(|member| member.user != user);
        if others.len() >= MEMBERS_MAX {
            return Err(Failure::unavailable(format!("there are {MEMBERS_MAX} in this room already")));
        }
        let first = to_vec(&Room::default())?;
        if keyvalue::get(&key)?.is_none() {
            // Somebody else may have made it just now, which is as good.
            keyvalue::swap_for(&key, None, &first, ROOM_TIME)?;
        }
        let revision = room_at(&key, &join.id)?.revision;
        here(&join.id, &Member { user: user.clone(), ..Member::default() })?;
        let mut members: Vec<_> = others.into_iter().map(|member| member.user).collect();
        members.push(user.clone());
        members.sort();
        Ok(Json(Joined { id: join.id, user, revision, members }))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Leave {
        /// The room's id
        id: String,
        /// Who leaves; may be left out by who is signed in
        #[schemars(length(min = 1, max = 64))]
        user: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Left {
        id: String,
        user: String,
    }

    /// Leaves a room. The document stays.
    #[update(title = "Leave a room", destructive = false, idempotent = true, open_world = false, publishes = ["collaboration/{id}"])]
    fn leave(cx: &Context, leave: Leave) -> Result<Json<Left>> {
        document_key(&leave.id)?;
        let user = user(cx, leave.user)?;
        match keyvalue::delete(&member_key(&leave.id, &user))? {
            true => Ok(Json(Left { id: leave.id, user })),
            false => Err(not_here(&user, &leave.id)),
        }
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Which {
        /// The room's id
        id: String,
    }

    #[derive(Serialize, JsonSchema)]
    struct Closed {
        id: String,
    }

    /// Closes a room and deletes its document for good.
    #[update(title = "Close a room", destructive = true, idempotent = true, open_world = false, publishes = ["collaboration/{id}"])]
    fn close_room(which: Which) -> Result<Json<Closed>> {
        let there = keyvalue::delete(&document_key(&which.id)?)?;
        for key in keyvalue::keys(&member_key(&which.id, ""))? {
            keyvalue::delete(&key)?;
        }
        if there { Ok(Json(Closed { id: which.id })) } else { Err(no_room(&which.id)) }
    }

    // === the document ===

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Edit {
        /// The room's id
        id: String,
        /// Who changes it; may be left out by who is signed in
        #[schemars(length(min = 1, max = 64))]
        user: Option<String>,
        /// The revision that the places are of: the newest one
        base: u32,
        /// Where what is replaced begins, in UTF-16 code units from the start of the document
        from: usize,
        /// Where it ends; the same as `from` when something is only put in
        to: usize,
        /// What stands there from now on
        #[schemars(length(max = 65_536))]
        text: String,
    }

    #[derive(Serialize, JsonSchema)]
    struct Changed {
        id: String,
        #[serde(flatten)]
        change: Change,
    }

    /// What stands in the way of a change
    #[derive(Serialize)]
    struct Conflict {
        conflict: bool,
        id: String,
        /// The newest revision.
        revision: u32,
        /// The changes since the base, oldest first; none when they are not all remembered.
        changes: Option<Vec<Change>>,
    }

    /// Changes the document: replaces what is between two places by a text. `base` has to be the newest revision; if somebody else was faster
    /// the answer is a conflict, with the changes since then. Carry your places over these, or read the `room` anew, and try again.
    #[update(title = "Change the document", destructive = true, idempotent = false, open_world = false, publishes = ["collaboration/{id}"])]
    fn code_change(cx: &Context, edit: Edit) -> Result<Reply> {
        let (key, user) = (document_key(&edit.id)?, user(cx, edit.user)?);
        let mut member = member(&edit.id, &user)?;
        for _ in 0..TRIES_MAX {
            let Some(old) = keyvalue::get(&key)? else { return Err(no_room(&edit.id)) };
            let mut room: Room = from_slice(&old)?;
            if room.revision != edit.base {
                return conflict(edit.id, &room, edit.base);
            }
            room.text = replaced(&room.text, edit.from, edit.to, &edit.text).map_err(|why| misplaced(why, &room.text))?;
            if room.text.len() > DOCUMENT_BYTES_MAX {
                return Err(Failure::invalid(format!("a document has up to {DOCUMENT_BYTES_MAX} bytes, and this would be more")));
            }
            room.revision += 1;
            let change = Change { revision: room.revision, user: user.clone(), from: edit.from, to: edit.to, text: edit.text.clone() };
            remember(&mut room.changes, change.clone());
            if keyvalue::swap_for(&key, Some(&old), &to_vec(&room)?, ROOM_TIME)? {
                member.cursor = Some(edit.from + units(&edit.text));
                member.selection = None;
                here(&edit.id, &member)?;
                return Reply::new().structured(&Changed { id: edit.id, change });
            }
        }
        Err(Failure::unavailable("others are changing this document; try again"))
    }

    fn conflict(id: String, room: &Room, base: u32) -> Result<Reply> {
        if base > room.revision {
            return Err(Failure::invalid(format!("there is no revision {base} yet: the newest is {}", room.revision)));
        }
        let since: Vec<_> = room.changes.iter().filter(|change| change.revision > base).cloned().collect();
        let whole = since.first().is_some_and(|change| change.revision == base + 1);
        let text = format!("Conflict: the newest revision of {id} is {}, not {base}. Nothing was changed.", room.revision);
        let conflict = Conflict { conflict: true, id, revision: room.revision, changes: whole.then_some(since) };
        Reply::error(text).structured(&conflict)
    }

    fn remember(changes: &mut Vec<Change>, change: Change) {
        changes.push(change);
        let mut bytes: usize = changes.iter().map(|change| change.text.len()).sum();
        let mut surplus = changes.len().saturating_sub(CHANGES_MAX);
        bytes -= changes.iter().take(surplus).map(|change| change.text.len()).sum::<usize>();
        while let Some(oldest) = changes.get(surplus).filter(|_| bytes > CHANGES_BYTES_MAX) {
            bytes -= oldest.text.len();
            surplus += 1;
        }
        changes.drain(..surplus);
    }

    fn misplaced(why: Misplaced, text: &str) -> Failure {
        Failure::invalid(match why {
            Misplaced::Backwards => "`to` is before `from`".to_owned(),
            Misplaced::NoSuchPlace => {
                format!("`from` and `to` are places between the characters of the document, which has {} UTF-16 code units", units(text))
            }
        })
    }

    // === cursors ===

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Move {
        /// The room's id
        id: String,
        /// Whose cursor; may be left out by who is signed in
        #[schemars(length(min = 1, max = 64))]
        user: Option<String>,
        /// Where the cursor is now, in UTF-16 code units from the start of the document
        #[schemars(range(max = 1_000_000))]
        position: usize,
        /// The revision that the place is of
        revision: u32,
    }

    #[derive(Serialize, JsonSchema)]
    struct Moved {
        id: String,
        user: String,
        position: usize,
        revision: u32,
    }

    /// Tells the others where the cursor is.
    #[update(title = "Move the cursor", destructive = false, idempotent = true, open_world = false, publishes = ["collaboration/{id}"])]
    fn cursor_move(cx: &Context, to: Move) -> Result<Json<Moved>> {
        document_key(&to.id)?;
        let mut member = member(&to.id, &user(cx, to.user)?)?;
        member.cursor = Some(to.position);
        member.selection = None;
        here(&to.id, &member)?;
        Ok(Json(Moved { id: to.id, user: member.user, position: to.position, revision: to.revision }))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Select {
        /// The room's id
        id: String,
        /// Whose selection; may be left out by who is signed in
        #[schemars(length(min = 1, max = 64))]
        user: Option<String>,
        /// Where it begins, in UTF-16 code units from the start of the document
        #[schemars(range(max = 1_000_000))]
        from: usize,
        /// Where it ends
        #[schemars(range(max = 1_000_000))]
        to: usize,
        /// The revision that the places are of
        revision: u32,
    }

    #[derive(Serialize, JsonSchema)]
    struct Selected {
        id: String,
        user: String,
        from: usize,
        to: usize,
        revision: u32,
    }

    /// Tells the others what is selected.
    #[update(title = "Select", destructive = false, idempotent = true, open_world = false, publishes = ["collaboration/{id}"])]
    fn selection(cx: &Context, select: Select) -> Result<Json<Selected>> {
        document_key(&select.id)?;
        if select.to < select.from {
            return Err(misplaced(Misplaced::Backwards, ""));
        }
        let mut member = member(&select.id, &user(cx, select.user)?)?;
        (member.cursor, member.selection) = (Some(select.to), Some([select.from, select.to]));
        here(&select.id, &member)?;
        Ok(Json(Selected { id: select.id, user: member.user, from: select.from, to: select.to, revision: select.revision }))
    }

    // === looking ===

    #[derive(Serialize, JsonSchema)]
    struct State {
        id: String,
        /// The document
        text: String,
        /// Its revision: the `base` of the next change
        revision: u32,
        /// Who is there, by name
        members: Vec<Member>,
    }

    /// Reads a room: the document with its revision, and who is there.
    #[query(title = "Read a room", open_world = false)]
    fn room(which: Which) -> Result<Json<State>> {
        let room = room_at(&document_key(&which.id)?, &which.id)?;
        let members = members(&which.id)?;
        Ok(Json(State { id: which.id, text: room.text, revision: room.revision, members }))
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Page {
        /// Where the answer before ended
        cursor: Option<String>,
    }

    #[derive(Serialize, JsonSchema)]
    struct Rooms {
        /// Their ids
        rooms: Vec<String>,
        /// Pass it as `cursor` for more; null when these were the last
        cursor: Option<String>,
    }

    /// Lists the rooms that there are.
    #[query(title = "List rooms", open_world = false)]
    fn list_rooms(page: Page) -> Result<Json<Rooms>> {
        let cursor = page.cursor.map(|id| document_key(&id)).transpose()?;
        let page = keyvalue::page(DOCUMENTS, cursor.as_deref())?;
        let id = |key: &String| key.strip_prefix(DOCUMENTS).map(ToOwned::to_owned);
        let cursor = page.cursor.and(page.keys.last()).and_then(id);
        Ok(Json(Rooms { rooms: page.keys.iter().filter_map(id).collect(), cursor }))
    }

    // === keys ===

    const DOCUMENTS: &str = "document/";

    fn document_key(id: &str) -> Result<String> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        // What the segment of a topic may be.
        let good = (1..=64).contains(&id.len()) && id.bytes().all(legal) && id != "." && id != "..";
        if good { Ok(format!("{DOCUMENTS}{id}")) } else { Err(Failure::invalid("a room's id has 1 to 64 of A-Z a-z 0-9 _ - . :")) }
    }

    fn member_key(id: &str, user: &str) -> String {
        format!("member/{id}/{user}")
    }

    /// Whoever is signed in has one name; the others say theirs.
    fn user(cx: &Context, given: Option<String>) -> Result<String> {
        match (cx.caller().subject(), given) {
            ("", None) => Err(Failure::invalid("say who you are: `user`")),
            ("", Some(user)) if user.trim().is_empty() || user.chars().count() > 64 || user.chars().any(char::is_control) => {
                Err(Failure::invalid("a `user` has 1 to 64 characters that can be seen"))
            }
            ("", Some(user)) => Ok(user),
            (subject, Some(user)) if user != subject => Err(Failure::denied(format!("you are {subject:?}, and not {user:?}"))),
            (subject, _) => Ok(subject.chars().take(64).collect()),
        }
    }

    fn room_at(key: &str, id: &str) -> Result<Room> {
        let value = keyvalue::get(key)?.ok_or_else(|| no_room(id))?;
        Ok(from_slice(&value)?)
    }

    fn member(id: &str, user: &str) -> Result<Member> {
        keyvalue::get_json(&member_key(id, user))?.ok_or_else(|| not_here(user, id))
    }

    fn here(id: &str, member: &Member) -> Result<()> {
        Ok(keyvalue::set_for(&member_key(id, &member.user), &to_vec(member)?, MEMBER_TIME)?)
    }

    fn members(id: &str) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        for keys in keyvalue::keys(&member_key(id, ""))?.chunks(100) {
            for value in keyvalue::get_many(keys)?.into_iter().flatten() {
                members.push(from_slice(&value)?);
            }
        }
        Ok(members)
    }

    fn no_room(id: &str) -> Failure {
        Failure::not_found(format!("there is no room {id:?}; `join` makes one"))
    }

    fn not_here(user: &str, id: &str) -> Failure {
        Failure::not_found(format!("{user:?} is not in the room {id:?}; `join` it first"))
    }
}

#[cfg(test)]
mod tests {
    use crate::rooms::Plugin;
    use cofferdam_plugin::{FailureKind, prelude::*, serde_json::Value, testing::Client};

    fn update(target: &str, arguments: Value) -> Value {
        Client::<Plugin>::new().update(target, arguments).unwrap().parse().unwrap()
    }

    fn room(id: &str) -> Value {
        Client::<Plugin>::new().query("room", json!({"id": id})).unwrap().parse().unwrap()
    }

    fn failure(target: &str, arguments: Value) -> FailureKind {
        Client::<Plugin>::new().update(target, arguments).unwrap_err().kind()
    }

    #[test]
    fn two_work_on_one_document() {
        update("join", json!({"id": "r", "user": "ann"}));
        let joined = update("join", json!({"id": "r", "user": "bob"}));
        assert_eq!(joined, json!({"id": "r", "user": "bob", "revision": 0, "members": ["ann", "bob"]}));
        let change = update("code_change", json!({"id": "r", "user": "ann", "base": 0, "from": 0, "to": 0, "text": "fn main() {}"}));
        assert_eq!(change, json!({"id": "r", "user": "ann", "revision": 1, "from": 0, "to": 0, "text": "fn main() {}"}));
        update("code_change", json!({"id": "r", "user": "bob", "base": 1, "from": 3, "to": 7, "text": "run"}));
        let moved = update("cursor_move", json!({"id": "r", "user": "ann", "position": 2, "revision": 2}));
        assert_eq!(moved, json!({"id": "r", "user": "ann", "position": 2, "revision": 2}));
        update("selection", json!({"id": "r", "user": "bob", "from": 1, "to": 4, "revision": 2}));
        let state = room("r");
        assert_eq!((&state["text"], &state["revision"]), (&json!("fn run() {}"), &json!(2)));
        assert_eq!(state["members"], json!([{"user": "ann", "cursor": 2}, {"user": "bob", "cursor": 4, "selection": [1, 4]}]));
        update("leave", json!({"id": "r", "user": "ann"}));
        assert_eq!(room("r")["members"].as_array().unwrap().len(), 1);
        assert_eq!(failure("cursor_move", json!({"id": "r", "user": "ann", "position": 2, "revision": 2})), FailureKind::NotFound);
        update("close_room", json!({"id": "r"}));
        assert_eq!(failure("close_room", json!({"id": "r"})), FailureKind::NotFound);
        assert_eq!(
            failure("code_change", json!({"id": "r", "user": "bob", "base": 2, "from": 0, "to": 0, "text": ""})),
            FailureKind::NotFound
        );
    }

    #[test]
    fn a_change_of_an_old_revision_is_a_conflict_and_says_what_came_between() {
        update("join", json!({"id": "c", "user": "ann"}));
        let change = |base: u32, text: &str| json!({"id": "c", "user": "ann", "base": base, "from": 0, "to": 0, "text": text});
        for base in 0..3 {
            update("code_change", change(base, "x"));
        }
        let reply = Client::<Plugin>::new().update("code_change", change(1, "late")).unwrap();
        let conflict: Value = reply.parse().unwrap();
        assert!(reply.is_error() && reply.first_text().unwrap().contains("newest revision of c is 3, not 1"));
        let revisions: Vec<_> = conflict["changes"].as_array().unwrap().iter().map(|change| change["revision"].clone()).collect();
        assert_eq!((&conflict["revision"], revisions), (&json!(3), vec![json!(2), json!(3)]));
        assert_eq!((&room("c")["text"], failure("code_change", change(9, ""))), (&json!("xxx"), FailureKind::Invalid));
    }

    #[test]
    fn everything_is_bounded() {
        update("join", json!({"id": "b", "user": "ann"}));
        let change = |base: u32, text: &str| json!({"id": "b", "user": "ann", "base": base, "from": 0, "to": 0, "text": text});
        for base in 0..60 {
            update("code_change", change(base, "x"));
        }
        let conflict = |base: u32| Client::<Plugin>::new().update("code_change", change(base, "")).unwrap().parse::<Value>().unwrap();
        assert_eq!((conflict(9)["changes"].clone(), conflict(10)["changes"].as_array().unwrap().len()), (Value::Null, 50));
        let large = "y".repeat(60_000);
        for base in 60..64 {
            update("code_change", change(base, &large));
        }
        assert_eq!((&conflict(62)["changes"], conflict(63)["changes"].as_array().unwrap().len()), (&Value::Null, 1));
        assert_eq!(failure("code_change", change(64, &large)), FailureKind::Invalid);
        for n in 0..99 {
            update("join", json!({"id": "b", "user": format!("user {n}")}));
        }
        assert_eq!(failure("join", json!({"id": "b", "user": "one more"})), FailureKind::Unavailable);
        update("join", json!({"id": "b", "user": "ann"}));
        assert_eq!(
            failure("code_change", json!({"id": "b", "user": "ann", "base": 64, "from": 0, "to": 999_999, "text": ""})),
            FailureKind::Invalid
        );
    }

    #[test]
    fn names_are_checked() {
        for id in ["", "..", "a/b", "a b", "ä"] {
            assert_eq!(failure("join", json!({"id": id, "user": "ann"})), FailureKind::Invalid, "{id}");
        }
        for user in [" ", "a\nb", &"x".repeat(65)] {
            assert_eq!(failure("join", json!({"id": "n", "user": user})), FailureKind::Invalid, "{user}");
        }
        assert_eq!(failure("join", json!({"id": "n"})), FailureKind::Invalid);
        let ann = Client::<Plugin>::new().subject("ann");
        assert_eq!(ann.update("join", json!({"id": "n"})).unwrap().parse::<Value>().unwrap()["user"], "ann");
        assert_eq!(ann.update("join", json!({"id": "n", "user": "bob"})).unwrap_err().kind(), FailureKind::Denied);
    }

    #[test]
    fn rooms_are_listed_page_by_page() {
        for n in 0..150 {
            update("join", json!({"id": format!("l{n:03}"), "user": "ann"}));
        }
        let list = |arguments| Client::<Plugin>::new().query("list_rooms", arguments).unwrap().parse::<Value>().unwrap();
        let first = list(json!({}));
        let rest = list(json!({"cursor": first["cursor"]}));
        assert_eq!((first["rooms"].as_array().unwrap().len(), rest["rooms"].as_array().unwrap().len()), (100, 50));
        assert_eq!((&rest["rooms"][49], &rest["cursor"]), (&json!("l149"), &Value::Null));
    }

    #[test]
    fn every_update_publishes_its_room() {
        let catalog = Client::<Plugin>::new().catalog();
        assert!(catalog.updates.iter().all(|update| update.publishes == ["collaboration/{id}"]));
        assert_eq!((catalog.topics.len(), catalog.topics[0].name.as_str(), catalog.topics[0].retained), (1, "collaboration/{id}", 100));
    }
}

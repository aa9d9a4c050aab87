//! Forms and links for the person at the client, and MCP's narrow kind of schema for forms.

use super::{Question, open_question};
use crate::bindings::imports::types::{KeyedRequest, Request};
use crate::{Context, Failure, Result, fields, schema};
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value, json};

/// Asks the person to fill in a form (`elicitation/create`), which is read as a `T`. A person who declines ends the handler with
/// [`Failure::denied`]; see [`Form::answer`] for the other way.
pub struct Form<T> {
    key: String,
    body: Body,
    of: PhantomData<fn() -> T>,
}

/// Where the params come from. They are only made when the question is asked.
#[derive(Clone)]
enum Body {
    Derived { message: String, schema: fn() -> Result<RequestedSchema> },
    Schema { message: String, schema: Value },
    Params(Value),
}

/// What a person did with a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// Filled in the form.
    Accepted(T),
    /// Said no.
    Declined,
    /// Closed it without an answer.
    Cancelled,
}

impl<T> Answer<T> {
    /// What was filled in, if something was.
    #[must_use]
    pub fn accepted(self) -> Option<T> {
        match self {
            Self::Accepted(content) => Some(content),
            Self::Declined | Self::Cancelled => None,
        }
    }
}

impl<T: DeserializeOwned + JsonSchema> Form<T> {
    /// Asks under a key. The form's fields are those of `T`; comments on them become their descriptions.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(key.into(), Body::Derived { message: message.into(), schema: requested_schema::<T> })
    }
}

impl<T: DeserializeOwned> Form<T> {
    /// Asks with a schema of your own, a JSON object in MCP's narrow kind for forms.
    pub fn with_schema(key: impl Into<String>, message: impl Into<String>, schema: Value) -> Self {
        Self::of(key.into(), Body::Schema { message: message.into(), schema })
    }

    /// Asks with params of your own: a JSON object as MCP defines it.
    pub fn with_params(key: impl Into<String>, params: Value) -> Self {
        Self::of(key.into(), Body::Params(params))
    }

    /// Tells apart what the person did, instead of failing when it was not to fill in the form.
    ///
    /// ```
    /// use cofferdam_plugin::{ask::{Answer, Form}, prelude::*};
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct Address { street: String }
    ///
    /// fn address(cx: &Context) -> Result<String> {
    ///     Ok(match cx.ask(Form::<Address>::new("address", "Where do you live?").answer())? {
    ///         Answer::Accepted(address) => address.street,
    ///         Answer::Declined => "a secret place".into(),
    ///         Answer::Cancelled => "unknown".into(),
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn answer(self) -> FormAnswer<T> {
        FormAnswer(self)
    }

    fn of(key: String, body: Body) -> Self {
        Self { key, body, of: PhantomData }
    }
}

/// A [`Form`] whose answer is an [`Answer`].
#[derive(Clone, Debug)]
pub struct FormAnswer<T>(Form<T>);

impl<T: DeserializeOwned> Question for FormAnswer<T> {
    type Answer = Answer<T>;

    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<Answer<T>>> {
        let Form { key, body, .. } = &self.0;
        let answer = match action(cx, key) {
            Some(Answer::Accepted(content)) => serde_json::from_value(content).ok().map(Answer::Accepted),
            Some(Answer::Declined) => Some(Answer::Declined),
            Some(Answer::Cancelled) => Some(Answer::Cancelled),
            None => None,
        };
        if answer.is_none() {
            open_question(open, key, Request::Elicitation(body.params()?));
        }
        Ok(answer)
    }
}

impl<T: DeserializeOwned> Question for Form<T> {
    type Answer = T;

    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<T>> {
        match self.clone().answer().look_up(cx, open)? {
            Some(answer) => answer.accepted().map(Some).ok_or_else(|| refused(self.body.message())),
            None => Ok(None),
        }
    }
}

impl<T> Clone for Form<T> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), body: self.body.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Form<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("key", &self.key).field("message", &self.body.message()).finish_non_exhaustive()
    }
}

/// Asks the person to open a page (`elicitation/create` with a URL). See [`Context::elicit_url`].
#[derive(Clone, Debug)]
pub struct Link {
    key: String,
    message: String,
    url: String,
}

impl Link {
    /// Asks under a key.
    pub fn new(key: impl Into<String>, message: impl Into<String>, url: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), url: url.into() }
    }

    /// Tells apart what the person did, instead of failing when it was not to agree.
    #[must_use]
    pub fn answer(self) -> LinkAnswer {
        LinkAnswer(self)
    }
}

/// A [`Link`] whose answer is an [`Answer`].
#[derive(Clone, Debug)]
pub struct LinkAnswer(Link);

impl Question for LinkAnswer {
    type Answer = Answer<()>;

    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<Answer<()>>> {
        let Link { key, message, url } = &self.0;
        let answer = action(cx, key).map(|answer| match answer {
            Answer::Accepted(_) => Answer::Accepted(()),
            Answer::Declined => Answer::Declined,
            Answer::Cancelled => Answer::Cancelled,
        });
        if answer.is_none() {
            let params = json!({"mode": "url", "message": message, "url": url});
            open_question(open, key, Request::Elicitation(params.to_string()));
        }
        Ok(answer)
    }
}

impl Question for Link {
    type Answer = ();

    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<()>> {
        match self.clone().answer().look_up(cx, open)? {
            Some(answer) => answer.accepted().map(Some).ok_or_else(|| refused(&self.message)),
            None => Ok(None),
        }
    }
}

/// The answer under a key; none when there is none yet, or when it is not one that MCP knows.
fn action(cx: &Context, key: &str) -> Option<Answer<Value>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Action {
        Accept,
        Decline,
        Cancel,
    }
    #[derive(Deserialize)]
    struct Elicited {
        action: Action,
        #[serde(default)]
        content: Map<String, Value>,
    }
    let elicited: Elicited = serde_json::from_str(cx.response_json(key)?).ok()?;
    Some(match elicited.action {
        Action::Accept => Answer::Accepted(Value::Object(elicited.content)),
        Action::Decline => Answer::Declined,
        Action::Cancel => Answer::Cancelled,
    })
}

#[cold]
fn refused(message: &str) -> Failure {
    Failure::denied(format!("the user did not answer: {message}"))
}

impl Body {
    fn message(&self) -> &str {
        match self {
            Self::Derived { message, .. } | Self::Schema { message, .. } => message,
            Self::Params(params) => params.get("message").and_then(Value::as_str).unwrap_or_default(),
        }
    }

    fn params(&self) -> Result<String> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Params<'a, S> {
            message: &'a str,
            requested_schema: S,
        }
        Ok(match self {
            Self::Derived { message, schema } => serde_json::to_string(&Params { message, requested_schema: schema()? })?,
            Self::Schema { message, schema } => serde_json::to_string(&Params { message, requested_schema: schema })?,
            Self::Params(params) => params.to_string(),
        })
    }
}

// === the schema of a form ===

/// The fields in the order in which a person is asked for them.
struct RequestedSchema {
    properties: Vec<(String, Value)>,
    required: Vec<String>,
}

impl Serialize for RequestedSchema {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        struct Properties<'a>(&'a [(String, Value)]);
        impl Serialize for Properties<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(name, schema)| (name, schema)))
            }
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "object")?;
        map.serialize_entry("properties", &Properties(&self.properties))?;
        if !self.required.is_empty() {
            map.serialize_entry("required", &self.required)?;
        }
        map.end()
    }
}

fn requested_schema<T: DeserializeOwned + JsonSchema>() -> Result<RequestedSchema> {
    flat(schema::of_input::<T>(), fields::names::<T>())
}

/// Takes away what MCP does not allow in a form.
fn flat(mut schema: Map<String, Value>, order: &[&str]) -> Result<RequestedSchema> {
    let mut required: Vec<String> = Vec::new();
    if let Some(Value::Array(names)) = schema.remove("required") {
        required.extend(names.iter().filter_map(Value::as_str).map(ToOwned::to_owned));
    }
    let given = match schema.remove("properties") {
        Some(Value::Object(given)) => given,
        // Nothing to fill in, only to agree to.
        None if schema.get("type").is_some_and(|of| of == "object") => Map::new(),
        _ => return Err(Failure::other("a form is a struct with fields")),
    };
    let mut properties = Vec::new();
    for (name, schema) in fields::in_order(given, order) {
        let field = field(schema);
        let field = field.ok_or_else(|| Failure::other(format!("a form is flat: {name:?} is no text, number, boolean or choice")))?;
        properties.push((name, Value::Object(field)));
    }
    Ok(RequestedSchema { properties, required })
}

/// One field's schema, of what MCP allows; none when it is not a field that a form can have.
fn field(schema: Value) -> Option<Map<String, Value>> {
    let Value::Object(mut schema) = schema else { return None };
    nullable_to_plain(&mut schema);
    if schema.get("default") == Some(&Value::Null) {
        schema.remove("default");
    }
    let mut field = Map::new();
    let allowed: &[&str] = match schema.get("type").and_then(Value::as_str) {
        _ if schema.contains_key("oneOf") || schema.contains_key("const") => {
            insert_choices(&mut field, &schema, "oneOf")?;
            &[]
        }
        Some("string") if schema.contains_key("enum") => &["type", "enum", "enumNames"],
        Some("string") => &["type", "minLength", "maxLength"],
        Some("integer" | "number") => &["type", "minimum", "maximum"],
        Some("boolean") => &["type"],
        Some("array") => {
            let mut items = Map::new();
            insert_choices(&mut items, schema.get("items")?.as_object()?, "anyOf")?;
            if items.contains_key("anyOf") {
                items.remove("type");
            }
            field.insert("items".into(), items.into());
            &["type", "minItems", "maxItems"]
        }
        _ => return None,
    };
    for name in allowed.iter().chain(&["title", "description", "default"]) {
        if let Some(value) = schema.remove(*name) {
            field.insert((*name).into(), value);
        }
    }
    if let Some(format) = schema.remove("format")
        && matches!(format.as_str(), Some("email" | "uri" | "date" | "date-time"))
    {
        field.insert("format".into(), format);
    }
    Some(field)
}

/// `Option`: a field that may be left out is a field that is not required.
fn nullable_to_plain(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = &types[..] {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(cases)) = schema.get_mut("anyOf") {
        cases.retain(|case| case.get("type").is_none_or(|of| of != "null"));
        if let [Value::Object(case)] = &cases[..] {
            for (name, value) in case.clone() {
                schema.entry(name).or_insert(value);
            }
            schema.remove("anyOf");
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
}

/// The choices of an enum: plain, or under `titled` where at least one of them has a name for people.
fn insert_choices(into: &mut Map<String, Value>, schema: &Map<String, Value>, titled: &str) -> Option<()> {
    into.insert("type".into(), "string".into());
    if let Some(values) = schema.get("enum") {
        into.insert("enum".into(), values.clone());
        return Some(());
    }
    let mut choices = Vec::new();
    if let Some(value) = schema.get("const") {
        choices.push(json!({"const": value, "title": value}));
    }
    for case in schema.get("oneOf").or(schema.get("anyOf")).and_then(Value::as_array).into_iter().flatten() {
        // schemars puts those without a comment into one `enum`.
        for value in case.get("enum").and_then(Value::as_array).into_iter().flatten() {
            choices.push(json!({"const": value, "title": value}));
        }
        if let Some(value) = case.get("const") {
            let title = case.get("title").or(case.get("description")).unwrap_or(value);
            choices.push(json!({"const": value, "title": title}));
        }
    }
    let all_text = choices.iter().all(|choice| choice.get("const").is_some_and(Value::is_string));
    (!choices.is_empty() && all_text).then(|| into.insert(titled.into(), choices.into()))?;
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "read by the schema")]
    struct Fields {
        /// Where to write to
        #[schemars(email, length(max = 50))]
        mail: String,
        #[schemars(range(min = 1, max = 9))]
        count: Option<u8>,
        #[serde(default = "half")]
        share: f32,
        plain: Option<Plain>,
        titled: Titled,
        #[schemars(length(min = 1))]
        many: Vec<Plain>,
        /// Which of them
        many_titled: Option<Vec<Titled>>,
        #[serde(rename = "last", default)]
        yes: bool,
    }

    fn half() -> f32 {
        0.5
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "lowercase")]
    enum Plain {
        A,
        B,
    }

    #[derive(Deserialize, JsonSchema)]
    enum Titled {
        /// The first
        One,
        #[schemars(title = "The second")]
        Two,
        Three,
    }

    fn schema<T: DeserializeOwned + JsonSchema>() -> Result<String> {
        Ok(serde_json::to_string(&requested_schema::<T>()?)?)
    }

    #[test]
    fn a_form_has_what_mcp_allows_in_the_order_of_the_struct() {
        let titles = [("One", "The first"), ("Two", "The second"), ("Three", "Three")];
        let mut titles: Vec<_> = titles.iter().map(|(value, title)| json!({"const": value, "title": title})).collect();
        // schemars puts those without a comment first.
        titles.sort_by_key(|choice| choice["const"] != "Three");
        let schema = schema::<Fields>().unwrap();
        let expected = json!({
            "type": "object",
            "properties": {
                "mail": {"type": "string", "description": "Where to write to", "format": "email", "maxLength": 50},
                "count": {"type": "integer", "minimum": 1, "maximum": 9},
                "share": {"type": "number", "default": 0.5},
                "plain": {"type": "string", "enum": ["a", "b"]},
                "titled": {"type": "string", "oneOf": titles},
                "many": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}, "minItems": 1},
                "many_titled": {"type": "array", "items": {"anyOf": titles}, "description": "Which of them"},
                "last": {"type": "boolean", "default": false},
            },
            "required": ["mail", "titled", "many"],
        });
        assert_eq!(serde_json::from_str::<Value>(&schema).unwrap(), expected);
        let at = |name: &str| schema.find(&format!("\"{name}\":{{")).unwrap();
        let places: Vec<_> = ["mail", "count", "share", "plain", "titled", "many", "many_titled", "last"].map(at).into();
        assert!(places.is_sorted(), "{schema}");
    }

    #[test]
    fn a_form_may_be_empty_but_not_deep() {
        #[derive(Deserialize, JsonSchema)]
        struct Empty {}
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "read by the schema")]
        struct Deep {
            empty: Empty,
        }
        assert_eq!(schema::<Empty>().unwrap(), r#"{"type":"object","properties":{}}"#);
        assert!(schema::<Deep>().unwrap_err().message().contains("\"empty\" is no text"));
        assert!(schema::<Plain>().is_err());
        assert!(schema::<String>().is_err());
        assert!(schema::<Vec<u8>>().is_err());
        assert!(flat(Map::from_iter([("properties".to_owned(), json!({"a": true}))]), &[]).is_err());
    }

    #[test]
    fn an_old_kind_of_choice_can_be_added_by_hand() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "read by the schema")]
        struct Old {
            #[schemars(extend("enum" = ["a"], "enumNames" = ["The A"]))]
            choice: String,
        }
        let expected =
            r#"{"type":"object","properties":{"choice":{"enum":["a"],"enumNames":["The A"],"type":"string"}},"required":["choice"]}"#;
        assert_eq!(schema::<Old>().unwrap(), expected);
    }

    fn context(responses: &[(&str, Value)]) -> Context {
        use crate::bindings::imports::types;
        let responses = responses.iter().map(|(key, value)| types::Response { key: (*key).into(), value: value.to_string() }).collect();
        types::Context {
            caller: types::Caller { tenant: String::new(), subject: String::new(), scopes: vec![] },
            client: types::ClientAbilities { elicitation_form: true, elicitation_url: true, sampling: true, roots: true },
            meta: None,
            round: Some(types::Round { responses, state: None }),
        }
        .into()
    }

    #[test]
    fn a_link_is_asked_for_and_answered() {
        let ask = |value: Option<Value>| {
            let responses: Vec<_> = value.map(|value| ("pay", value)).into_iter().collect();
            context(&responses).elicit_url("pay", "Please pay", "https://example.com/1")
        };
        let asked = ask(None).unwrap_err();
        let params = r#"{"message":"Please pay","mode":"url","url":"https://example.com/1"}"#;
        assert_eq!(asked.asked().unwrap().requests[0].request, Request::Elicitation(params.into()));
        assert_eq!(ask(Some(json!({"action": "accept"}))), Ok(()));
        assert_eq!(ask(Some(json!({"action": "cancel"}))).unwrap_err().kind(), crate::FailureKind::Denied);
        assert_eq!(ask(Some(json!({"action": "sing"}))).unwrap_err().kind(), crate::FailureKind::Asks);
    }

    #[test]
    fn one_round_has_each_key_once() {
        let cx = context(&[("b", json!({"action": "accept", "content": {}}))]);
        let form = |key| Form::<Map<String, Value>>::with_schema(key, "?", json!({}));
        assert_eq!(cx.ask((form("a"), form("a"))).unwrap_err().kind(), crate::FailureKind::Other);
        assert_eq!(cx.ask((form("b"), form("b"))).unwrap(), (Map::new(), Map::new()));
        assert_eq!(cx.ask(vec![form("b"), form("c"), form("d")]).unwrap_err().asked().unwrap().requests.len(), 2);
        assert_eq!(cx.ask((Some(form("b")), None::<Form<Value>>)).unwrap(), (Some(Map::new()), None));
    }

    #[test]
    fn params_of_ones_own_are_sent_as_they_are() {
        let params = json!({"mode": "form", "message": "?", "requestedSchema": {"type": "object", "properties": {}}, "_meta": {"a": 1}});
        let asked = context(&[]).ask(Form::<Value>::with_params("a", params.clone())).unwrap_err();
        assert_eq!(asked.asked().unwrap().requests[0].request, Request::Elicitation(params.to_string()));
    }
}

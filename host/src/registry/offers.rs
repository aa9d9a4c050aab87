//! Prompts, resources and templates of a catalog: checked, and rendered once for every client to come.

use super::catalog::{icons, meta, prose};
use crate::caps::host::escape;
use crate::limits::Limits;
use crate::mcp::template::Template;
use crate::wit::cofferdam::mcp::types::{Annotations, Resource as WitResource, Role};
use crate::wit::exports::cofferdam::mcp::catalog as wit;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// One prompt of a plugin.
#[derive(Debug)]
pub struct Prompt {
    /// Its name in the plugin.
    pub name: Arc<str>,
    /// Its name for clients.
    pub shown: String,
    /// The names of its arguments, and whether each has to be given.
    pub arguments: Vec<(String, bool)>,
    /// The prompt as clients see it: one JSON object.
    pub definition: String,
}

/// One resource of a plugin.
#[derive(Debug)]
pub struct Resource {
    /// Its URI.
    pub uri: String,
    /// The resource as clients see it: one JSON object.
    pub definition: String,
    /// The entry in `skills/list`, when it is a skill: one JSON object.
    pub skill: Option<String>,
}

/// One family of resources.
#[derive(Debug)]
pub struct ResourceTemplate {
    /// The template's text.
    pub text: Arc<str>,
    /// The same, ready to match.
    pub template: Template,
    /// The template as clients see it: one JSON object.
    pub definition: String,
}

/// URIs are carried in headers, logs and lists.
const URI_BYTES_MAX: usize = 2_048;

pub(super) fn check_prompts(prompts: Vec<wit::Prompt>, prefix: &str, limits: &Limits) -> Result<Vec<Prompt>, String> {
    let mut checked: Vec<Prompt> = Vec::new();
    if prompts.len() > limits.prompts_max {
        return Err(format!("the catalog lists more than {} prompts (prompts_max)", limits.prompts_max));
    }
    for prompt in prompts {
        let name = prompt.name.clone();
        let prompt = check_prompt(prompt, prefix, limits).map_err(|error| format!("prompt {name:?}: {error}"))?;
        if checked.iter().any(|other| other.shown == prompt.shown) {
            return Err(format!("prompt {name:?} is listed twice"));
        }
        checked.push(prompt);
    }
    Ok(checked)
}

fn check_prompt(prompt: wit::Prompt, prefix: &str, limits: &Limits) -> Result<Prompt, String> {
    let shown = format!("{prefix}{}", prompt.name);
    super::catalog::check_name(&prompt.name, &shown)?;
    let mut definition = described(&shown, prompt.title.as_deref(), prompt.description.as_deref(), limits)?;
    let mut arguments: Vec<(String, bool)> = Vec::new();
    let mut shown_arguments = Vec::new();
    for argument in prompt.arguments {
        if argument.name.is_empty() || argument.name.len() > 128 || arguments.iter().any(|(name, _)| *name == argument.name) {
            return Err(format!("the argument {:?} is listed twice, or has no name of 1 to 128 bytes", argument.name));
        }
        let mut value = described(&argument.name, argument.title.as_deref(), argument.description.as_deref(), limits)?;
        value.insert("required".to_owned(), json!(argument.required));
        shown_arguments.push(Value::Object(value));
        arguments.push((argument.name, argument.required));
    }
    definition.insert("arguments".to_owned(), Value::Array(shown_arguments));
    finish(&mut definition, icons(&prompt.icons), prompt.meta.as_deref())?;
    Ok(Prompt { name: Arc::from(prompt.name), shown, arguments, definition: Value::Object(definition).to_string() })
}

pub(super) fn check_resources(resources: Vec<WitResource>, limits: &Limits) -> Result<Vec<Resource>, String> {
    let mut checked: Vec<Resource> = Vec::new();
    for resource in resources {
        let uri = resource.uri.clone();
        if checked.len() == limits.resources_max {
            return Err(format!("the catalog lists more than {} resources (resources_max)", limits.resources_max));
        }
        if checked.iter().any(|other| other.uri == uri) {
            return Err(format!("resource {uri:?} is listed twice"));
        }
        checked.push(check_resource(resource, limits).map_err(|error| format!("resource {uri:?}: {error}"))?);
    }
    Ok(checked)
}

fn check_resource(resource: WitResource, limits: &Limits) -> Result<Resource, String> {
    check_uri(&resource.uri)?;
    let mut definition = described(&resource.name, resource.title.as_deref(), resource.description.as_deref(), limits)?;
    definition.insert("uri".to_owned(), json!(resource.uri));
    definition.extend(resource.mime_type.map(|mime_type| ("mimeType".to_owned(), json!(escape(&mime_type)))));
    definition.extend(resource.size_bytes.map(|size| ("size".to_owned(), json!(size))));
    definition.extend(resource.annotations.as_ref().map(|given| ("annotations".to_owned(), annotations(given))));
    finish(&mut definition, icons(&resource.icons), resource.meta.as_deref())?;
    let skill = skill(&resource.uri, definition.get("_meta"))?;
    Ok(Resource { uri: resource.uri, definition: Value::Object(definition).to_string(), skill })
}

/// Where the front matter of a skill's file stands in `_meta` of its resource.
const FRONTMATTER: &str = "io.modelcontextprotocol.skills/frontmatter";

/// A skill (SEP-2640) is a resource `skill://.../<name>/SKILL.md` whose `_meta` has the front matter of its file. The file and what lies
/// beside it are read as resources; the host passes them on without a digest.
fn skill(uri: &str, meta: Option<&Value>) -> Result<Option<String>, String> {
    let Some(frontmatter) = meta.and_then(|meta| meta.get(FRONTMATTER)) else { return Ok(None) };
    let path = uri.strip_prefix("skill://").and_then(|path| path.strip_suffix("/SKILL.md"));
    let name = path.and_then(|path| path.rsplit('/').next()).ok_or("a skill's URI is skill://.../<name>/SKILL.md")?;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = (1..=64).contains(&name.len()) && name.chars().all(legal) && !name.starts_with('-') && !name.ends_with('-');
    if !well_formed || name.contains("--") {
        return Err(format!("{name:?} is not a skill's name: it has 1 to 64 of a-z, 0-9 and single hyphens inside"));
    }
    if frontmatter.get("name").and_then(Value::as_str) != Some(name) || !frontmatter.get("description").is_some_and(Value::is_string) {
        return Err(format!("its front matter (`_meta`, {FRONTMATTER}) needs \"name\": {name:?} and a \"description\""));
    }
    Ok(Some(json!({ "uri": uri, "frontmatter": frontmatter, "resources": "dynamic" }).to_string()))
}

pub(super) fn check_templates(templates: Vec<wit::ResourceTemplate>, limits: &Limits) -> Result<Vec<ResourceTemplate>, String> {
    let mut checked: Vec<ResourceTemplate> = Vec::new();
    for template in templates {
        let text = template.uri_template.clone();
        if checked.len() == limits.resources_max {
            return Err(format!("the catalog lists more than {} resource templates (resources_max)", limits.resources_max));
        }
        if checked.iter().any(|other| *other.text == *text) {
            return Err(format!("resource template {text:?} is listed twice"));
        }
        checked.push(check_template(template, limits).map_err(|error| format!("resource template {text:?}: {error}"))?);
    }
    Ok(checked)
}

fn check_template(template: wit::ResourceTemplate, limits: &Limits) -> Result<ResourceTemplate, String> {
    check_uri(template.uri_template.split('{').next().unwrap_or_default())?;
    let parsed = Template::parse(&template.uri_template)?;
    let mut definition = described(&template.name, template.title.as_deref(), template.description.as_deref(), limits)?;
    definition.insert("uriTemplate".to_owned(), json!(template.uri_template));
    definition.extend(template.mime_type.map(|mime_type| ("mimeType".to_owned(), json!(escape(&mime_type)))));
    definition.extend(template.annotations.as_ref().map(|given| ("annotations".to_owned(), annotations(given))));
    finish(&mut definition, icons(&template.icons), template.meta.as_deref())?;
    Ok(ResourceTemplate { text: template.uri_template.into(), template: parsed, definition: Value::Object(definition).to_string() })
}

/// A scheme and something behind it (RFC 3986), in visible ASCII: it has to survive headers and logs as it is.
fn check_uri(uri: &str) -> Result<(), String> {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", ""));
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let scheme_is_good = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(legal);
    if scheme.eq_ignore_ascii_case("topic") {
        return Err("resources of the scheme \"topic\" are the host's: it makes one of each topic of the catalog".to_owned());
    }
    if scheme_is_good && !rest.is_empty() && uri.len() <= URI_BYTES_MAX && uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(format!("a URI has a scheme, such as \"docs:\", and at most {URI_BYTES_MAX} visible ASCII characters"))
}

fn described(name: &str, title: Option<&str>, description: Option<&str>, limits: &Limits) -> Result<Map<String, Value>, String> {
    let mut definition = Map::new();
    definition.insert("name".to_owned(), json!(prose(name, limits)?));
    for (key, text) in [("title", title), ("description", description)] {
        if let Some(text) = text {
            definition.insert(key.to_owned(), json!(prose(text, limits)?));
        }
    }
    Ok(definition)
}

fn finish(definition: &mut Map<String, Value>, icons: Option<Value>, given: Option<&str>) -> Result<(), String> {
    definition.extend(icons.map(|icons| ("icons".to_owned(), icons)));
    definition.extend(given.map(meta).transpose()?.map(|meta| ("_meta".to_owned(), meta)));
    Ok(())
}

/// `Annotations` as clients see them.
#[must_use]
pub fn annotations(given: &Annotations) -> Value {
    let mut object = Map::new();
    if !given.audience.is_empty() {
        let role = |role: &Role| if *role == Role::User { "user" } else { "assistant" };
        object.insert("audience".to_owned(), given.audience.iter().map(role).collect());
    }
    if let Some(priority) = given.priority {
        object.insert("priority".to_owned(), priority.clamp(0.0, 1.0).into());
    }
    if let Some(modified) = &given.last_modified {
        object.insert("lastModified".to_owned(), modified.as_str().into());
    }
    object.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt(name: &str, arguments: &[(&str, bool)]) -> wit::Prompt {
        let argument = |(name, required): &(&str, bool)| wit::PromptArgument {
            name: (*name).to_owned(),
            title: None,
            description: Some("What".to_owned()),
            required: *required,
        };
        wit::Prompt {
            name: name.to_owned(),
            title: None,
            description: None,
            arguments: arguments.iter().map(argument).collect(),
            icons: Vec::new(),
            meta: Some(r#"{"a":1}"#.to_owned()),
        }
    }

    fn resource(uri: &str) -> WitResource {
        WitResource {
            uri: uri.to_owned(),
            name: "n".to_owned(),
            title: None,
            description: None,
            mime_type: Some("text/plain".to_owned()),
            size_bytes: Some(3),
            annotations: Some(Annotations { audience: vec![Role::User], priority: Some(2.0), last_modified: None }),
            icons: Vec::new(),
            meta: None,
        }
    }

    #[test]
    fn what_is_in_order_is_rendered_once() {
        let limits = Limits::default();
        let prompts = check_prompts(vec![prompt("p", &[("a", true)])], "x_", &limits).unwrap();
        assert_eq!(
            prompts[0].definition,
            r#"{"_meta":{"a":1},"arguments":[{"description":"What","name":"a","required":true}],"name":"x_p"}"#
        );
        let resources = check_resources(vec![resource("test://a")], &limits).unwrap();
        assert_eq!(
            resources[0].definition,
            r#"{"annotations":{"audience":["user"],"priority":1.0},"mimeType":"text/plain","name":"n","size":3,"uri":"test://a"}"#
        );
    }

    #[test]
    fn skills_are_resources_with_front_matter() {
        let skill = |uri: &str, frontmatter: Value| {
            let meta = json!({ FRONTMATTER: frontmatter }).to_string();
            let resource = WitResource { meta: Some(meta), ..resource(uri) };
            check_resources(vec![resource], &Limits::default()).map(|resources| resources[0].skill.clone())
        };
        let good = json!({"name": "greet", "description": "Greets"});
        assert_eq!(
            skill("skill://acme/greet/SKILL.md", good.clone()).unwrap().as_deref(),
            Some(r#"{"frontmatter":{"description":"Greets","name":"greet"},"resources":"dynamic","uri":"skill://acme/greet/SKILL.md"}"#)
        );
        assert_eq!(check_resources(vec![resource("skill://a/b.md")], &Limits::default()).unwrap()[0].skill, None);
        for (uri, frontmatter) in [
            ("skill://greet/other.md", good.clone()),
            ("docs://greet/SKILL.md", good.clone()),
            ("skill://other/SKILL.md", good.clone()),
            ("skill://Greet/SKILL.md", json!({"name": "Greet", "description": "x"})),
            ("skill://a--b/SKILL.md", json!({"name": "a--b", "description": "x"})),
            ("skill://greet/SKILL.md", json!({"name": "greet"})),
            ("skill://greet/SKILL.md", json!("greet")),
        ] {
            assert!(skill(uri, frontmatter.clone()).is_err(), "{uri} {frontmatter}");
        }
    }

    #[test]
    fn what_is_not_is_refused() {
        let limits = Limits { prompts_max: 2, resources_max: 2, ..Limits::default() };
        for (prompts, expected) in [
            (vec![prompt("a b", &[])], "a name has"),
            (vec![prompt("a", &[]), prompt("a", &[])], "listed twice"),
            (vec![prompt("a", &[("x", true), ("x", false)])], "listed twice"),
            (vec![prompt("a", &[("", true)])], "no name"),
            (vec![prompt("a", &[]), prompt("b", &[]), prompt("c", &[])], "prompts_max"),
        ] {
            let error = check_prompts(prompts, "", &limits).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        let long = format!("a:{}", "b".repeat(2_047));
        for (uris, expected) in [
            (&["a"][..], "scheme"),
            (&[":a"], "scheme"),
            (&["1a:b"], "scheme"),
            (&["a:"], "scheme"),
            (&["a:b c"], "scheme"),
            (&["a:\u{e4}"], "scheme"),
            (&["a:b\n"], "scheme"),
            (&[&long], "scheme"),
            (&["a:b", "a:b"], "listed twice"),
            (&["a:1", "a:2", "a:3"], "resources_max"),
        ] {
            let error = check_resources(uris.iter().map(|uri| resource(uri)).collect(), &limits).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}

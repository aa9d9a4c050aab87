//! What people are asked to fill in.

use cofferdam_plugin::ask::Answer;
use cofferdam_plugin::prelude::*;
use cofferdam_plugin::{schemars, serde};

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "serde")]
pub struct Name {
    pub name: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "serde")]
pub struct Color {
    pub color: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "serde")]
pub struct Ok {
    pub ok: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "serde")]
pub struct Confirm {
    pub confirm: bool,
}

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "serde")]
pub struct UserContext {
    pub context: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "serde")]
pub struct Account {
    /// User's response
    pub username: String,
    /// User's email address
    pub email: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "serde", default)]
pub struct Profile {
    name: String,
    age: u32,
    score: f64,
    status: Status,
    verified: bool,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(crate = "serde", rename_all = "lowercase")]
enum Status {
    Active,
    Inactive,
    Pending,
}

impl Default for Profile {
    fn default() -> Self {
        Self { name: "John Doe".into(), age: 30, score: 95.5, status: Status::Active, verified: true }
    }
}

/// `action=accept, content={...}`, with the signs that the scenario wants.
pub fn told<T: Serialize>(answer: &Answer<T>, is: &str) -> Result<String> {
    let (action, content) = match answer {
        Answer::Accepted(content) => ("accept", cofferdam_plugin::serde_json::to_string(content)?),
        Answer::Declined => ("decline", "{}".into()),
        Answer::Cancelled => ("cancel", "{}".into()),
    };
    Result::Ok(format!("action{is}{action}, content{is}{content}"))
}

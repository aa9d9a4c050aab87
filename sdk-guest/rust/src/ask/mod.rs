//! Asking the client in the middle of a handler: a form for the person ([`Form`]), a link for the person ([`Link`]), a message for the
//! model ([`Sampling`]), or the folders that the client works in ([`Roots`]).
//!
//! The code is written straight on. When there is no answer yet, `?` ends the handler, the client is asked, and the handler runs again
//! from the top with the answer: so ask before you change anything, and keep what took long with [`Context::keep`].
//!
//! ```
//! # #[cofferdam_plugin::plugin]
//! # mod tickets {
//! #     use cofferdam_plugin::prelude::*;
//! #[derive(Deserialize, JsonSchema)]
//! struct Reason {
//!     /// Why is the ticket closed?
//!     reason: String,
//!     /// Tell the customer
//!     #[serde(default)]
//!     notify: bool,
//! }
//!
//! /// Closes the ticket of the caller.
//! #[update]
//! fn close(cx: &Context) -> Result<String> {
//!     let answer: Reason = cx.elicit("reason", "Please say why this ticket is closed.")?;
//!     Ok(format!("closed: {}{}", answer.reason, if answer.notify { ", and the customer was told" } else { "" }))
//! }
//! # }
//!
//! # fn main() -> cofferdam_plugin::Result<()> {
//! use cofferdam_plugin::{prelude::*, testing::Client};
//!
//! let client = Client::<tickets::Plugin>::new();
//! assert_eq!(client.update("close", json!({})).unwrap_err().kind(), FailureKind::Asks);
//!
//! let client = client.accept("reason", json!({"reason": "it works again"}));
//! assert_eq!(client.update("close", json!({}))?.first_text(), Some("closed: it works again"));
//! # Ok(())
//! # }
//! ```
//!
//! A person who declines ends the handler with [`Failure::denied`]; [`Form::answer`] tells the three answers apart instead. An answer
//! that does not fit is asked for again. Several questions go out in one round as a tuple, see [`Context::ask`].
//!
//! Each question has a key, under which its answer comes back: unique within the handler, and the same on every round.

mod form;
mod sampling;

use crate::{Context, Failure, Result};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::imports::types::{InputRequired, KeyedRequest, Request};
pub use form::{Answer, Form, FormAnswer, Link, LinkAnswer};
pub use sampling::{Sampled, Sampling};

/// What can be asked with [`Context::ask`]: one question, or several: a tuple of up to eight, a `Vec`, an `Option`.
pub trait Question {
    /// What comes back.
    type Answer;

    /// The answer, or none after it has been put among the `open` questions.
    ///
    /// # Errors
    /// The person declined, or the question itself is wrong.
    #[doc(hidden)]
    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<Self::Answer>>;
}

impl Context {
    /// Asks the person to fill in a form: the fields of `T`, which are text, numbers, booleans, choices (`enum`s without fields) and lists
    /// of choices. Comments on the fields become their descriptions.
    ///
    /// # Errors
    /// No answer yet, [`Failure::denied`] when the person declined, or a type that is no flat form.
    pub fn elicit<T: DeserializeOwned + JsonSchema>(&self, key: impl Into<String>, message: impl Into<String>) -> Result<T> {
        self.ask(Form::new(key, message))
    }

    /// Asks the person to open a page, for what must not pass through the client: signing in elsewhere, secrets, payment. `Ok` says that
    /// the person agreed, not that they are done there. Put nothing of the person's into the URL, and check who opens it.
    ///
    /// # Errors
    /// No answer yet, or [`Failure::denied`] when the person declined.
    pub fn elicit_url(&self, key: impl Into<String>, message: impl Into<String>, url: impl Into<String>) -> Result<()> {
        self.ask(Link::new(key, message, url))
    }

    /// Asks the client's model, which answers with at most `tokens_max` tokens. [`Sampling`] has more to choose.
    ///
    /// # Errors
    /// No answer yet.
    pub fn sample(&self, key: impl Into<String>, text: impl Into<String>, tokens_max: u32) -> Result<Sampled> {
        self.ask(Sampling::new(key, text, tokens_max))
    }

    /// Asks for the folders that the client works in.
    ///
    /// # Errors
    /// No answer yet.
    pub fn roots(&self, key: impl Into<String>) -> Result<Vec<Root>> {
        self.ask(Roots::new(key))
    }

    /// Asks one question, or several in one round:
    ///
    /// ```
    /// use cofferdam_plugin::{ask::{Form, Roots, Sampling}, prelude::*};
    ///
    /// #[derive(Deserialize, JsonSchema)]
    /// struct Name { name: String }
    ///
    /// fn greet(cx: &Context) -> Result<String> {
    ///     let (person, greeting, roots) = cx.ask((
    ///         Form::<Name>::new("person", "What is your name?"),
    ///         Sampling::new("greeting", "A short greeting, please.", 50),
    ///         Roots::new("roots"),
    ///     ))?;
    ///     Ok(format!("{} {}, at home in {} folders", greeting.text(), person.name, roots.len()))
    /// }
    /// ```
    ///
    /// # Errors
    /// No answers yet, [`Failure::denied`] when the person declined, or a question that is wrong.
    #[expect(clippy::needless_pass_by_value, reason = "questions are made in place")]
    pub fn ask<Q: Question>(&self, questions: Q) -> Result<Q::Answer> {
        let mut open = Vec::new();
        let answer = questions.look_up(self, &mut open)?;
        match answer {
            Some(answer) if open.is_empty() => Ok(answer),
            _ => Err(self.asking(open)),
        }
    }

    /// Not generic: one copy, however many questions a plugin has.
    #[cold]
    fn asking(&self, open: Vec<KeyedRequest>) -> Failure {
        for (at, request) in open.iter().enumerate() {
            if open.iter().take(at).any(|other| other.key == request.key) {
                return Failure::other(format!("two questions of one round have the key {:?}", request.key));
            }
        }
        Failure::asks(open, self.state_to_keep())
    }
}

/// Puts a question among the open ones.
fn open_question(open: &mut Vec<KeyedRequest>, key: &str, request: Request) {
    open.push(KeyedRequest { key: key.into(), request });
}

/// Asks for the folders that the client works in.
#[derive(Clone, Debug)]
pub struct Roots {
    key: String,
}

/// A folder that the client works in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Root {
    /// Its URI, which begins with `file://`. It comes from the client: check paths against it, and trust it no further.
    pub uri: String,
    /// A name for people.
    #[serde(default)]
    pub name: Option<String>,
}

impl Roots {
    /// Asks under a key.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into() }
    }
}

impl Question for Roots {
    type Answer = Vec<Root>;

    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<Vec<Root>>> {
        #[derive(Deserialize)]
        struct Listed {
            roots: Vec<Root>,
        }
        if let Some(Ok(listed)) = cx.response_json(&self.key).map(serde_json::from_str::<Listed>) {
            return Ok(Some(listed.roots));
        }
        open_question(open, &self.key, Request::Roots);
        Ok(None)
    }
}

/// A question that is asked only sometimes, such as when the client can answer it.
impl<Q: Question> Question for Option<Q> {
    type Answer = Option<Q::Answer>;

    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<Self::Answer>> {
        match self {
            Some(question) => Ok(question.look_up(cx, open)?.map(Some)),
            None => Ok(Some(None)),
        }
    }
}

/// As many questions as there are things to ask about.
impl<Q: Question> Question for Vec<Q> {
    type Answer = Vec<Q::Answer>;

    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<Self::Answer>> {
        let answers: Vec<_> = self.iter().map(|question| question.look_up(cx, open)).collect::<Result<_>>()?;
        Ok(answers.into_iter().collect())
    }
}

macro_rules! tuples {
    ($($($question:ident)+;)+) => {$(
        impl<$($question: Question),+> Question for ($($question,)+) {
            type Answer = ($($question::Answer,)+);

            fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<Self::Answer>> {
                #[expect(non_snake_case, reason = "the names of the types")]
                let ($($question,)+) = self;
                // All of them, so that all open ones go out together.
                #[expect(non_snake_case, reason = "the names of the types")]
                let ($($question,)+) = ($($question.look_up(cx, open)?,)+);
                Ok((|| Some(($($question?,)+)))())
            }
        }
    )+};
}

tuples! {
    A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H;
}

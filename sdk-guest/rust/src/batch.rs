//! Queries that are answered several at a time: `#[query(batch)]`.

use crate::plugin::arguments;
use crate::{Failure, IntoReply, Reply, Result};
use alloc::format;
use alloc::vec::Vec;
use serde::de::DeserializeOwned;

/// What a `#[query(batch)]` may return: as many replies as it was given inputs, in their order.
///
/// | type | |
/// |---|---|
/// | `Vec<R>` | `R` is anything that a handler may return: with `Result<_>` each has a failure of its own |
/// | `Result<Vec<R>, E>` | the same, or a failure of all of them |
#[diagnostic::on_unimplemented(
    message = "a query with `batch` cannot return `{Self}`",
    label = "not a list of replies",
    note = "return `Vec<R>` or `Result<Vec<R>>`, where `R` is what a query may return"
)]
pub trait IntoReplies {
    /// One of them.
    type Reply: IntoReply;

    /// Makes the replies.
    ///
    /// # Errors
    /// Whatever the handler failed with as a whole.
    fn into_replies(self) -> Result<Vec<Result<Reply>>>;
}

impl<R: IntoReply> IntoReplies for Vec<R> {
    type Reply = R;

    fn into_replies(self) -> Result<Vec<Result<Reply>>> {
        Ok(self.into_iter().map(IntoReply::into_reply).collect())
    }
}

impl<R: IntoReplies, E: Into<Failure>> IntoReplies for Result<R, E> {
    type Reply = R::Reply;

    fn into_replies(self) -> Result<Vec<Result<Reply>>> {
        self.map_err(Into::into)?.into_replies()
    }
}

/// What a `#[query(batch)]` takes.
#[diagnostic::on_unimplemented(
    message = "a query with `batch` cannot take `{Self}`",
    label = "not a list of inputs",
    note = "take `Vec<Input>`, where `Input` is what one query is asked with"
)]
pub trait Many {
    /// One of them.
    type One;
}

impl<T> Many for Vec<T> {
    type One = T;
}

/// Reads arguments, runs the handler with those that fit, and puts the failures of the others back in their places.
///
/// # Errors
/// Whatever the handler fails with as a whole, and an answer for more or fewer than it was asked for.
pub fn batch<T, A, R>(all: &[A], run: impl FnOnce(Vec<T>) -> R) -> Result<Vec<Result<Reply>>>
where
    T: DeserializeOwned,
    A: AsRef<str>,
    R: IntoReplies,
{
    let mut inputs = Vec::with_capacity(all.len());
    let misfits: Vec<Option<Failure>> = all
        .iter()
        .map(|one| match arguments(one.as_ref()) {
            Ok(input) => {
                inputs.push(input);
                None
            }
            Err(failure) => Some(failure),
        })
        .collect();
    let asked = inputs.len();
    let replies = if asked == 0 { Vec::new() } else { run(inputs).into_replies()? };
    if replies.len() != asked {
        return Err(Failure::other(format!("{} replies to {asked} queries", replies.len())));
    }
    let mut replies = replies.into_iter();
    Ok(misfits.into_iter().filter_map(|misfit| misfit.map_or_else(|| replies.next(), |failure| Some(Err(failure)))).collect())
}

/// The same for one.
///
/// # Errors
/// As for several, and that of the one.
pub fn single<T: DeserializeOwned, R: IntoReplies>(one: &str, run: impl FnOnce(Vec<T>) -> R) -> Result<Reply> {
    batch(&[one], run)?.pop().unwrap_or_else(|| Err(Failure::other("no reply")))
}

#[cfg(test)]
mod tests {
    use crate::testing::Client;
    use alloc::string::ToString;
    use serde_json::json;

    #[crate::plugin]
    mod shop {
        use crate::prelude::*;

        #[derive(Deserialize, JsonSchema)]
        struct Price {
            item: u32,
        }

        #[derive(Serialize, JsonSchema)]
        struct Cents {
            cents: u32,
            asked: usize,
        }

        /// Tells prices.
        #[query(batch)]
        fn price(all: Vec<Price>) -> Result<Vec<Result<Json<Cents>>>> {
            let asked = all.len();
            let price = |price: &Price| match price.item {
                0 => Err(Failure::not_found("nothing is free")),
                item => Ok(Json(Cents { cents: item * 10, asked })),
            };
            match all.iter().any(|price| price.item == 9) {
                true => Err(Failure::unavailable("closed")),
                false => Ok(all.iter().map(price).collect()),
            }
        }

        #[query(batch)]
        fn lost(cx: &Context, mut all: Vec<Price>) -> Vec<String> {
            all.pop();
            all.iter().map(|_| cx.caller().tenant().to_owned()).collect()
        }

        #[query]
        fn one(price: Price) -> String {
            price.item.to_string()
        }
    }

    type Shop = Client<shop::Plugin>;

    #[test]
    fn several_queries_are_one_call_and_each_has_its_own_answer() {
        let replies = Shop::new().queries("price", &[json!({"item": 1}), json!({"item": 0}), json!({"item": "x"}), json!({"item": 2})]);
        let [first, free, misfit, last] = &replies.unwrap()[..] else { panic!() };
        assert_eq!(first.as_ref().unwrap().structured_json(), Some(r#"{"cents":10,"asked":3}"#));
        assert_eq!(last.as_ref().unwrap().structured_json(), Some(r#"{"cents":20,"asked":3}"#));
        assert_eq!(free.as_ref().unwrap_err().to_string(), "not found: nothing is free");
        assert!(misfit.as_ref().unwrap_err().message().starts_with("item: invalid type"));
    }

    #[test]
    fn one_query_is_a_batch_of_one() {
        let reply = Shop::new().query("price", json!({"item": 3})).unwrap();
        assert_eq!(reply.structured_json(), Some(r#"{"cents":30,"asked":1}"#));
        assert_eq!(Shop::new().query("price", json!({"item": 0})).unwrap_err().message(), "nothing is free");
        let catalog = Shop::new().catalog();
        let price = &catalog.queries[0];
        assert!(price.input_schema.contains(r#""required":["item"]"#) && price.input_schema.contains(r#""type":"object""#));
        assert!(price.output_schema.as_deref().is_some_and(|schema| schema.contains("cents")));
    }

    #[test]
    fn a_failure_of_all_and_a_wrong_number_are_failures() {
        assert_eq!(Shop::new().queries("price", &[json!({"item": 9})]).unwrap_err().message(), "closed");
        let lost = Shop::new().queries("lost", &[json!({"item": 1}), json!({"item": 2})]).unwrap_err();
        assert_eq!(lost.message(), "1 replies to 2 queries");
        assert!(Shop::new().queries("price", &[json!({})]).unwrap()[0].is_err());
    }

    #[test]
    fn a_query_without_batch_is_asked_one_by_one() {
        let replies = Shop::new().queries("one", &[json!({"item": 1}), json!({}), json!({"item": 2})]).unwrap();
        assert_eq!(replies[2].as_ref().unwrap().first_text(), Some("2"));
        assert!(replies[1].is_err());
    }
}

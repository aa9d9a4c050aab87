//! What happens, and who is told. [`Changes`] says that something changed; [`Topics`] carries the events themselves to subscribers, each
//! with a filter and a bounded queue of its own. A publisher never waits for a listener.

mod changes;
mod channel;
mod event;
mod filter;
mod hub;
mod name;
mod queue;
mod subscription;
mod tenant;

pub use changes::{Change, Changes, Listener, Listening, Listing};
pub use channel::Overflow;
pub use event::{Event, NewEvent, Seen};
pub use filter::{Filter, FilterError};
pub use hub::{Declared, FeedKey, FeedRunner, PublishError, SubscribeError, Subscriber, Topics, Wanted};
pub use name::{BadTopic, TopicPattern, check_topic, topic_of_uri, topic_uri};
pub use queue::{Delivery, Notice};
pub use subscription::{Counted, Subscription, Watching};

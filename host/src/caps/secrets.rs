//! `cofferdam:mcp/secrets`: secrets that the operator lets plugins read, and the manifest asks to.

use super::budget::Budget;
use crate::grants::SecretsGrant;
use crate::secrets::{CallSecrets, SecretError, Secrets};
use crate::wit::cofferdam::mcp::secrets as wit;
use std::collections::BTreeSet;
use wasmtime::component::{HasData, Linker};

/// What a binding may read. The process's backend is [`Secrets`].
#[derive(Debug)]
pub struct SecretsCap {
    secrets: Secrets,
    reveal: BTreeSet<String>,
}

impl SecretsCap {
    /// What a binding was granted; none when that is nothing.
    #[must_use]
    pub fn new(secrets: &Secrets, grant: &SecretsGrant) -> Option<Self> {
        (!grant.reveal.is_empty()).then(|| Self { secrets: secrets.clone(), reveal: grant.reveal.clone() })
    }
}

/// One call's view.
pub struct SecretsView<'a> {
    /// What the binding was granted.
    pub cap: Option<&'a SecretsCap>,
    /// What the call has seen of the secrets; made when it first asks.
    pub seen: &'a mut Option<CallSecrets>,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl SecretsView<'_> {
    /// A name that was not granted is like one that does not exist.
    fn denied(&mut self, name: &str) -> wit::Error {
        super::audit::denied(self.budget, "secrets", name);
        wit::Error::Denied("no secret of that name is granted".to_owned())
    }
}

impl wit::Host for SecretsView<'_> {
    async fn reveal(&mut self, name: String) -> wasmtime::Result<Result<String, wit::Error>> {
        self.budget.charge_host_call()?;
        let Some(cap) = self.cap.filter(|cap| cap.reveal.contains(&name)) else { return Ok(Err(self.denied(&name))) };
        let seen = self.seen.get_or_insert_with(|| cap.secrets.for_call());
        match seen.get(&name).await {
            Ok(secret) => {
                self.budget.note_revealed(&secret);
                Ok(Ok(secret.expose().to_owned()))
            }
            Err(SecretError::Unknown(_)) => Ok(Err(self.denied(&name))),
            Err(SecretError::Unreadable(_)) => Ok(Err(wit::Error::Unavailable("the secret cannot be read now".to_owned()))),
        }
    }
}

struct HasSecrets;

impl HasData for HasSecrets {
    type Data<'a> = SecretsView<'a>;
}

/// Links the interface.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> SecretsView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasSecrets>(linker, view)
}

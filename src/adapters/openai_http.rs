//! Chat completions over HTTP: OpenRouter, and servers of one's own, which are probed at the start.

use std::time::Duration;

use conclave_actors::models::port::{Call, CallError, Capabilities, Dialect, Model, Sending};
use conclave_actors::models::wire::probe;
use conclave_domain::llm::Trouble;
use reqwest::header::AUTHORIZATION;

use super::model_http::{Door, Key, ModelError, is_loopback};

/// The address that OpenRouter is asked at unless configured otherwise.
pub const OPENROUTER_URL: &str = "https://openrouter.ai/api/v1";

const CHAT: &str = "chat/completions";
const MODELS: &str = "models";

/// A server of chat completions.
#[derive(Debug)]
pub struct OpenAiHttp {
    name: String,
    dialect: Dialect,
    door: Door,
}

impl OpenAiHttp {
    /// OpenRouter; `base` is the address before `/chat/completions`.
    ///
    /// # Errors
    /// When the address is not taken, or no client could be made.
    pub fn openrouter(base: &str, key: Key) -> Result<Self, ModelError> {
        let door = door(base, Some(key))?;
        Ok(Self { name: "openrouter".to_owned(), dialect: Dialect::OpenRouter, door })
    }

    /// A server of one's own, which does what [`probe()`] found.
    ///
    /// # Errors
    /// As [`OpenAiHttp::openrouter`].
    pub fn local(
        name: &str,
        base: &str,
        key: Option<Key>,
        capabilities: Capabilities,
    ) -> Result<Self, ModelError> {
        let dialect = Dialect::OpenAi(capabilities);
        Ok(Self { name: name.to_owned(), dialect, door: door(base, key)? })
    }
}

fn door(base: &str, key: Option<Key>) -> Result<Door, ModelError> {
    let bearer = key.as_ref().map(|key| key.header("Bearer ")).transpose()?;
    let headers = bearer.map(|bearer| (AUTHORIZATION, bearer)).into_iter().collect();
    Door::new(base, CHAT, key, headers)
}

impl Model for OpenAiHttp {
    fn provider(&self) -> &str {
        &self.name
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn endpoint(&self) -> &str {
        self.door.endpoint()
    }

    fn is_free(&self) -> bool {
        matches!(self.dialect, Dialect::OpenAi(_)) && is_loopback(self.door.endpoint())
    }

    fn send(&self, call: Call) -> Sending {
        self.door.post(call)
    }
}

/// What a server was found to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The models that it lists; empty when it lists none.
    pub models: Vec<String>,
    /// What it does.
    pub capabilities: Capabilities,
}

/// Why a server cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// It cannot be spoken to.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It does not answer.
    #[error("the model server does not answer")]
    Call(#[from] CallError),
    /// It lists models, and this is none of them.
    #[error("the model server has no model `{model}`; it has {known}")]
    NoSuchModel {
        /// The model that was asked for.
        model: String,
        /// Some of those that it has.
        known: String,
    },
    /// It refuses a question.
    #[error("the model server refuses a question: {}", trouble.name())]
    Refuses {
        /// Why.
        trouble: Trouble,
    },
}

/// Models that an error names.
const NAMED_MAX: usize = 8;

/// Looks what a server does: its models, then one tiny question. `patience` is for each of the two; the
/// first answer of a server that has yet to load its model can take long.
///
/// # Errors
/// When it does not answer, refuses the key, or does not have the model.
pub async fn probe(
    base: &str,
    key: Option<&Key>,
    model: &str,
    patience: Duration,
) -> Result<Probed, ProbeError> {
    let chat = door(base, key.cloned())?;
    let listed = chat.beside(base, MODELS)?.get(patience).await?;
    // A server without a list is asked all the same.
    let models = probe::models(&listed).unwrap_or_default();
    if !models.is_empty() && !models.iter().any(|known| known == model) {
        let known = models.into_iter().take(NAMED_MAX).collect::<Vec<_>>().join(", ");
        return Err(ProbeError::NoSuchModel { model: model.to_owned(), known });
    }
    let reply = chat.post(Call { body: probe::body(model), timeout: patience }).await?;
    let found = probe::found(&reply);
    let capabilities = found.map_err(|trouble| ProbeError::Refuses { trouble })?;
    Ok(Probed { models, capabilities })
}

#[cfg(test)]
mod tests;

//! A chat model as a reasoner, by the HTTP interface that OpenAI made common (feature `chat`).
//!
//! It is asked for signals in a form that a schema fixes, and what it answers is checked all the same. Calls that fail in
//! passing are tried again while there is time, and what it may spend is bounded.

mod http;
mod secret;
mod spend;
mod wire;

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use regie_actors::clock::{Clock, Stopwatch};
use regie_actors::reasoner::{Reasoner, Reply};
use regie_core::reasoning::{ReasonError, Request};

pub use secret::{NoSecret, Secret};

use http::{Endpoint, Trouble};
use spend::Purse;
use wire::Conversation;

/// The first wait before a call is tried again; it doubles with each.
const BACKOFF: Duration = Duration::from_millis(100);

/// Why there is no such model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The address cannot be used.
    #[error("'{base}' is no base address, such as https://api.example.com/v1: {why}")]
    Address {
        /// What was given, without what might be secret in it.
        base: String,
        /// What is wrong with it.
        why: String,
    },
    /// The system has no certificates to trust.
    #[error("no certificates of the system can be read: {0}")]
    Certificates(String),
    /// The key cannot be sent.
    #[error("the key holds a character that no HTTP header takes")]
    Key,
}

/// A chat model as a reasoner. Without anything said: no key, an answer of at most 512 tokens, at most 8,000 tokens a call,
/// no budget over time, three attempts.
pub struct ChatModel {
    endpoint: Endpoint,
    conversation: Conversation,
    call_tokens: u64,
    purse: Purse,
    attempts: u32,
    clock: Clock,
}

impl ChatModel {
    /// A model behind a base address; `/chat/completions` is added to that.
    ///
    /// ```
    /// use regie::reasoning::chat::ChatModel;
    /// let model = ChatModel::new("http://127.0.0.1:11434/v1", "llama3.2")?
    ///     .instructions("You look at orders of a book shop. Signal `risk.high` where one looks like fraud.")
    ///     .kinds(["risk.high"])
    ///     .budget(100_000, std::time::Duration::from_secs(60));
    /// let builder = regie::builder().reasoner("fraud", model);
    /// # drop(builder);
    /// # Ok::<(), regie::reasoning::chat::ChatError>(())
    /// ```
    ///
    /// # Errors
    /// If the address is none, or the system has no certificates to trust.
    pub fn new(base: &str, model: &str) -> Result<Self, ChatError> {
        Ok(Self {
            endpoint: Endpoint::new(base)?,
            conversation: Conversation::with(model),
            call_tokens: 8_000,
            purse: Purse::default(),
            attempts: 3,
            clock: Clock::system(),
        })
    }

    /// The key that the server wants; it is sent as a bearer token, and shown nowhere.
    ///
    /// # Errors
    /// If no HTTP header takes it.
    pub fn key(mut self, key: Secret) -> Result<Self, ChatError> {
        self.endpoint.key(key)?;
        Ok(self)
    }

    /// What it is to look for, in words.
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.conversation.instructions = text.into();
        self
    }

    /// The kinds of signals that it may give; any unless some are named.
    pub fn kinds<K: Into<String>>(mut self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.conversation.kinds = kinds.into_iter().map(Into::into).collect();
        self
    }

    /// How many tokens an answer may have.
    pub fn answer_tokens(mut self, tokens: u32) -> Self {
        self.conversation.answer_tokens = tokens;
        self
    }

    /// What the server calls that: `max_tokens` unless said; newer models of OpenAI want `max_completion_tokens`.
    pub fn answer_tokens_are_called(mut self, field: impl Into<String>) -> Self {
        self.conversation.tokens_field = field.into();
        self
    }

    /// How many tokens a call may take, question and answer together.
    pub fn call_tokens(mut self, tokens: u64) -> Self {
        self.call_tokens = tokens;
        self
    }

    /// How many tokens all calls of a period may take together.
    pub fn budget(mut self, tokens: u64, period: Duration) -> Self {
        self.purse = Purse::of(tokens, period);
        self
    }

    /// How often a call is tried at most; at least once.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// What tells it the time, for its budget and its waits; the system's clock unless said.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// One attempt: what the model says, and what that cost if it tells.
    async fn attempt(&self, body: &str, worth: u64) -> Result<Reply, Trouble> {
        let taken = self.purse.take(worth, self.clock.now()).map_err(Trouble::spent_out)?;
        match self.endpoint.post(body.to_string(), self.clock.now()).await {
            Ok(text) => {
                let said = self.conversation.read(&text);
                taken.settle(said.tokens);
                Ok(said.reply)
            }
            Err(trouble) => {
                if trouble.cost_nothing {
                    taken.settle(Some(0));
                }
                Err(trouble)
            }
        }
    }

    /// How long to wait before the next attempt, if there is to be one and time for it.
    fn rest(&self, trouble: &Trouble, attempt: u32, request: &Request, since: &Stopwatch) -> Option<Duration> {
        if !trouble.passes || attempt >= self.attempts {
            return None;
        }
        let doubled = BACKOFF * 2_u32.pow((attempt - 1).min(8));
        // Up to half of it more, other for each event, so that many calls do not come back together.
        let mut hasher = DefaultHasher::new();
        (request.correlation.as_str(), &request.event_id, attempt).hash(&mut hasher);
        let spread = doubled / 2 * u32::from(hasher.finish() as u8) / 256;
        let rest = trouble.after.unwrap_or_default().max(doubled + spread);
        let left = Duration::from_millis(request.limit_ms).saturating_sub(since.elapsed());
        (rest < left).then_some(rest)
    }
}

impl Reasoner for ChatModel {
    async fn reason(&self, request: Request) -> Reply {
        let since = self.clock.stopwatch();
        let body = self.conversation.about(&request);
        let worth = self.conversation.tokens_of(&body);
        if worth > self.call_tokens {
            return Err(spend::too_much(worth, self.call_tokens).into());
        }
        let mut attempt = 1;
        loop {
            let trouble = match self.attempt(&body, worth).await {
                Ok(reply) => return reply,
                Err(trouble) => trouble,
            };
            match self.rest(&trouble, attempt, &request, &since) {
                Some(rest) => self.clock.sleep(rest).await,
                None => return Err(told(trouble.why, attempt)),
            }
            attempt += 1;
        }
    }
}

fn told(why: ReasonError, attempts: u32) -> ReasonError {
    match why {
        ReasonError::Failed(why) if attempts > 1 => ReasonError::Failed(format!("{why}, at {attempts} attempts")),
        other => other,
    }
}

impl fmt::Debug for ChatModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChatModel({} at {})", self.conversation.model, self.endpoint)
    }
}

//! A miner of a Bittensor subnet, called at its axon as a validator would.
//!
//! Each subnet has request classes ("synapses") of its own. The operator maps a chat onto one:
//!
//! ```yaml
//! kind: bittensor-axon
//! base_url: http://203.0.113.7:8091        # where the metagraph says that the miner listens
//! hotkey_seed: "${BITTENSOR_HOTKEY_SEED}"  # of a hotkey that the subnet knows
//! axon_hotkey: 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty
//! synapse:
//!   name: StreamChat                       # the Python class
//!   fields:
//!     messages: { from: messages }
//!     temperature: { from: temperature, value: 0.7 }
//!   required: [messages]                   # fields that have no default in the class
//!   hashed: [messages, temperature]        # the class's `required_hash_fields`, in its order
//!   streams: true                          # or `answer: { text: completion }`
//! ```
//!
//! **Transport only.** Nothing that an axon answers is signed. That the answer came from the address
//! of the miner is all that is known: not that the miner made it, and not which model did. Plain HTTP
//! shows prompts to everyone on the way, and only hashed fields are safe from change there. A handler
//! that fails in the middle of a stream ends it like one that is done, so that a cut answer cannot be
//! told from a short one (seen with bittensor 10.5.0).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Operation;

use crate::adapter::{Adapter, Answer, AnswerStream, Attempt, Timeouts};
use crate::bittensor::Clock;
use crate::bittensor::dendrite::{Call, Dendrite};
use crate::bittensor::hotkey::{Address, Hotkey};
use crate::dialects::{decode_chat, openai_error};
use crate::http_adapter::{collect, error_body};
use crate::http_client::{self, Incoming, Target};
use crate::mapping::{Said, TextPieces, answer_with};
use crate::registry::BuildError;
use crate::timeouts::{Deadlines, Paced};

mod failures;
mod settings;

pub use settings::{AxonSettings, SynapseSettings};

/// One miner, ready to be called.
struct Axon {
    target: Target,
    dendrite: Dendrite,
    synapse: SynapseSettings,
}

/// The longest that a miner is told the caller will wait. As long is a captured call good for replay.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Makes the adapter of one miner.
pub fn build(settings: AxonSettings, clock: Clock) -> Result<Arc<dyn Adapter>, BuildError> {
    settings.synapse.check().map_err(|error| BuildError(format!("`synapse`: {error}")))?;
    let AxonSettings { base_url, hotkey_seed, axon_hotkey, synapse } = settings;
    let named = |field: &str, error: String| BuildError(format!("`{field}` {error}"));
    let hotkey =
        Hotkey::from_seed(&hotkey_seed).map_err(|error| named("hotkey_seed", error.to_string()))?;
    let axon =
        Address::parse(&axon_hotkey).map_err(|error| named("axon_hotkey", error.to_string()))?;
    let target = Target::new(&base_url, &format!("/{}", synapse.name))
        .map_err(|error| BuildError(format!("`base_url`: {error}")))?;
    Ok(Arc::new(Axon { target, dendrite: Dendrite::new(hotkey, axon, clock), synapse }))
}

// === impl Axon ===

impl Adapter for Axon {
    fn call(&self, attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        self.attempt(attempt).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        async {
            let message =
                "a Bittensor axon has no list of models; name the endpoint's model freely";
            Err(Failure::new(Kind::Unsupported, message))
        }
        .boxed()
    }
}

impl Axon {
    async fn attempt(&self, attempt: Attempt) -> Result<Answer, Failure> {
        let (request, model) = (&attempt.request, attempt.model.as_str());
        if request.operation != Operation::Chat {
            let message = "a Bittensor axon answers chat completions only";
            return Err(Failure::new(Kind::Unsupported, message));
        }
        let fields = self.synapse.fields.fields(&Said::of(decode_chat(&request.body)?, model)?)?;
        let limits = self.limits(&attempt.timeouts);
        let call = Call {
            synapse: &self.synapse.name,
            timeout: limits.total.min(LONGEST_WAIT),
            fields: &fields,
            hashed: &self.synapse.hashed,
            required: &self.synapse.required,
        };
        let deadlines = Deadlines::from_now(&limits);
        let incoming = self.send(&call, &limits, deadlines).await?;
        let mut body = Paced::new(incoming.body, deadlines);
        let asked = request.body.len();
        let Some(answer) = &self.synapse.answer else {
            let pieces = TextPieces::new(body.boxed(), asked);
            if request.stream {
                let (pieces, upstream_request_id) = (pieces.boxed(), None);
                return Ok(Answer::Stream(AnswerStream { pieces, upstream_request_id }));
            }
            return Ok(answer_with(pieces.gathered().await?, model, false, None));
        };
        let body = collect(&mut body).await?;
        let said = serde_json::from_slice(&body).map_err(|_| failures::no_synapse(&body))?;
        Ok(answer_with(answer.read(&said, asked)?, model, request.stream, None))
    }

    /// Signs and sends, and turns an error's status into the failure that it is.
    async fn send(
        &self,
        call: &Call<'_>,
        limits: &Timeouts,
        deadlines: Deadlines,
    ) -> Result<Incoming, Failure> {
        let mut sender = self.dendrite.sender()?;
        let signed = self.dendrite.sign(call, &mut sender)?;
        let sending = http_client::send(
            Method::POST,
            &self.target,
            signed.headers,
            signed.body,
            limits.connect,
        );
        let incoming = deadlines.first_byte(sending).await??;
        let Incoming { status, headers, body } = incoming;
        if !status.is_success() {
            let body = error_body(body, deadlines).await;
            let failure =
                openai_error::from_response(status, &headers, body, None, SystemTime::now());
            return Err(failures::explained(failure));
        }
        self.dendrite.give_back(sender);
        if self.synapse.streams == is_json(&headers) {
            return Err(failures::other_form(self.synapse.streams));
        }
        Ok(Incoming { status, headers, body })
    }

    /// A whole answer begins only when all of it is made, so it may take as long to begin as to end.
    fn limits(&self, limits: &Timeouts) -> Timeouts {
        let first_byte = if self.synapse.streams { limits.first_byte } else { limits.total };
        Timeouts { first_byte, ..*limits }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("application/json"))
}

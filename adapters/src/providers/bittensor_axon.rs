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
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use isthmus_inference::capability::Capability;
use isthmus_inference::failure::{Failure, Kind};
use isthmus_inference::request::Operation;

use crate::adapter::{Adapter, Answer, AnswerStream, Attempt, Timeouts};
use crate::bittensor::Clock;
use crate::bittensor::dendrite::{Call, Dendrite};
use crate::bittensor::options::{HOTKEY_SEED, address, hotkey, missing};
use crate::dialect::Encoded;
use crate::dialects::caller;
use crate::http_adapter::{Auth, Line, Outgoing, collect};
use crate::http_client::{Body, Incoming, Target};
use crate::mapping::{Said, TextPieces, answer_with};
use crate::providers::table::custom;
use crate::registry::{About, BuildError, Provider, ProviderOption, Shape};
use crate::settings::AccountSettings;
use crate::timeouts::Paced;

mod failures;
mod synapse;

pub use synapse::Synapse;

/// Bittensor's axons.
pub static BITTENSOR_AXON: Provider = Provider {
    options: &[
        HOTKEY_SEED,
        ProviderOption {
            name: "axon_hotkey",
            variables: &[],
            shape: Shape::Text,
            help: "the miner's hotkey: its SS58 address",
        },
        ProviderOption {
            name: "synapse",
            variables: &[],
            shape: Shape::Json,
            help: "the subnet's request class, and what goes into its fields",
        },
    ],
    about: About {
        dialects: &["a synapse of the subnet's own"],
        relays: &[],
        credential: "headers `bt_header_dendrite_…`, signed by the hotkey (sr25519)",
        capabilities: &[Capability::Chat],
        limits: &[
            "What a caller asks for and no field of the synapse takes is refused, not dropped.",
            "Nothing that it answers is signed: only that the answer came from this address is known, \
             and facts must not claim more.",
            "Plain HTTP shows prompts to everyone on the way; only hashed fields are safe from change.",
            "A stream that the miner's code breaks off cannot be told from one that is done.",
            "The machine's clock must be right: axons refuse what is some seconds old.",
        ],
    },
    ..custom("bittensor-axon", "Bittensor axon", |settings| build(settings, SystemTime::now))
};

/// One miner, ready to be called.
struct Axon {
    line: Line,
    target: Target,
    dendrite: Dendrite,
    synapse: Synapse,
}

/// The longest that a miner is told the caller will wait. As long is a captured call good for replay.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// Makes the adapter of one miner, with a clock of the caller's choice.
pub fn build(settings: &AccountSettings, clock: Clock) -> Result<Arc<dyn Adapter>, BuildError> {
    let axon = address(settings, "axon_hotkey")?.ok_or_else(|| missing("axon_hotkey"))?;
    let synapse: Synapse = settings.json("synapse")?.ok_or_else(|| missing("synapse"))?;
    synapse.check().map_err(|error| BuildError(format!("`synapse`: {error}")))?;
    Ok(Arc::new(Axon {
        line: Line::new(settings, &Auth::Bearer, HeaderMap::new())?,
        target: settings.target(&format!("/{}", synapse.name))?,
        dendrite: Dendrite::new(hotkey(settings)?, axon, clock),
        synapse,
    }))
}

// === impl Axon ===

impl Adapter for Axon {
    fn call(&self, attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        self.attempt(attempt).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        async { Err(Failure::new(Kind::Unsupported, "an axon lists no models")) }.boxed()
    }
}

impl Axon {
    async fn attempt(&self, attempt: Attempt) -> Result<Answer, Failure> {
        let (request, model) = (&attempt.request, attempt.model.as_str());
        if request.operation != Operation::Chat {
            let message = "a Bittensor axon answers chat completions only";
            return Err(Failure::new(Kind::Unsupported, message));
        }
        let said = Said::of(&caller(request.dialect).chat(request)?, model)?;
        let fields = self.synapse.fields.fields(&said)?;
        let dropped = said.dropped().to_vec();
        let limits = self.limits(&attempt.timeouts);
        let call = Call {
            synapse: &self.synapse.name,
            timeout: limits.total.min(LONGEST_WAIT),
            fields: &fields,
            hashed: &self.synapse.hashed,
            required: &self.synapse.required,
        };
        let mut body = self.send(&call, &limits).await?;
        let asked = request.rough_tokens();
        let Some(answer) = &self.synapse.answer else {
            let pieces = TextPieces::new(body.boxed(), asked);
            if request.stream {
                let (pieces, upstream_request_id) = (pieces.boxed(), None);
                return Ok(Answer::Stream(AnswerStream { pieces, upstream_request_id, dropped }));
            }
            return Ok(answer_with(pieces.gathered().await?, model, false, dropped, None));
        };
        let body = collect(&mut body).await?;
        let said = serde_json::from_slice(&body).map_err(|_| failures::no_synapse(&body))?;
        Ok(answer_with(answer.read(&said, asked)?, model, request.stream, dropped, None))
    }

    /// Signs and sends.
    async fn send(&self, call: &Call<'_>, limits: &Timeouts) -> Result<Paced<Body>, Failure> {
        let mut sender = self.dendrite.sender()?;
        let signed = self.dendrite.sign(call, &mut sender)?;
        let encoded =
            Encoded { body: signed.body.into(), headers: signed.headers, ..Encoded::default() };
        let outgoing = Outgoing::post(&self.target, encoded, limits);
        let deadlines = outgoing.deadlines;
        let Incoming { headers, body, .. } = self.line.send(outgoing, failures::of).await?;
        self.dendrite.give_back(sender);
        if self.synapse.streams == is_json(&headers) {
            return Err(failures::other_form(self.synapse.streams));
        }
        Ok(Paced::new(body, deadlines))
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

//! Providers that speak OpenAI's language as OpenAI does: nothing but an address and a name for the
//! credential.
//!
//! Addresses and variables are those of each vendor's own documentation. Ports of servers of one's
//! own are the ones that they listen on unless told otherwise.

use std::sync::Arc;

use isthmus_inference::ident::UpstreamModel;

use crate::adapter::Adapter;
use crate::dialects::openai_provider::{self, COMPATIBLE};
use crate::dialects::openai_request::{Quirks, StreamUsage};
use crate::http_adapter::Auth;
use crate::places::Processing;
use crate::providers::openai_shaped::{self, Wire};
use crate::registry::{About, BuildError, Continent, Provider};
use crate::settings::AccountSettings;

/// OpenRouter's member that narrows where a request may go. The house has read it, and OpenAI refuses
/// members that it does not know.
const NARROWING: &str = "provider";

/// The wire of those who speak as OpenAI does.
pub const PLAIN: Wire = Wire {
    auth: Auth::Bearer,
    models_path: "/models",
    embeddings_path: "/embeddings",
    quirks: Quirks { stream_usage: StreamUsage::Asked, renames: &[], refused: &[NARROWING] },
    relays_chat: true,
    style: COMPATIBLE,
    responses: false,
    continuation_path: None,
};
/// The same with Responses.
const WITH_RESPONSES: Wire = Wire { responses: true, ..PLAIN };
/// OpenAI's own.
const OPENAI_WIRE: Wire = Wire { style: openai_provider::OPENAI, ..WITH_RESPONSES };

/// Of clouds whose hardware could vouch for them.
pub(crate) const UNPROVED: &str =
    "Its attestations and receipts are not checked: until they are, the endpoint is `unverified`.";

/// OpenAI.
pub static OPENAI: Provider = Provider {
    build: |settings| openai_shaped::build(settings, &OPENAI_WIRE),
    about: About::WITH_RESPONSES.limited(&[
        "Models that speak Responses alone (`o3-pro`, `codex` and their like) are asked in Responses, \
         whatever the caller speaks.",
        "What Responses keep at the vendor (`previous_response_id`, `conversation`) is known to this \
         account alone: no other endpoint can step in.",
    ]),
    base_url_variable: Some("OPENAI_BASE_URL"),
    ..hosted("openai", "OpenAI", "https://api.openai.com/v1", &["OPENAI_API_KEY"])
};
/// Together AI; its list of models is a bare array.
pub static TOGETHER: Provider =
    hosted("together", "Together AI", "https://api.together.xyz/v1", &["TOGETHER_API_KEY"]);
/// Fireworks AI.
pub static FIREWORKS: Provider = hosted(
    "fireworks",
    "Fireworks AI",
    "https://api.fireworks.ai/inference/v1",
    &["FIREWORKS_API_KEY"],
);
/// Cerebras.
pub static CEREBRAS: Provider =
    hosted("cerebras", "Cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"]);
/// NVIDIA NIM: NVIDIA's own, or a container of one's own by `base_url`.
pub static NVIDIA: Provider = Provider {
    base_url_variable: Some("NVIDIA_BASE_URL"),
    about: About::OPENAI.limited(&["`base_url` may be a container of one's own."]),
    ..hosted(
        "nvidia",
        "NVIDIA NIM",
        "https://integrate.api.nvidia.com/v1",
        &["NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"],
    )
};
/// Hyperbolic.
pub static HYPERBOLIC: Provider =
    hosted("hyperbolic", "Hyperbolic", "https://api.hyperbolic.xyz/v1", &["HYPERBOLIC_API_KEY"]);

/// AkashML; it answers 529 when no backend of the model is healthy, and 402 when its credits are spent.
/// Its list of models has prices, windows and quantization ([`crate::dialects::offers`]).
pub static AKASH: Provider = Provider {
    continent: Some(Continent::Decentralised),
    about: About::OPENAI.limited(&[
        "Status 529 says that no machine has the model in health: the next endpoint has its turn.",
        "Status 402 says that the account's credits are spent.",
        "Its list of models tells prices, windows and quantization.",
    ]),
    ..hosted("akash", "AkashML", "https://api.akashml.com/v1", &["AKASHML_API_KEY"])
};
/// io.net IO Intelligence; its list of models names them by `name`, and has their prices per token in
/// `metadata` ([`crate::dialects::offers`]).
pub static IONET: Provider = Provider {
    continent: Some(Continent::Decentralised),
    about: About::OPENAI.limited(&[
        "Its list of models is a shape of its own: names, windows and prices per token are read off it.",
    ]),
    ..hosted(
        "ionet",
        "io.net IO Intelligence",
        "https://api.intelligence.io.solutions/api/v1",
        &["IOINTELLIGENCE_API_KEY"],
    )
};
/// Targon (Bittensor subnet 4). Its documents describe leases; this address is known from third
/// parties alone.
pub static TARGON: Provider = Provider {
    continent: Some(Continent::Decentralised),
    about: About::OPENAI.limited(&[
        "The vendor's documents describe leases only; this address is known from third parties.",
    ]),
    ..hosted("targon", "Targon", "https://api.targon.com/v1", &["TARGON_API_KEY"])
};
/// Phala's confidential inference.
pub static PHALA: Provider = Provider {
    continent: Some(Continent::Decentralised),
    about: About::OPENAI.limited(&[UNPROVED]),
    ..hosted("phala", "Phala", "https://inference.phala.com/v1", &["PHALA_API_KEY"])
};
/// RedPill, Phala's router.
pub static REDPILL: Provider = Provider {
    continent: Some(Continent::Decentralised),
    about: About::OPENAI
        .limited(&[UNPROVED, "It is a router: who answers behind it depends on the model."]),
    ..hosted("redpill", "RedPill", "https://api.redpill.ai/v1", &["REDPILL_API_KEY"])
};

/// vLLM.
pub static VLLM: Provider = Provider {
    build: with_responses,
    about: About::WITH_RESPONSES.continuing(),
    ..own("vllm", "vLLM", "http://127.0.0.1:8000/v1", &["VLLM_API_KEY"], "VLLM_BASE_URL")
};
/// SGLang.
pub static SGLANG: Provider = Provider {
    about: About::OPENAI.continuing(),
    ..own("sglang", "SGLang", "http://127.0.0.1:30000/v1", &["SGLANG_API_KEY"], "SGLANG_BASE_URL")
};
/// Ollama.
pub static OLLAMA: Provider = Provider {
    build: with_responses,
    about: About::WITH_RESPONSES,
    ..own("ollama", "Ollama", "http://127.0.0.1:11434/v1", &["OLLAMA_API_KEY"], "OLLAMA_BASE_URL")
};
/// llama.cpp's server. Its usual port is the gateway's too, so that one of the two must move.
pub static LLAMACPP: Provider = Provider {
    about: About::OPENAI
        .limited(&["Its usual port is the gateway's too: one of the two must move."]),
    ..own(
        "llamacpp",
        "llama.cpp server",
        "http://127.0.0.1:8080/v1",
        &["LLAMACPP_API_KEY"],
        "LLAMACPP_BASE_URL",
    )
};
/// LM Studio.
pub static LMSTUDIO: Provider = Provider {
    build: with_responses,
    about: About::WITH_RESPONSES,
    ..own(
        "lmstudio",
        "LM Studio",
        "http://127.0.0.1:1234/v1",
        &["LMSTUDIO_API_KEY"],
        "LMSTUDIO_BASE_URL",
    )
};
/// Anything else that speaks OpenAI's language; the operator says where.
pub static OPENAI_COMPATIBLE: Provider = Provider {
    kind: "openai-compatible",
    title: "OpenAI-compatible",
    base_url: None,
    key_variables: &[],
    base_url_variable: None,
    key_optional: true,
    options: &[],
    presence_variables: &[],
    base_url_derived: false,
    processing: unknown,
    continent: None,
    domains: &[],
    about: About::OPENAI,
    build: plain,
};

/// A vendor's service: known address, credential required.
pub(crate) const fn hosted(
    kind: &'static str,
    title: &'static str,
    base_url: &'static str,
    key_variables: &'static [&'static str],
) -> Provider {
    Provider {
        kind,
        title,
        base_url: Some(base_url),
        key_variables,
        base_url_variable: None,
        key_optional: false,
        options: &[],
        presence_variables: &[],
        base_url_derived: false,
        processing: unknown,
        continent: Some(Continent::Vendor),
        domains: &[],
        about: About::OPENAI,
        build: plain,
    }
}

/// A kind with a protocol of its own on a decentralised network, at an address that only the operator
/// knows, without an `api_key`.
pub(crate) const fn custom(
    kind: &'static str,
    title: &'static str,
    build: fn(&AccountSettings) -> Result<Arc<dyn Adapter>, BuildError>,
) -> Provider {
    Provider {
        base_url: None,
        key_optional: true,
        continent: Some(Continent::Decentralised),
        build,
        ..hosted(kind, title, "", &[])
    }
}

/// A server of one's own: on this machine unless told otherwise, seldom with a credential.
const fn own(
    kind: &'static str,
    title: &'static str,
    base_url: &'static str,
    key_variables: &'static [&'static str],
    base_url_variable: &'static str,
) -> Provider {
    Provider {
        base_url_variable: Some(base_url_variable),
        key_optional: true,
        // The software runs on anybody's machines; whose they are, only the operator knows.
        continent: None,
        ..hosted(kind, title, base_url, key_variables)
    }
}

/// Most names tell nothing of a place.
pub(crate) fn unknown(_settings: &AccountSettings, _model: &UpstreamModel) -> Processing {
    Processing::Unknown
}

fn with_responses(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    openai_shaped::build(settings, &WITH_RESPONSES)
}

fn plain(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    openai_shaped::build(settings, &PLAIN)
}

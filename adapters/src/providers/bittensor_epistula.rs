//! A miner of a Bittensor subnet that speaks OpenAI's language and wants each request signed by
//! Epistula, version 2.
//!
//! ```yaml
//! kind: bittensor-epistula
//! base_url: http://203.0.113.7:8091/v1
//! hotkey_seed: "${BITTENSOR_HOTKEY_SEED}"  # of a hotkey that the subnet knows
//! signed_for: 5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty  # the miner's, or left out
//! ```
//!
//! **Transport only.** The request is signed, the answer is not: that it came from this address is all
//! that is known, not who made it and not with which model.

use std::sync::Arc;
use std::time::SystemTime;

use crate::adapter::Adapter;
use crate::bittensor::epistula::Epistula;
use crate::bittensor::options::{HOTKEY_SEED, address, hotkey};
use crate::http_adapter::Auth;
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, custom};
use crate::registry::{About, BuildError, Provider, ProviderOption, Shape};
use crate::settings::AccountSettings;

/// Bittensor's miners behind Epistula.
pub static BITTENSOR_EPISTULA: Provider = Provider {
    options: &[
        HOTKEY_SEED,
        ProviderOption {
            name: "signed_for",
            variables: &[],
            shape: Shape::Text,
            help: "the receiver's hotkey: its SS58 address; without it anyone may receive",
        },
    ],
    about: About {
        credential: "headers `Epistula-…`, version 2, signed by the hotkey (sr25519)",
        ..About::OPENAI.limited(&[
            "Nothing that it answers is signed: only that the answer came from this address is known, \
             and facts must not claim more.",
            "The machine's clock must be right: receivers refuse what is some seconds old.",
        ])
    },
    ..custom("bittensor-epistula", "Bittensor, OpenAI signed by Epistula", build)
};

fn build(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    let signed_for = address(settings, "signed_for")?;
    let signer = Epistula::new(hotkey(settings)?, signed_for, SystemTime::now);
    openai_shaped::build(settings, &Wire { auth: Auth::Each(Arc::new(signer)), ..PLAIN })
}

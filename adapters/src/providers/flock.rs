//! FLock's API platform: a LiteLLM proxy, which takes the credential in a header of its own
//! (docs.flock.io) and tells a spent budget with status 400 and the type `budget_exceeded`.

use crate::http_adapter::Auth;
use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, hosted};
use crate::registry::{About, Continent, Provider};

const WIRE: Wire = Wire { auth: Auth::Header("x-litellm-api-key"), ..PLAIN };

/// FLock.
pub static FLOCK: Provider = Provider {
    continent: Some(Continent::Decentralised),
    about: About {
        credential: "x-litellm-api-key:",
        ..About::OPENAI
            .limited(&["A spent budget comes with status 400, and is a spent quota here."])
    },
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted("flock", "FLock", "https://api.flock.io/v1", &["FLOCK_API_KEY"])
};

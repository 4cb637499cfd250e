//! NEAR AI Cloud: the list of models has a path and a shape of its own (nearai/cloud-api).

use crate::providers::openai_shaped::{self, Wire};
use crate::providers::table::{PLAIN, UNPROVED, hosted};
use crate::registry::{About, Continent, Provider};

const WIRE: Wire = Wire { models_path: "/model/list", ..PLAIN };

/// NEAR AI Cloud.
pub static NEARAI: Provider = Provider {
    continent: Some(Continent::Decentralised),
    about: About::OPENAI.limited(&[UNPROVED]),
    build: |settings| openai_shaped::build(settings, &WIRE),
    ..hosted(
        "nearai",
        "NEAR AI Cloud",
        "https://cloud-api.near.ai/v1",
        &["NEARAI_API_KEY", "NEAR_AI_API_KEY"],
    )
};

//! The files that ship, one for each kind of provider that has public prices.

use std::sync::LazyLock;

use super::{Catalogue, read};

/// A file's name and its text.
macro_rules! files {
    ($($kind:literal)+) => {
        &[$((
            concat!("config/catalogue/", $kind, ".csv"),
            include_str!(concat!("../../../config/catalogue/", $kind, ".csv")),
        )),+]
    };
}

pub(super) static FILES: &[(&str, &str)] = files![
    "anthropic" "azure" "bedrock" "cerebras" "cohere" "deepseek" "fireworks" "gemini" "groq"
    "mistral" "openai" "perplexity" "together" "vertex" "xai"
];

/// All of them. A test reads them, so that none can be wrong here.
pub(super) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        let rows = FILES.iter().flat_map(|(file, text)| read(file, text).unwrap_or_default());
        Catalogue::new(rows).unwrap_or_default()
    });
    &CATALOGUE
}

//! AWS Bedrock: an account in one region.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use isthmus_inference::capability::Capability;
use isthmus_inference::failure::{Blame, Failure, Kind, Retry};
use isthmus_inference::ident::UpstreamModel;
use serde::Deserialize;

use crate::adapter::{Adapter, Answer, Attempt};
use crate::auth::aws::{self, AwsSettings};
use crate::dialect::{ChatDialect, EmbeddingDialect};
use crate::dialects::bedrock::Converse;
use crate::dialects::bedrock::embedding::Embedder;
use crate::http_adapter::{self, Auth};
use crate::http_client::Target;
use crate::places::Processing;
use crate::registry::{About, BuildError, Continent, Provider, ProviderOption, Shape};
use crate::service::{Listing, Route, Service, unserved};
use crate::settings::AccountSettings;

pub mod regions;

/// AWS Bedrock. The base URL is the origin of `bedrock-runtime`; its variable is the one of AWS's own
/// SDKs.
pub static BEDROCK: Provider = Provider {
    kind: "bedrock",
    title: "AWS Bedrock",
    base_url: None,
    key_variables: &["AWS_BEARER_TOKEN_BEDROCK"],
    base_url_variable: Some("AWS_ENDPOINT_URL_BEDROCK_RUNTIME"),
    key_optional: true,
    options: &[
        option(
            "region",
            Shape::Text,
            "the region, such as eu-central-1; AWS_REGION or the profile's unless said",
        ),
        option(
            "access_key_id",
            Shape::Secret,
            "a key of its own, instead of AWS's usual chain of credentials",
        ),
        option("secret_access_key", Shape::Secret, "what signs for that key"),
        option("session_token", Shape::Secret, "goes with a key that ends"),
        option("profile", Shape::Text, "a profile of ~/.aws/config or ~/.aws/credentials"),
    ],
    // What the usual chain starts from.
    presence_variables: &[
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ],
    base_url_derived: true,
    processing,
    continent: Some(Continent::Cloud),
    domains: &["amazonaws.com", "amazonaws.com.cn", "api.aws"],
    about: About {
        dialects: &["Bedrock Converse", "InvokeModel for embeddings"],
        relays: &[],
        credential: "AWS Signature v4, or authorization: Bearer with a Bedrock API key",
        capabilities: &[
            Capability::Chat,
            Capability::Embeddings,
            Capability::Tools,
            Capability::Vision,
            Capability::JsonSchema,
            Capability::Reasoning,
            Capability::Audio,
            Capability::Documents,
        ],
        limits: &[
            "Credentials are those of AWS's usual chain: the environment, profiles, web identity, \
             containers, instances.",
            "The prefix of an inference profile (`us.` `eu.` `apac.` `jp.` `au.` `ca.` `global.`) says \
             where calls may be processed; `isthmus check` holds `processing_regions` against it.",
            "No log-probabilities, no more than one answer to a request, no legacy completions.",
            "Media are sent along, never as addresses: the gateway fetches them within limits.",
            "Calls cannot be forced with Llama and Command, and one among several only by offering it \
             alone, but for Claude and Nova; names of functions have up to 64 letters, digits, `_` and \
             `-`.",
            "Documents are cited by Claude alone; a search result of Messages is told as a document, \
             without its source.",
            "Embeddings: Titan, Nova and Cohere.",
        ],
    },
    build,
};

fn processing(settings: &AccountSettings, model: &UpstreamModel) -> Processing {
    regions::processing_regions(model.as_str(), settings.option("region").unwrap_or_default())
}

/// The options' variables are read by the chain of credentials, which knows their precedence.
const fn option(name: &'static str, shape: Shape, help: &'static str) -> ProviderOption {
    ProviderOption { name, variables: &[], shape, help }
}

/// An account in one region.
struct Bedrock {
    /// The origin of `bedrock-runtime`.
    runtime: String,
    /// Where models are listed, unless the account is somewhere else than at AWS.
    models: Option<Target>,
}

/// An account of which no one has said where it is, such as that of a machine whose environment has
/// keys for other services of AWS. It answers no call.
struct Unplaced;

fn build(settings: &AccountSettings) -> Result<Arc<dyn Adapter>, BuildError> {
    let own = AwsSettings {
        region: settings.option("region").map(str::to_owned),
        access_key_id: settings.secret("access_key_id"),
        secret_access_key: settings.secret("secret_access_key"),
        session_token: settings.secret("session_token"),
        profile: settings.option("profile").map(str::to_owned),
        bearer: settings.api_key.clone(),
    };
    let Some(region) = aws::region(&own, &settings.environment) else {
        if settings.options.is_empty() && settings.base_url.is_none() {
            return Ok(Arc::new(Unplaced));
        }
        return Err(BuildError(NO_REGION.to_owned()));
    };
    let named = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || !region.chars().all(named) {
        return Err(BuildError(format!("`region`: `{region}` is not a region's name")));
    }
    let domain = domain(&region);
    let at = |base: &str, path: &str| {
        Target::new(base, path).map_err(|error| BuildError(format!("`base_url`: {error}")))
    };
    let (runtime, models) = match &settings.base_url {
        Some(base) => (base.clone(), None),
        None => {
            let control = format!("https://bedrock.{region}.{domain}");
            let models = at(&control, "/foundation-models")?;
            (format!("https://bedrock-runtime.{region}.{domain}"), Some(models))
        }
    };
    at(&runtime, "")?;
    let credential = aws::authorise(settings.kind.kind, &own, &region, &settings.environment);
    let credential = credential.map_err(BuildError)?;
    http_adapter::build(settings, &Auth::Each(credential), Bedrock { runtime, models })
}

const NO_REGION: &str = "a provider of kind `bedrock` needs a `region`, or AWS_REGION";

/// The domain of a region's partition (botocore's `partitions.json`).
fn domain(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "amazonaws.com.cn",
        _ if region.starts_with("eusc-") => "amazonaws.eu",
        _ if region.starts_with("us-isob-") => "sc2s.sgov.gov",
        _ if region.starts_with("us-iso-") => "c2s.ic.gov",
        _ => "amazonaws.com",
    }
}

// === impl Bedrock ===

impl Bedrock {
    fn target(&self, model: &UpstreamModel, action: &str) -> Result<Target, Failure> {
        let path = format!("/model/{}/{action}", encoded(model.as_str()));
        Target::new(&self.runtime, &path).map_err(|error| {
            Failure::new(Kind::Internal, "a model has no address").with_detail(error)
        })
    }
}

impl Service for Bedrock {
    fn chat(
        &self,
        model: &UpstreamModel,
        stream: bool,
    ) -> Result<Route<'_, dyn ChatDialect>, Failure> {
        let action = if stream { "converse-stream" } else { "converse" };
        let target = Cow::Owned(self.target(model, action)?);
        Ok(Route { target, dialect: Converse::of(model.as_str()) })
    }

    fn embedding(&self, model: &UpstreamModel) -> Result<Route<'_, dyn EmbeddingDialect>, Failure> {
        let embedder = Embedder::of(model.as_str());
        let dialect = embedder.ok_or_else(|| unserved("embeddings", model))?;
        Ok(Route { target: Cow::Owned(self.target(model, "invoke")?), dialect })
    }

    fn models(&self) -> Option<Listing> {
        Some(Listing { target: self.models.clone()?, decode: decode_models })
    }
}

/// A model's id as one segment of a path: all but unreserved characters percent-encoded, as AWS's own
/// SDKs do it, whose signatures would not fit otherwise.
fn encoded(model: &str) -> String {
    model.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing into a `String` does not fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
        out
    })
}

/// `ListFoundationModels`.
fn decode_models(body: &[u8]) -> Result<Vec<String>, Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct List {
        model_summaries: Vec<Summary>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Summary {
        model_id: String,
    }
    let list: List = serde_json::from_slice(body).map_err(|error| {
        let message = "the provider's list of models cannot be understood";
        Failure::new(Kind::Malformed, message).with_detail(error)
    })?;
    Ok(list.model_summaries.into_iter().map(|summary| summary.model_id).collect())
}

// === impl Unplaced ===

impl Adapter for Unplaced {
    fn call(&self, _attempt: Attempt) -> BoxFuture<'_, Result<Answer, Failure>> {
        ready(Err(no_region())).boxed()
    }

    fn models(&self) -> BoxFuture<'_, Result<Vec<String>, Failure>> {
        ready(Err(no_region())).boxed()
    }
}

fn no_region() -> Failure {
    let message =
        "the gateway does not know the region of its AWS account; its operator must set it";
    let failure = Failure::new(Kind::Unsupported, message).with_detail(NO_REGION);
    failure.blamed_on(Blame::House).retried(Retry::Elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_one_segment_of_a_path() {
        let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.x-v1:0";
        let path = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x-v1%3A0";
        assert_eq!(encoded(arn), path);
        let service = Bedrock { runtime: "https://example.com/base/".into(), models: None };
        let target = service.target(&"a b/ж:0".into(), "converse").unwrap();
        assert_eq!(target.as_str(), "https://example.com/base/model/a%20b%2F%D0%B6%3A0/converse");
    }

    #[test]
    fn regions_have_the_domain_of_their_partition() {
        for (region, expected) in [
            ("eu-central-1", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
        ] {
            assert_eq!(domain(region), expected);
        }
    }

    #[test]
    fn models_are_listed_by_their_ids() {
        let body =
            br#"{"modelSummaries":[{"modelId":"a.b-v1:0","modelName":"B"},{"modelId":"c.d"}]}"#;
        assert_eq!(decode_models(body).unwrap(), ["a.b-v1:0", "c.d"]);
        assert_eq!(decode_models(b"{}").unwrap_err().kind, Kind::Malformed);
    }
}

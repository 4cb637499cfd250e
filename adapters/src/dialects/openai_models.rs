//! Lists of models, in the shapes that providers have for them.

use isthmus_inference::failure::{Failure, Kind};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::dialects::openai_error::excerpt;

/// OpenAI's `{"data":[…]}`, NEAR AI's `{"models":[…]}`, or the bare list that Together sends.
#[derive(Deserialize)]
#[serde(untagged)]
enum List<M> {
    Bare(Vec<M>),
    Wrapped {
        #[serde(alias = "models")]
        data: Vec<M>,
    },
}

/// One model. The first of these that is there is what a request must name.
#[derive(Deserialize)]
struct Model {
    id: Option<String>,
    /// NEAR AI's word.
    #[serde(rename = "modelId")]
    model_id: Option<String>,
    /// io.net's word; its `model_id` is a number of its own that no request takes.
    name: Option<String>,
}

impl Model {
    fn name(self) -> Option<String> {
        self.id.or(self.model_id).or(self.name)
    }
}

/// The names in a list of models, in the order in which they came.
pub fn decode_models(body: &[u8]) -> Result<Vec<String>, Failure> {
    let models = read::<Model>(body)?.into_iter();
    Ok(models.filter_map(Model::name).collect())
}

/// The models of a list, in whatever shape it has.
pub(crate) fn read<M: DeserializeOwned>(body: &[u8]) -> Result<Vec<M>, Failure> {
    let list = serde_json::from_slice(body).map_err(|error| {
        Failure::new(Kind::Malformed, "the provider's list of models cannot be read")
            .with_detail(format!("{error}; it began with {}", excerpt(body)))
    })?;
    let (List::Bare(models) | List::Wrapped { data: models }) = list;
    Ok(models)
}

/// What a request must name to get this model.
pub(crate) fn name(model: &Value) -> Option<String> {
    Model::deserialize(model).ok()?.name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_shape_gives_the_names_to_send() {
        let cases = [
            r#"{"object":"list","data":[{"id":"a","object":"model"},{"id":"b"}]}"#,
            r#"[{"id":"a","type":"chat"},{"id":"b","name":"Bee"}]"#,
            r#"{"models":[{"modelId":"a","metadata":{}},{"modelId":"b"}],"limit":2,"total":2}"#,
            r#"{"data":[{"model_id":"6f1c","name":"a","status":"active"},{"model_id":"9","name":"b"}],"pagination":{}}"#,
        ];
        for case in cases {
            assert_eq!(decode_models(case.as_bytes()).unwrap(), ["a", "b"], "{case}");
        }
    }

    #[test]
    fn what_is_no_list_is_malformed() {
        for case in ["", "<html>", "{}", "{\"data\":{}}", "[1]"] {
            assert_eq!(decode_models(case.as_bytes()).unwrap_err().kind, Kind::Malformed, "{case}");
        }
    }
}

//! Lists of models, in the shapes that providers have for them.

use isthmus_inference::failure::{Failure, Kind};
use serde::Deserialize;

use crate::dialects::openai_error::excerpt;

/// OpenAI's `{"data":[…]}`, NEAR AI's `{"models":[…]}`, or the bare list that Together sends.
#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Bare(Vec<Model>),
    Wrapped {
        #[serde(alias = "models")]
        data: Vec<Model>,
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

/// The names in a list of models, in the order in which they came.
pub fn decode_models(body: &[u8]) -> Result<Vec<String>, Failure> {
    let list: List = serde_json::from_slice(body).map_err(|error| {
        Failure::new(Kind::Malformed, "the provider's list of models cannot be read")
            .with_detail(format!("{error}; it began with {}", excerpt(body)))
    })?;
    let (List::Bare(models) | List::Wrapped { data: models }) = list;
    Ok(models.into_iter().filter_map(|model| model.id.or(model.model_id).or(model.name)).collect())
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

//! Vectors: near for near meanings, and refused where the model cannot make them.

use std::sync::OnceLock;
use std::time::Duration;

use isthmus_inference::embedding::{EmbeddingInput, EmbeddingRequest};
use isthmus_inference::failure::Kind;
use isthmus_runtime::{Engine, EngineSettings};

use crate::support::{ask, embedding_model, engine};

fn embedder() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let settings = || EngineSettings { threads: Some(1), ..EngineSettings::new(embedding_model()) };
    ENGINE.get_or_init(|| Engine::load(&settings()).unwrap())
}

fn request(texts: &[&str]) -> EmbeddingRequest {
    let inputs = texts.iter().map(|&text| EmbeddingInput::Text(text.into())).collect();
    EmbeddingRequest { inputs, ..EmbeddingRequest::default() }
}

fn likeness(first: &[f32], second: &[f32]) -> f32 {
    first.iter().zip(second).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn near_meanings_have_near_vectors() {
    let texts = ["The cat sleeps.", "A kitten is dozing.", "Stocks fell sharply today."];
    let answer = embedder().embed(&request(&texts)).await.unwrap();
    let [cat, kitten, stocks] = answer.vectors.as_slice() else { panic!("not three vectors") };
    assert_eq!(cat.len() as u32, embedder().info().embedding_length.unwrap());
    assert!((likeness(cat, cat) - 1.0).abs() < 1e-4);
    let (near, far) = (likeness(cat, kitten), likeness(cat, stocks));
    assert!(near > far + 0.3, "{near} against {far}");
    assert!(answer.usage.uncached_input > 12 && answer.usage.output() == 0);
}

#[tokio::test]
async fn a_vector_does_not_depend_on_its_neighbours() {
    let alone = embedder().embed(&request(&["The cat sleeps."])).await.unwrap();
    let mut many = vec!["Something else entirely, and rather longer than the other text."; 70];
    many.push("The cat sleeps.");
    let crowd = embedder().embed(&request(&many)).await.unwrap();
    assert_eq!(crowd.vectors.len(), 71);
    let likeness = likeness(&alone.vectors[0], &crowd.vectors[70]);
    assert!(likeness > 0.999, "{likeness}");
}

#[tokio::test]
async fn what_the_model_cannot_do_is_refused() {
    let shorter = EmbeddingRequest { dimensions: Some(64), ..request(&["x"]) };
    let failure = embedder().embed(&shorter).await.unwrap_err();
    assert_eq!(failure.param.as_deref(), Some("dimensions"));
    assert!(failure.message.contains("384"), "{failure}");
    let long = "word ".repeat(1000);
    let failure = embedder().embed(&request(&[&long])).await.unwrap_err();
    assert_eq!(failure.kind, Kind::ContextLength);
    let failure = embedder().embed(&request(&[&"word ".repeat(1 << 20)])).await.unwrap_err();
    assert_eq!(failure.kind, Kind::ContextLength);
    assert!(failure.message.contains("bytes"), "{failure}");
    let failure = embedder().chat(&ask("Hi", 4)).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unsupported);
    let failure = engine().embed(&request(&["Hi"])).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Unsupported);
    assert!(failure.message.contains(&engine().info().id), "{failure}");
}

#[tokio::test]
async fn control_tokens_in_an_input_stay_text() {
    let spelt = embedder().embed(&request(&["[SEP]"])).await.unwrap();
    // Two marks around it, and more than one token for what is spelt.
    assert!(spelt.usage.uncached_input > 3, "{:?}", spelt.usage);
}

#[tokio::test]
async fn whoever_leaves_stops_the_rest_of_his_texts() {
    let settings = EngineSettings { threads: Some(1), ..EngineSettings::new(embedding_model()) };
    let engine = Engine::load(&settings).unwrap();
    let text = "A rather long text about nothing. ".repeat(40);
    let many = request(&vec![text.as_str(); 400]);
    let begun = async {
        while engine.load_state().prompt_tokens_computed == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = engine.embed(&many) => panic!("it was to take longer"),
        () = begun => {}
    }
    let after = engine.embed(&request(&["Hi"])).await.unwrap();
    assert_eq!(after.vectors.len(), 1);
    // All texts together have more than a hundred thousand tokens.
    let computed = engine.load_state().prompt_tokens_computed;
    assert!(computed < 50_000, "{computed}");
}

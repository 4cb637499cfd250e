//! Log-probabilities, of what was generated and of what was given.

use isthmus_inference::chat::{ChatRequest, Prompt};
use isthmus_inference::failure::Kind;

use crate::support::{ask, engine};

#[tokio::test]
async fn generated_tokens_come_with_their_probabilities() {
    let request = ChatRequest { top_logprobs: Some(5), ..ask("What is the capital of Italy?", 16) };
    let answer = engine().chat_whole(&request).await.unwrap();
    let logprobs = &answer.choices[0].logprobs;
    assert!(!logprobs.is_empty());
    assert_eq!(logprobs.len() as u64, answer.usage.text_output);
    for token in logprobs {
        assert!(token.logprob <= 0.0);
        assert_eq!(token.top.len(), 5);
        assert!(token.top.is_sorted_by(|first, second| first.1 >= second.1), "{token:?}");
        let sum: f32 = token.top.iter().map(|(_, logprob)| logprob.exp()).sum();
        assert!(sum <= 1.0 + 1e-4, "{sum}");
        // Greedy: the chosen token leads the alternatives.
        assert_eq!((&token.top[0].0, token.top[0].1), (&token.bytes, token.logprob));
    }
    let spelt: Vec<u8> = logprobs.iter().flat_map(|token| token.bytes.clone()).collect();
    assert_eq!(String::from_utf8(spelt).unwrap(), answer.choices[0].text());
}

#[tokio::test]
async fn scoring_an_answer_finds_the_probabilities_it_was_made_with() {
    let request = ChatRequest { top_logprobs: Some(0), ..ask("What is the capital of Spain?", 24) };
    let answer = engine().chat_whole(&request).await.unwrap().choices.remove(0);
    let mut tokens = engine().prompt_tokens(&request).await.unwrap();
    let from = tokens.len();
    tokens.extend(engine().tokenize(&answer.text()));
    let score = engine().score(&Prompt::Tokens(tokens.clone()), from, 1).await.unwrap();
    assert!(!answer.logprobs.is_empty() && !score.logprobs.is_empty());
    assert_eq!(score.logprobs.len(), tokens.len() - from);
    assert_eq!(score.usage.input(), tokens.len() as u64);
    assert_eq!(score.usage.output(), 0);
    for (made, found) in answer.logprobs.iter().zip(&score.logprobs) {
        assert_eq!(made.bytes, found.bytes);
        // Another shape of batch rounds otherwise; another model is ten times further off.
        assert!((made.logprob - found.logprob).abs() < 0.3, "{made:?} {found:?}");
    }
}

#[tokio::test]
async fn a_forged_answer_scores_lower() {
    let request = ask("What is the capital of Spain?", 24);
    let mean = |text: &'static str| {
        let request = &request;
        async move {
            let mut tokens = engine().prompt_tokens(request).await.unwrap();
            let from = tokens.len();
            tokens.extend(engine().tokenize(text));
            let score = engine().score(&Prompt::Tokens(tokens), from, 0).await.unwrap();
            let sum: f32 = score.logprobs.iter().map(|token| token.logprob).sum();
            sum / score.logprobs.len() as f32
        }
    };
    let genuine = mean("The capital of Spain is Madrid.").await;
    let forged = mean("Purple seven runs the Lisbon of tea.").await;
    assert!(genuine > forged + 2.0, "{genuine} against {forged}");
}

#[tokio::test]
async fn the_first_token_cannot_be_scored() {
    let failure = engine().score(&Prompt::Text("Hello there".into()), 0, 0).await.unwrap_err();
    assert_eq!((failure.kind, failure.param.as_deref()), (Kind::InvalidRequest, Some("from")));
}

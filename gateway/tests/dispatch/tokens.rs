//! How large a request is expected to be before any endpoint has said so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use isthmus_adapters::tokens::Tokenizer;

use crate::scripted::{House, Rules, Step};

/// Takes each text for very many tokens, and counts how often it was asked.
#[derive(Default)]
struct Verbose(AtomicU64);

impl Tokenizer for Verbose {
    fn count(&self, _: &str) -> u64 {
        self.0.fetch_add(1, Relaxed);
        10_000
    }
}

#[tokio::test]
async fn the_first_request_of_a_pool_is_counted_and_no_other() {
    let verbose = Arc::new(Verbose::default());
    let tokenizer = Some(Arc::clone(&verbose) as Arc<dyn Tokenizer>);
    let answers = vec![Step::Answer; 2];
    let usual = House::new(&[("a", answers.clone())]).ask().await.unwrap().expected_input;
    let house = House::under(&Rules { tokenizer, ..Rules::default() }, &[("a", answers)]);
    for _ in 0..2 {
        let expected = house.ask().await.unwrap().expected_input;
        // At most two tokens of a byte are believed, where a quarter is usual.
        assert!(expected > 7 * usual, "{expected} {usual}");
    }
    assert_eq!(verbose.0.load(Relaxed), 1, "the request has one text");
}

#[tokio::test]
async fn a_file_is_neither_counted_nor_text() {
    let verbose = Arc::new(Verbose::default());
    let tokenizer = Some(Arc::clone(&verbose) as Arc<dyn Tokenizer>);
    let house =
        House::under(&Rules { tokenizer, ..Rules::default() }, &[("a", vec![Step::Answer])]);
    let picture = "iVBORw0KGgoAAAANSUhEUgAA".repeat(40_000);
    let picture = format!(r#""picture":{{"url":"data:image/png;base64,{picture}"}}"#);
    let expected = house.ask_with(&picture).await.unwrap().expected_input;
    assert!((1000..4000).contains(&expected), "{expected} for a megabyte");
    assert_eq!(verbose.0.load(Relaxed), 0);
}
